//! Which records a batch has, and its requests as bytes.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use lucarne_otlp::Signal;

use super::planted::{Planted, Stamp, encode};
use super::template::{Templates, context, execution, request, scope_field};
use super::{Mix, Plan, Until};
use crate::clock::unix_ns;
use crate::otlp_client::Protocol;
use crate::random::Random;
use crate::telemetry::logs::{ITEM_FIELD, Level, LogRecord};
use crate::telemetry::metrics::{Metric, Points, SumPoint, Window};
use crate::telemetry::traces::Span;
use crate::telemetry::{Attribute, Source, json, logs, metrics, traces};

/// One batch of a run, not yet encoded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Batch {
    /// Its signal.
    pub signal: Signal,
    /// Its records, the planted ones of the same signal among them.
    pub records: u64,
    /// The planted values that it brings along, as indices into the plan's.
    pub planted: Range<usize>,
}

/// The requests of one attempt of a batch, under ids of its own.
#[derive(Debug)]
pub struct Encoded {
    /// Signal of the batch.
    pub signal: Signal,
    /// The batch; empty when there is nothing but planted values.
    pub message: Vec<u8>,
    /// Requests of single planted values that the batch cannot hold.
    pub extra: Vec<(Signal, Vec<u8>)>,
    numbers: Range<u64>,
}

/// Divides a plan into batches and encodes them.
#[derive(Debug)]
pub struct Batches {
    templates: [Templates; 3],
    planted: Vec<Planted>,
    run: String,
    batch: u64,
    until: Until,
    mix: Mix,
    stride: u64,
    json: bool,
    source: Source,
    scope: Vec<u8>,
    // Numbers of records; an attempt takes as many as it has records and never gives one back.
    numbers: AtomicU64,
}

impl Batches {
    /// Encodes the templates of a plan.
    pub fn new(plan: &Plan) -> Self {
        let mut random = Random::new(plan.seed);
        let run = random.letters(RUN_LETTERS);
        let mut templates = |signal| Templates::new(signal, plan.shape, &run, &mut random);
        let templates =
            [templates(Signal::Logs), templates(Signal::Metrics), templates(Signal::Traces)];
        let source = super::source();
        Self {
            templates,
            planted: plan.planted.clone(),
            run,
            batch: plan.batch,
            until: plan.until,
            mix: plan.mix,
            stride: stride(plan),
            json: plan.client.protocol == Protocol::HttpJson,
            scope: scope_field(&source),
            source,
            numbers: AtomicU64::new(0),
        }
    }

    /// The letters of the run.
    pub fn run(&self) -> &str {
        &self.run
    }

    /// Batch `index`, or none behind the last.
    pub fn at(&self, index: u64) -> Option<Batch> {
        let first = index.checked_mul(self.batch)?;
        let mut end = first.checked_add(self.batch)?;
        let mut last = false;
        if let Until::Count(count) = self.until {
            if first >= count {
                return None;
            }
            last = end >= count;
            end = end.min(count);
        }
        let planted_until = |records: u64| {
            let due = records.div_ceil(self.stride);
            usize::try_from(due).unwrap_or(usize::MAX).min(self.planted.len())
        };
        // The last batch brings what is left, whatever the rounding.
        let planted_end = if last { self.planted.len() } else { planted_until(end) };
        Some(Batch {
            signal: self.signal(index),
            records: end - first,
            planted: planted_until(first)..planted_end,
        })
    }

    const fn signal(&self, index: u64) -> Signal {
        match (self.mix, index % 4) {
            (Mix::Logs, _) | (Mix::Mixed, 0 | 2) => Signal::Logs,
            (Mix::Metrics, _) | (Mix::Mixed, 1) => Signal::Metrics,
            (Mix::Traces, _) | (Mix::Mixed, _) => Signal::Traces,
        }
    }

    /// The requests of a batch under new ids and the time of now.
    pub fn encode(&self, batch: &Batch) -> Encoded {
        let planted = self.planted.get(batch.planted.clone()).unwrap_or_default();
        let time_ns = unix_ns();
        let taken = batch.records + planted.len() as u64;
        let mut next = self.numbers.fetch_add(taken, Ordering::Relaxed);
        let first = next;
        let mut stamp = || {
            next += 1;
            let number = next - 1;
            let execution = execution(&self.run, number);
            Stamp { time_ns, execution, context: context(number) }
        };
        let (mut inside, mut extra) = (Vec::new(), Vec::new());
        for one in planted {
            let stamp = stamp();
            let room = batch.signal == Signal::Logs && (inside.len() as u64) < batch.records;
            match one.log_record(&stamp).filter(|_| room) {
                Some(record) => inside.push(record),
                None => extra.push((one.signal(), one.request(&stamp, self.json))),
            }
        }
        let plain = batch.records - inside.len() as u64;
        let numbers = next..next + plain;
        let message = if batch.records == 0 {
            Vec::new()
        } else if self.json {
            self.json(batch.signal, &inside, numbers.clone(), time_ns)
        } else {
            self.protobuf(batch.signal, &inside, numbers.clone(), time_ns)
        };
        let numbers = if batch.signal == Signal::Logs { first..numbers.end } else { 0..0 };
        Encoded { signal: batch.signal, message, extra, numbers }
    }

    /// The ids of an acknowledged attempt; only log records have one that crosses.
    pub fn executions(&self, encoded: &Encoded) -> Vec<String> {
        encoded.numbers.clone().map(|number| execution(&self.run, number)).collect()
    }

    fn protobuf(
        &self,
        signal: Signal,
        inside: &[LogRecord],
        numbers: Range<u64>,
        time_ns: u64,
    ) -> Vec<u8> {
        let mut items = self.scope.clone();
        let mut writer = lucarne_otlp::wire::Writer::new(&mut items);
        for record in inside {
            writer.message(ITEM_FIELD, |item| record.write(item));
        }
        let templates = match signal {
            Signal::Logs => &self.templates[0],
            Signal::Metrics => &self.templates[1],
            Signal::Traces => &self.templates[2],
        };
        for number in numbers {
            templates.append(&mut items, number, time_ns);
        }
        request(&self.source, &items)
    }

    fn json(
        &self,
        signal: Signal,
        inside: &[LogRecord],
        numbers: Range<u64>,
        time_ns: u64,
    ) -> Vec<u8> {
        let source = &self.source;
        let attributes = |number| vec![Attribute::new("executionId", execution(&self.run, number))];
        match signal {
            Signal::Logs => {
                let plain = numbers.map(|number| LogRecord {
                    time_ns,
                    level: Level::Information,
                    body: "node completed".into(),
                    attributes: attributes(number),
                    context: context(number),
                    event_name: String::new(),
                });
                let records: Vec<_> = inside.iter().cloned().chain(plain).collect();
                encode(true, source, &records, json::logs, logs::write_logs)
            }
            Signal::Metrics => {
                let labels = || vec![Attribute::new("tenant_hash", "t_8f3a2b1c")];
                let window = Window { start_ns: time_ns - 1, time_ns };
                let point = |_| SumPoint { labels: labels(), window, value: 1 };
                let points = Points::Sum(numbers.map(point).collect());
                let name = "bizfirst_workflow_executions_total".to_owned();
                let metric = Metric { name, unit: "1".to_owned(), points };
                encode(true, source, &[metric], json::metrics, metrics::write_metrics)
            }
            Signal::Traces => {
                let span = |number| Span {
                    context: context(number),
                    parent: None,
                    name: "node".to_owned(),
                    start_ns: time_ns,
                    end_ns: time_ns,
                    attributes: attributes(number),
                    events: Vec::new(),
                    error: None,
                };
                let spans: Vec<_> = numbers.map(span).collect();
                encode(true, source, &spans, json::traces, traces::write_traces)
            }
        }
    }
}

/// Records between two planted values, so that they are spread over the whole run.
fn stride(plan: &Plan) -> u64 {
    let total = match (plan.until, plan.rate) {
        (Until::Count(count), _) => count,
        (Until::Elapsed(time), Some(rate)) => {
            // The last tenth is left free: a run in time often ends a little short of its rate.
            let records = u128::from(rate) * time.as_millis() * 9 / 10 / 1000;
            u64::try_from(records).unwrap_or(u64::MAX)
        }
        (Until::Elapsed(_), None) => return STRIDE_UNKNOWN,
    };
    (total / (plan.planted.len() as u64).max(1)).max(1)
}

/// Enough for two runs not to meet in one archive, few enough for small records.
const RUN_LETTERS: usize = 4;
/// How far apart planted values are when nobody knows how many records there will be.
const STRIDE_UNKNOWN: u64 = 1_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::template::Shape;
    use crate::otlp_client::Options;
    use std::time::Duration;

    fn plan(count: u64, batch: u64, planted: &str) -> Plan {
        Plan {
            client: Options {
                endpoint: "localhost:1".parse().unwrap(),
                protocol: Protocol::Grpc,
                durability: None,
                timeout: Duration::from_secs(1),
            },
            rate: None,
            batch,
            shape: Shape { size: 300, attributes: 10 },
            connections: 1,
            in_flight: 1,
            until: Until::Count(count),
            planted: Planted::parse(planted, &mut Random::new(1)).unwrap(),
            mix: Mix::Logs,
            seed: 1,
            ids: None,
            patience: Duration::from_secs(1),
        }
    }

    fn count(bytes: &[u8], needle: &[u8]) -> usize {
        bytes.windows(needle.len()).filter(|at| *at == needle).count()
    }

    #[test]
    fn every_record_and_every_planted_value_is_in_one_batch() {
        for (records, batch, planted) in
            [(1000, 100, 7), (10, 100, 3), (1001, 10, 1001), (5, 2, 40)]
        {
            let batches = Batches::new(&plan(records, batch, &"attr:k=v\n".repeat(planted)));
            let all: Vec<Batch> = (0..).map_while(|index| batches.at(index)).collect();
            assert_eq!(all.iter().map(|batch| batch.records).sum::<u64>(), records);
            let mut next = 0;
            for batch in &all {
                assert_eq!(batch.planted.start, next);
                next = batch.planted.end;
            }
            assert_eq!(next, planted);
        }
    }

    #[test]
    fn an_attempt_has_new_ids_each_time() {
        let batches = Batches::new(&plan(10, 10, "attr:k=v\nspan:k=v\n"));
        let batch = batches.at(0).unwrap();
        let (one, two) = (batches.encode(&batch), batches.encode(&batch));
        let id = format!("exec-{}-", batches.run());
        assert_eq!(count(&one.message, id.as_bytes()), 10);
        assert_eq!(one.extra.len(), 1);
        let (one, two) = (batches.executions(&one), batches.executions(&two));
        assert!(one.iter().all(|id| !two.contains(id)));
        assert_eq!(one.len(), 11);
    }

    #[test]
    fn generation_is_fast_enough_to_measure_others() {
        // A debug build does a tenth of what the release build must do, which is 500,000 a second.
        let batches = Batches::new(&plan(100_000, 1000, ""));
        let started = std::time::Instant::now();
        let bytes: usize = (0..100)
            .filter_map(|index| batches.at(index))
            .map(|batch| batches.encode(&batch).message.len())
            .sum();
        assert!(bytes > 29_000_000 && bytes < 33_000_000, "{bytes}");
        assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
    }
}
