//! How much is watched.

use std::time::Duration;

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

/// Files kept open because everybody opens them: the libraries of the C compiler and of
/// the shell.
pub(super) const KEPT_OPEN: usize = 32;

/// How often a file has to come to be opened before it is kept open.
pub(super) const OPENED_OFTEN: u8 = 2;

/// How long what has changed, or could not be watched, is left alone.
pub(super) const AGAIN: Duration = Duration::from_secs(2);

/// How long a full memory stays as it is before all is begun anew.
pub(super) const FULL_FOR: Duration = Duration::from_secs(60);

/// Batches of questions that may wait; more are dropped, and asked again some day.
pub(super) const WAITING: usize = 64;

/// How often events are read again for one look, because files were opened meanwhile.
pub(super) const ROUNDS: usize = 4;
