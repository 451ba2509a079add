//! A bag that is being filled: items come in, each with a line of custody, until it is sealed.
//!
//! A file is in its place before custody and ledger name it. What a crash leaves between is payload
//! that nobody collected, which sealing refuses.

use std::path::{Path, PathBuf};

use super::age::{self, Recipient};
use super::custody::{Act, Custody, Deed};
use super::error::BundleError;
use super::item::{About, Item, Items, Status};
use super::path::BagPath;
use super::{CUSTODY, DATA, ITEM_BYTES_MAX, ITEMS_MAX, LEDGER, STATEMENT, TAG_BYTES_MAX, folder};
use crate::digest::Digest;
use crate::scrub::Scrubbed;

/// A draft.
#[derive(Debug)]
pub struct Draft {
    pub(super) bag: PathBuf,
    pub(super) items: Items,
    pub(super) custody: Custody,
}

/// Who does something, when and what for.
#[derive(Clone, Debug)]
pub struct Hand {
    /// Who.
    pub actor: Scrubbed,
    /// What for.
    pub purpose: Scrubbed,
    /// Milliseconds since 1970 UTC.
    pub wall_ms: u64,
}

/// An item as it came from its source.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its name.
    pub id: BagPath,
    /// What came.
    pub outcome: Outcome,
    /// What was asked.
    pub tool: Scrubbed,
    /// Milliseconds since 1970 UTC.
    pub started_ms: u64,
    /// Milliseconds since 1970 UTC.
    pub ended_ms: u64,
}

/// What came from a source.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Bytes.
    Collected {
        /// What is kept.
        bytes: Vec<u8>,
        /// SHA-256 at the source, before secrets were taken out.
        source: Digest,
        /// Who alone may read it; empty when it may lie open.
        recipients: Vec<Recipient>,
    },
    /// Nothing, and that is the answer.
    Empty,
    /// No answer.
    Failed(Scrubbed),
    /// No answer, by design.
    UnavailableByDesign(Scrubbed),
    /// A refusal.
    Denied(Scrubbed),
}

impl Draft {
    /// A new one, in a folder that must not be there.
    ///
    /// # Errors
    /// When the folder is there or cannot be made.
    pub fn create(bag: &Path, about: About) -> Result<Self, BundleError> {
        match std::fs::create_dir(bag) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                return Err(BundleError::Exists { path: bag.to_owned() });
            }
            made => made.map_err(BundleError::file(bag))?,
        }
        let data = bag.join(DATA);
        std::fs::create_dir(&data).map_err(BundleError::file(&data))?;
        let items = Items { about, items: Vec::new() };
        let draft = Self { bag: bag.to_owned(), items, custody: Custody::default() };
        folder::append(&bag.join(CUSTODY), b"")?;
        draft.write_items()?;
        Ok(draft)
    }

    /// One that was begun.
    ///
    /// # Errors
    /// When it is none, is sealed, or its custody does not hold.
    pub fn open(bag: &Path) -> Result<Self, BundleError> {
        if bag.join(STATEMENT).exists() {
            return Err(BundleError::Sealed);
        }
        let bytes = folder::read(&bag.join(LEDGER), TAG_BYTES_MAX)?;
        let items = Items::parse(&bytes).ok_or(BundleError::NotADraft)?;
        let custody = folder::read(&bag.join(CUSTODY), TAG_BYTES_MAX)?;
        let custody = Custody::parse(&custody).map_err(BundleError::Custody)?;
        Ok(Self { bag: bag.to_owned(), items, custody })
    }

    /// Takes an item in.
    ///
    /// # Errors
    /// When it is there already, too large, cannot be encrypted or cannot be written.
    pub fn add(&mut self, found: Found, by: &Hand) -> Result<(), BundleError> {
        if self.items.items.iter().any(|item| item.id == found.id) {
            return Err(BundleError::Twice { item: found.id });
        }
        if self.items.items.len() >= ITEMS_MAX {
            return Err(BundleError::TooMuch { what: "items", most: ITEMS_MAX });
        }
        let mut item = Item {
            id: found.id,
            status: Status::Empty,
            file: None,
            encrypted: false,
            scrubbed: false,
            tool: found.tool,
            started_ms: found.started_ms,
            ended_ms: found.ended_ms,
            reason: None,
        };
        match found.outcome {
            Outcome::Collected { bytes, source, recipients } => {
                self.place(&mut item, bytes, source, &recipients, by)?;
            }
            Outcome::Empty => {}
            Outcome::Failed(reason) => {
                (item.status, item.reason) = (Status::Failed, Some(reason));
            }
            Outcome::UnavailableByDesign(reason) => {
                (item.status, item.reason) = (Status::UnavailableByDesign, Some(reason));
            }
            Outcome::Denied(reason) => {
                (item.status, item.reason) = (Status::Denied, Some(reason));
            }
        }
        self.items.items.push(item);
        self.write_items()
    }

    /// Puts a tag file into the bag: `timeline.jsonl`, `decisions.jsonl`, a time stamp.
    ///
    /// # Errors
    /// When the name is taken or belongs to the payload, or it cannot be written.
    pub fn tag(&self, name: &BagPath, bytes: &[u8]) -> Result<(), BundleError> {
        let path = name.within(&self.bag);
        if name.is_payload() || path.exists() || super::seal::is_own(name) {
            return Err(BundleError::Exists { path });
        }
        folder::replace(&path, bytes)
    }

    /// What is in it.
    pub const fn items(&self) -> &Items {
        &self.items
    }

    pub(super) fn write_items(&self) -> Result<(), BundleError> {
        folder::replace(&self.bag.join(LEDGER), &self.items.to_bytes())
    }

    pub(super) fn record(&mut self, deed: Deed) -> Result<(), BundleError> {
        let line = self.custody.append(deed);
        folder::append(&self.bag.join(CUSTODY), &line)
    }

    fn place(
        &mut self,
        item: &mut Item,
        bytes: Vec<u8>,
        source: Digest,
        recipients: &[Recipient],
        by: &Hand,
    ) -> Result<(), BundleError> {
        if bytes.len() > ITEM_BYTES_MAX {
            return Err(BundleError::TooMuch { what: "bytes of an item", most: ITEM_BYTES_MAX });
        }
        item.scrubbed = Digest::of(&bytes) != source;
        item.encrypted = !recipients.is_empty();
        let (name, bytes) = if item.encrypted {
            let sealed = age::encrypt(&bytes, recipients).map_err(BundleError::Encryption)?;
            (format!("{DATA}/compartment/{}.age", item.id), sealed)
        } else {
            (format!("{DATA}/{}", item.id), bytes)
        };
        let file: BagPath =
            name.parse().map_err(|_| BundleError::Twice { item: item.id.clone() })?;
        if self.items.items.iter().any(|other| other.file.as_ref() == Some(&file)) {
            return Err(BundleError::Twice { item: item.id.clone() });
        }
        let landed = Digest::of(&bytes);
        let path = file.within(&self.bag);
        folder::replace(&path, &bytes)?;
        if folder::digest(&path)? != Some(landed) {
            return Err(BundleError::Changed { file });
        }
        self.record(Deed {
            wall_ms: by.wall_ms,
            actor: by.actor.clone(),
            act: Act::Collected,
            item: file.clone(),
            before: Some(source),
            after: Some(landed),
            purpose: by.purpose.clone(),
        })?;
        (item.status, item.file) = (Status::Collected, Some(file));
        Ok(())
    }
}
