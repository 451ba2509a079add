//! `lucarne install-links`: commands by the names that runbooks print.
//!
//! Each is a script of two lines that calls this program with the same flags and adds what a
//! runbook does not repeat: where the enclave is, what it must be, and who asks.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use lucarne_platform::Address;

use super::query::connection;
use crate::failure::{Exit, Failure};

/// Install bizfirstgo-tee-query and bizfirstgo-audit-verify
///
/// The first is `lucarne query` with the connection given here, the second `lucarne audit verify
/// --per-record`; both take all other flags of these. What stands under these names already is
/// replaced only when this command wrote it.
///
/// Example: lucarne install-links ./bin --connect vsock:16:5100 --policy ./policy.yaml --identity
/// alice.pem --key alice.key
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where to put them; it must exist
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    #[command(flatten)]
    way: Way,
}

/// Where the enclave is, what it must be, and who asks.
#[derive(Debug, clap::Args)]
pub(super) struct Way {
    /// The enclave's channel or a relay that leads there
    #[arg(long, value_name = "ADDR")]
    pub(super) connect: Address,
    /// What the enclave's evidence must be: audit-policy.yaml
    #[arg(long, value_name = "FILE")]
    pub(super) policy: PathBuf,
    /// Your certificate of access, PEM
    #[arg(long, value_name = "FILE")]
    pub(super) identity: PathBuf,
    /// The key of your certificate, PEM
    #[arg(long, value_name = "FILE")]
    pub(super) key: PathBuf,
}

const QUERY: &str = "bizfirstgo-tee-query";
const VERIFY: &str = "bizfirstgo-audit-verify";
/// The second line of what this command writes.
const MARK: &str = "# written by lucarne install-links";

/// Writes both.
///
/// # Errors
/// When a file does not exist, or something else has one of the names.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    for path in links(&args.dir, &args.way)? {
        writeln!(std::io::stdout(), "{}", path.display())?;
    }
    Ok(Exit::Yes)
}

/// Writes both and says where they are.
pub(super) fn links(dir: &Path, way: &Way) -> Result<[PathBuf; 2], Failure> {
    let own = std::env::current_exe();
    let own = own.map_err(|error| Failure::unreadable("find this program", &error))?;
    let own = quoted(&own.display().to_string());
    // Variables, so that a flag on the line still wins.
    let connection = [
        (connection::CONNECT, way.connect.to_string()),
        (connection::POLICY, whole(&way.policy)?),
        (connection::IDENTITY, whole(&way.identity)?),
        (connection::KEY, whole(&way.key)?),
    ];
    let set = |(name, value): (&str, String)| format!("{name}={}", quoted(&value));
    let connection = connection.map(set).join(" ");
    let query = format!("{connection} exec {own} query \"$@\"");
    let verify = format!("exec {own} audit verify --per-record \"$@\"");
    let paths = [QUERY, VERIFY].map(|name| dir.join(name));
    for (path, command) in paths.iter().zip([query, verify]) {
        install(path, &format!("#!/bin/sh\n{MARK}\n{command}\n"))?;
    }
    Ok(paths)
}

fn whole(path: &Path) -> Result<String, Failure> {
    let found = path.canonicalize();
    let what = || format!("find {}", path.display());
    Ok(found.map_err(|error| Failure::unreadable(&what(), &error))?.display().to_string())
}

/// As one word for a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn install(path: &Path, script: &str) -> Result<(), Failure> {
    let what = format!("write {}", path.display());
    let failed = |error: std::io::Error| Failure::unreadable(&what, &error);
    match std::fs::read(path) {
        Ok(there) if there.split(|byte| *byte == b'\n').nth(1) != Some(MARK.as_bytes()) => {
            let text = format!("{}: something else has this name", path.display());
            return Err(Failure::usage(text));
        }
        Ok(_) => std::fs::remove_file(path).map_err(failed)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o755).open(path).map_err(failed)?;
    file.write_all(script.as_bytes()).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_a_quoted_word_as_it_was() {
        for word in ["plain", "a b", "it's", "$(id)`x`\\\"", ""] {
            let echoed = std::process::Command::new("sh")
                .args(["-c", &format!("printf %s {}", quoted(word))])
                .output()
                .unwrap();
            assert_eq!(String::from_utf8(echoed.stdout).unwrap(), word);
        }
    }

    #[test]
    fn only_what_was_written_here_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("name");
        install(&path, &format!("#!/bin/sh\n{MARK}\none\n")).unwrap();
        install(&path, &format!("#!/bin/sh\n{MARK}\ntwo\n")).unwrap();
        assert!(std::fs::read_to_string(&path).unwrap().ends_with("\ntwo\n"));
        std::fs::write(&path, "#!/bin/sh\nmine\n").unwrap();
        assert!(install(&path, "x").is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "#!/bin/sh\nmine\n");
    }
}
