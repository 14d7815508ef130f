use std::fs::File;
use std::os::fd::AsFd;
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::{FileStat, Mode, fchmod, fstat};

use super::behind::gone_behind;
use super::metadata::without_privileges;
use super::names::Caller;
use crate::lower::Place;
use crate::overlay::core::Overlay;
use crate::overlay::state::attributes::NodeId;
use crate::overlay::state::kernel::{Backing, Invalidation, Kernel, Refusal};
use crate::overlay::state::nodes::{Nodes, Target};
use crate::overlay::state::open_files::{OpenFiles, Transfer};
use crate::overlay::state::projected::Projected;

/// A file that has been opened.
#[derive(Debug)]
pub(crate) struct Opened {
    /// The handle.
    pub(crate) handle: u64,
    /// How it is read and written.
    pub(crate) transfer: Transfer,
    /// What the kernel has to forget before it uses the file.
    pub(crate) stale: Vec<Invalidation>,
}

/// Those flags of an open that concern the descriptor behind it. Appending and
/// direct transfers are the business of the kernel that serves the caller; on
/// a descriptor that serves its page cache they would misplace or refuse data.
pub(crate) fn lower_flags(flags: OFlag) -> OFlag {
    flags & (OFlag::O_ACCMODE | OFlag::O_TRUNC | OFlag::O_SYNC | OFlag::O_DSYNC)
}

/// Whether an open is to change what it opens.
pub(crate) fn writes(flags: OFlag) -> bool {
    flags & OFlag::O_ACCMODE != OFlag::O_RDONLY || flags.contains(OFlag::O_TRUNC)
}

impl Overlay {
    /// Whether [`Overlay::open`] could have to wait: for bytes or for a copy.
    pub(crate) fn open_may_wait(&self, node: NodeId, flags: OFlag) -> bool {
        match self.nodes().target(node) {
            Ok(Target::Projected(file)) => writes(flags) || !file.opens_at_once(&*self.content.0),
            _ => false,
        }
    }

    /// Opens a regular file. Opening a projected file for writing turns it into
    /// a lower one and answers `ESTALE`, at which the kernel looks again.
    pub(crate) fn open(
        &self,
        node: NodeId,
        flags: OFlag,
        caller: Caller,
    ) -> Result<Opened, Refusal> {
        let unchanging = self.tree();
        let target = self.nodes().target(node)?;
        let (file, stale) = match target {
            Target::Directory(_) => return Err(Errno::EISDIR.into()),
            Target::Lower(place) => self.open_lower_file(node, &place, flags, caller)?,
            Target::Projected(file) => {
                drop(unchanging);
                return self.open_projected(&file, flags);
            }
        };
        drop(unchanging);
        let opened = self.opened(node, Arc::new(file), flags)?;
        Ok(Opened { stale, ..opened })
    }

    fn open_lower_file(
        &self,
        node: NodeId,
        place: &Place,
        flags: OFlag,
        caller: Caller,
    ) -> nix::Result<(File, Vec<Invalidation>)> {
        let opened = place.open(lower_flags(flags) | OFlag::O_NONBLOCK).map_err(gone_behind);
        let file = opened.inspect_err(|errno| self.notice_if_gone(*errno, place))?;
        let stat = fstat(&file)?;
        self.lower_attributes(node, &stat)
            .inspect_err(|errno| self.notice_if_gone(*errno, place))?;
        let stale = self.changed_behind((node, place), &stat, flags);
        if writes(flags) && caller.uid != 0 {
            drop_privileges(&file, &stat)?;
        }
        Ok((file, stale))
    }

    fn open_projected(&self, file: &Arc<Projected>, flags: OFlag) -> Result<Opened, Refusal> {
        self.permit(file, flags)?;
        if writes(flags) {
            let stale = self.copy_up(file, !flags.contains(OFlag::O_TRUNC))?.stale;
            return Err(Refusal { errno: Errno::ESTALE, stale });
        }
        let bytes = file.open(&*self.content.0).map_err(|error| {
            tracing::error!(%error, bytes = ?file.bytes(), "a projected file cannot be read");
            Errno::EIO
        })?;
        Ok(self.opened(file.node(), bytes, flags)?)
    }

    /// Checks permission bits, where nobody else does.
    fn permit(&self, file: &Projected, flags: OFlag) -> nix::Result<()> {
        if !self.user.is_checked() {
            return Ok(());
        }
        let read = if flags & OFlag::O_ACCMODE == OFlag::O_WRONLY { 0 } else { 4 };
        let write = if writes(flags) { 2 } else { 0 };
        self.permit_bits(file, read | write)
    }

    /// Checks permission bits (`r` 4, `w` 2, `x` 1) for the user of this process.
    pub(crate) fn permit_bits(&self, file: &Projected, wanted: u32) -> nix::Result<()> {
        let metadata = file.state().metadata;
        let shift = match () {
            () if metadata.uid == self.user.uid.as_raw() => 6,
            () if self.user.is_in(metadata.gid) => 3,
            () => 0,
        };
        if metadata.mode >> shift & wanted == wanted { Ok(()) } else { Err(Errno::EACCES) }
    }

    /// Registers an open file of a node.
    pub(crate) fn opened(
        &self,
        node: NodeId,
        file: Arc<File>,
        flags: OFlag,
    ) -> nix::Result<Opened> {
        let kernel = self.kernel().filter(|_| self.passthrough());
        let writes = writes(flags);
        let mut nodes = self.nodes();
        let transfer = self.join(&mut nodes, node, (&file, kernel))?;
        if writes {
            nodes.writes(node);
            nodes.get(node)?.writers += 1;
        }
        drop(nodes);
        let handle = self.handles.add_file(node, file, writes);
        Ok(Opened { handle, transfer, stale: Vec::new() })
    }

    fn join(
        &self,
        nodes: &mut Nodes,
        node: NodeId,
        (file, kernel): (&File, Option<Arc<dyn Kernel>>),
    ) -> nix::Result<Transfer> {
        let open = &mut nodes.get(node)?.open;
        match open {
            OpenFiles::Passthrough { backing, opens } => {
                *opens += 1;
                return Ok(Transfer::Passthrough(backing.number()));
            }
            OpenFiles::Cached => return Ok(Transfer::Cached { keep: true }),
            OpenFiles::Undecided | OpenFiles::Closed => {}
        }
        if let Some(backing) = kernel.and_then(|kernel| self.register(&kernel, file)) {
            let number = backing.number();
            *open = OpenFiles::Passthrough { backing, opens: 1 };
            return Ok(Transfer::Passthrough(number));
        }
        let keep = matches!(open, OpenFiles::Undecided);
        *open = OpenFiles::Cached;
        Ok(Transfer::Cached { keep })
    }

    fn register(&self, kernel: &Arc<dyn Kernel>, file: &File) -> Option<Backing> {
        match Backing::open(kernel, file.as_fd()) {
            Ok(backing) => Some(backing),
            Err(error) => {
                if error.raw_os_error() == Some(libc::EPERM) {
                    self.give_up_passthrough();
                }
                tracing::debug!(%error, "a file is not passed through");
                None
            }
        }
    }

    /// Ends an open file.
    pub(crate) fn release(&self, handle: u64) {
        let Some(file) = self.handles.remove_file(handle) else { return };
        let mut nodes = self.nodes();
        let mut unused = None;
        if let Ok(node) = nodes.get(file.node)
            && file.writes
        {
            node.writers = node.writers.saturating_sub(1);
        }
        if let Ok(node) = nodes.get(file.node)
            && let OpenFiles::Passthrough { opens, .. } = &mut node.open
        {
            *opens -= 1;
            if *opens == 0 {
                unused = Some(std::mem::replace(&mut node.open, OpenFiles::Closed));
            }
        }
        drop(nodes);
        drop(unused);
    }
}

/// Takes the set-ID bits from a file that is about to be written by somebody
/// without privilege: what the kernel passes through is written with ours.
pub(crate) fn drop_privileges(file: &File, stat: &FileStat) -> nix::Result<()> {
    let kept = without_privileges(stat.st_mode);
    if kept == stat.st_mode {
        return Ok(());
    }
    fchmod(file, Mode::from_bits_truncate(kept & 0o7777))
}
