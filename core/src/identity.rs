//! Which file a path led to, and in which state, as `stat(2)` tells it.

use nix::sys::time::TimeSpec;
use serde::{Deserialize, Serialize};

/// A file time stamp, as in `struct timespec`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Stamp {
    /// Seconds since the epoch.
    pub seconds: i64,
    /// Nanoseconds within the second.
    pub nanos: u32,
}

impl Stamp {
    /// Nanoseconds since the epoch, saturated far outside any real time.
    #[must_use]
    pub fn as_nanos(self) -> i64 {
        self.seconds.saturating_mul(1_000_000_000).saturating_add(i64::from(self.nanos))
    }
}

impl From<TimeSpec> for Stamp {
    fn from(time: TimeSpec) -> Self {
        Self { seconds: time.tv_sec(), nanos: u32::try_from(time.tv_nsec()).unwrap_or(0) }
    }
}

/// Device, inode, size, mtime and ctime of a file. Equal identities mean equal
/// content, except within the racy window (see [`Identity::is_racy_at`]).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Identity {
    /// `st_dev`; names a view when it is one of ours.
    pub device: u64,
    /// `st_ino`.
    pub inode: u64,
    /// `st_size`, in bytes.
    pub size: u64,
    /// `st_mtim`.
    pub mtime: Stamp,
    /// `st_ctim`, which no program can set back.
    pub ctime: Stamp,
}

impl Identity {
    /// True when the file may have been changed after `observed` without its
    /// identity telling: its last change lies within `granularity` nanoseconds
    /// before the observation, or after it. Git calls such an entry racy
    /// (`Documentation/technical/racy-git.adoc`).
    #[must_use]
    pub fn is_racy_at(&self, observed: Stamp, granularity: i64) -> bool {
        let changed = self.mtime.as_nanos().max(self.ctime.as_nanos());
        observed.as_nanos().saturating_sub(changed) <= granularity
    }
}

impl From<&libc::stat> for Identity {
    fn from(stat: &libc::stat) -> Self {
        let stamp = |seconds, nanos| TimeSpec::new(seconds, nanos).into();
        Self {
            device: stat.st_dev,
            inode: stat.st_ino,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            mtime: stamp(stat.st_mtime, stat.st_mtime_nsec),
            ctime: stamp(stat.st_ctime, stat.st_ctime_nsec),
        }
    }
}

/// By whom a file may be executed: of its mode the three bits for that (`inode(7)`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug, Serialize, Deserialize)]
pub struct ExecuteBits(u32);

impl ExecuteBits {
    const ALL: u32 = 0o111;

    /// Those of a mode.
    #[must_use]
    pub fn of(mode: u32) -> Self {
        Self(mode & Self::ALL)
    }

    /// Whether anybody may.
    #[must_use]
    pub fn is_any(self) -> bool {
        self.0 != 0
    }

    /// A mode with these bits in place of its own.
    #[must_use]
    pub fn within(self, mode: u32) -> u32 {
        mode & !Self::ALL | self.0 & Self::ALL
    }
}

/// Whether a list of names, each with a NUL behind it as `listxattr(2)` gives them, has
/// one that a file would lose to another in its place. Labels of security modules are
/// given to each (`xattr(7)`, "Extended security attributes").
#[must_use]
pub fn has_own_attributes(names: &[u8]) -> bool {
    let mut names = names.split(|&byte| byte == 0);
    names.any(|name| !name.is_empty() && !name.starts_with(b"security."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_nobodys_own_attributes() {
        let has = |list: &[u8]| has_own_attributes(list);
        assert!(!has(b"") && !has(b"security.selinux\0"));
        assert!(has(b"security.selinux\0user.x\0") && has(b"system.posix_acl_access\0"));
    }
}
