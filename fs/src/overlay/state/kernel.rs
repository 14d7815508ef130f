use std::ffi::OsString;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Weak};

use nix::errno::Errno;

use super::attributes::NodeId;

/// What the overlay asks of the kernel interface that serves it.
pub(crate) trait Kernel: Send + Sync {
    /// Registers a file for passthrough; returns its number.
    ///
    /// # Errors
    /// Where the kernel does not permit or support it.
    fn open_backing(&self, file: BorrowedFd<'_>) -> io::Result<u32>;

    /// Ends a registration.
    fn close_backing(&self, number: u32);

    /// Makes the kernel forget what it has cached. Waits for operations of
    /// other processes on the directory concerned, so never to be called by a
    /// thread that such an operation waits for.
    fn invalidate(&self, what: &Invalidation);
}

/// What the kernel has to forget.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Invalidation {
    /// What a name leads to.
    Entry {
        /// The directory.
        directory: NodeId,
        /// The name.
        name: OsString,
    },
    /// The attributes and the listing of a directory.
    Listing(NodeId),
    /// The attributes and the content of a file.
    Content(NodeId),
    /// The attributes of a file.
    Attributes(NodeId),
}

/// A file registered for passthrough.
#[derive(Debug)]
pub(crate) struct Backing {
    number: u32,
    kernel: Weak<dyn Kernel>,
}

impl Backing {
    /// Registers `file`.
    pub(crate) fn open(kernel: &Arc<dyn Kernel>, file: BorrowedFd<'_>) -> io::Result<Self> {
        let number = kernel.open_backing(file)?;
        Ok(Self { number, kernel: Arc::downgrade(kernel) })
    }

    /// The number by which the kernel knows it.
    pub(crate) fn number(&self) -> u32 {
        self.number
    }
}

impl Drop for Backing {
    fn drop(&mut self) {
        if let Some(kernel) = self.kernel.upgrade() {
            kernel.close_backing(self.number);
        }
    }
}

impl std::fmt::Debug for dyn Kernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Kernel")
    }
}

/// Why an operation is refused, and what the kernel has to forget before the
/// caller hears of it.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// The error.
    pub(crate) errno: Errno,
    /// What is not true any more.
    pub(crate) stale: Vec<Invalidation>,
}

impl From<Errno> for Refusal {
    fn from(errno: Errno) -> Self {
        Self { errno, stale: Vec::new() }
    }
}
