//! Observations that many entries have in common: of the compiler, its libraries and the
//! headers of the system.

use std::mem::size_of;
use std::sync::{Arc, Mutex};

use rustc_hash::FxHashSet;
use zccache_core::{Observation, Trace};

use crate::cache::lock;
use crate::limits;

/// Observations of entries in memory, each held once.
#[derive(Default)]
pub(crate) struct Observations(Mutex<Known>);

#[derive(Default)]
struct Known {
    each: FxHashSet<Arc<Observation>>,
    /// Bytes of memory.
    weight: usize,
}

/// What the observations of an entry come to, in bytes.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Weight {
    /// Memory of those that no other entry has had.
    pub(crate) new: usize,
    /// About the length of all of them in its record.
    pub(crate) encoded: usize,
}

/// Memory of an observation besides its texts: two counts, and what the allocator takes.
const OVERHEAD: usize = size_of::<Observation>() + 48;

/// Length of an encoded observation besides its path: mostly a digest.
const ENCODED: usize = 36;

impl Observations {
    /// Has an entry share with others what they have observed as well.
    pub(crate) fn share(&self, trace: &mut Trace) -> Weight {
        let mut known = lock(&self.0);
        let mut weight = Weight::default();
        for observation in &mut trace.observations {
            let length = observation.path.text().as_bytes().len();
            weight.encoded += length + ENCODED;
            if let Some(same) = known.each.get(observation) {
                *observation = Arc::clone(same);
            } else {
                weight.new += memory(observation);
                known.each.insert(Arc::clone(observation));
            }
        }
        known.weight += weight.new;
        if known.weight > limits::OBSERVATION_BYTES {
            known.forget();
        }
        weight
    }
}

impl Known {
    /// Forgets what no entry has any more, and all the rest if that is more than half.
    fn forget(&mut self) {
        self.each.retain(|observation| Arc::strong_count(observation) > 1);
        self.weight = self.each.iter().map(memory).sum();
        if self.weight > limits::OBSERVATION_BYTES / 2 {
            *self = Self::default();
        }
    }
}

/// Memory of an observation, in bytes.
fn memory(observation: &Arc<Observation>) -> usize {
    observation.path.text().as_bytes().len() + OVERHEAD
}

#[cfg(test)]
mod tests {
    use zccache_core::entry::Environment;
    use zccache_core::{Expected, Rooted};

    use super::*;

    fn trace(paths: &[&str]) -> Trace {
        let observation = |path: &&str| {
            let path = Rooted::Plain((*path).into());
            Arc::new(Observation { path, follow: true, expected: Expected::Absent })
        };
        Trace {
            observations: paths.iter().map(observation).collect(),
            twins: Vec::new(),
            same_directories: Vec::new(),
            ages: Vec::new(),
            environment: Environment::Asked(Vec::new()),
            display: None,
        }
    }

    #[test]
    fn what_two_entries_observed_is_held_once() {
        let known = Observations::default();
        let (mut one, mut other) = (trace(&["/a", "/b"]), trace(&["/b", "/c"]));
        let first = known.share(&mut one);
        let second = known.share(&mut other);
        assert!(Arc::ptr_eq(&one.observations[1], &other.observations[0]));
        assert_eq!(other, trace(&["/b", "/c"]));
        assert_eq!((first.new, first.encoded), (2 * second.new, second.encoded));
    }

    #[test]
    fn memory_is_bounded() {
        let known = Observations::default();
        let mut kept = trace(&["/kept"]);
        known.share(&mut kept);
        for number in 0..limits::OBSERVATION_BYTES / OVERHEAD * 3 {
            known.share(&mut trace(&[&format!("/{number}")]));
            assert!(lock(&known.0).weight <= limits::OBSERVATION_BYTES);
        }
        assert_eq!(known.share(&mut trace(&["/kept"])).new, 0);
    }
}
