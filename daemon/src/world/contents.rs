//! What is in a file: its digest, by its identity where that is known.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use nix::errno::Errno;
use nix::sys::stat::fstat;
use nix::time::{ClockId, clock_gettime};
use zccache_compiler::{program, source};
use zccache_core::{Digest, Identity, Reason, Stamp};
use zccache_fs::ProjectedBytes;
use zccache_store::Store;

use super::grain::Grains;
use super::{FoundFile, Namespace};

/// What zccache needs to know of a content besides its digest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent findings of one reading")]
pub(crate) struct Traits {
    /// A text that mentions a macro which expands to a time.
    pub(crate) mentions_time: bool,
    /// An ELF program or library.
    pub(crate) is_elf: bool,
    /// A text that may ask to be included only once, so that it matters whether
    /// two files are the same.
    pub(crate) includes_once: bool,
    /// A precompiled header of clang, which holds the time stamps of its sources.
    pub(crate) holds_stamps: bool,
}

/// Digests and traits of the files that compilers read.
pub(crate) struct Contents {
    store: Arc<Store>,
    grains: Grains,
    traits: Mutex<HashMap<Digest, Traits>>,
    /// Whether programs say that they are of a toolchain.
    programs: Mutex<HashMap<Digest, bool>>,
}

/// How many contents' traits are remembered: some 5 MiB.
const MOST_TRAITS: usize = 100_000;

/// Read at a time.
const BUFFER: usize = 256 << 10;

impl Contents {
    pub(crate) fn new(store: Arc<Store>) -> Self {
        Self { store, grains: Grains::new(), traits: Mutex::default(), programs: Mutex::default() }
    }

    /// The digest of the file found at a path.
    ///
    /// # Errors
    /// Why it cannot be told.
    pub(crate) fn digest(
        &self,
        namespace: &Namespace,
        path: &Path,
        found: &FoundFile,
    ) -> Result<Digest, Reason> {
        if let Some(known) = self.known_digest(found) {
            return Ok(known);
        }
        self.read(namespace, path, &found.identity).map(|(digest, _)| digest)
    }

    /// The digest and traits of the file found at a path.
    ///
    /// # Errors
    /// Why they cannot be told.
    pub(crate) fn examine(
        &self,
        namespace: &Namespace,
        path: &Path,
        found: &FoundFile,
    ) -> Result<(Digest, Traits), Reason> {
        if let Some(known) = self.known_digest(found) {
            let traits = self.traits.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(traits) = traits.get(&known) {
                return Ok((known, *traits));
            }
        }
        if let Some(bytes) = &found.projected {
            let (digest, traits) = self.hash_projected(bytes)?;
            self.remember(digest, traits);
            return Ok((digest, traits));
        }
        self.read(namespace, path, &found.identity)
    }

    /// The digest of a projected file, or of a file whose identity is known.
    fn known_digest(&self, found: &FoundFile) -> Option<Digest> {
        match &found.projected {
            Some(ProjectedBytes::Blob { digest, .. }) => Some(*digest),
            Some(ProjectedBytes::Inline(bytes)) => Some(Digest::of(bytes)),
            None => self.store.known_digest(&found.identity),
        }
    }

    fn hash_projected(&self, bytes: &ProjectedBytes) -> Result<(Digest, Traits), Reason> {
        let hashed = match bytes {
            ProjectedBytes::Inline(bytes) => hash(&mut &bytes[..]),
            ProjectedBytes::Blob { digest, .. } => {
                let blob = self.store.open_blob(digest).map_err(|_| Reason::InputUnreadable)?;
                hash(&mut File::from(blob.file))
            }
        };
        hashed.map_err(|_| Reason::InputUnreadable)
    }

    /// Whether the program at a path, which has this digest, says that it is of a
    /// toolchain whose variables are known.
    pub(crate) fn is_of_toolchain(
        &self,
        namespace: &Namespace,
        path: &Path,
        digest: Digest,
    ) -> bool {
        let programs = || self.programs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = programs().get(&digest) {
            return *known;
        }
        let says = namespace.open(path).is_ok_and(|file| says_so(&mut File::from(file)));
        programs().insert(digest, says);
        says
    }

    /// Whether a file may have changed after it was seen without its identity telling.
    pub(crate) fn is_racy(
        &self,
        namespace: &Namespace,
        path: &Path,
        identity: &Identity,
        seen: Stamp,
    ) -> bool {
        self.grains.is_racy(identity, seen, || namespace.open(path))
    }

    /// Reads a file whose identity must be the same before and after.
    fn read(
        &self,
        namespace: &Namespace,
        path: &Path,
        identity: &Identity,
    ) -> Result<(Digest, Traits), Reason> {
        let began = now().map_err(|_| Reason::InputUnreadable)?;
        let descriptor = namespace.open(path).map_err(|_| Reason::InputUnreadable)?;
        let mut file = File::from(descriptor);
        let unchanged = |file: &File| -> Result<(), Reason> {
            let stat = fstat(file.as_fd()).map_err(|_| Reason::InputUnreadable)?;
            if Identity::from(&stat) == *identity { Ok(()) } else { Err(Reason::InputChanged) }
        };
        unchanged(&file)?;
        if is_open_for_writing(&file) {
            return Err(Reason::InputOpenForWriting);
        }
        let (digest, traits) = hash(&mut file).map_err(|_| Reason::InputUnreadable)?;
        unchanged(&file)?;
        let again = || Ok(OwnedFd::from(file.try_clone()?));
        let is_told = !self.grains.is_racy(identity, began, again)
            && !self.grains.hides_mappings(identity, again);
        if is_told {
            self.store.remember_digest(*identity, digest);
        }
        self.remember(digest, traits);
        Ok((digest, traits))
    }

    fn remember(&self, digest: Digest, traits: Traits) {
        let mut known = self.traits.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST_TRAITS {
            known.clear();
        }
        known.insert(digest, traits);
    }
}

/// Now, on the clock that file stamps follow.
pub(crate) fn now() -> nix::Result<Stamp> {
    clock_gettime(ClockId::CLOCK_REALTIME_COARSE).map(Stamp::from)
}

/// Whether anybody may write to the file now, also through a mapping: a read
/// lease is refused then (`F_SETLEASE` in `fcntl(2)`). A writer whose first
/// store has stamped the file already could change it once more unseen.
/// Files of other users refuse leases altogether and are taken as quiet.
fn is_open_for_writing(file: &File) -> bool {
    let lease = |kind: libc::c_int| {
        // nix has no wrapper for leases.
        // SAFETY: F_SETLEASE takes an integer; the descriptor is open.
        Errno::result(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, kind) })
    };
    let refused = lease(libc::F_RDLCK) == Err(Errno::EAGAIN);
    if !refused {
        // Nothing to be done about a failure: closing the file ends the lease.
        let _ended = lease(libc::F_UNLCK);
    }
    refused
}

/// How ELF programs and libraries begin (`elf(5)`).
const ELF: [u8; 4] = *b"\x7fELF";

/// Reads to the end. Text is searched across the seams of the buffer.
fn hash(file: &mut impl Read) -> io::Result<(Digest, Traits)> {
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; BUFFER];
    let mut head: Option<[u8; 4]> = None;
    let mut mentions_time = false;
    let mut includes_once = false;
    let mut kept = 0;
    loop {
        let read = file.read(&mut buffer[kept..])?;
        if read == 0 {
            break;
        }
        let filled = kept + read;
        hasher.update(&buffer[kept..filled]);
        let piece = &buffer[..filled];
        let is_text = *head.get_or_insert_with(|| first_bytes(piece)) != ELF;
        mentions_time = mentions_time || (is_text && source::mentions_time(piece));
        includes_once = includes_once || (is_text && source::may_include_once(piece));
        kept = filled.min(source::SEAM);
        buffer.copy_within(filled - kept..filled, 0);
    }
    let head = head.unwrap_or_default();
    let traits = Traits {
        mentions_time,
        is_elf: head == ELF,
        includes_once,
        holds_stamps: head == *b"CPCH",
    };
    Ok((Digest::from_bytes(*hasher.finalize().as_bytes()), traits))
}

/// Whether a program names its makers; searched across the seams of the buffer.
fn says_so(program: &mut File) -> bool {
    let mut buffer = vec![0; BUFFER];
    let mut kept = 0;
    loop {
        match program.read(&mut buffer[kept..]) {
            Ok(0) | Err(_) => return false,
            Ok(read) => {
                let filled = kept + read;
                if program::is_of_toolchain(&buffer[..filled]) {
                    return true;
                }
                kept = filled.min(program::SEAM);
                buffer.copy_within(filled - kept..filled, 0);
            }
        }
    }
}

fn first_bytes(content: &[u8]) -> [u8; 4] {
    let mut head = [0; 4];
    let length = content.len().min(4);
    head[..length].copy_from_slice(&content[..length]);
    head
}

/// Leases are announced by a signal that would end the process; nothing here
/// waits for one.
pub(crate) fn ignore_lease_signals() -> nix::Result<()> {
    use nix::sys::signal::{SigHandler, Signal, signal};
    // SAFETY: SIG_IGN runs no code.
    unsafe { signal(Signal::SIGIO, SigHandler::SigIgn) }?;
    Ok(())
}
