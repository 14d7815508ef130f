//! Which views a mount namespace shows, and where.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustc_hash::FxHashMap;
use zccache_core::OsBytes;

/// A mount of a namespace.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Mount {
    id: u32,
    /// The mount that it is mounted in.
    parent: u32,
    /// Where, as seen in the namespace.
    pub(crate) point: PathBuf,
    /// `st_dev` of what is mounted.
    pub(crate) device: u64,
    /// Which directory or file of it, from its own root; another than `/` for a
    /// bind mount.
    pub(crate) root: PathBuf,
}

/// All mounts of a namespace.
#[derive(Default, Debug)]
pub(crate) struct Mounts {
    by_id: FxHashMap<u32, Mount>,
    by_point: FxHashMap<PathBuf, Vec<u32>>,
}

impl Mounts {
    fn parse(text: &[u8]) -> Self {
        let mut mounts = Self::default();
        for mount in text.split(|&byte| byte == b'\n').filter_map(parse_line) {
            mounts.by_point.entry(mount.point.clone()).or_default().push(mount.id);
            mounts.by_id.insert(mount.id, mount);
        }
        mounts
    }

    /// Whether anything of that device is mounted.
    pub(crate) fn have(&self, device: u64) -> bool {
        self.by_id.values().any(|mount| mount.device == device)
    }

    /// Whether anything is mounted at exactly this path.
    pub(crate) fn have_point(&self, path: &Path) -> bool {
        self.by_point.contains_key(path)
    }

    /// The mount that a path without links leads to. From the root on, a path
    /// enters each mount that it comes by in the mount where it is: one that a
    /// later mount above it hides is not come by.
    pub(crate) fn covering(&self, path: &Path) -> Option<&Mount> {
        let mut here = None;
        let mut prefixes: Vec<&Path> = path.ancestors().collect();
        prefixes.reverse();
        for prefix in prefixes {
            while let Some(next) = self.mounted_at(prefix, here) {
                here = Some(next);
            }
        }
        here
    }

    fn mounted_at(&self, point: &Path, here: Option<&Mount>) -> Option<&Mount> {
        let is_next = |mount: &&Mount| match here {
            Some(here) => mount.parent == here.id,
            None => !self.by_id.contains_key(&mount.parent),
        };
        let there = self.by_point.get(point)?.iter().rev();
        there.filter_map(|id| self.by_id.get(id)).find(is_next)
    }
}

/// The mounts of a namespace, read from a held `/proc/PID/mountinfo`
/// (`proc_pid_mountinfo(5)`), which signals `POLLERR | POLLPRI` after a change.
pub(crate) struct MountTable {
    file: File,
    mounts: Arc<Mounts>,
}

impl MountTable {
    pub(crate) fn new(mountinfo: OwnedFd) -> io::Result<Self> {
        let mut table = Self { file: mountinfo.into(), mounts: Arc::default() };
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

    /// All mounts.
    pub(crate) fn mounts(&self) -> Arc<Mounts> {
        Arc::clone(&self.mounts)
    }

    fn read(&mut self) -> io::Result<()> {
        let mut text = Vec::new();
        self.file.rewind()?;
        self.file.read_to_end(&mut text)?;
        self.mounts = Arc::new(Mounts::parse(&text));
        Ok(())
    }
}

/// `36 35 98:0 /root /mount\040point options …`: the mount, its parent (itself,
/// for the root of the namespace), its device and its place.
fn parse_line(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|&byte| byte == b' ');
    let mut text = || std::str::from_utf8(fields.next()?).ok();
    let (id, parent) = (text()?.parse().ok()?, text()?.parse().ok()?);
    let (major, minor) = text()?.split_once(':')?;
    let device = libc::makedev(major.parse().ok()?, minor.parse().ok()?);
    let parent = if parent == id { 0 } else { parent };
    let root = OsBytes::of_mount_table(fields.next()?).as_path().to_owned();
    let point = OsBytes::of_mount_table(fields.next()?).as_path().to_owned();
    Some(Mount { id, parent, point, device, root })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_mountinfo() {
        let line = b"98 26 0:41 /x /tmp/a\\040b\\134 rw,nosuid - fuse.zccache zccache rw";
        let (point, device) = ("/tmp/a b\\".into(), libc::makedev(0, 41));
        let mount = Mount { id: 98, parent: 26, point, device, root: "/x".into() };
        assert_eq!(parse_line(line), Some(mount));
        assert_eq!(parse_line(b""), None);
    }

    fn device(mounts: &Mounts, path: &str) -> u64 {
        mounts.covering(Path::new(path)).map_or(0, |mount| libc::minor(mount.device).into())
    }

    #[test]
    fn the_last_of_the_nearest_covers() {
        let text = b"1 1 0:1 / / rw\n2 1 0:2 / /a rw\n3 2 0:3 / /a rw\n4 1 0:4 / /ab rw\n";
        let mounts = Mounts::parse(text);
        assert_eq!(device(&mounts, "/a/x"), 3);
        assert_eq!(device(&mounts, "/ab/x"), 4);
        assert_eq!(device(&mounts, "/x"), 1);
    }

    #[test]
    fn what_is_mounted_above_hides_what_is_below() {
        let text = b"1 1 0:1 / / rw\n2 1 0:2 / /a/b rw\n3 1 0:3 / /a rw\n4 3 0:4 / /a/c rw\n";
        let mounts = Mounts::parse(text);
        assert_eq!(device(&mounts, "/a/b/x"), 3);
        assert_eq!(device(&mounts, "/a/c/x"), 4);
    }

    #[test]
    fn a_root_that_is_no_mount_shows_those_below() {
        let mounts = Mounts::parse(b"7 3 0:7 / /a rw\n8 7 0:8 / /a/b rw\n");
        assert_eq!((device(&mounts, "/x"), device(&mounts, "/a/b/x")), (0, 8));
    }
}
