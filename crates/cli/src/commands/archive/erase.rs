//! `lucarne archive erase`: makes the payloads of a day unreadable for good by destroying the key
//! that they are encrypted under. The seals stay valid and every report names the order.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use lucarne_archive::data_keys::{DataKeys, KeyError, Slot};
use lucarne_archive::erase::{EraseError, Order, erase};
use lucarne_archive::hold::Holds;
use lucarne_archive::name::{Date, ErasureName, SealName};
use lucarne_archive::{Archive, ArchiveError, Name};
use lucarne_gateway::config::Config;
use lucarne_gateway::erasure::open_keys;
use lucarne_gateway::service::ServiceError;
use lucarne_gateway::{policy, service};
use lucarne_ledger::identity::{Instance, LedgerKind};
use lucarne_ledger::key::Signer as _;
use lucarne_ledger::statement::RULE_BYTES_MAX;
use serde_json::json;

use super::hold::{Output, refused};
use crate::clock;
use crate::failure::{Exit, Failure, chain};

/// Erase the payloads of a day by destroying the key that they are encrypted under
///
/// Needs `erasure` in the gateway's configuration, from before the payloads were archived. The
/// signed order is put into the archive first, then the key is removed, then what the stopped
/// gateway's log still tells. A later audit verifies every batch and counts the records as erased
/// by that order. Control records stay: they tell the life of a ledger. A hold on the day stops the
/// command. What the disk keeps of a removed key, backups of it, and what exporters have sent on
/// are out of reach.
///
/// Example: lucarne archive erase --config gateway.yaml --day 2026/11/21 --instance
/// nitro-001-us-east --authority "data protection officer" --reason "request 17"
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The gateway whose archive it is; it must be stopped
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The day, as the folders of the archive have it
    #[arg(long, value_name = "YYYY/MM/DD")]
    day: Date,
    /// Only of this instance
    #[arg(long)]
    instance: Option<Instance>,
    /// Only of this ledger: audit or telemetry
    #[arg(long)]
    ledger: Option<LedgerKind>,
    /// On whose authority
    #[arg(long)]
    authority: String,
    /// Why
    #[arg(long)]
    reason: String,
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// For people, or for programs
    #[arg(long, value_enum, default_value = "text")]
    output: Output,
}

/// What the order is carried out on.
struct Place {
    archive: Arc<dyn Archive>,
    holds: Holds,
    keys: DataKeys,
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
    let config = Config::load(&args.config).map_err(|error| Failure::usage(error.to_string()))?;
    let trust =
        policy::read(&config.trust.value).map_err(|error| Failure::usage(error.to_string()))?;
    if !trust.audit.withholding_keys.contains(config.withholding_key.public_key()) {
        return Err(Failure::usage("the policy does not name this key under withholding_keys")
            .hint("an auditor would refuse the order"));
    }
    let place = open(&config)?;
    let slots = place.keys.slots().into_iter().filter(|slot| args.means(slot));
    let slots: Vec<Slot> = slots.collect();
    let mut done = Vec::new();
    for slot in &slots {
        let clear = place.holds.clear_day(&slot.instance, slot.date);
        clear.map_err(|error| refused(&error))?;
    }
    if !args.dry_run {
        let order =
            Order { rule: &rule, time_ms: clock::unix_ms(), signer: &config.withholding_key };
        for slot in &slots {
            let erased = erase(&*place.archive, &place.holds, &place.keys, slot, &order);
            done.extend(erased.map_err(|error| failed(&error))?);
        }
        args.cut(&config, &place)?;
    }
    args.say(&slots, &done, &mut std::io::stdout().lock())
}

impl Args {
    fn means(&self, slot: &Slot) -> bool {
        slot.date == self.day
            && self.instance.as_ref().is_none_or(|only| *only == slot.instance)
            && self.ledger.is_none_or(|only| only == slot.kind)
    }

    /// Cuts the gateway's log behind the files of the day, also when their key went before.
    fn cut(&self, config: &Config, place: &Place) -> Result<(), Failure> {
        let mut files: Vec<SealName> = Vec::new();
        let names = place.archive.list(&format!("{}/", self.day));
        for name in names.map_err(|error| unreadable(&error))? {
            match name {
                Ok(Name::Seal(seal)) if self.means(&Slot::of(&seal)) => files.push(seal),
                Ok(_) | Err(ArchiveError::Stray { .. }) => {}
                Err(error) => return Err(unreadable(&error)),
            }
        }
        for file in &files {
            let clear = place.holds.clear_day(&file.ledger.instance, file.date);
            clear.map_err(|error| refused(&error))?;
        }
        service::cut_log(&config.state, &files).map(drop).map_err(|error| {
            Failure::new(Exit::No, format!("the gateway's log: {error}"))
                .hint("the key is gone; start and stop the gateway, then give the same order again")
        })
    }

    fn say(
        &self,
        slots: &[Slot],
        done: &[ErasureName],
        out: &mut dyn Write,
    ) -> Result<Exit, Failure> {
        let exit = if slots.is_empty() { Exit::CouldNotTell } else { Exit::Yes };
        if self.output == Output::Json {
            let keys: Vec<String> = slots.iter().map(ToString::to_string).collect();
            let orders: Vec<String> = done.iter().map(ToString::to_string).collect();
            let report = json!({ "dry_run": self.dry_run, "keys": keys, "orders": orders });
            serde_json::to_writer_pretty(&mut *out, &report).map_err(std::io::Error::from)?;
            writeln!(out)?;
            return Ok(exit);
        }
        if slots.is_empty() {
            writeln!(out, "there is no key for {}: nothing to erase, or it is done", self.day)?;
        } else if self.dry_run {
            writeln!(out, "would destroy {} keys; nothing was done", slots.len())?;
        } else {
            writeln!(out, "destroyed {} keys; the seals stay valid", done.len())?;
        }
        for slot in slots {
            writeln!(out, "  {slot}")?;
        }
        Ok(exit)
    }
}

fn open(config: &Config) -> Result<Place, Failure> {
    let Some(erasure) = &config.erasure else {
        return Err(Failure::usage("the configuration has no `erasure`")
            .hint("what was archived plain is left out with `lucarne archive withhold`"));
    };
    let (archive, holds) = service::open_archive(config).map_err(|error| match error {
        ServiceError::Archive(error @ ArchiveError::Locked { .. }) => running(&error),
        error => Failure::new(Exit::Unreadable, error.to_string()),
    })?;
    let keys = open_keys(erasure).map_err(|error| Failure::new(Exit::No, error.to_string()))?;
    Ok(Place { archive, holds, keys })
}

fn failed(error: &EraseError) -> Failure {
    match error {
        EraseError::Hold(error) => refused(error),
        EraseError::Archive(error) => unreadable(error),
        EraseError::Key(error @ KeyError::Locked { .. }) => running(error),
        EraseError::Key(error) => Failure::unreadable("destroy a data key", error),
        error @ (EraseError::Signing(_) | EraseError::Order { .. }) => {
            Failure::new(Exit::No, chain(error))
        }
    }
}

fn running(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(Exit::No, error.to_string())
        .hint("stop the gateway first; enclaves keep what is not acknowledged")
}

fn unreadable(error: &ArchiveError) -> Failure {
    Failure::unreadable("use the archive", error)
}
