use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{FileStat, Mode, SFlag, fchmod, mkdirat, mknodat, umask};
use nix::unistd::{AccessFlags, Gid, Uid, UnlinkatFlags, fchown, fchownat, symlinkat, unlinkat};

use super::lookup::Entry;
use super::open::{Opened, lower_flags};
use crate::lower::{Directory, LowerId, Name, Place};
use crate::overlay::core::Overlay;
use crate::overlay::state::attributes::NodeId;
use crate::overlay::state::kernel::Invalidation;
use crate::overlay::state::nodes::Target;
use crate::overlay::state::tree::Tree;

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller {
    /// User.
    pub(crate) uid: u32,
    /// Group.
    pub(crate) gid: u32,
}

/// A file to be made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Creation<'a> {
    /// Its directory.
    pub(crate) parent: NodeId,
    /// Its name.
    pub(crate) name: &'a OsStr,
    /// Permissions, and the type where the operation does not tell.
    pub(crate) mode: u32,
    /// File mode creation mask of who asks.
    pub(crate) umask: u32,
    /// Who asks.
    pub(crate) caller: Caller,
}

/// A file that has been made and opened.
#[derive(Debug)]
pub(crate) struct Created {
    /// Its name.
    pub(crate) entry: Entry,
    /// Its handle.
    pub(crate) opened: Opened,
    /// What the kernel has to forget, after it has been told of this.
    pub(crate) stale: Vec<Invalidation>,
}

impl Overlay {
    /// Makes a node that is neither directory nor link.
    pub(crate) fn make_node(&self, new: &Creation<'_>, device: u64) -> nix::Result<Entry> {
        self.make(new, |directory| {
            let kind = SFlag::from_bits_truncate(new.mode & libc::S_IFMT);
            mknodat(directory, new.name, kind, permissions(new.mode), device)
        })
    }

    /// Makes a directory.
    pub(crate) fn make_directory(&self, new: &Creation<'_>) -> nix::Result<Entry> {
        self.make(new, |directory| mkdirat(directory, new.name, permissions(new.mode)))
    }

    /// Makes a symbolic link.
    pub(crate) fn make_symlink(&self, new: &Creation<'_>, target: &OsStr) -> nix::Result<Entry> {
        self.make(new, |directory| symlinkat(target, directory, new.name))
    }

    fn make(
        &self,
        new: &Creation<'_>,
        make: impl FnOnce(&Directory) -> nix::Result<()>,
    ) -> nix::Result<Entry> {
        let directory = self.nodes().directory(new.parent)?;
        let tree = self.tree_mut();
        if tree.get(&directory, new.name).is_some() {
            return Err(Errno::EEXIST);
        }
        with_umask(new.umask, || make(&directory))?;
        self.changed_here(&directory);
        self.give(new, &directory)?;
        self.entry(&tree, &directory, new.name)
    }

    /// Gives a new file to who asked for it, as `inode_init_owner` would: the
    /// group is that of the directory where that has the set-group-ID bit.
    fn give(&self, new: &Creation<'_>, directory: &Directory) -> nix::Result<()> {
        let Some((uid, gid)) = self.heir(new.caller, directory)? else { return Ok(()) };
        let flags = AtFlags::AT_SYMLINK_NOFOLLOW;
        fchownat(directory, new.name, Some(uid), gid, flags)
    }

    fn heir(
        &self,
        caller: Caller,
        directory: &Directory,
    ) -> nix::Result<Option<(Uid, Option<Gid>)>> {
        let (uid, gid) = (Uid::from_raw(caller.uid), Gid::from_raw(caller.gid));
        if !self.user.shared || (uid, gid) == (self.user.uid, self.user.gid) {
            return Ok(None);
        }
        let inherits = directory.stat()?.st_mode & libc::S_ISGID != 0;
        Ok(Some((uid, (!inherits).then_some(gid))))
    }

    /// Makes a regular file and opens it; without `O_EXCL` opens one that is
    /// there already.
    pub(crate) fn create(&self, new: &Creation<'_>, flags: OFlag) -> nix::Result<Created> {
        let directory = self.nodes().directory(new.parent)?;
        let exclusive = flags.contains(OFlag::O_EXCL);
        let projected = self.tree().get(&directory, new.name).cloned();
        let stale = match projected {
            None => Vec::new(),
            Some(_) if exclusive => return Err(Errno::EEXIST),
            Some(file) => self.copy_up(&file, !flags.contains(OFlag::O_TRUNC))?.stale,
        };
        let tree = self.tree_mut();
        let file = match self.create_lower(new, &directory, flags) {
            // Somebody made the name since the kernel looked for it.
            Err(Errno::EEXIST) if !exclusive => {
                let flags = lower_flags(flags) | OFlag::O_NONBLOCK;
                Place::Named(Name::new(&directory, new.name)).open(flags)?
            }
            result => result?,
        };
        let entry = self.entry(&tree, &directory, new.name)?;
        drop(tree);
        let (node, attributes) = entry.found.ok_or(Errno::ENOENT)?;
        if attributes.kind() != libc::S_IFREG {
            self.forget(node, 1);
            return Err(Errno::ESTALE);
        }
        let opened = self.opened(node, Arc::new(file), flags)?;
        Ok(Created { entry, opened, stale })
    }

    fn create_lower(
        &self,
        new: &Creation<'_>,
        directory: &Directory,
        flags: OFlag,
    ) -> nix::Result<File> {
        let create = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let flags = lower_flags(flags) | create;
        let mode = permissions(new.mode);
        let fd = with_umask(new.umask, || openat(directory, new.name, flags, mode))?;
        self.changed_here(directory);
        if let Some((uid, gid)) = self.heir(new.caller, directory)? {
            fchown(&fd, Some(uid), gid)?;
            let special = libc::S_ISUID | libc::S_ISGID;
            if new.mode & special != 0 {
                // A change of owner takes these bits away.
                fchmod(&fd, permissions(new.mode & !new.umask))?;
            }
        }
        Ok(File::from(fd))
    }

    /// Gives a node another name.
    pub(crate) fn link(&self, node: NodeId, parent: NodeId, name: &OsStr) -> nix::Result<Entry> {
        let directory = self.nodes().directory(parent)?;
        let mut tree = self.tree_mut();
        if tree.get(&directory, name).is_some() {
            return Err(Errno::EEXIST);
        }
        let target = self.nodes().target(node)?;
        match target {
            Target::Directory(_) => return Err(Errno::EPERM),
            Target::Lower(place) => {
                place.link(&directory, name)?;
                self.nodes().writes(node);
            }
            Target::Projected(file) => {
                self.may_change(&directory)?;
                if directory.find(name)?.is_some() {
                    return Err(Errno::EEXIST);
                }
                let place = file.state().names.first().cloned().ok_or(Errno::ENOENT)?;
                if place.directory.id().device != directory.id().device {
                    return Err(Errno::EXDEV);
                }
                directory.touch()?;
                file.state().ctime = self.clock.now();
                tree.insert(Name::new(&directory, name), file);
            }
        }
        self.changed_here(&directory);
        self.entry(&tree, &directory, name)
    }

    /// Removes a name that is no directory's.
    pub(crate) fn unlink(&self, parent: NodeId, name: &OsStr) -> nix::Result<()> {
        let directory = self.nodes().directory(parent)?;
        let mut tree = self.tree_mut();
        if tree.get(&directory, name).is_none() {
            let stat = directory.stat_of(name)?;
            return self.unlink_lower(&directory, name, &stat);
        }
        self.may_change(&directory)?;
        directory.touch()?;
        self.changed_here(&directory);
        if let Some(file) = tree.remove(&directory, name) {
            file.state().ctime = self.clock.now();
        }
        Ok(())
    }

    /// Removes a lower name; the file stays what it is for those who know it.
    pub(crate) fn unlink_lower(
        &self,
        directory: &Arc<Directory>,
        name: &OsStr,
        stat: &FileStat,
    ) -> nix::Result<()> {
        let pin = self.pin(directory, name, stat)?;
        unlinkat(directory, name, UnlinkatFlags::NoRemoveDir)?;
        let mut nodes = self.nodes();
        nodes.changed_here(directory.id());
        nodes.remove_name(stat.into(), directory, name, pin);
        Ok(())
    }

    /// Holds a file that the kernel knows and that is about to lose the last
    /// name we know, so that its number is not used again.
    pub(crate) fn pin(
        &self,
        directory: &Arc<Directory>,
        name: &OsStr,
        stat: &FileStat,
    ) -> nix::Result<Option<Arc<OwnedFd>>> {
        if !self.nodes().loses_last(stat.into(), directory, name) {
            return Ok(None);
        }
        Place::Named(Name::new(directory, name)).descriptor().map(Some)
    }

    /// Removes an empty directory.
    pub(crate) fn remove_directory(&self, parent: NodeId, name: &OsStr) -> nix::Result<()> {
        let directory = self.nodes().directory(parent)?;
        let tree = self.tree_mut();
        if tree.get(&directory, name).is_some() {
            return Err(Errno::ENOTDIR);
        }
        let removed = directory.stat_of(name)?;
        refuse_full(&tree, &removed)?;
        unlinkat(&directory, name, UnlinkatFlags::RemoveDir)?;
        self.changed_here(&directory);
        self.nodes().changed_here((&removed).into());
        Ok(())
    }

    /// Whether this process may change the names of a directory, where the
    /// kernel has not checked it and no lower operation will.
    pub(crate) fn may_change(&self, directory: &Directory) -> nix::Result<()> {
        if self.user.is_checked() {
            directory.permits(AccessFlags::W_OK | AccessFlags::X_OK)?;
        }
        Ok(())
    }
}

/// Refuses to lose a directory that has projected files.
pub(crate) fn refuse_full(tree: &Tree, stat: &FileStat) -> nix::Result<()> {
    if tree.has_files(LowerId::from(stat)) { Err(Errno::ENOTEMPTY) } else { Ok(()) }
}

fn permissions(mode: u32) -> Mode {
    Mode::from_bits_truncate(mode & 0o7777)
}

/// Makes something under the mask of who asks, so that the file system applies
/// it, or default access control lists instead, as it would for them. The
/// thread that serves requests has a mask of its own.
fn with_umask<T>(mask: u32, make: impl FnOnce() -> nix::Result<T>) -> nix::Result<T> {
    umask(permissions(mask));
    make()
}
