//! Processes that are killed at a point of their life that a test names.

use std::process::Command;
use std::thread::JoinHandle;

use nix::errno::Errno;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// A point in the life of a process: before it makes a system call for the n-th time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Point {
    /// What the process is about to do.
    pub(super) name: &'static str,
    /// By which system call.
    pub(super) call: i64,
    /// For the how-manieth time, at most; a test chooses.
    pub(super) most: usize,
}

/// Starts a process that is killed when it is about to make this system call for the
/// `count`-th time. The result tells, once it has ended, whether it was.
///
/// # Panics
/// In its thread, when the process cannot be started or traced.
#[must_use]
#[expect(clippy::zombie_processes, reason = "it is waited for by its process id")]
pub(super) fn start(mut process: Command, call: i64, count: usize) -> JoinHandle<bool> {
    std::thread::spawn(move || {
        // SAFETY: the closure makes one async-signal-safe system call.
        unsafe { std::os::unix::process::CommandExt::pre_exec(&mut process, traced) };
        let child = process.spawn().unwrap_or_else(|error| panic!("{process:?}: {error}"));
        let pid = Pid::from_raw(i32::try_from(child.id()).expect("process ids fit"));
        waitpid(pid, None).expect("it stops when it becomes its program");
        let options = Options::PTRACE_O_TRACESYSGOOD
            | Options::PTRACE_O_TRACECLONE
            | Options::PTRACE_O_EXITKILL;
        ptrace::setoptions(pid, options).expect("it is stopped");
        follow(pid, call, count)
    })
}

fn traced() -> std::io::Result<()> {
    Ok(ptrace::traceme()?)
}

/// Lets all threads of a process go on from call to call until the one that matters.
fn follow(pid: Pid, call: i64, mut count: usize) -> bool {
    go_on(pid, None);
    let mut killed = false;
    loop {
        // Only the children of this thread: other tests wait for theirs.
        let flags = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD;
        match waitpid(None, Some(flags)) {
            Ok(WaitStatus::PtraceSyscall(thread)) => {
                let enters = is_entering(thread, call);
                count -= usize::from(enters && count > 0);
                if enters && count == 0 && !killed {
                    killed = kill(pid, Signal::SIGKILL).is_ok();
                }
                go_on(thread, None);
            }
            // A new thread begins with SIGSTOP, which is not for it.
            Ok(WaitStatus::Stopped(thread, Signal::SIGSTOP)) => go_on(thread, None),
            Ok(WaitStatus::Stopped(thread, signal)) => go_on(thread, Some(signal)),
            Ok(WaitStatus::PtraceEvent(thread, ..)) => go_on(thread, None),
            Ok(WaitStatus::Exited(ended, _) | WaitStatus::Signaled(ended, ..)) if ended == pid => {
                return killed;
            }
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return killed,
        }
    }
}

fn is_entering(thread: Pid, call: i64) -> bool {
    let info = ptrace::syscall_info(thread);
    info.is_ok_and(|info| {
        // SAFETY: the kernel says by `op` that it has filled in `entry`.
        info.op == libc::PTRACE_SYSCALL_INFO_ENTRY
            && i64::try_from(unsafe { info.u.entry.nr }) == Ok(call)
    })
}

/// One that was killed meanwhile cannot go on.
fn go_on(thread: Pid, signal: Option<Signal>) {
    ptrace::syscall(thread, signal).ok();
}
