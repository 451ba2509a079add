//! The client of one witness (c2sp.org/tlog-witness).
//!
//! It remembers which size the witness holds, and learns it from a conflict when it does not. An
//! origin that the witness does not know is enrolled with the epoch's evidence once, which ours
//! understands and others refuse. Only lines of the witness's own key are taken from an answer.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use lucarne_archive::Archive;
use lucarne_ledger::note::{self, NoteKey, Vouched};
use lucarne_ledger::witness::{self, Enrolment, read_size};

use super::history::{self, HistoryError};
use super::{Head, Log};
use crate::archiver::Archived;
use crate::export::client::{Client, ClientError, Endpoint};

/// One witness.
pub(super) struct Asker {
    key: NoteKey,
    client: Client,
    held: BTreeMap<Log, u64>,
}

/// Why a witness has not cosigned.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum AskError {
    /// There was no answer.
    Client(ClientError),
    /// It answered with another status.
    Status {
        /// The status.
        status: u16,
    },
    /// It holds a larger tree than the one that it was shown.
    Ahead {
        /// Size of the tree that it holds.
        size: u64,
    },
    /// Its answer holds no cosignature of its key.
    NotCosigned,
    /// It changes its mind about what it holds.
    Fickle,
    /// The records for a proof cannot be had.
    History(HistoryError),
}

impl fmt::Display for AskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(error) => write!(f, "{error}"),
            Self::Status { status } => write!(f, "witness answered with status {status}"),
            Self::Ahead { size } => write!(f, "witness holds a larger tree, of size {size}"),
            Self::NotCosigned => write!(f, "answer holds no cosignature of the witness's key"),
            Self::Fickle => write!(f, "witness names another size each time it is asked"),
            Self::History(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for AskError {}

impl AskError {
    /// Whether the witness was reached and would not.
    pub(super) const fn is_refusal(&self) -> bool {
        match self {
            Self::Status { status } => *status < 500,
            Self::Ahead { .. } | Self::NotCosigned | Self::Fickle => true,
            Self::Client(_) | Self::History(_) => false,
        }
    }

    /// Whether it says something of the log that was shown, and nothing of the witness.
    pub(super) const fn is_of_one_log(&self) -> bool {
        match self {
            // Credentials and pace are the same for all logs.
            Self::Status { status: 401 | 407 | 408 | 429 } => false,
            Self::History(_) => true,
            _ => self.is_refusal(),
        }
    }

    /// Whether it says nothing new after `before`.
    pub(super) fn repeats(&self, before: &Self) -> bool {
        matches!((self, before), (Self::Ahead { .. }, Self::Ahead { .. })) || self == before
    }
}

/// A first guess, the size that the conflict names, an enrolment, and one for a race.
const ATTEMPTS: usize = 4;
/// Ledgers whose size is remembered; what is forgotten is learnt from a conflict.
const HELD_MAX: usize = 4096;

impl Asker {
    /// Knows nothing of what the witness holds.
    pub(super) const fn new(key: NoteKey, endpoint: Endpoint) -> Self {
        Self { key, client: Client::new(endpoint), held: BTreeMap::new() }
    }

    /// Shows the checkpoints one after the other. When the witness cannot be reached, the rest is
    /// left for later.
    pub(super) async fn ask_all(
        &mut self,
        heads: &[Arc<Head>],
        archived: &Archived,
        archive: &dyn Archive,
    ) -> Vec<(Log, Result<Vec<String>, AskError>)> {
        let mut answers = Vec::with_capacity(heads.len());
        for head in heads {
            let answer = self.ask(head, archived, archive).await;
            let unreachable = matches!(answer, Err(AskError::Client(_)));
            answers.push((head.log.clone(), answer));
            if unreachable {
                break;
            }
        }
        answers
    }

    async fn ask(
        &mut self,
        head: &Head,
        archived: &Archived,
        archive: &dyn Archive,
    ) -> Result<Vec<String>, AskError> {
        let (log, size) = (&head.log, head.size);
        let mut enrolled = false;
        for _ in 0..ATTEMPTS {
            let old = self.held.get(log).copied().unwrap_or(0);
            if old > size {
                return Err(AskError::Ahead { size: old });
            }
            let path = tokio::task::block_in_place(|| history::path(archived, archive, head, old))
                .map_err(AskError::History)?;
            let body = witness::write(old, &path, &head.note);
            let answer = self.post("/add-checkpoint", body.into()).await?;
            match answer.status.as_u16() {
                200 => {
                    let lines = self.lines(&head.note, &answer.body)?;
                    self.remember(log, size);
                    return Ok(lines);
                }
                409 => {
                    let held = std::str::from_utf8(&answer.body).ok();
                    let held = held.and_then(|text| read_size(text.strip_suffix('\n')?));
                    self.remember(log, held.ok_or(AskError::Status { status: 409 })?);
                }
                404 if !enrolled => {
                    self.enrol(head).await?;
                    enrolled = true;
                }
                status => return Err(AskError::Status { status }),
            }
        }
        Err(AskError::Fickle)
    }

    async fn enrol(&mut self, head: &Head) -> Result<(), AskError> {
        // The key of a register is one that the witness was given.
        let Some(epoch) = &head.epoch else { return Err(AskError::Status { status: 404 }) };
        let collateral = epoch.collateral.as_deref();
        let body = Enrolment::write(&epoch.binding.to_cbor(), &epoch.evidence, collateral);
        let answer = self.post("/add-epoch", body.into()).await?;
        match answer.status.as_u16() {
            204 => Ok(()),
            status => Err(AskError::Status { status }),
        }
    }

    async fn post(
        &mut self,
        path: &str,
        body: Bytes,
    ) -> Result<crate::export::client::Answer, AskError> {
        self.client.post(path, &[], body).await.map_err(AskError::Client)
    }

    /// The lines of an answer that are cosignatures of this witness over the note.
    fn lines(&self, note: &str, answer: &[u8]) -> Result<Vec<String>, AskError> {
        let answer = std::str::from_utf8(answer).map_err(|_| AskError::NotCosigned)?;
        let text = note::claimed_text(note).map_err(|_| AskError::NotCosigned)?;
        let whole = format!("{text}\n{answer}");
        let opened = note::opened(&whole, std::slice::from_ref(&self.key))
            .map_err(|_| AskError::NotCosigned)?;
        let cosigned = |signature: &&note::Signature<'_>| match signature.vouched {
            Vouched::Cosigned { .. } => true,
            Vouched::Signed => false,
        };
        let lines = opened.signatures.iter().filter(cosigned);
        Ok(lines.map(|signature| format!("{}\n", signature.line)).collect())
    }

    fn remember(&mut self, log: &Log, size: u64) {
        if self.held.len() >= HELD_MAX {
            self.held.clear();
        }
        self.held.insert(log.clone(), size);
    }
}
