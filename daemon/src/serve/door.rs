//! Where connections come in.
//!
//! Most carry one request, and the answer is known at once: the thread that takes such a
//! connection also answers it. Only what has to wait for something goes on in the runtime.

use std::any::Any;
use std::future::Future;
use std::io;
use std::num::NonZero;
use std::ops::RangeInclusive;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread::{JoinHandle, available_parallelism};
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit};
use nix::sys::socket::{Shutdown, SockFlag, accept4, shutdown};
use tokio::runtime::Handle;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use zccache_core::limits;

use super::connection;
use super::daemon::Daemon;
use super::frames::Frames;

/// How many threads take connections: a look-up may read a large input, and must not keep
/// the others waiting. With more of them than processors each finds its caches colder.
const THREADS: RangeInclusive<usize> = 2..=4;

/// How long nothing is taken after a connection was lost: out of descriptors, or the peer
/// has gone.
const RESPITE: Duration = Duration::from_millis(10);

/// Where connections are taken.
pub(super) struct Door {
    porter: Arc<Porter>,
    threads: Vec<JoinHandle<()>>,
}

impl Door {
    /// Takes connections from now on, each once there is room for it. `stop` hears of the
    /// wish that the daemon leaves.
    ///
    /// # Errors
    /// As `pthread_create(3)`.
    pub(super) fn open(
        listener: UnixListener,
        daemon: Arc<Daemon>,
        stop: Arc<Notify>,
    ) -> io::Result<Self> {
        let descriptors = getrlimit(Resource::RLIMIT_NOFILE).map_or(0, |(limit, _)| limit);
        let room = Arc::new(Semaphore::new(limits::connections(descriptors)));
        let (runtime, is_closed) = (Handle::current(), AtomicBool::new(false));
        let porter = Arc::new(Porter { listener, daemon, stop, room, runtime, is_closed });
        let processors = available_parallelism().map_or(1, NonZero::get);
        let threads = (0..processors.clamp(*THREADS.start(), *THREADS.end())).map(|_| {
            let porter = Arc::clone(&porter);
            let thread = std::thread::Builder::new().name("connections".into());
            thread.spawn(move || porter.attend())
        });
        Ok(Self { threads: threads.collect::<io::Result<_>>()?, porter })
    }

    /// Refuses whoever comes from now on, and so sends them to the next daemon.
    pub(super) fn close(&self) {
        self.porter.is_closed.store(true, Ordering::Relaxed);
        // Those who wait for room or for a connection are woken.
        self.porter.room.close();
        if let Err(error) = shutdown(self.porter.listener.as_raw_fd(), Shutdown::Both) {
            tracing::warn!(%error, "connections are still taken");
        }
    }

    /// Waits for what is being answered, once it is closed: nobody here has the daemon then.
    /// What waits for a disk that hangs is left alone.
    pub(super) fn wait(self, patience: Duration) {
        let began = Instant::now();
        while !self.threads.iter().all(JoinHandle::is_finished) {
            if began.elapsed() > patience {
                return tracing::error!("a connection is still being answered");
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// What takes connections and answers them.
struct Porter {
    listener: UnixListener,
    daemon: Arc<Daemon>,
    stop: Arc<Notify>,
    room: Arc<Semaphore>,
    runtime: Handle,
    is_closed: AtomicBool,
}

impl Porter {
    fn attend(&self) {
        let _tasks_and_timers = self.runtime.enter();
        while !self.is_closed() {
            match self.reserve().and_then(|room| Ok((room, self.accept()?))) {
                Ok((room, frames)) => self.receive(room, frames),
                Err(_) if self.is_closed() => {}
                Err(error) => {
                    tracing::warn!(%error, "a connection was lost");
                    std::thread::sleep(RESPITE);
                }
            }
        }
    }

    fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Relaxed)
    }

    /// The next connection, which is not waited for once it is there.
    fn accept(&self) -> io::Result<Frames> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket = accept4(self.listener.as_raw_fd(), flags)?;
        // SAFETY: the kernel has just made this descriptor for us alone.
        Frames::new(unsafe { UnixStream::from_raw_fd(socket) })
    }

    /// Room for one more connection, once there is some.
    fn reserve(&self) -> io::Result<OwnedSemaphorePermit> {
        let room = || Arc::clone(&self.room);
        let reserved = match room().try_acquire_owned() {
            Ok(permit) => return Ok(permit),
            Err(_) => self.runtime.block_on(room().acquire_owned()),
        };
        reserved.map_err(io::Error::other)
    }

    fn receive(&self, room: OwnedSemaphorePermit, frames: Frames) {
        let (daemon, stop) = (Arc::clone(&self.daemon), Arc::clone(&self.stop));
        let mut conversation = Box::pin(async move {
            connection::serve(&daemon, &frames, &stop).await;
            drop(room);
        });
        match begin(conversation.as_mut()) {
            Ok(Poll::Ready(())) => {}
            Ok(Poll::Pending) => drop(self.runtime.spawn(conversation)),
            Err(_) => tracing::error!("a conversation was given up"),
        }
    }
}

/// Does of some work what need not wait. Whatever it would wait for is told of it only
/// when it is asked again.
fn begin(work: Pin<&mut impl Future<Output = ()>>) -> Result<Poll<()>, Box<dyn Any + Send>> {
    let mut nobody = Context::from_waker(Waker::noop());
    catch_unwind(AssertUnwindSafe(|| work.poll(&mut nobody)))
}
