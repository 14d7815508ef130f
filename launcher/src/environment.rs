//! The environment of this process, exactly as it was given.

use std::ffi::CStr;

use libc::c_char;

unsafe extern "C" {
    static environ: *const *const c_char;
}

/// The environment as `execve(2)` takes it.
pub(crate) fn pointer() -> *const *const c_char {
    // SAFETY: `environ` is only changed by functions that the launcher does not call.
    unsafe { environ }
}

/// Each entry, in order, well-formed or not.
pub(crate) fn entries() -> impl Iterator<Item = &'static CStr> {
    let mut next = pointer();
    std::iter::from_fn(move || {
        if next.is_null() {
            return None;
        }
        // SAFETY: the array ends in null, at which this iterator stops.
        let entry = unsafe { *next };
        if entry.is_null() {
            return None;
        }
        // SAFETY: not the end yet, so one past it is within the array.
        next = unsafe { next.add(1) };
        // SAFETY: entries are strings that live as long as the process.
        Some(unsafe { CStr::from_ptr(entry) })
    })
}

/// The value of a variable; the first one, as `getenv(3)` tells it.
pub(crate) fn variable(name: &CStr) -> Option<&'static [u8]> {
    entries().find_map(|entry| entry.to_bytes().strip_prefix(name.to_bytes())?.strip_prefix(b"="))
}
