//! `line_format` and `label_format`.
//!
//! Templates of one `label_format` see the labels as they were before its first template, so that
//! `a="{{.b}}", b="{{.a}}"` swaps. A template that fails leaves what it should have written as it
//! was, and marks the line.

use alloc::string::String;
use alloc::vec::Vec;

use super::error::{CompileError, FULL, TEMPLATE_FORMAT};
use super::working::{Class, ERROR, ERROR_DETAILS, Labels, each, find};
use crate::ast;
use crate::template::{Dot, Facts, Template};

/// A compiled `label_format`.
#[derive(Debug)]
pub(super) struct LabelFormat {
    formats: Vec<(String, Source)>,
}

#[derive(Debug)]
enum Source {
    Rename(String),
    Template(Template),
}

/// Where the output of each template of a stage lies in the text; nothing for a failed one.
#[derive(Debug, Default)]
pub(crate) struct Rendered {
    text: String,
    ends: Vec<Option<(usize, usize)>>,
}

impl LabelFormat {
    pub(super) fn compile(formats: &[ast::LabelFormat]) -> Result<Self, CompileError> {
        let mut compiled = Vec::with_capacity(formats.len());
        for format in formats {
            if matches!(format.name.as_str(), ERROR | ERROR_DETAILS) {
                return Err(CompileError::Unformattable { name: format.name.clone() });
            }
            let source = match &format.value {
                ast::LabelFormatValue::Rename(from) => Source::Rename(from.clone()),
                ast::LabelFormatValue::Template(text) => Source::Template(Template::compile(text)?),
            };
            compiled.push((format.name.clone(), source));
        }
        Ok(Self { formats: compiled })
    }

    pub(super) fn run(&self, labels: &mut Labels<'_>, facts: Facts<'_>, rendered: &mut Rendered) {
        let template = |source: &Source| matches!(source, Source::Template(_));
        let first = self.formats.iter().position(|(_, source)| template(source));
        let (before, after) = self
            .formats
            .split_at_checked(first.unwrap_or(self.formats.len()))
            .unwrap_or((&[], &[]));
        for (name, source) in before {
            if let Source::Rename(from) = source {
                rename(labels, from, name);
            }
        }
        render(after, labels, facts, rendered);
        for ((name, source), output) in after.iter().zip(&rendered.ends) {
            match (source, output) {
                (Source::Rename(from), _) => rename(labels, from, name),
                (Source::Template(_), Some((start, end))) => {
                    let text = rendered.text.get(*start..*end).unwrap_or("");
                    set(labels, Class::Parsed, name, text);
                }
                (Source::Template(_), None) => {}
            }
        }
    }
}

fn render(
    formats: &[(String, Source)],
    labels: &mut Labels<'_>,
    facts: Facts<'_>,
    rendered: &mut Rendered,
) {
    rendered.text.clear();
    rendered.ends.clear();
    for (_, source) in formats {
        let start = rendered.text.len();
        let output = match source {
            Source::Rename(_) => None,
            Source::Template(template) => {
                match template.render(&*labels, facts, &mut rendered.text) {
                    Ok(()) => Some((start, rendered.text.len())),
                    Err(error) => {
                        labels.fail(TEMPLATE_FORMAT, &error);
                        None
                    }
                }
            }
        };
        rendered.ends.push(output);
    }
}

fn set(labels: &mut Labels<'_>, class: Class, name: &str, value: &str) {
    if labels.set(class, name, value).is_err() {
        labels.fail(TEMPLATE_FORMAT, &FULL);
    }
}

/// The new label has the class of the old one; a label that is not there changes nothing.
fn rename(labels: &mut Labels<'_>, from: &str, to: &str) {
    let Some((class, value)) = labels.find(from) else {
        return;
    };
    let value = String::from(value);
    set(labels, class, to, &value);
    if from != to {
        labels.remove(from);
    }
}

/// Writes the new line; false if the template failed.
pub(super) fn format_line(
    template: &Template,
    labels: &mut Labels<'_>,
    facts: Facts<'_>,
    out: &mut String,
) -> bool {
    out.clear();
    let done = template.render(&*labels, facts, out);
    if let Err(error) = &done {
        labels.fail(TEMPLATE_FORMAT, error);
    }
    done.is_ok()
}

impl Dot for Labels<'_> {
    fn field(&self, name: &str) -> Option<&str> {
        find(self.input, self.own, name).map(|(_, value)| value)
    }

    fn each(&self, visit: &mut dyn FnMut(&str, &str)) {
        for (_, name, value) in each(self.input, self.own) {
            visit(name, value);
        }
    }
}
