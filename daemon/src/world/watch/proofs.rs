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
    each: FxHashMap<(usize, u32), Known>,
    roots: FxHashMap<Root, u32>,
}

struct Known {
    /// Keeps its address from becoming another's.
    _observation: Weak<Observation>,
    made: Made,
    facts: Arc<[Fact]>,
}

/// An observation that would be made again.
#[derive(Clone, Copy)]
pub(crate) struct Made {
    /// Of which file or directory.
    pub(crate) identity: Option<Identity>,
}

/// That an observation would be made again while facts hold.
pub(crate) struct Proof {
    pub(crate) observation: Weak<Observation>,
    pub(crate) made: Made,
    pub(crate) facts: Arc<[Fact]>,
    /// Whether it means something else in another checkout.
    pub(crate) is_of_checkout: bool,
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
    fn add(&mut self, root: &Root, proofs: Vec<Proof>) {
        if self.each.len() >= limits::PROOFS {
            *self = Self::default();
        }
        let next = u32::try_from(self.roots.len()).map_or(u32::MAX, |count| count + 1);
        let here = *self.roots.entry(root.clone()).or_insert(next);
        for Proof { observation, made, facts, is_of_checkout } in proofs {
            let place = if is_of_checkout { here } else { ANYWHERE };
            let key = (observation.as_ptr().addr(), place);
            self.each.insert(key, Known { _observation: observation, made, facts });
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
            let known = each.get(&(Arc::as_ptr(observation).addr(), place))?;
            self.hold(&known.facts).then_some(known.made)
        };
        observations.iter().map(known).collect()
    }

    /// Remembers proofs that were made in a checkout.
    pub(super) fn prove(&mut self, root: &Root, proofs: Vec<Proof>) {
        self.proofs.add(root, proofs);
    }
}

/// Whether an observation means something else in another checkout.
fn is_of_checkout(observation: &Observation) -> bool {
    let is_below = |text: &Rooted| matches!(text, Rooted::Below(_));
    is_below(&observation.path)
        || matches!(&observation.expected, Expected::Symlink(target) if is_below(target))
}
