//! Which views a mount namespace shows, and where.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// A mount of a namespace.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Mount {
    /// Where, as seen in the namespace.
    pub(crate) point: PathBuf,
    /// `st_dev` of what is mounted.
    pub(crate) device: u64,
    /// Which directory or file of it, from its own root; another than `/` for a
    /// bind mount.
    pub(crate) root: PathBuf,
}

/// The mounts of a namespace, read from a held `/proc/PID/mountinfo`
/// (`proc_pid_mountinfo(5)`), which signals `POLLERR | POLLPRI` after a change.
pub(crate) struct MountTable {
    file: File,
    mounts: Vec<Mount>,
}

impl MountTable {
    pub(crate) fn new(mountinfo: OwnedFd) -> io::Result<Self> {
        let mut table = Self { file: mountinfo.into(), mounts: Vec::new() };
        table.read()?;
        Ok(table)
    }

    /// Reads the table again if it has changed. Returns whether it has.
    pub(crate) fn refresh(&mut self) -> io::Result<bool> {
        let mut changed = [PollFd::new(self.file.as_fd(), PollFlags::POLLPRI)];
        let signalled = poll(&mut changed, PollTimeout::ZERO)? > 0;
        if signalled {
            self.read()?;
        }
        Ok(signalled)
    }

    /// All mounts, in the order in which they were made.
    pub(crate) fn mounts(&self) -> &[Mount] {
        &self.mounts
    }

    fn read(&mut self) -> io::Result<()> {
        let mut text = Vec::new();
        self.file.rewind()?;
        self.file.read_to_end(&mut text)?;
        self.mounts = text.split(|&byte| byte == b'\n').filter_map(parse_line).collect();
        Ok(())
    }
}

/// `36 35 98:0 /root /mount\040point options …`
fn parse_line(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|&byte| byte == b' ');
    let numbers = std::str::from_utf8(fields.nth(2)?).ok()?;
    let (major, minor) = numbers.split_once(':')?;
    let device = libc::makedev(major.parse().ok()?, minor.parse().ok()?);
    let root = unescape(fields.next()?);
    Some(Mount { point: unescape(fields.next()?), device, root })
}

/// Space, tab, newline and backslash stand as a backslash and three octal digits.
fn unescape(text: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        match (first, tail) {
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..]) => {
                bytes.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest = after;
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    PathBuf::from(std::ffi::OsString::from_vec(bytes))
}

/// The mount that a path without links leads to: the last made of those with
/// the longest mount point.
pub(crate) fn covering<'a>(mounts: &'a [Mount], path: &Path) -> Option<&'a Mount> {
    mounts
        .iter()
        .filter(|mount| path.starts_with(&mount.point))
        .max_by_key(|mount| mount.point.as_os_str().len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_mountinfo() {
        let line = b"98 26 0:41 /x /tmp/a\\040b\\134 rw,nosuid - fuse.zccache zccache rw";
        let (point, device) = ("/tmp/a b\\".into(), libc::makedev(0, 41));
        let mount = Mount { point, device, root: "/x".into() };
        assert_eq!(parse_line(line), Some(mount));
        assert_eq!(parse_line(b""), None);
    }

    #[test]
    fn the_last_of_the_longest_covers() {
        let mount = |point: &str, device| Mount { point: point.into(), device, root: "/".into() };
        let mounts = [mount("/", 1), mount("/a", 2), mount("/a", 3), mount("/ab", 4)];
        let device = |path: &str| covering(&mounts, Path::new(path)).map(|mount| mount.device);
        assert_eq!(device("/a/x"), Some(3));
        assert_eq!(device("/ab/x"), Some(4));
        assert_eq!(device("/x"), Some(1));
    }
}
