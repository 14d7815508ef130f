//! `zccache-launch COMPILER ARGUMENT...`: serves a compile from the cache or runs it.

#![no_main]

use std::ffi::CStr;

use dlmalloc::GlobalDlmalloc;

/// It asks the kernel for memory once, where musl's asks for some pages, again and again,
/// and gives them back when the process ends anyway.
#[global_allocator]
static ALLOCATOR: GlobalDlmalloc = GlobalDlmalloc;

/// The entry point of the C library. Rust's own start is left out: it would
/// ignore SIGPIPE and open missing streams, and the compiler would inherit that.
///
/// # Safety
/// `arguments` are `count` strings that live as long as the process.
// SAFETY: this program has no other symbol `main`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn main(
    count: libc::c_int,
    arguments: *const *const libc::c_char,
) -> libc::c_int {
    let count = usize::try_from(count).unwrap_or(0);
    // SAFETY: so the C library calls it. musl tells nobody else, so that `args_os` has none.
    let arguments = unsafe { std::slice::from_raw_parts(arguments, count) };
    let owned = |&argument: &*const libc::c_char| {
        // SAFETY: as above.
        unsafe { CStr::from_ptr(argument) }.to_owned()
    };
    zccache_launcher::launch::launch(arguments.iter().map(owned).collect())
}
