use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use nix::errno::Errno;
use nix::sys::stat::FileStat;

use super::attributes::NodeId;
use super::open_files::OpenFiles;
use super::projected::Projected;
use super::told::{Difference, Told};
use crate::lower::{Directory, LowerId, Name, Place};

/// Names remembered of one lower file. More hard links than this are reached
/// by the names that are remembered, or by descriptor when those are gone.
const NAMES: usize = 8;

/// Every node that the kernel knows, from its first look-up to `FORGET`.
#[derive(Debug)]
pub(crate) struct Nodes {
    /// The file system of the root.
    device: u64,
    known: HashMap<NodeId, Node>,
    /// Numbers of what lies on other file systems, or has a number that is taken.
    foreign: HashMap<LowerId, NodeId>,
    next_foreign: u64,
    last_shown: Turn,
}

/// A node that the kernel knows.
#[derive(Debug)]
pub(crate) struct Node {
    lookups: u64,
    /// What it is.
    pub(crate) object: Object,
    /// Its open files.
    pub(crate) open: OpenFiles,
    /// How many of them write.
    pub(crate) writers: u64,
    /// What the kernel was last told of a lower object; of a directory only until this
    /// view changes it.
    told: Option<Told>,
    /// When the kernel was last told of a directory what it may remember: what it is
    /// like, or its names. Nothing once it has forgotten that.
    shown: Option<Turn>,
}

/// The order in which the kernel is told of directories.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Turn(u64);

/// What a node is.
#[derive(Debug)]
pub(crate) enum Object {
    /// A lower directory, and where the kernel was told it is; the root is nowhere.
    Directory(Arc<Directory>, Option<Name>),
    /// A lower file of any other type.
    Lower(LowerFile),
    /// A projected file.
    Projected(Arc<Projected>),
}

impl Object {
    fn file(id: LowerId) -> Self {
        Self::Lower(LowerFile { id, names: Vec::new(), pin: None })
    }

    /// The lower object, and under which names the kernel knows it.
    fn names(&self) -> Option<(LowerId, &[Name])> {
        match self {
            Self::Directory(directory, name) => Some((directory.id(), name.as_slice())),
            Self::Lower(file) => Some((file.id, &file.names)),
            Self::Projected(_) => None,
        }
    }
}

/// A lower file, reached by any of its names, or by descriptor once it has lost
/// the last that is known: then it stays what it is until `FORGET`.
#[derive(Debug)]
pub(crate) struct LowerFile {
    id: LowerId,
    names: Vec<Name>,
    pin: Option<Arc<OwnedFd>>,
}

impl Node {
    fn new(object: Object) -> Self {
        Self { lookups: 0, object, open: OpenFiles::default(), writers: 0, told: None, shown: None }
    }
}

impl LowerFile {
    fn place(&self) -> nix::Result<Place> {
        match (self.names.last(), &self.pin) {
            (Some(name), _) => Ok(Place::Named(name.clone())),
            (None, Some(pin)) => Ok(Place::Pinned(Arc::clone(pin))),
            (None, None) => Err(Errno::ESTALE),
        }
    }

    fn add_name(&mut self, directory: &Arc<Directory>, name: &OsStr) {
        if !self.names.iter().any(|known| known.is(directory, name)) {
            if self.names.len() == NAMES {
                self.names.remove(0);
            }
            self.names.push(Name::new(directory, name));
        }
    }
}

/// A lower object, as an operation needs it.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// A directory.
    Directory(Arc<Directory>),
    /// Another lower file.
    Lower(Place),
    /// A projected file.
    Projected(Arc<Projected>),
}

impl Nodes {
    /// Knows the root.
    pub(crate) fn new(root: &Arc<Directory>) -> Self {
        let node = Node { lookups: 1, ..Node::new(Object::Directory(Arc::clone(root), None)) };
        Self {
            device: root.id().device,
            known: HashMap::from([(NodeId::ROOT, node)]),
            foreign: HashMap::from([(root.id(), NodeId::ROOT)]),
            next_foreign: NodeId::FOREIGN,
            last_shown: Turn::default(),
        }
    }

    /// The number of a lower object, for as long as somebody knows it.
    pub(crate) fn number(&mut self, id: LowerId) -> NodeId {
        if let Some(node) = self.number_if_known(id) {
            return node;
        }
        self.next_foreign += 1;
        let node = NodeId(self.next_foreign);
        self.foreign.insert(id, node);
        node
    }

    /// The number of a lower object that has one.
    fn number_if_known(&self, id: LowerId) -> Option<NodeId> {
        let taken = id.inode <= NodeId::ROOT.0 || id.inode >= NodeId::FOREIGN;
        match self.foreign.get(&id) {
            Some(node) => Some(*node),
            None if id.device == self.device && !taken => Some(NodeId(id.inode)),
            None => None,
        }
    }

    /// The node of a lower object, if the kernel knows it.
    pub(crate) fn known_id(&self, id: LowerId) -> Option<NodeId> {
        self.number_if_known(id).filter(|node| self.known.contains_key(node))
    }

    /// A node.
    pub(crate) fn get(&mut self, node: NodeId) -> nix::Result<&mut Node> {
        self.known.get_mut(&node).ok_or(Errno::ESTALE)
    }

    /// What a node is, for an operation on it.
    pub(crate) fn target(&self, node: NodeId) -> nix::Result<Target> {
        match &self.known.get(&node).ok_or(Errno::ESTALE)?.object {
            Object::Directory(directory, _) => Ok(Target::Directory(Arc::clone(directory))),
            Object::Lower(file) => file.place().map(Target::Lower),
            Object::Projected(file) => Ok(Target::Projected(Arc::clone(file))),
        }
    }

    /// The directory that a node is.
    pub(crate) fn directory(&self, node: NodeId) -> nix::Result<Arc<Directory>> {
        match self.target(node)? {
            Target::Directory(directory) => Ok(directory),
            Target::Lower(_) | Target::Projected(_) => Err(Errno::ENOTDIR),
        }
    }

    /// The open directory of that identity, if the kernel knows it.
    pub(crate) fn open_directory(&self, id: LowerId) -> Option<Arc<Directory>> {
        self.directory(self.known_id(id)?).ok()
    }

    /// Counts a look-up that found a lower object, which is not a directory.
    pub(crate) fn remember_file(
        &mut self,
        directory: &Arc<Directory>,
        name: &OsStr,
        stat: &FileStat,
    ) -> NodeId {
        let id = LowerId::from(stat);
        let node = self.number(id);
        let known = self.remember(node, || Object::file(id));
        if !matches!(known.object, Object::Lower(_)) {
            *known = Node { lookups: known.lookups, ..Node::new(Object::file(id)) };
        }
        if let Object::Lower(file) = &mut known.object {
            file.add_name(directory, name);
        }
        self.tell(node, stat);
        node
    }

    /// Counts a look-up that found a directory.
    pub(crate) fn remember_directory(&mut self, directory: &Arc<Directory>, name: Name) -> NodeId {
        let node = self.number(directory.id());
        let known = self.remember(node, || Object::Directory(Arc::clone(directory), None));
        match &mut known.object {
            Object::Directory(_, place) => *place = Some(name),
            other => *other = Object::Directory(Arc::clone(directory), Some(name)),
        }
        node
    }

    /// Counts a look-up that found a projected file.
    pub(crate) fn remember_projected(&mut self, file: &Arc<Projected>) -> NodeId {
        self.remember(file.node(), || Object::Projected(Arc::clone(file)));
        file.node()
    }

    fn remember(&mut self, node: NodeId, object: impl FnOnce() -> Object) -> &mut Node {
        let known = self.known.entry(node).or_insert_with(|| Node::new(object()));
        known.lookups += 1;
        known
    }

    /// Takes `lookups` back; returns what nobody knows any more, to be dropped
    /// without the lock.
    pub(crate) fn forget(&mut self, node: NodeId, lookups: u64) -> Option<Node> {
        let known = self.known.get_mut(&node)?;
        known.lookups = known.lookups.saturating_sub(lookups);
        if known.lookups > 0 || node == NodeId::ROOT {
            return None;
        }
        let gone = self.known.remove(&node)?;
        match &gone.object {
            Object::Directory(directory, _) => self.foreign.remove(&directory.id()),
            Object::Lower(file) => self.foreign.remove(&file.id),
            Object::Projected(_) => None,
        };
        Some(gone)
    }

    /// The kernel has been told that `name` is one of the node's.
    pub(crate) fn add_name(&mut self, id: LowerId, directory: &Arc<Directory>, name: &OsStr) {
        self.changed_here(id);
        match self.number_if_known(id).and_then(|node| self.known.get_mut(&node)) {
            Some(Node { object: Object::Lower(file), .. }) => file.add_name(directory, name),
            Some(Node { object: Object::Directory(_, place), .. }) => {
                *place = Some(Name::new(directory, name));
            }
            _ => {}
        }
    }

    /// Whether a file needs a pin before it loses `name`.
    pub(crate) fn loses_last(&mut self, id: LowerId, directory: &Directory, name: &OsStr) -> bool {
        self.lower_file(id).is_some_and(|file| {
            file.pin.is_none() && file.names.iter().all(|known| known.is(directory, name))
        })
    }

    /// A file has lost `name`; `pin` holds it if that was the last.
    pub(crate) fn remove_name(
        &mut self,
        id: LowerId,
        directory: &Directory,
        name: &OsStr,
        pin: Option<Arc<OwnedFd>>,
    ) {
        self.changed_here(id);
        if let Some(file) = self.lower_file(id) {
            file.names.retain(|known| !known.is(directory, name));
            file.pin = file.pin.take().or(pin);
        }
    }

    /// The kernel is told what a lower object is like. What it was told before stays
    /// the measure of what others change: only who asks for it takes notice. If this
    /// view changed it meanwhile, that stays only where the kernel may have kept content.
    pub(crate) fn tell(&mut self, node: NodeId, stat: &FileStat) {
        self.show(node);
        let Some(node) = self.known.get_mut(&node) else { return };
        let ours = node.writers > 0;
        let refreshed = !ours && !matches!(node.open, OpenFiles::Cached);
        if node.told.is_none_or(|told| told.ours && refreshed) {
            node.told = Some(Told { identity: stat.into(), ours });
        }
    }

    /// The kernel is told what it may remember of a directory. Whoever changes the
    /// directory afterwards finds this noted, so to be called while the tree stays as it is.
    pub(crate) fn show(&mut self, node: NodeId) {
        if let Some(Node { object: Object::Directory(..), shown, .. }) = self.known.get_mut(&node) {
            self.last_shown.0 += 1;
            *shown = Some(self.last_shown);
        }
    }

    /// The node of a directory of which the kernel may remember something, and since when.
    pub(crate) fn shown(&self, directory: LowerId) -> Option<(NodeId, Turn)> {
        let node = self.known_id(directory)?;
        Some((node, self.known.get(&node)?.shown?))
    }

    /// The kernel has forgotten what it was told of a directory up to a turn.
    pub(crate) fn has_forgotten(&mut self, node: NodeId, turn: Turn) {
        if let Some(node) = self.known.get_mut(&node)
            && node.shown == Some(turn)
        {
            node.shown = None;
        }
    }

    /// Whether the kernel was told of a lower object since this view changed it.
    pub(crate) fn is_told(&self, node: NodeId) -> bool {
        self.known.get(&node).is_some_and(|node| node.told.is_some())
    }

    /// Compares a lower object with what the kernel was told of it. It will be told.
    pub(crate) fn compare(&mut self, node: NodeId, now: &FileStat) -> Difference {
        let Some(node) = self.known.get_mut(&node) else { return Difference::None };
        let ours = node.writers > 0;
        let now = Told { identity: now.into(), ours };
        node.told.as_mut().map_or(Difference::None, |told| told.replace(now))
    }

    /// The kernel has forgotten what it was told of a file.
    pub(crate) fn truncated(&mut self, node: NodeId) {
        if let Some(node) = self.known.get_mut(&node) {
            node.told = None;
        }
    }

    /// This view changes a lower object, of which the kernel takes notice by itself.
    pub(crate) fn changed_here(&mut self, id: LowerId) {
        if let Some(node) = self.known_id(id) {
            self.writes(node);
        }
    }

    /// As [`Nodes::changed_here`], of a node.
    pub(crate) fn writes(&mut self, node: NodeId) {
        let Some(node) = self.known.get_mut(&node) else { return };
        match &node.object {
            Object::Directory(..) => node.told = None,
            Object::Lower(_) | Object::Projected(_) => {
                node.told = node.told.map(|told| Told { ours: true, ..told });
            }
        }
    }

    /// The names in a directory that the kernel knows, with what each leads to.
    pub(crate) fn names_in(&self, directory: &Directory) -> HashMap<OsString, LowerId> {
        let lower = self.known.values().filter_map(|node| node.object.names());
        let names = lower.flat_map(|(id, names)| names.iter().map(move |name| (name, id)));
        let here = names.filter(|(name, _)| name.directory.id() == directory.id());
        here.map(|(name, id)| (name.name.clone(), id)).collect()
    }

    fn lower_file(&mut self, id: LowerId) -> Option<&mut LowerFile> {
        let node = self.number_if_known(id)?;
        match &mut self.known.get_mut(&node)?.object {
            Object::Lower(file) => Some(file),
            Object::Directory(..) | Object::Projected(_) => None,
        }
    }

    /// Forgets everything but the root.
    pub(crate) fn clear(&mut self) -> Vec<Node> {
        let gone = self.known.extract_if(|node, _| *node != NodeId::ROOT);
        gone.map(|(_, node)| node).collect()
    }
}
