//! Conditions that are decided before anything is extracted, and what is left to the filters.

use core::cell::Cell;

use super::*;

/// Fields that count how often somebody takes all of them.
#[derive(Debug, Default)]
struct Counted {
    taken: Cell<usize>,
}

const FIELDS: [(&str, &str); 4] =
    [("code", "E_1"), ("ms", "250"), ("word", "soon"), ("m", "of the line")];

impl Fields for Counted {
    fn shredding(&self) -> Shredding {
        Shredding::Json
    }

    fn get(&self, name: &str, out: &mut String) -> bool {
        let found = FIELDS.iter().find(|(have, _)| *have == name);
        out.push_str(found.map_or("", |(_, value)| value));
        found.is_some()
    }

    fn each(&self, visit: &mut dyn FnMut(&str, &str)) {
        self.taken.set(self.taken.get() + 1);
        FIELDS.iter().for_each(|(name, value)| visit(name, value));
    }
}

/// Whether the line is kept, and whether its fields were taken; a parser says the same of it.
#[track_caller]
fn check(stages: &str, kept: bool, taken: bool) {
    let pipeline = Pipeline::compile(&super::stages(stages)).unwrap();
    let line = r#"{"code":"E_1","ms":250,"word":"soon","m":"of the line"}"#;
    let stream = LabelSet::from_pairs([("job", "j"), ("s", "stream")]);
    let metadata = [("m", "metadata"), ("n", "metadata")];
    let fields = Counted::default();
    for shredded in [None, Some(&fields as &dyn Fields)] {
        let input = Input { time_ns: 0, line, stream: &stream, metadata: &metadata, shredded };
        let mut scratch = Scratch::default();
        let is_kept = matches!(pipeline.run(&input, &mut scratch), Outcome::Kept(_));
        assert_eq!(is_kept, kept, "{stages}, columns: {}", shredded.is_some());
    }
    assert_eq!(fields.taken.get() > 0, taken, "{stages}");
}

#[test]
fn a_line_that_a_filter_drops_is_not_extracted() {
    check(r#"| json | code="E_1""#, true, true);
    check(r#"| json | code="E_2""#, false, false);
    check(r#"|= "soon" | json | code=~"E_[23]""#, false, false);
    check(r#"| json | code!="E_1""#, false, false);
    check(r#"| json | code="E_1" and ms > 300"#, false, false);
    check(r#"| json | ms <= 250 | code!~"E_.""#, false, false);
    check(r#"| json | absent!="" "#, false, false);
    check("| json | absent > 1", false, false);
}

#[test]
fn what_something_else_may_decide_is_left_to_the_filters() {
    // Any of two, and a filter behind a stage that makes labels.
    check(r#"| json | code="E_2" or ms = 250"#, true, true);
    check(r#"| json | label_format code="E_2" | code="E_2""#, true, true);
    check(r#"| json | line_format "x" | code="E_2""#, false, true);
    // A label of the stream, one of metadata, and the names that a clash makes.
    check(r#"| json | s="stream""#, true, true);
    check(r#"| json | n="metadata""#, true, true);
    check(r#"| json | m="of the line""#, true, true);
    check(r#"| json | job_extracted="" "#, true, true);
    // A value that is no number marks the line, and then no number decides any more.
    check("| json | word > 1 | ms > 300", true, true);
    check("| json | ms > 300 | word > 1", false, false);
    check(r#"| json | word > 1 | __error__="" "#, false, true);
    check(r#"| json | word > 1 or code="x" | ms > 300"#, true, true);
    check("| json | word > 1s | ms > 300", true, true);
}
