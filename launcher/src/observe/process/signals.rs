//! Signals that reach us while the compiler, or a build, runs.

use std::collections::VecDeque;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::poll::PollTimeout;

/// Signals that keep their meaning for the launcher: job control, what is
/// ignored by default, and faults of its own.
const LEFT_ALONE: &[libc::c_int] = &[
    libc::SIGTSTP,
    libc::SIGTTIN,
    libc::SIGTTOU,
    libc::SIGCONT,
    libc::SIGCHLD,
    libc::SIGWINCH,
    libc::SIGURG,
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGILL,
    libc::SIGFPE,
    libc::SIGSYS,
    libc::SIGTRAP,
    libc::SIGABRT,
];

/// How long a compiler may take to end by a signal that it was sent itself.
const PATIENCE: Duration = Duration::from_millis(200);

/// Signals held back from the launcher, so that it outlives the compiler.
pub struct HeldSignals {
    descriptor: OwnedFd,
    before: libc::sigset_t,
    children_ignored: bool,
}

impl HeldSignals {
    /// Holds back every signal that would end the launcher, and makes sure that
    /// the status of a child is kept for us.
    ///
    /// # Errors
    /// As `signalfd(2)`.
    pub fn hold() -> io::Result<Self> {
        let held = forwarded();
        let mut before = MaybeUninit::uninit();
        // SAFETY: both sets are valid for the call, which fills `before`.
        unsafe { libc::sigprocmask(libc::SIG_BLOCK, &raw const held, before.as_mut_ptr()) };
        // SAFETY: `held` is an initialised set.
        let fd = unsafe { libc::signalfd(-1, &raw const held, libc::SFD_CLOEXEC) };
        // SAFETY: filled by `sigprocmask`, which cannot fail with a valid `how`.
        let before = unsafe { before.assume_init() };
        if fd < 0 {
            let error = io::Error::last_os_error();
            set_mask(&before);
            return Err(error);
        }
        // SAFETY: the kernel has just made this descriptor for us.
        let descriptor = unsafe { OwnedFd::from_raw_fd(fd) };
        // SAFETY: sets the disposition of a signal to the default.
        let children = unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
        Ok(Self { descriptor, before, children_ignored: children == libc::SIG_IGN })
    }

    /// Gives a new process the mask and dispositions the launcher was started
    /// with. Safe between fork and exec.
    pub(crate) fn restore_in_child(&self) {
        if self.children_ignored {
            // SAFETY: sets the disposition of a signal to ignored.
            unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
        }
        set_mask(&self.before);
    }

    /// Takes one held signal, for the compiler unless the kernel sent it on behalf of a
    /// terminal, which has sent it to the compiler too.
    pub fn take(&self, delayed: &mut Delayed) {
        let mut info = MaybeUninit::<libc::signalfd_siginfo>::zeroed();
        let size = size_of::<libc::signalfd_siginfo>();
        // SAFETY: the buffer is valid for `size` bytes.
        let got =
            unsafe { libc::read(self.descriptor.as_raw_fd(), info.as_mut_ptr().cast(), size) };
        if got != size.cast_signed() {
            return;
        }
        // SAFETY: plain integers, wholly read.
        let info = unsafe { info.assume_init() };
        if info.ssi_code <= 0 {
            delayed.0.push_back((Instant::now() + PATIENCE, info.ssi_signo.cast_signed()));
        }
    }
}

/// Signals on their way to the compiler. Who signals a process group, as `ninja` and
/// `timeout(1)` do, has sent them to the compiler too, and nothing tells that; a second one
/// would kill it while it clears up after the first. So they are passed on only if it has
/// not ended after a while.
#[derive(Default)]
pub struct Delayed(VecDeque<(Instant, libc::c_int)>);

impl Delayed {
    /// How long to wait until there is one to be passed on.
    pub fn patience(&self) -> PollTimeout {
        let Some((due, _)) = self.0.front() else { return PollTimeout::NONE };
        // `poll(2)` counts whole milliseconds.
        let left = due.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
        PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO)
    }

    /// Passes those on to the process `child` whose time has come.
    pub fn pass_on(&mut self, child: libc::pid_t) {
        let now = Instant::now();
        while let Some((_, signal)) = self.0.pop_front_if(|(due, _)| *due <= now) {
            // SAFETY: `child` is ours and not yet waited for, so the id is still its own.
            unsafe { libc::kill(child, signal) };
        }
    }
}

impl AsFd for HeldSignals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

fn forwarded() -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: fills the set.
    unsafe { libc::sigfillset(set.as_mut_ptr()) };
    // SAFETY: just filled.
    let mut set = unsafe { set.assume_init() };
    for &signal in LEFT_ALONE {
        // SAFETY: an initialised set and a valid signal number.
        unsafe { libc::sigdelset(&raw mut set, signal) };
    }
    set
}

fn set_mask(mask: &libc::sigset_t) {
    // SAFETY: an initialised set; the former mask is not wanted.
    unsafe { libc::sigprocmask(libc::SIG_SETMASK, mask, std::ptr::null_mut()) };
}

/// Ends this process by `signal`, as the compiler ended, without a second core
/// dump. Falls back to the status a shell would give.
pub(crate) fn die_by(signal: libc::c_int) -> ! {
    let no_core = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: a valid limit.
    unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const no_core) };
    // SAFETY: takes plain integers.
    unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0) };
    // SAFETY: sets the disposition of a signal to the default.
    unsafe { libc::signal(signal, libc::SIG_DFL) };
    let mut only = MaybeUninit::uninit();
    // SAFETY: empties the set.
    unsafe { libc::sigemptyset(only.as_mut_ptr()) };
    // SAFETY: just emptied.
    set_mask(&unsafe { only.assume_init() });
    // SAFETY: signals ourselves.
    unsafe { libc::raise(signal) };
    // SAFETY: ends the process.
    unsafe { libc::_exit(128 + signal) }
}
