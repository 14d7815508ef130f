//! Connecting to a Unix socket whose path may be longer than an address holds.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use nix::fcntl::{OFlag, open};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, setsockopt, socket, sockopt};
use nix::sys::stat::Mode;
use nix::sys::time::TimeVal;

/// Room for a path and its NUL in `sun_path` (`unix(7)`).
const ADDRESS: usize = 108;

/// Connects to the socket at `path`, through a descriptor of its directory if
/// the path is too long for an address. Sending has the same patience.
///
/// # Errors
/// As `connect(2)`; `WouldBlock` where so many wait for the listener, for as long as
/// the patience, that it takes no more.
pub(super) fn connect(path: &Path, patience: Duration) -> io::Result<UnixStream> {
    if path.as_os_str().len() < ADDRESS {
        return connect_to(path, patience);
    }
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let directory: OwnedFd = open(directory, flags, Mode::empty())?;
    let short = Path::new("/proc/self/fd").join(directory.as_raw_fd().to_string()).join(name);
    connect_to(&short, patience)
}

fn connect_to(path: &Path, patience: Duration) -> io::Result<UnixStream> {
    let socket = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    let seconds = i64::try_from(patience.as_secs()).unwrap_or(i64::MAX);
    let timeout = TimeVal::new(seconds, patience.subsec_micros().into());
    setsockopt(&socket, sockopt::SendTimeout, &timeout)?;
    nix::sys::socket::connect(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
    Ok(UnixStream::from(socket))
}
