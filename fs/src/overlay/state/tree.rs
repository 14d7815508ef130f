use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::ops::{Deref, DerefMut};
use std::path::PathBuf;
use std::sync::{Arc, RwLockWriteGuard};

use super::projected::Projected;
use super::untold::{Untold, gone, shown};
use crate::journal::{Change, Journal, Shown};
use crate::lower::{Directory, LowerId, Name};

/// Which names of which directories are projected files. A directory that has
/// some is held open, so that its number stays its own; the files move along
/// with it wherever it is moved to.
#[derive(Default, Debug)]
pub(crate) struct Tree {
    branches: HashMap<LowerId, Branch>,
    files: u64,
    untold: Option<Untold>,
}

#[derive(Debug)]
struct Branch {
    directory: Arc<Directory>,
    /// Where it is below the root, if anybody wants to know and it has a place.
    place: Option<PathBuf>,
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

/// The tree, to be changed; the journal hears of it before anybody else.
pub(crate) struct TreeMut<'a>(pub(crate) RwLockWriteGuard<'a, Tree>);

impl Deref for TreeMut<'_> {
    type Target = Tree;

    fn deref(&self) -> &Tree {
        &self.0
    }
}

impl DerefMut for TreeMut<'_> {
    fn deref_mut(&mut self) -> &mut Tree {
        &mut self.0
    }
}

impl Drop for TreeMut<'_> {
    fn drop(&mut self) {
        if self.untold.as_mut().is_some_and(Untold::tell) {
            self.begin_journal_anew();
        }
    }
}

impl Tree {
    /// An empty tree, of whose changes a journal hears.
    pub(crate) fn new(root: &Arc<Directory>, journal: Arc<dyn Journal>) -> Self {
        Self { untold: Some(Untold::new(root, journal)), ..Self::default() }
    }

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
        self.note_shown(&name, &file);
        file.state().names.push(name);
        replaced
    }

    /// Takes a name away; returns the projected file that had it.
    pub(crate) fn remove(&mut self, directory: &Directory, name: &OsStr) -> Option<Arc<Projected>> {
        let branch = self.branches.get_mut(&directory.id())?;
        let file = branch.files.remove(name)?;
        self.files -= 1;
        file.state().remove_name(directory, name);
        if let (Some(untold), Some(place)) = (&mut self.untold, &branch.place) {
            untold.add(gone(place, directory.id(), name));
        }
        self.prune(directory.id());
        Some(file)
    }

    /// Says that the attributes of a file are others.
    pub(crate) fn note_changed(&mut self, file: &Projected) {
        let names = file.state().names.clone();
        names.iter().for_each(|name| self.note_shown(name, file));
    }

    fn note_shown(&mut self, name: &Name, file: &Projected) {
        let branch = self.branches.get(&name.directory.id());
        if let (Some(untold), Some(place)) = (&mut self.untold, branch.and_then(Branch::place)) {
            untold.add(Change::Shown(shown(place, name, file)));
        }
    }

    /// Says that directories have been moved, with all that is in them.
    pub(crate) fn note_moved_directories(&mut self) {
        let Some(untold) = &mut self.untold else { return };
        let mut appeared = Vec::new();
        for branch in self.branches.values_mut() {
            let place = untold.path_of(&branch.directory);
            if place == branch.place {
                continue;
            }
            if let Some(before) = std::mem::replace(&mut branch.place, place) {
                let directory = branch.directory.id();
                branch.files.keys().for_each(|name| untold.add(gone(&before, directory, name)));
            }
            appeared.extend(branch.shown());
        }
        appeared.into_iter().for_each(|shown| untold.add(Change::Shown(shown)));
    }

    /// Has the journal begin anew with what is shown now.
    pub(crate) fn begin_journal_anew(&self) {
        if let Some(untold) = &self.untold {
            let all: Vec<_> = self.branches.values().flat_map(Branch::shown).collect();
            untold.begin_anew(&all);
        }
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
        let place = || self.untold.as_ref().and_then(|untold| untold.path_of(directory));
        self.branches.entry(directory.id()).or_insert_with(|| Branch {
            directory: Arc::clone(directory),
            place: place(),
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

impl Branch {
    fn place(&self) -> Option<&PathBuf> {
        self.place.as_ref()
    }

    /// Its files, as the journal remembers them.
    fn shown(&self) -> impl Iterator<Item = Shown> {
        let named = |(name, file): (&OsString, &Arc<Projected>)| {
            Some(shown(self.place()?, &Name::new(&self.directory, name), file))
        };
        self.files.iter().filter_map(named)
    }
}
