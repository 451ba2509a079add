//! The runbooks that `lucarne up` puts into its directory, as they are shipped.
//!
//! A file that is there already is left alone: somebody may have changed and signed it.

use std::path::Path;

use crate::failure::Failure;

macro_rules! shipped {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../../../../../runbooks/", $name, ".yaml")))),*]
    };
}

/// All of them, by name.
const RUNBOOKS: [(&str, &str); 12] = shipped![
    "attestation-failure",
    "audit-backlog",
    "audit-chain-failure",
    "audit-tamper",
    "circuit-open",
    "error-rate-spike",
    "guard-trip",
    "planned-restart",
    "policy-broad-allow",
    "revocation-stale",
    "secret-exposure",
    "telemetry-gap",
];

/// Writes those that are not there.
///
/// # Errors
/// When the folder cannot be written.
pub(super) fn place(folder: &Path) -> Result<(), Failure> {
    let what = format!("write runbooks into {}", folder.display());
    let unreadable = |cause: &std::io::Error| Failure::unreadable(&what, cause);
    std::fs::create_dir_all(folder).map_err(|cause| unreadable(&cause))?;
    for (name, text) in RUNBOOKS {
        let path = folder.join(format!("{name}.yaml"));
        if !path.exists() {
            std::fs::write(&path, text).map_err(|cause| unreadable(&cause))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_runbook_is_placed_once_and_an_edit_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        place(dir.path()).unwrap();
        let names = |folder: &Path| {
            let mut names: Vec<String> = std::fs::read_dir(folder)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .filter(|name| name.ends_with(".yaml"))
                .collect();
            names.sort();
            names
        };
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../runbooks");
        assert_eq!(names(dir.path()), names(&shipped));
        let edited = dir.path().join("guard-trip.yaml");
        std::fs::write(&edited, "# edited").unwrap();
        place(dir.path()).unwrap();
        assert_eq!(std::fs::read_to_string(edited).unwrap(), "# edited");
    }
}
