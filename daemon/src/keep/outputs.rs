//! The bytes of the outputs of a run.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::slice::Iter;

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::stat::fstat;
use zccache_core::report::{Bytes, WrittenFile};
use zccache_core::{Digest, Identity, Reason};

use super::publisher::Job;
use super::trace::Sealer;
use crate::world::{for_each_piece, now};

/// Opens the outputs of a run one after the other.
pub(super) struct OutputFiles<'a> {
    job: &'a Job,
    attached: Iter<'a, OwnedFd>,
}

impl<'a> OutputFiles<'a> {
    pub(super) fn of(job: &'a Job) -> Self {
        Self { job, attached: job.descriptors.iter() }
    }

    /// The bytes of the next output.
    ///
    /// # Errors
    /// [`Reason::OutputChanged`] when they cannot be had.
    pub(super) fn next(&mut self, written: &WrittenFile) -> Result<OwnedFd, Reason> {
        let opened = match &written.bytes {
            Bytes::Carried(bytes) => in_memory(bytes),
            Bytes::Attached => match self.attached.next() {
                Some(file) => file.try_clone(),
                None => return Err(Reason::OutputChanged),
            },
            Bytes::InView => self.job.namespace.open(written.path.as_path()),
        };
        opened.map_err(|_| Reason::OutputChanged)
    }
}

/// A file that holds these bytes.
pub(super) fn in_memory(bytes: &[u8]) -> io::Result<OwnedFd> {
    let file = memfd_create(c"output", MFdFlags::MFD_CLOEXEC)?;
    File::from(file.try_clone()?).write_all_at(bytes, 0)?;
    Ok(file)
}

/// The size of an output, in bytes.
pub(super) fn size(written: &WrittenFile) -> u64 {
    match &written.bytes {
        Bytes::Carried(bytes) => bytes.len() as u64,
        Bytes::Attached | Bytes::InView => written.identity.size,
    }
}

/// The content of a file that has this length, in bytes.
pub(super) fn read_all(file: BorrowedFd<'_>, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(length).map_err(|_| io::ErrorKind::FileTooLarge)?];
    let file = File::from(file.try_clone_to_owned()?);
    file.read_exact_at(&mut bytes, 0)?;
    match file.read_at(&mut [0], length)? {
        0 => Ok(bytes),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// The digests of the outputs of a run whose launcher still waits, so that its
/// build has not gone on. Afterwards cargo links what was made and sets its
/// times, and no stamp tells any more whether the content is the compiler's.
///
/// # Errors
/// [`Reason::OutputChanged`] when one cannot be read.
pub(super) fn digests(job: &Job, sealer: &Sealer<'_>) -> Result<Vec<Digest>, Reason> {
    let mut files = OutputFiles::of(job);
    let digest_of = |written: &WrittenFile| {
        let began = now().map_err(|_| Reason::OutputChanged)?;
        let file = files.next(written)?;
        let digest = digest(file.as_fd()).map_err(|_| Reason::OutputChanged)?;
        learn(sealer, written, began, digest);
        Ok(digest)
    };
    job.report.outputs.iter().map(digest_of).collect()
}

/// Remembers the digest of an output for the runs that read it under this identity.
fn learn(sealer: &Sealer<'_>, written: &WrittenFile, began: zccache_core::Stamp, digest: Digest) {
    let Ok(file) = sealer.scene.namespace.open(written.path.as_path()) else { return };
    let Ok(stat) = fstat(&file) else { return };
    let identity = Identity::from(&stat);
    if sealer.is_same(&written.identity, &identity) {
        sealer.contents.learn(file.as_fd(), identity, began, digest);
    }
}

/// The digest of all that is in a file.
pub(super) fn digest(file: BorrowedFd<'_>) -> io::Result<Digest> {
    let mut hasher = blake3::Hasher::new();
    let file = File::from(file.try_clone_to_owned()?);
    for_each_piece(&file, 0, |piece, _| {
        hasher.update(piece);
    })?;
    Ok(Digest::from_bytes(*hasher.finalize().as_bytes()))
}
