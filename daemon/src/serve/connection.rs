//! One connection: a launcher with its invocation, a command with its wishes, or
//! a mounted view.

use std::sync::Arc;

use std::os::fd::{AsFd, OwnedFd};

use tokio::sync::Notify;
use zccache_core::OsBytes;
use zccache_core::protocol::frame::FrameError;
use zccache_core::protocol::{Reply, Request, VERSION, ViewRequest};

use super::daemon::Daemon;
use super::frames::{ConnectionError, Frames};
use super::lookup::{Answer, Ticket};
use super::metrics;
use crate::views::{Served, ViewDescriptors};

/// What the peer has been told so far.
enum State {
    Idle,
    /// A compiler runs.
    Running(Box<Ticket>),
    /// The launcher has reported, and leaves what it has no time to close.
    Reported {
        _open: SlowToClose,
    },
    View(Arc<Served>),
}

/// Descriptors whose closing waits for the kernel. The launcher closes its own
/// before it leaves, so that these are the last.
struct SlowToClose(Vec<OwnedFd>);

impl Drop for SlowToClose {
    fn drop(&mut self) {
        let descriptors = std::mem::take(&mut self.0);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn_blocking(move || drop(descriptors));
        }
    }
}

/// Serves a connection until it ends. What its peer left unfinished is
/// abandoned with the state.
pub(crate) async fn serve(daemon: &Arc<Daemon>, frames: &Frames, stop: &Notify) {
    let mut mounted = None;
    match converse(daemon, frames, stop, &mut mounted).await {
        Ok(()) => return,
        Err(ConnectionError::Closed) => {}
        Err(ConnectionError::Frame(FrameError::Version(theirs))) if theirs > VERSION => {
            give_way(daemon, stop);
        }
        Err(error) => tracing::info!(%error, "a connection ended"),
    }
    if let Some(served) = mounted {
        let views = Arc::clone(&daemon.views);
        let abandoned = blocking(move || {
            views.abandon(&served);
            Ok(())
        });
        if let Err(error) = abandoned.await {
            tracing::error!(%error, "a view is not let go of");
        }
    }
}

async fn converse(
    daemon: &Arc<Daemon>,
    frames: &Frames,
    stop: &Notify,
    mounted: &mut Option<Arc<Served>>,
) -> Result<(), ConnectionError> {
    let peer = frames.peer();
    if peer.uid() != nix::unistd::geteuid().as_raw() {
        tracing::warn!(uid = peer.uid(), "another user has connected");
        return Ok(());
    }
    let mut state = State::Idle;
    loop {
        let (request, descriptors) = tokio::select! {
            received = frames.receive() => match (received, &state) {
                (Err(ConnectionError::Http(begun)), State::Idle) => {
                    return metrics::answer(daemon, frames, &begun).await;
                }
                (received, _) => received?,
            },
            () = view_ended(&state) => return Ok(()),
            () = leaves(daemon, &state) => return frames.send(&Reply::Done).await,
        };
        daemon.touch();
        let deliverable = !matches!(request, Request::Undeliverable(_));
        state = match (request, state) {
            (Request::Lookup(invocation) | Request::Undeliverable(invocation), _) => {
                match daemon.look_up(frames, invocation, deliverable).await? {
                    // To wait until the peer has gone would be work for nothing.
                    Answer::Over => return Ok(()),
                    Answer::AskAgain => State::Idle,
                    Answer::Run(ticket) => State::Running(ticket),
                }
            }
            (Request::Finished(report), State::Running(ticket)) => {
                let is_awaited = ticket.is_awaited();
                let mut outputs = descriptors;
                let rest = outputs.split_off(report.attached().min(outputs.len()));
                daemon.finish(*ticket, *report, outputs);
                if is_awaited {
                    frames.send(&Reply::Done).await?;
                }
                State::Reported { _open: SlowToClose(rest) }
            }
            (Request::Bypassed { session, reason }, state) => {
                daemon.ledger.bypassed(&session, reason);
                state
            }
            (Request::Serve(request), _) => {
                let (state, reply) = mount(daemon, request, descriptors).await;
                if let State::View(served) = &state {
                    *mounted = Some(Arc::clone(served));
                }
                frames.send(&reply).await?;
                state
            }
            (request, state) => {
                frames.send(&answer(daemon, &state, request, stop).await).await?;
                state
            }
        };
    }
}

/// The answer to a request that leaves the state of the connection as it is.
async fn answer(daemon: &Arc<Daemon>, state: &State, request: Request, stop: &Notify) -> Reply {
    match request {
        Request::Settle { directory, discard } => settle(daemon, state, directory, discard).await,
        Request::Why { file, place } => Reply::Explained(daemon.why(&file, place).await),
        Request::Stop => leave(daemon, stop),
        request => control(daemon, request).await,
    }
}

/// Waits for the end of the view that the connection stands for, if it does.
async fn view_ended(state: &State) {
    match state {
        State::View(served) => served.ended().await,
        _ => std::future::pending().await,
    }
}

/// Waits for the end of the daemon, which whoever keeps a view is told.
async fn leaves(daemon: &Daemon, state: &State) {
    match state {
        State::View(_) => {
            let mut leaving = daemon.leaving.subscribe();
            // The sender lives as long as the daemon.
            let _closed = leaving.wait_for(|leaving| *leaving).await;
        }
        _ => std::future::pending().await,
    }
}

async fn mount(
    daemon: &Arc<Daemon>,
    request: ViewRequest,
    descriptors: Vec<OwnedFd>,
) -> (State, Reply) {
    let views = Arc::clone(&daemon.views);
    let descriptors = match ViewDescriptors::try_from(descriptors) {
        Ok(descriptors) => descriptors,
        Err(error) => return (State::Idle, Reply::Failed(error.to_string())),
    };
    views.await_release(descriptors.lower.as_fd()).await;
    let serve = move || Ok(views.serve(request, descriptors)?);
    match blocking(serve).await {
        Ok(served) => (State::View(served), Reply::Done),
        Err(error) => (State::Idle, Reply::Failed(error.to_string())),
    }
}

async fn settle(
    daemon: &Daemon,
    state: &State,
    directory: Option<OsBytes>,
    discard: bool,
) -> Reply {
    let served = match (directory, state) {
        (Some(directory), _) => daemon.views.at(&directory),
        (None, State::View(served)) => Some(Arc::clone(served)),
        (None, _) => None,
    };
    let Some(served) = served else {
        return Reply::Failed("no view is mounted there".into());
    };
    match blocking(move || Ok(served.settle(discard)?)).await {
        Ok(settled) => Reply::Settled(settled),
        Err(error) => Reply::Failed(error.to_string()),
    }
}

fn leave(daemon: &Daemon, stop: &Notify) -> Reply {
    let views = daemon.views.status();
    if let Some(view) = views.first() {
        let directory = &view.directory;
        return Reply::Failed(match view.private {
            true => format!("'zccache run' shows a view of {directory}; let its command end first"),
            false => format!("a view is mounted at {directory}; unmount it first"),
        });
    }
    stop.notify_one();
    Reply::Done
}

/// A newer version is in use: its daemon starts with the next compile, once nothing
/// needs this one.
fn give_way(daemon: &Daemon, stop: &Notify) {
    if daemon.flights.count() == 0 && daemon.views.count() == 0 {
        tracing::info!("makes way for a newer version");
        stop.notify_one();
    }
}

async fn control(daemon: &Arc<Daemon>, request: Request) -> Reply {
    let store = Arc::clone(&daemon.store);
    match request {
        Request::Status => Reply::Status(Box::new(daemon.status())),
        Request::Stats { session, zero } => {
            Reply::Stats(Box::new(daemon.ledger.read(session.as_ref(), zero)))
        }
        Request::Clear => done(blocking(move || Ok(store.clear().map(drop)?)).await),
        Request::Collect => done(blocking(move || Ok(store.collect().map(drop)?)).await),
        Request::Check { repair } => match blocking(move || Ok(store.check(repair)?)).await {
            Ok(checked) => Reply::Checked(checked),
            Err(error) => Reply::Failed(error.to_string()),
        },
        _ => Reply::Failed("the request does not fit the state of the connection".into()),
    }
}

/// Something failed; the text goes to whoever asked.
#[derive(Debug, thiserror::Error)]
enum WorkError {
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Store(#[from] zccache_store::StoreError),
    #[error("the work was given up: {0}")]
    Panicked(#[from] tokio::task::JoinError),
}

/// Runs what may take long away from the threads that serve connections.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, WorkError> + Send + 'static,
) -> Result<T, WorkError> {
    tokio::task::spawn_blocking(work).await?
}

fn done(outcome: Result<(), WorkError>) -> Reply {
    match outcome {
        Ok(()) => Reply::Done,
        Err(error) => Reply::Failed(error.to_string()),
    }
}
