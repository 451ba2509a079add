//! Time stamps and signed JSON against OpenSSL: its authorities answer our requests, it believes
//! what we keep, and we believe it only as far as it should be.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use super::command_line::{lucarne, text};
use super::process::{PATIENCE, until};
use super::site::{Changes, Site, append};
use super::tampering::files_below;

/// An authority with a throw-away key, made by OpenSSL, and a checkpoint to stamp.
struct Authority {
    dir: TempDir,
}

const NOTE: &str = "lucarne.local/nitro-001-us-east/00112233445566778899aabbccddeeff/audit\n42\n\
                    FFVuaTHWYHROJ7iWoSp7BJdAj5V4aBzyinaj0hokot4=\n\n\u{2014} x B5z0ZIh2A7JW54yS\n";

const CONFIG: &str = "\
[tsa]
default_tsa = a
[a]
serial = serial
crypto_device = builtin
signer_digest = sha256
default_policy = 1.3.6.1.4.1.99999.1
digests = sha256, sha384
accuracy = secs:1, millisecs:5
ordering = no
tsa_name = yes
ess_cert_id_chain = no
ess_cert_id_alg = sha256
[tsa_ext]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping
[mail_ext]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping,emailProtection
[ca_ext]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign
[req]
distinguished_name = dn
[dn]
";

const EC: &[&str] = &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"];
const RSA: &[&str] = &["-newkey", "rsa:2048"];

impl Authority {
    fn new(key: &[&str], extensions: &str) -> Self {
        let authority = Self { dir: tempfile::tempdir().unwrap() };
        std::fs::write(authority.path("tsa.cnf"), CONFIG).unwrap();
        std::fs::write(authority.path("serial"), "01\n").unwrap();
        std::fs::write(authority.path("head.note"), NOTE).unwrap();
        let common = ["-config", "tsa.cnf", "-nodes", "-sha256", "-days", "2"];
        let root = ["req", "-x509", "-subj", "/O=Test/CN=Root", "-extensions", "ca_ext"];
        let files = ["-keyout", "ca.key", "-out", "ca.pem"];
        authority.openssl(&[&root[..], &common, EC, &files].concat());
        let leaf = ["req", "-x509", "-subj", "/O=Test/CN=Authority", "-extensions", extensions];
        let files = ["-CA", "ca.pem", "-CAkey", "ca.key", "-keyout", "tsa.key", "-out", "tsa.pem"];
        authority.openssl(&[&leaf[..], &common, key, &files].concat());
        authority
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    #[track_caller]
    fn openssl(&self, args: &[&str]) -> Output {
        let output = self.try_openssl(args);
        assert!(output.status.success(), "openssl {args:?}: {output:?}");
        output
    }

    fn try_openssl(&self, args: &[&str]) -> Output {
        Command::new("openssl").args(args).current_dir(self.dir.path()).output().unwrap()
    }

    /// Answers the request in `query`.
    fn reply(&self, query: &str, reply: &str) {
        let keys = ["-config", "tsa.cnf", "-signer", "tsa.pem", "-inkey", "tsa.key"];
        let files = ["-queryfile", query, "-out", reply];
        self.openssl(&[&["ts", "-reply"], &keys[..], &files].concat());
    }

    /// Runs `lucarne audit` on the note, with file names below the folder.
    fn audit(&self, verb: &str, args: &[&str]) -> Output {
        let full = |arg: &&str| match arg.strip_prefix('@') {
            Some(name) => self.path(name).to_str().unwrap().to_owned(),
            None => (*arg).to_owned(),
        };
        let note = self.path("head.note").to_str().unwrap().to_owned();
        let args: Vec<String> = args.iter().map(full).collect();
        let line = ["audit", verb, &note].into_iter().chain(args.iter().map(String::as_str));
        lucarne(&line.collect::<Vec<_>>())
    }

    #[track_caller]
    fn check(&self, args: &[&str], code: i32, said: &str) {
        let output = self.audit("check-timestamp", args);
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{out}{err}");
        assert!(out.contains(said) || err.contains(said), "{said:?} is not in {out}{err}");
    }
}

#[track_caller]
fn exits(output: &Output, code: i32) -> String {
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    text(if code == 0 { &output.stdout } else { &output.stderr })
}

#[test]
fn a_request_is_carried_by_hand_and_openssl_believes_what_is_kept() {
    for key in [EC, RSA] {
        let authority = Authority::new(key, "tsa_ext");
        let asked = authority.audit("timestamp", &["--query-out", "@a.tsq"]);
        assert!(exits(&asked, 0).starts_with("request: "));
        authority.reply("a.tsq", "a.tsr");
        let args = ["--reply", "@a.tsr", "--query", "@a.tsq", "--roots", "@ca.pem"];
        let said = exits(&authority.audit("timestamp", &args), 0);
        let origin = NOTE.lines().next().unwrap();
        assert!(said.starts_with(&format!("{origin} had 42 records with root ")), "{said}");
        assert!(said.contains("stamped by: O=Test, CN=Authority (certificate "), "{said}");
        let files = ["-in", "head.note.tsr", "-data", "head.note", "-CAfile", "ca.pem"];
        let verified = authority.openssl(&[&["ts", "-verify"], &files[..]].concat());
        assert_eq!(text(&verified.stdout).trim(), "Verification: OK");
        let files = ["-in", "head.note.tsr", "-queryfile", "a.tsq", "-CAfile", "ca.pem"];
        authority.openssl(&[&["ts", "-verify"], &files[..]].concat());
        authority.check(&["--roots", "@ca.pem"], 0, "stamped by: O=Test, CN=Authority");
        // What is there stays.
        let again = exits(&authority.audit("timestamp", &args), 4);
        assert!(again.contains("File exists"), "{again}");
    }
}

#[test]
fn the_stamp_as_json_says_what_openssl_reads_in_it() {
    let authority = Authority::new(RSA, "tsa_ext");
    exits(&authority.audit("timestamp", &["--query-out", "@a.tsq"]), 0);
    authority.reply("a.tsq", "head.note.tsr");
    let output = authority.audit("check-timestamp", &["--roots", "@ca.pem", "--output", "json"]);
    let value: Value = serde_json::from_str(&exits(&output, 0)).unwrap();
    let shown = text(&authority.openssl(&["ts", "-reply", "-in", "head.note.tsr", "-text"]).stdout);
    let read = |key: &str| {
        let line = shown.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        line.trim().to_owned()
    };
    assert_eq!(read("Policy OID:"), value["policy"].as_str().unwrap());
    assert_eq!(read("Serial number:"), format!("0x{}", value["serial"].as_str().unwrap()));
    assert_eq!(value["accuracy_us"], 1_005_000);
    let time = read("Time stamp:");
    let date = ["-u", "+%Y-%m-%dT%H:%M:%S.000Z", "-d", &time];
    let date = text(&Command::new("date").args(date).output().unwrap().stdout);
    assert_eq!(value["time"], date.trim());
    let fingerprint = ["x509", "-in", "tsa.pem", "-noout", "-fingerprint", "-sha256"];
    let fingerprint = text(&authority.openssl(&fingerprint).stdout);
    let hex = fingerprint.split_once('=').unwrap().1.trim().replace(':', "").to_lowercase();
    assert_eq!(value["tsa"]["certificate_sha256"], hex);
}

#[test]
fn what_should_not_be_believed_is_not() {
    let authority = Authority::new(EC, "tsa_ext");
    for name in ["a.tsq", "b.tsq"] {
        let query = format!("@{name}");
        exits(&authority.audit("timestamp", &["--query-out", &query]), 0);
    }
    authority.reply("a.tsq", "a.tsr");
    let replayed = ["--reply", "@a.tsr", "--query", "@b.tsq", "--roots", "@ca.pem"];
    let said = exits(&authority.audit("timestamp", &replayed), 1);
    assert_eq!(said, "error: time stamp: token answers another request\n");
    assert!(!authority.path("head.note.tsr").exists(), "nothing is kept that did not verify");
    authority.check(&["--reply", "@a.tsr", "--roots", "@tsa.pem"], 1, "not issued under");
    let other = Authority::new(EC, "tsa_ext");
    let root = other.path("ca.pem").to_str().unwrap().to_owned();
    authority.check(&["--reply", "@a.tsr", "--roots", &root], 1, "not issued under a given root");
    authority.check(&["--reply", "@a.tsq", "--roots", "@ca.pem"], 1, "answer is not strict DER");
    authority.check(&["--reply", "@a.tsr", "--roots", "@tsa.cnf"], 3, "expected certificates");
    authority.check(&["--reply", "@none", "--roots", "@ca.pem"], 4, "No such file");
    authority.check(&["--reply", "@a.tsr"], 3, "--roots");
    std::fs::write(authority.path("head.note"), NOTE.replace("\n42\n", "\n43\n")).unwrap();
    authority.check(&["--reply", "@a.tsr", "--roots", "@ca.pem"], 1, "token is about other data");
    let stale = ["--reply", "@a.tsr", "--query", "@a.tsq", "--roots", "@ca.pem"];
    let said = exits(&authority.audit("timestamp", &stale), 3);
    assert!(said.contains("a request about another file"), "{said}");
    std::fs::write(authority.path("head.note"), "no note").unwrap();
    authority.check(&["--reply", "@a.tsr", "--roots", "@ca.pem"], 3, "not a checkpoint");
}

#[test]
fn an_authority_for_mail_as_well_is_none() {
    let authority = Authority::new(EC, "mail_ext");
    exits(&authority.audit("timestamp", &["--query-out", "@a.tsq"]), 0);
    // OpenSSL does not even answer with it; the token is made as CMS instead.
    let donor = Authority::new(EC, "tsa_ext");
    cms(&donor, &authority, &[]);
    authority.check(&["--roots", "@ca.pem"], 1, "is not for time stamping alone");
}

#[test]
fn a_probabilistic_rsa_signature_is_read() {
    let authority = Authority::new(RSA, "tsa_ext");
    let pss = ["-keyopt", "rsa_padding_mode:pss", "-keyopt", "rsa_pss_saltlen:digest"];
    cms(&authority, &authority, &pss);
    authority.check(&["--roots", "@ca.pem"], 0, "stamped by: O=Test, CN=Authority");
}

/// Signs the content of one authority's token by another's key with `openssl cms`, as `.tsr`.
fn cms(content: &Authority, signer: &Authority, more: &[&str]) {
    exits(&content.audit("timestamp", &["--query-out", "@c.tsq"]), 0);
    let keys = ["-config", "tsa.cnf", "-signer", "tsa.pem", "-inkey", "tsa.key"];
    let files = ["-queryfile", "c.tsq", "-out", "c.token", "-token_out"];
    content.openssl(&[&["ts", "-reply"], &keys[..], &files].concat());
    // The authority's name is in the content, and is the same for all of them here.
    let files = ["-inform", "DER", "-in", "c.token", "-noverify", "-out", "c.info"];
    content.openssl(&[&["cms", "-verify", "-binary"], &files[..]].concat());
    std::fs::copy(content.path("c.info"), signer.path("d.info")).unwrap();
    let form = ["-sign", "-binary", "-nodetach", "-cades", "-outform", "DER", "-md", "sha256"];
    let kind = ["-econtent_type", "1.2.840.113549.1.9.16.1.4", "-nosmimecap"];
    let files = ["-in", "d.info", "-out", "d.token", "-signer", "tsa.pem", "-inkey", "tsa.key"];
    signer.openssl(&[&["cms"], &form[..], &kind, &files, more].concat());
    let token = std::fs::read(signer.path("d.token")).unwrap();
    let [.., high, low] = (token.len() + 5).to_be_bytes();
    let response = [&[0x30, 0x82, high, low, 0x30, 3, 2, 1, 0][..], &token].concat();
    std::fs::write(signer.path("head.note.tsr"), response).unwrap();
}

/// Answers one request over HTTP, as an authority does.
fn serve(dir: &Path, status: &'static str, kind: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let dir = dir.to_owned();
    std::thread::spawn(move || answer(&mut listener.accept().unwrap().0, &dir, status, kind));
    address
}

/// Answers every request, each on a connection of its own.
fn serve_on(dir: &Path) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let dir = dir.to_owned();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            answer(&mut stream.unwrap(), &dir, "200 OK", "application/timestamp-reply");
        }
    });
    address
}

fn answer(stream: &mut TcpStream, dir: &Path, status: &str, kind: &str) {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        request.push(byte[0]);
    }
    let head = String::from_utf8(request).unwrap().to_lowercase();
    assert!(head.starts_with("post /tsr http/1.1\r\n"), "{head}");
    assert!(head.contains("content-type: application/timestamp-query\r\n"), "{head}");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut query = vec![0; length.unwrap().parse().unwrap()];
    stream.read_exact(&mut query).unwrap();
    std::fs::write(dir.join("h.tsq"), &query).unwrap();
    let keys = ["-config", "tsa.cnf", "-signer", "tsa.pem", "-inkey", "tsa.key"];
    let files = ["-queryfile", "h.tsq", "-out", "h.tsr"];
    let mut openssl = Command::new("openssl");
    openssl.args(["ts", "-reply"]).args(keys).args(files).current_dir(dir);
    assert!(openssl.status().unwrap().success());
    let body = std::fs::read(dir.join("h.tsr")).unwrap();
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\
         connection: close\r\n\r\n"
    );
    stream.write_all(&[head.as_bytes(), &body].concat()).unwrap();
}

/// The stamps of an archive.
fn stamps(site: &Site) -> Vec<PathBuf> {
    let below = site.path("archive/checkpoints");
    let all = if below.exists() { files_below(&below) } else { Vec::new() };
    all.into_iter().filter(|path| path.extension().is_some_and(|ending| ending == "tsr")).collect()
}

#[test]
fn a_gateway_has_its_checkpoints_stamped_and_an_auditor_reads_what_the_stamps_say() {
    let authority = Authority::new(EC, "tsa_ext");
    let stranger = Authority::new(EC, "tsa_ext");
    let mut site = Site::prepare(&Changes {
        gateway: vec![("close_after_ms: 1000", "close_after_ms: 200")],
        ..Changes::default()
    });
    let (url, roots) = (serve_on(authority.dir.path()), authority.path("ca.pem"));
    let section = format!(
        "time_stamps: {{ authority: \"http://{url}/tsr\", roots: {}, every_ms: 1000 }}\n",
        roots.display()
    );
    append(&site.path("gateway.yaml"), &section);
    site.start_gateway();
    site.start_proxy();
    site.start_enclave();
    let mut load = site.send(&["--count", "100", "--batch", "50"]);
    assert_eq!(load.end(), Some(0), "{}", load.said());
    until("a stamp of each ledger", PATIENCE, || (stamps(&site).len() >= 2).then_some(()));
    assert_eq!(site.stop(), [Some(0); 3]);
    let (archive, policy) = (site.path("archive"), site.path("audit-policy.yaml"));
    let (archive, policy) = (archive.to_str().unwrap(), policy.to_str().unwrap());
    let place = ["--records-dir", archive, "--policy", policy];
    let verify = || {
        let output = lucarne(&[&["audit", "verify", "--output", "json"], &place[..]].concat());
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let codes = report["findings"].as_array().unwrap().iter();
        let codes: Vec<String> =
            codes.map(|finding| finding["code"].as_str().unwrap().to_owned()).collect();
        (output.status.code().unwrap(), codes)
    };
    let none: Vec<String> = Vec::new();
    assert_eq!(verify(), (5, none.clone()), "whoever names no root reads no stamp");
    let name_roots = |authority: &Authority| {
        let text = std::fs::read_to_string(policy).unwrap();
        let rest: Vec<&str> = text.lines().filter(|l| !l.starts_with("time_stamps")).collect();
        let roots = authority.path("ca.pem");
        let line = format!("time_stamps: {{ roots: {} }}", roots.display());
        std::fs::write(policy, format!("{}\n{line}\n", rest.join("\n"))).unwrap();
    };
    name_roots(&stranger);
    let count = stamps(&site).len();
    assert_eq!(verify(), (2, vec!["stamp-untrusted".to_owned(); count]));
    name_roots(&authority);
    assert_eq!(verify(), (5, none));
    // A proof of one record brings the stamp along, and says by when the record existed.
    let bundle = site.path("record.proof");
    let bundle = bundle.to_str().unwrap();
    let prove = ["audit", "prove", "1", "--bundle", bundle];
    assert_eq!(lucarne(&[&prove[..], &place].concat()).status.code(), Some(5));
    let check = |more: &[&str]| {
        lucarne(&[&["audit", "check-proof", bundle, "--policy", policy], more].concat())
    };
    let output = check(&["--output", "json"]);
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    let vouchers = &shown["vouchers"];
    assert_eq!(vouchers["time_stamps"].as_array().unwrap().len(), 1, "{shown:#}");
    let by = vouchers["existed_by"].as_str().unwrap();
    assert!(text(&check(&[]).stdout).contains(&format!("It existed at {by} at the latest")));
    name_roots(&stranger);
    let said = text(&check(&[]).stdout);
    assert!(said.contains("time stamp: 1 not judged, of no authority that the policy names"));
    name_roots(&authority);
    // One bit of a stamp is enough to be seen.
    let stamp = &stamps(&site)[0];
    let mut bytes = std::fs::read(stamp).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(stamp, bytes).unwrap();
    let (exit, codes) = verify();
    assert!(exit == 1 || exit == 2, "{exit}");
    assert!(codes.len() == 1 && codes[0].starts_with("stamp-"), "{codes:?}");
}

#[test]
fn an_authority_is_asked_over_http() {
    let authority = Authority::new(EC, "tsa_ext");
    let ask = |address: SocketAddr| {
        let url = format!("http://{address}/tsr");
        authority.audit("timestamp", &["--tsa", &url, "--roots", "@ca.pem"])
    };
    let address = serve(authority.dir.path(), "500 Sorry", "application/timestamp-reply");
    assert!(exits(&ask(address), 4).contains("HTTP 500"));
    let address = serve(authority.dir.path(), "200 OK", "text/html");
    assert!(exits(&ask(address), 4).contains("which is no application/timestamp-reply"));
    assert!(exits(&ask(address), 4).contains("connect"));
    let address = serve(authority.dir.path(), "200 OK", "application/timestamp-reply");
    assert!(exits(&ask(address), 0).contains("kept: "));
    authority.check(&["--roots", "@ca.pem"], 0, "records with root");
    let secure = ["--tsa", "https://tsa.example/", "--roots", "@ca.pem"];
    assert!(exits(&authority.audit("timestamp", &secure), 3).contains("hint: for https"));
}

/// A batch that OpenSSL signed for a certificate that OpenSSL made; its signature is DER.
#[test]
fn a_batch_signed_by_openssl_is_imported_under_its_certificate() {
    let authority =
        Authority::new(&["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"], "tsa_ext");
    let payload = "{\"sequence\":1,\"timestamp_utc\":\"x\",\"tee_measurement\":\"m\",\
                   \"record_count\":0,\"records\":[]}";
    std::fs::write(authority.path("payload"), payload).unwrap();
    authority.openssl(&["dgst", "-sha256", "-sign", "tsa.key", "-out", "signature", "payload"]);
    let base64 = |file: &str| {
        let encoded = authority.openssl(&["base64", "-A", "-in", file]);
        text(&encoded.stdout)
    };
    let fingerprint = ["x509", "-in", "tsa.pem", "-noout", "-fingerprint", "-sha256"];
    let fingerprint = text(&authority.openssl(&fingerprint).stdout);
    let thumbprint = fingerprint.split_once('=').unwrap().1.trim().replace(':', "");
    let batch = |thumbprint: &str| {
        format!(
            "{{\"Sequence\":1,\"PayloadBase64\":\"{}\",\"SignatureBase64\":\"{}\",\
             \"AttestationCertThumbprint\":\"{thumbprint}\"}}",
            base64("payload"),
            base64("signature")
        )
    };
    let import = || {
        let path = |name: &str| authority.path(name).to_str().unwrap().to_owned();
        let (file, key) = (path("batch.json"), path("tsa.pem"));
        let line = ["audit", "import-json", "--records-dir", &file, "--tee-public-key", &key];
        let asked = ["--expect-measurement", "m", "--from-seq", "1", "--to-seq", "1"];
        lucarne(&[&line[..], &asked].concat())
    };
    std::fs::write(authority.path("batch.json"), batch(&thumbprint)).unwrap();
    assert!(exits(&import(), 0).starts_with("Valid(0)  "));
    std::fs::write(authority.path("batch.json"), batch(&"ab".repeat(32))).unwrap();
    let output = import();
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stdout);
    assert!(said.contains("names the certificate abab"), "{said}");
}
