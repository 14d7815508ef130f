//! Starting the compiler under the filter, and waiting for its end.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::pipe2;
use zccache_core::report::Ended;

use super::board::Board;
use super::signals::HeldSignals;
use crate::observe::seccomp::{Filter, Listener};
use crate::program::Program;

/// The compiler, started and not yet waited for.
pub(crate) struct Child {
    pid: libc::pid_t,
    handle: OwnedFd,
    board: Board,
}

impl Child {
    /// Starts `program` under `filter`. Without a listener it runs unobserved,
    /// because this kernel or container does not permit it.
    ///
    /// # Errors
    /// As `pipe2(2)` and `clone(2)`; then nothing was started.
    pub(crate) fn start(
        program: &Program,
        filter: &mut Filter,
        signals: &HeldSignals,
    ) -> io::Result<(Self, Option<Listener>)> {
        let board = Board::new()?;
        // The child has written on the board when it closes this end, which is also ours.
        let (told, telling) = pipe2(OFlag::O_CLOEXEC)?;
        let telling = telling.into_raw_fd();
        let parent = std::process::id().cast_signed();
        match fork_sharing_descriptors() {
            Ok(Forked::Child) => {
                tie_to(parent);
                if let Ok(listener) = install(filter) {
                    board.announce(listener);
                }
                close(telling);
                signals.restore_in_child();
                board.give_up(program.execute());
                // SAFETY: ends the process without running what belongs to its parent.
                unsafe { libc::_exit(127) }
            }
            Ok(Forked::Parent { pid, handle }) => {
                wait_until_told(told.as_fd(), handle.as_fd());
                // SAFETY: the child has just made this listener in the table
                // we share, and leaves it to us.
                let listener = board.listener().map(|fd| unsafe { Listener::from_raw(fd) });
                Ok((Self { pid, handle, board }, listener))
            }
            Err(error) => {
                close(telling);
                Err(error)
            }
        }
    }

    /// The process id, valid until [`Child::wait`].
    pub(crate) fn pid(&self) -> libc::pid_t {
        self.pid
    }

    /// Readable once the process has ended.
    pub(crate) fn handle(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }

    /// Waits for the end. The second value says why the compiler was never executed.
    pub(crate) fn wait(&self) -> (Ended, Option<Errno>) {
        let mut status = 0;
        // SAFETY: the status is valid for the call.
        while unsafe { libc::waitpid(self.pid, &raw mut status, 0) } < 0
            && Errno::last() == Errno::EINTR
        {}
        let ended = if libc::WIFSIGNALED(status) {
            Ended::Signal(libc::WTERMSIG(status))
        } else {
            #[expect(clippy::cast_sign_loss, clippy::cast_possible_truncation, reason = "8 bits")]
            Ended::Exit(libc::WEXITSTATUS(status) as u8)
        };
        (ended, self.board.not_executed())
    }
}

/// Waits until the child has closed its end of a pipe, or has ended.
fn wait_until_told(told: BorrowedFd<'_>, handle: BorrowedFd<'_>) {
    let mut ends = [told, handle].map(|end| PollFd::new(end, PollFlags::POLLIN));
    while poll(&mut ends, PollTimeout::NONE) == Err(Errno::EINTR) {}
}

fn close(descriptor: RawFd) {
    // SAFETY: whoever calls this owns it, and uses it no more.
    unsafe { libc::close(descriptor) };
}

enum Forked {
    Child,
    Parent { pid: libc::pid_t, handle: OwnedFd },
}

/// Forks; the child shares our table of descriptors until it executes
/// something, so that a listener it makes is ours too.
fn fork_sharing_descriptors() -> io::Result<Forked> {
    let mut handle: libc::c_int = -1;
    let flags = libc::CLONE_FILES | libc::CLONE_PIDFD | libc::SIGCHLD;
    // SAFETY: without a stack of its own and without CLONE_VM this is fork(2); this
    // process has one thread, and the child calls only what is safe after a fork.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, 0, &raw mut handle, 0, 0) };
    match pid {
        0 => Ok(Forked::Child),
        1.. => {
            // SAFETY: clone has just stored this new descriptor for us.
            let handle = unsafe { OwnedFd::from_raw_fd(handle) };
            #[expect(clippy::cast_possible_truncation, reason = "a process id")]
            Ok(Forked::Parent { pid: pid as libc::pid_t, handle })
        }
        _ => Err(io::Error::last_os_error()),
    }
}

/// Ends this process when its parent `parent` does: unanswered, its calls would
/// fail with `ENOSYS`.
fn tie_to(parent: libc::pid_t) {
    // SAFETY: takes plain integers.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    // SAFETY: takes nothing.
    if unsafe { libc::getppid() } != parent {
        // SAFETY: ends the process.
        unsafe { libc::_exit(127) }
    }
}

/// Installs the filter; first without `no_new_privs`, so that where we are
/// permitted to, set-user-id programs keep working.
fn install(filter: &mut Filter) -> Result<RawFd, Errno> {
    match install_as_is(filter) {
        Err(Errno::EACCES) => {
            // SAFETY: takes plain integers.
            unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
            install_as_is(filter)
        }
        other => other,
    }
}

/// With `WAIT_KILLABLE_RECV` (Linux 5.19) a signal does not restart a call that
/// was already looked at; older kernels do without.
fn install_as_is(filter: &mut Filter) -> Result<RawFd, Errno> {
    // The filter is no sandbox, so it needs no mitigation of speculation.
    let flags = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER | libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW;
    match set_filter(filter, flags | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV) {
        Err(Errno::EINVAL) => set_filter(filter, flags),
        other => other,
    }
}

fn set_filter(filter: &mut Filter, flags: libc::c_ulong) -> Result<RawFd, Errno> {
    let program = filter.program();
    let mode = libc::SECCOMP_SET_MODE_FILTER;
    // SAFETY: the program points into `filter`, which outlives the call.
    let fd = unsafe { libc::syscall(libc::SYS_seccomp, mode, flags, &raw const program) };
    #[expect(clippy::cast_possible_truncation, reason = "a descriptor")]
    Errno::result(fd as RawFd)
}
