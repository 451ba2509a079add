//! Quotes of TDX, with the collateral of Intel that was fetched before.

use std::path::Path;

use lucarne_attest::Class;
use lucarne_attest::tdx::{
    Claims, Collateral, Expect, INTEL_SGX_ROOT, Measurements, PcsFiles, Policy, RegisterName, Tcb,
    verify_unless_revoked,
};
use lucarne_ledger::hash::to_hex;

use super::evidence::{Evidence, read_bounded};
use super::judging::{Nonce, Terms};
use super::verdict::{
    AFFIRMING, EXECUTABLES_UNRECOGNISED, HARDWARE_UNRECOGNISED, Outcome, Verdict,
};
use crate::failure::{Failure, chain};

/// The verdict on a quote.
///
/// # Errors
/// When collateral cannot be read, or the terms do not fit a quote.
pub(super) fn judge(evidence: &Evidence, terms: &Terms) -> Result<Verdict, Failure> {
    let now = terms.at_without_own_time()?;
    let mut verdict = Verdict::new(evidence, now);
    if terms.at.is_some() {
        verdict.judged_by = "named by --at";
    }
    let expect = match &terms.nonce {
        None => Expect::AnyReportData,
        Some(Nonce::ReportData(wanted)) => Expect::ReportData(*wanted),
        Some(Nonce::Nonce(_)) => {
            return Err(Failure::usage("--nonce: a TDX quote answers 64 bytes of report data"));
        }
    };
    let accepted = match &terms.policy {
        None => Some(Policy::strict(vec![INTEL_SGX_ROOT], Measurements::DangerAny)),
        Some(policy) => policy.tdx(),
    };
    let Some(policy) = accepted else {
        let text = "the policy accepts no TDX quote".to_owned();
        verdict.refuse("kind-not-accepted".into(), Class::Policy, text);
        return Ok(verdict);
    };
    let Some(collateral) = terms_collateral(terms)? else {
        verdict.outcome = Outcome::CouldNotTell {
            code: "collateral-missing".into(),
            text: "a quote is worth what Intel says of the machine today: name that with \
                   --collateral"
                .into(),
        };
        return Ok(verdict);
    };
    let revoked = terms.revoked();
    match verify_unless_revoked(&evidence.bytes, &collateral, &policy, now, expect, revoked) {
        Ok(verified) => accept(&mut verdict, verified.get(), &policy, terms),
        Err(refused) => verdict.refuse(refused.code().to_owned(), refused.class(), chain(&refused)),
    }
    Ok(verdict)
}

fn accept(verdict: &mut Verdict, claims: &Claims, policy: &Policy, terms: &Terms) {
    verdict.identity = Some(claims.identity.to_string());
    let why = format!("{} ends", claims.holds_until_by);
    verdict.holds_until = Some((claims.holds_until, why));
    describe(verdict, claims);
    verdict.checked = vec![
        "form: version, body and certification data, no bytes after it but zeros".into(),
        "signatures: quote, quoting enclave, PCK chain to Intel's root, TCB info, QE identity"
            .into(),
        "revocation: both lists are there, in date and signed, and name none of the chain".into(),
        format!("machine: {} with collateral {}", tcb(&claims.tcb), claims.evaluation_number),
        "TD: not in debug mode, no reserved attribute, SEPT_VE_DISABLE on".into(),
    ];
    verdict.vector.hardware = AFFIRMING;
    verdict.vector.executables = EXECUTABLES_UNRECOGNISED;
    verdict.outcome = Outcome::Verified;
    verdict.note_policy(terms);
    match (&policy.measurements, &terms.policy) {
        (Measurements::OneOf(_), _) => {
            verdict.vector.executables = AFFIRMING;
            verdict.checked.push("measurement: one that the policy lists".into());
        }
        (Measurements::Baseline(_), _) => {
            verdict.vector.executables = AFFIRMING;
            verdict.checked.push("measurement: one that the baseline authorises".into());
        }
        (Measurements::DangerAny, Some(_)) => {
            let why = "the policy accepts whatever code runs in the TD".to_owned();
            verdict.outcome = Outcome::Insecure { why };
        }
        (Measurements::DangerAny, None) => {}
    }
    if claims.insecure() {
        verdict.vector.hardware = HARDWARE_UNRECOGNISED;
        let why = "the root is not Intel's, so nothing vouches for the machine".to_owned();
        verdict.outcome = Outcome::Insecure { why };
    }
    match &terms.nonce {
        Some(nonce) => {
            verdict.nonce = Some(nonce.bytes().to_vec());
            verdict.checked.push("report data: as asked for with --nonce".into());
        }
        None => verdict.not_checked.push(
            "freshness: a quote carries no time, and no report data was asked for with --nonce"
                .into(),
        ),
    }
    verdict.not_checked.extend([
        "event logs: the registers themselves are compared".to_owned(),
        "instance not bound: any machine with this code will do".to_owned(),
        "physical access: a quote says nothing about who can touch the memory bus".to_owned(),
    ]);
}

fn describe(verdict: &mut Verdict, claims: &Claims) {
    const REGISTERS: [(&str, RegisterName); 8] = [
        ("mrtd", RegisterName::MrTd),
        ("rtmr0", RegisterName::Rtmr0),
        ("rtmr1", RegisterName::Rtmr1),
        ("rtmr2", RegisterName::Rtmr2),
        ("rtmr3", RegisterName::Rtmr3),
        ("mrconfigid", RegisterName::MrConfigId),
        ("mrowner", RegisterName::MrOwner),
        ("mrseam", RegisterName::MrSeam),
    ];
    for (label, name) in REGISTERS {
        let value = claims.register(name);
        verdict.fact(label, value.to_string());
        verdict.claim(label, format!("sha384:{value}"));
    }
    let report_data = to_hex(&claims.report_data);
    verdict.fact("report data", report_data.as_str());
    verdict.claim("report_data", report_data);
    verdict.fact("tcb status", tcb(&claims.tcb));
    verdict.claim("tcb_status", claims.tcb.status.as_str());
    verdict.claim("tcb_advisories", claims.tcb.advisories.iter().cloned().collect::<Vec<String>>());
    verdict.claim("version", claims.version);
    verdict.claim("td_attributes", format!("{:#018x}", claims.td_attributes));
    verdict.claim("root_sha256", claims.root.to_string());
}

fn tcb(tcb: &Tcb) -> String {
    let advisories: Vec<&str> = tcb.advisories.iter().map(String::as_str).collect();
    if advisories.is_empty() {
        tcb.status.as_str().to_owned()
    } else {
        format!("{} ({})", tcb.status.as_str(), advisories.join(", "))
    }
}

/// What the command line names, or else the first bundle among the files that the policy names.
fn terms_collateral(terms: &Terms) -> Result<Option<Collateral>, Failure> {
    if let Some(path) = terms.collateral() {
        return collateral(path).map(Some);
    }
    let named = terms.policy.iter().flat_map(|policy| policy.collateral());
    let read = named.filter_map(|path| read_bounded(path, COLLATERAL_BYTES_MAX).ok());
    Ok(read.filter_map(|bytes| Collateral::from_bundle(&bytes).ok()).next())
}

/// A bundle in one file, or a folder of the files of Intel's service by their usual names.
fn collateral(path: &Path) -> Result<Collateral, Failure> {
    let refused = |error: &lucarne_attest::tdx::CollateralError| {
        Failure::usage(format!("{}: {}", path.display(), chain(error)))
    };
    if !path.is_dir() {
        let bytes = read_bounded(path, COLLATERAL_BYTES_MAX)?;
        return Collateral::from_bundle(&bytes).map_err(|error| refused(&error));
    }
    let read = |name: &str| read_bounded(&path.join(name), COLLATERAL_BYTES_MAX);
    let tcb_info = read("tcbInfo.json")?;
    let tcb_info_chain = read("tcbSignChain.pem")?;
    let qe_identity = read("qeIdentity.json")?;
    let root_crl = read("rootCaCrl.der")?;
    let pck_crl = read("intermediateCaCrl.der")?;
    let files = PcsFiles {
        tcb_info: &tcb_info,
        tcb_info_chain: &tcb_info_chain,
        qe_identity: &qe_identity,
        // Intel signs both documents with one key.
        qe_identity_chain: &tcb_info_chain,
        root_crl: &root_crl,
        pck_crl: &pck_crl,
    };
    Collateral::from_pcs(&files).map_err(|error| refused(&error))
}

/// TCB info has 10 KB, a revocation list of a PCK issuer may have many.
const COLLATERAL_BYTES_MAX: u64 = 4 << 20;
