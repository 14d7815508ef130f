//! Changes that a run makes to names and files.

use std::ffi::CStr;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::sys::stat::{fstatat, stat};
use nix::unistd::{AccessFlags, faccessat};
use zccache_core::entry::Manner;
use zccache_core::{Identity, Reason};

use super::ledger::{Ledger, PathRecord, Purpose, now};
use super::prior::Prior;

/// What was at a path before the run first changed it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Before {
    /// Nothing.
    Absent,
    /// A regular file.
    File {
        /// Its permission bits.
        mode: u32,
        /// Whether the compiler may write it and it has no other name.
        plain: bool,
        /// Which file, and in which state.
        identity: Identity,
    },
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A device, fifo or socket.
    Special,
}

/// Whether it matters for a file that the run made that nothing was there before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Absence {
    /// It would have been replaced.
    Indifferent,
    /// It would have been kept in part, or worked on: the tool looked for it, and read what it made.
    Needed,
    /// It would have been refused (`O_EXCL`). For a temporary file the tool would
    /// merely have chosen another name.
    NeededIfKept,
}

/// What a file has been given besides its content.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Mark {
    /// Nothing.
    Nothing,
    /// Time stamps, as by copying with them.
    Ages,
    /// An owner, attributes or a second name.
    More,
}

/// What a run did at a path.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent findings")]
pub(super) struct Change {
    /// What was there before the first change.
    pub before: Before,
    /// How the file that may be there now arrived.
    pub manner: Manner,
    /// Whether the name has been removed or renamed over since.
    pub replaced: bool,
    /// The permission bits that a file created here would have got.
    pub fresh_mode: Option<u32>,
    /// Whether some of the content from before may be in the file.
    pub kept_content: bool,
    /// Whether it matters that nothing was there.
    pub absence: Absence,
    /// What the tool gave it.
    pub mark: Mark,
    /// Whether it was given a second name where nothing is noted.
    pub shared: bool,
    /// Whether it is a file from before that the run has renamed.
    pub carried: bool,
    /// What was in it before, if the run had read that or went on with it.
    pub prior: Option<Prior>,
}

/// How a file is opened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opening {
    /// `O_*`, as in `open(2)`.
    pub flags: libc::c_int,
    /// The permission bits that a new file is to have.
    pub mode: u32,
}

impl Opening {
    /// Whether every one of `flags` is set.
    pub(crate) fn has(self, flags: libc::c_int) -> bool {
        self.flags & flags == flags
    }

    /// Whether a symbolic link at the end of the path is followed.
    pub(crate) fn follows(self) -> bool {
        !self.has(libc::O_NOFOLLOW) && !self.has(libc::O_CREAT | libc::O_EXCL)
    }

    /// Whether an existing file may be changed.
    fn writes(self) -> bool {
        // `O_ACCMODE` has further bits in some C libraries.
        self.flags & (libc::O_WRONLY | libc::O_RDWR) != 0 || self.has(libc::O_TRUNC)
    }

    /// What a file that was not there would have meant.
    fn absence(self) -> Absence {
        if self.has(libc::O_EXCL) {
            Absence::NeededIfKept
        } else if self.has(libc::O_TRUNC) {
            Absence::Indifferent
        } else {
            Absence::Needed
        }
    }

    /// Whether a file may be changed or created.
    pub(crate) fn may_change(self) -> bool {
        self.writes() || self.has(libc::O_CREAT)
    }
}

impl Ledger {
    /// Notes an open that may create or change the file at `path`.
    pub(crate) fn open(&mut self, path: &CStr, opening: Opening) {
        let state = state(path);
        if self.caches.take_lock(path, state) {
            return;
        }
        let creates = opening.has(libc::O_CREAT);
        let fails = match state {
            Before::Absent => !creates,
            Before::Directory => true,
            _ => creates && opening.has(libc::O_EXCL),
        };
        let changes =
            opening.writes() || state == Before::Absent || (state == Before::Symlink && creates);
        if fails || !changes {
            let purpose = if fails { Purpose::Status } else { Purpose::Read };
            self.look(path, opening.follows(), purpose);
            return;
        }
        if opening.writes() {
            self.writers.write(path.to_bytes());
        }
        let fresh_mode = creates.then_some(opening.mode & 0o7777 & !self.umask);
        let untouched = !self.is_changed(path);
        let absence = opening.absence();
        let made = untouched && state == Before::Absent;
        if made && absence != Absence::Indifferent {
            self.look(path, false, Purpose::Status);
        }
        let existing = untouched && matches!(state, Before::File { .. });
        let keeps_content = existing && !opening.has(libc::O_TRUNC);
        if keeps_content {
            self.note_reading(path);
        }
        let change = self.change(path, state);
        if made {
            change.absence = absence;
        }
        change.fresh_mode = fresh_mode.or(change.fresh_mode);
        change.kept_content |= keeps_content;
    }

    /// Notes that the length of a file is changed.
    pub(crate) fn truncate(&mut self, path: &CStr) {
        self.open(path, Opening { flags: libc::O_WRONLY, mode: 0 });
    }

    /// Notes the removal of a name.
    pub(crate) fn remove(&mut self, path: &CStr) {
        match state(path) {
            Before::Absent => self.look(path, false, Purpose::Status),
            state => {
                if state == Before::Directory {
                    // It may be in the way.
                    self.look(path, false, Purpose::Status);
                }
                self.writers.remove(path.to_bytes());
                let change = self.change(path, state);
                change.replaced = true;
                change.mark = Mark::Nothing;
                change.carried = false;
                change.manner = Manner::InPlace;
            }
        }
    }

    /// Notes a rename. What is left at the old name shows, at the end, whether
    /// the run had made it. Nobody sees what is then read of a file from before, so it
    /// counts as read, unless it is to be `overwritten`.
    pub(crate) fn rename(&mut self, from: &CStr, to: &CStr, flags: u32, overwritten: bool) {
        let source = state(from);
        match source {
            Before::Absent => return self.look(from, false, Purpose::Status),
            Before::Directory => return self.refuse_at(Reason::SideEffect, from),
            _ => {}
        }
        let target = state(to);
        if flags & libc::RENAME_NOREPLACE != 0 && target != Before::Absent {
            return self.look(to, false, Purpose::Status);
        }
        if flags & !libc::RENAME_NOREPLACE != 0 {
            return self.refuse_at(Reason::SideEffect, from);
        }
        if are_apart(from, to) || target == Before::Directory {
            // It fails, and whoever asked copies. If it does not, what is looked at changes.
            self.look(from, false, Purpose::Status);
            return self.look(to, false, Purpose::Status);
        }
        self.writers.rename(from.to_bytes(), to.to_bytes());
        if overwritten {
            self.disregard_opening(to);
        } else if !self.is_changed(from) {
            self.note_reading(from);
        }
        let moved = self.change(from, source);
        let (mark, kept_content) = (moved.mark, moved.kept_content);
        let is_from_before = matches!(moved.before, Before::File { .. }) && !moved.replaced;
        let carried = moved.carried || is_from_before;
        moved.replaced = true;
        moved.mark = Mark::Nothing;
        moved.carried = false;
        let arrived = self.change(to, target);
        arrived.replaced = true;
        arrived.manner = if overwritten { Manner::InPlace } else { Manner::Renamed };
        arrived.mark = mark;
        arrived.carried = carried;
        arrived.kept_content |= kept_content;
    }

    /// Notes a second name for a file.
    pub(crate) fn link(&mut self, from: &CStr, to: &CStr) {
        self.look(from, false, Purpose::Read);
        match state(to) {
            Before::Absent => self.change(to, Before::Absent).mark = Mark::More,
            _ => self.look(to, false, Purpose::Status),
        }
    }

    /// Notes that the run uses an entry of a cache of its own.
    ///
    /// # Errors
    /// [`Reason::OwnCache`] if it was there before the run.
    pub(crate) fn enter_cache(&mut self, entry: &CStr) -> Result<(), Reason> {
        if self.paths.contains_key(entry.to_bytes()) {
            return Ok(());
        }
        match state(entry) {
            Before::Absent => self.look(entry, false, Purpose::Status),
            _ => return Err(Reason::OwnCache),
        }
        Ok(())
    }

    /// Notes that a file comes to the name `path` from where nothing is noted.
    pub(crate) fn arrive(&mut self, path: &CStr) {
        match state(path) {
            Before::Absent => self.change(path, Before::Absent).manner = Manner::Renamed,
            _ => self.refuse_at(Reason::SideEffect, path),
        }
    }

    /// Notes that a file of the run goes, or gets a second name, where nothing is
    /// noted.
    pub(crate) fn hand_over(&mut self, path: &CStr) {
        match self.paths.get_mut(path.to_bytes()).and_then(|record| record.change.as_mut()) {
            Some(change) => change.shared = true,
            None => self.refuse_at(Reason::SideEffect, path),
        }
    }

    /// Notes the making of a directory, symbolic link or special file.
    pub(crate) fn make(&mut self, path: &CStr) {
        match state(path) {
            Before::Absent => {
                self.change(path, Before::Absent);
            }
            _ => self.look(path, false, Purpose::Status),
        }
    }

    /// Notes a change of permission bits, which only a file of the run may suffer.
    pub(crate) fn change_mode(&mut self, path: &CStr) {
        match state(path) {
            Before::Absent => self.look(path, true, Purpose::Status),
            _ if self.is_changed(path) => {}
            _ => self.refuse_at(Reason::SideEffect, path),
        }
    }

    /// Notes a change of owner or attributes.
    pub(crate) fn touch(&mut self, path: &CStr) {
        self.mark(path, Mark::More);
    }

    /// Notes a change of time stamps.
    pub(crate) fn stamp(&mut self, path: &CStr) {
        self.mark(path, Mark::Ages);
    }

    fn mark(&mut self, path: &CStr, mark: Mark) {
        match state(path) {
            Before::Absent => self.look(path, true, Purpose::Status),
            state if self.is_changed(path) => {
                let change = self.change(path, state);
                change.mark = change.mark.max(mark);
            }
            _ => self.refuse_at(Reason::SideEffect, path),
        }
    }

    fn is_changed(&self, path: &CStr) -> bool {
        self.paths.get(path.to_bytes()).is_some_and(|record| record.change.is_some())
    }

    /// The change at `path`, begun now, with `before` there, if there was none. What the
    /// run has read of the file is put by.
    fn change(&mut self, path: &CStr, before: Before) -> &mut Change {
        let record = self.record(path);
        let PathRecord { change, followed, unfollowed, reads, .. } = record;
        change.get_or_insert_with(|| {
            let look = followed.as_ref().or(unfollowed.as_ref());
            let prior = match before {
                Before::File { identity, .. } if !reads.is_empty() => match look {
                    Some(look) if look.is_of(&identity) => Prior::of(path, &identity, look.at),
                    Some(_) => None,
                    None => Prior::of(path, &identity, now()),
                },
                _ => None,
            };
            Change {
                before,
                manner: Manner::InPlace,
                replaced: false,
                fresh_mode: None,
                kept_content: false,
                absence: Absence::Indifferent,
                mark: Mark::Nothing,
                shared: false,
                carried: false,
                prior,
            }
        })
    }
}

/// What is at `path` now.
pub(super) fn state(path: &CStr) -> Before {
    let stat = match fstatat(AT_FDCWD, path, AtFlags::AT_SYMLINK_NOFOLLOW) {
        Ok(stat) => stat,
        Err(Errno::ENOENT | Errno::ENOTDIR) => return Before::Absent,
        Err(_) => return Before::Special,
    };
    match stat.st_mode & libc::S_IFMT {
        libc::S_IFREG => Before::File {
            mode: stat.st_mode & 0o7777,
            plain: stat.st_nlink == 1 && is_writable(path),
            identity: Identity::from(&stat),
        },
        libc::S_IFDIR => Before::Directory,
        libc::S_IFLNK => Before::Symlink,
        _ => Before::Special,
    }
}

/// Whether two paths are on different file systems, between which no rename leads. That of
/// a directory tells, also on overlays.
fn are_apart(one: &CStr, other: &CStr) -> bool {
    let device = |path: &CStr| {
        let bytes = path.to_bytes();
        let end = bytes.iter().rposition(|&byte| byte == b'/')?;
        stat(&bytes[..=end]).ok().map(|stat| stat.st_dev)
    };
    matches!((device(one), device(other)), (Some(one), Some(other)) if one != other)
}

fn is_writable(path: &CStr) -> bool {
    faccessat(AT_FDCWD, path, AccessFlags::W_OK, AtFlags::AT_EACCESS).is_ok()
}
