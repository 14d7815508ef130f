//! The zccache launcher: one request to the daemon, then either the files and
//! streams of a known result, or the compiler itself, run under observation.
//!
//! Nothing here may become the build's trouble: whatever goes wrong on our side
//! ends in running the compiler as if zccache were not there.

pub mod daemon_link;
mod environment;
pub mod launch;
mod mark;
pub mod observe;
mod place;
mod program;
pub mod written;
mod xattr;
