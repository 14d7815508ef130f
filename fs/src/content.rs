use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use zccache_core::{Digest, SmallFile};

/// Where the bytes of projected files come from. Calls come from the view's own
/// threads and must never wait for anything that happens in the view.
pub trait Content: Send + Sync + 'static {
    /// Opens the bytes named by a digest, verified, for reading. The file is
    /// the blob, whole. May block.
    ///
    /// # Errors
    /// Whatever keeps the bytes from being read; who opens the file sees `EIO`.
    fn open(&self, digest: &Digest) -> io::Result<OwnedFd>;

    /// Whether [`Content::open`] would return at once. Such files are opened
    /// without the detour over another thread.
    fn opens_at_once(&self, _digest: &Digest) -> bool {
        false
    }
}

/// The bytes of a projected file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ProjectedBytes {
    /// A blob, got from [`Content`].
    Blob {
        /// Its digest.
        digest: Digest,
        /// Its length in bytes.
        length: u64,
    },
    /// A small file, kept in memory.
    Inline(SmallFile),
}

impl ProjectedBytes {
    /// Length in bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        match self {
            Self::Blob { length, .. } => *length,
            Self::Inline(bytes) => bytes.len() as u64,
        }
    }

    /// Their digest.
    #[must_use]
    pub fn digest(&self) -> Digest {
        match self {
            Self::Blob { digest, .. } => *digest,
            Self::Inline(bytes) => bytes.digest(),
        }
    }

    /// The digest of a blob.
    #[must_use]
    pub fn blob(&self) -> Option<Digest> {
        match self {
            Self::Blob { digest, .. } => Some(*digest),
            Self::Inline(_) => None,
        }
    }
}

/// A file to be projected.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Projection {
    /// Where, relative to the root of the view, without `.` and `..`.
    pub path: PathBuf,
    /// The bytes.
    pub source: ProjectedBytes,
    /// Permission bits, `st_mode & 07777`.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}
