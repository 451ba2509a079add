//! What a bare collector file leaves unsaid, below `--data DIR`.
//!
//! Keys are drawn at the first start. The policy that is written then trusts no root: an enclave is
//! believed when somebody who knows its root says so there.

use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use aws_lc_rs::rand;
use lucarne_ledger::hash::to_hex;

use crate::config::ConfigError;

/// The gateway's own file for this directory, as text.
pub(crate) fn gateway_file(dir: &Path, http: std::net::SocketAddr) -> String {
    let shown = serde_json::json!({
        "uplink": { "address": format!("unix:{}", dir.join("gateway.sock").display()) },
        "trust": dir.join("policy.yaml"),
        "keys": {
            "acknowledgement": dir.join("keys/acknowledgement"),
            "withholding": dir.join("keys/withholding"),
        },
        "archive": { "directory": dir.join("archive") },
        "state": dir.join("state"),
        "http": { "address": http.to_string() },
    });
    shown.to_string()
}

/// Makes what is missing.
///
/// # Errors
/// When the directory cannot be written.
pub(crate) fn prepare(dir: &Path) -> Result<(), ConfigError> {
    let fault = |error: std::io::Error| ConfigError::new(dir, format!("cannot use it: {error}"));
    std::fs::create_dir_all(dir.join("keys")).map_err(fault)?;
    std::fs::create_dir_all(dir.join("archive")).map_err(fault)?;
    for key in ["keys/acknowledgement", "keys/withholding"] {
        let mut seed = [0; 32];
        rand::fill(&mut seed).map_err(|_| fault(ErrorKind::Other.into()))?;
        create(&dir.join(key), &format!("{}\n", to_hex(&seed))).map_err(fault)?;
    }
    create(&dir.join("policy.yaml"), POLICY).map_err(fault)
}

/// Writes a file that is not there yet, for this user alone.
fn create(path: &Path, text: &str) -> std::io::Result<()> {
    let opened = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    match opened {
        Ok(mut file) => file.write_all(text.as_bytes()).and_then(|()| file.sync_all()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

const POLICY: &str = "\
# Trusts no enclave yet: no image has this measurement. Put those of yours here.
log_prefix: lucarne.local
roots: [ { kind: aws-nitro } ]
measurements:
  - ffffffffffffffffffffffffffffffffffffffffffffffff\
ffffffffffffffffffffffffffffffffffffffffffffffff
ledgers: [ audit, telemetry ]
";
