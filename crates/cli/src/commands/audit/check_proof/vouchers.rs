//! Who else vouches for a bundle: witnesses and time-stamping authorities for its checkpoint,
//! people for the code that sealed it.
//!
//! Each is judged by what the policy names, and said to be absent or unjudged otherwise. A word
//! that is there and does not hold refuses the whole bundle: somebody altered it.

use std::path::Path;

use lucarne_attest::Time;
use lucarne_attest::baseline::{Standing, Version};
use lucarne_attest::timestamp::TimestampClaims;
use lucarne_gateway::baseline;
use lucarne_gateway::policy::Policy;
use lucarne_ledger::checkpoint::origin;
use lucarne_ledger::note::NoteKey;
use lucarne_ledger::proof_bundle::{ProofBundle, Proven};
use serde_json::{Value, json};

use super::not_proven;
use crate::commands::audit::epochs::Attested;
use crate::commands::audit::stamps;
use crate::failure::{Exit, Failure};

/// What others say.
pub(super) struct Vouchers {
    witnesses: Option<Witnesses>,
    stamps: Vec<TimestampClaims>,
    unjudged_stamps: usize,
    code: Option<Code>,
}

/// The word of the policy's witnesses.
struct Witnesses {
    names: Vec<String>,
    missing: usize,
    oldest_ms: Option<u64>,
}

/// The entry of the baseline for the code that sealed the record.
struct Code {
    version: Version,
    /// What it is to the policy's approvers; `None` when the policy names none.
    standing: Option<Standing>,
}

impl Vouchers {
    /// Judges all that is in the bundle.
    ///
    /// # Errors
    /// The first word that does not hold.
    pub(super) fn of(
        bundle: &ProofBundle,
        proven: &Proven<'_>,
        attested: &Attested,
        policy: &Policy,
    ) -> Result<Self, Failure> {
        let witnesses = witnesses(bundle, proven, attested, policy)?;
        let mut vouchers = Self {
            witnesses,
            stamps: Vec::new(),
            unjudged_stamps: 0,
            code: code(bundle, attested, policy)?,
        };
        for (note, response) in proven.stamped() {
            match stamps::claims(response, note, &policy.stamp_roots) {
                Ok(Some(claims)) => vouchers.stamps.push(claims),
                Ok(None) => vouchers.unjudged_stamps += 1,
                Err(refused) => return Err(not_proven(&refused)),
            }
        }
        Ok(vouchers)
    }

    /// When the record existed at the latest, milliseconds since 1970, by clocks that are not its
    /// host's.
    pub(super) fn latest_ms(&self) -> Option<u64> {
        let witnessed = self.witnesses.as_ref().and_then(|witnesses| witnesses.oldest_ms);
        self.stamps.iter().map(stamps::latest_ms).chain(witnessed).min()
    }

    /// Whether the baseline's people do not stand behind the code.
    pub(super) fn refuse_code(&self) -> bool {
        let standing = self.code.as_ref().and_then(|code| code.standing.as_ref());
        standing.is_some_and(|standing| !matches!(standing, Standing::Authorised { .. }))
    }

    /// A sentence for each, whether it could be judged or not.
    pub(super) fn sentences(&self) -> Vec<String> {
        let mut said = vec![match &self.witnesses {
            None => "witnesses: not judged, the policy names none".to_owned(),
            Some(Witnesses { names, missing, .. }) => {
                let by = if names.is_empty() { "nobody".to_owned() } else { names.join(", ") };
                let quorum = match missing {
                    0 => "a quorum".to_owned(),
                    more => format!("{more} short of the policy's quorum"),
                };
                format!("witnesses: cosigned by {by}; {quorum}")
            }
        }];
        said.extend(self.stamps.iter().map(|stamp| {
            format!("time stamp: {} of {}, verified", stamp.gen_time, stamp.tsa.name)
        }));
        match (self.stamps.len(), self.unjudged_stamps) {
            (0, 0) => said.push("time stamp: not in the bundle".to_owned()),
            (_, 0) => {}
            (_, count) => said.push(format!(
                "time stamp: {count} not judged, of no authority that the policy names"
            )),
        }
        said.push(self.code.as_ref().map_or_else(
            || "baseline: no entry for this code in the bundle".to_owned(),
            Code::sentence,
        ));
        said
    }

    /// The same for programs.
    pub(super) fn to_json(&self) -> Value {
        json!({
            "existed_by": self.latest_ms().map(utc),
            "witnesses": self.witnesses.as_ref().map(|witnesses| json!({
                "cosigned_by": witnesses.names,
                "missing": witnesses.missing,
                "oldest": witnesses.oldest_ms.map(utc),
            })),
            "time_stamps": self.stamps.iter().map(|stamp| json!({
                "time": stamp.gen_time.to_string(),
                "accuracy_us": stamp.accuracy_us,
                "authority": stamp.tsa.name,
            })).collect::<Vec<_>>(),
            "time_stamps_unjudged": self.unjudged_stamps,
            "baseline": self.code.as_ref().map(Code::to_json),
        })
    }
}

impl Code {
    fn sentence(&self) -> String {
        let entry = &self.version.entry;
        let commit = entry.git_commit.as_deref().unwrap_or("(not named)");
        let by: Vec<&str> = self.version.approvals.iter().map(|one| one.by.as_str()).collect();
        let judged = match &self.standing {
            None => "not judged, the policy names no approvers".to_owned(),
            Some(standing) => standing.as_str().to_owned(),
        };
        let (name, by) = (&entry.version, by.join(" and "));
        format!("baseline: version {name} from commit {commit}, approved by {by}: {judged}")
    }

    fn to_json(&self) -> Value {
        let entry = &self.version.entry;
        json!({
            "version": entry.version,
            "git_commit": entry.git_commit,
            "build_digest": entry.build_digest,
            "change": entry.change,
            "deployment": entry.deployment,
            "approved_by": self.version.approvals.iter().map(|one| &one.by).collect::<Vec<_>>(),
            "standing": self.standing.as_ref().map(Standing::as_str),
        })
    }
}

/// RFC 3339.
fn utc(unix_ms: u64) -> String {
    Time::from_unix_ms(unix_ms).to_string()
}

fn witnesses(
    bundle: &ProofBundle,
    proven: &Proven<'_>,
    attested: &Attested,
    policy: &Policy,
) -> Result<Option<Witnesses>, Failure> {
    let Some(trusted) = &policy.audit.witnesses else { return Ok(None) };
    let name = origin(&policy.audit.log_prefix, &proven.statement().ledger);
    let keys = [&attested.keys.statement.key, &attested.keys.checkpoint];
    let logs = keys.map(|key| NoteKey::new(&name, key.clone()));
    let said = trusted.judge(&bundle.checkpoint, &logs).map_err(|error| not_proven(&error))?;
    let name_of = |at: usize| trusted.witnesses().get(at).map(|witness| witness.name.clone());
    Ok(Some(Witnesses {
        names: said.cosigned.iter().filter_map(|one| name_of(one.witness)).collect(),
        missing: said.missing,
        oldest_ms: said.oldest_s().map(|oldest_s| oldest_s.saturating_mul(1_000)),
    }))
}

fn code(
    bundle: &ProofBundle,
    attested: &Attested,
    policy: &Policy,
) -> Result<Option<Code>, Failure> {
    let Some(text) = &bundle.baseline else { return Ok(None) };
    let refused = |why: String| Failure::new(Exit::No, format!("not proven: baseline: {why}"));
    let parsed = baseline::parse(text, Path::new("the entry in the bundle"))
        .map_err(|error| refused(error.to_string()))?;
    let [version] = parsed.versions() else {
        return Err(refused(format!("expected one entry, found {}", parsed.versions().len())));
    };
    let claims = &attested.epoch.claims;
    if !version.entry.has(&claims.registers) {
        return Err(refused(format!("{} is other code", version.entry.version)));
    }
    let approvers = policy.authority.as_ref().map(|authority| &authority.approvers);
    let standing = approvers.map(|approvers| version.standing(approvers, claims.time()));
    Ok(Some(Code { version: version.clone(), standing }))
}
