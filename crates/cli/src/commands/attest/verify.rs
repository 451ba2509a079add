//! `lucarne attest verify`: whether a file of evidence may be believed, and what that rests on.

use std::io::Write;
use std::path::PathBuf;

use super::evidence::Evidence;
use super::judging::{Judging, judge};
use super::{Output, ear, text};
use crate::failure::{Exit, Failure};

/// Verify evidence: a Nitro document, a TDX quote or an SNP report
///
/// Kind and encoding (raw, hex, base64) are recognised, the vendors' roots are built in, and
/// nothing is fetched. It says what was checked, what was not, and until when the verdict holds.
///
/// Exits with 0 when it is verified, 1 when it is refused, 2 when something is missing to tell, and
/// 5 when it is good only under a root or a policy that protects nothing.
///
/// Example: lucarne attest verify evidence.cbor --policy ./policy.yaml --at signed
///
/// Example: lucarne attest verify quote.bin --collateral ./collateral.json --output json
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The evidence
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    judging: Judging,
    /// For people, or an attestation result (EAR) for programs
    #[arg(long, value_enum, default_value = "text")]
    output: Output,
}

/// Runs the command.
///
/// # Errors
/// When the command line or the policy is wrong, or something cannot be read.
pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<Exit, Failure> {
    let terms = args.judging.terms()?;
    let verdict = judge(&Evidence::read(&args.file)?, &terms)?;
    match args.output {
        Output::Text => text::print(&verdict, out)?,
        Output::Json => {
            let result = ear::result(&verdict);
            serde_json::to_writer_pretty(&mut *out, &result).map_err(std::io::Error::from)?;
            writeln!(out)?;
        }
    }
    Ok(verdict.outcome.exit())
}
