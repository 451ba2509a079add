//! What shows each line.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use lucarne_desk::drill::Drill;
use lucarne_desk::readiness::{Item, Line, Standing, by_age};
use lucarne_desk::report::utc;
use serde_json::Value;

use super::File;
use crate::commands::drill::passed_note;
use crate::commands::runbook::{Approval, Signed, read, signed_by};
use crate::desk_client::Desk;
use crate::failure::Failure;

/// Everything that lines are judged by.
pub(super) struct Judge<'a> {
    file: &'a File,
    folder: PathBuf,
    desk: Desk,
    max_age_ms: u64,
    now_ms: u64,
    incidents: Vec<Value>,
    outbox: Vec<Value>,
    contacts: Vec<Value>,
}

impl<'a> Judge<'a> {
    pub(super) fn new(
        file: &'a File,
        folder: PathBuf,
        desk: Desk,
        max_age_ms: u64,
        now_ms: u64,
    ) -> Result<Self, Failure> {
        let list = |path: &str| -> Result<Vec<Value>, Failure> {
            Ok(desk.get(path)?.as_array().cloned().unwrap_or_default())
        };
        let incidents = list("/v1/incidents?limit=1000")?;
        let (outbox, contacts) = (list("/v1/outbox?limit=1000")?, list("/v1/contacts")?);
        Ok(Self { file, folder, desk, max_age_ms, now_ms, incidents, outbox, contacts })
    }

    pub(super) fn lines(&self) -> Result<Vec<Line>, Failure> {
        Item::ALL.into_iter().map(|item| self.line(item)).collect()
    }

    fn line(&self, item: Item) -> Result<Line, Failure> {
        let (standing, evidence) = match item {
            Item::QueryTool
            | Item::VerifyTool
            | Item::Baseline
            | Item::ForensicBucket
            | Item::ChannelCredentials
            | Item::ReadOnlyAccess => self.command(item),
            Item::ErrorRunbook => self.drilled(Drill::ErrorRateSpike)?,
            Item::GapRunbook => self.drilled(Drill::TelemetryGap)?,
            Item::ChainRunbook => self.signed(Drill::AuditChainFailure)?,
            Item::AttestationRunbook => self.signed(Drill::AttestationFailure)?,
            Item::ErrorAlert => self.fired(Drill::ErrorRateSpike),
            Item::GapAlert => self.fired(Drill::TelemetryGap),
            Item::ChainAlert => self.fired(Drill::AuditChainFailure),
            Item::AttestationAlert => self.fired(Drill::AttestationFailure),
            Item::Contacts => self.paged(),
        };
        Ok(Line::new(item, standing, evidence))
    }

    fn command(&self, item: Item) -> (Standing, String) {
        let Some(words) = self.file.commands.get(item.as_str()) else {
            return (Standing::Fail, format!("no command shows it: commands.{}", item.as_str()));
        };
        let said = words.join(" ");
        let Ok(own) = std::env::current_exe() else {
            return (Standing::Fail, "the program lucarne itself is not found".to_owned());
        };
        let ran = Command::new(own)
            .args(words)
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        match ran.map(|status| status.code()) {
            Ok(Some(code @ (0 | 5))) => (Standing::Pass, format!("`lucarne {said}` gave {code}")),
            Ok(code) => {
                let code = code.map_or_else(|| "a signal".to_owned(), |code| code.to_string());
                (Standing::Fail, format!("`lucarne {said}` gave {code}"))
            }
            Err(cause) => (Standing::Fail, format!("`lucarne {said}`: {cause}")),
        }
    }

    fn runbook(&self, drill: Drill) -> PathBuf {
        self.folder.join(&self.file.runbooks).join(format!("{}.yaml", drill.as_str()))
    }

    // The newest drill that passed, by the note that it left.
    fn drilled(&self, drill: Drill) -> Result<(Standing, String), Failure> {
        let path = self.runbook(drill);
        let Ok(runbook) = read(&path) else {
            return Ok((Standing::Fail, format!("{} cannot be run", path.display())));
        };
        if let Some(found) = runbook.lint().first() {
            return Ok((Standing::Fail, found.to_string()));
        }
        let note = passed_note(drill, &runbook.digest().to_string());
        let any = passed_note(drill, "");
        let mut other = None;
        for view in self.of_kind(drill).filter(|view| is_drill(view)) {
            let name = view["name"].as_str().unwrap_or_default();
            let notes = self.desk.get(&format!("/v1/incidents/{name}/timeline"))?;
            for entry in notes.as_array().into_iter().flatten() {
                let text = entry["event"]["input"]["note"]["text"].as_str().unwrap_or_default();
                let at_ms = entry["at"]["wall_ms"].as_u64().unwrap_or_default();
                if text == note {
                    let standing = by_age(at_ms, self.now_ms, self.max_age_ms);
                    return Ok((standing, format!("{name} passed at {}", utc(at_ms))));
                }
                if text.starts_with(&any) {
                    other = Some(format!("{name} passed with another text of the runbook"));
                }
            }
        }
        Ok(match other {
            Some(evidence) => (Standing::Stale, evidence),
            None => {
                (Standing::Fail, format!("`lucarne drill run {}` never passed", drill.as_str()))
            }
        })
    }

    fn signed(&self, drill: Drill) -> Result<(Standing, String), Failure> {
        let path = self.runbook(drill);
        let at = |path: &PathBuf| self.folder.join(path);
        let keys: BTreeMap<String, PathBuf> =
            self.file.role_keys.iter().map(|(role, path)| (role.clone(), at(path))).collect();
        if !Path::new(&path).is_file() {
            return Ok((Standing::Fail, format!("{} is not there", path.display())));
        }
        let mut standing = Standing::Pass;
        let mut said = Vec::new();
        for Approval { role, signed } in signed_by(&path, &keys)? {
            let (found, text) = match signed {
                Signed::Yes(by, at_ms) => (
                    by_age(at_ms, self.now_ms, self.max_age_ms),
                    format!("{role} by {by} at {}", utc(at_ms)),
                ),
                Signed::Stale(by) => (Standing::Stale, format!("{role}: {by} signed another text")),
                Signed::No => (Standing::Fail, format!("{role} has not signed")),
            };
            standing = standing.max(found);
            said.push(text);
        }
        if said.is_empty() {
            return Ok((Standing::Fail, "it asks for nobody's approval".to_owned()));
        }
        Ok((standing, said.join(", ")))
    }

    fn of_kind(&self, drill: Drill) -> impl Iterator<Item = &Value> {
        let kind = drill.kind();
        self.incidents.iter().filter(move |view| view["incident"]["kind"] == kind.as_str())
    }

    // A rule that never fired is not known to.
    fn fired(&self, drill: Drill) -> (Standing, String) {
        let newest = self.of_kind(drill).next();
        let Some(view) = newest else {
            return (Standing::Fail, format!("no incident of kind {} yet", drill.kind()));
        };
        let at_ms = view["incident"]["opened"]["wall_ms"].as_u64().unwrap_or_default();
        let name = view["name"].as_str().unwrap_or_default();
        let how = if is_drill(view) { " in a drill" } else { "" };
        let standing = by_age(at_ms, self.now_ms, self.max_age_ms);
        (standing, format!("{name} at {}{how}", utc(at_ms)))
    }

    fn paged(&self) -> (Standing, String) {
        let mut standing = Standing::Pass;
        let mut open = Vec::new();
        for rung in &self.contacts {
            let role = rung["role"].as_str().unwrap_or_default();
            if rung["people"].as_array().is_none_or(Vec::is_empty) {
                return (Standing::Fail, format!("nobody speaks for {role}"));
            }
            match paged_whole(&self.outbox, role) {
                Some(at_ms) => standing = standing.max(by_age(at_ms, self.now_ms, self.max_age_ms)),
                None => open.push(role),
            }
        }
        if open.is_empty() && !self.contacts.is_empty() {
            let count = self.contacts.len();
            return (standing, format!("{count} roles were paged in a test"));
        }
        (Standing::Fail, format!("never paged in a test: {}", open.join(", ")))
    }
}

// When the newest test of a role was asked for, if every channel has delivered it.
fn paged_whole(outbox: &[Value], role: &str) -> Option<u64> {
    let key = format!("page-test/{role}/");
    // The key holds when it was asked for, and the channel; a copy proves nothing of that.
    let test = |line: &Value| -> Option<(u64, bool)> {
        let (at, channel) = line["key"].as_str()?.strip_prefix(&key)?.split_once('/')?;
        let copy = channel.ends_with(lucarne_desk::outbox::COPY);
        (!copy).then_some((at.parse().ok()?, line["standing"] == "done"))
    };
    let tests: Vec<(u64, bool)> = outbox.iter().filter_map(test).collect();
    let newest = tests.iter().map(|(at, _)| *at).max()?;
    tests.iter().all(|(at, done)| *at != newest || *done).then_some(newest)
}

fn is_drill(view: &Value) -> bool {
    lucarne_desk::drill::is_marked(|name| view["incident"]["labels"][name].as_str())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_role_was_paged_when_every_channel_has_delivered_the_newest_test() {
        let line = |key: &str, standing: &str| json!({ "key": key, "standing": standing });
        let old = [line("page-test/ciso/5/slack", "done"), line("page-test/ciso/5/mail", "done")];
        let paged = |more: &[Value]| paged_whole(&[&old, more].concat(), "ciso");
        assert_eq!(paged(&[]), Some(5));
        assert_eq!(paged(&[line("page-test/security/9/slack", "open")]), Some(5));
        let mail = line("page-test/ciso/9/mail", "done");
        assert_eq!(paged(&[mail.clone(), line("page-test/ciso/9/slack", "done")]), Some(9));
        for standing in ["open", "dead"] {
            let slack = line("page-test/ciso/9/slack", standing);
            assert_eq!(paged(&[mail.clone(), slack.clone()]), None, "{standing}");
            let copy = line("page-test/ciso/9/slack/fallback", "done");
            assert_eq!(paged(&[mail.clone(), slack, copy]), None, "a copy is not the channel");
        }
        assert_eq!(paged_whole(&[], "ciso"), None);
    }
}
