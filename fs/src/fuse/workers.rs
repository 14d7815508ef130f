use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use crate::overlay::{Invalidation, Overlay};

/// Threads for requests that have to wait for something. Two: they wait for
/// the disk most of the time, and the kernel has more in flight by itself.
const WORKERS: usize = 2;

/// Requests waiting for a worker before the serving thread waits too.
const QUEUE: usize = 256;

type Job = Box<dyn FnOnce() + Send>;

/// The threads beside the one that serves requests.
///
/// Workers never wait for the notifier: a notification waits for operations on
/// a directory, some of which are workers' jobs.
pub(super) struct Workers {
    jobs: Option<SyncSender<Job>>,
    notices: Option<Sender<Notice>>,
    threads: Vec<JoinHandle<()>>,
}

/// What the kernel has to forget before something goes on.
struct Notice {
    stale: Vec<Invalidation>,
    then: Job,
}

impl Workers {
    /// Starts the threads.
    pub(super) fn start(overlay: &Arc<Overlay>) -> io::Result<Self> {
        let (jobs, queue) = sync_channel(QUEUE);
        let (notices, inbox) = channel();
        let mut workers = Self { jobs: Some(jobs), notices: Some(notices), threads: Vec::new() };
        let queue = Arc::new(Mutex::new(queue));
        for number in 0..WORKERS {
            let queue = Arc::clone(&queue);
            workers.spawn(&format!("view-worker-{number}"), move || work(&queue))?;
        }
        let overlay = Arc::clone(overlay);
        workers.spawn("view-notifier", move || notify(&overlay, &inbox))?;
        Ok(workers)
    }

    fn spawn(&mut self, name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
        self.threads.push(thread::Builder::new().name(name.to_owned()).spawn(run)?);
        Ok(())
    }

    /// Has a worker do `job`.
    pub(super) fn run(&self, job: impl FnOnce() + Send + 'static) {
        if let Some(jobs) = &self.jobs {
            // It fails when all workers are gone; the request in the job then
            // answers itself with an error as it is dropped.
            let _answered = jobs.send(Box::new(job));
        }
    }

    /// The way to the notifier.
    pub(super) fn notices(&self) -> Option<Notices> {
        self.notices.clone().map(Notices)
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.jobs = None;
        self.notices = None;
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of a view has panicked");
            }
        }
    }
}

/// The way to the notifier.
#[derive(Clone)]
pub(super) struct Notices(Sender<Notice>);

impl Notices {
    /// Has the kernel forget, then does `then`.
    pub(super) fn post(&self, stale: Vec<Invalidation>, then: impl FnOnce() + Send + 'static) {
        let _answered = self.0.send(Notice { stale, then: Box::new(then) });
    }
}

fn work(queue: &Mutex<Receiver<Job>>) {
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        if catch_unwind(AssertUnwindSafe(job)).is_err() {
            tracing::error!("a request to a view has panicked");
        }
    }
}

fn notify(overlay: &Overlay, inbox: &Receiver<Notice>) {
    while let Ok(Notice { stale, then }) = inbox.recv() {
        overlay.invalidate(&stale);
        then();
    }
}
