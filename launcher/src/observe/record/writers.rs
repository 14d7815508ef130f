//! Who else writes where the run writes: another compile, `strip`, a person.
//! What they leave must not be taken for what the run made.
//!
//! The kernel tells what happens to the names of a directory (`inotify(7)`), not
//! who does it; more than the run itself was seen doing is somebody else's.
//!
//! Who has a file open for writing, which a mapping outlives, is told by a lease.
//!
//! Closing the last descriptor of a watch takes the kernel some 15 ms, in which it
//! waits for all readers of its marks (`fsnotify_destroy_group`). So the descriptor
//! goes to the daemon, which closes it while nobody waits.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};
use nix::sys::signal::{SigHandler, Signal, signal};
use zccache_core::Reason;

/// What is done to one name, or is seen to be done.
#[derive(Clone, Copy, Default)]
struct Deeds {
    written: u32,
    arrived: u32,
    left: u32,
}

/// Watches the directories of outputs, if the kernel permits another watch.
#[derive(Default)]
pub(super) struct Writers {
    inotify: Option<Inotify>,
    /// Whether a directory could not be watched.
    unwatched: bool,
    /// What the run itself does.
    own: HashMap<(WatchDescriptor, OsString), Deeds>,
}

impl Writers {
    /// Notes that the run is about to open the absolute `path` for writing.
    pub(super) fn write(&mut self, path: &[u8]) {
        if let Some(deeds) = self.deeds(path) {
            deeds.written += 1;
        }
    }

    /// Notes that the run is about to remove `path`.
    pub(super) fn remove(&mut self, path: &[u8]) {
        if let Some(deeds) = self.deeds(path) {
            deeds.left += 1;
        }
    }

    /// Notes that the run is about to rename. A file that is still open is closed
    /// under its new name.
    pub(super) fn rename(&mut self, from: &[u8], to: &[u8]) {
        self.remove(from);
        let written = self.deeds(from).map_or(0, |deeds| deeds.written);
        if let Some(deeds) = self.deeds(to) {
            deeds.arrived += 1;
            deeds.written += written;
        }
    }

    /// What the run does at a path, whose directory is watched from now on.
    fn deeds(&mut self, path: &[u8]) -> Option<&mut Deeds> {
        let path = Path::new(OsStr::from_bytes(path));
        let (directory, name) = (path.parent()?, path.file_name()?);
        if is_for_temporary_files(directory) {
            return None;
        }
        let watch = self.watch(directory)?;
        Some(self.own.entry((watch, name.to_owned())).or_default())
    }

    /// Watching a directory again gives the same watch.
    fn watch(&mut self, directory: &Path) -> Option<WatchDescriptor> {
        if self.inotify.is_none() {
            self.inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC).ok();
        }
        let Some(inotify) = &self.inotify else {
            self.unwatched = true;
            return None;
        };
        let deeds = AddWatchFlags::IN_CLOSE_WRITE
            | AddWatchFlags::IN_MOVED_TO
            | AddWatchFlags::IN_MOVED_FROM
            | AddWatchFlags::IN_DELETE
            | AddWatchFlags::IN_ONLYDIR;
        match inotify.add_watch(directory, deeds) {
            Ok(watch) => Some(watch),
            // Nothing can be made there either.
            Err(Errno::ENOENT | Errno::ENOTDIR) => None,
            Err(_) => {
                self.unwatched = true;
                None
            }
        }
    }

    /// A descriptor that keeps the watch when this is dropped.
    pub(super) fn keep(&self) -> Option<OwnedFd> {
        self.inotify.as_ref()?.as_fd().try_clone_to_owned().ok()
    }

    /// That nobody else has written, brought or taken away what the run wrote,
    /// brought or took away.
    ///
    /// # Errors
    /// That somebody has, or that it cannot be told.
    pub(super) fn are_alone(&self) -> Result<(), Reason> {
        match &self.inotify {
            _ if self.unwatched => Err(Reason::UnwatchedOutput),
            Some(inotify) if self.have_company(inotify) => Err(Reason::OutputChanged),
            _ => Ok(()),
        }
    }

    fn have_company(&self, inotify: &Inotify) -> bool {
        let mut seen: HashMap<(WatchDescriptor, OsString), Deeds> = HashMap::new();
        while let Ok(events) = inotify.read_events() {
            for event in events {
                if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
                    return true;
                }
                let Some(name) = event.name else { continue };
                let deeds = seen.entry((event.wd, name)).or_default();
                deeds.written += u32::from(event.mask.contains(AddWatchFlags::IN_CLOSE_WRITE));
                deeds.arrived += u32::from(event.mask.contains(AddWatchFlags::IN_MOVED_TO));
                let left = AddWatchFlags::IN_DELETE | AddWatchFlags::IN_MOVED_FROM;
                deeds.left += u32::from(event.mask.intersects(left));
            }
        }
        self.own.iter().any(|(place, own)| {
            let seen = seen.get(place).copied().unwrap_or_default();
            seen.written > own.written || seen.arrived > own.arrived || seen.left > own.left
        })
    }
}

/// Everybody's names come and go there; a tool's are random, and gone at the end.
fn is_for_temporary_files(directory: &Path) -> bool {
    let named = crate::environment::variable(c"TMPDIR").map(OsStr::from_bytes);
    named == Some(directory.as_os_str()) || ["/tmp", "/var/tmp"].map(Path::new).contains(&directory)
}

/// Whether anybody has a file open for writing, also one who has closed it and keeps a
/// mapping (`F_SETLEASE` in `fcntl(2)`). None where leases cannot be had, as on FUSE.
pub(super) fn is_open_for_writing(file: &OwnedFd) -> Option<bool> {
    let lease = |kind: libc::c_int| {
        // SAFETY: F_SETLEASE takes an integer; the descriptor is open.
        Errno::result(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, kind) })
    };
    // Who opens the file while it is leased is told by a signal.
    // SAFETY: SIG_IGN runs no code.
    let _before = unsafe { signal(Signal::SIGIO, SigHandler::SigIgn) };
    match lease(libc::F_RDLCK) {
        Ok(_) => {
            // Closing the file would end it, too.
            let _ended = lease(libc::F_UNLCK);
            Some(false)
        }
        Err(Errno::EAGAIN) => Some(true),
        Err(_) => None,
    }
}
