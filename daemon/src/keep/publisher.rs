//! The thread that turns reports into entries, away from every build's path.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use nix::sys::stat::fstat;
use zccache_compiler::failure::{is_diagnosed, speaks_english};
use zccache_compiler::source;
use zccache_core::entry::Stream;
use zccache_core::report::{Ended, Report, WrittenFile};
use zccache_core::{
    CompileResult, Content, Entry, Identity, Invocation, InvocationKey, Output, Reason, limits,
};
use zccache_store::{Staged, Store};

use super::publication::{Backlog, Publication};
use super::timing::{clock, is_told_by_file, is_told_by_streams, said};
use super::trace::{Sealed, Sealer};
use crate::world::{Contents, Namespace, now};

/// A run to be kept.
pub(crate) struct Job {
    pub(crate) key: InvocationKey,
    pub(crate) invocation: Box<Invocation>,
    pub(crate) report: Report,
    /// One for each output that is `attached`, in order.
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
            let key = job.key;
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
            Err(reason) => job.publication.abandon(reason),
            Ok((entry, blobs)) => {
                let publication = job.publication;
                let done = move |outcome: Result<(), zccache_store::StoreError>| match outcome {
                    Ok(()) => publication.visible(),
                    Err(error) => {
                        tracing::warn!(%error, "a result could not be kept");
                        publication.abandon(Reason::StoreFailed);
                    }
                };
                let done = Box::new(done);
                self.store.publish(zccache_store::Publication { key: job.key, entry, blobs, done });
                if awaited {
                    self.store.expedite();
                }
            }
        }
    }

    /// The entry of a run, its inputs and outputs unchanged since it ended.
    fn seal(&self, job: &Job) -> Result<(Entry, Vec<Staged>), Reason> {
        let sealer =
            Sealer { namespace: &job.namespace, contents: &self.contents, views: &job.views };
        let made = now().map_err(|_| Reason::OutputChanged)?;
        let fixed = sealer.has_fixed_clock(&job.invocation, &job.report.sightings);
        let clock = clock(&job.invocation, &job.report, made, fixed);
        if clock.as_ref().is_some_and(|clock| is_told_by_streams(clock, &job.report.streams)) {
            return Err(Reason::TimeMacro);
        }
        let mut outputs = Vec::with_capacity(job.report.outputs.len());
        let mut blobs = Vec::new();
        let (mut stamped, mut precompiled) = (false, false);
        let mut attached = job.descriptors.iter();
        for written in &job.report.outputs {
            let opened;
            let file = if written.attached {
                attached.next().ok_or(Reason::OutputChanged)?.as_fd()
            } else {
                opened = job.namespace.open(written.path.as_path());
                opened.as_ref().map_err(|_| Reason::OutputChanged)?.as_fd()
            };
            unchanged(&sealer, written, file)?;
            if clock.as_ref().is_some_and(|clock| is_told_by_file(clock, file)) {
                return Err(Reason::TimeMacro);
            }
            let head = head(file).map_err(|_| Reason::OutputChanged)?;
            stamped |= source::holds_stamps(&head, &job.invocation.argv);
            precompiled |= source::is_precompiled(&head);
            let content = self.content(written, file, &mut blobs)?;
            unchanged(&sealer, written, file)?;
            let (path, mode, manner) = (written.path.clone(), written.mode, written.manner);
            outputs.push(Output { path, mode, manner, content });
        }
        let Ended::Exit(status) = job.report.ended else { return Err(Reason::KilledBySignal) };
        let Sealed { trace, mentions_time } =
            sealer.trace(&job.invocation, &job.report.sightings)?;
        if stamped || (precompiled && mentions_time) {
            return Err(Reason::StampedOutput);
        }
        if status != 0 && trace.environment.is_some() {
            // Who knows why a script fails.
            return Err(Reason::CompilerFailed);
        }
        let result = CompileResult { status, streams: job.report.streams.clone(), outputs };
        Ok((Entry { trace, result, made, cost: job.report.cost }, blobs))
    }

    fn content(
        &self,
        written: &WrittenFile,
        file: BorrowedFd<'_>,
        blobs: &mut Vec<Staged>,
    ) -> Result<Content, Reason> {
        let length = written.identity.size;
        if length <= limits::INLINE_BYTES {
            let mut bytes = vec![0; usize::try_from(length).map_err(|_| Reason::OutputChanged)?];
            read_exactly(file, &mut bytes).map_err(|_| Reason::OutputChanged)?;
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

/// The first bytes of a file, or fewer.
fn head(file: BorrowedFd<'_>) -> io::Result<Vec<u8>> {
    let mut head = vec![0; 4];
    let read = File::from(file.try_clone_to_owned()?).read_at(&mut head, 0)?;
    head.truncate(read);
    Ok(head)
}

fn read_exactly(file: BorrowedFd<'_>, bytes: &mut [u8]) -> io::Result<()> {
    let file = File::from(file.try_clone_to_owned()?);
    file.read_exact_at(bytes, 0)?;
    match file.read_at(&mut [0], bytes.len() as u64)? {
        0 => Ok(()),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// Builds come first. Linux keeps a niceness for each thread (`sched(7)`).
fn lower_priority() {
    // SAFETY: nice takes an integer and changes only the calling thread.
    let _priority = unsafe { libc::nice(NICENESS) };
}
