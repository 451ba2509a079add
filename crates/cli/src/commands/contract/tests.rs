//! The verbs over files, as a person runs them.

use std::path::{Path, PathBuf};

use super::*;

const LOGS: &str = r#"{"resourceLogs":[{"resource":{"attributes":[
{"key":"service.name","value":{"stringValue":"processengine"}},
{"key":"host.name","value":{"stringValue":"ip-10-0-0-1"}}]},
"scopeLogs":[{"logRecords":[{"timeUnixNano":"1","severityNumber":9,
"body":{"stringValue":"income of Jane Roe: 95000"},"attributes":[
{"key":"executionId","value":{"stringValue":"exec-abc-123"}},
{"key":"tenantHash","value":{"stringValue":"Acme Bank"}},
{"key":"form.income","value":{"doubleValue":95000}},
{"key":"executionId","value":{"stringValue":"exec-abc-124"}}],
"traceId":"a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1"}]}]}]}"#;

const METRICS: &str = r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{
"name":"bizfirst_workflow_executions_total","sum":{"aggregationTemporality":2,"isMonotonic":true,
"dataPoints":[{"asInt":"5","timeUnixNano":"9","attributes":[
{"key":"outcome","value":{"stringValue":"failed"}},
{"key":"amount_range","value":{"stringValue":"1-2"}}]}]}}]}]}]}"#;

struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

fn default() -> PathBuf {
    Path::new("default").to_owned()
}

fn text(run: impl FnOnce(&mut dyn std::io::Write) -> Result<Exit, Failure>) -> (Exit, String) {
    let mut out = Vec::new();
    let exit = run(&mut out).unwrap();
    (exit, String::from_utf8(out).unwrap())
}

#[test]
fn check_tells_what_leaves_and_never_shows_what_stays() {
    let files = Files::new();
    let against = vec![files.write("logs.json", LOGS), files.write("metrics.json", METRICS)];
    let args =
        |names| check::Args { file: default(), against: against.clone(), signal: None, names };
    let (exit, said) = text(|out| check::run(&args(false), out));
    let expected = "\
contract lucarne-default/1: 2 records would leave

sent
          1  label outcome of bizfirst_workflow_executions_total: \"failed\"
          1  log attribute executionId: \"exec-abc-123\"
          1  log attribute lucarne.withheld: [\"tenantHash\"]
          1  metric: \"bizfirst_workflow_executions_total\"
          1  resource attribute service.name: \"processengine\"

withheld
          3  other: unlisted
          1  body: unlisted
          1  executionId: duplicate
          1  tenantHash: value
";
    assert_eq!((exit, said.as_str()), (Exit::Yes, expected));
    let (_, said) = text(|out| check::run(&args(true), out));
    let names = said.split("not named by the contract\n").nth(1).unwrap();
    let expected = "          1  resource attribute \"host.name\"\n          \
                    1  log attribute \"form.income\"\n          1  label \"amount_range\"\n";
    assert_eq!(names, expected);
}

#[test]
fn explain_tells_the_fate_of_every_field() {
    let files = Files::new();
    let explain = |name, content| {
        let record = files.write(name, content);
        let args = explain::Args { record, contract: default(), signal: None };
        text(|out| explain::run(&args, out)).1
    };
    let expected = "\
log record
  sent      resource attribute \"service.name\" = \"processengine\"
  withheld  resource attribute \"host.name\" (other: unlisted)
  sent      time
  sent      severity number
  withheld  body (body: unlisted)
  sent      attribute \"executionId\" = \"exec-abc-123\"
  withheld  attribute \"tenantHash\" (tenantHash: value)
  withheld  attribute \"form.income\" (other: unlisted)
  withheld  attribute \"executionId\" (executionId: duplicate)
  sent      trace id
";
    assert_eq!(explain("logs.json", LOGS), expected);
    let expected = "\
data point
  sent      label \"outcome\" = \"failed\"
  withheld  label \"amount_range\" (other: unlisted)
  in all    other: unlisted
";
    assert_eq!(explain("metrics.json", METRICS), expected);
}

#[test]
fn diff_says_yes_when_nothing_would_newly_leave_and_no_with_an_example() {
    let files = Files::new();
    let old = files.write("a.yaml", "contract: a/1\nlogs: { bodies: [started] }\n");
    let new = files.write("b.yaml", "contract: a/2\nlogs: { bodies: [started, done] }\n");
    let diff = |a: &PathBuf, b: &PathBuf| {
        text(|out| diff::run(&diff::Args { a: a.clone(), b: b.clone() }, out))
    };
    assert_eq!(diff(&new, &old), (Exit::Yes, "nothing would newly leave\n".to_owned()));
    let expected = "logs.bodies: a new text, such as \"done\"\n".to_owned();
    assert_eq!(diff(&old, &new), (Exit::No, expected));
}

#[test]
fn what_was_learnt_is_a_contract_that_sends_what_it_was_learnt_from() {
    let files = Files::new();
    let captures = vec![files.write("logs.json", LOGS), files.write("metrics.json", METRICS)];
    let out = files.0.path().join("proposed.yaml");
    let args = learn::Args { captures, out: Some(out.clone()), signal: None };
    text(|it| learn::run(&args, it));
    let proposed = std::fs::read_to_string(&out).unwrap();
    for secret in ["Acme", "95000", "Jane", "exec-abc"] {
        assert!(!proposed.contains(secret), "{proposed}");
    }
    let against = vec![files.write("logs.json", LOGS)];
    let args = check::Args { file: out.clone(), against, signal: None, names: false };
    let (_, said) = text(|it| check::run(&args, it));
    assert!(said.contains("log attribute executionId: \"exec-abc-123\""), "{said}\n{proposed}");
    // It is never written over: somebody may have signed it.
    let args = learn::Args { captures: Vec::new(), out: Some(out), signal: None };
    let error = learn::run(&args, &mut Vec::new()).unwrap_err();
    assert_eq!(error.exit(), Exit::Unreadable);
}

#[test]
fn what_is_no_contract_is_a_usage_error_with_its_place() {
    let files = Files::new();
    let file = files.write("c.yaml", "contract: a/1\nlog: {}\n");
    let Err(error) = contract(&file) else { panic!("it has an unknown key") };
    assert_eq!(error.exit(), Exit::Usage);
    let said = error.text(false);
    assert!(said.contains("c.yaml: line 2, column 1: "), "{said}");
}
