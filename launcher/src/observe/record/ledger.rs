//! Every path of a run: what was there when it first looked.

use std::ffi::{CStr, OsStr};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, open, readlink};
use nix::sys::stat::{Mode, fstatat};
use nix::time::{ClockId, clock_gettime};
use rustc_hash::{FxBuildHasher, FxHashMap, FxHashSet};
use zccache_core::entry::Manner;
use zccache_core::protocol::explanation::Refusal;
use zccache_core::report::{Reads, Seen};
use zccache_core::{ExecuteBits, Identity, OsBytes, Reason, Stamp, limits};

use super::super::process::numbers::Numbers;
use super::caches::Caches;
use super::changes::{Absence, Change};
use super::image;
use super::writers::{Writers, is_open_for_writing};
use crate::xattr;

/// Why a run looks at a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Purpose {
    /// To learn whether and what it is.
    Status,
    /// To read its content or list it.
    Read,
    /// To execute it.
    Execute,
}

/// Every path that a run looked at or changed.
pub(crate) struct Ledger {
    /// The records apart, so that a table of few large ones does not touch many pages.
    pub(super) paths: FxHashMap<Box<[u8]>, Box<PathRecord>>,
    /// Directories whose own way was searched for symbolic links.
    pub(super) walked: FxHashSet<Box<[u8]>>,
    /// The file mode creation mask of the run.
    pub(super) umask: u32,
    /// When the run had not begun yet.
    pub(super) began: Stamp,
    pub(super) writers: Writers,
    /// Who makes calls.
    pub(crate) callers: Numbers,
    pub(super) caches: Caches,
    /// Devices whose files nobody can be asked about.
    without_leases: Vec<u64>,
    looks: u32,
    trouble: Option<Refusal>,
}

/// Seconds after which the kernel has surely written a dirty page; it begins to after 35
/// (`dirty_expire_centisecs`, `dirty_writeback_centisecs` in
/// `Documentation/admin-guide/sysctl/vm.rst`).
const DIRTY_FOR: i64 = 600;

/// One path.
#[derive(Default)]
pub(super) struct PathRecord {
    /// What was there, a symbolic link followed.
    pub followed: Option<Look>,
    /// What was there, not followed.
    pub unfollowed: Option<Look>,
    /// When it was opened for reading, or executed, before any change.
    pub reads: Reads,
    /// Whether its status was asked for.
    pub asked: bool,
    /// What the run changed.
    pub change: Option<Change>,
}

/// What was at a path at the first look.
pub(super) struct Look {
    pub seen: Seen,
    pub at: Stamp,
    /// How many looks came before.
    pub order: u32,
}

impl Look {
    /// Whether it was a look at the file of this identity.
    pub(super) fn is_of(&self, file: &Identity) -> bool {
        matches!(&self.seen, Seen::File { identity, .. } if identity == file)
    }

    /// The file that was seen, if pages of it may be dirty still.
    fn young_file(&self) -> Option<Identity> {
        let Seen::File { identity, .. } = &self.seen else { return None };
        let changed = identity.mtime.max(identity.ctime);
        let clean = changed.seconds.saturating_add(DIRTY_FOR) < self.at.seconds;
        (!clean).then_some(*identity)
    }

    /// What keeps a run from being kept that looks again at `path`: it reads what
    /// is no file, or finds there what was not there before. That the first
    /// state is back at the end does not help what has been read meanwhile.
    fn trouble(&self, path: &CStr, follow: bool, purpose: Purpose) -> Option<Reason> {
        let flags = if follow { AtFlags::empty() } else { AtFlags::AT_SYMLINK_NOFOLLOW };
        match self.seen {
            Seen::Special { .. } if purpose == Purpose::Read => Some(Reason::SpecialInput),
            Seen::Absent if seen(path, flags) != Seen::Absent => Some(Reason::InputChanged),
            Seen::File { identity, .. } if purpose != Purpose::Status => {
                // What is done to the file itself shows in its stamps at the end.
                let same = |now| {
                    matches!(now, Seen::File { identity: now, .. }
                    if (now.device, now.inode) == (identity.device, identity.inode))
                };
                (!same(seen(path, flags))).then_some(Reason::InputChanged)
            }
            _ => None,
        }
    }
}

impl PathRecord {
    /// Notes what a look is for, when so many have been noted.
    fn use_for(&mut self, purpose: Purpose, looks: u32) {
        match purpose {
            Purpose::Status => self.asked = true,
            Purpose::Read | Purpose::Execute => self.reads.add(looks),
        }
    }

    pub(super) fn slot(&mut self, follow: bool) -> &mut Option<Look> {
        if follow { &mut self.followed } else { &mut self.unfollowed }
    }
}

impl Ledger {
    /// An empty ledger of a run under `umask`.
    pub(crate) fn new(umask: u32) -> Self {
        Self {
            paths: FxHashMap::with_capacity_and_hasher(256, FxBuildHasher),
            walked: FxHashSet::with_capacity_and_hasher(64, FxBuildHasher),
            umask,
            began: now(),
            writers: Writers::default(),
            callers: Numbers::default(),
            caches: Caches::default(),
            without_leases: Vec::new(),
            looks: 0,
            trouble: None,
        }
    }

    /// What keeps the watch over the directories of outputs, for whoever has the time
    /// to close it.
    pub(crate) fn watch(&self) -> Option<OwnedFd> {
        self.writers.keep()
    }

    /// Notes that the run cannot be kept; the first reason stands.
    pub(crate) fn refuse(&mut self, refusal: impl Into<Refusal>) {
        self.trouble.get_or_insert_with(|| refusal.into());
    }

    /// Notes that the run cannot be kept because of what it did to a file.
    pub(crate) fn refuse_at(&mut self, reason: Reason, path: &CStr) {
        self.refuse(reason.at(&OsBytes::from(path.to_bytes())));
    }

    /// Why the run cannot be kept.
    pub(crate) fn trouble(&self) -> Option<&Refusal> {
        self.trouble.as_ref()
    }

    /// Notes a look at the absolute `path`, just before it happens. What the run
    /// itself has put there is no input, and is not noted.
    pub(crate) fn look(&mut self, path: &CStr, follow: bool, purpose: Purpose) {
        let bytes = path.to_bytes();
        if let Some(record) = self.paths.get_mut(bytes) {
            if let Some(change) = &mut record.change {
                let whole = change.manner == Manner::Renamed;
                if purpose == Purpose::Read && change.absence == Absence::Indifferent && !whole {
                    // An archiver looks for its archive, makes it, and then adds to it.
                    // What came by a rename came whole, whatever was there before.
                    change.absence = Absence::Needed;
                }
                return;
            }
            let first_read = purpose == Purpose::Read && record.reads.is_empty();
            record.use_for(purpose, self.looks);
            if let Some(look) = record.slot(follow) {
                let executed = upgrade(&mut look.seen, purpose);
                let trouble = look.trouble(path, follow, purpose);
                let young = look.young_file().filter(|_| first_read);
                if let Some(reason) = trouble {
                    self.refuse_at(reason, path);
                }
                self.ask_for_writers(path, young);
                if executed {
                    self.look_at_interpreter(path);
                }
                return;
            }
        }
        self.first_look(path, follow, purpose);
    }

    /// Notes that a run asks for the target of `path`. Of a file it learns no more than
    /// that it is none; the use that it makes of it will be seen.
    pub(crate) fn probe(&mut self, path: &CStr) {
        if !matches!(seen(path, AtFlags::AT_SYMLINK_NOFOLLOW), Seen::File { .. }) {
            self.look(path, false, Purpose::Status);
        }
    }

    /// Notes that a run asks which attributes a file has, as who copies it does. What it
    /// learns of those of users is not observed.
    pub(crate) fn list_attributes(&mut self, path: &CStr) {
        if xattr::has_own(Path::new(OsStr::from_bytes(path.to_bytes()))) {
            self.refuse_at(Reason::ForeignOperation, path);
        }
    }

    pub(super) fn record(&mut self, path: &CStr) -> &mut PathRecord {
        self.paths.entry(path.to_bytes().into()).or_default()
    }

    fn first_look(&mut self, path: &CStr, follow: bool, purpose: Purpose) {
        if self.paths.len() >= limits::OBSERVATIONS {
            self.refuse(Reason::TooManyObservations);
            return;
        }
        let at = now();
        let mut seen = seen(path, AtFlags::AT_SYMLINK_NOFOLLOW);
        let found = !matches!(seen, Seen::Absent | Seen::Unreachable(_));
        if found {
            self.walk_directories(path.to_bytes());
        }
        if let Seen::Symlink(target) = &seen
            && follow
        {
            self.walk_link(path, target, at);
            seen = self::seen(path, AtFlags::empty());
        }
        let executed = upgrade(&mut seen, purpose);
        if purpose == Purpose::Read && matches!(seen, Seen::Special { .. }) {
            self.refuse_at(Reason::SpecialInput, path);
        }
        let look = Look { seen, at, order: 0 };
        self.ask_for_writers(path, look.young_file().filter(|_| purpose == Purpose::Read));
        self.note(path.to_bytes(), follow, look);
        if let Some(record) = self.paths.get_mut(path.to_bytes()) {
            record.use_for(purpose, self.looks);
        }
        if executed {
            self.look_at_interpreter(path);
        }
    }

    /// A store through a mapping into a page that is dirty already leaves no stamp, so
    /// that nothing tells when one that was mapped before changes. Who maps it later
    /// leaves one.
    fn ask_for_writers(&mut self, path: &CStr, young: Option<Identity>) {
        let Some(device) = young.map(|file| file.device) else { return };
        if self.without_leases.contains(&device) {
            return;
        }
        let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let Ok(file) = open(path, flags, Mode::empty()) else { return };
        match is_open_for_writing(&file) {
            Some(true) => self.refuse_at(Reason::InputOpenForWriting, path),
            Some(false) => {}
            None => self.without_leases.push(device),
        }
    }

    /// Notes that a file is read, or may be unseen.
    pub(super) fn note_reading(&mut self, path: &CStr) {
        let begun = self.looks;
        self.record(path).reads.add(begun);
    }

    /// Notes that the one time that a file was opened for reading, if it was one, was for
    /// nothing but closing it later.
    pub(crate) fn disregard_opening(&mut self, path: &CStr) {
        if let Some(record) = self.paths.get_mut(path.to_bytes())
            && record.change.is_none()
            && record.reads.count == 1
        {
            record.reads = Reads::default();
        }
    }

    /// Keeps a look unless there is an earlier one.
    pub(super) fn note(&mut self, path: &[u8], follow: bool, look: Look) {
        let order = self.looks;
        self.looks += 1;
        let look = Look { order, ..look };
        match self.paths.get_mut(path) {
            Some(record) => {
                record.slot(follow).get_or_insert(look);
            }
            None => {
                let mut record = Box::<PathRecord>::default();
                *record.slot(follow) = Some(look);
                self.paths.insert(path.into(), record);
            }
        }
    }

    /// The kernel opens the interpreter of a script or of a dynamic executable by
    /// itself, without a system call that could stop.
    fn look_at_interpreter(&mut self, path: &CStr) {
        match image::interpreter(path) {
            Some(image::Interpreter::Script(program)) => {
                self.look(&program, true, Purpose::Execute);
            }
            Some(image::Interpreter::Loader(loader)) => self.look(&loader, true, Purpose::Read),
            Some(image::Interpreter::Relative) => self.refuse_at(Reason::UnreadableTool, path),
            None => {}
        }
    }
}

/// Adds to what was seen what is done with it. True when a file is executed
/// for the first time.
fn upgrade(seen: &mut Seen, purpose: Purpose) -> bool {
    match (seen, purpose) {
        (Seen::File { executable, executed, .. }, Purpose::Execute) if executable.is_any() => {
            !std::mem::replace(executed, true)
        }
        (Seen::Directory { listings, .. }, Purpose::Read) => {
            *listings = listings.saturating_add(1);
            false
        }
        _ => false,
    }
}

/// What is at `path` now.
pub(super) fn seen(path: &CStr, flags: AtFlags) -> Seen {
    let stat = match fstatat(AT_FDCWD, path, flags) {
        Ok(stat) => stat,
        Err(Errno::ENOENT) => return Seen::Absent,
        Err(errno) => return Seen::Unreachable(errno as i32),
    };
    match stat.st_mode & libc::S_IFMT {
        libc::S_IFREG => Seen::File {
            identity: Identity::from(&stat),
            executable: ExecuteBits::of(stat.st_mode),
            executed: false,
        },
        libc::S_IFDIR => Seen::Directory { identity: Identity::from(&stat), listings: 0 },
        libc::S_IFLNK => match readlink(path) {
            Ok(target) => Seen::Symlink(target.into()),
            Err(errno) => Seen::Unreachable(errno as i32),
        },
        kind => Seen::Special { kind, device: stat.st_rdev },
    }
}

/// The time by which files are stamped.
pub(super) fn now() -> Stamp {
    told_by(ClockId::CLOCK_REALTIME_COARSE)
}

/// A time that no stamp of a file is behind.
pub(super) fn exactly_now() -> Stamp {
    told_by(ClockId::CLOCK_REALTIME)
}

fn told_by(clock: ClockId) -> Stamp {
    clock_gettime(clock).map_or(Stamp { seconds: 0, nanos: 0 }, |time| Stamp {
        seconds: time.tv_sec(),
        nanos: u32::try_from(time.tv_nsec()).unwrap_or(0),
    })
}
