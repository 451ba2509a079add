//! The site with everything that anchors an archive from outside: a register, a witness over it and
//! over every checkpoint, time stamps, and payloads under data keys, one of which was destroyed by
//! order.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use lucarne_archive::Name;
use lucarne_archive::data_keys::{DataKeys, Slot};
use lucarne_archive::disk::RealDisk;
use lucarne_archive::encryption::Cipher;
use lucarne_archive::name::{CheckpointName, ErasureName, RegisterName};
use lucarne_cli::random::Random;
use lucarne_ledger::checkpoint::Checkpoint;
use lucarne_ledger::cosignature::Cosigner;
use lucarne_ledger::encryption::Erasure;
use lucarne_ledger::hash::{Hash, to_hex};
use lucarne_ledger::identity::LedgerKind;
use lucarne_ledger::key::{Ed25519Key, Signer};
use lucarne_ledger::register::{self, Entry, Head, Predecessor, Register};

use super::arena::DATA_KEYS;
use super::site::{Epoch, Files, LedgerModel, PREFIX, Segment, Site, ledger_files};

/// Who speaks for the archive from outside.
pub(crate) struct Anchors {
    pub(crate) register: Ed25519Key,
    pub(crate) entries: Vec<Entry>,
    pub(crate) witness: Cosigner,
    /// The last checkpoint of each boot's audit ledger, with its time stamp and that of an
    /// authority that the policy does not know.
    pub(crate) stamps: Vec<Stamped>,
    /// The order to destroy a key.
    pub(crate) order: Erasure,
    pub(crate) order_name: ErasureName,
}

/// A checkpoint with time stamps.
pub(crate) struct Stamped {
    pub(crate) epoch: usize,
    pub(crate) name: CheckpointName,
    pub(crate) known: Vec<u8>,
    pub(crate) unknown: Vec<u8>,
}

/// The boots whose payloads are encrypted: those of the second instance, on one day.
pub(crate) const ENCRYPTED: [usize; 2] = [3, 4];
/// The order by which its telemetry was erased.
const ORDER: &str = "order of the data protection officer: request 17";

impl Anchors {
    /// What a policy says of them.
    pub(crate) fn policy(&self) -> String {
        format!(
            "register: {{ ed25519: \"{}\", witnessed: true }}\n\
             witnesses: |\n  witness w1 {}\n  quorum w1\n\
             time_stamps: {{ roots: tsa.pem }}\n",
            to_hex(self.register.public_key().raw()),
            self.witness.verifier()
        )
    }

    /// A checkpoint's note with the word of the witness.
    pub(crate) fn cosigned(&self, note: &str, head: &Checkpoint, time_s: u64) -> Vec<u8> {
        let line = self.witness.cosign(head, time_s).expect("it signs");
        format!("{note}{line}").into_bytes()
    }
}

impl Site {
    /// The site of a seed with all its anchors.
    pub(crate) fn anchored(seed: u64) -> Self {
        let mut site = Self::new(seed);
        let random = &mut Random::new(!seed);
        let (order, order_name) = site.encrypt();
        let anchors = Anchors {
            register: Ed25519Key::from_seed(&random.bytes()).expect("any seed is one"),
            entries: site.entries(),
            witness: Cosigner::ed25519("witness.test/w", &random.bytes()).expect("it is a seed"),
            stamps: site.stamp(),
            order,
            order_name,
        };
        let signed = anchors.order.sign(&site.withholding).expect("it signs");
        site.files.insert(anchors.order_name.to_string(), signed.into());
        for epoch in &site.epochs {
            for (ledger, segment) in segments(epoch) {
                let (name, note) = cosigned(&anchors, epoch, ledger, segment);
                site.files.insert(name, note.into());
            }
        }
        for stamped in &anchors.stamps {
            let name = Name::Stamp(stamped.name.clone()).to_string();
            site.files.insert(name, stamped.known.clone().into());
        }
        let (key, witness) = (&anchors.register, Some(&anchors.witness));
        site.files.extend(register_files(&anchors.entries, key, witness));
        site.anchors = Some(anchors);
        site
    }

    pub(crate) fn outside(&self) -> &Anchors {
        self.anchors.as_ref().expect("attacks on anchors are made where there are some")
    }

    // Of each boot its beginning, and the end of both ledgers if it had one.
    fn entries(&self) -> Vec<Entry> {
        let mut entries = Vec::new();
        for epoch in &self.epochs {
            let before = epoch.before.map(|at| &self.epochs[at]);
            entries.push(began(epoch, before));
            for ledger in epoch.ledgers.iter().filter(|ledger| ledger.closed) {
                let (ledger, size, root) = (ledger.id.clone(), ledger.size(), ledger.root());
                entries.push(Entry::End { ledger, size, root, time_ms: epoch.attested_ms });
            }
        }
        entries
    }

    // A gateway with data keys encrypted the second instance's payloads; then the key of its
    // telemetry was destroyed.
    fn encrypt(&mut self) -> (Erasure, ErasureName) {
        let dir = tempfile::tempdir().expect("a directory");
        let draw = || {
            let mut bytes = [0; 32];
            aws_lc_rs::rand::fill(&mut bytes).ok().map(|()| bytes)
        };
        let keys = DataKeys::open(Arc::new(RealDisk), dir.path(), draw).expect("a folder");
        let keys = Arc::new(keys);
        let signer = Ed25519Key::from_seed(&self.withholding_seed).expect("it is a seed");
        let cipher = Cipher::new(Arc::clone(&keys), signer);
        for at in ENCRYPTED {
            let epoch = &mut self.epochs[at];
            for ledger in &mut epoch.ledgers {
                for segment in &ledger.segments {
                    let slot = Slot::of(&segment.name);
                    for batch in &mut ledger.batches[segment.batches.clone()] {
                        let encrypted = cipher.encrypt(&slot, &batch.bytes).expect("it encrypts");
                        if let Some(encrypted) = encrypted {
                            batch.bytes = encrypted.bytes;
                        }
                    }
                }
                self.files.extend(ledger_files(ledger, &epoch.keys));
            }
        }
        let telemetry = &self.epochs[ENCRYPTED[0]].ledgers[1].segments[0];
        let slot = Slot::of(&telemetry.name);
        let (date, instance, kind) = (slot.date, slot.instance.clone(), slot.kind);
        let key = keys.of(&slot).expect("it was used").id();
        for (name, bytes) in key_files(dir.path()) {
            if !name.contains(".telemetry.") {
                self.files.insert(format!("../{DATA_KEYS}/{name}"), bytes.into());
            }
        }
        let (day, time_ms) = (date.to_string(), self.epochs[ENCRYPTED[1]].attested_ms);
        let order =
            Erasure { instance: instance.clone(), kind, day, key, rule: ORDER.into(), time_ms };
        (order, ErasureName { date, instance, kind, key })
    }

    fn stamp(&mut self) -> Vec<Stamped> {
        let (known, unknown) = (Authority::new(), Authority::new());
        self.files.insert("../tsa.pem".to_owned(), known.read("ca.pem").into());
        let last = |epoch: &Epoch| epoch.ledgers[0].segments.last().map(|s| s.checkpoint.clone());
        let names = self.epochs.iter().filter_map(last).enumerate();
        let stamped = names.map(|(epoch, name)| {
            let note = &self.files[&name.to_string()];
            let (known, unknown) = (known.stamp(note), unknown.stamp(note));
            Stamped { epoch, name, known, unknown }
        });
        stamped.collect()
    }
}

/// The entry for a boot.
pub(crate) fn began(epoch: &Epoch, before: Option<&Epoch>) -> Entry {
    let predecessor = before.map(|before| {
        let heads = LedgerKind::ALL.into_iter().zip(&before.ledgers);
        let heads = heads.map(|(kind, end)| Head { kind, size: end.size(), root: end.root() });
        Predecessor { epoch: before.binding.epoch_id(), heads: heads.collect() }
    });
    Entry::Epoch {
        instance: epoch.instance().clone(),
        epoch: epoch.binding.epoch_id(),
        binding_sha256: Hash::of(&epoch.binding.to_cbor()),
        evidence_sha256: Hash::of(&epoch.evidence),
        predecessor,
        time_ms: epoch.attested_ms,
    }
}

/// The segments of both ledgers of a boot.
fn segments(epoch: &Epoch) -> impl Iterator<Item = (&LedgerModel, &Segment)> {
    epoch.ledgers.iter().flat_map(|ledger| ledger.segments.iter().map(move |s| (ledger, s)))
}

/// The cosigned checkpoint of a segment: its name and its note.
fn cosigned(
    anchors: &Anchors,
    epoch: &Epoch,
    ledger: &LedgerModel,
    segment: &Segment,
) -> (String, Vec<u8>) {
    let head = ledger.head(segment.checkpoint.size, segment.checkpoint.root);
    let time_ms = ledger.batches[segment.batches.end - 1].time_ms;
    let note = epoch.keys.note(&head, [true; 2]);
    (cosigned_name(segment), anchors.cosigned(&note, &head, time_ms / 1_000 + 2))
}

/// The name of the cosigned checkpoint of a segment.
pub(crate) fn cosigned_name(segment: &Segment) -> String {
    CheckpointName { cosigned: true, ..segment.checkpoint.clone() }.to_string()
}

/// A register with a head after each entry, each cosigned if there is a witness.
pub(crate) fn register_files(
    entries: &[Entry],
    key: &Ed25519Key,
    witness: Option<&Cosigner>,
) -> Files {
    let mut files = Files::new();
    let mut register = Register::new(PREFIX);
    for (index, entry) in (0..).zip(entries) {
        let bytes = entry.to_cbor();
        register.append(&bytes).expect("it is an entry");
        files.insert(RegisterName::Entry { index }.to_string(), bytes.into());
        let (size, root) = (register.size(), register.root());
        let note = register.sign(key).expect("it signs");
        let head = Checkpoint { origin: register::origin(PREFIX), size, root };
        let name = |cosigned| RegisterName::Checkpoint { size, root, cosigned }.to_string();
        files.insert(name(false), note.clone().into_bytes().into());
        if let Some(witness) = witness {
            let line = witness.cosign(&head, WITNESSED_S).expect("it signs");
            files.insert(name(true), format!("{note}{line}").into_bytes().into());
        }
    }
    files
}

fn key_files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(folder).expect("the folder of keys");
    let paths = entries.map(|entry| entry.expect("a file").path());
    let keys = paths.filter(|path| path.extension().is_some_and(|end| end == "key"));
    let one = |path: std::path::PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).expect("a plain name");
        (name.to_owned(), fs::read(&path).expect("a key"))
    };
    keys.map(one).collect()
}

/// A time-stamping authority, which is OpenSSL with a key of one day.
struct Authority {
    dir: tempfile::TempDir,
}

impl Authority {
    fn new() -> Self {
        let authority = Self { dir: tempfile::tempdir().expect("a directory") };
        authority.write("tsa.cnf", CONFIG.as_bytes());
        authority.write("serial", b"01\n");
        let common = "-config tsa.cnf -nodes -sha256 -days 2 -newkey ec \
                      -pkeyopt ec_paramgen_curve:P-384";
        authority.openssl(&format!(
            "req -x509 -subj /O=Adversary/CN=Root -extensions ca_ext {common} \
             -keyout ca.key -out ca.pem"
        ));
        authority.openssl(&format!(
            "req -x509 -subj /O=Adversary/CN=Authority -extensions tsa_ext {common} \
             -CA ca.pem -CAkey ca.key -keyout tsa.key -out tsa.pem"
        ));
        authority
    }

    fn stamp(&self, note: &[u8]) -> Vec<u8> {
        self.write("head.note", note);
        self.openssl("ts -query -data head.note -sha256 -cert -out head.tsq");
        self.openssl(
            "ts -reply -config tsa.cnf -signer tsa.pem -inkey tsa.key -queryfile head.tsq \
             -out head.tsr",
        );
        self.read("head.tsr")
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.dir.path().join(name)).expect("openssl wrote it")
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.dir.path().join(name), bytes).expect("room for a file");
    }

    fn openssl(&self, line: &str) {
        let mut command = Command::new("openssl");
        command.args(line.split_whitespace()).current_dir(self.dir.path());
        let output = command.output().expect("openssl is installed");
        assert!(output.status.success(), "openssl {line}: {output:?}");
    }
}

/// 2026-05-26T12:00:00Z: when the witness saw the register.
const WITNESSED_S: u64 = 1_779_796_800;

const CONFIG: &str = "\
[tsa]
default_tsa = a
[a]
serial = serial
crypto_device = builtin
signer_digest = sha256
default_policy = 1.3.6.1.4.1.99999.1
digests = sha256
accuracy = secs:1
ordering = no
tsa_name = yes
ess_cert_id_chain = no
ess_cert_id_alg = sha256
[tsa_ext]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping
[ca_ext]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign
[req]
distinguished_name = dn
[dn]
";
