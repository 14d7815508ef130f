//! What is in a file: its digest, by its identity where that is known.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use nix::sys::stat::fstat;
use nix::time::{ClockId, clock_gettime};
use zccache_compiler::comments::{self, NameParts, Outline, Regard};
use zccache_compiler::relocation::path_words::PathWords;
use zccache_compiler::source::Once;
use zccache_compiler::{TimeWords, clock, program, source};
use zccache_core::{Digest, Identity, Reason, Stamp, entry};
use zccache_store::Store;

use super::grain::{Grains, identities_tell};
use super::pieces::for_each_piece;
use super::watch::Writers;
use super::words::{Search, Words};
use super::{Found, FoundFile, Namespace};

/// What zccache needs to know of a content besides its digest.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Traits {
    /// What a text says of times.
    pub(crate) time_words: TimeWords,
    /// An ELF program or library.
    pub(crate) is_elf: bool,
    /// A binary that says it is of GCC, the binutils, LLVM or Rust.
    pub(crate) names_toolchain: bool,
    /// What a text asks of headers that are the same.
    pub(crate) once: Once,
    /// By which words a text may use its own path (`__FILE__`).
    pub(crate) path_words: PathWords,
    /// A precompiled header, whose sources nobody sees any more.
    pub(crate) is_precompiled: bool,
    /// What is left of a text without comments, where that can be told.
    pub(crate) outline: Option<Outline>,
    /// What a text makes of comments.
    pub(crate) regard: Regard,
    /// What a text mentions.
    pub(crate) words: NameParts,
    /// How many places gcc may number in a text.
    pub(crate) places: u64,
}

/// What is asked of a content.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Depth {
    /// Which it is.
    Digest,
    /// Its traits as well, for which it may have to be read.
    Traits,
}

/// Digests and traits of the files that compilers read.
pub(crate) struct Contents {
    store: Arc<Store>,
    grains: Grains,
    traits: Mutex<HashMap<Digest, Traits>>,
    /// Which words a content holds, by the digests of both.
    mentions: Mutex<HashMap<(Digest, Digest), Mentions>>,
}

/// The numbers of the words that a content holds.
pub(crate) type Mentions = Arc<[usize]>;

/// How many contents' traits are remembered: some 30 MiB.
const MOST_TRAITS: usize = 50_000;

impl Contents {
    pub(crate) fn new(store: Arc<Store>) -> Self {
        Self { store, grains: Grains::new(), traits: Mutex::default(), mentions: Mutex::default() }
    }

    /// What was in a file while it had this identity, where that is known.
    pub(crate) fn known(&self, identity: &Identity) -> Option<Digest> {
        self.store.known_digest(identity)
    }

    /// Takes notice of what was in a file while it had this identity; `began` is
    /// when reading it began.
    pub(crate) fn learn(&self, file: BorrowedFd<'_>, identity: Identity, began: Stamp, is: Digest) {
        if !self.grains.is_racy(&identity, began, || file.try_clone_to_owned()) {
            self.store.remember_digest(identity, is);
        }
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
        if let Some(known) = found.digest.or_else(|| self.store.known_digest(&found.identity)) {
            return Ok(known);
        }
        self.read(namespace, path, &found.identity).map(|(digest, _)| digest)
    }

    /// The digest and, as far as they are asked for, traits of the file found at a path.
    ///
    /// # Errors
    /// Why they cannot be told.
    pub(crate) fn look_into(
        &self,
        namespace: &Namespace,
        path: &Path,
        found: &FoundFile,
        depth: Depth,
    ) -> Result<(Digest, Traits), Reason> {
        match depth {
            Depth::Digest => {
                self.digest(namespace, path, found).map(|digest| (digest, Traits::default()))
            }
            Depth::Traits => self.examine(namespace, path, found),
        }
    }

    fn examine(
        &self,
        namespace: &Namespace,
        path: &Path,
        found: &FoundFile,
    ) -> Result<(Digest, Traits), Reason> {
        if let Some(known) = found.digest.or_else(|| self.store.known_digest(&found.identity)) {
            let traits = self.traits.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(traits) = traits.get(&known) {
                return Ok((known, traits.clone()));
            }
        }
        if let Some(digest) = found.digest {
            let bytes = namespace.open_projected(path).map_err(|_| Reason::InputUnreadable)?;
            let (read, traits) = hash(&bytes.into()).map_err(|_| Reason::InputUnreadable)?;
            if read != digest {
                return Err(Reason::InputChanged);
            }
            self.remember(digest, traits.clone());
            return Ok((digest, traits));
        }
        self.read(namespace, path, &found.identity)
    }

    /// Whether the file found at a path is this text, but for what reaches no result.
    pub(crate) fn has(
        &self,
        namespace: &Namespace,
        path: &Path,
        found: &FoundFile,
        outline: &entry::Outline,
    ) -> bool {
        let examined = self.examine(namespace, path, found).ok();
        examined.and_then(|(_, traits)| traits.outline).is_some_and(|now| {
            now.without(&outline.idle) == outline.digest
                && outline.empty_lines.is_none_or(|lines| lines == now.empty_lines)
        })
    }

    /// Whether a content is the output of a run that was kept.
    pub(crate) fn was_made_here(&self, digest: &Digest) -> bool {
        self.store.open_blob(digest).is_ok()
    }

    /// Which of some words the file found at a path holds, by their numbers; none if
    /// it has changed or cannot be read.
    pub(crate) fn mentions(
        &self,
        namespace: &Namespace,
        path: &Path,
        found: &FoundFile,
        words: &Words,
    ) -> Option<Mentions> {
        let digest = self.digest(namespace, path, found).ok()?;
        let question = (digest, words.digest());
        let known = self.mentions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.get(&question) {
            return Some(Arc::clone(known));
        }
        drop(known);
        let file = self.open(namespace, path, found)?;
        let mut hasher = blake3::Hasher::new();
        let mut search = Search::new(words);
        for_each_piece(&file, words.longest(), |piece, new| {
            hasher.update(new);
            search.take(piece);
        })
        .ok()?;
        if hasher.finalize().as_bytes() != digest.as_bytes() {
            return None;
        }
        let held = Arc::from(search.found());
        let mut mentions = self.mentions.lock().unwrap_or_else(PoisonError::into_inner);
        if mentions.len() >= MOST_TRAITS {
            mentions.clear();
        }
        mentions.insert(question, Arc::clone(&held));
        Some(held)
    }

    /// Whether what was found at a path is a file that holds one of some words, or that
    /// cannot be told.
    pub(crate) fn may_mention(
        &self,
        namespace: &Namespace,
        path: &Path,
        found: &Found,
        words: &Words,
    ) -> bool {
        let Found::File(found) = found else { return true };
        self.mentions(namespace, path, found, words).is_none_or(|held| !held.is_empty())
    }

    /// Hands over the file found at a path, if it can be read, in pieces that cut no
    /// text of a date or time.
    pub(crate) fn for_each_piece_of(
        &self,
        namespace: &Namespace,
        path: &Path,
        found: &FoundFile,
        mut take: impl FnMut(&[u8]),
    ) {
        if let Some(file) = self.open(namespace, path, found)
            && let Err(error) = for_each_piece(&file, clock::SEAM, |piece, _| take(piece))
        {
            tracing::debug!(%error, ?path, "an input cannot be read again");
        }
    }

    /// The bytes of the file found at a path, if they can be had.
    fn open(&self, namespace: &Namespace, path: &Path, found: &FoundFile) -> Option<File> {
        match found.digest {
            Some(digest) => self.store.open_blob(&digest).ok().map(|blob| blob.file.into()),
            None => namespace.open(path).ok().map(File::from),
        }
    }

    /// Whether a file may have changed after it was seen without its identity
    /// telling. The bytes of a projected file never change.
    pub(crate) fn is_racy(
        &self,
        namespace: &Namespace,
        path: &Path,
        found: &FoundFile,
        seen: Stamp,
    ) -> bool {
        let open = || namespace.open(path);
        found.digest.is_none() && self.grains.is_racy(&found.identity, seen, open)
    }

    /// Whether a file was last changed before `then`.
    pub(crate) fn is_older(
        &self,
        namespace: &Namespace,
        path: &Path,
        found: &FoundFile,
        then: Stamp,
    ) -> bool {
        self.grains.is_older(&found.identity, then, || namespace.open(path))
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
        let file = File::from(descriptor);
        let unchanged = |file: &File| -> Result<(), Reason> {
            let stat = fstat(file.as_fd()).map_err(|_| Reason::InputUnreadable)?;
            if Identity::from(&stat) == *identity { Ok(()) } else { Err(Reason::InputChanged) }
        };
        unchanged(&file)?;
        // A writer whose first store has stamped the file already could change it once
        // more unseen. Files of other users are taken as quiet.
        if Writers::of(&file) == Writers::Some {
            return Err(Reason::InputOpenForWriting);
        }
        let (digest, traits) = hash(&file).map_err(|_| Reason::InputUnreadable)?;
        unchanged(&file)?;
        let stamped = identities_tell(file.as_fd());
        if stamped && !self.grains.is_racy(identity, began, || Ok(OwnedFd::from(file.try_clone()?)))
        {
            self.store.remember_digest(*identity, digest);
        }
        self.remember(digest, traits.clone());
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

/// Reads to the end. Text is searched across the seams of the buffer.
fn hash(file: &File) -> io::Result<(Digest, Traits)> {
    let mut hasher = blake3::Hasher::new();
    let mut head: Option<[u8; 8]> = None;
    let mut traits = Traits::default();
    let mut text = Vec::new();
    for_each_piece(file, source::SEAM.max(program::SEAM), |piece, new| {
        hasher.update(new);
        let head = *head.get_or_insert_with(|| first_bytes(piece));
        traits.is_elf = head.starts_with(b"\x7fELF");
        traits.is_precompiled = source::is_precompiled(&head);
        if traits.is_elf || source::is_made_of_objects(&head) {
            traits.words = NameParts::OfBinary;
        }
        if traits.is_precompiled {
            traits.time_words = TimeWords::HIDDEN;
        } else if traits.is_elf {
            traits.names_toolchain = traits.names_toolchain || program::is_of_toolchain(piece);
        } else if !source::is_made_of_objects(&head) {
            traits.time_words = traits.time_words | TimeWords::of(piece);
            traits.once = traits.once.max(Once::of(piece));
            traits.path_words = traits.path_words | PathWords::of(piece);
            if text.len() <= comments::LONGEST {
                text.extend_from_slice(new);
            }
        }
    })?;
    // What is no text has left this empty.
    if !text.is_empty() {
        traits.places = comments::places(&text);
        traits.outline = Outline::of(&text);
        (traits.regard, traits.words) = match &traits.outline {
            Some(outline) => (outline.regard, outline.words.clone()),
            None => (Regard::of_unclear(&text), NameParts::of_unclear(&text)),
        };
    }
    Ok((Digest::from_bytes(*hasher.finalize().as_bytes()), traits))
}

/// How a content begins; zeroes behind its end.
fn first_bytes(content: &[u8]) -> [u8; 8] {
    let mut head = [0; 8];
    let length = content.len().min(head.len());
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
