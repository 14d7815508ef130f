use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use nix::dir::{Dir, Entry, Type};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, openat, openat2};
use nix::sys::stat::{FileStat, Mode, UtimensatFlags, fstat, fstatat, utimensat};
use nix::sys::time::TimeSpec;
use nix::unistd::{AccessFlags, faccessat};

use super::xattr::directory_has;
use crate::errno::errno_of;

/// Device and inode of something in the lower tree. It stays unique for as long
/// as somebody holds the thing open.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct LowerId {
    /// `st_dev`.
    pub(crate) device: u64,
    /// `st_ino`.
    pub(crate) inode: u64,
}

impl From<&FileStat> for LowerId {
    fn from(stat: &FileStat) -> Self {
        Self { device: stat.st_dev, inode: stat.st_ino }
    }
}

/// A directory of the lower tree, held by an `O_PATH` descriptor, so that it is
/// found wherever it is moved to and its inode number is not used again.
#[derive(Debug)]
pub(crate) struct Directory {
    fd: OwnedFd,
    id: LowerId,
}

/// One name in a directory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed {
    /// The name.
    pub name: OsString,
    /// Its inode number.
    pub inode: u64,
    /// Its type, as the `S_IFMT` bits; regular where the file system does not tell.
    pub kind: u32,
}

impl Listed {
    /// What `readdir(3)` has told; none of the directory itself and the one above.
    #[must_use]
    pub fn of(entry: &Entry) -> Option<Self> {
        let name = entry.file_name().to_bytes();
        let kind = kind_bits(entry.file_type());
        let name = (name != b"." && name != b"..").then(|| OsStr::from_bytes(name).to_owned())?;
        Some(Self { name, inode: entry.ino(), kind })
    }
}

const OPEN_DIRECTORY: OFlag =
    OFlag::O_PATH.union(OFlag::O_DIRECTORY).union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);

impl Directory {
    /// Takes over an open directory.
    pub(crate) fn new(fd: OwnedFd) -> nix::Result<Self> {
        let id = LowerId::from(&fstat(&fd)?);
        Ok(Self { fd, id })
    }

    /// Whether files made in it are given an access control list (`acl(5)`).
    pub(crate) fn has_default_access_list(&self) -> bool {
        directory_has(&self.fd, c"system.posix_acl_default")
    }

    /// Opens a directory in this one.
    pub(crate) fn child(&self, name: &OsStr) -> nix::Result<Self> {
        Self::new(openat(self, name, OPEN_DIRECTORY, Mode::empty())?)
    }

    /// Opens a directory below this one; `ELOOP` when a symbolic link is on the way.
    pub(crate) fn descendant(&self, path: &Path) -> nix::Result<Self> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        // With `O_NOFOLLOW` a link at the end would be opened, to be no directory.
        Self::new(self.open_beneath(path, OPEN_DIRECTORY.difference(OFlag::O_NOFOLLOW))?)
    }

    /// Opens what is at a path below this directory; `ELOOP` when a symbolic
    /// link is on the way or at the end.
    pub(crate) fn open_beneath(&self, path: &Path, flags: OFlag) -> nix::Result<OwnedFd> {
        let resolve = ResolveFlag::RESOLVE_BENEATH
            | ResolveFlag::RESOLVE_NO_SYMLINKS
            | ResolveFlag::RESOLVE_NO_MAGICLINKS;
        openat2(self, path, OpenHow::new().flags(flags | OFlag::O_CLOEXEC).resolve(resolve))
    }

    /// Another descriptor of it.
    pub(crate) fn descriptor(&self) -> nix::Result<Arc<OwnedFd>> {
        self.fd.try_clone().map(Arc::new).map_err(|error| errno_of(&error))
    }

    /// Device and inode.
    pub(crate) fn id(&self) -> LowerId {
        self.id
    }

    /// What `stat(2)` tells of the directory itself.
    pub(crate) fn stat(&self) -> nix::Result<FileStat> {
        fstat(self)
    }

    /// What `lstat(2)` tells of a name in it.
    pub(crate) fn stat_of(&self, name: &OsStr) -> nix::Result<FileStat> {
        fstatat(self, name, AtFlags::AT_SYMLINK_NOFOLLOW)
    }

    /// What `lstat(2)` tells of a name in it, if there is one.
    pub(crate) fn find(&self, name: &OsStr) -> nix::Result<Option<FileStat>> {
        match self.stat_of(name) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    /// Gives the directory the times that a change of its names would.
    pub(crate) fn touch(&self) -> nix::Result<()> {
        let now = TimeSpec::UTIME_NOW;
        utimensat(self, ".", &now, &now, UtimensatFlags::NoFollowSymlink)
    }

    /// Gives the directory the modification time that it had.
    pub(crate) fn set_modified(&self, before: &FileStat) -> nix::Result<()> {
        let modified = TimeSpec::new(before.st_mtime, before.st_mtime_nsec);
        let omitted = TimeSpec::UTIME_OMIT;
        utimensat(self, ".", &omitted, &modified, UtimensatFlags::NoFollowSymlink)
    }

    /// Whether this process may do `access` in the directory (`faccessat(2)`,
    /// effective ids).
    pub(crate) fn permits(&self, access: AccessFlags) -> nix::Result<()> {
        faccessat(self, ".", access, AtFlags::AT_EACCESS)
    }

    /// The names in the directory, in the order of the file system.
    pub(crate) fn read(&self) -> nix::Result<Vec<Listed>> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let mut stream = Dir::openat(self, ".", flags, Mode::empty())?;
        let mut names = Vec::new();
        for entry in stream.iter() {
            names.extend(Listed::of(&entry?));
        }
        Ok(names)
    }
}

impl AsFd for Directory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn kind_bits(kind: Option<Type>) -> u32 {
    match kind {
        Some(Type::Fifo) => libc::S_IFIFO,
        Some(Type::CharacterDevice) => libc::S_IFCHR,
        Some(Type::Directory) => libc::S_IFDIR,
        Some(Type::BlockDevice) => libc::S_IFBLK,
        Some(Type::Symlink) => libc::S_IFLNK,
        Some(Type::Socket) => libc::S_IFSOCK,
        Some(Type::File) | None => libc::S_IFREG,
    }
}
