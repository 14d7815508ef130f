//! The outputs of a run, as they were when it had just ended.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;

use nix::sys::stat::fstat;
use zccache_core::report::WrittenFile;
use zccache_core::{Digest, Identity, Reason};

use super::trace::Sealer;
use crate::world::now;

/// Read at a time.
const BUFFER: usize = 256 << 10;

/// The digests of the outputs of a run whose launcher still waits, so that its
/// build has not gone on. Afterwards cargo links what was made and sets its
/// times, and no stamp tells any more whether the content is the compiler's.
///
/// # Errors
/// [`Reason::OutputChanged`] when one cannot be read.
pub(crate) fn digests(
    written: &[WrittenFile],
    descriptors: &[OwnedFd],
    sealer: &Sealer<'_>,
) -> Result<Vec<Digest>, Reason> {
    let mut attached = descriptors.iter();
    let digest_of = |written: &WrittenFile| {
        let opened;
        let file = if written.attached {
            attached.next().ok_or(Reason::OutputChanged)?.as_fd()
        } else {
            opened = sealer.namespace.open(written.path.as_path());
            opened.as_ref().map_err(|_| Reason::OutputChanged)?.as_fd()
        };
        let began = now().map_err(|_| Reason::OutputChanged)?;
        let digest = digest(file).map_err(|_| Reason::OutputChanged)?;
        let identity = Identity::from(&fstat(file).map_err(|_| Reason::OutputChanged)?);
        if sealer.is_same(&written.identity, &identity) {
            sealer.contents.learn(file, identity, began, digest);
        }
        Ok(digest)
    };
    written.iter().map(digest_of).collect()
}

fn digest(file: BorrowedFd<'_>) -> io::Result<Digest> {
    let file = File::from(file.try_clone_to_owned()?);
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; BUFFER];
    let mut offset = 0;
    loop {
        match file.read_at(&mut buffer, offset) {
            Ok(0) => return Ok(Digest::from_bytes(*hasher.finalize().as_bytes())),
            Ok(read) => {
                hasher.update(&buffer[..read]);
                offset += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
