//! What callers and the index writer have in common.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use dashmap::DashMap;
use zccache_core::protocol::stats::Counters;
use zccache_core::{Entry, InvocationKey};

use crate::blobs::Blobs;
use crate::cache::{Cache, lock};
use crate::disk::Disk;
use crate::hashes::Hashes;
use crate::index::rows::{COUNTERS, ENTRIES, EntryId, META, TOTALS, Totals};
use crate::index::{Fault, Index, Tables, record};
use crate::observations::Observations;
use crate::writer::Queue;
use crate::{Options, StoreError, limits};

/// What callers and the index writer have in common.
///
/// No lock in here is held while another is taken, but for the shard of the
/// pins under which a blob is removed.
pub(crate) struct Shared {
    pub(crate) disk: Arc<Disk>,
    pub(crate) index: Index,
    pub(crate) blobs: Arc<Blobs>,
    pub(crate) hashes: Hashes,
    pub(crate) queue: Queue,
    options: Options,
    entries: Cache<InvocationKey, Listed>,
    observations: Observations,
    /// Grows whenever entries change: what was read before is not cached after.
    generation: AtomicU64,
    uses: DashMap<EntryId, u64>,
    counters: Mutex<SavedCounters>,
    damaged_rows: AtomicU64,
}

/// The entries of a key, newest first, and their ids.
#[derive(Clone, Default)]
pub(crate) struct Listed {
    pub(crate) entries: Arc<[Arc<Entry>]>,
    ids: Arc<[EntryId]>,
    /// The memory that each takes, in bytes.
    weights: Arc<[usize]>,
    /// Whether others are there now. Those that stayed need not be decoded again: the record
    /// of an id does not change.
    is_stale: bool,
}

#[derive(Default)]
struct SavedCounters {
    /// None until they were read or set.
    value: Option<Counters>,
    waiting: bool,
}

impl Shared {
    pub(crate) fn new(disk: Arc<Disk>, options: Options) -> Self {
        Self {
            index: Index::new(Arc::clone(&disk), options.read_only),
            blobs: Arc::new(Blobs::new(Arc::clone(&disk), options.read_only)),
            hashes: Hashes::new(),
            queue: Queue::default(),
            options,
            entries: Cache::new(limits::ENTRY_CACHE_BYTES),
            observations: Observations::default(),
            generation: AtomicU64::new(0),
            uses: DashMap::new(),
            counters: Mutex::default(),
            damaged_rows: AtomicU64::new(0),
            disk,
        }
    }

    /// The bound in bytes.
    pub(crate) fn bound(&self) -> u64 {
        match self.options.limits.max_bytes {
            0 => u64::MAX,
            bytes => bytes,
        }
    }

    /// How long an entry may go unused, in seconds; none for ever.
    pub(crate) fn max_age(&self) -> Option<u64> {
        Some(self.options.limits.max_age).filter(|age| *age > 0)
    }

    /// Whether writing so many bytes would leave less room than there is to be.
    pub(crate) fn lacks(&self, bytes: u64) -> bool {
        self.shortage(|reserve| reserve.saturating_add(bytes)) > 0
    }

    /// How much room is missing until the file system has as much as is `wanted`,
    /// given what it is to have at least; none where it does not say what it has.
    pub(crate) fn shortage(&self, wanted: impl Fn(u64) -> u64) -> u64 {
        let limits = &self.options.limits;
        if limits.min_free == Some(0) {
            return 0;
        }
        let Some(room) = self.disk.room() else { return 0 };
        wanted(limits.reserve(room.total)).saturating_sub(room.available)
    }

    /// What the store holds.
    pub(crate) fn totals(&self) -> Result<Totals, StoreError> {
        self.index.read(|transaction| {
            let row = transaction.open_table(META)?.get(TOTALS)?;
            Ok(row.and_then(|row| Totals::decode(row.value())).unwrap_or_default())
        })
    }

    /// Called after a commit that changed the entries of these keys.
    pub(crate) fn entries_changed(&self, keys: impl Iterator<Item = InvocationKey>) {
        self.generation.fetch_add(1, Ordering::SeqCst);
        keys.for_each(|key| self.entries.change(&key, |listed| listed.is_stale = true));
    }

    /// Called after a commit that may have changed the entries of any key.
    pub(crate) fn all_entries_changed(&self) {
        self.generation.fetch_add(1, Ordering::SeqCst);
        self.entries.clear();
    }

    /// Whether hits, file digests or counters wait to be written.
    pub(crate) fn is_waiting(&self) -> bool {
        self.hashes.is_waiting() || !self.uses.is_empty() || lock(&self.counters).waiting
    }

    /// Writes them.
    pub(crate) fn write_waiting(&self, tables: &mut Tables<'_>) -> Result<(), Fault> {
        let mut uses = Vec::new();
        self.uses.retain(|id, used| {
            uses.push((*id, *used));
            false
        });
        uses.iter().try_for_each(|(id, used)| tables.touch(id, *used))?;
        self.hashes.write(tables, &self.index)?;
        let counters = {
            let mut saved = lock(&self.counters);
            std::mem::take(&mut saved.waiting).then(|| saved.value.clone()).flatten()
        };
        if let Some(record) = counters.and_then(|c| record::encode(COUNTERS.as_bytes(), &c).ok()) {
            tables.set_counters(&record)?;
        }
        Ok(())
    }

    /// Notes that an entry was served. True if that waits to be written.
    pub(crate) fn note_use(&self, key: &InvocationKey, entry: &Arc<Entry>) -> bool {
        if self.uses.len() >= limits::USES_WAITING {
            return false;
        }
        let Some(id) = self.id_of(key, entry) else { return false };
        self.uses.insert(id, self.index.tick());
        true
    }

    /// The id of an entry, one of [`Self::listed`], if it is still there.
    pub(crate) fn id_of(&self, key: &InvocationKey, entry: &Arc<Entry>) -> Option<EntryId> {
        let Listed { entries, ids, .. } = self.listed(key);
        let itself = entries.iter().position(|other| Arc::ptr_eq(other, entry));
        let equal = || entries.iter().position(|other| other.trace == entry.trace);
        itself.or_else(equal).map(|position| ids[position])
    }

    /// The counters as they were saved last.
    pub(crate) fn counters(&self) -> Counters {
        if let Some(counters) = &lock(&self.counters).value {
            return counters.clone();
        }
        let stored = self.index.read(|transaction| {
            let row = transaction.open_table(META)?.get(COUNTERS)?;
            Ok(row.and_then(|row| record::decode(COUNTERS.as_bytes(), row.value()).ok()))
        });
        let stored = stored.ok().flatten().unwrap_or_default();
        lock(&self.counters).value.get_or_insert(stored).clone()
    }

    /// Replaces them; written with a later commit.
    pub(crate) fn set_counters(&self, counters: Counters) {
        let mut saved = lock(&self.counters);
        if saved.value.as_ref() != Some(&counters) {
            *saved = SavedCounters { value: Some(counters), waiting: !self.options.read_only };
        }
    }

    /// How many rows were found damaged.
    pub(crate) fn damaged_rows(&self) -> u64 {
        self.damaged_rows.load(Ordering::Relaxed)
    }

    /// The entries of a key, from memory if they are there.
    pub(crate) fn listed(&self, key: &InvocationKey) -> Listed {
        let before =
            self.entries.get(key).unwrap_or(Listed { is_stale: true, ..Listed::default() });
        if !before.is_stale {
            return before;
        }
        let generation = self.generation.load(Ordering::SeqCst);
        let rows = match self.read_entries(*key, &before) {
            Ok(rows) => rows,
            Err(error) => {
                tracing::warn!(%error, "cannot look up entries");
                return Listed::default();
            }
        };
        let listed = Listed {
            ids: rows.iter().map(|(id, ..)| *id).collect(),
            weights: rows.iter().map(|(_, _, weight)| *weight).collect(),
            entries: rows.into_iter().map(|(_, entry, _)| entry).collect(),
            is_stale: false,
        };
        // That there are none is worth as much: each hit asks for two keys.
        let weight = listed.weights.iter().sum::<usize>().max(limits::KEY_WEIGHT);
        let still = || self.generation.load(Ordering::SeqCst) == generation;
        self.entries.insert_if(*key, listed.clone(), weight, still);
        listed
    }

    /// The readable entries of a key, newest first, with the memory that they take, in bytes;
    /// those that were there before as they are in memory.
    fn read_entries(
        &self,
        key: InvocationKey,
        before: &Listed,
    ) -> Result<Vec<(EntryId, Arc<Entry>, usize)>, StoreError> {
        self.index.read(|transaction| {
            let mut found = Vec::new();
            let before = before.ids.iter().zip(before.entries.iter().zip(&*before.weights));
            let mut known = before.peekable();
            let range = EntryId::all_of(key);
            let table = transaction.open_table(ENTRIES)?;
            for row in table.range::<&[u8; 40]>(range.start()..=range.end())?.rev() {
                let (id, row) = row?;
                let id = EntryId::from_bytes(id.value());
                // Both are newest first.
                while known.next_if(|(known, _)| **known > id).is_some() {}
                if let Some((id, (entry, weight))) = known.next_if(|(known, _)| **known == id) {
                    found.push((*id, Arc::clone(entry), *weight));
                    continue;
                }
                match record::measure::<Entry>(id.as_bytes(), row.value()) {
                    Ok((mut entry, length)) => {
                        let weight = self.share(&mut entry, length);
                        found.push((id, Arc::new(entry), weight));
                    }
                    Err(error) => self.count_damaged(&key, &error),
                }
            }
            Ok(found)
        })
    }

    /// Has an entry of this encoded length share what others observed as well. How much
    /// memory it takes.
    fn share(&self, entry: &mut Entry, length: usize) -> usize {
        let observed = self.observations.share(&mut entry.trace);
        length.saturating_sub(observed.encoded) * limits::ENTRY_WEIGHT
            + entry.trace.observations.len() * limits::SHARED_WEIGHT
            + observed.new
    }

    fn count_damaged(&self, key: &InvocationKey, error: &record::RecordError) {
        self.damaged_rows.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(key = %key.0, %error, "an entry is damaged");
    }
}
