//! Where a daemon has its socket, its lock and its log.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::unistd::{AccessFlags, access, geteuid};
use zccache_core::settings::{self, SettingsError};

use crate::written::or_written;

/// A store, and where its daemon is found: in the store itself, or where that cannot be
/// written in a directory of the user's that lasts as long as the machine runs.
#[derive(Clone, Debug)]
pub struct Home {
    store: PathBuf,
    directory: PathBuf,
}

impl Home {
    /// The home that the variables say, or the user's file of settings.
    ///
    /// # Errors
    /// As [`settings::store_directory`].
    pub fn find(variable: impl Fn(&str) -> Option<PathBuf>) -> Result<Self, SettingsError> {
        let store = settings::store_directory(or_written(&variable))?;
        let directory = match access(&store, AccessFlags::W_OK) {
            Err(Errno::EROFS | Errno::EACCES) => {
                settings::runtime_directory(&store, geteuid().as_raw(), variable)
            }
            // What is not there can be made, or not: whoever makes it says why.
            _ => store.clone(),
        };
        Ok(Self { store, directory })
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Path {
        &self.store
    }

    /// Where socket, lock and log are.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Whether the store can be read only.
    #[must_use]
    pub fn is_apart(&self) -> bool {
        self.directory != self.store
    }

    /// Makes the directory. One beside those of others is of nobody but this user.
    pub(super) fn make(&self) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
        if !self.is_apart() {
            return Ok(());
        }
        let ours = |path: &Path| {
            let found = fs::symlink_metadata(path)?;
            let private = found.is_dir() && found.mode() & 0o077 == 0;
            Ok::<_, io::Error>(private && found.uid() == geteuid().as_raw())
        };
        for path in [self.directory.parent(), Some(&self.directory)].into_iter().flatten() {
            if !ours(path)? {
                let what = format!("{} is not a directory of this user alone", path.display());
                return Err(io::Error::other(what));
            }
        }
        Ok(())
    }
}
