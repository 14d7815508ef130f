//! Digests of files whose identity is known: what need not be hashed again.

use std::sync::Mutex;

use zccache_core::{Digest, Identity};

use crate::cache::{Cache, lock};
use crate::index::rows::{HASHES, identity_key};
use crate::index::{Fault, Index, Tables};
use crate::limits;

/// The hash cache: in memory what was used lately, in the index much more.
pub(crate) struct Hashes {
    known: Cache<Identity, Digest>,
    /// Not written yet.
    waiting: Mutex<Vec<(Identity, Digest)>>,
}

impl Hashes {
    pub(crate) fn new() -> Self {
        Self { known: Cache::new(limits::HASHES_IN_MEMORY), waiting: Mutex::default() }
    }

    /// The digest of a file of this identity.
    pub(crate) fn get(&self, identity: &Identity, index: &Index) -> Option<Digest> {
        if let Some(digest) = self.known.get(identity) {
            return Some(digest);
        }
        let stored = index.read(|transaction| {
            let row = transaction.open_table(HASHES)?.get(&identity_key(identity))?;
            Ok(row.map(|row| std::array::from_fn(|n| row.value()[n])))
        });
        let digest = Digest::from_bytes(stored.ok().flatten()?);
        self.known.insert(*identity, digest, 1);
        Some(digest)
    }

    /// Remembers a digest. True when it is the first that waits to be written.
    pub(crate) fn insert(&self, identity: Identity, digest: Digest) -> bool {
        if self.known.get(&identity) == Some(digest) {
            return false;
        }
        self.known.insert(identity, digest, 1);
        let mut waiting = lock(&self.waiting);
        if waiting.len() < limits::HASHES_WAITING {
            waiting.push((identity, digest));
        }
        waiting.len() == 1
    }

    /// Writes what waits. What is not written is hashed again some day.
    pub(crate) fn write(&self, tables: &mut Tables<'_>, index: &Index) -> Result<(), Fault> {
        let waiting = std::mem::take(&mut *lock(&self.waiting));
        if waiting.is_empty() {
            return Ok(());
        }
        Ok(tables.remember(&waiting, || index.tick())?)
    }

    /// Whether something waits to be written.
    pub(crate) fn is_waiting(&self) -> bool {
        !lock(&self.waiting).is_empty()
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) {
        lock(&self.waiting).clear();
        self.known.clear();
    }
}
