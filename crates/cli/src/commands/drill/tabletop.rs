//! `lucarne drill tabletop`: the steps of a runbook, one after the other, with what people say they
//! would do; at the end a report that is signed.

use std::fs::OpenOptions;
use std::io::{BufRead, Write};
use std::path::PathBuf;

use lucarne_desk::bundle::dsse::SealingKey;
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::json;

use crate::clock;
use crate::commands::runbook::read;
use crate::failure::{Exit, Failure};

/// Talk a runbook through, step by step, and sign what was said
///
/// Each step is printed; a line on standard input says what would be done and by whom, and an
/// empty line that nobody knows. The report is a DSSE envelope and is never written over.
///
/// Exit codes: 0 every step was answered; 1 at least one was not: the report says which.
///
/// Example: lucarne drill tabletop runbooks/audit-chain-failure.yaml --with ann --with ben
/// --sign-with ann.pem --to tabletop.dsse.json
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The runbook
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Who takes part; may be repeated
    #[arg(long = "with", value_name = "NAME", required = true)]
    people: Vec<String>,
    /// The key that signs: a P-256 pair as PKCS#8 in PEM
    #[arg(long, value_name = "FILE")]
    sign_with: PathBuf,
    /// The report
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
}

pub(super) fn run(
    args: &Args,
    said: &mut dyn BufRead,
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    let runbook = read(&args.file)?;
    let key = signing_key(&args.sign_with)?;
    let began_ms = clock::unix_ms();
    let mut steps = Vec::new();
    let mut open = 0;
    writeln!(out, "{}: {}", runbook.id, runbook.title)?;
    for (step, line) in runbook.steps.iter().zip(runbook.dry_run(&[])) {
        writeln!(out, "{line}")?;
        let mut answer = String::new();
        let mut limited = std::io::Read::take(&mut *said, ANSWER_BYTES_MAX);
        limited
            .read_line(&mut answer)
            .map_err(|cause| Failure::unreadable("read what is said", &cause))?;
        let answer = answer.trim().to_owned();
        open += usize::from(answer.is_empty());
        steps.push(json!({ "step": step.id, "asked": line, "answer": answer,
                           "at_ms": clock::unix_ms() }));
    }
    let report = json!({
        "version": 1, "runbook": runbook.id, "sha256": runbook.digest(), "people": args.people,
        "began_ms": began_ms, "ended_ms": clock::unix_ms(), "unanswered": open, "steps": steps,
    });
    let envelope = key
        .envelope(PAYLOAD_TYPE, report.to_string().as_bytes())
        .map_err(|cause| Failure::because(Exit::No, "sign", &cause))?;
    let what = format!("write {}", args.to.display());
    let file = OpenOptions::new().write(true).create_new(true).open(&args.to);
    file.and_then(|mut file| file.write_all(&envelope))
        .map_err(|cause| Failure::unreadable(&what, &cause))?;
    writeln!(out, "{open} of {} steps are open; signed in {}", steps.len(), args.to.display())?;
    Ok(if open == 0 { Exit::Yes } else { Exit::No })
}

fn signing_key(path: &std::path::Path) -> Result<SealingKey, Failure> {
    let what = format!("read {}", path.display());
    let pem = std::fs::read(path).map_err(|cause| Failure::unreadable(&what, &cause))?;
    let wrong = || Failure::usage(format!("{what}: expected a P-256 key as PKCS#8 in PEM"));
    let der = PrivatePkcs8KeyDer::from_pem_slice(&pem).map_err(|_| wrong())?;
    SealingKey::from_pkcs8(der.secret_pkcs8_der()).map_err(|_| wrong())
}

/// Says what the payload of an envelope is.
const PAYLOAD_TYPE: &str = "application/vnd.lucarne.tabletop.v1+json";
/// A few sentences.
const ANSWER_BYTES_MAX: u64 = 4096;
