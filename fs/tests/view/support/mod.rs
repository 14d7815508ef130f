//! A view mounted over a temporary directory, and blobs to project in it.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl, open};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::stat::Mode as Permissions;
use nix::unistd::geteuid;
use tempfile::TempDir;
use zccache_core::Digest;
use zccache_fs::{
    Change, Content, Journal, Look, ProjectError, ProjectedBytes, Projection, Shown, View,
    ViewOptions,
};

/// Which way of reading and writing is tried.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mode {
    Passthrough,
    Cached,
}

/// Makes each function a test in both modes.
macro_rules! in_both_modes {
    ($($name:ident)*) => {
        mod passthrough {
            $(#[test] fn $name() { $crate::support::with_view($crate::support::Mode::Passthrough, super::$name); })*
        }
        mod cached {
            $(#[test] fn $name() { $crate::support::with_view($crate::support::Mode::Cached, super::$name); })*
        }
    };
}

/// Runs `test` on a fresh mount, if one can be made.
pub(crate) fn with_view(mode: Mode, test: fn(&Mount)) {
    if let Some(mount) = Mount::new(mode, false) {
        test(&mount);
        mount.check_notes();
        if !mount.went_below.load(Ordering::Relaxed) {
            assert_eq!(mount.view.changes_behind(), 0, "the view takes its changes for others'");
        }
    }
}

/// Blobs in a directory, named by their digests.
pub(crate) struct Blobs(PathBuf);

impl Content for Blobs {
    fn open(&self, digest: &Digest) -> io::Result<OwnedFd> {
        Ok(File::open(self.0.join(digest.to_string()))?.into())
    }
}

impl Blobs {
    fn put(&self, bytes: &[u8]) -> ProjectedBytes {
        let digest = Digest::of(bytes);
        let path = self.0.join(digest.to_string());
        if !path.exists() {
            let partial = path.with_extension(format!("{:?}", thread::current().id()));
            fs::write(&partial, bytes).unwrap();
            fs::rename(partial, path).unwrap();
        }
        ProjectedBytes::Blob { digest, length: bytes.len() as u64 }
    }

    /// Every blob still has the bytes of its name.
    pub(crate) fn check(&self) {
        for entry in fs::read_dir(&self.0).unwrap() {
            let path = entry.unwrap().path();
            let digest = Digest::of(&fs::read(&path).unwrap()).to_string();
            assert_eq!(path.file_name().unwrap(), OsStr::new(&digest));
        }
    }
}

/// A journal in memory: what it was told last of each name.
#[derive(Default)]
pub(crate) struct Notes(pub(crate) Mutex<BTreeMap<PathBuf, Shown>>);

impl Journal for Notes {
    fn replay(&self) -> Vec<Shown> {
        self.0.lock().unwrap().values().cloned().collect()
    }

    fn note(&self, changes: &[Change]) -> bool {
        let mut notes = self.0.lock().unwrap();
        for change in changes {
            match change {
                Change::Shown(shown) => notes.insert(shown.path.clone(), shown.clone()),
                Change::Gone { path, .. } => notes.remove(path),
            };
        }
        false
    }

    fn begin_anew(&self, all: &[Shown]) {
        let all = all.iter().map(|shown| (shown.path.clone(), shown.clone()));
        *self.0.lock().unwrap() = all.collect();
    }
}

/// A view mounted over a directory; unmounted when dropped.
pub(crate) struct Mount {
    pub(crate) view: View,
    pub(crate) blobs: Arc<Blobs>,
    pub(crate) notes: Arc<Notes>,
    root: PathBuf,
    /// The lower directory, opened before anything was mounted over it.
    lower: File,
    went_below: AtomicBool,
    mounted: bool,
    _home: TempDir,
}

impl Mount {
    /// Mounts a view over an empty directory, or says why it cannot be.
    pub(crate) fn new(mode: Mode, shared: bool) -> Option<Self> {
        Self::over(mode, shared, |_| {})
    }

    /// Mounts a view over a directory with what `prepare` puts there.
    pub(crate) fn over(mode: Mode, shared: bool, prepare: impl FnOnce(&Path)) -> Option<Self> {
        let home = TempDir::new().unwrap();
        let (root, blobs) = (home.path().join("build"), home.path().join("blobs"));
        fs::create_dir(&root).unwrap();
        fs::create_dir(&blobs).unwrap();
        prepare(&root);
        let lower = File::open(&root).unwrap();
        let notes = Arc::new(Notes::default());
        let mounted = Self {
            view: serve((mode, shared), &root, &blobs, &notes)?,
            blobs: Arc::new(Blobs(blobs)),
            notes,
            root,
            lower,
            went_below: AtomicBool::new(false),
            mounted: true,
            _home: home,
        };
        if mode == Mode::Passthrough && !mounted.view.passthrough() {
            println!("SKIP: the kernel does not pass through");
        }
        Some(mounted)
    }

    /// Ends the session without settling anything, as the death of who serves it
    /// does, lets `meanwhile` change the plain directory, and mounts again.
    pub(crate) fn die_and_come_back(&mut self, meanwhile: impl FnOnce(&Path)) {
        let passthrough = self.view.passthrough();
        self.abort();
        meanwhile(&self.root);
        let mode = if passthrough { Mode::Passthrough } else { Mode::Cached };
        let view = serve((mode, false), &self.root, &self.blobs.0, &self.notes);
        self.view = view.unwrap();
        self.mounted = true;
    }

    /// Ends the session at once, even where other mount namespaces have copies of
    /// the mount (`MNT_FORCE` in `umount(2)`); the paths lead to the lower directory
    /// from then on.
    pub(crate) fn abort(&mut self) {
        let _busy = umount2(&self.root, MntFlags::MNT_FORCE);
        let _unmounted = umount2(&self.root, MntFlags::MNT_DETACH);
        self.mounted = false;
        self.view.wait();
    }

    /// What the journal remembers is what the view shows.
    pub(crate) fn check_notes(&self) {
        let notes = self.notes.0.lock().unwrap();
        for (path, shown) in &*notes {
            let Look::Projected { digest, mode, .. } = self.view.look(path, false).unwrap() else {
                panic!("{} is no projected file any more", path.display());
            };
            assert_eq!((digest, mode & 0o7777), (shown.source.digest(), shown.mode));
        }
        assert_eq!(self.view.projected(), notes.len() as u64, "{notes:?}");
    }

    /// A path in the view.
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// A path in the lower directory, behind the view.
    pub(crate) fn below(&self, relative: &str) -> PathBuf {
        self.went_below.store(true, Ordering::Relaxed);
        PathBuf::from(format!("/proc/self/fd/{}/{relative}", self.lower.as_raw_fd()))
    }

    /// A file to project, with ordinary permissions, of this process's user.
    pub(crate) fn blob(&self, path: &str, bytes: impl AsRef<[u8]>) -> Projection {
        let source = self.blobs.put(bytes.as_ref());
        Projection { path: path.into(), source, mode: 0o644, uid: 0, gid: 0 }
    }

    /// Projects one file.
    pub(crate) fn project(&self, path: &str, bytes: impl AsRef<[u8]>) {
        self.try_project(path, bytes).unwrap();
    }

    /// Projects one file, or not.
    pub(crate) fn try_project(
        &self,
        path: &str,
        bytes: impl AsRef<[u8]>,
    ) -> Result<(), ProjectError> {
        self.view.project(&[self.blob(path, bytes)])
    }

    /// Runs a shell script in the view; returns what it printed.
    pub(crate) fn shell(&self, script: &str) -> String {
        let output =
            Command::new("sh").args(["-euc", script]).current_dir(&self.root).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{script}\n{}: {errors}", output.status);
        String::from_utf8(output.stdout).unwrap()
    }

    /// Unmounts and waits for the end of the session; the paths lead to the
    /// lower directory from then on.
    pub(crate) fn unmount(&mut self) {
        // Children of other tests, between fork and exec, may still hold files
        // of this one; the session ends with the last of them.
        umount2(&self.root, MntFlags::MNT_DETACH).unwrap();
        self.mounted = false;
        self.view.wait();
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        if self.mounted
            && let Err(errno) = umount2(&self.root, MntFlags::MNT_DETACH)
        {
            println!("{} stays mounted: {errno}", self.root.display());
        }
    }
}

fn serve(
    (mode, shared): (Mode, bool),
    root: &Path,
    blobs: &Path,
    notes: &Arc<Notes>,
) -> Option<View> {
    let more = if shared { ",allow_other,default_permissions" } else { "" };
    let (lower, fuse) = mount_over(root, &format!("user_id=0,group_id=0{more}"))?;
    let options = ViewOptions { shared, passthrough: mode == Mode::Passthrough };
    let content = Arc::new(Blobs(blobs.to_owned()));
    let journal = Arc::clone(notes) as Arc<dyn Journal>;
    Some(View::serve(lower, fuse, options, content, journal).unwrap())
}

/// Opens a directory and mounts a view over it, or says why not.
fn mount_over(root: &Path, options: &str) -> Option<(OwnedFd, OwnedFd)> {
    if !geteuid().is_root() {
        println!("SKIP: mounting needs root");
        return None;
    }
    let flags = OFlag::O_RDWR | OFlag::O_CLOEXEC;
    let Ok(fuse) = open("/dev/fuse", flags, Permissions::empty()) else {
        println!("SKIP: /dev/fuse cannot be opened");
        return None;
    };
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let lower = open(root, flags, Permissions::empty()).unwrap();
    let data = format!("fd={},rootmode=40000,{options}", fuse.as_raw_fd());
    let none = MsFlags::empty();
    if let Err(errno) = mount(Some("test"), root, Some("fuse"), none, Some(data.as_str())) {
        println!("SKIP: mount(2) says {errno}");
        return None;
    }
    Some((lower, fuse))
}

/// A mount for another user, to be served by another process.
pub(crate) struct HandedOver {
    lower: OwnedFd,
    fuse: OwnedFd,
    home: TempDir,
}

impl HandedOver {
    /// Mounts a view over an empty directory of the user `uid`.
    pub(crate) fn new(uid: u32) -> Option<Self> {
        let home = TempDir::new().unwrap();
        let root = home.path().join("build");
        fs::create_dir(&root).unwrap();
        chown(home.path(), Some(uid), Some(uid)).unwrap();
        chown(&root, Some(uid), Some(uid)).unwrap();
        let (lower, fuse) = mount_over(&root, &format!("user_id={uid},group_id={uid}"))?;
        for fd in [&lower, &fuse] {
            fcntl(fd, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
        }
        Some(Self { lower, fuse, home })
    }

    /// Both descriptors and the path.
    pub(crate) fn describe(&self) -> String {
        let root = self.home.path().join("build");
        format!("{} {} {}", self.lower.as_raw_fd(), self.fuse.as_raw_fd(), root.display())
    }
}

impl Drop for HandedOver {
    fn drop(&mut self) {
        if let Err(errno) = umount2(&self.home.path().join("build"), MntFlags::MNT_DETACH) {
            println!("{} stays mounted: {errno}", self.home.path().display());
        }
    }
}

/// The names in a directory, sorted.
pub(crate) fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Whether a command can be run, or the test that needs it says that it skips.
pub(crate) fn has(command: &str) -> bool {
    let found = Command::new("sh")
        .args(["-c", &format!("command -v {command}")])
        .output()
        .is_ok_and(|output| output.status.success());
    if !found {
        println!("SKIP: {command} is not installed");
    }
    found
}
