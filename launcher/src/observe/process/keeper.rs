//! A process that answers for us when processes of the tool outlive it.

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::{ForkResult, fork, setsid};
use std::os::fd::{AsFd, AsRawFd};

use crate::observe::seccomp::Listener;

/// Leaves a process behind that lets every stopped call of the survivors go on
/// until the last of them has ended; were the listener closed, their calls
/// would fail with `ENOSYS`.
pub(crate) fn keep_answering(listener: &Listener) {
    // SAFETY: this process has one thread, so the child may do as it likes.
    if let Ok(ForkResult::Child) = unsafe { fork() } {
        let _ = setsid();
        drop_descriptors_except(listener);
        answer(listener);
        // SAFETY: ends the process without touching what it shares with its parent.
        unsafe { libc::_exit(0) }
    }
}

fn answer(listener: &Listener) {
    loop {
        let mut descriptors = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
        if poll(&mut descriptors, PollTimeout::NONE).is_err() {
            continue;
        }
        let events = descriptors[0].revents().unwrap_or(PollFlags::POLLERR);
        if events.intersects(PollFlags::POLLHUP | PollFlags::POLLERR | PollFlags::POLLNVAL) {
            return;
        }
        match listener.receive() {
            Ok(Some(call)) => listener.resume(call.id),
            Ok(None) => {}
            Err(_) => return,
        }
    }
}

/// Closes what would keep pipes of the caller open.
fn drop_descriptors_except(listener: &Listener) {
    let keep = listener.as_fd().as_raw_fd().cast_unsigned();
    let ranges = [(0, keep.checked_sub(1)), (keep + 1, Some(u32::MAX))];
    for (first, last) in ranges {
        let Some(last) = last else { continue };
        // SAFETY: this process uses no descriptor but `keep` from here on, and
        // ends without dropping the owners of the closed ones.
        unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
    }
}
