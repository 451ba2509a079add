//! What a view keeps, and what a question to it becomes.
//!
//! The store and the API are those of the inside view. Its limits are those of a role that names
//! none.

use std::fs::File;
use std::io;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use lucarne_store::engine::error::QueryError;
use lucarne_store::engine::limits::{Cancel, Limits};
use lucarne_store::ingest::IngestError;
use lucarne_store::retention::Retention;
use lucarne_store::store::open_keyed;
use lucarne_store::stream::Mapping;
use lucarne_store::surface::{self, Asker, Mode, Polled, Request, Response, Tailing};
use lucarne_store::vault::Vault;
use lucarne_store::{Config, Store};

use super::batch::Batch;
use super::{OpenError, Settings};
use crate::export::sink::Tally;
use crate::view_server::{Answering, Bounds};

/// Rows and spans that are open.
pub(super) struct Kept {
    store: Store,
    /// Nobody else opens the directory while this is held.
    _lock: Option<File>,
}

impl Kept {
    pub(super) fn open(settings: &Settings) -> Result<Self, OpenError> {
        let bytes = settings.bytes;
        let config = Config {
            mapping: Mapping::with_job(""),
            retention: Retention {
                bytes,
                age_ns: i64::try_from(settings.age.as_nanos()).unwrap_or(i64::MAX),
            },
            head_bytes: usize::try_from(bytes / 8).unwrap_or(HEAD_BYTES).min(HEAD_BYTES),
        };
        let (store, lock) = match &settings.data {
            None => (Store::new(config, Vault::memory()).map_err(OpenError::Memory)?, None),
            Some(path) => {
                let opened = open_keyed(config, path, now_ns());
                let (store, lock) =
                    opened.map_err(|error| OpenError::Directory(path.clone(), error))?;
                (store, Some(lock))
            }
        };
        Ok(Self { store, _lock: lock })
    }

    /// Keeps a batch; what is kept is no longer in it.
    pub(super) fn keep(&self, batch: &mut Batch, tally: &mut Tally) -> Result<(), io::ErrorKind> {
        while !batch.rows.is_empty() {
            let run = batch.run();
            let rows = batch.rows.get(..run).unwrap_or_default();
            match self.store.append(rows, now_ns()) {
                Ok(taken) => {
                    tally.sent += taken.records;
                    tally.refused += taken.lines_too_long + taken.streams_refused;
                }
                Err(IngestError::NotDurable(error)) => return Err(error.kind()),
                Err(IngestError::Labels | IngestError::Wire(_)) => tally.refused += run as u64,
            }
            batch.rows.drain(..run);
        }
        while let Some(request) = batch.spans.last() {
            match self.store.ingest_spans(request, now_ns()) {
                Ok(taken) => {
                    tally.sent += taken.spans;
                    tally.refused += taken.refused;
                }
                Err(IngestError::NotDurable(error)) => return Err(error.kind()),
                Err(IngestError::Labels | IngestError::Wire(_)) => tally.skipped += 1,
            }
            batch.spans.pop();
        }
        Ok(())
    }
}

impl Answering for Kept {
    const BOUNDS: Bounds = Bounds {
        // A Grafana opens a few.
        connections: 64,
        calls: 4,
        // LogQL of 128 KiB, percent-encoded: a body is the form of a question and nothing longer.
        body_bytes: 512 << 10,
        too_long: "the body is longer than 512 KiB\n",
    };

    fn answer(&self, request: &Request<'_>, cancel: &Cancel) -> Response {
        let began = Instant::now();
        surface::answer(request, &self.store, &asker(cancel, &|| began.elapsed()))
    }

    fn follow(&self, request: &Request<'_>) -> Result<Tailing, Response> {
        Tailing::open(request, &asker(&Cancel::default(), &|| Duration::ZERO))
    }

    fn poll(&self, tailing: &mut Tailing) -> Result<Polled, QueryError> {
        let (cancel, began) = (Cancel::default(), Instant::now());
        tailing.poll(&self.store, &asker(&cancel, &|| began.elapsed()))
    }

    fn maintain(&self) {
        self.store.maintain(now_ns());
    }
}

fn asker<'a>(cancel: &'a Cancel, elapsed: &'a (dyn Fn() -> Duration + Sync)) -> Asker<'a> {
    let (limits, mode) = (Limits::STANDARD, Mode::Extended);
    Asker { limits, mode, cancel, now_ns: now_ns(), elapsed }
}

fn now_ns() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

/// Rows in no block yet: more compresses no better.
const HEAD_BYTES: usize = 16 << 20;
