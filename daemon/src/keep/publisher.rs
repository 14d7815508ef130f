//! The thread that turns reports into entries, away from every build's path.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use zccache_compiler::Plan;
use zccache_compiler::failure::{is_diagnosed, speaks_english};
use zccache_compiler::program::{Family, family_of};
use zccache_core::entry::Stream;
use zccache_core::protocol::explanation::Refusal;
use zccache_core::report::{Ended, Report};
use zccache_core::{Digest, Entry, Invocation, Reason, Root};
use zccache_store::Store;

use super::comparison::{Suspect, compare, same_world};
use super::outputs::{digests, size};
use super::publication::{Backlog, Publication};
use super::rivals::{Contest, Kept};
use super::seal::{Sealed, is_unexplained, refusal_of, seal};
use super::timing::said;
use super::trace::Sealer;
use crate::world::{Contents, Namespace, Scene};

/// A run to be kept.
pub(crate) struct Job {
    pub(crate) plan: Plan,
    pub(crate) root: Root,
    pub(crate) invocation: Box<Invocation>,
    pub(crate) report: Report,
    /// One for each output that is attached, in order.
    pub(crate) descriptors: Vec<OwnedFd>,
    /// Whether the launcher waits while this is submitted, because its build
    /// works on the outputs as soon as it goes on.
    pub(crate) is_awaited: bool,
    /// The digest of each output; filled by [`Publisher::submit`] if awaited.
    pub(crate) digests: Vec<Digest>,
    pub(crate) namespace: Arc<Namespace>,
    /// Device numbers of the views when the run began.
    pub(crate) views: Vec<u64>,
    pub(crate) publication: Publication,
    /// The entry that the result is to be compared with, if any.
    pub(crate) suspect: Option<Suspect>,
    pub(crate) contest: Contest,
}

/// How many reports may wait to be looked at.
const QUEUE: usize = 1024;

/// How long a result may be on its way into the store, in milliseconds.
const ARRIVES_WITHIN: u32 = 1000;

/// How much less urgent than a build the thread is (`nice(2)`).
const NICENESS: i32 = 5;

/// The publishing thread and its queue.
pub(crate) struct Publisher {
    queue: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
    backlog: Arc<Backlog>,
    contents: Arc<Contents>,
}

impl Job {
    /// What turns the report into a trace.
    pub(super) fn sealer<'a>(&'a self, contents: &'a Contents) -> Sealer<'a> {
        let scene = Scene { root: &self.root, namespace: &self.namespace };
        Sealer { scene, contents, views: &self.views }
    }
}

impl Publisher {
    pub(crate) fn start(store: Arc<Store>, contents: Arc<Contents>) -> io::Result<Self> {
        let (queue, jobs) = sync_channel(QUEUE);
        let worker = Worker { store, contents: Arc::clone(&contents) };
        let thread = std::thread::Builder::new()
            .name("publisher".into())
            .spawn(move || worker.run(&jobs))?;
        Ok(Self { queue: Some(queue), thread: Some(thread), backlog: Arc::default(), contents })
    }

    /// Takes a run, or abandons it at once when too much waits already.
    pub(crate) fn submit(&self, mut job: Job) {
        if let Err(refusal) = admit(&job) {
            return job.publication.abandon(refusal);
        }
        let bytes = job.report.outputs.iter().map(size).sum();
        if let Err(reason) = job.publication.reserve(&self.backlog, bytes) {
            return job.publication.abandon(reason);
        }
        if job.is_awaited {
            job.digests = match digests(&job, &job.sealer(&self.contents)) {
                Ok(digests) => digests,
                Err(reason) => return job.publication.abandon(reason),
            };
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

/// What the report alone says against keeping the run.
fn admit(job: &Job) -> Result<(), Refusal> {
    let report = &job.report;
    if let Some(reason) = report.unobservable {
        return Err(Refusal { reason, path: report.culprit.clone() });
    }
    // Who adds to a log with each compile never finds it again as it was.
    let revises = matches!(
        family_of(&job.invocation),
        Some(Family::Binary | Family::Emscripten | Family::Checker | Family::Trusted)
    );
    if let Some(file) = report.revised.first().filter(|_| !revises) {
        return Err(Reason::ReadAndWritten.at(&file.path));
    }
    match report.ended {
        Ended::Signal(_) => Err(Reason::KilledBySignal.into()),
        // That it ended otherwise before, from the same inputs, is a difference.
        Ended::Exit(_) if job.suspect.is_some() => Ok(()),
        Ended::Exit(status) if may_be_kept(status, &job.invocation, report) => Ok(()),
        Ended::Exit(_) => Err(Reason::CompilerFailed.into()),
    }
}

/// Whether a run that ended so is worth keeping: it succeeded, or the compiler
/// found an error in the program. Status 1 is that of gcc and clang for those;
/// others are for troubles of their own (GCC manual, "Invoking GCC").
fn may_be_kept(status: u8, invocation: &Invocation, report: &Report) -> bool {
    match status {
        0 => true,
        1 => family_of(invocation).is_some_and(|family| {
            let mut said_of_it = said(&report.streams, Stream::Stderr);
            if family == Family::Checker {
                said_of_it.extend(said(&report.streams, Stream::Stdout));
            }
            speaks_english(family, invocation) && is_diagnosed(family, &said_of_it)
        }),
        _ => false,
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

    fn keep(&self, mut job: Job) {
        job.contest.refuted.drain(..).for_each(|kept| self.refute(kept));
        let awaited = job.publication.is_awaited();
        match seal(&job, &self.store, &self.contents) {
            Err(refusal) => job.publication.abandon(refusal),
            Ok(Sealed { key, mut entry, blobs }) => {
                if !job.contest.keep((key, entry.made)) {
                    return job.publication.abandon(Reason::OutputChanged);
                }
                let Some(publication) = self.confront(job, &mut entry) else { return };
                let done = move |outcome: Result<(), zccache_store::StoreError>| match outcome {
                    Ok(()) => publication.visible(),
                    Err(error) => {
                        tracing::warn!(%error, "a result could not be kept");
                        publication.abandon(refusal_of(&error));
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

    /// Takes back a result of which another run that ended later had written the files,
    /// too; it may still be on its way.
    fn refute(&self, (key, made): Kept) {
        tracing::warn!(key = %key.0, "two runs wrote the same file at the same time");
        self.store.expedite();
        for _ in 0..ARRIVES_WITHIN {
            let candidates = self.store.candidates(&key);
            if let Some(entry) = candidates.iter().find(|entry| entry.made == made) {
                if let Err(error) = self.store.discard(&key, entry) {
                    tracing::error!(%error, "a mixed result cannot be removed");
                }
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Compares a result with the one that would have been served, if there was
    /// one, and removes that if it is wrong. The publication goes on where there
    /// was none, or where the inputs have changed since.
    fn confront(&self, job: Job, now: &mut Entry) -> Option<Publication> {
        let Job { suspect, publication, root, invocation, plan, report, .. } = job;
        let Some(Suspect { key, entry }) = suspect else { return Some(publication) };
        if !same_world(&entry.trace, &now.trace, &root) {
            let status = now.result.status;
            let refused = if is_unexplained(now) || !may_be_kept(status, &invocation, &report) {
                Reason::CompilerFailed
            } else if self.store.is_read_only() || invocation.is_on("ZCCACHE_READONLY") {
                Reason::ReadOnly
            } else {
                return Some(publication);
            };
            publication.abandon(refused);
            return None;
        }
        let deviation = compare(&entry.result, &now.result, &root);
        if deviation.is_none() {
            if confirms(&entry, now) && !invocation.is_on("ZCCACHE_READONLY") {
                now.confirmed = true;
                return Some(publication);
            }
            self.store.used(&key, &entry);
            publication.confirm();
            return None;
        }
        tracing::error!(key = %key.0, here = %plan.here.0, ?deviation, "a wrong result was kept");
        if let Err(error) = self.store.discard(&key, &entry) {
            tracing::error!(%error, "the wrong result cannot be removed");
        }
        publication.differ(deviation);
        None
    }
}

/// Whether a run confirms an earlier one that came to the same: in another second, so that
/// neither has the time in it.
fn confirms(before: &Entry, now: &Entry) -> bool {
    !before.confirmed && now.made.seconds > before.made.seconds + 1
}

/// Builds come first. Linux keeps a niceness for each thread (`sched(7)`).
fn lower_priority() {
    // SAFETY: nice takes an integer and changes only the calling thread.
    let _priority = unsafe { libc::nice(NICENESS) };
}
