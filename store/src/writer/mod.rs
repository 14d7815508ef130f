//! The index writer: the one thread that changes the store.

mod check;
mod collect;
mod publish;
mod queue;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

pub use collect::Collected;
pub(crate) use publish::Pending;
pub use publish::{Done, Publication};
pub(crate) use queue::{Job, Queue};

use self::collect::Alarm;
use self::queue::Turn;
use crate::StoreError;
use crate::index::{Fault, Tables};
use crate::shared::Shared;

pub(crate) use check::examine;

/// What the writer alone knows.
pub(crate) struct Writer {
    shared: Arc<Shared>,
    /// Whether there may be blobs that no row names.
    sweep_due: bool,
    /// Whether some were left because they were pinned.
    strays_left: bool,
    /// Whether such blobs are noted on disk.
    unclean: bool,
    /// Bytes in the store above which the next eviction begins.
    collect_above: u64,
    /// When to look for entries that were not used for too long.
    next_expiry: Alarm,
    /// When to make room again on a disk that lacks it.
    next_eviction: Alarm,
}

impl Writer {
    /// Starts the thread. It ends when the queue is closed and empty.
    pub(crate) fn start(shared: Arc<Shared>) -> std::io::Result<JoinHandle<()>> {
        let unclean = shared.disk.is_unclean();
        let collect_above = shared.bound();
        let mut writer = Self {
            shared,
            sweep_due: unclean,
            strays_left: false,
            unclean,
            collect_above,
            next_expiry: Alarm::default(),
            next_eviction: Alarm::default(),
        };
        thread::Builder::new().name("index-writer".to_owned()).spawn(move || writer.run())
    }

    fn run(&mut self) {
        while let Turn::Work(jobs) = self.shared.queue.next() {
            let work = AssertUnwindSafe(|| self.work(jobs));
            if catch_unwind(work).is_err() {
                tracing::error!("the index writer failed; what it was doing is abandoned");
                self.sweep_due = true;
            }
        }
        self.finish();
    }

    /// Does the jobs in order, publications that follow each other in one commit.
    fn work(&mut self, jobs: Vec<Job>) {
        let mut batch = Vec::new();
        for job in jobs {
            match job {
                Job::Publish(pending) => batch.push(*pending),
                other => {
                    self.publish(std::mem::take(&mut batch));
                    self.errand(other);
                }
            }
        }
        self.publish(batch);
        if self.shared.is_waiting()
            && let Err(error) = self.write(|_| Ok(()))
        {
            tracing::warn!(%error, "cannot write hits, digests and counters");
        }
        self.tend();
    }

    fn errand(&mut self, job: Job) {
        match job {
            Job::Publish(pending) => self.publish(vec![*pending]),
            Job::Collect(reply) => drop(reply.send(self.collect())),
            Job::Discard(id, reply) => drop(reply.send(self.discard(&id))),
            Job::Clear(reply) => drop(reply.send(self.clear())),
            Job::Check(repair, reply) => drop(reply.send(self.check(repair))),
        }
    }

    /// Changes the index, and writes what waits beside. A commit that fails may have
    /// happened all the same.
    fn write<T>(
        &self,
        change: impl FnOnce(&mut Tables<'_>) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        let written = self.shared.index.write(|tables| {
            let value = change(tables)?;
            self.shared.write_waiting(tables)?;
            Ok(value)
        });
        if written.is_err() {
            self.shared.all_entries_changed();
        }
        written
    }

    /// Notes, before the first blob is placed, that a crash may leave some that
    /// no row names.
    fn begin(&mut self) -> Result<(), StoreError> {
        let disk = &self.shared.disk;
        disk.mend().map_err(StoreError::io("mend", disk.root()))?;
        if self.shared.index.let_go_if_removed() {
            self.shared.all_entries_changed();
        }
        self.shared.index.load()?;
        self.sweep_due |= self.shared.index.take_renewed();
        if !self.unclean || !self.shared.disk.is_unclean() {
            let disk = &self.shared.disk;
            disk.mark_unclean().map_err(StoreError::io("write to", disk.root()))?;
            self.unclean = true;
        }
        Ok(())
    }

    fn finish(&mut self) {
        if self.shared.is_waiting()
            && let Err(error) = self.write(|_| Ok(()))
        {
            tracing::warn!(%error, "cannot write hits, digests and counters");
        }
        if self.unclean
            && !self.sweep_due
            && !self.strays_left
            && let Err(error) = self.shared.disk.mark_clean()
        {
            tracing::warn!(%error, "the store will be swept when it is next opened");
        }
    }
}
