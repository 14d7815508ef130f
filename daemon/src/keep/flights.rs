//! Invocations in flight: equal ones wait for the first.

use std::collections::HashMap;
use std::sync::OnceLock;

use zccache_core::InvocationKey;

use crate::sync::{Arc, Mutex, PoisonError, watch};

/// The invocations that run or whose results are on their way to the disk.
#[derive(Default)]
pub(crate) struct Flights(Arc<Mutex<Registered>>);

type Registered = HashMap<InvocationKey, Vec<Run>>;

struct Run {
    end: watch::Receiver<()>,
    /// The inode numbers of what it wrote, from when it has told them.
    wrote: Arc<OnceLock<Vec<u64>>>,
}

/// What an invocation found when it asked to run.
pub(crate) enum Boarding {
    /// It runs. Others wait until this value is dropped.
    Lead(Flight),
    /// An equal one runs: wait for the other end to close.
    Follow(watch::Receiver<()>),
}

/// A registered run. Dropping it, on whatever path, wakes all that wait.
pub(crate) struct Flight {
    key: InvocationKey,
    flights: Flights,
    ends: Option<watch::Sender<()>>,
    wrote: Arc<OnceLock<Vec<u64>>>,
}

impl Flights {
    /// Registers a run unless an equal one is registered.
    pub(crate) fn board(&self, key: InvocationKey) -> Boarding {
        let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match flights.get(&key).and_then(|runs| runs.first()) {
            Some(run) => Boarding::Follow(run.end.clone()),
            None => Boarding::Lead(self.register(&mut flights, key)),
        }
    }

    /// Registers a run beside any equal one.
    pub(crate) fn join(&self, key: InvocationKey) -> Flight {
        let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        self.register(&mut flights, key)
    }

    /// A run that has ended and is on its way to the disk with a file that has one of these
    /// inode numbers. Devices do not count: within a view it was told another one.
    pub(crate) fn that_wrote(&self, files: &[u64]) -> Option<watch::Receiver<()>> {
        let flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_one = |run: &&Run| {
            run.wrote.get().is_some_and(|wrote| wrote.iter().any(|file| files.contains(file)))
        };
        flights.values().flatten().find(is_one).map(|run| run.end.clone())
    }

    /// How many runs are registered.
    pub(crate) fn count(&self) -> usize {
        let flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        flights.values().map(Vec::len).sum()
    }

    fn register(&self, flights: &mut Registered, key: InvocationKey) -> Flight {
        let (ends, end) = watch::channel(());
        let wrote = Arc::<OnceLock<_>>::default();
        flights.entry(key).or_default().push(Run { end, wrote: Arc::clone(&wrote) });
        Flight { key, flights: Self(Arc::clone(&self.0)), ends: Some(ends), wrote }
    }
}

impl Flight {
    /// The run has ended, and left files with these inode numbers behind. Only the first
    /// call counts.
    pub(crate) fn wrote(&self, files: Vec<u64>) {
        let _first = self.wrote.set(files);
    }

    /// Whether somebody waits for this run.
    pub(crate) fn is_awaited(&self) -> bool {
        // One receiver is the registry's own.
        self.ends.as_ref().is_some_and(|ends| ends.receiver_count() > 1)
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let mut flights = self.flights.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Under the lock, so that a waiter that wakes does not find the run again.
        drop(self.ends.take());
        if let Some(runs) = flights.get_mut(&self.key) {
            runs.retain(|run| run.end.has_changed().is_ok());
            if runs.is_empty() {
                flights.remove(&self.key);
            }
        }
    }
}

/// Waits for the end of a run.
pub(crate) async fn landed(mut run: watch::Receiver<()>) {
    while run.changed().await.is_ok() {}
}
