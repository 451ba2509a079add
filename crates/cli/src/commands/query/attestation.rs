//! `lucarne query attestation`: evidence made now, judged, in the form that people compare.

use std::io::Write;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lucarne_attest::{
    At, EpochClaims, EpochKeys, Exhibit, Format, Kind, Time, Verified, read_unverified,
};
use lucarne_ledger::binding::EpochBinding;
use lucarne_ledger::cbor::{CborError, Reader};
use lucarne_ledger::hash::to_hex;
use lucarne_link::channel::message::{Query, Verb};

use super::channel::{Answer, Channel, nonce};
use super::connection::Connection;
use crate::clock;
use crate::commands::attest::expected::Expected;
use crate::failure::{Exit, Failure};
use crate::shutdown;

/// Ask an enclave for evidence made now
///
/// With --output json the answer has seven fields with prefixed values, made for a plain diff with
/// what is expected; notes go to standard error. Exits with 0 when the evidence is accepted, 1 when
/// it is not or the question is refused, 5 when it protects nothing.
///
/// Example: lucarne query attestation --latest --connect vsock:16:5100 --policy ./policy.yaml
/// --identity alice.pem --key alice.key --output json
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    connection: Connection,
    /// The newest evidence, which is made for this question; there is no other
    #[arg(long)]
    latest: bool,
    /// For people or for a diff
    #[arg(long, value_enum, default_value = "text")]
    output: Output,
    /// Also write the key that the evidence vouches for, PEM, such as tee-attestation-cert.pem
    #[arg(long, value_name = "FILE")]
    cert: Option<PathBuf>,
    /// Also write the evidence as it came
    #[arg(long, value_name = "FILE")]
    evidence: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
enum Output {
    /// Lines
    Text,
    /// Seven fields
    Json,
}

/// Runs the command.
///
/// # Errors
/// When the enclave cannot be reached or believed.
pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let terms = args.connection.terms()?;
    shutdown::runtime()?.block_on(async {
        let mut channel = Channel::open(terms).await?;
        let asked = nonce()?;
        let query = Query {
            verb: Verb::Attestation,
            text: to_hex(&asked),
            from_ns: 0,
            to_ns: u64::MAX,
            limit: 1,
        };
        let mut answer = Vec::new();
        let take = |piece: &[u8]| {
            answer.extend_from_slice(piece);
            Ok(())
        };
        let ended = channel.ask(&query, take).await?;
        if matches!(ended, Answer::Done { .. }) {
            let shown = Shown::parse(&answer).map_err(|error| {
                Failure::because(Exit::No, "the answer is not in its format", &error)
            })?;
            let keys = shown.judge(&channel, asked)?;
            shown.write(args, &keys.claims)?;
        }
        ended.conclude(&channel)
    })
}

struct Shown {
    binding: Vec<u8>,
    fresh: Vec<u8>,
    collateral: Vec<u8>,
}

impl Shown {
    fn parse(answer: &[u8]) -> Result<Self, CborError> {
        let mut reader = Reader::new(answer);
        if reader.array()? != 5 {
            return Err(CborError::Value);
        }
        let binding = reader.bytes()?.to_vec();
        let _boot = (reader.bytes()?, reader.bytes()?);
        let fresh = reader.bytes()?.to_vec();
        let collateral = reader.bytes()?.to_vec();
        reader.end()?;
        Ok(Self { binding, fresh, collateral })
    }

    fn judge(&self, channel: &Channel, nonce: [u8; 32]) -> Result<EpochKeys, Failure> {
        let ours = &channel.epoch().binding;
        if self.binding != ours.to_cbor() {
            return Err(Failure::new(Exit::No, "the answer speaks of another epoch"));
        }
        let now = Time::from_unix_ms(clock::unix_ms());
        let at = At::Live { now, age_max_ms: 300_000 };
        let trust = channel.terms().policy.terms();
        let collateral = trust.collateral_for(&self.fresh, &self.collateral);
        let exhibit = Exhibit { evidence: &self.fresh, collateral: &collateral, binding: ours };
        (trust.accepts.verify_fresh(&exhibit, at, nonce))
            .map(Verified::into_inner)
            .map_err(|error| Failure::because(Exit::No, "the evidence is refused", &error))
    }

    fn write(&self, args: &Args, claims: &EpochClaims) -> Result<(), Failure> {
        let binding = EpochBinding::from_cbor(&self.binding)
            .map_err(|error| Failure::because(Exit::No, "read the epoch binding", &error))?;
        let file = |path: &PathBuf, bytes: &[u8]| {
            std::fs::write(path, bytes)
                .map_err(|error| Failure::unreadable(&format!("write {}", path.display()), &error))
        };
        if let Some(path) = &args.cert {
            file(path, pem(&binding.p256_spki).as_bytes())?;
        }
        if let Some(path) = &args.evidence {
            file(path, &self.fresh)?;
        }
        let mut out = std::io::stdout().lock();
        if args.output == Output::Json {
            let form = self.form(claims, &binding)?;
            serde_json::to_writer_pretty(&mut out, &form).map_err(std::io::Error::from)?;
            return Ok(writeln!(out)?);
        }
        let mut line = |label: &str, value: &str| writeln!(out, "{label:<15} {value}");
        line("instance", binding.instance.as_str())?;
        line("epoch", &binding.epoch_id().to_string())?;
        line("deployment", binding.deployment.as_deref().unwrap_or("none"))?;
        line("kind", claims.kind.as_str())?;
        line("made", &claims.time().to_string())?;
        for (index, value) in &claims.registers {
            line(&register_name(claims.kind, *index), &value.to_string())?;
        }
        Ok(line("public key", &to_hex(&binding.p256_spki))?)
    }

    /// The seven fields: from the document, or where there is none from what was verified.
    fn form(&self, claims: &EpochClaims, binding: &EpochBinding) -> Result<Expected, Failure> {
        let deployment = binding.deployment.as_deref();
        if Format::of(&self.fresh) != Format::Nitro {
            return Ok(Expected::of_claims(claims, binding));
        }
        let read = read_unverified(&self.fresh).map_err(|error| {
            Failure::because(Exit::CouldNotTell, "show evidence of this kind", &error)
        })?;
        Ok(Expected::new(&read, deployment))
    }
}

/// What the makers of a kind call a register.
fn register_name(kind: Kind, index: u8) -> String {
    match (kind, index) {
        (Kind::Tdx, 0) => "MRTD".to_owned(),
        (Kind::Tdx, index) => format!("RTMR{}", index.saturating_sub(1)),
        (Kind::Snp, _) => "MEASUREMENT".to_owned(),
        (Kind::Nitro | Kind::Software, index) => format!("PCR{index}"),
    }
}

/// A public key in PEM (RFC 7468 §13).
fn pem(spki: &[u8]) -> String {
    let body = STANDARD.encode(spki);
    let lines: Vec<&str> = (0..body.len())
        .step_by(64)
        .filter_map(|at| body.get(at..body.len().min(at + 64)))
        .collect();
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
}
