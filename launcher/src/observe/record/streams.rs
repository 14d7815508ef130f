//! What a run writes to standard output and standard error, in order.
//!
//! The streams are not piped: the tool keeps the very descriptors of the
//! caller. The bytes of each write are copied before the write goes on.

use std::os::fd::{BorrowedFd, RawFd};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use zccache_core::entry::{Chunk, Stream};
use zccache_core::{Reason, limits};

use crate::observe::process::tracee::Tracee;
use crate::observe::seccomp::table::FIRST_SAVED;

/// The recorded writes.
pub(crate) struct Streams {
    chunks: Vec<Chunk>,
    length: usize,
    /// Of which streams a shell has saved a duplicate.
    saved: [bool; 2],
    /// Whether the caller's two streams are different open files; asked once.
    distinct: Option<bool>,
    /// Whether what the tool reads from standard input is known.
    knows_input: bool,
}

impl Streams {
    /// Nothing recorded yet.
    pub(crate) fn new(knows_input: bool) -> Self {
        Self { chunks: Vec::new(), length: 0, saved: [false; 2], distinct: None, knows_input }
    }

    /// Records a write of `length` bytes at `address` to descriptor `fd`.
    ///
    /// # Errors
    /// The reason for which the run cannot be kept.
    pub(crate) fn write(
        &mut self,
        tracee: Tracee,
        fd: RawFd,
        address: u64,
        length: u64,
    ) -> Result<(), Reason> {
        match self.stream_of(tracee, fd)? {
            Some(stream) => self.record(tracee, stream, &[(address, length)]),
            None => Ok(()),
        }
    }

    /// Records a write of the `count` parts listed at `vector` to descriptor `fd`.
    ///
    /// # Errors
    /// The reason for which the run cannot be kept.
    pub(crate) fn write_vector(
        &mut self,
        tracee: Tracee,
        fd: RawFd,
        vector: u64,
        count: u64,
    ) -> Result<(), Reason> {
        let Some(stream) = self.stream_of(tracee, fd)? else { return Ok(()) };
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        if count > libc::UIO_MAXIOV as usize {
            // The call fails.
            return Ok(());
        }
        let mut raw = Vec::new();
        tracee.append_all(vector, count * size_of::<libc::iovec>(), &mut raw)?;
        let word = |bytes: &[u8]| bytes.try_into().map_or(0, u64::from_ne_bytes);
        let parts: Vec<_> = raw
            .chunks_exact(size_of::<libc::iovec>())
            .map(|part| (word(&part[..8]), word(&part[8..])))
            .collect();
        self.record(tracee, stream, &parts)
    }

    /// Judges an operation that writes to descriptor `fd` in a way that is not
    /// recorded.
    ///
    /// # Errors
    /// [`Reason::StreamHandedOn`] if it is a stream of the caller.
    pub(crate) fn hand_on(&mut self, tracee: Tracee, fd: RawFd) -> Result<(), Reason> {
        match self.stream_of(tracee, fd)? {
            Some(_) => Err(Reason::StreamHandedOn),
            None => Ok(()),
        }
    }

    /// Judges a read from descriptor `fd`, or a duplicate of it, which nobody
    /// watches.
    ///
    /// # Errors
    /// [`Reason::InputRead`] if it is the caller's standard input and not known.
    pub(crate) fn take_in(&mut self, tracee: Tracee, fd: RawFd) -> Result<(), Reason> {
        let watched = fd == libc::STDIN_FILENO && !self.knows_input;
        if watched && tracee.shares(fd, libc::STDIN_FILENO)? {
            return Err(Reason::InputRead);
        }
        Ok(())
    }

    /// Judges a duplicate of descriptor `from` at the number `to`. Only where
    /// writes are recorded may a stream of the caller come to be.
    ///
    /// # Errors
    /// [`Reason::StreamHandedOn`] if it comes to be elsewhere.
    pub(crate) fn duplicate(
        &mut self,
        tracee: Tracee,
        from: RawFd,
        to: RawFd,
    ) -> Result<(), Reason> {
        self.take_in(tracee, from)?;
        let Some(stream) = self.stream_of(tracee, from)? else { return Ok(()) };
        let known = stream_named(to).is_some_and(|named| self.distinct() || named == stream);
        if known { Ok(()) } else { Err(Reason::StreamHandedOn) }
    }

    /// Notes a duplicate of descriptor `from` at a free number not below `lowest`.
    ///
    /// # Errors
    /// [`Reason::StreamHandedOn`] if a stream of the caller may come to be where
    /// writes are not recorded.
    pub(crate) fn save(
        &mut self,
        tracee: Tracee,
        from: RawFd,
        lowest: RawFd,
    ) -> Result<(), Reason> {
        self.take_in(tracee, from)?;
        let Some(stream) = self.stream_of(tracee, from)? else { return Ok(()) };
        self.saved[stream as usize] = true;
        if lowest >= FIRST_SAVED { Ok(()) } else { Err(Reason::StreamHandedOn) }
    }

    /// The writes, neighbours on one stream merged.
    pub(crate) fn into_chunks(self) -> Vec<Chunk> {
        self.chunks
    }

    fn record(
        &mut self,
        tracee: Tracee,
        stream: Stream,
        parts: &[(u64, u64)],
    ) -> Result<(), Reason> {
        if may_write_less(number_of(stream)) {
            return Err(Reason::StreamHandedOn);
        }
        for &(address, length) in parts {
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            self.length = self.length.saturating_add(length);
            if self.length > limits::STREAM_BYTES {
                return Err(Reason::TooMuchOutput);
            }
            let bytes = self.chunk(stream);
            tracee.append_all(address, length, bytes)?;
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

    /// The stream of the caller that descriptor `fd` of the tool is, if any.
    fn stream_of(&mut self, tracee: Tracee, fd: RawFd) -> Result<Option<Stream>, Reason> {
        let Some(named) = stream_named(fd) else { return self.saved_stream(tracee, fd) };
        if tracee.shares(fd, number_of(named))? {
            return Ok(Some(named));
        }
        let other = if named == Stream::Stdout { Stream::Stderr } else { Stream::Stdout };
        Ok(tracee.shares(fd, number_of(other))?.then_some(other))
    }

    /// As `stream_of`, for the numbers to which shells save streams.
    fn saved_stream(&mut self, tracee: Tracee, fd: RawFd) -> Result<Option<Stream>, Reason> {
        if fd < FIRST_SAVED || self.saved == [false; 2] {
            return Ok(None);
        }
        let is_stdout = tracee.shares(fd, libc::STDOUT_FILENO)?;
        let is_stderr = tracee.shares(fd, libc::STDERR_FILENO)?;
        match (is_stdout, is_stderr, self.saved) {
            (false, false, _) => Ok(None),
            (true, false, _) | (true, true, [true, false]) => Ok(Some(Stream::Stdout)),
            (false, true, _) | (true, true, [false, true]) => Ok(Some(Stream::Stderr)),
            (true, true, _) => Err(Reason::StreamHandedOn),
        }
    }

    fn distinct(&mut self) -> bool {
        let ourselves = Tracee(std::process::id().cast_signed());
        *self.distinct.get_or_insert_with(|| {
            matches!(ourselves.shares(libc::STDOUT_FILENO, libc::STDERR_FILENO), Ok(false))
        })
    }
}

fn stream_named(fd: RawFd) -> Option<Stream> {
    match fd {
        libc::STDOUT_FILENO => Some(Stream::Stdout),
        libc::STDERR_FILENO => Some(Stream::Stderr),
        _ => None,
    }
}

fn number_of(stream: Stream) -> RawFd {
    match stream {
        Stream::Stdout => libc::STDOUT_FILENO,
        Stream::Stderr => libc::STDERR_FILENO,
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
