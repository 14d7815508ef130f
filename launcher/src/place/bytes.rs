//! The bytes of a file to put in place.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::fs::FileExt;

use nix::errno::Errno;
use nix::sys::stat::fstat;

/// What is copied at once where the kernel cannot copy by itself.
const STEP: usize = 256 << 10;

/// Where bytes come from.
pub(super) enum Bytes<'a> {
    /// From memory.
    Memory(&'a [u8]),
    /// From the start of a blob, this many; wherever its descriptor stands.
    Blob(BorrowedFd<'a>, u64),
}

impl Bytes<'_> {
    /// Writes all bytes to the empty `file`.
    ///
    /// # Errors
    /// As `write(2)`; `UnexpectedEof` when the blob is shorter than it should be.
    pub(super) fn write_to(&self, file: &File) -> io::Result<()> {
        match *self {
            Self::Memory(bytes) => file.write_all_at(bytes, 0),
            Self::Blob(blob, length) => {
                if clone_whole(blob, file, length) {
                    return Ok(());
                }
                let copied = copy_in_kernel(blob, file, length)?;
                copy_by_hand(blob, file, copied, length)
            }
        }
    }
}

/// Shares the extents of a blob, where the file system can.
fn clone_whole(blob: BorrowedFd<'_>, file: &File, length: u64) -> bool {
    let whole = fstat(blob).is_ok_and(|stat| u64::try_from(stat.st_size) == Ok(length));
    // SAFETY: both descriptors are open; the request takes one by value.
    whole && unsafe { libc::ioctl(file.as_raw_fd(), libc::FICLONE, blob.as_raw_fd()) } == 0
}

/// Copies within the kernel as far as it can; returns how far it came.
fn copy_in_kernel(blob: BorrowedFd<'_>, file: &File, length: u64) -> io::Result<u64> {
    let mut done = 0;
    while done < length {
        match copy_range(blob, file, done, length - done) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(Errno::EINTR) => {}
            Err(errno @ (Errno::ENOSPC | Errno::EDQUOT | Errno::EIO | Errno::EFBIG)) => {
                return Err(errno.into());
            }
            Err(_) => break,
        }
    }
    Ok(done)
}

/// `copy_file_range(2)` from `at` to `at`.
fn copy_range(blob: BorrowedFd<'_>, file: &File, at: u64, length: u64) -> Result<u64, Errno> {
    let (mut from, mut to) = (at.cast_signed(), at.cast_signed());
    let (blob, file) = (blob.as_raw_fd(), file.as_raw_fd());
    let step = usize::try_from(length).unwrap_or(usize::MAX).min(1 << 30);
    // SAFETY: both descriptors are open, both offsets valid for the call.
    let count = unsafe { libc::copy_file_range(blob, &raw mut from, file, &raw mut to, step, 0) };
    Errno::result(count).map(|count| count.unsigned_abs() as u64)
}

fn copy_by_hand(blob: BorrowedFd<'_>, file: &File, mut at: u64, length: u64) -> io::Result<()> {
    if at == length {
        return Ok(());
    }
    let blob = File::from(blob.try_clone_to_owned()?);
    let mut buffer = vec![0; STEP];
    while at < length {
        let step = usize::try_from(length - at).unwrap_or(STEP).min(STEP);
        blob.read_exact_at(&mut buffer[..step], at)?;
        file.write_all_at(&buffer[..step], at)?;
        at += step as u64;
    }
    Ok(())
}
