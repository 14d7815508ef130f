//! Publication: `Pending → Bytes durable → Entry durable → Visible | Abandoned`.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use zccache_core::{Entry, InvocationKey};

use super::Writer;
use crate::StoreError;
use crate::blobs::Staged;
use crate::index::{Prepared, rows::EntryId};

/// Told how a publication ended.
pub type Done = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// An entry to be kept, with the blobs it names.
pub struct Publication {
    /// The invocation whose entry it is.
    pub key: InvocationKey,
    /// What was observed and produced.
    pub entry: Entry,
    /// Every blob that the entry names.
    pub blobs: Vec<Staged>,
    /// Told once, on the writer's thread, when the entry is visible or why it
    /// never will be.
    pub done: Done,
}

/// A publication in the queue.
pub(crate) struct Pending {
    key: InvocationKey,
    entry: Entry,
    blobs: Vec<Staged>,
    notice: Notice,
}

impl From<Publication> for Pending {
    fn from(publication: Publication) -> Self {
        let Publication { key, entry, blobs, done } = publication;
        Self { key, entry, blobs, notice: Notice(Some(done)) }
    }
}

impl Pending {
    /// Drops what was staged and tells why.
    pub(crate) fn abandon(self, error: StoreError) {
        drop(self.blobs);
        self.notice.tell(Err(error));
    }
}

/// Tells the publisher exactly once, also when it is just dropped.
struct Notice(Option<Done>);

impl Notice {
    fn tell(mut self, outcome: Result<(), StoreError>) {
        self.tell_once(outcome);
    }

    /// A publisher that panics harms neither the others of its batch nor the
    /// writer, which may be unwinding already.
    fn tell_once(&mut self, outcome: Result<(), StoreError>) {
        if let Some(done) = self.0.take()
            && catch_unwind(AssertUnwindSafe(|| done(outcome))).is_err()
        {
            tracing::error!("the publisher of an entry panicked when told the outcome");
        }
    }
}

impl Drop for Notice {
    fn drop(&mut self) {
        self.tell_once(Err(StoreError::Closed));
    }
}

/// A publication whose bytes have their names.
struct Placed {
    prepared: Prepared,
    blobs: Vec<Staged>,
    notice: Notice,
}

impl Writer {
    /// Publishes a batch with one commit. Nothing of a publication is visible
    /// unless all of it is durable.
    pub(super) fn publish(&mut self, batch: Vec<Pending>) {
        if batch.is_empty() {
            return;
        }
        if let Err(error) = self.begin().and_then(|()| self.make_room()) {
            return batch.into_iter().for_each(|pending| pending.abandon(error.clone()));
        }
        let placed = batch.into_iter().filter_map(|pending| self.place(pending)).collect();
        let durable = self.sync_shards(placed);
        self.commit(durable);
        self.sweep_if_due();
    }

    /// A disk that has less room left than it is to have takes nothing more: what the
    /// index frees for the batch, it has to free first.
    fn make_room(&mut self) -> Result<(), StoreError> {
        if self.may_make_room() {
            self.evict()?;
        }
        if self.shared.lacks(0) {
            return Err(StoreError::NoRoom(self.shared.disk.root().to_owned()));
        }
        Ok(())
    }

    /// Gives the blobs their names and makes their bytes durable.
    fn place(&mut self, pending: Pending) -> Option<Placed> {
        let Pending { key, entry, mut blobs, notice } = pending;
        let id = EntryId::new(key, self.shared.index.tick());
        let outcome = Prepared::new(id, &entry).and_then(|prepared| {
            is_complete(&prepared, &blobs)?;
            blobs.iter_mut().try_for_each(|staged| self.shared.blobs.place(staged))?;
            Ok(prepared)
        });
        match outcome {
            Ok(prepared) => Some(Placed { prepared, blobs, notice }),
            Err(error) => {
                self.abandon(blobs, notice, error);
                None
            }
        }
    }

    /// Makes the names durable, each directory once.
    fn sync_shards(&mut self, placed: Vec<Placed>) -> Vec<Placed> {
        let mut synced: BTreeMap<u8, Result<(), StoreError>> = BTreeMap::new();
        let mut durable = Vec::with_capacity(placed.len());
        for Placed { prepared, blobs, notice } in placed {
            let outcome = blobs.iter().try_for_each(|staged| {
                let shard = staged.digest.as_bytes()[0];
                synced.entry(shard).or_insert_with(|| self.sync_shard(shard)).clone()
            });
            match outcome {
                Ok(()) => durable.push(Placed { prepared, blobs, notice }),
                Err(error) => self.abandon(blobs, notice, error),
            }
        }
        durable
    }

    fn sync_shard(&self, shard: u8) -> Result<(), StoreError> {
        let disk = &self.shared.disk;
        disk.sync_shard(shard).map_err(StoreError::io("synchronise", disk.root()))
    }

    fn commit(&mut self, durable: Vec<Placed>) {
        if durable.is_empty() {
            return;
        }
        let outcome = self.write(|tables| {
            durable.iter().try_for_each(|placed| tables.insert(&placed.prepared))?;
            Ok(())
        });
        match outcome {
            Ok(()) => {
                self.shared.entries_changed(durable.iter().map(|placed| placed.prepared.key()));
                durable.into_iter().for_each(|placed| placed.notice.tell(Ok(())));
            }
            Err(error) => durable.into_iter().for_each(|Placed { blobs, notice, .. }| {
                self.abandon(blobs, notice, error.clone());
            }),
        }
    }

    /// Removes what was placed already, unless another entry names it.
    fn abandon(&mut self, blobs: Vec<Staged>, notice: Notice, error: StoreError) {
        let digests = blobs.iter().map(Staged::digest).collect();
        drop(blobs);
        self.sweep_due |= self.remove_strays(digests).is_err();
        notice.tell(Err(error));
    }
}

/// Whether every blob that the entry names was staged, at its length.
fn is_complete(prepared: &Prepared, blobs: &[Staged]) -> Result<(), StoreError> {
    let staged = |digest, length| blobs.iter().any(|s| s.digest == digest && s.length == length);
    match prepared.blobs().find(|(digest, length)| !staged(*digest, *length)) {
        Some((digest, _)) => Err(StoreError::Unstaged(digest)),
        None => Ok(()),
    }
}
