//! The arguments of a call, bound to the signature while they are parsed.
//!
//! What must be known before anything runs (patterns, choices, names of functions) must be written
//! out; a literal of the wrong kind is found here and not at the first record.

use alloc::boxed::Box;
use alloc::vec;

use super::compile::Compiler;
use super::error::{CompileError, Mistake};
use super::functions::{Parameter, Wants};
use super::lexer::{Kind, Token};
use super::pattern::Pattern;
use super::program::{Argument, Expression};

type Result<T> = core::result::Result<T, CompileError>;

impl<'t> Compiler<'t> {
    /// Parses `(...)`.
    pub(super) fn arguments(
        &mut self,
        parameters: &'static [Parameter],
    ) -> Result<Box<[Argument]>> {
        self.mark("(")?;
        let mut bound = vec![Argument::Absent; parameters.len()];
        let mut named = false;
        let mut position = 0_usize;
        while !self.is_mark(")") {
            if position > 0 {
                self.mark(",")?;
            }
            let name = self.argument_name();
            let column = self.column();
            let index = match name {
                Some((name, column)) => {
                    named = true;
                    named_index(parameters, name, column)?
                }
                None if named => return Self::mistake(column, Mistake::Unnamed),
                None => position,
            };
            let (Some(parameter), Some(slot)) = (parameters.get(index), bound.get_mut(index))
            else {
                return Self::mistake(column, Mistake::TooMany { most: parameters.len() });
            };
            if !matches!(slot, Argument::Absent) {
                let column = name.map_or(column, |(_, column)| column);
                return Self::mistake(column, Mistake::Repeated { name: parameter.name });
            }
            *slot = self.argument(parameter)?;
            position = position.saturating_add(1);
        }
        let missing = parameters.iter().zip(&bound).find(|(parameter, argument)| {
            !parameter.optional && matches!(argument, Argument::Absent)
        });
        if let Some((parameter, _)) = missing {
            return Self::mistake(self.column(), Mistake::Missing { name: parameter.name });
        }
        self.mark(")")?;
        Ok(bound.into_boxed_slice())
    }

    fn argument_name(&mut self) -> Option<(&'t str, usize)> {
        let Token { kind: Kind::Word(name), column, .. } = *self.peek() else {
            return None;
        };
        if self.peek_second() != Some(&Kind::Mark("=")) {
            return None;
        }
        self.next();
        self.next();
        Some((name, column))
    }

    fn argument(&mut self, parameter: &Parameter) -> Result<Argument> {
        let column = self.column();
        let wrong =
            |wants| Self::mistake(column, Mistake::Argument { name: parameter.name, wants });
        match parameter.wants {
            Wants::Target | Wants::MapTarget => match self.peek().kind {
                Kind::Word(word)
                    if self.peek_second() != Some(&Kind::Mark("("))
                        && word.starts_with(|c: char| c.is_ascii_lowercase())
                        && !matches!(word, "true" | "false" | "nil") =>
                {
                    Ok(Argument::Path(self.path(true)?))
                }
                _ => wrong("a path"),
            },
            Wants::Regex | Wants::NamedRegex => self.regex(parameter),
            Wants::Glob => match self.literal(parameter, "a glob in quotes")? {
                Argument::Text(text) => match Pattern::glob(&text) {
                    Ok(glob) => Ok(Argument::Pattern(Box::new(glob))),
                    Err(_) => wrong("a glob"),
                },
                _ => wrong("a glob in quotes"),
            },
            Wants::OneOf(choices) => match self.literal(parameter, "a text in quotes")? {
                Argument::Text(text) if choices.contains(&&*text) => Ok(Argument::Text(text)),
                Argument::Text(text) => {
                    let nearest = super::functions::nearest(&text, choices.iter().copied());
                    Self::mistake(column, Mistake::Choice { text, nearest })
                }
                _ => wrong("a text in quotes"),
            },
            Wants::Layout => match self.literal(parameter, "a text with one `%s`")? {
                Argument::Text(text) if text.matches('%').count() == 1 && text.contains("%s") => {
                    Ok(Argument::Text(text))
                }
                _ => wrong("a text with one `%s`"),
            },
            Wants::Function => self.function(parameter),
            Wants::Value | Wants::Text | Wants::Int | Wants::Double | Wants::Bool | Wants::List => {
                let value = self.value()?;
                match kind_of(&value).is_none_or(|kind| suits(kind, parameter.wants)) {
                    true => Ok(Argument::Value(value)),
                    false => wrong(article(parameter.wants)),
                }
            }
        }
    }

    fn literal(&mut self, parameter: &Parameter, wants: &'static str) -> Result<Argument> {
        let token = self.next();
        match token.kind {
            Kind::Text(text) => Ok(Argument::Text(text)),
            _ => {
                let kind = Mistake::Argument { name: parameter.name, wants };
                Self::mistake(token.column, kind)
            }
        }
    }

    fn regex(&mut self, parameter: &Parameter) -> Result<Argument> {
        let column = self.column();
        let Argument::Text(text) = self.literal(parameter, "a pattern in quotes")? else {
            return self.expected("a pattern in quotes");
        };
        let pattern = Pattern::regex(&text).map_err(|inside| CompileError {
            // After the quote; an escape before the mistake moves it by one.
            column: column.saturating_add(inside),
            kind: Mistake::Pattern,
        })?;
        if parameter.wants == Wants::NamedRegex && !pattern.has_names() {
            let wants = "a pattern with a named group";
            return Self::mistake(column, Mistake::Argument { name: parameter.name, wants });
        }
        Ok(Argument::Pattern(Box::new(pattern)))
    }

    fn function(&mut self, parameter: &Parameter) -> Result<Argument> {
        let Token { kind: Kind::Word(name), column, .. } = *self.peek() else {
            let wants = "the name of a converter";
            let kind = Mistake::Argument { name: parameter.name, wants };
            return Self::mistake(self.column(), kind);
        };
        let signature = self.converter(name, column)?;
        let mut required = signature.parameters.iter().filter(|parameter| !parameter.optional);
        let one_text = matches!(
            (required.next(), required.next()),
            (Some(Parameter { wants: Wants::Text | Wants::Value, .. }), None)
        );
        self.next();
        if one_text {
            return Ok(Argument::Function(signature.function));
        }
        let wants = "a converter of one text";
        Self::mistake(column, Mistake::Argument { name: parameter.name, wants })
    }
}

fn named_index(parameters: &'static [Parameter], name: &str, column: usize) -> Result<usize> {
    // The collector writes some names in two ways: `resolveConflicts` and `resolve_conflicts`.
    let plain = |text: &str| text.replace('_', "").to_ascii_lowercase();
    let found = parameters.iter().position(|parameter| plain(parameter.name) == plain(name));
    found.ok_or_else(|| CompileError {
        column,
        kind: match parameters.is_empty() {
            true => Mistake::TooMany { most: 0 },
            false => {
                let known = parameters.iter().map(|parameter| parameter.name);
                let nearest = super::functions::nearest(name, known);
                Mistake::ArgumentName { name: name.into(), nearest }
            }
        },
    })
}

/// What a literal is; `None` for what is known only when it runs.
const fn kind_of(value: &Expression) -> Option<Wants> {
    Some(match value {
        Expression::Bool(_) => Wants::Bool,
        Expression::Int(_) => Wants::Int,
        Expression::Double(_) => Wants::Double,
        Expression::Text(_) => Wants::Text,
        Expression::List(_) => Wants::List,
        Expression::Nil | Expression::Bytes(_) | Expression::Map(_) => Wants::Value,
        Expression::Path(_) | Expression::Call(_) | Expression::Arithmetic(..) => return None,
    })
}

fn suits(kind: Wants, wants: Wants) -> bool {
    wants == Wants::Value || kind == wants || (kind, wants) == (Wants::Int, Wants::Double)
}

const fn article(wants: Wants) -> &'static str {
    match wants {
        Wants::Text => "a text",
        Wants::Int => "an int",
        Wants::Double => "a number",
        Wants::Bool => "a bool",
        Wants::List => "a list",
        _ => "a value",
    }
}
