//! What the gateway remembers of instances over a restart: the last sign of life of each, and the
//! class of its last evidence. Without it, silence and mismatch would end with the gateway's own
//! end, and their alerts with them.
//!
//! One JSON file beside the log, replaced whole every few seconds. It is nobody's evidence: what it
//! holds is shown on the gateway's own pages until the instance speaks again. One that has said its
//! end, or has been silent for a week, is not remembered.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::durable_file;
use crate::heartbeats::{Heartbeats, KeptBeat};
use crate::journal::{Journal, Level, Value};
use crate::monitor::{KeptClass, Monitor};

/// The file, and whose words are in it.
pub struct InstancesFile {
    /// Where it is.
    pub path: PathBuf,
    /// The signs of life.
    pub heartbeats: Heartbeats,
    /// The classes of evidence.
    pub monitor: Arc<Monitor>,
    /// Where failures are told.
    pub journal: Journal,
}

#[derive(Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    schema: String,
    heartbeats: Vec<KeptBeat>,
    evidence: Vec<KeptClass>,
}

/// Its name and version.
const SCHEMA: &str = "lucarne.gateway.instances/1";
/// Some thousand instances.
const FILE_BYTES_MAX: u64 = 4 << 20;
/// Less than two heartbeats.
const EVERY: Duration = Duration::from_secs(10);
/// Who was silent for so long when the gateway begins is gone for good.
pub(crate) const REMEMBERED: Duration = Duration::from_hours(7 * 24);

impl InstancesFile {
    /// Tells heartbeats and monitor what an earlier run knew. A file that cannot be used costs what
    /// is in it, and is said.
    pub fn restore(&self) {
        let unusable = |reason: &str| {
            let fields =
                [("path", Value::Shown(&self.path.display())), ("error", Value::Text(reason))];
            let message = "what was known of instances before the start is lost";
            self.journal.note(Level::Error, message, &fields);
        };
        let bytes = match durable_file::read(&self.path, FILE_BYTES_MAX) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return,
            Err(error) => return unusable(&error.to_string()),
        };
        let Some(kept) = parse(&bytes) else { return unusable("not a file of instances") };
        let beats = kept.heartbeats.iter().map(|kept| self.heartbeats.restore(kept));
        let classes = kept.evidence.iter().map(|kept| self.monitor.restore(kept));
        let strange = beats.chain(classes).filter(|restored| !restored).count();
        if strange > 0 {
            unusable(&format!("{strange} entries name no instance, epoch or class"));
        }
    }

    /// Keeps the file as it should be until told to stop.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let (mut written, mut told) = (Vec::new(), false);
        loop {
            let ending = tokio::select! {
                // A sender that is gone is a stop too.
                _ = stop.wait_for(|stop| *stop) => true,
                () = self.heartbeats.end() => false,
                () = tokio::time::sleep(EVERY) => false,
            };
            let bytes = self.bytes();
            if bytes != written {
                match tokio::task::block_in_place(|| durable_file::replace(&self.path, &bytes)) {
                    Ok(()) => (written, told) = (bytes, false),
                    Err(error) if !told => {
                        told = true;
                        let fields = [("error", Value::Shown(&error))];
                        let message = "what is known of instances cannot be kept for a restart";
                        self.journal.note(Level::Error, message, &fields);
                    }
                    Err(_) => {}
                }
            }
            if ending {
                return;
            }
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let (heartbeats, evidence) = (self.heartbeats.kept(), self.monitor.kept());
        let kept = Kept { schema: SCHEMA.to_owned(), heartbeats, evidence };
        // Text keys and finite numbers: their encoding cannot fail.
        serde_json::to_vec(&kept).unwrap_or_default()
    }
}

fn parse(bytes: &[u8]) -> Option<Kept> {
    serde_json::from_slice::<Kept>(bytes).ok().filter(|kept| kept.schema == SCHEMA)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_file_in_this_version_is_taken() {
        let text = |schema: &str, more: &str| {
            format!("{{\"schema\":\"{schema}\",\"heartbeats\":[],\"evidence\":[]{more}}}")
        };
        let empty = parse(text(SCHEMA, "").as_bytes()).unwrap();
        assert_eq!(serde_json::to_vec(&empty).unwrap(), text(SCHEMA, "").into_bytes());
        let others =
            [text("lucarne.gateway.instances/2", ""), text(SCHEMA, ",\"a\":1"), String::new()];
        assert!(others.iter().all(|other| parse(other.as_bytes()).is_none()));
    }
}
