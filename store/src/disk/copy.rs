//! Copying and hashing files by position, so that no descriptor's offset moves:
//! it may be shared with the process that sent it.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

use nix::errno::Errno;
use nix::fcntl::copy_file_range;
use zccache_core::Digest;

use crate::limits::BUFFER;

/// Most bytes asked of one `copy_file_range(2)`, so that a file system that
/// copies in the kernel can still be interrupted.
const STRETCH: u64 = 64 << 20;

mod ioctl {
    nix::ioctl_write_int!(ficlone, 0x94, 9);
}

/// Copies `length` bytes into an empty file: sharing the blocks if the file
/// system can (`ioctl_ficlone(2)`), else within the kernel, else by hand.
pub(crate) fn copy(source: &File, target: &File, length: u64) -> io::Result<()> {
    if clone(source, target).is_ok() {
        return Ok(());
    }
    let done = copy_in_kernel(source, target, length)?;
    copy_by_hand(source, target, done..length)
}

/// The digest of the first `length` bytes of a file.
pub(crate) fn hash(file: &File, length: u64) -> io::Result<Digest> {
    let mut hasher = blake3::Hasher::new();
    for_each_piece(file, 0..length, |_, piece| {
        hasher.update(piece);
        Ok(())
    })?;
    Ok(Digest::from_bytes(*hasher.finalize().as_bytes()))
}

fn clone(source: &File, target: &File) -> nix::Result<i32> {
    let source = source.as_raw_fd().cast_unsigned().into();
    // SAFETY: FICLONE takes a descriptor as its argument and touches no memory of
    // ours; both descriptors are open, the borrowed files keep them so.
    unsafe { ioctl::ficlone(target.as_raw_fd(), source) }
}

/// Returns how far it came.
fn copy_in_kernel(source: &File, target: &File, length: u64) -> io::Result<u64> {
    let (mut from, mut to) = (0i64, 0i64);
    loop {
        let done = from.cast_unsigned();
        let ask = (length - done).min(STRETCH) as usize;
        if ask == 0 {
            return Ok(done);
        }
        match copy_file_range(source, Some(&mut from), target, Some(&mut to), ask) {
            Ok(0) => return Ok(done),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(Errno::ENOSPC) => return Err(Errno::ENOSPC.into()),
            Err(_) => return Ok(done),
        }
    }
}

fn copy_by_hand(source: &File, target: &File, range: std::ops::Range<u64>) -> io::Result<()> {
    for_each_piece(source, range, |at, piece| target.write_all_at(piece, at))
}

fn for_each_piece(
    file: &File,
    range: std::ops::Range<u64>,
    mut each: impl FnMut(u64, &[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut at = range.start;
    let mut buffer = vec![0; BUFFER.min(usize::try_from(range.end - at).unwrap_or(BUFFER))];
    while at < range.end {
        let want = buffer.len().min(usize::try_from(range.end - at).unwrap_or(BUFFER));
        file.read_exact_at(&mut buffer[..want], at)?;
        each(at, &buffer[..want])?;
        at += want as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, Write};

    use super::*;

    type Way = fn(&File, &File, u64) -> io::Result<()>;

    #[test]
    fn every_way_of_copying_copies_and_leaves_the_offset() {
        let bytes: Vec<u8> = (0..BUFFER * 3 + 17).map(|n| (n % 251) as u8).collect();
        let length = bytes.len() as u64;
        let mut source = tempfile::tempfile().unwrap();
        source.write_all(&bytes).unwrap();
        source.seek(io::SeekFrom::Start(5)).unwrap();
        let ways: [Way; 3] = [
            copy,
            |source, target, length| copy_in_kernel(source, target, length).map(|_| ()),
            |source, target, length| copy_by_hand(source, target, 0..length),
        ];
        for way in ways {
            let target = tempfile::tempfile().unwrap();
            way(&source, &target, length).unwrap();
            assert_eq!(hash(&target, length).unwrap(), Digest::of(&bytes));
            assert_eq!(target.metadata().unwrap().len(), length);
        }
        assert_eq!(source.stream_position().unwrap(), 5);
    }
}
