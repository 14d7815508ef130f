//! What waits for the index writer.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::{Collected, Pending};
use crate::cache::lock;
use crate::index::rows::EntryId;
use crate::{StoreError, limits};
use std::sync::mpsc::Sender;
use zccache_core::protocol::Checked;

/// An errand for the index writer.
pub(crate) enum Job {
    /// Make an entry and its blobs durable and visible.
    Publish(Box<Pending>),
    /// Evict until the store is within its bound.
    Collect(Sender<Result<Collected, StoreError>>),
    /// Remove one entry.
    Discard(EntryId, Sender<Result<Collected, StoreError>>),
    /// Remove everything.
    Clear(Sender<Result<Collected, StoreError>>),
    /// Compare everything with its checksum, and remove what is damaged if asked to.
    Check(bool, Sender<Result<Checked, StoreError>>),
}

/// What the writer does next.
pub(super) enum Turn {
    /// These jobs, in this order; none when only hits, digests and counters wait.
    Work(Vec<Job>),
    /// Nothing any more.
    Close,
}

/// A bounded queue that gathers batches.
#[derive(Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    /// When the jobs have gathered long enough.
    gathered_at: Option<Instant>,
    /// When what waits beside the jobs has waited long enough.
    flush_at: Option<Instant>,
    closed: bool,
}

impl Queue {
    /// Adds a job; it comes back with the reason when it cannot be done.
    pub(crate) fn push(&self, job: Job) -> Result<(), (Job, StoreError)> {
        let mut state = lock(&self.state);
        let publication = matches!(job, Job::Publish(_));
        if state.closed {
            return Err((job, StoreError::Closed));
        }
        if publication && state.jobs.len() >= limits::QUEUE {
            return Err((job, StoreError::Busy));
        }
        let now = Instant::now();
        let until = if publication { now + limits::GATHER } else { now };
        state.jobs.push_back(job);
        state.gathered_at = Some(state.gathered_at.map_or(until, |at| at.min(until)));
        self.changed.notify_one();
        Ok(())
    }

    /// What waits now is not to wait for more.
    pub(crate) fn expedite(&self) {
        let mut state = lock(&self.state);
        if !state.jobs.is_empty() {
            state.gathered_at = Some(Instant::now());
            self.changed.notify_one();
        }
    }

    /// Something beside the jobs is to be written some time soon.
    pub(crate) fn flush_later(&self) {
        let mut state = lock(&self.state);
        if state.flush_at.is_none() {
            state.flush_at = Some(Instant::now() + limits::FLUSH);
            self.changed.notify_one();
        }
    }

    /// Takes no more jobs; those that wait are still done.
    pub(crate) fn close(&self) {
        lock(&self.state).closed = true;
        self.changed.notify_one();
    }

    /// Waits for something to do.
    pub(super) fn next(&self) -> Turn {
        let mut state = lock(&self.state);
        loop {
            let due = [state.gathered_at, state.flush_at].into_iter().flatten().min();
            let now = Instant::now();
            if state.closed && state.jobs.is_empty() {
                return Turn::Close;
            }
            if state.is_ready() || due.is_some_and(|due| due <= now) {
                return Turn::Work(state.take());
            }
            state = match due {
                Some(due) => self.wait_until(state, due - now),
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    fn wait_until<'a>(
        &self,
        state: MutexGuard<'a, State>,
        time: std::time::Duration,
    ) -> MutexGuard<'a, State> {
        let waited = self.changed.wait_timeout(state, time);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl State {
    fn is_ready(&self) -> bool {
        self.closed || self.jobs.len() >= limits::BATCH
    }

    /// At most a batch; whatever else is to be written goes with it.
    fn take(&mut self) -> Vec<Job> {
        self.flush_at = None;
        let count = self.jobs.len().min(limits::BATCH);
        let jobs = self.jobs.drain(..count).collect();
        if self.jobs.is_empty() {
            self.gathered_at = None;
        }
        jobs
    }
}
