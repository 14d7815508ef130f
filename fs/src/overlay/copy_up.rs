use std::sync::Arc;

use nix::errno::Errno;

use super::core::Overlay;
use super::state::kernel::Invalidation;
use super::state::projected::Projected;
use crate::content::ProjectedBytes;
use crate::errno::errno_of;
use crate::lower::{Directory, Name, StagedFile};

/// What has come of turning a projected file into a lower one.
#[derive(Default, Debug)]
pub(crate) struct CopiedUp {
    /// How many names it had; none if somebody else was faster.
    pub(crate) names: u64,
    /// What the kernel has to forget.
    pub(crate) stale: Vec<Invalidation>,
}

impl Overlay {
    /// Turns a projected file into a lower one under all its names, in one
    /// step and once however many ask; with its bytes or empty.
    pub(super) fn copy_up(&self, file: &Arc<Projected>, keep: bool) -> nix::Result<CopiedUp> {
        let _once = file.begin_copying();
        let first = file.state().names.first().cloned();
        let Some(first) = first else { return Ok(CopiedUp::default()) };
        let staged = self.stage(file, &first.directory, keep)?;
        let mut tree = self.tree_mut();
        let (names, mut metadata) = {
            let state = file.state();
            (state.names.clone(), state.metadata)
        };
        if !keep {
            metadata.mtime = self.clock.now();
        }
        staged.set(&metadata)?;
        link_unnoticed(&staged, &names)?;
        for name in &names {
            self.changed_here(&name.directory);
            tree.remove(&name.directory, &name.name);
        }
        drop(tree);
        Ok(CopiedUp { names: names.len() as u64, stale: self.stale_after(&names) })
    }

    fn stage(
        &self,
        file: &Projected,
        directory: &Arc<Directory>,
        keep: bool,
    ) -> nix::Result<StagedFile> {
        let staged = StagedFile::create(directory)?;
        if !keep {
            return Ok(staged);
        }
        let filled = match file.bytes() {
            ProjectedBytes::Inline(bytes) => staged.fill(bytes),
            ProjectedBytes::Blob { .. } => {
                file.open_bytes(&*self.content.0).and_then(|bytes| staged.fill_from(bytes))
            }
        };
        let size = filled.and_then(|()| staged.size()).map_err(|error| {
            tracing::error!(%error, bytes = ?file.bytes(), "a projected file cannot be copied");
            errno_of(&error)
        })?;
        if size == file.bytes().length() { Ok(staged) } else { Err(Errno::EIO) }
    }

    /// What the kernel has to forget when `names` lead elsewhere.
    pub(super) fn stale_after(&self, names: &[Name]) -> Vec<Invalidation> {
        let entries = names.iter().filter_map(|name| self.stale_name(name));
        let listings = names.iter().filter_map(|name| self.stale_listing(&name.directory));
        let mut stale: Vec<_> = entries.collect();
        for listing in listings {
            if !stale.contains(&listing) {
                stale.push(listing);
            }
        }
        stale
    }
}

/// Gives a file its names in directories that show them already, and so do not
/// change.
fn link_unnoticed(staged: &StagedFile, names: &[Name]) -> nix::Result<()> {
    let mut before = Vec::new();
    for Name { directory, .. } in names {
        before.push((directory, directory.stat()?));
    }
    let linked = link_all(staged, names);
    // In the order in which they were read, the first of each is the last to be set.
    for (directory, stat) in before.iter().rev() {
        if let Err(errno) = directory.set_modified(stat) {
            tracing::debug!(%errno, ?directory, "a directory shows the time of a copy");
        }
    }
    linked
}

fn link_all(staged: &StagedFile, names: &[Name]) -> nix::Result<()> {
    for (done, name) in names.iter().enumerate() {
        if let Err(errno) = staged.link(name) {
            names[..done].iter().for_each(Name::remove);
            return Err(errno);
        }
    }
    Ok(())
}
