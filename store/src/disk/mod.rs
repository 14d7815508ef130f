//! Every access to the file system, in one place.

mod copy;
mod directory;
mod gate;
mod index_file;
mod others;

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use zccache_core::{Digest, Identity, Stamp};

pub(crate) use copy::{copy, hash};
pub use directory::FORMAT_DIRECTORY;
pub use gate::{Gate, Gauge, Room, Seam, Step};
pub(crate) use index_file::IndexFile;

use crate::StoreError;

/// Number of directories that blobs are spread over, by their first byte.
pub(crate) const SHARDS: usize = 256;

const PRIVATE_DIRECTORY: u32 = 0o700;
const PRIVATE_FILE: u32 = 0o600;
const BLOB: u32 = 0o400;

/// The directory of a store, held by a lock.
pub(crate) struct Disk {
    /// What stores of all formats share.
    top: PathBuf,
    root: PathBuf,
    seam: Seam,
    staged: AtomicU64,
    /// Absent only on a read-only store that was never written.
    _lock: Option<File>,
}

impl Disk {
    /// Checks, locks and prepares the directory of a store.
    pub(crate) fn open(directory: &Path, read_only: bool, seam: Seam) -> Result<Self, StoreError> {
        let (top, lock) = directory::open(directory, read_only, &*seam.gate)?;
        let root = top.join(FORMAT_DIRECTORY);
        Ok(Self { top, root, seam, staged: AtomicU64::new(0), _lock: lock })
    }

    /// Seconds since the beginning of 1970.
    pub(crate) fn now(&self) -> u64 {
        (self.seam.now)()
    }

    /// The room on the file system of the store; none where it does not say.
    pub(crate) fn room(&self) -> Option<Room> {
        (self.seam.room)(&self.top).ok().filter(|room| room.total > 0)
    }

    /// Removes the stores of other formats that were not written since a time in
    /// seconds; with none, all.
    pub(crate) fn remove_others(&self, unless_since: Option<u64>) -> io::Result<()> {
        others::remove(&self.top, unless_since, &*self.seam.gate)
    }

    /// The directory of the store, in this format.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Opens a blob for reading. A symbolic link is not a blob.
    pub(crate) fn open_blob(&self, digest: &Digest) -> io::Result<File> {
        (self.seam.gate)(Step::Read)?;
        let mut options = OpenOptions::new();
        let file = options.read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
        let file = file.open(self.blob(digest))?;
        let regular = file.metadata()?.is_file();
        if regular { Ok(file) } else { Err(ErrorKind::NotFound.into()) }
    }

    /// Creates an empty file that becomes a blob, readable by its owner only.
    pub(crate) fn create_staged(&self) -> io::Result<(PathBuf, File)> {
        (self.seam.gate)(Step::Create)?;
        let number = self.staged.fetch_add(1, Ordering::Relaxed);
        let path = self.root.join(directory::STAGING).join(number.to_string());
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(BLOB);
        let file = match options.open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.mend()?;
                options.open(&path)?
            }
            other => other?,
        };
        Ok((path, file))
    }

    /// Fills a staged file with the content of `source`.
    pub(crate) fn fill(&self, source: &File, staged: &File, length: u64) -> io::Result<()> {
        (self.seam.gate)(Step::Copy)?;
        copy(source, staged, length)
    }

    /// Makes anew what of the directory somebody has removed, so that it is as after
    /// opening. The index is a matter of who has it open.
    pub(crate) fn mend(&self) -> io::Result<()> {
        if directory::is_whole(&self.root) {
            return Ok(());
        }
        tracing::warn!(store = %self.root.display(), "something has removed parts of the store");
        directory::make(&self.root, &*self.seam.gate)
    }

    /// Which file now is the index.
    pub(crate) fn index_place(&self) -> Option<(u64, u64)> {
        let found = fs::symlink_metadata(self.root.join(directory::INDEX)).ok()?;
        Some((found.dev(), found.ino()))
    }

    /// Makes the bytes of a file durable.
    pub(crate) fn sync(&self, file: &File) -> io::Result<()> {
        (self.seam.gate)(Step::SyncBlob)?;
        file.sync_data()
    }

    /// Gives a staged file the name of its content.
    pub(crate) fn place(&self, staged: &Path, digest: &Digest) -> io::Result<()> {
        let blob = self.blob(digest);
        if let Some(shard) = blob.parent()
            && !shard.is_dir()
        {
            (self.seam.gate)(Step::Create)?;
            make_private(shard)?;
            sync_directory(&*self.seam.gate, Step::SyncShards, &self.root.join(directory::BLOBS))?;
        }
        (self.seam.gate)(Step::Rename)?;
        fs::rename(staged, blob)
    }

    /// Makes the names of a shard durable.
    pub(crate) fn sync_shard(&self, shard: u8) -> io::Result<()> {
        sync_directory(&*self.seam.gate, Step::SyncShard, &self.shard(shard))
    }

    /// Removes a blob. True if there was one.
    pub(crate) fn remove_blob(&self, digest: &Digest) -> io::Result<bool> {
        (self.seam.gate)(Step::Remove)?;
        existed(fs::remove_file(self.blob(digest)))
    }

    /// Removes a staged file that is not wanted.
    pub(crate) fn remove_staged(&self, path: &Path) {
        let removed = (self.seam.gate)(Step::Remove).and_then(|()| existed(fs::remove_file(path)));
        if let Err(error) = removed {
            tracing::warn!(path = %path.display(), %error, "cannot remove a staged file");
        }
    }

    /// The blobs of a shard, in no order; files with other names are left out.
    pub(crate) fn blobs_of(&self, shard: u8) -> io::Result<Vec<Digest>> {
        let listing = match fs::read_dir(self.shard(shard)) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            other => other?,
        };
        let names = listing.map(|entry| Ok(entry?.file_name()));
        let names: io::Result<Vec<_>> = names.collect();
        Ok(names?.iter().filter_map(|name| name.to_str()?.parse().ok()).collect())
    }

    /// Opens the file of the index; none if it does not exist and may not be created.
    pub(crate) fn open_index(&self, read_only: bool) -> io::Result<Option<IndexFile>> {
        (self.seam.gate)(if read_only { Step::Read } else { Step::Create })?;
        let mut options = OpenOptions::new();
        options.read(true).write(!read_only).create(!read_only).mode(PRIVATE_FILE);
        match options.open(self.root.join(directory::INDEX)) {
            Ok(file) => Ok(Some(IndexFile::new(file, Arc::clone(&self.seam.gate)))),
            Err(error) if read_only && error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes the name of the index durable.
    pub(crate) fn sync_root(&self) -> io::Result<()> {
        sync_directory(&*self.seam.gate, Step::SyncRoot, &self.root)
    }

    /// Keeps a damaged index for inspection, in place of what was kept before.
    pub(crate) fn set_aside_index(&self) -> io::Result<()> {
        directory::set_aside(&self.root, &[directory::INDEX], &*self.seam.gate)
    }

    /// Notes that blobs may come to be that no row names.
    pub(crate) fn mark_unclean(&self) -> io::Result<()> {
        (self.seam.gate)(Step::Create)?;
        let path = self.root.join(directory::UNCLEAN);
        OpenOptions::new().create(true).append(true).mode(PRIVATE_FILE).open(path)?;
        self.sync_root()
    }

    /// Whether such a note was left behind.
    pub(crate) fn is_unclean(&self) -> bool {
        self.root.join(directory::UNCLEAN).exists()
    }

    /// Takes the note back.
    pub(crate) fn mark_clean(&self) -> io::Result<()> {
        (self.seam.gate)(Step::Remove)?;
        existed(fs::remove_file(self.root.join(directory::UNCLEAN))).map(|_| ())
    }

    fn blob(&self, digest: &Digest) -> PathBuf {
        self.shard(digest.as_bytes()[0]).join(digest.to_string())
    }

    fn shard(&self, shard: u8) -> PathBuf {
        self.root.join(directory::BLOBS).join(format!("{shard:02x}"))
    }
}

fn sync_directory(gate: &Gate, step: Step, path: &Path) -> io::Result<()> {
    gate(step)?;
    File::open(path)?.sync_all()
}

/// The identity of an open file.
pub(crate) fn identity(file: &File) -> io::Result<Identity> {
    let metadata = file.metadata()?;
    let stamp = |seconds, nanos| Stamp { seconds, nanos: u32::try_from(nanos).unwrap_or(0) };
    Ok(Identity {
        device: metadata.dev(),
        inode: metadata.ino(),
        size: metadata.size(),
        mtime: stamp(metadata.mtime(), metadata.mtime_nsec()),
        ctime: stamp(metadata.ctime(), metadata.ctime_nsec()),
    })
}

fn make_private(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(PRIVATE_DIRECTORY).create(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

/// True if something was removed, false if there was nothing to remove.
fn existed(outcome: io::Result<()>) -> io::Result<bool> {
    match outcome {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
