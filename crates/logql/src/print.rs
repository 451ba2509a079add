//! The canonical spelling of queries: `parse(print(q)) == q`, one spelling for each query.
//!
//! Keywords in small letters, one space between words, the window behind the pipeline, grouping
//! before the brackets, brackets only where the tree needs them, strings in double quotes.

mod metric;
mod stage;

use core::fmt::{self, Display, Formatter, Write};

use crate::ast::{LogQuery, MatchOp, Matcher, Pipe, Query, Selector};

impl Display for Query {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Log(query) => query.fmt(f),
            Self::Metric(metric) => metric.fmt(f),
        }
    }
}

impl Display for LogQuery {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.selector.fmt(f)?;
        for stage in &self.stages {
            write!(f, " {stage}")?;
        }
        for pipe in &self.pipes {
            write!(f, " | {pipe}")?;
        }
        Ok(())
    }
}

impl Display for Selector {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_char('{')?;
        listed(f, &self.matchers)?;
        f.write_char('}')
    }
}

impl Display for Matcher {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        condition(f, &self.name, self.op, &self.value)
    }
}

impl Display for MatchOp {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Display for Pipe {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sort { keys, limit } => {
                f.write_str("sort by (")?;
                for (index, key) in keys.iter().enumerate() {
                    let comma = if index == 0 { "" } else { ", " };
                    let direction = if key.descending { " desc" } else { "" };
                    write!(f, "{comma}{}{direction}", key.field)?;
                }
                f.write_char(')')?;
                limit.map_or(Ok(()), |count| write!(f, " limit {count}"))
            }
            Self::Head(count) => write!(f, "head {count}"),
            Self::Tail(count) => write!(f, "tail {count}"),
            Self::Distinct(by) => {
                f.write_str("distinct by ")?;
                bracketed(f, by)
            }
            Self::Top { count, by } => {
                write!(f, "top {count} by ")?;
                bracketed(f, by)
            }
            Self::Fields(names) => {
                f.write_str("fields ")?;
                listed(f, names)
            }
        }
    }
}

/// `name="value"`
fn condition(f: &mut Formatter<'_>, name: &str, op: MatchOp, value: &str) -> fmt::Result {
    write!(f, "{name}{op}{}", Quoted(value))
}

/// `a, b`
fn listed<T: Display>(f: &mut Formatter<'_>, items: &[T]) -> fmt::Result {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            f.write_str(", ")?;
        }
        item.fmt(f)?;
    }
    Ok(())
}

/// `(a, b)`
fn bracketed<T: Display>(f: &mut Formatter<'_>, items: &[T]) -> fmt::Result {
    f.write_char('(')?;
    listed(f, items)?;
    f.write_char(')')
}

/// A string in double quotes; control characters are escaped, everything else stands for itself.
struct Quoted<'a>(&'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for c in self.0.chars() {
            match c {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                c if c.is_control() => write!(f, "\\u{:04x}", u32::from(c))?,
                c => f.write_char(c)?,
            }
        }
        f.write_char('"')
    }
}

#[cfg(test)]
mod tests;
