//! `lucarne archive withhold`: leaves records out of an archive by order. The seals stay valid and
//! every report names the order.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use lucarne_archive::disk::RealDisk;
use lucarne_archive::hold::Holds;
use lucarne_archive::name::SealName;
use lucarne_archive::s3::Settings;
use lucarne_archive::withhold::{Order, Outcome, WithholdError, told, withhold, withhold_locked};
use lucarne_archive::{Archive, ArchiveError, Directory, Name, S3};
use lucarne_gateway::config::{ArchivePlace, Config, key_file};
use lucarne_gateway::export::timestamp::rfc3339;
use lucarne_gateway::{policy, service};
use lucarne_ledger::hash::Hash;
use lucarne_ledger::identity::{EpochId, Instance, LedgerKind};
use lucarne_ledger::key::{Ed25519Key, Signer};
use lucarne_ledger::statement::RULE_BYTES_MAX;
use serde_json::json;

use super::hold::{Output, refused};
use crate::clock;
use crate::commands::audit::epochs;
use crate::failure::{Exit, Failure, chain};

/// Leave records out of an archive by order; its seals stay valid
///
/// The payload of each record is replaced by its commitment and the signed order. A later audit
/// still verifies every batch and counts the hole under that order. The earlier form of the file is
/// removed, and with --config also what the stopped gateway's log still tells. What exporters have
/// sent on is not called back. A hold on the file stops the command.
///
/// In a bucket with Object Lock nothing can be removed: the revision without the records is written
/// beside the earlier one, an audit counts the hole, exports take the later one, and the command
/// names what stays readable there and until when it is locked.
///
/// Example: lucarne archive withhold 1042 1043 --ledger audit --config gateway.yaml --authority
/// "data protection officer" --reason "request 17"
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Sequence numbers of the records
    #[arg(required = true, value_name = "SEQ")]
    records: Vec<u64>,
    /// Their ledger: audit or telemetry
    #[arg(long)]
    ledger: LedgerKind,
    /// Their instance, when the archive has several
    #[arg(long)]
    instance: Option<Instance>,
    /// Their epoch, when the archive has several
    #[arg(long)]
    epoch: Option<EpochId>,
    /// On whose authority
    #[arg(long)]
    authority: String,
    /// Why
    #[arg(long)]
    reason: String,
    /// The gateway whose archive it is; it must be stopped
    #[arg(long, value_name = "FILE", required_unless_present = "records_dir")]
    config: Option<PathBuf>,
    /// An archive that belongs to no gateway
    #[arg(long, value_name = "DIR", conflicts_with = "config", requires_all = ["policy", "key"])]
    records_dir: Option<PathBuf>,
    /// What to trust there (audit-policy.yaml)
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// The key that withholds: a file with an Ed25519 seed in hex
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// For people, or for programs
    #[arg(long, value_enum, default_value = "text")]
    output: Output,
}

/// Where the archive is, and who may withhold.
struct Place {
    archive: At,
    policy: PathBuf,
    key: Ed25519Key,
    // of the gateway, if it is one's
    state: Option<PathBuf>,
}

/// Where that is.
enum At {
    Directory(PathBuf),
    // with the gateway's state, which has the holds
    Bucket(Box<Settings>, PathBuf),
}

/// The archive, opened.
enum Store {
    Directory(Directory),
    Bucket(Box<S3>, Holds),
}

impl Store {
    const fn archive(&self) -> &dyn Archive {
        match self {
            Self::Directory(directory) => directory,
            Self::Bucket(bucket, _) => &**bucket,
        }
    }

    fn holds(&self) -> Holds {
        match self {
            Self::Directory(directory) => directory.holds(),
            Self::Bucket(_, holds) => holds.clone(),
        }
    }

    /// Until when a file cannot be removed, seconds since the Unix epoch.
    fn locked_until(&self, seal: &SealName) -> Result<Option<i64>, Failure> {
        let Self::Bucket(bucket, _) = self else { return Ok(None) };
        let version = bucket.versions(&text(seal)).next().transpose();
        let Some(version) = version.map_err(|error| unreadable(&error))? else { return Ok(None) };
        bucket.locked_until(&version).map_err(|error| unreadable(&error))
    }
}

/// The revisions of each range of records, by the range and its root.
type Files = BTreeMap<(u64, u64, Hash), Vec<SealName>>;

/// What was done, or would be.
#[derive(Default)]
struct Done {
    withheld: u64,
    files: Vec<Outcome>,
    rolls: u64,
}

/// Runs the command.
///
/// # Errors
/// When the order cannot be carried out; what was done until then is whole, and the same order may
/// be given again.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let rule = format!("order of {}: {}", args.authority, args.reason);
    if rule.len() > RULE_BYTES_MAX {
        let text =
            format!("authority and reason have {} bytes, at most {RULE_BYTES_MAX} fit", rule.len());
        return Err(Failure::usage(text));
    }
    let place = args.place()?;
    let trust = policy::read(&place.policy).map_err(|error| Failure::usage(error.to_string()))?;
    if !trust.audit.withholding_keys.contains(place.key.public_key()) {
        return Err(Failure::usage("the policy does not name this key under withholding_keys")
            .hint("an auditor would report the holes as MISSING"));
    }
    let store = open(args, &place)?;
    let archive = store.archive();
    let records: BTreeSet<u64> = args.records.iter().copied().collect();
    let files = args.files(archive, &records)?;
    let Some((instance, epoch)) = files.values().flatten().next().map(epoch_of) else {
        let text = "no file of the archive is named for these records";
        return Err(Failure::new(Exit::CouldNotTell, text));
    };
    let attested = epochs::attest(archive, &instance, epoch, &trust)?
        .map_err(|cause| Failure::new(Exit::No, format!("{instance}/{epoch}: {cause}")))?;
    let order = Order {
        records: &records,
        rule: &rule,
        time_ms: clock::unix_ms(),
        signer: &place.key,
        epoch: &attested.keys.statement,
    };
    let mut done = Done::default();
    for revisions in files.values() {
        args.leave_out(&store, revisions, &order, &mut done)?;
    }
    if let Some(state) = place.state.filter(|_| !args.dry_run) {
        let all: Vec<SealName> = files.into_values().flatten().collect();
        done.rolls = service::cut_log(&state, &all).map_err(|error| {
            Failure::new(Exit::No, format!("the gateway's log: {error}")).hint(
                "the archive is done; start and stop the gateway, then give the same order again",
            )
        })?;
    }
    args.say(&store, &done, &mut std::io::stdout().lock())
}

impl Args {
    fn place(&self) -> Result<Place, Failure> {
        if let Some(path) = &self.config {
            let config = Config::load(path).map_err(|error| Failure::usage(error.to_string()))?;
            let archive = match config.archive {
                ArchivePlace::Directory(path) => At::Directory(path),
                ArchivePlace::S3(settings) => At::Bucket(settings, config.state.clone()),
            };
            return Ok(Place {
                archive,
                policy: config.trust.value,
                key: config.withholding_key,
                state: Some(config.state),
            });
        }
        let (Some(archive), Some(policy), Some(key)) = (&self.records_dir, &self.policy, &self.key)
        else {
            return Err(Failure::usage("--records-dir goes with --policy and --key"));
        };
        let key = key_file(key).map_err(Failure::usage)?;
        let archive = At::Directory(archive.clone());
        Ok(Place { archive, policy: policy.clone(), key, state: None })
    }

    /// The revisions of each range that holds one of the records, in the one epoch that has such.
    fn files(&self, archive: &dyn Archive, records: &BTreeSet<u64>) -> Result<Files, Failure> {
        let mut files = Files::new();
        let mut epochs = BTreeSet::new();
        for name in archive.list("").map_err(|error| unreadable(&error))? {
            let seal = match name {
                Ok(Name::Seal(seal)) => seal,
                Ok(_) | Err(ArchiveError::Stray { .. }) => continue,
                Err(error) => return Err(unreadable(&error)),
            };
            let meant = seal.ledger.kind == self.ledger
                && self.instance.as_ref().is_none_or(|only| *only == seal.ledger.instance)
                && self.epoch.is_none_or(|only| only == seal.ledger.epoch);
            if meant && records.range(seal.first..=seal.last).next().is_some() {
                epochs.insert(epoch_of(&seal));
                files.entry((seal.first, seal.last, seal.root)).or_default().push(seal);
            }
        }
        if epochs.len() > 1 {
            let list: Vec<String> = (epochs.iter())
                .map(|(instance, epoch)| format!("--instance {instance} --epoch {epoch}"))
                .collect();
            return Err(Failure::usage(format!("{} epochs have such records", list.len()))
                .hint(format!("say which: {}", list.join(", or "))));
        }
        files.values_mut().for_each(|revisions| revisions.sort_by_key(|name| name.revision));
        Ok(files)
    }

    fn leave_out(
        &self,
        store: &Store,
        revisions: &[SealName],
        order: &Order<'_>,
        done: &mut Done,
    ) -> Result<(), Failure> {
        if self.dry_run {
            return self.foresee(store, revisions, order, done);
        }
        let holds = store.holds();
        let outcome = match store {
            Store::Directory(directory) => withhold(directory, &holds, revisions, order),
            Store::Bucket(bucket, _) => withhold_locked(&**bucket, &holds, revisions, order),
        };
        if let Some(outcome) = outcome.map_err(|error| failed(&error))? {
            done.withheld += outcome.withheld;
            done.files.push(outcome);
        }
        Ok(())
    }

    fn foresee(
        &self,
        store: &Store,
        revisions: &[SealName],
        order: &Order<'_>,
        done: &mut Done,
    ) -> Result<(), Failure> {
        // Of a bucket's revisions the last one is what everybody reads.
        let (meant, stays) = match store {
            Store::Directory(_) => (revisions, false),
            Store::Bucket(..) => (revisions.last().map_or(&[][..], std::slice::from_ref), true),
        };
        for name in meant {
            let told = told(store.archive(), name, order).map_err(|error| failed(&error))?;
            if told > 0 {
                store.holds().clear(name).map_err(|error| refused(&error))?;
                done.withheld += told;
                let (kept, names) = (name.clone(), vec![name.clone()]);
                let (removed, locked) = if stays { (vec![], names) } else { (names, vec![]) };
                done.files.push(Outcome { kept, withheld: told, removed, locked });
            }
        }
        Ok(())
    }

    fn say(&self, store: &Store, done: &Done, out: &mut dyn Write) -> Result<Exit, Failure> {
        if self.output == Output::Json {
            let files: Vec<_> = (done.files.iter())
                .map(|file| {
                    let removed: Vec<String> = file.removed.iter().map(text).collect();
                    let locked: Vec<String> = file.locked.iter().map(text).collect();
                    let (kept, withheld) = (text(&file.kept), file.withheld);
                    json!({
                        "kept": kept,
                        "withheld": withheld,
                        "removed": removed,
                        "locked": locked,
                    })
                })
                .collect();
            let report = json!({
                "dry_run": self.dry_run,
                "withheld": done.withheld,
                "files": files,
                "log_rolls_removed": done.rolls,
            });
            serde_json::to_writer_pretty(&mut *out, &report).map_err(std::io::Error::from)?;
            writeln!(out)?;
            return Ok(Exit::Yes);
        }
        let (count, files) = (done.withheld, done.files.len());
        if self.dry_run {
            writeln!(out, "would withhold {count} records in {files} files; nothing was done")?;
        } else if files == 0 {
            writeln!(out, "nothing to do: the archive does not tell these records any more")?;
        } else {
            writeln!(out, "withheld {count} records in {files} files; the seals stay valid")?;
        }
        for file in &done.files {
            writeln!(out, "  {}", text(&file.kept))?;
        }
        for name in done.files.iter().flat_map(|file| &file.locked) {
            let until = match store.locked_until(name)? {
                Some(until_s) => date(until_s),
                None => "an administrator removes it".to_owned(),
            };
            writeln!(out, "still readable in the bucket until {until}: {}", text(name))?;
        }
        Ok(Exit::Yes)
    }
}

/// A directory that a gateway writes is locked by it; a dry run only reads.
fn open(args: &Args, place: &Place) -> Result<Store, Failure> {
    let opened = match &place.archive {
        At::Directory(path) if args.dry_run => {
            Directory::open_read_only(path).map(Store::Directory)
        }
        At::Directory(path) => Directory::open(path).map(Store::Directory),
        At::Bucket(settings, state) => {
            let settings = settings.as_ref().clone();
            let opened =
                if args.dry_run { S3::open_read_only(settings) } else { S3::open(settings) };
            let holds = Holds::at(Arc::new(RealDisk), &Holds::folder_of(state));
            opened.map(|bucket| Store::Bucket(Box::new(bucket), holds))
        }
    };
    opened.map_err(|error| match error {
        ArchiveError::Locked { .. } => Failure::new(Exit::No, error.to_string())
            .hint("stop the gateway first; enclaves keep what is not acknowledged"),
        error => unreadable(&error),
    })
}

fn failed(error: &WithholdError) -> Failure {
    match error {
        WithholdError::Hold(error) => refused(error),
        WithholdError::Archive(error) => unreadable(error),
        WithholdError::Control { .. } => Failure::new(Exit::No, error.to_string())
            .hint("control records tell the life of a ledger and hold nothing of a workload"),
        WithholdError::Encrypted { .. } => Failure::new(Exit::No, error.to_string())
            .hint("`lucarne archive erase` destroys the key of its day, and all under it"),
        error => Failure::new(Exit::No, chain(error))
            .hint("run `lucarne audit verify` and settle what it finds first"),
    }
}

fn unreadable(error: &ArchiveError) -> Failure {
    Failure::unreadable("use the archive", error)
}

fn epoch_of(seal: &SealName) -> (Instance, EpochId) {
    (seal.ledger.instance.clone(), seal.ledger.epoch)
}

fn date(time_s: i64) -> String {
    rfc3339(u64::try_from(time_s).unwrap_or_default().saturating_mul(NS_PER_S))
}

const NS_PER_S: u64 = 1_000_000_000;

fn text(seal: &SealName) -> String {
    Name::Seal(seal.clone()).to_string()
}
