//! Writing to the caller's streams.

use std::os::fd::BorrowedFd;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigHandler, Signal, signal};
use nix::sys::stat::fstat;
use nix::unistd::write;
use zccache_core::entry::{Chunk, Stream};

/// Writes recorded bytes in their order; false if a stream does not take them, as when
/// its reader has gone away. What a compiler does then, and how it ends, only it knows.
///
/// Of two streams that nobody reads as one, standard output comes first: it may be a file
/// for which there is no room, and the compiler would say again what it has to say.
#[must_use]
pub(super) fn replay(chunks: &[Chunk]) -> bool {
    let write = |chunk: &Chunk| {
        let fd = match chunk.stream {
            Stream::Stdout => libc::STDOUT_FILENO,
            Stream::Stderr => libc::STDERR_FILENO,
        };
        write_all(fd, &chunk.bytes)
    };
    let of = |stream| chunks.iter().filter(move |chunk| chunk.stream == stream);
    if chunks.is_empty() {
        return true;
    }
    without_sigpipe(|| {
        if are_one() {
            chunks.iter().all(write)
        } else {
            of(Stream::Stdout).all(write) && of(Stream::Stderr).all(write)
        }
    })
}

/// Whether standard output and standard error are the same file, pipe or terminal, or may be.
fn are_one() -> bool {
    let file = |fd| {
        // SAFETY: only looks at the descriptor; a closed one makes that fail.
        let stat = fstat(unsafe { BorrowedFd::borrow_raw(fd) });
        stat.map(|stat| (stat.st_dev, stat.st_ino))
    };
    match (file(libc::STDOUT_FILENO), file(libc::STDERR_FILENO)) {
        (Ok(stdout), Ok(stderr)) => stdout == stderr,
        _ => true,
    }
}

/// Does something while a pipe without a reader is an error and no signal.
fn without_sigpipe<T>(act: impl FnOnce() -> T) -> T {
    // SAFETY: SIG_IGN runs no code.
    let before = unsafe { signal(Signal::SIGPIPE, SigHandler::SigIgn) };
    let done = act();
    if let Ok(before) = before {
        // SAFETY: what was there before; this program installs no handler of its own.
        let _ = unsafe { signal(Signal::SIGPIPE, before) };
    }
    done
}

/// Writes a message of our own to standard error.
pub(super) fn complain(message: &[u8]) {
    write_all(libc::STDERR_FILENO, message);
}

/// Writes all bytes to a stream; false if it takes no more.
pub(super) fn write_all(fd: i32, mut bytes: &[u8]) -> bool {
    // SAFETY: only used for this write; a closed descriptor makes it fail.
    let stream = unsafe { BorrowedFd::borrow_raw(fd) };
    while !bytes.is_empty() {
        match write(stream, bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => {
                let _ = poll(&mut [PollFd::new(stream, PollFlags::POLLOUT)], PollTimeout::NONE);
            }
            Err(_) => return false,
        }
    }
    true
}
