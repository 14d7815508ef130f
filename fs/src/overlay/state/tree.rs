use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::sync::Arc;

use super::projected::Projected;
use crate::lower::{Directory, LowerId, Name};

/// Which names of which directories are projected files. A directory that has
/// some is held open, so that its number stays its own; the files move along
/// with it wherever it is moved to.
#[derive(Default, Debug)]
pub(crate) struct Tree {
    branches: HashMap<LowerId, Branch>,
    files: u64,
}

#[derive(Debug)]
struct Branch {
    directory: Arc<Directory>,
    files: HashMap<OsString, Arc<Projected>>,
    /// Names about to be projected.
    pending: HashMap<OsString, Pending>,
}

/// A name about to be projected: until then nobody may cache what it leads to.
#[derive(Clone, Copy, Default, Debug)]
struct Pending {
    /// How many projections are about to take it.
    waiting: u32,
    /// Whether something was moved to it, which the kernel caches by itself.
    moved: bool,
}

impl Tree {
    /// The projected file of that name.
    pub(crate) fn get(&self, directory: &Directory, name: &OsStr) -> Option<&Arc<Projected>> {
        self.branches.get(&directory.id())?.files.get(name)
    }

    /// The projected files of a directory.
    pub(crate) fn files_of(
        &self,
        directory: LowerId,
    ) -> impl Iterator<Item = (&OsString, &Arc<Projected>)> {
        self.branches.get(&directory).into_iter().flat_map(|branch| &branch.files)
    }

    /// Every projected file, once a name.
    pub(crate) fn files(&self) -> impl Iterator<Item = &Arc<Projected>> {
        self.branches.values().flat_map(|branch| branch.files.values())
    }

    /// How many names are projected files.
    pub(crate) fn count(&self) -> u64 {
        self.files
    }

    /// Whether a directory has projected files.
    pub(crate) fn has_files(&self, directory: LowerId) -> bool {
        self.branches.get(&directory).is_some_and(|branch| !branch.files.is_empty())
    }

    /// Gives a projected file a name; returns the projected file that had it.
    pub(crate) fn insert(&mut self, name: Name, file: Arc<Projected>) -> Option<Arc<Projected>> {
        let replaced = self.remove(&name.directory, &name.name);
        let branch = self.branch(&name.directory);
        branch.files.insert(name.name.clone(), Arc::clone(&file));
        self.files += 1;
        file.state().names.push(name);
        replaced
    }

    /// Takes a name away; returns the projected file that had it.
    pub(crate) fn remove(&mut self, directory: &Directory, name: &OsStr) -> Option<Arc<Projected>> {
        let branch = self.branches.get_mut(&directory.id())?;
        let file = branch.files.remove(name)?;
        self.files -= 1;
        file.state().remove_name(directory, name);
        self.prune(directory.id());
        Some(file)
    }

    /// Says that a name is about to be projected.
    pub(crate) fn expect(&mut self, name: &Name) {
        let branch = self.branch(&name.directory);
        branch.pending.entry(name.name.clone()).or_default().waiting += 1;
    }

    /// Says that it has been, or will not be; returns whether something was
    /// moved to the name meanwhile.
    pub(crate) fn stop_expecting(&mut self, name: &Name) -> bool {
        let directory = name.directory.id();
        let Some(branch) = self.branches.get_mut(&directory) else { return false };
        let Some(pending) = branch.pending.get_mut(&name.name) else { return false };
        pending.waiting -= 1;
        let Pending { waiting, moved } = *pending;
        if waiting == 0 {
            branch.pending.remove(&name.name);
            self.prune(directory);
        }
        moved
    }

    /// Whether a name is about to be projected.
    pub(crate) fn is_expected(&self, directory: &Directory, name: &OsStr) -> bool {
        self.branches.get(&directory.id()).is_some_and(|branch| branch.pending.contains_key(name))
    }

    /// Notes that something was moved to a name.
    pub(crate) fn note_moved(&mut self, directory: &Directory, name: &OsStr) {
        let branch = self.branches.get_mut(&directory.id());
        if let Some(pending) = branch.and_then(|branch| branch.pending.get_mut(name)) {
            pending.moved = true;
        }
    }

    fn branch(&mut self, directory: &Arc<Directory>) -> &mut Branch {
        self.branches.entry(directory.id()).or_insert_with(|| Branch {
            directory: Arc::clone(directory),
            files: HashMap::new(),
            pending: HashMap::new(),
        })
    }

    fn prune(&mut self, directory: LowerId) {
        if let Some(branch) = self.branches.get(&directory)
            && branch.files.is_empty()
            && branch.pending.is_empty()
        {
            self.branches.remove(&directory);
        }
    }

    /// The open directory of that number, if it has projected files.
    pub(crate) fn directory(&self, id: LowerId) -> Option<&Arc<Directory>> {
        self.branches.get(&id).map(|branch| &branch.directory)
    }
}
