//! Removing entries and blobs: eviction, clearing, and sweeping up what a crash
//! left behind.

use std::collections::BTreeSet;

use zccache_core::Digest;

use super::Writer;
use crate::disk::SHARDS;
use crate::index::rows::{BLOBS, EntryId, Summary, Totals};
use crate::{StoreError, limits};

/// What was removed.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Collected {
    /// Entries.
    pub entries: u64,
    /// Bytes of entries and blobs, blobs in whole blocks.
    pub bytes: u64,
}

impl Collected {
    fn between(before: Totals, after: Totals) -> Self {
        Self {
            entries: before.entries.saturating_sub(after.entries),
            bytes: before.bytes.saturating_sub(after.bytes),
        }
    }
}

impl Writer {
    /// Evicts the least recently used entries until nine tenths of the bound are
    /// in use, if it is exceeded, and removes blobs that nothing names.
    pub(super) fn collect(&mut self) -> Result<Collected, StoreError> {
        self.begin()?;
        let before = self.totals()?;
        self.sweep_if_due();
        let after = self.evict()?;
        Ok(Collected::between(before, after))
    }

    /// Removes every entry, every file digest, and every blob that is not pinned.
    pub(super) fn clear(&mut self) -> Result<Collected, StoreError> {
        self.begin()?;
        let before = self.totals()?;
        self.shared.hashes.clear();
        self.write(|tables| Ok(tables.clear()?))?;
        self.shared.all_entries_changed();
        self.sweep_due = true;
        self.sweep_if_due();
        let after = self.purge()?;
        Ok(Collected::between(before, after))
    }

    /// Removes one entry, and the blobs that it alone names.
    pub(super) fn discard(&mut self, id: &EntryId) -> Result<Collected, StoreError> {
        self.begin()?;
        let before = self.totals()?;
        self.write(|tables| Ok(tables.remove(id)?))?;
        self.shared.entries_changed([id.key()].into_iter());
        let after = self.purge()?;
        Ok(Collected::between(before, after))
    }

    pub(super) fn collect_if_over(&mut self) {
        let over = self.totals().is_ok_and(|totals| totals.bytes > self.collect_above);
        if over && let Err(error) = self.evict() {
            tracing::warn!(%error, "cannot evict");
        }
    }

    /// Removes the files that no row names, if there may be some.
    pub(super) fn sweep_if_due(&mut self) {
        self.sweep_due |= self.shared.index.take_renewed();
        if self.sweep_due {
            self.strays_left = false;
            match (0..SHARDS).try_for_each(|shard| self.sweep(shard)) {
                Ok(()) => self.sweep_due = false,
                Err(error) => tracing::warn!(%error, "cannot sweep the store"),
            }
        }
    }

    /// Removes blobs that no entry names and nobody pins.
    pub(super) fn purge(&self) -> Result<Totals, StoreError> {
        let condemned = self.write(|tables| Ok(tables.condemned()?))?;
        let mut gone = Vec::with_capacity(condemned.len());
        for digest in condemned {
            if self.shared.blobs.remove(&digest)? {
                gone.push(digest);
            }
        }
        self.write(|tables| {
            gone.iter().try_for_each(|digest| tables.forget(digest))?;
            Ok(tables.totals())
        })
    }

    fn evict(&mut self) -> Result<Totals, StoreError> {
        let bound = self.shared.bound();
        let goal = bound / 10 * limits::EVICT_TO_TENTHS;
        let mut totals = self.purge()?;
        if totals.bytes > bound {
            while totals.bytes > goal && self.evict_some(totals.bytes - goal)? {
                totals = self.purge()?;
            }
        }
        // What is pinned cannot go: it is not tried again after every commit.
        self.collect_above = bound.max(totals.bytes.saturating_add(bound / 10));
        Ok(totals)
    }

    /// Removes entries, the oldest first, until they and their blobs free this
    /// many bytes. False when none may go.
    fn evict_some(&self, bytes: u64) -> Result<bool, StoreError> {
        let pinned = |digest: &Digest| self.shared.blobs.is_pinned(digest);
        let may_go = |summary: &Summary| !summary.blobs.iter().any(pinned);
        let victims: Vec<EntryId> = self.write(|tables| {
            let mut victims = tables.oldest(limits::VICTIMS, may_go)?;
            let mut freed = 0;
            let mut count = 0;
            while count < victims.len() && freed < bytes {
                freed += tables.remove(&victims[count])?;
                count += 1;
            }
            victims.truncate(count);
            Ok(victims)
        })?;
        let keys: BTreeSet<_> = victims.iter().map(EntryId::key).collect();
        self.shared.entries_changed(keys.into_iter());
        Ok(!victims.is_empty())
    }

    fn sweep(&mut self, shard: usize) -> Result<(), StoreError> {
        let Ok(shard) = u8::try_from(shard) else { return Ok(()) };
        let disk = &self.shared.disk;
        let found = disk.blobs_of(shard).map_err(StoreError::io("list", disk.root()))?;
        self.remove_strays(found)
    }

    /// Removes those of the blobs that no row names and nobody pins.
    pub(super) fn remove_strays(&mut self, blobs: Vec<Digest>) -> Result<(), StoreError> {
        if blobs.is_empty() {
            return Ok(());
        }
        let strays: Vec<Digest> = self.shared.index.read(|transaction| {
            let rows = transaction.open_table(BLOBS)?;
            let mut strays = Vec::new();
            for digest in blobs {
                if rows.get(digest.as_bytes())?.is_none() {
                    strays.push(digest);
                }
            }
            Ok(strays)
        })?;
        for digest in &strays {
            self.strays_left |= !self.shared.blobs.remove(digest)?;
        }
        Ok(())
    }

    fn totals(&self) -> Result<Totals, StoreError> {
        self.shared.totals()
    }
}
