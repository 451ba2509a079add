//! The service and the level of a row that was pushed without them.
//!
//! As Loki's documentation says: the service is the first of a list of labels, the level is looked
//! for in labels, metadata and then in the line.

use memchr::memmem;

use crate::ingest::Row;
use crate::stream::LABELS_MAX;

/// Loki's `discover_service_name`.
const SERVICE: [&str; 13] = [
    "service",
    "app",
    "application",
    "app_name",
    "name",
    "app_kubernetes_io_name",
    "container",
    "container_name",
    "k8s_container_name",
    "component",
    "workload",
    "job",
    "k8s_job_name",
];
/// Names of levels, in labels, metadata and lines.
const LEVEL: [&str; 8] =
    ["level", "LEVEL", "Level", "severity", "SEVERITY", "severity_text", "lvl", "detected_level"];
/// Bytes of a line in which its level is looked for.
const LOOKED_AT_MAX: usize = 4096;

/// Adds `service_name` and `detected_level`, as Loki does and Grafana relies on.
pub fn complete(row: &mut Row) {
    if row.metadata.iter().all(|(name, _)| name != "detected_level") {
        let level = level(row).unwrap_or("unknown");
        row.metadata.push(("detected_level".to_owned(), level.to_owned()));
    }
    if row.labels.get("service_name").is_none() && (1..LABELS_MAX).contains(&row.labels.len()) {
        let named = SERVICE.iter().find_map(|name| row.labels.get(name));
        let named = named.unwrap_or("unknown_service").to_owned();
        row.labels.set("service_name", &named);
    }
}

fn level(row: &Row) -> Option<&'static str> {
    let of_metadata = |name: &&str| {
        row.metadata.iter().find(|(have, _)| have == name).map(|(_, value)| value.as_str())
    };
    let named = LEVEL.iter().find_map(|name| row.labels.get(name));
    let named = named.or_else(|| LEVEL.iter().find_map(of_metadata));
    named.and_then(canonical).or_else(|| level_of_line(&row.line))
}

/// The value of the first key that names a level, in JSON or in logfmt.
fn level_of_line(line: &str) -> Option<&'static str> {
    let line = line.get(..LOOKED_AT_MAX).unwrap_or(line);
    let is_json = line.trim_start().starts_with('{');
    LEVEL.iter().find_map(|name| {
        let key = if is_json { format!("\"{name}\":") } else { format!("{name}=") };
        let at = memmem::find(line.as_bytes(), key.as_bytes())?;
        let at_key = is_json || at == 0 || line.as_bytes().get(at - 1) == Some(&b' ');
        let value = line.get(at + key.len()..).filter(|_| at_key)?.trim_start();
        let value = value.strip_prefix('"').unwrap_or(value);
        let end = value.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(value.len());
        value.get(..end).and_then(canonical)
    })
}

fn canonical(text: &str) -> Option<&'static str> {
    Some(match text.to_ascii_lowercase().as_str() {
        "trace" | "trc" => "trace",
        "debug" | "dbg" => "debug",
        "info" | "inf" | "information" => "info",
        "warn" | "wrn" | "warning" => "warn",
        "error" | "err" => "error",
        "critical" => "critical",
        "fatal" => "fatal",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use lucarne_logql::labels::LabelSet;

    use super::*;

    #[track_caller]
    fn check(labels: &[(&str, &str)], line: &str, service: &str, level: &str) {
        let mut row = Row {
            labels: LabelSet::from_pairs(labels.iter().copied()),
            time_ns: 0,
            line: line.to_owned(),
            metadata: Vec::new(),
        };
        complete(&mut row);
        assert_eq!(row.labels.get("service_name"), Some(service));
        assert_eq!(row.metadata, [("detected_level".to_owned(), level.to_owned())]);
    }

    #[test]
    fn services_and_levels_are_found() {
        check(&[("job", "j"), ("app", "a")], "x", "a", "unknown");
        check(&[("x", "y")], "level=WARN msg=level", "unknown_service", "warn");
        check(&[("service_name", "s"), ("level", "Error")], "level=info", "s", "error");
        check(&[("job", "j")], r#"{"a":1,"level": "Information"}"#, "j", "info");
        check(&[("job", "j")], r#"msg="a" lvl=dbg"#, "j", "debug");
        check(&[("job", "j")], "sealevel=error", "j", "unknown");
    }
}
