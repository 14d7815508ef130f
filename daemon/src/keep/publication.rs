//! A result on its way into the store.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use zccache_core::protocol::explanation::{Deviation, Fate, Refusal};
use zccache_core::{Reason, limits};

use super::flights::Flight;
use crate::chronicle::Account;
use crate::ledger::{Ledger, Session};

/// A registered publication. It is `Pending` from the moment the compiler was
/// allowed to run; the store makes its bytes and then its entry durable; it ends
/// `Visible` or `Abandoned`, on every path, since dropping it abandons it. Either
/// end wakes the invocations that wait for it.
pub(crate) struct Publication {
    flight: Option<Flight>,
    session: Session,
    ledger: Arc<Ledger>,
    account: Arc<Account>,
    reserved: Option<Reservation>,
}

impl Publication {
    pub(crate) fn new(
        flight: Flight,
        session: Session,
        ledger: Arc<Ledger>,
        account: Arc<Account>,
    ) -> Self {
        Self { flight: Some(flight), session, ledger, account, reserved: None }
    }

    /// What is remembered of the run.
    pub(crate) fn account(&self) -> &Arc<Account> {
        &self.account
    }

    /// The compiler has ended, and left files with these inode numbers behind.
    pub(crate) fn wrote(&self, files: Vec<u64>) {
        if let Some(flight) = &self.flight {
            flight.wrote(files);
        }
    }

    /// Takes its share of the bytes that may wait for the disk.
    ///
    /// # Errors
    /// [`Reason::InFlightLimit`] when they are used up.
    pub(crate) fn reserve(&mut self, backlog: &Arc<Backlog>, bytes: u64) -> Result<(), Reason> {
        self.reserved = Some(Reservation::new(backlog, bytes).ok_or(Reason::InFlightLimit)?);
        Ok(())
    }

    /// Whether an equal invocation waits for the end.
    pub(crate) fn is_awaited(&self) -> bool {
        self.flight.as_ref().is_some_and(Flight::is_awaited)
    }

    /// The entry can be found from now on.
    pub(crate) fn visible(mut self) {
        self.ledger.count(&self.session, |counters| counters.published += 1);
        self.account.end(Fate::Kept);
        self.flight = None;
    }

    /// There will be no entry.
    pub(crate) fn abandon(mut self, refusal: impl Into<Refusal>) {
        self.end(refusal.into());
    }

    /// The result equals the one that is kept already.
    pub(crate) fn confirm(mut self) {
        self.ledger.count(&self.session, |counters| counters.verified += 1);
        self.account.end(Fate::Confirmed);
        self.flight = None;
    }

    /// The result differs from the one that was kept.
    pub(crate) fn differ(mut self, deviation: Deviation) {
        self.ledger.count(&self.session, |counters| {
            counters.verified += 1;
            counters.differing += 1;
        });
        self.account.end(Fate::Differed(deviation));
        self.end(Reason::ResultDiffers.into());
    }

    fn end(&mut self, refusal: Refusal) {
        self.ledger.abandoned(&self.session, refusal.reason);
        self.account.end(Fate::NotKept(refusal));
        self.flight = None;
    }
}

impl Drop for Publication {
    fn drop(&mut self) {
        if self.flight.is_some() {
            self.end(Reason::LauncherGone.into());
        }
    }
}

/// Bytes of outputs that wait for the disk.
#[derive(Default)]
pub(crate) struct Backlog {
    bytes: AtomicU64,
    publications: AtomicU64,
}

impl Backlog {
    /// How many publications wait.
    pub(crate) fn publications(&self) -> u64 {
        self.publications.load(Ordering::Relaxed)
    }
}

/// A share of the backlog, given back when dropped.
struct Reservation {
    backlog: Arc<Backlog>,
    bytes: u64,
}

impl Reservation {
    fn new(backlog: &Arc<Backlog>, bytes: u64) -> Option<Self> {
        let within =
            |used: u64| used.checked_add(bytes).filter(|sum| *sum <= limits::IN_FLIGHT_BYTES);
        backlog.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, within).ok()?;
        backlog.publications.fetch_add(1, Ordering::Relaxed);
        Some(Self { backlog: Arc::clone(backlog), bytes })
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.backlog.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        self.backlog.publications.fetch_sub(1, Ordering::Relaxed);
    }
}
