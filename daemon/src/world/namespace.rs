//! The file system as one process sees it: where a path leads, asked of the
//! kernel, or of a view directly when the path leads into one.

use std::borrow::Cow;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, open, openat2, readlinkat};
use nix::sys::stat::{FileStat, Mode, fstat, fstatat};
use zccache_core::{Identity, OsBytes};
use zccache_fs::{Look, ProjectedBytes, View};

use super::mounts::{Mount, MountTable, covering};

/// What is at a path now.
#[derive(Debug)]
pub(crate) enum Found {
    /// Nothing.
    Absent,
    /// A regular file.
    File(FoundFile),
    /// A directory.
    Directory(Identity),
    /// A symbolic link that was not followed.
    Symlink(OsBytes),
    /// A device, fifo or socket.
    Special { kind: u32, device: u64 },
    /// The look-up failed.
    Unreachable(i32),
}

/// A regular file.
#[derive(Clone, Debug)]
pub(crate) struct FoundFile {
    pub(crate) identity: Identity,
    pub(crate) executable: bool,
    /// The content of a projected file.
    pub(crate) projected: Option<ProjectedBytes>,
}

/// Whom to ask about a path.
pub(crate) enum Located<'p> {
    /// The kernel, about this path.
    Kernel(Cow<'p, Path>),
    /// A view, about this path below its root.
    View(Arc<View>, PathBuf),
}

/// A mount namespace and root directory.
pub(crate) struct Namespace {
    /// None for the daemon's own.
    root: Option<OwnedFd>,
    table: Mutex<MountTable>,
    served: Mutex<Vec<(u64, Arc<View>)>>,
    shown: RwLock<Arc<Shown>>,
}

/// The mounts of a namespace and those views that are among them.
#[derive(Default)]
struct Shown {
    mounts: Vec<Mount>,
    views: Vec<(u64, Arc<View>)>,
}

impl Namespace {
    pub(crate) fn new(root: Option<OwnedFd>, mountinfo: OwnedFd) -> io::Result<Self> {
        let namespace = Self {
            root,
            table: Mutex::new(MountTable::new(mountinfo)?),
            served: Mutex::default(),
            shown: RwLock::default(),
        };
        namespace.show();
        Ok(namespace)
    }

    /// Takes notice of changed mounts; to be called before each request.
    pub(crate) fn refresh(&self) -> io::Result<()> {
        let changed = self.table.lock().unwrap_or_else(PoisonError::into_inner).refresh()?;
        if changed {
            self.show();
        }
        Ok(())
    }

    /// Takes notice of the views that are served.
    pub(crate) fn set_views(&self, served: Vec<(u64, Arc<View>)>) {
        *self.served.lock().unwrap_or_else(PoisonError::into_inner) = served;
        self.show();
    }

    fn show(&self) {
        let mounts = self.table.lock().unwrap_or_else(PoisonError::into_inner).mounts().to_vec();
        let mut views = self.served.lock().unwrap_or_else(PoisonError::into_inner).clone();
        views.retain(|(device, _)| mounts.iter().any(|mount| mount.device == *device));
        *self.shown.write().unwrap_or_else(PoisonError::into_inner) =
            Arc::new(Shown { mounts, views });
    }

    fn shown(&self) -> Arc<Shown> {
        Arc::clone(&self.shown.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What is mounted at exactly this path: its device number.
    pub(crate) fn device_mounted_at(&self, point: &Path) -> Option<u64> {
        let shown = self.shown();
        covering(&shown.mounts, point).filter(|mount| mount.point == point).map(|m| m.device)
    }

    /// Whom to ask about an absolute path.
    pub(crate) fn locate<'p>(&self, path: &'p Path) -> Located<'p> {
        let shown = self.shown();
        if shown.views.is_empty() {
            return Located::Kernel(path.into());
        }
        let Some(collapsed) = self.collapse(&shown, path) else {
            return Located::Kernel(path.into());
        };
        match shown.view_of(&collapsed) {
            Some((view, below)) => Located::View(view, below),
            None => Located::Kernel(collapsed.into()),
        }
    }

    /// Removes each `.` and each `..` behind a directory that is no link. None
    /// if that cannot be done textually.
    fn collapse(&self, shown: &Shown, path: &Path) -> Option<PathBuf> {
        let mut collapsed = PathBuf::new();
        for component in path.components() {
            if component != Component::ParentDir {
                collapsed.push(component);
                continue;
            }
            let found = match shown.view_of(&collapsed) {
                Some((_, below)) if below.as_os_str().is_empty() => None,
                Some((view, below)) => Some(look_in_view(&view, &below, false)),
                None => Some(self.ask_kernel(&collapsed, false)),
            };
            if !matches!(found, None | Some(Found::Directory(_))) {
                return None;
            }
            collapsed.pop();
        }
        Some(collapsed)
    }

    /// What is at an absolute path now.
    pub(crate) fn look(&self, path: &Path, follow: bool) -> Found {
        match self.locate(path) {
            Located::Kernel(path) => self.ask_kernel(&path, follow),
            Located::View(view, below) => look_in_view(&view, &below, follow),
        }
    }

    /// Opens a regular file for reading, not through a view.
    pub(crate) fn open(&self, path: &Path) -> io::Result<OwnedFd> {
        match self.locate(path) {
            Located::View(view, below) => view.open_lower(&below),
            Located::Kernel(path) => {
                let flags =
                    OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
                Ok(self.open_in_kernel(&path, flags)?)
            }
        }
    }

    /// The sorted names in a directory.
    pub(crate) fn list(&self, path: &Path) -> io::Result<Vec<OsBytes>> {
        let mut names: Vec<OsBytes> = match self.locate(path) {
            Located::View(view, below) => {
                view.list(&below)?.into_iter().map(OsBytes::from).collect()
            }
            Located::Kernel(path) => {
                let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
                let mut directory = nix::dir::Dir::from_fd(self.open_in_kernel(&path, flags)?)?;
                let names = directory
                    .iter()
                    .map(|entry| entry.map(|entry| OsBytes::from(entry.file_name().to_bytes())));
                names.collect::<Result<_, _>>()?
            }
        };
        names.retain(|name| !matches!(name.as_bytes(), b"." | b".."));
        names.sort_unstable();
        Ok(names)
    }

    /// The path without any link that leads to the same file.
    pub(crate) fn real_path(&self, path: &Path) -> io::Result<PathBuf> {
        if let Located::View(..) = self.locate(path) {
            return Ok(path.to_owned());
        }
        let file = self.open_in_kernel(path, OFlag::O_PATH | OFlag::O_CLOEXEC)?;
        let link = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file));
        std::fs::read_link(link)
    }

    fn ask_kernel(&self, path: &Path, follow: bool) -> Found {
        match self.stat_in_kernel(path, follow) {
            Ok(stat) => self.found(path, &stat),
            Err(Errno::ENOENT | Errno::ENOTDIR) => Found::Absent,
            Err(errno) => Found::Unreachable(errno as i32),
        }
    }

    fn found(&self, path: &Path, stat: &FileStat) -> Found {
        match stat.st_mode & libc::S_IFMT {
            libc::S_IFREG => Found::File(FoundFile {
                identity: stat.into(),
                executable: stat.st_mode & 0o111 != 0,
                projected: None,
            }),
            libc::S_IFDIR => Found::Directory(stat.into()),
            libc::S_IFLNK => match self.read_link(path) {
                Ok(target) => Found::Symlink(target),
                Err(errno) => Found::Unreachable(errno as i32),
            },
            kind => Found::Special { kind, device: stat.st_rdev },
        }
    }

    fn stat_in_kernel(&self, path: &Path, follow: bool) -> nix::Result<FileStat> {
        if self.root.is_none() {
            let flags = if follow { AtFlags::empty() } else { AtFlags::AT_SYMLINK_NOFOLLOW };
            return fstatat(nix::fcntl::AT_FDCWD, path, flags);
        }
        let nofollow = if follow { OFlag::empty() } else { OFlag::O_NOFOLLOW };
        let file = self.open_in_kernel(path, OFlag::O_PATH | OFlag::O_CLOEXEC | nofollow)?;
        fstat(&file)
    }

    fn read_link(&self, path: &Path) -> nix::Result<OsBytes> {
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let link = self.open_in_kernel(path, flags)?;
        Ok(readlinkat(&link, "")?.into())
    }

    fn open_in_kernel(&self, path: &Path, flags: OFlag) -> nix::Result<OwnedFd> {
        match &self.root {
            None => open(path, flags, Mode::empty()),
            Some(root) => open_below(root.as_fd(), path, flags),
        }
    }
}

/// Resolves as a process with that root would, links included (`openat2(2)`).
fn open_below(root: BorrowedFd<'_>, path: &Path, flags: OFlag) -> nix::Result<OwnedFd> {
    let how = OpenHow::new().flags(flags).resolve(ResolveFlag::RESOLVE_IN_ROOT);
    openat2(root, path, how)
}

impl Shown {
    /// The view that a path without links leads into, and the path below its root.
    fn view_of(&self, path: &Path) -> Option<(Arc<View>, PathBuf)> {
        let mount = covering(&self.mounts, path)?;
        let (_, view) = self.views.iter().find(|(device, _)| *device == mount.device)?;
        let start = mount.root.strip_prefix("/").ok()?;
        Some((Arc::clone(view), start.join(path.strip_prefix(&mount.point).ok()?)))
    }
}

fn look_in_view(view: &View, below: &Path, follow: bool) -> Found {
    let file = |identity, mode: u32, projected| {
        Found::File(FoundFile { identity, executable: mode & 0o111 != 0, projected })
    };
    match view.look(below, follow) {
        Ok(Look::Absent) => Found::Absent,
        Ok(Look::Projected { identity, mode, bytes }) => file(identity, mode, Some(bytes)),
        Ok(Look::Lower { identity, mode }) => file(identity, mode, None),
        Ok(Look::Directory { identity }) => Found::Directory(identity),
        Ok(Look::Symlink(target)) => Found::Symlink(target.into()),
        Ok(Look::Special { kind, device }) => Found::Special { kind, device },
        Ok(Look::ThroughLink) => Found::Unreachable(libc::ELOOP),
        Err(error) => Found::Unreachable(error.raw_os_error().unwrap_or(libc::EIO)),
    }
}
