use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::sys::stat::{FchmodatFlags, Mode, UtimensatFlags, fchmodat, fstat, utimensat};
use nix::sys::statvfs::{Statvfs, fstatvfs};
use nix::unistd::{AccessFlags, Gid, Uid, fchownat, ftruncate, truncate};

use super::names::Caller;
use crate::lower::{self, Place, descriptor_path};
use crate::overlay::core::Overlay;
use crate::overlay::state::attributes::{Attributes, Change, Moment, NodeId};
use crate::overlay::state::kernel::Refusal;
use crate::overlay::state::nodes::Target;
use crate::overlay::state::projected::Projected;

impl Overlay {
    /// Whether [`Overlay::change`] would have to copy.
    pub(crate) fn change_may_wait(&self, node: NodeId, change: &Change) -> bool {
        change.size.is_some() && self.is_projected(node)
    }

    /// Whether a node is a projected file.
    pub(crate) fn is_projected(&self, node: NodeId) -> bool {
        matches!(self.nodes().target(node), Ok(Target::Projected(_)))
    }

    /// Changes attributes. A change of the size of a projected file turns it
    /// into a lower one and answers `ESTALE`, at which the kernel looks again.
    pub(crate) fn change(
        &self,
        (node, handle): (NodeId, Option<u64>),
        change: &Change,
        caller: Caller,
    ) -> Result<Attributes, Refusal> {
        let unchanging = self.tree();
        let target = self.nodes().target(node)?;
        let place = match target {
            Target::Directory(directory) => {
                let fd = directory.descriptor()?;
                self.change_lower(&Place::Pinned(fd), None, change, caller)?;
                self.nodes().writes(node);
                return Ok(self.tell(node, &directory.stat()?)?);
            }
            Target::Lower(place) => place,
            Target::Projected(file) => {
                drop(unchanging);
                return self.change_projected(&file, change);
            }
        };
        self.change_lower(&place, handle, change, caller)?;
        self.nodes().writes(node);
        Ok(self.tell(node, &place.stat()?)?)
    }

    fn change_lower(
        &self,
        place: &Place,
        handle: Option<u64>,
        change: &Change,
        caller: Caller,
    ) -> nix::Result<()> {
        let Change { size, mode, uid, gid, atime, mtime } = *change;
        let fd = place.descriptor()?;
        let path = descriptor_path(&fd);
        if let Some(size) = size {
            self.resize(handle, &path, size)?;
            if caller.uid != 0 && mode.is_none() {
                drop_privileges_at(&fd, &path)?;
            }
        }
        if uid.is_some() || gid.is_some() {
            let (uid, gid) = (uid.map(Uid::from_raw), gid.map(Gid::from_raw));
            fchownat(&fd, "", uid, gid, AtFlags::AT_EMPTY_PATH)?;
        }
        if let Some(mode) = mode {
            chmod(&path, mode)?;
        }
        if atime.is_some() || mtime.is_some() {
            let (atime, mtime) = (Moment::spec(atime), Moment::spec(mtime));
            let here = nix::fcntl::AT_FDCWD;
            utimensat(here, &path, &atime, &mtime, UtimensatFlags::FollowSymlink)?;
        }
        Ok(())
    }

    fn resize(&self, handle: Option<u64>, path: &Path, size: u64) -> nix::Result<()> {
        let size = i64::try_from(size).map_err(|_| Errno::EFBIG)?;
        match handle {
            Some(handle) => ftruncate(&*self.file(handle)?, size),
            None => truncate(path, size),
        }
    }

    fn change_projected(
        &self,
        file: &Arc<Projected>,
        change: &Change,
    ) -> Result<Attributes, Refusal> {
        if let Some(size) = change.size {
            if self.user.is_checked() {
                self.permit_bits(file, 2)?;
            }
            let stale = self.copy_up(file, size != 0)?.stale;
            return Err(Refusal { errno: Errno::ESTALE, stale });
        }
        self.permit_change(file, change)?;
        let now = self.clock.now();
        let mut state = file.state();
        let metadata = &mut state.metadata;
        if change.uid.is_some() || change.gid.is_some() {
            metadata.mode = without_privileges(metadata.mode);
        }
        metadata.uid = change.uid.unwrap_or(metadata.uid);
        metadata.gid = change.gid.unwrap_or(metadata.gid);
        metadata.mode = change.mode.map_or(metadata.mode, |mode| mode & 0o7777);
        metadata.atime = change.atime.map_or(metadata.atime, |moment| moment.stamp(now));
        metadata.mtime = change.mtime.map_or(metadata.mtime, |moment| moment.stamp(now));
        state.ctime = now;
        drop(state);
        self.tree_mut().note_changed(file);
        Ok(file.attributes())
    }

    /// The rules of `setattr_prepare`, where the kernel does not check them.
    fn permit_change(&self, file: &Projected, change: &Change) -> nix::Result<()> {
        if !self.user.is_checked() {
            return Ok(());
        }
        let metadata = file.state().metadata;
        let owns = metadata.uid == self.user.uid.as_raw();
        let gives_away = change.uid.is_some_and(|uid| uid != metadata.uid)
            || change.gid.is_some_and(|gid| gid != metadata.gid && !self.user.is_in(gid));
        if owns && !gives_away { Ok(()) } else { Err(Errno::EPERM) }
    }

    /// Whether this process may do `access`; only asked where the kernel does not check.
    pub(crate) fn access(&self, node: NodeId, access: AccessFlags) -> nix::Result<()> {
        let _unchanging = self.tree();
        let target = self.nodes().target(node)?;
        match target {
            Target::Directory(directory) => directory.permits(access),
            Target::Lower(place) => place.permits(access),
            Target::Projected(file) if self.user.is_checked() => {
                self.permit_bits(&file, access.bits().unsigned_abs() & 7)
            }
            Target::Projected(file) => {
                let executable = file.state().metadata.mode & 0o111 != 0;
                let wanted = access.contains(AccessFlags::X_OK);
                if executable || !wanted { Ok(()) } else { Err(Errno::EACCES) }
            }
        }
    }

    /// Sizes of the lower file system.
    pub(crate) fn file_system(&self, node: NodeId) -> nix::Result<Statvfs> {
        let target = self.nodes().target(node)?;
        match target {
            Target::Directory(directory) => fstatvfs(&directory),
            Target::Lower(_) | Target::Projected(_) => fstatvfs(&self.root),
        }
    }

    /// The value of an extended attribute, under the rule of [`lower::get_xattr`].
    pub(crate) fn xattr(&self, node: NodeId, name: &OsStr, room: usize) -> nix::Result<Vec<u8>> {
        match self.xattr_holder(node)? {
            Some(fd) => lower::get_xattr(&fd, name, room),
            None => Err(Errno::ENODATA),
        }
    }

    /// The names of the extended attributes, under the same rule.
    pub(crate) fn xattrs(&self, node: NodeId, room: usize) -> nix::Result<Vec<u8>> {
        match self.xattr_holder(node)? {
            Some(fd) => lower::list_xattr(&fd, room),
            None => Ok(Vec::new()),
        }
    }

    /// Removes an extended attribute.
    pub(crate) fn remove_xattr(&self, node: NodeId, name: &OsStr) -> nix::Result<()> {
        match self.xattr_holder(node)? {
            Some(fd) => {
                lower::remove_xattr(&fd, name)?;
                self.nodes().writes(node);
                Ok(())
            }
            None => Err(Errno::ENODATA),
        }
    }

    /// Sets an extended attribute, which turns a projected file into a lower one.
    pub(crate) fn set_xattr(
        &self,
        node: NodeId,
        name: &OsStr,
        value: &[u8],
        flags: i32,
    ) -> Result<(), Refusal> {
        let target = self.nodes().target(node)?;
        if let Target::Projected(file) = target {
            let stale = self.copy_up(&file, true)?.stale;
            return Err(Refusal { errno: Errno::ESTALE, stale });
        }
        let fd = self.xattr_holder(node)?.ok_or(Errno::ESTALE)?;
        lower::set_xattr(&fd, name, value, flags)?;
        self.nodes().writes(node);
        Ok(())
    }

    /// Projected files have no extended attributes.
    fn xattr_holder(&self, node: NodeId) -> nix::Result<Option<Arc<OwnedFd>>> {
        let _unchanging = self.tree();
        let target = self.nodes().target(node)?;
        match target {
            Target::Directory(directory) => directory.descriptor().map(Some),
            Target::Lower(place) => place.descriptor().map(Some),
            Target::Projected(_) => Ok(None),
        }
    }
}

fn chmod(path: &Path, mode: u32) -> nix::Result<()> {
    let mode = Mode::from_bits_truncate(mode & 0o7777);
    fchmodat(nix::fcntl::AT_FDCWD, path, mode, FchmodatFlags::FollowSymlink)
}

fn drop_privileges_at(fd: &OwnedFd, path: &Path) -> nix::Result<()> {
    let mode = fstat(fd)?.st_mode;
    let kept = without_privileges(mode);
    if kept == mode { Ok(()) } else { chmod(path, kept) }
}

/// A mode without the set-ID bits that a write or a change of owner clears.
pub(crate) fn without_privileges(mode: u32) -> u32 {
    let kept = mode & !libc::S_ISUID;
    if kept & libc::S_IXGRP == 0 { kept } else { kept & !libc::S_ISGID }
}
