//! The directories of questions, as drivers/virt/coco/guest/report.c of Linux has them.

use std::collections::BTreeMap;

use super::wire::{Answer, Asked, Kind};
use super::{Guest, Provider};

/// The tree: a directory of entries, each with its attributes.
pub(super) struct Nodes {
    guest: Guest,
    provider: Provider,
    entries: BTreeMap<u64, Entry>,
    next: u64,
}

/// One question.
struct Entry {
    name: String,
    inblob: Vec<u8>,
    /// Writes so far.
    generation: u64,
    /// The count at which the report was made.
    made_at: Option<u64>,
    report: Vec<u8>,
    auxiliary: Vec<u8>,
}

/// The root of every FUSE tree.
const ROOT: u64 = 1;
/// Numbers of nodes that an entry takes: itself, and its attributes.
const STRIDE: u64 = 16;
const ATTRIBUTES: [&str; 8] =
    ["", "provider", "generation", "inblob", "outblob", "auxblob", "privlevel_floor", "privlevel"];
/// `TSM_REPORT_INBLOB` takes 32 to 64 bytes.
const INBLOB: std::ops::RangeInclusive<usize> = 32..=64;

const ENOENT: i32 = 2;
const EEXIST: i32 = 17;
const EINVAL: i32 = 22;
const ENOSYS: i32 = 38;

impl Nodes {
    pub(super) const fn new(guest: Guest, provider: Provider) -> Self {
        Self { guest, provider, entries: BTreeMap::new(), next: 1 }
    }

    pub(super) fn answer(&mut self, node: u64, asked: &Asked<'_>) -> Answer {
        match asked {
            Asked::Init => Answer::Init,
            Asked::Lookup(name) => self.lookup(node, name),
            Asked::Attributes => Answer::Attributes(node, kind(node)),
            Asked::Mkdir(name) if node == ROOT => self.make(name),
            Asked::Rmdir(name) if node == ROOT => {
                let before = self.entries.len();
                self.entries.retain(|_, entry| entry.name != *name);
                if self.entries.len() < before { Answer::Done } else { Answer::Error(ENOENT) }
            }
            Asked::Mkdir(_) | Asked::Rmdir(_) => Answer::Error(EINVAL),
            Asked::Open => Answer::Opened,
            Asked::Read { offset, size } => match self.read(node) {
                Ok(bytes) => {
                    let rest = bytes.get(*offset..).unwrap_or_default();
                    Answer::Bytes(rest[..rest.len().min(*size)].to_vec())
                }
                Err(errno) => Answer::Error(errno),
            },
            Asked::Write { offset, bytes } => self.write(node, *offset, bytes),
            Asked::Done => Answer::Done,
            Asked::Nothing | Asked::Other => Answer::Error(ENOSYS),
        }
    }

    fn make(&mut self, name: &str) -> Answer {
        if self.entries.values().any(|entry| entry.name == name) {
            return Answer::Error(EEXIST);
        }
        let node = self.next * STRIDE;
        self.next += 1;
        let entry = Entry {
            name: name.to_owned(),
            inblob: Vec::new(),
            generation: 0,
            made_at: None,
            report: Vec::new(),
            auxiliary: Vec::new(),
        };
        self.entries.insert(node, entry);
        Answer::Entry(node, Kind::Directory)
    }

    fn lookup(&self, node: u64, name: &str) -> Answer {
        if node == ROOT {
            let found = self.entries.iter().find(|(_, entry)| entry.name == name);
            return found
                .map_or(Answer::Error(ENOENT), |(node, _)| Answer::Entry(*node, Kind::Directory));
        }
        let hidden =
            self.guest == Guest::Tdx && ["auxblob", "privlevel_floor", "privlevel"].contains(&name);
        let place = (1_u64..).zip(&ATTRIBUTES[1..]).find(|(_, attribute)| **attribute == name);
        match place {
            Some((place, _)) if !hidden && self.entries.contains_key(&node) => {
                Answer::Entry(node + place, Kind::File)
            }
            Some(_) | None => Answer::Error(ENOENT),
        }
    }

    fn read(&mut self, node: u64) -> Result<Vec<u8>, i32> {
        let guest = self.guest;
        let entry = self.entries.get_mut(&(node - node % STRIDE)).ok_or(ENOENT)?;
        Ok(match attribute(node) {
            "provider" if guest == Guest::Tdx => b"tdx_guest\n".to_vec(),
            "provider" => b"sev_guest\n".to_vec(),
            "generation" => format!("{}\n", entry.generation).into_bytes(),
            "privlevel_floor" => b"0\n".to_vec(),
            "outblob" => entry.make(&self.provider)?.report.clone(),
            "auxblob" => entry.make(&self.provider)?.auxiliary.clone(),
            _ => return Err(EINVAL),
        })
    }

    fn write(&mut self, node: u64, offset: usize, bytes: &[u8]) -> Answer {
        let Some(entry) = self.entries.get_mut(&(node - node % STRIDE)) else {
            return Answer::Error(ENOENT);
        };
        match attribute(node) {
            "inblob" if offset == 0 && INBLOB.contains(&bytes.len()) => {
                entry.inblob = bytes.to_vec();
            }
            "privlevel" if offset == 0 => {}
            _ => return Answer::Error(EINVAL),
        }
        entry.generation += 1;
        Answer::Written(bytes.len())
    }
}

impl Entry {
    /// Asks the firmware, unless the report is of what was written last.
    fn make(&mut self, provider: &Provider) -> Result<&Self, i32> {
        if self.inblob.is_empty() {
            return Err(EINVAL);
        }
        if self.made_at != Some(self.generation) {
            let mut data = [0; 64];
            data[..self.inblob.len()].copy_from_slice(&self.inblob);
            (self.report, self.auxiliary) = provider(&data);
            self.made_at = Some(self.generation);
        }
        Ok(self)
    }
}

const fn kind(node: u64) -> Kind {
    if node == ROOT || node.is_multiple_of(STRIDE) { Kind::Directory } else { Kind::File }
}

fn attribute(node: u64) -> &'static str {
    let place = usize::try_from(node % STRIDE).unwrap_or_default();
    ATTRIBUTES.get(place).copied().unwrap_or_default()
}
