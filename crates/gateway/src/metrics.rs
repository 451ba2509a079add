//! `/metrics`: everything the gateway measures, as Prometheus text.
//!
//! Labels are closed sets, names of configured exporters, and instances whose evidence was
//! verified; no label takes its value from telemetry. What counts lives with those who count; this
//! page reads it.

use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use lucarne_ledger::control::Workload;

use crate::clock::Clock;
use crate::counters::{Counter, Counters};
use crate::export::sink::Tally;
use crate::heartbeats::Heartbeats;
use crate::monitor::{Measured, Monitor};
use crate::stamping;
use crate::witnessing::Measures;

/// What `/metrics` shows.
#[derive(Clone)]
pub struct Metrics {
    /// Counters of the receiving side.
    pub counters: Arc<Counters>,
    /// The newest heartbeats.
    pub heartbeats: Heartbeats,
    /// Exporters by name.
    pub exporters: Vec<(String, Arc<ExporterMetrics>)>,
    /// Witnesses, if any are asked.
    pub witnesses: Option<Arc<Measures>>,
    /// The monitor of evidence; `None` in tests of other pages.
    pub monitor: Option<Arc<Monitor>>,
    /// The time-stamping authority, if one is asked.
    pub stamps: Option<Arc<stamping::Measures>>,
    /// For the age of what is not yet delivered.
    pub clock: Arc<dyn Clock>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// What one exporter measures.
#[derive(Debug, Default)]
pub struct ExporterMetrics {
    sent: Counter,
    refused: Counter,
    skipped: Counter,
    retries: Counter,
    /// Time of the oldest item that is not delivered, 0 without any.
    oldest_ns: AtomicU64,
}

impl ExporterMetrics {
    /// Counts a batch that is done.
    pub fn count(&self, tally: Tally) {
        self.sent.add(tally.sent);
        self.refused.add(tally.refused);
        self.skipped.add(tally.skipped);
    }

    /// Counts an attempt that failed at this time and will be made again. Without an item at hand,
    /// what there is to deliver is at least as old as the first of them.
    pub fn retried(&self, now_ns: u64) {
        self.retries.add(1);
        self.oldest_ns.compare_exchange(0, now_ns, Ordering::Relaxed, Ordering::Relaxed).ok();
    }

    /// The oldest item not yet delivered is of this time.
    pub fn behind(&self, oldest_ns: u64) {
        self.oldest_ns.store(oldest_ns, Ordering::Relaxed);
    }

    /// Everything is delivered.
    pub fn caught_up(&self) {
        self.behind(0);
    }

    /// Age of the oldest item that is not delivered; it grows for as long as none is.
    pub fn lag(&self, now_ns: u64) -> Duration {
        match self.oldest_ns.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            oldest_ns => Duration::from_nanos(now_ns.saturating_sub(oldest_ns)),
        }
    }

    /// What became of all items so far.
    pub fn tally(&self) -> Tally {
        let [sent, refused, skipped] =
            [&self.sent, &self.refused, &self.skipped].map(Counter::value);
        Tally { sent, refused, skipped }
    }
}

impl Metrics {
    /// The page.
    pub fn render(&self) -> String {
        let mut page = Page { out: String::with_capacity(4096) };
        self.receiving(&mut page);
        self.exporting(&mut page);
        self.heartbeats(&mut page);
        self.witnessing(&mut page);
        self.attestation(&mut page);
        self.stamping(&mut page);
        page.out
    }

    fn receiving(&self, page: &mut Page) {
        self.enclaves(page);
        self.others(page);
        self.pipelines(page);
        self.storing(page);
    }

    fn enclaves(&self, page: &mut Page) {
        let c = &self.counters;
        page.results(
            "lucarne_gateway_batches_total",
            "Batches received, by what became of them",
            &[
                ("verified", &c.batches),
                ("refused", &c.refused),
                ("repeated", &c.repeated),
                ("forked", &c.forks),
                ("after_hole", &c.holes),
            ],
        );
        page.results(
            "lucarne_gateway_json_batches_total",
            "Signed log batches in JSON, by what became of them",
            &[
                ("archived", &c.json_archived),
                ("withheld", &c.json_withheld),
                ("refused", &c.json_refused),
            ],
        );
    }

    /// What comes from outside the enclaves.
    fn others(&self, page: &mut Page) {
        let c = &self.counters;
        page.results(
            "lucarne_gateway_proxy_lines_total",
            "Lines received from proxies, by what became of them",
            &[
                ("taken", &c.proxy_lines),
                ("withheld", &c.proxy_lines_withheld),
                ("refused", &c.proxy_lines_refused),
            ],
        );
        page.results(
            "lucarne_gateway_host_telemetry_total",
            "Telemetry of the host, by what became of it",
            &[
                ("requests", &c.host_requests),
                ("taken", &c.host_records),
                ("withheld", &c.host_withheld),
            ],
        );
    }

    fn pipelines(&self, page: &mut Page) {
        let c = &self.counters;
        let name = "lucarne_gateway_outer_layer_hits_total";
        page.head(name, "counter", "Hits of the outer layer, by rule");
        for (rule, count) in c.hits.values() {
            page.line(name, &[("rule", &rule)], count as f64);
        }
        page.results(
            "lucarne_gateway_pipeline_records_total",
            "Records that pipelines touched, by what became of them",
            &[
                ("changed", &c.pipeline_changed),
                ("dropped", &c.pipeline_dropped),
                ("faults", &c.pipeline_faults),
            ],
        );
    }

    fn storing(&self, page: &mut Page) {
        let c = &self.counters;
        let single = [
            ("lucarne_gateway_records_total", "Records in verified batches", &c.records),
            (
                "lucarne_gateway_withheld_total",
                "Records that the outer layer withheld",
                &c.withheld,
            ),
            ("lucarne_gateway_archive_puts_total", "Files written to the archive", &c.archive_puts),
            (
                "lucarne_gateway_archive_conflicts_total",
                "Objects whose name in the archive was taken by other bytes",
                &c.conflicts,
            ),
            (
                "lucarne_gateway_write_failures_total",
                "Failed writes of log or archive",
                &c.write_failures,
            ),
            ("lucarne_gateway_wal_rolls_total", "Rolls of the write-ahead log archived", &c.rolls),
            (
                "lucarne_gateway_wal_bytes_total",
                "Bytes written to the write-ahead log",
                &c.wal_bytes,
            ),
        ];
        for (name, help, counter) in single {
            page.head(name, "counter", help);
            page.line(name, &[], counter.value() as f64);
        }
        let name = "lucarne_gateway_write_stalled_seconds";
        page.head(name, "gauge", "How long log or archive could not be written; 0 when they can");
        page.line(name, &[], c.stall.lasts().as_secs_f64());
    }

    fn exporting(&self, page: &mut Page) {
        let name = "lucarne_exporter_items_total";
        page.head(name, "counter", "Items (samples for remote write), by what became of them");
        for (exporter, metrics) in &self.exporters {
            let tally = metrics.tally();
            let results =
                [("sent", tally.sent), ("refused", tally.refused), ("skipped", tally.skipped)];
            for (result, count) in results {
                page.line(name, &[("exporter", exporter), ("result", result)], count as f64);
            }
        }
        let name = "lucarne_exporter_retries_total";
        page.head(name, "counter", "Attempts to deliver that failed and are made again");
        for (exporter, metrics) in &self.exporters {
            page.line(name, &[("exporter", exporter)], metrics.retries.value() as f64);
        }
        let name = "lucarne_exporter_lag_seconds";
        page.head(name, "gauge", "Age of the oldest item that is not delivered");
        for (exporter, metrics) in &self.exporters {
            let lag = metrics.lag(self.clock.unix_ns());
            page.line(name, &[("exporter", exporter)], lag.as_secs() as f64);
        }
    }

    fn witnessing(&self, page: &mut Page) {
        let Some(measures) = &self.witnesses else { return };
        let name = "lucarne_gateway_witness_requests_total";
        page.head(name, "counter", "Checkpoints shown to witnesses, by what became of them");
        for (witness, tally) in measures.witnesses() {
            for (result, counter) in tally.results() {
                let labels = [("witness", witness.as_str()), ("result", result)];
                page.line(name, &labels, counter.value() as f64);
            }
        }
        let name = "lucarne_gateway_cosigned_checkpoints_total";
        page.head(name, "counter", "Checkpoints stored with the cosignatures of a quorum");
        page.line(name, &[], measures.cosigned.value() as f64);
        let name = "lucarne_gateway_witness_lag_seconds";
        page.head(name, "gauge", "Time since the oldest checkpoint without a quorum was stored");
        page.line(name, &[], measures.lag().as_secs_f64());
    }

    fn stamping(&self, page: &mut Page) {
        let Some(measures) = &self.stamps else { return };
        let name = "lucarne_gateway_time_stamps_total";
        page.head(name, "counter", "Checkpoints to be stamped, by what became of them");
        for (result, counter) in measures.results() {
            page.line(name, &[("result", result)], counter.value() as f64);
        }
    }

    fn attestation(&self, page: &mut Page) {
        let Some(monitor) = &self.monitor else { return };
        let measured = monitor.measured();
        // Brackets are in no instance's name.
        let label = |one: &Measured| match &one.instance {
            Some(instance) => instance.to_string(),
            None => "(unverified)".to_owned(),
        };
        let name = "lucarne_attestation_checks_total";
        page.head(name, "counter", "Answers to questions for fresh evidence, by class");
        for one in &measured {
            for (class, count) in &one.counts {
                let labels = [("tee_instance_id", &*label(one)), ("result", class)];
                page.line(name, &labels, *count as f64);
            }
        }
        let name = "lucarne_attestation_result";
        page.head(name, "gauge", "Class of the last answer, or outage for none; always 1");
        for one in &measured {
            if let Some(class) = one.class {
                page.line(name, &[("tee_instance_id", &*label(one)), ("result", class)], 1.0);
            }
        }
        let name = "lucarne_attestation_match_age_seconds";
        page.head(name, "gauge", "Time since evidence was last as it should be");
        for one in &measured {
            if let Some(age) = one.match_age {
                page.line(name, &[("tee_instance_id", &*label(one))], age.as_secs_f64());
            }
        }
    }

    fn heartbeats(&self, page: &mut Page) {
        let all = self.heartbeats.all();
        let of = |workload: Workload| match workload {
            Workload::Healthy => 1.0,
            Workload::NotResponding => 0.0,
            Workload::Unknown => f64::NAN,
        };
        type Value<'a> = &'a dyn Fn(&crate::heartbeats::Beat, Duration) -> f64;
        let gauges: [(&str, &str, Value<'_>); 5] = [
            (
                "lucarne_heartbeat_timestamp_seconds",
                "Time of the newest signed heartbeat, as the TEE says",
                &|beat, _| beat.time_ms as f64 / 1000.0,
            ),
            (
                "lucarne_heartbeat_age_seconds",
                "Time since the newest signed heartbeat was received",
                &|_, age| age.as_secs_f64(),
            ),
            (
                "lucarne_workload_healthy",
                "The workload by the newest heartbeat: 1 healthy, 0 not responding, NaN unknown",
                &|beat, _| of(beat.workload),
            ),
            (
                "lucarne_ledger_size",
                "Size of the audit ledger at the newest heartbeat",
                &|beat, _| beat.size as f64,
            ),
            (
                "lucarne_enclave_requests_refused",
                "Requests that the enclave refused for want of room, in this epoch",
                &|beat, _| beat.refused as f64,
            ),
        ];
        for (name, help, value) in gauges {
            page.head(name, "gauge", help);
            for (instance, beat, age) in &all {
                let epoch = beat.epoch.to_string();
                let labels = [("tee_instance_id", instance.as_str()), ("tee_epoch", &epoch)];
                page.line(name, &labels, value(beat, *age));
            }
        }
        let name = "lucarne_ledger_head";
        page.head(name, "gauge", "Root of the audit ledger at the newest heartbeat; always 1");
        for (instance, beat, _) in &all {
            let (epoch, root) = (beat.epoch.to_string(), beat.root.to_string());
            let labels =
                [("tee_instance_id", instance.as_str()), ("tee_epoch", &epoch), ("root", &root)];
            page.line(name, &labels, 1.0);
        }
    }
}

struct Page {
    out: String,
}

impl Page {
    // Writing to a String cannot fail.
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.out, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// Counters of one name, told apart by what became of what they count.
    fn results(&mut self, name: &str, help: &str, results: &[(&str, &Counter)]) {
        self.head(name, "counter", help);
        for (result, counter) in results {
            self.line(name, &[("result", result)], counter.value() as f64);
        }
    }

    /// Label values come from closed sets and checked names: nothing to escape.
    fn line(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.out.push_str(name);
        for (index, (label, text)) in labels.iter().enumerate() {
            let open = if index == 0 { '{' } else { ',' };
            let _ = write!(self.out, "{open}{label}=\"{text}\"");
        }
        if !labels.is_empty() {
            self.out.push('}');
        }
        let _ = writeln!(self.out, " {value}");
    }
}
