//! How far apart two changes of a file must be for its time stamps to tell.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use dashmap::DashMap;
use nix::sys::statfs::{
    BTRFS_SUPER_MAGIC, EXT4_SUPER_MAGIC, FsType, TMPFS_MAGIC, XFS_SUPER_MAGIC, fstatfs,
};
use zccache_core::{Identity, Stamp, limits};

/// What is known of the time stamps of each file system.
pub(crate) struct Grains {
    multigrain_kernel: bool,
    by_device: DashMap<u64, Grain>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Grain {
    /// A change after somebody looked always gets a stamp of its own
    /// (`Documentation/filesystems/multigrain-ts.rst`, Linux 6.13).
    Multigrain,
    /// Changes within this many nanoseconds may get the same stamp.
    Coarse(i64),
}

/// File systems on disks of this machine, which keep a time of change that no program can set:
/// F2FS, JFS, ReiserFS, NILFS, ZFS, bcachefs, and overlays, whose files are those of others
/// (`include/uapi/linux/magic.h`; of OpenZFS and bcachefs their own sources).
const WITH_CHANGE_TIMES: [libc::c_long; 7] =
    [0xf2f5_2010, 0x3153_464a, 0x5265_4973, 0x3434, 0x2fc1_2fc1, 0xca45_1a4e, 0x794c_7630];

/// FAT keeps two seconds; others without nanoseconds keep one.
pub(crate) const WHOLE_SECONDS: i64 = 2_000_000_000;

impl Grains {
    pub(crate) fn new() -> Self {
        let multigrain_kernel = kernel_release().is_some_and(|release| release >= (6, 13));
        Self { multigrain_kernel, by_device: DashMap::new() }
    }

    /// Whether the file with this identity may have changed after `seen` without
    /// its identity telling. `file` is any file of its file system.
    pub(crate) fn is_racy(
        &self,
        identity: &Identity,
        seen: Stamp,
        file: impl FnOnce() -> io::Result<OwnedFd>,
    ) -> bool {
        match self.nanos(identity, file) {
            Some(0) => false,
            Some(nanos) => identity.is_racy_at(seen, nanos),
            None => true,
        }
    }

    /// Whether the file with this identity was last changed before `then`. `file` is any
    /// file of its file system.
    pub(crate) fn is_older(
        &self,
        identity: &Identity,
        then: Stamp,
        file: impl FnOnce() -> io::Result<OwnedFd>,
    ) -> bool {
        self.nanos(identity, file).is_some_and(|nanos| !identity.is_racy_at(then, nanos))
    }

    /// How long two changes may have the same time, in nanoseconds; 0 if the kernel sees to
    /// it that what somebody has looked at between them tells.
    fn nanos(
        &self,
        identity: &Identity,
        file: impl FnOnce() -> io::Result<OwnedFd>,
    ) -> Option<i64> {
        let known = self.by_device.get(&identity.device).map(|grain| *grain);
        let measured = || {
            let grain = self.measure(file().ok()?.as_fd())?;
            self.by_device.insert(identity.device, grain);
            Some(grain)
        };
        Some(match known.or_else(measured)? {
            // Whatever the kernel promises, the file system has no room for more:
            // ext4 says the same of itself with inodes of 128 bytes.
            _ if is_of_whole_seconds(identity) => WHOLE_SECONDS,
            Grain::Multigrain => 0,
            Grain::Coarse(nanos) => nanos,
        })
    }

    fn measure(&self, file: BorrowedFd<'_>) -> Option<Grain> {
        const MULTIGRAIN: [FsType; 4] =
            [BTRFS_SUPER_MAGIC, EXT4_SUPER_MAGIC, TMPFS_MAGIC, XFS_SUPER_MAGIC];
        let kind = fstatfs(file).ok()?.filesystem_type();
        if self.multigrain_kernel && MULTIGRAIN.contains(&kind) {
            return Some(Grain::Multigrain);
        }
        Some(Grain::Coarse(i64::try_from(limits::COARSE_TICK.as_nanos()).unwrap_or(i64::MAX)))
    }
}

/// Whether the stamps of a file look as if nothing below a second were kept.
pub(crate) fn is_of_whole_seconds(identity: &Identity) -> bool {
    identity.ctime.nanos == 0 && identity.mtime.nanos == 0
}

/// Whether a file of other content has another identity, as on file systems on disks.
///
/// Those in memory have no `page_mkwrite` (`mm/shmem.c`, `fs/ramfs`): a page that was
/// read before is stored to without a fault, and the file keeps its identity. Those of images
/// and of FAT keep no time of change that no program can set; the image that replaces another
/// may have files of the same numbers, lengths and times. What the kernel says in `/proc` and
/// `/sys` changes without a stamp, servers of FUSE stamp as they like, and what the stamps are
/// of a file on another machine is known for some seconds before it is asked again.
pub(crate) fn identities_tell(file: BorrowedFd<'_>) -> bool {
    const USUAL: [FsType; 3] = [BTRFS_SUPER_MAGIC, EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC];
    fstatfs(file).is_ok_and(|file_system| {
        let kind = file_system.filesystem_type();
        USUAL.contains(&kind) || WITH_CHANGE_TIMES.contains(&kind.0)
    })
}

/// Major and minor number of the running kernel (`uname(2)`).
fn kernel_release() -> Option<(u32, u32)> {
    let name = nix::sys::utsname::uname().ok()?;
    let mut numbers = name.release().to_str()?.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;

    use super::*;

    #[test]
    fn what_the_kernel_tells_has_no_stamps_of_its_own() {
        for name in ["/proc/sys/kernel/ns_last_pid", "/sys/kernel/uevent_seqnum", "/proc/version"] {
            match std::fs::File::open(name) {
                Ok(file) => assert!(!identities_tell(file.as_fd()), "{name}"),
                Err(error) => println!("SKIP: {name}: {error}"),
            }
        }
    }

    /// Where the kernel promises it: a change right after a look always shows.
    #[test]
    fn a_change_after_a_look_shows_on_multigrain_file_systems() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let identity = || Identity::from(&nix::sys::stat::stat(file.path()).unwrap());
        let grains = Grains::new();
        let far_later = Stamp { seconds: i64::MAX / 2_000_000_000, nanos: 0 };
        let open = || Ok(OwnedFd::from(std::fs::File::open(file.path())?));
        assert!(!grains.is_racy(&identity(), far_later, open));
        let device = identity().device;
        if grains.by_device.get(&device).map(|grain| *grain) != Some(Grain::Multigrain) {
            println!("SKIP: no multigrain time stamps on this kernel and file system");
            return;
        }
        for round in 0..2000 {
            let before = identity();
            std::fs::write(file.path(), b"x").unwrap();
            assert_ne!(identity(), before, "round {round}");
        }
    }

    #[test]
    fn coarse_stamps_are_racy_within_a_tick() {
        let grains = Grains { multigrain_kernel: false, by_device: DashMap::new() };
        let file = tempfile::NamedTempFile::new().unwrap();
        let identity = Identity::from(&nix::sys::stat::stat(file.path()).unwrap());
        let open = || Ok(OwnedFd::from(std::fs::File::open(file.path())?));
        assert!(grains.is_racy(&identity, identity.ctime, open));
        let later = Stamp { seconds: identity.ctime.seconds + 3, nanos: 0 };
        assert!(!grains.is_racy(&identity, later, open));
    }
}
