//! The functions of templates: their names, and how many arguments each takes.

use super::Facts;
use super::WORK_MAX;
use super::error::RenderError;
use super::functions::{basic, math, text, time};
use super::value::Value;

/// A function of the table.
#[derive(Clone, Copy)]
pub(super) struct Function(&'static Entry);

type Entry = (&'static str, usize, usize, Call);
type Call = for<'a> fn(&mut Env<'a>, &[Value<'a>]) -> Result<Value<'a>, RenderError>;

/// What a function may ask, and what the line has cost so far.
pub(super) struct Env<'a> {
    pub(super) facts: Facts<'a>,
    work: usize,
}

impl<'a> Env<'a> {
    pub(super) fn new(facts: Facts<'a>) -> Self {
        Self { facts, work: 0 }
    }

    /// Counts a step that makes or reads so many bytes.
    pub(super) fn charge(&mut self, bytes: usize) -> Result<(), RenderError> {
        self.work = self.work.saturating_add(bytes).saturating_add(STEP);
        if self.work > WORK_MAX { Err(RenderError::TooMuchWork) } else { Ok(()) }
    }
}

impl Function {
    pub(super) fn named(name: &str) -> Option<Self> {
        FUNCTIONS.iter().find(|entry| entry.0 == name).map(Self)
    }

    pub(super) fn name(self) -> &'static str {
        self.0.0
    }

    pub(super) fn takes(self, count: usize) -> bool {
        (self.0.1..=self.0.2).contains(&count)
    }

    /// Whether the first argument is a regular expression.
    pub(super) fn reads_regex(self) -> bool {
        matches!(self.0.0, "regexReplaceAll" | "regexReplaceAllLiteral" | "count")
    }

    pub(super) fn call<'a>(
        self,
        env: &mut Env<'a>,
        arguments: &[Value<'a>],
    ) -> Result<Value<'a>, RenderError> {
        (self.0.3)(env, arguments)
    }
}

impl core::fmt::Debug for Function {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name())
    }
}

/// What a step costs beside its bytes.
const STEP: usize = 16;
const ANY: usize = 64;

/// `and` and `or` are evaluated where their arguments are, since they stop early.
#[rustfmt::skip]
static FUNCTIONS: [Entry; 85] = [
    ("and", 1, ANY, basic::last), ("or", 1, ANY, basic::last), ("not", 1, 1, basic::not),
    ("eq", 2, ANY, basic::eq), ("ne", 2, 2, basic::ne), ("lt", 2, 2, basic::lt),
    ("le", 2, 2, basic::le), ("gt", 2, 2, basic::gt), ("ge", 2, 2, basic::ge),
    ("len", 1, 1, basic::len), ("index", 1, ANY, basic::index), ("slice", 1, 3, basic::slice),
    ("print", 0, ANY, basic::print), ("println", 0, ANY, basic::println),
    ("printf", 1, ANY, basic::printf), ("html", 0, ANY, text::html),
    ("js", 0, ANY, text::js), ("urlquery", 0, ANY, text::urlquery),
    ("default", 1, 2, basic::default), ("fromJson", 1, 1, basic::from_json),
    ("__line__", 0, 0, basic::line), ("__timestamp__", 0, 0, time::timestamp),
    ("now", 0, 0, time::now), ("date", 2, 2, time::date), ("toDate", 2, 2, time::to_date),
    ("toDateInZone", 3, 3, time::to_date_in_zone), ("unixEpoch", 1, 1, time::unix_epoch),
    ("unixEpochMillis", 1, 1, time::unix_epoch_millis),
    ("unixEpochNanos", 1, 1, time::unix_epoch_nanos), ("unixToTime", 1, 1, time::unix_to_time),
    ("duration", 1, 1, math::duration), ("duration_seconds", 1, 1, math::duration),
    ("bytes", 1, 1, math::bytes), ("int", 1, 1, math::int), ("float64", 1, 1, math::float),
    ("add", 0, ANY, math::add), ("sub", 2, 2, math::sub), ("mul", 1, ANY, math::mul),
    ("div", 2, 2, math::div), ("mod", 2, 2, math::modulo), ("addf", 0, ANY, math::addf),
    ("subf", 1, ANY, math::subf), ("mulf", 1, ANY, math::mulf), ("divf", 1, ANY, math::divf),
    ("max", 1, ANY, math::max), ("min", 1, ANY, math::min), ("maxf", 1, ANY, math::maxf),
    ("minf", 1, ANY, math::minf), ("ceil", 1, 1, math::ceil), ("floor", 1, 1, math::floor),
    ("round", 2, 3, math::round), ("lower", 1, 1, text::lower), ("upper", 1, 1, text::upper),
    ("ToLower", 1, 1, text::lower), ("ToUpper", 1, 1, text::upper), ("title", 1, 1, text::title),
    ("trunc", 2, 2, text::trunc), ("substr", 3, 3, text::substr),
    ("contains", 2, 2, text::contains), ("hasPrefix", 2, 2, text::has_prefix),
    ("hasSuffix", 2, 2, text::has_suffix), ("indent", 2, 2, text::indent),
    ("nindent", 2, 2, text::nindent), ("replace", 3, 3, text::replace),
    ("Replace", 4, 4, text::replace_first), ("repeat", 2, 2, text::repeat),
    ("trim", 1, 1, text::trim_space), ("TrimSpace", 1, 1, text::trim_space),
    ("trimAll", 2, 2, text::trim_all), ("Trim", 2, 2, text::trim_of),
    ("TrimLeft", 2, 2, text::trim_left), ("TrimRight", 2, 2, text::trim_right),
    ("trimPrefix", 2, 2, text::trim_prefix), ("TrimPrefix", 2, 2, text::trim_prefix_of),
    ("trimSuffix", 2, 2, text::trim_suffix), ("TrimSuffix", 2, 2, text::trim_suffix_of),
    ("alignLeft", 2, 2, text::align_left), ("alignRight", 2, 2, text::align_right),
    ("b64enc", 1, 1, text::base64_encode), ("b64dec", 1, 1, text::base64_decode),
    ("urlencode", 1, 1, text::url_encode), ("urldecode", 1, 1, text::url_decode),
    ("regexReplaceAll", 3, 3, text::regex_replace),
    ("regexReplaceAllLiteral", 3, 3, text::regex_replace_literal), ("count", 2, 2, text::count),
];
