//! Names that are not there, told by their directories.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use rustc_hash::{FxHashMap, FxHashSet};
use zccache_core::{Identity, Stamp};

use super::super::contents::now;
use super::super::{Found, Sight};

/// Absent names of directories, by their paths.
#[derive(Default)]
pub(super) struct Absences(Mutex<FxHashMap<Box<[u8]>, KnownAbsences>>);

/// Names that a directory did not hold while it had this identity.
struct KnownAbsences {
    directory: Identity,
    names: FxHashSet<Box<[u8]>>,
}

/// What is asked of the world.
#[derive(Clone, Copy)]
pub(super) struct Query<'t> {
    pub(super) path: &'t Path,
    pub(super) follow: bool,
}

/// The directories of absent names that one verification has looked at.
pub(super) type Parents = FxHashMap<Box<[u8]>, Parent>;

/// What is known of the directory of a name.
#[derive(Clone, Copy)]
pub(super) enum Parent {
    /// There is none, so that there is no name either.
    Missing,
    /// This was there, at that time.
    Directory(Identity, Stamp),
    /// It is asked for each name: in a view that takes no call of the kernel.
    Asked,
}

/// Directories whose absent names are remembered: a few hundred bytes each.
const MOST_DIRECTORIES: usize = 20_000;

/// How long a directory must have been unchanged for its identity to be
/// trusted with absences, in nanoseconds: the coarsest common stamp, two seconds
/// of FAT. Younger directories are asked name by name.
const SETTLED: i64 = 2_100_000_000;

impl Absences {
    /// Whether nothing is at a path of which nothing is remembered. As long as a directory
    /// has the identity it had when a name was not in it, the name is not in it.
    pub(super) fn include(
        &self,
        query: Query<'_>,
        parents: &mut Parents,
        sight: &mut Sight<'_>,
    ) -> bool {
        let Query { path, follow } = query;
        let is_absent =
            |sight: &mut Sight<'_>, follow| matches!(sight.look(path, follow), Found::Absent);
        let Some((parent, name)) = parent_and_name(path) else {
            return is_absent(sight, follow);
        };
        let known = match parents.get(parent) {
            Some(known) => *known,
            None => *parents.entry(parent.into()).or_insert(directory_of(parent, sight)),
        };
        let (directory, looked_at) = match known {
            Parent::Missing => return true,
            Parent::Directory(identity, at) => (identity, at),
            Parent::Asked => return is_absent(sight, follow),
        };
        if self.is_known_absent(parent, &directory, name) {
            return true;
        }
        let absent = is_absent(sight, follow);
        // A link that leads nowhere is absent when followed, but its name is not,
        // and the directory does not change when it comes to lead somewhere.
        if absent && is_settled(&directory, looked_at) && (!follow || is_absent(sight, false)) {
            self.remember(parent, directory, name);
        }
        absent
    }

    fn is_known_absent(&self, parent: &[u8], directory: &Identity, name: &[u8]) -> bool {
        let absences = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        absences
            .get(parent)
            .is_some_and(|known| known.directory == *directory && known.names.contains(name))
    }

    fn remember(&self, parent: &[u8], directory: Identity, name: &[u8]) {
        let mut absences = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if absences.len() >= MOST_DIRECTORIES {
            absences.clear();
        }
        let known = absences
            .entry(parent.into())
            .or_insert_with(|| KnownAbsences { directory, names: FxHashSet::default() });
        if known.directory != directory {
            *known = KnownAbsences { directory, names: FxHashSet::default() };
        }
        known.names.insert(name.into());
    }
}

/// A path up to its last slash and what comes after it. Taken as text: a name that is
/// empty or `.` is never absent from a directory that is there.
fn parent_and_name(path: &Path) -> Option<(&[u8], &[u8])> {
    let path = path.as_os_str().as_bytes();
    let slash = memchr::memrchr(b'/', path)?;
    Some((if slash == 0 { b"/" } else { &path[..slash] }, &path[slash + 1..]))
}

/// What is where a name would be.
fn directory_of(path: &[u8], sight: &mut Sight<'_>) -> Parent {
    let Ok(looked_at) = now() else { return Parent::Asked };
    match sight.look_outside_views(Path::new(OsStr::from_bytes(path))) {
        Some(Found::Absent) => Parent::Missing,
        Some(Found::Directory(identity)) => Parent::Directory(identity, looked_at),
        _ => Parent::Asked,
    }
}

fn is_settled(directory: &Identity, at: Stamp) -> bool {
    !directory.is_racy_at(at, SETTLED)
}
