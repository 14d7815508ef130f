//! Writing to the caller's streams.

use std::os::fd::BorrowedFd;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::write;
use zccache_core::entry::{Chunk, Stream};

/// Writes recorded bytes in their order. A reader that has gone away ends it as
/// it would end the compiler: by SIGPIPE, or, where that is ignored, by silence.
pub(super) fn replay(chunks: &[Chunk]) {
    for chunk in chunks {
        let fd = match chunk.stream {
            Stream::Stdout => libc::STDOUT_FILENO,
            Stream::Stderr => libc::STDERR_FILENO,
        };
        if !write_all(fd, &chunk.bytes) {
            return;
        }
    }
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
