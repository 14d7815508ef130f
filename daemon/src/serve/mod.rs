//! The life of the daemon: lock, listen, serve, drain, leave.

mod connection;
mod daemon;
mod delivery;
mod door;
mod frames;
mod log;
mod lookup;
mod metrics;
mod proof;
mod search;
mod why;

use std::fs::{File, TryLockError};
use std::io::{self, Write};
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
use zccache_core::{limits, settings};
use zccache_store::{Seam, Store, StoreError};

pub use log::log_file;

use crate::world::ignore_lease_signals;
use crate::{Options, OptionsError};
use daemon::Daemon;
use door::Door;

/// The daemon cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// Another one serves this store.
    #[error("another daemon serves this store")]
    AlreadyRunning,
    /// The store cannot be opened.
    #[error("the store cannot be opened: {0}")]
    Store(StoreError),
    /// The system refuses something.
    #[error("the daemon cannot serve: {0}")]
    Io(#[from] io::Error),
}

impl From<StoreError> for DaemonError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::InUse(_) => Self::AlreadyRunning,
            other => Self::Store(other),
        }
    }
}

/// How often the daemon asks itself whether it is still wanted.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// Threads for what waits: launchers whose compiler runs, and all other conversations.
const WORKERS: usize = 4;

/// Serves the store of `options` until told to stop or idle.
///
/// # Errors
/// [`DaemonError`] when it cannot begin to.
pub fn run(options: &Options) -> Result<(), DaemonError> {
    run_on(options, Seam::default())
}

/// As [`run`], on another machine: how tests make the disk hang.
///
/// # Errors
/// As [`run`].
pub fn run_on(options: &Options, seam: Seam) -> Result<(), DaemonError> {
    let mut ready = options.says_ready.then(ready_pipe);
    let served = serve(options, seam, &mut ready);
    if let (Err(error), Some(pipe)) = (&served, ready) {
        say(pipe, &error.to_string());
    }
    served
}

fn serve(options: &Options, seam: Seam, ready: &mut Option<File>) -> Result<(), DaemonError> {
    ignore_lease_signals().map_err(io::Error::from)?;
    raise_descriptor_limit();
    return_large_buffers();
    let _lock = options.is_read_only().then(|| lock_home(&options.home)).transpose()?;
    let store = Arc::new(open_store(options, &seam)?);
    let daemon = Arc::new(Daemon::new(options, store)?);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .thread_name("conversations")
        .enable_all()
        .build()?;
    let served = runtime.block_on(listen(&daemon, options, ready));
    runtime.shutdown_timeout(HEARTBEAT);
    daemon.store.save_counters(&daemon.ledger.read(None, false));
    daemon.chronicle.save();
    Ok(served?)
}

/// Opens the store; where a daemon that no longer listens still holds it, waits
/// for that one to leave.
fn open_store(options: &Options, seam: &Seam) -> Result<Store, DaemonError> {
    let read_only = options.is_read_only();
    let store_options = zccache_store::Options { limits: options.limits, read_only };
    let patience = Instant::now() + limits::START_WITHIN / 2;
    let may_wait = || !read_only && Instant::now() < patience && !is_listening(&options.home);
    loop {
        match Store::open_on(&options.store, store_options, seam.clone()) {
            Err(StoreError::InUse(_)) if may_wait() => {
                std::thread::sleep(Duration::from_millis(5));
            }
            other => return Ok(other?),
        }
    }
}

/// The lock of a home beside the store, which says there what that of the store says.
fn lock_home(home: &Path) -> Result<File, DaemonError> {
    let mut options = File::options();
    options.write(true).create(true).truncate(false).mode(0o600).custom_flags(libc::O_NOFOLLOW);
    let lock = options.open(home.join(settings::LOCK))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(DaemonError::AlreadyRunning),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

fn is_listening(home: &Path) -> bool {
    let connect = |(_open, socket): (File, PathBuf)| UnixStream::connect(socket);
    socket_through_directory(home).and_then(connect).is_ok()
}

/// The socket in a home by a path that fits into `sun_path` (`unix(7)`) for as
/// long as the file is open, however long the path of the home is.
fn socket_through_directory(home: &Path) -> io::Result<(File, PathBuf)> {
    let directory = File::open(home)?;
    let name = settings::socket_path(home).file_name().unwrap_or_default().to_owned();
    let path = Path::new("/proc/self/fd").join(directory.as_raw_fd().to_string()).join(name);
    Ok((directory, path))
}

async fn listen(
    daemon: &Arc<Daemon>,
    options: &Options,
    ready: &mut Option<File>,
) -> io::Result<()> {
    let home = options.home.as_path();
    let socket = settings::socket_path(home);
    let listener = bind(home)?;
    let bound = std::fs::symlink_metadata(&socket)?.ino();
    end_silence(home, Duration::ZERO);
    if let Some(pipe) = ready.take() {
        say(pipe, LISTENING);
    }
    let stop = Arc::new(Notify::new());
    let door = Door::open(listener, Arc::clone(daemon), Arc::clone(&stop))?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        () = stop.notified() => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = unwanted(daemon, &socket, bound, options.idle_exit) => {}
    }
    door.close();
    daemon.leave().await;
    leave_within(options.drain_within);
    door.wait(HEARTBEAT);
    if is_at(&socket, bound) {
        std::fs::remove_file(&socket)?;
    }
    Ok(())
}

/// Binds the socket in a home. The lock there says that no other daemon has it, so a
/// socket that is there is a dead one's.
fn bind(home: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_file(settings::socket_path(home)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let (_open, socket) = socket_through_directory(home)?;
    UnixListener::bind(socket)
}

/// What a daemon that listens says; one that cannot says why.
const LISTENING: &str = "1";

/// Tells whoever has started this process with `--ready-pipe` why it will not listen.
pub fn decline(error: &OptionsError) {
    if std::env::args_os().any(|argument| argument == "--ready-pipe") {
        say(ready_pipe(), &error.to_string());
    }
}

/// The pipe that the launcher who started us left as descriptor 3.
fn ready_pipe() -> File {
    const READY: i32 = 3;
    // SAFETY: who starts us with `--ready-pipe` leaves descriptor 3 to us, and
    // nothing else here names it.
    unsafe { File::from_raw_fd(READY) }
}

fn say(mut pipe: File, text: &str) {
    if let Err(error) = pipe.write_all(text.as_bytes()) {
        tracing::info!(%error, "nobody waits for this daemon");
    }
}

/// Returns when nobody wants the daemon any more: it is idle, or its socket has
/// been removed or replaced, so that nobody can find it.
async fn unwanted(daemon: &Daemon, socket: &Path, bound: u64, idle_exit: Duration) {
    loop {
        tokio::time::sleep(HEARTBEAT).await;
        let idle = daemon.idle_seconds();
        let lost = !is_at(socket, bound);
        if idle > idle_exit.as_secs() || (lost && idle > HEARTBEAT.as_secs()) {
            return;
        }
        end_silence(&daemon.home, limits::SILENCE);
        daemon.views.unpin_unused();
        daemon.store.save_counters(&daemon.ledger.read(None, false));
    }
}

/// Takes back the note that this daemon does not answer, if it is that old.
fn end_silence(home: &Path, age: Duration) {
    let note = settings::silence_path(home);
    let noted = std::fs::symlink_metadata(&note).and_then(|metadata| metadata.modified());
    let old = |noted: SystemTime| noted.elapsed().map_or(true, |elapsed| elapsed >= age);
    if noted.is_ok_and(old)
        && let Err(error) = std::fs::remove_file(note)
    {
        tracing::warn!(%error, "launchers go on to leave this daemon alone");
    }
}

/// Once views are settled, a disk that hangs does not keep the daemon: nothing that it
/// said it has is lost.
fn leave_within(time: Duration) {
    std::thread::spawn(move || {
        std::thread::sleep(time);
        tracing::error!("what still waits for the disk is given up");
        std::process::exit(1);
    });
}

fn is_at(socket: &Path, inode: u64) -> bool {
    std::fs::symlink_metadata(socket).is_ok_and(|metadata| metadata.ino() == inode)
}

/// Views and 200 launchers at once need more descriptors than the usual soft limit.
fn raise_descriptor_limit() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard));
    if let Err(error) = raised {
        tracing::info!(%error, "the limit on open files stays as it is");
    }
}

/// The buffer of a FUSE session has 16 MiB. Once the C library has freed one it
/// would take the next from its heap, and keep it there, unless told where the
/// border lies (`M_MMAP_THRESHOLD` in `mallopt(3)`).
fn return_large_buffers() {
    const BORDER: libc::c_int = 1 << 20;
    // SAFETY: takes two integers; no other thread allocates yet.
    let _accepted = unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, BORDER) };
}
