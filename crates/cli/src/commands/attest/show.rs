//! `lucarne attest show`: what a file of evidence says, believed or not.

use std::io::Write;
use std::path::PathBuf;

use lucarne_attest::classify::RegisterNames;
use lucarne_attest::{Unverified, read_unverified};
use lucarne_ledger::hash::to_hex;
use serde_json::{Map, Value, json};

use super::evidence::{Evidence, Kind};
use super::expected::Expected;
use super::registers;
use crate::failure::{Exit, Failure, chain};

/// Show what evidence says, without judging it
///
/// Anyone can write a document that says anything: `lucarne attest verify` tells whether it may be
/// believed. The form `expected` has seven fields with prefixed values, made for a plain diff.
///
/// Example: lucarne attest show evidence.cbor
///
/// Example: lucarne attest show evidence.cbor --output expected
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The evidence
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// For people, for programs, or for a diff with what is expected (Nitro only)
    #[arg(long, value_enum, default_value = "text")]
    output: Form,
    /// With `expected`: the deployment that the epoch's binding names
    #[arg(long, value_name = "TAG")]
    deployment: Option<String>,
}

/// What to print.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
enum Form {
    /// Lines
    Text,
    /// One JSON document
    Json,
    /// Seven fields
    Expected,
}

/// Runs the command.
///
/// # Errors
/// When the file cannot be read or is no evidence.
pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<Exit, Failure> {
    let evidence = Evidence::read(&args.file)?;
    let shown = Shown::read(&evidence)?;
    match (args.output, &shown) {
        (Form::Text, _) => shown.print(&evidence, out)?,
        (Form::Json, _) => print_json(out, &shown.json(&evidence))?,
        (Form::Expected, Shown::Nitro(read)) => {
            print_json(out, &Expected::new(read, args.deployment.as_deref()))?;
        }
        (Form::Expected, Shown::Fields(_)) => {
            let text = "only documents of the Nitro format have the form `expected`";
            return Err(Failure::usage(text));
        }
    }
    Ok(Exit::Yes)
}

fn print_json(out: &mut dyn Write, value: &impl serde::Serialize) -> Result<(), Failure> {
    serde_json::to_writer_pretty(&mut *out, value).map_err(std::io::Error::from)?;
    Ok(writeln!(out)?)
}

/// What was read.
enum Shown {
    Nitro(Box<Unverified>),
    /// Fields at their places: name and bytes.
    Fields(Vec<(&'static str, Vec<u8>)>),
}

impl Shown {
    fn read(evidence: &Evidence) -> Result<Self, Failure> {
        let bytes = &evidence.bytes;
        let no = |text: String| Failure::new(Exit::No, text);
        match evidence.kind {
            Kind::Nitro => read_unverified(bytes)
                .map(|read| Self::Nitro(Box::new(read)))
                .map_err(|error| no(chain(&error))),
            Kind::Tdx => {
                let body = if bytes.first() == Some(&5) { TDX_5_BODY } else { TDX_4_BODY };
                fields(bytes, body, &TDX).ok_or_else(|| no("the quote is cut short".into()))
            }
            Kind::Snp => fields(bytes, 0, &SNP).ok_or_else(|| no("the report is cut short".into())),
            Kind::Unknown => {
                Err(no("neither a Nitro document nor a TDX quote nor an SNP report, \
                                     raw, in hex or in base64"
                    .into()))
            }
        }
    }

    fn print(&self, evidence: &Evidence, out: &mut dyn Write) -> Result<(), Failure> {
        let mut line = |label: &str, value: &str| -> std::io::Result<()> {
            writeln!(out, "{label:<15} {value}")
        };
        line("NOT VERIFIED", "this is what the file says; `lucarne attest verify` judges it")?;
        line("kind", &format!("{} ({})", evidence.kind.as_str(), evidence.encoding.as_str()))?;
        match self {
            Self::Fields(fields) => {
                for (name, value) in fields {
                    line(name, &to_hex(value))?;
                }
            }
            Self::Nitro(read) => {
                line("module", &read.module_id)?;
                line("made", &read.time.to_string())?;
                for (label, value) in registers::lines(read.pcrs.iter(), &RegisterNames::nitro()) {
                    line(&label, &value)?;
                }
                for (label, value) in [
                    ("public key", &read.public_key),
                    ("user data", &read.user_data),
                    ("nonce", &read.nonce),
                ] {
                    line(label, &value.as_deref().map_or_else(|| "none".to_owned(), to_hex))?;
                }
                line("certificates", &(read.cabundle.len() + 1).to_string())?;
                line("root", &format!("sha256:{}", read.root))?;
                if let Some((from, to)) = read.chain_validity() {
                    line("chain valid", &format!("{from} to {to}"))?;
                }
                line("identity", &format!("sha256:{} (of the signed part)", read.identity))?;
            }
        }
        line("file", &format!("sha256:{}", evidence.file_sha256))?;
        Ok(())
    }

    fn json(&self, evidence: &Evidence) -> Value {
        let says = match self {
            Self::Nitro(read) => registers::claims(read),
            Self::Fields(fields) => {
                let one = |(name, value): &(&str, Vec<u8>)| {
                    (name.replace(' ', "_"), Value::from(to_hex(value)))
                };
                fields.iter().map(one).collect::<Map<_, _>>()
            }
        };
        json!({
            "schema": "lucarne.attest-show/1",
            "verified": false,
            "kind": evidence.kind.as_str(),
            "encoding": evidence.encoding.as_str(),
            "file_sha256": evidence.file_sha256.to_string(),
            "says": says,
        })
    }
}

/// Cuts fields out at their places.
fn fields(bytes: &[u8], base: usize, table: &[(&'static str, usize, usize)]) -> Option<Shown> {
    let cut = |(name, at, length): &(&'static str, usize, usize)| {
        Some((*name, bytes.get(base + at..base + at + length)?.to_vec()))
    };
    table.iter().map(cut).collect::<Option<Vec<_>>>().map(Shown::Fields)
}

/// Behind the header of 48 bytes.
const TDX_4_BODY: usize = 48;
/// Version 5 has type and size of the body before it.
const TDX_5_BODY: usize = 54;
/// Name, offset and length in the body of a quote (Intel, TDX DCAP quoting library, A.3.2).
const TDX: [(&str, usize, usize); 9] = [
    ("mrseam", 16, 48),
    ("td attributes", 120, 8),
    ("xfam", 128, 8),
    ("mrtd", 136, 48),
    ("rtmr0", 328, 48),
    ("rtmr1", 376, 48),
    ("rtmr2", 424, 48),
    ("rtmr3", 472, 48),
    ("report data", 520, 64),
];
/// Name, offset and length in a report (AMD 56860, table 23). Numbers are little-endian.
const SNP: [(&str, usize, usize); 9] = [
    ("version", 0, 4),
    ("guest svn", 4, 4),
    ("guest policy", 8, 8),
    ("vmpl", 0x30, 4),
    ("current tcb", 0x38, 8),
    ("report data", 0x50, 64),
    ("measurement", 0x90, 48),
    ("host data", 0xc0, 32),
    ("chip id", 0x1a0, 64),
];
