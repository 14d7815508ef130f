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

/// When to do something again, by a clock that may be set back.
#[derive(Clone, Copy, Default)]
pub(super) struct Alarm {
    set: u64,
    due: u64,
}

impl Alarm {
    fn at(now: u64, seconds: u64) -> Self {
        Self { set: now, due: now.saturating_add(seconds) }
    }

    fn is_due(self, now: u64) -> bool {
        now >= self.due || now < self.set
    }
}

impl Writer {
    /// Evicts what is too old or too much, and removes blobs that nothing names and
    /// stores of other formats that nobody uses.
    pub(super) fn collect(&mut self) -> Result<Collected, StoreError> {
        self.begin()?;
        let before = self.totals()?;
        self.sweep_if_due();
        self.expire()?;
        let after = self.evict()?;
        let disk = &self.shared.disk;
        let unused_since = disk.now().saturating_sub(limits::OTHER_FORMATS);
        if let Err(error) = disk.remove_others(Some(unused_since)) {
            tracing::warn!(%error, "a store of another format stays");
        }
        Ok(Collected::between(before, after))
    }

    /// Removes every entry, every file digest, every blob that is not pinned, and the
    /// stores of other formats.
    pub(super) fn clear(&mut self) -> Result<Collected, StoreError> {
        self.begin()?;
        let before = self.totals()?;
        self.shared.hashes.clear();
        self.write(|tables| Ok(tables.clear()?))?;
        self.shared.all_entries_changed();
        self.sweep_due = true;
        self.sweep_if_due();
        let after = self.purge()?;
        let disk = &self.shared.disk;
        disk.remove_others(None).map_err(StoreError::io("clear", disk.root()))?;
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

    /// Evicts what is too old or too much, if it is time to look.
    pub(super) fn tend(&mut self) {
        let mut outcome = Ok(());
        if self.shared.max_age().is_some() && self.next_expiry.is_due(self.shared.disk.now()) {
            outcome = self.begin().and_then(|()| self.expire());
        }
        let over = self.totals().is_ok_and(|totals| totals.bytes > self.collect_above);
        if over || self.may_make_room() {
            outcome = outcome.and_then(|()| self.begin()).and_then(|()| self.evict().map(drop));
        }
        if let Err(error) = outcome {
            tracing::warn!(%error, "cannot evict");
        }
    }

    /// Whether there is less room than there is to be, and evicting may help: not again
    /// at once where it did not.
    pub(super) fn may_make_room(&self) -> bool {
        self.is_short_of_room() && self.next_eviction.is_due(self.shared.disk.now())
    }

    fn is_short_of_room(&self) -> bool {
        self.shared.shortage(|reserve| reserve + reserve / limits::HEADROOM) > 0
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

    /// Removes the entries that were not used for too long.
    fn expire(&mut self) -> Result<(), StoreError> {
        let Some(age) = self.shared.max_age() else { return Ok(()) };
        // First of all, hits that wait are written.
        self.purge()?;
        let now = self.shared.disk.now();
        let before = now.saturating_sub(age);
        while self.evict_some(u64::MAX, |summary| summary.used_at < before)? {
            self.purge()?;
        }
        self.next_expiry = Alarm::at(now, limits::EXPIRE_EVERY.min(age / 8));
        Ok(())
    }

    /// Removes the least recently used entries until nine tenths of the bound are in
    /// use, if it is exceeded, and until the disk has room again, if it lacks some.
    pub(super) fn evict(&mut self) -> Result<Totals, StoreError> {
        let bound = self.shared.bound();
        let mut totals = self.purge()?;
        let within =
            if totals.bytes > bound { bound / 10 * limits::EVICT_TO_TENTHS } else { totals.bytes };
        let missing = match self.is_short_of_room() {
            true => self.shared.shortage(|reserve| reserve + 2 * (reserve / limits::HEADROOM)),
            false => 0,
        };
        let goal = within.min(totals.bytes.saturating_sub(missing));
        while totals.bytes > goal && self.evict_some(totals.bytes - goal, |_| true)? {
            totals = self.purge()?;
        }
        // What is pinned cannot go: it is not tried again after every commit.
        self.collect_above = bound.max(totals.bytes.saturating_add(bound / 10));
        self.next_eviction = match self.is_short_of_room() {
            true => Alarm::at(self.shared.disk.now(), limits::MAKE_ROOM_EVERY),
            false => Alarm::default(),
        };
        Ok(totals)
    }

    /// Removes entries that are to go, the oldest first, until they and their blobs free
    /// this many bytes. False when none may go.
    fn evict_some(
        &self,
        bytes: u64,
        is_to_go: impl Fn(&Summary) -> bool,
    ) -> Result<bool, StoreError> {
        let pinned = |digest: &Digest| self.shared.blobs.is_pinned(digest);
        let may_go = |summary: &Summary| is_to_go(summary) && !summary.blobs.iter().any(pinned);
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
