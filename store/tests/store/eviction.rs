//! The store stays within its bound, and what is needed stays in the store.

use zccache_core::Digest;
use zccache_store::{Store, StoreError, Usage};

use crate::kit::{Home, assert_clean, key, only, put, read, stage};

const BLOCK: usize = 64 << 10;

/// The bytes of one large output.
fn object(number: usize) -> Vec<u8> {
    format!("{number:08}").into_bytes().repeat(BLOCK / 8)
}

/// Publishes outputs of 64 KiB under their numbers.
fn fill(store: &Store, numbers: std::ops::Range<usize>) {
    for number in numbers {
        put(store, &number.to_string(), "t", &object(number)).unwrap();
    }
}

fn present(store: &Store, number: usize) -> bool {
    !store.candidates(&key(&number.to_string())).is_empty()
}

#[test]
fn the_least_recently_used_go_first() {
    let home = Home::new();
    let store = home.open_bounded(10 * BLOCK as u64);
    fill(&store, 0..9);
    for number in [0, 3] {
        store.used(&key(&number.to_string()), &only(&store, &number.to_string()));
    }
    fill(&store, 9..12);
    store.collect().unwrap();
    assert!(store.usage().bytes <= 10 * BLOCK as u64);
    for (number, expected) in [(0, true), (1, false), (2, false), (3, true), (11, true)] {
        assert_eq!(present(&store, number), expected, "{number}");
        assert_eq!(home.blob(&Digest::of(&object(number))).exists(), expected, "{number}");
    }
    assert_clean(&store);
}

#[test]
fn uses_are_remembered_by_the_next_process() {
    let home = Home::new();
    let store = home.open();
    fill(&store, 0..4);
    store.used(&key("0"), &only(&store, "0"));
    drop(store);
    let store = home.open_bounded(3 * BLOCK as u64);
    assert_eq!(store.collect().unwrap().entries, 2);
    assert!(present(&store, 0) && present(&store, 3));
    assert!(!present(&store, 1) && !present(&store, 2));
    assert_clean(&store);
}

#[test]
fn a_store_within_its_bound_loses_nothing() {
    let home = Home::new();
    let store = home.open_bounded(10 * BLOCK as u64);
    fill(&store, 0..5);
    assert_eq!(store.collect().unwrap(), zccache_store::Collected::default());
    assert_eq!(store.usage().entries, 5);
}

#[test]
fn pinned_blobs_stay_and_go_when_they_are_not_pinned_any_more() {
    let home = Home::new();
    let store = home.open_bounded(4 * BLOCK as u64);
    fill(&store, 0..1);
    let pins = [store.pin(Digest::of(&object(0))), store.pin(Digest::of(&object(0)))];
    fill(&store, 1..9);
    assert!(present(&store, 0));
    assert_eq!(read(&store, &object(0)).unwrap(), object(0));
    let [first, second] = pins;
    drop(first);
    store.collect().unwrap();
    assert!(present(&store, 0));
    drop(second);
    fill(&store, 9..14);
    assert!(!present(&store, 0));
    assert!(!home.blob(&Digest::of(&object(0))).exists());
    assert_clean(&store);
}

#[test]
fn clearing_removes_everything_but_pinned_blobs() {
    let home = Home::new();
    let store = home.open();
    fill(&store, 0..3);
    let pin = store.pin(Digest::of(&object(1)));
    assert_eq!(store.clear().unwrap().entries, 3);
    assert!((0..3).all(|number| !present(&store, number)));
    assert_eq!(home.blobs(), [pin.digest()]);
    assert_clean(&store);
    drop(pin);
    store.collect().unwrap();
    assert!(home.blobs().is_empty());
    assert_eq!(store.usage(), Usage::default());
    fill(&store, 0..3);
    assert_eq!(store.usage().entries, 3);
}

#[test]
fn an_entry_is_removed_alone() {
    let home = Home::new();
    let store = home.open();
    put(&store, "a", "one", b"its own bytes").unwrap();
    put(&store, "a", "two", b"shared").unwrap();
    put(&store, "b", "one", b"shared").unwrap();
    let entries = store.candidates(&key("a"));
    for entry in entries.iter() {
        store.discard(&key("a"), entry).unwrap();
        store.discard(&key("a"), entry).unwrap();
    }
    assert!(store.candidates(&key("a")).is_empty());
    assert_eq!(store.candidates(&key("b")).len(), 1);
    assert_eq!(home.blobs(), [Digest::of(b"shared")]);
    assert_clean(&store);
    drop(store);
    assert!(home.open().candidates(&key("a")).is_empty());
}

#[test]
fn a_blob_that_is_staged_is_not_evicted() {
    let home = Home::new();
    let store = home.open();
    fill(&store, 0..1);
    let staged = stage(&store, &object(0)).unwrap();
    store.clear().unwrap();
    assert!(home.blob(&staged.digest()).exists());
    let (done, told) = crate::kit::done();
    let entry = crate::kit::entry("t", vec![crate::kit::blob(&object(0))]);
    store.publish(zccache_store::Publication { key: key("0"), entry, blobs: vec![staged], done });
    told.recv().unwrap().unwrap();
    assert_eq!(read(&store, &object(0)).unwrap(), object(0));
    store.collect().unwrap();
    assert_clean(&store);
}

#[test]
fn a_blob_of_several_entries_goes_with_the_last() {
    let home = Home::new();
    let store = home.open();
    put(&store, "a", "t", b"shared").unwrap();
    put(&store, "b", "t", b"shared").unwrap();
    put(&store, "a", "t", b"other").unwrap();
    store.collect().unwrap();
    assert_eq!(read(&store, b"shared").unwrap(), b"shared");
    put(&store, "b", "t", b"other").unwrap();
    store.collect().unwrap();
    assert!(matches!(read(&store, b"shared"), Err(StoreError::NotFound(_))));
    assert_clean(&store);
}

#[test]
fn files_that_a_crash_left_behind_are_swept_up() {
    let home = Home::new();
    put(&home.open(), "k", "t", b"object").unwrap();
    assert!(!home.file("unclean").exists());
    let stray = home.blob(&Digest::of(b"stray"));
    std::fs::create_dir_all(stray.parent().unwrap()).unwrap();
    std::fs::write(&stray, b"stray").unwrap();
    std::fs::write(home.file("unclean"), b"").unwrap();
    let store = home.open();
    let pin = store.pin(Digest::of(b"stray"));
    put(&store, "l", "t", b"object").unwrap();
    assert!(stray.exists(), "pinned");
    drop(store);
    drop(pin);
    assert!(home.file("unclean").exists());
    home.open().collect().unwrap();
    assert!(!stray.exists());
    assert!(!home.file("unclean").exists());
}
