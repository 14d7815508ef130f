//! Random uses of a store on a disk that fails now and then, beside a model in memory.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use fastrand::Rng;
use tempfile::TempDir;
use zccache_core::limits::TRACES_PER_KEY;
use zccache_store::{FORMAT_DIRECTORY, Gate, Options, Pin, Step, Store, StoreError};

use crate::kit::{
    again_while_in_use, assert_clean, blob, bounded, entry, key, put, read, tempdir_in_memory,
};

/// Stories told.
const STORIES: u64 = 120;

/// Uses of the store in one story.
const USES: usize = 60;

const ERRORS: [i32; 3] = [libc::EIO, libc::ENOSPC, libc::EDQUOT];

/// A disk of which one step in so many fails; 0 for none.
struct Moody {
    once_in: AtomicU64,
    rng: std::sync::Mutex<Rng>,
    failed: AtomicBool,
}

impl Moody {
    fn new(seed: u64) -> Arc<Self> {
        let rng = std::sync::Mutex::new(Rng::with_seed(!seed));
        Arc::new(Self { once_in: AtomicU64::new(0), rng, failed: AtomicBool::new(false) })
    }

    fn gate(self: &Arc<Self>) -> Arc<Gate> {
        let this = Arc::clone(self);
        Arc::new(move |_: Step| {
            let once_in = this.once_in.load(Ordering::SeqCst);
            let mut rng = this.rng.lock().unwrap();
            if once_in == 0 || rng.u64(..once_in) != 0 {
                return Ok(());
            }
            this.failed.store(true, Ordering::SeqCst);
            Err(io::Error::from_raw_os_error(*rng.choice(&ERRORS).unwrap()))
        })
    }

    /// Whether a step has failed since this was last asked.
    fn has_failed(&self) -> bool {
        self.failed.swap(false, Ordering::SeqCst)
    }
}

/// What may be under a key and trace.
#[derive(Clone, Default, Debug)]
struct Slot {
    /// The results that may be found.
    possible: Vec<Vec<u8>>,
    /// Whether nothing may be found.
    may_be_gone: bool,
}

/// A store and what is known of it.
struct Story {
    home: TempDir,
    options: Options,
    disk: Arc<Moody>,
    store: Option<Store>,
    known: BTreeMap<(u8, u8), Slot>,
    pins: Vec<Pin>,
    rng: Rng,
}

impl Story {
    fn begin(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let max_bytes = if rng.bool() { 0 } else { 120 << 10 };
        let options = bounded(max_bytes);
        let (home, disk) = (tempdir_in_memory(), Moody::new(seed));
        let (known, pins) = (BTreeMap::new(), Vec::new());
        let mut story = Self { home, options, disk, store: None, known, pins, rng };
        story.open();
        story
    }

    /// Opens the store, on a disk that works for so long.
    fn open(&mut self) {
        let mood = self.disk.once_in.swap(0, Ordering::SeqCst);
        let path = self.home.path().join("store");
        drop(self.store.take());
        let open = || Store::open_gated(&path, self.options, self.disk.gate());
        self.store = Some(again_while_in_use(open).unwrap());
        self.disk.once_in.store(mood, Ordering::SeqCst);
    }

    fn store(&self) -> &Store {
        self.store.as_ref().unwrap()
    }

    fn tell(mut self) {
        for _ in 0..USES {
            match self.rng.u32(..20) {
                0..9 => self.publish(),
                9..13 => self.look(),
                13 => self.discard(),
                14 => self.forget(|store| store.collect().map(drop)),
                15 if self.rng.u32(..4) == 0 => self.clear(),
                16 => self.forget(|store| store.check(true).map(drop)),
                17 => self.pin(),
                18 => self.open(),
                _ => self.change_mood(),
            }
        }
        self.end();
    }

    fn name(&mut self) -> (u8, u8) {
        (self.rng.u8(..6), self.rng.u8(..3))
    }

    fn publish(&mut self) {
        let name = self.name();
        let bytes = vec![self.rng.u8(..); self.rng.usize(5000..30_000)];
        let outcome = put(self.store(), &name.0.to_string(), &name.1.to_string(), &bytes);
        let slot =
            self.known.entry(name).or_insert_with(|| Slot { may_be_gone: true, ..Slot::default() });
        if outcome.is_ok() {
            *slot = Slot::default();
        }
        slot.possible.push(bytes);
        if self.options.limits.max_bytes > 0 {
            self.known.values_mut().for_each(|slot| slot.may_be_gone = true);
        }
    }

    /// Everything that is found was published, and whole; what must be there is.
    fn look(&mut self) {
        self.disk.has_failed();
        for (key_number, trace) in self.known.keys() {
            let found = self.store().candidates(&key(&key_number.to_string()));
            assert!(found.len() <= TRACES_PER_KEY);
            let slot = &self.known[&(*key_number, *trace)];
            let made = |bytes: &Vec<u8>| entry(&trace.to_string(), vec![blob(bytes)]);
            let same_trace = |found: &&Arc<zccache_core::Entry>| found.trace == made(&vec![]).trace;
            let found: Vec<_> = found.iter().filter(same_trace).collect();
            assert!(found.len() <= 1, "a trace is there twice");
            let Some(found) = found.first() else {
                assert!(slot.may_be_gone || self.disk.has_failed(), "an entry is lost");
                continue;
            };
            let bytes = slot.possible.iter().find(|bytes| made(bytes) == ***found);
            assert!(bytes.is_some(), "what is found was never published");
            let bytes = bytes.unwrap();
            match read(self.store(), bytes) {
                Ok(read) => assert_eq!(read, *bytes),
                // It may be evicted between the two looks.
                Err(error) => assert!(slot.may_be_gone || self.disk.has_failed(), "{error}"),
            }
            self.store().used(&key(&key_number.to_string()), found);
        }
    }

    fn discard(&mut self) {
        let name = self.name();
        let Some(slot) = self.known.get_mut(&name) else { return };
        slot.may_be_gone = true;
        let key = key(&name.0.to_string());
        let trace = entry(&name.1.to_string(), vec![]).trace;
        self.disk.has_failed();
        let store = self.store.as_ref().unwrap();
        let found = store.candidates(&key).iter().find(|found| found.trace == trace).cloned();
        let outcome = found.map(|found| store.discard(&key, &found));
        if outcome.is_none_or(|outcome| outcome.is_ok()) && !self.disk.has_failed() {
            self.known.remove(&name);
        }
    }

    /// Does what removes nothing that is whole and within the bound.
    fn forget(&mut self, act: impl Fn(&Store) -> Result<(), StoreError>) {
        self.disk.has_failed();
        let outcome = act(self.store());
        assert!(outcome.is_ok() || self.disk.has_failed(), "{outcome:?}");
        // A blob that could not be read counts as damaged, and is removed.
        if self.disk.once_in.load(Ordering::SeqCst) > 0 {
            self.known.values_mut().for_each(|slot| slot.may_be_gone = true);
        }
    }

    fn clear(&mut self) {
        match self.store().clear() {
            Ok(_) => self.known.clear(),
            Err(_) => self.known.values_mut().for_each(|slot| slot.may_be_gone = true),
        }
    }

    fn pin(&mut self) {
        let bytes = self.known.values().flat_map(|slot| &slot.possible).next();
        let digest = bytes.map(|bytes| zccache_core::Digest::of(bytes));
        self.pins.truncate(2);
        self.pins.extend(digest.map(|digest| self.store().pin(digest)));
    }

    fn change_mood(&mut self) {
        let once_in = if self.rng.bool() { 0 } else { self.rng.u64(2..120) };
        self.disk.once_in.store(once_in, Ordering::SeqCst);
    }

    /// On a disk that works again nothing is wrong, and no file is left over.
    fn end(mut self) {
        self.pins.clear();
        self.disk.once_in.store(0, Ordering::SeqCst);
        self.open();
        self.look();
        assert_clean(self.store());
        self.store().collect().unwrap();
        self.look();
        self.store().check(true).unwrap();
        let shards =
            std::fs::read_dir(self.home.path().join("store").join(FORMAT_DIRECTORY).join("blobs"))
                .unwrap();
        let list = |shard: io::Result<std::fs::DirEntry>| std::fs::read_dir(shard.unwrap().path());
        let files = shards.flat_map(|shard| list(shard).unwrap()).count() as u64;
        assert_eq!(self.store().check(false).unwrap().blobs, files);
    }
}

#[test]
fn a_store_on_a_moody_disk_keeps_to_its_model() {
    for seed in 0..STORIES {
        let told = std::panic::catch_unwind(|| Story::begin(seed).tell());
        assert!(told.is_ok(), "the story of seed {seed} goes wrong");
    }
}
