//! What a hostile host says, one script an attack, and its end of a connection.

use std::time::Duration;

use lucarne_ledger::batch;
use lucarne_ledger::identity::EpochId;
use lucarne_ledger::key::Ed25519Key;
use lucarne_ledger::statement::{Archived, Statement};
use lucarne_link::frame::{self, DOWN_BYTES_MAX, FrameReader, UP_BYTES_MAX};
use lucarne_link::message::{Down, Up};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::time::timeout;

/// What the gateway does wrong. All but the first eight do the handshake as it should be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Attack {
    SaysNothing,
    ClosesAtOnce,
    SendsGarbage,
    AnnouncesHugeFrame,
    AnnouncesEmptyFrame,
    AcceptsBeforeChallenge,
    ArchivesInHandshake,
    AcceptsWithForgedAcknowledgement,
    ClosesAfterChallenge,
    ClosesAfterAccepted,
    ClosesAfterBatch,
    NeverAcknowledges,
    ChallengesAgain,
    SpeaksLikeAnEnclave,
    CutsAFrame,
    FloodsWithRefusals,
    FloodsWithGarbageAcknowledgements,
    SignsWithAnotherKey,
    NamesAnotherEpoch,
    NamesWhatWasNeverSent,
    NamesAnotherRoot,
    AsksTwiceAtOnce,
    AsksAndNeverAcknowledges,
}

use Attack::*;

const fn key_of(seed: u8) -> [u8; 32] {
    [seed; 32]
}

pub(super) fn gateway_key() -> Ed25519Key {
    Ed25519Key::from_seed(&key_of(1)).unwrap()
}

/// One connection, at the host's end.
pub(super) struct Line {
    stream: UnixStream,
    frames: FrameReader,
}

impl Line {
    pub(super) fn new(stream: UnixStream) -> Self {
        Self { stream, frames: FrameReader::new(UP_BYTES_MAX) }
    }

    /// The body of the next frame; `None` when the enclave has gone.
    pub(super) async fn receive(&mut self) -> Option<Vec<u8>> {
        let mut buffer = vec![0; 64 << 10];
        loop {
            if let Some(body) = self.frames.next_frame().unwrap() {
                return Some(body.to_vec());
            }
            let count = self.stream.read(&mut buffer).await.ok().filter(|count| *count > 0)?;
            self.frames.feed(&buffer[..count]);
        }
    }

    async fn raw(&mut self, bytes: &[u8]) -> Option<()> {
        self.stream.write_all(bytes).await.ok()
    }

    pub(super) async fn send(&mut self, message: &Down) -> Option<()> {
        self.raw(&frame::encode(&message.encode())).await
    }

    async fn challenge(&mut self) -> Option<()> {
        let body = self.receive().await?;
        assert!(matches!(Up::decode(&body), Ok(Up::Hello { .. })));
        self.send(&Down::Challenge { nonce: [3; 32], time_ms: 0, previous: Vec::new() }).await
    }

    pub(super) async fn handshake(&mut self, archived: Vec<Vec<u8>>) -> Option<()> {
        self.challenge().await?;
        let body = self.receive().await?;
        assert!(matches!(Up::decode(&body), Ok(Up::Evidence { .. })));
        self.send(&Down::Accepted { archived }).await
    }

    /// The next batch: its bytes and what it claims.
    pub(super) async fn batch(&mut self) -> Option<(Vec<u8>, Statement)> {
        let body = self.receive().await?;
        let Ok(Up::Batch { bytes, .. }) = Up::decode(&body) else { panic!("not a batch") };
        Some((bytes.to_vec(), batch::claimed_statement(bytes).unwrap()))
    }

    /// Reads on until the enclave gives up.
    async fn wait_for_the_end(&mut self) -> Option<()> {
        while self.receive().await.is_some() {}
        None
    }
}

pub(super) fn truth(statement: &Statement) -> Archived {
    Archived {
        ledger: statement.ledger.clone(),
        first: statement.first,
        count: statement.count,
        root: statement.root,
    }
}

fn signed(archived: &Archived, seed: u8) -> Down {
    let key = Ed25519Key::from_seed(&key_of(seed)).unwrap();
    Down::Archived { acknowledgement: archived.sign(&key).unwrap() }
}

impl Attack {
    /// Plays one connection; `None` when the enclave hung up before the end.
    async fn play(self, line: &mut Line) -> Option<()> {
        match self {
            SaysNothing => return line.wait_for_the_end().await,
            ClosesAtOnce => return Some(()),
            SendsGarbage => {
                let noise: Vec<u8> = (0..5_000_u32).map(|n| (n * 37 % 251) as u8).collect();
                return line.raw(&noise).await;
            }
            AnnouncesHugeFrame => {
                line.raw(&[0xff; 4]).await?;
                // As much as the enclave will take of a frame that cannot be.
                while line.raw(&[0; 64 << 10]).await.is_some() {}
                return None;
            }
            AnnouncesEmptyFrame => return line.raw(&[0; 4]).await,
            AcceptsBeforeChallenge => {
                return line.send(&Down::Accepted { archived: Vec::new() }).await;
            }
            ArchivesInHandshake => {
                line.challenge().await?;
                return line.send(&Down::Archived { acknowledgement: vec![1; 90] }).await;
            }
            ClosesAfterChallenge => return line.challenge().await,
            AcceptsWithForgedAcknowledgement => {
                return line.handshake(vec![vec![0xd2; 120]]).await;
            }
            _ => line.handshake(Vec::new()).await?,
        }
        self.play_after_handshake(line).await
    }

    async fn play_after_handshake(self, line: &mut Line) -> Option<()> {
        match self {
            ClosesAfterAccepted => return Some(()),
            AsksTwiceAtOnce => {
                let question = Down::Monitor { nonce: [5; 32] };
                let twice = [&question, &question].map(|one| frame::encode(&one.encode()));
                line.raw(&twice.concat()).await?;
                return line.wait_for_the_end().await;
            }
            FloodsWithRefusals => {
                let refusal = Down::Refused { reason: "€".repeat(170) };
                while line.send(&refusal).await.is_some() {}
                return None;
            }
            _ => {}
        }
        let (_, statement) = line.batch().await?;
        let mut told = truth(&statement);
        match self {
            NeverAcknowledges => return line.wait_for_the_end().await,
            // A question behind each answer: it keeps the line busy, and buys no patience.
            AsksAndNeverAcknowledges => loop {
                line.send(&Down::Monitor { nonce: [5; 32] }).await?;
                while !matches!(Up::decode(&line.receive().await?), Ok(Up::Fresh { .. })) {}
                pause().await;
            },
            ChallengesAgain => {
                let again = Down::Challenge { nonce: [4; 32], time_ms: 1, previous: Vec::new() };
                line.send(&again).await?;
            }
            SpeaksLikeAnEnclave => {
                let up = Up::Batch { urgent: true, bytes: b"x", note: "" };
                line.raw(&frame::encode(&up.encode())).await?;
            }
            CutsAFrame => {
                let whole = frame::encode(&signed(&told, 1).encode());
                return line.raw(&whole[..whole.len() - 1]).await;
            }
            FloodsWithGarbageAcknowledgements => {
                let junk = Down::Archived { acknowledgement: vec![7; DOWN_BYTES_MAX - 16] };
                while line.send(&junk).await.is_some() {}
            }
            SignsWithAnotherKey => line.send(&signed(&told, 2)).await?,
            NamesAnotherEpoch => {
                told.ledger.epoch = EpochId([9; 16]);
                line.send(&signed(&told, 1)).await?;
            }
            NamesWhatWasNeverSent => {
                told.count += 1_000_000;
                line.send(&signed(&told, 1)).await?;
            }
            NamesAnotherRoot => {
                told.root.0[0] ^= 1;
                line.send(&signed(&told, 1)).await?;
            }
            _ => return Some(()),
        }
        line.wait_for_the_end().await
    }
}

async fn pause() {
    drop(timeout(Duration::from_secs(5), std::future::pending::<()>()).await);
}

/// Plays the attack on every connection and counts them.
pub(super) async fn lie(listener: UnixListener, attack: Attack, connections: watch::Sender<u64>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        connections.send_modify(|count| *count += 1);
        attack.play(&mut Line::new(stream)).await;
    }
}
