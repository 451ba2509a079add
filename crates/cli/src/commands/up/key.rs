//! The keys that `lucarne up` draws for a site: each in a file of its own that only its owner
//! reads.
//!
//! Drawn once and kept, for an archive names them. A file appears whole or not at all, so a kill
//! between any two steps leaves either no key or one that works.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lucarne_ledger::hash::from_hex;
use lucarne_ledger::key::{Ed25519Key, PublicKey, Signer};

use crate::failure::{Exit, Failure};

/// The public half, in hex, of the Ed25519 key whose seed the file holds in hex; drawn when absent.
///
/// # Errors
/// When the file cannot be read, written, or does not hold a seed.
pub fn open_or_draw(path: &Path) -> Result<String, Failure> {
    let text = open_or_draw_token(path)?;
    let seed = from_hex::<32>(text.trim_end()).map_err(|_| not_a_key(path))?;
    let key = Ed25519Key::from_seed(&seed).map_err(|_| not_a_key(path))?;
    Ok(hex(key.public_key().raw()))
}

/// The text of a file that holds 32 random bytes in hex; drawn when absent.
///
/// # Errors
/// When the file cannot be read or written.
pub fn open_or_draw_token(path: &Path) -> Result<String, Failure> {
    let what = format!("read or draw the key {}", path.display());
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(text),
        Err(cause) if cause.kind() == ErrorKind::NotFound => {
            draw(path).map_err(|cause| Failure::unreadable(&what, &cause))
        }
        Err(cause) => Err(Failure::unreadable(&what, &cause)),
    }
}

/// A P-256 pair in `NAME.pem` (PKCS#8) and `NAME.pub` (SubjectPublicKeyInfo); drawn when absent.
///
/// # Errors
/// When a file cannot be written.
pub fn draw_pair(path: &Path) -> Result<(), Failure> {
    let (secret, public) = (path.with_extension("pem"), path.with_extension("pub"));
    if secret.exists() && public.exists() {
        return Ok(());
    }
    let what = format!("draw the pair {}", secret.display());
    let no_key = || std::io::Error::other("no key can be made");
    let drawn = || -> std::io::Result<()> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).map_err(|_| no_key())?;
        let key = PublicKey::from_p256_point(pair.public_key().as_ref()).map_err(|_| no_key())?;
        let pkcs8 = pair.to_pkcs8v1().map_err(|_| no_key())?;
        place(&secret, &pem("PRIVATE KEY", pkcs8.as_ref()))?;
        place(&public, &pem("PUBLIC KEY", key.spki()))
    };
    drawn().map_err(|cause| Failure::unreadable(&what, &cause))
}

// RFC 7468 §2.
fn pem(label: &str, der: &[u8]) -> String {
    let mut out = format!("-----BEGIN {label}-----\n");
    for line in STANDARD.encode(der).as_bytes().chunks(64) {
        out.push_str(&String::from_utf8_lossy(line));
        out.push('\n');
    }
    out + &format!("-----END {label}-----\n")
}

fn draw(path: &Path) -> std::io::Result<String> {
    let mut bytes = [0; 32];
    let random = SystemRandom::new();
    random.fill(&mut bytes).map_err(|_| std::io::Error::other("no random numbers"))?;
    let text = format!("{}\n", hex(&bytes));
    place(path, &text)?;
    Ok(text)
}

fn place(path: &Path, text: &str) -> std::io::Result<()> {
    let draft = path.with_extension("draft");
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&draft, path)
}

fn not_a_key(path: &Path) -> Failure {
    let text = format!("{}: expected 64 lower-case hex digits", path.display());
    Failure::new(Exit::Usage, text).hint("move the file away to have a new key drawn")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_key_is_drawn_once_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let drawn = open_or_draw(&path).unwrap();
        assert_eq!(open_or_draw(&path).unwrap(), drawn);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_ne!(open_or_draw(&dir.path().join("other")).unwrap(), drawn);
    }

    #[test]
    fn a_pair_is_drawn_once_and_its_halves_belong_together() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("role");
        let read = |end: &str| std::fs::read_to_string(path.with_extension(end)).unwrap();
        draw_pair(&path).unwrap();
        let drawn = (read("pem"), read("pub"));
        draw_pair(&path).unwrap();
        assert_eq!((read("pem"), read("pub")), drawn);
        let secret = std::fs::metadata(path.with_extension("pem")).unwrap();
        assert_eq!(secret.permissions().mode() & 0o777, 0o600);
        let body: String = drawn.0.lines().filter(|line| !line.contains('-')).collect();
        let der = STANDARD.decode(body).unwrap();
        let key = lucarne_desk::bundle::dsse::SealingKey::from_pkcs8(&der).unwrap();
        assert_eq!(pem("PUBLIC KEY", key.public_key().spki()), drawn.1);
    }

    #[test]
    fn the_public_half_is_that_of_the_seed() {
        // RFC 8032 §7.1, test 1.
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
        std::fs::write(&path, seed).unwrap();
        let public = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
        assert_eq!(open_or_draw(&path).unwrap(), public);
    }

    #[test]
    fn what_is_no_seed_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        std::fs::write(&path, "not hex").unwrap();
        let failure = open_or_draw(&path).unwrap_err();
        assert_eq!(failure.exit(), Exit::Usage);
        assert!(failure.text(false).contains("expected 64 lower-case hex digits"));
    }
}
