//! What a process is given besides its arguments.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::path::Path;

use nix::fcntl::{AT_FDCWD, OFlag, openat};
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit};
use nix::sys::stat::{Mode, stat};
use zccache_core::invocation::{Place, Terminal};
use zccache_core::{Invocation, OsBytes};

use super::command::Command;
use super::input;
use crate::environment;
use crate::observe::Jobserver;

/// The terminals among standard output and standard error.
#[derive(Clone, Copy)]
pub(super) struct Streams([Option<Terminal>; 2]);

impl Streams {
    /// Those of this process.
    pub(super) fn of_process() -> Self {
        Self([terminal(libc::STDOUT_FILENO), terminal(libc::STDERR_FILENO)])
    }
}

/// Whether descriptors 0, 1 and 2 are open. Otherwise what we open would take
/// their place.
pub(super) fn streams_are_open() -> bool {
    // SAFETY: asks about a number, which may name nothing.
    (0..3).all(|fd| unsafe { libc::fcntl(fd, libc::F_GETFD) } >= 0)
}

/// The invocation that this process stands for; none if its directory or root
/// cannot be told.
pub(super) fn invocation(command: &Command, streams: Streams) -> Option<Invocation> {
    let cwd = nix::unistd::getcwd().ok().filter(|path| path.is_absolute())?;
    let given = environment::entries().map(|entry| entry.to_bytes().into());
    Some(Invocation {
        argv: command.arguments.iter().map(|argument| argument.to_bytes().into()).collect(),
        cwd: cwd.into(),
        environment: given.collect(),
        flags: trusted(&command.tools).into_iter().collect(),
        written: Vec::new(),
        umask: umask(),
        place: place()?,
        terminals: streams.0,
        input: input::kind(),
        console: console(),
        jobserver_is_broken: Jobserver::of_process().is_broken(),
        capabilities: capabilities(),
    })
}

/// What was said of tools in front of the command.
fn trusted(tools: &[u8]) -> Option<OsBytes> {
    (!tools.is_empty()).then(|| [b"ZCCACHE_TOOLS=", tools].concat().into())
}

/// Whether something has been mounted over the working directory, whose path this is, as
/// happens to a shell that mounts a view over where it is: by its path this process would
/// reach other files than the compiler does.
#[must_use]
pub fn is_covered(directory: &Path) -> bool {
    let (Ok(here), Ok(there)) = (stat(c"."), stat(directory)) else { return false };
    (here.st_dev, here.st_ino) != (there.st_dev, there.st_ino)
}

/// The mask; reading it means setting it, for a moment in which this process,
/// which has one thread, creates nothing.
fn umask() -> u32 {
    let mask = nix::sys::stat::umask(Mode::all());
    nix::sys::stat::umask(mask);
    mask.bits()
}

/// The mount namespace and root of this process; none if they cannot be told.
#[must_use]
pub fn place() -> Option<Place> {
    let namespace = stat(c"/proc/self/ns/mnt").ok()?;
    let root = stat(c"/").ok()?;
    Some(Place { namespace: namespace.st_ino, root_device: root.st_dev, root_inode: root.st_ino })
}

/// The effective capabilities (`capabilities(7)`); all for a user who needs none to be
/// equal to the daemon.
#[must_use]
pub fn capabilities() -> u64 {
    if nix::unistd::geteuid().is_root() { effective_capabilities().unwrap_or(0) } else { u64::MAX }
}

/// Whether this process may only write files up to some length (`setrlimit(2)`): what
/// the compiler could not write must not come out of the cache.
pub(super) fn limits_files() -> bool {
    getrlimit(Resource::RLIMIT_FSIZE).is_ok_and(|(soft, _)| soft != RLIM_INFINITY)
}

/// The effective capabilities of this process, whoever it is of; `capget(2)` tells them in
/// two halves.
#[must_use]
pub fn effective_capabilities() -> Option<u64> {
    const VERSION_3: u32 = 0x2008_0522;
    let mut header = [VERSION_3, 0];
    let mut sets = [[0u32; 3]; 2];
    // SAFETY: a header of two words, and room for two sets of three words each.
    let told = unsafe { libc::syscall(libc::SYS_capget, header.as_mut_ptr(), sets.as_mut_ptr()) };
    (told == 0).then(|| u64::from(sets[0][0]) | u64::from(sets[1][0]) << 32)
}

/// The terminal that `/dev/tty` means for this process and its children.
fn console() -> Option<Terminal> {
    let flags = OFlag::O_RDONLY | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let opened = openat(AT_FDCWD, c"/dev/tty", flags, Mode::empty()).ok()?;
    terminal(opened.as_raw_fd())
}

fn terminal(fd: i32) -> Option<Terminal> {
    // SAFETY: descriptors 1 and 2 are open, see `streams_are_open`; any other is
    // kept open by the caller.
    let stream = unsafe { BorrowedFd::borrow_raw(fd) };
    nix::unistd::isatty(stream).ok().filter(|is| *is)?;
    let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the request fills one `winsize`.
    unsafe { libc::ioctl(fd, libc::TIOCGWINSZ, &raw mut size) };
    Some(Terminal { columns: size.ws_col })
}
