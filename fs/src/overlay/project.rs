use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::errno::Errno;
use nix::sys::stat::FileStat;
use zccache_core::{Identity, Stamp};

use super::core::Overlay;
use super::state::attributes::NodeId;
use super::state::kernel::Invalidation;
use super::state::nodes::Turn;
use super::state::projected::Projected;
use super::state::tree::Tree;
use super::survey::split;
use crate::content::Projection;
use crate::lower::{Directory, LowerId, Name, StagedMetadata};

/// Why a set of files could not be projected. Nothing has changed then.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// The path is empty, absolute or has `.` or `..` in it.
    #[error("'{0}' is not a plain relative path")]
    NotPlain(PathBuf),
    /// Two files of the set have one path.
    #[error("'{0}' is projected twice in one set")]
    Twice(PathBuf),
    /// The directory does not exist.
    #[error("the directory of '{0}' is missing; make it first")]
    NoDirectory(PathBuf),
    /// The directory is reached by a symbolic link.
    #[error("a symbolic link leads to '{0}'; name it without")]
    ThroughLink(PathBuf),
    /// Something other than a regular file has that name.
    #[error("'{0}' is no regular file, and is not replaced")]
    NotRegular(PathBuf),
    /// The lower file system refuses.
    #[error("'{path}' cannot be projected: {source}")]
    Refused {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The directory gives its files an access control list, which projected ones
    /// have not.
    #[error("the directory of '{0}' has a default access control list; write the file")]
    HasAccessList(PathBuf),
    /// The session is over.
    #[error("the view is not mounted any more")]
    Ended,
}

impl ProjectError {
    fn from_errno(path: &Path, errno: Errno) -> Self {
        let path = path.to_owned();
        match errno {
            Errno::EINVAL => Self::NotPlain(path),
            Errno::ENOENT | Errno::ENOTDIR => Self::NoDirectory(path),
            Errno::ELOOP => Self::ThroughLink(path),
            errno => Self::Refused { path, source: errno.into() },
        }
    }
}

/// A projection, and the name that it goes to.
struct Placed<'a> {
    projection: &'a Projection,
    name: Name,
    /// The group that a new file there has.
    gid: u32,
}

/// A directory that gets projected files.
struct Home {
    directory: Arc<Directory>,
    /// The group that it gives to new files (`S_ISGID` in `inode(7)`), if it does.
    group: Option<u32>,
}

impl Placed<'_> {
    fn refused(&self, errno: Errno) -> ProjectError {
        ProjectError::from_errno(&self.projection.path, errno)
    }
}

impl Overlay {
    /// Projects a set of files in one step.
    ///
    /// The kernel's caches are what makes this hard: it would go on showing
    /// what it remembers of one name while another is new already. So the
    /// names are first declared expected, which keeps the kernel from
    /// remembering what they lead to, and forgotten; then they change at once.
    pub(crate) fn project(&self, set: &[Projection]) -> Result<(), ProjectError> {
        if self.has_ended() {
            return Err(ProjectError::Ended);
        }
        let placed = self.place(set)?;
        let mut tree = self.tree_mut();
        placed.iter().for_each(|placed| tree.expect(&placed.name));
        drop(tree);
        let names = placed.iter().filter_map(|placed| self.stale_name(&placed.name));
        self.invalidate(&names.collect::<Vec<_>>());
        let mut tree = self.tree_mut();
        let result = self.switch(&mut tree, &placed);
        let moved: Vec<_> =
            placed.iter().filter(|placed| tree.stop_expecting(&placed.name)).collect();
        drop(tree);
        let mut stale: Vec<_> =
            moved.into_iter().filter_map(|placed| self.stale_name(&placed.name)).collect();
        let result = result.map(|replaced| stale.extend(replaced));
        let shown = self.shown(&placed);
        stale.extend(shown.iter().map(|(node, _)| Invalidation::Listing(*node)));
        self.invalidate(&stale);
        // Noted no sooner: another projection relies on it.
        let mut nodes = self.nodes();
        shown.into_iter().for_each(|(node, turn)| nodes.has_forgotten(node, turn));
        result
    }

    fn place<'a>(&self, set: &'a [Projection]) -> Result<Vec<Placed<'a>>, ProjectError> {
        let mut taken = HashSet::new();
        let mut homes: HashMap<&Path, Home> = HashMap::new();
        let mut placed = Vec::with_capacity(set.len());
        for projection in set {
            let path = &projection.path;
            let refused = |errno| ProjectError::from_errno(path, errno);
            let (parent, name) = split(path).map_err(refused)?;
            let Home { directory, group } = match homes.entry(parent) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => new.insert(self.home(parent, path)?),
            };
            if !taken.insert((directory.id(), name)) {
                return Err(ProjectError::Twice(path.clone()));
            }
            let (name, gid) = (Name::new(directory, name), group.unwrap_or(projection.gid));
            placed.push(Placed { projection, name, gid });
        }
        Ok(placed)
    }

    /// The directory at `parent`, where the file at `path` goes to.
    fn home(&self, parent: &Path, path: &Path) -> Result<Home, ProjectError> {
        let refused = |errno| ProjectError::from_errno(path, errno);
        let directory = self.open_known(&self.tree(), parent).map_err(refused)?;
        if directory.has_default_access_list() {
            return Err(ProjectError::HasAccessList(path.to_owned()));
        }
        let stat = directory.stat().map_err(refused)?;
        let group = (stat.st_mode & libc::S_ISGID != 0).then_some(stat.st_gid);
        Ok(Home { directory, group })
    }

    /// Makes all names lead to their new files; returns which nodes the kernel
    /// remembers wrong attributes of.
    fn switch(
        &self,
        tree: &mut Tree,
        placed: &[Placed<'_>],
    ) -> Result<Vec<Invalidation>, ProjectError> {
        let lower: Vec<_> =
            placed.iter().map(|placed| vacancy(tree, placed)).collect::<Result<_, _>>()?;
        let touch = |directory| touched(directory).map_err(|errno| placed[0].refused(errno));
        let times = directories(placed).map(touch).collect::<Result<Vec<_>, _>>()?;
        let Some(&now) = times.iter().max() else { return Ok(Vec::new()) };
        directories(placed).for_each(|directory| self.changed_here(directory));
        let mut stale = Vec::new();
        self.remove_lower(placed, &lower, &mut stale)?;
        for &Placed { projection, ref name, gid } in placed {
            let Projection { source, mode, uid, .. } = projection;
            let (mode, uid) = (mode & 0o7777, *uid);
            let metadata = StagedMetadata { mode, uid, gid, atime: now, mtime: now };
            let file = Projected::new(self.next_projected(), source.clone(), metadata);
            if let Some(replaced) = tree.insert(name.clone(), Arc::new(file)) {
                replaced.state().ctime = now;
                stale.push(Invalidation::Attributes(replaced.node()));
            }
        }
        Ok(stale)
    }

    /// Removes the lower files in the way. When one of several cannot be
    /// removed, it stays hidden behind the projected file of its name.
    fn remove_lower(
        &self,
        placed: &[Placed<'_>],
        lower: &[Option<FileStat>],
        stale: &mut Vec<Invalidation>,
    ) -> Result<(), ProjectError> {
        let mut removed = false;
        for (placed, stat) in placed.iter().zip(lower) {
            let Some(stat) = stat else { continue };
            match self.unlink_lower(&placed.name.directory, &placed.name.name, stat) {
                Ok(()) => removed = true,
                Err(errno) if !removed => return Err(placed.refused(errno)),
                Err(errno) => tracing::warn!(%errno, name = ?placed.name, "a file is hidden"),
            }
            let node = self.nodes().known_id(LowerId::from(stat));
            stale.extend(node.map(Invalidation::Attributes));
        }
        Ok(())
    }

    /// The directories of which the kernel may remember what has changed. To be asked
    /// after the change; others are right without being told.
    fn shown(&self, placed: &[Placed<'_>]) -> Vec<(NodeId, Turn)> {
        let nodes = self.nodes();
        directories(placed).filter_map(|directory| nodes.shown(directory.id())).collect()
    }
}

/// The lower file that a projected one replaces, if anything.
fn vacancy(tree: &Tree, placed: &Placed<'_>) -> Result<Option<FileStat>, ProjectError> {
    let Name { directory, name } = &placed.name;
    if tree.get(directory, name).is_some() {
        return Ok(None);
    }
    match directory.find(name).map_err(|errno| placed.refused(errno))? {
        Some(stat) if stat.st_mode & libc::S_IFMT != libc::S_IFREG => {
            Err(ProjectError::NotRegular(placed.projection.path.clone()))
        }
        found => Ok(found),
    }
}

/// Gives a directory the time at which a name appears in it, on the clock of its file
/// system; refuses one that has been removed.
fn touched(directory: &Directory) -> nix::Result<Stamp> {
    directory.touch()?;
    let stat = directory.stat()?;
    if stat.st_nlink == 0 { Err(Errno::ENOENT) } else { Ok(Identity::from(&stat).mtime) }
}

/// The directories of a set, each once.
fn directories<'a>(placed: &'a [Placed<'_>]) -> impl Iterator<Item = &'a Directory> {
    let mut seen = HashSet::new();
    placed
        .iter()
        .map(|placed| &*placed.name.directory)
        .filter(move |directory| seen.insert(directory.id()))
}
