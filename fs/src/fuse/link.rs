use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use fuser::{BackingId, INodeNo, Notifier};
use nix::errno::Errno;

use crate::overlay::{Invalidation, Kernel};

/// The way to the kernel beside the answers to its requests.
pub(super) struct FuseLink {
    device: OwnedFd,
    notifier: Notifier,
}

nix::ioctl_write_ptr!(
    /// `FUSE_DEV_IOC_BACKING_CLOSE` of `linux/fuse.h`.
    fuse_backing_close,
    229,
    2,
    u32
);

/// No file has this name: it is longer than a name can be.
const NO_NAME: &[u8] = &[b'-'; 256];

impl FuseLink {
    /// The link of a session, with the descriptor it is served on.
    pub(super) fn new(device: BorrowedFd<'_>, notifier: Notifier) -> io::Result<Self> {
        Ok(Self { device: device.try_clone_to_owned()?, notifier })
    }

    fn listing(&self, directory: INodeNo) -> io::Result<()> {
        // A listing on its way is cached when it arrives, and only then can be
        // dropped. To invalidate an entry, any entry, waits for it.
        let _barrier = self.notifier.inval_entry(directory, OsStr::from_bytes(NO_NAME));
        self.notifier.inval_inode(directory, 0, 0)
    }
}

impl Kernel for FuseLink {
    fn open_backing(&self, file: BorrowedFd<'_>) -> io::Result<u32> {
        BackingId::create_raw(&self.device, file)
    }

    fn close_backing(&self, number: u32) {
        // SAFETY: the descriptor is open while `self` owns it, and the kernel
        // reads the number, which outlives the call.
        if let Err(errno) = unsafe { fuse_backing_close(self.device.as_fd().as_raw_fd(), &number) }
            && errno != Errno::EPERM
        {
            tracing::warn!(%errno, number, "a backing file stays registered");
        }
    }

    fn invalidate(&self, what: &Invalidation) {
        let result = match what {
            Invalidation::Entry { directory, name } => {
                self.notifier.inval_entry(INodeNo(directory.0), name)
            }
            Invalidation::Listing(directory) => self.listing(INodeNo(directory.0)),
            Invalidation::Content(node) => self.notifier.inval_inode(INodeNo(node.0), 0, 0),
            Invalidation::Attributes(node) => self.notifier.inval_inode(INodeNo(node.0), -1, 0),
        };
        if let Err(error) = result {
            tracing::debug!(%error, ?what, "the kernel did not forget");
        }
    }
}
