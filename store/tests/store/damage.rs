//! Damage is found, becomes a miss, and is put right.

use std::fs;

use zccache_core::Digest;
use zccache_core::protocol::Checked;
use zccache_store::{Store, StoreError};

use crate::kit::{
    Home, READ_ONLY, assert_clean, entry, flip, key, now_and_opened_again, only, overwrite, put,
    read, stage,
};

const BYTES: &[u8] = b"the bytes of an object";

/// Damages the blob of a store in one way.
type Damage = fn(&Home);

fn damages() -> [Damage; 5] {
    fn path(home: &Home) -> std::path::PathBuf {
        home.blob(&Digest::of(BYTES))
    }
    [
        |home| flip(&path(home), 3),
        |home| overwrite(&path(home), &BYTES[..7]),
        |home| overwrite(&path(home), b""),
        |home| overwrite(&path(home), &[BYTES, b"x"].concat()),
        |home| {
            fs::remove_file(path(home)).unwrap();
            std::os::unix::fs::symlink("/etc/passwd", path(home)).unwrap();
        },
    ]
}

#[test]
fn a_damaged_blob_is_an_error_until_it_is_published_again() {
    for damage in damages() {
        let home = Home::new();
        put(&home.open(), "k", "t", BYTES).unwrap();
        damage(&home);
        let store = home.open();
        read(&store, BYTES).unwrap_err();
        read(&store, BYTES).unwrap_err();
        put(&store, "k", "t", BYTES).unwrap();
        assert_eq!(read(&store, BYTES).unwrap(), BYTES);
        assert_eq!(store.candidates(&key("k")).len(), 1);
        assert_clean(&store);
    }
}

#[test]
fn a_blob_damaged_while_the_store_is_open_is_found() {
    let home = Home::new();
    let store = home.open();
    put(&store, "k", "t", BYTES).unwrap();
    assert_eq!(read(&store, BYTES).unwrap(), BYTES);
    flip(&home.blob(&Digest::of(BYTES)), 0);
    assert!(matches!(read(&store, BYTES), Err(StoreError::Damaged(_))));
    assert!(matches!(read(&store, BYTES), Err(StoreError::NotFound(_))));
}

#[test]
fn staging_does_not_trust_a_damaged_blob() {
    let home = Home::new();
    put(&home.open(), "k", "t", BYTES).unwrap();
    flip(&home.blob(&Digest::of(BYTES)), 0);
    let store = home.open();
    let staged = stage(&store, BYTES).unwrap();
    assert_eq!(home.names("staging").len(), 1);
    drop(staged);
    assert!(home.names("staging").is_empty());
}

#[test]
fn a_read_only_store_reports_damage_and_leaves_it() {
    let home = Home::new();
    put(&home.open(), "k", "t", BYTES).unwrap();
    flip(&home.blob(&Digest::of(BYTES)), 0);
    let store = Store::open(&home.path(), READ_ONLY).unwrap();
    assert!(matches!(read(&store, BYTES), Err(StoreError::Damaged(_))));
    assert!(home.blob(&Digest::of(BYTES)).exists());
    assert_eq!(store.check(false).unwrap().damaged, 2);
}

#[test]
fn check_finds_and_repairs() {
    for damage in damages() {
        let home = Home::new();
        let store = home.open();
        put(&store, "k", "t", BYTES).unwrap();
        put(&store, "l", "t", b"sound").unwrap();
        assert_eq!(
            store.check(false).unwrap(),
            Checked { entries: 2, blobs: 2, damaged: 0, removed: 0 }
        );
        damage(&home);
        let found = Checked { entries: 2, blobs: 2, damaged: 2, removed: 0 };
        assert_eq!(store.check(false).unwrap(), found);
        assert_eq!(store.check(true).unwrap(), Checked { removed: 2, ..found });
        assert_eq!(
            store.check(false).unwrap(),
            Checked { entries: 1, blobs: 1, damaged: 0, removed: 0 }
        );
        assert!(store.candidates(&key("k")).is_empty());
        assert_eq!(read(&store, b"sound").unwrap(), b"sound");
        assert_eq!(home.blobs(), [Digest::of(b"sound")]);
    }
}

#[test]
fn check_removes_files_that_nothing_names() {
    let home = Home::new();
    let store = home.open();
    put(&store, "k", "t", BYTES).unwrap();
    assert_clean(&store);
    let stray = Digest::of(b"stray");
    fs::create_dir_all(home.blob(&stray).parent().unwrap()).unwrap();
    fs::write(home.blob(&stray), b"stray").unwrap();
    assert_clean(&store);
    assert!(home.blob(&stray).exists());
    assert_eq!(store.check(true).unwrap().damaged, 0);
    assert_eq!(home.blobs(), [Digest::of(BYTES)]);
}

#[test]
fn a_damaged_index_is_set_aside() {
    let good = {
        let home = Home::new();
        put(&home.open(), "k", "t", BYTES).unwrap();
        fs::read(home.file("index.redb")).unwrap()
    };
    let half = good[..good.len() / 2].to_vec();
    let noise: Vec<u8> = (0..good.len()).map(|n| (n * 7 % 251) as u8).collect();
    let torn: Vec<u8> =
        good.iter().enumerate().map(|(n, b)| if n < 4096 { *b } else { !b }).collect();
    for damaged in [half, noise, torn, b"short".to_vec(), good[..100].to_vec()] {
        let home = Home::new();
        put(&home.open(), "k", "t", BYTES).unwrap();
        fs::write(home.file("index.redb"), &damaged).unwrap();
        let store = home.open();
        assert!(store.candidates(&key("k")).is_empty());
        put(&store, "l", "t", b"new").unwrap();
        assert_eq!(store.candidates(&key("l")).len(), 1);
        assert!(home.file("set-aside/index.redb").exists());
        assert_clean(&store);
        assert_eq!(home.blobs(), [Digest::of(b"new")], "the blobs of before are swept up");
        drop(store);
        assert_eq!(home.open().candidates(&key("l")).len(), 1);
    }
}

#[test]
fn any_flipped_byte_of_the_index_costs_a_miss_at_most() {
    let home = Home::new();
    let store = home.open();
    for name in ["a", "b", "c"] {
        put(&store, name, name, name.as_bytes()).unwrap();
    }
    drop(store);
    let good = fs::read(home.file("index.redb")).unwrap();
    let used: Vec<_> = (0..good.len()).filter(|at| good[*at] != 0).collect();
    for at in used.iter().step_by(used.len() / 150 + 1) {
        let mut bytes = good.clone();
        bytes[*at] ^= 0x55;
        fs::write(home.file("index.redb"), &bytes).unwrap();
        let store = home.open();
        for name in ["a", "b", "c"] {
            let expected = entry(name, vec![crate::kit::blob(name.as_bytes())]);
            assert!(store.candidates(&key(name)).iter().all(|found| **found == expected));
            if put(&store, name, name, name.as_bytes()).is_err() {
                put(&store, name, name, name.as_bytes()).unwrap();
            }
            assert_eq!(*only(&store, name), expected);
        }
    }
}

/// While the store is open; it goes on with what is left, and keeps what comes.
#[test]
fn what_somebody_removes_is_made_anew() {
    for name in ["blobs", "staging", "index.redb", "format", "unclean", ""] {
        let home = Home::new();
        let store = home.open();
        put(&store, "before", "t", b"an object of before").unwrap();
        let path = home.file(name);
        let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
        removed.unwrap();
        put(&store, "after", "t", b"an object of after").unwrap();
        assert_eq!(read(&store, b"an object of after").unwrap(), b"an object of after");
        put(&store, "before", "t", b"an object of before").unwrap();
        now_and_opened_again(&home, store, |store| {
            for name in ["before", "after"] {
                assert_eq!(store.candidates(&key(name)).len(), 1, "{name}");
                let bytes = format!("an object of {name}");
                assert_eq!(read(store, bytes.as_bytes()).unwrap(), bytes.as_bytes());
            }
            assert_clean(store);
        });
        assert!(!home.file("set-aside").exists(), "without {name}");
    }
}
