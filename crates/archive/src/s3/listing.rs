//! Names in a bucket in the order of their bytes, a page of them in memory.

use super::bucket::Bucket;
use super::engine::Engine;
use super::failure::{Call, Fault, S3Error};
use super::persevere;
use crate::name::Name;
use crate::store::ArchiveError;

/// An iterator over the names below a prefix.
pub(super) struct Names {
    engine: Engine,
    bucket: Bucket,
    prefix: String,
    /// Bytes of each key that are not the archive's business.
    hidden: usize,
    page: std::vec::IntoIter<String>,
    next: Next,
    last_key: String,
}

enum Next {
    First,
    After(String),
    End,
}

impl Names {
    pub(super) fn new(engine: Engine, bucket: Bucket, prefix: String, hidden: usize) -> Self {
        let page = Vec::new().into_iter();
        let (next, last_key) = (Next::First, String::new());
        Self { engine, bucket, prefix, hidden, page, next, last_key }
    }

    fn turn(&mut self, after: Option<String>) -> Result<(), S3Error> {
        let (bucket, prefix) = (self.bucket.clone(), self.prefix.clone());
        let asked = self
            .engine
            .wait(async move { persevere(|| bucket.key_page(&prefix, after.clone())).await });
        let page = asked.ok_or_else(|| self.fault(Fault::Thread))??;
        // An empty page with more to come would be asked for again and again.
        if page.items.is_empty() && page.next.is_some() {
            return Err(self.fault(Fault::NotUnderstood));
        }
        self.page = page.items.into_iter();
        self.next = page.next.map_or(Next::End, |place| Next::After(place.key));
        Ok(())
    }

    fn fault(&self, fault: Fault) -> S3Error {
        S3Error::new(Call::List, &self.prefix, fault)
    }
}

impl Iterator for Names {
    type Item = Result<Name, ArchiveError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(key) = self.page.next() {
                let below = key.get(self.hidden..).map(ToOwned::to_owned);
                // A listing that goes back could hide what it repeats.
                let (Some(below), true) = (below, key > self.last_key) else {
                    self.next = Next::End;
                    self.page = Vec::new().into_iter();
                    return Some(Err(self.fault(Fault::NotUnderstood).into()));
                };
                self.last_key = key;
                return Some(match below.parse() {
                    Ok(name) => Ok(name),
                    Err(_) => Err(ArchiveError::Stray { path: below.into() }),
                });
            }
            let after = match std::mem::replace(&mut self.next, Next::End) {
                Next::End => return None,
                Next::First => None,
                Next::After(token) => Some(token),
            };
            if let Err(error) = self.turn(after) {
                return Some(Err(error.into()));
            }
        }
    }
}
