//! Two threads over one scan: every row once, and an end when somebody says so.

use std::ops::ControlFlow;

use lucarne_logql::ast::Query;
use lucarne_logql::labels::LabelSet;
use lucarne_logql::stage::Pipeline;
use lucarne_logql::{Mode, parse};

use super::*;
use crate::Config;
use crate::engine::limits::{Cancel, Exceeded, Limit, Limits, Meter, Stop};
use crate::engine::source::{Columns, Direction};
use crate::engine::{Engine, RangeAsk};
use crate::ingest::Row;
use crate::retention::Retention;
use crate::stream::Mapping;
use crate::vault::Vault;

const ROWS: usize = 4_000;
const STREAMS: usize = 40;

fn config() -> Config {
    Config {
        mapping: Mapping::with_job("tee"),
        retention: Retention { bytes: 64 << 20, age_ns: i64::MAX },
        head_bytes: 8 << 20,
    }
}

/// A store of forty blocks and no head.
fn store() -> Store {
    let store = Store::new(config(), Vault::memory()).unwrap();
    let row = |n: usize| {
        let labels = LabelSet::from_pairs([("stream", (n % STREAMS).to_string())]);
        let (time_ns, line) = (i64::try_from(n).unwrap(), format!("line {n} of the store"));
        Row { labels, time_ns, line, metadata: Vec::new() }
    };
    store.append(&(0..ROWS).map(row).collect::<Vec<_>>(), 0).unwrap();
    store.maintain(0);
    assert_eq!(store.report().blocks, STREAMS as u64);
    store
}

/// Times of the rows until `visit` breaks, and what the scan did.
fn scan(
    store: &Store,
    limits: Limits,
    mut visit: impl FnMut(usize) -> ControlFlow<()>,
) -> (Vec<i64>, ScanStats, Option<Stop>) {
    let cancel = Cancel::default();
    let meter = Meter::new(limits, &cancel, &|| false);
    let range = TimeRange { from_ns: 0, to_ns: i64::MAX };
    let what = Selection {
        matchers: &[],
        range,
        direction: None,
        literals: &[],
        conditions: None,
        columns: Columns::None,
        meter: &meter,
    };
    let mut times = Vec::new();
    let stats = store.scan(&what, &mut |entry| {
        times.push(entry.time_ns);
        visit(times.len())
    });
    (times, stats.unwrap(), meter.stopped())
}

fn always(_: usize) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

#[test]
fn every_row_is_shown_once_whoever_opened_its_block() {
    let store = store();
    for _ in 0..20 {
        let (mut times, stats, stopped) = scan(&store, Limits::STANDARD, always);
        times.sort_unstable();
        assert_eq!(times, (0..4_000).collect::<Vec<i64>>());
        let streams = STREAMS as u64;
        let expected = ScanStats { streams, blocks_read: streams, ..ScanStats::default() };
        assert_eq!((stats, stopped), (expected, None));
    }
}

#[test]
fn a_visit_that_breaks_sees_no_more_rows() {
    let store = store();
    for last in [1, 99, 100, 101, 3_999] {
        let stop = |seen| if seen == last { ControlFlow::Break(()) } else { always(seen) };
        let (times, stats, _) = scan(&store, Limits::STANDARD, stop);
        assert_eq!(times.len(), last);
        assert!(stats.blocks_read <= STREAMS as u64, "{stats:?}");
    }
}

#[test]
fn a_limit_stops_both_threads() {
    let store = store();
    let limits = Limits { scanned_bytes: 10_000, ..Limits::STANDARD };
    let (times, stats, stopped) = scan(&store, limits, always);
    let exceeded = Exceeded { limit: Limit::ScannedBytes, allowed: 10_000 };
    assert_eq!(stopped, Some(Stop::Exceeded(exceeded)));
    // A block has some 2 KiB: a few were read, whatever thread read them, and no more.
    assert!((1..=5).contains(&stats.blocks_read), "{stats:?}");
    assert!(times.len() <= 500, "{}", times.len());
}

/// The same store without its columns: every line is parsed, and no condition is decided before.
struct Parsed<'a>(&'a Store);

impl Source for Parsed<'_> {
    fn streams(&self, matchers: &[Matcher], range: TimeRange) -> Result<Vec<LabelSet>, ScanError> {
        self.0.streams(matchers, range)
    }

    fn scan(
        &self,
        what: &Selection<'_>,
        visit: &mut dyn FnMut(&Entry<'_>) -> ControlFlow<()>,
    ) -> Result<ScanStats, ScanError> {
        let lines = Selection { columns: Columns::None, conditions: None, ..*what };
        self.0.scan(&lines, &mut |entry| visit(&Entry { shredded: None, ..*entry }))
    }
}

/// Rows of two streams in blocks: fields that are constants, dictionaries, numbers and unique, that
/// are missing, that a label or metadata hides, and lines that are no JSON.
fn mixed() -> Store {
    let store = Store::new(config(), Vault::memory()).unwrap();
    let row = |n: i64| {
        let line = match n % 7 {
            0 => format!("not json {n}"),
            1 => format!(r#"{{"code":"E_{}","n":{n}}}"#, n % 3),
            2 => format!(r#"{{"n":"{n}","id":"{:032x}","code":""}}"#, n * 7_919),
            3 => r#"{"code":"E_1","code_extracted":"x","app":"inner"}"#.to_owned(),
            _ => format!(
                r#"{{"fixed":"yes","code":"E_{}","n":{},"tenant":"t","grade":{}.5}}"#,
                n % 4,
                n % 50,
                n % 3
            ),
        };
        let app = if n % 2 == 0 { "a" } else { "b" };
        let metadata =
            if n % 5 == 0 { vec![("tenant".to_owned(), "m".to_owned())] } else { Vec::new() };
        Row::new([("app", app)], n, line, metadata)
    };
    for from in [0, 1_000, 2_000] {
        let rows: Vec<Row> = (from..from + 700).map(row).collect();
        store.append(&rows, 0).unwrap();
        store.maintain(0);
    }
    store
}

/// Conditions that are decided on columns leave out nothing that a query over lines finds.
#[test]
fn conditions_on_columns_change_no_answer() {
    let store = mixed();
    assert!(store.report().blocks >= 6);
    for (text, some) in [
        (r#"{app=~".+"} | json | code="E_1""#, true),
        (r#"{app=~".+"} | json | code="E_9""#, false),
        (r#"{app=~".+"} | json | code="""#, true),
        (r#"{app=~".+"} | json | code!="E_1""#, true),
        (r#"{app=~".+"} | json | code=~"E_[13]" | n > 40"#, true),
        (r#"{app=~".+"} | json | n >= 690"#, true),
        // A line that is no JSON is kept, with an error, where one without the field is not.
        (r#"{app=~".+"} | json | grade > 1"#, true),
        (r#"{app=~".+"} | json | grade > 1 | code="E_1""#, true),
        (r#"{app=~".+"} | json | fixed!="yes""#, true),
        (r#"{app=~".+"} | json | missing="x""#, false),
        (r#"{app=~".+"} | json | tenant="m""#, true),
        (r#"{app=~".+"} | json | tenant="t" | fixed="yes""#, true),
        (r#"{app=~".+"} | json | app="inner""#, false),
        (r#"{app=~".+"} | json | id="00000000000000000000000000003dde""#, true),
        (r#"{app=~".+"} | json | __error__!="""#, true),
        (r#"{app=~".+"} |= "E_2" | json | code="E_2" | n < 9"#, true),
        (r#"sum by (code) (count_over_time({app=~".+"} | json | code="E_1" [1m]))"#, true),
        (r#"sum(sum_over_time({app=~".+"} | json | code="E_3" | unwrap n [1m]))"#, true),
        (r#"sum by (tenant) (count_over_time({app=~".+"} | json | grade > 1 [1m]))"#, false),
        (
            r#"sum by (app, tenant) (rate({app=~".+"} | json | tenant!="" | __error__="" [1m]))"#,
            true,
        ),
        (r#"sum by (grade, code) (count_over_time({app=~".+"} | json | __error__="" [1m]))"#, true),
        (r#"sum by (grade) (bytes_over_time({app=~".+"} | json | code="E_1" [1m]))"#, true),
        (r#"sum(count_over_time({app=~".+"} | json | grade < 2 | __error__="" [8000ns]))"#, true),
        (r#"sum by (code) (sum_over_time({app=~".+"} | json | unwrap grade [1m]))"#, true),
    ] {
        assert_eq!(check_same(&store, text), some, "{text}");
    }
}

/// Whether there is any answer, which is the same over columns and over lines.
#[track_caller]
fn check_same(store: &Store, text: &str) -> bool {
    let ask = |source: &dyn Source| {
        let parsed = parse(text, Mode::Extended).unwrap();
        let cancel = Cancel::default();
        let engine = Engine::new(source, Limits::STANDARD, &cancel, &|| false, 0);
        let direction = Direction::Backward;
        let ask = RangeAsk { start_ns: 0, end_ns: 10_000, step_ns: 1, limit: 5_000, direction };
        let at = RangeAsk { start_ns: 10_000, ..ask };
        let found =
            engine.query_range(&parsed.query, if text.starts_with('{') { &ask } else { &at });
        found.map(|answer| (answer.data, answer.stats.returned))
    };
    let [columns, lines] = [ask(store), ask(&Parsed(store))];
    assert_eq!(columns, lines, "{text}");
    columns.is_ok_and(|(_, returned)| returned > 0)
}

/// Blocks of nothing but JSON, with a field that is unique and stands in the lines alone.
fn of_json(other_line: Option<&str>) -> Store {
    let store = Store::new(config(), Vault::memory()).unwrap();
    let row = |n: i64| {
        let (code, id) = (n % 3, n.wrapping_mul(7_919) * 104_729);
        let line =
            format!(r#"{{"code":"E_{code}","n":{n},"id":"the item {id}.","note":"E_{code}"}}"#);
        let line = other_line.filter(|_| n == 100).map_or(line, str::to_owned);
        Row::new([("app", "a")], n, line, Vec::new())
    };
    store.append(&(0..300).map(row).collect::<Vec<_>>(), 0).unwrap();
    store.maintain(0);
    assert_eq!(store.report().blocks, 1);
    store
}

/// What the scan shows of lines to a query that asks for these fields alone.
fn lines_shown(store: &Store, text: &str, names: &[&str]) -> Vec<String> {
    let Query::Log(query) = parse(text, Mode::Strict).unwrap().query else { panic!("{text}") };
    let pipeline = Pipeline::compile(&query.stages).unwrap();
    let cancel = Cancel::default();
    let meter = Meter::new(Limits::STANDARD, &cancel, &|| false);
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let what = Selection {
        matchers: &query.selector.matchers,
        range: TimeRange { from_ns: 0, to_ns: i64::MAX },
        direction: None,
        literals: pipeline.literals(),
        conditions: Some(&pipeline),
        columns: Columns::Only(&names),
        meter: &meter,
    };
    let mut shown = Vec::new();
    let visit = &mut |entry: &Entry<'_>| {
        shown.push(entry.line.to_owned());
        ControlFlow::Continue(())
    };
    store.scan(&what, visit).unwrap();
    shown
}

#[test]
fn lines_are_spared_where_columns_hold_all_that_is_asked_for() {
    let is_spared = |store: &Store, text: &str, names: &[&str]| {
        let shown = lines_shown(store, text, names);
        assert!(!shown.is_empty());
        shown.iter().all(String::is_empty)
    };
    let (pure, mixed) = (of_json(None), of_json(Some("not json")));
    for text in [r#"{app="a"} | json"#, r#"{app="a"} | json | code="E_1""#] {
        assert!(is_spared(&pure, text, &["code"]), "{text}");
        assert!(!is_spared(&pure, text, &["code", "id"]), "an id stands in its line alone");
        assert!(!is_spared(&mixed, text, &["code"]), "one line is left to the parser");
    }
    assert!(!is_spared(&pure, r#"{app="a"} |= "E_1" | json"#, &["code"]), "lines are searched");
}

#[test]
fn lines_that_are_spared_change_no_answer() {
    for other_line in [None, Some("not json"), Some(r#"{"code":"E_1"}"#)] {
        let store = of_json(other_line);
        for what in [
            "count_over_time({app=\"a\"} | json [1m])",
            "count_over_time({app=\"a\"} | json | code=\"E_1\" [1m])",
            "bytes_over_time({app=\"a\"} | json | code=\"E_1\" [1m])",
            "sum_over_time({app=\"a\"} | json | code=\"E_1\" | unwrap n [1m])",
            "count_over_time({app=\"a\"} | json | id=~\".*7.\" [1m])",
            "count_over_time({app=\"a\"} |= \"E_1\" | json [1m])",
            "count_over_time({app=\"a\"} | json |= \"E_1\" [1m])",
            "count_over_time({app=\"a\"} | json != \"7.\" [1m])",
            "count_over_time({app=\"a\"} | json | code=\"E_1\" | regexp `(?P<n>E_.)` [1m])",
            "count_over_time({app=\"a\"} | json | label_format code=note [1m])",
            "count_over_time({app=\"a\"} | logfmt [1m])",
        ] {
            for by in ["code", "n", "code, id"] {
                let is_some = check_same(&store, &format!("sum by ({by}) ({what})"));
                assert!(is_some || other_line.is_some(), "{what}");
            }
        }
    }
}

/// A block without a row that may be kept is left before its lines are read.
#[test]
fn a_block_that_no_condition_passes_shows_no_row() {
    let store = mixed();
    // A column of few values, and one of many.
    for text in [r#"{app="a"} | json | code="E_9""#, r#"{app="a"} | json | n="x""#] {
        check_left(&store, text);
    }
}

#[track_caller]
fn check_left(store: &Store, text: &str) {
    let parsed = parse(text, Mode::Strict);
    let Query::Log(query) = parsed.unwrap().query else { panic!("a log query") };
    let pipeline = Pipeline::compile(&query.stages).unwrap();
    let cancel = Cancel::default();
    let meter = Meter::new(Limits::STANDARD, &cancel, &|| false);
    let what = Selection {
        matchers: &query.selector.matchers,
        range: TimeRange { from_ns: 0, to_ns: i64::MAX },
        direction: None,
        literals: &[],
        conditions: Some(&pipeline),
        columns: Columns::All,
        meter: &meter,
    };
    let mut shown = Vec::new();
    let stats = store.scan(&what, &mut |entry| {
        shown.push(entry.line.to_owned());
        ControlFlow::Continue(())
    });
    // Only lines that are left to the parser.
    assert!(shown.iter().all(|line| line.starts_with("not json")), "{shown:?}");
    assert!(!shown.is_empty());
    assert_eq!(stats.unwrap().blocks_read, 3);
}
