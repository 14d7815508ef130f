//! What a new child tells its parent, in memory that both have. It writes to no descriptor: under
//! the filter that stops it where the number may be that of a saved stream, and nobody would
//! answer before it has told whom to ask.

use std::io;
use std::num::NonZeroUsize;
use std::os::fd::RawFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicI32, Ordering};

use nix::errno::Errno;
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, munmap};

/// Two words in shared memory.
pub(super) struct Board(NonNull<Words>);

struct Words {
    /// The listener of the filter, in the table of descriptors that both share; or
    /// [`NO_LISTENER`].
    listener: AtomicI32,
    /// Why no candidate could be executed; 0 if one was.
    not_executed: AtomicI32,
}

/// The filter was refused, or the child ended before it had one.
const NO_LISTENER: i32 = -1;

impl Board {
    /// A board on which nothing is written.
    ///
    /// # Errors
    /// As `mmap(2)`.
    pub(super) fn new() -> io::Result<Self> {
        let size = NonZeroUsize::new(size_of::<Words>()).ok_or(Errno::EINVAL)?;
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: new memory, wherever the kernel has room.
        let memory = unsafe { mmap_anonymous(None, size, access, MapFlags::MAP_SHARED) }?;
        let words = memory.cast::<Words>();
        let none = Words { listener: NO_LISTENER.into(), not_executed: 0.into() };
        // SAFETY: a mapping begins at a page, and is as long as a page at least.
        unsafe { words.write(none) };
        Ok(Self(words))
    }

    fn words(&self) -> &Words {
        // SAFETY: written by `new`, and mapped until drop; what changes is atomic.
        unsafe { self.0.as_ref() }
    }

    /// Writes that the filter is installed, and has this listener.
    pub(super) fn announce(&self, listener: RawFd) {
        self.words().listener.store(listener, Ordering::Release);
    }

    /// Writes why no candidate could be executed.
    pub(super) fn give_up(&self, errno: Errno) {
        self.words().not_executed.store(errno as i32, Ordering::Release);
    }

    /// The listener, if there is one.
    pub(super) fn listener(&self) -> Option<RawFd> {
        let listener = self.words().listener.load(Ordering::Acquire);
        (listener != NO_LISTENER).then_some(listener)
    }

    /// Why no candidate could be executed, if so.
    pub(super) fn not_executed(&self) -> Option<Errno> {
        let errno = self.words().not_executed.load(Ordering::Acquire);
        (errno != 0).then(|| Errno::from_raw(errno))
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        // SAFETY: nobody has a reference into the mapping, which is our own.
        let unmapped = unsafe { munmap(self.0.cast(), size_of::<Words>()) };
        debug_assert!(unmapped.is_ok());
    }
}
