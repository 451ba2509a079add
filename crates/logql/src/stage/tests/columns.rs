//! Columns answer as the parser does: random lines and random pipelines, with fields that an
//! independent shredder took out of a tree of the line.

use super::*;
use alloc::string::ToString as _;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// A document before it is written: the shredder reads this, the parser its text.
#[derive(Clone, Debug)]
enum Json {
    Null,
    Word(&'static str),
    Text(String),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
}

impl Json {
    fn write(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Word(word) => out.push_str(word),
            Self::Text(text) => write_text(text, out),
            Self::List(items) => {
                out.push('[');
                for (at, item) in items.iter().enumerate() {
                    out.push_str(if at == 0 { "" } else { " ," });
                    item.write(out);
                }
                out.push(']');
            }
            Self::Object(pairs) => {
                out.push('{');
                for (at, (key, value)) in pairs.iter().enumerate() {
                    out.push_str(if at == 0 { "" } else { ", " });
                    write_text(key, out);
                    out.push_str(" :");
                    value.write(out);
                }
                out.push('}');
            }
        }
    }

    /// Names and values as a store would have them.
    fn shred(&self, name: &str, columns: &mut Vec<(String, String)>) {
        let value = match self {
            Self::Null | Self::List(_) => return,
            Self::Word(word) => word.to_string(),
            Self::Text(text) => text.clone(),
            Self::Object(pairs) => {
                for (key, value) in pairs {
                    let mut key: String = key
                        .trim()
                        .chars()
                        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
                        .collect();
                    if name.is_empty() && key.starts_with(|c: char| c.is_ascii_digit()) {
                        key.insert(0, '_');
                    }
                    let joined = if name.is_empty() { key } else { format!("{name}_{key}") };
                    value.shred(&joined, columns);
                }
                return;
            }
        };
        if !name.is_empty() && !columns.iter().any(|(have, _)| have == name) {
            columns.push((name.into(), value));
        }
    }
}

fn write_text(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            'é' => out.push_str("\\u00e9"),
            c => out.push(c),
        }
    }
    out.push('"');
}

#[derive(Debug)]
struct Columns(Shredding, Vec<(String, String)>);

impl Fields for Columns {
    fn shredding(&self) -> Shredding {
        self.0
    }

    fn get(&self, name: &str, out: &mut String) -> bool {
        let found = self.1.iter().find(|(have, _)| have == name);
        found.inspect(|(_, value)| out.push_str(value)).is_some()
    }

    fn each(&self, visit: &mut dyn FnMut(&str, &str)) {
        self.1.iter().for_each(|(name, value)| visit(name, value));
    }
}

/// Names that meet each other, the labels of the stream and the metadata.
const KEYS: [&str; 12] =
    ["a", "b", "c", "a_b", "app", "user", "app_extracted", "1x", "a-b", "é", " s ", ""];

fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => proptest::sample::select(KEYS.to_vec()).prop_map(String::from),
        1 => "[a-c._ ]{1,4}",
    ]
}

fn document() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        proptest::sample::select(alloc::vec!["true", "false", "0", "-1.50", "1e3", "42", "7"])
            .prop_map(Json::Word),
        "[a-z0-9 \"\\\\\né=,{}]{0,8}".prop_map(Json::Text),
        proptest::sample::select(alloc::vec!["", "5", "10s", "2KB", "10.0.0.1", "x"])
            .prop_map(|text| Json::Text(text.into())),
    ];
    let value = leaf.prop_recursive(3, 24, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Json::List),
            proptest::collection::vec((key(), inner), 0..4).prop_map(Json::Object),
        ]
    });
    proptest::collection::vec((key(), value), 0..6).prop_map(Json::Object)
}

/// Stages around one parser; after `line_format` the columns no longer count.
const AROUND: [&str; 14] = [
    r#"| a="5""#,
    "| a > 3",
    "| b >= 10s",
    "| c < 3KB",
    r#"| a=ip("10.0.0.0/8")"#,
    r#"| user="u1" or a!="""#,
    "| label_format z=a, y=`{{.b}}-{{.app}}`",
    "| drop a, app",
    "| keep a, user, app_extracted",
    "| line_format `{{.a}} {{.a_b}}`",
    r#"|= "a""#,
    r#"| __error__="""#,
    "| json",
    "| logfmt",
];

fn pipelines(parser: &str) -> Vec<Pipeline> {
    let mut all = Vec::new();
    for before in ["", AROUND[5], AROUND[6], AROUND[7], AROUND[9], AROUND[10]] {
        for after in AROUND {
            let text = format!("{before} | {parser} {after}");
            all.push(Pipeline::compile(&stages(&text)).unwrap());
        }
    }
    all
}

fn runner() -> TestRunner {
    let cases = std::env::var("LUCARNE_CASES").ok().and_then(|text| text.parse().ok());
    TestRunner::new(Config {
        cases: cases.unwrap_or(5000),
        failure_persistence: None,
        ..Config::default()
    })
}

#[test]
fn columns_answer_as_the_json_parser_does() {
    let pipelines = pipelines("json");
    let strategy = (document(), 0..pipelines.len());
    let ran = runner().run(&strategy, |(document, at)| {
        let (mut line, mut columns) = (String::new(), Vec::new());
        document.write(&mut line);
        document.shred("", &mut columns);
        let columns = Columns(Shredding::Json, columns);
        prop_assert_eq!(
            run(&pipelines[at], &line, Some(&columns)),
            run(&pipelines[at], &line, None)
        );
        Ok(())
    });
    ran.unwrap();
}

#[test]
fn columns_answer_as_the_logfmt_parser_does() {
    let pipelines = pipelines("logfmt");
    let pair = ("[a-c=\"é-]{0,3}", "[a-z0-9\"= ]{0,5}", any::<bool>());
    let strategy = (proptest::collection::vec(pair, 0..6), 0..pipelines.len());
    let ran = runner().run(&strategy, |(pairs, at)| {
        let (mut line, mut columns) = (String::new(), Vec::<(String, String)>::new());
        for (key, value, quoted) in pairs {
            let key: String = key.chars().filter(|c| !matches!(c, '=' | '"')).collect();
            let value: String =
                value.chars().filter(|c| quoted || !matches!(c, '=' | '"' | ' ')).collect();
            if key.is_empty() {
                line.push_str("=junk ");
                continue;
            }
            if quoted {
                line.push_str(&format!("{key}=\"{}\" ", value.replace('"', "\\\"")));
            } else {
                line.push_str(&format!("{key}={value} "));
            }
            let name: String =
                key.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
            if !value.is_empty() && !columns.iter().any(|(have, _)| *have == name) {
                columns.push((name, value));
            }
        }
        let columns = Columns(Shredding::Logfmt, columns);
        prop_assert_eq!(
            run(&pipelines[at], &line, Some(&columns)),
            run(&pipelines[at], &line, None)
        );
        Ok(())
    });
    ran.unwrap();
}

#[test]
fn columns_are_what_is_asked() {
    let pipeline = Pipeline::compile(&stages("| json")).unwrap();
    let columns = Columns(Shredding::Json, alloc::vec![("from".into(), "columns".into())]);
    let after = run(&pipeline, r#"{"from":"line"}"#, Some(&columns));
    assert_eq!(after.unwrap().1, r#"from="columns""#);
    let logfmt = Columns(Shredding::Logfmt, columns.1);
    let after = run(&pipeline, r#"{"from":"line"}"#, Some(&logfmt));
    assert_eq!(after.unwrap().1, r#"from="line""#);
    let mut value = String::new();
    assert_eq!(
        (logfmt.get("from", &mut value), logfmt.get("to", &mut value), value.as_str()),
        (true, false, "columns")
    );
}
