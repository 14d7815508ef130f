//! The disk fails at every single step; nothing is lost but what was in flight.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use zccache_store::{Gate, Options, Step, Store, StoreError};

use crate::kit::{Home, UNBOUNDED, assert_clean, blob, entry, key, only, put, read, submit};

/// A disk that fails once, or from then on.
struct Failing {
    steps: AtomicUsize,
    lasting: bool,
    failed: AtomicBool,
}

impl Failing {
    fn at(step: usize, lasting: bool) -> Arc<Self> {
        Arc::new(Self { steps: AtomicUsize::new(step), lasting, failed: AtomicBool::new(false) })
    }

    /// Whether every further step fails.
    fn is_broken(&self) -> bool {
        self.lasting && self.failed.load(Ordering::SeqCst)
    }

    fn gate(self: &Arc<Self>) -> Arc<Gate> {
        let this = Arc::clone(self);
        Arc::new(move |_: Step| {
            let before = this.steps.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                Some(left.saturating_sub(1))
            });
            let now = before == Ok(1) || this.is_broken();
            this.failed.fetch_or(now, Ordering::SeqCst);
            if now { Err(io::Error::from_raw_os_error(libc::ENOSPC)) } else { Ok(()) }
        })
    }
}

/// Publishes and evicts on a failing disk. While it fails for good, not even what
/// was published can be relied on to be found.
fn try_everything(home: &Home, disk: &Arc<Failing>) -> Vec<(usize, bool)> {
    let options = Options { max_bytes: 40 << 10, read_only: false };
    let store = Store::open_gated(&home.path(), options, disk.gate()).unwrap();
    let outcomes = (0..6).map(|number| {
        let bytes = number.to_string().into_bytes().repeat(9000);
        let outcome = put(&store, &number.to_string(), "t", &bytes);
        let visible = store.candidates(&key(&number.to_string())).len();
        if outcome.is_ok() && !disk.is_broken() {
            assert_eq!(visible, 1);
        }
        (number, outcome.is_ok())
    });
    let outcomes = outcomes.collect();
    let _ = store.collect();
    outcomes
}

fn fails_at_every_step(lasting: bool) {
    for step in 1.. {
        let home = Home::new();
        put(&home.open(), "kept", "t", b"kept").unwrap();
        let failing = Failing::at(step, lasting);
        let outcomes = try_everything(&home, &failing);
        let store = home.open();
        assert_clean(&store);
        assert!(home.names("staging").is_empty());
        for (number, published) in &outcomes {
            let found = store.candidates(&key(&number.to_string()));
            let bytes = number.to_string().into_bytes().repeat(9000);
            for found in &*found {
                assert_eq!(**found, entry("t", vec![blob(&bytes)]));
                assert_eq!(read(&store, &bytes).unwrap(), bytes, "step {step}, {published}");
            }
        }
        store.collect().unwrap();
        assert_eq!(store.check(true).unwrap().damaged, 0);
        assert_eq!(store.check(false).unwrap().blobs, home.blobs().len() as u64);
        if !failing.failed.load(Ordering::SeqCst) {
            assert!(outcomes.iter().all(|(_, published)| *published));
            assert!(step > 50, "the gate is asked");
            return;
        }
    }
}

#[test]
fn one_step_fails() {
    fails_at_every_step(false);
}

#[test]
fn every_step_fails_from_some_step_on() {
    fails_at_every_step(true);
}

#[test]
fn a_failure_is_told_once_and_leaves_nothing() {
    let home = Home::new();
    let broken = Arc::new(AtomicBool::new(false));
    let switch = Arc::clone(&broken);
    let gate = move |step| match broken.load(Ordering::SeqCst) && step == Step::Rename {
        true => Err(io::Error::from_raw_os_error(libc::EIO)),
        false => Ok(()),
    };
    let store = Store::open_gated(&home.path(), UNBOUNDED, Arc::new(gate)).unwrap();
    put(&store, "k", "t", b"before").unwrap();
    switch.store(true, Ordering::SeqCst);
    let told = submit(&store, "l", "t", b"object").unwrap();
    assert!(matches!(told.recv().unwrap(), Err(StoreError::Io { .. })));
    assert!(told.recv().is_err(), "told twice");
    assert!(store.candidates(&key("l")).is_empty());
    assert!(home.names("staging").is_empty());
    assert_eq!(home.blobs().len(), 1);
    switch.store(false, Ordering::SeqCst);
    put(&store, "l", "t", b"object").unwrap();
    assert_clean(&store);
}

/// A file system of its own, unmounted when dropped.
struct Tiny<'a>(&'a Path);

impl<'a> Tiny<'a> {
    fn mount(path: &'a Path) -> nix::Result<Self> {
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
        mount(Some("zccache-test"), path, Some("tmpfs"), flags, Some("size=6m,mode=0700"))?;
        Ok(Self(path))
    }
}

impl Drop for Tiny<'_> {
    fn drop(&mut self) {
        umount2(self.0, MntFlags::MNT_DETACH).unwrap();
    }
}

#[test]
fn a_full_disk_costs_only_what_does_not_fit() {
    let home = Home::new();
    fs::create_dir(home.path()).unwrap();
    let path = home.path();
    let Ok(_tiny) = Tiny::mount(&path) else {
        eprintln!("skipped: mounting a small file system takes root");
        return;
    };
    let store = home.open();
    let bytes = |number: usize| number.to_string().into_bytes().repeat(200_000);
    let outcomes: Vec<_> =
        (0..40).map(|n| put(&store, &n.to_string(), "t", &bytes(n)).is_ok()).collect();
    assert!(outcomes[0], "the first fits");
    assert!(!outcomes[39], "the last does not");
    for (number, published) in outcomes.into_iter().enumerate() {
        assert_eq!(!store.candidates(&key(&number.to_string())).is_empty(), published);
        if published {
            assert_eq!(read(&store, &bytes(number)).unwrap(), bytes(number));
        }
    }
    assert!(home.names("staging").is_empty());
    assert_clean(&store);
    drop(store);
    let store = home.open();
    assert_clean(&store);
    store.clear().unwrap();
    put(&store, "again", "t", &bytes(7)).unwrap();
    assert_eq!(*only(&store, "again"), entry("t", vec![blob(&bytes(7))]));
}
