//! The disk fails at every single step; nothing is lost but what was in flight.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use zccache_store::{Gate, Step, Store, StoreError};

use crate::kit::{
    Home, UNBOUNDED, assert_clean, blob, bounded, entry, key, only, put, read, submit,
};

/// What a disk may answer.
const ERRORS: [i32; 3] = [libc::EIO, libc::ENOSPC, libc::EDQUOT];

/// A disk that fails once, or from then on.
struct Failing {
    steps: AtomicUsize,
    error: i32,
    lasting: bool,
    failed: AtomicBool,
}

impl Failing {
    fn at(step: usize, error: i32, lasting: bool) -> Arc<Self> {
        let (steps, failed) = (AtomicUsize::new(step), AtomicBool::new(false));
        Arc::new(Self { steps, error, lasting, failed })
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
            if now { Err(io::Error::from_raw_os_error(this.error)) } else { Ok(()) }
        })
    }
}

/// Publishes and evicts on a failing disk. While it fails for good, not even what
/// was published can be relied on to be found.
fn try_everything(home: &Home, disk: &Arc<Failing>) -> Vec<(usize, bool)> {
    let options = bounded(40 << 10);
    let Ok(store) = Store::open_gated(&home.path(), options, disk.gate()) else {
        return Vec::new();
    };
    let outcomes = (0..6).map(|number| {
        let bytes = number.to_string().into_bytes().repeat(9000);
        let outcome = put(&store, &number.to_string(), "t", &bytes);
        // The step that fails may be that of looking.
        let visible = (0..2).any(|_| !store.candidates(&key(&number.to_string())).is_empty());
        if outcome.is_ok() && !disk.is_broken() {
            assert!(visible);
        }
        (number, outcome.is_ok())
    });
    let outcomes = outcomes.collect();
    let _ = store.collect();
    outcomes
}

fn fails_at_every_step(lasting: bool) {
    for step in 1.. {
        let home = Home::in_memory();
        put(&home.open(), "kept", "t", b"kept").unwrap();
        let failing = Failing::at(step, ERRORS[step % ERRORS.len()], lasting);
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

/// A store of another format, or of this one, with something left in staging.
fn prepared(foreign: bool) -> Home {
    let home = Home::in_memory();
    put(&home.open(), "kept", "t", b"kept").unwrap();
    fs::write(home.file("staging/7"), b"half").unwrap();
    if foreign {
        fs::write(home.file("format"), "zccache store 999\n").unwrap();
    }
    home
}

#[test]
fn opening_fails_at_every_step_and_loses_nothing() {
    for foreign in [false, true] {
        for step in 1.. {
            let home = prepared(foreign);
            let failing = Failing::at(step, ERRORS[step % ERRORS.len()], true);
            let opened = Store::open_gated(&home.path(), UNBOUNDED, failing.gate());
            let complains = matches!(opened, Err(StoreError::Io { .. }));
            assert_eq!(complains, failing.is_broken(), "step {step}");
            drop(opened);
            let store = home.open();
            assert_eq!(store.candidates(&key("kept")).is_empty(), foreign, "step {step}");
            assert!(home.names("staging").is_empty());
            put(&store, "next", "t", b"next").unwrap();
            assert_clean(&store);
            drop(store);
            assert_eq!(home.open().candidates(&key("next")).len(), 1);
            if !failing.is_broken() {
                assert!(step > 3, "the gate is asked");
                break;
            }
        }
    }
}

#[test]
fn a_damaged_index_is_set_aside_though_the_disk_fails_at_any_step() {
    for step in 1.. {
        let home = Home::in_memory();
        put(&home.open(), "kept", "t", b"kept").unwrap();
        fs::write(home.file("index.redb"), b"no index").unwrap();
        let failing = Failing::at(step, ERRORS[step % ERRORS.len()], false);
        let Ok(store) = Store::open_gated(&home.path(), UNBOUNDED, failing.gate()) else {
            continue;
        };
        let _ = ["first", "second"].map(|name| put(&store, name, "t", name.as_bytes()));
        if !failing.failed.load(Ordering::SeqCst) {
            return;
        }
        put(&store, "third", "t", b"third").unwrap();
        assert_clean(&store);
        store.collect().unwrap();
        let named = store.check(false).unwrap().blobs;
        assert_eq!(named, home.blobs().len() as u64, "strays after step {step}");
    }
}

/// A commit that fails may have happened: what is listed is looked up anew.
#[test]
fn a_removal_that_fails_at_any_step_leaves_nothing_listed_without_its_bytes() {
    for step in 1.. {
        let home = Home::in_memory();
        // So many steps in, the disk fails; the store has opened by then.
        let steps = Failing::at(usize::MAX, libc::EIO, false);
        let store = Store::open_gated(&home.path(), UNBOUNDED, steps.gate()).unwrap();
        put(&store, "k", "t", b"object").unwrap();
        let entry = only(&store, "k");
        steps.steps.store(step, Ordering::SeqCst);
        let _ = store.discard(&key("k"), &entry);
        let failed = steps.failed.load(Ordering::SeqCst);
        steps.steps.store(usize::MAX, Ordering::SeqCst);
        store.collect().unwrap();
        for _ in &*store.candidates(&key("k")) {
            assert_eq!(read(&store, b"object").unwrap(), b"object", "step {step}");
        }
        if !failed {
            return;
        }
    }
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
    fn mount(path: &'a Path, kibibytes: u32) -> Option<Self> {
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
        let size = format!("size={kibibytes}k,mode=0700");
        let mounted = mount(Some("zccache-test"), path, Some("tmpfs"), flags, Some(&size[..]));
        if mounted.is_err() {
            eprintln!("SKIP: mounting a small file system takes root");
        }
        mounted.ok().map(|()| Self(path))
    }

    /// False where more is in use than that.
    fn resize(&self, kibibytes: u32) -> bool {
        let size = format!("size={kibibytes}k");
        let none: Option<&Path> = None;
        mount(none, self.0, none, MsFlags::MS_REMOUNT, Some(&size[..])).is_ok()
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
    let Some(_tiny) = Tiny::mount(&path, 6 << 10) else { return };
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

/// Room for any number of pages: a write that is cut short, anywhere.
#[test]
fn a_write_that_is_cut_short_costs_only_what_was_in_flight() {
    let home = Home::new();
    fs::create_dir(home.path()).unwrap();
    let path = home.path();
    let Some(tiny) = Tiny::mount(&path, 64 << 10) else { return };
    let bytes = |number: u32| number.to_string().into_bytes().repeat(20_000);
    put(&home.open(), "kept", "t", &bytes(0)).unwrap();
    let disk = nix::sys::statvfs::statvfs(&path).unwrap();
    let used = (disk.blocks() - disk.blocks_available()) * disk.fragment_size();
    let used = u32::try_from(used / 1024).unwrap();
    let mut failed = 0;
    for pages in 0..80 {
        let store = home.open();
        let _fits = tiny.resize(used + 4 * pages);
        let published = put(&store, "new", "t", &bytes(pages)).is_ok();
        assert_eq!(store.candidates(&key("new")).len(), usize::from(published), "{pages} pages");
        failed += u32::from(!published);
        drop(store);
        assert!(tiny.resize(64 << 10));
        let store = home.open();
        assert_clean(&store);
        assert_eq!(read(&store, &bytes(0)).unwrap(), bytes(0));
        for found in &*store.candidates(&key("new")) {
            assert_eq!(**found, entry("t", vec![blob(&bytes(pages))]));
            store.discard(&key("new"), found).unwrap();
        }
        store.collect().unwrap();
        assert_eq!(home.blobs().len(), 1);
    }
    assert!((10..80).contains(&failed), "{failed} times the disk was full");
}
