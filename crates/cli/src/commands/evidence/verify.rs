//! `lucarne evidence verify`.

use std::io::Write;
use std::path::PathBuf;

use clap::ValueEnum;
use lucarne_desk::bundle::verify::{Class, Report, verify};
use serde_json::json;

use super::collect::word;
use super::{Trust, failed};
use crate::failure::{Exit, Failure};

/// Verify a bag, offline
///
/// Says everything that is wrong, each with its class. Exit code 1 is evidence of tampering, 2 a
/// bag that proves nothing: it is not sealed, or by a key that was not named. With --exit-by-class
/// the worst class has a code of its own: 10 ALTERED, 11 MISSING, 12 INSERTED, 13 CUSTODY_BROKEN,
/// 14 CUSTODY_TRUNCATED, 15 SIGNATURE, 16 UNTRUSTED_KEY, 17 NOT_SEALED.
///
/// Example: lucarne evidence verify ./bag --key desk.pub.pem
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The bag
    #[arg(value_name = "BAG")]
    bag: PathBuf,
    #[command(flatten)]
    trust: Trust,
    /// One exit code a class, for scripts that go by it
    #[arg(long)]
    exit_by_class: bool,
    /// How to print the result
    #[arg(long, short, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Output {
    /// For people
    Text,
    /// One JSON object
    Json,
}

/// Verifies.
pub(super) fn run(args: &Args, out: &mut impl Write) -> Result<Exit, Failure> {
    let keys = args.trust.keys()?;
    let what = format!("verify {}", args.bag.display());
    let report = verify(&args.bag, &keys).map_err(|error| failed(&what, &error))?;
    match args.output {
        Output::Text => text(&report, out)?,
        Output::Json => writeln!(out, "{}", object(&report))?,
    }
    Ok(exit(report.worst(), args.exit_by_class))
}

pub(super) const fn exit(worst: Option<Class>, by_class: bool) -> Exit {
    match worst {
        None => Exit::Yes,
        Some(class) if by_class => Exit::Class(match class {
            Class::Altered => 10,
            Class::Missing => 11,
            Class::Inserted => 12,
            Class::CustodyBroken => 13,
            Class::CustodyTruncated => 14,
            Class::Signature => 15,
            Class::UntrustedKey => 16,
            Class::NotSealed => 17,
        }),
        Some(class) if class.is_tampering() => Exit::No,
        Some(_) => Exit::CouldNotTell,
    }
}

fn text(report: &Report, out: &mut impl Write) -> std::io::Result<()> {
    let verdict = match report.worst() {
        None => "VERIFIED: everything is as it was sealed",
        Some(class) if class.is_tampering() => "NOT VERIFIED: the bag is not as it was sealed",
        Some(_) => "NOT PROVEN: nobody that was named signed for this bag",
    };
    writeln!(out, "{verdict}")?;
    for finding in &report.findings {
        writeln!(out, "{} {}", finding.class, finding.place)?;
    }
    if let Some(digest) = report.digest {
        writeln!(out, "bag sha256:{digest}, {} files as sealed", report.intact)?;
    }
    for item in report.items.iter().flat_map(|items| &items.items) {
        let reason = item.reason.as_ref().map_or(String::new(), |reason| format!(": {reason}"));
        writeln!(out, "{} {}{reason}", word(item.status), item.id)?;
    }
    Ok(())
}

fn object(report: &Report) -> serde_json::Value {
    let findings: Vec<_> = report
        .findings
        .iter()
        .map(|one| json!({"class": one.class.as_str(), "place": one.place}))
        .collect();
    json!({
        "verified": report.findings.is_empty(),
        "findings": findings,
        "bag_sha256": report.digest,
        "files_intact": report.intact,
        "custody": report.statement.as_ref().map(|said| said.custody),
        "items": report.items,
    })
}
