//! The store as its callers see it.

use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::thread::{self, JoinHandle};

use zccache_core::protocol::Checked;
use zccache_core::protocol::stats::Counters;
use zccache_core::settings::StoreLimits;
use zccache_core::{Digest, Entry, Identity, InvocationKey};

use crate::StoreError;
use crate::blobs::{Blob, Pin, Staged};
use crate::disk::{Disk, Gate, Seam};
use crate::index::rows::Totals;
use crate::shared::Shared;
use crate::writer::{Collected, Job, Publication, Writer, examine};

/// How a store is opened.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How much is kept, and for how long.
    pub limits: StoreLimits,
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

impl Store {
    /// Opens the store in a directory, making it if it does not exist. Stores of other
    /// formats there are let be; one whose marker is damaged is set aside in `set-aside/`.
    ///
    /// # Errors
    /// [`StoreError::ForeignOwner`] and [`StoreError::OpenToOthers`] for a
    /// directory that is not private, [`StoreError::InUse`] while another process
    /// has it open for writing (or, to open it for writing, at all),
    /// [`StoreError::Format`] for a read-only store of another format, and
    /// [`StoreError::Io`].
    pub fn open(directory: &Path, options: Options) -> Result<Self, StoreError> {
        Self::open_on(directory, options, Seam::default())
    }

    /// As [`Store::open`], with a gate that is asked before each use of the disk:
    /// how tests make the disk fail.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_gated(
        directory: &Path,
        options: Options,
        gate: Arc<Gate>,
    ) -> Result<Self, StoreError> {
        Self::open_on(directory, options, Seam { gate, ..Seam::default() })
    }

    /// As [`Store::open`], on another machine.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_on(directory: &Path, options: Options, seam: Seam) -> Result<Self, StoreError> {
        let disk = Arc::new(Disk::open(directory, options.read_only, seam)?);
        let shared = Arc::new(Shared::new(disk, options));
        let start = || Writer::start(Arc::clone(&shared));
        let writer = (!options.read_only).then(start).transpose();
        let writer = writer.map_err(StoreError::io("start a thread for", directory))?;
        Ok(Self { shared, writer })
    }

    /// Whether nothing in it is changed.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.writer.is_none()
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
    /// [`StoreError::NoRoom`], [`StoreError::ReadOnly`], [`StoreError::Io`].
    pub fn stage(&self, source: BorrowedFd<'_>, length: u64) -> Result<Staged, StoreError> {
        let staged = self.shared.blobs.stage(source, length, || self.shared.lacks(length));
        if matches!(staged, Err(StoreError::NoRoom(_))) {
            // The writer makes room for what comes later.
            self.shared.queue.flush_later();
        }
        staged
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
        if self.writer.is_some() && self.shared.note_use(key, entry) {
            self.shared.queue.flush_later();
        }
    }

    /// Removes an entry, one of [`Store::candidates`], and the blobs that it alone
    /// names. An entry that is gone already is no error.
    ///
    /// # Errors
    /// [`StoreError::ReadOnly`], or what the index or the file system says.
    pub fn discard(&self, key: &InvocationKey, entry: &Arc<Entry>) -> Result<(), StoreError> {
        match self.shared.id_of(key, entry) {
            Some(id) => self.ask(|reply| Job::Discard(id, reply)).map(drop),
            None => Ok(()),
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
        self.shared.set_counters(counters.clone());
        if self.writer.is_some() {
            self.shared.queue.flush_later();
        }
    }

    /// Removes every entry, every file digest, and every blob that is not pinned;
    /// and the stores of other formats.
    ///
    /// # Errors
    /// [`StoreError::ReadOnly`], or what the index or the file system says.
    pub fn clear(&self) -> Result<Collected, StoreError> {
        self.ask(Job::Clear)
    }

    /// Evicts the entries that were not used for too long, and the least recently used
    /// if the store exceeds its bound or its disk lacks room; removes blobs that no
    /// entry names and nobody pins, and stores of other formats that nobody uses.
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
        self.shared.damaged_rows()
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
