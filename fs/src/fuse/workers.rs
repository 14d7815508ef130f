use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use super::notices::{Notices, notify};
use crate::overlay::Overlay;

/// Threads for requests that have to wait for something. Two: they wait for
/// the disk most of the time, and the kernel has more in flight by itself.
const WORKERS: usize = 2;

/// Requests waiting for a worker before the serving thread waits too.
const QUEUE: usize = 256;

pub(super) type Job = Box<dyn FnOnce() + Send>;

/// The threads beside the one that serves requests.
///
/// Neither that one nor a worker ever waits for the notifier: a notification
/// waits for operations on a directory, which they are to answer.
pub(super) struct Workers {
    jobs: Option<SyncSender<Job>>,
    notices: Notices,
    workers: Vec<JoinHandle<()>>,
    notifier: Option<JoinHandle<()>>,
}

impl Workers {
    /// Starts the threads.
    pub(super) fn start(overlay: &Arc<Overlay>) -> io::Result<Self> {
        let (jobs, queue) = sync_channel(QUEUE);
        let notices = Notices::default();
        let inbox = notices.clone();
        let mut threads = Self { jobs: Some(jobs), notices, workers: Vec::new(), notifier: None };
        let queue = Arc::new(Mutex::new(queue));
        for number in 0..WORKERS {
            let queue = Arc::clone(&queue);
            let worker = spawn(format!("view-worker-{number}"), move || work(&queue))?;
            threads.workers.push(worker);
        }
        let overlay = Arc::clone(overlay);
        let notifier = spawn("view-notifier".to_owned(), move || notify(&overlay, &inbox))?;
        threads.notifier = Some(notifier);
        Ok(threads)
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
    pub(super) fn notices(&self) -> &Notices {
        &self.notices
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.jobs = None;
        self.workers.drain(..).for_each(join);
        // What the last jobs have posted is still done.
        self.notices.close();
        self.notifier.take().into_iter().for_each(join);
    }
}

fn spawn(name: String, run: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name).spawn(run)
}

fn join(thread: JoinHandle<()>) {
    if thread.join().is_err() {
        tracing::error!("a thread of a view has panicked");
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
