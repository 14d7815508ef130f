//! Whether a trace would be observed again now.

use std::borrow::Cow;
use std::collections::hash_map::Entry;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use rustc_hash::{FxHashMap, FxHashSet};
use zccache_core::entry::{Age, Kinship, Twins};
use zccache_core::protocol::explanation::{Change, Kind};
use zccache_core::{
    Digest, Expected, Identity, Observation, OsBytes, Root, Stamp, TaggedHasher, Trace,
};
use zccache_fs::Listed;

use super::contents::now;
use super::{Contents, CratesUsed, Found, Namespace, Sight, digest_of_crates};

/// Where an invocation takes place.
#[derive(Clone, Copy)]
pub(crate) struct Scene<'a> {
    pub(crate) root: &'a Root,
    pub(crate) namespace: &'a Namespace,
}

/// Compares traces with the world.
pub(crate) struct Verifier {
    absences: Mutex<FxHashMap<Box<[u8]>, KnownAbsences>>,
}

/// Names that a directory did not hold while it had this identity.
struct KnownAbsences {
    directory: Identity,
    names: FxHashSet<Box<[u8]>>,
}

/// The first observation of a trace that would not be made again.
#[derive(Debug)]
pub(crate) struct Divergence {
    /// Its position in the trace; past the end where files have come to relate otherwise.
    pub(crate) position: usize,
    /// Its path.
    pub(crate) path: OsBytes,
    /// What is different there.
    pub(crate) change: Change,
}

/// What is asked of the world.
#[derive(Clone, Copy)]
struct Query<'t> {
    path: &'t Path,
    follow: bool,
}

/// The directories of absent names that one verification has looked at.
type Parents<'t> = FxHashMap<&'t [u8], Parent>;

/// What is known of the directory of a name.
#[derive(Clone, Copy)]
enum Parent {
    /// There is none, so that there is no name either.
    Missing,
    /// This was there, at that time.
    Directory(Identity, Stamp),
    /// It is asked for each name: in a view that takes no call of the kernel.
    Asked,
}

/// Directories whose absent names are remembered: a few hundred bytes each.
const MOST_DIRECTORIES: usize = 20_000;

/// Which of the directories that are looked at are the same one.
#[derive(Default)]
pub(crate) struct SameDirectories {
    first: FxHashMap<(u64, u64), u32>,
    same: Vec<(u32, u32)>,
}

impl SameDirectories {
    /// Takes notice of what an observation leads to, which follows links or not.
    pub(crate) fn note(&mut self, number: u32, follow: bool, identity: &Identity) {
        if !follow {
            return;
        }
        match self.first.entry((identity.device, identity.inode)) {
            Entry::Occupied(first) => self.same.push((number, *first.get())),
            Entry::Vacant(place) => drop(place.insert(number)),
        }
    }

    /// Each that is the same as an earlier one, with that.
    pub(crate) fn into_pairs(self) -> Vec<(u32, u32)> {
        self.same
    }

    /// The first pair that is the same in one of the two only.
    fn differ_from(&self, before: &[(u32, u32)]) -> Option<(u32, u32)> {
        let both = self.same.iter().zip(before).find(|(now, before)| now != before);
        let more = || self.same.get(before.len()).or_else(|| before.get(self.same.len()));
        both.map(|(now, before)| *now.min(before)).or_else(|| more().copied())
    }
}

/// How long a directory must have been unchanged for its identity to be
/// trusted with absences, in nanoseconds: the coarsest common stamp, two seconds
/// of FAT. Younger directories are asked name by name.
const SETTLED: i64 = 2_100_000_000;

impl Verifier {
    pub(crate) fn new() -> Self {
        Self { absences: Mutex::default() }
    }

    /// Whether everything that the trace observed is there again.
    ///
    /// # Errors
    /// The first observation that differs.
    pub(crate) fn verify(
        &self,
        trace: &Trace,
        scene: Scene<'_>,
        contents: &Contents,
    ) -> Result<(), Divergence> {
        let Scene { root, namespace } = scene;
        let paths: Vec<Cow<'_, OsBytes>> =
            trace.observations.iter().map(|observation| observation.path.at(root)).collect();
        let mut identities = FxHashMap::default();
        let mut parents = Parents::default();
        let mut sight = namespace.sight();
        let mut directories = SameDirectories::default();
        let mut twins: FxHashSet<u32> = FxHashSet::default();
        twins.extend(trace.twins.iter().flat_map(|twins| [twins.first, twins.second]));
        let ages: FxHashMap<u32, Age> = trace.ages.iter().copied().collect();
        for (index, (observation, path)) in trace.observations.iter().zip(&paths).enumerate() {
            let query = Query { path: path.as_path(), follow: observation.follow };
            if observation.expected == Expected::Absent
                && self.is_absent(query, &mut parents, &mut sight)
            {
                continue;
            }
            let seen = matches(Some(trace), observation, query, (scene, &mut sight), contents)
                .map_err(|change| Divergence {
                    position: index,
                    path: path.clone().into_owned(),
                    change,
                })?;
            let number = u32::try_from(index).unwrap_or(u32::MAX);
            let Some(identity) = seen else { continue };
            if ages.get(&number).is_some_and(|age| !age.is_of(&identity)) {
                let path = path.clone().into_owned();
                return Err(Divergence { position: index, path, change: Change::Age });
            }
            if kind_expected(&observation.expected) == Kind::Directory {
                directories.note(number, observation.follow, &identity);
            } else if twins.contains(&number) {
                identities.insert(number, identity);
            }
        }
        let path = |index: u32| paths.get(index as usize).cloned().unwrap_or_default().into_owned();
        let diverges = |first, second| {
            let change = Change::Kinship { other: path(second) };
            Divergence { position: trace.observations.len(), path: path(first), change }
        };
        if let Some((first, second)) = directories.differ_from(&trace.same_directories) {
            return Err(diverges(first, second));
        }
        let related = |twins: &Twins| {
            let first = identities.get(&twins.first);
            let now = first.zip(identities.get(&twins.second)).map(|(a, b)| kinship(a, b));
            match twins.relation {
                Kinship::Distinct => now.is_some_and(|now| now != Kinship::SameFile),
                relation => now == Some(relation),
            }
        };
        match trace.twins.iter().find(|twins| !related(twins)) {
            None => Ok(()),
            Some(twins) => Err(diverges(twins.first, twins.second)),
        }
    }

    /// Whether nothing is at a path. As long as a directory has the identity it
    /// had when a name was not in it, the name is not in it.
    fn is_absent<'t>(
        &self,
        query: Query<'t>,
        parents: &mut Parents<'t>,
        sight: &mut Sight<'_>,
    ) -> bool {
        let Query { path, follow } = query;
        let is_absent =
            |sight: &mut Sight<'_>, follow| matches!(sight.look(path, follow), Found::Absent);
        let Some((parent, name)) = parent_and_name(path) else {
            return is_absent(sight, follow);
        };
        let known = *parents.entry(parent).or_insert_with(|| directory_of(parent, sight));
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
        let absences = self.absences.lock().unwrap_or_else(PoisonError::into_inner);
        absences
            .get(parent)
            .is_some_and(|known| known.directory == *directory && known.names.contains(name))
    }

    fn remember(&self, parent: &[u8], directory: Identity, name: &[u8]) {
        let mut absences = self.absences.lock().unwrap_or_else(PoisonError::into_inner);
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

/// Whether an observation would be made again now.
pub(crate) fn agrees(observation: &Observation, scene: Scene<'_>, contents: &Contents) -> bool {
    let path = observation.path.at(scene.root);
    let query = Query { path: path.as_path(), follow: observation.follow };
    matches(None, observation, query, (scene, &mut scene.namespace.sight()), contents).is_ok()
}

/// The identity of a file or directory, if the observation is made again and of one;
/// else what is different. What is searched for crates is compared by what else the
/// trace holds.
fn matches(
    trace: Option<&Trace>,
    observation: &Observation,
    query: Query<'_>,
    (Scene { root, namespace }, sight): (Scene<'_>, &mut Sight<'_>),
    contents: &Contents,
) -> Result<Option<Identity>, Change> {
    let Query { path, follow } = query;
    let found = sight.look(path, follow);
    let agrees = match (&observation.expected, &found) {
        (Expected::File { executable, .. }, Found::File(file))
            if file.is_executable() != *executable =>
        {
            return Err(Change::Executable { now: file.is_executable() });
        }
        (Expected::WithMode { mode, .. }, Found::File(file)) if file.mode != *mode => {
            return Err(Change::Mode { before: *mode, now: file.mode });
        }
        (Expected::File { digest, .. } | Expected::WithMode { digest, .. }, Found::File(file)) => {
            return match contents.digest(namespace, path, file) {
                Ok(now) if now == *digest => Ok(Some(file.identity)),
                Ok(_) => Err(Change::Content),
                Err(reason) => Err(Change::Untold(reason)),
            };
        }
        (Expected::Absent, Found::Absent) => true,
        (Expected::Directory, Found::Directory(identity)) => return Ok(Some(*identity)),
        (Expected::Listing(_) | Expected::Crates { .. }, Found::Directory(identity)) => {
            let same = is_listed(trace, &observation.expected, path, namespace);
            return if same { Ok(Some(*identity)) } else { Err(Change::Listing) };
        }
        (Expected::Symlink(before), Found::Symlink(now)) if *before.at(root) != *now => {
            let before = before.at(root).into_owned();
            return Err(Change::Target { before, now: now.clone() });
        }
        (Expected::Symlink(_), Found::Symlink(_)) => true,
        (
            Expected::Special { kind, device },
            Found::Special { kind: kind_now, device: device_now },
        ) => kind == kind_now && device == device_now,
        (Expected::Unreachable(before), Found::Unreachable(errno)) => before == errno,
        _ => false,
    };
    let change =
        || Change::Kind { before: kind_expected(&observation.expected), now: kind_of(&found) };
    if agrees { Ok(None) } else { Err(change()) }
}

/// Whether a directory holds the names that matter.
fn is_listed(
    trace: Option<&Trace>,
    expected: &Expected,
    directory: &Path,
    namespace: &Namespace,
) -> bool {
    let Ok(now) = namespace.list(directory) else { return false };
    match expected {
        Expected::Listing(names) => digest_of_listing(&now) == *names,
        &Expected::Crates { names, linked } => trace.is_some_and(|trace| {
            digest_of_crates(&CratesUsed::of(trace, linked).select(&now)) == names
        }),
        _ => false,
    }
}

fn kind_expected(expected: &Expected) -> Kind {
    match expected {
        Expected::Absent => Kind::Nothing,
        Expected::File { .. } | Expected::WithMode { .. } => Kind::File,
        Expected::Directory | Expected::Listing(_) | Expected::Crates { .. } => Kind::Directory,
        Expected::Symlink(_) => Kind::Symlink,
        Expected::Special { .. } => Kind::Special,
        Expected::Unreachable(errno) => Kind::Error(*errno),
    }
}

/// What was found, without its particulars.
pub(crate) fn kind_of(found: &Found) -> Kind {
    match found {
        Found::Absent => Kind::Nothing,
        Found::File(_) => Kind::File,
        Found::Directory(_) => Kind::Directory,
        Found::Symlink(_) => Kind::Symlink,
        Found::Special { .. } => Kind::Special,
        Found::Unreachable(errno) => Kind::Error(*errno),
    }
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

/// The digest of the sorted names in a directory, each with its type, which
/// `readdir(3)` tells as well.
pub(crate) fn digest_of_listing(names: &[Listed]) -> Digest {
    let mut hasher = TaggedHasher::new();
    for listed in names {
        hasher.field(0, listed.name.as_encoded_bytes());
        hasher.field(1, &listed.kind.to_le_bytes());
    }
    hasher.finish()
}
