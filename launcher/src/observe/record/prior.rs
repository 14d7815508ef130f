//! The content of a file from before the run changed it: of an archive that is added to,
//! of an object that is stripped in its place, the run has read that, and nobody can any
//! more afterwards. So it is put by just before the first change.

use std::ffi::CStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

use nix::fcntl::{OFlag, open};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::stat::{Mode, fstat};
use zccache_core::report::{Bytes, Revised};
use zccache_core::{Identity, OsBytes, Stamp, limits};

/// A file as it was before the run changed it.
#[derive(Debug)]
pub(super) struct Prior {
    revised: Revised,
    /// Its content, if it is not within `revised`.
    content: Option<OwnedFd>,
}

impl Prior {
    /// Puts by what is in the file at `path`, which was first looked at `at` and has to have
    /// this identity still. None if that cannot be done.
    pub(super) fn of(path: &CStr, identity: &Identity, at: Stamp) -> Option<Self> {
        if identity.size > limits::PRIOR_BYTES {
            return None;
        }
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let file = File::from(open(path, flags, Mode::empty()).ok()?);
        let mut bytes = Vec::new();
        // One more shows that there is more than there was.
        (&file).take(identity.size + 1).read_to_end(&mut bytes).ok()?;
        let stat = fstat(&file).ok()?;
        if Identity::from(&stat) != *identity || bytes.len() as u64 != identity.size {
            return None;
        }
        let (bytes, content) = if identity.size <= limits::CARRIED_BYTES {
            (Bytes::Carried(bytes), None)
        } else {
            (Bytes::Attached, Some(in_memory(&bytes).ok()?))
        };
        let path = OsBytes::from(path.to_bytes());
        let mode = stat.st_mode & 0o7777;
        Some(Self { revised: Revised { path, mode, identity: *identity, at, bytes }, content })
    }

    /// For the report, with the descriptor that travels with it.
    pub(super) fn into_parts(self) -> (Revised, Option<OwnedFd>) {
        (self.revised, self.content)
    }
}

fn in_memory(bytes: &[u8]) -> io::Result<OwnedFd> {
    let file = memfd_create(c"prior", MFdFlags::MFD_CLOEXEC)?;
    File::from(file.try_clone()?).write_all_at(bytes, 0)?;
    Ok(file)
}
