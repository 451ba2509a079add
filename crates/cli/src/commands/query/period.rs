//! The time that a question is about.

use lucarne_gateway::export::timestamp::parse_rfc3339;

use crate::clock;

/// From when until when.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Period {
    /// From this time on [default: an hour ago]
    #[arg(long, value_name = "RFC3339", value_parser = time)]
    time_from: Option<u64>,
    /// Until before this time [default: the newest]
    #[arg(long, value_name = "RFC3339", value_parser = time)]
    time_to: Option<u64>,
}

impl Period {
    /// First nanosecond and the one after the last.
    pub(super) fn nanoseconds(&self, hours_by_default: u64) -> (u64, u64) {
        let back = hours_by_default.saturating_mul(3_600_000_000_000);
        let to = self.time_to.unwrap_or(u64::MAX);
        let from = self.time_from.unwrap_or_else(|| clock::unix_ns().min(to).saturating_sub(back));
        // What ends before it begins is empty, and the channel has no word for anything else.
        (from.min(to), to)
    }
}

pub(super) fn time(text: &str) -> Result<u64, String> {
    let expected = || "expected a time such as 2026-05-25T10:00:00Z".to_owned();
    parse_rfc3339(text).ok_or_else(expected)
}
