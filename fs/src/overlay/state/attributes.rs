use nix::sys::stat::FileStat;
use nix::sys::time::TimeSpec;
use zccache_core::{Identity, Stamp};

/// The number by which a node is known, `st_ino` for everybody.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct NodeId(pub(crate) u64);

impl NodeId {
    /// The root of every view (`FUSE_ROOT_ID`).
    pub(crate) const ROOT: Self = Self(1);
    /// Set in the numbers of projected files.
    pub(crate) const PROJECTED: u64 = 1 << 62;
    /// Set in the numbers given to files of other file systems below the root.
    pub(crate) const FOREIGN: u64 = 1 << 61;
}

/// What `stat(2)` tells of a node, but for the device.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attributes {
    /// `st_ino`.
    pub(crate) inode: u64,
    /// Bytes.
    pub(crate) size: u64,
    /// Units of 512 bytes.
    pub(crate) blocks: u64,
    /// Last access.
    pub(crate) atime: Stamp,
    /// Last change of the content.
    pub(crate) mtime: Stamp,
    /// Last change of anything.
    pub(crate) ctime: Stamp,
    /// Type and permissions.
    pub(crate) mode: u32,
    /// Hard links.
    pub(crate) links: u32,
    /// Owner.
    pub(crate) uid: u32,
    /// Group.
    pub(crate) gid: u32,
    /// Which device it is a node of.
    pub(crate) device: u64,
    /// Preferred size of reads and writes, in bytes.
    pub(crate) block_size: u32,
}

impl Attributes {
    /// Those of a lower file that the view numbers `inode`.
    pub(crate) fn of_lower(inode: u64, stat: &FileStat) -> Self {
        let of = Identity::from(stat);
        let atime = Stamp { seconds: stat.st_atime, nanos: narrow(stat.st_atime_nsec) };
        Self {
            inode,
            size: of.size,
            blocks: u64::try_from(stat.st_blocks).unwrap_or(0),
            atime,
            mtime: of.mtime,
            ctime: of.ctime,
            mode: stat.st_mode,
            links: u32::try_from(stat.st_nlink).unwrap_or(u32::MAX),
            uid: stat.st_uid,
            gid: stat.st_gid,
            device: stat.st_rdev,
            block_size: narrow(stat.st_blksize),
        }
    }

    /// The `S_IFMT` bits.
    pub(crate) fn kind(&self) -> u32 {
        self.mode & libc::S_IFMT
    }

    /// Which file in which state, as a file of `device`.
    pub(crate) fn identity(&self, device: u64) -> Identity {
        let Self { inode, size, mtime, ctime, .. } = *self;
        Identity { device, inode, size, mtime, ctime }
    }
}

fn narrow(number: i64) -> u32 {
    u32::try_from(number).unwrap_or(0)
}

/// What `SETATTR` changes; absent fields stay.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Change {
    /// Size in bytes.
    pub(crate) size: Option<u64>,
    /// Permissions.
    pub(crate) mode: Option<u32>,
    /// Owner.
    pub(crate) uid: Option<u32>,
    /// Group.
    pub(crate) gid: Option<u32>,
    /// Access time.
    pub(crate) atime: Option<Moment>,
    /// Modification time.
    pub(crate) mtime: Option<Moment>,
}

/// A time stamp to set.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Moment {
    /// The time of the change.
    Now,
    /// This time.
    At(Stamp),
}

impl Moment {
    /// As `utimensat(2)` takes it.
    pub(crate) fn spec(moment: Option<Self>) -> TimeSpec {
        match moment {
            None => TimeSpec::UTIME_OMIT,
            Some(Self::Now) => TimeSpec::UTIME_NOW,
            Some(Self::At(stamp)) => TimeSpec::new(stamp.seconds, i64::from(stamp.nanos)),
        }
    }

    /// As a stamp, where it is `now`.
    pub(crate) fn stamp(self, now: Stamp) -> Stamp {
        match self {
            Self::Now => now,
            Self::At(stamp) => stamp,
        }
    }
}
