//! Records: the units that are sealed.

/// What kind of payload a record has; the number is part of the leaf.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[repr(u8)]
pub enum Stream {
    /// Life of the ledger itself: open, close, heartbeat, gap. JSON.
    Control = 0,
    /// `be32 context || LogRecord`.
    Logs = 1,
    /// `be32 context || Metric`.
    Metrics = 2,
    /// `be32 context || Span`.
    Traces = 3,
    /// An audit event, JSON.
    Audit = 4,
    /// `be32 NONE || Resource` or `be32 resource || InstrumentationScope`.
    Context = 5,
}
