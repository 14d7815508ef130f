//! Extended attributes (`xattr(7)`) that decide whether a file can be put in place as
//! a compiler would have.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use zccache_core::identity::has_own_attributes;

/// Most bytes of names that are looked at; whoever has more has some.
const NAMES: usize = 4096;

/// Whether a directory gives its files an access control list, by which their modes go
/// instead of the umask (`acl(5)`, "Object creation and default ACLs").
pub(crate) fn decides_modes(directory: &Path) -> bool {
    let name = c"system.posix_acl_default";
    let Ok(path) = CString::new(directory.as_os_str().as_bytes()) else { return true };
    // SAFETY: both strings end with NUL; no room is given for the value.
    let length = unsafe { libc::lgetxattr(path.as_ptr(), name.as_ptr(), std::ptr::null_mut(), 0) };
    length >= 0
}

/// Whether a file has attributes that it would lose to another in its place.
pub(crate) fn has_own(file: &Path) -> bool {
    let Ok(path) = CString::new(file.as_os_str().as_bytes()) else { return true };
    let mut names = [0u8; NAMES];
    // SAFETY: the path ends with NUL, and `names` has as many bytes as it says.
    let length = unsafe { libc::llistxattr(path.as_ptr(), names.as_mut_ptr().cast(), NAMES) };
    let error = std::io::Error::last_os_error();
    match usize::try_from(length) {
        Ok(length) => has_own_attributes(&names[..length]),
        Err(_) => error.raw_os_error() == Some(libc::ERANGE),
    }
}
