//! The thread that turns reports into entries, away from every build's path.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use zccache_compiler::Plan;
use zccache_compiler::failure::{is_diagnosed, speaks_english};
use zccache_core::entry::Stream;
use zccache_core::report::{Ended, Report};
use zccache_core::{Invocation, Reason, Root};
use zccache_store::Store;

use super::publication::{Backlog, Publication};
use super::seal::{Sealed, seal, size};
use super::timing::said;
use crate::world::{Contents, Namespace};

/// A run to be kept.
pub(crate) struct Job {
    pub(crate) plan: Plan,
    pub(crate) root: Root,
    pub(crate) invocation: Box<Invocation>,
    pub(crate) report: Report,
    /// One for each output that is attached, in order.
    pub(crate) descriptors: Vec<OwnedFd>,
    pub(crate) namespace: Arc<Namespace>,
    /// Device numbers of the views when the run began.
    pub(crate) views: Vec<u64>,
    pub(crate) publication: Publication,
}

/// How many reports may wait to be looked at.
const QUEUE: usize = 1024;

/// How much less urgent than a build the thread is (`nice(2)`).
const NICENESS: i32 = 5;

/// The publishing thread and its queue.
pub(crate) struct Publisher {
    queue: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
    backlog: Arc<Backlog>,
}

impl Publisher {
    pub(crate) fn start(store: Arc<Store>, contents: Arc<Contents>) -> io::Result<Self> {
        let (queue, jobs) = sync_channel(QUEUE);
        let worker = Worker { store, contents };
        let thread = std::thread::Builder::new()
            .name("publisher".into())
            .spawn(move || worker.run(&jobs))?;
        Ok(Self { queue: Some(queue), thread: Some(thread), backlog: Arc::default() })
    }

    /// Takes a run, or abandons it at once when too much waits already.
    pub(crate) fn submit(&self, mut job: Job) {
        if let Err(reason) = admit(&job.invocation, &job.report) {
            return job.publication.abandon(reason);
        }
        let bytes = job.report.outputs.iter().map(size).sum();
        if let Err(reason) = job.publication.reserve(&self.backlog, bytes) {
            return job.publication.abandon(reason);
        }
        let refused = match &self.queue {
            Some(queue) => queue.try_send(job).err(),
            None => Some(TrySendError::Disconnected(job)),
        };
        match refused {
            Some(TrySendError::Full(job)) => job.publication.abandon(Reason::InFlightLimit),
            Some(TrySendError::Disconnected(job)) => job.publication.abandon(Reason::Stopping),
            None => {}
        }
    }

    /// How many runs are on their way to the disk.
    pub(crate) fn in_flight(&self) -> u64 {
        self.backlog.publications()
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the publisher thread had panicked");
        }
    }
}

/// What the report alone says against keeping the run. Status 1 is that of gcc and
/// clang for errors of the program; others are for troubles of their own (GCC
/// manual, "Invoking GCC").
fn admit(invocation: &Invocation, report: &Report) -> Result<(), Reason> {
    let said = || said(&report.streams, Stream::Stderr);
    match report.ended {
        _ if report.unobservable.is_some() => report.unobservable.map_or(Ok(()), Err),
        Ended::Signal(_) => Err(Reason::KilledBySignal),
        Ended::Exit(0) => Ok(()),
        Ended::Exit(1) if speaks_english(invocation) && is_diagnosed(&said()) => Ok(()),
        Ended::Exit(_) => Err(Reason::CompilerFailed),
    }
}

struct Worker {
    store: Arc<Store>,
    contents: Arc<Contents>,
}

impl Worker {
    fn run(&self, jobs: &Receiver<Job>) {
        lower_priority();
        while let Ok(job) = jobs.recv() {
            let key = job.plan.here;
            // A panic must cost one publication, not the thread; the publication
            // ends by being dropped.
            let kept = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.keep(job)));
            if kept.is_err() {
                tracing::error!(?key, "keeping a result panicked");
            }
        }
    }

    fn keep(&self, job: Job) {
        let awaited = job.publication.is_awaited();
        match seal(&job, &self.store, &self.contents) {
            Err(reason) => job.publication.abandon(reason),
            Ok(Sealed { key, entry, blobs }) => {
                let publication = job.publication;
                let done = move |outcome: Result<(), zccache_store::StoreError>| match outcome {
                    Ok(()) => publication.visible(),
                    Err(error) => {
                        tracing::warn!(%error, "a result could not be kept");
                        publication.abandon(Reason::StoreFailed);
                    }
                };
                let done = Box::new(done);
                self.store.publish(zccache_store::Publication { key, entry, blobs, done });
                if awaited {
                    self.store.expedite();
                }
            }
        }
    }
}

/// Builds come first. Linux keeps a niceness for each thread (`sched(7)`).
fn lower_priority() {
    // SAFETY: nice takes an integer and changes only the calling thread.
    let _priority = unsafe { libc::nice(NICENESS) };
}
