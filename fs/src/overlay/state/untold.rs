use std::ffi::OsStr;
use std::fs::read_link;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::projected::Projected;
use crate::journal::{Change, Journal, Shown};
use crate::lower::{Directory, LowerId, Name, descriptor_path};

/// What has changed since the journal was told.
pub(super) struct Untold {
    root: Arc<Directory>,
    journal: Arc<dyn Journal>,
    changes: Vec<Change>,
}

impl Untold {
    /// Nothing yet.
    pub(super) fn new(root: &Arc<Directory>, journal: Arc<dyn Journal>) -> Self {
        Self { root: Arc::clone(root), journal, changes: Vec::new() }
    }

    /// Notes a change.
    pub(super) fn add(&mut self, change: Change) {
        self.changes.push(change);
    }

    /// Tells the journal; returns whether that had better begin anew.
    pub(super) fn tell(&mut self) -> bool {
        if self.changes.is_empty() {
            return false;
        }
        let changes = std::mem::take(&mut self.changes);
        self.journal.note(&changes)
    }

    /// Has the journal begin anew.
    pub(super) fn begin_anew(&self, all: &[Shown]) {
        self.journal.begin_anew(all);
    }

    /// Where a directory is below the root; nothing if it has been removed.
    pub(super) fn path_of(&self, directory: &Directory) -> Option<PathBuf> {
        if directory.id() == self.root.id() {
            return Some(PathBuf::new());
        }
        let path = |directory: &Directory| read_link(descriptor_path(directory)).ok();
        let below = path(directory)?.strip_prefix(path(&self.root)?).ok()?.to_owned();
        Some(below)
    }
}

impl std::fmt::Debug for Untold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Untold").field("changes", &self.changes).finish_non_exhaustive()
    }
}

/// A name in the directory at `place`, as the journal remembers it.
pub(super) fn shown(place: &Path, name: &Name, file: &Projected) -> Shown {
    let LowerId { device, inode } = name.directory.id();
    let metadata = file.state().metadata;
    Shown {
        path: place.join(&name.name),
        directory: (device, inode),
        file: file.node().0,
        source: file.bytes().clone(),
        mode: metadata.mode,
        uid: metadata.uid,
        gid: metadata.gid,
        atime: metadata.atime,
        mtime: metadata.mtime,
    }
}

/// A name in the directory at `place` that is no projected file any more.
pub(super) fn gone(place: &Path, directory: LowerId, name: &OsStr) -> Change {
    let LowerId { device, inode } = directory;
    Change::Gone { path: place.join(name), directory: (device, inode) }
}
