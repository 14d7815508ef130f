//! The seam at which tests make the disk fail.

use std::io;

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
