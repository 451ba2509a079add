//! Archives of any size, sealed as the enclave seals them, for tests and benchmarks: one telemetry
//! ledger of records of 300 bytes in batches of 1,000, closed and covered by checkpoints.
//!
//! Files are written without the archive's syncs: nobody needs such an archive after a crash.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair,
};
use lucarne_archive::Name;
use lucarne_archive::name::{CheckpointName, Date, EpochFile, EpochName, SealName};
use lucarne_archive::segment::SegmentWriter;
use lucarne_ledger::binding::EpochBinding;
use lucarne_ledger::checkpoint::{Checkpoint, origin};
use lucarne_ledger::control::{Close, Control, Open};
use lucarne_ledger::hash::{Hash, to_hex};
use lucarne_ledger::identity::{Instance, LedgerId, LedgerKind};
use lucarne_ledger::key::{Ed25519Key, PublicKey, Signer, SigningFailed};
use lucarne_ledger::note::{NoteKey, assemble};
use lucarne_ledger::payload::{ContextSlot, Payloads, RecordSlot};
use lucarne_ledger::record::Stream;
use lucarne_ledger::salt::Seed;
use lucarne_ledger::seal::{Ledger, Telemetry};

/// Log records in a batch; it has a resource and a scope beside them.
pub(crate) const BATCH_RECORDS: u64 = 1_000;
/// Bytes of a payload, its context index included.
pub(crate) const PAYLOAD_BYTES: usize = 300;

const PREFIX: &str = "lucarne.local";
const TIME_MS: u64 = 1_779_703_200_000;
/// A segment closes at this much content, as the gateway's do.
const SEGMENT_BYTES: u64 = 8 << 20;
/// Sealed batches that may wait for being compressed.
const WAITING_MAX: usize = 32;

/// What was made.
pub(crate) struct SealedArchive {
    /// The archive.
    pub(crate) records_dir: PathBuf,
    /// The key that sealed it, in PEM.
    pub(crate) key: PathBuf,
    /// Records in its one ledger, contexts and control records included.
    pub(crate) size: u64,
}

struct Key {
    fixed: EcdsaKeyPair,
    der: EcdsaKeyPair,
    ed25519: Ed25519Key,
    public: PublicKey,
}

impl Signer for Key {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SigningFailed> {
        let signature =
            self.fixed.sign(&SystemRandom::new(), message).map_err(|_| SigningFailed)?;
        signature.as_ref().try_into().map_err(|_| SigningFailed)
    }
}

impl Key {
    fn new() -> Self {
        let fixed = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let pkcs8 = fixed.to_pkcs8v1().unwrap();
        let der = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.as_ref());
        let public = PublicKey::from_p256_point(fixed.public_key().as_ref()).unwrap();
        let ed25519 = Ed25519Key::from_seed(&[7; 32]).unwrap();
        Self { fixed, der: der.unwrap(), ed25519, public }
    }

    fn pem(&self) -> String {
        use base64::Engine;
        let text = base64::engine::general_purpose::STANDARD.encode(
            AsDer::<aws_lc_rs::encoding::PublicKeyX509Der<'_>>::as_der(self.fixed.public_key())
                .unwrap()
                .as_ref(),
        );
        let (first, rest) = text.split_at(64);
        format!("-----BEGIN PUBLIC KEY-----\n{first}\n{rest}\n-----END PUBLIC KEY-----\n")
    }

    fn note(&self, id: &LedgerId, size: u64, root: Hash) -> String {
        let origin = origin(PREFIX, id);
        let text = Checkpoint { origin: origin.clone(), size, root }.to_string();
        let p256 = self.der.sign(&SystemRandom::new(), text.as_bytes()).unwrap();
        let ed25519 = self.ed25519.sign(text.as_bytes()).unwrap();
        let lines = [
            NoteKey::new(&origin, self.public.clone()).line(p256.as_ref()),
            NoteKey::new(&origin, self.ed25519.public_key().clone()).line(&ed25519),
        ];
        assemble(&text, &lines)
    }
}

/// Seals an archive with at least that many log records.
pub(crate) fn seal_archive(dir: &Path, records: u64) -> SealedArchive {
    let key = Key::new();
    let records_dir = dir.join("archive");
    std::fs::create_dir_all(&records_dir).unwrap();
    let pem = dir.join("tee.pem");
    std::fs::write(&pem, key.pem()).unwrap();
    let binding = binding(&key);
    let (instance, epoch) = (binding.instance.clone(), binding.epoch_id());
    let name = EpochName { instance: instance.clone(), epoch, file: EpochFile::Binding };
    put(&records_dir, &name.into(), &binding.to_cbor());
    let id = LedgerId { instance, epoch, kind: LedgerKind::Telemetry };
    let (sender, receiver) = sync_channel(WAITING_MAX);
    let size = std::thread::scope(|scope| {
        let (dir, key, id) = (&records_dir, &key, &id);
        scope.spawn(move || store(dir, key, id, &receiver));
        let mut ledger = Ledger::<Telemetry>::new(id.instance.clone(), epoch, Seed::new([0; 32]));
        ledger.append_control(&open(id, &binding)).unwrap();
        let mut run = Run::new();
        for batch in 0..records.div_ceil(BATCH_RECORDS) {
            ledger.append(run.next()).unwrap();
            if (batch + 1) * BATCH_RECORDS >= records {
                let (size, root) = (ledger.size(), ledger.root().to_string());
                let reason = "stopped".to_owned();
                let close = Control::Close(Close { time_ms: TIME_MS, size, root, reason });
                ledger.append_control(&close).unwrap();
            }
            let mut seed = [0; 32];
            seed[..8].copy_from_slice(&batch.to_be_bytes());
            let sealed = ledger.seal(key, TIME_MS, Seed::new(seed)).unwrap().unwrap();
            let (first, root) = (sealed.statement().first, sealed.statement().root);
            sender.send((first, ledger.size(), root, sealed.into_bytes())).unwrap();
        }
        drop(sender);
        ledger.size()
    });
    SealedArchive { records_dir, key: pem, size }
}

type Sealed = (u64, u64, Hash, Vec<u8>);

/// Frames batches into segments, each with a checkpoint of its end.
fn store(dir: &Path, key: &Key, id: &LedgerId, batches: &Receiver<Sealed>) {
    let mut writer = SegmentWriter::new().unwrap();
    let mut covered: Option<(u64, u64, Hash)> = None;
    let put_segment = |writer: SegmentWriter, (first, size, root): (u64, u64, Hash)| {
        let name = SealName {
            date: Date::of_unix_ms(TIME_MS),
            ledger: id.clone(),
            first,
            last: size - 1,
            root,
            revision: 0,
        };
        put(dir, &name.into(), &writer.finish());
        let name = CheckpointName { ledger: id.clone(), size, root, cosigned: false };
        put(dir, &name.into(), key.note(id, size, root).as_bytes());
    };
    for (first, size, root, bytes) in batches {
        writer.push(&bytes).unwrap();
        covered = Some((covered.map_or(first, |(first, ..)| first), size, root));
        if writer.content_bytes() >= SEGMENT_BYTES {
            let full = std::mem::replace(&mut writer, SegmentWriter::new().unwrap());
            put_segment(full, covered.take().unwrap());
        }
    }
    if let Some(covered) = covered {
        put_segment(writer, covered);
    }
}

fn put(dir: &Path, name: &Name, bytes: &[u8]) {
    let path = dir.join(name.to_string());
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

fn binding(key: &Key) -> EpochBinding {
    let instance: Instance = "bench-001".parse().unwrap();
    EpochBinding {
        p256_spki: key.public.spki().to_vec(),
        ed25519: key.ed25519.public_key().raw().try_into().unwrap(),
        mldsa44: None,
        channel_spki: None,
        instance,
        nonce: [1; 32],
        configuration_sha256: [6; 32],
        contract_sha256: [7; 32],
        deployment: None,
    }
}

fn open(id: &LedgerId, binding: &EpochBinding) -> Control {
    Control::Open(Open {
        time_ms: TIME_MS,
        instance: id.instance.to_string(),
        epoch: id.epoch.to_string(),
        ledger: id.kind.to_string(),
        tee: "software (INSECURE)".to_owned(),
        measurement: "e5".repeat(48),
        binding: to_hex(&binding.to_cbor()),
        evidence_sha256: Hash::of(b"none").to_string(),
        previous: None,
    })
}

/// Batches of log records that compress as text of one program does: most of each is the same, and
/// identifiers are not.
struct Run {
    state: u64,
    payloads: Option<Payloads>,
}

impl Run {
    const fn new() -> Self {
        Self { state: 0x9e37_79b9_7f4a_7c15, payloads: None }
    }

    fn next(&mut self) -> &mut Payloads {
        let mut buffer =
            Vec::with_capacity(usize::try_from(BATCH_RECORDS).unwrap() * PAYLOAD_BYTES);
        let contexts = vec![
            ContextSlot { resource: None, range: slot(&mut buffer, &[b'r'; 76]) },
            ContextSlot { resource: Some(0), range: slot(&mut buffer, &[b's'; 36]) },
        ];
        let mut text = TEMPLATE.to_vec();
        let records = (0..BATCH_RECORDS).map(|_| {
            for at in [24, 40, 56] {
                // xorshift: enough for text that does not compress.
                self.state ^= self.state << 13;
                self.state ^= self.state >> 7;
                self.state ^= self.state << 17;
                text[at..at + 8].copy_from_slice(&self.state.to_be_bytes());
            }
            RecordSlot { stream: Stream::Logs, scope: 1, range: slot(&mut buffer, &text) }
        });
        let records = records.collect();
        self.payloads.insert(Payloads::assertion_by_contract(buffer, contexts, records))
    }
}

const TEMPLATE: &[u8; PAYLOAD_BYTES - 4] = &{
    let mut text = [b' '; PAYLOAD_BYTES - 4];
    let words =
        b"level=Error node=CreditCheck errorCode=E_CALCULATION_OVERFLOW workflow=assessment ";
    let mut at = 0;
    while at < text.len() {
        text[at] = words[at % words.len()];
        at += 1;
    }
    text
};

fn slot(buffer: &mut Vec<u8>, text: &[u8]) -> std::ops::Range<usize> {
    let start = buffer.len();
    buffer.extend_from_slice(&[0; 4]);
    buffer.extend_from_slice(text);
    start..buffer.len()
}
