//! Random rows and random selections, against a list.

use lucarne_logql::ast::{MatchOp, Matcher};

use super::*;

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.below(of.len() as u64)).unwrap()]
    }

    fn time(&mut self, bound: u64) -> i64 {
        i64::try_from(self.below(bound)).unwrap()
    }

    fn line(&mut self) -> String {
        let n = self.below(1 << 40);
        let code = n % 3;
        match self.below(8) {
            0 => String::new(),
            1 => format!("plain é {n}"),
            2 => format!(r#"{{"id":"{n:x}","code":"E_{code}","nested":{{"ms":{}}}}}"#, n % 9),
            3 => format!(r#"{{"code":"E_{code}","id":"{n:x}","list":[1,2],"none":null}}"#),
            4 => format!(r#"{{"code":"escaped \" {n}"}}"#),
            5 => format!(r#"{{"broken":{n}"#),
            6 => format!(r#"{{"at":"2026-11-21T09:34:{:02}.{:03}Z","v":{n}.5}}"#, n % 60, n % 1000),
            _ => format!(r#"{{ "code" : "E_{code}" , "ok" : true , "empty":"" }}"#),
        }
    }

    fn row(&mut self) -> Row {
        let stream = self.one(&["a", "b", "c"]);
        let line = self.line();
        let mut row = row(stream, self.time(500), &line);
        if self.below(2) == 0 {
            row.metadata.push(("user".to_owned(), format!("u{}", self.below(40))));
        }
        row
    }

    fn query(&mut self) -> (Vec<Matcher>, TimeRange, Option<Direction>, Vec<String>) {
        let value = self.one(&["a", "a|b", "zzz"]).to_owned();
        let op = self.one(&[MatchOp::Eq, MatchOp::Ne, MatchOp::Re, MatchOp::Nre]);
        let from_ns = self.time(500);
        let range = TimeRange { from_ns, to_ns: from_ns + self.time(300) };
        let direction = self.one(&[None, Some(Direction::Forward), Some(Direction::Backward)]);
        let literals: &[&str] =
            self.one(&[&[], &["E_1"], &["code", "id"], &["é"], &["\"E_2\"", "{"], &[""]]);
        let literals = literals.iter().map(|text| (*text).to_owned()).collect();
        (vec![Matcher { name: "stream".to_owned(), op, value }], range, direction, literals)
    }
}

fn holds(matcher: &Matcher, row: &Row) -> bool {
    let value = row.labels.get("stream").unwrap();
    match matcher.op {
        MatchOp::Eq => value == matcher.value,
        MatchOp::Ne => value != matcher.value,
        MatchOp::Re => matcher.value.split('|').any(|one| one == value),
        MatchOp::Nre => matcher.value.split('|').all(|one| one != value),
    }
}

fn chosen(rows: &[Row], query: &Query<'_>) -> Vec<Row> {
    let mut rows: Vec<Row> = rows
        .iter()
        .filter(|row| query.range.contains(row.time_ns))
        .filter(|row| query.matchers.iter().all(|matcher| holds(matcher, row)))
        .filter(|row| query.literals.iter().all(|needle| row.line.contains(needle)))
        .cloned()
        .collect();
    for row in &mut rows {
        row.metadata.sort();
    }
    rows
}

fn sorted(mut rows: Vec<Row>) -> Vec<Row> {
    rows.sort_by(|one, other| {
        let key =
            |row: &Row| (row.time_ns, row.labels.clone(), row.line.clone(), row.metadata.clone());
        key(one).cmp(&key(other))
    });
    rows
}

/// A store of random rows with what was put in.
fn filled(random: &mut Random, head_bytes: usize) -> (Store, Vec<Row>) {
    let store = Store::new(Config { head_bytes, ..config() }, Vault::memory()).unwrap();
    let mut rows = Vec::new();
    for _ in 0..40 {
        let request: Vec<Row> = (0..random.below(60)).map(|_| random.row()).collect();
        store.append(&request, 0).unwrap();
        rows.extend(request);
        if random.below(10) == 0 {
            store.maintain(0);
        }
    }
    (store, rows)
}

#[test]
fn scans_show_what_a_list_would() {
    for seed in 1..=12_u64 {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        // Small heads make many blocks, and every other store keeps rows uncut.
        let head_bytes = if seed % 2 == 0 { 20_000 } else { 8 << 20 };
        let (store, rows) = filled(&mut random, head_bytes);
        for _ in 0..40 {
            let (matchers, range, direction, literals) = random.query();
            let query = Query { matchers: &matchers, range, direction, literals: &literals };
            let (shown, stats) = rows_of(&store, &query);
            assert_eq!(stats.blocks_unreadable.blocks(), 0, "{:?}", store.report().faults);
            assert_eq!(sorted(shown.clone()), sorted(chosen(&rows, &query)), "seed {seed}");
            let other = match direction {
                None => continue,
                Some(Direction::Forward) => Direction::Backward,
                Some(Direction::Backward) => Direction::Forward,
            };
            let rises = shown.is_sorted_by_key(|row| row.time_ns);
            let falls = shown.is_sorted_by_key(|row| -row.time_ns);
            assert!(if other == Direction::Backward { rises } else { falls }, "seed {seed}");
            let (mut reversed, _) = rows_of(&store, &Query { direction: Some(other), ..query });
            reversed.reverse();
            assert_eq!(reversed, shown, "seed {seed}");
        }
    }
}

#[test]
fn a_rare_needle_opens_few_blocks() {
    let store = Store::new(Config { head_bytes: 100_000, ..config() }, Vault::memory()).unwrap();
    let id = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for n in 0..5_000_u32 {
        let line = format!("request exec-{:016x} done", id(n.into()));
        store.append(&[row("a", n.into(), &line)], 0).unwrap();
    }
    store.maintain(0);
    let needle = format!("exec-{:016x} ", id(77));
    let (rows, stats) = rows_of(&store, &Query { literals: &[needle], ..EVERYTHING });
    assert_eq!(rows.len(), 1);
    assert!(stats.blocks_skipped >= 3 * stats.blocks_read, "{stats:?}");
}
