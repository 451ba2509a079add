//! What a pipeline of a template passes on.

use alloc::borrow::Cow;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;

use super::Dot;
use super::layout::Moment;
use crate::go_number::format_float_short;
use crate::go_regex::Regex;

/// A value; copies share lists and maps.
#[derive(Clone)]
pub(super) enum Value<'a> {
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Cow<'a, str>),
    List(Rc<Vec<Value<'static>>>),
    /// Sorted by name.
    Map(Rc<Vec<(String, Value<'static>)>>),
    Time(Moment),
    Labels(&'a dyn Dot),
    /// A constant that was compiled with the template.
    Regex(&'a Regex),
}

impl<'a> Value<'a> {
    pub(super) fn text(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    pub(super) fn owned(text: impl Into<String>) -> Self {
        Self::Text(Cow::Owned(text.into()))
    }

    /// Go's name of the type.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Nil => "nil",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float64",
            Self::Text(_) | Self::Regex(_) => "string",
            Self::List(_) => "[]interface {}",
            Self::Map(_) => "map[string]interface {}",
            Self::Time(_) => "time.Time",
            Self::Labels(_) => "map[string]string",
        }
    }

    /// Whether `if` takes it.
    pub(super) fn is_true(&self) -> bool {
        match self {
            Self::Nil => false,
            Self::Bool(value) => *value,
            Self::Int(value) => *value != 0,
            Self::Float(value) => *value != 0.0,
            Self::Text(text) => !text.is_empty(),
            Self::List(list) => !list.is_empty(),
            Self::Map(map) => !map.is_empty(),
            Self::Time(_) => true,
            Self::Regex(regex) => !regex.source().is_empty(),
            Self::Labels(dot) => {
                let mut any = false;
                dot.each(&mut |_, _| any = true);
                any
            }
        }
    }

    /// As `%v` prints it; depth is bounded by what made the value.
    pub(super) fn print(&self, out: &mut String) {
        match self {
            Self::Nil => out.push_str("<no value>"),
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Int(value) => _ = write!(out, "{value}"),
            Self::Float(value) => out.push_str(&format_float_short(*value)),
            Self::Text(text) => out.push_str(text),
            Self::List(list) => {
                out.push('[');
                for (at, value) in list.iter().enumerate() {
                    out.push_str(if at == 0 { "" } else { " " });
                    value.print_inner(out);
                }
                out.push(']');
            }
            Self::Map(map) => {
                out.push_str("map[");
                for (at, (name, value)) in map.iter().enumerate() {
                    _ = write!(out, "{}{name}:", if at == 0 { "" } else { " " });
                    value.print_inner(out);
                }
                out.push(']');
            }
            Self::Time(moment) => moment.format(STRING_LAYOUT, out),
            Self::Labels(dot) => print_labels(*dot, out),
            Self::Regex(regex) => out.push_str(regex.source()),
        }
    }

    fn print_inner(&self, out: &mut String) {
        if let Self::Nil = self { out.push_str("<nil>") } else { self.print(out) }
    }
}

fn print_labels(dot: &dyn Dot, out: &mut String) {
    let mut labels: Vec<(String, String)> = Vec::new();
    dot.each(&mut |name, value| labels.push((name.into(), value.into())));
    labels.sort();
    out.push_str("map[");
    for (at, (name, value)) in labels.iter().enumerate() {
        _ = write!(out, "{}{name}:{value}", if at == 0 { "" } else { " " });
    }
    out.push(']');
}

/// How a `time.Time` prints itself.
const STRING_LAYOUT: &str = "2006-01-02 15:04:05.999999999 -0700 MST";
