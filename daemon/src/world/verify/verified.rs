//! Traces that need not be compared again.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use rustc_hash::FxHashMap;
use zccache_core::{Entry, Root};

/// Traces that hold, by the addresses of their entries.
#[derive(Default)]
pub(super) struct Verified(Mutex<FxHashMap<usize, Known>>);

/// A trace that holds in this checkout as long as nothing that is remembered changes.
struct Known {
    /// Keeps its address from becoming another's.
    entry: Weak<Entry>,
    root: Root,
    generation: u64,
}

/// Traces that are known to hold: some hundred bytes each.
const MOST_VERIFIED: usize = 20_000;

impl Verified {
    /// Whether a trace was found to hold while this generation of memory did.
    pub(super) fn holds(&self, entry: &Arc<Entry>, root: &Root, now: u64) -> bool {
        let verified = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = verified.get(&address(entry));
        known.is_some_and(|known| known.generation == now && known.root == *root)
    }

    /// Takes notice that memory of this generation alone says that a trace holds.
    pub(super) fn note(&self, entry: &Arc<Entry>, root: &Root, generation: u64) {
        let mut verified = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if verified.len() >= MOST_VERIFIED {
            verified.retain(|_, known| known.entry.strong_count() > 0);
        }
        if verified.len() < MOST_VERIFIED {
            let known = Known { entry: Arc::downgrade(entry), root: root.clone(), generation };
            verified.insert(address(entry), known);
        }
    }
}

fn address(entry: &Arc<Entry>) -> usize {
    Arc::as_ptr(entry).addr()
}
