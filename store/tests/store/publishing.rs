//! What is published is found, whole, in order, and only when it is durable.

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use zccache_core::limits::{INLINE_BYTES, TRACES_PER_KEY};
use zccache_core::{Content, Digest};
use zccache_store::{Publication, Step, Store, StoreError};

use crate::kit::{
    Home, READ_ONLY, UNBOUNDED, assert_clean, blob, done, entry, key, now_and_opened_again, only,
    put, read, stage, submit,
};

#[test]
fn what_is_published_is_found_also_after_opening_again() {
    let home = Home::new();
    let inline = Content::Inline(vec![7; INLINE_BYTES as usize].into());
    let expected = entry("t", vec![blob(b"object"), inline, blob(b"object")]);
    let store = home.open();
    let (done, told) = done();
    let blobs = vec![stage(&store, b"object").unwrap()];
    store.publish(Publication { key: key("k"), entry: expected.clone(), blobs, done });
    told.recv().unwrap().unwrap();
    now_and_opened_again(&home, store, |store| {
        assert_eq!(*only(store, "k"), expected);
        assert_eq!(read(store, b"object").unwrap(), b"object");
        assert!(store.candidates(&key("other")).is_empty());
        assert_eq!(store.usage().entries, 1);
        assert!(store.usage().bytes > 4096);
        assert_clean(store);
    });
}

#[test]
fn a_blob_is_a_plain_private_file_of_exactly_its_bytes() {
    let home = Home::new();
    put(&home.open(), "k", "t", b"object").unwrap();
    let path = home.blob(&Digest::of(b"object"));
    assert_eq!(fs::read(&path).unwrap(), b"object");
    assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o7777, 0o400);
    assert!(home.names("staging").is_empty());
}

#[test]
fn traces_come_newest_first_and_the_oldest_gives_way() {
    let home = Home::new();
    let store = home.open();
    let traces: Vec<_> = (0..TRACES_PER_KEY + 3).map(|n| n.to_string()).collect();
    for trace in &traces {
        put(&store, "k", trace, trace.as_bytes()).unwrap();
    }
    let expected: Vec<_> = traces.iter().rev().take(TRACES_PER_KEY).collect();
    now_and_opened_again(&home, store, |store| {
        let found = store.candidates(&key("k"));
        assert_eq!(found.len(), TRACES_PER_KEY);
        for (found, trace) in found.iter().zip(&expected) {
            assert_eq!(**found, entry(trace, vec![blob(trace.as_bytes())]));
        }
        assert_clean(store);
    });
}

#[test]
fn an_equal_trace_replaces_the_older_entry() {
    let home = Home::new();
    let store = home.open();
    put(&store, "k", "a", b"old").unwrap();
    put(&store, "k", "b", b"other").unwrap();
    put(&store, "k", "a", b"new").unwrap();
    let found = store.candidates(&key("k"));
    assert_eq!(*found[0], entry("a", vec![blob(b"new")]));
    assert_eq!(*found[1], entry("b", vec![blob(b"other")]));
    assert_eq!(found.len(), 2);
    store.collect().unwrap();
    assert!(matches!(read(&store, b"old"), Err(StoreError::NotFound(_))));
    assert_clean(&store);
}

#[test]
fn nothing_is_visible_before_its_bytes_are_durable() {
    let home = Home::new();
    let (reached, at_sync) = mpsc::channel();
    let (go_on, waits) = mpsc::channel::<()>();
    let waits = Mutex::new(waits);
    let armed = Arc::new(AtomicBool::new(false));
    let arm = Arc::clone(&armed);
    let pause = move |step| {
        if step == Step::SyncBlob && armed.swap(false, Ordering::SeqCst) {
            reached.send(()).unwrap();
            waits.lock().unwrap().recv().unwrap();
        }
        Ok(())
    };
    let store = Store::open_gated(&home.path(), UNBOUNDED, Arc::new(pause)).unwrap();
    put(&store, "k", "first", b"first").unwrap();
    arm.store(true, Ordering::SeqCst);
    let told = submit(&store, "k", "second", b"second").unwrap();
    at_sync.recv().unwrap();
    assert_eq!(store.candidates(&key("k")).len(), 1);
    assert!(told.try_recv().is_err());
    go_on.send(()).unwrap();
    told.recv().unwrap().unwrap();
    assert_eq!(store.candidates(&key("k")).len(), 2);
}

#[test]
fn dropping_the_store_finishes_what_waits() {
    let home = Home::new();
    let store = home.open();
    let told: Vec<_> = (0..300)
        .map(|n| submit(&store, &n.to_string(), "t", n.to_string().as_bytes()).unwrap())
        .collect();
    drop(store);
    for told in told {
        told.recv().unwrap().unwrap();
        assert!(told.recv().is_err(), "told twice");
    }
    assert_eq!(home.open().usage().entries, 300);
}

#[test]
fn the_last_owner_may_be_a_done_on_the_writers_thread() {
    let home = Home::new();
    let store = Arc::new(home.open());
    let (sender, told) = mpsc::channel();
    let owner = Arc::clone(&store);
    let (let_go, gone) = mpsc::channel::<()>();
    let done = Box::new(move |outcome: Result<(), StoreError>| {
        gone.recv().unwrap();
        drop(owner);
        sender.send(outcome).unwrap();
    });
    store.publish(Publication { key: key("k"), entry: entry("t", vec![]), blobs: vec![], done });
    drop(store);
    let_go.send(()).unwrap();
    told.recv().unwrap().unwrap();
}

#[test]
fn a_done_that_panics_harms_nobody_else() {
    let home = Home::new();
    let store = home.open();
    let done = Box::new(|_| panic!("a caller's mistake"));
    store.publish(Publication { key: key("k"), entry: entry("t", vec![]), blobs: vec![], done });
    put(&store, "l", "t", b"object").unwrap();
    assert_eq!(store.candidates(&key("k")).len(), 1);
    assert_clean(&store);
}

#[test]
fn an_entry_must_come_with_every_blob_it_names() {
    let home = Home::new();
    let store = home.open();
    let (done, told) = done();
    let blobs = vec![stage(&store, b"one").unwrap()];
    let entry = entry("t", vec![blob(b"one"), blob(b"two")]);
    store.publish(Publication { key: key("k"), entry, blobs, done });
    let Err(StoreError::Unstaged(missing)) = told.recv().unwrap() else { panic!("published") };
    assert_eq!(missing, Digest::of(b"two"));
    assert!(store.candidates(&key("k")).is_empty());
    assert!(home.blobs().is_empty());
    assert!(home.names("staging").is_empty());
}

#[test]
fn staging_leaves_nothing_behind_and_the_source_as_it_was() {
    let home = Home::new();
    let store = home.open();
    let mut source = tempfile::tempfile().unwrap();
    source.write_all(b"some bytes").unwrap();
    source.seek(SeekFrom::Start(3)).unwrap();
    let staged = store.stage(source.as_fd(), 10).unwrap();
    assert_eq!((staged.digest(), staged.length()), (Digest::of(b"some bytes"), 10));
    assert_eq!(source.stream_position().unwrap(), 3);
    assert_eq!(home.names("staging").len(), 1);
    drop(staged);
    assert!(home.names("staging").is_empty());
    for wrong in [9, 11] {
        assert!(matches!(store.stage(source.as_fd(), wrong), Err(StoreError::Changed)));
    }
    assert!(home.names("staging").is_empty());
}

#[test]
fn what_the_store_has_is_not_copied_again() {
    let home = Home::new();
    let store = home.open();
    put(&store, "k", "t", b"object").unwrap();
    let before = fs::metadata(home.blob(&Digest::of(b"object"))).unwrap();
    let staged = stage(&store, b"object").unwrap();
    assert!(home.names("staging").is_empty());
    let (done, told) = done();
    let entry = entry("t", vec![blob(b"object")]);
    store.publish(Publication { key: key("l"), entry, blobs: vec![staged], done });
    told.recv().unwrap().unwrap();
    let after = fs::metadata(home.blob(&Digest::of(b"object"))).unwrap();
    assert_eq!(before.ino(), after.ino());
    assert_eq!(store.usage().entries, 2);
}

#[test]
fn equal_blobs_staged_at_once_become_one() {
    let home = Home::new();
    let store = home.open();
    let told: Vec<_> =
        (0..8).map(|n| submit(&store, &n.to_string(), "t", b"same").unwrap()).collect();
    store.expedite();
    told.iter().for_each(|told| told.recv().unwrap().unwrap());
    assert_eq!(home.blobs(), [Digest::of(b"same")]);
    assert!(home.names("staging").is_empty());
    assert_clean(&store);
}

#[test]
fn a_read_only_store_serves_and_refuses() {
    let home = Home::new();
    put(&home.open(), "k", "t", b"object").unwrap();
    let listing = || {
        let mut names = home.names(".");
        names.sort();
        names
    };
    let before = listing();
    let store = Store::open(&home.path(), READ_ONLY).unwrap();
    assert_eq!(*only(&store, "k"), entry("t", vec![blob(b"object")]));
    assert_eq!(read(&store, b"object").unwrap(), b"object");
    assert!(matches!(stage(&store, b"x"), Err(StoreError::ReadOnly)));
    let (done, told) = done();
    store.publish(Publication { key: key("l"), entry: entry("t", vec![]), blobs: vec![], done });
    assert!(matches!(told.recv().unwrap(), Err(StoreError::ReadOnly)));
    assert!(matches!(store.clear(), Err(StoreError::ReadOnly)));
    assert!(matches!(store.collect(), Err(StoreError::ReadOnly)));
    assert!(matches!(store.check(true), Err(StoreError::ReadOnly)));
    store.used(&key("k"), &only(&store, "k"));
    assert_clean(&store);
    drop(store);
    assert_eq!(listing(), before);
}
