//! Observations that would be made again as long as some facts hold.

use std::sync::{Arc, Weak};

use rustc_hash::FxHashMap;
use zccache_core::{Expected, Identity, Observation, Root, Rooted};

use super::limits;
use super::state::{Fact, State};

/// Proofs, by the addresses of their observations and the numbers of the checkouts that
/// those were compared in.
#[derive(Default)]
pub(super) struct Proofs {
    each: FxHashMap<(usize, u32), Proof>,
    roots: FxHashMap<Root, u32>,
}

/// An observation that would be made again.
#[derive(Clone, Copy)]
pub(crate) struct Made {
    /// Of which file or directory.
    pub(crate) identity: Option<Identity>,
}

/// That an observation would be made again while facts hold.
pub(crate) struct Proof {
    /// Keeps its address from becoming another's.
    observation: Weak<Observation>,
    made: Made,
    facts: Arc<[Fact]>,
    /// Whether it means something else in another checkout.
    is_of_checkout: bool,
}

impl Proof {
    pub(crate) fn new(observation: &Arc<Observation>, made: Made, facts: Arc<[Fact]>) -> Self {
        Self {
            is_of_checkout: is_of_checkout(observation),
            observation: Arc::downgrade(observation),
            made,
            facts,
        }
    }
}

/// The number for what means the same in every checkout.
const ANYWHERE: u32 = 0;

impl Proofs {
    /// Adds proofs that were made in a checkout.
    pub(super) fn add(&mut self, root: &Root, proofs: Vec<Proof>) {
        if self.each.len().max(self.roots.len()) >= limits::PROOFS {
            *self = Self::default();
        }
        let next = u32::try_from(self.roots.len()).map_or(u32::MAX, |count| count + 1);
        let here = *self.roots.entry(root.clone()).or_insert(next);
        for proof in proofs {
            let place = if proof.is_of_checkout { here } else { ANYWHERE };
            self.each.insert((proof.observation.as_ptr().addr(), place), proof);
        }
    }
}

impl State {
    /// Of each observation, whether it is known that it would be made again in a checkout.
    pub(super) fn proven(
        &self,
        root: &Root,
        observations: &[Arc<Observation>],
    ) -> Vec<Option<Made>> {
        let Proofs { each, roots } = &self.proofs;
        let here = roots.get(root);
        let known = |observation: &Arc<Observation>| {
            let place = if is_of_checkout(observation) { *here? } else { ANYWHERE };
            let proof = each.get(&(Arc::as_ptr(observation).addr(), place))?;
            self.hold(&proof.facts).then_some(proof.made)
        };
        observations.iter().map(known).collect()
    }
}

/// Whether an observation means something else in another checkout.
fn is_of_checkout(observation: &Observation) -> bool {
    let is_below = |text: &Rooted| matches!(text, Rooted::Below(_));
    is_below(&observation.path)
        || matches!(&observation.expected, Expected::Symlink(target) if is_below(target))
}
