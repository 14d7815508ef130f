//! Caches that tools keep for themselves, beside what they are asked for: the one table of
//! what gives them away.
//!
//! | path | whose | what becomes of a run |
//! |---|---|---|
//! | `DIR/cache.lock`, empty or absent | Emscripten's `EM_CACHE` (`tools/cache.py`), locked by each run | to take the lock is nothing; a run that makes `DIR`, or changes anything else in it, as one that builds a system library, is not kept |
//! | `__pycache__`, and what is in it | Python (PEP 3147) | what leaves something there is not kept: it tells the age of a source; that nothing could be left is nothing |

use std::collections::HashSet;
use std::ffi::{CStr, CString};

use zccache_core::{OsBytes, Reason};

use super::changes::{Before, state};

const LOCK: &[u8] = b"/cache.lock";

const BYTECODE: &[u8] = b"__pycache__";

/// The caches whose locks a run has taken.
#[derive(Default)]
pub(super) struct Caches {
    /// The directories, and a `/`.
    locked: HashSet<Box<[u8]>>,
}

impl Caches {
    /// Whether opening the file at `path`, which is in this state, for writing does no more
    /// than take the lock of a cache that is there.
    pub(super) fn take_lock(&mut self, path: &CStr, before: Before) -> bool {
        let Some(directory) = path.to_bytes().strip_suffix(LOCK) else { return false };
        let is_there = is_empty_file(before);
        if is_there || before == Before::Absent {
            self.locked.insert([directory, b"/"].concat().into());
        }
        is_there
    }

    /// That a changed path belongs to no such cache.
    ///
    /// # Errors
    /// That it does.
    pub(super) fn admit(&self, path: &OsBytes) -> Result<(), Reason> {
        let path = path.as_bytes();
        let is_left = || CString::new(path).is_ok_and(|path| state(&path) != Before::Absent);
        let is_within = self
            .locked
            .iter()
            .any(|cache| path.starts_with(cache) || cache[..].strip_suffix(b"/") == Some(path));
        if is_within || (is_bytecode(path) && is_left()) {
            return Err(Reason::OwnCache);
        }
        Ok(())
    }

    /// That nobody wrote into what was taken for a lock.
    ///
    /// # Errors
    /// That somebody did, or that it is gone.
    pub(super) fn are_as_before(&self) -> Result<(), Reason> {
        let is_lock = |directory: &[u8]| {
            let path = [directory, &LOCK[1..]].concat();
            CString::new(path).is_ok_and(|path| is_empty_file(state(&path)))
        };
        let untouched = self.locked.iter().all(|directory| is_lock(directory));
        if untouched { Ok(()) } else { Err(Reason::SideEffect) }
    }
}

fn is_empty_file(state: Before) -> bool {
    matches!(state, Before::File { identity, .. } if identity.size == 0)
}

/// Whether Python keeps translated modules at this path.
pub(super) fn is_bytecode(path: &[u8]) -> bool {
    path.split(|&byte| byte == b'/').rev().take(2).any(|name| name == BYTECODE)
}
