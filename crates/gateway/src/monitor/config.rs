//! How often enclaves are asked, and how much of what they answer is kept.

use std::time::Duration;

use serde::Deserialize;

/// What the file says below `monitor`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MonitorFile {
    #[serde(default)]
    every_ms: Option<u64>,
    #[serde(default)]
    keep_bytes: Option<u64>,
}

/// The same, checked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Monitoring {
    /// How often each connected enclave is asked.
    pub every: Duration,
    /// Bytes of answers that are kept; the oldest go first.
    pub keep_bytes: u64,
}

/// The design's minute.
const EVERY_MS: u64 = 60_000;
/// More often than this a device does little else; less often than this nobody would notice.
const EVERY_MS_RANGE: std::ops::RangeInclusive<u64> = 100..=3_600_000;
/// Some months of one enclave: a document of Nitro is kept as 7 KiB, and a day has 1,440 of them.
const KEEP_BYTES: u64 = 1 << 30;
/// Less than one file of the log would keep nothing.
const KEEP_BYTES_MIN: u64 = 1 << 20;

impl MonitorFile {
    /// Checks what is written.
    ///
    /// # Errors
    /// What was expected.
    pub fn check(&self) -> Result<Monitoring, String> {
        let every_ms = self.every_ms.unwrap_or(EVERY_MS);
        if !EVERY_MS_RANGE.contains(&every_ms) {
            let (least, most) = (EVERY_MS_RANGE.start(), EVERY_MS_RANGE.end());
            return Err(format!("every_ms: expected {least} to {most}, found {every_ms}"));
        }
        let keep_bytes = self.keep_bytes.unwrap_or(KEEP_BYTES);
        if keep_bytes < KEEP_BYTES_MIN {
            return Err(format!(
                "keep_bytes: expected at least {KEEP_BYTES_MIN}, found {keep_bytes}"
            ));
        }
        Ok(Monitoring { every: Duration::from_millis(every_ms), keep_bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_and_a_gibibyte_unless_said_otherwise_within_reason() {
        let check = |every_ms, keep_bytes| MonitorFile { every_ms, keep_bytes }.check();
        let minute = Duration::from_secs(60);
        assert_eq!(check(None, None), Ok(Monitoring { every: minute, keep_bytes: 1 << 30 }));
        let quick = Duration::from_millis(100);
        let least = Monitoring { every: quick, keep_bytes: 1 << 20 };
        assert_eq!(check(Some(100), Some(1 << 20)), Ok(least));
        let wrong = "every_ms: expected 100 to 3600000, found 99";
        assert_eq!(check(Some(99), None), Err(wrong.to_owned()));
        assert_eq!(check(Some(3_600_001), None).map_err(|said| said.len()), Err(48));
        let wrong = "keep_bytes: expected at least 1048576, found 1048575";
        assert_eq!(check(None, Some((1 << 20) - 1)), Err(wrong.to_owned()));
    }
}
