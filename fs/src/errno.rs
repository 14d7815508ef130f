//! The one place where errors of the standard library become error numbers.

use std::io;

use nix::errno::Errno;

/// The error number behind `error`; `EIO` where it came from no system call.
pub(crate) fn errno_of(error: &io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}
