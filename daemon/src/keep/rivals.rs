//! Runs that write the same file at the same time. What they leave behind is of
//! neither, and nobody can tell: the kernel says that a file was written, not by whom,
//! and says the same of two writers that end together only once (`inotify(7)`).

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use zccache_core::report::Report;
use zccache_core::{InvocationKey, OsBytes, Stamp};

/// All runs that are going on, and those that ended meanwhile.
#[derive(Default)]
pub(crate) struct Rivals(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// Counts beginnings and ends.
    clock: u64,
    /// By when they began.
    running: HashMap<u64, Running>,
    /// In the order in which they ended; none that ended before all of `running` began.
    ended: VecDeque<Arc<Ended>>,
}

struct Running {
    /// What it will write, as far as its arguments say.
    expected: Vec<OsBytes>,
    spoiled: bool,
}

struct Ended {
    at: u64,
    wrote: HashSet<OsBytes>,
    spoiled: AtomicBool,
    kept: OnceLock<Kept>,
}

/// By what an entry is found: its key, and when it was made.
pub(crate) type Kept = (InvocationKey, Stamp);

/// A run that is going on, until it is dropped or has ended.
pub(crate) struct Contender {
    began: u64,
    rivals: Arc<Rivals>,
}

/// What is left of a run, and what it took to find out.
pub(crate) struct Contest {
    own: Arc<Ended>,
    /// Results that had been kept of runs which, as it turns out, were not alone.
    pub(crate) refuted: Vec<Kept>,
}

impl Rivals {
    /// A run begins that will, it seems, write these files.
    pub(crate) fn begin(self: &Arc<Self>, expected: Vec<OsBytes>) -> Contender {
        let mut known = self.known();
        known.clock += 1;
        let began = known.clock;
        known.running.insert(began, Running { expected, spoiled: false });
        Contender { began, rivals: Arc::clone(self) }
    }

    /// Whether a run that is going on, as far as is known, will write one of these files.
    pub(crate) fn expect(&self, files: &[OsBytes]) -> bool {
        let is_one = |path| files.contains(path);
        self.known().running.values().any(|running| running.expected.iter().any(is_one))
    }

    /// A hit has put files in place.
    pub(crate) fn delivered(&self, paths: impl IntoIterator<Item = OsBytes>) {
        let mut known = self.known();
        if known.running.is_empty() {
            return;
        }
        let wrote = paths.into_iter().collect();
        known.end(wrote, false);
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Something has written files; those that expect to write one of them are spoiled.
    fn end(&mut self, wrote: HashSet<OsBytes>, mut spoiled: bool) -> Arc<Ended> {
        self.clock += 1;
        for running in self.running.values_mut() {
            if running.expected.iter().any(|path| wrote.contains(path)) {
                running.spoiled = true;
                spoiled = true;
            }
        }
        let spoiled = AtomicBool::new(spoiled);
        let ended = Ended { at: self.clock, wrote, spoiled, kept: OnceLock::new() };
        let ended = Arc::new(ended);
        self.ended.push_back(Arc::clone(&ended));
        ended
    }

    fn forget(&mut self) {
        let first = self.running.keys().min().copied().unwrap_or(u64::MAX);
        while self.ended.front().is_some_and(|ended| ended.at < first) {
            self.ended.pop_front();
        }
    }
}

impl Contender {
    /// The run has ended, and wrote these files; if it was refused, what it was to
    /// write, and what it was refused for.
    pub(crate) fn end(self, report: &Report) -> Contest {
        let outputs = report.outputs.iter().map(|file| file.path.clone());
        self.wrote(outputs.chain(report.culprit.clone()))
    }

    fn wrote(self, paths: impl Iterator<Item = OsBytes>) -> Contest {
        let mut known = self.rivals.known();
        let mut wrote: HashSet<_> = paths.collect();
        let own = known.running.remove(&self.began);
        let mut spoiled = own.as_ref().is_some_and(|own| own.spoiled);
        wrote.extend(own.into_iter().flat_map(|own| own.expected));
        let mut refuted = Vec::new();
        let overlaps = |ended: &&Arc<Ended>| ended.at > self.began;
        for other in known.ended.iter().filter(overlaps) {
            if other.wrote.is_disjoint(&wrote) {
                continue;
            }
            spoiled = true;
            other.spoiled.store(true, Ordering::Release);
            refuted.extend(other.kept.get().copied());
        }
        let own = known.end(wrote, spoiled);
        known.forget();
        drop(known);
        Contest { own, refuted }
    }
}

impl Drop for Contender {
    fn drop(&mut self) {
        let mut known = self.rivals.known();
        // Nobody has told what it wrote.
        if let Some(own) = known.running.remove(&self.began) {
            known.end(own.expected.into_iter().collect(), true);
        }
        known.forget();
    }
}

impl Contest {
    /// Notes which entry is about to be kept; false if another run wrote the same files.
    pub(crate) fn keep(&self, kept: Kept) -> bool {
        let _first = self.own.kept.set(kept);
        !self.own.spoiled.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writes(contender: Contender, path: &str) -> Contest {
        contender.wrote([path.into()].into_iter())
    }

    fn is_alone(contest: &Contest) -> bool {
        !contest.own.spoiled.load(Ordering::Acquire)
    }

    #[test]
    fn runs_one_after_the_other_are_alone() {
        let rivals = Arc::new(Rivals::default());
        for _ in 0..3 {
            let run = rivals.begin(vec!["/o".into()]);
            assert!(is_alone(&writes(run, "/o")));
        }
        assert!(rivals.known().ended.is_empty());
    }

    #[test]
    fn the_one_that_ends_first_is_told_by_what_the_other_expects() {
        let rivals = Arc::new(Rivals::default());
        let (one, other) = (rivals.begin(Vec::new()), rivals.begin(vec!["/o".into()]));
        assert!(!is_alone(&writes(one, "/o")));
        assert!(!is_alone(&writes(other, "/p")));
    }

    #[test]
    fn what_was_kept_before_the_other_ended_is_refuted() {
        let rivals = Arc::new(Rivals::default());
        let (one, other) = (rivals.begin(Vec::new()), rivals.begin(Vec::new()));
        let first = writes(one, "/o");
        assert!(is_alone(&first));
        let second = writes(other, "/o");
        assert!(!is_alone(&first) && !is_alone(&second));
    }

    #[test]
    fn what_a_refused_or_lost_run_was_to_write_counts() {
        let rivals = Arc::new(Rivals::default());
        let (one, other) = (rivals.begin(Vec::new()), rivals.begin(vec!["/o".into()]));
        let _refused = other.wrote(std::iter::empty());
        assert!(!is_alone(&writes(one, "/o")));
        let (one, other) = (rivals.begin(Vec::new()), rivals.begin(vec!["/o".into()]));
        drop(other);
        assert!(!is_alone(&writes(one, "/o")));
    }

    #[test]
    fn a_hit_in_the_middle_of_a_run_spoils_it() {
        let rivals = Arc::new(Rivals::default());
        let (expecting, other) = (rivals.begin(vec!["/o".into()]), rivals.begin(Vec::new()));
        rivals.delivered(["/o".into()]);
        assert!(!is_alone(&writes(expecting, "/o")));
        assert!(!is_alone(&writes(other, "/o")));
        let unconcerned = rivals.begin(vec!["/y".into()]);
        assert!(rivals.expect(&["/x".into(), "/y".into()]) && !rivals.expect(&["/x".into()]));
        rivals.delivered(["/x".into()]);
        assert!(is_alone(&writes(unconcerned, "/o")));
    }
}
