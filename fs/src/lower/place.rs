use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, openat, readlinkat};
use nix::sys::stat::{FileStat, Mode, fstatat};
use nix::unistd::{AccessFlags, UnlinkatFlags, faccessat, linkat, unlinkat};

use super::directory::Directory;

/// How often a file is tried again that cannot be opened because of a lease. Our own
/// last some microseconds; another program's may stay.
const LEASE_TRIES: u32 = 100;

/// How long after.
const LEASE_PAUSE: Duration = Duration::from_micros(100);

/// A name in a directory.
#[derive(Clone, Debug)]
pub(crate) struct Name {
    /// The directory.
    pub(crate) directory: Arc<Directory>,
    /// The last component.
    pub(crate) name: OsString,
}

impl Name {
    /// `name` in `directory`.
    pub(crate) fn new(directory: &Arc<Directory>, name: &OsStr) -> Self {
        Self { directory: Arc::clone(directory), name: name.to_owned() }
    }

    /// True for the same name of the same directory.
    pub(crate) fn is(&self, directory: &Directory, name: &OsStr) -> bool {
        self.directory.id() == directory.id() && self.name == name
    }

    /// Removes it, where it may be missing.
    pub(crate) fn remove(&self) {
        let Self { directory, name } = self;
        let result = unlinkat(directory, name.as_os_str(), UnlinkatFlags::NoRemoveDir);
        if let Err(errno) = result
            && errno != Errno::ENOENT
        {
            tracing::warn!(%errno, path = ?self.describe(), "a file stays behind");
        }
    }

    /// The path by which this process would say it, for messages.
    pub(crate) fn describe(&self) -> PathBuf {
        std::fs::read_link(descriptor_path(self.directory.as_fd()))
            .unwrap_or_default()
            .join(&self.name)
    }
}

/// How a lower file can be reached without its path: by a name, or by a
/// descriptor when it has none that is known.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// By name.
    Named(Name),
    /// By `O_PATH` descriptor.
    Pinned(Arc<OwnedFd>),
}

impl Place {
    /// What `lstat(2)` tells of it.
    pub(crate) fn stat(&self) -> nix::Result<FileStat> {
        match self {
            Self::Named(name) => name.directory.stat_of(&name.name),
            Self::Pinned(fd) => fstatat(fd, "", AtFlags::AT_EMPTY_PATH),
        }
    }

    /// Opens it without access to its content, so that it can be pinned or changed.
    pub(crate) fn descriptor(&self) -> nix::Result<Arc<OwnedFd>> {
        match self {
            Self::Named(Name { directory, name }) => {
                let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
                openat(directory, name.as_os_str(), flags, Mode::empty()).map(Arc::new)
            }
            Self::Pinned(fd) => Ok(Arc::clone(fd)),
        }
    }

    /// Opens a regular file. Who asks in the same moment whether anybody writes it, as
    /// this process does, holds a lease on it: with `O_NONBLOCK` that is not waited for
    /// (`F_SETLEASE` in `fcntl(2)`).
    pub(crate) fn open(&self, flags: OFlag) -> nix::Result<File> {
        for _ in 0..LEASE_TRIES {
            match self.open_at_once(flags) {
                Err(Errno::EAGAIN) => std::thread::sleep(LEASE_PAUSE),
                result => return result,
            }
        }
        self.open_at_once(flags)
    }

    fn open_at_once(&self, flags: OFlag) -> nix::Result<File> {
        let flags = flags | OFlag::O_CLOEXEC;
        let fd = match self {
            Self::Named(Name { directory, name }) => {
                openat(directory, name.as_os_str(), flags | OFlag::O_NOFOLLOW, Mode::empty())?
            }
            Self::Pinned(fd) => openat(AT_FDCWD, &descriptor_path(fd), flags, Mode::empty())?,
        };
        Ok(File::from(fd))
    }

    /// The target of a symbolic link.
    pub(crate) fn read_link(&self) -> nix::Result<OsString> {
        match self {
            Self::Named(Name { directory, name }) => readlinkat(directory, name.as_os_str()),
            Self::Pinned(fd) => readlinkat(fd, ""),
        }
    }

    /// Gives it another name.
    pub(crate) fn link(&self, to: &Directory, name: &OsStr) -> nix::Result<()> {
        match self {
            Self::Named(from) => {
                let none = AtFlags::empty();
                linkat(&from.directory, from.name.as_os_str(), to, name, none)
            }
            Self::Pinned(fd) => link_descriptor(fd, to, name),
        }
    }

    /// Whether this process may do `access` to it (`faccessat(2)`, effective ids).
    pub(crate) fn permits(&self, access: AccessFlags) -> nix::Result<()> {
        let flags = AtFlags::AT_EACCESS;
        match self {
            Self::Named(Name { directory, name }) => {
                let flags = flags | AtFlags::AT_SYMLINK_NOFOLLOW;
                faccessat(directory, name.as_os_str(), access, flags)
            }
            Self::Pinned(fd) => faccessat(AT_FDCWD, &descriptor_path(fd), access, flags),
        }
    }
}

/// A path that leads to what a descriptor of this process stands for, as
/// `proc_pid_fd(5)` says; the way to change what only an `O_PATH` descriptor holds.
pub(crate) fn descriptor_path(fd: impl AsFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd()))
}

/// Gives an open file a name; by way of `/proc/self/fd` this needs no privilege
/// (`open(2)`, `O_TMPFILE`).
pub(super) fn link_descriptor(fd: impl AsFd, to: &Directory, name: &OsStr) -> nix::Result<()> {
    linkat(AT_FDCWD, &descriptor_path(fd), to, name, AtFlags::AT_SYMLINK_FOLLOW)
}
