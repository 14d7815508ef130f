use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use fuser::{
    AccessFlags, BsdFileFlags, CopyFileRangeFlags, FileHandle, Filesystem, INodeNo, KernelConfig,
    LockOwner, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory,
    ReplyDirectoryPlus, ReplyEmpty, ReplyEntry, ReplyLseek, ReplyOpen, ReplyStatfs, ReplyWrite,
    ReplyXattr, Request, TimeOrNow, WriteFlags,
};
use nix::fcntl::OFlag;

use super::answer;
use super::convert::{LASTING, attr, decode_device, errno, moment, node};
use super::notices::Notices;
use super::session;
use super::workers::Workers;
use crate::overlay::{Caller, Change, Creation, Data, Overlay, Slot};

/// Translates requests of the kernel into operations on the view. What could
/// wait is handed to a worker; everything else is answered at once.
pub(super) struct Adapter {
    overlay: Arc<Overlay>,
    workers: Workers,
    passthrough: bool,
}

impl Adapter {
    /// An adapter with threads of its own.
    pub(super) fn new(overlay: Arc<Overlay>, passthrough: bool) -> io::Result<Self> {
        let workers = Workers::start(&overlay)?;
        Ok(Self { overlay, workers, passthrough })
    }

    /// Does `job` here, or has a worker do it if it `waits`.
    fn run(&self, waits: bool, job: impl FnOnce(&Overlay, &Notices) + Send + 'static) {
        if waits {
            let (overlay, notices) = (Arc::clone(&self.overlay), self.workers.notices().clone());
            self.workers.run(move || job(&overlay, &notices));
        } else {
            job(&self.overlay, self.workers.notices());
        }
    }
}

fn caller(request: &Request) -> Caller {
    Caller { uid: request.uid(), gid: request.gid() }
}

impl Filesystem for Adapter {
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> io::Result<()> {
        session::configure(config, self.passthrough);
        Ok(())
    }

    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        answer::entry(self.overlay.lookup(node(parent), name), reply);
    }

    fn forget(&self, _: &Request, ino: INodeNo, lookups: u64) {
        self.overlay.forget(node(ino), lookups);
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.overlay.attributes(node(ino)) {
            Ok(attributes) => reply.attr(&LASTING, &attr(&attributes)),
            Err(error) => reply.error(errno(error)),
        }
    }

    fn setattr(
        &self,
        request: &Request,
        ino: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        atime: Option<TimeOrNow>,
        mtime: Option<TimeOrNow>,
        _ctime: Option<SystemTime>,
        fh: Option<FileHandle>,
        _crtime: Option<SystemTime>,
        _chgtime: Option<SystemTime>,
        _bkuptime: Option<SystemTime>,
        _flags: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let (atime, mtime) = (atime.map(moment), mtime.map(moment));
        let change = Change { size, mode, uid, gid, atime, mtime };
        let (what, caller) = ((node(ino), fh.map(|fh| fh.0)), caller(request));
        let waits = self.overlay.change_may_wait(what.0, &change);
        self.run(waits, move |overlay, notices| {
            answer::changed(overlay.change(what, &change, caller), notices, reply);
        });
    }

    fn readlink(&self, _: &Request, ino: INodeNo, reply: ReplyData) {
        let target = self.overlay.read_link(node(ino));
        answer::data(target.map(OsString::into_encoded_bytes), reply);
    }

    fn mknod(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        rdev: u32,
        reply: ReplyEntry,
    ) {
        let parent = node(parent);
        let new = Creation { parent, name, mode, umask, caller: caller(request) };
        answer::entry(self.overlay.make_node(&new, decode_device(rdev)), reply);
    }

    fn mkdir(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        reply: ReplyEntry,
    ) {
        let parent = node(parent);
        let new = Creation { parent, name, mode, umask, caller: caller(request) };
        answer::entry(self.overlay.make_directory(&new), reply);
    }

    fn symlink(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        target: &Path,
        reply: ReplyEntry,
    ) {
        let parent = node(parent);
        let new = Creation { parent, name, mode: 0o777, umask: 0, caller: caller(request) };
        answer::entry(self.overlay.make_symlink(&new, target.as_os_str()), reply);
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        answer::empty(self.overlay.unlink(node(parent), name), reply);
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        answer::empty(self.overlay.remove_directory(node(parent), name), reply);
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        newparent: INodeNo,
        newname: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let Some(flags) = nix::fcntl::RenameFlags::from_bits(flags.bits()) else {
            return reply.error(fuser::Errno::EINVAL);
        };
        let (from, to) = ((node(parent), name), (node(newparent), newname));
        answer::empty(self.overlay.rename(from, to, flags), reply);
    }

    fn link(
        &self,
        _: &Request,
        ino: INodeNo,
        newparent: INodeNo,
        newname: &OsStr,
        reply: ReplyEntry,
    ) {
        answer::entry(self.overlay.link(node(ino), node(newparent), newname), reply);
    }

    fn open(&self, request: &Request, ino: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        let (node, flags) = (node(ino), OFlag::from_bits_truncate(flags.0));
        let caller = caller(request);
        let waits = self.overlay.open_may_wait(node, flags);
        self.run(waits, move |overlay, notices| {
            answer::opened(overlay.open(node, flags, caller), notices, reply);
        });
    }

    fn create(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        flags: i32,
        reply: ReplyCreate,
    ) {
        let parent = node(parent);
        let new = Creation { parent, name, mode, umask, caller: caller(request) };
        let created = self.overlay.create(&new, OFlag::from_bits_truncate(flags));
        answer::created(created, self.workers.notices(), reply);
    }

    fn read(
        &self,
        _: &Request,
        _: INodeNo,
        fh: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        answer::data(self.overlay.read(fh.0, offset, size as usize), reply);
    }

    fn write(
        &self,
        _: &Request,
        _: INodeNo,
        fh: FileHandle,
        offset: u64,
        data: &[u8],
        flags: WriteFlags,
        open: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let cached = flags.contains(WriteFlags::FUSE_WRITE_CACHE);
        let append = open.0 & libc::O_APPEND != 0 && !cached;
        let unprivileged = flags.contains(WriteFlags::FUSE_WRITE_KILL_SUIDGID);
        let data = Data { bytes: data, offset, append, unprivileged };
        let (written, notices) = (self.overlay.write(fh.0, &data), self.workers.notices());
        answer::written(written, data.bytes.len(), notices, reply);
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        // Nothing is held back; with this answer the kernel stops asking.
        reply.error(fuser::Errno::ENOSYS);
    }

    fn release(
        &self,
        _: &Request,
        _: INodeNo,
        fh: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        self.overlay.release(fh.0);
        reply.ok();
    }

    fn fsync(&self, _: &Request, _: INodeNo, fh: FileHandle, data_only: bool, reply: ReplyEmpty) {
        self.run(true, move |overlay, _| {
            answer::empty(overlay.sync_file(fh.0, data_only), reply);
        });
    }

    fn fsyncdir(&self, _: &Request, ino: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        let node = node(ino);
        self.run(true, move |overlay, _| answer::empty(overlay.sync_directory(node), reply));
    }

    fn opendir(&self, _: &Request, ino: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        let opened = self.overlay.open_directory(node(ino));
        answer::directory_opened(opened, self.workers.notices(), reply);
    }

    fn readdir(
        &self,
        _: &Request,
        _: INodeNo,
        fh: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let mut add = |slot: &Slot<'_>| answer::add_name(&mut reply, slot);
        match self.overlay.list_directory(fh.0, offset, false, &mut add) {
            Ok(()) => reply.ok(),
            Err(error) => reply.error(errno(error)),
        }
    }

    fn readdirplus(
        &self,
        _: &Request,
        _: INodeNo,
        fh: FileHandle,
        offset: u64,
        mut reply: ReplyDirectoryPlus,
    ) {
        let mut add = |slot: &Slot<'_>| answer::add_node(&mut reply, slot);
        match self.overlay.list_directory(fh.0, offset, true, &mut add) {
            Ok(()) => reply.ok(),
            Err(error) => reply.error(errno(error)),
        }
    }

    fn releasedir(&self, _: &Request, _: INodeNo, fh: FileHandle, _: OpenFlags, reply: ReplyEmpty) {
        self.overlay.close_directory(fh.0);
        reply.ok();
    }

    fn statfs(&self, _: &Request, ino: INodeNo, reply: ReplyStatfs) {
        answer::file_system(self.overlay.file_system(node(ino)), reply);
    }

    fn setxattr(
        &self,
        _: &Request,
        ino: INodeNo,
        name: &OsStr,
        value: &[u8],
        flags: i32,
        _: u32,
        reply: ReplyEmpty,
    ) {
        let (node, name, value) = (node(ino), name.to_owned(), value.to_owned());
        self.run(self.overlay.is_projected(node), move |overlay, notices| {
            answer::done(overlay.set_xattr(node, &name, &value, flags), notices, reply);
        });
    }

    fn getxattr(&self, _: &Request, ino: INodeNo, name: &OsStr, size: u32, reply: ReplyXattr) {
        answer::xattr(self.overlay.xattr(node(ino), name, size as usize), size, reply);
    }

    fn listxattr(&self, _: &Request, ino: INodeNo, size: u32, reply: ReplyXattr) {
        answer::xattr(self.overlay.xattrs(node(ino), size as usize), size, reply);
    }

    fn removexattr(&self, _: &Request, ino: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        answer::empty(self.overlay.remove_xattr(node(ino), name), reply);
    }

    fn access(&self, _: &Request, ino: INodeNo, mask: AccessFlags, reply: ReplyEmpty) {
        let access = nix::unistd::AccessFlags::from_bits_truncate(mask.bits());
        answer::empty(self.overlay.access(node(ino), access), reply);
    }

    fn fallocate(
        &self,
        _: &Request,
        _: INodeNo,
        fh: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        self.run(true, move |overlay, _| {
            answer::empty(overlay.allocate(fh.0, mode, offset, length), reply);
        });
    }

    fn lseek(
        &self,
        _: &Request,
        _: INodeNo,
        fh: FileHandle,
        offset: i64,
        whence: i32,
        reply: ReplyLseek,
    ) {
        match self.overlay.seek(fh.0, offset, whence) {
            Ok(offset) => reply.offset(offset),
            Err(error) => reply.error(errno(error)),
        }
    }

    fn copy_file_range(
        &self,
        _: &Request,
        _: INodeNo,
        from: FileHandle,
        from_offset: u64,
        _: INodeNo,
        to: FileHandle,
        to_offset: u64,
        length: u64,
        _: CopyFileRangeFlags,
        reply: ReplyWrite,
    ) {
        self.run(true, move |overlay, _| {
            match overlay.copy((from.0, from_offset), (to.0, to_offset), length) {
                Ok(copied) => reply.written(u32::try_from(copied).unwrap_or(u32::MAX)),
                Err(error) => reply.error(errno(error)),
            }
        });
    }
}
