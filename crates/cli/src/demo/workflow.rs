//! One credit assessment: what it logs, what it audits, and its spans.

use crate::random::Random;
use crate::telemetry::logs::{Level, LogRecord};
use crate::telemetry::traces::{Span, SpanEvent};
use crate::telemetry::{Attribute, SpanContext, Value};

/// One finished workflow with everything it said.
#[derive(Clone, Debug, PartialEq)]
pub struct Workflow {
    /// Its `executionId`.
    pub execution: String,
    /// Whose it was.
    pub tenant: &'static str,
    /// `completed`, `failed` or `cancelled`.
    pub outcome: &'static str,
    /// The size of the loan, which must not leave, as a label that careless code made of it.
    pub amount_range: &'static str,
    /// Its steps, in their order.
    pub nodes: Vec<Node>,
    /// Its log records.
    pub logs: Vec<LogRecord>,
    /// Its audit events.
    pub audit: Vec<LogRecord>,
    /// Its spans: the workflow, and each node under it.
    pub spans: Vec<Span>,
}

/// One step of a workflow.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Node {
    /// `calculation`, `decision` or `hil`.
    pub kind: &'static str,
    /// How long it took.
    pub duration_ms: i64,
    /// `completed`, `failed` or `cancelled`.
    pub outcome: &'static str,
}

/// What must never be seen outside, whatever else the demo says. Tests look for these.
///
/// Bare numbers such as the income of 95000 are not among them: the digits of a time in
/// nanoseconds spell them by chance. Their keys and sentences are.
pub const FORBIDDEN: [&str; 12] = [
    "form.income",
    "Calculation result",
    "applicant.",
    "Erika Mustermann",
    "bearer 3f9a0c7e5b1d4826a7c0e91f",
    "4111111111111111",
    "078-05-1120",
    "exception.",
    "Overflow computing 1500000",
    "CreditEngine.Calculate",
    "amount_range",
    "1000000-2000000",
];

impl Workflow {
    /// Workflow `number`, which ends at `now_ns`. The same numbers from the same stream give the
    /// same workflow.
    pub fn make(random: &mut Random, number: u64, now_ns: u64) -> Self {
        let tenant = tenant(random, number);
        let failed = fails(random, number, tenant);
        let cancelled = !failed && random.once_in(40);
        let outcome = match (failed, cancelled) {
            (true, _) => "failed",
            (false, true) => "cancelled",
            (false, false) => "completed",
        };
        let mut workflow = Self {
            execution: execution(random, number),
            tenant,
            outcome,
            amount_range: random.pick(&AMOUNT_RANGES),
            nodes: nodes(random, outcome),
            logs: Vec::new(),
            audit: Vec::new(),
            spans: Vec::new(),
        };
        workflow.tell(random, now_ns);
        if number % LEAK_EVERY == LEAK_EVERY - 1 {
            workflow.leak(number / LEAK_EVERY);
        }
        workflow
    }

    /// Milliseconds from start to end.
    pub fn duration_ms(&self) -> i64 {
        self.nodes.iter().map(|node| node.duration_ms).sum()
    }

    fn tell(&mut self, random: &mut Random, now_ns: u64) {
        let root = SpanContext { trace: random.bytes(), span: random.bytes() };
        let nanos = |ms: i64| ms.unsigned_abs() * 1_000_000;
        let started_ns = now_ns.saturating_sub(nanos(self.duration_ms()));
        self.log(root, started_ns, Level::Information, "workflow started", &[]);
        self.event(root, started_ns, "workflow.started", &[]);
        let mut at_ns = started_ns;
        for node in self.nodes.clone() {
            let context = SpanContext { trace: root.trace, span: random.bytes() };
            let start_ns = at_ns;
            at_ns += nanos(node.duration_ms);
            self.node(root, context, node, [start_ns, at_ns]);
        }
        let end = [
            Attribute::new("outcome", self.outcome),
            Attribute::new("durationMs", self.duration_ms()),
            Attribute::new("stepCount", i64::try_from(self.nodes.len()).unwrap_or(i64::MAX)),
        ];
        let (level, body, event) = match self.outcome {
            "failed" => (Level::Error, "workflow failed", "workflow.failed"),
            "cancelled" => (Level::Warning, "workflow cancelled", "workflow.cancelled"),
            _ => (Level::Information, "workflow completed", "workflow.completed"),
        };
        self.log(root, now_ns, level, body, &end);
        self.event(root, now_ns, event, &end);
        self.spans.push(Span {
            context: root,
            parent: None,
            name: "POST /workflow".to_owned(),
            start_ns: started_ns,
            end_ns: now_ns,
            attributes: vec![Attribute::new("executionId", self.execution.as_str())],
            events: Vec::new(),
            error: (self.outcome == "failed").then(|| "workflow failed".to_owned()),
        });
    }

    fn node(
        &mut self,
        root: SpanContext,
        context: SpanContext,
        node: Node,
        [start_ns, end_ns]: [u64; 2],
    ) {
        let mut end = vec![
            Attribute::new("nodeType", node.kind),
            Attribute::new("outcome", node.outcome),
            Attribute::new("durationMs", node.duration_ms),
        ];
        self.event(context, start_ns, "node.started", &end[..1]);
        let failed = node.outcome == "failed";
        if failed {
            end.push(Attribute::new("errorCode", ERROR_CODE));
            self.log(context, end_ns, Level::Error, "node failed", &end);
            self.event(context, end_ns, "node.failed", &end);
        } else {
            let slow = node.duration_ms > SLOW_MS;
            let level = if slow { Level::Warning } else { Level::Information };
            self.log(context, end_ns, level, "node completed", &end);
            self.event(context, end_ns, "node.completed", &end);
            if node.kind == "hil" {
                self.event(context, end_ns, "hil.approved", &end[..1]);
            }
        }
        self.spans.push(Span {
            context,
            parent: Some(root.span),
            name: "node".to_owned(),
            start_ns,
            end_ns,
            attributes: vec![Attribute::new("nodeType", node.kind)],
            events: Vec::new(),
            error: failed.then(|| ERROR_CODE.to_owned()),
        });
    }

    fn log(
        &mut self,
        context: SpanContext,
        time_ns: u64,
        level: Level,
        body: &str,
        more: &[Attribute],
    ) {
        let record = self.record(context, time_ns, level, body, more);
        self.logs.push(record);
    }

    fn event(&mut self, context: SpanContext, time_ns: u64, name: &str, more: &[Attribute]) {
        let mut record = self.record(context, time_ns, Level::Information, "", more);
        name.clone_into(&mut record.event_name);
        self.audit.push(record);
    }

    fn record(
        &self,
        context: SpanContext,
        time_ns: u64,
        level: Level,
        body: &str,
        more: &[Attribute],
    ) -> LogRecord {
        let mut attributes = vec![
            Attribute::new("executionId", self.execution.as_str()),
            Attribute::new("tenantHash", self.tenant),
            Attribute::new("workflowType", "credit-assessment"),
        ];
        attributes.extend_from_slice(more);
        LogRecord {
            time_ns,
            level,
            body: body.into(),
            attributes,
            context,
            event_name: String::new(),
        }
    }

    /// Says one thing that must not leave, another each time.
    fn leak(&mut self, turn: u64) {
        let Some(log) = self.logs.last_mut() else { return };
        let add = |log: &mut LogRecord, key, value| log.attributes.push(Attribute::new(key, value));
        match turn % 8 {
            0 => log.attributes.push(Attribute::new("form.income", 95_000)),
            1 => log.body = Value::from("Calculation result: 1500000"),
            2 => add(log, "applicant.name", "Erika Mustermann"),
            3 => add(log, "authorization", "bearer 3f9a0c7e5b1d4826a7c0e91f"),
            4 => log.body = Value::from("charged card 4111111111111111"),
            5 => add(log, "applicant.ssn", "078-05-1120"),
            6 => {
                add(log, "exception.message", "Overflow computing 1500000 * 1.19");
                add(log, "exception.stacktrace", "at CreditEngine.Calculate(Decimal income)");
            }
            _ => {
                let Some(span) = self.spans.last_mut() else { return };
                span.attributes.push(Attribute::new("form.income", 95_000));
                span.error = Some("Overflow computing 1500000 * 1.19".to_owned());
                span.events.push(SpanEvent {
                    time_ns: span.end_ns,
                    name: "exception".to_owned(),
                    attributes: vec![Attribute::new("result.amount", 1_500_000)],
                });
            }
        }
    }
}

/// A burst lasts 200 of 1,200 workflows: ten seconds a minute, the first one five seconds after
/// the start.
fn fails(random: &mut Random, number: u64, tenant: &str) -> bool {
    let burst = (100..300).contains(&(number % 1_200)) && tenant == TENANTS[0];
    let by_chance = if burst { random.below(10) < 7 } else { random.once_in(100) };
    by_chance || number == 0
}

/// The first workflow is the one that the seeds investigate.
fn execution(random: &mut Random, number: u64) -> String {
    let letters = random.letters(3);
    if number == 0 { "exec-abc-123".to_owned() } else { format!("exec-{letters}-{number:06}") }
}

fn tenant(random: &mut Random, number: u64) -> &'static str {
    let first = number == 0 || random.below(2) == 0;
    if first { TENANTS[0] } else { random.pick(&TENANTS[1..]) }
}

fn nodes(random: &mut Random, outcome: &'static str) -> Vec<Node> {
    let mut node = |kind, base, spread| {
        let duration_ms = base + i64::try_from(random.below(spread)).unwrap_or(0);
        Node { kind, duration_ms, outcome: "completed" }
    };
    let mut nodes = vec![node("calculation", 40, 500), node("decision", 5, 60)];
    let human = node("hil", 300, 900);
    if random.once_in(6) {
        nodes.push(human);
    }
    match outcome {
        // The calculation overflows, and nothing comes after it.
        "failed" => nodes.truncate(1),
        "cancelled" => nodes.truncate(2),
        _ => {}
    }
    if let (Some(last), "failed" | "cancelled") = (nodes.last_mut(), outcome) {
        last.outcome = outcome;
    }
    nodes
}

const TENANTS: [&str; 4] = ["t_8f3a2b1c", "t_1b9e07d4", "t_c05d33fe", "t_77aa90b2"];
const AMOUNT_RANGES: [&str; 3] = ["0-100000", "100000-1000000", "1000000-2000000"];
const ERROR_CODE: &str = "E_CALCULATION_OVERFLOW";
const SLOW_MS: i64 = 480;
/// Every other second somebody is careless.
const LEAK_EVERY: u64 = 40;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_716_825_600_000_000_000;

    fn first(count: u64, seed: u64) -> Vec<Workflow> {
        let mut random = Random::new(seed);
        (0..count).map(|number| Workflow::make(&mut random, number, NOW)).collect()
    }

    fn events(workflow: &Workflow) -> Vec<&str> {
        workflow.audit.iter().map(|event| event.event_name.as_str()).collect()
    }

    #[test]
    fn a_seed_determines_everything() {
        assert_eq!(first(300, 7), first(300, 7));
        assert_ne!(first(3, 7), first(3, 8));
    }

    #[test]
    fn the_first_workflow_is_the_one_of_the_seeds() {
        let one = &first(1, 1)[0];
        assert_eq!((one.execution.as_str(), one.tenant), ("exec-abc-123", "t_8f3a2b1c"));
        assert_eq!(
            events(one),
            ["workflow.started", "node.started", "node.failed", "workflow.failed"]
        );
        let code = Attribute::new("errorCode", "E_CALCULATION_OVERFLOW");
        assert!(one.logs.iter().any(|log| log.attributes.contains(&code)));
    }

    #[test]
    fn everything_the_seeds_name_is_said_within_a_minute() {
        let all = first(1_200, 1);
        let said: std::collections::BTreeSet<&str> = all.iter().flat_map(events).collect();
        let expected = [
            "hil.approved",
            "node.completed",
            "node.failed",
            "node.started",
            "workflow.cancelled",
            "workflow.completed",
            "workflow.failed",
            "workflow.started",
        ];
        assert_eq!(said.into_iter().collect::<Vec<_>>(), expected);
        let levels: std::collections::BTreeSet<&str> =
            all.iter().flat_map(|it| &it.logs).map(|log| log.level.name()).collect();
        assert_eq!(levels.into_iter().collect::<Vec<_>>(), ["Error", "Information", "Warning"]);
        let failed = |range: std::ops::Range<usize>| {
            all[range].iter().filter(|it| it.outcome == "failed").count()
        };
        assert!(failed(100..300) > 40 && failed(300..500) < 15, "no burst");
    }

    #[test]
    fn every_forbidden_value_is_said_within_a_minute() {
        let all = first(1_200, 1);
        let mut meters = super::super::Meters::new(NOW);
        for workflow in &all {
            meters.count(workflow);
        }
        let requests = super::super::requests(&all, Some(&meters));
        let whole: Vec<u8> = requests.into_iter().flat_map(|(_, bytes)| bytes).collect();
        let text = String::from_utf8_lossy(&whole);
        for value in FORBIDDEN {
            assert!(text.contains(value), "{value}");
        }
        // An integer attribute is no text on the wire.
        let income = Attribute::new("form.income", 95_000);
        assert!(all.iter().flat_map(|it| &it.logs).any(|log| log.attributes.contains(&income)));
    }

    #[test]
    fn ids_are_used_once() {
        let all = first(5_000, 1);
        let ids: std::collections::BTreeSet<&str> =
            all.iter().map(|it| it.execution.as_str()).collect();
        assert_eq!(ids.len(), all.len());
    }
}
