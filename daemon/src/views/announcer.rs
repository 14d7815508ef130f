use std::sync::{Arc, Weak};

use zccache_fs::{Change, Journal, Shown};

use crate::world::Namespace;

/// Says what a view changes to who remembers what is at paths, then to its journal.
pub(super) struct Announcer {
    journal: Arc<dyn Journal>,
    to: Weak<Namespace>,
}

impl Announcer {
    /// Says it to a namespace, for as long as there is that.
    pub(super) fn new(journal: Arc<dyn Journal>, to: &Arc<Namespace>) -> Self {
        Self { journal, to: Arc::downgrade(to) }
    }
}

impl Journal for Announcer {
    fn replay(&self) -> Vec<Shown> {
        self.journal.replay()
    }

    fn note(&self, changes: &[Change]) -> bool {
        if let Some(namespace) = self.to.upgrade() {
            namespace.announce(changes);
        }
        self.journal.note(changes)
    }

    fn begin_anew(&self, all: &[Shown]) {
        self.journal.begin_anew(all);
    }
}
