use std::ffi::OsStr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::lower::{Directory, Listed};
use crate::overlay::core::Overlay;
use crate::overlay::state::attributes::{Attributes, NodeId};
use crate::overlay::state::kernel::Invalidation;
use crate::overlay::state::tree::Tree;
use nix::unistd::AccessFlags;

/// A directory that is open for reading. What it lists stays as it was when
/// reading began, so that positions stay what they are while names come and go.
#[derive(Debug)]
pub(crate) struct OpenDirectory {
    directory: Arc<Directory>,
    inode: u64,
    names: Mutex<Option<Arc<Vec<Listed>>>>,
}

/// One name of a listing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot<'a> {
    /// The name.
    pub(crate) name: &'a OsStr,
    /// Where the listing goes on after it.
    pub(crate) next: u64,
    /// Its inode number.
    pub(crate) inode: u64,
    /// Its type, as the `S_IFMT` bits.
    pub(crate) kind: u32,
    /// The node, where it was asked for and is at hand.
    pub(crate) found: Option<(NodeId, Attributes)>,
    /// Whether the kernel may remember the node.
    pub(crate) lasting: bool,
}

impl Overlay {
    /// Opens a directory for reading; returns the handle, and what the kernel has to
    /// forget before it lists the directory.
    pub(crate) fn open_directory(&self, node: NodeId) -> nix::Result<(u64, Vec<Invalidation>)> {
        let directory = self.nodes().directory(node)?;
        if self.user.is_checked() {
            directory.permits(AccessFlags::R_OK)?;
        }
        let stale = self.listed_behind(node, &directory)?;
        let names = Mutex::new(None);
        let open = OpenDirectory { directory, inode: node.0, names };
        Ok((self.handles.add_directory(open), stale))
    }

    /// Ends the reading of a directory.
    pub(crate) fn close_directory(&self, handle: u64) {
        self.handles.remove_directory(handle);
    }

    /// The names of a directory, lower and projected.
    pub(crate) fn names_of(tree: &Tree, directory: &Directory) -> nix::Result<Vec<Listed>> {
        let mut names = directory.read()?;
        names.retain(|listed| tree.get(directory, &listed.name).is_none());
        let lower = names.len();
        names.extend(tree.files_of(directory.id()).map(|(name, file)| Listed {
            name: name.clone(),
            inode: file.node().0,
            kind: libc::S_IFREG,
        }));
        names[lower..].sort_unstable_by(|one, other| one.name.cmp(&other.name));
        Ok(names)
    }

    /// Hands the names from position `from` on to `add` until that returns
    /// false. With `nodes` each comes with its node, and a look-up is counted
    /// for each that was added; directories come without, as each would cost a
    /// descriptor.
    pub(crate) fn list_directory(
        &self,
        handle: u64,
        from: u64,
        nodes: bool,
        add: &mut dyn FnMut(&Slot<'_>) -> bool,
    ) -> nix::Result<()> {
        let open = self.handles.directory(handle)?;
        let tree = self.tree();
        self.nodes().show(NodeId(open.inode));
        if from == 0 && !self.nodes().is_told(NodeId(open.inode)) {
            self.nodes().tell(NodeId(open.inode), &open.directory.stat()?);
        }
        let names = open.names(&tree, from == 0)?;
        let (inode, kind) = (open.inode, libc::S_IFDIR);
        let dots = [(".", 0), ("..", 1)].into_iter().filter(|(_, position)| *position >= from);
        for (name, position) in dots {
            let (name, next) = (OsStr::new(name), position + 1);
            if !add(&Slot { name, next, inode, kind, found: None, lasting: false }) {
                return Ok(());
            }
        }
        let skipped = usize::try_from(from.saturating_sub(2)).unwrap_or(usize::MAX);
        for (index, listed) in names.iter().enumerate().skip(skipped) {
            let found = if nodes { self.peek(&tree, &open.directory, listed) } else { None };
            let Listed { name, inode, kind } = listed;
            let slot = Slot {
                name,
                next: index as u64 + 3,
                inode: *inode,
                kind: *kind,
                found,
                lasting: !tree.is_expected(&open.directory, name),
            };
            if !add(&slot) {
                break;
            }
            if found.is_some() {
                self.entry(&tree, &open.directory, name)?;
            }
        }
        Ok(())
    }

    /// The node of a name without counting a look-up.
    fn peek(
        &self,
        tree: &Tree,
        directory: &Directory,
        listed: &Listed,
    ) -> Option<(NodeId, Attributes)> {
        if let Some(file) = tree.get(directory, &listed.name) {
            return Some((file.node(), file.attributes()));
        }
        if listed.kind == libc::S_IFDIR {
            return None;
        }
        let stat = directory.stat_of(&listed.name).ok()?;
        if stat.st_mode & libc::S_IFMT == libc::S_IFDIR || stat.st_dev != self.root.id().device {
            return None;
        }
        let node = self.nodes().number((&stat).into());
        Some((node, Attributes::of_lower(node.0, &stat)))
    }
}

impl OpenDirectory {
    fn names(&self, tree: &Tree, again: bool) -> nix::Result<Arc<Vec<Listed>>> {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        match &*names {
            Some(names) if !again => Ok(Arc::clone(names)),
            _ => {
                let read = Arc::new(Overlay::names_of(tree, &self.directory)?);
                *names = Some(Arc::clone(&read));
                Ok(read)
            }
        }
    }
}
