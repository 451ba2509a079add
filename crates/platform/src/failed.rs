//! What the system said when a call failed, as a value that can be compared and copied.

use std::io;

use nix::errno::Errno;

/// The error number of an I/O error; `UnknownErrno` for one that is not of the system.
pub(crate) fn errno(error: &io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::UnknownErrno, Errno::from_raw)
}
