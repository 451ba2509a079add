//! A tap on the uplink: relays one Unix socket to another, keeps every byte of both directions, and
//! reads afterwards what the bytes say.
//!
//! Bytes are written to a file before they are passed on, so whatever reached the other side is
//! kept. The frames are cut here by hand after `docs/formats.md`, not by the crate that made them.

use std::fs::File;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, spawn};

use lucarne_ledger::batch::{self, Content, EpochKey};
use lucarne_ledger::binding::EpochBinding;
use lucarne_ledger::cbor::Reader;
use lucarne_ledger::json_batch::{Certificate, SignedLogBatch};
use lucarne_ledger::key::PublicKey;

/// Kinds of messages towards the gateway.
const EVIDENCE: u8 = 2;
const BATCH: u8 = 3;
const JSON_BATCH: u8 = 4;

/// A relay that listens until the test ends.
#[derive(Debug)]
pub(crate) struct Tap {
    dir: PathBuf,
    pumps: Arc<Mutex<Vec<JoinHandle<()>>>>,
}

impl Tap {
    /// Listens at `socket`, relays to `target` and keeps the bytes below `dir`, which it creates.
    pub(crate) fn start(socket: &Path, target: &Path, dir: &Path) -> Self {
        std::fs::create_dir(dir).unwrap();
        let listener = UnixListener::bind(socket).unwrap();
        let tap = Self { dir: dir.to_owned(), pumps: Arc::default() };
        let (dir, target, pumps) = (dir.to_owned(), target.to_owned(), Arc::clone(&tap.pumps));
        spawn(move || {
            for (number, enclave) in listener.incoming().map_while(Result::ok).enumerate() {
                // A gateway that is down is one that closes at once.
                let Ok(gateway) = UnixStream::connect(&target) else { continue };
                let file = |way| File::create(dir.join(format!("{number:04}.{way}"))).unwrap();
                let up = pump(clone(&enclave), clone(&gateway), file("up"));
                let down = pump(gateway, enclave, file("down"));
                pumps.lock().unwrap().extend([up, down]);
            }
        });
        tap
    }

    /// The files of all connections: `NNNN.up` towards the gateway, `NNNN.down` from it. To be
    /// asked when both ends are gone.
    pub(crate) fn finish(&self) -> Vec<PathBuf> {
        for pump in self.pumps.lock().unwrap().drain(..) {
            pump.join().unwrap();
        }
        let entries = std::fs::read_dir(&self.dir).unwrap();
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    }
}

fn clone(stream: &UnixStream) -> UnixStream {
    stream.try_clone().unwrap()
}

fn pump(mut from: UnixStream, mut to: UnixStream, mut kept: File) -> JoinHandle<()> {
    spawn(move || {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            kept.write_all(&buffer[..count]).unwrap();
            if to.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        // Either may be closed already.
        to.shutdown(Shutdown::Both).ok();
        from.shutdown(Shutdown::Both).ok();
    })
}

/// What the enclave said on one connection, taken apart.
#[derive(Debug, Default)]
pub(crate) struct Said {
    /// The epoch binding, as it was shown.
    pub(crate) binding: Vec<u8>,
    /// Evidence of the boot, and evidence over the challenge.
    pub(crate) evidence: Vec<Vec<u8>>,
    /// Signed checkpoints.
    pub(crate) notes: Vec<String>,
    /// Batches as they were sent.
    pub(crate) batches: Vec<Vec<u8>>,
    /// Signed log batches in JSON as they were sent.
    pub(crate) json_batches: Vec<Vec<u8>>,
}

impl Said {
    /// Takes apart what is in a file `.up`.
    #[track_caller]
    pub(crate) fn read(stream: &[u8]) -> Self {
        let mut said = Self::default();
        for frame in frames(stream) {
            let mut reader = Reader::new(&frame[1..]);
            match frame[0] {
                EVIDENCE => {
                    assert_eq!(reader.array(), Ok(4));
                    said.binding = reader.bytes().unwrap().to_vec();
                    said.evidence = (0..2).map(|_| reader.bytes().unwrap().to_vec()).collect();
                }
                BATCH => {
                    assert_eq!(reader.array(), Ok(3));
                    reader.uint().unwrap();
                    said.batches.push(reader.bytes().unwrap().to_vec());
                    said.notes.push(reader.text().unwrap().to_owned());
                }
                JSON_BATCH => {
                    assert_eq!(reader.array(), Ok(1));
                    said.json_batches.push(reader.bytes().unwrap().to_vec());
                }
                _ => {}
            }
        }
        said
    }

    /// The binding, read.
    pub(crate) fn epoch(&self) -> EpochBinding {
        EpochBinding::from_cbor(&self.binding).unwrap()
    }

    /// The key that the evidence vouches for.
    pub(crate) fn key(&self) -> EpochKey {
        let binding = self.epoch();
        let key = PublicKey::from_spki(&binding.p256_spki).unwrap();
        EpochKey { instance: binding.instance.clone(), epoch: binding.epoch_id(), key }
    }

    /// Every payload of every batch, each batch verified.
    pub(crate) fn payloads(&self) -> Vec<Vec<u8>> {
        let ledgers = self.batches.iter().flat_map(|bytes| payloads(bytes, &self.key()));
        let json = self.json_batches.iter().map(|bytes| json_payload(bytes, &self.key()));
        ledgers.chain(json).collect()
    }
}

/// What a signed log batch in JSON says, verified.
#[track_caller]
pub(crate) fn json_payload(bytes: &[u8], key: &EpochKey) -> Vec<u8> {
    let batch = SignedLogBatch::parse(bytes).unwrap();
    batch.verify(&key.key, Certificate::Sha256(key.key.id())).unwrap();
    batch.payload().to_vec()
}

/// The payloads of one batch, verified, that are present.
#[track_caller]
pub(crate) fn payloads(bytes: &[u8], key: &EpochKey) -> Vec<Vec<u8>> {
    let batch = batch::verify(bytes, key).unwrap();
    let present = batch.records().iter().filter_map(|record| match record.content {
        Content::Present { payload, .. } => Some(payload.to_vec()),
        Content::Withheld { .. } | Content::Encrypted => None,
    });
    present.collect()
}

/// The frames of a stream: `be32 length || body`, and nothing behind the last.
#[track_caller]
pub(crate) fn frames(mut stream: &[u8]) -> Vec<&[u8]> {
    let mut frames = Vec::new();
    while !stream.is_empty() {
        let (length, rest) = stream.split_first_chunk::<4>().unwrap();
        let (body, rest) = rest.split_at(u32::from_be_bytes(*length) as usize);
        assert!(!body.is_empty());
        frames.push(body);
        stream = rest;
    }
    frames
}
