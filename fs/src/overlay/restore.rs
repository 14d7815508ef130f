use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use super::core::Overlay;
use super::state::projected::Projected;
use super::state::tree::Tree;
use super::survey::Located;
use crate::journal::Shown;
use crate::lower::{LowerId, Name, StagedMetadata};

impl Overlay {
    /// Projects again what the journal remembers, before anybody looks. What
    /// has changed below since then is as it is: a name that is taken stays
    /// taken, a directory that is another gets nothing.
    pub(super) fn restore(&self, remembered: Vec<Shown>) {
        if remembered.is_empty() {
            return;
        }
        let mut tree = self.tree_mut();
        let mut files = HashMap::new();
        for shown in remembered {
            let Some(name) = self.vacant(&tree, &shown) else { continue };
            let file = files.entry(shown.file).or_insert_with(|| self.remembered(&shown));
            if let Some(file) = file {
                tree.insert(name, Arc::clone(file));
            }
        }
        drop(tree);
        self.tree().begin_journal_anew();
    }

    /// The name, if its directory is still there and nothing else is in its place.
    fn vacant(&self, tree: &Tree, shown: &Shown) -> Option<Name> {
        let Ok(Located::Name(name)) = self.locate_in(tree, &shown.path) else { return None };
        let (device, inode) = shown.directory;
        let same = name.directory.id() == LowerId { device, inode };
        let taken = tree.get(&name.directory, &name.name).is_some()
            || !matches!(name.directory.find(&name.name), Ok(None));
        (same && !taken).then_some(name)
    }

    /// The file, if its bytes can be read.
    fn remembered(&self, shown: &Shown) -> Option<Arc<Projected>> {
        let &Shown { mode, uid, gid, atime, mtime, .. } = shown;
        let metadata = StagedMetadata { mode: mode & 0o7777, uid, gid, atime, mtime };
        let file = Projected::new(self.next_projected(), shown.source.clone(), metadata);
        match file.open_bytes(&*self.content.0) {
            Ok(_) => Some(Arc::new(file)),
            Err(error) => {
                tracing::warn!(%error, path = %Path::display(&shown.path), "a file is gone");
                None
            }
        }
    }
}
