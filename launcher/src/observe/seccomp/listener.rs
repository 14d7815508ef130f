//! The descriptor on which stopped system calls arrive and are let go on.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// `SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP` (Linux 6.6): the two sides hand the
/// processor to each other instead of waking another one.
const SYNC_WAKE_UP: u64 = 1;

/// A stopped system call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Notification {
    /// Its name on the listener.
    pub id: u64,
    /// The calling thread, in our process namespace; zero if it is not in it.
    pub thread: libc::pid_t,
    /// The ABI, as `AUDIT_ARCH_*`.
    pub abi: u32,
    /// The number of the call.
    pub number: libc::c_int,
    /// Its arguments.
    pub arguments: [u64; 6],
}

/// The listener of a filter.
pub(crate) struct Listener(OwnedFd);

impl Listener {
    /// Takes over the listener with the number `fd`.
    ///
    /// # Safety
    /// `fd` is a seccomp listener that nobody else in this process owns.
    pub(crate) unsafe fn from_raw(fd: RawFd) -> Self {
        // SAFETY: the caller vouches for the descriptor.
        Self(unsafe { OwnedFd::from_raw_fd(fd) })
    }

    /// Asks for synchronous wake-ups; kernels that lack them are merely slower.
    pub(crate) fn wake_synchronously(&self) {
        // SAFETY: the listener is open; this request takes its flags by value.
        unsafe {
            libc::ioctl(self.0.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SET_FLAGS, SYNC_WAKE_UP)
        };
    }

    /// Receives a stopped call. `None` when its caller is gone meanwhile.
    ///
    /// # Errors
    /// As `ioctl(2)` with `SECCOMP_IOCTL_NOTIF_RECV`.
    pub(crate) fn receive(&self) -> io::Result<Option<Notification>> {
        let mut raw = MaybeUninit::<libc::seccomp_notif>::zeroed();
        let fd = self.0.as_raw_fd();
        // SAFETY: the request fills one zeroed `seccomp_notif`, which is what it is given.
        if unsafe { libc::ioctl(fd, libc::SECCOMP_IOCTL_NOTIF_RECV, raw.as_mut_ptr()) } < 0 {
            let error = io::Error::last_os_error();
            return match error.raw_os_error() {
                Some(libc::ENOENT | libc::EINTR) => Ok(None),
                _ => Err(error),
            };
        }
        // SAFETY: plain integers, zeroed and then filled by the kernel.
        let raw = unsafe { raw.assume_init() };
        Ok(Some(Notification {
            id: raw.id,
            thread: raw.pid.cast_signed(),
            abi: raw.data.arch,
            number: raw.data.nr,
            arguments: raw.data.args,
        }))
    }

    /// Lets the call `id` go on as if nobody had looked. A caller that was killed
    /// meanwhile needs no answer.
    pub(crate) fn resume(&self, id: u64) {
        let mut answer = libc::seccomp_notif_resp {
            id,
            val: 0,
            error: 0,
            flags: libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32,
        };
        let fd = self.0.as_raw_fd();
        // SAFETY: the request reads one `seccomp_notif_resp`, which is what it is given.
        unsafe { libc::ioctl(fd, libc::SECCOMP_IOCTL_NOTIF_SEND, &raw mut answer) };
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
