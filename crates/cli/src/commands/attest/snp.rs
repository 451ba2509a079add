//! Reports of SEV-SNP, with the certificates of their keys.

use std::path::{Path, PathBuf};

use lucarne_attest::Class;
use lucarne_attest::snp::{
    Caveat, Claims, Collateral, Expect, Measurements, Policy, Rejected, verify_unless_revoked,
};
use lucarne_ledger::hash::to_hex;

use super::evidence::{Evidence, read_bounded};
use super::judging::{Nonce, Terms};
use super::verdict::{
    AFFIRMING, CONTRAINDICATED, EXECUTABLES_UNRECOGNISED, Outcome, Verdict, code_of,
};
use crate::failure::{Exit, Failure, chain};

/// The verdict on a report.
///
/// # Errors
/// When collateral cannot be read, or the terms do not fit a report.
pub(super) fn judge(evidence: &Evidence, terms: &Terms) -> Result<Verdict, Failure> {
    let now = terms.at_without_own_time()?;
    let mut verdict = Verdict::new(evidence, now);
    if terms.at.is_some() {
        verdict.judged_by = "named by --at";
    }
    let expect = match &terms.nonce {
        None => Expect::DangerAny,
        Some(Nonce::ReportData(wanted)) => Expect::ReportData(*wanted),
        Some(Nonce::Nonce(_)) => {
            return Err(Failure::usage("--nonce: an SNP report answers 64 bytes of report data"));
        }
    };
    let accepted = match &terms.policy {
        None => Some(vendor()),
        Some(policy) => policy.snp(),
    };
    let Some(policy) = accepted else {
        let text = "the policy accepts no SNP report".to_owned();
        verdict.refuse("kind-not-accepted".into(), Class::Policy, text);
        return Ok(verdict);
    };
    let collateral = terms_collateral(terms)?;
    let revoked = terms.revoked();
    match verify_unless_revoked(&evidence.bytes, &collateral, &policy, now, expect, revoked) {
        Ok(verified) => accept(&mut verdict, verified.get(), terms),
        Err(
            refused @ (Rejected::LeafMissing { .. }
            | Rejected::IssuerMissing { .. }
            | Rejected::RevocationMissing),
        ) => {
            let text = format!("{}; name it with --collateral", chain(&refused));
            verdict.outcome = Outcome::CouldNotTell { code: code_of(&refused), text };
        }
        Err(refused) => verdict.refuse(code_of(&refused), refused.class(), chain(&refused)),
    }
    Ok(verdict)
}

/// What is trusted without a policy: AMD's roots, nothing that weakens a guest, and any code.
fn vendor() -> Policy {
    Policy { measurements: Measurements::DangerAny, ..Policy::strict(Vec::new()) }
}

fn accept(verdict: &mut Verdict, claims: &Claims, terms: &Terms) {
    verdict.identity = Some(claims.identity.to_string());
    let why = "a certificate or the revocation list ends".to_owned();
    verdict.holds_until = Some((claims.valid_until, why));
    describe(verdict, claims);
    verdict.checked = vec![
        "form: 1,184 bytes of a known version, reserved bits zero".into(),
        format!("signatures: the report under its {}, that under AMD's root", claims.key),
        "key: firmware and chip of the certificate are those of the report".into(),
        "guest policy and platform: what the policy refuses is not there".into(),
    ];
    verdict.vector.hardware = AFFIRMING;
    verdict.outcome = Outcome::Verified;
    if claims.caveats.contains(&Caveat::MeasurementUnchecked) {
        verdict.vector.executables = EXECUTABLES_UNRECOGNISED;
        if terms.policy.is_some() {
            let why = "the policy accepts whatever code runs in the guest".to_owned();
            verdict.outcome = Outcome::Insecure { why };
        }
    } else {
        verdict.vector.executables = AFFIRMING;
        verdict.checked.push("measurement: one that the policy lists".into());
    }
    if claims.insecure {
        verdict.vector.configuration = CONTRAINDICATED;
        let why = if claims.policy.debug() {
            "the guest is in debug mode, its host can read it"
        } else {
            "the root is not AMD's, so nothing vouches for the machine"
        };
        let why = why.to_owned();
        verdict.outcome = Outcome::Insecure { why };
    }
    if !claims.caveats.contains(&Caveat::InstanceNotBound) {
        verdict.vector.instance_identity = AFFIRMING;
    }
    if let Some(nonce) = &terms.nonce {
        verdict.nonce = Some(nonce.bytes().to_vec());
        verdict.checked.push("report data: as asked for with --nonce".into());
    }
    verdict.note_policy(terms);
    verdict.not_checked.extend(claims.caveats.iter().map(ToString::to_string));
    let physical = "physical access: a report says nothing about who can touch the memory bus";
    verdict.not_checked.push(physical.to_owned());
}

fn describe(verdict: &mut Verdict, claims: &Claims) {
    let text = claims.to_string();
    for line in text.lines() {
        let (label, value) = line.split_at_checked(15).unwrap_or((line, ""));
        let label = label.trim();
        // Said elsewhere in every verdict.
        if !["judged at", "caveat", "identity"].contains(&label) {
            verdict.fact(label, value.trim());
        }
    }
    verdict.claim("product", claims.product.to_string());
    verdict.claim("version", claims.version);
    verdict.claim("signed_by", claims.key.to_string());
    verdict.claim("measurement", format!("sha384:{}", claims.measurement));
    verdict.claim("report_data", to_hex(&claims.report_data));
    verdict.claim("host_data", to_hex(&claims.host_data));
    verdict.claim("chip_id", claims.chip_id.map(|chip| to_hex(&chip)));
    verdict.claim("vmpl", claims.vmpl);
    verdict.claim("guest_policy", format!("{:#x}", claims.policy.bits()));
    verdict.claim("platform_info", format!("{:#x}", claims.platform.bits()));
    verdict.claim("reported_tcb", claims.reported_tcb.to_string());
    verdict.claim("committed_tcb", claims.committed_tcb.to_string());
    verdict.claim("current_tcb", claims.current_tcb.to_string());
    verdict.claim("root_sha256", claims.root.to_string());
    verdict.claim("caveats", claims.caveats.iter().map(code_of).collect::<Vec<String>>());
}

/// What the command line names, or else the files that the policy names.
fn terms_collateral(terms: &Terms) -> Result<Collateral, Failure> {
    if let Some(path) = terms.collateral() {
        return collateral(path);
    }
    let mut found = Collateral::default();
    for path in terms.policy.iter().flat_map(|policy| policy.collateral()) {
        // One that is not there, or is for another kind, adds nothing; the verdict says what lacks.
        if let Ok(bytes) = read_bounded(path, FILE_BYTES_MAX) {
            found.add(&bytes).ok();
        }
    }
    Ok(found)
}

/// One file, or every file of a folder that is collateral.
fn collateral(path: &Path) -> Result<Collateral, Failure> {
    let mut found = Collateral::default();
    if !path.is_dir() {
        let bytes = read_bounded(path, FILE_BYTES_MAX)?;
        found
            .add(&bytes)
            .map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
        return Ok(found);
    }
    let files = files(path)
        .map_err(|error| Failure::unreadable(&format!("read {}", path.display()), &error))?;
    if files.len() > FILES_MAX {
        let text = format!("{} has more than {FILES_MAX} files", path.display());
        return Err(Failure::new(Exit::Unreadable, text));
    }
    for file in files {
        // Reports and notes may lie there too; what is no collateral adds nothing.
        if let Ok(bytes) = read_bounded(&file, FILE_BYTES_MAX) {
            found.add(&bytes).ok();
        }
    }
    Ok(found)
}

fn files(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path)?.take(FILES_MAX + 1) {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}

/// Certificates have 2 KB; a list grows with revocations.
const FILE_BYTES_MAX: u64 = 64 * 1_024;
/// A folder of three products has a dozen.
const FILES_MAX: usize = 64;
