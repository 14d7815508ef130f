//! The file system as one process sees it: where a path leads, asked of the
//! kernel, or of a view directly when the path leads into one.

use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, OpenHow, ResolveFlag, open, openat2, readlinkat};
use nix::sys::stat::{FileStat, Mode, fstat, fstatat};
use nix::unistd::geteuid;
use zccache_compiler::relocation::rustc::output_directory;
use zccache_core::settings::{self, Author, PROJECT_FILE, ROOT_MARKS, Written};
use zccache_core::{Digest, ExecuteBits, Identity, Invocation, OsBytes};
use zccache_fs::{Change, Listed, View};

use super::mounts::{MountTable, Mounts};
use super::sight::Sight;
use super::watch::Watch;

/// What is at a path now.
#[derive(Clone, Debug)]
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
#[derive(Clone, Copy, Debug)]
pub(crate) struct FoundFile {
    pub(crate) identity: Identity,
    /// Its permission bits.
    pub(crate) mode: u32,
    /// Known without reading, for projected files.
    pub(crate) digest: Option<Digest>,
}

impl FoundFile {
    /// By whom it may be executed.
    pub(crate) fn executable(&self) -> ExecuteBits {
        ExecuteBits::of(self.mode)
    }
}

/// Whom to ask about a path.
pub(crate) enum Located<'p> {
    /// The kernel, about this path.
    Kernel(Cow<'p, Path>),
    /// A view, about this path below its root.
    View(Arc<View>, PathBuf),
    /// Nobody: something on the way is missing, no directory, or a link too many.
    Nowhere(Errno),
}

/// A mount namespace and root directory.
pub(crate) struct Namespace {
    /// None for the daemon's own.
    root: Option<OwnedFd>,
    table: Mutex<MountTable>,
    served: Mutex<Vec<(u64, Arc<View>)>>,
    shown: RwLock<Arc<Shown>>,
    watch: Option<Watch>,
}

/// The mounts of a namespace and those views that are among them.
#[derive(Default)]
pub(super) struct Shown {
    mounts: Arc<Mounts>,
    views: Vec<(u64, Arc<View>)>,
}

impl Namespace {
    pub(crate) fn new(root: Option<OwnedFd>, mountinfo: OwnedFd) -> io::Result<Self> {
        let namespace = Self {
            root,
            table: Mutex::new(MountTable::new(mountinfo)?),
            served: Mutex::default(),
            shown: RwLock::default(),
            watch: None,
        };
        namespace.show(&namespace.table());
        Ok(namespace)
    }

    /// The same, with a memory of what cannot have changed. Only the daemon's own has
    /// one: of others the kernel does not say what is below which path.
    pub(super) fn with_watch(self, watch: Watch) -> Self {
        Self { watch: Some(watch), ..self }
    }

    /// What is remembered of paths, where that is done.
    pub(crate) fn watch(&self) -> Option<&Watch> {
        self.watch.as_ref()
    }

    /// Takes notice of what a view is about to show, or not to show any more.
    pub(crate) fn announce(&self, changes: &[Change]) {
        if let Some(watch) = &self.watch {
            watch.announce(changes);
        }
    }

    /// Takes notice of changed mounts, and of all that was announced of what is
    /// remembered: to be called once a request has come, and again after a wait.
    pub(crate) fn refresh(&self) -> io::Result<()> {
        if let Some(watch) = &self.watch {
            watch.refresh();
        }
        // Held until all is as the table says: who comes next hears of no change.
        let mut table = self.table();
        if table.refresh()? {
            self.show(&table);
        }
        Ok(())
    }

    /// Takes notice of the views that are served.
    pub(crate) fn set_views(&self, served: Vec<(u64, Arc<View>)>) {
        *self.served.lock().unwrap_or_else(PoisonError::into_inner) = served;
        self.show(&self.table());
    }

    fn table(&self) -> MutexGuard<'_, MountTable> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn show(&self, table: &MountTable) {
        let mounts = table.mounts();
        let mut views = self.served.lock().unwrap_or_else(PoisonError::into_inner).clone();
        views.retain(|(device, _)| mounts.have(*device));
        *self.shown.write().unwrap_or_else(PoisonError::into_inner) =
            Arc::new(Shown { mounts, views });
        if let Some(watch) = &self.watch {
            watch.forget();
        }
    }

    pub(super) fn shown(&self) -> Arc<Shown> {
        Arc::clone(&self.shown.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What is mounted at exactly this path: its device number.
    pub(crate) fn device_mounted_at(&self, point: &Path) -> Option<u64> {
        let shown = self.shown();
        shown.mounts.covering(point).filter(|mount| mount.point == point).map(|m| m.device)
    }

    /// A look around, which takes a moment.
    pub(crate) fn sight(&self) -> Sight<'_> {
        Sight::new(self, self.shown())
    }

    /// Whom to ask about an absolute path. `follow` says whether a symbolic link
    /// at its end is followed; those on the way are.
    pub(crate) fn locate<'p>(&self, path: &'p Path, follow: bool) -> Located<'p> {
        self.sight().locate(path, follow)
    }

    /// The checkout that an invocation takes place in: what `ZCCACHE_ROOT` says,
    /// else the git worktree or the directory with settings of a project around its working
    /// directory, else that directory.
    ///
    /// cargo compiles what is published elsewhere where its sources are, for the
    /// checkout that the outputs are in: of rustc the directory of its outputs is asked
    /// first, and the one around cargo's own (<https://bford.info/cachedir/>) counts.
    #[tracing::instrument(target = "time", level = "trace", skip_all)]
    pub(crate) fn checkout_of(&self, invocation: &Invocation) -> PathBuf {
        let cwd = invocation.cwd.as_path();
        let configured = invocation.setting(settings::ROOT).filter(|root| !root.is_empty());
        if let Some(configured) = configured {
            return OsBytes::from(configured).as_path().to_owned();
        }
        let outputs = output_directory(invocation).map(|path| cwd.join(path.as_path()));
        let outputs = outputs.as_deref().unwrap_or(cwd);
        let mut sight = self.sight();
        let mut around = |directory: &'_ Path, names: &[&str]| {
            let mut is_in = |directory: &Path, name: &str| {
                !matches!(sight.recollect(&directory.join(name), true), Found::Absent)
            };
            let holds = |directory: &&Path| names.iter().any(|name| is_in(directory, name));
            directory.ancestors().find(holds).map(Path::to_owned)
        };
        let mut root = around(outputs, ROOT_MARKS);
        if outputs != cwd {
            root = root.or_else(|| around(cwd, &[".git"]));
            let of_cargo = || Some(around(outputs, &["CACHEDIR.TAG"])?.parent()?.to_owned());
            root = root.or_else(of_cargo);
        }
        sight.learn();
        root.unwrap_or_else(|| cwd.to_owned())
    }

    /// What a project says of settings in its checkout; nothing where that cannot be read, or
    /// is of somebody else.
    pub(crate) fn written_at(&self, checkout: &Path) -> Option<Written> {
        let path = checkout.is_absolute().then(|| checkout.join(PROJECT_FILE))?;
        let Found::File(_) = self.recollect(&path) else { return None };
        // Where a link leads somebody else may have said.
        let Found::File(found) = self.look(&path, false) else { return None };
        let file = self.open_found(&path, &found).ok()?;
        let trusted = self.trusts(&file, checkout).ok()?;
        trusted.then(|| Written::read(File::from(file), Author::Project).ok())?
    }

    /// What the user who has an invocation made says of settings.
    pub(crate) fn written_by_user(&self, invocation: &Invocation) -> Option<Written> {
        let variable = |name: &str| Some(OsBytes::from(invocation.setting(name)?).as_path().into());
        let path = settings::user_file(variable).ok()??;
        let Found::File(found) = self.recollect(&path) else { return None };
        Written::read(File::from(self.open_found(&path, &found).ok()?), Author::User).ok()
    }

    /// Whether what a file says counts, which lies in a directory. Who has mounted a view
    /// over a directory has it.
    fn trusts(&self, file: &OwnedFd, directory: &Path) -> io::Result<bool> {
        let Located::Kernel(directory) = self.locate(directory, true) else { return Ok(true) };
        let owner = self.stat_in_kernel(&directory, true)?.st_uid;
        Ok(settings::is_trusted(fstat(file)?.st_uid, owner, geteuid().as_raw()))
    }

    /// What an absolute path leads to, remembered if that can be. Of a directory that is
    /// which one it is, not its times.
    pub(crate) fn recollect(&self, path: &Path) -> Found {
        let mut sight = self.sight();
        let found = sight.recollect(path, true);
        sight.learn();
        found
    }

    /// What is at an absolute path now.
    pub(crate) fn look(&self, path: &Path, follow: bool) -> Found {
        self.sight().look(path, follow)
    }

    /// Opens a regular file for reading, not through a view. A projected file has
    /// none: see [`Self::open_projected`].
    pub(crate) fn open(&self, path: &Path) -> io::Result<OwnedFd> {
        match self.locate(path, true) {
            Located::View(view, below) => view.open_lower(&below),
            Located::Nowhere(errno) => Err(errno.into()),
            Located::Kernel(path) => {
                let flags =
                    OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
                Ok(self.open_in_kernel(&path, flags)?)
            }
        }
    }

    /// Opens the bytes of a projected file for reading.
    pub(crate) fn open_projected(&self, path: &Path) -> io::Result<OwnedFd> {
        match self.locate(path, true) {
            Located::View(view, below) => view.open_projected(&below),
            Located::Kernel(_) | Located::Nowhere(_) => Err(Errno::ESTALE.into()),
        }
    }

    /// Opens the file found at a path for reading, whichever kind it is.
    pub(crate) fn open_found(&self, path: &Path, found: &FoundFile) -> io::Result<OwnedFd> {
        match found.digest {
            None => self.open(path),
            Some(_) => self.open_projected(path),
        }
    }

    /// The names in a directory, sorted.
    pub(crate) fn list(&self, path: &Path) -> io::Result<Vec<Listed>> {
        let mut names = match self.locate(path, true) {
            Located::View(view, below) => view.list(&below)?,
            Located::Nowhere(errno) => return Err(errno.into()),
            Located::Kernel(path) => {
                let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
                let mut directory = nix::dir::Dir::from_fd(self.open_in_kernel(&path, flags)?)?;
                let names =
                    directory.iter().filter_map(|entry| entry.map(|e| Listed::of(&e)).transpose());
                names.collect::<Result<_, _>>()?
            }
        };
        names.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        Ok(names)
    }

    /// The path without any link that leads to the same file.
    pub(crate) fn real_path(&self, path: &Path) -> io::Result<PathBuf> {
        if let Some(real) = self.sight().real_path(path)? {
            return Ok(real);
        }
        let file = self.open_in_kernel(path, OFlag::O_PATH | OFlag::O_CLOEXEC)?;
        let link = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file));
        std::fs::read_link(link)
    }

    pub(super) fn ask_kernel(&self, path: &Path, follow: bool) -> Found {
        match self.stat_in_kernel(path, follow) {
            Ok(stat) => found(&stat, || self.read_link(path)),
            Err(errno) => missing(errno),
        }
    }

    fn stat_in_kernel(&self, path: &Path, follow: bool) -> nix::Result<FileStat> {
        if self.root.is_none() {
            let flags = if follow { AtFlags::empty() } else { AtFlags::AT_SYMLINK_NOFOLLOW };
            return fstatat(AT_FDCWD, path, flags);
        }
        let nofollow = if follow { OFlag::empty() } else { OFlag::O_NOFOLLOW };
        let file = self.open_in_kernel(path, OFlag::O_PATH | OFlag::O_CLOEXEC | nofollow)?;
        fstat(&file)
    }

    fn read_link(&self, path: &Path) -> nix::Result<OsBytes> {
        if self.root.is_none() {
            return Ok(readlinkat(AT_FDCWD, path)?.into());
        }
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let link = self.open_in_kernel(path, flags)?;
        Ok(readlinkat(&link, "")?.into())
    }

    /// Opens as a process with that root would, links included (`openat2(2)`).
    fn open_in_kernel(&self, path: &Path, flags: OFlag) -> nix::Result<OwnedFd> {
        match &self.root {
            None => open(path, flags, Mode::empty()),
            Some(root) => {
                let how = OpenHow::new().flags(flags).resolve(ResolveFlag::RESOLVE_IN_ROOT);
                openat2(root, path, how)
            }
        }
    }
}

impl Shown {
    /// Whether there is no view.
    pub(super) fn is_plain(&self) -> bool {
        self.views.is_empty()
    }

    /// Whether a path without links may lead elsewhere than the directory it is in.
    pub(super) fn is_mount_point(&self, path: &Path) -> bool {
        self.mounts.have_point(path)
    }

    /// The view that a path without links leads into, and the path below its root.
    pub(super) fn view_of(&self, path: &Path) -> Option<(Arc<View>, PathBuf)> {
        let mount = self.mounts.covering(path)?;
        let (_, view) = self.views.iter().find(|(device, _)| *device == mount.device)?;
        let start = mount.root.strip_prefix("/").ok()?;
        Some((Arc::clone(view), start.join(path.strip_prefix(&mount.point).ok()?)))
    }
}

/// What a failed look-up says of a path.
pub(super) fn missing(errno: Errno) -> Found {
    match errno {
        Errno::ENOENT => Found::Absent,
        errno => Found::Unreachable(errno as i32),
    }
}

fn found(stat: &FileStat, target: impl FnOnce() -> nix::Result<OsBytes>) -> Found {
    match stat.st_mode & libc::S_IFMT {
        libc::S_IFREG => Found::File(FoundFile {
            identity: stat.into(),
            mode: stat.st_mode & 0o7777,
            digest: None,
        }),
        libc::S_IFDIR => Found::Directory(stat.into()),
        libc::S_IFLNK => target().map_or_else(missing, Found::Symlink),
        kind => Found::Special { kind, device: stat.st_rdev },
    }
}
