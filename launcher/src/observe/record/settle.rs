//! What a run comes to once it has ended: its inputs, its outputs, or why it
//! cannot be kept.

use std::ffi::CString;
use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::{Mode, fstat};
use nix::unistd::read;
use zccache_core::entry::Manner;
use zccache_core::protocol::explanation::Refusal;
use zccache_core::report::{Bytes, Revised, Seen, Sighting, WrittenFile};
use zccache_core::{Identity, OsBytes, Reason, Stamp, limits};

use super::caches::is_bytecode;
use super::changes::{Absence, Before, Change, Mark, state};
use super::ledger::{Ledger, Look, PathRecord, exactly_now, now};
use super::prior::Prior;
use super::writers::is_open_for_writing;
use crate::xattr;

/// What was observed of a run, as the report tells it.
#[derive(Default)]
pub(crate) struct Settled {
    /// The inputs, in the order of the first looks.
    pub sightings: Vec<Sighting>,
    /// The outputs.
    pub outputs: Outputs,
}

/// Files left behind, with the descriptors of those that are attached.
#[derive(Default)]
pub(crate) struct Outputs {
    /// The files.
    pub files: Vec<WrittenFile>,
    /// A descriptor for each file that is attached, in order, and behind them for each that
    /// was revised.
    pub descriptors: Vec<OwnedFd>,
    /// What was in the files that the run had read before.
    pub revised: Vec<Revised>,
}

impl Ledger {
    /// Compares what the run changed with what is there now. Files on the devices
    /// `views` are not attached.
    ///
    /// # Errors
    /// The reason for which the run cannot be kept.
    pub(crate) fn settle(self, views: &[u64]) -> Result<Settled, Refusal> {
        if let Some(refusal) = self.trouble() {
            return Err(refusal.clone());
        }
        let mut looks: Vec<(u32, Sighting)> = Vec::with_capacity(self.paths.len());
        let mut changes: Vec<(OsBytes, Change, bool)> = Vec::new();
        for (path, mut record) in self.paths {
            let path = OsBytes::from(path.into_vec());
            if let Some(change) = record.change.take() {
                record.forget_what_was_made(needs_absence(&path, change.absence));
                if came_and_went(&path, &change) {
                    record.insist_on_absence();
                }
                changes.push((path.clone(), change, !record.reads.is_empty()));
            }
            looks.extend(record.sightings(path));
        }
        looks.sort_unstable_by_key(|(order, _)| *order);
        let orders: Vec<u32> = looks.iter().map(|(order, _)| *order).collect();
        for (_, Sighting { reads, .. }) in &mut looks {
            // Of the looks some are forgotten.
            let begun = orders.partition_point(|&order| order < reads.last);
            reads.last = u32::try_from(begun).unwrap_or(u32::MAX);
        }
        changes.sort_unstable_by(|(one, ..), (other, ..)| one.cmp(other));
        let mut outputs = Outputs::default();
        let mut priors = Vec::new();
        for (path, change, read) in changes {
            let own = self.caches.admit(&path);
            let taken = own.and_then(|()| judge(&path, &change, read)).and_then(|()| {
                let left = left_behind(&path, &change, self.began)?;
                if left.is_some() && self.callers.name(path.as_bytes()) {
                    return Err(Reason::NamedByProcess);
                }
                let attach = |manner| outputs.attach(path.clone(), manner, views, change.shared);
                left.map_or(Ok(()), attach)
            });
            taken.map_err(|reason| reason.at(&path))?;
            priors.extend(change.prior);
        }
        outputs.revise(priors)?;
        self.caches.are_as_before()?;
        self.writers.are_alone()?;
        let sightings = looks.into_iter().map(|(_, sighting)| sighting).collect();
        Ok(Settled { sightings, outputs })
    }
}

impl PathRecord {
    /// A run that makes a file looks at its place first; that nothing was there
    /// matters only if it wanted to read it, or would have kept what was there. A directory
    /// it cannot have made there.
    fn forget_what_was_made(&mut self, needs_absence: bool) {
        let matters = !self.reads.is_empty() || needs_absence;
        for slot in [&mut self.followed, &mut self.unfollowed] {
            slot.take_if(|look| match look.seen {
                Seen::Absent => !matters,
                Seen::Directory { .. } => false,
                _ => true,
            });
        }
    }

    /// Notes that nothing was there before.
    fn insist_on_absence(&mut self) {
        let look = Look { seen: Seen::Absent, at: now(), order: u32::MAX };
        self.unfollowed.get_or_insert(look);
    }

    fn sightings(self, path: OsBytes) -> impl Iterator<Item = (u32, Sighting)> {
        let (asked, reads) = (self.asked, self.reads);
        let sighting = move |follow, path: OsBytes| {
            move |Look { seen, at, order }| {
                (order, Sighting { path, follow, seen, at, asked, reads })
            }
        };
        let followed = self.followed.map(sighting(true, path.clone()));
        followed.into_iter().chain(self.unfollowed.map(sighting(false, path)))
    }
}

/// Whether the run made a file and removed it, and would have removed as well what
/// had been there. So do compilers that fail with what they have not finished. A
/// name that was to be new (`O_EXCL`) would have been another one.
fn came_and_went(path: &OsBytes, change: &Change) -> bool {
    change.before == Before::Absent
        && change.absence != Absence::NeededIfKept
        && CString::new(path.as_bytes()).is_ok_and(|path| state(&path) == Before::Absent)
}

fn needs_absence(path: &OsBytes, absence: Absence) -> bool {
    match absence {
        Absence::Indifferent => false,
        Absence::Needed => true,
        Absence::NeededIfKept => {
            CString::new(path.as_bytes()).is_ok_and(|path| state(&path) != Before::Absent)
        }
    }
}

/// Refuses changes that placing the outputs again would not repeat.
fn judge(path: &OsBytes, change: &Change, read: bool) -> Result<(), Reason> {
    match change.before {
        Before::Symlink => Err(Reason::OddOutput),
        Before::Special => Err(Reason::SpecialOutput),
        Before::File { .. } if (read || change.kept_content) && change.prior.is_none() => {
            // A file that is gone was not written, whatever else happened to it.
            let gone =
                CString::new(path.as_bytes()).is_ok_and(|path| state(&path) == Before::Absent);
            Err(if gone { Reason::SideEffect } else { Reason::ReadAndWritten })
        }
        Before::File { plain: false, .. } => Err(Reason::OddOutput),
        // It will be there again, of the same mode.
        Before::File { .. } if change.prior.is_some() => Ok(()),
        Before::File { mode, .. } if !change.replaced && change.fresh_mode != Some(mode) => {
            Err(Reason::OddOutput)
        }
        Before::Absent | Before::File { .. } | Before::Directory => Ok(()),
    }
}

/// How the output that is now at a changed path arrived; none if nothing is left.
fn left_behind(path: &OsBytes, change: &Change, began: Stamp) -> Result<Option<Manner>, Reason> {
    let cached = is_bytecode(path.as_bytes());
    let path = CString::new(path.as_bytes()).map_err(|_| Reason::OddOutput)?;
    let now = state(&path);
    match (change.before, now) {
        // It was to be removed or replaced, and was not.
        (Before::File { .. }, Before::File { .. }) if change.replaced && change.before == now => {
            Err(Reason::SideEffect)
        }
        // It was to be created, and could not be, for whatever reason.
        (Before::Absent, Before::Absent) if !change.replaced && !cached => {
            Err(Reason::OutputRefused)
        }
        (Before::Absent, Before::Absent) | (Before::Directory, Before::Directory) => Ok(None),
        (Before::Absent | Before::File { .. }, Before::File { identity, .. })
            if !is_as_if_written(change.mark, &identity, began) =>
        {
            Err(Reason::SideEffect)
        }
        // It went elsewhere to be worked on, and came back.
        (Before::File { .. }, Before::File { .. }) if change.carried => Ok(Some(Manner::InPlace)),
        // What removes a file first, as linkers do, puts another in its place.
        (Before::File { .. }, Before::File { .. }) if change.replaced => Ok(Some(Manner::Renamed)),
        (Before::Absent | Before::File { .. }, Before::File { .. }) => Ok(Some(change.manner)),
        (_, Before::Symlink | Before::Special) => Err(Reason::SpecialOutput),
        _ => Err(Reason::SideEffect),
    }
}

/// Whether a file has nothing that it would not have if it had been written just now. What
/// tools copy from another file system, they give the age of what they copy.
fn is_as_if_written(mark: Mark, file: &Identity, began: Stamp) -> bool {
    match mark {
        Mark::Nothing => true,
        Mark::Ages => (began..=exactly_now()).contains(&file.mtime),
        Mark::More => false,
    }
}

impl Outputs {
    /// Adds what was in files that the run had read before it changed them.
    fn revise(&mut self, priors: Vec<Prior>) -> Result<(), Reason> {
        if self.files.len() + priors.len() > limits::OUTPUTS {
            return Err(Reason::TooManyOutputs);
        }
        for (revised, content) in priors.into_iter().map(Prior::into_parts) {
            self.revised.push(revised);
            self.descriptors.extend(content);
        }
        Ok(())
    }

    /// Opens the file and takes its identity from the descriptor.
    fn attach(
        &mut self,
        path: OsBytes,
        manner: Manner,
        views: &[u64],
        shared: bool,
    ) -> Result<(), Reason> {
        if self.files.len() >= limits::OUTPUTS {
            return Err(Reason::TooManyOutputs);
        }
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let descriptor =
            open(path.as_path(), flags, Mode::empty()).map_err(|_| Reason::OddOutput)?;
        let stat = fstat(&descriptor).map_err(|_| Reason::OddOutput)?;
        if stat.st_mode & libc::S_IFMT != libc::S_IFREG {
            return Err(Reason::SpecialOutput);
        }
        if stat.st_nlink != 1 && !shared {
            return Err(Reason::SideEffect);
        }
        if is_open_for_writing(&descriptor) == Some(true) {
            return Err(Reason::OutputChanged);
        }
        if path.as_path().parent().is_none_or(xattr::decides_modes) {
            return Err(Reason::OddOutput);
        }
        let identity = Identity::from(&stat);
        let bytes = if identity.size <= limits::CARRIED_BYTES {
            Bytes::Carried(content(&descriptor, identity.size)?)
        } else if views.contains(&stat.st_dev) {
            Bytes::InView
        } else {
            self.descriptors.push(descriptor);
            Bytes::Attached
        };
        let mode = stat.st_mode & 0o7777;
        self.files.push(WrittenFile { path, mode, identity, manner, bytes });
        Ok(())
    }
}

/// The content of a file that has this size.
fn content(file: &OwnedFd, size: u64) -> Result<Vec<u8>, Reason> {
    let mut content = vec![0; usize::try_from(size).map_err(|_| Reason::OddOutput)?];
    let mut filled = 0;
    while filled < content.len() {
        match read(file, &mut content[filled..]) {
            Ok(0) => return Err(Reason::OutputChanged),
            Ok(read) => filled += read,
            Err(Errno::EINTR) => {}
            Err(_) => return Err(Reason::OddOutput),
        }
    }
    match read(file, &mut [0]) {
        Ok(0) => Ok(content),
        _ => Err(Reason::OutputChanged),
    }
}
