//! Rendering: the walk over the tree.

use alloc::string::String;
use alloc::vec::Vec;

use super::error::RenderError;
use super::function::Env;
use super::tree::{Branch, BranchKind, Node, Pipe, Term};
use super::value::Value;
use super::{Dot, Facts};

/// What a list of nodes ended with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Flow {
    On,
    Break,
    Continue,
}

struct Walk<'a, 'o> {
    env: Env<'a>,
    root: Value<'a>,
    variables: Vec<(&'a str, Value<'a>)>,
    out: &'o mut String,
}

pub(super) fn render<'a>(
    nodes: &'a [Node],
    dot: &'a dyn Dot,
    facts: Facts<'a>,
    out: &mut String,
) -> Result<(), RenderError> {
    let root = Value::Labels(dot);
    let mut walk = Walk { env: Env::new(facts), root: root.clone(), variables: Vec::new(), out };
    walk.list(nodes, &root).map(|_| ())
}

impl<'a> Walk<'a, '_> {
    fn list(&mut self, nodes: &'a [Node], dot: &Value<'a>) -> Result<Flow, RenderError> {
        for node in nodes {
            let flow = match node {
                Node::Text(text) => {
                    self.env.charge(text.len())?;
                    self.out.push_str(text);
                    Flow::On
                }
                Node::Label(name) => {
                    self.label(name, dot)?;
                    Flow::On
                }
                Node::Print(pipe) => {
                    let value = self.pipe(pipe, dot)?;
                    if pipe.variables.is_empty() {
                        self.print(&value)?;
                    }
                    Flow::On
                }
                Node::Branch(branch) => self.branch(branch, dot)?,
                Node::Break => Flow::Break,
                Node::Continue => Flow::Continue,
            };
            if flow != Flow::On {
                return Ok(flow);
            }
        }
        Ok(Flow::On)
    }

    fn label(&mut self, name: &'a str, dot: &Value<'a>) -> Result<(), RenderError> {
        if let Value::Labels(labels) = dot {
            let text = labels.field(name).unwrap_or("");
            self.env.charge(text.len())?;
            self.out.push_str(text);
            return Ok(());
        }
        let value = field(dot, name)?;
        self.print(&value)
    }

    fn print(&mut self, value: &Value<'a>) -> Result<(), RenderError> {
        let before = self.out.len();
        value.print(self.out);
        self.env.charge(self.out.len().saturating_sub(before))
    }

    fn branch(&mut self, branch: &'a Branch, dot: &Value<'a>) -> Result<Flow, RenderError> {
        let scope = self.variables.len();
        let flow = match branch.kind {
            BranchKind::Range => self.range(branch, dot)?,
            BranchKind::If | BranchKind::With => {
                let value = self.pipe(&branch.pipe, dot)?;
                match (value.is_true(), branch.kind) {
                    (true, BranchKind::With) => self.list(&branch.body, &value)?,
                    (true, _) => self.list(&branch.body, dot)?,
                    (false, _) => self.list(&branch.otherwise, dot)?,
                }
            }
        };
        self.variables.truncate(scope);
        Ok(flow)
    }

    fn range(&mut self, branch: &'a Branch, dot: &Value<'a>) -> Result<Flow, RenderError> {
        let over = self.plain_pipe(&branch.pipe, dot)?;
        let items: Vec<(Value<'a>, Value<'a>)> = match &over {
            Value::List(list) => {
                let index = |at: usize| Value::Int(i64::try_from(at).unwrap_or(i64::MAX));
                list.iter().enumerate().map(|(at, item)| (index(at), item.clone())).collect()
            }
            Value::Map(map) => {
                let pair = |(name, item): &(String, Value<'static>)| {
                    (Value::owned(name.as_str()), item.clone())
                };
                map.iter().map(pair).collect()
            }
            Value::Labels(labels) => {
                let mut pairs: Vec<(String, String)> = Vec::new();
                labels.each(&mut |name, value| pairs.push((name.into(), value.into())));
                pairs.sort();
                pairs.into_iter().map(|(n, v)| (Value::owned(n), Value::owned(v))).collect()
            }
            Value::Int(count) => {
                self.env.charge(usize::try_from(*count).unwrap_or(0).saturating_mul(ITEM))?;
                (0..*count).map(|at| (Value::Int(at), Value::Int(at))).collect()
            }
            Value::Nil => Vec::new(),
            other => {
                let (function, want) = ("range", "list or map");
                return Err(RenderError::WrongType { function, want, got: other.type_name() });
            }
        };
        if items.is_empty() {
            return self.list(&branch.otherwise, dot);
        }
        for (key, item) in items {
            self.env.charge(0)?;
            let scope = self.variables.len();
            match branch.pipe.variables.as_slice() {
                [one] => self.bind(one, branch.pipe.declares, item.clone()),
                [first, second] => {
                    self.bind(first, branch.pipe.declares, key);
                    self.bind(second, branch.pipe.declares, item.clone());
                }
                _ => {}
            }
            let flow = self.list(&branch.body, &item)?;
            self.variables.truncate(scope);
            if flow == Flow::Break {
                break;
            }
        }
        Ok(Flow::On)
    }

    fn bind(&mut self, name: &'a str, declares: bool, value: Value<'a>) {
        let known = self.variables.iter_mut().rev().find(|(have, _)| *have == name);
        match known {
            Some((_, slot)) if !declares => *slot = value,
            _ => self.variables.push((name, value)),
        }
    }

    fn pipe(&mut self, pipe: &'a Pipe, dot: &Value<'a>) -> Result<Value<'a>, RenderError> {
        let value = self.plain_pipe(pipe, dot)?;
        if let [name] = pipe.variables.as_slice() {
            self.bind(name, pipe.declares, value.clone());
        }
        Ok(value)
    }

    /// The value of a pipeline, without its variables.
    fn plain_pipe(&mut self, pipe: &'a Pipe, dot: &Value<'a>) -> Result<Value<'a>, RenderError> {
        let mut value = None;
        for command in &pipe.commands {
            value = Some(self.command(command, value, dot)?);
        }
        Ok(value.unwrap_or(Value::Nil))
    }

    fn command(
        &mut self,
        terms: &'a [Term],
        last: Option<Value<'a>>,
        dot: &Value<'a>,
    ) -> Result<Value<'a>, RenderError> {
        let Some((Term::Function(function), arguments)) = terms.split_first() else {
            return terms.first().map_or(Ok(Value::Nil), |term| self.term(term, dot));
        };
        self.env.charge(0)?;
        let stops = match function.name() {
            "and" => Some(false),
            "or" => Some(true),
            _ => None,
        };
        let mut values = Vec::with_capacity(arguments.len().saturating_add(1));
        for argument in arguments {
            let value = self.term(argument, dot)?;
            if stops == Some(value.is_true()) {
                return Ok(value);
            }
            values.push(value);
        }
        values.extend(last);
        function.call(&mut self.env, &values)
    }

    fn term(&mut self, term: &'a Term, dot: &Value<'a>) -> Result<Value<'a>, RenderError> {
        Ok(match term {
            Term::Dot => dot.clone(),
            Term::Nil => Value::Nil,
            Term::Bool(value) => Value::Bool(*value),
            Term::Int(value) => Value::Int(*value),
            Term::Float(value) => Value::Float(*value),
            Term::Text(text) => Value::text(text),
            Term::Regex(regex) => Value::Regex(regex),
            Term::Fields(names) => fields(dot.clone(), names)?,
            Term::Variable(name, names) => {
                let found = self.variables.iter().rev().find(|(have, _)| have == name);
                let value = if name.is_empty() { Some(&self.root) } else { found.map(|(_, v)| v) };
                fields(value.cloned().unwrap_or(Value::Nil), names)?
            }
            Term::Function(function) => function.call(&mut self.env, &[])?,
            Term::Nested(pipe, names) => fields(self.plain_pipe(pipe, dot)?, names)?,
        })
    }
}

fn fields<'a>(value: Value<'a>, names: &'a [String]) -> Result<Value<'a>, RenderError> {
    names.iter().try_fold(value, |value, name| field(&value, name))
}

/// A label that is not there is the empty string; a key of a map that is not there is nothing.
fn field<'a>(value: &Value<'a>, name: &'a str) -> Result<Value<'a>, RenderError> {
    match value {
        Value::Labels(labels) => Ok(Value::text(labels.field(name).unwrap_or(""))),
        Value::Map(map) => {
            let found = map.iter().find(|(have, _)| have == name);
            Ok(found.map_or(Value::Nil, |(_, value)| value.clone()))
        }
        other => Err(RenderError::NoField { name: name.into(), of: other.type_name() }),
    }
}

/// What an item of `range 1000` counts for before it is made.
const ITEM: usize = 64;
