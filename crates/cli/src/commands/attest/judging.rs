//! How evidence is to be judged: whose policy, at what time, with which collateral and nonce.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use lucarne_attest::Time;
use lucarne_gateway::export::timestamp::parse_rfc3339;

use super::evidence::{Evidence, Kind, from_hex};
use super::policy::Policy;
use super::verdict::{Outcome, Verdict};
use super::{nitro, snp, tdx};
use crate::clock;
use crate::failure::Failure;

/// How to judge, on the command line.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Judging {
    /// What to accept: audit-policy.yaml, or a policy for evidence alone. Without it the vendors'
    /// roots are trusted and no measurement is compared
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Judge as of this time: Unix seconds, RFC 3339 in UTC, or `signed` for the time that a Nitro
    /// document itself is signed with. Says nothing about freshness
    #[arg(long, value_name = "TIME")]
    at: Option<At>,
    /// Without --at: greatest age of a document
    #[arg(long, value_name = "SECONDS", default_value_t = AGE_SECONDS_MAX, conflicts_with = "at")]
    max_age: u64,
    /// What a verdict on TDX or SNP needs besides: certificates, revocation lists, Intel's
    /// documents
    #[arg(long, value_name = "DIR|FILE")]
    pub(super) collateral: Option<PathBuf>,
    /// What the evidence must answer: a nonce of 32 bytes (Nitro), report data of 64 (TDX, SNP)
    #[arg(long, value_name = "HEX")]
    nonce: Option<Nonce>,
}

/// As of when.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum At {
    /// The time that the evidence is signed with.
    Signed,
    /// This one.
    Given(Time),
}

/// What evidence must answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Nonce {
    /// A nonce.
    Nonce([u8; 32]),
    /// Report data.
    ReportData([u8; 64]),
}

/// How to judge, with everything read.
#[derive(Debug)]
pub(super) struct Terms {
    pub(super) policy: Option<Policy>,
    pub(super) at: Option<At>,
    /// This machine's clock.
    pub(super) now: Time,
    pub(super) age_max_ms: u64,
    pub(super) collateral: Option<PathBuf>,
    pub(super) nonce: Option<Nonce>,
}

impl FromStr for At {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "signed" {
            return Ok(Self::Signed);
        }
        let expected = "expected Unix seconds, a time such as 2026-05-25T10:00:00Z, or `signed`";
        let ms = match text.parse::<u64>() {
            Ok(seconds) => seconds.checked_mul(1_000).filter(|ms| *ms <= YEAR_9999_MS),
            Err(_) => parse_rfc3339(text).map(|ns| ns / NS_PER_MS),
        };
        ms.map(|ms| Self::Given(Time::from_unix_ms(ms))).ok_or_else(|| expected.to_owned())
    }
}

impl FromStr for Nonce {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || "expected 64 hex digits (a nonce) or 128 (report data)".to_owned();
        let bytes = from_hex(text.as_bytes()).ok_or_else(expected)?;
        if let Ok(nonce) = <[u8; 32]>::try_from(&bytes[..]) {
            return Ok(Self::Nonce(nonce));
        }
        bytes.try_into().map(Self::ReportData).map_err(|_| expected())
    }
}

impl Nonce {
    /// Its bytes.
    pub(super) const fn bytes(&self) -> &[u8] {
        match self {
            Self::Nonce(bytes) => bytes,
            Self::ReportData(bytes) => bytes,
        }
    }
}

impl Judging {
    /// Reads the policy and the clock.
    ///
    /// # Errors
    /// When the policy is wrong.
    pub(super) fn terms(&self) -> Result<Terms, Failure> {
        Ok(Terms {
            policy: self.policy.as_deref().map(Policy::read).transpose()?,
            at: self.at,
            now: now(),
            age_max_ms: self.max_age.saturating_mul(1_000),
            collateral: self.collateral.clone(),
            nonce: self.nonce.clone(),
        })
    }

    /// The same, at the document's own time if no other is named: for what claims no freshness.
    pub(super) fn or_as_signed(&self, kind: Kind) -> Self {
        let signed = (kind == Kind::Nitro).then_some(At::Signed);
        Self { at: self.at.or(signed), ..self.clone() }
    }
}

impl Terms {
    /// The time to judge evidence at that carries none.
    ///
    /// # Errors
    /// When its own time is asked for.
    pub(super) fn at_without_own_time(&self) -> Result<Time, Failure> {
        match self.at {
            None => Ok(self.now),
            Some(At::Given(time)) => Ok(time),
            Some(At::Signed) => Err(Failure::usage(
                "--at signed: evidence of this kind carries no time; name one that something else \
                 shows",
            )),
        }
    }

    /// The folder or file of collateral.
    pub(super) fn collateral(&self) -> Option<&Path> {
        self.collateral.as_deref()
    }
}

/// The verdict on a file of evidence.
///
/// # Errors
/// When collateral cannot be read, or the terms do not fit this kind.
pub(super) fn judge(evidence: &Evidence, terms: &Terms) -> Result<Verdict, Failure> {
    match evidence.kind {
        Kind::Nitro => nitro::judge(evidence, terms),
        Kind::Tdx => tdx::judge(evidence, terms),
        Kind::Snp => snp::judge(evidence, terms),
        Kind::Unknown => {
            let mut verdict = Verdict::new(evidence, terms.now);
            verdict.outcome = Outcome::Refused {
                code: "unknown-kind".to_owned(),
                class: "malformed",
                text: "neither a Nitro document nor a TDX quote nor an SNP report, raw, in hex or \
                       in base64"
                    .to_owned(),
                hint: None,
            };
            verdict.vector.hardware = super::verdict::UNEXPECTED_EVIDENCE;
            Ok(verdict)
        }
    }
}

fn now() -> Time {
    Time::from_unix_ms(clock::unix_ms())
}

/// A live document is made on demand; five minutes allow for clocks and hands.
const AGE_SECONDS_MAX: u64 = 300;
const YEAR_9999_MS: u64 = 253_402_300_799_999;
const NS_PER_MS: u64 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_spellings() {
        let time = At::Given(Time::from_unix_ms(1_668_034_320_000));
        assert_eq!("1668034320".parse(), Ok(time));
        assert_eq!("2022-11-09T22:52:00Z".parse(), Ok(time));
        assert_eq!("signed".parse(), Ok(At::Signed));
        for bad in ["", "now", "2022-11-09", "2022-02-30T00:00:00Z", "-1", "18446744073709551615"] {
            assert!(bad.parse::<At>().unwrap_err().starts_with("expected"), "{bad}");
        }
    }

    #[test]
    fn a_nonce_has_one_of_two_lengths() {
        assert_eq!("Ab".repeat(32).parse(), Ok(Nonce::Nonce([0xab; 32])));
        assert_eq!("ab".repeat(64).parse(), Ok(Nonce::ReportData([0xab; 64])));
        for bad in [String::new(), "ab".repeat(31), "ab".repeat(65), "zz".repeat(32)] {
            assert!(bad.parse::<Nonce>().unwrap_err().starts_with("expected"), "{bad}");
        }
    }
}
