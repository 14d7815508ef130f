//! A thread stopped in a system call: its memory and its descriptors.

use std::fmt::Write as _;
use std::os::fd::RawFd;

use nix::errno::Errno;

/// The memory or the descriptors of a thread cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unreadable;

/// A stopped thread.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tracee(pub libc::pid_t);

/// The kernel reads memory page by page; a string may end just before a page
/// that is not there.
const PAGE: u64 = 4096;

/// Most paths fit into this, so that one call reads them.
const FIRST_READ: usize = 256;

impl Tracee {
    /// Reads `length` bytes, or as many as can be, to the end of `buffer`.
    pub(crate) fn append(self, address: u64, length: usize, buffer: &mut Vec<u8>) -> usize {
        buffer.reserve(length);
        let spare = &mut buffer.spare_capacity_mut()[..length];
        let local = libc::iovec { iov_base: spare.as_mut_ptr().cast(), iov_len: length };
        let remote = libc::iovec { iov_base: address as *mut _, iov_len: length };
        // SAFETY: the local vector is the spare capacity just reserved; the remote
        // one is checked by the kernel.
        let got =
            unsafe { libc::process_vm_readv(self.0, &raw const local, 1, &raw const remote, 1, 0) };
        let got = usize::try_from(got).unwrap_or(0);
        // SAFETY: the kernel has initialised `got` bytes after the old length.
        unsafe { buffer.set_len(buffer.len() + got) };
        got
    }

    /// Reads exactly `length` bytes to the end of `buffer`.
    pub(crate) fn append_all(
        self,
        address: u64,
        length: usize,
        buffer: &mut Vec<u8>,
    ) -> Result<(), Unreadable> {
        if self.append(address, length, buffer) == length { Ok(()) } else { Err(Unreadable) }
    }

    /// Reads the string at `address` to the end of `buffer`, without its NUL.
    /// One longer than `PATH_MAX` is cut there; the kernel refuses it.
    pub(crate) fn append_text(self, address: u64, buffer: &mut Vec<u8>) -> Result<(), Unreadable> {
        let start = buffer.len();
        let mut step = FIRST_READ;
        loop {
            let at = address + (buffer.len() - start) as u64;
            let to_page_end = (PAGE - at % PAGE) as usize;
            let read_from = buffer.len();
            let got = self.append(at, step.min(to_page_end), buffer);
            if got == 0 {
                return Err(Unreadable);
            }
            if let Some(end) = buffer[read_from..].iter().position(|&byte| byte == 0) {
                buffer.truncate(read_from + end);
                return Ok(());
            }
            if buffer.len() - start >= libc::PATH_MAX as usize {
                return Ok(());
            }
            step = PAGE as usize;
        }
    }

    /// Appends the working directory of the thread.
    pub(crate) fn append_directory(self, buffer: &mut Vec<u8>) -> Result<(), Unreadable> {
        self.append_link(format_args!("cwd"), buffer)
    }

    /// Appends what a descriptor of the thread refers to, as `/proc` names it.
    pub(crate) fn append_descriptor(
        self,
        fd: RawFd,
        buffer: &mut Vec<u8>,
    ) -> Result<(), Unreadable> {
        self.append_link(format_args!("fd/{fd}"), buffer)
    }

    /// Appends the path of the program that the thread runs.
    pub(crate) fn append_program(self, buffer: &mut Vec<u8>) -> Result<(), Unreadable> {
        self.append_link(format_args!("exe"), buffer)
    }

    fn append_link(
        self,
        name: std::fmt::Arguments<'_>,
        buffer: &mut Vec<u8>,
    ) -> Result<(), Unreadable> {
        let path = ProcPath::new(self.0, name);
        let size = libc::PATH_MAX as usize;
        buffer.reserve(size);
        let spare = buffer.spare_capacity_mut();
        // SAFETY: the path ends in NUL and the buffer has room for `size` bytes.
        let got = unsafe { libc::readlink(path.as_ptr(), spare.as_mut_ptr().cast(), size) };
        let got = usize::try_from(got).map_err(|_| Unreadable)?;
        // SAFETY: the kernel has initialised `got` bytes after the old length.
        unsafe { buffer.set_len(buffer.len() + got) };
        Ok(())
    }

    /// Whether descriptor `theirs` of the thread is the open file that
    /// descriptor `ours` of this process is.
    ///
    /// Containers may refuse `kcmp(2)`; then the same pipe, terminal or regular file
    /// is taken for the same open file. A device such as `/dev/null` is not: tools
    /// open it themselves.
    pub(crate) fn shares(self, theirs: RawFd, ours: RawFd) -> Result<bool, Unreadable> {
        const KCMP_FILE: libc::c_int = 0;
        let us = std::process::id();
        // SAFETY: takes and returns plain integers.
        let order = unsafe { libc::syscall(libc::SYS_kcmp, us, self.0, KCMP_FILE, ours, theirs) };
        match order {
            0 => Ok(true),
            1.. => Ok(false),
            _ => match Errno::last() {
                Errno::EBADF => Ok(false),
                Errno::EPERM | Errno::ENOSYS => self.shows_same_file(theirs, ours),
                _ => Err(Unreadable),
            },
        }
    }

    fn shows_same_file(self, theirs: RawFd, ours: RawFd) -> Result<bool, Unreadable> {
        let path = ProcPath::new(self.0, format_args!("fd/{theirs}"));
        let theirs = match nix::sys::stat::stat(path.as_c_str()) {
            Ok(stat) => stat,
            Err(Errno::ENOENT) => return Ok(false),
            Err(_) => return Err(Unreadable),
        };
        // SAFETY: only looks at the descriptor; descriptors 1 and 2 are the caller's and open.
        let ours = unsafe { std::os::fd::BorrowedFd::borrow_raw(ours) };
        let stat = nix::sys::stat::fstat(ours).map_err(|_| Unreadable)?;
        if (theirs.st_dev, theirs.st_ino) != (stat.st_dev, stat.st_ino) {
            return Ok(false);
        }
        let device = stat.st_mode & libc::S_IFMT == libc::S_IFCHR;
        if device && !nix::unistd::isatty(ours).unwrap_or(false) {
            Err(Unreadable)
        } else {
            Ok(true)
        }
    }
}

/// Whether `/proc` shows processes by the numbers that they have here: it does not where one of
/// another PID namespace is mounted (`pid_namespaces(7)`).
pub(crate) fn are_shown() -> bool {
    let shown = std::fs::read_link("/proc/self");
    shown.is_ok_and(|number| number.as_os_str() == &*std::process::id().to_string())
}

/// `/proc/<thread>/<name>`, on the stack.
struct ProcPath {
    bytes: [u8; 48],
    length: usize,
}

impl ProcPath {
    fn new(thread: libc::pid_t, name: std::fmt::Arguments<'_>) -> Self {
        let mut path = Self { bytes: [0; 48], length: 0 };
        let fits = write!(path, "/proc/{thread}/{name}");
        debug_assert!(fits.is_ok());
        path
    }

    fn as_c_str(&self) -> &std::ffi::CStr {
        std::ffi::CStr::from_bytes_until_nul(&self.bytes).unwrap_or(c"")
    }

    fn as_ptr(&self) -> *const libc::c_char {
        self.as_c_str().as_ptr()
    }
}

impl std::fmt::Write for ProcPath {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let end = self.length + text.len();
        // The last byte stays NUL.
        let room = self.bytes.len() - 1;
        let place = self.bytes[..room].get_mut(self.length..end).ok_or(std::fmt::Error)?;
        place.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}
