//! Blobs that somebody needs.

use std::sync::Arc;

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use zccache_core::Digest;

/// How often each blob is pinned.
#[derive(Default)]
pub(crate) struct Pins(DashMap<Digest, usize>);

impl Pins {
    /// Pins a blob until the result is dropped.
    pub(crate) fn pin(self: &Arc<Self>, digest: Digest) -> Pin {
        *self.0.entry(digest).or_insert(0) += 1;
        Pin { digest, pins: Arc::clone(self) }
    }

    /// Whether anybody needs the blob.
    pub(crate) fn is_pinned(&self, digest: &Digest) -> bool {
        self.0.contains_key(digest)
    }

    /// Does something while nobody can pin the blob, unless it is pinned.
    pub(crate) fn unless_pinned<T>(&self, digest: Digest, then: impl FnOnce() -> T) -> Option<T> {
        match self.0.entry(digest) {
            Entry::Occupied(_) => None,
            Entry::Vacant(_held) => Some(then()),
        }
    }
}

/// While it lives, its blob is not evicted.
pub struct Pin {
    digest: Digest,
    pins: Arc<Pins>,
}

impl Pin {
    /// The blob.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        if let Entry::Occupied(mut count) = self.pins.0.entry(self.digest) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}
