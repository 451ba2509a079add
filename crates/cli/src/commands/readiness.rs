//! `lucarne readiness`: the fifteen lines of the list, each with what shows it.
//!
//! Lines about tools and access are shown by running them, lines about runbooks by signatures and
//! drills, lines about alerts by incidents that they opened, and the contacts by test pages.

mod judge;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use lucarne_desk::bundle::dsse::SealingKey;
use lucarne_desk::readiness::{Line, Standing};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;
use serde::Deserialize;
use serde_json::json;

use self::judge::Judge;
use crate::clock;
use crate::desk_client::{DeskAt, Output, span};
use crate::failure::{Exit, Failure};

/// Say whether you are ready for an incident, line by line, with evidence
///
/// The file says with which commands of lucarne the lines about tools and access are shown, which
/// keys sign runbooks, and after which time evidence is stale:
///
///   `max_age`: 90d
///   runbooks: runbooks
///   `role_keys`: { security: security.pub, compliance: compliance.pub, ciso: ciso.pub }
///   commands:
///     verify-tool: [ audit, verify, --records-dir, archive, --policy, audit-policy.yaml ]
///
/// A line without a command fails. A command shows its line with exit code 0, or 5 when insecure
/// roots are accepted.
///
/// Exit codes: 0 every line passes; 1 one fails; 2 one is stale.
///
/// Example: lucarne readiness --config readiness.yaml --sign-with me.pem --signed ready.dsse.json
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// What shows the lines
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The key that signs the result: a P-256 pair as PKCS#8 in PEM
    #[arg(long, value_name = "FILE", requires = "signed")]
    sign_with: Option<PathBuf>,
    /// Where the signed result goes
    #[arg(long, value_name = "FILE", requires = "sign_with")]
    signed: Option<PathBuf>,
    #[command(flatten)]
    at: DeskAt,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    max_age: String,
    runbooks: PathBuf,
    #[serde(default)]
    role_keys: BTreeMap<String, PathBuf>,
    #[serde(default)]
    commands: BTreeMap<String, Vec<String>>,
}

/// Runs the command.
///
/// # Errors
/// When the file is wrong, or the desk cannot be reached.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let what = format!("read {}", args.config.display());
    let text = std::fs::read_to_string(&args.config)
        .map_err(|cause| Failure::unreadable(&what, &cause))?;
    let file: File = serde_saphyr::from_str(&text)
        .map_err(|cause| Failure::because(Exit::Usage, &what, &cause))?;
    let max_age_ms =
        span(&file.max_age).map_err(|text| Failure::usage(format!("max_age: {text}")))?;
    let folder = args.config.parent().filter(|path| !path.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new(".")).to_owned();
    let now_ms = clock::unix_ms();
    let judge = Judge::new(&file, folder, args.at.open()?, max_age_ms, now_ms)?;
    let lines = judge.lines()?;
    if let (Some(key), Some(to)) = (&args.sign_with, &args.signed) {
        sign(&lines, now_ms, key, to)?;
    }
    let mut out = std::io::stdout().lock();
    for line in &lines {
        match args.at.output {
            Output::Text => {
                let (word, text) = (line.standing.as_str(), line.text);
                writeln!(out, "{word:5} {text}: {}", line.evidence)?;
            }
            Output::Json => writeln!(out, "{}", json!(line))?,
        }
    }
    Ok(exit(&lines))
}

fn exit(lines: &[Line]) -> Exit {
    match lines.iter().map(|line| line.standing).max() {
        Some(Standing::Pass) => Exit::Yes,
        Some(Standing::Stale) => Exit::CouldNotTell,
        Some(Standing::Fail) | None => Exit::No,
    }
}

fn sign(lines: &[Line], now_ms: u64, key: &Path, to: &Path) -> Result<(), Failure> {
    let what = format!("read {}", key.display());
    let pem = std::fs::read(key).map_err(|cause| Failure::unreadable(&what, &cause))?;
    let wrong = || Failure::usage(format!("{what}: expected a P-256 key as PKCS#8 in PEM"));
    let der = PrivatePkcs8KeyDer::from_pem_slice(&pem).map_err(|_| wrong())?;
    let key = SealingKey::from_pkcs8(der.secret_pkcs8_der()).map_err(|_| wrong())?;
    let result = json!({ "version": 1, "at_ms": now_ms, "lines": lines });
    let envelope = key
        .envelope(PAYLOAD_TYPE, result.to_string().as_bytes())
        .map_err(|cause| Failure::because(Exit::No, "sign", &cause))?;
    let what = format!("write {}", to.display());
    std::fs::write(to, envelope).map_err(|cause| Failure::unreadable(&what, &cause))
}

/// Says what the payload of an envelope is.
const PAYLOAD_TYPE: &str = "application/vnd.lucarne.readiness.v1+json";

#[cfg(test)]
mod tests {
    use super::*;
    use lucarne_desk::readiness::Item;

    #[test]
    fn one_line_that_fails_is_a_no_and_one_that_is_stale_is_not_a_yes() {
        let lines = |standings: &[Standing]| -> Exit {
            let line = |standing: &Standing| Line::new(Item::Contacts, *standing, "");
            exit(&standings.iter().map(line).collect::<Vec<_>>())
        };
        use Standing::{Fail, Pass, Stale};
        assert_eq!(lines(&[Pass, Pass]), Exit::Yes);
        assert_eq!(lines(&[Pass, Stale]), Exit::CouldNotTell);
        assert_eq!(lines(&[Fail, Stale, Pass]), Exit::No);
        assert_eq!(lines(&[]), Exit::No);
    }
}
