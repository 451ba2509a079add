//! The canonical spelling of metric expressions, with the brackets that precedence needs.

use core::fmt::{self, Display, Formatter};

use super::{Quoted, bracketed};
use crate::ast::{
    Binary, GroupSide, Grouping, LabelReplace, Metric, RangeAggregation, Sort, Unwrap,
    VectorAggregation, VectorMatching, WHOLE_RANGE,
};
use crate::{check, duration};

impl Display for Metric {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Range(range) => range.fmt(f),
            Self::Vector(vector) => vector.fmt(f),
            Self::Binary(binary) => binary.fmt(f),
            Self::LabelReplace(replace) => replace.fmt(f),
            Self::Sort(sort) => sort.fmt(f),
            Self::VectorLiteral(number) => write!(f, "vector({number})"),
            Self::Number(number) => write!(f, "{number}"),
        }
    }
}

impl Display for RangeAggregation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}(", self.op.as_str())?;
        if let Some(param) = self.param {
            write!(f, "{param}, ")?;
        }
        write!(f, "{}", self.query)?;
        if let Some(unwrap) = &self.unwrap {
            write!(f, " {unwrap}")?;
        }
        if self.range_ns == WHOLE_RANGE {
            f.write_str(" [$range]")?;
        } else {
            write!(f, " [{}]", duration::Spelled(self.range_ns))?;
        }
        if self.offset_ns != 0 {
            write!(f, " offset {}", duration::Spelled(self.offset_ns))?;
        }
        f.write_str(")")?;
        self.grouping.as_ref().map_or(Ok(()), |grouping| write!(f, " {grouping}"))
    }
}

impl Display for Unwrap {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match check::conversion_name(self.conversion) {
            None => write!(f, "| unwrap {}", self.label)?,
            Some(name) => write!(f, "| unwrap {name}({})", self.label)?,
        }
        for filter in &self.filters {
            write!(f, " | {filter}")?;
        }
        Ok(())
    }
}

impl Display for Grouping {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(if self.without { "without " } else { "by " })?;
        bracketed(f, &self.labels)
    }
}

impl Display for VectorAggregation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.op.as_str())?;
        if let Some(grouping) = &self.grouping {
            write!(f, " {grouping} ")?;
        }
        f.write_str("(")?;
        if let Some(count) = self.param {
            write!(f, "{count}, ")?;
        }
        write!(f, "{})", self.of)
    }
}

impl Display for Sort {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let name = if self.descending { "sort_desc" } else { "sort" };
        write!(f, "{name}({})", self.of)
    }
}

impl Display for LabelReplace {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { of, dst, replacement, src, regex } = self;
        let (dst, replacement) = (Quoted(dst), Quoted(replacement));
        write!(f, "label_replace({of}, {dst}, {replacement}, {}, {})", Quoted(src), Quoted(regex))
    }
}

impl Display for Binary {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let right_first = self.op.is_right_associative();
        operand(f, &self.left, self.op.precedence(), right_first)?;
        write!(f, " {}", self.op.as_str())?;
        f.write_str(if self.return_bool { " bool" } else { "" })?;
        if let Some(matching) = &self.matching {
            write!(f, " {matching}")?;
        }
        f.write_str(" ")?;
        operand(f, &self.right, self.op.precedence(), !right_first)
    }
}

/// In brackets, if it binds less tightly, or as tightly on the side that is read later.
fn operand(f: &mut Formatter<'_>, of: &Metric, around: u8, later: bool) -> fmt::Result {
    let loose = match of {
        Metric::Binary(binary) => {
            let own = binary.op.precedence();
            own < around || (own == around && later)
        }
        _ => false,
    };
    if loose { write!(f, "({of})") } else { of.fmt(f) }
}

impl Display for VectorMatching {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(if self.ignoring { "ignoring " } else { "on " })?;
        bracketed(f, &self.labels)?;
        let Some(group) = &self.group else { return Ok(()) };
        f.write_str(match group.side {
            GroupSide::Left => " group_left ",
            GroupSide::Right => " group_right ",
        })?;
        bracketed(f, &group.include)
    }
}
