//! The configuration of a witness: what it says, and what it says when it is wrong.

mod epochs;

use std::path::PathBuf;

use super::*;

const LOG: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
const COSIGNER: &str = "witness.example/w1+ed8c37d6+BLDvac9mmAMfo6UM3ZhuGEswRR4MUnSlB9TyBI0y+MK1";

fn text() -> String {
    format!(
        "name: witness.example/w9\n\
         state: state\n\
         keys: {{ ed25519: keys/ed, ml_dsa_44: keys/pq }}\n\
         http: {{ address: \"127.0.0.1:0\", prefix: /w }}\n\
         logs:\n  - {LOG}\n"
    )
}

fn write(text: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("witness.yaml");
    std::fs::write(&path, text).unwrap();
    (dir, path)
}

#[test]
fn a_good_file_is_understood_from_where_it_lies() {
    let (dir, path) = write(&text());
    let config = Config::load(&path).unwrap();
    assert_eq!(config.state, dir.path().join("state"));
    assert_eq!(config.keys.ed25519, dir.path().join("keys/ed"));
    assert_eq!(config.keys.ml_dsa_44, Some(dir.path().join("keys/pq")));
    assert_eq!((config.prefix.as_str(), config.listen.address.port()), ("/w", 0));
    check(&path).unwrap();
    assert!(!dir.path().join("keys").exists(), "a check draws no key");
    let drawn = new_keys(&path).unwrap();
    assert_eq!(drawn.len(), 2);
    assert!(drawn.iter().all(|key| key.starts_with("witness.example/w9+")), "{drawn:?}");
    assert_eq!(new_keys(&path).unwrap(), drawn);
}

#[track_caller]
fn refused(from: &str, to: &str, line: usize, expected: &str) {
    let wrong = text().replacen(from, to, 1);
    assert_ne!(wrong, text(), "{from}");
    let (_dir, path) = write(&wrong);
    let said = check(&path).unwrap_err().to_string();
    let place = format!("{}:{line}: ", path.display());
    assert!(said.starts_with(&place) && said.contains(expected), "{said}");
}

#[test]
fn each_wrong_value_is_named_with_its_line() {
    refused("name: witness.example/w9", "name: a b", 1, "name: expected");
    refused("state: state", "stade: state", 2, "stade");
    refused("127.0.0.1:0", "nowhere", 4, "http.address: expected an address like");
    refused("prefix: /w", "prefix: w/", 4, "http.prefix: expected a path like");
    refused("prefix: /w", "prefix: \"/{w}\"", 4, "http.prefix: expected a path like");
    refused("530d903a", "530d903b", 6, "logs: verifier key has the key id of another");
    refused(LOG, COSIGNER, 6, "logs: expected the key of a log, not of a cosigner");
    let (_dir, path) = write(&text().replace(&format!("logs:\n  - {LOG}\n"), ""));
    let said = check(&path).unwrap_err().to_string();
    assert!(said.contains("logs: expected verifier keys, or epochs with a policy"), "{said}");
    let (_dir, path) = write(&format!("{}epochs: nowhere.yaml\n", text()));
    let said = check(&path).unwrap_err().to_string();
    assert!(said.contains("nowhere.yaml: there is no such file"), "{said}");
}

#[tokio::test]
async fn a_witness_that_lost_its_key_does_not_start() {
    let (dir, path) = write(&text());
    let (_stop, stopping) = watch::channel(true);
    run(&path, stopping.clone(), || {}).await.unwrap();
    let drawn = new_keys(&path).unwrap();
    std::fs::write(dir.path().join("state/checkpoints").join("0".repeat(64)), "x").unwrap();
    run(&path, stopping.clone(), || {}).await.unwrap();
    std::fs::remove_file(dir.path().join("keys/ed")).unwrap();
    let error = run(&path, stopping, || panic!("it must not be ready")).await.unwrap_err();
    assert!(error.is_configuration());
    assert!(error.to_string().contains("its key is gone"), "{error}");
    assert!(!dir.path().join("keys/ed").exists());
    assert_ne!(new_keys(&path).unwrap(), drawn, "asked for, it is drawn");
}
