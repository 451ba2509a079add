//! Signatures of runbooks by keys that hold, keys that do not, and texts that changed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Parser;

use super::{Approval, Signed, signed_by};
use crate::failure::Exit;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: super::Args,
}

fn said(words: &[&str]) -> (Exit, String) {
    let line = Line::parse_from(std::iter::once(&"runbook").chain(words));
    let mut out = Vec::new();
    let exit = match &line.args.verb {
        super::Verb::Lint(args) => super::read::lint(args, &mut out),
        super::Verb::DryRun(args) => super::read::dry_run(args, &mut out),
        super::Verb::Approve(args) => super::approve::run(args, &mut out),
        super::Verb::Approvals(args) => super::approve::approvals(args, &mut out),
        other => panic!("{other:?} asks a desk"),
    };
    let exit = exit.unwrap_or_else(|failure| {
        out.extend(failure.text(false).into_bytes());
        failure.exit()
    });
    (exit, String::from_utf8(out).unwrap())
}

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../runbooks").join(name)
}

// A pair in the two PEM files that openssl would write.
fn pair(dir: &Path, name: &str) -> (String, String) {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
    use base64::Engine as _;
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
    let pem = |label: &str, der: &[u8]| {
        let text = base64::engine::general_purpose::STANDARD.encode(der);
        format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
    };
    // The head of every SubjectPublicKeyInfo of a P-256 point (RFC 5480).
    let head = lucarne_ledger::hash::from_hex::<26>(
        "3059301306072a8648ce3d020106082a8648ce3d030107034200",
    );
    let spki = [head.unwrap().as_slice(), pair.public_key().as_ref()].concat();
    let write = |end: &str, text: String| {
        let path = dir.join(format!("{name}.{end}"));
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let key = write("pem", pem("PRIVATE KEY", pair.to_pkcs8v1().unwrap().as_ref()));
    (key, write("pub", pem("PUBLIC KEY", &spki)))
}

#[test]
fn every_shipped_runbook_is_sound_and_says_what_it_would_do() {
    for entry in std::fs::read_dir(shipped("")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "yaml") {
            let path = path.display().to_string();
            assert_eq!(said(&["lint", &path]), (Exit::Yes, String::new()), "{path}");
        }
    }
    let path = shipped("audit-chain-failure.yaml").display().to_string();
    let (exit, text) = said(&["dry-run", &path, "--input", "instance=i1"]);
    assert_eq!(exit, Exit::Yes);
    assert!(text.contains("act forensic_hold (reversible) scope=i1, undone by end_hold"), "{text}");
    let (exit, text) = said(&["dry-run", &path, "--input", "tenant=t1"]);
    assert!(exit == Exit::Usage && text.contains("inputs: instance"), "{text}");
}

#[test]
fn an_approval_holds_for_one_text_one_role_and_one_key() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("chain.yaml");
    let text = std::fs::read_to_string(shipped("audit-chain-failure.yaml")).unwrap();
    std::fs::write(&path, &text).unwrap();
    let file = path.display().to_string();
    let (security, security_pub) = pair(dir.path(), "security");
    let (_, compliance_pub) = pair(dir.path(), "compliance");
    let keys = [format!("security={security_pub}"), format!("compliance={compliance_pub}")];
    let show = || said(&["approvals", &file, "--role-key", &keys[0], "--role-key", &keys[1]]);
    let nobody = "FAIL  security: nobody with its key has signed\n\
                  FAIL  compliance: nobody with its key has signed\n";
    assert_eq!(show(), (Exit::No, nobody.to_owned()));
    let sign = |role: &str, key: &str| {
        said(&["approve", &file, "--role", role, "--by", "ann", "--sign-with", key]).0
    };
    assert_eq!(sign("security", &security), Exit::Yes);
    // The key of security does not speak for compliance.
    assert_eq!(sign("compliance", &security), Exit::Yes);
    let (exit, text) = show();
    assert_eq!(exit, Exit::No);
    assert!(text.starts_with("PASS  security: ann at 2"), "{text}");
    assert!(text.ends_with("FAIL  compliance: nobody with its key has signed\n"), "{text}");
    let roles = BTreeMap::from([("security".to_owned(), PathBuf::from(&security_pub))]);
    std::fs::write(
        &path,
        format!("# edited\n{text}", text = text_of(&shipped("audit-chain-failure.yaml"))),
    )
    .unwrap();
    let stale = Approval { role: "security".into(), signed: Signed::Stale("ann".into()) };
    assert_eq!(signed_by(&path, &roles).unwrap()[0], stale);
    assert_eq!(sign("../x", &security), Exit::Usage);
}

fn text_of(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}
