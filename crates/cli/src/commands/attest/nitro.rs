//! Documents of the Nitro format: of AWS Nitro enclaves, and of software TEEs, which are INSECURE.

use lucarne_attest::{
    Claims, Class, DebugMode, Expect, Kind, Measurements, Policy, Root, Unverified, When,
    read_unverified, verify_unless_revoked,
};
use lucarne_ledger::hash::to_hex;

use super::evidence::Evidence;
use super::judging::{At, Nonce, Terms};
use super::registers;
use super::verdict::{
    AFFIRMING, CONTRAINDICATED, EXECUTABLES_UNRECOGNISED, HARDWARE_UNRECOGNISED, Outcome, Verdict,
};
use crate::failure::Failure;

/// The verdict on a document.
///
/// # Errors
/// When the terms do not fit it.
pub(super) fn judge(evidence: &Evidence, terms: &Terms) -> Result<Verdict, Failure> {
    let mut verdict = Verdict::new(evidence, terms.now);
    let nonce = match &terms.nonce {
        None => Expect::AnyNonce,
        Some(Nonce::Nonce(nonce)) => Expect::Nonce(*nonce),
        Some(Nonce::ReportData(_)) => {
            return Err(Failure::usage("--nonce: a Nitro document answers 32 bytes, not 64"));
        }
    };
    let accepted = match &terms.policy {
        None => Some(vendor()),
        Some(policy) => policy.nitro(),
    };
    let Some(policy) = accepted else {
        verdict.refuse(
            "kind-not-accepted".into(),
            Class::Policy,
            "the policy accepts no evidence of the Nitro format".into(),
        );
        return Ok(verdict);
    };
    let read = read_unverified(&evidence.bytes);
    if let Ok(read) = &read {
        describe(&mut verdict, read, terms);
    }
    let (when, by) = when(terms, read.ok().as_ref());
    (verdict.judged_at, verdict.judged_by) = by;
    match verify_unless_revoked(&evidence.bytes, &policy, when, nonce, terms.revoked()) {
        Ok(verified) => accept(&mut verdict, verified.get(), &policy, terms),
        Err(refused) => {
            verdict.holds_until = None;
            let text = crate::failure::chain(&refused);
            verdict.refuse(refused.code().to_owned(), refused.class(), text);
            if refused.class() != Class::Time
                && let Outcome::Refused { hint, .. } = &mut verdict.outcome
            {
                *hint = hint_for(refused.code());
            }
        }
    }
    Ok(verdict)
}

/// What is trusted without a policy: the root that AWS publishes, and no debug mode.
fn vendor() -> Policy {
    Policy {
        roots: vec![Root::aws_nitro()],
        measurements: Measurements::DangerAny,
        debug: DebugMode::Refuse,
    }
}

/// When to judge. A time that somebody names says nothing about freshness, so no age is too great.
fn when(terms: &Terms, read: Option<&Unverified>) -> (When, (lucarne_attest::Time, &'static str)) {
    let live = |now, age_max_ms| When::Live { now, age_max_ms };
    match terms.at {
        None => (live(terms.now, terms.age_max_ms), (terms.now, "this machine's clock")),
        Some(At::Given(time)) => (live(time, u64::MAX), (time, "named by --at")),
        Some(At::Signed) => {
            let time = read.map_or(terms.now, |read| read.time);
            (When::Replay, (time, "the time that it is signed with"))
        }
    }
}

fn describe(verdict: &mut Verdict, read: &Unverified, terms: &Terms) {
    verdict.identity = Some(read.identity.to_string());
    verdict.claims = registers::claims(read);
    verdict.fact("module", read.module_id.as_str());
    verdict.fact("made", read.time.to_string());
    let names = terms.names();
    verdict.facts.extend(registers::lines(read.pcrs.iter(), &names));
    for (label, value) in
        [("public key", &read.public_key), ("user data", &read.user_data), ("nonce", &read.nonce)]
    {
        if let Some(bytes) = value {
            verdict.fact(label, to_hex(bytes));
        }
    }
    verdict.fact("root", format!("sha256:{}", read.root));
    if let Some((_, until)) = read.chain_validity() {
        let why = "a certificate of its chain ends".to_owned();
        verdict.holds_until = Some((until, why));
    }
}

fn accept(verdict: &mut Verdict, claims: &Claims, policy: &Policy, terms: &Terms) {
    verdict.judged_at = claims.judged_at;
    verdict.public_key.clone_from(&claims.public_key);
    verdict.claim("debug", claims.debug);
    verdict.claim("insecure", claims.insecure);
    verdict.checked = vec![
        "form: one strict COSE_Sign1 with ES384, no trailing bytes, every field within its limits"
            .into(),
        "signature: the document under its certificate, each certificate under the one above"
            .into(),
        format!("root: {} is pinned for {}", claims.root, claims.kind),
        "chain: strict DER, constraints, key usage, path length, validity of every certificate"
            .into(),
    ];
    check_lines(verdict, claims, policy, terms);
    verdict.vector.hardware = AFFIRMING;
    verdict.outcome = Outcome::Verified;
    if claims.kind == Kind::Software {
        verdict.attester = "software-insecure";
        verdict.vector.hardware = HARDWARE_UNRECOGNISED;
        insecure(verdict, "a software TEE made this, which protects nothing");
    }
    if claims.debug {
        verdict.vector.configuration = CONTRAINDICATED;
        insecure(verdict, "the enclave runs in debug mode, its host can read it");
    }
    if terms.policy.is_some() && policy.measurements == Measurements::DangerAny {
        insecure(verdict, "the policy accepts whatever code the root vouches for");
    }
}

fn insecure(verdict: &mut Verdict, why: &str) {
    let so_far = match &verdict.outcome {
        Outcome::Insecure { why } => format!("{why}; "),
        Outcome::Verified | Outcome::Refused { .. } | Outcome::CouldNotTell { .. } => String::new(),
    };
    verdict.outcome = Outcome::Insecure { why: format!("{so_far}{why}") };
}

fn check_lines(verdict: &mut Verdict, claims: &Claims, policy: &Policy, terms: &Terms) {
    let checked = |verdict: &mut Verdict, line: &str| verdict.checked.push(line.to_owned());
    let open = |verdict: &mut Verdict, line: &str| verdict.not_checked.push(line.to_owned());
    match terms.at {
        None => checked(verdict, "freshness: the document is not older than --max-age"),
        Some(_) => open(verdict, "freshness: --at judges a past time, so this may be a replay"),
    }
    match &terms.nonce {
        Some(nonce) => {
            verdict.nonce = Some(nonce.bytes().to_vec());
            checked(verdict, "nonce: it answers the one asked for");
        }
        None => open(verdict, "nonce: none was asked for with --nonce"),
    }
    if !claims.debug {
        checked(verdict, "debug mode: off");
    }
    verdict.vector.executables = EXECUTABLES_UNRECOGNISED;
    verdict.note_policy(terms);
    if let Measurements::OneOf(list) = &policy.measurements
        && let Some(met) = list.iter().find(|one| one.differences(&claims.pcrs).is_empty())
    {
        let registers: Vec<String> =
            met.registers().keys().map(|index| format!("PCR{index}")).collect();
        checked(verdict, &format!("measurement: {} as the policy lists", registers.join(", ")));
        verdict.vector.executables = AFFIRMING;
        let names = |index: u8| met.registers().contains_key(&index);
        if ![0, 1, 2].into_iter().any(names) {
            open(verdict, "image: only its signer is compared, so any older signed image passes");
        }
        if [3, 4, 8].into_iter().any(names) {
            verdict.vector.instance_identity = AFFIRMING;
        } else {
            open(verdict, "instance not bound: any machine with this code will do");
        }
    }
    if terms.revoked().is_empty() {
        open(verdict, "revocation: AWS publishes no list for verifiers, and none was named");
    } else {
        checked(verdict, "revocation: the policy's lists name no certificate of the chain");
    }
    open(verdict, "user data and public key: whoever relies on them compares them");
}

fn hint_for(code: &str) -> Option<String> {
    let hint = match code {
        "root-unknown" => {
            "the root of a software TEE, or of another partition, is trusted only when --policy \
             names it"
        }
        "debug-mode" => "debug documents prove nothing; run the enclave without --debug-mode",
        "nonce-missing" | "nonce-differs" => "ask the machine again with a nonce of your own",
        "nitro-tpm" => "any owner of an EC2 instance can make one; ask the enclave itself",
        _ => return None,
    };
    Some(hint.to_owned())
}
