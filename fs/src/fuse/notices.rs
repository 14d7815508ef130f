use std::collections::HashSet;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::workers::Job;
use crate::overlay::{Invalidation, Overlay};

/// The way to the notifier, and what waits there.
///
/// Nobody waits to post, so the bounds are those of what can be posted: the
/// same fact waits once however often it is posted, and there are no more facts
/// than names and nodes of the view; an answer belongs to a thread that waits
/// for it in the kernel, and posts no other meanwhile.
#[derive(Clone, Default)]
pub(super) struct Notices(Arc<Inbox>);

#[derive(Default)]
struct Inbox {
    waiting: Mutex<Waiting>,
    posted: Condvar,
}

#[derive(Default)]
struct Waiting {
    /// What the kernel has to forget.
    stale: HashSet<Invalidation>,
    /// What is done once it has.
    then: Vec<Job>,
    /// Whether nothing more will be posted.
    closed: bool,
}

impl Notices {
    /// Has the kernel forget, with nobody waiting for it.
    pub(super) fn post(&self, stale: Vec<Invalidation>) {
        self.0.lock().stale.extend(stale);
        self.0.posted.notify_one();
    }

    /// Has the kernel forget, then does `then`.
    pub(super) fn post_then(&self, stale: Vec<Invalidation>, then: impl FnOnce() + Send + 'static) {
        let mut waiting = self.0.lock();
        waiting.stale.extend(stale);
        waiting.then.push(Box::new(then));
        drop(waiting);
        self.0.posted.notify_one();
    }

    /// Says that nothing more will be posted.
    pub(super) fn close(&self) {
        self.0.lock().closed = true;
        self.0.posted.notify_one();
    }
}

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All that waits, once something does; nothing at the end.
    fn take(&self) -> Option<(HashSet<Invalidation>, Vec<Job>)> {
        let empty = |waiting: &mut Waiting| {
            waiting.stale.is_empty() && waiting.then.is_empty() && !waiting.closed
        };
        let waiting = self.posted.wait_while(self.lock(), empty);
        let mut waiting = waiting.unwrap_or_else(PoisonError::into_inner);
        let (stale, then) = (std::mem::take(&mut waiting.stale), std::mem::take(&mut waiting.then));
        (!stale.is_empty() || !then.is_empty()).then_some((stale, then))
    }
}

/// Has the kernel forget what is posted, until nothing more will be.
pub(super) fn notify(overlay: &Overlay, notices: &Notices) {
    while let Some((stale, then)) = notices.0.take() {
        stale.iter().for_each(|what| overlay.invalidate(std::slice::from_ref(what)));
        then.into_iter().for_each(|then| then());
    }
}
