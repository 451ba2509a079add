//! Work to be counted, not timed: `instructions STAGE ROUNDS` does one stage so many times.
//!
//! Under callgrind two runs of different lengths differ by the stage alone, so what the process
//! does before and after does not matter. `cargo xtask bench instructions` runs it and says what a
//! record costs. A round is a request of 1,000 log records of about 300 bytes with ten attributes.
#![expect(clippy::print_stdout, reason = "a benchmark prints")]

use std::hint::black_box;

use lucarne_contract::{Contract, Memory, Scratch};
use lucarne_ledger::hash::Hash;
use lucarne_ledger::identity::EpochId;
use lucarne_ledger::key::{Ed25519Key, PublicKey, Signer, SigningFailed};
use lucarne_ledger::payload::Payloads;
use lucarne_ledger::salt::Seed;
use lucarne_ledger::seal::{Ledger, Telemetry};
use lucarne_link::frame::{self, FrameReader, UP_BYTES_MAX};
use lucarne_link::message::Up;
use lucarne_otlp::Signal;
use lucarne_otlp::view::LogsRequest;

#[path = "instructions/request.rs"]
mod request;

use request::{CLEAN, request};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let rounds = args.get(1).and_then(|text| text.parse::<usize>().ok());
    let (Some(stage), Some(rounds)) = (args.first(), rounds) else {
        println!("counted, not timed: cargo xtask bench instructions");
        return;
    };
    match stage.as_str() {
        "walk" => walk(rounds),
        "contract" => contract(rounds),
        "encoding" => encoding(rounds),
        "framing" => framing(rounds),
        "block" => blocks(rounds),
        other => println!("no stage is called {other}"),
    }
}

/// Reads every attribute of every record and does nothing with them.
fn walk(rounds: usize) {
    let request = request(&CLEAN);
    for _ in 0..rounds {
        for resource in LogsRequest::new(black_box(&request)).resources().flatten() {
            for scope in resource.scopes().flatten() {
                for record in scope.records().flatten() {
                    for attribute in record.attributes().flatten() {
                        let _: (&str, _) = black_box((attribute.key, attribute.value));
                    }
                }
            }
        }
    }
}

/// Decides what leaves of a request, and writes that.
fn contract(rounds: usize) {
    let (contract, request) = (Contract::default_contract(), request(&CLEAN));
    let (mut scratch, mut memory) = (Scratch::default(), Memory::default());
    for _ in 0..rounds {
        let request = black_box(&request);
        let left = contract.sanitize_remembering(Signal::Logs, request, &mut scratch, &mut memory);
        drop(black_box(left));
    }
}

fn sanitized() -> Vec<Payloads> {
    let contract = Contract::default_contract();
    let left = contract.sanitize(Signal::Logs, &request(&CLEAN), &mut Scratch::default());
    left.expect("a request that is OTLP").into_parts().telemetry
}

/// Signs without work, so that what is counted is ours.
struct Nobody(PublicKey);

impl Signer for Nobody {
    fn public_key(&self) -> &PublicKey {
        &self.0
    }

    fn sign(&self, _: &[u8]) -> Result<[u8; 64], SigningFailed> {
        Ok([7; 64])
    }
}

fn nobody() -> Nobody {
    let key = Ed25519Key::from_seed(&[1; 32]).expect("a key");
    Nobody(key.public_key().clone())
}

fn ledger() -> Ledger<Telemetry> {
    let instance = "nitro-001-us-east".parse().expect("a name");
    Ledger::new(instance, EpochId([1; 16]), Seed::new([0; 32]))
}

/// Salts, commits, and encodes a batch. What hashing takes of it is told apart by its functions.
fn encoding(rounds: usize) {
    let (mut runs, mut ledger, key) = (sanitized(), ledger(), nobody());
    for round in 0..rounds {
        black_box(seal(&mut ledger, &mut runs, &key, round));
    }
}

fn seal(
    ledger: &mut Ledger<Telemetry>,
    runs: &mut [Payloads],
    key: &Nobody,
    round: usize,
) -> Vec<u8> {
    for run in runs {
        ledger.append(run).expect("room for a request");
    }
    let sealed = ledger.seal(key, round as u64, Seed::new([3; 32])).expect("a signature");
    sealed.expect("an open batch").into_bytes()
}

/// Puts a batch into a frame of the uplink and takes it out again.
fn framing(rounds: usize) {
    let batch = seal(&mut ledger(), &mut sanitized(), &nobody(), 0);
    let mut frames = FrameReader::new(UP_BYTES_MAX);
    for _ in 0..rounds {
        let message = Up::Batch { urgent: false, bytes: black_box(&batch), note: "checkpoint" };
        frames.feed(&frame::encode(&message.encode()));
        let body = frames.next_frame().expect("an allowed length").expect("a whole frame");
        drop(black_box(Up::decode(body)));
    }
}

/// A thousand blocks of SHA-256, to say what one costs where this runs.
fn blocks(rounds: usize) {
    let input = vec![0x5a; 64 * 1_000 - 9];
    for _ in 0..rounds {
        black_box(Hash::of(black_box(&input)));
    }
}
