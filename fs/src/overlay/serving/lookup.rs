use std::ffi::{OsStr, OsString};
use std::sync::Arc;

use nix::errno::Errno;
use nix::sys::stat::FileStat;

use super::behind::gone_behind;
use crate::lower::{Directory, Name};
use crate::overlay::core::Overlay;
use crate::overlay::state::attributes::{Attributes, NodeId};
use crate::overlay::state::nodes::{Node, Target};
use crate::overlay::state::tree::Tree;

/// What a name leads to, as the kernel may remember it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    /// The node; nothing if the name leads nowhere.
    pub(crate) found: Option<(NodeId, Attributes)>,
    /// Whether the kernel may remember it until told otherwise.
    pub(crate) lasting: bool,
}

impl Overlay {
    /// Finds a name and counts the look-up.
    pub(crate) fn lookup(&self, parent: NodeId, name: &OsStr) -> nix::Result<Entry> {
        let directory = self.nodes().directory(parent)?;
        self.entry(&self.tree(), &directory, name)
    }

    /// Finds a name and counts the look-up, while the tree stays as it is.
    pub(crate) fn entry(
        &self,
        tree: &Tree,
        directory: &Arc<Directory>,
        name: &OsStr,
    ) -> nix::Result<Entry> {
        let lasting = !tree.is_expected(directory, name);
        if let Some(file) = tree.get(directory, name) {
            let node = self.nodes().remember_projected(file);
            return Ok(Entry { found: Some((node, file.attributes())), lasting });
        }
        let found = match directory.find(name)? {
            None => None,
            Some(stat) if stat.st_mode & libc::S_IFMT == libc::S_IFDIR => {
                Some(self.enter_directory(Name::new(directory, name), &stat)?)
            }
            Some(stat) => {
                let node = self.nodes().remember_file(directory, name, &stat);
                Some((node, Attributes::of_lower(node.0, &stat)))
            }
        };
        Ok(Entry { found, lasting })
    }

    fn enter_directory(&self, name: Name, stat: &FileStat) -> nix::Result<(NodeId, Attributes)> {
        let known = self.nodes().open_directory(stat.into());
        let child = match known {
            Some(child) => child,
            None => Arc::new(name.directory.child(&name.name)?),
        };
        let stat = if child.id() == stat.into() { *stat } else { child.stat()? };
        let mut nodes = self.nodes();
        let node = nodes.remember_directory(&child, name);
        nodes.tell(node, &stat);
        Ok((node, Attributes::of_lower(node.0, &stat)))
    }

    /// The kernel takes `lookups` of a node back.
    pub(crate) fn forget(&self, node: NodeId, lookups: u64) {
        let gone: Option<Node> = self.nodes().forget(node, lookups);
        drop(gone);
    }

    /// What `stat(2)` tells of a node.
    pub(crate) fn attributes(&self, node: NodeId) -> nix::Result<Attributes> {
        let _unchanging = self.tree();
        let target = self.nodes().target(node)?;
        let stat = match target {
            Target::Projected(file) => return Ok(file.attributes()),
            Target::Directory(directory) => directory.stat()?,
            Target::Lower(place) => place.stat().map_err(gone_behind)?,
        };
        self.tell(node, &stat)
    }

    /// The attributes of a node, of which the kernel is told.
    pub(crate) fn tell(&self, node: NodeId, stat: &FileStat) -> nix::Result<Attributes> {
        let attributes = self.lower_attributes(node, stat)?;
        self.nodes().tell(node, stat);
        Ok(attributes)
    }

    /// Attributes of the node, if that is what was found in its place.
    pub(crate) fn lower_attributes(
        &self,
        node: NodeId,
        stat: &FileStat,
    ) -> nix::Result<Attributes> {
        if node == NodeId::ROOT {
            return Ok(Attributes::of_lower(stat.st_ino, stat));
        }
        if self.nodes().known_id(stat.into()) != Some(node) {
            return Err(Errno::ESTALE);
        }
        Ok(Attributes::of_lower(node.0, stat))
    }

    /// The target of a symbolic link.
    pub(crate) fn read_link(&self, node: NodeId) -> nix::Result<OsString> {
        let _unchanging = self.tree();
        let target = self.nodes().target(node)?;
        match target {
            Target::Lower(place) => place.read_link(),
            Target::Directory(_) | Target::Projected(_) => Err(Errno::EINVAL),
        }
    }
}
