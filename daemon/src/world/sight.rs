//! Looking around: where paths lead and what is there, asked of the kernel, or of a
//! view where a path leads into one. The daemon never asks the kernel about what is
//! in a view of its own: it would have to answer itself.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::errno::Errno;
use rustc_hash::FxHashMap;
use zccache_core::{Digest, Observation, Root};
use zccache_fs::{Look, ViewDirectory};

use super::namespace::{Found, FoundFile, Located, Namespace, Shown, missing};
use super::walk::{Here, walk};
use super::watch::{Answer, Fact, Made, Proof, Question, Recalled, Watch, What};

/// A look around that takes a moment: what it has learnt of the way to one path it
/// does not ask again on the way to the next.
pub(crate) struct Sight<'n> {
    pub(super) namespace: &'n Namespace,
    pub(super) shown: Arc<Shown>,
    /// Where directories are, as they are spelled.
    directories: FxHashMap<PathBuf, nix::Result<Here>>,
    /// The directories and links that were seen, by their paths without links.
    steps: FxHashMap<PathBuf, Found>,
    /// Whom to ask about names in directories, by their paths without links.
    places: FxHashMap<PathBuf, Asked>,
    /// See [`Self::generation`].
    generation: Option<u64>,
    /// What is to be remembered.
    questions: Vec<Question>,
    /// What was found to hold, by what is remembered.
    proofs: Vec<Proof>,
    /// Whether everything was remembered so far.
    from_memory: bool,
}

/// What is at a path, as it is remembered.
pub(super) struct Recollection {
    pub(super) found: Found,
    /// It is so while these hold.
    pub(super) facts: Arc<[Fact]>,
}

impl<'n> Sight<'n> {
    pub(super) fn new(namespace: &'n Namespace, shown: Arc<Shown>) -> Self {
        Self {
            namespace,
            shown,
            directories: FxHashMap::default(),
            steps: FxHashMap::default(),
            places: FxHashMap::default(),
            generation: namespace.watch().map(Watch::generation),
            questions: Vec::new(),
            proofs: Vec::new(),
            from_memory: true,
        }
    }

    /// The generation of what is remembered when this look around began; none where
    /// nothing is remembered.
    pub(super) fn generation(&self) -> Option<u64> {
        self.generation
    }

    /// What is at an absolute path, if that is remembered. Of a directory that is which
    /// one it is, not its times.
    pub(super) fn recall(&mut self, path: &Path, follow: bool) -> Option<Recollection> {
        match self.remembered(path, What::of_look(follow))? {
            (Answer::Found(found), facts) => Some(Recollection { found, facts }),
            (Answer::Names(_), _) => None,
        }
    }

    /// The digest of the names in a directory, if that is remembered.
    pub(super) fn recall_names(&mut self, path: &Path) -> Option<Digest> {
        match self.remembered(path, What::Names)? {
            (Answer::Names(names), _) => Some(names),
            (Answer::Found(_), _) => None,
        }
    }

    fn remembered(&mut self, path: &Path, what: What) -> Option<(Answer, Arc<[Fact]>)> {
        match self.namespace.watch()?.recall(path, what) {
            Recalled::Known(answer, facts) => return Some((answer, facts)),
            Recalled::New => self.questions.push(Question::new(path, what)),
            Recalled::Changing => {}
        }
        self.from_memory = false;
        None
    }

    /// What is at an absolute path: see [`Self::recall`].
    pub(crate) fn recollect(&mut self, path: &Path, follow: bool) -> Found {
        match self.recall(path, follow) {
            Some(recollection) => recollection.found,
            None => self.look(path, follow),
        }
    }

    /// Of each observation, whether what is remembered says that it would be made again in
    /// a checkout.
    pub(super) fn proven(
        &self,
        root: &Root,
        observations: &[Arc<Observation>],
    ) -> Vec<Option<Made>> {
        self.namespace.watch().map_or_else(Vec::new, |watch| watch.proven(root, observations))
    }

    /// Takes notice that an observation would be made again, as what was recalled says.
    pub(super) fn prove(&mut self, observation: &Arc<Observation>, made: Made, facts: Arc<[Fact]>) {
        self.proofs.push(Proof::new(observation, made, facts));
    }

    /// Has what was proven in a checkout remembered.
    pub(super) fn remember_proofs(&mut self, root: &Root) {
        let proofs = std::mem::take(&mut self.proofs);
        if let (Some(watch), Some(generation)) = (self.namespace.watch(), self.generation)
            && !proofs.is_empty()
        {
            watch.prove(generation, root, proofs);
        }
    }

    /// What follows is about another entry.
    pub(super) fn begin(&mut self) {
        self.from_memory = true;
    }

    /// Takes notice that something is looked at elsewhere.
    pub(super) fn notes_a_look(&mut self) {
        self.from_memory = false;
    }

    /// Whether everything is to be remembered at once, whatever comes of the look.
    pub(super) fn learns_at_once(&self) -> bool {
        self.namespace.watch().is_some_and(Watch::learns_at_once)
    }

    /// The generation of memory that alone has answered everything.
    pub(super) fn only_remembered(&self) -> Option<u64> {
        self.generation.filter(|_| self.from_memory)
    }

    /// Has remembered what was not.
    pub(super) fn learn(&mut self) {
        if let Some(watch) = self.namespace.watch()
            && !self.questions.is_empty()
        {
            watch.learn(self.namespace, std::mem::take(&mut self.questions));
        }
    }

    /// What is at an absolute path now.
    pub(crate) fn look(&mut self, path: &Path, follow: bool) -> Found {
        self.from_memory = false;
        if self.shown.is_plain() {
            return self.namespace.ask_kernel(path, follow);
        }
        let ends_open = path.as_os_str().as_bytes().ends_with(b"/");
        let found = self.find(path, follow || ends_open).map(|(_, found)| found);
        match found.unwrap_or_else(missing) {
            Found::File(_) | Found::Special { .. } if ends_open => missing(Errno::ENOTDIR),
            found => found,
        }
    }

    /// What is at an absolute path, a link at its end followed; none if in a view.
    pub(crate) fn look_outside_views(&mut self, path: &Path) -> Option<Found> {
        self.from_memory = false;
        if self.shown.is_plain() {
            return Some(self.namespace.ask_kernel(path, true));
        }
        match self.find(path, true) {
            Ok((real, _)) if self.shown.view_of(&real).is_some() => None,
            Ok((_, found)) => Some(found),
            Err(errno) => Some(missing(errno)),
        }
    }

    /// See [`Namespace::locate`].
    pub(crate) fn locate<'p>(&mut self, path: &'p Path, follow: bool) -> Located<'p> {
        if self.shown.is_plain() {
            return Located::Kernel(path.into());
        }
        match self.find(path, follow) {
            Ok((real, _)) => match self.shown.view_of(&real) {
                Some((view, below)) => Located::View(view, below),
                None => Located::Kernel(real.into()),
            },
            Err(errno) => Located::Nowhere(errno),
        }
    }

    /// The path without links that leads to the same file; none where the kernel can
    /// be asked.
    pub(super) fn real_path(&mut self, path: &Path) -> nix::Result<Option<PathBuf>> {
        if self.shown.is_plain() {
            return Ok(None);
        }
        match self.find(path, true)? {
            (_, Found::Absent) => Err(Errno::ENOENT),
            (real, _) => Ok(Some(real)),
        }
    }

    /// Where a path leads, without links, and what is there.
    fn find(&mut self, path: &Path, follow: bool) -> nix::Result<(PathBuf, Found)> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return self
                .walk(&Here::default(), path, follow)
                .map(|(here, found)| (here.path, found));
        };
        let directory = match self.directories.get(parent) {
            Some(known) => known.clone(),
            None => {
                let found = self.walk(&Here::default(), parent, true);
                let directory = found.and_then(|(here, found)| match found {
                    Found::Directory(_) => Ok(here),
                    Found::Unreachable(errno) => Err(Errno::from_raw(errno)),
                    Found::Absent => Err(Errno::ENOENT),
                    _ => Err(Errno::ENOTDIR),
                });
                self.directories.insert(parent.to_owned(), directory.clone());
                directory
            }
        };
        let directory = directory?;
        let real = directory.path.join(name);
        match self.step(&real) {
            Found::Symlink(_) if follow => {
                let walked = self.walk(&directory, Path::new(name), true);
                walked.map(|(here, found)| (here.path, found))
            }
            found => Ok((real, found)),
        }
    }

    fn walk(&mut self, from: &Here, path: &Path, follow: bool) -> nix::Result<(Here, Found)> {
        walk(from, path, follow, |step| self.step(step))
    }

    /// What is at a path on which there are no links, itself not followed, asked once of a
    /// directory or link.
    fn step(&mut self, path: &Path) -> Found {
        if let Some(known) = self.steps.get(path) {
            return known.clone();
        }
        let found = self.look_at(path);
        if matches!(found, Found::Directory(_) | Found::Symlink(_)) {
            self.steps.insert(path.to_owned(), found.clone());
        }
        found
    }

    /// As [`Self::step`], asked now.
    pub(super) fn look_at(&mut self, path: &Path) -> Found {
        let Self { namespace, shown, places, .. } = self;
        let in_directory = path.parent().zip(path.file_name());
        if let Some((parent, name)) = in_directory.filter(|_| !shown.is_mount_point(path)) {
            if !places.contains_key(parent) {
                places.insert(parent.to_owned(), Asked::about(parent, shown));
            }
            match places.get(parent) {
                Some(Asked::View(directory)) => return found_in_view(directory.look(name)),
                Some(Asked::Kernel) => return namespace.ask_kernel(path, false),
                _ => {}
            }
        }
        match shown.view_of(path) {
            Some((view, below)) => found_in_view(view.look(&below, false)),
            None => namespace.ask_kernel(path, false),
        }
    }
}

/// Whom to ask about the names in a directory that are no mount points.
enum Asked {
    Kernel,
    View(ViewDirectory),
    /// About each anew: in its view it cannot be opened.
    Each,
}

impl Asked {
    fn about(directory: &Path, shown: &Shown) -> Self {
        match shown.view_of(directory) {
            None => Self::Kernel,
            Some((view, below)) => view.directory(&below).map_or(Self::Each, Self::View),
        }
    }
}

fn found_in_view(look: io::Result<Look>) -> Found {
    let file = |identity, mode: u32, digest| {
        Found::File(FoundFile { identity, mode: mode & 0o7777, digest })
    };
    match look {
        Ok(Look::Absent) => Found::Absent,
        Ok(Look::Projected { identity, mode, digest, .. }) => file(identity, mode, Some(digest)),
        Ok(Look::Lower { identity, mode }) => file(identity, mode, None),
        Ok(Look::Directory { identity }) => Found::Directory(identity),
        Ok(Look::Symlink(target)) => Found::Symlink(target.into()),
        Ok(Look::Special { kind, device }) => Found::Special { kind, device },
        // Somebody has just put a link there.
        Ok(Look::ThroughLink) => Found::Unreachable(libc::ELOOP),
        Err(error) => Found::Unreachable(error.raw_os_error().unwrap_or(libc::EIO)),
    }
}
