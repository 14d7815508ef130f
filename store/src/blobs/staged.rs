//! Bytes that may become a blob.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use zccache_core::{Digest, Identity};

use super::Pin;
use crate::disk::Disk;

/// Bytes on their way to becoming a blob, made by [`crate::Store::stage`].
/// Dropped before they are published, they leave nothing behind.
pub struct Staged {
    pub(crate) digest: Digest,
    pub(crate) length: u64,
    /// The copy and its identity when it was hashed; none when the store has the
    /// blob already.
    pub(crate) copy: Option<(Temporary, Identity)>,
    pub(crate) _pin: Pin,
}

impl Staged {
    /// Digest of the bytes, and name of the blob.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Length in bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }
}

/// A file that is removed when dropped.
pub(crate) struct Temporary {
    path: PathBuf,
    disk: Arc<Disk>,
}

impl Temporary {
    /// An empty file, and the only descriptor through which it is written.
    pub(crate) fn create(disk: Arc<Disk>) -> io::Result<(Self, File)> {
        let (path, file) = disk.create_staged()?;
        Ok((Self { path, disk }, file))
    }

    /// Opens the file for reading.
    pub(crate) fn reopen(&self) -> io::Result<File> {
        File::open(&self.path)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// It has another name now and is not removed.
    pub(crate) fn keep(mut self) {
        self.path = PathBuf::new();
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.path.as_os_str().is_empty() {
            self.disk.remove_staged(&self.path);
        }
    }
}
