//! The tables of the index within one write transaction, and the rules that
//! tie their rows together.

use std::collections::{BinaryHeap, HashMap};

use redb::WriteTransaction;
use redb::{ReadableTable, ReadableTableMetadata, StorageError, Table, TableError};
use zccache_core::{Digest, Entry, Identity, InvocationKey, limits::TRACES_PER_KEY};

use super::record::{self, RecordError};
use super::rows::{
    self, BLOBS, BlobRow, ENTRIES, EntryId, HASHES, META, SUMMARIES, Summary, Totals,
};
use crate::{StoreError, limits};

/// An entry ready to be inserted.
pub(crate) struct Prepared {
    id: EntryId,
    record: Vec<u8>,
    summary: Summary,
    lengths: HashMap<Digest, u64>,
}

impl Prepared {
    /// Encodes an entry for its place in the index.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] when it exceeds what can be read back.
    pub(crate) fn new(id: EntryId, entry: &Entry) -> Result<Self, StoreError> {
        let failed = |error| match error {
            RecordError::TooLong(bytes) => StoreError::TooLarge(bytes),
            error => StoreError::Index(error.to_string()),
        };
        let record = record::encode(id.as_bytes(), entry).map_err(failed)?;
        let summary = summary_of(entry, record.len() as u64).map_err(failed)?;
        Ok(Self { id, record, summary, lengths: blobs_of(entry).collect() })
    }

    /// The key of the entry.
    pub(crate) fn key(&self) -> InvocationKey {
        self.id.key()
    }

    /// The blobs it names, with their lengths.
    pub(crate) fn blobs(&self) -> impl Iterator<Item = (Digest, u64)> {
        self.lengths.iter().map(|(digest, length)| (*digest, *length))
    }
}

/// The summary of an entry whose record is this long; never used so far.
pub(crate) fn summary_of(entry: &Entry, bytes: u64) -> Result<Summary, RecordError> {
    let trace = Digest::of(&zccache_core::codec::encode(&entry.trace)?);
    let mut blobs: Vec<_> = blobs_of(entry).map(|(digest, _)| digest).collect();
    blobs.sort_unstable();
    blobs.dedup();
    Ok(Summary { used: 0, used_at: 0, bytes, trace, blobs })
}

fn blobs_of(entry: &Entry) -> impl Iterator<Item = (Digest, u64)> {
    entry.result.outputs.iter().filter_map(|output| match &output.content {
        zccache_core::Content::Blob { digest, length } => Some((*digest, *length)),
        zccache_core::Content::Inline(_) | zccache_core::Content::Depfile { .. } => None,
    })
}

/// All tables, open for writing.
pub(crate) struct Tables<'t> {
    entries: Table<'t, &'static [u8; 40], &'static [u8]>,
    summaries: Table<'t, &'static [u8; 40], &'static [u8]>,
    blobs: Table<'t, &'static [u8; 32], &'static [u8; 16]>,
    hashes: Table<'t, &'static [u8; 48], &'static [u8; 40]>,
    meta: Table<'t, &'static str, &'static [u8]>,
    totals: Totals,
    /// When the transaction began, in seconds since the beginning of 1970.
    now: u64,
}

impl<'t> Tables<'t> {
    /// Opens the tables, making those that do not exist.
    pub(crate) fn open(transaction: &'t WriteTransaction, now: u64) -> Result<Self, TableError> {
        let meta = transaction.open_table(META)?;
        let totals = meta.get(rows::TOTALS)?.and_then(|row| Totals::decode(row.value()));
        Ok(Self {
            entries: transaction.open_table(ENTRIES)?,
            summaries: transaction.open_table(SUMMARIES)?,
            blobs: transaction.open_table(BLOBS)?,
            hashes: transaction.open_table(HASHES)?,
            meta,
            totals: totals.unwrap_or_default(),
            now,
        })
    }

    /// Writes what all changes together come to.
    pub(crate) fn finish(mut self, clock: u64) -> Result<(), StorageError> {
        self.meta.insert(rows::TOTALS, &self.totals.encode()[..])?;
        self.meta.insert(rows::CLOCK, &clock.to_le_bytes()[..])?;
        Ok(())
    }

    /// What the store holds.
    pub(crate) fn totals(&self) -> Totals {
        self.totals
    }

    /// Adds an entry, in place of one with an equal trace, and beyond the bound
    /// in place of the oldest of its key.
    pub(crate) fn insert(&mut self, prepared: &Prepared) -> Result<(), StorageError> {
        for digest in &prepared.summary.blobs {
            self.reference(digest, prepared.lengths.get(digest).copied().unwrap_or(0))?;
        }
        self.make_room(prepared)?;
        let id = prepared.id.as_bytes();
        let used = u64::from_be_bytes(std::array::from_fn(|n| id[32 + n]));
        let summary = Summary { used, used_at: self.now, ..prepared.summary.clone() };
        self.entries.insert(id, &prepared.record[..])?;
        self.summaries.insert(id, &summary.encode()[..])?;
        self.totals.entries += 1;
        self.totals.bytes += summary.bytes;
        Ok(())
    }

    /// Removes an entry; blobs that nobody else names are condemned. Returns the
    /// bytes that this frees, once the blobs are gone.
    pub(crate) fn remove(&mut self, id: &EntryId) -> Result<u64, StorageError> {
        self.entries.remove(id.as_bytes())?;
        let summary = self.summaries.remove(id.as_bytes())?;
        let Some(summary) = summary.and_then(|row| Summary::decode(row.value())) else {
            return Ok(0);
        };
        self.totals.entries = self.totals.entries.saturating_sub(1);
        self.totals.bytes = self.totals.bytes.saturating_sub(summary.bytes);
        let mut freed = summary.bytes;
        for digest in &summary.blobs {
            freed += self.release(digest)?;
        }
        Ok(freed)
    }

    /// Notes when an entry was used, if it is still there.
    pub(crate) fn touch(&mut self, id: &EntryId, used: u64) -> Result<(), StorageError> {
        let Some(summary) = self.summary(id)? else { return Ok(()) };
        let summary = Summary { used: used.max(summary.used), used_at: self.now, ..summary };
        self.summaries.insert(id.as_bytes(), &summary.encode()[..])?;
        Ok(())
    }

    /// The least recently used entries that `may_go`, oldest first.
    pub(crate) fn oldest(
        &self,
        limit: usize,
        may_go: impl Fn(&Summary) -> bool,
    ) -> Result<Vec<EntryId>, StorageError> {
        let mut oldest = BinaryHeap::with_capacity(limit + 1);
        for row in self.summaries.iter()? {
            let (id, summary) = row?;
            let summary = Summary::decode(summary.value());
            if !summary.as_ref().is_none_or(&may_go) {
                continue;
            }
            oldest.push((summary.map_or(0, |s| s.used), EntryId::from_bytes(id.value())));
            if oldest.len() > limit {
                oldest.pop();
            }
        }
        Ok(oldest.into_sorted_vec().into_iter().map(|(_, id)| id).collect())
    }

    /// Blobs that no entry names.
    pub(crate) fn condemned(&self) -> Result<Vec<Digest>, StorageError> {
        let mut condemned = Vec::new();
        for row in self.blobs.iter()? {
            let (digest, row) = row?;
            if BlobRow::decode(row.value()).references == 0 {
                condemned.push(Digest::from_bytes(*digest.value()));
            }
        }
        Ok(condemned)
    }

    /// Forgets a blob whose file is gone.
    pub(crate) fn forget(&mut self, digest: &Digest) -> Result<(), StorageError> {
        if let Some(row) = self.blobs.remove(digest.as_bytes())? {
            let space = BlobRow::decode(row.value()).space();
            self.totals.bytes = self.totals.bytes.saturating_sub(space);
        }
        Ok(())
    }

    /// Removes every entry and every file digest, and condemns every blob.
    pub(crate) fn clear(&mut self) -> Result<(), StorageError> {
        self.entries.retain(|_, _| false)?;
        self.summaries.retain(|_, _| false)?;
        self.hashes.retain(|_, _| false)?;
        self.recount()
    }

    /// Counts references and totals anew, from the summaries.
    pub(crate) fn recount(&mut self) -> Result<(), StorageError> {
        let mut totals = Totals::default();
        let mut references: HashMap<Digest, u64> = HashMap::new();
        for row in self.summaries.iter()? {
            let Some(summary) = Summary::decode(row?.1.value()) else { continue };
            totals.entries += 1;
            totals.bytes += summary.bytes;
            summary
                .blobs
                .into_iter()
                .for_each(|digest| *references.entry(digest).or_default() += 1);
        }
        let mut rows = Vec::new();
        for row in self.blobs.iter()? {
            let (digest, row) = row?;
            rows.push((Digest::from_bytes(*digest.value()), BlobRow::decode(row.value())));
        }
        for (digest, row) in rows {
            let row = BlobRow { references: references.get(&digest).copied().unwrap_or(0), ..row };
            totals.bytes += row.space();
            self.blobs.insert(digest.as_bytes(), &row.encode())?;
        }
        self.totals = totals;
        Ok(())
    }

    /// Remembers digests of files; past the bound the older half is dropped.
    pub(crate) fn remember(
        &mut self,
        hashes: &[(Identity, Digest)],
        tick: impl Fn() -> u64,
    ) -> Result<(), StorageError> {
        let mut row = [0; 40];
        for (identity, digest) in hashes {
            row[..32].copy_from_slice(digest.as_bytes());
            row[32..].copy_from_slice(&tick().to_le_bytes());
            self.hashes.insert(&rows::identity_key(identity), &row)?;
        }
        if self.hashes.len()? > limits::HASHES_ON_DISK { self.halve_hashes() } else { Ok(()) }
    }

    /// Replaces the counters.
    pub(crate) fn set_counters(&mut self, record: &[u8]) -> Result<(), StorageError> {
        self.meta.insert(rows::COUNTERS, record).map(|_| ())
    }

    fn halve_hashes(&mut self) -> Result<(), StorageError> {
        let written = |row: &[u8; 40]| u64::from_le_bytes(std::array::from_fn(|n| row[32 + n]));
        let mut times = Vec::new();
        for row in self.hashes.iter()? {
            times.push(written(row?.1.value()));
        }
        let middle = times.len() / 2;
        let median = *times.select_nth_unstable(middle).1;
        self.hashes.retain(|_, row| written(row) > median)
    }

    fn make_room(&mut self, prepared: &Prepared) -> Result<(), StorageError> {
        let mut kept = Vec::new();
        let mut replaced = Vec::new();
        let range = EntryId::all_of(prepared.key());
        for row in self.summaries.range::<&[u8; 40]>(range.start()..=range.end())? {
            let (id, summary) = row?;
            let id = EntryId::from_bytes(id.value());
            let equal = Summary::decode(summary.value())
                .is_none_or(|summary| summary.trace == prepared.summary.trace);
            if equal { replaced.push(id) } else { kept.push(id) }
        }
        let surplus = (kept.len() + 1).saturating_sub(TRACES_PER_KEY);
        replaced.extend_from_slice(&kept[..surplus]);
        replaced.iter().try_for_each(|id| self.remove(id).map(|_| ()))
    }

    fn summary(&self, id: &EntryId) -> Result<Option<Summary>, StorageError> {
        Ok(self.summaries.get(id.as_bytes())?.and_then(|row| Summary::decode(row.value())))
    }

    fn reference(&mut self, digest: &Digest, length: u64) -> Result<(), StorageError> {
        let known = self.blobs.get(digest.as_bytes())?.map(|row| BlobRow::decode(row.value()));
        let references = known.map_or(0, |row| row.references) + 1;
        let row = BlobRow { length, references };
        self.totals.bytes -= known.map_or(0, BlobRow::space);
        self.totals.bytes += row.space();
        self.blobs.insert(digest.as_bytes(), &row.encode()).map(|_| ())
    }

    /// Returns the space that is free when the blob is gone.
    fn release(&mut self, digest: &Digest) -> Result<u64, StorageError> {
        let known = self.blobs.get(digest.as_bytes())?.map(|row| BlobRow::decode(row.value()));
        let Some(row) = known else { return Ok(0) };
        let row = BlobRow { references: row.references.saturating_sub(1), ..row };
        self.blobs.insert(digest.as_bytes(), &row.encode())?;
        Ok(if row.references == 0 { row.space() } else { 0 })
    }
}
