//! Total functions over hostile input, for the fuzz targets and the replay of their corpora.

use super::state::{parse, write};

/// The state of a watcher; what is read is written so that it is read as the same again.
pub fn fuzz_watch_state(data: &[u8]) {
    let Some(state) = parse(data) else { return };
    let written = write(&state).unwrap_or_default();
    assert_eq!(parse(&written), Some(state));
}
