//! The observer: runs a program as a child, stopped by the kernel at each system
//! call that names a path, and records what it looks at, writes and says.
//!
//! Nothing is injected into the program and no call is changed: every stopped
//! call goes on. What cannot be observed makes the run unpublishable, never
//! different.

mod arguments;
mod dispatch;
mod observer;
mod paths;
mod process;
mod record;
mod seccomp;

use std::io;
use std::os::fd::OwnedFd;
use std::time::Instant;

use nix::errno::Errno;
use zccache_core::Reason;
use zccache_core::entry::Chunk;
use zccache_core::protocol::Own;
use zccache_core::protocol::explanation::Refusal;
use zccache_core::report::{Ended, Report};

use process::child::Child;
use process::inherited;
pub(crate) use process::signals::die_by;
pub use process::signals::{Delayed, HeldSignals};
pub(crate) use record::Jobserver;
use record::{Outputs, Settled};

use crate::program::Program;
use observer::{Observer, Run};

/// Where a program runs.
#[derive(Clone, Copy)]
pub(crate) struct Setting<'a> {
    /// The working directory, absolute.
    pub directory: &'a [u8],
    /// The file mode creation mask.
    pub umask: u32,
    /// Device numbers of the views, whose files need no descriptor.
    pub views: &'a [u64],
    /// Whether what is read from standard input is known.
    pub knows_input: bool,
    /// Paths of the program's own that are not noted.
    pub own: &'a Own,
}

/// A run that has ended.
pub(crate) struct Observed {
    /// What the daemon is told.
    pub report: Report,
    /// What travels with the report.
    pub descriptors: Vec<OwnedFd>,
    /// Why the program could not be executed, if so.
    pub not_executed: Option<Errno>,
}

/// Runs `program` to its end under observation. Where observing is not permitted
/// it runs all the same, and the report says so.
///
/// # Errors
/// As `fork(2)` and `signalfd(2)`; then nothing ran.
pub(crate) fn observe(program: &Program, setting: Setting<'_>) -> io::Result<Observed> {
    let inherits = inherited::some_are_handed_on();
    let signals = HeldSignals::hold()?;
    let started = Instant::now();
    let (child, listener) =
        Child::start(program, &mut seccomp::Filter::new(setting.own.probes_links), &signals)?;
    let Run { ended, not_executed, record } = match listener {
        Some(listener) => Observer::new(listener, setting).run(&child, &signals),
        None => observer::wait_unobserved(&child, &signals),
    };
    let cost = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    let watch = record.as_ref().ok().and_then(|(ledger, _)| ledger.watch());
    let settled = record
        .map_err(Refusal::from)
        .and_then(|(ledger, streams)| Ok((ledger.settle(setting.views)?, streams)));
    let settled = settled.map(|(settled, streams)| (settled, streams.into_chunks()));
    let (report, mut descriptors) = conclude(ended, cost, inherits, settled);
    descriptors.extend(watch);
    Ok(Observed { report, descriptors, not_executed })
}

/// Whether this process may observe another: tried on a program that does nothing.
#[must_use]
pub fn is_permitted() -> bool {
    let program = Program::new(vec![c"true".to_owned()], None);
    let own = Own::default();
    let setting =
        Setting { directory: b"/", umask: 0o022, views: &[], own: &own, knows_input: true };
    observe(&program, setting)
        .is_ok_and(|observed| observed.report.unobservable != Some(Reason::ObserverUnavailable))
}

fn conclude(
    ended: Ended,
    cost: u64,
    inherits: bool,
    settled: Result<(Settled, Vec<Chunk>), Refusal>,
) -> (Report, Vec<OwnedFd>) {
    let refusal = settled.as_ref().err().cloned();
    let (unobservable, culprit) = refusal.map_or((None, None), |r| (Some(r.reason), r.path));
    let (Settled { sightings, outputs }, streams) = settled.unwrap_or_default();
    let Outputs { files: outputs, descriptors, revised } = outputs;
    let report = Report {
        ended,
        streams,
        sightings,
        outputs,
        revised,
        unobservable,
        culprit,
        cost,
        inherits,
    };
    (report, descriptors)
}
