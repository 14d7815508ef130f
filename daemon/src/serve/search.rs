//! Looking for a result that can be served, and remembering what came of it.

use std::hash::{BuildHasher, RandomState};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use zccache_compiler::environment::Reading;
use zccache_compiler::environment::display::display;
use zccache_compiler::relocation::Exposure;
use zccache_compiler::{environment, outputs, rust};
use zccache_core::entry::Scope;
use zccache_core::protocol::Hit;
use zccache_core::protocol::explanation::{Cause, Change, Earlier, Origin, Told};
use zccache_core::settings::verified_part;
use zccache_core::{
    Entry, Expected, Invocation, Observation, OsBytes, Reason, Root, Rooted, Trace,
};

use super::daemon::Daemon;
use super::delivery::length;
use super::lookup::{Candidate, Case};
use crate::chronicle::nearest;
use crate::keep::{Suspect, is_of_the_system};
use crate::world::{Contents, Divergence, Scene, Survey, Words};

/// What a search came to.
pub(super) enum Search {
    /// A result that is being served: the message and its descriptors, and the entry.
    Serve(Hit, Vec<OwnedFd>, Candidate),
    /// A result that could be served, and is to be compared with a new one.
    Verify(Candidate),
    /// None.
    Nothing(Cause),
}

/// How far a candidate held.
enum Held {
    Wholly,
    NotTheEnvironment,
    UpTo(Divergence),
}

impl Daemon {
    /// Serves the first candidate that would be observed again now.
    ///
    /// # Errors
    /// One of another checkout that could be served if no source used its own path.
    pub(super) fn search(
        &self,
        case: &Case,
        candidates: &[Candidate],
    ) -> Result<Search, Candidate> {
        if case.invocation.is_on("ZCCACHE_RECACHE") {
            return Ok(Search::Nothing(Cause::Recache));
        }
        let traces = u32::try_from(candidates.len()).unwrap_or(u32::MAX);
        if let Some(difference) = case.not_the_temporary_directory() {
            return Ok(Search::Nothing(match candidates.first() {
                None => Cause::NoTrace(Earlier::Unknown),
                Some(first) => Cause::Observation { traces, made: first.entry.made, difference },
            }));
        }
        let (mut whole, mut survey) = (None, Survey::new(&case.namespace));
        let mut unproven = None;
        let mut closest: Option<(usize, &Candidate, Held)> = None;
        for candidate in candidates {
            let progress = match self.holds(case, &candidate.entry, &mut whole, &mut survey) {
                Held::Wholly if candidate.serves(&case.root) => {
                    return Ok(self.serve(case, candidate));
                }
                Held::Wholly => {
                    let is_open = candidate.entry.scope == Scope::Unproven;
                    unproven = unproven.or(is_open.then_some(candidate));
                    (usize::MAX, candidate, Held::Wholly)
                }
                held @ Held::NotTheEnvironment => (0, candidate, held),
                Held::UpTo(divergence) => {
                    (divergence.position + 1, candidate, Held::UpTo(divergence))
                }
            };
            if closest.as_ref().is_none_or(|(position, ..)| *position < progress.0) {
                closest = Some(progress);
            }
        }
        if let Some(candidate) = unproven {
            return Err(candidate.clone());
        }
        Ok(Search::Nothing(match closest {
            None => Cause::NoTrace(Earlier::Unknown),
            Some((_, candidate, Held::Wholly)) => candidate.own_path(),
            Some((_, Candidate { entry, .. }, Held::NotTheEnvironment)) => {
                Cause::Environment { traces, made: entry.made, changes: Vec::new() }
            }
            Some((_, Candidate { entry, .. }, Held::UpTo(divergence))) => {
                let difference = nearest(entry, divergence, &case.root);
                Cause::Observation { traces, made: entry.made, difference }
            }
        }))
    }

    fn holds<'c>(
        &self,
        case: &'c Case,
        entry: &Arc<Entry>,
        whole: &mut Option<zccache_core::Digest>,
        survey: &mut Survey<'c>,
    ) -> Held {
        let invocation = &case.invocation;
        let whole = || *whole.get_or_insert_with(|| environment::whole(invocation));
        let new = match environment::reading(&entry.trace.environment, invocation, whole) {
            Reading::Same => Vec::new(),
            Reading::Other => return Held::NotTheEnvironment,
            Reading::SameUnlessKnown(names) => names,
        };
        if entry.trace.display.is_some_and(|before| before != display(invocation)) {
            return Held::NotTheEnvironment;
        }
        if let Some(divergence) = looks_above(entry, &case.root) {
            return Held::UpTo(divergence);
        }
        let scene = Scene { root: &case.root, namespace: &case.namespace };
        match self.verifier.verify(entry, scene, &self.contents, survey) {
            Ok(()) if may_know((invocation, &entry.trace), &new, scene, &self.contents) => {
                Held::NotTheEnvironment
            }
            Ok(()) => match self.maps_what_names(case, entry) {
                Some(divergence) => Held::UpTo(divergence),
                None => Held::Wholly,
            },
            Err(divergence) => {
                tracing::debug!(?divergence, "a trace does not hold");
                Held::UpTo(divergence)
            }
        }
    }

    /// An input of an entry of another checkout that names this one, where prefixes of paths
    /// are mapped: that a map of the other one's left it as it is says nothing here.
    fn maps_what_names(&self, case: &Case, entry: &Entry) -> Option<Divergence> {
        let exposure = case.plan.anywhere.map(|anywhere| anywhere.exposure);
        let maps = matches!(exposure, Some(Exposure::C(exposure)) if exposure.maps);
        if !maps || entry.checkout.as_bytes() == case.root.as_bytes() {
            return None;
        }
        let words = Words::of_root(&case.root).ok();
        let names = |observation: &Arc<Observation>| {
            let path = observation.path.at(&case.root);
            let is_file =
                matches!(observation.expected, Expected::File { .. } | Expected::WithMode { .. });
            is_file
                && !is_of_the_system(path.as_path(), &case.root)
                && words.as_ref().is_none_or(|words| {
                    let found = case.namespace.recollect(path.as_path());
                    self.contents.may_mention(&case.namespace, path.as_path(), &found, words)
                })
        };
        let position = entry.trace.observations.iter().position(names)?;
        let path = entry.trace.observations[position].path.at(&case.root).into_owned();
        Some(Divergence { position, path, change: Change::NamesCheckout })
    }

    /// Whether an entry would be observed again now.
    pub(super) fn still_holds(&self, case: &Case, entry: &Arc<Entry>) -> bool {
        let mut survey = Survey::new(&case.namespace);
        matches!(self.holds(case, entry, &mut None, &mut survey), Held::Wholly)
    }

    pub(super) fn serve(&self, case: &Case, candidate: &Candidate) -> Search {
        let Candidate { key, entry } = candidate;
        if !case.deliverable {
            return Search::Nothing(Cause::Undeliverable { made: entry.made });
        }
        if !entry.confirmed || is_drawn(&case.invocation) {
            return Search::Verify(candidate.clone());
        }
        let Some((hit, descriptors)) = self.deliver(case, &entry.result) else {
            return Search::Nothing(Cause::Undeliverable { made: entry.made });
        };
        self.store.used(key, entry);
        let outputs = entry.result.outputs.iter();
        self.rivals.delivered(outputs.map(|output| output.path.at(&case.root).into_owned()));
        let bytes = bytes(entry);
        self.ledger.count(&case.session, |counters| {
            counters.hits += 1;
            counters.bytes_served += bytes;
            counters.time_saved += entry.cost;
        });
        Search::Serve(hit, descriptors, candidate.clone())
    }

    /// Remembers a hit.
    #[tracing::instrument(target = "time", level = "trace", skip_all)]
    pub(super) fn remember_hit(&self, case: &Case, candidate: &Candidate) {
        let told = Told::Hit(candidate.origin(&case.root));
        let made = candidate.entry.result.outputs.iter();
        let made = made.map(|output| output.path.at(&case.root).into_owned());
        let key = Some(case.plan.here);
        let account = self.chronicle.account(&case.invocation, &case.root, key, told);
        self.chronicle.enter(&account, made);
    }

    /// Remembers that a command was run unobserved.
    pub(super) fn remember_bypass(
        &self,
        invocation: &Invocation,
        reason: Reason,
        looked_up: Option<(&Case, Cause)>,
    ) {
        let files = outputs::guess(invocation);
        if files.is_empty() {
            return;
        }
        let (key, root, cause) = match looked_up {
            Some((case, cause)) => (Some(case.plan.here), case.root.clone(), Some(cause)),
            None => (None, Root::default(), None),
        };
        let told = Told::Bypass { reason, cause };
        let account = self.chronicle.account(invocation, &root, key, told);
        self.chronicle.enter(&account, files);
    }
}

/// Whether code of others that took part in a run may know one of these names of
/// variables: something that it may have from there holds the mark of it.
fn may_know(
    (invocation, trace): (&Invocation, &Trace),
    names: &[&[u8]],
    scene: Scene<'_>,
    contents: &Contents,
) -> bool {
    if names.is_empty() {
        return false;
    }
    let marks: Vec<_> = names.iter().map(|name| environment::mark(name)).collect();
    let Ok(words) = Words::new(&marks) else { return true };
    let known = trace.environment.by_name().iter();
    let values = known.filter_map(|variable| invocation.variable(variable.name.as_bytes()));
    let mut texts = invocation.argv.iter().map(OsBytes::as_bytes).chain(values);
    let by_a_file = |observation: &Arc<Observation>| {
        let Observation { path, expected, .. } = &**observation;
        let path = path.at(scene.root);
        matches!(expected, Expected::File { .. } | Expected::WithMode { .. })
            && rust::may_hold_names(path.as_path())
            && {
                let found = scene.namespace.look(path.as_path(), true);
                contents.may_mention(scene.namespace, path.as_path(), &found, &words)
            }
    };
    texts.any(|text| words.are_in(text)) || trace.observations.iter().any(by_a_file)
}

/// What a run looked at in a directory above its checkout that is not above this one.
/// Whoever goes upwards from a checkout, as clippy does for its configuration, comes
/// elsewhere from another.
fn looks_above(entry: &Entry, root: &Root) -> Option<Divergence> {
    let (checkout, here) = (entry.checkout.as_path(), OsBytes::from(root.as_bytes()));
    if checkout.parent() == here.as_path().parent() {
        return None;
    }
    let above = |path: &Path| {
        let top = path.parent().is_none() && checkout.parent() != Some(path);
        checkout != path && checkout.starts_with(path) && !top
    };
    let is_above = |observation: &Arc<Observation>| {
        let Rooted::Plain(path) = &observation.path else { return false };
        match observation.expected {
            Expected::Directory | Expected::Symlink(_) => false,
            Expected::Listing(_) | Expected::Crates { .. } => above(path.as_path()),
            _ => path.as_path().parent().is_some_and(above),
        }
    };
    let position = entry.trace.observations.iter().position(is_above)?;
    let path = entry.trace.observations[position].path.text().clone();
    Some(Divergence { position, path, change: Change::Elsewhere })
}

impl Candidate {
    /// Whether the entry, if it holds, serves a checkout.
    fn serves(&self, root: &Root) -> bool {
        self.entry.scope == Scope::All || self.entry.checkout.as_bytes() == root.as_bytes()
    }

    /// Where the entry comes from, seen from a checkout.
    pub(super) fn origin(&self, root: &Root) -> Origin {
        let Self { key, entry } = self;
        let elsewhere = entry.checkout != OsBytes::from(root.as_bytes());
        let checkout = elsewhere.then(|| entry.checkout.clone());
        Origin { key: *key, made: entry.made, checkout, cost: entry.cost, bytes: bytes(entry) }
    }

    /// The entry, to be compared with a new result.
    pub(super) fn suspect(self) -> Suspect {
        let Self { key, entry } = self;
        Suspect { key, entry }
    }
}

fn bytes(entry: &Entry) -> u64 {
    entry.result.outputs.iter().map(|output| length(&output.content)).sum()
}

/// Whether this hit is one of those to be compiled and compared.
fn is_drawn(invocation: &Invocation) -> bool {
    let part = verified_part(invocation.setting("ZCCACHE_VERIFY"));
    #[expect(clippy::cast_precision_loss, reason = "any bits of a random number will do")]
    let drawn = || RandomState::new().hash_one(()) as f64 / u64::MAX as f64;
    part >= 1.0 || (part > 0.0 && drawn() < part)
}
