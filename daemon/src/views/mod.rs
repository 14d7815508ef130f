//! The views that the daemon serves.

mod announcer;
mod journal;

use std::collections::{HashMap, HashSet};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use nix::sys::stat::fstat;

use tokio::sync::watch;
use zccache_core::protocol::{Settled, ViewRequest, ViewStatus};
use zccache_core::{Digest, OsBytes, limits};
use zccache_fs::{Content, Journal, NoJournal, Settle, View, ViewOptions};
use zccache_store::{Pin, Store};

use announcer::Announcer;
pub use journal::ViewJournal;
#[cfg(feature = "fuzzing")]
pub(crate) use journal::any as any_journal;

use crate::world::Atlas;

/// All views, each until it is unmounted.
pub(crate) struct Views {
    atlas: Arc<Atlas>,
    store: Arc<Store>,
    /// Where the journals are.
    journals: PathBuf,
    served: Mutex<Vec<Arc<Served>>>,
    /// Keeps the blobs from being evicted that the journal at a path needs.
    remembered: Mutex<HashMap<PathBuf, Vec<Pin>>>,
}

/// One view.
pub(crate) struct Served {
    request: ViewRequest,
    device: u64,
    view: Arc<View>,
    ended: watch::Sender<bool>,
    /// Keeps the blobs of projected files from being evicted.
    pins: Mutex<HashMap<Digest, Pin>>,
    journal: Option<(PathBuf, Arc<ViewJournal>)>,
}

/// The descriptors that come with a request to serve a view.
pub(crate) struct ViewDescriptors {
    pub(crate) lower: OwnedFd,
    pub(crate) fuse: OwnedFd,
    pub(crate) root: OwnedFd,
    pub(crate) mountinfo: OwnedFd,
}

impl TryFrom<Vec<OwnedFd>> for ViewDescriptors {
    type Error = io::Error;

    fn try_from(descriptors: Vec<OwnedFd>) -> io::Result<Self> {
        let [lower, fuse, root, mountinfo] = <[OwnedFd; 4]>::try_from(descriptors)
            .map_err(|_| io::Error::other("a view needs four descriptors"))?;
        Ok(Self { lower, fuse, root, mountinfo })
    }
}

impl Views {
    /// No views yet; what their journals need is kept.
    pub(crate) fn new(atlas: Arc<Atlas>, store: Arc<Store>, directory: &Path) -> Self {
        let journals = directory.join("views");
        let paths = std::fs::read_dir(&journals).into_iter().flatten();
        let needed = paths.filter_map(|entry| {
            let path = entry.ok()?.path();
            let pins: Vec<Pin> =
                journal::needs(&path).into_iter().map(|digest| store.pin(digest)).collect();
            (!pins.is_empty()).then_some((path, pins))
        });
        let remembered = Mutex::new(needed.collect());
        Self { atlas, store, journals, served: Mutex::default(), remembered }
    }

    /// Serves a view until it is unmounted. Blocks until the kernel has it.
    pub(crate) fn serve(
        self: &Arc<Self>,
        request: ViewRequest,
        descriptors: ViewDescriptors,
    ) -> io::Result<Arc<Served>> {
        let ViewDescriptors { lower, fuse, root, mountinfo } = descriptors;
        let namespace = self.atlas.follow(request.place, root, mountinfo)?;
        namespace.refresh()?;
        let device = namespace
            .device_mounted_at(request.directory.as_path())
            .ok_or_else(|| io::Error::other("nothing is mounted there"))?;
        let journal = self.journal(lower.as_fd(), &request.directory);
        let options = ViewOptions { shared: request.shared, ..ViewOptions::default() };
        let content = Arc::new(StoreContent(Arc::clone(&self.store)));
        let noted: Arc<dyn Journal> = match &journal {
            Some((_, journal)) => Arc::clone(journal) as Arc<dyn Journal>,
            None => Arc::new(NoJournal),
        };
        let announcer = Arc::new(Announcer::new(noted, self.atlas.own()));
        let view = Arc::new(View::serve(lower, fuse, options, content, announcer)?);
        let pins = view.digests().into_iter().map(|digest| (digest, self.store.pin(digest)));
        let served = Arc::new(Served {
            request,
            device,
            pins: Mutex::new(pins.collect()),
            view,
            ended: watch::Sender::new(false),
            journal,
        });
        self.atlas.add_view(device, Arc::clone(&served.view));
        self.lock().push(Arc::clone(&served));
        if let Some((path, _)) = &served.journal {
            self.remembered.lock().unwrap_or_else(PoisonError::into_inner).remove(path);
        }
        self.attend(Arc::clone(&served))?;
        Ok(served)
    }

    /// Where the journal of a view of the directory `lower` is.
    fn journal_path(&self, lower: BorrowedFd<'_>) -> io::Result<PathBuf> {
        let stat = fstat(lower)?;
        Ok(self.journals.join(format!("{:x}-{:x}", stat.st_dev, stat.st_ino)))
    }

    /// Waits until a view of the directory `lower` that has been unmounted has let
    /// go of it, with what it could not write in its journal. One that some process
    /// still uses is not waited for longer than [`limits::VIEW_RELEASE`].
    pub(crate) async fn await_release(&self, lower: BorrowedFd<'_>) {
        let Ok(path) = self.journal_path(lower) else { return };
        let is_going =
            |served: &&Arc<Served>| served.has_journal(&path) && !served.is_mounted(&self.atlas);
        let going = self.lock().iter().find(is_going).cloned();
        if let Some(served) = going {
            let _late = tokio::time::timeout(limits::VIEW_RELEASE, served.ended()).await;
        }
    }

    /// The journal of a view of the directory `lower`. A second view of it has
    /// none, nor has one that cannot be written.
    fn journal(
        &self,
        lower: BorrowedFd<'_>,
        directory: &OsBytes,
    ) -> Option<(PathBuf, Arc<ViewJournal>)> {
        let path = self.journal_path(lower).ok()?;
        if self.lock().iter().any(|served| served.has_journal(&path)) {
            return None;
        }
        let made = std::fs::DirBuilder::new().mode(0o700).recursive(true).create(&self.journals);
        match made.and_then(|()| ViewJournal::open(&path, directory)) {
            Ok(journal) => Some((path, Arc::new(journal))),
            Err(error) => {
                tracing::warn!(%error, %directory, "a view is not remembered");
                None
            }
        }
    }

    /// Waits for the unmount on a thread of its own, then lets go of the view.
    fn attend(self: &Arc<Self>, served: Arc<Served>) -> io::Result<()> {
        let views = Arc::clone(self);
        let attend = move || {
            served.view.wait();
            views.release(&served);
        };
        std::thread::Builder::new().name("view-attendant".into()).spawn(attend)?;
        Ok(())
    }

    /// What was projected since the view was settled becomes real now: the
    /// directory below is still at hand.
    fn release(&self, served: &Arc<Served>) {
        let failed = served.view.settle(Settle::Materialise).failed;
        for lost in &failed {
            let (path, error) = (lost.path.display(), &lost.error);
            tracing::error!(%path, %error, "a file is not there until the view is mounted again");
        }
        match &served.journal {
            Some((_, journal)) if failed.is_empty() => journal.remove(),
            Some((path, _)) => self.remember(path, served),
            None => {}
        }
        self.atlas.remove_view(served.device);
        let mut all = self.lock();
        all.retain(|other| !Arc::ptr_eq(other, served));
        let place = served.request.place;
        if all.iter().all(|other| other.request.place != place) {
            self.atlas.forget(place);
        }
        served.ended.send_replace(true);
    }

    /// Takes care of a view whose command has gone without unmounting it. A lasting
    /// one stays. The namespace of another ends with its last process, unless our
    /// descriptors keep it alive; the view ends with it.
    pub(crate) fn abandon(&self, served: &Served) {
        let place = served.request.place;
        if self.atlas.is_foreign(place) {
            if let Err(error) = served.settle(false) {
                tracing::error!(%error, directory = %served.request.directory, "a view is left behind");
            }
            self.atlas.forget(place);
        }
    }

    /// Keeps what is left of a view until it is mounted again.
    fn remember(&self, journal: &Path, served: &Served) {
        let digests = served.view.digests().into_iter();
        let pins = digests.map(|digest| self.store.pin(digest)).collect();
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.insert(journal.to_owned(), pins);
    }

    /// The view that a directory shows.
    pub(crate) fn at(&self, directory: &OsBytes) -> Option<Arc<Served>> {
        let is_it = |served: &&Arc<Served>| {
            served.request.directory == *directory && served.is_mounted(&self.atlas)
        };
        self.lock().iter().rev().find(is_it).cloned()
    }

    /// Keeps blobs for as long as a view shows them.
    pub(crate) fn hold(&self, view: &Arc<View>, pins: Vec<Pin>) {
        let served = self.lock().iter().find(|served| Arc::ptr_eq(&served.view, view)).cloned();
        if let Some(served) = served {
            let mut held = served.pins.lock().unwrap_or_else(PoisonError::into_inner);
            held.extend(pins.into_iter().map(|pin| (pin.digest(), pin)));
        }
    }

    /// Lets go of blobs that no view shows any more.
    pub(crate) fn unpin_unused(&self) {
        for served in self.lock().clone() {
            let used: HashSet<Digest> = served.view.digests().into_iter().collect();
            let mut pins = served.pins.lock().unwrap_or_else(PoisonError::into_inner);
            pins.retain(|digest, _| used.contains(digest));
        }
    }

    /// Makes the files of all views real.
    pub(crate) fn settle_all(&self) {
        let all = self.lock().clone();
        for served in all {
            if let Err(error) = served.settle(false) {
                tracing::error!(%error, directory = %served.request.directory, "a view cannot be settled");
            }
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.lock().len()
    }

    /// The views that are where they were mounted. One that has been unmounted
    /// lives on until its files are real, and for as long as another mount
    /// namespace holds a copy of the mount.
    pub(crate) fn status(&self) -> Vec<ViewStatus> {
        let status = |served: &Arc<Served>| ViewStatus {
            directory: served.request.directory.clone(),
            device: served.device,
            projected: served.view.projected(),
            projected_bytes: served.view.projected_bytes(),
            changed_below: served.view.changes_behind(),
            passthrough: served.view.passthrough(),
            private: self.atlas.is_foreign(served.request.place),
        };
        self.lock().iter().filter(|served| served.is_mounted(&self.atlas)).map(status).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Served>>> {
        self.served.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Served {
    /// Waits until the view has been unmounted and let go of.
    pub(crate) async fn ended(&self) {
        let mut ended = self.ended.subscribe();
        // The sender lives as long as we do.
        let _closed = ended.wait_for(|ended| *ended).await;
    }

    /// Whether its journal is the one at a path.
    fn has_journal(&self, path: &Path) -> bool {
        self.journal.as_ref().is_some_and(|(own, _)| own == path)
    }

    /// Whether the view is what its directory shows.
    fn is_mounted(&self, atlas: &Atlas) -> bool {
        let namespace = atlas.namespace(self.request.place);
        let shown = namespace.and_then(|n| n.device_mounted_at(self.request.directory.as_path()));
        shown == Some(self.device)
    }

    /// Makes the projected files real, or drops them.
    pub(crate) fn settle(&self, discard: bool) -> io::Result<Settled> {
        let how = if discard { Settle::Discard } else { Settle::Materialise };
        let settled = self.view.settle(how);
        match settled.failed.first() {
            None => Ok(Settled { written: settled.written, dropped: settled.dropped }),
            Some(first) => Err(io::Error::other(format!(
                "{} files cannot be written, the first is {}: {}",
                settled.failed.len(),
                first.path.display(),
                first.error
            ))),
        }
    }
}

/// The blobs of the store as contents of projected files.
struct StoreContent(Arc<Store>);

impl Content for StoreContent {
    fn open(&self, digest: &Digest) -> io::Result<OwnedFd> {
        let blob = self.0.open_blob(digest).map_err(io::Error::other)?;
        Ok(blob.file)
    }

    /// A blob has been verified when it was projected; it opens like any file.
    fn opens_at_once(&self, _: &Digest) -> bool {
        true
    }
}
