//! What runs collect, on disk: one folder a run, and from it the sealed bag.
//!
//! An item is written whole, with what was asked beside it, before the log says that it is there. A
//! bag that a crash left half full is made again; one that is sealed stays as it is.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::super::bundle;
use crate::bundle::collect::{hand, keep};
use crate::bundle::draft::{Draft, Found, Outcome};
use crate::bundle::dsse::SealingKey;
use crate::bundle::error::BundleError;
use crate::bundle::item::{About, UNAVAILABLE_BY_DESIGN};
use crate::bundle::path::BagPath;
use crate::bundle::statement::Collector;
use crate::digest::Digest;
use crate::incident::Incident;
use crate::moment::Moment;
use crate::runbook::record::Record;
use crate::runbook::run::RunId;
use crate::scrub::Scrubber;

/// Where bags are made, and who seals them.
pub struct Bags {
    /// The folder.
    pub folder: PathBuf,
    /// The key.
    pub key: SealingKey,
    /// The name of this desk.
    pub desk: String,
}

impl fmt::Debug for Bags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bags")
    }
}

/// What came from a collector.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Bytes, or why not.
    pub came: Result<Vec<u8>, String>,
    /// What was asked.
    pub tool: String,
}

// What stands beside an item.
#[derive(Deserialize, Serialize)]
struct Beside {
    tool: String,
    source: Option<Digest>,
    reason: Option<String>,
    wall_ms: u64,
}

/// Why nothing was kept or sealed.
#[derive(Debug)]
pub enum BagsError {
    /// A file.
    File(std::io::Error),
    /// The name of an item is none in a bag.
    Name,
    /// The bag.
    Bundle(BundleError),
}

impl fmt::Display for BagsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::File(_) => "folder of evidence cannot be used",
            Self::Name => "item has a name that no bag takes",
            Self::Bundle(_) => "bag cannot be made",
        })
    }
}

impl std::error::Error for BagsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File(cause) => Some(cause),
            Self::Bundle(cause) => Some(cause),
            Self::Name => None,
        }
    }
}

impl From<std::io::Error> for BagsError {
    fn from(cause: std::io::Error) -> Self {
        Self::File(cause)
    }
}

impl From<BundleError> for BagsError {
    fn from(cause: BundleError) -> Self {
        Self::Bundle(cause)
    }
}

impl Bags {
    /// Keeps an item of a run, without secrets; what was there under its name is replaced.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep(
        &self,
        run: RunId,
        item: &str,
        kept: &Kept,
        scrubber: &Scrubber,
    ) -> Result<(), BagsError> {
        let id: BagPath = item.parse().map_err(|_| BagsError::Name)?;
        let path = id.within(&self.folder.join(run.to_string()));
        std::fs::create_dir_all(path.parent().unwrap_or(&self.folder))?;
        let (bytes, source, reason) = match &kept.came {
            Ok(bytes) => match keep(bytes.clone(), scrubber, &[]) {
                Outcome::Collected { bytes, source, .. } => (bytes, Some(source), None),
                _ => (Vec::new(), None, None),
            },
            Err(reason) => (Vec::new(), None, Some(scrubber.scrub(reason).to_string())),
        };
        let tool = scrubber.scrub(&kept.tool).to_string();
        let beside = Beside { tool, source, reason, wall_ms: crate::engine::wall_ms() };
        replace(&path, &bytes)?;
        replace(&beside_of(&path), &serde_json::to_vec(&beside).unwrap_or_default())?;
        Ok(())
    }

    /// The folder of a run's bag.
    pub fn bag(&self, record: &Record) -> PathBuf {
        self.folder.join(format!("{}-{}.bag", record.incident, record.id))
    }

    /// Makes and seals the bag of a run; its digest. The same when it is sealed already.
    ///
    /// # Errors
    /// When it cannot be written or signed.
    pub fn seal(
        &self,
        record: &Record,
        incident: &Incident,
        items: &[String],
        now: Moment,
        policy: Digest,
        scrubber: &Scrubber,
    ) -> Result<Digest, BagsError> {
        let bag = self.bag(record);
        if bag.join(bundle::STATEMENT).exists() {
            return Ok(Digest::of(&std::fs::read(bag.join(bundle::TAG_MANIFEST))?));
        }
        if bag.exists() {
            std::fs::remove_dir_all(&bag)?;
        }
        std::fs::create_dir_all(&self.folder)?;
        let about = About {
            incident: scrubber.scrub(&incident.id.to_string()),
            severity: incident.severity,
            contact: scrubber.scrub(&record.by.to_string()),
            completes: incident.sealed,
        };
        let purpose = format!("{} of {}", record.run.runbook().id, record.id);
        let by = hand(scrubber, &self.desk, &purpose, now.wall_ms);
        let mut draft = Draft::create(&bag, about)?;
        let folder = self.folder.join(record.id.to_string());
        for item in items {
            draft.add(found(&folder, item, now, scrubber)?, &by)?;
        }
        for (id, reason) in UNAVAILABLE_BY_DESIGN {
            let outcome = Outcome::UnavailableByDesign(scrubber.scrub(reason));
            let (id, tool) = (id.parse().map_err(|_| BagsError::Name)?, scrubber.scrub("none"));
            let (started_ms, ended_ms) = (now.wall_ms, now.wall_ms);
            draft.add(Found { id, outcome, tool, started_ms, ended_ms }, &by)?;
        }
        let collector = Collector {
            name: format!("lucarne desk {}", self.desk),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            binary_sha256: None,
            tee: "none".to_owned(),
        };
        Ok(draft.seal(&by, collector, Some(policy), &self.key)?.digest)
    }
}

fn found(folder: &Path, item: &str, now: Moment, scrubber: &Scrubber) -> Result<Found, BagsError> {
    let id: BagPath = item.parse().map_err(|_| BagsError::Name)?;
    let path = id.within(folder);
    let beside = std::fs::read(beside_of(&path)).ok();
    let beside: Option<Beside> = beside.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let Some(beside) = beside else {
        let outcome = Outcome::Failed(scrubber.scrub("no step of the run collected it"));
        let (tool, at) = (scrubber.scrub("none"), now.wall_ms);
        return Ok(Found { id, outcome, tool, started_ms: at, ended_ms: at });
    };
    let bytes = std::fs::read(&path)?;
    let outcome = match (beside.reason, beside.source) {
        (Some(reason), _) => Outcome::Failed(scrubber.scrub(&reason)),
        (None, Some(source)) => Outcome::Collected { bytes, source, recipients: Vec::new() },
        (None, None) => Outcome::Empty,
    };
    let (tool, at) = (scrubber.scrub(&beside.tool), beside.wall_ms);
    Ok(Found { id, outcome, tool, started_ms: at, ended_ms: at })
}

fn beside_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".about");
    PathBuf::from(name)
}

// Whole or not at all.
fn replace(path: &Path, bytes: &[u8]) -> Result<(), std::io::Error> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let next = PathBuf::from(name);
    let mut file = std::fs::File::create(&next)?;
    std::io::Write::write_all(&mut file, bytes)?;
    file.sync_all()?;
    std::fs::rename(&next, path)
}
