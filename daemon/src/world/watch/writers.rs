//! Whether anybody has a file open for writing.

use std::fs::File;
use std::os::fd::AsRawFd;

use nix::errno::Errno;

/// Who may write to a file now, through a mapping as well.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Writers {
    /// Nobody.
    None,
    /// Somebody.
    Some,
    /// The kernel does not say of a file of another user.
    OfAnother,
    /// The kernel does not say.
    Untold,
}

impl Writers {
    /// Asks for a read lease, which is refused while there are any (`F_SETLEASE` in
    /// `fcntl(2)`), and gives it back.
    pub(crate) fn of(file: &File) -> Self {
        let lease = |kind: libc::c_int| {
            // nix has no wrapper for leases.
            // SAFETY: F_SETLEASE takes an integer; the descriptor is open.
            Errno::result(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, kind) })
        };
        match lease(libc::F_RDLCK) {
            Ok(_) => {
                // Nothing to be done about a failure: closing the file ends the lease.
                let _ended = lease(libc::F_UNLCK);
                Self::None
            }
            Err(Errno::EAGAIN) => Self::Some,
            Err(Errno::EACCES) => Self::OfAnother,
            Err(_) => Self::Untold,
        }
    }
}
