//! The thread that turns reports into entries, away from every build's path.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use nix::sys::stat::fstat;
use zccache_compiler::clock::Window;
use zccache_core::report::{Ended, Report, WrittenFile};
use zccache_core::{
    CompileResult, Content, Entry, Identity, Invocation, InvocationKey, Output, Reason, Stamp,
    limits,
};
use zccache_store::{Staged, Store};

use super::publication::{Backlog, Publication};
use super::trace::Sealer;
use crate::world::{Contents, Namespace, WHOLE_SECONDS, is_of_whole_seconds, now};

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
        if let Err(reason) = admit(&job.report) {
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

/// What the report alone says against keeping the run.
fn admit(report: &Report) -> Result<(), Reason> {
    match report.ended {
        _ if report.unobservable.is_some() => report.unobservable.map_or(Ok(()), Err),
        Ended::Signal(_) => Err(Reason::KilledBySignal),
        Ended::Exit(0) => Ok(()),
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
        let sealer = Sealer {
            namespace: &job.namespace,
            contents: &self.contents,
            views: &job.views,
            outputs: &job.report.outputs,
        };
        let made = now().map_err(|_| Reason::OutputChanged)?;
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
            unchanged(&sealer, written, file)?;
            if window(&job.report, made).is_some_and(|window| tells_time(file, &window)) {
                return Err(Reason::TimeMacro);
            }
            let content = self.content(written, file, &mut blobs)?;
            unchanged(&sealer, written, file)?;
            if is_of_whole_seconds(&written.identity)
                && written.identity.is_racy_at(made, WHOLE_SECONDS)
            {
                // Somebody may have changed it since without its stamps telling.
                return Err(Reason::OutputChanged);
            }
            let (path, mode, manner) = (written.path.clone(), written.mode, written.manner);
            outputs.push(Output { path, mode, manner, content });
        }
        let Ended::Exit(status) = job.report.ended else { return Err(Reason::KilledBySignal) };
        let trace = sealer.trace(&job.invocation, &job.report.sightings)?;
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

/// When the compiler ran, with a second to spare on both sides.
fn window(report: &Report, made: Stamp) -> Option<Window> {
    let first = report.sightings.iter().map(|sighting| sighting.at.seconds).min()?;
    let stamp = |seconds| Stamp { seconds, nanos: 0 };
    let offset = local_offset(made.seconds);
    Some(Window { from: stamp(first - 1), to: stamp(made.seconds + 1), offset })
}

/// Seconds by which local clocks are ahead of Greenwich (`localtime(3)`).
fn local_offset(seconds: i64) -> i64 {
    let mut broken_down = std::mem::MaybeUninit::<libc::tm>::zeroed();
    // SAFETY: both point to values of the right type that outlive the call.
    unsafe { libc::localtime_r(&raw const seconds, broken_down.as_mut_ptr()) };
    // SAFETY: all-zero bytes are a valid `tm`, whether or not the call filled it.
    unsafe { broken_down.assume_init() }.tm_gmtoff
}

/// Whether an output holds the date or time of its making.
fn tells_time(file: BorrowedFd<'_>, window: &Window) -> bool {
    const SEAM: usize = 16;
    let Ok(owned) = file.try_clone_to_owned() else { return true };
    let file = File::from(owned);
    let mut buffer = vec![0; 256 << 10];
    let (mut offset, mut kept) = (0, 0);
    loop {
        match file.read_at(&mut buffer[kept..], offset) {
            Ok(0) => return false,
            Ok(read) => {
                offset += read as u64;
                let filled = kept + read;
                if window.is_told_by(&buffer[..filled]) {
                    return true;
                }
                kept = filled.min(SEAM);
                buffer.copy_within(filled - kept..filled, 0);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return true,
        }
    }
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
