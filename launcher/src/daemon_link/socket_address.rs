//! Connecting to a Unix socket whose path may be longer than an address holds.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;

use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;

/// Room for a path and its NUL in `sun_path` (`unix(7)`).
const ADDRESS: usize = 108;

/// Connects to the socket at `path`, through a descriptor of its directory if
/// the path is too long for an address.
///
/// # Errors
/// As `connect(2)`.
pub(super) fn connect(path: &Path) -> io::Result<UnixStream> {
    if path.as_os_str().len() < ADDRESS {
        return UnixStream::connect(path);
    }
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let directory: OwnedFd = open(directory, flags, Mode::empty())?;
    let short = Path::new("/proc/self/fd").join(directory.as_raw_fd().to_string()).join(name);
    UnixStream::connect(short)
}
