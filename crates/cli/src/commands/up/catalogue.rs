//! What the names of runbooks mean in the demo, and what shows the lines of the readiness list.
//!
//! Everything that is asked is real: the view, the gateway, the archive and the enclave through its
//! channel. The two actions that change something restart a part of the site.

use std::net::SocketAddr;
use std::path::Path;

use super::layout::INSTANCE;

/// Where everything is.
pub(super) struct Places<'a> {
    /// The directory of the site.
    pub(super) dir: &'a Path,
    /// This program.
    pub(super) own: &'a Path,
    /// The gateway's pages.
    pub(super) gateway: SocketAddr,
    /// The gateway's view.
    pub(super) view: SocketAddr,
    /// Who restarts parts.
    pub(super) parts: SocketAddr,
}

impl Places<'_> {
    /// `catalogue.yaml`.
    pub(super) fn catalogue(&self) -> String {
        let Self { gateway, view, parts, .. } = self;
        let token = quoted(&self.dir.join("keys/desk-parts"));
        let restart = |part: &str| {
            format!(
                "{{ by: {{ http: {{ url: \"http://{parts}/parts/{part}\", method: POST, \
                 token_file: {token} }} }} }}"
            )
        };
        let (proxy, enclave) = (restart("proxy"), restart("enclave"));
        let metric = |shows: &str, is: &str, query: &str| {
            format!(
                "{{ shows: [{shows}], by: {{ metric: {{ at: \"http://{view}/loki\", is: '{is}', \
                 query: '{query}' }} }} }}"
            )
        };
        format!(
            "# Written by `lucarne up` at each start.\n\
             sources: {{ logql: \"http://{view}/loki\" }}\n\
             actions:\n  restart_proxy: {proxy}\n  redeploy_known_good: {enclave}\n  \
             replace_instance: {enclave}\n\
             probes:\n  workflow_error_rate: {}\n  canary_workflow: {}\n  logs_flow: {}\n  \
             canary_record: {}\n  audit_sequence: {}\n  audit_sweep: {}\n  tamper_counters: {}\n  \
             measurement: {}\n  in_flight: {}\n  \
             ready: {{ by: {{ ready: {{ url: \"http://{gateway}/ready\" }} }} }}\n\
             collectors:\n{}",
            metric("", "< 0.01", RATE),
            metric("completed", "> 0", COMPLETED),
            metric("'true'", "> 0", FLOWING),
            metric("'sealed within 60 s'", "> 0", COMPLETED),
            self.shows("contiguous or listed", &self.verify(), "[0, 5]"),
            self.shows("clean or listed", &self.verify(), "[0, 5]"),
            self.shows("flat", &self.verify(), "[0, 5]"),
            self.shows("baseline", &self.evidence("baseline-policy.yaml", &[]), "[0, 5]"),
            self.shows("reconciled", &self.inflight(), "[0]"),
            self.collectors(),
        )
    }

    fn collectors(&self) -> String {
        let Self { gateway, view, .. } = self;
        let path = |query: &str| {
            format!(
                "{{ from: {{ logql: {{ at: \"http://{view}/loki\", query: '{query}' }} }}, \
                 empty: ok, found: errors, failed: timeout }}"
            )
        };
        let from = |words: &[String], codes: &str, more: &str| {
            format!("{{ from: {}{more} }}", self.command(words, codes))
        };
        let inside = |words: &[&str]| self.query(words, "audit-policy.yaml");
        let json = ["--latest", "--output", "json"];
        let records = self.archive(&["audit", "verify", "--per-record", "--ledger", "audit"]);
        let told = self.archive(&["audit", "verify", "--output", "json"]);
        let executions =
            [&self.inflight()[..], &["--output".to_owned(), "json".to_owned()]].concat();
        let lines = [
            ("collector-log", path(COLLECTOR_ERRORS)),
            ("vsock-log", path(PROXY_ERRORS)),
            (
                "health",
                format!(
                    "{{ from: {{ http: {{ url: \"http://{gateway}/health\", statuses: [200, 503] \
                     }} }}, answer: /processengine, failed: timeout }}"
                ),
            ),
            ("chain-head", from(&self.head(), "[0, 2]", ", answer: /answer, failed: unknown")),
            ("attestation", from(&self.boot(), "[0, 2]", ", answer: /answer, failed: unknown")),
            (
                "inside-log",
                from(
                    &inside(&["logs", "--filter", "executionId=\"{execution}\""]),
                    "[0, 2, 5]",
                    "",
                ),
            ),
            (
                "inside-trace",
                from(&inside(&["trace", "--trace-id", "{trace}", "--show-spans"]), "[0, 2, 5]", ""),
            ),
            ("audit-records", from(&records, "[0, 1, 2, 5]", "")),
            ("verify-report", from(&told, "[0, 1, 2, 5]", "")),
            (
                "inside-copy",
                from(
                    &inside(&["recent", "--contains", "workflow", "--limit", "1000"]),
                    "[0, 2, 5]",
                    "",
                ),
            ),
            // Of two runbooks: what became of which execution, from the sealed ledger.
            ("executions", from(&executions, "[0, 1, 2]", "")),
            ("attestation-current", from(&self.evidence("audit-policy.yaml", &json), "[0, 5]", "")),
            (
                "attestation-expected",
                format!("{{ from: {{ file: {} }} }}", quoted(&self.dir.join("baseline.yaml"))),
            ),
        ];
        let lines = lines.map(|(name, text)| format!("  {name}: {text}\n"));
        lines.concat()
    }

    /// `readiness.yaml`.
    pub(super) fn readiness(&self) -> String {
        let line = |name: &str, words: &[String]| format!("  {name}: {}\n", list(words));
        let labels = self.query(&["labels"], "audit-policy.yaml");
        let holds = ["archive", "hold", "list"].map(str::to_owned);
        let dir = ["--records-dir".to_owned(), self.path("archive")];
        format!(
            "# Written by `lucarne up` at each start.\n\
             max_age: 90d\nrunbooks: runbooks\n\
             role_keys: {ROLE_KEYS}\n\
             commands:\n{}{}{}{}{}{}",
            line("query-tool", &self.evidence("audit-policy.yaml", &[])),
            line("verify-tool", &self.verify()),
            line("baseline", &self.evidence("baseline-policy.yaml", &[])),
            line("forensic-bucket", &[&holds[..], &dir].concat()),
            line("channel-credentials", &labels),
            line("read-only-access", &self.archive(&["audit", "versions"])),
        )
    }

    fn path(&self, name: &str) -> String {
        self.dir.join(name).display().to_string()
    }

    fn shows(&self, expected: &str, words: &[String], codes: &str) -> String {
        format!("{{ shows: ['{expected}'], by: {} }}", self.command(words, codes))
    }

    fn command(&self, words: &[String], codes: &str) -> String {
        let (own, words) = (quoted(self.own), list(words));
        format!("{{ command: {{ program: {own}, codes: {codes}, args: {words} }} }}")
    }

    /// The arguments of a command that reads the archive.
    pub(super) fn archive(&self, words: &[&str]) -> Vec<String> {
        let more = [
            "--records-dir".to_owned(),
            self.path("archive"),
            "--policy".to_owned(),
            self.path("audit-policy.yaml"),
        ];
        words.iter().map(|word| (*word).to_owned()).chain(more).collect()
    }

    // An epoch that goes on has no end yet; a look of the watch counts it up to its last record.
    fn verify(&self) -> Vec<String> {
        self.archive(LOOK)
    }

    fn inflight(&self) -> Vec<String> {
        self.archive(&["inflight", "--instance", INSTANCE])
    }

    fn head(&self) -> Vec<String> {
        self.archive(&["triage", "probe", "head", "--instance", INSTANCE])
    }

    fn boot(&self) -> Vec<String> {
        let words = ["triage", "probe", "evidence", "--records-dir"].map(str::to_owned);
        let more = ["--of".to_owned(), INSTANCE.to_owned()];
        let way = self.way("baseline-policy.yaml");
        [&words[..], &[self.path("archive")], &more, &way].concat()
    }

    /// The arguments that ask for fresh evidence, judged by a policy.
    pub(super) fn evidence(&self, policy: &str, more: &[&str]) -> Vec<String> {
        let latest: &[&str] = if more.is_empty() { &["--latest"] } else { more };
        self.query(&[&["attestation"], latest].concat(), policy)
    }

    fn query(&self, words: &[&str], policy: &str) -> Vec<String> {
        let words = words.iter().map(|word| (*word).to_owned());
        ["query".to_owned()].into_iter().chain(words).chain(self.way(policy)).collect()
    }

    fn way(&self, policy: &str) -> [String; 8] {
        [
            "--connect".to_owned(),
            super::inside::address(self.dir),
            "--policy".to_owned(),
            self.path(policy),
            "--identity".to_owned(),
            self.path("keys/investigator.pem"),
            "--key".to_owned(),
            self.path("keys/investigator.key"),
        ]
    }
}

fn quoted(path: &Path) -> String {
    serde_json::Value::from(path.display().to_string()).to_string()
}

// JSON is YAML.
fn list(words: &[String]) -> String {
    serde_json::Value::from(words).to_string()
}

/// Says whether the archive is whole so far.
pub(super) const LOOK: &[&str] = &["audit", "watch", "--once"];
/// Whose key speaks for a role of `approved_by`.
pub(super) const ROLE_KEYS: &str = "{ security: keys/role-security.pub, \
     compliance: keys/role-compliance.pub, ciso: keys/role-ciso.pub }";
const RATE: &str = "sum(count_over_time({job=\"tee-audit\"} | json | \
    event_type=\"workflow.failed\" [30s])) / sum(count_over_time({job=\"tee-audit\"} | json | \
    event_type=~\"workflow.(failed|completed|cancelled)\" [30s]))";
const COMPLETED: &str =
    "sum(count_over_time({job=\"tee-audit\"} | json | event_type=\"workflow.completed\" [1m]))";
const FLOWING: &str = "sum(count_over_time({job=\"tee-processengine\"} [1m]))";
const COLLECTOR_ERRORS: &str = "{job=\"otel-collector-external\"} |= \"tee-processengine\" | \
    json | level=~\"Warning|Error|Critical\"";
const PROXY_ERRORS: &str = "{job=\"vsock-proxy\"} | json | status = \"error\"";

#[cfg(test)]
mod tests {
    use super::*;
    use lucarne_desk::catalogue::Catalogue;

    #[test]
    fn the_catalogue_is_one_and_names_what_the_four_runbooks_ask_for() {
        let at = |text: &str| text.parse().unwrap();
        let places = Places {
            dir: Path::new("/data/with space"),
            own: Path::new("/bin/lucarne"),
            gateway: at("127.0.0.1:1"),
            view: at("127.0.0.1:2"),
            parts: at("127.0.0.1:3"),
        };
        let catalogue = Catalogue::parse(&places.catalogue()).unwrap();
        let names: Vec<&str> = catalogue.actions.keys().map(String::as_str).collect();
        assert_eq!(names, ["redeploy_known_good", "replace_instance", "restart_proxy"]);
        for item in ["chain-head", "inside-log", "verify-report", "attestation-current"] {
            assert!(catalogue.collectors.contains_key(item), "{item}");
        }
        let readiness = places.readiness();
        assert!(readiness.contains("max_age: 90d") && readiness.lines().count() == 11);
    }
}
