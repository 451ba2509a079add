//! Templates of `line_format` and `label_format`: the part of Go's `text/template` that a line
//! needs, with the functions that LogQL documents.
//!
//! A template is compiled once a query and rendered once a line. What a line can make it cost is
//! bounded by [`WORK_MAX`], whatever it loops over. It has no other templates to call, no methods,
//! and no time zones but UTC and fixed offsets: it reads nothing but its arguments.

mod action;
mod decimal;
mod error;
mod exec;
mod function;
mod functions;
mod layout;
mod printf;
mod tree;
mod value;

use alloc::string::String;
use alloc::vec::Vec;

pub use error::{RenderError, TemplateError};

/// A compiled template.
#[derive(Clone, Debug)]
pub struct Template {
    source: String,
    nodes: Vec<tree::Node>,
}

/// What `.` is: the labels of a line.
pub trait Dot {
    /// The value of a label.
    fn field(&self, name: &str) -> Option<&str>;
    /// Shows each label, in any order.
    fn each(&self, visit: &mut dyn FnMut(&str, &str));
}

/// What functions without arguments answer.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// `__line__`
    pub line: &'a str,
    /// `__timestamp__`, in nanoseconds since 1970.
    pub time_ns: i64,
    /// `now`, in nanoseconds since 1970.
    pub now_ns: i64,
}

impl Template {
    /// Compiles a text.
    ///
    /// # Errors
    /// What Go refuses when it parses a template, and what is beyond the part that is here.
    pub fn compile(source: &str) -> Result<Self, TemplateError> {
        Ok(Self { source: source.into(), nodes: tree::parse(source)? })
    }

    /// The text it was made of.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Appends what the template makes of a line.
    ///
    /// # Errors
    /// A function that fails on its arguments, or more work than a line may cost; `out` is then as
    /// it was.
    pub fn render(
        &self,
        dot: &dyn Dot,
        facts: Facts<'_>,
        out: &mut String,
    ) -> Result<(), RenderError> {
        let before = out.len();
        let done = exec::render(&self.nodes, dot, facts, out);
        if done.is_err() {
            out.truncate(before);
        }
        done
    }
}

/// Bytes made and steps taken for one line, all together.
pub const WORK_MAX: usize = 2 << 20;
/// No longer than a query may be.
pub const TEMPLATE_BYTES_MAX: usize = 131_072;

#[cfg(test)]
mod tests;
