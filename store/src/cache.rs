//! A bounded map in memory.

use std::hash::{BuildHasher, Hash};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustc_hash::{FxBuildHasher, FxHashMap};

const SHARDS: usize = 8;

/// A map that holds about as much as it is allowed to and forgets what was not
/// used lately. Values have a weight; two generations hold half the capacity
/// each, and the older is dropped whole when the younger is full.
pub(crate) struct Cache<K, V> {
    shards: [Mutex<Generations<K, V>>; SHARDS],
    /// Weight of one generation of one shard.
    share: usize,
}

struct Generations<K, V> {
    young: FxHashMap<K, (V, usize)>,
    old: FxHashMap<K, (V, usize)>,
    weight: usize,
}

impl<K: Hash + Eq, V: Clone> Cache<K, V> {
    /// An empty map for values of this weight together.
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::new(Generations::empty())),
            share: capacity / SHARDS / 2,
        }
    }

    /// The value of a key.
    pub(crate) fn get(&self, key: &K) -> Option<V> {
        let mut shard = self.shard(key);
        if let Some((value, _)) = shard.young.get(key) {
            return Some(value.clone());
        }
        let (key, (value, weight)) = shard.old.remove_entry(key)?;
        shard.insert(key, (value.clone(), weight), self.share);
        Some(value)
    }

    /// Sets the value of a key.
    pub(crate) fn insert(&self, key: K, value: V, weight: usize) {
        self.insert_if(key, value, weight, || true);
    }

    /// Sets the value of a key if `still` holds while nobody else can touch it.
    pub(crate) fn insert_if(&self, key: K, value: V, weight: usize, still: impl FnOnce() -> bool) {
        let mut shard = self.shard(&key);
        if still() {
            shard.remove(&key);
            shard.insert(key, (value, weight), self.share);
        }
    }

    /// Changes the value of a key, if it has one.
    pub(crate) fn change(&self, key: &K, change: impl FnOnce(&mut V)) {
        let shard = &mut *self.shard(key);
        if let Some((value, _)) = shard.young.get_mut(key).or_else(|| shard.old.get_mut(key)) {
            change(value);
        }
    }

    /// Forgets a key.
    pub(crate) fn remove(&self, key: &K) {
        self.shard(key).remove(key);
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) {
        for shard in &self.shards {
            *lock(shard) = Generations::empty();
        }
    }

    fn shard(&self, key: &K) -> MutexGuard<'_, Generations<K, V>> {
        // Other bits than those by which a map chooses its place.
        let number = (FxBuildHasher.hash_one(key) >> 40) as usize % SHARDS;
        lock(&self.shards[number])
    }
}

impl<K: Hash + Eq, V> Generations<K, V> {
    fn empty() -> Self {
        Self { young: FxHashMap::default(), old: FxHashMap::default(), weight: 0 }
    }

    fn insert(&mut self, key: K, value: (V, usize), share: usize) {
        if self.weight >= share {
            self.old = std::mem::take(&mut self.young);
            self.weight = 0;
        }
        self.weight += value.1;
        self.young.insert(key, value);
    }

    fn remove(&mut self, key: &K) {
        if let Some((_, weight)) = self.young.remove(key) {
            self.weight -= weight;
        }
        self.old.remove(key);
    }
}

/// Locks a mutex whose data stays valid when a holder panics.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stays_within_its_bound_and_keeps_what_is_used() {
        let cache = Cache::new(1600);
        for number in 0..100_000u32 {
            cache.insert(number, number, 1);
            assert_eq!(cache.get(&0), Some(0));
        }
        let kept = (0..100_000u32).filter(|number| cache.get(number).is_some()).count();
        assert!((800..=1608).contains(&kept), "{kept}");
        assert_eq!(cache.get(&0), Some(0));
    }

    #[test]
    fn a_key_has_one_value_and_can_be_removed() {
        let cache = Cache::new(1600);
        cache.insert(1, "a", 1);
        cache.insert(1, "b", 1);
        assert_eq!(cache.get(&1), Some("b"));
        cache.insert_if(1, "c", 1, || false);
        assert_eq!(cache.get(&1), Some("b"));
        cache.change(&1, |value| *value = "d");
        cache.change(&3, |value| *value = "e");
        assert_eq!((cache.get(&1), cache.get(&3)), (Some("d"), None));
        cache.remove(&1);
        assert_eq!(cache.get(&1), None);
        cache.insert(2, "d", 1);
        cache.clear();
        assert_eq!(cache.get(&2), None);
    }
}
