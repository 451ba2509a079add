//! A cursor shows each row once, in order, however small its frames are.

use lucarne_logql::ast::Query;
use lucarne_logql::labels::LabelSet;

use super::queries::lines;
use super::vec_source::{Stored, VecSource};
use super::{SECOND, parsed};
use crate::engine::Engine;
use crate::engine::error::QueryError;
use crate::engine::limits::{Cancel, Limits};
use crate::engine::tail::{Frame, Tail};

struct Following {
    tail: Tail,
    source: VecSource,
}

impl Following {
    fn new(text: &str, source: VecSource, from: i64, limit: u64) -> Self {
        let Query::Log(query) = parsed(text) else { panic!("a log query") };
        Self { tail: Tail::new(query, from * SECOND, limit), source }
    }

    fn poll(&mut self, until: i64) -> Frame {
        let cancel = Cancel::default();
        let engine = Engine::new(&self.source, Limits::STANDARD, &cancel, &|| false, 0);
        self.tail.poll(&self.source, &engine.meter(), until * SECOND).unwrap()
    }

    fn lines(&mut self, until: i64) -> (Vec<String>, bool) {
        let frame = self.poll(until);
        (frame.rows.into_iter().map(|row| row.line).collect(), frame.more)
    }
}

#[test]
fn rows_come_once_and_in_order() {
    let mut following = Following::new(r#"{app="ctr"}"#, lines(), 10, 100);
    let owned = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
    assert_eq!(following.lines(30), (owned(&["v=1", "v=5"]), false));
    assert_eq!(following.lines(30), (owned(&[]), false));
    assert_eq!(following.lines(31), (owned(&["v=9"]), false));
    assert_eq!(following.lines(25), (owned(&[]), false));
    assert_eq!(following.lines(100), (owned(&["v=2", "v=4"]), false));
}

#[test]
fn an_instant_with_more_rows_than_a_frame_is_continued() {
    let stored = |at: i64, n: i64| Stored {
        stream: LabelSet::from_pairs([("app", "x")]),
        time_ns: at * SECOND,
        line: format!("{at}-{n}"),
        metadata: Vec::new(),
    };
    let mut source = VecSource::default();
    source.entries.extend((0..5).map(|n| stored(1, n)));
    source.entries.extend((0..2).map(|n| stored(2, n)));
    let all: Vec<String> = source.entries.iter().map(|stored| stored.line.clone()).collect();
    for limit in 1..9 {
        let mut following = Following::new(r#"{app="x"}"#, source.clone(), 0, limit);
        let mut seen = Vec::new();
        loop {
            let (lines, more) = following.lines(10);
            assert!(lines.len() as u64 <= limit);
            seen.extend(lines);
            if !more {
                break;
            }
        }
        assert_eq!(seen, all, "with frames of {limit}");
    }
}

#[test]
fn an_instant_with_more_rows_than_the_role_is_left_behind() {
    let stored = |at: i64| Stored {
        stream: LabelSet::from_pairs([("app", "x")]),
        time_ns: at,
        line: at.to_string(),
        metadata: Vec::new(),
    };
    let mut source = VecSource { entries: vec![stored(1); 9], blocks_unreadable: 0 };
    source.entries.push(stored(2));
    let Query::Log(query) = parsed(r#"{app="x"}"#) else { panic!("a log query") };
    let mut tail = Tail::new(query, 0, 3);
    let cancel = Cancel::default();
    let limits = Limits { rows: 7, ..Limits::STANDARD };
    let engine = Engine::new(&source, limits, &cancel, &|| false, 0);
    let mut poll = || tail.poll(&source, &engine.meter(), 10).unwrap();
    assert_eq!([poll().rows.len(), poll().rows.len()], [3, 3]);
    let dropped = Frame { rows: Vec::new(), dropped: vec![(1, LabelSet::new())], more: true };
    assert_eq!(poll(), dropped);
    let last = poll();
    assert_eq!((last.rows[0].line.as_str(), last.rows.len(), last.more), ("2", 1, false));
}

#[test]
fn pipes_over_all_rows_cannot_be_followed() {
    let Query::Log(query) = parsed(r#"{app="x"} | tail 3"#) else { panic!("a log query") };
    let cancel = Cancel::default();
    let source = lines();
    let engine = Engine::new(&source, Limits::STANDARD, &cancel, &|| false, 0);
    let refused = Tail::new(query, 0, 3).poll(&source, &engine.meter(), 10);
    assert_eq!(refused, Err(QueryError::PipesInTail));
}

#[test]
fn a_follower_that_cannot_keep_up_is_told_what_it_missed() {
    let stored = |n: i64| Stored {
        stream: LabelSet::from_pairs([("app", "x")]),
        time_ns: n * SECOND,
        line: n.to_string(),
        metadata: Vec::new(),
    };
    let source = VecSource { entries: (0..100).map(stored).collect(), blocks_unreadable: 0 };
    let mut following = Following::new(r#"{app="x"}"#, source, 0, 2);
    let frames: Vec<Frame> = (0..11).map(|_| following.poll(90)).collect();
    assert!(frames[..9].iter().all(|frame| frame.more && frame.dropped.is_empty()));
    let labels = LabelSet::from_pairs([("app", "x")]);
    assert_eq!(frames[9].dropped, [(19 * SECOND, labels)]);
    assert_eq!(frames[10], Frame::default());
    assert_eq!(following.lines(92), (vec!["90".to_owned(), "91".to_owned()], true));
}
