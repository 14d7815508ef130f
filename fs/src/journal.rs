use std::ffi::OsStr;
use std::path::PathBuf;

use zccache_core::Stamp;

use crate::content::ProjectedBytes;

/// A name that is a projected file, with all that is needed to project it again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Shown {
    /// Where, relative to the root of the view.
    pub path: PathBuf,
    /// Device and inode number of its directory, which tell it from another
    /// that has come to that path.
    pub directory: (u64, u64),
    /// Hard links have the same number.
    pub file: u64,
    /// The bytes.
    pub source: ProjectedBytes,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Access time.
    pub atime: Stamp,
    /// Modification time.
    pub mtime: Stamp,
}

/// What has become of a name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// It is this projected file now.
    Shown(Shown),
    /// It is no projected file any more.
    Gone {
        /// As in [`Shown`].
        path: PathBuf,
        /// As in [`Shown`].
        directory: (u64, u64),
    },
}

impl Change {
    /// The name in its directory, and the device and inode number of that.
    #[must_use]
    pub fn name(&self) -> ((u64, u64), &OsStr) {
        let (Self::Shown(Shown { path, directory, .. }) | Self::Gone { path, directory }) = self;
        (*directory, path.file_name().unwrap_or_default())
    }
}

/// Who remembers what a view shows, should the process that serves it die.
/// Calls come while the view waits, and in the order of the changes.
pub trait Journal: Send + Sync + 'static {
    /// What the view showed when it was last served. A lower file that has
    /// taken a name since keeps it.
    fn replay(&self) -> Vec<Shown>;

    /// Takes note of changes. Returns whether it has grown so long that it is
    /// better begun anew.
    fn note(&self, changes: &[Change]) -> bool;

    /// Begins anew with what is shown now.
    fn begin_anew(&self, all: &[Shown]);
}

/// Remembers nothing.
#[derive(Clone, Copy, Default, Debug)]
pub struct NoJournal;

impl Journal for NoJournal {
    fn replay(&self) -> Vec<Shown> {
        Vec::new()
    }

    fn note(&self, _: &[Change]) -> bool {
        false
    }

    fn begin_anew(&self, _: &[Shown]) {}
}
