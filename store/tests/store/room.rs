//! Entries that nobody uses go, and a disk keeps the room that it is to have.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use zccache_core::Digest;
use zccache_core::settings::StoreLimits;
use zccache_store::{Options, Room, Seam, Store, StoreError};

use crate::kit::{Home, again_while_in_use, assert_clean, key, only, put};

const BLOCK: u64 = 64 << 10;

/// What the disk is to have left in these tests.
const RESERVE: u64 = 20 * BLOCK;

const DAY: u64 = 86_400;

/// A store on a machine whose clock and disk do as they are told.
struct Machine {
    home: Home,
    now: Arc<AtomicU64>,
    /// What others have left of the disk to the store.
    left: Arc<AtomicU64>,
}

impl Machine {
    fn new() -> Self {
        let (now, left) = (AtomicU64::new(1000 * DAY), AtomicU64::new(100 * BLOCK));
        Self { home: Home::in_memory(), now: Arc::new(now), left: Arc::new(left) }
    }

    fn open(&self, limits: StoreLimits) -> Store {
        let (now, left) = (Arc::clone(&self.now), Arc::clone(&self.left));
        let room = move |store: &Path| {
            let left = left.load(Ordering::SeqCst);
            Ok(Room { total: 1 << 40, available: left.saturating_sub(occupied(store)) })
        };
        let now = Arc::new(move || now.load(Ordering::SeqCst));
        let seam = Seam { now, room: Arc::new(room), ..Seam::default() };
        let options = Options { limits, read_only: false };
        again_while_in_use(|| Store::open_on(&self.home.path(), options, seam.clone())).unwrap()
    }

    fn wait(&self, seconds: u64) {
        self.now.fetch_add(seconds, Ordering::SeqCst);
    }
}

/// Bytes of blobs and staged files; the index is not counted, whose size is redb's.
fn occupied(directory: &Path) -> u64 {
    let Ok(listing) = std::fs::read_dir(directory) else { return 0 };
    let sizes = listing.flatten().map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => occupied(&entry.path()),
        Ok(metadata) if entry.file_name() != "index.redb" => metadata.len(),
        _ => 0,
    });
    sizes.sum()
}

fn limits(max_age: u64, min_free: u64) -> StoreLimits {
    StoreLimits { max_bytes: 0, max_age, min_free: Some(min_free) }
}

fn object(number: usize) -> Vec<u8> {
    format!("{number:08}").into_bytes().repeat(BLOCK as usize / 8)
}

fn fill(store: &Store, numbers: std::ops::Range<usize>) {
    for number in numbers {
        put(store, &number.to_string(), "t", &object(number)).unwrap();
    }
}

fn present(store: &Store) -> Vec<usize> {
    let kept = |number: &usize| !store.candidates(&key(&number.to_string())).is_empty();
    (0..100).filter(kept).collect()
}

#[test]
fn what_was_not_used_for_too_long_goes() {
    let machine = Machine::new();
    let store = machine.open(limits(10 * DAY, 0));
    fill(&store, 0..4);
    machine.wait(6 * DAY);
    store.used(&key("1"), &only(&store, "1"));
    let pin = store.pin(Digest::of(&object(2)));
    store.collect().unwrap();
    assert_eq!(present(&store), [0, 1, 2, 3]);
    machine.wait(5 * DAY);
    store.collect().unwrap();
    assert_eq!(present(&store), [1, 2], "one was used, the other is pinned");
    drop(pin);
    // Not in `gc` alone.
    fill(&store, 5..6);
    machine.wait(6 * DAY);
    fill(&store, 6..7);
    store.collect().unwrap();
    assert_eq!(present(&store), [5, 6]);
    assert_clean(&store);
}

#[test]
fn publishing_looks_for_what_is_too_old_now_and_then() {
    let machine = Machine::new();
    let store = machine.open(limits(10 * DAY, 0));
    fill(&store, 0..3);
    machine.wait(11 * DAY);
    fill(&store, 3..5);
    // Which looks have been made is known once one more errand is done.
    store.check(false).unwrap();
    assert_eq!(present(&store), [3, 4]);
}

#[test]
fn a_clock_that_is_set_back_makes_nothing_older() {
    let machine = Machine::new();
    let store = machine.open(limits(10 * DAY, 0));
    fill(&store, 0..2);
    machine.now.fetch_sub(500 * DAY, Ordering::SeqCst);
    store.collect().unwrap();
    fill(&store, 2..3);
    assert_eq!(present(&store), [0, 1, 2]);
    machine.wait(11 * DAY);
    store.collect().unwrap();
    assert_eq!(present(&store), [0, 1], "they are of a time that is still to come");
}

#[test]
fn a_disk_keeps_the_room_that_it_is_to_have() {
    let machine = Machine::new();
    let store = machine.open(limits(0, RESERVE));
    let available = || machine.left.load(Ordering::SeqCst) - occupied(&machine.home.path());
    fill(&store, 0..90);
    store.check(false).unwrap();
    assert!(available() >= RESERVE, "{}", available());
    let kept = present(&store);
    assert!(kept.len() > 60 && kept.ends_with(&[88, 89]), "{kept:?}");
    // Others take some of the room: `gc` gives it back, with something beside.
    machine.left.fetch_sub(15 * BLOCK, Ordering::SeqCst);
    let pin = store.pin(Digest::of(&object(kept[0])));
    store.collect().unwrap();
    assert!(available() > RESERVE);
    let left = present(&store);
    assert!(left.len() + 12 < kept.len() && left.ends_with(&[88, 89]), "{left:?}");
    assert_eq!(left[0], kept[0], "what is pinned stays");
    drop(pin);
    assert_clean(&store);
}

#[test]
fn a_disk_without_room_takes_nothing_and_gives_hits() {
    let machine = Machine::new();
    let store = machine.open(limits(0, RESERVE));
    fill(&store, 0..2);
    let pins = [0, 1].map(|number| store.pin(Digest::of(&object(number))));
    machine.left.store(RESERVE, Ordering::SeqCst);
    let refused = put(&store, "2", "t", &object(2)).unwrap_err();
    assert!(matches!(refused, StoreError::NoRoom(_)), "{refused}");
    assert!(crate::kit::read(&store, &object(0)).is_ok());
    // Small results live in the index, which does not grow either.
    let (done, told) = crate::kit::done();
    let entry = crate::kit::entry("t", Vec::new());
    store.publish(zccache_store::Publication { key: key("3"), entry, blobs: Vec::new(), done });
    assert!(matches!(told.recv().unwrap(), Err(StoreError::NoRoom(_))));
    assert_eq!(present(&store), [0, 1]);
    machine.left.store(100 * BLOCK, Ordering::SeqCst);
    fill(&store, 2..3);
    drop(pins);
    assert_clean(&store);
}

#[test]
fn a_file_system_that_does_not_say_what_it_holds_has_room() {
    let machine = Machine::new();
    for room in [Err(libc::EIO), Ok(Room { total: 0, available: 0 })] {
        let ask = move |_: &Path| room.map_err(std::io::Error::from_raw_os_error);
        let seam = Seam { room: Arc::new(ask), ..Seam::default() };
        let options = Options { limits: limits(0, RESERVE), read_only: false };
        let open = || Store::open_on(&machine.home.path(), options, seam.clone());
        fill(&again_while_in_use(open).unwrap(), 0..2);
    }
}
