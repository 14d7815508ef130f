//! What can go wrong in the store.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use zccache_core::Digest;

/// Why the store could not do something. Nothing of this is ever a reason for
/// a build to fail: the caller goes on without the cache.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The directory, or something in it, belongs to somebody else.
    #[error(
        "the store {directory} belongs to user {owner}; set ZCCACHE_DIR to a directory of your own"
    )]
    ForeignOwner {
        /// The directory of the store, or what is in it.
        directory: PathBuf,
        /// Its user id.
        owner: u32,
    },
    /// Others could change the directory, or something in it.
    #[error("the store {directory} can be written by others (mode {mode:o}); run chmod go-w on it")]
    OpenToOthers {
        /// The directory of the store, or what is in it.
        directory: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Another process has the store.
    #[error("the store {0} is in use by another process")]
    InUse(PathBuf),
    /// A store that may not be changed has a format this version cannot read.
    #[error("the store {0} has another format and is read-only; remove it or use another")]
    Format(PathBuf),
    /// The store was opened without the right to change it.
    #[error("the store is read-only")]
    ReadOnly,
    /// There is no blob of this name.
    #[error("blob {0} is not in the store")]
    NotFound(Digest),
    /// The bytes of a blob are not those its name promises.
    #[error("blob {0} is damaged")]
    Damaged(Digest),
    /// A file to be staged has another length than it was said to have.
    #[error("the file to be stored changed meanwhile")]
    Changed,
    /// An entry names a blob that was not staged with it.
    #[error("the entry names blob {0}, which was not staged with it")]
    Unstaged(Digest),
    /// An entry is too large to be kept.
    #[error("an entry of {0} bytes exceeds the bound of {max}", max = zccache_core::limits::ENTRY_BYTES)]
    TooLarge(usize),
    /// The file system has less room left than it is to have.
    #[error("the file system of {0} has less than ZCCACHE_MIN_FREE left")]
    NoRoom(PathBuf),
    /// Too many publications wait for the disk.
    #[error("too many publications wait for the disk")]
    Busy,
    /// The store was closed, or its writer failed, before this was done.
    #[error("the store closed before this was done")]
    Closed,
    /// The index failed.
    #[error("the index of the store failed: {0}")]
    Index(String),
    /// The file system failed.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// What was attempted.
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// What the kernel said.
        source: Arc<io::Error>,
    },
}

impl StoreError {
    /// Says what failed on which path.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source: Arc::new(source) }
    }
}
