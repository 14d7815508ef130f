//! What is remembered, and which changes put an end to it.

use std::ffi::OsStr;
use std::fs::File;
use std::sync::Arc;
use std::time::Instant;

use nix::sys::inotify::{AddWatchFlags, InotifyEvent, WatchDescriptor};
use rustc_hash::FxHashMap;
use zccache_core::Identity;

use super::below::BelowView;
use super::proofs::Proofs;
use super::writers::Writers;
use super::{Answer, Question, What, limits};

/// The number of something that is so until the kernel announces that it changes.
pub(crate) type Fact = u32;

/// What the watches are for.
#[derive(Default)]
pub(super) struct State {
    /// Of each fact, whether it still holds.
    holds: Vec<bool>,
    /// How many facts have ceased to hold.
    pub(super) generation: u64,
    directories: FxHashMap<WatchDescriptor, Names>,
    /// The watches of directories below views, by device and inode.
    below_views: FxHashMap<(u64, u64), WatchDescriptor>,
    names: usize,
    files: FxHashMap<WatchDescriptor, Armed>,
    /// Their watches, by device and inode.
    inodes: FxHashMap<(u64, u64), WatchDescriptor>,
    held: usize,
    /// Files that were opened since they were last looked at.
    opened: Vec<WatchDescriptor>,
    /// By path, for each [`What`].
    known: [FxHashMap<Box<[u8]>, Known>; 3],
    pub(super) proofs: Proofs,
}

/// What a name leads to in a directory, by the name in lower case: of a directory that
/// makes no difference between the two, both count as the same name.
#[derive(Default)]
struct Names {
    each: FxHashMap<Box<[u8]>, Fact>,
    /// That there are no others and none fewer.
    all: Option<Fact>,
    /// The directory, if it is below one of a view.
    below: Option<BelowView>,
}

/// A file that is as it was until an event.
struct Armed {
    inode: (u64, u64),
    fact: Fact,
    /// Kept open where many open it, so that it can be asked each time whether one of
    /// them writes. Others are given up when they are opened.
    kept: Option<File>,
}

/// What was at a path.
pub(super) struct Known {
    /// None if that could not be watched.
    pub(super) memory: Option<Memory>,
    pub(super) since: Instant,
    /// How often it was looked into.
    pub(super) times: u8,
}

/// What is at a path while all these facts hold.
pub(super) struct Memory {
    pub(super) answer: Answer,
    pub(super) facts: Arc<[Fact]>,
}

/// What somebody who asks is told.
pub(crate) enum Recalled {
    /// This, while these facts hold.
    Known(Answer, Arc<[Fact]>),
    /// It has to be looked at, and it is worth while to remember it.
    New,
    /// It has to be looked at.
    Changing,
}

impl State {
    /// Forgets everything.
    pub(super) fn forget(&mut self) {
        *self = Self { generation: self.generation + 1, ..Self::default() };
    }

    pub(super) fn recall(&self, path: &[u8], what: What) -> Recalled {
        let Some(known) = self.known[what as usize].get(path) else { return Recalled::New };
        match &known.memory {
            Some(memory) if self.hold(&memory.facts) => {
                Recalled::Known(memory.answer.clone(), Arc::clone(&memory.facts))
            }
            _ if known.since.elapsed() < limits::AGAIN => Recalled::Changing,
            _ => Recalled::New,
        }
    }

    /// How often a question was looked into; none if it need not be again.
    pub(super) fn times(&self, question: &Question) -> Option<u8> {
        match self.recall(&question.path, question.what) {
            Recalled::New => {
                let known = self.known[question.what as usize].get(&question.path);
                Some(known.map_or(0, |known| known.times))
            }
            Recalled::Known(..) | Recalled::Changing => None,
        }
    }

    pub(super) fn remember(&mut self, question: Question, known: Known) {
        self.known[question.what as usize].insert(question.path, known);
    }

    pub(super) fn hold(&self, facts: &[Fact]) -> bool {
        facts.iter().all(|fact| self.holds.get(*fact as usize) == Some(&true))
    }

    /// Whether there is no room for more, with so many watches at most.
    pub(super) fn is_full(&self, most: usize) -> bool {
        self.known.iter().map(FxHashMap::len).sum::<usize>() >= limits::PATHS
            || self.files.len() + self.directories.len() >= most
            || self.files.len() >= limits::FILES
            || self.directories.len() >= limits::DIRECTORIES
            || self.names >= limits::PATHS
            || self.holds.len() >= limits::FACTS
    }

    /// What is at a name of a watched directory.
    pub(super) fn name(&mut self, directory: WatchDescriptor, name: &[u8]) -> Fact {
        let name = name.to_ascii_lowercase().into_boxed_slice();
        let Self { holds, directories, names, .. } = self;
        *directories.entry(directory).or_default().each.entry(name).or_insert_with(|| {
            *names += 1;
            new_fact(holds)
        })
    }

    /// Which names are in a watched directory.
    pub(super) fn all_names(&mut self, directory: WatchDescriptor) -> Fact {
        let Self { holds, directories, .. } = self;
        *directories.entry(directory).or_default().all.get_or_insert_with(|| new_fact(holds))
    }

    /// A watched directory is below one of a view. What it was like when that was said
    /// first counts: a change since may be announced yet.
    pub(super) fn is_below(&mut self, directory: WatchDescriptor, below: BelowView) {
        self.below_views.insert(below.id(), directory);
        self.directories.entry(directory).or_default().below.get_or_insert(below);
    }

    /// The watch of a directory below a view, by its device and inode number.
    pub(super) fn watch_below(&self, directory: (u64, u64)) -> Option<WatchDescriptor> {
        self.below_views.get(&directory).copied()
    }

    /// Whether a file is armed already: one may be at many paths.
    pub(super) fn armed(&self, file: &Identity) -> Option<Fact> {
        let watch = self.inodes.get(&(file.device, file.inode))?;
        self.files.get(watch).map(|armed| armed.fact)
    }

    pub(super) fn arm(
        &mut self,
        watch: WatchDescriptor,
        file: &Identity,
        kept: Option<File>,
    ) -> Fact {
        self.disarm(watch);
        let (fact, inode) = (new_fact(&mut self.holds), (file.device, file.inode));
        self.held += usize::from(kept.is_some());
        self.inodes.insert(inode, watch);
        self.files.insert(watch, Armed { inode, fact, kept });
        fact
    }

    /// Whether one more file may be kept open.
    pub(super) fn may_keep(&self) -> bool {
        self.held < limits::kept_open()
    }

    pub(super) fn end(&mut self, fact: Fact) {
        if let Some(holds) = self.holds.get_mut(fact as usize)
            && *holds
        {
            *holds = false;
            self.generation += 1;
        }
    }

    pub(super) fn disarm(&mut self, watch: WatchDescriptor) {
        if let Some(armed) = self.files.remove(&watch) {
            self.held -= usize::from(armed.kept.is_some());
            self.inodes.remove(&armed.inode);
            self.end(armed.fact);
        }
    }

    /// Takes notice of an event.
    pub(super) fn take(&mut self, event: &InotifyEvent) {
        if let Some(armed) = self.files.get(&event.wd) {
            if event.mask == AddWatchFlags::IN_OPEN && armed.kept.is_some() {
                self.opened.push(event.wd);
            } else {
                self.disarm(event.wd);
            }
            return;
        }
        let Some(names) = self.directories.get(&event.wd) else { return };
        let of_attributes = event.mask.contains(AddWatchFlags::IN_ATTRIB);
        match (&event.name, &names.below) {
            // Whoever went through that directory is told by its own watch.
            (Some(_), _) if of_attributes && event.mask.contains(AddWatchFlags::IN_ISDIR) => {}
            // Who owns a link may decide who follows it (`fs.protected_symlinks`),
            // but is no matter of the other names.
            (Some(name), _) => self.changes(event.wd, name, !of_attributes),
            (None, Some(below)) if of_attributes && below.is_as_it_was() => {}
            // What happens to the directory itself: its names may lead elsewhere.
            (None, _) => self.forget_names(event.wd),
        }
    }

    /// A name of a watched directory may lead elsewhere now, and may be new or gone.
    pub(super) fn changes(&mut self, directory: WatchDescriptor, name: &OsStr, is_new: bool) {
        let Some(names) = self.directories.get_mut(&directory) else { return };
        let name = name.as_encoded_bytes().to_ascii_lowercase();
        let fact = names.each.remove(name.as_slice());
        let all = if is_new { names.all.take() } else { None };
        self.names -= usize::from(fact.is_some());
        [fact, all].into_iter().flatten().for_each(|fact| self.end(fact));
    }

    fn forget_names(&mut self, directory: WatchDescriptor) {
        let names = self.directories.remove(&directory).unwrap_or_default();
        self.names -= names.each.len();
        if let Some(below) = names.below {
            self.below_views.remove(&below.id());
        }
        names.each.into_values().chain(names.all).for_each(|fact| self.end(fact));
    }

    /// Gives up those files opened lately that are being written, and returns those
    /// that are not: what their writers did until now is yet to be announced.
    pub(super) fn settle_opened(&mut self) -> Vec<WatchDescriptor> {
        let mut opened = std::mem::take(&mut self.opened);
        opened.sort_unstable();
        opened.dedup();
        opened.retain(|watch| {
            let kept = self.files.get(watch).and_then(|armed| armed.kept.as_ref());
            let quiet = kept.map(|file| Writers::of(file) == Writers::None);
            if quiet == Some(false) {
                self.disarm(*watch);
            }
            quiet == Some(true)
        });
        opened
    }
}

/// The number of one more thing that holds.
fn new_fact(holds: &mut Vec<bool>) -> Fact {
    holds.push(true);
    Fact::try_from(holds.len() - 1).unwrap_or(Fact::MAX)
}
