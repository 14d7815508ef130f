//! Between the view's types and those of `fuser`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fuser::{FileAttr, FileType, FopenFlags, INodeNo, TimeOrNow};
use nix::errno::Errno;
use zccache_core::Stamp;

use crate::overlay::{Attributes, Moment, NodeId, Transfer};

/// How long the kernel remembers what it may remember: until told otherwise.
pub(super) const LASTING: Duration = Duration::from_secs(1 << 30);

/// For what it may not remember at all.
pub(super) const FLEETING: Duration = Duration::ZERO;

/// The validity of an answer.
pub(super) fn validity(lasting: bool) -> Duration {
    if lasting { LASTING } else { FLEETING }
}

/// An error number.
pub(super) fn errno(errno: Errno) -> fuser::Errno {
    fuser::Errno::from_i32(errno as i32)
}

/// A node number.
pub(super) fn node(number: INodeNo) -> NodeId {
    NodeId(number.0)
}

/// Attributes.
pub(super) fn attr(attributes: &Attributes) -> FileAttr {
    let time = |stamp| system_time(stamp).unwrap_or(UNIX_EPOCH);
    FileAttr {
        ino: INodeNo(attributes.inode),
        size: attributes.size,
        blocks: attributes.blocks,
        atime: time(attributes.atime),
        mtime: time(attributes.mtime),
        ctime: time(attributes.ctime),
        crtime: UNIX_EPOCH,
        kind: file_type(attributes.kind()),
        perm: (attributes.mode & 0o7777) as u16,
        nlink: attributes.links,
        uid: attributes.uid,
        gid: attributes.gid,
        rdev: encode_device(attributes.device),
        blksize: attributes.block_size,
        flags: 0,
    }
}

/// Attributes of which only number and type are known.
pub(super) fn bare_attr(inode: u64, kind: u32) -> FileAttr {
    FileAttr {
        ino: INodeNo(inode),
        size: 0,
        blocks: 0,
        atime: UNIX_EPOCH,
        mtime: UNIX_EPOCH,
        ctime: UNIX_EPOCH,
        crtime: UNIX_EPOCH,
        kind: file_type(kind),
        perm: 0,
        nlink: 0,
        uid: 0,
        gid: 0,
        rdev: 0,
        blksize: 0,
        flags: 0,
    }
}

/// A file type, from the `S_IFMT` bits.
pub(super) fn file_type(kind: u32) -> FileType {
    match kind {
        libc::S_IFIFO => FileType::NamedPipe,
        libc::S_IFCHR => FileType::CharDevice,
        libc::S_IFDIR => FileType::Directory,
        libc::S_IFBLK => FileType::BlockDevice,
        libc::S_IFLNK => FileType::Symlink,
        libc::S_IFSOCK => FileType::Socket,
        _ => FileType::RegularFile,
    }
}

fn system_time(stamp: Stamp) -> Option<SystemTime> {
    let seconds = Duration::from_secs(stamp.seconds.unsigned_abs());
    let whole = if stamp.seconds < 0 {
        UNIX_EPOCH.checked_sub(seconds)
    } else {
        UNIX_EPOCH.checked_add(seconds)
    };
    whole?.checked_add(Duration::from_nanos(stamp.nanos.into()))
}

/// A time to set. Of times before 1970 fuser 0.18 subtracts the nanoseconds
/// where they are to be added (`time::system_time_from_time`); this undoes it.
pub(super) fn moment(time: TimeOrNow) -> Moment {
    let time = match time {
        TimeOrNow::Now => return Moment::Now,
        TimeOrNow::SpecificTime(time) => time,
    };
    let signed = |seconds| i64::try_from(seconds).unwrap_or(i64::MAX);
    Moment::At(match time.duration_since(UNIX_EPOCH) {
        Ok(after) => Stamp { seconds: signed(after.as_secs()), nanos: after.subsec_nanos() },
        Err(before) => {
            let before = before.duration();
            Stamp { seconds: -signed(before.as_secs()), nanos: before.subsec_nanos() }
        }
    })
}

/// A device number, as `new_encode_dev` of Linux packs it into 32 bits.
fn encode_device(device: u64) -> u32 {
    let (major, minor) = (libc::major(device), libc::minor(device));
    (minor & 0xff) | (major << 8) | ((minor & !0xff) << 12)
}

/// The inverse, `new_decode_dev`.
pub(super) fn decode_device(device: u32) -> u64 {
    libc::makedev((device & 0xf_ff00) >> 8, (device & 0xff) | ((device >> 12) & 0xf_ff00))
}

/// Flags of an answered open, and the number of the file to pass through.
pub(super) fn open_flags(transfer: Transfer) -> (FopenFlags, Option<u32>) {
    match transfer {
        Transfer::Passthrough(number) => (FopenFlags::FOPEN_NOFLUSH, Some(number)),
        Transfer::Cached { keep: true } => {
            (FopenFlags::FOPEN_NOFLUSH | FopenFlags::FOPEN_KEEP_CACHE, None)
        }
        Transfer::Cached { keep: false } => (FopenFlags::FOPEN_NOFLUSH, None),
    }
}
