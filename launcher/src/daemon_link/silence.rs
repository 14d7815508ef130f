//! A daemon that hangs costs a build its patience once, not with every compile.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use zccache_core::protocol::Request;
use zccache_core::{limits, settings};

use super::{Connection, LinkError};

/// Whether the daemon of a home has been found silent and still is there. One that
/// lives takes the note back, one that has died has left its lock.
#[must_use]
pub fn is_noted(home: &Path) -> bool {
    let note = settings::silence_path(home);
    if nix::sys::stat::lstat(&note).is_err() {
        return false;
    }
    let lock = File::open(home.join(settings::LOCK));
    let held = lock.is_ok_and(|lock| lock.try_lock_shared().is_err());
    if !held {
        // Whoever cannot remove it finds the lock free as well.
        let _removed = fs::remove_file(note);
    }
    held
}

/// Notes that a daemon is silent, unless it was one request alone that it did not
/// answer in time.
pub fn suspect(home: &Path) {
    if answers(home).is_err() {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let flags = libc::O_CLOEXEC | libc::O_NOFOLLOW;
        // Where nothing can be noted, every compile finds out anew.
        let _noted = options.custom_flags(flags).open(settings::silence_path(home));
    }
}

fn answers(home: &Path) -> Result<(), LinkError> {
    let mut connection = Connection::open_within(home, limits::PROBE_WITHIN)?;
    connection.send(&Request::Status, &[])?;
    connection.receive().map(drop)
}
