//! Compiled stages: what happens to one line after the other.
//!
//! A [`Pipeline`] is compiled once a query and run once a line. It allocates nothing on the way of
//! an ordinary line: labels and texts lie in a [`Scratch`] that the caller keeps. Where a store has
//! taken the fields out of a line beforehand, [`Input::shredded`] answers in the parser's place,
//! with the same labels either way.

mod capture;
mod convert;
mod decolorize;
mod early;
mod error;
mod fields;
mod format;
mod json;
mod label_filter;
mod line_filter;
mod logfmt;
mod row;
mod select;
mod unpack;
mod unwrap;
mod working;

use alloc::string::String;
use alloc::vec::Vec;

use crate::ast;
use crate::go_regex::Regex;
use crate::labels::LabelSet;
use crate::pattern_filter::CapturePattern;
use crate::template::{Facts, Template};

pub(crate) use convert::{bytes, count_to_float, int_to_float, seconds};
pub use error::CompileError;
pub use fields::{Fields, Shredding};
pub use json::{JsonError, json_fields};
pub(crate) use json::{Reader as JsonReader, Value as JsonValue};
pub use label_filter::LabelMatcher;
pub use logfmt::{LogfmtError, logfmt_fields};
pub use row::Row;
pub use unwrap::{Sample, SamplePipeline};
pub use working::{Class, ERROR, ERROR_DETAILS, LABEL_BYTES_MAX};

use decolorize::Decolorize;
use early::Early;
use error::{FULL, JSON_PARSER, LOGFMT_PARSER, PARSER};
use format::{LabelFormat, Rendered};
use label_filter::LabelFilter;
use line_filter::LineFilter;
use logfmt::Logfmt;
use select::Selection;
use working::{Full, Labels, Working};

/// A compiled pipeline.
#[derive(Debug)]
pub struct Pipeline {
    /// The line filters before everything else, which need no labels.
    head: Vec<LineFilter>,
    steps: Vec<Step>,
    early: Early,
    literals: Vec<String>,
}

/// One line and what came with it.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    /// Nanoseconds since 1970.
    pub time_ns: i64,
    /// The line as it was stored.
    pub line: &'a str,
    /// The labels of its stream.
    pub stream: &'a LabelSet,
    /// Structured metadata: names and values, each name once.
    pub metadata: &'a [(&'a str, &'a str)],
    /// Fields that were taken out of the line beforehand, if it could be read in full.
    pub shredded: Option<&'a dyn Fields>,
}

/// What became of a line.
#[derive(Debug)]
pub enum Outcome<'r> {
    /// A filter dropped it.
    Dropped,
    /// It came through.
    Kept(Row<'r>),
}

/// Buffers that lines use one after the other.
#[derive(Debug, Default)]
pub struct Scratch {
    working: Working,
    texts: Texts,
    json: json::Buffers,
    logfmt: logfmt::Buffers,
    slots: capture::Slots,
    rendered: Rendered,
    /// A field that is looked at before it is extracted.
    value: String,
    now_ns: i64,
}

impl Scratch {
    /// Empty buffers. `now_ns` is what templates call `now`, in nanoseconds since 1970.
    #[must_use]
    pub fn new(now_ns: i64) -> Self {
        Self { now_ns, ..Self::default() }
    }
}

/// The line while stages write it anew.
#[derive(Debug, Default)]
struct Texts {
    current: String,
    next: String,
    changed: bool,
}

impl Texts {
    fn line<'a>(&'a self, input: &'a Input<'_>) -> &'a str {
        if self.changed { &self.current } else { input.line }
    }

    /// Makes what was written to `next` the line.
    fn advance(&mut self) {
        core::mem::swap(&mut self.current, &mut self.next);
        self.changed = true;
    }
}

#[derive(Debug)]
enum Step {
    Line(LineFilter),
    Json,
    JsonPaths(Vec<(String, json::Path)>),
    Logfmt(Logfmt),
    Regexp(Regex),
    Pattern(CapturePattern),
    Unpack,
    Label(LabelFilter),
    LineFormat(Template),
    LabelFormat(LabelFormat),
    Decolorize(Decolorize),
    Drop(Selection),
    Keep(Selection),
}

impl Pipeline {
    /// Compiles stages.
    ///
    /// # Errors
    /// What cannot be compiled; a parsed query has been through here already.
    pub fn compile(stages: &[ast::Stage]) -> Result<Self, CompileError> {
        if stages.len() > STAGES_MAX {
            return Err(CompileError::TooManyStages { got: stages.len() });
        }
        let (mut head, mut steps, mut literals) = (Vec::new(), Vec::new(), Vec::new());
        let mut line_is_original = true;
        for stage in stages {
            let step = Step::compile(stage)?;
            line_is_original = line_is_original && !step.changes_line();
            match step {
                Step::Line(filter) => {
                    if line_is_original {
                        filter.needles(&mut literals);
                    }
                    if steps.is_empty() {
                        head.push(filter);
                    } else {
                        steps.push(Step::Line(filter));
                    }
                }
                step => steps.push(step),
            }
        }
        literals.retain(|literal: &String| !literal.is_empty());
        literals.sort();
        literals.dedup();
        Ok(Self { head, steps, early: Early::of(stages)?, literals })
    }

    /// Texts that every line that is kept contains, as it was stored: for filters of blocks, and
    /// for a search before anything else is done with a line.
    #[must_use]
    pub fn literals(&self) -> &[String] {
        &self.literals
    }

    /// Fields of which [`Pipeline::may_keep`] reads the values, in no order.
    pub fn conditions(&self) -> impl Iterator<Item = &str> {
        self.early.names()
    }

    /// Whether a line may be kept, by its [`Input::shredded`] fields and nothing else of it:
    /// `false` only for a line that [`Pipeline::run`] drops. Metadata counts by name, and may name
    /// more than the line has; the line itself is not read. `value` is room to work in.
    #[must_use]
    pub fn may_keep(&self, input: &Input<'_>, value: &mut String) -> bool {
        self.early.may_keep(input, value)
    }

    /// Runs one line.
    pub fn run<'r>(&self, input: &'r Input<'r>, scratch: &'r mut Scratch) -> Outcome<'r> {
        if self.keeps(input, scratch) {
            Outcome::Kept(Row::of(input, scratch))
        } else {
            Outcome::Dropped
        }
    }

    fn keeps(&self, input: &Input<'_>, scratch: &mut Scratch) -> bool {
        scratch.texts.changed = false;
        if !self.head.iter().all(|filter| filter.keeps(input.line)) {
            return false;
        }
        if !self.early.may_keep(input, &mut scratch.value) {
            return false;
        }
        // The labels borrow the working set; everything else of the scratch is free beside it.
        let Scratch { working, texts, json, logfmt, slots, rendered, value: _, now_ns } = scratch;
        let labels = Labels::begin(input, working);
        let mut run = Run { labels, texts, json, logfmt, slots, rendered, now_ns: *now_ns };
        self.steps.iter().all(|step| run.step(step))
    }
}

impl Step {
    fn compile(stage: &ast::Stage) -> Result<Self, CompileError> {
        Ok(match stage {
            ast::Stage::LineFilter(filter) => Self::Line(LineFilter::compile(filter)?),
            ast::Stage::Json(fields) if fields.is_empty() => Self::Json,
            ast::Stage::Json(fields) => {
                let path = |field: &ast::Extraction| {
                    Ok((field.name.clone(), json::Path::parse(&field.expression)?))
                };
                Self::JsonPaths(fields.iter().map(path).collect::<Result<_, CompileError>>()?)
            }
            ast::Stage::Logfmt { strict, keep_empty, fields } => {
                Self::Logfmt(Logfmt::compile(*strict, *keep_empty, fields)?)
            }
            ast::Stage::Regexp(text) => Self::Regexp(capture::regexp(text)?),
            ast::Stage::Pattern(text) => Self::Pattern(CapturePattern::parse(text)?),
            ast::Stage::Unpack => Self::Unpack,
            ast::Stage::LabelFilter(filter) => Self::Label(LabelFilter::compile(filter)?),
            ast::Stage::LineFormat(text) => Self::LineFormat(Template::compile(text)?),
            ast::Stage::LabelFormat(formats) => Self::LabelFormat(LabelFormat::compile(formats)?),
            ast::Stage::Decolorize => Self::Decolorize(Decolorize::compile()?),
            ast::Stage::Drop(labels) => Self::Drop(Selection::compile(labels)?),
            ast::Stage::Keep(labels) => Self::Keep(Selection::compile(labels)?),
        })
    }

    fn changes_line(&self) -> bool {
        matches!(self, Self::Unpack | Self::LineFormat(_) | Self::Decolorize(_))
    }
}

/// One line on its way.
struct Run<'r> {
    labels: Labels<'r>,
    texts: &'r mut Texts,
    json: &'r mut json::Buffers,
    logfmt: &'r mut logfmt::Buffers,
    slots: &'r mut capture::Slots,
    rendered: &'r mut Rendered,
    now_ns: i64,
}

impl Run<'_> {
    /// Whether the line goes on.
    fn step(&mut self, step: &Step) -> bool {
        let input = self.labels.input;
        match step {
            Step::Line(filter) => return filter.keeps(self.texts.line(input)),
            Step::Label(filter) => return filter.keeps(&mut self.labels),
            Step::Json => self.json_all(),
            Step::JsonPaths(paths) => self.json_paths(paths),
            Step::Logfmt(stage) => self.logfmt(stage),
            Step::Regexp(regex) => {
                let line = self.texts.line(input);
                let done = capture::extract_groups(regex, line, &mut self.labels, self.slots);
                self.parsed(done);
            }
            Step::Pattern(pattern) => {
                let line = self.texts.line(input);
                let done = capture::extract_captures(pattern, line, &mut self.labels);
                self.parsed(done);
            }
            Step::Unpack => self.unpack(),
            Step::LineFormat(template) => self.line_format(template),
            Step::LabelFormat(format) => {
                let facts = facts(input, self.now_ns, self.texts.line(input));
                format.run(&mut self.labels, facts, self.rendered);
            }
            Step::Decolorize(stage) => {
                let line = if self.texts.changed { &self.texts.current } else { input.line };
                if stage.run(line, &mut self.texts.next) {
                    self.texts.advance();
                }
            }
            Step::Drop(selection) => selection.drop_from(&mut self.labels),
            Step::Keep(selection) => selection.keep_in(&mut self.labels),
        }
        true
    }

    /// Fields that stand for a parser, if the line is still the one that they were taken from.
    fn shredded(&self, shredding: Shredding) -> Option<&dyn Fields> {
        let fields = self.labels.input.shredded.filter(|_| !self.texts.changed)?;
        (fields.shredding() == shredding).then_some(fields)
    }

    fn take_fields(&mut self, shredding: Shredding) -> Option<Result<(), Full>> {
        let input = self.labels.input;
        self.shredded(shredding)?;
        let mut done = Ok(());
        input.shredded?.each(&mut |name, value| {
            if done.is_ok() {
                done = self.labels.extract(name, value);
            }
        });
        Some(done)
    }

    fn json_all(&mut self) {
        let input = self.labels.input;
        let done = match self.take_fields(Shredding::Json) {
            Some(done) => done.map_err(|Full| JsonError::TooLarge),
            None => json::extract_all(self.texts.line(input), &mut self.labels, self.json),
        };
        if let Err(error) = done {
            self.labels.fail(JSON_PARSER, &error);
        }
    }

    fn json_paths(&mut self, paths: &[(String, json::Path)]) {
        let line = self.texts.line(self.labels.input);
        for (name, path) in paths {
            let done = json::extract_path(line, name, path, &mut self.labels, self.json);
            if let Err(error) = done {
                self.labels.fail(JSON_PARSER, &error);
                return;
            }
        }
    }

    fn logfmt(&mut self, stage: &Logfmt) {
        let input = self.labels.input;
        let taken = if stage.is_plain() { self.take_fields(Shredding::Logfmt) } else { None };
        let done = match taken {
            Some(done) => done.map_err(|Full| LogfmtError::TooLarge),
            None => stage.run(self.texts.line(input), &mut self.labels, self.logfmt),
        };
        if let Err(error) = done {
            self.labels.fail(LOGFMT_PARSER, &error);
        }
    }

    fn parsed(&mut self, done: Result<(), Full>) {
        if done.is_err() {
            self.labels.fail(PARSER, &FULL);
        }
    }

    fn unpack(&mut self) {
        let input = self.labels.input;
        let line = if self.texts.changed { &self.texts.current } else { input.line };
        match unpack::unpack(line, &mut self.labels, &mut self.texts.next) {
            Ok(true) => self.texts.advance(),
            Ok(false) => {}
            Err(error) => self.labels.fail(JSON_PARSER, &error),
        }
    }

    fn line_format(&mut self, template: &Template) {
        let input = self.labels.input;
        let line = if self.texts.changed { &self.texts.current } else { input.line };
        let facts = facts(input, self.now_ns, line);
        if format::format_line(template, &mut self.labels, facts, &mut self.texts.next) {
            self.texts.advance();
        }
    }
}

/// What a template can ask beside the labels.
fn facts<'a>(input: &Input<'_>, now_ns: i64, line: &'a str) -> Facts<'a> {
    Facts { line, time_ns: input.time_ns, now_ns }
}

/// A query of allowed length could have ten thousand; each costs memory and time a line.
const STAGES_MAX: usize = 256;

#[cfg(test)]
mod tests;
