//! Which paths lead to one directory.

use std::collections::hash_map::Entry;

use rustc_hash::FxHashMap;
use zccache_core::Identity;

/// Which of the directories that are looked at are the same one.
#[derive(Default)]
pub(crate) struct SameDirectories {
    first: FxHashMap<(u64, u64), u32>,
    same: Vec<(u32, u32)>,
}

impl SameDirectories {
    /// Takes notice of what an observation leads to, which follows links or not.
    pub(crate) fn note(&mut self, number: u32, follow: bool, identity: &Identity) {
        if !follow {
            return;
        }
        match self.first.entry((identity.device, identity.inode)) {
            Entry::Occupied(first) => self.same.push((number, *first.get())),
            Entry::Vacant(place) => drop(place.insert(number)),
        }
    }

    /// Each that is the same as an earlier one, with that.
    pub(crate) fn into_pairs(self) -> Vec<(u32, u32)> {
        self.same
    }

    /// The first pair that is the same in one of the two only.
    pub(super) fn differ_from(&self, before: &[(u32, u32)]) -> Option<(u32, u32)> {
        let both = self.same.iter().zip(before).find(|(now, before)| now != before);
        let more = || self.same.get(before.len()).or_else(|| before.get(self.same.len()));
        both.map(|(now, before)| *now.min(before)).or_else(|| more().copied())
    }
}
