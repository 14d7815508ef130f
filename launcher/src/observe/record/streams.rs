//! What a run writes to standard output and standard error, in order.
//!
//! The streams are not piped: the tool keeps the very descriptors of the
//! caller. The bytes of each write are copied before the write goes on.

use std::os::fd::BorrowedFd;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use zccache_core::entry::{Chunk, Stream};
use zccache_core::{Reason, limits};

use crate::observe::process::tracee::Tracee;

/// The recorded writes.
#[derive(Default)]
pub(crate) struct Streams {
    chunks: Vec<Chunk>,
    length: usize,
}

/// Whose descriptor a number is in the tool.
enum Owner {
    /// The caller's stream of that number.
    Same,
    /// The caller's other stream.
    Other,
    /// The tool's own.
    Tool,
}

impl Streams {
    /// Records a write of `length` bytes at `address` to descriptor `fd`, 1 or 2.
    ///
    /// # Errors
    /// The reason for which the run cannot be kept.
    pub(crate) fn write(
        &mut self,
        tracee: Tracee,
        fd: i32,
        address: u64,
        length: u64,
    ) -> Result<(), Reason> {
        match owner(tracee, fd)? {
            Owner::Tool => Ok(()),
            Owner::Other => Err(Reason::StreamHandedOn),
            Owner::Same => self.record(tracee, fd, &[(address, length)]),
        }
    }

    /// Records a write of the `count` parts listed at `vector` to descriptor `fd`.
    ///
    /// # Errors
    /// The reason for which the run cannot be kept.
    pub(crate) fn write_vector(
        &mut self,
        tracee: Tracee,
        fd: i32,
        vector: u64,
        count: u64,
    ) -> Result<(), Reason> {
        match owner(tracee, fd)? {
            Owner::Tool => return Ok(()),
            Owner::Other => return Err(Reason::StreamHandedOn),
            Owner::Same => {}
        }
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        if count > libc::UIO_MAXIOV as usize {
            return Ok(());
        }
        let mut raw = Vec::new();
        tracee.append_all(vector, count * 16, &mut raw).map_err(|_| Reason::UnreadableTool)?;
        let word = |bytes: &[u8]| bytes.try_into().map_or(0, u64::from_ne_bytes);
        let parts: Vec<_> =
            raw.chunks_exact(16).map(|part| (word(&part[..8]), word(&part[8..]))).collect();
        self.record(tracee, fd, &parts)
    }

    /// Judges an operation that passes descriptor `fd` on or writes to it in a way
    /// that is not recorded.
    ///
    /// # Errors
    /// [`Reason::StreamHandedOn`] if it is a stream of the caller.
    pub(crate) fn hand_on(tracee: Tracee, fd: i32) -> Result<(), Reason> {
        match owner(tracee, fd)? {
            Owner::Tool => Ok(()),
            Owner::Same | Owner::Other => Err(Reason::StreamHandedOn),
        }
    }

    /// The writes, neighbours on one stream merged.
    pub(crate) fn into_chunks(self) -> Vec<Chunk> {
        self.chunks
    }

    fn record(&mut self, tracee: Tracee, fd: i32, parts: &[(u64, u64)]) -> Result<(), Reason> {
        if may_write_less(fd) {
            return Err(Reason::StreamHandedOn);
        }
        let stream = if fd == libc::STDOUT_FILENO { Stream::Stdout } else { Stream::Stderr };
        for &(address, length) in parts {
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            self.length = self.length.saturating_add(length);
            if self.length > limits::STREAM_BYTES {
                return Err(Reason::TooMuchOutput);
            }
            let bytes = self.chunk(stream);
            tracee.append_all(address, length, bytes).map_err(|_| Reason::UnreadableTool)?;
        }
        Ok(())
    }

    fn chunk(&mut self, stream: Stream) -> &mut Vec<u8> {
        if self.chunks.last().is_none_or(|last| last.stream != stream) {
            self.chunks.push(Chunk { stream, bytes: Vec::new() });
        }
        let last = self.chunks.len() - 1;
        &mut self.chunks[last].bytes
    }
}

fn owner(tracee: Tracee, fd: i32) -> Result<Owner, Reason> {
    let other = libc::STDOUT_FILENO + libc::STDERR_FILENO - fd;
    let shares = |ours| tracee.shares(fd, ours).map_err(|_| Reason::UnreadableTool);
    if shares(fd)? {
        Ok(Owner::Same)
    } else if shares(other)? {
        Ok(Owner::Other)
    } else {
        Ok(Owner::Tool)
    }
}

/// Whether a write may take fewer bytes than it is given, because the stream
/// does not block.
fn may_write_less(fd: i32) -> bool {
    // SAFETY: the caller of the launcher has descriptors 1 and 2 open, which is checked at the start.
    let ours = unsafe { BorrowedFd::borrow_raw(fd) };
    fcntl(ours, FcntlArg::F_GETFL)
        .is_ok_and(|flags| OFlag::from_bits_retain(flags).contains(OFlag::O_NONBLOCK))
}
