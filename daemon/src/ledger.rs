//! What is counted, in total and by session.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use zccache_core::protocol::stats::Counters;
use zccache_core::{OsBytes, Reason};

/// How many sessions are kept; the rest still count in total.
const MOST_SESSIONS: usize = 256;

/// Counters in total and by session.
pub(crate) struct Ledger(Mutex<Book>);

struct Book {
    total: Counters,
    sessions: HashMap<OsBytes, Counters>,
}

/// The session that an invocation belongs to, if any.
pub(crate) type Session = Option<OsBytes>;

impl Ledger {
    /// Goes on from earlier totals.
    pub(crate) fn new(total: Counters) -> Self {
        Self(Mutex::new(Book { total, sessions: HashMap::new() }))
    }

    /// Counts an event in total and in its session.
    pub(crate) fn count(&self, session: &Session, event: impl Fn(&mut Counters)) {
        let mut book = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        event(&mut book.total);
        let Some(name) = session else { return };
        if book.sessions.len() < MOST_SESSIONS || book.sessions.contains_key(name) {
            event(book.sessions.entry(name.clone()).or_default());
        }
    }

    /// Counts a bypass.
    pub(crate) fn bypassed(&self, session: &Session, reason: Reason) {
        self.count(session, |counters| {
            counters.bypassed += 1;
            *counters.reasons.entry(reason.slug().to_owned()).or_default() += 1;
        });
    }

    /// Counts a result that is not kept.
    pub(crate) fn abandoned(&self, session: &Session, reason: Reason) {
        self.count(session, |counters| {
            counters.abandoned += 1;
            *counters.reasons.entry(reason.slug().to_owned()).or_default() += 1;
        });
    }

    /// The counters of a session, or all; optionally set back to zero.
    pub(crate) fn read(&self, session: Option<&OsBytes>, zero: bool) -> Counters {
        let mut book = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(name) = session else {
            return if zero { std::mem::take(&mut book.total) } else { book.total.clone() };
        };
        let counters = book.sessions.get(name).cloned().unwrap_or_default();
        if zero {
            book.sessions.remove(name);
        }
        counters
    }
}
