//! Whether a trace would be observed again now.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use zccache_core::entry::{Kinship, Twins};
use zccache_core::{
    Digest, Expected, Identity, Observation, OsBytes, Root, Stamp, TaggedHasher, Trace,
};

use super::contents::now;
use super::{Contents, CratesUsed, Found, Located, Namespace};

/// Where an invocation takes place.
#[derive(Clone, Copy)]
pub(crate) struct Scene<'a> {
    pub(crate) root: &'a Root,
    pub(crate) namespace: &'a Namespace,
}

/// Compares traces with the world.
pub(crate) struct Verifier {
    absences: Mutex<HashMap<PathBuf, KnownAbsences>>,
}

/// Names that a directory did not hold while it had this identity.
struct KnownAbsences {
    directory: Identity,
    names: HashSet<Box<[u8]>>,
}

/// What is asked of the world.
#[derive(Clone, Copy)]
struct Query<'t> {
    path: &'t Path,
    follow: bool,
}

/// The directories that one verification has looked at, and when.
type Parents<'t> = HashMap<&'t Path, Option<(Identity, Stamp)>>;

/// Directories whose absent names are remembered: a few hundred bytes each.
const MOST_DIRECTORIES: usize = 20_000;

/// How long a directory must have been unchanged for its identity to be
/// trusted with absences, in nanoseconds: the coarsest common stamp, two seconds
/// of FAT. Younger directories are asked name by name.
const SETTLED: i64 = 2_100_000_000;

impl Verifier {
    pub(crate) fn new() -> Self {
        Self { absences: Mutex::default() }
    }

    /// Whether everything that the trace observed is there again.
    pub(crate) fn holds(&self, trace: &Trace, scene: Scene<'_>, contents: &Contents) -> bool {
        let Scene { root, namespace } = scene;
        let paths: Vec<Cow<'_, OsBytes>> =
            trace.observations.iter().map(|observation| observation.path.at(root)).collect();
        let mut identities = HashMap::new();
        let mut parents = Parents::new();
        let mut twins: HashSet<u32> = HashSet::new();
        twins.extend(trace.twins.iter().flat_map(|twins| [twins.first, twins.second]));
        for (index, (observation, path)) in trace.observations.iter().zip(&paths).enumerate() {
            let query = Query { path: path.as_path(), follow: observation.follow };
            if observation.expected == Expected::Absent {
                if !self.is_absent(query, &mut parents, namespace) {
                    tracing::debug!(path = ?observation.path, "something is there now");
                    return false;
                }
                continue;
            }
            let Some(seen) = matches(Some(trace), observation, query, scene, contents) else {
                tracing::debug!(path = ?observation.path, was = ?observation.expected, "differs");
                return false;
            };
            let number = u32::try_from(index).unwrap_or(u32::MAX);
            if let (Some(identity), true) = (seen, twins.contains(&number)) {
                identities.insert(number, identity);
            }
        }
        let related = |twins: &Twins| {
            let first = identities.get(&twins.first);
            let now = first.zip(identities.get(&twins.second)).map(|(a, b)| kinship(a, b));
            match twins.relation {
                Kinship::Distinct => now.is_some_and(|now| now != Kinship::SameFile),
                relation => now == Some(relation),
            }
        };
        trace.twins.iter().all(related)
    }

    /// Whether nothing is at a path. As long as a directory has the identity it
    /// had when a name was not in it, the name is not in it.
    fn is_absent<'t>(
        &self,
        query: Query<'t>,
        parents: &mut Parents<'t>,
        namespace: &Namespace,
    ) -> bool {
        let Query { path, follow } = query;
        let asked = || matches!(namespace.look(path, follow), Found::Absent);
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return asked();
        };
        let Some((directory, looked_at)) =
            *parents.entry(parent).or_insert_with(|| directory_of(parent, namespace))
        else {
            return asked();
        };
        let name = name.as_encoded_bytes();
        if self.is_known_absent(parent, &directory, name) {
            return true;
        }
        let absent = asked();
        // A link that leads nowhere is absent when followed, but its name is not,
        // and the directory does not change when it comes to lead somewhere.
        let unnamed = || matches!(namespace.look(path, false), Found::Absent);
        if absent && is_settled(&directory, looked_at) && (!follow || unnamed()) {
            self.remember(parent, directory, name);
        }
        absent
    }

    fn is_known_absent(&self, parent: &Path, directory: &Identity, name: &[u8]) -> bool {
        let absences = self.absences.lock().unwrap_or_else(PoisonError::into_inner);
        absences
            .get(parent)
            .is_some_and(|known| known.directory == *directory && known.names.contains(name))
    }

    fn remember(&self, parent: &Path, directory: Identity, name: &[u8]) {
        let mut absences = self.absences.lock().unwrap_or_else(PoisonError::into_inner);
        if absences.len() >= MOST_DIRECTORIES {
            absences.clear();
        }
        let known = absences
            .entry(parent.to_owned())
            .or_insert_with(|| KnownAbsences { directory, names: HashSet::new() });
        if known.directory != directory {
            *known = KnownAbsences { directory, names: HashSet::new() };
        }
        known.names.insert(name.into());
    }
}

/// The identity of a directory outside views, and when it was looked at. A view
/// knows its names without asking the kernel.
fn directory_of(path: &Path, namespace: &Namespace) -> Option<(Identity, Stamp)> {
    let looked_at = now().ok()?;
    if matches!(namespace.locate(path, true), Located::View(..)) {
        return None;
    }
    match namespace.look(path, true) {
        Found::Directory(identity) => Some((identity, looked_at)),
        _ => None,
    }
}

/// Whether an observation would be made again now.
pub(crate) fn agrees(observation: &Observation, scene: Scene<'_>, contents: &Contents) -> bool {
    let path = observation.path.at(scene.root);
    let query = Query { path: path.as_path(), follow: observation.follow };
    matches(None, observation, query, scene, contents).is_some()
}

/// None if the observation differs; else the identity of a file. What is searched
/// for crates is compared by what else the trace holds.
#[expect(clippy::option_option, reason = "differs, or agrees with or without a file")]
fn matches(
    trace: Option<&Trace>,
    observation: &Observation,
    query: Query<'_>,
    scene: Scene<'_>,
    contents: &Contents,
) -> Option<Option<Identity>> {
    let (Query { path, follow }, Scene { root, namespace }) = (query, scene);
    let found = namespace.look(path, follow);
    let agrees = match (&observation.expected, &found) {
        (Expected::File { digest, executable }, Found::File(file)) => {
            return (file.executable == *executable
                && contents.digest(namespace, path, file).ok()? == *digest)
                .then_some(Some(file.identity));
        }
        (Expected::Absent, Found::Absent) | (Expected::Directory, Found::Directory(_)) => true,
        (Expected::Listing(names), Found::Directory(_)) => {
            digest_of_names(&namespace.list(path).ok()?) == *names
        }
        (&Expected::Crates { names, linked }, Found::Directory(_)) => {
            CratesUsed::of(trace?, linked).digest(namespace.list(path).ok()?) == names
        }
        (Expected::Symlink(before), Found::Symlink(target)) => *before.at(root) == *target,
        (
            Expected::Special { kind, device },
            Found::Special { kind: kind_now, device: device_now },
        ) => kind == kind_now && device == device_now,
        (Expected::Unreachable(before), Found::Unreachable(errno)) => before == errno,
        _ => false,
    };
    agrees.then_some(None)
}

fn is_settled(directory: &Identity, at: Stamp) -> bool {
    !directory.is_racy_at(at, SETTLED)
}

/// How two files of equal content relate.
pub(crate) fn kinship(first: &Identity, second: &Identity) -> Kinship {
    if (first.device, first.inode) == (second.device, second.inode) {
        Kinship::SameFile
    } else if first.mtime.seconds == second.mtime.seconds {
        Kinship::SameTime
    } else {
        Kinship::Apart
    }
}

/// The digest of the sorted names of a directory.
pub(crate) fn digest_of_names(names: &[OsBytes]) -> Digest {
    let mut hasher = TaggedHasher::new();
    for name in names {
        hasher.field(0, name.as_bytes());
    }
    hasher.finish()
}
