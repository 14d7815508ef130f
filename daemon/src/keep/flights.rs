//! Invocations in flight: equal ones wait for the first.

use std::collections::HashMap;

use zccache_core::InvocationKey;

use crate::sync::{Arc, Mutex, PoisonError, watch};

/// The invocations that run or whose results are on their way to the disk.
#[derive(Default)]
pub(crate) struct Flights(Arc<Mutex<HashMap<InvocationKey, Vec<watch::Receiver<()>>>>>);

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
}

impl Flights {
    /// Registers a run unless an equal one is registered.
    pub(crate) fn board(&self, key: InvocationKey) -> Boarding {
        let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match flights.get(&key).and_then(|runs| runs.first()) {
            Some(run) => Boarding::Follow(run.clone()),
            None => Boarding::Lead(self.register(&mut flights, key)),
        }
    }

    /// Registers a run beside any equal one.
    pub(crate) fn join(&self, key: InvocationKey) -> Flight {
        let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        self.register(&mut flights, key)
    }

    /// How many runs are registered.
    pub(crate) fn count(&self) -> usize {
        let flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        flights.values().map(Vec::len).sum()
    }

    fn register(
        &self,
        flights: &mut HashMap<InvocationKey, Vec<watch::Receiver<()>>>,
        key: InvocationKey,
    ) -> Flight {
        let (ends, end) = watch::channel(());
        flights.entry(key).or_default().push(end);
        Flight { key, flights: Self(Arc::clone(&self.0)), ends: Some(ends) }
    }
}

impl Flight {
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
            runs.retain(|run| run.has_changed().is_ok());
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
