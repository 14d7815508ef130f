//! Starting the daemon of a store, exactly once however many try.

use std::ffi::{CString, OsStr};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, fork, pipe2};
use zccache_core::limits;

use super::{Connection, Home, LinkError};
use crate::environment;

/// The program of the daemon, beside our own.
const PROGRAM: &str = "zccache-daemon";

/// Where the daemon finds the pipe on which it says that it listens.
const READINESS: i32 = 3;

/// How much of the reason why a daemon cannot listen is read, in bytes. Less than
/// `PIPE_BUF` arrives at once (`pipe(7)`).
const REASON: usize = 4096;

/// How long to wait between attempts while another launcher starts the daemon.
const PAUSE: Duration = Duration::from_millis(2);

/// Connects to the daemon of a home, and starts it first if there is none.
/// Takes at most [`limits::START_WITHIN`] besides the time of one connection.
///
/// # Errors
/// As [`Connection::open`]; [`LinkError::NotStarted`] when there is no daemon
/// and it cannot be started.
pub fn connect_or_start(home: &Home) -> Result<Connection, LinkError> {
    match Connection::open(home.directory()) {
        Err(LinkError::NoDaemon(_)) => start(home),
        other => other,
    }
}

fn start(home: &Home) -> Result<Connection, LinkError> {
    let deadline = Instant::now() + limits::START_WITHIN;
    let not_started = |error: io::Error| LinkError::NotStarted(error.to_string());
    let mut lock = lock_file(home).map_err(not_started)?;
    loop {
        match Flock::lock(lock, FlockArg::LockExclusiveNonblock) {
            Ok(_held) => {
                return match Connection::open(home.directory()) {
                    Err(LinkError::NoDaemon(_)) => {
                        spawn(home, deadline).map_err(not_started)?;
                        Connection::open(home.directory())
                    }
                    other => other,
                };
            }
            Err((file, Errno::EAGAIN | Errno::EINTR)) => lock = file,
            Err((_, errno)) => return Err(not_started(errno.into())),
        }
        match Connection::open(home.directory()) {
            Err(LinkError::NoDaemon(_)) if Instant::now() < deadline => std::thread::sleep(PAUSE),
            Err(LinkError::NoDaemon(_)) => {
                return Err(LinkError::NotStarted("whoever starts it takes too long".into()));
            }
            other => return other,
        }
    }
}

fn lock_file(home: &Home) -> io::Result<File> {
    home.make()?;
    let flags = libc::O_CLOEXEC | libc::O_NOFOLLOW;
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600).custom_flags(flags);
    options.open(home.directory().join("start.lock"))
}

/// Starts the daemon and waits until it listens.
fn spawn(home: &Home, deadline: Instant) -> io::Result<()> {
    let program = std::env::current_exe()?.with_file_name(PROGRAM);
    let daemon = Daemon::new(&program, home)?;
    let (ready, writer) = pipe2(OFlag::O_CLOEXEC)?;
    // SAFETY: between fork and exec the child calls only what is safe there.
    match unsafe { fork() }? {
        ForkResult::Child => daemon.detach(&writer),
        ForkResult::Parent { child } => {
            drop(writer);
            while waitpid(child, None) == Err(Errno::EINTR) {}
            wait_until_ready(&ready, deadline)
        }
    }
}

fn wait_until_ready(ready: &OwnedFd, deadline: Instant) -> io::Result<()> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO);
        match poll(&mut [PollFd::new(ready.as_fd(), PollFlags::POLLIN)], timeout) {
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
            Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
            Ok(_) => break,
        }
    }
    let mut said = [0; REASON];
    match nix::unistd::read(ready, &mut said)? {
        0 => Err(io::Error::other("it ended before it listened")),
        1 => Ok(()),
        length => Err(io::Error::other(String::from_utf8_lossy(&said[..length]).into_owned())),
    }
}

/// The command line of the daemon, ready for exec.
struct Daemon {
    program: CString,
    arguments: [CString; 6],
}

impl Daemon {
    fn new(program: &Path, home: &Home) -> io::Result<Self> {
        let text = |text: &OsStr| CString::new(text.as_bytes()).map_err(io::Error::from);
        let path = |path: &Path| text(std::path::absolute(path)?.as_os_str());
        if !program.is_file() {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                format!("{} is missing", program.display()),
            ));
        }
        Ok(Self {
            program: text(program.as_os_str())?,
            arguments: [
                text(OsStr::new(PROGRAM))?,
                text(OsStr::new("--store"))?,
                path(home.store())?,
                text(OsStr::new("--home"))?,
                path(home.directory())?,
                text(OsStr::new("--ready-pipe"))?,
            ],
        })
    }

    /// In the first child: leaves the session of the build and forks once more,
    /// so that the daemon is nobody's child and never gains a terminal.
    fn detach(&self, ready: &OwnedFd) -> ! {
        // SAFETY: takes nothing.
        unsafe { libc::setsid() };
        // SAFETY: as the first fork.
        if let Ok(ForkResult::Child) = unsafe { fork() } {
            self.become_daemon(ready.as_raw_fd());
        }
        // SAFETY: ends the process without running what belongs to its parent.
        unsafe { libc::_exit(0) }
    }

    fn become_daemon(&self, ready: i32) {
        let mut arguments = [std::ptr::null(); 7];
        for (pointer, argument) in arguments.iter_mut().zip(&self.arguments) {
            *pointer = argument.as_ptr();
        }
        take_descriptors(ready);
        reset_signals();
        // SAFETY: a constant path.
        unsafe { libc::chdir(c"/".as_ptr()) };
        // SAFETY: takes a mask.
        unsafe { libc::umask(0o077) };
        let environment = environment::pointer();
        // SAFETY: both arrays end in null, and their strings outlive the call.
        unsafe { libc::execve(self.program.as_ptr(), arguments.as_ptr(), environment) };
    }
}

/// Leaves `/dev/null` on the standard streams, the pipe on [`READINESS`], and nothing else
/// open.
fn take_descriptors(ready: i32) {
    // Out of the way of the numbers to be taken.
    // SAFETY: duplicates a descriptor that is open.
    let ready = unsafe { libc::fcntl(ready, libc::F_DUPFD_CLOEXEC, READINESS + 1) };
    // SAFETY: a constant path.
    let null = unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_RDWR) };
    // Where it cannot be opened (a `chroot` without devices) a directory serves: whoever
    // reads what the build writes must not wait for us.
    let nothing = match null {
        // SAFETY: a constant path.
        ..0 => unsafe { libc::open(c"/".as_ptr(), libc::O_RDONLY | libc::O_DIRECTORY) },
        null => null,
    };
    for stream in 0..READINESS {
        // SAFETY: this process, about to become another program, owns every number.
        unsafe { libc::dup2(nothing, stream) };
    }
    // SAFETY: as above.
    unsafe { libc::dup2(ready, READINESS) };
    // SAFETY: as above.
    unsafe { libc::syscall(libc::SYS_close_range, READINESS + 1, u32::MAX, 0) };
}

fn reset_signals() {
    for signal in 1..=libc::SIGRTMAX() {
        // SAFETY: sets a disposition to the default; refused for KILL and STOP.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    let none = nix::sys::signal::SigSet::empty();
    let _ = none.thread_set_mask();
}
