//! Messages of FUSE 7.31, as far as a tree of small files needs them (include/uapi/linux/fuse.h).

/// Longer than any request: 128 KiB of a write and its header.
pub(super) const REQUEST_BYTES_MAX: usize = 256 << 10;

/// A request of the kernel.
pub(super) struct Request<'a> {
    pub(super) unique: u64,
    pub(super) node: u64,
    pub(super) asked: Asked<'a>,
}

/// What is asked of a node.
pub(super) enum Asked<'a> {
    Init,
    Lookup(&'a str),
    Attributes,
    Mkdir(&'a str),
    Rmdir(&'a str),
    Open,
    Read {
        offset: usize,
        size: usize,
    },
    Write {
        offset: usize,
        bytes: &'a [u8],
    },
    /// A file or directory is closed.
    Done,
    /// Needs no answer.
    Nothing,
    /// Nothing of a tree like this.
    Other,
}

/// What is answered.
pub(super) enum Answer {
    Init,
    Entry(u64, Kind),
    Attributes(u64, Kind),
    Opened,
    Bytes(Vec<u8>),
    Written(usize),
    Done,
    Error(i32),
}

/// A directory, or a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Directory,
    File,
}

impl<'a> Request<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (header, body) = bytes.split_at_checked(40)?;
        let opcode = u32_at(header, 4);
        let number = |at: usize| usize::try_from(u64_at(body, at)).unwrap_or(usize::MAX);
        let size = || usize::try_from(u32_at(body, 16)).unwrap_or(usize::MAX);
        let asked = match opcode {
            1 => Asked::Lookup(text(body)),
            2 | 36 | 42 => Asked::Nothing,
            3 | 4 => Asked::Attributes,
            9 => Asked::Mkdir(text(&body[8..])),
            11 => Asked::Rmdir(text(body)),
            14 | 27 => Asked::Open,
            15 => Asked::Read { offset: number(8), size: size() },
            16 => Asked::Write { offset: number(8), bytes: &body[40..] },
            18 | 25 | 29 | 34 => Asked::Done,
            26 => Asked::Init,
            38 => return None,
            _ => Asked::Other,
        };
        Some(Self { unique: u64_at(header, 8), node: u64_at(header, 16), asked })
    }
}

/// The bytes of an answer.
pub(super) fn reply(unique: u64, answer: Answer) -> Vec<u8> {
    let (error, body) = match answer {
        Answer::Init => (0, init()),
        Answer::Entry(node, kind) => {
            (0, [words(&[node, 0, 0, 0, 0]), attributes(node, kind)].concat())
        }
        Answer::Attributes(node, kind) => (0, [words(&[0, 0]), attributes(node, kind)].concat()),
        // Not through the page cache: lengths are known once a report is made.
        Answer::Opened => (0, words(&[0, 1])),
        Answer::Bytes(bytes) => (0, bytes),
        Answer::Written(count) => (0, words(&[count as u64])),
        Answer::Done => (0, Vec::new()),
        Answer::Error(errno) => (-errno, Vec::new()),
    };
    let length = u32::try_from(16 + body.len()).expect("short").to_le_bytes();
    [&length[..], &i32::to_le_bytes(error), &unique.to_le_bytes(), &body].concat()
}

/// `fuse_init_out`: version 7.31, writes of 64 KiB, no feature that has to be asked for.
fn init() -> Vec<u8> {
    let mut out = Vec::new();
    for number in [7_u32, 31, 0, 0, 0, 64 << 10, 1] {
        out.extend(number.to_le_bytes());
    }
    out.resize(64, 0);
    out
}

/// `fuse_attr`, of root.
fn attributes(node: u64, kind: Kind) -> Vec<u8> {
    let (mode, links): (u32, u32) = match kind {
        Kind::Directory => (0o040_755, 2),
        Kind::File => (0o100_644, 1),
    };
    let mut out = words(&[node, 4096, 0, 0, 0, 0]);
    for number in [0, 0, 0, mode, links, 0, 0, 0, 4096, 0] {
        out.extend(number.to_le_bytes());
    }
    out
}

fn words(numbers: &[u64]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

fn text(bytes: &[u8]) -> &str {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    str::from_utf8(&bytes[..end]).unwrap_or_default()
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}
