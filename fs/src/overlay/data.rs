use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dashmap::DashMap;
use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, OFlag, copy_file_range, fallocate, openat};
use nix::sys::stat::{Mode, fstat};
use nix::unistd::{Whence, fdatasync, fsync, lseek64};

use super::attributes::NodeId;
use super::core::Overlay;
use super::listing::OpenDirectory;
use super::open::drop_privileges;
use crate::errno::errno_of;

/// What the kernel has open, by the numbers it was given.
#[derive(Default, Debug)]
pub(super) struct Handles {
    last: AtomicU64,
    files: DashMap<u64, Arc<OpenFile>>,
    directories: DashMap<u64, Arc<OpenDirectory>>,
}

/// A regular file that is open.
#[derive(Debug)]
pub(super) struct OpenFile {
    /// The bytes, opened as asked.
    file: Arc<File>,
    /// Whose they are.
    pub(super) node: NodeId,
}

impl Handles {
    pub(super) fn add_file(&self, node: NodeId, file: Arc<File>) -> u64 {
        let handle = self.next();
        self.files.insert(handle, Arc::new(OpenFile { file, node }));
        handle
    }

    pub(super) fn remove_file(&self, handle: u64) -> Option<Arc<OpenFile>> {
        self.files.remove(&handle).map(|(_, file)| file)
    }

    pub(super) fn add_directory(&self, directory: OpenDirectory) -> u64 {
        let handle = self.next();
        self.directories.insert(handle, Arc::new(directory));
        handle
    }

    pub(super) fn directory(&self, handle: u64) -> nix::Result<Arc<OpenDirectory>> {
        self.directories.get(&handle).map(|found| Arc::clone(&found)).ok_or(Errno::EBADF)
    }

    pub(super) fn remove_directory(&self, handle: u64) {
        self.directories.remove(&handle);
    }

    pub(super) fn clear(&self) {
        self.files.clear();
        self.directories.clear();
    }

    fn next(&self) -> u64 {
        self.last.fetch_add(1, Ordering::Relaxed) + 1
    }
}

impl Overlay {
    pub(super) fn file(&self, handle: u64) -> nix::Result<Arc<File>> {
        self.handles.files.get(&handle).map(|open| Arc::clone(&open.file)).ok_or(Errno::EBADF)
    }

    /// Reads up to `size` bytes; fewer only at the end.
    pub(crate) fn read(&self, handle: u64, offset: u64, size: usize) -> nix::Result<Vec<u8>> {
        let file = self.file(handle)?;
        let mut bytes = vec![0; size];
        let mut filled = 0;
        while filled < size {
            match file.read_at(&mut bytes[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(errno_of(&error)),
            }
        }
        bytes.truncate(filled);
        Ok(bytes)
    }

    /// Writes all of `bytes`; for a caller without privilege the set-ID bits go.
    pub(crate) fn write(
        &self,
        handle: u64,
        offset: u64,
        bytes: &[u8],
        privileged: bool,
    ) -> nix::Result<()> {
        let file = self.file(handle)?;
        file.write_all_at(bytes, offset).map_err(|error| errno_of(&error))?;
        if !privileged {
            drop_privileges(&file, &fstat(&file)?)?;
        }
        Ok(())
    }

    /// Makes a file durable.
    pub(crate) fn sync_file(&self, handle: u64, data_only: bool) -> nix::Result<()> {
        let file = self.file(handle)?;
        if data_only { fdatasync(&file) } else { fsync(&file) }
    }

    /// Makes the names of a directory durable.
    pub(crate) fn sync_directory(&self, node: NodeId) -> nix::Result<()> {
        let directory = self.nodes().directory(node)?;
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        fsync(openat(&directory, ".", flags, Mode::empty())?)
    }

    /// Allocates, zeroes or punches space; `mode` as in `fallocate(2)`.
    pub(crate) fn allocate(
        &self,
        handle: u64,
        mode: i32,
        offset: u64,
        length: u64,
    ) -> nix::Result<()> {
        let mode = FallocateFlags::from_bits(mode).ok_or(Errno::EOPNOTSUPP)?;
        fallocate(&*self.file(handle)?, mode, signed(offset)?, signed(length)?)
    }

    /// Finds data or a hole; `whence` as in `lseek(2)`.
    pub(crate) fn seek(&self, handle: u64, offset: i64, whence: i32) -> nix::Result<i64> {
        let whence = match whence {
            libc::SEEK_DATA => Whence::SeekData,
            libc::SEEK_HOLE => Whence::SeekHole,
            _ => return Err(Errno::EINVAL),
        };
        lseek64(&*self.file(handle)?, offset, whence)
    }

    /// Copies from one open file to another; returns how many bytes.
    pub(crate) fn copy(
        &self,
        (from, from_offset): (u64, u64),
        (to, to_offset): (u64, u64),
        length: u64,
    ) -> nix::Result<usize> {
        let (source, target) = (self.file(from)?, self.file(to)?);
        let (mut read, mut write) = (signed(from_offset)?, signed(to_offset)?);
        let length = usize::try_from(length.min(1 << 30)).map_err(|_| Errno::EINVAL)?;
        copy_file_range(&*source, Some(&mut read), &*target, Some(&mut write), length)
    }
}

fn signed(number: u64) -> nix::Result<i64> {
    i64::try_from(number).map_err(|_| Errno::EFBIG)
}
