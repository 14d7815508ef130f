//! The loop that answers the kernel until the program and all it started are done.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use zccache_core::Reason;
use zccache_core::report::Ended;

use super::Setting;
use super::dispatch::Dispatcher;
use super::process::child::Child;
use super::process::keeper;
use super::process::signals::{Delayed, HeldSignals};
use super::process::tick::Ticks;
use super::process::tracee;
use super::record::{Ledger, Streams};
use super::seccomp::Listener;

/// How long processes of the tool may still be about to end after the tool has.
const GRACE: Duration = Duration::from_millis(50);

/// A run that has ended.
pub(super) struct Run {
    /// How the program ended.
    pub ended: Ended,
    /// Why it could not be executed, if so.
    pub not_executed: Option<Errno>,
    /// What was recorded, or why that is not the whole truth.
    pub record: Result<(Ledger, Streams), Reason>,
}

/// Answers the calls of one program and its children.
pub(super) struct Observer {
    listener: Listener,
    dispatcher: Dispatcher,
    ticks: Option<Ticks>,
}

/// What a wait came to.
enum Event {
    /// A call is stopped.
    Call,
    /// Nobody is left who could make one.
    Quiet,
    /// Nothing in time.
    Timeout,
}

impl Observer {
    /// An observer of the calls that arrive at `listener`.
    pub(super) fn new(listener: Listener, setting: Setting<'_>) -> Self {
        listener.wake_synchronously();
        Self { listener, dispatcher: Dispatcher::new(setting), ticks: Ticks::new() }
    }

    /// Observes until the program has ended, and forwards signals to it.
    pub(super) fn run(mut self, child: &Child, signals: &HeldSignals) -> Run {
        self.until_ended(child, signals);
        let (ended, not_executed) = child.wait();
        let escaped = !self.until_quiet();
        if escaped {
            keeper::keep_answering(&self.listener);
        }
        let record = match escaped {
            true => Err(Reason::EscapedProcess),
            false if !tracee::are_shown() => Err(Reason::ForeignPlace),
            false => Ok(self.dispatcher.into_record()),
        };
        Run { ended, not_executed, record }
    }

    fn until_ended(&mut self, child: &Child, signals: &HeldSignals) {
        let (mut listening, mut delayed) = (true, Delayed::default());
        loop {
            let interest = if listening { PollFlags::POLLIN } else { PollFlags::empty() };
            let mut descriptors = [
                PollFd::new(child.handle(), PollFlags::POLLIN),
                PollFd::new(signals.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.listener.as_fd(), interest),
            ];
            // A listener without users reports that it hung up, wanted or not.
            let watched = if listening { &mut descriptors[..] } else { &mut descriptors[..2] };
            if poll(watched, delayed.patience()).is_err() {
                continue;
            }
            let events = descriptors.map(|d| d.revents().unwrap_or(PollFlags::empty()));
            if events[1].contains(PollFlags::POLLIN) {
                signals.take(&mut delayed);
            }
            delayed.pass_on(child.pid());
            if events[2].contains(PollFlags::POLLIN) {
                self.serve_while_busy();
            } else if !events[0].is_empty() {
                return;
            } else if events[2].contains(PollFlags::POLLHUP) {
                listening = false;
            }
        }
    }

    /// Serves what the program left behind for a moment. False when it stays.
    fn until_quiet(&mut self) -> bool {
        let deadline = Instant::now() + GRACE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.event(left) {
                Event::Call => drop(self.serve()),
                Event::Quiet => return true,
                Event::Timeout if left.is_zero() => return false,
                Event::Timeout => {}
            }
        }
    }

    fn event(&self, patience: Duration) -> Event {
        let mut descriptors = [PollFd::new(self.listener.as_fd(), PollFlags::POLLIN)];
        let timeout = PollTimeout::try_from(patience).unwrap_or(PollTimeout::ZERO);
        if poll(&mut descriptors, timeout).is_err() {
            return Event::Timeout;
        }
        match descriptors[0].revents().unwrap_or(PollFlags::empty()) {
            events if events.contains(PollFlags::POLLIN) => Event::Call,
            events if events.is_empty() => Event::Timeout,
            _ => Event::Quiet,
        }
    }

    /// Serves the call that is stopped and those that follow closely: receiving
    /// waits for the next one without the cost of a poll.
    fn serve_while_busy(&mut self) {
        let Some(mut ticks) = self.ticks.take() else {
            self.serve();
            return;
        };
        ticks.start();
        while self.serve() && !ticks.are_due() {}
        ticks.stop();
        self.ticks = Some(ticks);
    }

    /// Serves the next call; waits for it. False if there is none.
    fn serve(&mut self) -> bool {
        match self.listener.receive() {
            Ok(Some(call)) => {
                self.dispatcher.note(&call);
                self.listener.resume(call.id);
                true
            }
            Ok(None) => false,
            Err(_) => {
                self.dispatcher.refuse(Reason::UnreadableTool);
                false
            }
        }
    }
}

/// Waits for a program that runs without a filter.
pub(super) fn wait_unobserved(child: &Child, signals: &HeldSignals) -> Run {
    let mut delayed = Delayed::default();
    loop {
        let mut descriptors = [
            PollFd::new(child.handle(), PollFlags::POLLIN),
            PollFd::new(signals.as_fd(), PollFlags::POLLIN),
        ];
        if poll(&mut descriptors, delayed.patience()).is_err() {
            continue;
        }
        let events = descriptors.map(|d| d.revents().unwrap_or(PollFlags::empty()));
        if !events[0].is_empty() {
            break;
        }
        if events[1].contains(PollFlags::POLLIN) {
            signals.take(&mut delayed);
        }
        delayed.pass_on(child.pid());
    }
    let (ended, not_executed) = child.wait();
    Run { ended, not_executed, record: Err(Reason::ObserverUnavailable) }
}
