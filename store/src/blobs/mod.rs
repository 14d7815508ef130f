//! Immutable bytes named by their digest.

mod pins;
mod staged;

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;

use zccache_core::{Digest, Identity};

use crate::StoreError;
use crate::cache::Cache;
use crate::disk::{self, Disk};
use crate::limits;

pub use self::pins::Pin;
use self::pins::Pins;
pub use self::staged::Staged;
use self::staged::Temporary;

/// An open blob whose bytes were compared with its name.
#[derive(Debug)]
pub struct Blob {
    /// The file, open for reading only, positioned at its start.
    pub file: OwnedFd,
    /// Its length in bytes.
    pub length: u64,
}

/// The blobs of a store.
pub(crate) struct Blobs {
    disk: Arc<Disk>,
    pins: Arc<Pins>,
    /// The identity under which a blob was found intact.
    verified: Cache<Digest, Identity>,
    read_only: bool,
}

impl Blobs {
    pub(crate) fn new(disk: Arc<Disk>, read_only: bool) -> Self {
        let verified = Cache::new(limits::VERIFIED_BLOBS);
        Self { disk, pins: Arc::default(), verified, read_only }
    }

    pub(crate) fn pin(&self, digest: Digest) -> Pin {
        self.pins.pin(digest)
    }

    pub(crate) fn is_pinned(&self, digest: &Digest) -> bool {
        self.pins.is_pinned(digest)
    }

    /// Opens a blob, comparing its bytes with its name unless that was done
    /// since the file last changed. A damaged blob is removed.
    pub(crate) fn open(&self, digest: &Digest) -> Result<Blob, StoreError> {
        let (file, identity) = self.look(digest)?;
        if self.verified.get(digest) != Some(identity) {
            self.compare(digest, &file, identity)?;
        }
        Ok(Blob { file: file.into(), length: identity.size })
    }

    /// Compares the bytes of a blob with its name, whatever is known about it,
    /// and leaves it where it is. Returns its length.
    pub(crate) fn verify(&self, digest: &Digest) -> Result<u64, StoreError> {
        let (file, identity) = self.look(digest)?;
        match self.is_intact(digest, &file, identity)? {
            true => Ok(identity.size),
            false => Err(StoreError::Damaged(*digest)),
        }
    }

    /// Copies a file to where it can become a blob; see [`crate::Store::stage`].
    pub(crate) fn stage(
        self: &Arc<Self>,
        source: BorrowedFd<'_>,
        length: u64,
        lacks_room: impl FnOnce() -> bool,
    ) -> Result<Staged, StoreError> {
        if self.read_only {
            return Err(StoreError::ReadOnly);
        }
        let failed = |action| StoreError::io(action, self.disk.root());
        let source = source.try_clone_to_owned().map_err(failed("stage a file in"))?;
        let source = File::from(source);
        if source.metadata().map_err(failed("stage a file in"))?.len() != length {
            return Err(StoreError::Changed);
        }
        let digest = disk::hash(&source, length).map_err(changed_or("hash a file for", self))?;
        if let Some(staged) = self.adopt(digest, length) {
            return Ok(staged);
        }
        if lacks_room() {
            return Err(StoreError::NoRoom(self.disk.root().to_owned()));
        }
        self.copy(&source, length)
    }

    /// Makes a staged blob durable but for the name of its file, which waits for
    /// its directory to be synchronised.
    pub(crate) fn place(&self, staged: &mut Staged) -> Result<(), StoreError> {
        let digest = staged.digest;
        let outcome = match staged.copy.take() {
            Some(copy) if self.open(&digest).is_err() => self.rename(&digest, copy),
            _ => self.disk.open_blob(&digest).and_then(|file| self.disk.sync(&file)),
        };
        outcome.map_err(|error| self.blob_error(&digest, error))
    }

    /// Removes a blob unless it is pinned. True when it is gone.
    pub(crate) fn remove(&self, digest: &Digest) -> Result<bool, StoreError> {
        let removed = self.pins.unless_pinned(*digest, || self.disk.remove_blob(digest));
        self.verified.remove(digest);
        removed.transpose().map_err(|error| self.blob_error(digest, error)).map(|r| r.is_some())
    }

    /// Removes a blob that is damaged, pinned or not.
    pub(crate) fn discard(&self, digest: &Digest) -> Result<bool, StoreError> {
        self.verified.remove(digest);
        self.disk.remove_blob(digest).map_err(|error| self.blob_error(digest, error))
    }

    /// A staged blob without a file of its own, if the store has the blob already.
    fn adopt(&self, digest: Digest, length: u64) -> Option<Staged> {
        let pin = self.pin(digest);
        let blob = self.open(&digest).ok()?;
        (blob.length == length).then_some(Staged { digest, length, copy: None, _pin: pin })
    }

    fn copy(&self, source: &File, length: u64) -> Result<Staged, StoreError> {
        let created = Temporary::create(Arc::clone(&self.disk));
        let (temporary, file) = created.map_err(StoreError::io("write to", self.disk.root()))?;
        let filled = self.disk.fill(source, &file, length);
        filled.map_err(changed_or("copy a file to", self))?;
        let hashed = hash_all(&file, length).map_err(changed_or("read a file of", self))?;
        let (digest, identity) = hashed;
        if identity.size != length {
            return Err(StoreError::Changed);
        }
        Ok(Staged { digest, length, copy: Some((temporary, identity)), _pin: self.pin(digest) })
    }

    fn rename(&self, digest: &Digest, copy: (Temporary, Identity)) -> io::Result<()> {
        let (temporary, hashed) = copy;
        let file = temporary.reopen()?;
        if disk::identity(&file)? != hashed {
            return Err(io::Error::other("the staged file was changed"));
        }
        self.disk.sync(&file)?;
        self.disk.place(temporary.path(), digest)?;
        temporary.keep();
        // Renaming changes the ctime; nothing else may have changed meanwhile.
        let identity = disk::identity(&file)?;
        if hashed == (Identity { ctime: hashed.ctime, ..identity }) {
            self.verified.insert(*digest, identity, 1);
        }
        Ok(())
    }

    fn look(&self, digest: &Digest) -> Result<(File, Identity), StoreError> {
        let file = self.disk.open_blob(digest).map_err(|error| self.blob_error(digest, error))?;
        let identity = disk::identity(&file).map_err(|error| self.blob_error(digest, error))?;
        Ok((file, identity))
    }

    fn compare(&self, digest: &Digest, file: &File, found: Identity) -> Result<(), StoreError> {
        if self.is_intact(digest, file, found)? {
            self.verified.insert(*digest, found, 1);
            return Ok(());
        }
        tracing::warn!(%digest, "a blob is damaged");
        let same = |(_, now): (File, Identity)| now.inode == found.inode;
        if !self.read_only && self.look(digest).is_ok_and(same) {
            self.discard(digest)?;
        }
        Err(StoreError::Damaged(*digest))
    }

    fn is_intact(&self, digest: &Digest, file: &File, found: Identity) -> Result<bool, StoreError> {
        match hash_all(file, found.size) {
            Ok((hashed, after)) => Ok(hashed == *digest && after == found),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(self.blob_error(digest, error)),
        }
    }

    fn blob_error(&self, digest: &Digest, error: io::Error) -> StoreError {
        match error.kind() {
            ErrorKind::NotFound => StoreError::NotFound(*digest),
            _ => StoreError::io("use a blob of", self.disk.root())(error),
        }
    }
}

/// The digest of a file, and its identity afterwards.
fn hash_all(file: &File, length: u64) -> io::Result<(Digest, Identity)> {
    Ok((disk::hash(file, length)?, disk::identity(file)?))
}

/// A file that ends early has changed since its length was taken.
fn changed_or(action: &'static str, blobs: &Blobs) -> impl FnOnce(io::Error) -> StoreError {
    let root = blobs.disk.root().to_owned();
    move |error| match error.kind() {
        ErrorKind::UnexpectedEof => StoreError::Changed,
        _ => StoreError::io(action, &root)(error),
    }
}
