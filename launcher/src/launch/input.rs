//! Standard input: what it is, and reading it before the compiler does.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::stat::{FileStat, fstat, futimens};
use nix::sys::time::TimeSpec;
use nix::unistd::{Whence, isatty, lseek};
use zccache_core::invocation::Input;
use zccache_core::limits;

/// `st_rdev` of `/dev/null` (Linux, `Documentation/admin-guide/devices.txt`).
const NULL_DEVICE: u64 = libc::makedev(1, 3);

/// What descriptor 0 is.
pub(super) fn kind() -> Input {
    let Ok(stat) = fstat(stdin()) else { return Input::Other };
    let blocks = fcntl(stdin(), FcntlArg::F_GETFL)
        .is_ok_and(|flags| !OFlag::from_bits_retain(flags).contains(OFlag::O_NONBLOCK));
    match stat.st_mode & libc::S_IFMT {
        libc::S_IFCHR if stat.st_rdev == NULL_DEVICE => Input::Null,
        libc::S_IFCHR if isatty(stdin()) == Ok(true) => Input::Terminal,
        libc::S_IFIFO if blocks => Input::Pipe,
        libc::S_IFREG if lseek(stdin(), 0, Whence::SeekCur) == Ok(0) => Input::File,
        _ => Input::Other,
    }
}

/// Reads all of descriptor 0 and leaves there a file with the same bytes and the
/// same time. None if it cannot be read or is too long to be told; the compiler
/// finds all of it all the same.
pub(super) fn read_ahead() -> Option<Input> {
    let stat = fstat(stdin()).ok()?;
    let mut copy = File::from(memfd_create(c"stdin", MFdFlags::MFD_CLOEXEC).ok()?);
    // SAFETY: descriptor 0 is open, see `streams_are_open`; it is not closed here.
    let mut source = ManuallyDrop::new(unsafe { File::from_raw_fd(libc::STDIN_FILENO) });
    if io::copy(&mut *source, &mut copy).is_err() {
        // The compiler shall meet the same trouble from the start.
        let _ = source.seek(SeekFrom::Start(0));
        return None;
    }
    take_place(&mut copy, &stat).ok()
}

/// Puts the copy in the place of what it is a copy of.
fn take_place(copy: &mut File, of: &FileStat) -> io::Result<Input> {
    copy.flush()?;
    let time = TimeSpec::new(of.st_mtime, of.st_mtime_nsec);
    futimens(&*copy, &time, &time)?;
    copy.seek(SeekFrom::Start(0))?;
    // SAFETY: both descriptors are open; number 0 stays in use.
    Errno::result(unsafe { libc::dup2(copy.as_raw_fd(), libc::STDIN_FILENO) })?;
    let length = copy.metadata()?.len();
    if length > limits::INPUT_BYTES as u64 {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let mut bytes = Vec::new();
    copy.read_to_end(&mut bytes)?;
    copy.seek(SeekFrom::Start(0))?;
    Ok(Input::Text { bytes, modified: of.st_mtime })
}

fn stdin() -> BorrowedFd<'static> {
    // SAFETY: descriptor 0 is open, see `streams_are_open`, and never closed.
    unsafe { BorrowedFd::borrow_raw(libc::STDIN_FILENO) }
}
