//! Which directories are opened, by whom, and what becomes of strange content.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::unistd::geteuid;
use zccache_core::protocol::stats::Counters;
use zccache_store::{Seam, Store, StoreError};

use crate::kit::{Home, READ_ONLY, UNBOUNDED, again_while_in_use, assert_clean, key, put, read};

fn mode(path: &std::path::Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn a_new_store_is_private() {
    let home = Home::new();
    put(&home.open(), "k", "t", b"object").unwrap();
    for directory in ["", "blobs", "staging"] {
        assert_eq!(mode(&home.file(directory)), 0o700, "{directory}");
    }
    assert_eq!(mode(&home.path()), 0o700);
    for file in ["format", "index.redb", "../lock"] {
        assert_eq!(mode(&home.file(file)), 0o600, "{file}");
    }
}

#[test]
fn a_directory_open_to_others_is_refused() {
    let home = Home::new();
    drop(home.open());
    for open in [0o720, 0o702] {
        fs::set_permissions(home.path(), fs::Permissions::from_mode(open)).unwrap();
        for options in [UNBOUNDED, READ_ONLY] {
            let refused = Store::open(&home.path(), options).err().unwrap();
            assert!(matches!(refused, StoreError::OpenToOthers { mode, .. } if mode == open));
        }
    }
}

#[test]
fn a_store_with_something_open_to_others_is_refused() {
    for name in ["blobs", "staging", "index.redb", "format", "../lock", ""] {
        let home = Home::new();
        put(&home.open(), "k", "t", b"object").unwrap();
        fs::set_permissions(home.file(name), fs::Permissions::from_mode(0o722)).unwrap();
        let refused = Store::open(&home.path(), UNBOUNDED).err().unwrap();
        assert!(refused.to_string().contains("run chmod go-w"), "{refused}");
        fs::set_permissions(home.file(name), fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(home.open().candidates(&key("k")).len(), 1);
    }
}

#[test]
fn a_directory_of_another_user_is_refused() {
    if !geteuid().is_root() {
        eprintln!("SKIP: only root can give a directory away");
        return;
    }
    let home = Home::new();
    drop(home.open());
    chown(home.path(), Some(12345), None).unwrap();
    let refused = Store::open(&home.path(), UNBOUNDED).err().unwrap();
    assert!(matches!(refused, StoreError::ForeignOwner { owner: 12345, .. }));
}

#[test]
fn one_writer_or_many_readers() {
    let home = Home::new();
    let writer = home.open();
    for options in [UNBOUNDED, READ_ONLY] {
        assert!(matches!(Store::open(&home.path(), options), Err(StoreError::InUse(_))));
    }
    drop(writer);
    let readers = [(); 3].map(|()| Store::open(&home.path(), READ_ONLY).unwrap());
    assert!(matches!(Store::open(&home.path(), UNBOUNDED), Err(StoreError::InUse(_))));
    drop(readers);
    home.open();
}

#[test]
fn a_store_with_a_foreign_marker_is_set_aside() {
    for format in [&b"zccache store 999\n"[..], b"", b"\xff\0garbage"] {
        let home = Home::new();
        put(&home.open(), "k", "t", b"object").unwrap();
        fs::write(home.file("format"), format).unwrap();
        assert!(matches!(Store::open(&home.path(), READ_ONLY), Err(StoreError::Format(_))));
        let store = home.open();
        assert!(store.candidates(&key("k")).is_empty());
        assert!(matches!(read(&store, b"object"), Err(StoreError::NotFound(_))));
        assert_eq!(fs::read(home.file("set-aside/format")).unwrap(), format);
        assert_eq!(home.names("set-aside/blobs").len(), 1);
        put(&store, "k", "t", b"object").unwrap();
        assert_clean(&store);
    }
}

#[test]
fn only_one_store_is_kept_aside() {
    let home = Home::new();
    for format in ["one", "two"] {
        drop(home.open());
        fs::write(home.file("format"), format).unwrap();
    }
    drop(home.open());
    assert_eq!(fs::read(home.file("set-aside/format")).unwrap(), b"two");
    assert!(!home.file("set-aside.new").exists());
}

/// Files of an older format, which lay in the directory itself, and of a newer one.
fn others(home: &Home) -> [std::path::PathBuf; 4] {
    let files = ["index.redb", "format", "store-99/index.redb", "store-99/format"];
    let files = files.map(|name| home.top(name));
    fs::create_dir_all(home.top("store-99")).unwrap();
    fs::create_dir_all(home.top("blobs/00")).unwrap();
    files.iter().for_each(|file| fs::write(file, b"of another").unwrap());
    files
}

#[test]
fn stores_of_other_formats_are_let_be() {
    let home = Home::new();
    let others = others(&home);
    put(&home.open(), "k", "t", b"object").unwrap();
    let store = home.open();
    assert_eq!(store.candidates(&key("k")).len(), 1);
    assert_clean(&store);
    store.collect().unwrap();
    assert!(others.iter().all(|file| fs::read(file).unwrap() == b"of another"));
    assert!(home.top("blobs/00").exists() && !home.top("set-aside").exists());
    store.clear().unwrap();
    assert!(others.iter().all(|file| !file.exists()) && !home.top("blobs").exists());
    put(&store, "k", "t", b"object").unwrap();
}

#[test]
fn a_collection_removes_a_store_of_another_format_that_nobody_uses() {
    let home = Home::new();
    let others = others(&home);
    let later = Arc::new(AtomicU64::new(0));
    let days = Arc::clone(&later);
    let clock = Seam::default().now;
    let now = Arc::new(move || clock() + days.load(Ordering::SeqCst) * 86_400);
    let seam = Seam { now, ..Seam::default() };
    let store = again_while_in_use(|| Store::open_on(&home.path(), UNBOUNDED, seam.clone()));
    let store = store.unwrap();
    put(&store, "k", "t", b"object").unwrap();
    for (days, stay) in [(29, true), (31, false)] {
        later.store(days, Ordering::SeqCst);
        store.collect().unwrap();
        assert!(others.iter().all(|file| file.exists() == stay), "after {days} days");
    }
    assert!(!home.top("blobs").exists() && home.top("lock").exists());
    assert_eq!(store.candidates(&key("k")).len(), 1);
}

#[test]
fn a_store_without_a_format_is_set_aside() {
    let home = Home::new();
    put(&home.open(), "k", "t", b"object").unwrap();
    fs::remove_file(home.file("format")).unwrap();
    assert!(home.open().candidates(&key("k")).is_empty());
    assert!(home.file("set-aside/index.redb").exists());
}

#[test]
fn a_read_only_store_that_was_never_written_is_empty() {
    let home = Home::new();
    assert!(matches!(Store::open(&home.path(), READ_ONLY), Err(StoreError::Io { .. })));
    fs::create_dir(home.path()).unwrap();
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let store = Store::open(&home.path(), READ_ONLY).unwrap();
    assert!(store.candidates(&key("k")).is_empty());
    assert_clean(&store);
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
}

#[test]
fn left_over_staged_files_are_removed() {
    let home = Home::new();
    drop(home.open());
    fs::write(home.file("staging/7"), b"half").unwrap();
    let store = home.open();
    assert!(home.names("staging").is_empty());
    put(&store, "k", "t", b"object").unwrap();
}

#[test]
fn the_index_is_opened_when_first_needed() {
    let home = Home::new();
    let store = home.open();
    assert!(!home.file("index.redb").exists());
    assert!(store.candidates(&key("k")).is_empty());
    assert!(home.file("index.redb").exists());
}

#[test]
fn counters_are_kept() {
    let home = Home::new();
    let mut counters = Counters { hits: 3, ..Counters::default() };
    counters.reasons.insert("racy".to_owned(), 2);
    let store = home.open();
    assert_eq!(store.counters(), Counters::default());
    store.save_counters(&counters);
    assert_eq!(store.counters(), counters);
    drop(store);
    assert_eq!(home.open().counters(), counters);
    assert_eq!(Store::open(&home.path(), READ_ONLY).unwrap().counters(), counters);
}
