//! Reading the register of an archive: its entries as far as they go, and every head held against
//! them. What cannot be *read* ends the command; what is wrong is a finding.

use std::io::Read as _;

use lucarne_archive::name::RegisterName;
use lucarne_archive::{Archive, ArchiveError, Name};
use lucarne_gateway::policy::Policy;
use lucarne_ledger::audit::register::{RegisterFault, RegisterLog};
use lucarne_ledger::checkpoint::CheckpointError;
use lucarne_ledger::note::{NOTE_BYTES_MAX, NoteKey};
use lucarne_ledger::register::{ENTRY_BYTES_MAX, Register, RegisterError, note_key};
use lucarne_ledger::trust_policy::TrustPolicy;

use super::catalogue::unreadable;
use crate::failure::Failure;

/// The register that the policy's key speaks for; none, where the policy names no key.
///
/// # Errors
/// When an object cannot be read.
pub(in crate::commands) fn read(
    archive: &dyn Archive,
    policy: &Policy,
) -> Result<RegisterLog, Failure> {
    let mut log = RegisterLog::default();
    let Some(key) = &policy.register else { return Ok(log) };
    let log_prefix = &policy.audit.log_prefix;
    let mut register = Register::new(log_prefix);
    // The register at each size: a head may be of any.
    let mut states = vec![register.clone()];
    let mut heads = Vec::new();
    for name in archive.list(FOLDER).map_err(|error| unreadable(&error))? {
        match name {
            Ok(Name::Register(RegisterName::Entry { index })) => {
                if index != register.size() {
                    log.faults.push(RegisterFault::Gap { index: register.size() });
                    break;
                }
                let bytes = content(archive, RegisterName::Entry { index }, ENTRY_BYTES_MAX)?;
                match register.append(&bytes) {
                    Ok(entry) => log.entries.push(entry),
                    Err(_) => {
                        log.faults.push(RegisterFault::Entry { index });
                        break;
                    }
                }
                states.push(register.clone());
            }
            Ok(Name::Register(name @ RegisterName::Checkpoint { .. })) => heads.push(name),
            // Strays are in the catalogue already.
            Ok(_) | Err(ArchiveError::Stray { .. }) => {}
            Err(error) => return Err(unreadable(&error)),
        }
    }
    if log.entries.is_empty() && log.faults.is_empty() && heads.is_empty() {
        log.faults.push(RegisterFault::Absent);
        return Ok(log);
    }
    let key = note_key(log_prefix, key.clone());
    let witnesses = policy.audit.witnesses.as_ref();
    let witnessed = check_heads(archive, heads, &states, (&key, witnesses), &mut log)?;
    let explained = log.faults.iter().any(|fault| !matches!(fault, RegisterFault::Gap { .. }));
    if policy.register_witnessed && witnessed < log.entries.len() as u64 && !explained {
        log.faults.push(RegisterFault::Unwitnessed { witnessed });
    }
    Ok(log)
}

/// Holds every head against the entries, and says how many of those a quorum of witnesses saw.
fn check_heads(
    archive: &dyn Archive,
    heads: Vec<RegisterName>,
    states: &[Register],
    (key, witnesses): (&NoteKey, Option<&TrustPolicy>),
    log: &mut RegisterLog,
) -> Result<u64, Failure> {
    let there = log.entries.len() as u64;
    let broken = !log.faults.is_empty();
    let (mut signed, mut witnessed) = (0, 0);
    // One register that lost its end, or was put beside another, has many heads that say so.
    let (mut longest, mut excluded) = (0, None);
    let Some(newest) = states.last() else { return Ok(0) };
    for name in heads {
        let RegisterName::Checkpoint { size, root, .. } = name else { continue };
        let note = content(archive, name, NOTE_BYTES_MAX)?;
        let state = usize::try_from(size).ok().and_then(|size| states.get(size));
        let against = state.unwrap_or(newest);
        let checked = str::from_utf8(&note).map(|note| against.check(note, key));
        match checked {
            Ok(Ok(())) if against.root() == root => {
                signed = signed.max(size);
                match quorum(&note, key, witnesses) {
                    Ok(true) => witnessed = witnessed.max(size),
                    Ok(false) => {}
                    Err(_) => log.faults.push(RegisterFault::Note { size }),
                }
            }
            Ok(Err(RegisterError::Head { stated: (stated, _), .. })) if stated > there => {
                (longest, signed) = (longest.max(stated), signed.max(there));
                if quorum(&note, key, witnesses).unwrap_or(false) {
                    witnessed = witnessed.max(there);
                }
            }
            Ok(Err(RegisterError::Head { root: found, stated: (size, stated), .. })) => {
                excluded.get_or_insert(RegisterFault::Head { size, stated, found });
            }
            Ok(_) | Err(_) => log.faults.push(RegisterFault::Note { size }),
        }
    }
    // Of a register with a hole it is known already that entries are missing.
    if longest > there && !broken {
        log.faults.push(RegisterFault::Short { size: longest, found: there });
    }
    if let Some(fault) = excluded {
        // Which entries are the true ones is not known behind the last head that fits.
        log.faults.push(fault);
        log.entries.truncate(usize::try_from(signed).unwrap_or(usize::MAX));
    }
    // What cannot be believed of the heads is why the last entries are under none.
    if signed < there && log.faults.is_empty() {
        log.faults.push(RegisterFault::Unsigned { signed });
    }
    Ok(witnessed)
}

/// Whether a quorum of the policy's witnesses cosigned a head; the error is that of a line of
/// theirs that is bad.
fn quorum(
    note: &[u8],
    key: &NoteKey,
    witnesses: Option<&TrustPolicy>,
) -> Result<bool, CheckpointError> {
    let Some(witnesses) = witnesses else { return Ok(false) };
    let note = str::from_utf8(note).map_err(|_| CheckpointError::NotCanonical)?;
    witnesses.judge(note, std::slice::from_ref(key)).map(|judged| judged.is_quorum())
}

fn content(archive: &dyn Archive, name: RegisterName, max: usize) -> Result<Vec<u8>, Failure> {
    let object = archive.open(&name.into()).map_err(|error| unreadable(&error))?;
    let mut bytes = Vec::new();
    object
        .take(max as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|cause| Failure::unreadable("read the archive", &cause))?;
    Ok(bytes)
}

const FOLDER: &str = "register/";
