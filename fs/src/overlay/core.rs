use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use nix::unistd::{Gid, Uid, getegid, geteuid, getgroups};

use super::serving::data::Handles;
use super::state::attributes::NodeId;
use super::state::kernel::{Invalidation, Kernel};
use super::state::nodes::Nodes;
use super::state::tree::{Tree, TreeMut};
use crate::content::Content;
use crate::journal::Journal;
use crate::lower::{Clock, Directory, Name};

/// A view: a lower directory, the files projected over it, and what the kernel
/// knows of both.
#[derive(Debug)]
pub(crate) struct Overlay {
    pub(super) root: Arc<Directory>,
    pub(super) content: ContentSource,
    pub(super) clock: Clock,
    pub(super) handles: Handles,
    pub(super) user: User,
    tree: RwLock<Tree>,
    nodes: Mutex<Nodes>,
    kernel: RwLock<Option<Arc<dyn Kernel>>>,
    passthrough: AtomicBool,
    next_projected: AtomicU64,
    changes_behind: AtomicU64,
    ended: Mutex<bool>,
    end: Condvar,
}

/// The source of bytes, which shows nothing of itself in messages.
pub(crate) struct ContentSource(pub(super) Arc<dyn Content>);

impl std::fmt::Debug for ContentSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Content")
    }
}

/// Who this process is, and whom it serves.
#[derive(Debug)]
pub(crate) struct User {
    /// Whether it serves other users too: then the kernel checks permissions
    /// and new files are given to who makes them. Else everything is done as,
    /// and checked against, the user of this process.
    pub(crate) shared: bool,
    /// Effective user.
    pub(crate) uid: Uid,
    /// Effective group.
    pub(crate) gid: Gid,
    /// Further groups.
    pub(crate) groups: Vec<Gid>,
}

impl User {
    fn current(shared: bool) -> nix::Result<Self> {
        Ok(Self { shared, uid: geteuid(), gid: getegid(), groups: getgroups()? })
    }

    /// Whether the overlay has to check permissions for projected files.
    pub(crate) fn is_checked(&self) -> bool {
        !self.shared && !self.uid.is_root()
    }

    /// Whether this user is in a group.
    pub(crate) fn is_in(&self, gid: u32) -> bool {
        let gid = Gid::from_raw(gid);
        self.gid == gid || self.groups.contains(&gid)
    }
}

impl Overlay {
    /// A view of `root` that shows what the journal remembers.
    pub(crate) fn new(
        root: Directory,
        shared: bool,
        content: Arc<dyn Content>,
        journal: Arc<dyn Journal>,
    ) -> nix::Result<Self> {
        let root = Arc::new(root);
        let remembered = journal.replay();
        let overlay = Self {
            clock: Clock::new(&root),
            content: ContentSource(content),
            handles: Handles::default(),
            user: User::current(shared)?,
            tree: RwLock::new(Tree::new(&root, journal)),
            nodes: Mutex::new(Nodes::new(&root)),
            kernel: RwLock::default(),
            passthrough: AtomicBool::new(false),
            next_projected: AtomicU64::new(NodeId::PROJECTED),
            changes_behind: AtomicU64::new(0),
            ended: Mutex::new(false),
            end: Condvar::new(),
            root,
        };
        overlay.restore(remembered);
        Ok(overlay)
    }

    /// Connects the view with the kernel that shows it.
    pub(crate) fn attach(&self, kernel: Arc<dyn Kernel>, passthrough: bool) {
        self.passthrough.store(passthrough, Ordering::Relaxed);
        *self.kernel.write().unwrap_or_else(PoisonError::into_inner) = Some(kernel);
    }

    /// The session is over: lets go of everything that belonged to it and wakes
    /// who waits. Projections stay, to be settled.
    pub(crate) fn detach(&self) {
        *self.kernel.write().unwrap_or_else(PoisonError::into_inner) = None;
        let gone = self.nodes().clear();
        self.handles.clear();
        drop(gone);
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.end.notify_all();
    }

    /// Waits for the end of the session.
    pub(crate) fn wait(&self) {
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.end.wait_while(ended, |ended| !*ended));
    }

    /// Whether the session is over.
    pub(crate) fn has_ended(&self) -> bool {
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether files are read and written by the kernel without this process.
    pub(crate) fn passthrough(&self) -> bool {
        self.passthrough.load(Ordering::Relaxed)
    }

    /// Gives passthrough up for files opened from now on.
    pub(super) fn give_up_passthrough(&self) {
        self.passthrough.store(false, Ordering::Relaxed);
    }

    pub(super) fn kernel(&self) -> Option<Arc<dyn Kernel>> {
        self.kernel.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn tree(&self) -> RwLockReadGuard<'_, Tree> {
        self.tree.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn tree_mut(&self) -> TreeMut<'_> {
        TreeMut(self.tree.write().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn nodes(&self) -> MutexGuard<'_, Nodes> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn next_projected(&self) -> NodeId {
        NodeId(self.next_projected.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// How often something was seen to have changed that this view did not change.
    pub(crate) fn changes_behind(&self) -> u64 {
        self.changes_behind.load(Ordering::Relaxed)
    }

    /// Counts such a change; returns how many there were before.
    pub(super) fn count_change_behind(&self) -> u64 {
        self.changes_behind.fetch_add(1, Ordering::Relaxed)
    }

    /// Makes the kernel forget; not for threads that serve requests.
    pub(crate) fn invalidate(&self, stale: &[Invalidation]) {
        if let Some(kernel) = self.kernel() {
            stale.iter().for_each(|what| kernel.invalidate(what));
        }
    }

    /// What the kernel has to forget when a name leads elsewhere.
    pub(super) fn stale_name(&self, name: &Name) -> Option<Invalidation> {
        let directory = self.nodes().known_id(name.directory.id())?;
        Some(Invalidation::Entry { directory, name: name.name.clone() })
    }

    /// What the kernel has to forget when the names of a directory change.
    pub(super) fn stale_listing(&self, directory: &Directory) -> Option<Invalidation> {
        self.nodes().known_id(directory.id()).map(Invalidation::Listing)
    }
}
