use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::fstat;
use zccache_core::{Digest, Identity};

use super::core::Overlay;
use super::state::tree::Tree;
use crate::lower::{Directory, Listed, Name, Place};

/// What is at a path of a view. Identities of lower files are those of the lower
/// file system. Within the view `stat(2)` tells the same but for the device,
/// and but for the inode of files on other file systems below the root. The
/// device of a projected file is that of its directory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Look {
    /// Nothing (`ENOENT`).
    Absent,
    /// A projected file.
    Projected {
        /// Which, and in which state.
        identity: Identity,
        /// The digest of its content.
        digest: Digest,
        /// Type and permissions.
        mode: u32,
        /// Its names.
        links: u32,
    },
    /// A regular lower file.
    Lower {
        /// Which, and in which state.
        identity: Identity,
        /// Type and permissions.
        mode: u32,
    },
    /// A directory.
    Directory {
        /// Which, and in which state; another whenever its names change.
        identity: Identity,
    },
    /// A symbolic link that was not to be followed, and its target.
    Symlink(OsString),
    /// A symbolic link is on the way: where it leads depends on who asks.
    ThroughLink,
    /// A device, fifo or socket.
    Special {
        /// `st_mode & S_IFMT`.
        kind: u32,
        /// `st_rdev`.
        device: u64,
    },
}

impl Overlay {
    /// What is at a path, without asking through the mount.
    pub(crate) fn look(&self, path: &Path, follow: bool) -> io::Result<Look> {
        match self.locate(path) {
            Ok(Located::Root) => Ok(Look::Directory { identity: (&self.root.stat()?).into() }),
            Ok(Located::Name(name)) => self.look_at(&name, follow),
            Err(Errno::ENOENT) => self.look_for_directory_of(path),
            Err(Errno::ELOOP) => Ok(Look::ThroughLink),
            Err(errno) => Err(errno.into()),
        }
    }

    /// As [`Self::look`], where below there is no directory that the path leads through; there
    /// may be a projected file in its place.
    fn look_for_directory_of(&self, path: &Path) -> io::Result<Look> {
        let Some(directory) = path.parent().filter(|it| !it.as_os_str().is_empty()) else {
            return Ok(Look::Absent);
        };
        match self.look(directory, false)? {
            Look::Projected { .. } => Err(Errno::ENOTDIR.into()),
            _ => Ok(Look::Absent),
        }
    }

    fn look_at(&self, name: &Name, follow: bool) -> io::Result<Look> {
        let tree = self.tree();
        if let Some(file) = tree.get(&name.directory, &name.name) {
            let attributes = file.attributes();
            return Ok(Look::Projected {
                identity: attributes.identity(name.directory.id().device),
                digest: file.bytes().digest(),
                mode: attributes.mode,
                links: attributes.links,
            });
        }
        let Some(stat) = name.directory.find(&name.name)? else { return Ok(Look::Absent) };
        let identity = Identity::from(&stat);
        Ok(match stat.st_mode & libc::S_IFMT {
            libc::S_IFREG => Look::Lower { identity, mode: stat.st_mode },
            libc::S_IFDIR => Look::Directory { identity },
            libc::S_IFLNK if follow => Look::ThroughLink,
            libc::S_IFLNK => Look::Symlink(Place::Named(name.clone()).read_link()?),
            kind => Look::Special { kind, device: stat.st_rdev },
        })
    }

    /// Opens a directory, to look at names in it.
    pub(crate) fn directory_at(&self, path: &Path) -> nix::Result<Arc<Directory>> {
        self.open_known(&self.tree(), &plain(path)?)
    }

    /// What is at a name of a directory.
    pub(crate) fn look_in(&self, directory: &Arc<Directory>, name: &OsStr) -> io::Result<Look> {
        self.look_at(&Name::new(directory, name), false)
    }

    /// The names in a directory, lower and projected.
    pub(crate) fn list(&self, path: &Path) -> io::Result<Vec<Listed>> {
        let directory = self.root.descendant(&plain(path)?)?;
        Ok(Self::names_of(&self.tree(), &directory)?)
    }

    /// Opens a regular lower file for reading.
    pub(crate) fn open_lower(&self, path: &Path) -> io::Result<OwnedFd> {
        let Located::Name(name) = self.locate(path)? else { return Err(Errno::EISDIR.into()) };
        let tree = self.tree();
        if tree.get(&name.directory, &name.name).is_some() {
            return Err(Errno::ESTALE.into());
        }
        let file = Place::Named(name).open(OFlag::O_RDONLY | OFlag::O_NONBLOCK)?;
        if fstat(&file)?.st_mode & libc::S_IFMT != libc::S_IFREG {
            return Err(Errno::EINVAL.into());
        }
        Ok(file.into())
    }

    /// Opens the bytes of a projected file for reading.
    pub(crate) fn open_projected_bytes(&self, path: &Path) -> io::Result<OwnedFd> {
        let Located::Name(name) = self.locate(path)? else { return Err(Errno::EISDIR.into()) };
        let file = self.tree().get(&name.directory, &name.name).cloned();
        Ok(file.ok_or(Errno::ESTALE)?.open_bytes(&*self.content.0)?.into())
    }

    /// The digests of all projected files.
    pub(crate) fn digests(&self) -> Vec<Digest> {
        let tree = self.tree();
        let digests: BTreeSet<_> = tree.files().filter_map(|file| file.bytes().blob()).collect();
        digests.into_iter().collect()
    }

    /// How many names are projected files.
    pub(crate) fn projected(&self) -> u64 {
        self.tree().count()
    }

    /// The bytes of all projected files, once a name.
    pub(crate) fn projected_bytes(&self) -> u64 {
        self.tree().files().map(|file| file.bytes().length()).sum()
    }

    /// The directory and last component of a path.
    pub(super) fn locate(&self, path: &Path) -> nix::Result<Located> {
        self.locate_in(&self.tree(), path)
    }

    /// As [`Overlay::locate`], while the tree stays as it is.
    pub(super) fn locate_in(&self, tree: &Tree, path: &Path) -> nix::Result<Located> {
        let path = plain(path)?;
        let Some(name) = path.file_name() else { return Ok(Located::Root) };
        let parent = path.parent().unwrap_or(Path::new(""));
        let directory = self.open_known(tree, parent)?;
        Ok(Located::Name(Name::new(&directory, name)))
    }

    /// Opens a directory, or finds it open.
    pub(super) fn open_known(&self, tree: &Tree, path: &Path) -> nix::Result<Arc<Directory>> {
        if path.as_os_str().is_empty() {
            return Ok(Arc::clone(&self.root));
        }
        let opened = self.root.descendant(path)?;
        let known = tree.directory(opened.id()).cloned();
        let known = known.or_else(|| self.nodes().open_directory(opened.id()));
        Ok(known.unwrap_or_else(|| Arc::new(opened)))
    }
}

/// Where a path leads.
pub(super) enum Located {
    /// To the root.
    Root,
    /// To a name.
    Name(Name),
}

/// A relative path without `.` and `..`.
fn plain(path: &Path) -> nix::Result<PathBuf> {
    if is_plain(path) { Ok(path.components().collect()) } else { Err(Errno::EINVAL) }
}

fn is_plain(path: &Path) -> bool {
    path.components().all(|part| matches!(part, Component::Normal(_)))
}

/// The directory and last component of a relative path without `.` and `..`.
pub(super) fn split(path: &Path) -> nix::Result<(&Path, &OsStr)> {
    let parts = path.parent().zip(path.file_name()).filter(|_| is_plain(path));
    parts.ok_or(Errno::EINVAL)
}
