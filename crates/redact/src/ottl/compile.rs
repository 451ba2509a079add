//! From text to program: a recursive descent over the grammar, one token ahead.
//!
//! Names are resolved while parsing, so every mistake is found where it stands. Recursion is
//! bounded; the one point of return is an open bracket in a condition, which may hold a condition
//! or an arithmetic expression.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::error::{CompileError, Mistake};
use super::functions::{self, Converter, Signature};
use super::lexer::{self, Kind, Token};
use super::paths::{self, Context, Field, Form, Level};
use super::program::{Arithmetic, Boolean, Call, Comparison, Expression, Key, Path, Statement};

type Result<T> = core::result::Result<T, CompileError>;

/// The state of parsing one text.
pub(super) struct Compiler<'t> {
    tokens: Vec<Token<'t>>,
    at: usize,
    depth: u8,
    pub(super) context: Context,
}

/// Compiles `editor(...) where condition`.
pub(super) fn statement(text: &str, context: Context) -> Result<Statement> {
    let mut compiler = Compiler::new(text, context)?;
    let statement = compiler.statement()?;
    compiler.end()?;
    Ok(statement)
}

/// Compiles a condition.
pub(super) fn condition(text: &str, context: Context) -> Result<Boolean> {
    let mut compiler = Compiler::new(text, context)?;
    let condition = compiler.any()?;
    compiler.end()?;
    Ok(condition)
}

/// The contexts that the paths of a text name, for choosing one for a group of statements.
pub(super) fn contexts(text: &str) -> Result<Vec<Context>> {
    let tokens = lexer::tokens(text)?;
    let mut found = Vec::new();
    let mut before: Option<&Kind<'_>> = None;
    for pair in tokens.windows(2) {
        if let [Token { kind: Kind::Word(word), .. }, next] = pair
            && !matches!(before, Some(Kind::Mark(".")))
        {
            let metrics = functions::find(functions::EDITORS, word);
            match next.kind {
                Kind::Mark(".") => found.extend(Context::parse(word)),
                Kind::Mark("(") if metrics.is_some_and(|found| found.function.is_for_metrics()) => {
                    found.push(Context::Metric);
                }
                Kind::Mark("(") if word.ends_with("OnDatapoint") => found.push(Context::Metric),
                Kind::Mark("(") if *word == "IsRootSpan" => found.push(Context::Span),
                _ => {}
            }
        }
        before = pair.first().map(|token| &token.kind);
    }
    Ok(found)
}

impl<'t> Compiler<'t> {
    fn new(text: &'t str, context: Context) -> Result<Self> {
        Ok(Self { tokens: lexer::tokens(text)?, at: 0, depth: DEPTH_MAX, context })
    }

    pub(super) fn peek(&self) -> &Token<'t> {
        static END: Token<'static> = Token { kind: Kind::End, column: 1, source: "" };
        self.tokens.get(self.at).or_else(|| self.tokens.last()).unwrap_or(&END)
    }

    pub(super) fn peek_second(&self) -> Option<&Kind<'t>> {
        self.tokens.get(self.at.saturating_add(1)).map(|token| &token.kind)
    }

    pub(super) fn next(&mut self) -> Token<'t> {
        let token = self.peek().clone();
        if token.kind != Kind::End {
            self.at = self.at.saturating_add(1);
        }
        token
    }

    pub(super) fn column(&self) -> usize {
        self.peek().column
    }

    pub(super) const fn mistake<T>(column: usize, kind: Mistake) -> Result<T> {
        Err(CompileError { column, kind })
    }

    pub(super) fn expected<T>(&self, what: &'static str) -> Result<T> {
        let token = self.peek();
        let found = if token.source.is_empty() { "the end" } else { token.source };
        Self::mistake(token.column, Mistake::Expected { what, found: found.into() })
    }

    pub(super) fn is_mark(&self, mark: &str) -> bool {
        matches!(self.peek().kind, Kind::Mark(found) if found == mark)
    }

    pub(super) fn take(&mut self, mark: &str) -> bool {
        let found = self.is_mark(mark);
        if found {
            self.at = self.at.saturating_add(1);
        }
        found
    }

    pub(super) fn mark(&mut self, mark: &'static str) -> Result<()> {
        if self.take(mark) { Ok(()) } else { self.expected(mark) }
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek().kind, Kind::Word(found) if found == word);
        if found {
            self.at = self.at.saturating_add(1);
        }
        found
    }

    fn end(&self) -> Result<()> {
        match self.peek().kind {
            Kind::End => Ok(()),
            _ => self.expected("the end"),
        }
    }

    fn deeper<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let Some(depth) = self.depth.checked_sub(1) else {
            return Self::mistake(self.column(), Mistake::TooDeep);
        };
        self.depth = depth;
        let parsed = parse(self);
        self.depth = depth.saturating_add(1);
        parsed
    }

    fn statement(&mut self) -> Result<Statement> {
        let &Token { kind: Kind::Word(name), column, .. } = self.peek() else {
            return self.expected("an editor");
        };
        let Some(signature) = functions::find(functions::EDITORS, name) else {
            let names = functions::EDITORS.iter().map(|known| known.name);
            return Self::unknown(name, column, names);
        };
        if signature.function.is_for_metrics() && self.context != Context::Metric {
            return Self::mistake(column, Mistake::MetricsOnly);
        }
        self.next();
        let arguments = self.arguments(signature.parameters)?;
        let condition = if self.take_word("where") { Some(self.any()?) } else { None };
        if condition.is_none() && self.peek().kind != Kind::End {
            return self.expected("`where` or the end");
        }
        Ok(Statement { editor: signature.function, arguments, condition })
    }

    /// A name that is no function: refused with a reason, or with the nearest name.
    fn unknown<T>(
        name: &str,
        column: usize,
        names: impl Iterator<Item = &'static str>,
    ) -> Result<T> {
        let refused = functions::REFUSED.iter().find(|(refused, _, _)| *refused == name);
        let kind = match refused {
            Some(&(name, why, nearest)) => Mistake::Refused { name, why, nearest },
            None => {
                Mistake::Function { name: name.into(), nearest: functions::nearest(name, names) }
            }
        };
        Self::mistake(column, kind)
    }

    fn any(&mut self) -> Result<Boolean> {
        self.deeper(|this| {
            let mut list = Vec::from([this.all()?]);
            while this.take_word("or") {
                list.push(this.all()?);
            }
            Ok(single(list, Boolean::Any))
        })
    }

    fn all(&mut self) -> Result<Boolean> {
        let mut list = Vec::from([self.truth()?]);
        while self.take_word("and") {
            list.push(self.truth()?);
        }
        Ok(single(list, Boolean::All))
    }

    fn truth(&mut self) -> Result<Boolean> {
        if self.take_word("not") {
            return self.deeper(|this| Ok(Boolean::Not(Box::new(this.truth()?))));
        }
        if !self.is_mark("(") {
            return self.comparison();
        }
        let start = self.at;
        let arithmetic = match self.comparison() {
            Ok(comparison) => return Ok(comparison),
            Err(error) => error,
        };
        self.at = start;
        self.next();
        let condition = self.any().and_then(|condition| self.mark(")").map(|()| condition));
        // The reading that got further is the one that was meant.
        condition
            .map_err(|error| if error.column >= arithmetic.column { error } else { arithmetic })
    }

    fn comparison(&mut self) -> Result<Boolean> {
        let left = self.value()?;
        let operator = match self.peek().kind {
            Kind::Mark("==") => Comparison::Equal,
            Kind::Mark("!=") => Comparison::Unequal,
            Kind::Mark("<") => Comparison::Less,
            Kind::Mark("<=") => Comparison::LessOrEqual,
            Kind::Mark(">") => Comparison::Greater,
            Kind::Mark(">=") => Comparison::GreaterOrEqual,
            _ => match left {
                Expression::Bool(_) | Expression::Call(_) => return Ok(Boolean::Value(left)),
                _ => return self.expected("a comparison"),
            },
        };
        self.next();
        let right = self.value()?;
        Ok(Boolean::Compare(operator, left, right))
    }

    /// A sum of products.
    pub(super) fn value(&mut self) -> Result<Expression> {
        self.deeper(|this| {
            let mut left = this.product()?;
            loop {
                let operator = match this.peek().kind {
                    Kind::Mark("+") => Arithmetic::Add,
                    Kind::Mark("-") => Arithmetic::Subtract,
                    _ => return Ok(left),
                };
                this.next();
                left = Expression::Arithmetic(operator, Box::new((left, this.product()?)));
            }
        })
    }

    fn product(&mut self) -> Result<Expression> {
        let mut left = self.factor()?;
        loop {
            let operator = match self.peek().kind {
                Kind::Mark("*") => Arithmetic::Multiply,
                Kind::Mark("/") => Arithmetic::Divide,
                _ => return Ok(left),
            };
            self.next();
            left = Expression::Arithmetic(operator, Box::new((left, self.factor()?)));
        }
    }

    fn factor(&mut self) -> Result<Expression> {
        let token = self.peek().clone();
        match token.kind {
            Kind::Word(word) => self.word(word, token.column),
            Kind::Mark("(") => {
                self.next();
                let value = self.value()?;
                self.mark(")")?;
                Ok(value)
            }
            Kind::Mark("[") => self.list(),
            Kind::Mark("{") => self.map(),
            Kind::Mark("-" | "+") => {
                self.next();
                self.signed(token.source == "-")
            }
            Kind::Int(_) | Kind::Double(_) => self.signed(false),
            Kind::Text(text) => {
                self.next();
                Ok(Expression::Text(text))
            }
            Kind::Bytes(bytes) => {
                self.next();
                Ok(Expression::Bytes(bytes))
            }
            Kind::Mark(_) | Kind::End => self.expected("a value"),
        }
    }

    fn signed(&mut self, negative: bool) -> Result<Expression> {
        let column = self.column();
        let number = match self.peek().kind {
            Kind::Int(number) => {
                let number = i128::from(number);
                let signed = if negative { number.checked_neg() } else { Some(number) };
                signed.and_then(|number| i64::try_from(number).ok()).map(Expression::Int)
            }
            Kind::Double(number) => {
                Some(Expression::Double(if negative { -number } else { number }))
            }
            _ => return self.expected("a number"),
        };
        self.next();
        number.map_or_else(|| Self::mistake(column, Mistake::Number), Ok)
    }

    fn list(&mut self) -> Result<Expression> {
        self.mark("[")?;
        let mut items = Vec::new();
        while !self.take("]") {
            if !items.is_empty() {
                self.mark(",")?;
            }
            items.push(self.value()?);
        }
        Ok(Expression::List(items.into_boxed_slice()))
    }

    fn map(&mut self) -> Result<Expression> {
        self.mark("{")?;
        let mut entries = Vec::new();
        while !self.take("}") {
            if !entries.is_empty() {
                self.mark(",")?;
            }
            let Kind::Text(key) = self.peek().kind.clone() else {
                return self.expected("a key in quotes");
            };
            self.next();
            self.mark(":")?;
            entries.push((key, self.value()?));
        }
        Ok(Expression::Map(entries.into_boxed_slice()))
    }

    fn word(&mut self, word: &str, column: usize) -> Result<Expression> {
        let literal = match word {
            "nil" => Some(Expression::Nil),
            "true" => Some(Expression::Bool(true)),
            "false" => Some(Expression::Bool(false)),
            _ => None,
        };
        if let Some(literal) = literal {
            self.next();
            return Ok(literal);
        }
        if self.peek_second() == Some(&Kind::Mark("(")) {
            return self.call(word, column);
        }
        if word.starts_with(|c: char| c.is_ascii_uppercase()) {
            self.next();
            return Self::symbol(word, column);
        }
        Ok(Expression::Path(Box::new(self.path(false)?)))
    }

    fn symbol(word: &str, column: usize) -> Result<Expression> {
        let mut all = paths::SYMBOLS.iter().chain(&paths::STATUS_SYMBOLS);
        if let Some((_, number)) = all.clone().find(|(name, _)| *name == word) {
            return Ok(Expression::Int(*number));
        }
        let nearest = functions::nearest(word, all.by_ref().map(|(name, _)| *name));
        Self::mistake(column, Mistake::Symbol { name: word.into(), nearest })
    }

    fn call(&mut self, name: &str, column: usize) -> Result<Expression> {
        let Signature { function, parameters, .. } = self.converter(name, column)?;
        self.next();
        let arguments = self.deeper(|this| this.arguments(parameters))?;
        let keys = self.keys()?;
        Ok(Expression::Call(Box::new(Call { converter: *function, arguments, keys })))
    }

    pub(super) fn converter(
        &self,
        name: &str,
        column: usize,
    ) -> Result<&'static Signature<Converter>> {
        let Some(signature) = functions::find(functions::CONVERTERS, name) else {
            let names = functions::CONVERTERS.iter().map(|known| known.name);
            return Self::unknown(name, column, names);
        };
        let allowed = match signature.function {
            Converter::IsRootSpan => self.context == Context::Span,
            Converter::HasAttrKeyOnDatapoint | Converter::HasAttrOnDatapoint => {
                self.context == Context::Metric
            }
            _ => true,
        };
        match allowed {
            true => Ok(signature),
            false if signature.function == Converter::IsRootSpan => {
                let name = self.context.name().into();
                Self::mistake(column, Mistake::Context { name, nearest: "span" })
            }
            false => Self::mistake(column, Mistake::MetricsOnly),
        }
    }

    fn keys(&mut self) -> Result<Box<[Key]>> {
        let mut keys = Vec::new();
        while self.take("[") {
            keys.push(match self.value()? {
                Expression::Text(text) => Key::Text(text),
                Expression::Int(index) => Key::Int(index),
                computed => Key::Computed(computed),
            });
            self.mark("]")?;
        }
        Ok(keys.into_boxed_slice())
    }

    /// A path; for a target it must be one that can be written.
    pub(super) fn path(&mut self, target: bool) -> Result<Path> {
        let first = self.next();
        let mut names = Vec::from([first.source]);
        while self.is_mark(".") {
            self.next();
            let Kind::Word(word) = self.peek().kind else {
                return self.expected("a field");
            };
            names.push(word);
            self.next();
        }
        let (level, field) = self.resolve(&names, first.column)?;
        let column = self.column();
        let keys = self.keys()?;
        let shapes = if level == Level::Cache {
            &[paths::Shape::Resource][..]
        } else {
            self.context_of(level).shapes()
        };
        let form = shapes.iter().find_map(|shape| paths::place(*shape, field)).map(|at| at.form);
        let indexable = matches!(
            form,
            Some(
                Form::Map
                    | Form::Any
                    | Form::TraceState
                    | Form::Counts
                    | Form::Bounds
                    | Form::Varints
            )
        );
        if !keys.is_empty() && !indexable {
            return Self::mistake(column, Mistake::NoMembers);
        }
        let fixed = matches!(form, Some(Form::MetricType | Form::EventIndex));
        if target && fixed {
            return Self::mistake(first.column, Mistake::ReadOnly);
        }
        Ok(Path { level, field, keys })
    }

    const fn context_of(&self, level: Level) -> Context {
        match (level, self.context) {
            (Level::Resource | Level::Cache, _) => Context::Resource,
            (Level::Scope, _) => Context::Scope,
            (Level::Parent, Context::SpanEvent) => Context::Span,
            (Level::Parent, _) => Context::Metric,
            (Level::Record, context) => context,
        }
    }

    fn resolve(&self, names: &[&str], column: usize) -> Result<(Level, Field)> {
        let (context, rest) = match names {
            [first, rest @ ..] if !rest.is_empty() && Context::parse(first).is_some() => {
                (Context::parse(first).unwrap_or(self.context), rest)
            }
            all => (self.context, all),
        };
        let Some(level) = self.context.level(context) else {
            let name = names.first().copied().unwrap_or_default().into();
            let nearest = self.context.name();
            return Self::mistake(column, Mistake::Context { name, nearest });
        };
        let name = rest.join(".");
        if name == "cache" {
            return Ok((Level::Cache, Field::Attributes));
        }
        match context.fields().iter().find(|(known, _)| *known == name) {
            Some((_, field)) => Ok((level, *field)),
            None => {
                let known = context.fields().iter().map(|(known, _)| *known);
                let nearest = functions::nearest(&name, known);
                Self::mistake(column, Mistake::Path { name: names.join(".").into(), nearest })
            }
        }
    }
}

fn single(mut list: Vec<Boolean>, many: impl FnOnce(Box<[Boolean]>) -> Boolean) -> Boolean {
    match (list.len(), list.pop()) {
        (1, Some(only)) => only,
        (_, last) => {
            list.extend(last);
            many(list.into_boxed_slice())
        }
    }
}

const DEPTH_MAX: u8 = 32; // far above what people write, far below what exhausts a stack
