use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::core::Overlay;
use super::state::attributes::NodeId;
use super::state::projected::Projected;

/// What becomes of projected files.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Settle {
    /// They are written to the lower directory.
    Materialise,
    /// They are dropped.
    Discard,
}

/// What became of projected files. Hard links count once a name.
#[derive(Default, Debug)]
pub struct Settled {
    /// Names that are lower files now.
    pub written: u64,
    /// Names that are gone.
    pub dropped: u64,
    /// Files that stay projected because they cannot be written.
    pub failed: Vec<Unsettled>,
}

/// A projected file that could not be written.
#[derive(Debug)]
pub struct Unsettled {
    /// Its first name, as this process would say it.
    pub path: PathBuf,
    /// Why.
    pub error: io::Error,
}

impl Overlay {
    /// Ends the projection of every file that is projected now.
    pub(crate) fn settle(&self, how: Settle) -> Settled {
        let files: HashMap<NodeId, Arc<Projected>> =
            self.tree().files().map(|file| (file.node(), Arc::clone(file))).collect();
        let mut settled = Settled::default();
        for file in files.values() {
            match how {
                Settle::Materialise => self.materialise(file, &mut settled),
                Settle::Discard => settled.dropped += self.discard(file),
            }
        }
        settled
    }

    fn materialise(&self, file: &Arc<Projected>, settled: &mut Settled) {
        let path = file.state().names.first().map(crate::lower::Name::describe);
        match self.copy_up(file, true) {
            Ok(copied) => {
                settled.written += copied.names;
                self.invalidate(&copied.stale);
            }
            Err(errno) => {
                let failed = Unsettled { path: path.unwrap_or_default(), error: errno.into() };
                settled.failed.push(failed);
            }
        }
    }

    fn discard(&self, file: &Projected) -> u64 {
        let mut tree = self.tree_mut();
        let names = file.state().names.clone();
        for name in &names {
            tree.remove(&name.directory, &name.name);
            if let Err(errno) = name.directory.touch() {
                tracing::debug!(%errno, ?name, "a directory keeps its times");
            }
            self.changed_here(&name.directory);
        }
        drop(tree);
        self.invalidate(&self.stale_after(&names));
        names.len() as u64
    }
}
