//! The bounds of a contract and of what it lets through, each with its reason.

/// Longest contract. The design's example has 25 lines; a person must be able to review the file.
pub(crate) const FILE_BYTES_MAX: usize = 256 * 1024;

/// Attributes of log records, or of resources, that a contract can name: the set of those withheld
/// from a record is one word of 128 bits, and the largest record stays below a run.
pub(crate) const ATTRIBUTES_MAX: usize = 128;

/// Names of any other kind in one contract: metrics, labels, span names, bodies, events.
pub(crate) const NAMES_MAX: usize = 4096;

/// Longest text that any slot lets through unless the contract says less or more. Ids, codes and
/// names are shorter; prose is longer.
pub(crate) const VALUE_BYTES: usize = 256;

/// The most that a contract can raise that to.
pub(crate) const VALUE_BYTES_MAX: usize = 4096;

/// Largest magnitude of a metric's value unless the contract says less or more. A card number has
/// 13 digits or more; a count of milliseconds reaches 12 after 31 years.
pub(crate) const METRIC_VALUE: f64 = 999_999_999_999.0;

/// Table of one compiled pattern. `[0-9a-f]{8,64}` takes 20 KiB; a pattern that needs more than
/// this is a program, not a rule that a reviewer can read.
pub(crate) const PATTERN_TABLE_BYTES_MAX: usize = 1024 * 1024;

/// Memory for building one table, several times the table.
pub(crate) const PATTERN_BUILD_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Different texts that a body pattern may match. A body is free text unless it is nearly a list: a
/// social security number has 10^9 forms, a step number of a workflow a thousand.
pub(crate) const BODY_TEXTS_MAX: u64 = 65_536;

/// Records in one run of payloads: one batch of the ledger holds no more.
pub(crate) const RUN_RECORDS_MAX: usize = 8192;

/// Bytes in one run of payloads, for the same reason.
pub(crate) const RUN_BYTES_MAX: usize = 1024 * 1024;

/// Bytes of data points in one metric record; larger groups become several records of the same
/// metric.
pub(crate) const METRIC_RECORD_BYTES: usize = 64 * 1024;

/// Buckets of a histogram point. SDKs default to 15, exponential ones to 160.
pub(crate) const BUCKETS_MAX: usize = 512;

/// Quantiles of a summary point. Client libraries default to four.
pub(crate) const QUANTILES_MAX: usize = 32;

/// Data points of one request. The re-aggregation keeps about 160 bytes and the labels of each
/// until the request is read; an SDK sends a few hundred, and at most 2,000 a metric.
pub(crate) const POINTS_MAX: usize = 32_768;

/// Bytes of labels of one request, for the same reason.
pub(crate) const LABEL_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Different resources of one request; a collector that gathers many workloads stays below.
pub(crate) const RESOURCES_MAX: usize = 1024;

/// Links of a span. SDKs default to 128.
pub(crate) const LINKS_MAX: usize = 128;

/// Memory that a scratch keeps between requests; a burst should not pin its peak for ever.
pub(crate) const SCRATCH_KEPT_BYTES: usize = 2 * RUN_BYTES_MAX;

/// Bytes that the memory of series between requests holds: some 40,000 counters, or 2,000
/// histograms of 160 buckets.
pub(crate) const MEMORY_BYTES_MAX: usize = 8 * 1024 * 1024;

/// A series that has been silent for an hour is forgotten when room is needed.
pub(crate) const SILENT_NANOS: u64 = 3_600_000_000_000;

/// Pairs of states that a comparison of two patterns visits: some 40 MiB, and far more than
/// patterns have that a person can read.
pub(crate) const PATTERN_PAIRS_MAX: usize = 1_000_000;
