//! The desk's own look at the enclave of `lucarne up`: fresh evidence through the channel, again
//! and again, against the versions that people have approved.
//!
//! It begins when there is a list of versions. What is not on it is a signal about the measurement;
//! an enclave that does not answer is an outage and never a mismatch.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// How to ask.
pub(super) struct Asking {
    /// This program.
    pub(super) own: PathBuf,
    /// Its arguments.
    pub(super) args: Vec<String>,
    /// Without this file nothing is asked.
    pub(super) baseline: PathBuf,
}

/// What was seen so far.
pub(super) struct Attested {
    asking: Asking,
    asked: Option<Instant>,
    silent: u32,
    said: Option<&'static str>,
}

impl Attested {
    /// Nothing yet.
    pub(super) const fn new(asking: Asking) -> Self {
        Self { asking, asked: None, silent: 0, said: None }
    }

    /// Asks when it is time, and gives a signal when something is to be said.
    pub(super) fn look(&mut self, instance: &str) -> Option<Value> {
        let due = self.asked.is_none_or(|at| at.elapsed() >= EVERY);
        if !due || !self.asking.baseline.exists() {
            return None;
        }
        let ran = Command::new(&self.asking.own)
            .args(&self.asking.args)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        self.asked = Some(Instant::now());
        self.judge(ran.ok().and_then(|status| status.code()), instance)
    }

    fn judge(&mut self, code: Option<i32>, instance: &str) -> Option<Value> {
        let fault = match code {
            Some(0 | 5) => None,
            Some(1) => Some("measurement_unexpected"),
            // A list that nobody can read, or a word of somebody who was asked too early.
            Some(2 | 3) => return None,
            _ => {
                self.silent += 1;
                if self.silent < SILENT_MAX {
                    return None;
                }
                Some("unavailable")
            }
        };
        if fault != Some("unavailable") {
            self.silent = 0;
        }
        if self.said == fault {
            return None;
        }
        let over = self.said.filter(|_| fault.is_none());
        let status = if fault.is_some() { "firing" } else { "resolved" };
        self.said = fault;
        Some(json!({
            "kind": "attestation", "fault": fault.or(over), "status": status,
            "labels": { "alertname": "AttestationFailed", "instance": instance },
        }))
    }
}

/// Twice a minute; each question is two records of the enclave.
const EVERY: Duration = Duration::from_secs(10);
/// One that does not answer once may be starting.
const SILENT_MAX: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_said_once_an_outage_after_three_and_the_end_of_both() {
        let (own, args, baseline) = (PathBuf::new(), Vec::new(), PathBuf::new());
        let mut attested = Attested::new(Asking { own, args, baseline });
        let mut said = |code: Option<i32>| {
            let signal = attested.judge(code, "i1")?;
            let word = |name: &str| signal[name].as_str().unwrap().to_owned();
            Some((word("fault"), word("status")))
        };
        let fires = |fault: &str| Some((fault.to_owned(), "firing".to_owned()));
        let over = |fault: &str| Some((fault.to_owned(), "resolved".to_owned()));
        assert_eq!([said(Some(5)), said(Some(3)), said(Some(0))], [None, None, None]);
        assert_eq!(said(Some(1)), fires("measurement_unexpected"));
        assert_eq!(said(Some(1)), None);
        assert_eq!(said(Some(5)), over("measurement_unexpected"));
        assert_eq!([said(Some(4)), said(None)], [None, None]);
        assert_eq!(said(Some(4)), fires("unavailable"));
        assert_eq!(said(Some(5)), over("unavailable"));
    }
}
