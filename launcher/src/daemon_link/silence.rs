//! A daemon that hangs costs a build its patience once, not with every compile.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use zccache_core::protocol::Request;
use zccache_core::{limits, settings};

use super::{Connection, LinkError};

/// Whether the daemon of a store has been found silent and still is there. One that
/// lives takes the note back, one that has died has left the lock of its store.
#[must_use]
pub fn is_noted(store: &Path) -> bool {
    let note = settings::silence_path(store);
    if nix::sys::stat::lstat(&note).is_err() {
        return false;
    }
    let lock = File::open(store.join(settings::LOCK));
    let held = lock.is_ok_and(|lock| lock.try_lock_shared().is_err());
    if !held {
        // Whoever cannot remove it finds the lock free as well.
        let _removed = fs::remove_file(note);
    }
    held
}

/// Notes that a daemon is silent, unless it was one request alone that it did not
/// answer in time.
pub fn suspect(store: &Path) {
    if answers(store).is_err() {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let flags = libc::O_CLOEXEC | libc::O_NOFOLLOW;
        // Where nothing can be noted, every compile finds out anew.
        let _noted = options.custom_flags(flags).open(settings::silence_path(store));
    }
}

fn answers(store: &Path) -> Result<(), LinkError> {
    let mut connection = Connection::open_within(store, limits::PROBE_WITHIN)?;
    connection.send(&Request::Status, &[])?;
    connection.receive().map(drop)
}
