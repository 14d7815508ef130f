//! Learning what is at paths in a way that tells when it changes: first what would
//! announce a change is watched, then it is looked at.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, open, openat, openat2};
use nix::sys::inotify::{AddWatchFlags, WatchDescriptor};
use nix::sys::stat::{Mode, fstat};
use nix::sys::statfs::{
    BTRFS_SUPER_MAGIC, EXT4_SUPER_MAGIC, FsType, TMPFS_MAGIC, XFS_SUPER_MAGIC, fstatfs,
};
use rustc_hash::FxHashMap;
use zccache_core::Identity;

use super::super::namespace::{FoundFile, missing};
use super::super::sight::Sight;
use super::super::walk::{Here, walk};
use super::super::{Found, Namespace, digest_of_listing};
use super::below::BelowView;
use super::state::{Fact, Known, Memory};
use super::writers::Writers;
use super::{Answer, Question, Watch, What, limits};

/// What happens to the names of a directory and to the directory itself.
const DIRECTORY: AddWatchFlags = AddWatchFlags::IN_CREATE
    .union(AddWatchFlags::IN_DELETE)
    .union(AddWatchFlags::IN_MOVE)
    .union(AddWatchFlags::IN_ATTRIB)
    .union(AddWatchFlags::IN_DELETE_SELF)
    .union(AddWatchFlags::IN_MOVE_SELF)
    .union(AddWatchFlags::IN_ONLYDIR);

/// What may change a file. Its removal changes its number of links, an attribute.
const FILE: AddWatchFlags = AddWatchFlags::IN_MODIFY
    .union(AddWatchFlags::IN_ATTRIB)
    .union(AddWatchFlags::IN_CLOSE_WRITE)
    .union(AddWatchFlags::IN_DELETE_SELF);

/// The first opening of a file.
const ONCE_OPENED: AddWatchFlags = AddWatchFlags::IN_OPEN.union(AddWatchFlags::IN_ONESHOT);

/// File systems on which all that happens to an inode is announced on it. Of a network
/// others change what we see; below an overlay the inode that is mapped is another.
const WATCHABLE: [FsType; 4] = [EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, BTRFS_SUPER_MAGIC, TMPFS_MAGIC];

impl Watch {
    /// Finds out what is at paths, and remembers what can be watched.
    pub(super) fn study(&self, namespace: &Namespace, questions: Vec<Question>) {
        // Mounts that change after this end the epoch.
        let epoch = self.watches().epoch;
        let mut lesson = Lesson {
            watch: self,
            sight: namespace.sight(),
            epoch,
            directories: FxHashMap::default(),
            steps: FxHashMap::default(),
        };
        for question in questions {
            if !self.has_room() {
                return;
            }
            let Some(times) = self.state().times(&question) else { continue };
            let memory = lesson.look(&question, times);
            self.keep(lesson.epoch, question, memory, times);
        }
    }

    /// Makes room if it has been wanting for long.
    fn has_room(&self) -> bool {
        if !self.state().is_full(self.most) {
            return true;
        }
        let mut watches = self.watches();
        if watches.since.elapsed() > limits::FULL_FOR {
            self.begin_anew(&mut watches);
        }
        false
    }

    /// Remembers what was seen. What has been announced since is taken notice of before
    /// anybody is told.
    fn keep(&self, epoch: u64, question: Question, memory: Option<Memory>, times: u8) {
        if let Some(_watches) = self.current(epoch) {
            let mut state = self.state_to_change();
            let memory = memory.filter(|memory| state.hold(&memory.facts));
            let (since, times) = (Instant::now(), times.saturating_add(1));
            state.remember(question, Known { memory, since, times });
        }
    }
}

/// One look at many paths, which share the way to them.
struct Lesson<'w> {
    watch: &'w Watch,
    sight: Sight<'w>,
    epoch: u64,
    /// The watch of each directory that can be watched.
    directories: FxHashMap<PathBuf, Option<WatchDescriptor>>,
    /// The directories and links passed.
    steps: FxHashMap<PathBuf, (Found, Fact)>,
}

impl Lesson<'_> {
    /// What is at a path, and what has to hold for that.
    fn look(&mut self, question: &Question, times: u8) -> Option<Memory> {
        let path = Path::new(std::ffi::OsStr::from_bytes(&question.path));
        // What these lead to is a directory (`path_resolution(7)`), else an error.
        let ends_open = question.path.ends_with(b"/") || question.path.ends_with(b"/.");
        let (mut facts, mut all, mut in_view) = (Vec::new(), true, false);
        let follow = question.what != What::Itself || ends_open;
        let walked = walk(&Here::default(), path, follow, |step| {
            let seen = self.step(step);
            all = all && seen.is_some();
            in_view = in_view || self.sight.shown.view_of(step).is_some();
            let (found, fact) = seen.unwrap_or((Found::Absent, Fact::MAX));
            facts.push(fact);
            found
        });
        if !all {
            return None;
        }
        let finds = |found| {
            // The kernel knows more reasons not to follow a link: a slash behind its target,
            // `nosymfollow`, `fs.protected_symlinks`. About a view it would ask us.
            let now = match in_view {
                true => self.sight.namespace.look(path, follow),
                false => self.sight.namespace.ask_kernel(path, follow),
            };
            is_same(&now, found)
        };
        let found = match walked {
            Ok((here, found @ Found::Directory(_))) if question.what == What::Names => {
                facts.push(self.all_names(&here.path)?);
                finds(&found).then_some(())?;
                let names = self.sight.namespace.list(&here.path).ok()?;
                let answer = Answer::Names(digest_of_listing(&names));
                return Some(Memory { answer, facts: facts.into() });
            }
            _ if question.what == What::Names => return None,
            Ok((_, Found::File(_) | Found::Special { .. })) if ends_open => missing(Errno::ENOTDIR),
            Ok((here, Found::File(file))) => {
                facts.push(self.arm(&here.path, &file.identity, times)?);
                Found::File(file)
            }
            Ok((_, found)) => found,
            Err(errno) => missing(errno),
        };
        let is_lasting = match found {
            Found::Absent | Found::File(_) | Found::Directory(_) | Found::Symlink(_) => true,
            Found::Unreachable(errno) => errno == libc::ENOTDIR,
            Found::Special { .. } => false,
        };
        let is_so = is_lasting && finds(&found);
        is_so.then(|| Memory { answer: Answer::Found(found), facts: facts.into() })
    }

    /// What is at a path without links. From before this look on, a change of what its
    /// name leads to is announced.
    fn step(&mut self, path: &Path) -> Option<(Found, Fact)> {
        if let Some(known) = self.steps.get(path) {
            return Some(known.clone());
        }
        let (parent, name) = (path.parent()?, path.file_name()?);
        let directory = self.directory(parent)?;
        let fact = self.name(directory, name.as_bytes())?;
        let found = self.sight.look_at(path);
        // Of a projected file nobody says when it changes.
        if matches!(found, Found::File(FoundFile { digest: Some(_), .. })) {
            return None;
        }
        if matches!(found, Found::Directory(_) | Found::Symlink(_)) {
            self.steps.insert(path.to_owned(), (found.clone(), fact));
        }
        Some((found, fact))
    }

    fn name(&self, directory: WatchDescriptor, name: &[u8]) -> Option<Fact> {
        let _watches = self.watch.current(self.epoch)?;
        Some(self.watch.state_to_change().name(directory, name))
    }

    fn all_names(&mut self, path: &Path) -> Option<Fact> {
        let directory = self.directory(path)?;
        let _watches = self.watch.current(self.epoch)?;
        Some(self.watch.state_to_change().all_names(directory))
    }

    fn directory(&mut self, path: &Path) -> Option<WatchDescriptor> {
        if let Some(known) = self.directories.get(path) {
            return *known;
        }
        let watch = self.watch_directory(path);
        self.directories.insert(path.to_owned(), watch);
        watch
    }

    /// Watches a directory, or the one below it in a view.
    fn watch_directory(&self, path: &Path) -> Option<WatchDescriptor> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let in_view = match self.sight.shown.view_of(path) {
            Some((view, below)) => Some(view.directory(&below).ok()?),
            None => None,
        };
        let opened = match &in_view {
            Some(directory) => openat(directory, ".", flags, Mode::empty()),
            None => open(path, flags, Mode::empty()),
        };
        let directory = opened.ok().filter(has_exact_names)?;
        let watches = self.watch.current(self.epoch)?;
        let watch = watches.inotify.add_watch(&link_to(&directory), DIRECTORY).ok()?;
        if let Some(directory) = in_view {
            let below = BelowView::new(directory).ok()?;
            self.watch.state_to_change().is_below(watch, below);
        }
        Some(watch)
    }

    /// Watches a file that has this identity and is not being written.
    fn arm(&self, path: &Path, identity: &Identity, times: u8) -> Option<Fact> {
        // Opening it once more would end its watch.
        if let Some(armed) = self.watch.state().armed(identity) {
            return Some(armed);
        }
        let file = self.open_file(path).filter(is_watchable)?;
        let link = link_to(&file);
        let file = File::from(file);
        let (mask, kept) = match Writers::of(&file) {
            Writers::Some | Writers::Untold => return None,
            Writers::OfAnother if !is_of_root(&file) => return None,
            // Taken as quiet, as where it was read; opened often, nothing else helps.
            Writers::OfAnother if times >= limits::OPENED_OFTEN => (FILE, None),
            Writers::OfAnother => (FILE | ONCE_OPENED, None),
            Writers::None if times >= limits::OPENED_OFTEN && self.may_keep(path) => {
                (FILE | AddWatchFlags::IN_OPEN, Some(file.try_clone().ok()?))
            }
            Writers::None => (FILE | ONCE_OPENED, None),
        };
        let watches = self.watch.current(self.epoch)?;
        let known = watches.inotify.add_watch(&link, mask).ok()?;
        let fact = self.watch.state_to_change().arm(known, identity, kept);
        drop(watches);
        let as_seen =
            |file: &File| fstat(file).is_ok_and(|stat| Identity::from(&stat) == *identity);
        if matches!(Writers::of(&file), Writers::Some | Writers::Untold) || !as_seen(&file) {
            let _watches = self.watch.watches();
            self.watch.state_to_change().disarm(known);
            return None;
        }
        Some(fact)
    }

    /// Opens a file, or the one below it in a view.
    fn open_file(&self, path: &Path) -> Option<OwnedFd> {
        let flags = OFlag::O_RDONLY
            | OFlag::O_NONBLOCK
            | OFlag::O_NOCTTY
            | OFlag::O_NOFOLLOW
            | OFlag::O_CLOEXEC;
        match self.sight.shown.view_of(path) {
            Some((view, below)) => view.open_lower(&below).ok(),
            None => open(path, flags, Mode::empty()).ok(),
        }
    }

    /// Whether a file may be kept open: one more, in the mount that nobody unmounts.
    fn may_keep(&self, path: &Path) -> bool {
        let how = OpenHow::new()
            .flags(OFlag::O_PATH | OFlag::O_CLOEXEC)
            .resolve(ResolveFlag::RESOLVE_NO_XDEV);
        // From the root on, and into no other mount (`openat2(2)`).
        self.watch.state().may_keep() && openat2(AT_FDCWD, path, how).is_ok()
    }
}

/// Whether a look finds the same as was found step by step.
fn is_same(now: &Found, found: &Found) -> bool {
    match (now, found) {
        (Found::Absent, Found::Absent) => true,
        (Found::File(now), Found::File(file)) => {
            (now.identity, now.mode) == (file.identity, file.mode)
        }
        (Found::Directory(now), Found::Directory(directory)) => {
            (now.device, now.inode) == (directory.device, directory.inode)
        }
        (Found::Symlink(now), Found::Symlink(target)) => now == target,
        (Found::Unreachable(now), Found::Unreachable(errno)) => now == errno,
        _ => false,
    }
}

fn is_of_root(file: &File) -> bool {
    fstat(file).is_ok_and(|stat| stat.st_uid == 0)
}

fn link_to(file: &OwnedFd) -> PathBuf {
    format!("/proc/self/fd/{}", file.as_raw_fd()).into()
}

pub(super) fn is_watchable(file: &OwnedFd) -> bool {
    fstatfs(file.as_fd()).is_ok_and(|system| WATCHABLE.contains(&system.filesystem_type()))
}

nix::ioctl_read!(
    /// `FS_IOC_GETFLAGS` of `linux/fs.h`: the attributes of an inode, which the kernel
    /// writes as an `int`.
    get_flags, b'f', 1, libc::c_long
);

/// Whether all that happens to a name of a directory is announced by that name, apart
/// from upper and lower case of ASCII: none that folds other letters, none encrypted.
fn has_exact_names(directory: &OwnedFd) -> bool {
    const FOLDS_CASE: libc::c_long = 0x4000_0000;
    const ENCRYPTED: libc::c_long = 0x800;
    let mut flags = 0;
    // SAFETY: the descriptor is open; the kernel writes an int, and a long has room.
    let known = unsafe { get_flags(directory.as_raw_fd(), &raw mut flags) };
    is_watchable(directory) && (known.is_err() || flags & (FOLDS_CASE | ENCRYPTED) == 0)
}
