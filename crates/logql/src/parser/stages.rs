//! Stages of a pipeline: line filters, and what follows a `|`.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::Parser;
use crate::ast::{
    Extraction, LabelFormat, LabelFormatValue, LabelSelector, LineFilter, LineMatch, LineOp, Stage,
};
use crate::check;
use crate::error::{ParseError, Span};
use crate::lexer::TokenKind;
use crate::suggestion::nearest;

/// What may follow a `|`, apart from label filters.
const STAGES: [&str; 18] = [
    "json",
    "logfmt",
    "regexp",
    "pattern",
    "unpack",
    "line_format",
    "label_format",
    "decolorize",
    "drop",
    "keep",
    "unwrap",
    "sort",
    "head",
    "limit",
    "tail",
    "distinct",
    "top",
    "fields",
];

/// Stages that may stand without anything behind them.
pub(crate) const STAGES_ALONE: [&str; 4] = ["json", "logfmt", "unpack", "decolorize"];

impl Parser<'_> {
    /// Whether a stage follows.
    pub(super) fn at_stage(&self) -> bool {
        self.is_sign("|") || self.line_op().is_some()
    }

    /// The next stage of a pipeline that has `before` already; none if something else follows.
    pub(super) fn stage(&mut self, before: usize) -> Result<Option<Stage>, ParseError> {
        if self.at_stage() && before >= super::MAX_STAGES {
            let message = format!("query has more than {} stages", super::MAX_STAGES);
            return Err(self.error(self.peek().span, message));
        }
        if self.line_op().is_some() {
            self.line_filter().map(Some)
        } else if self.eat_sign("|") {
            self.piped_stage().map(Some)
        } else {
            Ok(None)
        }
    }

    fn line_op(&self) -> Option<LineOp> {
        let TokenKind::Sign(sign) = self.peek().kind else { return None };
        Some(match sign {
            "|=" => LineOp::Contains,
            "!=" => LineOp::NotContains,
            "|~" => LineOp::Regex,
            "!~" => LineOp::NotRegex,
            "|>" => LineOp::Pattern,
            "!>" => LineOp::NotPattern,
            _ => return None,
        })
    }

    fn line_filter(&mut self) -> Result<Stage, ParseError> {
        let Some(op) = self.line_op() else { return Err(self.unexpected("a line filter")) };
        self.take();
        let mut alternatives = Vec::new();
        loop {
            alternatives.push(self.line_match(op)?);
            if !self.eat_word("or") {
                return Ok(Stage::LineFilter(LineFilter { op, alternatives }));
            }
        }
    }

    fn line_match(&mut self, op: LineOp) -> Result<LineMatch, ParseError> {
        if !self.at_ip() {
            let (text, span) = self.text("a string")?;
            check::line_match(self, op, &text, span)?;
            return Ok(LineMatch::Text(text));
        }
        let name = self.peek().span;
        let range = self.ip()?;
        if !matches!(op, LineOp::Contains | LineOp::NotContains) {
            let message = format!("ip() works with |= and !=, not with {}", op.as_str());
            return Err(self.error(name, message));
        }
        Ok(LineMatch::Ip(range))
    }

    pub(super) fn at_ip(&self) -> bool {
        self.is_word_at(0, "ip") && self.is_sign_at(1, "(")
    }

    /// `ip("range")`
    pub(super) fn ip(&mut self) -> Result<String, ParseError> {
        self.take();
        self.expect_sign("(")?;
        let (range, span) = self.text("a string")?;
        check::ip_range(self, &range, span)?;
        self.expect_sign(")")?;
        Ok(range)
    }

    fn piped_stage(&mut self) -> Result<Stage, ParseError> {
        let Some(word) = self.word_at(0).map(str::to_ascii_lowercase) else {
            if self.is_sign("(") {
                return self.label_filter().map(Stage::LabelFilter);
            }
            return Err(self.unexpected("a parser, a formatter or a label filter"));
        };
        if self.is_label_filter(&word) {
            return self.label_filter().map(Stage::LabelFilter);
        }
        let span = self.take().span;
        match word.as_str() {
            "json" => Ok(Stage::Json(self.extractions(Stage::Json)?)),
            "logfmt" => self.logfmt(),
            "unpack" => Ok(Stage::Unpack),
            "decolorize" => Ok(Stage::Decolorize),
            "regexp" => self.text_stage(Stage::Regexp),
            "pattern" => self.text_stage(Stage::Pattern),
            "line_format" => self.text_stage(Stage::LineFormat),
            "label_format" => self.label_format(),
            "drop" => Ok(Stage::Drop(self.list(Self::label_selector)?)),
            "keep" => Ok(Stage::Keep(self.list(Self::label_selector)?)),
            _ => Err(self.unknown_stage(&word, span)),
        }
    }

    /// A stage that is one string with a form of its own.
    fn text_stage(&mut self, stage: fn(String) -> Stage) -> Result<Stage, ParseError> {
        let (text, span) = self.text("a string")?;
        let stage = stage(text);
        check::stage(self, &stage, span)?;
        Ok(stage)
    }

    /// `| json != "x"` is a parser and a line filter; with other names a comparison decides.
    fn is_label_filter(&self, word: &str) -> bool {
        let alone = STAGES_ALONE.contains(&word);
        let line_filter = self.is_sign_at(1, "!=") || self.is_sign_at(1, "!~");
        self.is_comparison_at(0) && !(alone && line_filter)
    }

    fn unknown_stage(&self, word: &str, span: Span) -> ParseError {
        if word == "unwrap" {
            let message = "unwrap is only allowed inside of a range aggregation";
            return self.error(span, String::from(message));
        }
        if STAGES.contains(&word) {
            let usage = match word {
                "sort" => "sort by (field [asc|desc], ...)",
                "distinct" => "distinct by (field, ...)",
                "top" => "top n by (field, ...)",
                "fields" => "fields name, ...",
                "limit" => "limit n",
                "tail" => "tail n",
                _ => "head n",
            };
            return self
                .error(span, format!("{word} is not allowed here, it ends a log query"))
                .suggest(Some(format!("its form is {usage}")));
        }
        let hint = nearest(word, STAGES).map(|near| format!("did you mean {near}"));
        let spelled = self.spelled(span);
        self.error(
            span,
            format!(
                "unknown stage \"{}\", or a label filter without an operator",
                super::shortened(spelled)
            ),
        )
        .suggest(hint)
    }

    fn logfmt(&mut self) -> Result<Stage, ParseError> {
        let (mut strict, mut keep_empty) = (false, false);
        while self.peek().kind == TokenKind::Flag {
            let span = self.take().span;
            let flag = match self.spelled(span) {
                "--strict" => &mut strict,
                "--keep-empty" => &mut keep_empty,
                unknown => {
                    let hint = nearest(unknown, ["--strict", "--keep-empty"]);
                    return Err(self
                        .error(
                            span,
                            format!("logfmt has no flag \"{}\"", super::shortened(unknown)),
                        )
                        .suggest(hint.map(|near| format!("did you mean {near}"))));
                }
            };
            if core::mem::replace(flag, true) {
                return Err(self.error(span, String::from("flag is given twice")));
            }
        }
        let plain = |fields| Stage::Logfmt { strict: false, keep_empty: false, fields };
        Ok(Stage::Logfmt { strict, keep_empty, fields: self.extractions(plain)? })
    }

    /// Labels with where they are found, if any; each is checked as the only one of a stage.
    fn extractions(
        &mut self,
        stage: impl Fn(Vec<Extraction>) -> Stage,
    ) -> Result<Vec<Extraction>, ParseError> {
        if self.word_at(0).is_none() {
            return Ok(Vec::new());
        }
        self.list(|parser| {
            let name = parser.name("a label name")?;
            if !parser.eat_sign("=") {
                return Ok(Extraction { expression: name.clone(), name });
            }
            let (expression, span) = parser.text("a string")?;
            let extraction = Extraction { name, expression };
            check::stage(parser, &stage(vec![extraction.clone()]), span)?;
            Ok(extraction)
        })
    }

    fn label_format(&mut self) -> Result<Stage, ParseError> {
        let mut formats: Vec<LabelFormat> = Vec::new();
        loop {
            let span = self.peek().span;
            let name = self.name("a label name")?;
            if formats.iter().any(|format| format.name == name) {
                let message = format!("label {name} is set twice in one label_format");
                return Err(self
                    .error(span, message)
                    .suggest(Some(String::from("use a second label_format"))));
            }
            self.expect_sign("=")?;
            let value = match self.word_at(0) {
                Some(_) => LabelFormatValue::Rename(self.name("a label name")?),
                None => LabelFormatValue::Template(self.text("a label name or a string")?.0),
            };
            let format = LabelFormat { name, value };
            check::stage(self, &Stage::LabelFormat(vec![format.clone()]), span.to(self.behind()))?;
            formats.push(format);
            if !self.eat_sign(",") {
                return Ok(Stage::LabelFormat(formats));
            }
        }
    }

    fn label_selector(&mut self) -> Result<LabelSelector, ParseError> {
        let name = self.name("a label name")?;
        let condition = match self.match_op() {
            None => None,
            Some(op) => {
                let (value, span) = self.text("a string")?;
                if op.is_regex() {
                    check::regex(self, &value, span)?;
                }
                Some((op, value))
            }
        };
        Ok(LabelSelector { name, condition })
    }
}
