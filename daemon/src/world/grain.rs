//! How far apart two changes of a file must be for its time stamps to tell.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use dashmap::DashMap;
use nix::sys::statfs::{
    BTRFS_SUPER_MAGIC, EXT4_SUPER_MAGIC, FsType, HUGETLBFS_MAGIC, TMPFS_MAGIC, XFS_SUPER_MAGIC,
    fstatfs,
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

/// From `include/uapi/linux/magic.h`.
const RAMFS_MAGIC: libc::c_long = 0x8584_58f6;

/// File systems that take the time of modification for that of change: SquashFS, EROFS, ISO 9660,
/// cramfs, romfs, FAT and exFAT (`include/uapi/linux/magic.h`, `fs/squashfs/squashfs_fs.h`,
/// `fs/romfs`, `fs/exfat`).
const WITHOUT_CHANGE_TIMES: [libc::c_long; 7] =
    [0x7371_7368, 0xe0f5_e1e2, 0x9660, 0x28cd_3d45, 0x7275, 0x4d44, 0x2011_bab0];

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
/// may have files of the same numbers, lengths and times.
pub(crate) fn identities_tell(file: BorrowedFd<'_>) -> bool {
    const IN_MEMORY: [FsType; 3] = [TMPFS_MAGIC, FsType(RAMFS_MAGIC), HUGETLBFS_MAGIC];
    fstatfs(file).is_ok_and(|file_system| {
        let kind = file_system.filesystem_type();
        !IN_MEMORY.contains(&kind) && !WITHOUT_CHANGE_TIMES.contains(&kind.0)
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
