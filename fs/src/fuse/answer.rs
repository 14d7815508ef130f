//! The answers that need more than one line.

use fuser::{
    FileHandle, FopenFlags, Generation, INodeNo, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory,
    ReplyDirectoryPlus, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyStatfs, ReplyWrite, ReplyXattr,
};
use nix::sys::statvfs::Statvfs;

use super::convert::{FLEETING, LASTING, attr, bare_attr, errno, file_type, open_flags, validity};
use super::notices::Notices;
use crate::overlay::{Attributes, Created, Entry, Invalidation, Opened, Refusal, Slot, Transfer};

/// Inode numbers are not used again while the kernel knows them.
const GENERATION: Generation = Generation(0);

/// Answers without a result.
pub(super) fn empty(result: nix::Result<()>, reply: ReplyEmpty) {
    match result {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(errno(error)),
    }
}

/// Answers with bytes.
pub(super) fn data(result: nix::Result<Vec<u8>>, reply: ReplyData) {
    match result {
        Ok(bytes) => reply.data(&bytes),
        Err(error) => reply.error(errno(error)),
    }
}

/// Answers with what a name leads to.
pub(super) fn entry(result: nix::Result<Entry>, reply: ReplyEntry) {
    match result {
        Ok(Entry { found: Some((node, attributes)), lasting }) => {
            let mut attr = attr(&attributes);
            attr.ino = INodeNo(node.0);
            reply.entry_with_ttls(&LASTING, &validity(lasting), &attr, GENERATION);
        }
        Ok(Entry { found: None, lasting }) => {
            reply.entry(&validity(lasting), &bare_attr(0, libc::S_IFREG), GENERATION);
        }
        Err(error) => reply.error(errno(error)),
    }
}

/// Has the kernel forget what a refusal says, then refuses.
fn refuse(refusal: Refusal, notices: &Notices, refuse: impl FnOnce(fuser::Errno) + Send + 'static) {
    let Refusal { errno: error, stale } = refusal;
    if stale.is_empty() {
        refuse(errno(error));
    } else {
        notices.post_then(stale, move || refuse(errno(error)));
    }
}

/// Answers a change of attributes.
pub(super) fn changed(result: Result<Attributes, Refusal>, notices: &Notices, reply: ReplyAttr) {
    match result {
        Ok(attributes) => reply.attr(&LASTING, &attr(&attributes)),
        Err(refusal) => refuse(refusal, notices, |error| reply.error(error)),
    }
}

/// Answers without a result what may be refused.
pub(super) fn done(result: Result<(), Refusal>, notices: &Notices, reply: ReplyEmpty) {
    match result {
        Ok(()) => reply.ok(),
        Err(refusal) => refuse(refusal, notices, |error| reply.error(error)),
    }
}

/// Answers an open.
pub(super) fn opened(result: Result<Opened, Refusal>, notices: &Notices, reply: ReplyOpen) {
    let opened = match result {
        Ok(opened) => opened,
        Err(refusal) => return refuse(refusal, notices, |error| reply.error(error)),
    };
    let Opened { handle, transfer, stale } = opened;
    if stale.is_empty() {
        answer_open(handle, transfer, reply);
    } else {
        notices.post_then(stale, move || answer_open(handle, transfer, reply));
    }
}

fn answer_open(handle: u64, transfer: Transfer, reply: ReplyOpen) {
    let (flags, number) = open_flags(transfer);
    let handle = FileHandle(handle);
    let Some(number) = number else { return reply.opened(handle, flags) };
    // SAFETY: the number is registered for as long as the node has open files,
    // and `into_raw` leaves its end to the node.
    let backing = unsafe { reply.wrap_backing(number) };
    reply.opened_passthrough(handle, flags, &backing);
    let _kept_by_the_node = backing.into_raw();
}

/// Answers a creation. The kernel holds the directory until it has the answer,
/// so what it has to forget comes after.
pub(super) fn created(result: nix::Result<Created>, notices: &Notices, reply: ReplyCreate) {
    let Created { entry, opened: Opened { handle, transfer, .. }, stale } = match result {
        Ok(created) => created,
        Err(error) => return reply.error(errno(error)),
    };
    let Some((node, attributes)) = entry.found else {
        return reply.error(fuser::Errno::ENOENT);
    };
    let mut attr = attr(&attributes);
    attr.ino = INodeNo(node.0);
    let validity = validity(entry.lasting);
    let (flags, number) = open_flags(transfer);
    let handle = FileHandle(handle);
    match number {
        None => reply.created(&validity, &attr, GENERATION, handle, flags),
        Some(number) => {
            // SAFETY: as for an open.
            let backing = unsafe { reply.wrap_backing(number) };
            reply.created_passthrough(&validity, &attr, GENERATION, handle, flags, &backing);
            let _kept_by_the_node = backing.into_raw();
        }
    }
    forget(stale, notices);
}

/// Answers the opening of a directory: the kernel keeps its listing.
pub(super) fn directory_opened(
    result: nix::Result<(u64, Vec<Invalidation>)>,
    notices: &Notices,
    reply: ReplyOpen,
) {
    let (handle, stale) = match result {
        Ok(opened) => opened,
        Err(error) => return reply.error(errno(error)),
    };
    let flags = FopenFlags::FOPEN_CACHE_DIR | FopenFlags::FOPEN_KEEP_CACHE;
    let answer = move || reply.opened(FileHandle(handle), flags);
    if stale.is_empty() {
        answer();
    } else {
        notices.post_then(stale, answer);
    }
}

/// Adds a name to a listing; returns whether there was room.
pub(super) fn add_name(reply: &mut ReplyDirectory, slot: &Slot<'_>) -> bool {
    !reply.add(INodeNo(slot.inode), slot.next, file_type(slot.kind), slot.name)
}

/// Adds a name with its node to a listing; returns whether there was room.
pub(super) fn add_node(reply: &mut ReplyDirectoryPlus, slot: &Slot<'_>) -> bool {
    // Without attributes the kernel must ask before it uses the node. It takes
    // the number of the node from them, so it may not be zero.
    let (attr, validity) = match &slot.found {
        Some((_, attributes)) => (attr(attributes), validity(slot.lasting)),
        None => (bare_attr(slot.inode, slot.kind), FLEETING),
    };
    !reply.add(attr.ino, slot.next, slot.name, &validity, &attr, GENERATION)
}

/// Answers with the sizes of the file system.
pub(super) fn file_system(result: nix::Result<Statvfs>, reply: ReplyStatfs) {
    let stat = match result {
        Ok(stat) => stat,
        Err(error) => return reply.error(errno(error)),
    };
    let narrow = |number| u32::try_from(number).unwrap_or(u32::MAX);
    reply.statfs(
        stat.blocks(),
        stat.blocks_free(),
        stat.blocks_available(),
        stat.files(),
        stat.files_free(),
        narrow(stat.block_size()),
        narrow(stat.name_max()),
        narrow(stat.fragment_size()),
    );
}

/// Answers a question for an extended attribute or their list.
pub(super) fn xattr(result: nix::Result<Vec<u8>>, room: u32, reply: ReplyXattr) {
    match result {
        Ok(value) if room == 0 => reply.size(u32::try_from(value.len()).unwrap_or(u32::MAX)),
        Ok(value) if value.len() <= room as usize => reply.data(&value),
        Ok(_) => reply.error(fuser::Errno::ERANGE),
        Err(error) => reply.error(errno(error)),
    }
}

/// Answers a write. What it wrote is locked in the kernel's cache until it has
/// the answer, so what it has to forget comes after.
pub(super) fn written(
    result: nix::Result<Vec<Invalidation>>,
    length: usize,
    notices: &Notices,
    reply: ReplyWrite,
) {
    match result {
        Ok(stale) => {
            reply.written(u32::try_from(length).unwrap_or(u32::MAX));
            forget(stale, notices);
        }
        Err(error) => reply.error(errno(error)),
    }
}

/// Has the kernel forget, with nobody waiting for it.
fn forget(stale: Vec<Invalidation>, notices: &Notices) {
    if !stale.is_empty() {
        notices.post(stale);
    }
}
