//! What is wrong with a statement, and what went wrong while one ran.
//!
//! A mistake in a statement always has a column, and wherever a name is unknown it says which known
//! name comes nearest. A fault at run time never carries a value of the telemetry.

use alloc::boxed::Box;
use core::fmt;

use lucarne_otlp::wire::WireError;

/// Why a statement or condition is refused, and where.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CompileError {
    /// Position of the mistake in characters, from 1.
    pub column: usize,
    /// The mistake.
    pub kind: Mistake,
}

/// One kind of mistake in a statement.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Mistake {
    /// No token begins with this character.
    Character {
        /// The character.
        found: char,
    },
    /// A text has no closing quote.
    OpenText,
    /// A number has more than 64 bits, or bytes have an odd number of digits.
    Number,
    /// Something else stands where the grammar wants this.
    Expected {
        /// What the grammar wants.
        what: &'static str,
        /// What stands there.
        found: Box<str>,
    },
    /// Longer than 16 KiB.
    TooLong,
    /// Brackets, calls or signs are nested more than 32 deep.
    TooDeep,
    /// No such function.
    Function {
        /// The name as written.
        name: Box<str>,
        /// The supported name that comes nearest.
        nearest: &'static str,
    },
    /// A function that the collector has and Lucarne does not.
    Refused {
        /// The function.
        name: &'static str,
        /// Why.
        why: &'static str,
        /// What does the same or nearly.
        nearest: &'static str,
    },
    /// No such field here.
    Path {
        /// The path as written.
        name: Box<str>,
        /// The supported path that comes nearest.
        nearest: &'static str,
    },
    /// A path of a context that these statements cannot reach.
    Context {
        /// The context as written.
        name: Box<str>,
        /// A context that can be reached.
        nearest: &'static str,
    },
    /// No such enumeration symbol.
    Symbol {
        /// The symbol as written.
        name: Box<str>,
        /// The symbol that comes nearest.
        nearest: &'static str,
    },
    /// The function has no argument of this name.
    ArgumentName {
        /// The name as written.
        name: Box<str>,
        /// The argument that comes nearest.
        nearest: &'static str,
    },
    /// The argument takes one of a few texts, and this is none of them.
    Choice {
        /// The text as written.
        text: Box<str>,
        /// The choice that comes nearest.
        nearest: &'static str,
    },
    /// An argument is given twice.
    Repeated {
        /// The argument.
        name: &'static str,
    },
    /// An argument without a name after one with a name.
    Unnamed,
    /// A required argument is missing.
    Missing {
        /// The argument.
        name: &'static str,
    },
    /// More arguments than the function takes.
    TooMany {
        /// How many it takes.
        most: usize,
    },
    /// An argument is of the wrong kind.
    Argument {
        /// The argument.
        name: &'static str,
        /// What it must be.
        wants: &'static str,
    },
    /// A regular expression does not parse.
    Pattern,
    /// The field can be read and not written.
    ReadOnly,
    /// The field has no members.
    NoMembers,
    /// The function works on metrics as a whole.
    MetricsOnly,
}

impl fmt::Display for CompileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "column {}: {}", self.column, self.kind)
    }
}

impl core::error::Error for CompileError {}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Character { found } => write!(f, "no token begins with {found:?}"),
            Self::OpenText => write!(f, "text has no closing quote"),
            Self::Number => write!(f, "number does not fit 64 bits, or bytes lack a digit"),
            Self::Expected { what, found } => write!(f, "wants {what}, found {found}"),
            Self::TooLong => write!(f, "is longer than 16 KiB"),
            Self::TooDeep => write!(f, "is nested more than 32 deep"),
            Self::Function { name, nearest } => {
                write!(f, "no function `{name}`, the nearest is `{nearest}`")
            }
            Self::Refused { name, why, nearest } => {
                write!(f, "`{name}` is not supported: {why}; the nearest is `{nearest}`")
            }
            Self::Path { name, nearest } => {
                write!(f, "no path `{name}` here, the nearest is `{nearest}`")
            }
            Self::Context { name, nearest } => {
                write!(f, "paths of `{name}` cannot be reached here, those of `{nearest}` can")
            }
            Self::Symbol { name, nearest } => {
                write!(f, "no symbol `{name}`, the nearest is `{nearest}`")
            }
            Self::ArgumentName { name, nearest } => {
                write!(f, "no argument `{name}`, the nearest is `{nearest}`")
            }
            Self::Choice { text, nearest } => {
                write!(f, "`{text}` is no choice here, the nearest is `{nearest}`")
            }
            Self::Repeated { name } => write!(f, "argument `{name}` is given twice"),
            Self::Unnamed => write!(f, "argument without a name after one with a name"),
            Self::Missing { name } => write!(f, "argument `{name}` is missing"),
            Self::TooMany { most } => write!(f, "takes at most {most} arguments"),
            Self::Argument { name, wants } => write!(f, "argument `{name}` wants {wants}"),
            Self::Pattern => write!(f, "is not a regular expression"),
            Self::ReadOnly => write!(f, "can be read and not written"),
            Self::NoMembers => write!(f, "has no members to index"),
            Self::MetricsOnly => write!(f, "works on whole metrics, in the context `metric`"),
        }
    }
}

/// What went wrong while a statement ran.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// A value is of the wrong type.
    Type {
        /// What is wanted.
        wants: &'static str,
        /// What it is.
        got: &'static str,
    },
    /// A text does not have the form that the function reads.
    Form {
        /// What it should be.
        wants: &'static str,
    },
    /// An index or a length lies outside the value.
    Range,
    /// A number is too large, or divided by zero.
    Arithmetic,
    /// A value is nested deeper than 16 levels, or longer than 1 MiB.
    TooLarge,
    /// The payload is not OTLP.
    Wire(WireError),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Type { wants, got } => write!(f, "wants {wants}, got {got}"),
            Self::Form { wants } => write!(f, "text is not {wants}"),
            Self::Range => write!(f, "index or length lies outside the value"),
            Self::Arithmetic => write!(f, "number is too large or divided by zero"),
            Self::TooLarge => write!(f, "value is too large or nested too deeply"),
            Self::Wire(_) => write!(f, "payload is not OTLP"),
        }
    }
}

impl core::error::Error for Fault {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Wire(error) => Some(error),
            _ => None,
        }
    }
}

impl From<WireError> for Fault {
    fn from(error: WireError) -> Self {
        Self::Wire(error)
    }
}
