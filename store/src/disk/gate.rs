//! The seam between a store and its machine: where tests make the disk fail and fill
//! up, and time pass.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// A use of the disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// A blob is about to be opened, or bytes of the index to be read.
    Read,
    /// A file or directory is about to be created.
    Create,
    /// The bytes of a file are about to be copied.
    Copy,
    /// The bytes of a blob are about to be made durable.
    SyncBlob,
    /// The names of the blobs of a shard are about to be made durable.
    SyncShard,
    /// The names of the shards are about to be made durable.
    SyncShards,
    /// The text in `format` is about to be made durable.
    SyncFormat,
    /// The names in the directory of the store are about to be made durable.
    SyncRoot,
    /// The name of the directory of this format is about to be made durable.
    SyncTop,
    /// A file or directory is about to be renamed.
    Rename,
    /// A file or directory is about to be removed.
    Remove,
    /// Bytes of the index are about to be written.
    WriteIndex,
    /// The index is about to be made durable.
    SyncIndex,
}

/// Asked before each step of a store; an error is taken as the kernel's.
pub type Gate = dyn Fn(Step) -> io::Result<()> + Send + Sync;

/// What a file system holds, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Room {
    /// In all; zero where it does not say.
    pub total: u64,
    /// What its users can still write.
    pub available: u64,
}

/// Tells the room on the file system of a path.
pub type Gauge = dyn Fn(&Path) -> io::Result<Room> + Send + Sync;

/// What a store asks of its machine.
#[derive(Clone)]
pub struct Seam {
    /// Asked before each step.
    pub gate: Arc<Gate>,
    /// Seconds since the beginning of 1970.
    pub now: Arc<dyn Fn() -> u64 + Send + Sync>,
    /// The room on the file system of a path.
    pub room: Arc<Gauge>,
}

impl Default for Seam {
    /// The machine as it is.
    fn default() -> Self {
        Self { gate: Arc::new(|_| Ok(())), now: Arc::new(seconds), room: Arc::new(room) }
    }
}

impl fmt::Debug for Seam {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seam").finish_non_exhaustive()
    }
}

fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn room(path: &Path) -> io::Result<Room> {
    let found = nix::sys::statvfs::statvfs(path)?;
    let bytes = |blocks: u64| blocks.saturating_mul(found.fragment_size());
    Ok(Room { total: bytes(found.blocks()), available: bytes(found.blocks_available()) })
}
