//! The thread that turns reports into entries, away from every build's path.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use nix::sys::stat::fstat;
use zccache_compiler::Plan;
use zccache_core::protocol::explanation::Refusal;
use zccache_core::report::{Ended, Report, WrittenFile};
use zccache_core::settings::is_on;
use zccache_core::{
    CompileResult, Content, Entry, Identity, Invocation, InvocationKey, OsBytes, Output, Reason,
    Root, Rooted, limits,
};
use zccache_store::{Staged, Store};

use super::comparison::{Suspect, compare, same_world};
use super::publication::{Backlog, Publication};
use super::reach::Reach;
use super::sift::sift;
use super::timing::{clock, is_told_by_streams};
use super::trace::Sealer;
use crate::world::{Contents, Namespace, Scene, now};

/// A run to be kept.
pub(crate) struct Job {
    pub(crate) plan: Plan,
    pub(crate) root: Root,
    pub(crate) invocation: Box<Invocation>,
    pub(crate) report: Report,
    /// One for each output that is `attached`, in order.
    pub(crate) descriptors: Vec<OwnedFd>,
    pub(crate) namespace: Arc<Namespace>,
    /// Device numbers of the views when the run began.
    pub(crate) views: Vec<u64>,
    pub(crate) publication: Publication,
    /// The entry that the result is to be compared with, if any.
    pub(crate) suspect: Option<Suspect>,
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
        if let Err(refusal) = admit(&job) {
            return job.publication.abandon(refusal);
        }
        let bytes = job.report.outputs.iter().map(|output| output.identity.size).sum();
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

/// What the report alone says against keeping the run.
fn admit(job: &Job) -> Result<(), Refusal> {
    let report = &job.report;
    if let Some(reason) = report.unobservable {
        return Err(Refusal { reason, path: report.culprit.clone() });
    }
    match report.ended {
        Ended::Signal(_) => Err(Reason::KilledBySignal.into()),
        Ended::Exit(0) => Ok(()),
        // That it succeeded before, from the same inputs, is a difference.
        Ended::Exit(_) if job.suspect.is_some() => Ok(()),
        Ended::Exit(_) => Err(Reason::CompilerFailed.into()),
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
        match self.seal(&job) {
            Err(refusal) => job.publication.abandon(refusal),
            Ok(Sealed { key, entry, blobs }) => {
                let Some(publication) = self.confront(job, &entry) else { return };
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

    /// Compares a result with the one that would have been served, if there was
    /// one, and removes that if it is wrong. The publication goes on where there
    /// was none, or where the inputs have changed since.
    fn confront(&self, job: Job, now: &Entry) -> Option<Publication> {
        let Job { suspect, publication, root, invocation, plan, .. } = job;
        let Some(Suspect { key, entry }) = suspect else { return Some(publication) };
        if !same_world(&entry.trace, &now.trace, &root) {
            let refused = match now.result.status {
                0 if !is_on(invocation.variable(b"ZCCACHE_READONLY")) => return Some(publication),
                0 => Reason::ReadOnly,
                _ => Reason::CompilerFailed,
            };
            publication.abandon(refused);
            return None;
        }
        let deviation = compare(&entry.result, &now.result, &root);
        if deviation.is_none() {
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

    /// The entry of a run, its inputs and outputs unchanged since it ended.
    fn seal(&self, job: &Job) -> Result<Sealed, Refusal> {
        let sealer = Sealer {
            scene: Scene { root: &job.root, namespace: &job.namespace },
            contents: &self.contents,
            views: &job.views,
        };
        let made = now().map_err(|_| Reason::OutputChanged)?;
        let fixed = sealer.has_fixed_clock(&job.invocation, &job.report.sightings);
        let clock = if fixed { None } else { clock(&job.invocation, &job.report, made) };
        if clock.as_ref().is_some_and(|clock| is_told_by_streams(clock, &job.report.streams)) {
            return Err(time_told(job, &sealer, None));
        }
        let mut reach = Reach::new(job);
        let mut outputs = Vec::with_capacity(job.report.outputs.len());
        let mut blobs = Vec::new();
        let mut attached = job.descriptors.iter();
        for written in &job.report.outputs {
            let opened;
            let file = if written.attached {
                attached.next().ok_or(Reason::OutputChanged)?.as_fd()
            } else {
                opened = job.namespace.open(written.path.as_path());
                opened.as_ref().map_err(|_| Reason::OutputChanged)?.as_fd()
            };
            unchanged(&sealer, written, file).map_err(|reason| reason.at(&written.path))?;
            let sifted =
                sift(file, clock.as_ref(), &job.root).map_err(|_| Reason::OutputChanged)?;
            if sifted.tells_time {
                return Err(time_told(job, &sealer, Some(&written.path)));
            }
            let length = written.identity.size;
            let short = length <= limits::DEPFILE_BYTES;
            let read = || short.then(|| read_all(file, length).ok()).flatten();
            let content = match reach.depfile(sifted, read) {
                Some((text, breaks)) => Content::Depfile { text, breaks },
                None => self.content(written, file, &mut blobs)?,
            };
            unchanged(&sealer, written, file).map_err(|reason| reason.at(&written.path))?;
            let path = Rooted::new(&written.path, &job.root);
            outputs.push(Output { path, mode: written.mode, manner: written.manner, content });
        }
        let Ended::Exit(status) = job.report.ended else {
            return Err(Reason::KilledBySignal.into());
        };
        let (trace, remarks) = sealer.trace(&job.invocation, &job.report.sightings)?;
        let streams = reach.messages(&job.report.streams, &job.invocation);
        let names_root = || sealer.inputs_name_root(&job.report.sightings);
        let key = reach.key(&trace, remarks, names_root);
        let result = CompileResult { status, streams, outputs };
        let checkout = OsBytes::from(job.root.as_bytes());
        let entry = Entry { trace, result, made, cost: job.report.cost, checkout };
        Ok(Sealed { key, entry, blobs })
    }

    fn content(
        &self,
        written: &WrittenFile,
        file: BorrowedFd<'_>,
        blobs: &mut Vec<Staged>,
    ) -> Result<Content, Reason> {
        let length = written.identity.size;
        if length <= limits::INLINE_BYTES {
            let bytes = read_all(file, length).map_err(|_| Reason::OutputChanged)?;
            return Ok(Content::Inline(bytes));
        }
        let staged = self.store.stage(file, length).map_err(|error| {
            tracing::warn!(%error, "an output could not be copied");
            Reason::StoreFailed
        })?;
        let digest = staged.digest();
        blobs.push(staged);
        Ok(Content::Blob { digest, length })
    }
}

/// The refusal of a result that tells the time: the input that mentions it is
/// named, else the output that holds it.
fn time_told(job: &Job, sealer: &Sealer<'_>, output: Option<&OsBytes>) -> Refusal {
    match sealer.trace(&job.invocation, &job.report.sightings) {
        Err(refusal) if refusal.reason == Reason::TimeMacro => refusal,
        _ => Refusal { reason: Reason::TimeMacro, path: output.cloned() },
    }
}

/// A run ready to be published.
struct Sealed {
    key: InvocationKey,
    entry: Entry,
    blobs: Vec<Staged>,
}

fn unchanged(
    sealer: &Sealer<'_>,
    written: &WrittenFile,
    file: BorrowedFd<'_>,
) -> Result<(), Reason> {
    let stat = fstat(file).map_err(|_| Reason::OutputChanged)?;
    let same = sealer.is_same(&written.identity, &Identity::from(&stat));
    let linked = stat.st_nlink > 0 && stat.st_mode & 0o7777 == written.mode;
    if same && linked { Ok(()) } else { Err(Reason::OutputChanged) }
}

/// The content of a file that has this length, in bytes.
fn read_all(file: BorrowedFd<'_>, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(length).map_err(|_| io::ErrorKind::FileTooLarge)?];
    let file = File::from(file.try_clone_to_owned()?);
    file.read_exact_at(&mut bytes, 0)?;
    match file.read_at(&mut [0], length)? {
        0 => Ok(bytes),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// Builds come first. Linux keeps a niceness for each thread (`sched(7)`).
fn lower_priority() {
    // SAFETY: nice takes an integer and changes only the calling thread.
    let _priority = unsafe { libc::nice(NICENESS) };
}
