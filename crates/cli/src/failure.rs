//! How a command ends: an exit code with a meaning, and one message when it is not a plain yes.
//!
//! The code is part of the contract with scripts: a verifier whose network failure looked like
//! "tampered", or like "ok", would be dangerous, so "no", "could not tell" and "could not read"
//! are different numbers.

use std::error::Error;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

pub use lucarne_gateway::causes::chain;

/// The meaning of an exit code.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Exit {
    /// Yes, verified, matched, done (0).
    Yes,
    /// No, not verified, not done (1).
    No,
    /// Could not tell, or incomplete (2).
    CouldNotTell,
    /// The command line or a configuration file is wrong (3).
    Usage,
    /// Something could not be read or reached (4).
    Unreadable,
    /// Verified, but only under a root that is marked insecure (5).
    Insecure,
    /// No, and why by a code of its own, where a command was asked for that (10 to 19).
    Class(u8),
    /// A bug of ours (70).
    Bug,
}

impl Exit {
    /// The number that the shell sees.
    pub const fn code(self) -> u8 {
        match self {
            Self::Yes => 0,
            Self::No => 1,
            Self::CouldNotTell => 2,
            Self::Usage => 3,
            Self::Unreadable => 4,
            Self::Insecure => 5,
            Self::Class(code) => code,
            Self::Bug => 70,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why a command ended otherwise than with its answer, in the order a person reads it.
#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    message: String,
    hints: Vec<String>,
    broken_pipe: bool,
}

impl Failure {
    /// A failure without a cause underneath.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), hints: Vec::new(), broken_pipe: false }
    }

    /// A failure of `what` with the whole chain of its causes.
    pub fn because(exit: Exit, what: &str, cause: &(dyn Error + 'static)) -> Self {
        let mut failure = Self::new(exit, format!("{what}: {}", chain(cause)));
        failure.broken_pipe = is_broken_pipe(cause);
        failure
    }

    /// The command line or a configuration file is wrong.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// Something could not be read, written or reached.
    pub fn unreadable(what: &str, cause: &(dyn Error + 'static)) -> Self {
        Self::because(Exit::Unreadable, what, cause)
    }

    /// A state that our own code should have made impossible.
    pub fn bug(message: impl Into<String>) -> Self {
        Self::new(Exit::Bug, message).hint("this is a bug in lucarne, not in your input")
    }

    /// The same failure with one more thing to try.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The exit code this failure stands for.
    pub const fn exit(&self) -> Exit {
        if self.broken_pipe { Exit::Yes } else { self.exit }
    }

    /// Prints the failure once on standard error and gives the process its code.
    pub fn report(&self) -> ExitCode {
        if !self.broken_pipe {
            let mut err = std::io::stderr().lock();
            let colour =
                err.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
            // Nobody is left to tell when standard error itself is gone.
            err.write_all(self.text(colour).as_bytes()).ok();
        }
        self.exit().into()
    }

    /// The text that [`report`](Self::report) prints.
    pub fn text(&self, colour: bool) -> String {
        let (red, cyan, off) =
            if colour { ("\x1b[1;31m", "\x1b[36m", "\x1b[0m") } else { ("", "", "") };
        let mut text = format!("{red}error{off}: {}\n", self.message);
        for hint in &self.hints {
            text.push_str(&format!("{cyan}hint{off}: {hint}\n"));
        }
        text
    }
}

/// Writing a result failed. A reader that went away has had what it wanted: that is not an error.
impl From<std::io::Error> for Failure {
    fn from(cause: std::io::Error) -> Self {
        Self::unreadable("write the result", &cause)
    }
}

fn is_broken_pipe(error: &(dyn Error + 'static)) -> bool {
    error
        .downcast_ref::<std::io::Error>()
        .is_some_and(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::{Exit, Failure};
    use std::io::{Error, ErrorKind};

    #[test]
    fn the_message_comes_once_and_hints_follow() {
        let inner = Error::new(ErrorKind::NotFound, "no such file");
        let failure = Failure::unreadable("read /x", &inner).hint("create /x").hint("or not");
        assert_eq!(
            failure.text(false),
            "error: read /x: no such file\nhint: create /x\nhint: or not\n"
        );
        assert_eq!(failure.exit(), Exit::Unreadable);
    }

    #[test]
    fn a_reader_that_went_away_is_a_yes() {
        let failure = Failure::from(Error::from(ErrorKind::BrokenPipe));
        assert_eq!(failure.exit().code(), 0);
    }

    #[test]
    fn codes_are_those_of_the_design() {
        use Exit::{Bug, CouldNotTell, Insecure, No, Unreadable, Usage, Yes};
        let codes = [Yes, No, CouldNotTell, Usage, Unreadable, Insecure, Bug].map(Exit::code);
        assert_eq!(codes, [0, 1, 2, 3, 4, 5, 70]);
    }
}
