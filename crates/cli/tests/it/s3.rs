//! The archive in a bucket, from the gateway to the auditor: Ceph's S3 gateway with Object Lock.

use std::path::Path;

use lucarne_archive::S3;
use lucarne_gateway::config;
use lucarne_testkit::Ceph;
use serde_json::Value;

use super::process::{Process, run, until};
use super::site::{Changes, Site, lucarne_program};

const BUCKET: &str = "archive";
/// Ceph cannot make puts conditional by policy and logs no access.
const CEPH: [&str; 4] = ["--accept", "unconditional-put", "--accept", "access-log"];

/// A store with a bucket, and the file that says how it is reached.
struct Bucket {
    ceph: Ceph,
    file: String,
    s3: S3,
}

impl Bucket {
    fn create() -> Self {
        let ceph = Ceph::start();
        let path = ceph.dir().join("bucket.yaml");
        std::fs::write(&path, settings(&ceph).replace("; ", "\n")).unwrap();
        let s3 = S3::open_read_only(config::read_s3(&path).unwrap()).unwrap();
        let create = s3.client().create_bucket().bucket(BUCKET);
        s3.wait(create.object_lock_enabled_for_bucket(true).send()).unwrap();
        Self { ceph, file: path.to_str().unwrap().to_owned(), s3 }
    }

    /// A site whose gateway writes to it.
    fn site(&self) -> Site {
        let inline = format!("s3: {{ {} }}", settings(&self.ceph).replace("; ", ", "));
        let inline: &'static str = inline.leak();
        let gateway = vec![("directory: archive", inline)];
        Site::start(&Changes { gateway, ..Changes::default() })
    }

    /// Exit code and output of `lucarne archive <verb>` as JSON.
    fn archive(&self, args: &[&str]) -> (Option<i32>, Value) {
        let output = run(lucarne_program(), &[&["archive"], args, &["--output", "json"]].concat());
        let text = String::from_utf8(output.stdout).unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        let json = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}{said}"));
        (output.status.code(), json)
    }

    fn check(&self, more: &[&str]) -> (Option<i32>, Vec<String>) {
        let args = [&["check", "--s3", &self.file, "--locks"], more].concat();
        let (exit, report) = self.archive(&args);
        let findings = report["findings"].as_array().unwrap();
        let open = findings.iter().filter(|finding| finding["accepted"] == false);
        (exit, open.map(|finding| finding["kind"].as_str().unwrap().to_owned()).collect())
    }

    fn pull(&self, to: &Path) -> (Option<i32>, Value) {
        self.archive(&["pull", "--from", &self.file, "--to", to.to_str().unwrap()])
    }

    /// What the owner of the bucket does to guard it: the printed policy, and a default lock.
    fn guard(&self) {
        let args = ["archive", "policy", "--role", "writer", "--bucket", BUCKET, "--store", "ceph"];
        let printed = run(lucarne_program(), &[&args[..], &["--only", "bucket"]].concat());
        assert_eq!(printed.status.code(), Some(0));
        let policy = String::from_utf8(printed.stdout).unwrap();
        let client = self.s3.client();
        self.s3.wait(client.put_bucket_policy().bucket(BUCKET).policy(policy).send()).unwrap();
    }
}

fn settings(ceph: &Ceph) -> String {
    let (endpoint, keys) = (ceph.endpoint(), ceph.credentials("writer"));
    let keys = keys.display();
    [
        format!("bucket: {BUCKET}"),
        "region: us-east-1".to_owned(),
        format!("endpoint: \"{endpoint}\""),
        "path_style: true".to_owned(),
        "checksum: md5".to_owned(),
        "retention_days: { segments: 2, epochs: 2, checkpoints: 2 }".to_owned(),
        format!("credentials: {{ file: {keys} }}"),
    ]
    .join("; ")
}

/// Exit code and text of an audit of a copy.
fn audit(site: &Site, copy: &Path) -> (Option<i32>, String) {
    let policy = site.path("audit-policy.yaml");
    let (copy, policy) = (copy.to_str().unwrap(), policy.to_str().unwrap());
    let args = ["audit", "verify", "--records-dir", copy, "--policy", policy];
    let output = run(lucarne_program(), &args);
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

fn sent(site: &Site, count: &str) -> Process {
    site.send(&["--count", count, "--batch", "50", "--durability", "archived"])
}

#[test]
fn a_killed_gateway_loses_nothing_doubles_nothing_and_the_copy_verifies() {
    let bucket = Bucket::create();
    let mut site = bucket.site();
    let mut load = sent(&site, "2000");
    for acknowledged in [100, 600] {
        until("some are archived", super::process::PATIENCE, || {
            (site.acknowledged().len() >= acknowledged).then_some(())
        });
        let mut gateway = site.gateway.take().unwrap();
        gateway.stop("-KILL");
        site.start_gateway();
    }
    assert_eq!(load.end(), Some(0), "{}", load.said());
    assert_eq!(site.stop(), [Some(0); 3]);

    let (exit, open) = bucket.check(&CEPH);
    let bare = ["default-lock", "removal", "removal", "removal"];
    assert_eq!((exit, open), (Some(1), bare.map(str::to_owned).to_vec()), "nothing is there twice");
    bucket.guard();
    let accepted = [&CEPH[..], &["--accept", "default-lock"]].concat();
    assert_eq!(bucket.check(&accepted), (Some(0), Vec::new()));

    let copy = site.path("copy");
    let (exit, report) = bucket.pull(&copy);
    assert_eq!((exit, &report["kept"]), (Some(0), &Value::from(0)), "{report}");
    let fetched = report["fetched"].clone();
    let (exit, said) = audit(&site, &copy);
    assert_eq!(exit, Some(5), "verified, under a root that is marked insecure: {said}");
    let again = bucket.pull(&copy).1;
    assert_eq!((&again["fetched"], &again["kept"]), (&Value::from(0), &fetched));
    let lost = first_seal(&copy);
    std::fs::remove_file(copy.join(&lost)).unwrap();
    assert_eq!(bucket.pull(&copy).1["fetched"], 1, "what is missing is fetched again");
    assert_eq!(audit(&site, &copy).0, Some(5));
}

/// The path of one `.seal` file below a copy.
fn first_seal(copy: &Path) -> String {
    let files = super::tampering::files_below(copy);
    let seal = files.iter().find(|path| path.extension().is_some_and(|end| end == "seal")).unwrap();
    seal.strip_prefix(copy).unwrap().to_str().unwrap().to_owned()
}

#[test]
fn what_is_hidden_replaced_or_removed_in_the_bucket_is_found_in_the_copy() {
    let bucket = Bucket::create();
    let mut site = bucket.site();
    assert_eq!(sent(&site, "200").end(), Some(0));
    assert_eq!(site.stop(), [Some(0); 3]);
    let whole = site.path("whole");
    assert_eq!(bucket.pull(&whole).0, Some(0));
    assert_eq!(audit(&site, &whole).0, Some(5));
    let key = first_seal(&whole);
    let client = bucket.s3.client();

    bucket.s3.wait(client.delete_object().bucket(BUCKET).key(&key).send()).unwrap();
    let hidden = site.path("hidden");
    let (exit, report) = bucket.pull(&hidden);
    let kinds = |report: &Value| -> Vec<String> {
        let oddities = report["oddities"].as_array().unwrap().iter();
        oddities.map(|odd| odd["kind"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!((exit, kinds(&report).len()), (Some(1), 2), "{report}");
    for kind in ["delete-marker", "other-version"] {
        assert!(kinds(&report).contains(&kind.to_owned()), "{report}");
    }
    let (exit, said) = audit(&site, &hidden);
    assert_eq!(exit, Some(1), "{said}");
    assert!(said.contains("MISSING"), "{said}");
    assert!(said.contains(".deleted-"), "the marker is named: {said}");
    assert!(said.contains(".version-"), "and what it hides: {said}");

    let forged = aws_sdk_s3::primitives::ByteStream::from_static(b"LUCSEAL1 forged");
    bucket.s3.wait(client.put_object().bucket(BUCKET).key(&key).body(forged).send()).unwrap();
    let (exit, open) = bucket.check(&[&CEPH[..], &["--accept", "default-lock"]].concat());
    assert_eq!(exit, Some(1));
    for kind in ["second-version", "delete-marker", "unlocked"] {
        assert!(open.contains(&kind.to_owned()), "{open:?}");
    }
    let replaced = site.path("replaced");
    assert_eq!(bucket.pull(&replaced).0, Some(1));
    assert_eq!(audit(&site, &replaced).0, Some(1));

    let object = format!("--object={key}");
    for version in bucket.s3.versions(&key).map(Result::unwrap) {
        let id = format!("--object-version={}", version.id);
        bucket.ceph.admin(&["object", "rm", "--bucket=archive", &object, &id]);
    }
    let removed = site.path("removed");
    assert_eq!(bucket.pull(&removed).0, Some(0), "a bucket cannot tell what it never had");
    let (exit, said) = audit(&site, &removed);
    assert_eq!(exit, Some(1), "the administrator's removal is seen by the audit: {said}");
    assert!(said.contains("MISSING"), "{said}");
}

/// A watcher of a bucket fetches what is new and verifies that; what hides an object is told.
#[test]
fn a_bucket_is_watched_by_what_is_new_in_it() {
    let bucket = Bucket::create();
    let mut site = bucket.site();
    assert_eq!(sent(&site, "100").end(), Some(0));
    assert_eq!(site.stop(), [Some(0); 3]);
    let [copy, policy, state] = ["copy", "audit-policy.yaml", "watch.json"]
        .map(|name| site.path(name).to_str().unwrap().to_owned());
    let look = || {
        let place = ["audit", "watch", "--from", &bucket.file, "--records-dir", &copy];
        let more = ["--policy", &policy, "--state", &state, "--once"];
        let output = run(lucarne_program(), &[&place[..], &more].concat());
        let said = [output.stdout, output.stderr].map(|out| String::from_utf8(out).unwrap());
        (output.status.code(), said.concat())
    };
    let (exit, said) = look();
    assert_eq!(exit, Some(5), "{said}");
    let files = || super::tampering::files_below(Path::new(&copy)).len();
    let before = files();
    site.start_gateway();
    site.start_proxy();
    site.start_enclave();
    assert_eq!(sent(&site, "100").end(), Some(0));
    assert_eq!(site.stop(), [Some(0); 3]);
    let (exit, said) = look();
    assert_eq!(exit, Some(5), "the second epoch verifies too: {said}");
    assert!(files() > before, "and was fetched");
    let key = first_seal(Path::new(&copy));
    let client = bucket.s3.client();
    bucket.s3.wait(client.delete_object().bucket(BUCKET).key(&key).send()).unwrap();
    let (exit, said) = look();
    assert_eq!(exit, Some(2), "{said}");
    assert!(said.contains("INCOMPLETE") && said.contains(".deleted-"), "{said}");

    // The copy keeps the bytes that were sealed; that the bucket has others is told, and stands.
    let put = |key: &str, bytes: &[u8], digest: &str| {
        let put = client.put_object().bucket(BUCKET).key(key).metadata("lucarne-sha256", digest);
        bucket.s3.wait(put.body(bytes.to_vec().into()).send()).unwrap();
    };
    put(&key, b"LUCSEAL1 forged", "not looked at");
    let (exit, said) = look();
    assert_eq!(exit, Some(2), "{said}");
    assert!(said.contains(".differs-"), "{said}");
    assert_eq!(look().0, Some(2));

    // Bytes that are not what the bucket says of them come to where an audit judges them.
    let file = Path::new(&copy).join(&key);
    let bytes = std::fs::read(&file).unwrap();
    put(&key, &bytes, &"0".repeat(64));
    std::fs::remove_file(&file).unwrap();
    let (exit, said) = look();
    assert_eq!(exit, Some(2), "{said}");
    assert!(said.contains(".damaged-"), "{said}");
    assert_eq!(std::fs::read(&file).unwrap(), bytes);
}

/// What is locked stays, and an order is carried out all the same: by the next revision.
#[test]
fn an_order_is_carried_out_in_a_bucket_and_says_what_stays_readable_there() {
    let bucket = Bucket::create();
    let mut site = bucket.site();
    assert_eq!(sent(&site, "200").end(), Some(0));
    assert_eq!(site.stop(), [Some(0); 3]);
    let config = site.path("gateway.yaml").to_str().unwrap().to_owned();
    let order = |more: &[&'static str]| {
        let word = ["--authority", "data protection officer", "--reason", "request 17"];
        let args = ["archive", "withhold", "20", "--ledger", "telemetry", "--config", &config];
        let output = run(lucarne_program(), &[&args[..], &word, more].concat());
        let said = [output.stdout, output.stderr].map(|out| String::from_utf8(out).unwrap());
        (output.status.code(), said.concat())
    };
    let (exit, said) = order(&["--dry-run"]);
    assert_eq!(exit, Some(0), "{said}");
    assert!(said.contains("would withhold 1 records in 1 files; nothing was done"), "{said}");
    let (exit, said) = order(&[]);
    assert_eq!(exit, Some(0), "{said}");
    assert!(said.contains("withheld 1 records in 1 files; the seals stay valid"), "{said}");
    assert!(said.contains("still readable in the bucket until 20"), "{said}");
    assert!(said.contains(".r0.seal") && said.contains(".r1.seal"), "{said}");
    let (exit, said) = order(&[]);
    assert_eq!(exit, Some(0), "{said}");
    assert!(said.contains("nothing to do"), "{said}");

    let copy = site.path("copy");
    assert_eq!(bucket.pull(&copy).0, Some(0));
    let (exit, said) = audit(&site, &copy);
    assert_eq!(exit, Some(5), "{said}");
    assert!(said.contains("order of data protection officer: request 17"), "{said}");
    assert!(said.contains("WITHHELD"), "{said}");
}

#[test]
fn settings_that_cannot_be_used_are_named_by_line_and_key() {
    let site = Site::prepare(&Changes {
        gateway: vec![("directory: archive", "s3: { bucket: A, region: r, credentials: {} }")],
        ..Changes::default()
    });
    let config = site.path("gateway.yaml");
    let args = ["gateway", "--config", config.to_str().unwrap(), "--check-config"];
    let output = run(lucarne_program(), &args);
    let said = String::from_utf8(output.stderr).unwrap();
    let text = std::fs::read_to_string(&config).unwrap();
    let line = text.lines().position(|line| line.contains("s3:")).unwrap() + 1;
    let key = "archive.s3: bucket: expected 3 to 63 of a-z, 0-9, dot and hyphen";
    let expected = format!("{}:{line}: {key}", config.display());
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains(&expected), "{said}");
}

#[test]
fn attempts_are_listed_from_the_logs_and_linked_to_findings() {
    let dir = tempfile::tempdir().unwrap();
    let logs = dir.path().join("logs/2026/11");
    std::fs::create_dir_all(&logs).unwrap();
    let (epoch, root) = ("ab".repeat(16), "cd".repeat(32));
    let key = |first: u64, last: u64| {
        format!("2026/11/21/i/{epoch}/audit/{first:020}-{last:020}-{root}.r0.seal")
    };
    let line = |time: &str, operation: &str, key: &str, status: &str, request: &str| {
        format!(
            "own archive [21/Nov/2026:{time} +0000] 192.0.2.3 arn:eve {request} {operation} {key} \
             \"X\" {status} 1 - 7 - \"-\" \"curl\" - h SigV4 c AuthHeader e TLSv1.2 - -\n"
        )
    };
    let text = [
        line("06:00:02", "REST.DELETE.OBJECT", &key(0, 9), "403 AccessDenied", "R2"),
        line("06:00:01", "REST.PUT.OBJECT", &key(0, 9), "200 -", "R1"),
        line("06:00:03", "REST.PUT.OBJECT", &key(0, 9), "200 -", "R3"),
        line("06:00:04", "REST.DELETE.OBJECT", &key(10, 19), "204 -", "R4"),
        line("06:00:05", "REST.GET.OBJECT", &key(0, 9), "200 -", "R5"),
    ];
    std::fs::write(logs.join("access"), text.concat()).unwrap();
    let findings = dir.path().join("report.json");
    let found = r#"{"kind":"MISSING","instance":"i","ledger":"audit","first":12,"last":12}"#;
    let report = format!("{{\"schema\":\"lucarne.audit/1\",\"findings\":[{found}]}}");
    std::fs::write(&findings, report).unwrap();
    let logs = dir.path().join("logs");
    let access = |more: &[&str]| {
        let args = ["archive", "access", "--logs", logs.to_str().unwrap()];
        let output = run(lucarne_program(), &[&args[..], more].concat());
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let told = |time: &str, what: &str, key: &str, link: &str| {
        format!("2026-11-21T{time}Z {what} by arn:eve from 192.0.2.3: {key}{link}\n")
    };
    let first = [
        told("06:00:02", "delete refused (403 AccessDenied)", &key(0, 9), ""),
        told("06:00:03", "put done", &key(0, 9), ""),
    ]
    .concat();
    let second = told("06:00:04", "delete done", &key(10, 19), " [MISSING]");
    let end = |count: usize| {
        format!("CONCLUSION: 1 logs tell of {count} attempts. What they lack is not known.\n")
    };
    let report = findings.to_str().unwrap();
    assert_eq!(access(&["--findings", report]), (Some(1), format!("{first}{second}{}", end(3))));
    let range = ["--instance", "i", "--from-seq", "5", "--to-seq", "9"];
    assert_eq!(access(&range), (Some(1), format!("{first}{}", end(2))));
    let other = ["--instance", "j", "--from-seq", "5", "--to-seq", "9"];
    assert_eq!(access(&other), (Some(0), end(0)));
    std::fs::write(logs.join("half"), "own archive").unwrap();
    assert_eq!(access(&[]).0, Some(4), "what is not understood is not skipped");
}
