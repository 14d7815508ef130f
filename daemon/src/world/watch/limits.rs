//! How much is watched.

use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit};

/// Paths remembered, and names watched: some 300 bytes each, 20 MiB in all.
pub(super) const PATHS: usize = 60_000;

/// Files watched. Each keeps its inode in the kernel's memory, some KiB; the kernel
/// allows a user a hundred thousand or so (`fs.inotify.max_user_watches`), which editors
/// want as well.
pub(super) const FILES: usize = 20_000;

/// Directories watched.
pub(super) const DIRECTORIES: usize = 5_000;

/// Facts numbered before all is begun anew: those that hold and those that do not.
pub(super) const FACTS: usize = 1_000_000;

/// Observations that are known to hold: some 150 bytes each.
pub(super) const PROOFS: usize = 50_000;

/// Files kept open because everybody opens them: the libraries of the C compiler and of
/// the shell.
const KEPT_OPEN: usize = 32;

/// How many files are kept open: of the descriptors that there may be, an eighth at most.
pub(super) fn kept_open() -> usize {
    let (allowed, _) = getrlimit(Resource::RLIMIT_NOFILE).unwrap_or_default();
    usize::try_from(allowed / 8).unwrap_or(KEPT_OPEN).min(KEPT_OPEN)
}

/// How many watches there may be: a quarter of those that the kernel allows the user,
/// whose editors need theirs.
pub(super) fn most_watches() -> usize {
    let allowed = std::fs::read_to_string("/proc/sys/fs/inotify/max_user_watches");
    let allowed = allowed.ok().and_then(|text| text.trim().parse::<usize>().ok());
    allowed.map_or(FILES + DIRECTORIES, |allowed| allowed / 4)
}

/// How often a file has to come to be opened before it is kept open.
pub(super) const OPENED_OFTEN: u8 = 2;

/// How long what has changed, or could not be watched, is left alone.
pub(super) const AGAIN: Duration = Duration::from_secs(2);

/// How long after a look it is learnt what was there: when others look for the same, and
/// whoever builds and then unmounts finds no file of ours open.
pub(super) const LATER: Duration = Duration::from_millis(200);

/// How long a full memory stays as it is before all is begun anew.
pub(super) const FULL_FOR: Duration = Duration::from_secs(60);

/// Batches of questions that may wait; more are dropped, and asked again some day.
pub(super) const WAITING: usize = 64;

/// How often events are read again for one look, because files were opened meanwhile.
pub(super) const ROUNDS: usize = 4;
