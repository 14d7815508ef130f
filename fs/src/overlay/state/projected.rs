use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Seek, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use nix::sys::memfd::{MFdFlags, memfd_create};
use zccache_core::Stamp;

use super::attributes::{Attributes, NodeId};
use crate::content::{Content, ProjectedBytes};
use crate::lower::{Directory, Name, StagedMetadata};

/// A projected file: immutable bytes, and names and attributes of its own.
#[derive(Debug)]
pub(crate) struct Projected {
    node: NodeId,
    bytes: ProjectedBytes,
    state: Mutex<ProjectedState>,
    /// Held while the file is turned into a lower one, which happens once.
    copying: Mutex<()>,
    /// The bytes, as long as somebody has them open.
    opened: Mutex<Weak<File>>,
}

/// What of a projected file can change.
#[derive(Debug)]
pub(crate) struct ProjectedState {
    /// Permissions, owner and times.
    pub(crate) metadata: StagedMetadata,
    /// Last change of anything.
    pub(crate) ctime: Stamp,
    /// All names: those under which the tree has it.
    pub(crate) names: Vec<Name>,
}

impl ProjectedState {
    /// Takes away one name.
    pub(crate) fn remove_name(&mut self, directory: &Directory, name: &OsStr) {
        self.names.retain(|known| !known.is(directory, name));
    }
}

impl Projected {
    /// A file without names yet.
    pub(crate) fn new(node: NodeId, bytes: ProjectedBytes, metadata: StagedMetadata) -> Self {
        let state = ProjectedState { metadata, ctime: metadata.mtime, names: Vec::new() };
        Self {
            node,
            bytes,
            state: Mutex::new(state),
            copying: Mutex::new(()),
            opened: Mutex::new(Weak::new()),
        }
    }

    /// Its number.
    pub(crate) fn node(&self) -> NodeId {
        self.node
    }

    /// Its bytes.
    pub(crate) fn bytes(&self) -> &ProjectedBytes {
        &self.bytes
    }

    /// What can change.
    pub(crate) fn state(&self) -> MutexGuard<'_, ProjectedState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The right to turn it into a lower file.
    pub(crate) fn begin_copying(&self) -> MutexGuard<'_, ()> {
        self.copying.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What `stat(2)` tells of it.
    pub(crate) fn attributes(&self) -> Attributes {
        let state = self.state();
        let StagedMetadata { mode, uid, gid, atime, mtime } = state.metadata;
        let size = self.bytes.length();
        Attributes {
            inode: self.node.0,
            size,
            blocks: size.div_ceil(512),
            atime,
            mtime,
            ctime: state.ctime,
            mode: libc::S_IFREG | mode,
            links: u32::try_from(state.names.len()).unwrap_or(u32::MAX),
            uid,
            gid,
            device: 0,
            block_size: 4096,
        }
    }

    /// Whether [`Projected::open`] would have to wait for the bytes.
    pub(crate) fn opens_at_once(&self, content: &dyn Content) -> bool {
        match &self.bytes {
            ProjectedBytes::Inline(_) => true,
            ProjectedBytes::Blob { digest, .. } => {
                self.already_open().is_some() || content.opens_at_once(digest)
            }
        }
    }

    /// Opens the bytes for reading.
    pub(crate) fn open(&self, content: &dyn Content) -> io::Result<Arc<File>> {
        if let Some(file) = self.already_open() {
            return Ok(file);
        }
        let file = Arc::new(self.open_bytes(content)?);
        *self.opened.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(&file);
        Ok(file)
    }

    /// Opens the bytes for reading from the beginning, with a file offset of the
    /// caller's own.
    pub(crate) fn open_bytes(&self, content: &dyn Content) -> io::Result<File> {
        match &self.bytes {
            ProjectedBytes::Blob { digest, .. } => content.open(digest).map(File::from),
            ProjectedBytes::Inline(bytes) => {
                let mut file = File::from(memfd_create("projected", MFdFlags::MFD_CLOEXEC)?);
                file.write_all(bytes)?;
                file.rewind()?;
                Ok(file)
            }
        }
    }

    fn already_open(&self) -> Option<Arc<File>> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner).upgrade()
    }
}

/// Whether two handles stand for one projected file.
pub(crate) fn same(one: &Arc<Projected>, other: &Arc<Projected>) -> bool {
    Arc::ptr_eq(one, other)
}
