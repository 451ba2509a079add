//! Total functions over hostile input, for the fuzz targets and the replay of their corpora.

use crate::log;
use crate::policy::{Policy, Profile};
use crate::scrub::Scrubber;
use crate::state::State;

/// Reads a policy; whatever it is, the answer is a policy or a line of text.
pub fn fuzz_policy(yaml: &[u8]) {
    let Ok(yaml) = std::str::from_utf8(yaml) else { return };
    match Policy::parse(yaml) {
        Ok(policy) => {
            let again = Policy::parse(policy.source()).map(|again| again.digest());
            assert_eq!(again, Ok(policy.digest()), "one text is one policy");
        }
        Err(error) => assert!(!error.to_string().contains('\n'), "an error is one line"),
    }
}

/// Reads an entry and takes it in.
pub fn fuzz_entry(bytes: &[u8]) {
    let Ok(entry) = log::decode(bytes) else { return };
    assert_eq!(log::encode(&entry), bytes, "an entry has one spelling");
    let mut state = State::new(Policy::shipped(Profile::ResponderDefault));
    state.apply(&entry);
    assert!(!state.to_bytes().is_empty(), "a state can be written");
}

/// Scrubs a text; what comes out is left alone the second time.
pub fn fuzz_text(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let scrubber = Scrubber::new([7; 32]);
    let once = scrubber.scrub(&text);
    assert_eq!(scrubber.scrub(once.as_str()), once, "scrubbing comes to rest");
    let stored = serde_json::to_string(&once).unwrap_or_default();
    let back = serde_json::from_str(&stored).ok();
    assert_eq!(back, Some(once), "what is stored can be read");
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[track_caller]
    fn replay(topic: &str, fuzz: fn(&[u8])) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(topic);
        let mut count = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let bytes = std::fs::read(entry.unwrap().path()).unwrap();
            fuzz(&bytes);
            for at in (0..bytes.len()).step_by(bytes.len() / 32 + 1) {
                fuzz(bytes.get(..at).unwrap_or_default());
                let mut bent = bytes.clone();
                bent[at] ^= 0x41;
                fuzz(&bent);
            }
            count += 1;
        }
        assert!(count >= 2, "corpus of {topic} has {count} files");
    }

    #[test]
    fn corpora_are_replayed() {
        replay("desk_policy", fuzz_policy);
        replay("desk_entry", fuzz_entry);
        replay("desk_text", fuzz_text);
    }
}
