//! The hash cache.

use zccache_core::{Digest, Identity, Stamp};

use crate::kit::{Home, assert_clean, now_and_opened_again};

fn identity(number: u64) -> Identity {
    let stamp = Stamp { seconds: 1_700_000_000, nanos: 5 };
    Identity { device: 1, inode: number, size: 100, mtime: stamp, ctime: stamp }
}

fn digest(number: u64) -> Digest {
    Digest::of(&number.to_le_bytes())
}

#[test]
fn digests_are_remembered_also_by_the_next_process() {
    let home = Home::new();
    let store = home.open();
    for number in 0..5000 {
        store.remember_digest(identity(number), digest(number));
    }
    now_and_opened_again(&home, store, |store| {
        assert!((0..5000).all(|n| store.known_digest(&identity(n)) == Some(digest(n))));
    });
}

#[test]
fn every_part_of_an_identity_counts() {
    let home = Home::new();
    let store = home.open();
    store.remember_digest(identity(1), digest(1));
    drop(store);
    let store = home.open();
    let same = identity(1);
    let later = Stamp { seconds: 1_700_000_000, nanos: 6 };
    for other in [
        Identity { device: 2, ..same },
        Identity { inode: 2, ..same },
        Identity { size: 101, ..same },
        Identity { mtime: later, ..same },
        Identity { ctime: later, ..same },
    ] {
        assert_eq!(store.known_digest(&other), None);
    }
    assert_eq!(store.known_digest(&same), Some(digest(1)));
}

#[test]
fn a_later_digest_replaces_an_earlier_one() {
    let home = Home::new();
    let store = home.open();
    store.remember_digest(identity(1), digest(1));
    store.remember_digest(identity(1), digest(2));
    assert_eq!(store.known_digest(&identity(1)), Some(digest(2)));
    drop(store);
    assert_eq!(home.open().known_digest(&identity(1)), Some(digest(2)));
}

#[test]
fn more_digests_than_are_kept_do_no_harm() {
    let home = Home::new();
    let store = home.open();
    for number in 0..300_000 {
        store.remember_digest(identity(number), digest(number));
        if number % 30_000 == 0 {
            store.collect().unwrap();
        }
    }
    store.collect().unwrap();
    let known = (0..300_000).filter(|n| store.known_digest(&identity(*n)) == Some(digest(*n)));
    assert!(known.count() > 100_000);
    assert_eq!(store.known_digest(&identity(299_999)), Some(digest(299_999)));
    assert_clean(&store);
}

#[test]
fn clearing_forgets_them() {
    let home = Home::new();
    let store = home.open();
    store.remember_digest(identity(1), digest(1));
    store.collect().unwrap();
    store.clear().unwrap();
    assert_eq!(store.known_digest(&identity(1)), None);
    drop(store);
    assert_eq!(home.open().known_digest(&identity(1)), None);
}
