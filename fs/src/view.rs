use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use zccache_core::Digest;

use crate::content::{Content, Projection};
use crate::fuse;
use crate::journal::Journal;
use crate::lower::{Directory, Listed};
use crate::overlay::{Look, Overlay, ProjectError, Settle, Settled};

/// How a view is served.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ViewOptions {
    /// The mount serves all users (`allow_other`, `default_permissions`).
    /// Otherwise it serves the user of this process only.
    pub shared: bool,
    /// Have the kernel read and write files itself, where it permits that.
    pub passthrough: bool,
}

impl Default for ViewOptions {
    fn default() -> Self {
        Self { shared: false, passthrough: true }
    }
}

/// A mounted view of a directory, with files projected over it. It is served
/// until it is unmounted, which nothing here does; what is projected then is
/// still here to be settled.
#[derive(Clone, Debug)]
pub struct View {
    overlay: Arc<Overlay>,
}

impl View {
    /// Serves a view of `lower`, a directory opened (`O_PATH` suffices) before
    /// anything was mounted over it, on `fuse`, a `/dev/fuse` descriptor that
    /// has been mounted. It begins with what the journal remembers. Returns once
    /// the kernel is being answered.
    ///
    /// # Errors
    /// `lower` is no directory, the handshake with the kernel fails, or threads
    /// cannot be started.
    pub fn serve(
        lower: OwnedFd,
        fuse: OwnedFd,
        options: ViewOptions,
        content: Arc<dyn Content>,
        journal: Arc<dyn Journal>,
    ) -> io::Result<Self> {
        let ViewOptions { shared, passthrough } = options;
        let overlay = Arc::new(Overlay::new(Directory::new(lower)?, shared, content, journal)?);
        fuse::serve(&overlay, fuse, passthrough)?;
        Ok(Self { overlay })
    }

    /// Projects a set of files in one step: nobody sees part of it, and who
    /// looks after this has returned sees all of it. Regular files of these
    /// names are replaced as `rename(2)` would. The files are as new as any
    /// file written just now.
    ///
    /// Not to be called while holding what an operation in the view waits for.
    ///
    /// # Errors
    /// Nothing has changed then; the error says which file is in the way.
    pub fn project(&self, set: &[Projection]) -> Result<(), ProjectError> {
        self.overlay.project(set)
    }

    /// What is at a path relative to the root, without asking through the mount.
    /// `follow` says whether a symbolic link at the end would be followed.
    ///
    /// # Errors
    /// `EINVAL` for a path with `.` or `..`, or what the lower file system says.
    pub fn look(&self, path: &Path, follow: bool) -> io::Result<Look> {
        self.overlay.look(path, follow)
    }

    /// Opens a directory at a path relative to the root, to look at many names in it.
    ///
    /// # Errors
    /// As [`View::look`]; `ENOENT`, `ENOTDIR`, `ELOOP` for what is no directory.
    pub fn directory(&self, path: &Path) -> io::Result<ViewDirectory> {
        let directory = self.overlay.directory_at(path)?;
        Ok(ViewDirectory { overlay: Arc::clone(&self.overlay), directory })
    }

    /// The names in a directory, lower and projected, in no order, without it and the
    /// one above.
    ///
    /// # Errors
    /// As [`View::look`]; `ELOOP` when a symbolic link is on the way.
    pub fn list(&self, path: &Path) -> io::Result<Vec<Listed>> {
        self.overlay.list(path)
    }

    /// Opens a regular lower file for reading.
    ///
    /// # Errors
    /// `ESTALE` if the file is projected, `ELOOP` when a symbolic link is on
    /// the way or at the end, `EINVAL` if it is no regular file.
    pub fn open_lower(&self, path: &Path) -> io::Result<OwnedFd> {
        self.overlay.open_lower(path)
    }

    /// Opens the bytes of a projected file for reading. May block as
    /// [`Content::open`].
    ///
    /// # Errors
    /// `ESTALE` if the file is not projected, or what keeps it from being read.
    pub fn open_projected(&self, path: &Path) -> io::Result<OwnedFd> {
        self.overlay.open_projected_bytes(path)
    }

    /// Ends the projection of all files that are projected now. What cannot be
    /// written stays projected and is reported. May be called at any time, also
    /// after the end of the session.
    #[must_use = "files that could not be written are reported here"]
    pub fn settle(&self, how: Settle) -> Settled {
        self.overlay.settle(how)
    }

    /// How many names are projected files.
    #[must_use]
    pub fn projected(&self) -> u64 {
        self.overlay.projected()
    }

    /// The bytes of all projected files, those of hard links once a name.
    #[must_use]
    pub fn projected_bytes(&self) -> u64 {
        self.overlay.projected_bytes()
    }

    /// The digests that projected files need.
    #[must_use]
    pub fn digests(&self) -> Vec<Digest> {
        self.overlay.digests()
    }

    /// How often something was opened in the lower directory that others than this view
    /// had changed since the kernel asked for it.
    #[must_use]
    pub fn changes_behind(&self) -> u64 {
        self.overlay.changes_behind()
    }

    /// Whether the kernel reads and writes files itself.
    #[must_use]
    pub fn passthrough(&self) -> bool {
        self.overlay.passthrough()
    }

    /// Waits until the view is unmounted.
    pub fn wait(&self) {
        self.overlay.wait();
    }

    /// Whether the view is unmounted.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.overlay.has_ended()
    }
}

/// A directory of a view, opened to look at names in it.
#[derive(Clone, Debug)]
pub struct ViewDirectory {
    overlay: Arc<Overlay>,
    directory: Arc<Directory>,
}

/// The lower directory, opened with `O_PATH`.
impl AsFd for ViewDirectory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.directory.as_ref().as_fd()
    }
}

impl ViewDirectory {
    /// What is at a name, one component and neither `.` nor `..`; a link is not followed.
    ///
    /// # Errors
    /// What the lower file system says.
    pub fn look(&self, name: &OsStr) -> io::Result<Look> {
        self.overlay.look_in(&self.directory, name)
    }
}
