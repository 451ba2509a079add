//! `lucarne archive erase`: makes the payloads of a day, or of a tenant, unreadable for good by
//! destroying the keys that they are encrypted under. The seals stay valid and every report names
//! the order.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use clap::ArgGroup;
use lucarne_archive::data_keys::{DataKeys, KeyError, Slot};
use lucarne_archive::encryption::TENANTS_MAX;
use lucarne_archive::erase::{EraseError, Order, erase};
use lucarne_archive::hold::Holds;
use lucarne_archive::name::{Date, ErasureName, SealName};
use lucarne_archive::tenant::TenantId;
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

/// Erase the payloads of a day, or of a tenant, by destroying the keys they are encrypted under
///
/// Needs `erasure` in the gateway's configuration, from before the payloads were archived. The
/// signed order is put into the archive first, then the key is removed, then what the stopped
/// gateway's log still tells. A later audit verifies every batch and counts the records as erased
/// by that order. Control records stay: they tell the life of a ledger. A hold on a day stops the
/// command before anything is done. What the disk keeps of a removed key, backups of it, and what
/// exporters have sent on are out of reach.
///
/// A tenant is named as the attribute of its records has it, which `erasure.tenant` of the
/// configuration says; its records of other days and those of other tenants stay.
///
/// Examples: lucarne archive erase --config gateway.yaml --day 2026/11/21 --instance
/// nitro-001-us-east --authority "data protection officer" --reason "request 17"
///
/// lucarne archive erase --config gateway.yaml --tenant t_8f3a2b1c --since 2026/11/01
/// --authority "data protection officer" --reason "request 18"
#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("what").required(true).multiple(true).args(["day", "tenant"]))]
pub struct Args {
    /// The gateway whose archive it is; it must be stopped
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The day, as the folders of the archive have it
    #[arg(long, value_name = "YYYY/MM/DD")]
    day: Option<Date>,
    /// Only the records of this tenant; without a day, those of every day
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
    /// The tenant's records of this day and later
    #[arg(long, value_name = "YYYY/MM/DD", requires = "tenant", conflicts_with = "day")]
    since: Option<Date>,
    /// The tenant's records of this day and earlier
    #[arg(long, value_name = "YYYY/MM/DD", requires = "tenant", conflicts_with = "day")]
    until: Option<Date>,
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
    let place = open(&config, args.tenant.is_some())?;
    let slots = place.keys.slots().into_iter().filter(|slot| args.means(slot));
    let slots: Vec<Slot> = slots.collect();
    let crowded = args.crowded(&place.keys);
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
        args.cut(&config, &place, &slots)?;
    }
    args.say((&slots, &crowded), &done, &mut std::io::stdout().lock())
}

impl Args {
    fn means(&self, slot: &Slot) -> bool {
        let tenant = self.tenant.as_deref().map(TenantId::of);
        self.is_about(slot) && tenant.is_none_or(|tenant| slot.tenant == Some(tenant))
    }

    /// Whether it is one of the days, whoever's the records are.
    fn is_about(&self, slot: &Slot) -> bool {
        self.day.is_none_or(|day| slot.date == day)
            && self.since.is_none_or(|since| since <= slot.date)
            && self.until.is_none_or(|until| slot.date <= until)
            && self.instance.as_ref().is_none_or(|only| *only == slot.instance)
            && self.ledger.is_none_or(|only| only == slot.kind)
    }

    /// Days on which so many tenants have keys that records of this one may be under that of the
    /// day.
    fn crowded(&self, keys: &DataKeys) -> Vec<Slot> {
        if self.tenant.is_none() {
            return Vec::new();
        }
        keys.crowded().into_iter().filter(|day| self.is_about(day)).collect()
    }

    /// The days of which keys are to go, or went by an order that was given before; of those only
    /// what is not held since.
    fn days(&self, slots: &[Slot], place: &Place) -> Result<BTreeSet<Slot>, Failure> {
        let mut days: BTreeSet<Slot> = slots.iter().map(|slot| slot.of_tenant(None)).collect();
        for name in place.archive.list("erasures/").map_err(|error| unreadable(&error))? {
            match name {
                Ok(Name::Erasure(ErasureName { date, instance, kind, .. })) => {
                    if place.holds.clear_day(&instance, date).is_ok() {
                        days.insert(Slot { date, instance, kind, tenant: None });
                    }
                }
                Ok(_) | Err(ArchiveError::Stray { .. }) => {}
                Err(error) => return Err(unreadable(&error)),
            }
        }
        days.retain(|day| self.is_about(day));
        Ok(days)
    }

    /// Cuts the gateway's log behind the files of those days.
    fn cut(&self, config: &Config, place: &Place, slots: &[Slot]) -> Result<(), Failure> {
        let mut files: Vec<SealName> = Vec::new();
        for day in self.days(slots, place)? {
            let names = place.archive.list(&format!("{}/{}/", day.date, day.instance));
            for name in names.map_err(|error| unreadable(&error))? {
                match name {
                    Ok(Name::Seal(seal)) if Slot::of(&seal) == day => files.push(seal),
                    Ok(_) | Err(ArchiveError::Stray { .. }) => {}
                    Err(error) => return Err(unreadable(&error)),
                }
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
        (slots, crowded): (&[Slot], &[Slot]),
        done: &[ErasureName],
        out: &mut dyn Write,
    ) -> Result<Exit, Failure> {
        let whole = !slots.is_empty() && crowded.is_empty();
        let exit = if whole { Exit::Yes } else { Exit::CouldNotTell };
        if self.output == Output::Json {
            let names = |slots: &[Slot]| slots.iter().map(ToString::to_string).collect::<Vec<_>>();
            let orders: Vec<String> = done.iter().map(ToString::to_string).collect();
            let (keys, crowded) = (names(slots), names(crowded));
            let dry_run = self.dry_run;
            let report =
                json!({ "dry_run": dry_run, "keys": keys, "orders": orders, "crowded": crowded });
            serde_json::to_writer_pretty(&mut *out, &report).map_err(std::io::Error::from)?;
            writeln!(out)?;
            return Ok(exit);
        }
        if slots.is_empty() {
            let what = self.what();
            writeln!(out, "there is no key for {what}: nothing to erase, or it is done")?;
        } else if self.dry_run {
            writeln!(out, "would destroy {}; nothing was done", keys_of(slots.len()))?;
        } else {
            writeln!(out, "destroyed {}; the seals stay valid", keys_of(done.len()))?;
        }
        for slot in slots {
            writeln!(out, "  {slot}")?;
        }
        for day in crowded {
            writeln!(
                out,
                "{day} had keys for {TENANTS_MAX} tenants: what came of further ones that day is \
                 under the key of the day, and goes with --day only"
            )?;
        }
        Ok(exit)
    }

    fn what(&self) -> String {
        let day = self.day.map_or_else(|| "these days".to_owned(), |day| day.to_string());
        match &self.tenant {
            Some(tenant) => format!("the tenant `{tenant}` on {day}"),
            None => day,
        }
    }
}

fn open(config: &Config, by_tenant: bool) -> Result<Place, Failure> {
    let Some(erasure) = &config.erasure else {
        return Err(Failure::usage("the configuration has no `erasure`")
            .hint("what was archived plain is left out with `lucarne archive withhold`"));
    };
    if by_tenant && erasure.tenant.is_none() {
        return Err(Failure::usage("the configuration has no `erasure.tenant`")
            .hint("payloads were archived under one key for each day: erase them with --day"));
    }
    let (archive, holds) = service::open_archive(config).map_err(|error| match error {
        ServiceError::Archive(error @ ArchiveError::Locked { .. }) => running(&error),
        error => Failure::new(Exit::Unreadable, error.to_string()),
    })?;
    let keys = open_keys(erasure).map_err(|error| Failure::new(Exit::No, error.to_string()))?;
    Ok(Place { archive, holds, keys })
}

fn keys_of(count: usize) -> String {
    if count == 1 { "1 key".to_owned() } else { format!("{count} keys") }
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
