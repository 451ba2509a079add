//! `lucarne access countersign`: a second person's word for one question of the first.

use std::io::Write;
use std::path::{Path, PathBuf};

use aws_lc_rs::rand::{self, SystemRandom};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use lucarne_gateway::export::timestamp::rfc3339;
use lucarne_ledger::identity::Instance;
use lucarne_link::access::Certificate;
use lucarne_link::channel::countersignature::{Approval, Countersignature};
use lucarne_link::channel::message::Query;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};

use super::pem;
use crate::clock;
use crate::commands::query::question::Question;
use crate::failure::{Exit, Failure};

/// Countersign a question that somebody else will ask
///
/// The word is good for this question by this person to this instance, once, and for as long as you
/// say. Give the question as `lucarne query` will be given it: its verb, its text, the beginning of
/// its time, and where they are given there its end and its limit. The beginning must be named, so
/// that both mean the same.
///
/// Example: lucarne access countersign --for alice.pem --instance nitro-001-us-east --time-from
/// 2026-11-21T08:00:00Z --identity carol.pem --key carol.key --out alice.word
///
/// Example: lucarne access countersign --for alice.pem --instance nitro-001-us-east --verb logs
/// --text 'errorCode="E42"' --time-from 2026-11-21T08:00:00Z --identity carol.pem --key carol.key
/// --out alice.word
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The certificate of the person who will ask
    #[arg(long = "for", value_name = "FILE")]
    asker: PathBuf,
    /// The workload that will be asked
    #[arg(long, value_name = "NAME")]
    instance: Instance,
    #[command(flatten)]
    question: Question,
    /// Your certificate of access
    #[arg(long, value_name = "FILE")]
    identity: PathBuf,
    /// Its key
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// How long your word is good
    #[arg(long, value_name = "MINUTES", default_value_t = 60)]
    good_for: u64,
    /// Where to write it; refused when there is a file
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Runs the command.
///
/// # Errors
/// When a file cannot be used.
pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<Exit, Failure> {
    let asker = certificate(&args.asker)?;
    let read = Certificate::parse(&asker);
    let read = read.map_err(|error| {
        Failure::because(Exit::Usage, &format!("read {}", args.asker.display()), &error)
    })?;
    let first = read.unverified();
    let own = certificate(&args.identity)?;
    let wrong = |_| Failure::usage(format!("{}: expected a P-256 key in PEM", args.key.display()));
    let key = PrivatePkcs8KeyDer::from_pem_file(&args.key).map_err(|_| wrong(()))?;
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.secret_pkcs8_der());
    let pair = pair.map_err(|_| wrong(()))?;
    let mut number = [0; 16];
    let random = |_| Failure::new(Exit::Unreadable, "no random numbers");
    rand::fill(&mut number).map_err(random)?;
    let query: Query = args.question.query()?;
    let until = clock::since_1970().as_secs().saturating_add(args.good_for.saturating_mul(60));
    let approval = Approval { instance: &args.instance, asker: first.serial, query: &query };
    let signature = pair.sign(&SystemRandom::new(), &approval.message(&number, until));
    let signature = signature.map_err(random)?.as_ref().try_into();
    let signature = signature.map_err(|_| Failure::bug("a signature of another length"))?;
    let word = Countersignature { certificate: own.to_vec(), number, until, signature };
    pem::write_new(&args.out, &word.to_cbor(), 0o644)?;
    let until = rfc3339(until.saturating_mul(1_000_000_000));
    writeln!(out, "{} of {} for {}, until {until}", query.verb, args.instance, first.holder)?;
    Ok(Exit::Yes)
}

fn certificate(path: &Path) -> Result<CertificateDer<'static>, Failure> {
    CertificateDer::from_pem_file(path)
        .map_err(|_| Failure::usage(format!("{}: expected a certificate in PEM", path.display())))
}
