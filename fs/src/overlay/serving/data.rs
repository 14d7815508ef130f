use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dashmap::DashMap;
use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, OFlag, copy_file_range, fallocate, openat};
use nix::sys::stat::{Mode, fstat};
use nix::unistd::{Whence, fdatasync, fsync, lseek64};

use super::listing::OpenDirectory;
use super::open::drop_privileges;
use crate::errno::errno_of;
use crate::overlay::core::Overlay;
use crate::overlay::state::attributes::NodeId;
use crate::overlay::state::kernel::Invalidation;

/// What the kernel has open, by the numbers it was given.
#[derive(Default, Debug)]
pub(crate) struct Handles {
    last: AtomicU64,
    files: DashMap<u64, Arc<OpenFile>>,
    directories: DashMap<u64, Arc<OpenDirectory>>,
}

/// A regular file that is open.
#[derive(Debug)]
pub(crate) struct OpenFile {
    /// The bytes, opened as asked.
    file: Arc<File>,
    /// Whose they are.
    pub(crate) node: NodeId,
    /// Whether they are to be changed.
    pub(crate) writes: bool,
}

/// Bytes to be written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Data<'a> {
    /// The bytes.
    pub(crate) bytes: &'a [u8],
    /// Where to, as far as the kernel knows.
    pub(crate) offset: u64,
    /// Whether that is to be the end of the file.
    pub(crate) append: bool,
    /// Whether the set-ID bits go.
    pub(crate) unprivileged: bool,
}

impl Handles {
    pub(crate) fn add_file(&self, node: NodeId, file: Arc<File>, writes: bool) -> u64 {
        let handle = self.next();
        self.files.insert(handle, Arc::new(OpenFile { file, node, writes }));
        handle
    }

    pub(crate) fn remove_file(&self, handle: u64) -> Option<Arc<OpenFile>> {
        self.files.remove(&handle).map(|(_, file)| file)
    }

    pub(crate) fn add_directory(&self, directory: OpenDirectory) -> u64 {
        let handle = self.next();
        self.directories.insert(handle, Arc::new(directory));
        handle
    }

    pub(crate) fn directory(&self, handle: u64) -> nix::Result<Arc<OpenDirectory>> {
        self.directories.get(&handle).map(|found| Arc::clone(&found)).ok_or(Errno::EBADF)
    }

    pub(crate) fn remove_directory(&self, handle: u64) {
        self.directories.remove(&handle);
    }

    pub(crate) fn clear(&self) {
        self.files.clear();
        self.directories.clear();
    }

    fn next(&self) -> u64 {
        self.last.fetch_add(1, Ordering::Relaxed) + 1
    }
}

impl Overlay {
    fn open_file(&self, handle: u64) -> nix::Result<Arc<OpenFile>> {
        self.handles.files.get(&handle).map(|open| Arc::clone(&open)).ok_or(Errno::EBADF)
    }

    pub(crate) fn file(&self, handle: u64) -> nix::Result<Arc<File>> {
        Ok(Arc::clone(&self.open_file(handle)?.file))
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

    /// Writes all of the bytes.
    ///
    /// The kernel reckons the end of a file from its last look-up, which another
    /// write may have overtaken. Only one thread serves requests, so where the
    /// end is when this is called, it still is when this writes there. Returns
    /// what the kernel has to forget, once it has been told, where it reckoned wrong.
    pub(crate) fn write(&self, handle: u64, data: &Data<'_>) -> nix::Result<Vec<Invalidation>> {
        let open = self.open_file(handle)?;
        let end = if data.append { fstat(&open.file)?.st_size.unsigned_abs() } else { data.offset };
        open.file.write_all_at(data.bytes, end).map_err(|error| errno_of(&error))?;
        if data.unprivileged {
            drop_privileges(&open.file, &fstat(&open.file)?)?;
        }
        let wrong = (end != data.offset).then_some(Invalidation::Content(open.node));
        Ok(wrong.into_iter().collect())
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
