//! Reports for machines: what is written keeps to the schema that is published, or to the standard.

use std::collections::BTreeSet;

use super::*;

/// An archive with findings of every gravity, and one that is explained.
fn broken() -> Site {
    let mut site = Site::new();
    site.add_epoch(&SECOND);
    site.withhold(1, &site::outer_layer());
    let telemetry = site.seals_of(&FIRST, "telemetry");
    fs::remove_file(&telemetry[0]).unwrap();
    fs::remove_file(site.seals_of(&SECOND, "audit").last().unwrap()).unwrap();
    fs::remove_file(site.checkpoints_of(&SECOND, "audit").pop().unwrap()).unwrap();
    fs::write(site.seals("audit")[0].with_extension("bak"), "<&>").unwrap();
    fs::write(site.archive().join("notes.txt"), "hello").unwrap();
    site.accept("a person's <reason>");
    site
}

/// The keywords of JSON Schema that our schemas use. Others are refused, so none is overlooked.
fn valid(value: &Value, schema: &Value, root: &Value, at: &str) {
    for (keyword, rule) in schema.as_object().unwrap() {
        let holds = match keyword.as_str() {
            "$schema" | "title" | "description" | "$defs" => true,
            "$ref" => {
                let target = rule.as_str().unwrap().strip_prefix('#').unwrap();
                valid(value, root.pointer(target).unwrap(), root, at);
                true
            }
            "type" => match rule {
                Value::Array(names) => names.iter().any(|name| is(value, name)),
                name => is(value, name),
            },
            "const" => value == rule,
            "enum" => rule.as_array().unwrap().contains(value),
            "required" => rule
                .as_array()
                .unwrap()
                .iter()
                .all(|key| value.get(key.as_str().unwrap()).is_some()),
            "properties" => value.as_object().is_none_or(|object| {
                for (key, inner) in object {
                    if let Some(schema) = rule.get(key) {
                        valid(inner, schema, root, &format!("{at}/{key}"));
                    }
                }
                true
            }),
            "additionalProperties" => value.as_object().is_none_or(|object| {
                let known = |key: &String| schema["properties"].get(key).is_some();
                for (key, inner) in object.iter().filter(|(key, _)| !known(key)) {
                    assert_ne!(rule, false, "{at}: {key} is not in the schema");
                    valid(inner, rule, root, &format!("{at}/{key}"));
                }
                true
            }),
            "items" => value.as_array().is_none_or(|list| {
                let place = |n| format!("{at}/{n}");
                list.iter().enumerate().for_each(|(n, one)| valid(one, rule, root, &place(n)));
                true
            }),
            "minItems" => {
                value.as_array().is_none_or(|list| list.len() as u64 >= rule.as_u64().unwrap())
            }
            "maxItems" => {
                value.as_array().is_none_or(|list| list.len() as u64 <= rule.as_u64().unwrap())
            }
            "minimum" => value.as_u64().is_none_or(|number| number >= rule.as_u64().unwrap()),
            "pattern" => value.as_str().is_none_or(|text| fits(text, rule.as_str().unwrap())),
            other => panic!("{at}: nobody here knows the keyword {other}"),
        };
        assert!(holds, "{at}: {value} does not keep to {keyword} {rule}");
    }
}

fn is(value: &Value, name: &Value) -> bool {
    match name.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("{other} is no type"),
    }
}

/// `^[class]{length}$`, `{a,b}` or `+`: all that our patterns need.
fn fits(text: &str, pattern: &str) -> bool {
    let (class, length) = pattern.strip_prefix("^[").unwrap().split_once(']').unwrap();
    let allowed = |c: char| match class {
        "0-9a-f" => matches!(c, '0'..='9' | 'a'..='f'),
        "a-z0-9-" => matches!(c, '0'..='9' | 'a'..='z' | '-'),
        "a-z-" => matches!(c, 'a'..='z' | '-'),
        other => panic!("{other} is no class"),
    };
    let length = length.strip_suffix('$').unwrap();
    let (min, max) = match length.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
        None => (1, usize::MAX),
        Some(text) => match text.split_once(',') {
            None => (text.parse().unwrap(), text.parse().unwrap()),
            Some((min, max)) => (min.parse().unwrap(), max.parse().unwrap()),
        },
    };
    text.chars().all(allowed) && (min..=max).contains(&text.len())
}

fn schema() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/schemas/lucarne.audit-1.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn json_keeps_to_the_schema_that_is_published() {
    let forked = Site::new();
    forked.fork();
    let schema = schema();
    let mut kinds = BTreeSet::new();
    for site in [Site::new(), broken(), forked] {
        let (_, text) = output(&site, &["--output", "json"]);
        let report: Value = serde_json::from_str(&text).unwrap();
        valid(&report, &schema, &schema, "");
        let found = report["findings"].as_array().unwrap().iter();
        kinds.extend(found.map(|finding| finding["kind"].as_str().unwrap().to_owned()));
    }
    let expected = ["FORKED", "INCOMPLETE", "MISSING", "UNCLEAN_END", "WITHHELD"];
    assert_eq!(kinds.iter().map(String::as_str).collect::<Vec<_>>(), expected);
    let listed = schema["$defs"]["finding"]["properties"]["kind"]["enum"].as_array().unwrap();
    let all = audit::finding::FindingKind::ALL.map(|kind| kind.as_str());
    assert_eq!(listed.iter().filter_map(Value::as_str).collect::<Vec<_>>(), all);
}

#[test]
fn a_report_that_breaks_the_schema_is_noticed() {
    let schema = schema();
    let (_, text) = output(&broken(), &["--output", "json"]);
    let report: Value = serde_json::from_str(&text).unwrap();
    let refused = |path: &str, value: Value| {
        let mut report = report.clone();
        *report.pointer_mut(path).unwrap() = value;
        std::panic::catch_unwind(|| valid(&report, &schema, &schema, "")).is_err()
    };
    for (path, value) in [
        ("/schema", "lucarne.audit/2".into()),
        ("/exit", 3.into()),
        ("/ledgers/0/root", "AB".repeat(32).into()),
        ("/ledgers/0/size", "9".into()),
        ("/findings/0/kind", "STRANGE".into()),
        ("/findings/0/severity", Value::Null),
        ("/ignored", Value::Null),
    ] {
        assert!(refused(path, value), "{path}");
    }
    assert!(!refused("/sentence", "another".into()));
}

#[test]
fn sarif_has_a_rule_for_each_result_and_levels_that_mean_something() {
    let (exit, text) = output(&broken(), &["--output", "sarif"]);
    assert_eq!(exit, Exit::No);
    let log: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&log["version"], log["runs"].as_array().unwrap().len()), (&"2.1.0".into(), 1));
    let run = &log["runs"][0];
    assert_eq!(run["invocations"][0]["exitCode"], 1);
    assert_eq!(run["invocations"][0]["executionSuccessful"], true);
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    let ids: BTreeSet<&str> = rules.iter().map(|rule| rule["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), rules.len());
    let mut seen = Vec::new();
    for result in run["results"].as_array().unwrap() {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
        let (level, kind) = (result["level"].as_str().unwrap(), result["kind"].as_str().unwrap());
        // §3.27.10: a level that is not "none" belongs to a failure, and to nothing else.
        assert_eq!(level != "none", kind == "fail", "{result:#}");
        assert!(!result["message"]["text"].as_str().unwrap().is_empty());
        let logical = &result["locations"][0]["logicalLocations"][0]["fullyQualifiedName"];
        assert!(logical.is_string(), "{result:#}");
        let code = result["ruleId"].as_str().unwrap().to_owned();
        seen.push((code, level.to_owned(), result["suppressions"].is_array()));
    }
    seen.sort();
    let expected = [
        ("files-absent", "error", false),
        ("name-malformed", "warning", false),
        ("no-close", "warning", false),
        ("withheld", "none", false),
    ];
    let expected = expected.map(|(code, level, why)| (code.to_owned(), level.to_owned(), why));
    assert_eq!(seen, expected);
}

#[test]
fn what_a_policy_explains_is_suppressed_and_not_gone() {
    let mut site = Site::new();
    fs::remove_file(site.seals("audit").last().unwrap()).unwrap();
    fs::remove_file(site.checkpoints("audit").pop().unwrap()).unwrap();
    site.accept("host lost power");
    let (_, text) = output(&site, &["--output", "sarif"]);
    let log: Value = serde_json::from_str(&text).unwrap();
    let result = &log["runs"][0]["results"][0];
    assert_eq!(result["ruleId"], "no-close");
    assert_eq!(result["suppressions"][0]["justification"], "host lost power");
}

#[test]
fn junit_has_a_case_a_range_and_says_what_failed() {
    let (exit, text) = output(&broken(), &["--output", "junit"]);
    assert_eq!(exit, Exit::No);
    let head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"lucarne audit\" ";
    assert!(text.starts_with(head), "{text}");
    let count = |what: &str| text.matches(what).count();
    assert_eq!((count("<failure "), count("<error ")), (1, 2), "{text}");
    assert!(
        text.contains(&format!("tests=\"{}\" failures=\"1\" errors=\"2\">", count("<testcase ")))
    );
    assert!(
        text.contains("<failure type=\"MISSING\" message=\"not present in the archive\">"),
        "{text}"
    );
    assert!(text.contains("<error type=\"UNCLEAN_END\""), "{text}");
    assert_eq!(count("<testsuite "), count("</testsuite>"));
    // Nothing of an archive can end an element.
    assert!(!text.contains("<&>"), "{text}");
    let empty = Site::new();
    fs::remove_dir_all(empty.archive()).unwrap();
    fs::create_dir(empty.archive()).unwrap();
    let (exit, text) = output(&empty, &["--output", "junit"]);
    assert_eq!((exit, text.matches("<error ").count()), (Exit::CouldNotTell, 1), "{text}");
}
