//! Bags: every single change of one is seen, and by its own name.

use std::fs;
use std::path::{Path, PathBuf};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use lucarne_ledger::key::PublicKey;

use super::age::{Identity, decrypt};
use super::collect::{Plan, hand};
use super::draft::Draft;
use super::dsse::SealingKey;
use super::error::BundleError;
use super::export::export;
use super::item::{About, Status};
use super::statement::Collector;
use super::verify::{Class, verify};
use crate::incident::Severity;
use crate::scrub::Scrubber;

const NOW: u64 = 1_779_703_200_000;

fn key() -> SealingKey {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
    SealingKey::from_pkcs8(pair.to_pkcs8v1().unwrap().as_ref()).unwrap()
}

fn collector() -> Collector {
    let (name, version) = ("lucarne".to_owned(), "0.1.0".to_owned());
    Collector { name, version, binary_sha256: None, tee: "none".to_owned() }
}

struct Site {
    folder: tempfile::TempDir,
    key: SealingKey,
    keys: Vec<PublicKey>,
    identity: Identity,
}

impl Site {
    fn draft() -> (Self, Draft) {
        let folder = tempfile::tempdir().unwrap();
        let (key, identity) = (key(), Identity::generate().unwrap());
        fs::write(folder.path().join("attestor.log"), "beat 1\npassword=hunter2-and-more\n")
            .unwrap();
        fs::write(folder.path().join("answer.json"), "{\"amount\":1500000}").unwrap();
        fs::write(folder.path().join("was.yaml"), "a: 1\ntoken: abcdefgh\nb: 2\n").unwrap();
        fs::write(folder.path().join("is.yaml"), "a: 1\ntoken: ijklmnop\nb: 2\n").unwrap();
        let plan = format!(
            "recipients: [{}]\nitems:\n\
             - {{id: logs/attestor.log, from: {{file: attestor.log}}}}\n\
             - {{id: inside/answer.json, from: {{file: answer.json}}, encrypt: true}}\n\
             - {{id: config.diff, from: {{config_diff: {{before: was.yaml, after: is.yaml}}}}}}\n\
             - {{id: records, from: {{file: nothing-here}}}}\n",
            identity.recipient()
        );
        let scrubber = Scrubber::new([7; 32]);
        let about = About {
            incident: scrubber.scrub("INC-1"),
            severity: Severity::Sev0,
            contact: scrubber.scrub("forensics"),
            completes: None,
        };
        let mut draft = Draft::create(&folder.path().join("bag"), about).unwrap();
        let by = hand(&scrubber, "responder-a", "audit integrity", NOW);
        let plan = Plan::parse(&plan).unwrap();
        for found in plan.collect(folder.path(), &scrubber, &|| NOW) {
            draft.add(found, &by).unwrap();
        }
        let keys = vec![key.public_key().clone()];
        (Self { folder, key, keys, identity }, draft)
    }

    fn sealed() -> Self {
        let (site, draft) = Self::draft();
        let scrubber = Scrubber::new([7; 32]);
        draft.tag(&"timeline.jsonl".parse().unwrap(), b"{}\n").unwrap();
        let by = hand(&scrubber, "responder-a", "seal", NOW + 1);
        let sealed = draft.seal(&by, collector(), None, &site.key).unwrap();
        assert_eq!(sealed.files, 3);
        site
    }

    fn bag(&self) -> PathBuf {
        self.folder.path().join("bag")
    }

    #[track_caller]
    fn check(&self, expected: &[(Class, &str)]) {
        let report = verify(&self.bag(), &self.keys).unwrap();
        let found: Vec<(Class, &str)> =
            report.findings.iter().map(|one| (one.class, one.place.as_str())).collect();
        assert_eq!(found, expected);
    }
}

fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let before = fs::read(path).unwrap();
    let mut bytes = before.clone();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
    before
}

#[test]
fn a_bag_says_what_is_there_and_what_is_not() {
    let site = Site::sealed();
    site.check(&[]);
    let report = verify(&site.bag(), &site.keys).unwrap();
    let items = report.items.unwrap().items;
    let said: Vec<(&str, Status, bool, bool)> = items
        .iter()
        .map(|item| (item.id.as_str(), item.status, item.encrypted, item.scrubbed))
        .collect();
    let never = |id| (id, Status::UnavailableByDesign, false, false);
    assert_eq!(
        said,
        [
            ("logs/attestor.log", Status::Collected, false, true),
            ("inside/answer.json", Status::Collected, true, false),
            ("config.diff", Status::Collected, false, true),
            ("records", Status::Failed, false, false),
            never("ssh-session"),
            never("debugger"),
            never("memory-dump"),
            never("heap"),
        ]
    );
    let info = fs::read_to_string(site.bag().join("bag-info.txt")).unwrap();
    assert!(info.starts_with(
        "External-Identifier: INC-1\nIncident-Severity: SEV0\nContact-Name: forensics\n\
         Bagging-Date: 2026-05-25\nPayload-Oxum: "
    ));
    let sealed = fs::read(site.bag().join("data/compartment/inside/answer.json.age")).unwrap();
    assert_eq!(decrypt(&sealed, &site.identity).unwrap(), b"{\"amount\":1500000}");
}

#[test]
fn no_secret_is_in_a_bag() {
    let site = Site::sealed();
    let mut open = vec![site.bag()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
                continue;
            }
            let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
            for secret in ["hunter2-and-more", "1500000", "abcdefgh", "ijklmnop"] {
                assert!(!text.contains(secret), "{secret} in {}", path.display());
            }
        }
    }
}

#[test]
fn each_byte_of_each_file_counts() {
    let site = Site::sealed();
    let cases = [
        ("data/logs/attestor.log", Class::Altered),
        ("data/compartment/inside/answer.json.age", Class::Altered),
        ("bagit.txt", Class::Altered),
        ("bag-info.txt", Class::Altered),
        ("ledger.json", Class::Altered),
        ("timeline.jsonl", Class::Altered),
        ("manifest-sha256.txt", Class::Altered),
        ("tagmanifest-sha256.txt", Class::Altered),
        ("custody.jsonl", Class::CustodyBroken),
        ("statement.dsse.json", Class::Signature),
    ];
    for (file, class) in cases {
        let path = site.bag().join(file);
        let length = fs::read(&path).unwrap().len();
        for at in (0..length).step_by(length / 60 + 1) {
            let before = change(&path, |bytes| bytes[at] ^= 1);
            let report = verify(&site.bag(), &site.keys).unwrap();
            let ours = report.findings.iter().any(|one| {
                one.class == class || (file == "statement.dsse.json" && one.class.is_tampering())
            });
            let untrusted = report.worst() == Some(Class::UntrustedKey);
            assert!(ours || untrusted, "byte {at} of {file}: {:?}", report.findings);
            fs::write(&path, before).unwrap();
        }
    }
    site.check(&[]);
}

#[test]
fn a_file_that_is_gone_or_new_has_its_own_name() {
    let site = Site::sealed();
    let path = site.bag().join("data/config.diff");
    let bytes = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    site.check(&[(Class::Missing, "data/config.diff")]);
    fs::write(&path, bytes).unwrap();
    fs::write(site.bag().join("data/more"), "x").unwrap();
    site.check(&[(Class::Inserted, "data/more")]);
    fs::rename(site.bag().join("data/more"), site.bag().join("notes.txt")).unwrap();
    site.check(&[(Class::Inserted, "notes.txt")]);
    fs::remove_file(site.bag().join("notes.txt")).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", site.bag().join("data/link")).unwrap();
    site.check(&[(Class::Inserted, "data/link")]);
}

#[test]
fn each_line_of_custody_counts() {
    let site = Site::sealed();
    let path = site.bag().join("custody.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    assert_eq!(lines.len(), 4);
    fs::write(&path, lines[..3].concat()).unwrap();
    site.check(&[(Class::CustodyTruncated, "custody.jsonl line 4, 3 are there")]);
    fs::write(&path, [lines[0], lines[2], lines[3]].concat()).unwrap();
    site.check(&[(Class::CustodyBroken, "custody.jsonl line 2")]);
    fs::write(&path, text.replace("responder-a", "responder-b")).unwrap();
    site.check(&[(Class::CustodyBroken, "custody.jsonl line 2")]);
    // A chain that holds, and is not the one that was sealed.
    let mut other = super::custody::Custody::default();
    let real = super::custody::Custody::parse(text.as_bytes()).unwrap();
    let forged: Vec<u8> = real
        .lines()
        .iter()
        .flat_map(|line| {
            other.append(super::custody::Deed {
                wall_ms: line.wall_ms + 1,
                actor: line.actor.clone(),
                act: line.act,
                item: line.item.clone(),
                before: line.sha256_before,
                after: line.sha256_after,
                purpose: line.purpose.clone(),
            })
        })
        .collect();
    fs::write(&path, forged).unwrap();
    site.check(&[(Class::CustodyBroken, "custody.jsonl line 4")]);
    fs::remove_file(&path).unwrap();
    site.check(&[(Class::Missing, "custody.jsonl")]);
}

#[test]
fn only_a_trusted_key_proves_anything() {
    let mut site = Site::sealed();
    let id = site.key.public_key().id();
    site.keys = vec![key().public_key().clone()];
    let place = format!("statement.dsse.json by key {id}");
    site.check(&[(Class::UntrustedKey, &place)]);
    fs::remove_file(site.bag().join("statement.dsse.json")).unwrap();
    site.check(&[(Class::NotSealed, "statement.dsse.json")]);
}

#[test]
fn what_is_sealed_stays_as_it_is_and_drafts_are_honest() {
    let site = Site::sealed();
    assert_eq!(
        Draft::open(&site.bag()).unwrap_err().to_string(),
        "the bag is sealed; late evidence makes another one"
    );
    let by = hand(&Scrubber::new([7; 32]), "a", "b", NOW);
    let (site, draft) = Site::draft();
    fs::write(site.bag().join("data/logs/attestor.log"), "beat 2\n").unwrap();
    let refused = draft.seal(&by, collector(), None, &site.key).unwrap_err();
    assert_eq!(refused.to_string(), "data/logs/attestor.log is not what was collected");
    let (site, draft) = Site::draft();
    fs::write(site.bag().join("data/stray"), "x").unwrap();
    let refused = draft.seal(&by, collector(), None, &site.key).unwrap_err();
    assert_eq!(refused.to_string(), "data/stray is payload that nobody collected");
}

#[test]
fn a_copy_says_who_got_it_and_follows_on_the_first() {
    let site = Site::sealed();
    let by = hand(&Scrubber::new([7; 32]), "responder-a", "to the regulator", NOW + 2);
    let to = site.folder.path().join("copy");
    export(&site.bag(), &to, &site.keys, &by, collector(), &site.key).unwrap();
    let report = verify(&to, &site.keys).unwrap();
    assert_eq!(report.findings, []);
    assert_eq!(report.statement.unwrap().custody.count, 5);
    let again = site.folder.path().join("again");
    export(&to, &again, &site.keys, &by, collector(), &site.key).unwrap();
    assert_eq!(verify(&again, &site.keys).unwrap().findings, []);
    change(&again.join("statements/000000.dsse.json"), |bytes| bytes.push(b' '));
    let classes: Vec<Class> =
        verify(&again, &site.keys).unwrap().findings.iter().map(|one| one.class).collect();
    assert_eq!(classes, [Class::Signature, Class::Signature]);
    let refused = export(&again, &to.join("x"), &site.keys, &by, collector(), &site.key);
    assert!(matches!(refused, Err(BundleError::NotVerified)));
}

#[test]
fn a_plan_says_where_it_is_wrong() {
    let fault = |yaml: &str| Plan::parse(yaml).unwrap_err().to_string();
    assert_eq!(
        fault("items:\n- {id: a, from: {unavailable: x}, encrypt: true}\n"),
        "an item is to be encrypted and there are no recipients"
    );
    let twice = "items:\n- {id: a, from: {denied: x}}\n- {id: a, from: {denied: x}}\n";
    assert_eq!(fault(twice), "an item is named twice");
    assert!(fault("items:\n- {id: a, from: {denied: x}}\n- {id: ../b}\n").starts_with("line 3: "));
}
