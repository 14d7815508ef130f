use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{Mode, fchmod, futimens};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, fchown, linkat};
use zccache_core::Stamp;

use super::directory::Directory;
use super::place::{Name, link_descriptor};
use crate::errno::errno_of;

/// A new file in a lower directory that nobody finds until it is linked to its
/// names. Unlinked names of its own go away with it.
#[derive(Debug)]
pub(crate) struct StagedFile {
    file: File,
    /// Where the file system has no `O_TMPFILE`: the name that stands in.
    stand_in: Option<Name>,
}

/// What a staged file gets beside its bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StagedMetadata {
    /// Permission bits.
    pub(crate) mode: u32,
    /// Owner.
    pub(crate) uid: u32,
    /// Group.
    pub(crate) gid: u32,
    /// Access time.
    pub(crate) atime: Stamp,
    /// Modification time.
    pub(crate) mtime: Stamp,
}

impl StagedFile {
    /// Makes an empty one on the file system of `directory`.
    pub(crate) fn create(directory: &Arc<Directory>) -> nix::Result<Self> {
        let flags = OFlag::O_RDWR | OFlag::O_CLOEXEC;
        let private = Mode::S_IRUSR | Mode::S_IWUSR;
        match openat(directory, ".", flags | OFlag::O_TMPFILE, private) {
            Ok(fd) => return Ok(Self { file: File::from(fd), stand_in: None }),
            Err(Errno::EOPNOTSUPP | Errno::EISDIR | Errno::EINVAL) => {}
            Err(errno) => return Err(errno),
        }
        loop {
            let name = stand_in_name();
            let flags = flags | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW;
            match openat(directory, name.as_os_str(), flags, private) {
                Ok(fd) => {
                    let stand_in = Some(Name::new(directory, &name));
                    return Ok(Self { file: File::from(fd), stand_in });
                }
                Err(Errno::EEXIST) => {}
                Err(errno) => return Err(errno),
            }
        }
    }

    /// Fills it with everything in `source`: shared extents where the file
    /// system can (`FICLONE`, `ioctl_ficlonerange(2)`), else a copy.
    pub(crate) fn fill_from(&self, mut source: File) -> io::Result<()> {
        if reflink(&source, &self.file).is_ok() {
            return Ok(());
        }
        source.rewind()?;
        io::copy(&mut source, &mut &self.file).map(drop)
    }

    /// Fills it with `bytes`.
    pub(crate) fn fill(&self, bytes: &[u8]) -> io::Result<()> {
        (&self.file).write_all(bytes)
    }

    /// Its size in bytes.
    pub(crate) fn size(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// Sets owner, permissions and times, in the order in which none undoes another.
    pub(crate) fn set(&self, metadata: &StagedMetadata) -> nix::Result<()> {
        let StagedMetadata { mode, uid, gid, atime, mtime } = *metadata;
        fchown(&self.file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
        fchmod(&self.file, Mode::from_bits_truncate(mode))?;
        futimens(&self.file, &time_spec(atime), &time_spec(mtime))
    }

    /// Gives it a name, in place of any lower file of that name.
    pub(crate) fn link(&self, to: &Name) -> nix::Result<()> {
        match self.link_new(&to.directory, &to.name) {
            Err(Errno::EEXIST) => {
                let name = to.name.as_os_str();
                to.remove();
                self.link_new(&to.directory, name)
            }
            result => result,
        }
    }

    fn link_new(&self, to: &Directory, name: &OsStr) -> nix::Result<()> {
        match &self.stand_in {
            Some(own) => linkat(&own.directory, own.name.as_os_str(), to, name, AtFlags::empty()),
            None => link_descriptor(&self.file, to, name),
        }
    }

    /// The open file, which has no name any more.
    pub(super) fn into_nameless(mut self) -> nix::Result<File> {
        self.remove_stand_in();
        self.file.try_clone().map_err(|error| errno_of(&error))
    }

    fn remove_stand_in(&mut self) {
        if let Some(name) = self.stand_in.take() {
            name.remove();
        }
    }
}

impl Drop for StagedFile {
    fn drop(&mut self) {
        self.remove_stand_in();
    }
}

/// A name that no other process of this machine uses at the same time.
fn stand_in_name() -> OsString {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!(".zccache-{}-{number}", std::process::id()).into()
}

fn time_spec(stamp: Stamp) -> TimeSpec {
    TimeSpec::new(stamp.seconds, i64::from(stamp.nanos))
}

fn reflink(from: &File, to: &File) -> nix::Result<()> {
    // SAFETY: FICLONE takes a descriptor by value and touches no memory of this
    // process; both files are open for as long as they are borrowed.
    let result = unsafe { libc::ioctl(to.as_raw_fd(), libc::FICLONE, from.as_raw_fd()) };
    Errno::result(result).map(drop)
}
