//! Putting the files of a hit in place: all of them or none.

mod bytes;
mod staged;

use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};

use zccache_core::protocol::{Delivery, Source};

use bytes::Bytes;
use staged::Staged;

/// The files cannot all be put where the compiler would have, the way it would have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Undeliverable;

impl From<nix::errno::Errno> for Undeliverable {
    fn from(_: nix::errno::Errno) -> Self {
        Self
    }
}

/// The files of a hit, written but not in their places. Those that are not brought there go away
/// on drop.
pub(crate) struct Ready(Vec<Staged>);

/// Writes each file beside its place. Descriptors are used in order by the files that need one.
///
/// # Errors
/// [`Undeliverable`], with nothing left that was not there before.
pub(crate) fn prepare(files: &[Delivery], descriptors: &[OwnedFd]) -> Result<Ready, Undeliverable> {
    let mut descriptors: VecDeque<&OwnedFd> = descriptors.iter().collect();
    let mut staged = Vec::with_capacity(files.len());
    for (number, file) in files.iter().enumerate() {
        let bytes = match &file.source {
            Source::Inline(bytes) => Bytes::Memory(bytes),
            Source::Descriptor(length) => {
                let blob = descriptors.pop_front().ok_or(Undeliverable)?;
                Bytes::Blob(blob.as_fd(), *length)
            }
        };
        staged.push(Staged::write(file, number, bytes)?);
    }
    Ok(Ready(staged))
}

impl Ready {
    /// Brings all files to their places.
    ///
    /// # Errors
    /// [`Undeliverable`], with nothing left that was not there before. A file that
    /// was replaced before a later rename failed stays: the compiler, which now
    /// runs, writes it anyway.
    pub(crate) fn place(self) -> Result<(), Undeliverable> {
        let mut placed = Vec::with_capacity(self.0.len());
        for file in self.0 {
            match file.commit() {
                Ok(file) => placed.push(file),
                Err(trouble) => {
                    placed.into_iter().for_each(staged::Placed::undo);
                    return Err(trouble);
                }
            }
        }
        Ok(())
    }
}
