//! What all connections share.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use tokio::sync::watch;
use zccache_core::OsBytes;
use zccache_core::limits;
use zccache_core::protocol::Status;
use zccache_store::Store;

use crate::Options;
use crate::chronicle::Chronicle;
use crate::keep::{Flights, Publisher, Rivals};
use crate::ledger::Ledger;
use crate::rights::Rights;
use crate::views::Views;
use crate::world::{Atlas, Contents, Verifier};

/// The parts of the daemon.
pub(crate) struct Daemon {
    directory: PathBuf,
    /// Where socket, lock and log are.
    pub(crate) home: PathBuf,
    pub(crate) store: Arc<Store>,
    pub(crate) atlas: Arc<Atlas>,
    pub(crate) contents: Arc<Contents>,
    pub(crate) verifier: Verifier,
    pub(crate) flights: Flights,
    pub(crate) rivals: Arc<Rivals>,
    pub(crate) publisher: Publisher,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) chronicle: Chronicle,
    pub(crate) views: Arc<Views>,
    /// True once the daemon leaves; whoever stands for a view hears of it.
    pub(crate) leaving: watch::Sender<bool>,
    pub(crate) rights: Rights,
    started: Instant,
    /// Seconds after `started` at which the last request came.
    last_request: AtomicU64,
}

impl Daemon {
    pub(crate) fn new(options: &Options, store: Arc<Store>) -> io::Result<Self> {
        let (directory, home) = (options.store.clone(), options.home.clone());
        let atlas = Arc::new(Atlas::new(options.watching)?);
        let contents = Arc::new(Contents::new(Arc::clone(&store)));
        Ok(Self {
            chronicle: Chronicle::open(home.join("verdicts")),
            atlas: Arc::clone(&atlas),
            contents: Arc::clone(&contents),
            verifier: Verifier::default(),
            flights: Flights::default(),
            rivals: Arc::default(),
            publisher: Publisher::start(Arc::clone(&store), contents)?,
            ledger: Arc::new(Ledger::new(store.counters())),
            views: Arc::new(Views::new(atlas, Arc::clone(&store), &home)),
            store,
            directory,
            home,
            leaving: watch::Sender::new(false),
            rights: Rights::own(),
            started: Instant::now(),
            last_request: AtomicU64::new(0),
        })
    }

    /// Notes that somebody wants something.
    pub(crate) fn touch(&self) {
        self.last_request.store(self.started.elapsed().as_secs(), Ordering::Relaxed);
    }

    /// Makes the files of all views real and takes leave of those who keep them,
    /// so that they are not taken for dead.
    pub(crate) async fn leave(self: &Arc<Self>) {
        let daemon = Arc::clone(self);
        let settled = tokio::task::spawn_blocking(move || daemon.views.settle_all()).await;
        if let Err(error) = settled {
            tracing::error!(%error, "views are left as they are");
        }
        self.leaving.send_replace(true);
        let told = self.leaving.closed();
        let _gone_or_slow = tokio::time::timeout(limits::ANSWER_WITHIN, told).await;
    }

    /// Seconds since somebody last wanted something; zero while anything goes on.
    pub(crate) fn idle_seconds(&self) -> u64 {
        if self.views.count() > 0 || self.flights.count() > 0 {
            return 0;
        }
        self.started.elapsed().as_secs() - self.last_request.load(Ordering::Relaxed)
    }

    pub(crate) fn status(&self) -> Status {
        let usage = self.store.usage();
        let publications_in_flight = self.publisher.in_flight();
        let registered = self.flights.count() as u64;
        Status {
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            store: OsBytes::from(self.directory.as_path()),
            read_only: self.store.is_read_only(),
            views: self.views.status(),
            publications_in_flight,
            running: registered.saturating_sub(publications_in_flight),
            entries: usage.entries,
            bytes: usage.bytes,
            resident: resident_bytes().unwrap_or(0),
            uptime: self.started.elapsed().as_secs(),
        }
    }
}

/// Resident memory of this process, in bytes (`proc_pid_statm(5)`).
fn resident_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split(' ').nth(1)?.parse().ok()?;
    let page = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok()??;
    Some(pages * u64::try_from(page).ok()?)
}
