//! A baseline from its first proposal to retirement, as the command does it, and the plain `diff`
//! of an incident procedure.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use lucarne_ledger::hash::to_hex;
use lucarne_ledger::key::{Ed25519Key, Signer as _};

use super::command_line::text;

/// A directory with the keys of three people and a policy that counts two of them.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut people = String::new();
        for (name, seed) in [("alice", 1), ("bob", 2), ("mallory", 3)] {
            std::fs::write(dir.path().join(format!("{name}.key")), to_hex(&[seed; 32])).unwrap();
            let key = Ed25519Key::from_seed(&[seed; 32]).unwrap();
            let key = to_hex(key.public_key().raw());
            if name != "mallory" {
                people.push_str(&format!("    - {{ name: {name}, ed25519: \"{key}\" }}\n"));
            }
        }
        let policy = format!(
            "log_prefix: lucarne.local\nroots: [{{ kind: aws-nitro }}]\nmeasurements:\n  \
             baseline: baseline.yaml\n  approvers:\n{people}ledgers: [audit]\n"
        );
        std::fs::write(dir.path().join("audit-policy.yaml"), policy).unwrap();
        Self(dir)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    #[track_caller]
    fn exits(&self, command: &str, code: i32) -> Output {
        let mut lucarne = Command::new(env!("CARGO_BIN_EXE_lucarne"));
        let words = command.split_whitespace();
        let output = lucarne.current_dir(&self.0).arg("baseline").args(words).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{command}: {output:?}");
        output
    }

    #[track_caller]
    fn says(&self, command: &str, code: i32, part: &str) {
        let output = self.exits(command, code);
        let said = text(&output.stdout) + &text(&output.stderr);
        assert!(said.contains(part), "{command}: {part:?} is not in {said}");
    }
}

fn images() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../attest/testdata/eif")
}

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

fn propose(name: &str, image: &str) -> String {
    let image = images().join(image);
    format!(
        "propose {name} --from-eif {} --git-commit {COMMIT} --build-digest sha256:77aa --change \
         CHG-1042 --deployment deploy-{name}",
        image.display()
    )
}

#[test]
fn a_version_is_proposed_approved_by_two_and_retired() {
    let desk = Desk::new();
    let listed = "list --policy audit-policy.yaml";
    desk.says(&propose("v1", "signed.eif"), 0, "PCR8 5699c6be8843");
    desk.says(&propose("v1", "signed.eif"), 1, "two versions v1");
    desk.says(listed, 0, "v1 has 0 of the 2 approvals");

    desk.says("approve v1 --by alice --key alice.key", 0, "1 signature\n");
    desk.says("approve v1 --by alice --key bob.key", 1, "alice has approved v1 already");
    desk.says("approve v1 --by alicia --key alice.key", 1, "alicia has approved v1 already");
    desk.says("approve v1 --by mallory --key mallory.key", 0, "2 signatures");
    desk.says(listed, 0, "v1 has 1 of the 2 approvals");
    desk.says(listed, 0, "who does not count");
    desk.says("approve v1 --by bob --key bob.key", 0, "3 signatures");
    desk.says(listed, 0, "v1, authorised");
    desk.says("export --expected v1", 0, "\"user_data\": \"sha256:deploy-v1\"");
    desk.says("list", 0, "not judged without a policy");
    desk.says(&format!("{listed} --at 2020-01-01T00:00:00Z"), 0, "0 of the 2 approvals");

    desk.says("retire v1 --reason known-bug --by bob --key bob.key", 0, "retired v1");
    desk.says(listed, 0, "v1 is retired since");
    desk.says("retire v1 --reason again --by bob --key bob.key", 1, "retired since");
    desk.says("approve v1 --by carol --key mallory.key", 1, "is retired");
    desk.says("approve v2 --by bob --key bob.key", 3, "no version v2");
}

#[test]
fn an_entry_that_was_altered_is_refused_by_every_verb() {
    let desk = Desk::new();
    desk.exits(&propose("v1", "one_ramdisk.eif"), 0);
    desk.exits("approve v1 --by alice --key alice.key", 0);
    let file = desk.path("baseline.yaml");
    let good = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, good.replace("CHG-1042", "CHG-1043")).unwrap();
    for verb in ["list", "export --expected v1", "approve v1 --by bob --key bob.key"] {
        desk.says(verb, 3, "the signature of alice is not over v1 as it stands here");
    }
    std::fs::write(&file, format!("{good}    colour: blue\n")).unwrap();
    desk.says("list", 3, "baseline.yaml:");
    desk.says("list", 3, "colour");
}

#[test]
fn an_image_that_is_broken_is_no_version() {
    let desk = Desk::new();
    let mut image = std::fs::read(images().join("signed.eif")).unwrap();
    image[2_000] ^= 1;
    std::fs::write(desk.path("broken.eif"), image).unwrap();
    let from = format!("propose v1 --from-eif broken.eif --git-commit {COMMIT} --build-digest d");
    desk.says(&from, 1, "the checksum says");
    assert!(!desk.path("baseline.yaml").exists());
    desk.says("propose v1 --from-eif broken.eif", 3, "--git-commit");
    desk.says(&from.replace("broken", "absent"), 4, "absent.eif");
    desk.says(&from.replace(COMMIT, "main").replace("broken.eif", "/dev/null"), 1, "too early");
}

#[test]
fn the_diff_of_the_incident_procedure_prints_nothing_on_a_match() {
    let desk = Desk::new();
    let value = |n: u8| format!("sha384:{}", to_hex(&[n; 48]));
    let zeros = value(0);
    // As an operator writes it: the shape of the seed, with a register of zeros and two digits.
    let expected = format!(
        "{{\"module_id\":\"i-1\",\"timestamp\":1716825600,\"digest\":\"SHA384\",\"pcrs\":{{\
         \"0\":\"{}\",\"1\":\"{}\",\"2\":\"{}\",\"4\":\"{}\",\"8\":\"{zeros}\",\
         \"10\":\"{zeros}\"}},\
         \"public_key\":\"base64:MFkw\",\"certificate\":\"base64:MIIC\",\
         \"user_data\":\"sha256:deploy-v1.2.3\"}}",
        value(1),
        value(2),
        value(3),
        value(4),
    );
    std::fs::write(desk.path("current-attestation.json"), &expected).unwrap();
    desk.exits("propose v1.2.3 --from current-attestation.json --change CHG-1", 0);
    let exported = desk.exits("export --expected v1.2.3", 0).stdout;
    std::fs::write(desk.path("expected-attestation.json"), &exported).unwrap();
    assert!(text(&exported).contains("\"user_data\": \"sha256:deploy-v1.2.3\""));

    let diff = || {
        let script =
            "diff <(jq '.pcrs' current-attestation.json) <(jq '.pcrs' expected-attestation.json)";
        let output = Command::new("bash").current_dir(&desk.0).args(["-c", script]).output();
        let output = output.unwrap();
        assert_eq!(text(&output.stderr), "");
        text(&output.stdout)
    };
    assert_eq!(diff(), "");
    desk.says("diff v1.2.3 --with current-attestation.json", 0, "");

    let moved = expected.replace(&value(3), &value(9));
    std::fs::write(desk.path("current-attestation.json"), moved).unwrap();
    let printed = diff();
    assert!(printed.contains(&value(9)) && printed.contains(&value(3)), "{printed}");
    desk.says("diff v1.2.3 --with current-attestation.json", 1, "PCR2 (application)");
    desk.exits("propose v1.2.4 --from current-attestation.json", 0);
    desk.says("diff v1.2.3 v1.2.4", 1, "PCR2 (application)");
    desk.says("diff v1.2.3 v1.2.3", 0, "");
    desk.says("diff v1.2.3 v1.2.4 --output json", 1, "\"pcr\": 2");
    desk.says("export --expected v1.2.3 --set 2", 3, "1 sets");
}
