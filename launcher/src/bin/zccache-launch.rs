//! `zccache-launch COMPILER ARGUMENT...`: serves a compile from the cache or runs it.

#![no_main]

/// The entry point of the C library. Rust's own start is left out: it would
/// ignore SIGPIPE and open missing streams, and the compiler would inherit that.
// SAFETY: this program has no other symbol `main`.
#[unsafe(no_mangle)]
pub extern "C" fn main(_count: libc::c_int, _arguments: *const *const libc::c_char) -> libc::c_int {
    zccache_launcher::launch::launch()
}
