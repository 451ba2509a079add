//! The cumulative metrics of the demo's credit engine.

use std::collections::BTreeMap;

use super::workflow::Workflow;
use crate::telemetry::Attribute;
use crate::telemetry::metrics::{HistogramPoint, Metric, Points, SumPoint, Window};

/// Counters since the start of the engine. The series are bounded: tenants, outcomes, node types
/// and ranges are.
#[derive(Clone, Debug)]
pub struct Meters {
    start_ns: u64,
    executions: BTreeMap<[&'static str; 4], i64>,
    steps: BTreeMap<[&'static str; 2], i64>,
    durations: BTreeMap<&'static str, (f64, Vec<u64>)>,
}

impl Meters {
    /// Nothing counted yet.
    pub const fn new(start_ns: u64) -> Self {
        Self {
            start_ns,
            executions: BTreeMap::new(),
            steps: BTreeMap::new(),
            durations: BTreeMap::new(),
        }
    }

    /// Counts a finished workflow.
    pub fn count(&mut self, workflow: &Workflow) {
        let last = workflow.nodes.last().map_or("decision", |node| node.kind);
        let series = [workflow.tenant, workflow.outcome, last, workflow.amount_range];
        *self.executions.entry(series).or_default() += 1;
        for node in &workflow.nodes {
            *self.steps.entry([workflow.tenant, node.kind]).or_default() += 1;
        }
        let duration_ms = workflow.duration_ms() as f64;
        let empty = || (0.0, vec![0; BOUNDS_MS.len() + 1]);
        let (sum, buckets) = self.durations.entry(workflow.tenant).or_insert_with(empty);
        *sum += duration_ms;
        buckets[BOUNDS_MS.partition_point(|bound| *bound < duration_ms)] += 1;
    }

    /// The metrics as an SDK would export them at `time_ns`.
    pub fn read(&self, time_ns: u64) -> Vec<Metric> {
        let window = Window { start_ns: self.start_ns, time_ns };
        let label = |key: &str, value: &&str| Attribute::new(key, *value);
        let executions = self.executions.iter().map(|([tenant, outcome, node, amount], count)| {
            let labels = vec![
                label("tenant_hash", tenant),
                label("outcome", outcome),
                label("node_type", node),
                label("amount_range", amount),
            ];
            SumPoint { labels, window, value: *count }
        });
        let steps = self.steps.iter().map(|([tenant, node], count)| {
            let labels = vec![label("tenant_hash", tenant), label("node_type", node)];
            SumPoint { labels, window, value: *count }
        });
        let durations = self.durations.iter().map(|(tenant, (sum, buckets))| HistogramPoint {
            labels: vec![
                label("tenant_hash", tenant),
                Attribute::new("workflow_type", "credit-assessment"),
            ],
            window,
            sum: *sum,
            buckets: buckets.clone(),
            bounds: BOUNDS_MS.to_vec(),
        });
        let metric = |name: &str, unit: &str, points| {
            let (name, unit) = (name.to_owned(), unit.to_owned());
            Metric { name, unit, points }
        };
        vec![
            metric("bizfirst_workflow_executions_total", "1", Points::Sum(executions.collect())),
            metric("bizfirst_workflow_steps_total", "1", Points::Sum(steps.collect())),
            metric("bizfirst_workflow_duration_ms", "ms", Points::Histogram(durations.collect())),
        ]
    }
}

const BOUNDS_MS: [f64; 8] = [50.0, 100.0, 200.0, 300.0, 400.0, 500.0, 1000.0, 2000.0];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn counts_are_those_of_the_workflows() {
        let (mut random, mut meters) = (Random::new(3), Meters::new(1));
        let all: Vec<Workflow> =
            (0..500).map(|number| Workflow::make(&mut random, number, u64::MAX / 2)).collect();
        for workflow in &all {
            meters.count(workflow);
        }
        let metrics = meters.read(2);
        let total = |metric: &Metric| match &metric.points {
            Points::Sum(points) => points.iter().map(|point| point.value).sum::<i64>(),
            Points::Histogram(points) => {
                points.iter().map(|point| i64::try_from(point.count()).unwrap()).sum()
            }
        };
        let steps = all.iter().map(|workflow| workflow.nodes.len()).sum::<usize>();
        let totals: Vec<i64> = metrics.iter().map(total).collect();
        assert_eq!(totals, [500, i64::try_from(steps).unwrap(), 500]);
    }
}
