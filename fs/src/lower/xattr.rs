//! Extended attributes of what a descriptor stands for (`xattr(7)`).

use std::ffi::{CStr, CString, OsStr};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use nix::errno::Errno;

use super::place::descriptor_path;

/// The value of an attribute, at most `room` bytes; with no room, only its
/// length counts and as many zeroes are returned.
pub(crate) fn get_xattr(fd: &OwnedFd, name: &OsStr, room: usize) -> nix::Result<Vec<u8>> {
    let (path, name) = (path_of(fd)?, text(name)?);
    let mut value = vec![0; room];
    // SAFETY: both strings end with NUL, and `value` has `room` writable bytes.
    let length =
        unsafe { libc::getxattr(path.as_ptr(), name.as_ptr(), value.as_mut_ptr().cast(), room) };
    value.resize(length_of(length)?, 0);
    Ok(value)
}

/// Whether a directory has an attribute.
pub(crate) fn directory_has(directory: &OwnedFd, name: &CStr) -> bool {
    match length_in(directory, name) {
        // Some containers refuse what they do not know in the second way.
        Err(Errno::ENOSYS | Errno::EPERM) => {
            get_xattr(directory, OsStr::from_bytes(name.to_bytes()), 0).is_ok()
        }
        length => length.is_ok(),
    }
}

/// `getxattrat(2)`, since Linux 6.13, which takes a directory that is open as `O_PATH`:
/// in half the time of the way by its link.
fn length_in(directory: &OwnedFd, name: &CStr) -> nix::Result<usize> {
    const GETXATTRAT: libc::c_long = 464;
    /// `struct xattr_args` of `linux/xattr.h`: address and length of the room, flags.
    const NO_ROOM: [u64; 2] = [0, 0];
    // SAFETY: the strings end with NUL; the structure has the size that is told, and
    // names no memory.
    let length = unsafe {
        libc::syscall(
            GETXATTRAT,
            directory.as_raw_fd(),
            c".".as_ptr(),
            0,
            name.as_ptr(),
            NO_ROOM.as_ptr(),
            size_of_val(&NO_ROOM),
        )
    };
    length_of(length as isize)
}

/// The names of all attributes, each ended by NUL, under the same rule.
pub(crate) fn list_xattr(fd: &OwnedFd, room: usize) -> nix::Result<Vec<u8>> {
    let path = path_of(fd)?;
    let mut names = vec![0_u8; room];
    // SAFETY: the path ends with NUL, and `names` has `room` writable bytes.
    let length = unsafe { libc::listxattr(path.as_ptr(), names.as_mut_ptr().cast(), room) };
    names.resize(length_of(length)?, 0);
    Ok(names)
}

/// Sets an attribute; `flags` as in `setxattr(2)`.
pub(crate) fn set_xattr(fd: &OwnedFd, name: &OsStr, value: &[u8], flags: i32) -> nix::Result<()> {
    let (path, name) = (path_of(fd)?, text(name)?);
    // SAFETY: both strings end with NUL, and `value` has as many bytes as it says.
    let result = unsafe {
        libc::setxattr(path.as_ptr(), name.as_ptr(), value.as_ptr().cast(), value.len(), flags)
    };
    Errno::result(result).map(drop)
}

/// Removes an attribute.
pub(crate) fn remove_xattr(fd: &OwnedFd, name: &OsStr) -> nix::Result<()> {
    let (path, name) = (path_of(fd)?, text(name)?);
    // SAFETY: both strings end with NUL.
    let result = unsafe { libc::removexattr(path.as_ptr(), name.as_ptr()) };
    Errno::result(result).map(drop)
}

/// `O_PATH` descriptors refuse the calls that take a descriptor, so the way is
/// by the link in `/proc/self/fd`, which leads to the very file.
fn path_of(fd: &OwnedFd) -> nix::Result<CString> {
    CString::new(descriptor_path(fd.as_fd()).into_os_string().into_vec()).map_err(|_| Errno::EINVAL)
}

fn text(name: &OsStr) -> nix::Result<CString> {
    CString::new(name.as_bytes()).map_err(|_| Errno::EINVAL)
}

fn length_of(result: isize) -> nix::Result<usize> {
    usize::try_from(Errno::result(result)?).map_err(|_| Errno::EIO)
}
