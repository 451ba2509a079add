//! `lucarne audit versions`: which code sealed what, and when: one line an epoch and ledger, from
//! their signed `open` records.
//!
//! Only the first batch of each ledger is read. Times are those of the enclave, whose clock is the
//! host's.

use std::io::Write;

use lucarne_archive::{Archive, Directory, Name};
use lucarne_attest::Time;
use lucarne_attest::baseline::Authority;
use lucarne_ledger::batch;
use lucarne_ledger::control::Open;
use lucarne_ledger::hash::to_hex;
use lucarne_ledger::identity::LedgerId;
use serde_json::{Value, json};

use super::catalogue::{Catalogue, Files, unreadable};
use super::epochs::Attested;
use super::verify::Output;
use super::{Place, epochs, pinned, reading};
use crate::failure::{Exit, Failure};
use lucarne_gateway::policy;

/// List by time which code sealed which records: measurement, version, deployment, commit
///
/// Version and commit are those of the baseline that the policy names. Each epoch is judged by its
/// evidence. What the policy does not accept is listed as such, and the
/// exit code is then 1; an epoch without evidence, or without its first record, makes it 2.
///
/// Example: lucarne audit versions --records-dir ./archive --policy ./audit-policy.yaml
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    place: Place,
    /// What to print
    #[arg(long, short, value_enum, default_value_t = Output::Text)]
    output: Output,
}

/// Runs the command.
///
/// # Errors
/// When the policy is wrong, or something cannot be read.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    run_to(args, &mut std::io::stdout().lock())
}

/// One ledger of an epoch, or an epoch that is not believed.
struct Version {
    time_ms: u64,
    line: String,
    object: Value,
    exit: Exit,
}

pub(super) fn run_to(args: &Args, out: &mut dyn Write) -> Result<Exit, Failure> {
    let policy =
        policy::read(&args.place.policy).map_err(|error| Failure::usage(error.to_string()))?;
    let archive =
        Directory::open_read_only(&args.place.records_dir).map_err(|error| unreadable(&error))?;
    let catalogue = Catalogue::of(&archive, &args.place.wanted)?;
    let mut versions = Vec::new();
    for ((instance, epoch), ledgers) in &catalogue.epochs {
        match epochs::attest(&archive, instance, *epoch, &policy)? {
            Err(cause) => {
                let line = format!("{instance}/{epoch}: {} ({cause})", cause.kind());
                let object = json!({
                    "instance": instance.as_str(), "epoch": epoch.to_string(),
                    "finding": cause.kind().as_str(), "cause": cause.to_string(),
                });
                let severe = cause.kind().severity();
                let tampered = severe == lucarne_ledger::audit::finding::Severity::Tamper;
                let exit = if tampered { Exit::No } else { Exit::CouldNotTell };
                versions.push(Version { time_ms: u64::MAX, line, object, exit });
            }
            Ok(attested) => {
                for (kind, files) in ledgers {
                    let (instance, epoch, kind) = (instance.clone(), *epoch, *kind);
                    let id = LedgerId { instance, epoch, kind };
                    versions.push(version(
                        &archive,
                        &id,
                        files,
                        &attested,
                        policy.authority.as_ref(),
                    )?);
                }
            }
        }
    }
    versions.sort_by_key(|version| version.time_ms);
    write(&versions, args.output, out)?;
    let has = |exit| versions.iter().any(|version| version.exit == exit);
    Ok(match () {
        () if has(Exit::No) => Exit::No,
        () if versions.is_empty() || has(Exit::CouldNotTell) => Exit::CouldNotTell,
        () if has(Exit::Insecure) => Exit::Insecure,
        () => Exit::Yes,
    })
}

fn write(versions: &[Version], output: Output, out: &mut dyn Write) -> Result<(), Failure> {
    match output {
        Output::Json => {
            let list: Vec<&Value> = versions.iter().map(|version| &version.object).collect();
            let object = json!({ "schema": "lucarne.versions/1", "versions": list });
            serde_json::to_writer_pretty(&mut *out, &object).map_err(std::io::Error::from)?;
            writeln!(out)?;
        }
        Output::Text => {
            for version in versions {
                writeln!(out, "{}", version.line)?;
            }
        }
        Output::Sarif | Output::Junit => {
            return Err(Failure::usage("versions are no findings: expected text or json"));
        }
    }
    Ok(())
}

fn version(
    archive: &dyn Archive,
    id: &LedgerId,
    files: &Files,
    attested: &Attested,
    authority: Option<&Authority>,
) -> Result<Version, Failure> {
    let measurement = attested.epoch.claims.measurement();
    let binding = &attested.epoch.binding;
    let open = first_record(archive, id, files, attested)?;
    let range = files.named.map_or_else(|| "-".to_owned(), |range| range.to_string());
    let deployment = binding.deployment.as_deref();
    let time = open.as_ref().map(|open| Time::from_unix_ms(open.time_ms).to_string());
    let entry = authority.and_then(|authority| {
        let claims = &attested.epoch.claims;
        let standing = authority.standing(&claims.registers, claims.time());
        Some(&authority.baseline.version(standing.version()?)?.entry)
    });
    let (baseline, commit) = (
        entry.map(|entry| entry.version.as_str()),
        entry.and_then(|entry| entry.git_commit.as_deref()),
    );
    let (insecure, exit) = match (&open, attested.keys.insecure) {
        (None, insecure) => (insecure, Exit::CouldNotTell),
        (Some(_), true) => (true, Exit::Insecure),
        (Some(_), false) => (false, Exit::Yes),
    };
    let line = format!(
        "{} {id} seq {range}: measurement {measurement}{}, version {}, deployment {}, commit {}, \
         configuration {}",
        time.as_deref().unwrap_or("(first record is not here)"),
        if insecure { " (INSECURE root)" } else { "" },
        baseline.unwrap_or("(no baseline)"),
        deployment.unwrap_or("(not named)"),
        commit.unwrap_or("(not named)"),
        to_hex(&binding.configuration_sha256),
    );
    let object = json!({
        "instance": id.instance.as_str(),
        "epoch": id.epoch.to_string(),
        "ledger": id.kind.as_str(),
        "first": files.named.map(|range| range.first),
        "last": files.named.map(|range| range.last),
        "opened_at": time,
        "measurement": measurement.to_string(),
        "insecure": insecure,
        "version": baseline,
        "deployment": deployment,
        "git_commit": commit,
        "configuration_sha256": to_hex(&binding.configuration_sha256),
        "contract_sha256": to_hex(&binding.contract_sha256),
    });
    let time_ms = open.map_or(u64::MAX, |open| open.time_ms);
    Ok(Version { time_ms, line, object, exit })
}

fn first_record(
    archive: &dyn Archive,
    id: &LedgerId,
    files: &Files,
    attested: &Attested,
) -> Result<Option<Open>, Failure> {
    let mut found = None;
    for name in reading::Segments::new(archive, id, files, 0) {
        let name = name?;
        if name.first > 0 || found.is_some() {
            break;
        }
        let source = archive.open(&Name::Seal(name)).map_err(|error| unreadable(&error))?;
        // Damage is for `audit verify` to name; here the record is just not known.
        drop(reading::batches(source, &mut |bytes| {
            if found.is_none()
                && let Ok(batch) = batch::verify(bytes, &attested.keys.statement)
            {
                found = pinned::open_of(&batch);
            }
            Ok(())
        })?);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use clap::Parser;

    use super::*;
    use crate::commands::audit::verify::tests::site::{FIRST, ROOT, SECOND, Site};

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn versions(site: &Site) -> (Exit, Value) {
        let (archive, policy) = (site.archive(), site.policy());
        let line = ["versions", "-o", "json", "--records-dir", archive.to_str().unwrap()];
        let line = line.into_iter().chain(["--policy", policy.to_str().unwrap()]);
        let mut out = Vec::new();
        let exit = run_to(&Line::try_parse_from(line).unwrap().args, &mut out).unwrap();
        (exit, serde_json::from_slice(&out).unwrap())
    }

    #[test]
    fn every_ledger_has_a_line_with_its_code_and_numbers() {
        let site = Site::new();
        site.add_epoch(&SECOND);
        let (exit, report) = versions(&site);
        assert_eq!((exit, &report["schema"]), (Exit::Insecure, &"lucarne.versions/1".into()));
        let list = report["versions"].as_array().unwrap();
        let of = |tee: &str, ledger: &str| {
            list.iter().find(|one| one["epoch"] == tee && one["ledger"] == ledger).unwrap()
        };
        assert_eq!(list.len(), 4);
        for tee in [&FIRST, &SECOND].map(|tee| tee.epoch().to_string()) {
            let audit = of(&tee, "audit");
            assert_eq!((&audit["first"], &audit["last"]), (&0.into(), &8.into()));
            assert_eq!(audit["measurement"], "e5".repeat(48));
            assert_eq!(audit["configuration_sha256"], "06".repeat(32));
            assert!(audit["opened_at"].as_str().unwrap().starts_with("2026-05-25T"), "{audit}");
            assert_eq!(of(&tee, "telemetry")["last"], 7);
        }
    }

    #[test]
    fn what_is_not_believed_or_not_there_is_said() {
        let site = Site::new();
        fs::remove_file(&site.seals("audit")[0]).unwrap();
        let (exit, report) = versions(&site);
        assert_eq!((exit, report["versions"].as_array().unwrap().len()), (Exit::CouldNotTell, 2));
        assert_eq!(report["versions"][1]["opened_at"], Value::Null);
        site.write_policy(&format!("[\"{}\"]", "ab".repeat(48)), ROOT);
        let (exit, report) = versions(&site);
        let finding = &report["versions"][0]["finding"];
        assert_eq!((exit, finding), (Exit::No, &"MEASUREMENT_UNEXPECTED".into()));
    }
}
