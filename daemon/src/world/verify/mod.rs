//! Whether a trace would be observed again now.

mod absences;
mod directories;
mod verified;

use std::path::Path;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};
use zccache_core::entry::{Age, Kinship, Twins};
use zccache_core::protocol::explanation::{Change, Kind};
use zccache_core::{
    Digest, Entry, ExecuteBits, Expected, Identity, Observation, OsBytes, Outline, Root,
    TaggedHasher, Trace,
};
use zccache_fs::Listed;

use self::absences::{Absences, Parents, Query};
pub(crate) use self::directories::SameDirectories;
use self::verified::Verified;
use super::sight::Recollection;
use super::watch::Made;
use super::{Contents, CratesUsed, Found, FoundFile, Namespace, Sight, digest_of_crates};

/// Where an invocation takes place.
#[derive(Clone, Copy)]
pub(crate) struct Scene<'a> {
    pub(crate) root: &'a Root,
    pub(crate) namespace: &'a Namespace,
}

/// A look around for the traces of one request: what several of them observed is looked at
/// once.
pub(crate) struct Survey<'n> {
    sight: Sight<'n>,
    /// The observations that would be made again, as somebody has looked; by their address.
    made: FxHashMap<*const Observation, Made>,
}

impl<'n> Survey<'n> {
    /// Nothing was looked at yet.
    pub(crate) fn new(namespace: &'n Namespace) -> Self {
        Self { sight: namespace.sight(), made: FxHashMap::default() }
    }
}

/// Compares traces with the world.
#[derive(Default)]
pub(crate) struct Verifier {
    absences: Absences,
    verified: Verified,
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

impl Verifier {
    /// Whether everything that the trace of an entry observed is there again. The entries
    /// of a survey outlive it.
    ///
    /// # Errors
    /// The first observation that differs.
    #[tracing::instrument(target = "time", level = "trace", skip_all)]
    pub(crate) fn verify<'n>(
        &self,
        entry: &Arc<Entry>,
        scene: Scene<'n>,
        contents: &Contents,
        survey: &mut Survey<'n>,
    ) -> Result<(), Divergence> {
        if survey.sight.generation().is_some_and(|now| self.verified.holds(entry, scene.root, now))
        {
            return Ok(());
        }
        survey.sight.begin();
        let verdict = self.look_at(&entry.trace, scene, survey, contents);
        let sight = &mut survey.sight;
        sight.remember_proofs(scene.root);
        if verdict.is_ok()
            && let Some(generation) = sight.only_remembered()
        {
            self.verified.note(entry, scene.root, generation);
        }
        if verdict.is_ok() || sight.learns_at_once() {
            sight.learn();
        }
        verdict
    }

    fn look_at(
        &self,
        trace: &Trace,
        scene: Scene<'_>,
        survey: &mut Survey<'_>,
        contents: &Contents,
    ) -> Result<(), Divergence> {
        let Survey { sight, made: known } = survey;
        let path = |number: u32| {
            let observation = trace.observations.get(number as usize);
            observation.map(|it| it.path.at(scene.root).into_owned()).unwrap_or_default()
        };
        let proven = sight.proven(scene.root, &trace.observations);
        let mut comparison = Comparison::new(&self.absences, trace, scene, contents);
        let mut identities = FxHashMap::default();
        let mut directories = SameDirectories::default();
        let mut twins: FxHashSet<u32> = FxHashSet::default();
        twins.extend(trace.twins.iter().flat_map(|twins| [twins.first, twins.second]));
        for (number, observation) in (0..).zip(&trace.observations) {
            let position = number as usize;
            let proven = proven.get(position).copied().flatten();
            let made = match proven.filter(|_| comparison.is_for_itself(number, observation)) {
                Some(made) => Ok(made),
                None => comparison.make_again_once(number, observation, sight, known),
            };
            let made =
                made.map_err(|change| Divergence { position, path: path(number), change })?;
            let Some(identity) = made.identity else { continue };
            if kind_expected(&observation.expected) == Kind::Directory {
                directories.note(number, observation.follow, &identity);
            } else if twins.contains(&number) {
                identities.insert(number, identity);
            }
        }
        let estranged = directories
            .differ_from(&trace.same_directories)
            .or_else(|| unlike_before(trace, &identities));
        let Some((first, second)) = estranged else { return Ok(()) };
        let change = Change::Kinship { other: path(second) };
        Err(Divergence { position: trace.observations.len(), path: path(first), change })
    }
}

/// The observations of one trace, being compared with the world.
struct Comparison<'a> {
    absences: &'a Absences,
    parents: Parents,
    trace: &'a Trace,
    ages: FxHashMap<u32, Age>,
    scene: Scene<'a>,
    contents: &'a Contents,
}

impl<'a> Comparison<'a> {
    fn new(
        absences: &'a Absences,
        trace: &'a Trace,
        scene: Scene<'a>,
        contents: &'a Contents,
    ) -> Self {
        let ages = trace.ages.iter().copied().collect();
        Self { absences, parents: Parents::default(), trace, ages, scene, contents }
    }

    /// Whether an observation is made again, or not, whichever trace it is of.
    fn is_for_itself(&self, number: u32, observation: &Observation) -> bool {
        !self.ages.contains_key(&number) && !matches!(observation.expected, Expected::Crates { .. })
    }

    /// As [`Self::make_again`], if no other trace has had it made.
    fn make_again_once(
        &mut self,
        number: u32,
        observation: &Arc<Observation>,
        sight: &mut Sight<'_>,
        known: &mut FxHashMap<*const Observation, Made>,
    ) -> Result<Made, Change> {
        if !self.is_for_itself(number, observation) {
            return self.make_again(number, observation, sight);
        }
        if let Some(made) = known.get(&Arc::as_ptr(observation)) {
            sight.notes_a_look();
            return Ok(*made);
        }
        let made = self.make_again(number, observation, sight)?;
        known.insert(Arc::as_ptr(observation), made);
        Ok(made)
    }

    /// Makes an observation again, unless what it finds is different.
    fn make_again(
        &mut self,
        number: u32,
        observation: &Arc<Observation>,
        sight: &mut Sight<'_>,
    ) -> Result<Made, Change> {
        let path = observation.path.at(self.scene.root);
        let query = Query { path: path.as_path(), follow: observation.follow };
        let age = self.ages.get(&number);
        // What is remembered of a directory is not its age.
        let recalled = match age {
            None => sight.recall(query.path, query.follow),
            Some(_) => None,
        };
        let is_absent = observation.expected == Expected::Absent;
        if is_absent && recalled.is_none() && self.absences.include(query, &mut self.parents, sight)
        {
            return Ok(Made { identity: None });
        }
        let (found, facts) = match recalled {
            Some(Recollection { found, facts }) => (found, Some(facts)),
            None => (sight.look(query.path, query.follow), None),
        };
        let names = match observation.expected {
            Expected::Listing(_) => sight.recall_names(query.path),
            Expected::Crates { .. } => {
                sight.notes_a_look();
                None
            }
            _ => None,
        };
        let there = There { path: query.path, found: &found, names };
        let identity = matches((Some(self.trace), observation), there, self.scene, self.contents)?;
        if age.zip(identity).is_some_and(|(age, identity)| !age.is_of(&identity)) {
            return Err(Change::Age);
        }
        let made = Made { identity };
        // What is in a directory is known by other facts than which one it is.
        let is_of_names =
            matches!(observation.expected, Expected::Listing(_) | Expected::Crates { .. });
        if let Some(facts) = facts.filter(|_| !is_of_names) {
            sight.prove(observation, made, facts);
        }
        Ok(made)
    }
}

/// The first two files that relate otherwise than they did.
fn unlike_before(trace: &Trace, identities: &FxHashMap<u32, Identity>) -> Option<(u32, u32)> {
    let related = |twins: &Twins| {
        let first = identities.get(&twins.first);
        let now = first.zip(identities.get(&twins.second)).map(|(a, b)| kinship(a, b));
        match twins.relation {
            Kinship::Distinct => now.is_some_and(|now| now != Kinship::SameFile),
            relation => now == Some(relation),
        }
    };
    let twins = trace.twins.iter().find(|twins| !related(twins))?;
    Some((twins.first, twins.second))
}

/// What is at a path now.
#[derive(Clone, Copy)]
struct There<'a> {
    path: &'a Path,
    found: &'a Found,
    /// The digest of the names in it, where that is known.
    names: Option<Digest>,
}

/// Whether an observation would be made again now.
pub(crate) fn agrees(observation: &Observation, scene: Scene<'_>, contents: &Contents) -> bool {
    let path = observation.path.at(scene.root);
    let found = scene.namespace.look(path.as_path(), observation.follow);
    let there = There { path: path.as_path(), found: &found, names: None };
    matches((None, observation), there, scene, contents).is_ok()
}

/// The identity of a file or directory, if the observation is made again and of one;
/// else what is different. What is searched for crates is compared by what else the
/// trace holds.
fn matches(
    (trace, observation): (Option<&Trace>, &Observation),
    there: There<'_>,
    Scene { root, namespace }: Scene<'_>,
    contents: &Contents,
) -> Result<Option<Identity>, Change> {
    let There { path, found, .. } = there;
    let agrees = match (&observation.expected, found) {
        (Expected::File { executable, .. }, Found::File(file))
            if file.executable() != *executable =>
        {
            return Err(execution_changed(*executable, file));
        }
        (Expected::WithMode { mode, .. }, Found::File(file)) if file.mode != *mode => {
            return Err(Change::Mode { before: *mode, now: file.mode });
        }
        (Expected::File { digest, .. } | Expected::WithMode { digest, .. }, Found::File(file)) => {
            let outline = outline_of(&observation.expected);
            return match contents.digest(namespace, path, file) {
                Ok(now) if now == *digest => Ok(Some(file.identity)),
                Ok(_) if outline.is_some_and(|it| contents.has(namespace, path, file, it)) => {
                    Ok(Some(file.identity))
                }
                Ok(_) => Err(Change::Content),
                Err(reason) => Err(Change::Untold(reason)),
            };
        }
        (Expected::Absent, Found::Absent) => true,
        (Expected::Directory, Found::Directory(identity)) => return Ok(Some(*identity)),
        (Expected::Listing(_) | Expected::Crates { .. }, Found::Directory(identity)) => {
            let same = is_listed(trace, &observation.expected, there, namespace);
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
        || Change::Kind { before: kind_expected(&observation.expected), now: kind_of(found) };
    if agrees { Ok(None) } else { Err(change()) }
}

fn execution_changed(before: ExecuteBits, file: &FoundFile) -> Change {
    let now = file.executable().is_any();
    match before.is_any() == now {
        true => Change::Mode { before: before.within(file.mode), now: file.mode },
        false => Change::Executable { now },
    }
}

fn outline_of(expected: &Expected) -> Option<&Outline> {
    match expected {
        Expected::File { outline, .. } => outline.as_ref(),
        _ => None,
    }
}

/// Whether a directory holds the names that matter.
fn is_listed(
    trace: Option<&Trace>,
    expected: &Expected,
    there: There<'_>,
    namespace: &Namespace,
) -> bool {
    if let (Expected::Listing(before), Some(now)) = (expected, there.names) {
        return *before == now;
    }
    let Ok(now) = namespace.list(there.path) else { return false };
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
