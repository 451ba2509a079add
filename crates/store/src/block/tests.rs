//! Blocks are read as they were written, or refused.

use lucarne_logql::labels::LabelSet;

use super::*;
use crate::cursor::Malformed;
use crate::fuzzing;
use crate::head::Head;

fn labels() -> LabelSet {
    LabelSet::from_pairs([("job", "tee-processengine"), ("level", "Error")])
}

fn head(rows: usize) -> Head {
    let mut head = Head::default();
    head.through = 77;
    for n in 0..rows {
        let line =
            format!(r#"{{"executionId":"exec-{n:04x}","errorCode":"E_{}","ms":{n}}}"#, n % 3);
        head.begin(1_000 - (n as i64 % 7) * 10, &line);
        head.field("trace_id", &format!("{:032x}", n * 0x1_0001));
        if n % 2 == 0 {
            head.field("even", "yes");
        }
    }
    head
}

fn write(head: &Head) -> Vec<u8> {
    BlockWriter::new().unwrap().write(&labels(), head).unwrap().bytes
}

#[test]
fn rows_come_back_by_time() {
    let head = head(50);
    let bytes = write(&head);
    let block = Block::open(&bytes).unwrap();
    block.check().unwrap();
    assert_eq!((&block.footer.labels, block.footer.through, block.rows()), (&labels(), 77, 50));
    let rows = block.read_rows().unwrap();
    let mut expected: Vec<_> = (0..50).map(|row| (head.time(row), head.line(row))).collect();
    expected.sort_by_key(|&(time, _)| time);
    let read: Vec<_> = rows.times.iter().copied().zip((0..50).map(|row| rows.line(row))).collect();
    assert_eq!(read, expected);
    assert_eq!((block.footer.first_ns, block.footer.last_ns), (940, 1_000));
    let names: Vec<_> = block.columns(Class::Json).map(|section| section.name.as_str()).collect();
    assert_eq!(names, ["errorCode", "executionId", "ms"]);
}

#[test]
fn a_head_without_rows_is_no_block() {
    assert!(BlockWriter::new().unwrap().write(&labels(), &Head::default()).is_none());
}

#[test]
fn a_block_that_is_cut_or_continued_is_refused() {
    let bytes = write(&head(20));
    for end in 0..bytes.len() {
        let cut = &bytes[..end];
        assert!(Block::open(cut).and_then(|block| block.check()).is_err(), "cut at {end}");
    }
    let longer = [bytes.as_slice(), b"x"].concat();
    assert!(Block::open(&longer).is_err());
    assert_eq!(Block::open(b"LSB2....").err(), Some(Malformed::Magic));
    let over = vec![0; STORED_BYTES_MAX + 1];
    let (got, max) = (over.len() as u64, STORED_BYTES_MAX as u64);
    assert_eq!(Block::open(&over).err(), Some(Malformed::Limit { what: "block", got, max }));
}

#[test]
fn any_changed_byte_is_read_or_refused_but_never_a_surprise() {
    let bytes = write(&head(20));
    for at in 0..bytes.len() {
        for flip in [1, 0x80, 0xff] {
            let mut changed = bytes.clone();
            changed[at] ^= flip;
            fuzzing::fuzz_block(&changed);
        }
    }
}

#[test]
fn a_full_block_keeps_its_bounds() {
    let mut head = Head::default();
    let line = "x".repeat(4000);
    while head.content_bytes() + 4000 <= BLOCK_BYTES_MAX {
        head.begin(0, &line);
    }
    let bytes = write(&head);
    let block = Block::open(&bytes).unwrap();
    block.check().unwrap();
    assert_eq!(block.rows(), BLOCK_BYTES_MAX / 4000);
}

#[test]
fn ids_have_one_spelling() {
    let id = BlockId { segment: 2, block: 255 };
    assert_eq!(id.to_string(), "00000002-000000ff");
    assert_eq!(BlockId::parse("00000002-000000ff"), Some(id));
    for wrong in ["00000002-000000FF", "2-ff", "00000002-000000ff ", "+0000002-000000ff", ""] {
        assert_eq!(BlockId::parse(wrong), None, "{wrong}");
    }
    let first = BlockId::first(3, Kind::Traces);
    assert_eq!((first.kind(), first.life(), first.next().block), (Kind::Traces, 3, 1));
}

#[test]
fn the_corpus_is_replayed() {
    lucarne_testkit::replay("store_block", fuzzing::fuzz_block);
}
