//! Makes the process opaque to its own user: no ptrace, no `/proc/PID/mem`, no core files.
//!
//! It does not stop root with `CAP_SYS_PTRACE`, the kernel of the same machine, or a debugger that
//! was attached before the call: call it first thing in `main`. In a TEE there is no such root; on
//! a development machine there is.

use std::error::Error;
use std::fmt;
use std::io;

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// What [`harden`] achieved, as the kernel reports it afterwards.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Hardened {
    /// Whether the process may still be dumped, and so traced by its own user. False.
    pub dumpable: bool,
    /// The largest core file in bytes. 0, and it cannot be raised again.
    pub core_bytes_max: u64,
}

/// Takes from every process of the same user the right to look into this one.
///
/// # Errors
/// When the kernel refuses a step, or reports afterwards that a step had no effect.
pub fn harden() -> Result<Hardened, HardenError> {
    setrlimit(Resource::RLIMIT_CORE, 0, 0).map_err(HardenError::core_limit)?;
    prctl::set_dumpable(false).map_err(HardenError::dumpable)?;
    let (_, core_bytes_max) = getrlimit(Resource::RLIMIT_CORE).map_err(HardenError::core_limit)?;
    let dumpable = prctl::get_dumpable().map_err(HardenError::dumpable)?;
    let hardened = Hardened { dumpable, core_bytes_max };
    if hardened == (Hardened { dumpable: false, core_bytes_max: 0 }) {
        Ok(hardened)
    } else {
        Err(HardenError::NoEffect(hardened))
    }
}

/// Why the process is not hardened. It must not go on: stop and ask the operator.
#[derive(Debug)]
pub enum HardenError {
    /// The core limit could not be set or read.
    CoreLimit(io::Error),
    /// The dumpable attribute could not be set or read.
    Dumpable(io::Error),
    /// The kernel took the calls and reports this state.
    NoEffect(Hardened),
}

impl HardenError {
    fn core_limit(errno: Errno) -> Self {
        Self::CoreLimit(errno.into())
    }

    fn dumpable(errno: Errno) -> Self {
        Self::Dumpable(errno.into())
    }
}

impl fmt::Display for HardenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CoreLimit(_) => write!(f, "set the core file limit (RLIMIT_CORE) to 0"),
            Self::Dumpable(_) => write!(f, "make the process non-dumpable (PR_SET_DUMPABLE)"),
            Self::NoEffect(state) => write!(
                f,
                "hardening had no effect: dumpable {}, core limit {}; check the sandbox that the \
                 process runs in",
                state.dumpable, state.core_bytes_max
            ),
        }
    }
}

impl Error for HardenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::CoreLimit(source) | Self::Dumpable(source) => Some(source),
            Self::NoEffect(_) => None,
        }
    }
}
