//! Files of keys and certificates: written whole, and secret ones for their owner alone.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::failure::Failure;

/// Textual encoding (RFC 7468).
pub(super) fn encode(label: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in body.as_bytes().chunks(64) {
        text.extend(line.iter().copied().map(char::from));
        text.push('\n');
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

/// Writes a file that must not be there yet: a key that is written over is a key that is lost.
pub(super) fn write_new(path: &Path, text: &[u8], mode: u32) -> Result<(), Failure> {
    let mut options = OpenOptions::new();
    let written =
        options.write(true).create_new(true).mode(mode).open(path).and_then(|mut file| {
            file.write_all(text)?;
            file.sync_all()
        });
    written.map_err(|error| Failure::unreadable(&format!("write {}", path.display()), &error))
}
