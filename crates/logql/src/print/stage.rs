//! The canonical spelling of stages; each begins with its `|` or its line operator.

use core::fmt::{self, Display, Formatter, Write};

use super::{Quoted, condition, listed};
use crate::ast::{
    CompareOp, Extraction, LabelFilter, LabelFormat, LabelFormatValue, LabelSelector, LabelTest,
    LabelValue, LineFilter, LineMatch, MatchOp, Stage,
};
use crate::parser::STAGES_ALONE;
use crate::{bytesize, duration};

impl Display for Stage {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::LineFilter(filter) => filter.fmt(f),
            Self::Json(fields) => {
                f.write_str("| json")?;
                extractions(f, fields)
            }
            Self::Logfmt { strict, keep_empty, fields } => {
                f.write_str("| logfmt")?;
                f.write_str(if *strict { " --strict" } else { "" })?;
                f.write_str(if *keep_empty { " --keep-empty" } else { "" })?;
                extractions(f, fields)
            }
            Self::Regexp(text) => write!(f, "| regexp {}", Quoted(text)),
            Self::Pattern(text) => write!(f, "| pattern {}", Quoted(text)),
            Self::Unpack => f.write_str("| unpack"),
            Self::LabelFilter(filter) if reads_as_parser(filter) => write!(f, "| ({filter})"),
            Self::LabelFilter(filter) => write!(f, "| {filter}"),
            Self::LineFormat(text) => write!(f, "| line_format {}", Quoted(text)),
            Self::LabelFormat(formats) => {
                f.write_str("| label_format ")?;
                listed(f, formats)
            }
            Self::Decolorize => f.write_str("| decolorize"),
            Self::Drop(labels) => {
                f.write_str("| drop ")?;
                listed(f, labels)
            }
            Self::Keep(labels) => {
                f.write_str("| keep ")?;
                listed(f, labels)
            }
        }
    }
}

/// `| json != "x"` is a parser and a line filter: such a label filter needs brackets.
fn reads_as_parser(filter: &LabelFilter) -> bool {
    let first = match filter {
        LabelFilter::All(parts) | LabelFilter::Any(parts) => parts.first(),
        LabelFilter::Test(_) => Some(filter),
    };
    let Some(LabelFilter::Test(test)) = first else { return false };
    let negated = match &test.value {
        LabelValue::Text(op, _) => matches!(op, MatchOp::Ne | MatchOp::Nre),
        LabelValue::Number(op, _) | LabelValue::Duration(op, _) | LabelValue::Bytes(op, _) => {
            *op == CompareOp::Ne
        }
        LabelValue::Ip { negated, .. } => *negated,
    };
    negated && STAGES_ALONE.iter().any(|name| name.eq_ignore_ascii_case(&test.name))
}

fn extractions(f: &mut Formatter<'_>, fields: &[Extraction]) -> fmt::Result {
    if fields.is_empty() {
        return Ok(());
    }
    f.write_char(' ')?;
    listed(f, fields)
}

impl Display for LineFilter {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.op.as_str())?;
        for (index, alternative) in self.alternatives.iter().enumerate() {
            f.write_str(if index == 0 { " " } else { " or " })?;
            match alternative {
                LineMatch::Text(text) => Quoted(text).fmt(f)?,
                LineMatch::Ip(range) => write!(f, "ip({})", Quoted(range))?,
            }
        }
        Ok(())
    }
}

impl Display for Extraction {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if self.expression == self.name {
            return Ok(());
        }
        write!(f, "={}", Quoted(&self.expression))
    }
}

impl Display for LabelFilter {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (parts, word) = match self {
            Self::Test(test) => return test.fmt(f),
            Self::All(parts) => (parts, " and "),
            Self::Any(parts) => (parts, " or "),
        };
        for (index, part) in parts.iter().enumerate() {
            if index > 0 {
                f.write_str(word)?;
            }
            match part {
                Self::Test(test) => test.fmt(f)?,
                Self::All(_) | Self::Any(_) => write!(f, "({part})")?,
            }
        }
        Ok(())
    }
}

impl Display for LabelTest {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        match &self.value {
            LabelValue::Text(op, value) => condition(f, name, *op, value),
            LabelValue::Number(op, number) => write!(f, "{name} {} {number}", op.as_str()),
            LabelValue::Duration(op, nanoseconds) => {
                write!(f, "{name} {} {}", op.as_str(), duration::Spelled(*nanoseconds))
            }
            LabelValue::Bytes(op, bytes) => {
                write!(f, "{name} {} {}", op.as_str(), bytesize::Spelled(*bytes))
            }
            LabelValue::Ip { negated, range } => {
                write!(f, "{name}{}ip({})", if *negated { "!=" } else { "=" }, Quoted(range))
            }
        }
    }
}

impl Display for LabelFormat {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.value {
            LabelFormatValue::Rename(from) => write!(f, "{}={from}", self.name),
            LabelFormatValue::Template(text) => write!(f, "{}={}", self.name, Quoted(text)),
        }
    }
}

impl Display for LabelSelector {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.condition {
            None => f.write_str(&self.name),
            Some((op, value)) => condition(f, &self.name, *op, value),
        }
    }
}
