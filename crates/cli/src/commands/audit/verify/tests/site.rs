//! A site whose archive the tests attack: two ledgers of an epoch, sealed as the enclave seals
//! them.

use std::fs;
use std::path::{Path, PathBuf};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair,
};
use lucarne_archive::name::{CheckpointName, Date, EpochFile, EpochName, JsonName, SealName};
use lucarne_archive::segment::SegmentWriter;
use lucarne_archive::{Archive, Directory, Name, Put};
use lucarne_ledger::batch;
use lucarne_ledger::binding::EpochBinding;
use lucarne_ledger::checkpoint::{Checkpoint, origin};
use lucarne_ledger::control::{Close, Control, Heartbeat, Open, Previous, Workload};
use lucarne_ledger::hash::{Hash, from_hex};
use lucarne_ledger::identity::{EpochId, LedgerId, LedgerKind};
use lucarne_ledger::json_batch::writer::JsonBatches;
use lucarne_ledger::key::{Ed25519Key, PublicKey, Signer, SigningFailed};
use lucarne_ledger::note::{NoteKey, assemble};
use lucarne_ledger::payload::{AuditEvent, ContextSlot, JsonLines, Payloads, RecordSlot};
use lucarne_ledger::record::Stream;
use lucarne_ledger::salt::Seed;
use lucarne_ledger::seal::{self, Kind, Ledger, Sealed};
use lucarne_ledger::statement::Withholding;
use lucarne_otlp::wire::Writer;
use tempfile::TempDir;

/// The root of `testdata/audit`.
pub(in crate::commands::audit) const ROOT: &str =
    "a49722394e7d0030cd5de8cdf764d66b29957cb2198a9a4e2dedbded9f8a119b";

const PREFIX: &str = "lucarne.local";
const TIME_MS: u64 = 1_779_703_200_000;
const JSON_TIME: &str = "2026-05-25T10:00:00.0000000+00:00";

/// An epoch of `testdata/audit`: published keys, and genuine evidence of a software TEE for them.
pub(in crate::commands::audit) struct Tee {
    short: &'static str,
    secret: &'static str,
    x: &'static str,
    y: &'static str,
}

pub(in crate::commands::audit) const FIRST: Tee = Tee {
    short: "first",
    secret: "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721",
    x: "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6",
    y: "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299",
};

pub(in crate::commands::audit) const SECOND: Tee = Tee {
    short: "second",
    secret: "8e9b109e719098bf980487df1f5d77e9cb29606ebed2263b5f57c213df84f4b2",
    x: "7fcdce2770f6c45d4183cbee6fdb4b7b580733357be9ef13bacf6e3c7bd15445",
    y: "c7f144cd1bbd9b7e872cdfedb9eeb9f4b3695d6ea90b24ad8a4623288588e5ad",
};

impl Tee {
    pub(in crate::commands::audit) fn id(&self, kind: LedgerKind) -> LedgerId {
        LedgerId { instance: "nitro-001-us-east".parse().unwrap(), epoch: self.epoch(), kind }
    }

    pub(in crate::commands::audit) fn file(&self, what: &str) -> Vec<u8> {
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/audit");
        fs::read(data.join(format!("{}.{what}.cbor", self.short))).unwrap()
    }

    pub(in crate::commands::audit) fn epoch(&self) -> EpochId {
        EpochBinding::from_cbor(&self.file("binding")).unwrap().epoch_id()
    }

    fn signer(&self) -> P256 {
        let [secret, x, y]: [[u8; 32]; 3] =
            [self.secret, self.x, self.y].map(|hex| from_hex(hex).unwrap());
        let point = [&[4], &x[..], &y[..]].concat();
        let pair = |scheme| {
            EcdsaKeyPair::from_private_key_and_public_key(scheme, &secret, &point).unwrap()
        };
        P256 {
            pair: pair(&ECDSA_P256_SHA256_FIXED_SIGNING),
            der: pair(&ECDSA_P256_SHA256_ASN1_SIGNING),
            public: PublicKey::from_p256_point(&point).unwrap(),
        }
    }

    fn ledger<K: Kind>(&self) -> Ledger<K> {
        Ledger::new(self.id(K::KIND).instance, self.epoch(), Seed::new([1; 32]))
    }

    fn open<K: Kind>(&self, previous: Option<Previous>) -> Control {
        Control::Open(Open {
            time_ms: TIME_MS,
            instance: "nitro-001-us-east".to_owned(),
            epoch: self.epoch().to_string(),
            ledger: K::KIND.to_string(),
            tee: "software (INSECURE)".to_owned(),
            measurement: "e5".repeat(48),
            binding: lucarne_ledger::hash::to_hex(&self.file("binding")),
            evidence_sha256: Hash::of(&self.file("evidence")).to_string(),
            previous,
        })
    }
}

struct P256 {
    pair: EcdsaKeyPair,
    der: EcdsaKeyPair,
    public: PublicKey,
}

impl P256 {
    fn sign_der(&self, message: &[u8]) -> Vec<u8> {
        self.der.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec()
    }
}

impl Signer for P256 {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SigningFailed> {
        let signature = self.pair.sign(&SystemRandom::new(), message).map_err(|_| SigningFailed)?;
        signature.as_ref().try_into().map_err(|_| SigningFailed)
    }
}

pub(in crate::commands::audit) fn outer_layer() -> Ed25519Key {
    Ed25519Key::from_seed(&[9; 32]).unwrap()
}

pub(in crate::commands::audit) fn stranger() -> Ed25519Key {
    Ed25519Key::from_seed(&[8; 32]).unwrap()
}

/// A directory with an archive and a policy.
pub(in crate::commands::audit) struct Site {
    dir: TempDir,
}

impl Site {
    /// One epoch with both ledgers: audit records 0-8 in three segments, telemetry 0-7 in two.
    pub(in crate::commands::audit) fn new() -> Self {
        let site = Self::empty();
        site.add_epoch(&FIRST);
        site
    }

    /// One epoch whose audit ledger has five records, each in a segment of its own.
    pub(in crate::commands::audit) fn of_single_records() -> Self {
        let site = Self::empty();
        site.add_evidence(&FIRST);
        let mut ledger = FIRST.ledger::<seal::Audit>();
        for n in 0..5 {
            match n {
                0 => ledger.append_control(&FIRST.open::<seal::Audit>(None)),
                4 => ledger.append_control(&close(&ledger)),
                _ => ledger.append_event(&event(n)),
            }
            .unwrap();
            site.store(&FIRST, &mut ledger);
        }
        site
    }

    /// One epoch with an audit ledger of that many records, the last of them `close`: one segment,
    /// with a batch for each of the sizes.
    pub(in crate::commands::audit) fn of_one_segment(ends: &[u64]) -> Self {
        let site = Self::empty();
        site.add_evidence(&FIRST);
        let mut ledger = FIRST.ledger::<seal::Audit>();
        let (last, mut batches) = (ends.last().copied().unwrap_or_default(), Vec::new());
        ledger.append_control(&FIRST.open::<seal::Audit>(None)).unwrap();
        for end in ends {
            while ledger.size() < *end {
                if ledger.size() + 1 == last {
                    ledger.append_control(&close(&ledger)).unwrap();
                } else {
                    ledger.append_event(&event(u32::try_from(ledger.size()).unwrap())).unwrap();
                }
            }
            batches.push(site.seal(&FIRST, &mut ledger));
        }
        let name = SealName {
            date: Date::of_unix_ms(TIME_MS),
            ledger: ledger.id().clone(),
            first: 0,
            last: ledger.size() - 1,
            root: ledger.root(),
            revision: 0,
        };
        let bytes: Vec<&[u8]> = batches.iter().map(Sealed::bytes).collect();
        site.put(&name.into(), &framed(&bytes));
        site.put_checkpoint(&FIRST, ledger.id(), ledger.size(), ledger.root());
        site
    }

    /// Takes a batch out of a segment and frames the others anew, as somebody at the storage can.
    pub(in crate::commands::audit) fn cut_out(path: &Path, number: usize) {
        let mut reader =
            lucarne_archive::segment::SegmentReader::open(fs::File::open(path).unwrap()).unwrap();
        let mut batches = Vec::new();
        while let Some(frame) = reader.next_frame().unwrap() {
            batches.push(frame.content.to_vec());
        }
        batches.remove(number);
        let batches: Vec<&[u8]> = batches.iter().map(Vec::as_slice).collect();
        fs::write(path, framed(&batches)).unwrap();
    }

    /// The folder of a day, as `aws s3 cp --recursive` of it would be left, in a place of its own.
    pub(in crate::commands::audit) fn copy_of(&self, folder: &str) -> PathBuf {
        let copy = self.dir.path().join("forensics/audit-records");
        let from = self.archive().join(folder);
        let mut folders = vec![PathBuf::new()];
        while let Some(folder) = folders.pop() {
            fs::create_dir_all(copy.join(&folder)).unwrap();
            for entry in fs::read_dir(from.join(&folder)).unwrap() {
                let (entry, below) = entry.map(|e| (e.path(), folder.join(e.file_name()))).unwrap();
                if entry.is_dir() {
                    folders.push(below);
                } else {
                    fs::copy(entry, copy.join(below)).unwrap();
                }
            }
        }
        copy
    }

    fn empty() -> Self {
        let site = Self { dir: tempfile::tempdir().unwrap() };
        site.write_policy("any-insecure", ROOT);
        site
    }

    pub(in crate::commands::audit) fn archive(&self) -> PathBuf {
        self.dir.path().join("archive")
    }

    pub(in crate::commands::audit) fn policy(&self) -> PathBuf {
        self.dir.path().join("audit-policy.yaml")
    }

    pub(in crate::commands::audit) fn write_policy(&self, measurements: &str, root: &str) {
        let key = lucarne_ledger::hash::to_hex(outer_layer().public_key().raw());
        let text = format!(
            "log_prefix: {PREFIX}\n\
             insecure: [{{ kind: software, fingerprint: \"{root}\" }}]\n\
             measurements: {measurements}\n\
             ledgers: [audit, telemetry]\n\
             withholding_keys: [{{ name: outer-layer, ed25519: \"{key}\" }}]\n"
        );
        fs::write(self.policy(), text).unwrap();
    }

    pub(in crate::commands::audit) fn accept(&mut self, explanation: &str) {
        let mut text = fs::read_to_string(self.policy()).unwrap();
        text.push_str(&format!(
            "accept_unclean_end: [{{ instance: nitro-001-us-east, epoch: \"{}\", \
             explanation: \"{explanation}\" }}]\n",
            FIRST.epoch()
        ));
        fs::write(self.policy(), text).unwrap();
    }

    /// A whole epoch; the second names the first as its predecessor.
    pub(in crate::commands::audit) fn add_epoch(&self, tee: &Tee) {
        self.add_evidence(tee);
        let mut audit = tee.ledger::<seal::Audit>();
        audit.append_control(&tee.open::<seal::Audit>(self.previous(tee, "audit"))).unwrap();
        for n in 1..9 {
            if n == 8 {
                audit.append_control(&close(&audit)).unwrap();
            } else {
                audit.append_event(&event(n)).unwrap();
            }
            if n % 3 == 2 {
                self.store(tee, &mut audit);
            }
        }
        let mut telemetry = tee.ledger::<seal::Telemetry>();
        let previous = self.previous(tee, "telemetry");
        telemetry.append_control(&tee.open::<seal::Telemetry>(previous)).unwrap();
        telemetry.append(&mut log()).unwrap();
        self.store(tee, &mut telemetry);
        telemetry.append(&mut log()).unwrap();
        telemetry.append_control(&close(&telemetry)).unwrap();
        self.store(tee, &mut telemetry);
    }

    /// A second history of the first epoch, under its own key.
    pub(in crate::commands::audit) fn fork(&self) {
        let mut ledger = FIRST.ledger::<seal::Audit>();
        ledger.append_control(&FIRST.open::<seal::Audit>(None)).unwrap();
        let heartbeat =
            Heartbeat { time_ms: TIME_MS, workload: Workload::Healthy, refused: 0, evicted: 0 };
        ledger.append_control(&Control::Heartbeat(heartbeat)).unwrap();
        ledger.append_event(&event(77)).unwrap();
        let sealed = self.seal(&FIRST, &mut ledger);
        self.put_segment(&sealed);
    }

    /// Leaves the middle record of a segment of three out of the first epoch's audit ledger.
    pub(in crate::commands::audit) fn withhold(&self, segment: usize, signer: &Ed25519Key) {
        let path = &self.seals("audit")[segment];
        let key = batch::EpochKey {
            instance: FIRST.id(LedgerKind::Audit).instance,
            epoch: FIRST.epoch(),
            key: FIRST.signer().public,
        };
        let file = fs::File::open(path).unwrap();
        let mut reader = lucarne_archive::segment::SegmentReader::open(file).unwrap();
        let frame = reader.next_frame().unwrap().unwrap();
        let whole = batch::verify(frame.content, &key).unwrap();
        let word = Withholding {
            ledger: FIRST.id(LedgerKind::Audit),
            seq: whole.statement().first + 1,
            commitment: whole.records()[1].commitment,
            rule: "key form.*".to_owned(),
            time_ms: TIME_MS,
        };
        let word = word.sign(signer).unwrap();
        let less = whole.withhold(|index| (index == 1).then(|| word.clone()));
        let mut writer = SegmentWriter::new().unwrap();
        writer.push(&less).unwrap();
        fs::write(path, writer.finish()).unwrap();
    }

    pub(in crate::commands::audit) fn seals(&self, ledger: &str) -> Vec<PathBuf> {
        self.seals_of(&FIRST, ledger)
    }

    pub(in crate::commands::audit) fn seals_of(&self, tee: &Tee, ledger: &str) -> Vec<PathBuf> {
        sorted(&self.archive().join("2026/05/25/nitro-001-us-east").join(in_epoch(tee, ledger)))
    }

    pub(in crate::commands::audit) fn checkpoints(&self, ledger: &str) -> Vec<PathBuf> {
        self.checkpoints_of(&FIRST, ledger)
    }

    pub(in crate::commands::audit) fn checkpoints_of(
        &self,
        tee: &Tee,
        ledger: &str,
    ) -> Vec<PathBuf> {
        let folder = self.archive().join("checkpoints/nitro-001-us-east");
        sorted(&folder.join(in_epoch(tee, ledger)))
    }

    pub(in crate::commands::audit) fn epoch_file(&self, tee: &Tee, file: &str) -> PathBuf {
        self.archive().join("epochs/nitro-001-us-east").join(in_epoch(tee, file))
    }

    fn previous(&self, tee: &Tee, ledger: &str) -> Option<Previous> {
        let last = (tee.short != FIRST.short).then(|| self.checkpoints(ledger).pop())??;
        let stem = last.file_stem()?.to_str()?.to_owned();
        let (size, root) = stem.split_once('-')?;
        let (epoch, size) = (FIRST.epoch().to_string(), size.parse().ok()?);
        Some(Previous { epoch, size, root: root.to_owned() })
    }

    fn add_evidence(&self, tee: &Tee) {
        for (file, what) in [(EpochFile::Evidence, "evidence"), (EpochFile::Binding, "binding")] {
            let instance = tee.id(LedgerKind::Audit).instance;
            self.put(&EpochName { instance, epoch: tee.epoch(), file }.into(), &tee.file(what));
        }
    }

    /// Seals what is open and stores it as a segment, with a checkpoint of its end.
    fn store<K: Kind>(&self, tee: &Tee, ledger: &mut Ledger<K>) {
        let sealed = self.seal(tee, ledger);
        self.put_segment(&sealed);
        self.put_checkpoint(tee, ledger.id(), ledger.size(), ledger.root());
    }

    /// A checkpoint of the second history, genuinely signed, beside the archive.
    pub(in crate::commands::audit) fn forked_checkpoint(&self) -> PathBuf {
        let path = self.dir.path().join("second.note");
        let id = FIRST.id(LedgerKind::Audit);
        fs::write(&path, note(&FIRST, &id, 3, Hash::of(b"another history"))).unwrap();
        path
    }

    fn put_checkpoint(&self, tee: &Tee, id: &LedgerId, size: u64, root: Hash) {
        let name = CheckpointName { ledger: id.clone(), size, root, cosigned: false };
        self.put(&name.into(), note(tee, id, size, root).as_bytes());
    }

    fn seal<K: Kind>(&self, tee: &Tee, ledger: &mut Ledger<K>) -> Sealed {
        let next = Seed::new([ledger.size().to_be_bytes()[7]; 32]);
        ledger.seal(&tee.signer(), TIME_MS, next).unwrap().unwrap()
    }

    fn put_segment(&self, sealed: &Sealed) {
        let statement = sealed.statement();
        let name = SealName {
            date: Date::of_unix_ms(statement.time_ms),
            ledger: statement.ledger.clone(),
            first: statement.first,
            last: statement.size() - 1,
            root: statement.root,
            revision: 0,
        };
        self.put(&name.into(), &framed(&[sealed.bytes()]));
    }

    /// Signed log batches 1 to `last` in JSON, of one record each.
    pub(in crate::commands::audit) fn add_json_batches(&self, tee: &Tee, last: u64) {
        let mut batches = JsonBatches::new(&"e5".repeat(48));
        let line = format!(
            "{{\"timestamp\":\"{JSON_TIME}\",\"level\":\"Information\",\
             \"message\":\"completed\",\"attributes\":null}}"
        );
        let lines = JsonLines::assertion_by_contract(line.clone().into_bytes(), vec![line.len()]);
        for sequence in 1..=last {
            lines.lines().for_each(|line| batches.append(line).unwrap());
            let sealed = batches.seal(&tee.signer(), JSON_TIME).unwrap().unwrap();
            let (instance, epoch) = (tee.id(LedgerKind::Audit).instance, tee.epoch());
            let date = Date::of_unix_ms(TIME_MS);
            self.put(&JsonName { date, instance, epoch, sequence }.into(), &sealed.bytes);
        }
    }

    /// The files of these batches.
    pub(in crate::commands::audit) fn json_batches(&self) -> Vec<PathBuf> {
        let epoch = FIRST.epoch().to_string();
        sorted(&self.archive().join("json/2026/05/25/nitro-001-us-east").join(epoch))
    }

    fn put(&self, name: &Name, bytes: &[u8]) {
        let archive = Directory::open(&self.archive()).unwrap();
        assert_eq!(archive.put(name, bytes).unwrap(), Put::Created);
    }
}

fn note(tee: &Tee, id: &LedgerId, size: u64, root: Hash) -> String {
    let origin = origin(PREFIX, id);
    let text = Checkpoint { origin: origin.clone(), size, root }.to_string();
    let (p256, ed25519) = (tee.signer(), Ed25519Key::from_seed(&[7; 32]).unwrap());
    let lines = [
        NoteKey::new(&origin, p256.public.clone()).line(&p256.sign_der(text.as_bytes())),
        NoteKey::new(&origin, ed25519.public_key().clone())
            .line(&ed25519.sign(text.as_bytes()).unwrap()),
    ];
    assemble(&text, &lines)
}

fn framed(batches: &[&[u8]]) -> Vec<u8> {
    let mut writer = SegmentWriter::new().unwrap();
    batches.iter().for_each(|batch| writer.push(batch).unwrap());
    writer.finish()
}

fn in_epoch(tee: &Tee, last: &str) -> PathBuf {
    Path::new(&tee.epoch().to_string()).join(last)
}

fn sorted(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    paths.sort();
    paths
}

fn close<K: Kind>(ledger: &Ledger<K>) -> Control {
    let (size, root) = (ledger.size(), ledger.root().to_string());
    Control::Close(Close { time_ms: TIME_MS, size, root, reason: "stopped".to_owned() })
}

fn event(n: u32) -> AuditEvent {
    let fields = format!("\"event_type\":\"workflow.started\",\"stepCount\":{n}");
    AuditEvent::assertion_by_contract(fields.into_bytes())
}

/// A log record of the seeds, with its resource and scope.
fn log() -> Payloads {
    let attribute = |out: &mut Writer<'_>, number, key: &str, value: &str| {
        out.message(number, |pair| {
            pair.bytes(1, key.as_bytes());
            pair.message(2, |any| any.bytes(1, value.as_bytes()));
        });
    };
    let mut buffer = Vec::new();
    let mut slot = |write: &dyn Fn(&mut Writer<'_>)| {
        let start = buffer.len();
        buffer.extend_from_slice(&[0; 4]);
        write(&mut Writer::new(&mut buffer));
        start..buffer.len()
    };
    let resource = slot(&|out| attribute(out, 1, "service.name", "processengine"));
    let scope = slot(&|out| out.bytes(1, b"engine"));
    let record = slot(&|out| {
        out.fixed64(1, TIME_MS * 1_000_000);
        out.varint(2, 17);
        attribute(out, 6, "executionId", "exec-abc-123");
    });
    let contexts = vec![
        ContextSlot { resource: None, range: resource },
        ContextSlot { resource: Some(0), range: scope },
    ];
    let records = vec![RecordSlot { stream: Stream::Logs, scope: 1, range: record }];
    Payloads::assertion_by_contract(buffer, contexts, records)
}
