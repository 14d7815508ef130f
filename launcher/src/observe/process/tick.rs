//! What interrupts a wait for the next call: time passing, or the end of the child.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::sys::signal::sigaction;
use nix::sys::signal::{SaFlags, SigAction, SigEvent, SigHandler, SigSet, SigevNotify, Signal};
use nix::sys::timer::{Expiration, Timer, TimerSetTimeFlags};
use nix::time::ClockId;

/// How long the launcher may take to notice that it has something else to do. Until
/// a tick has passed without a call it does not sleep where it would be told.
const TICK: Duration = Duration::from_millis(20);

/// The signal of a tick. Who sends it otherwise means nobody: it is ignored by default.
const SIGNAL: Signal = Signal::SIGURG;

static DUE: AtomicBool = AtomicBool::new(false);

extern "C" fn note(_signal: libc::c_int) {
    DUE.store(true, Ordering::Relaxed);
}

/// A clock that interrupts system calls of this process.
pub(crate) struct Ticks(Timer);

impl Ticks {
    /// A clock that stands; to be made once the child has been started, which has its
    /// own signals. None if the system has no timer for us.
    pub(crate) fn new() -> Option<Self> {
        // Without SA_RESTART, so that the wait does not go on by itself.
        let action = SigAction::new(SigHandler::Handler(note), SaFlags::empty(), SigSet::empty());
        let mut heard = SigSet::empty();
        for signal in [SIGNAL, Signal::SIGCHLD] {
            // SAFETY: the handler stores to an atomic, which is safe in a signal handler.
            unsafe { sigaction(signal, &action) }.ok()?;
            heard.add(signal);
        }
        heard.thread_unblock().ok()?;
        let event = SigEvent::new(SigevNotify::SigevSignal { signal: SIGNAL, si_value: 0 });
        Timer::new(ClockId::CLOCK_MONOTONIC, event).ok().map(Self)
    }

    /// Lets it tick, again and again: one that comes just before a wait begins
    /// does not interrupt it.
    pub(crate) fn start(&mut self) {
        DUE.store(false, Ordering::Relaxed);
        let expiration = Expiration::Interval(TICK.into());
        let _ = self.0.set(expiration, TimerSetTimeFlags::empty());
    }

    /// Whether it has ticked, or the child has ended, since it was started.
    pub(crate) fn are_due(&self) -> bool {
        DUE.load(Ordering::Relaxed)
    }

    /// Lets it stand.
    pub(crate) fn stop(&mut self) {
        let never = Expiration::OneShot(Duration::ZERO.into());
        let _ = self.0.set(never, TimerSetTimeFlags::empty());
    }
}
