//! What was seen and cannot have changed since, because the kernel would have said so
//! (`inotify(7)`): where nothing has changed, a result is verified without a look at
//! any file.
//!
//! A path leads to the same file while no name on the way is created, removed or moved,
//! which its directory announces, and while no mount changes. The file has the same
//! content while nobody has it open for writing: a store through a mapping, or by
//! `io_submit(2)`, is not announced, but opening is. So a file is watched from a moment
//! at which nobody writes it (a read lease is to be had), until it is opened by anybody.
//!
//! This makes nothing true that a look would not have found: whatever cannot be watched,
//! has changed or is new is looked at.

mod below;
mod lesson;
mod limits;
mod proofs;
mod state;
#[cfg(test)]
mod tests;
mod writers;

use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Instant;

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};

use zccache_core::settings::Watching;
use zccache_core::{Digest, Observation, Root};
use zccache_fs::Change;

pub(crate) use self::proofs::{Made, Proof};
use self::state::State;
pub(crate) use self::state::{Fact, Recalled};
pub(crate) use self::writers::Writers;
use super::{Found, Namespace};

/// What is asked about a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum What {
    /// What its name is.
    Itself,
    /// What it leads to.
    Target,
    /// Which names are in the directory that it leads to.
    Names,
}

impl What {
    /// What a look asks that follows a link at the end, or does not.
    pub(crate) fn of_look(follow: bool) -> Self {
        if follow { Self::Target } else { Self::Itself }
    }
}

/// What is at a path, asked once.
#[derive(Debug)]
pub(crate) struct Question {
    path: Box<[u8]>,
    what: What,
}

impl Question {
    pub(crate) fn new(path: &Path, what: What) -> Self {
        Self { path: path.as_os_str().as_bytes().into(), what }
    }
}

/// What is known of a path.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// What is there.
    Found(Found),
    /// The digest of its names: see [`digest_of_listing`](super::digest_of_listing).
    Names(Digest),
}

/// The memory of one mount namespace.
pub(crate) struct Watch {
    /// Whoever reads events applies them before somebody else may read on. Taken before
    /// the state is.
    watches: Mutex<Watches>,
    state: RwLock<State>,
    learner: Learner,
    /// How many watches there may be.
    most: usize,
}

struct Watches {
    inotify: Inotify,
    /// Counts how often all was begun anew.
    epoch: u64,
    since: Instant,
}

enum Learner {
    AtOnce,
    Thread(SyncSender<Vec<Question>>),
}

impl Watches {
    fn new(epoch: u64) -> nix::Result<Self> {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
        Ok(Self { inotify, epoch, since: Instant::now() })
    }
}

impl Watch {
    /// A memory, and the questions that it passes on to be learnt by somebody. None if
    /// it is not wanted, or not to be had.
    pub(super) fn new(watching: Watching) -> Option<(Self, Option<Receiver<Vec<Question>>>)> {
        let (learner, questions) = match watching {
            Watching::Off => return None,
            Watching::AtOnce => (Learner::AtOnce, None),
            Watching::Later => {
                let (sender, receiver) = sync_channel(limits::WAITING);
                (Learner::Thread(sender), Some(receiver))
            }
        };
        let watches = Watches::new(0)
            .inspect_err(|error| tracing::info!(%error, "inputs are not watched"))
            .ok()?;
        let (watches, state) = (Mutex::new(watches), RwLock::default());
        let watch = Self { watches, state, learner, most: limits::most_watches() };
        Some((watch, questions))
    }

    /// Whether every look is to be learnt, whatever came of it.
    pub(super) fn learns_at_once(&self) -> bool {
        matches!(self.learner, Learner::AtOnce)
    }

    /// Has the answers to questions remembered, now or soon.
    pub(super) fn learn(&self, namespace: &Namespace, questions: Vec<Question>) {
        match &self.learner {
            Learner::AtOnce => self.study(namespace, questions),
            // Whoever has too much to do is asked again.
            Learner::Thread(thread) => drop(thread.try_send(questions)),
        }
    }

    /// Takes notice of all that has been announced. To be called before what is
    /// remembered is used for a request, after that has come.
    pub(super) fn refresh(&self) {
        let mut watches = self.watches();
        let mut opened = Vec::new();
        for _ in 0..limits::ROUNDS {
            opened = self.take_events(&mut watches);
            if opened.is_empty() {
                return;
            }
        }
        // Somebody opens these all the time.
        let mut state = self.state_to_change();
        opened.into_iter().for_each(|watch| state.disarm(watch));
    }

    /// Reads what has been announced. The files of which there may be more to come,
    /// because they were opened.
    fn take_events(&self, watches: &mut Watches) -> Vec<WatchDescriptor> {
        let mut state = None;
        loop {
            match watches.inotify.read_events() {
                Ok(events) => {
                    let state = state.get_or_insert_with(|| self.state_to_change());
                    if events.iter().any(|one| one.mask.contains(AddWatchFlags::IN_Q_OVERFLOW)) {
                        break;
                    }
                    events.iter().for_each(|event| state.take(event));
                }
                Err(Errno::EAGAIN) => {
                    return state.map(|mut state| state.settle_opened()).unwrap_or_default();
                }
                Err(Errno::EINTR) => {}
                Err(_) => break,
            }
        }
        drop(state);
        self.begin_anew(watches);
        Vec::new()
    }

    /// Takes notice of names that a view projects, or projects no longer, before anybody
    /// sees that: the kernel is not told of it.
    pub(super) fn announce(&self, changes: &[Change]) {
        let watched = |change: &Change| self.state().watch_below(change.name().0);
        let watched: Vec<_> = changes.iter().filter_map(|c| Some((watched(c)?, c))).collect();
        if !watched.is_empty() {
            let mut state = self.state_to_change();
            watched.into_iter().for_each(|(watch, c)| state.changes(watch, c.name().1, true));
        }
    }

    /// What is at a path, if that is known.
    pub(super) fn recall(&self, path: &Path, what: What) -> Recalled {
        self.state().recall(path.as_os_str().as_bytes(), what)
    }

    /// Of each observation, whether it is known that it would be made again in a checkout.
    pub(super) fn proven(
        &self,
        root: &Root,
        observations: &[Arc<Observation>],
    ) -> Vec<Option<Made>> {
        self.state().proven(root, observations)
    }

    /// Remembers proofs made of what was recalled in a generation, unless that has ended.
    pub(super) fn prove(&self, generation: u64, root: &Root, proofs: Vec<Proof>) {
        let mut state = self.state_to_change();
        if state.generation == generation {
            state.proofs.add(root, proofs);
        }
    }

    /// As long as this is the same, all that is remembered holds.
    pub(super) fn generation(&self) -> u64 {
        self.state().generation
    }

    /// Forgets everything.
    pub(super) fn forget(&self) {
        self.begin_anew(&mut self.watches());
    }

    fn begin_anew(&self, watches: &mut Watches) {
        match Watches::new(watches.epoch + 1) {
            Ok(anew) => {
                let before = std::mem::replace(watches, anew);
                // The kernel takes its time to end thousands of watches.
                let _ends_by_itself = std::thread::Builder::new().spawn(move || drop(before));
            }
            Err(error) => {
                tracing::warn!(%error, "watched inputs are forgotten");
                watches.epoch += 1;
            }
        }
        self.state_to_change().forget();
    }

    /// The watches, if they are those of this epoch.
    fn current(&self, epoch: u64) -> Option<MutexGuard<'_, Watches>> {
        Some(self.watches()).filter(|watches| watches.epoch == epoch)
    }

    fn watches(&self) -> MutexGuard<'_, Watches> {
        self.watches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn state_to_change(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Learns what is asked for as long as there is a namespace to ask.
pub(super) fn learn_from(
    questions: &Receiver<Vec<Question>>,
    namespace: &std::sync::Weak<Namespace>,
) {
    while let Ok(mut some) = questions.recv() {
        std::thread::sleep(limits::LATER);
        some.extend(questions.try_iter().flatten());
        let Some(namespace) = namespace.upgrade() else { return };
        if let Some(watch) = namespace.watch() {
            watch.study(&namespace, some);
        }
    }
}
