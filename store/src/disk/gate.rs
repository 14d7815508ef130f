//! The seam at which tests make the disk fail.

use std::io;

/// A step that changes the disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// A file or directory is about to be created.
    Create,
    /// The bytes of a file are about to be copied.
    Copy,
    /// A file or directory is about to be made durable.
    Sync,
    /// A file is about to be renamed.
    Rename,
    /// A file is about to be removed.
    Remove,
    /// Bytes of the index are about to be written.
    WriteIndex,
    /// The index is about to be made durable.
    SyncIndex,
}

/// Asked before each step; an error is taken as the kernel's.
pub type Gate = dyn Fn(Step) -> io::Result<()> + Send + Sync;
