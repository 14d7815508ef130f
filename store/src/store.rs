//! The store as its callers see it.

use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use dashmap::DashMap;
use zccache_core::protocol::Checked;
use zccache_core::stats::Counters;
use zccache_core::{Digest, Entry, Identity, InvocationKey};

use crate::blobs::{Blob, Blobs};
use crate::cache::{Cache, lock};
use crate::disk::{Disk, Gate};
use crate::hashes::Hashes;
use crate::index::rows::{COUNTERS, ENTRIES, EntryId, META, TOTALS, Totals};
use crate::index::{Fault, Index, Tables, record};
use crate::pins::Pin;
use crate::staged::Staged;
use crate::writer::{Collected, Job, Publication, Queue, Writer, examine};
use crate::{StoreError, limits};

/// How a store is opened.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Bytes that entries and blobs may occupy; 0 for no bound.
    pub max_bytes: u64,
    /// Whether nothing on disk may change.
    pub read_only: bool,
}

/// What a store holds.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Usage {
    /// Number of entries.
    pub entries: u64,
    /// Bytes of entries and blobs, blobs in whole blocks.
    pub bytes: u64,
}

/// An open store. It may be used from any number of threads.
///
/// Dropping it finishes the publications that wait, and joins the index writer.
pub struct Store {
    shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
}

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
    /// Grows whenever entries change: what was read before is not cached after.
    generation: AtomicU64,
    uses: DashMap<EntryId, u64>,
    counters: Mutex<SavedCounters>,
    damaged_rows: AtomicU64,
}

/// The entries of a key, newest first, and their ids.
#[derive(Clone)]
struct Listed {
    entries: Arc<[Arc<Entry>]>,
    ids: Arc<[EntryId]>,
}

#[derive(Default)]
struct SavedCounters {
    /// None until they were read or set.
    value: Option<Counters>,
    waiting: bool,
}

impl Store {
    /// Opens the store in a directory, making it if it does not exist. What is
    /// there in another format is set aside in `set-aside/`.
    ///
    /// # Errors
    /// [`StoreError::ForeignOwner`] and [`StoreError::OpenToOthers`] for a
    /// directory that is not private, [`StoreError::InUse`] while another process
    /// has it open for writing (or, to open it for writing, at all),
    /// [`StoreError::Format`] for a read-only store of another format, and
    /// [`StoreError::Io`].
    pub fn open(directory: &Path, options: Options) -> Result<Self, StoreError> {
        Self::open_gated(directory, options, Arc::new(|_| Ok(())))
    }

    /// As [`Store::open`], with a gate that is asked before each step that
    /// changes the disk once the store is open: how tests make the disk fail.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_gated(
        directory: &Path,
        options: Options,
        gate: Arc<Gate>,
    ) -> Result<Self, StoreError> {
        let disk = Arc::new(Disk::open(directory, options.read_only, gate)?);
        let shared = Arc::new(Shared {
            index: Index::new(Arc::clone(&disk), options.read_only),
            blobs: Arc::new(Blobs::new(Arc::clone(&disk), options.read_only)),
            hashes: Hashes::new(),
            queue: Queue::default(),
            options,
            entries: Cache::new(limits::ENTRY_CACHE_BYTES),
            generation: AtomicU64::new(0),
            uses: DashMap::new(),
            counters: Mutex::default(),
            damaged_rows: AtomicU64::new(0),
            disk,
        });
        let start = || Writer::start(Arc::clone(&shared));
        let writer = (!options.read_only).then(start).transpose();
        let writer = writer.map_err(StoreError::io("start a thread for", directory))?;
        Ok(Self { shared, writer })
    }

    /// The entries of a key, newest first, at most
    /// [`zccache_core::limits::TRACES_PER_KEY`]. Entries that cannot be read are
    /// left out, and counted by [`Store::damaged_rows`].
    #[must_use]
    pub fn candidates(&self, key: &InvocationKey) -> Arc<[Arc<Entry>]> {
        self.shared.listed(key).entries
    }

    /// Opens a blob for reading. Its bytes are compared with its name once for
    /// each state of its file and each process.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::Damaged`], after which the blob is
    /// gone and a later publication puts it right; [`StoreError::Io`].
    pub fn open_blob(&self, digest: &Digest) -> Result<Blob, StoreError> {
        self.shared.blobs.open(digest)
    }

    /// Copies a file of `length` bytes into the store, where a publication can
    /// make it a blob, and hashes the copy. What the store has already is not
    /// copied. The offset of `source` does not move.
    ///
    /// # Errors
    /// [`StoreError::Changed`] when the file has another length,
    /// [`StoreError::ReadOnly`], [`StoreError::Io`].
    pub fn stage(&self, source: BorrowedFd<'_>, length: u64) -> Result<Staged, StoreError> {
        self.shared.blobs.stage(source, length)
    }

    /// Hands an entry to the index writer and returns at once. Its `done` is told
    /// the outcome exactly once: here, when the queue is full or the store is
    /// read-only, else on the writer's thread.
    pub fn publish(&self, publication: Publication) {
        let pending = Box::new(publication.into());
        let refused = match self.writer {
            Some(_) => self.shared.queue.push(Job::Publish(pending)),
            None => Err((Job::Publish(pending), StoreError::ReadOnly)),
        };
        if let Err((Job::Publish(pending), error)) = refused {
            pending.abandon(error);
        }
    }

    /// Has the publications that wait written at once: somebody waits for one.
    pub fn expedite(&self) {
        self.shared.queue.expedite();
    }

    /// Notes that an entry, one of [`Store::candidates`], was served: it is
    /// evicted later. Written with the next commit.
    pub fn used(&self, key: &InvocationKey, entry: &Arc<Entry>) {
        if self.writer.is_none() || self.shared.uses.len() >= limits::USES_WAITING {
            return;
        }
        let Listed { entries, ids } = self.shared.listed(key);
        let same = |other: &Arc<Entry>| Arc::ptr_eq(other, entry) || other.trace == entry.trace;
        if let Some(position) = entries.iter().position(same) {
            self.shared.uses.insert(ids[position], self.shared.index.tick());
            self.shared.queue.flush_later();
        }
    }

    /// The digest of the file that had this identity when its digest was
    /// remembered. Whether the identity can be trusted
    /// ([`Identity::is_racy_at`]) is for the caller to judge.
    #[must_use]
    pub fn known_digest(&self, identity: &Identity) -> Option<Digest> {
        self.shared.hashes.get(identity, &self.shared.index)
    }

    /// Remembers the digest of a file; written with a later commit.
    pub fn remember_digest(&self, identity: Identity, digest: Digest) {
        if self.shared.hashes.insert(identity, digest) && self.writer.is_some() {
            self.shared.queue.flush_later();
        }
    }

    /// Keeps a blob from being evicted while the result lives. Pins do not
    /// outlast the process: whoever needs a blob pins it again before anything
    /// is published or collected.
    #[must_use]
    pub fn pin(&self, digest: Digest) -> Pin {
        self.shared.blobs.pin(digest)
    }

    /// The counters as they were saved last; zero if they cannot be read.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.shared.counters()
    }

    /// Replaces the saved counters; written with a later commit.
    pub fn save_counters(&self, counters: &Counters) {
        *lock(&self.shared.counters) =
            SavedCounters { value: Some(counters.clone()), waiting: self.writer.is_some() };
        if self.writer.is_some() {
            self.shared.queue.flush_later();
        }
    }

    /// Removes every entry, every file digest, and every blob that is not pinned.
    ///
    /// # Errors
    /// [`StoreError::ReadOnly`], or what the index or the file system says.
    pub fn clear(&self) -> Result<Collected, StoreError> {
        self.ask(Job::Clear)
    }

    /// Evicts the least recently used entries if the store exceeds its bound,
    /// and removes blobs that no entry names and nobody pins.
    ///
    /// # Errors
    /// [`StoreError::ReadOnly`], or what the index or the file system says.
    pub fn collect(&self) -> Result<Collected, StoreError> {
        self.ask(Job::Collect)
    }

    /// Reads every entry and every blob that one names, and compares them with
    /// their checksums. With `repair`, removes what is damaged.
    ///
    /// # Errors
    /// [`StoreError::ReadOnly`] for a repair, or what the index says.
    pub fn check(&self, repair: bool) -> Result<Checked, StoreError> {
        match self.writer {
            None if !repair => examine(&self.shared).map(|findings| findings.checked),
            _ => self.ask(|reply| Job::Check(repair, reply)),
        }
    }

    /// What the store holds, as of the last commit; zero if it cannot be read.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let Totals { entries, bytes } = self.shared.totals().unwrap_or_default();
        Usage { entries, bytes }
    }

    /// How many rows were found damaged since the store was opened.
    #[must_use]
    pub fn damaged_rows(&self) -> u64 {
        self.shared.damaged_rows.load(Ordering::Relaxed)
    }

    /// Has the writer do something, and waits for it.
    fn ask<T>(
        &self,
        job: impl FnOnce(Sender<Result<T, StoreError>>) -> Job,
    ) -> Result<T, StoreError> {
        if self.writer.is_none() {
            return Err(StoreError::ReadOnly);
        }
        let (reply, answer) = mpsc::channel();
        self.shared.queue.push(job(reply)).map_err(|(_, error)| error)?;
        answer.recv().unwrap_or(Err(StoreError::Closed))
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.shared.queue.close();
        // The last owner may be a `done` that runs on the writer's own thread.
        if let Some(writer) = self.writer.take()
            && writer.thread().id() != thread::current().id()
            && writer.join().is_err()
        {
            tracing::error!("the index writer panicked");
        }
    }
}

impl Shared {
    /// The bound in bytes.
    pub(crate) fn bound(&self) -> u64 {
        if self.options.max_bytes == 0 { u64::MAX } else { self.options.max_bytes }
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
        keys.for_each(|key| self.entries.remove(&key));
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

    fn counters(&self) -> Counters {
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

    fn listed(&self, key: &InvocationKey) -> Listed {
        if let Some(listed) = self.entries.get(key) {
            return listed;
        }
        let generation = self.generation.load(Ordering::SeqCst);
        let rows = self.read_entries(*key).unwrap_or_else(|error| {
            tracing::warn!(%error, "cannot look up entries");
            Vec::new()
        });
        let weight = rows.iter().map(|(_, _, bytes)| bytes * limits::ENTRY_WEIGHT).sum();
        let listed = Listed {
            ids: rows.iter().map(|(id, ..)| *id).collect(),
            entries: rows.into_iter().map(|(_, entry, _)| entry).collect(),
        };
        if !listed.entries.is_empty() {
            let still = || self.generation.load(Ordering::SeqCst) == generation;
            self.entries.insert_if(*key, listed.clone(), weight, still);
        }
        listed
    }

    /// The readable entries of a key, newest first, with the lengths of their records.
    fn read_entries(
        &self,
        key: InvocationKey,
    ) -> Result<Vec<(EntryId, Arc<Entry>, usize)>, StoreError> {
        self.index.read(|transaction| {
            let mut found = Vec::new();
            let range = EntryId::all_of(key);
            let table = transaction.open_table(ENTRIES)?;
            for row in table.range::<&[u8; 40]>(range.start()..=range.end())?.rev() {
                let (id, row) = row?;
                let id = EntryId::from_bytes(id.value());
                match record::decode(id.as_bytes(), row.value()) {
                    Ok(entry) => found.push((id, Arc::new(entry), row.value().len())),
                    Err(error) => self.count_damaged(&key, &error),
                }
            }
            Ok(found)
        })
    }

    fn count_damaged(&self, key: &InvocationKey, error: &record::RecordError) {
        self.damaged_rows.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(key = %key.0, %error, "an entry is damaged");
    }
}
