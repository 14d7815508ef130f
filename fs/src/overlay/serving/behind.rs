//! What others change in the lower directory while the kernel believes that nothing
//! but this view does. It is noticed at opens, for which the kernel always asks.

use std::path::PathBuf;
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::FileStat;

use super::open::writes;
use crate::lower::{Directory, LowerId, Name, Place};
use crate::overlay::core::Overlay;
use crate::overlay::state::attributes::NodeId;
use crate::overlay::state::kernel::Invalidation;
use crate::overlay::state::told::Difference;

/// A lower file that is not at its name any more, or a link in its place: `ESTALE`,
/// at which the kernel looks again.
pub(crate) fn gone_behind(errno: Errno) -> Errno {
    match errno {
        Errno::ENOENT | Errno::ELOOP => Errno::ESTALE,
        errno => errno,
    }
}

impl Overlay {
    /// This view changes the names or the attributes of a directory.
    pub(crate) fn changed_here(&self, directory: &Directory) {
        self.nodes().changed_here(directory.id());
    }

    /// What the kernel has to forget of a lower file that is opened and not what it
    /// was told. Who truncates it has the kernel forget all by that.
    pub(crate) fn changed_behind(
        &self,
        (node, place): (NodeId, &Place),
        now: &FileStat,
        flags: OFlag,
    ) -> Vec<Invalidation> {
        if writes(flags) && flags.contains(OFlag::O_TRUNC) {
            self.nodes().truncated(node);
            return Vec::new();
        }
        let difference = self.nodes().compare(node, now);
        match difference {
            Difference::None => return Vec::new(),
            Difference::ByAnyone => {}
            Difference::ByOthers => self.notice(place),
        }
        vec![Invalidation::Content(node)]
    }

    /// Takes notice of a file that is not there any more, or another.
    pub(crate) fn notice_if_gone(&self, errno: Errno, place: &Place) {
        if errno == Errno::ESTALE {
            self.notice(place);
        }
    }

    /// What the kernel has to forget of a directory that is opened and not what it was
    /// told: names that lead elsewhere than it believes or did not exist, and the
    /// listing. A directory that is where it was keeps its name: things may be mounted
    /// in it, which go when a name is forgotten.
    pub(crate) fn listed_behind(
        &self,
        node: NodeId,
        directory: &Arc<Directory>,
    ) -> nix::Result<Vec<Invalidation>> {
        let tree = self.tree();
        if !self.nodes().is_told(node) {
            return Ok(Vec::new());
        }
        let now = directory.stat()?;
        if self.nodes().compare(node, &now) == Difference::None {
            return Ok(Vec::new());
        }
        self.notice(&Place::Named(Name::new(directory, ".".as_ref())));
        let known = self.nodes().names_in(directory);
        let listed = Self::names_of(&tree, directory)?.into_iter().map(|listed| listed.name);
        let mut names: Vec<_> = listed.filter(|name| !known.contains_key(name)).collect();
        for (name, id) in known {
            if directory.find(&name)?.as_ref().map(LowerId::from) != Some(id) {
                names.push(name);
            }
        }
        let entry = |name| Invalidation::Entry { directory: node, name };
        let entries = names.into_iter().map(entry);
        Ok(entries.chain([Invalidation::Listing(node)]).collect())
    }

    fn notice(&self, place: &Place) {
        if self.count_change_behind() > 0 {
            return;
        }
        let path = match place {
            Place::Named(name) => name.describe(),
            Place::Pinned(_) => PathBuf::new(),
        };
        tracing::warn!(
            ?path,
            "something changes the directory below a view; what it changes is seen when it is opened"
        );
    }
}
