//! A store on a disk that fails, beside a model in memory: each pair of bytes is a use
//! of the store or tells which of the next steps fails.
#![no_main]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;
use zccache_core::entry::{Environment, Manner, Scope};
use zccache_core::settings::StoreLimits;
use zccache_core::{
    CompileResult, Content, Digest, Entry, InvocationKey, OsBytes, Output, Rooted, Stamp, Trace,
};
use zccache_store::{Options, Publication, Room, Seam, Step, Store, StoreError};

/// Uses of the store in one run; each waits for the disk.
const USES: usize = 48;

/// Keys, and results of each.
const KEYS: u8 = 5;
const RESULTS: u8 = 3;

const DAY: u64 = 86_400;

/// A disk and a clock that do as the input says.
#[derive(Default)]
struct Machine {
    /// After how many steps the disk fails; 0 for not at all.
    fails_after: AtomicU32,
    /// Whether it goes on failing.
    for_good: AtomicBool,
    has_failed: AtomicBool,
    days: AtomicU32,
    is_full: AtomicBool,
}

impl Machine {
    fn step(&self) -> io::Result<()> {
        let count = |left: u32| left.checked_sub(1);
        let left = self.fails_after.fetch_update(Ordering::SeqCst, Ordering::SeqCst, count);
        if left != Ok(1) {
            return Ok(());
        }
        if self.for_good.load(Ordering::SeqCst) {
            self.fails_after.store(1, Ordering::SeqCst);
        }
        self.has_failed.store(true, Ordering::SeqCst);
        Err(io::Error::from_raw_os_error(libc::ENOSPC))
    }

    fn seam(self: &Arc<Self>) -> Seam {
        let [one, two, three] = [(); 3].map(|()| Arc::clone(self));
        let room = move |_: &Path| {
            let available = if three.is_full.load(Ordering::SeqCst) { 0 } else { 1 << 40 };
            Ok(Room { total: 1 << 41, available })
        };
        Seam {
            gate: Arc::new(move |_: Step| one.step()),
            now: Arc::new(move || u64::from(two.days.load(Ordering::SeqCst)) * DAY),
            room: Arc::new(room),
        }
    }

    /// Whether a step has failed, or something went for want of room, since this was asked.
    fn was_in_trouble(&self) -> bool {
        self.has_failed.swap(false, Ordering::SeqCst) | self.is_full.load(Ordering::SeqCst)
    }
}

/// What may be found under a key: one of these, or nothing if that is among them.
type Known = BTreeMap<u8, Vec<Option<u8>>>;

struct Story {
    home: PathBuf,
    options: Options,
    machine: Arc<Machine>,
    store: Option<Store>,
    known: Known,
}

impl Story {
    fn begin(home: PathBuf, first: u8) -> Self {
        let max_bytes = if first & 1 == 0 { 0 } else { 60 << 10 };
        let max_age = if first & 2 == 0 { 0 } else { 10 * DAY };
        let limits = StoreLimits { max_bytes, max_age, min_free: Some(1 << 20) };
        let options = Options { limits, read_only: false };
        let machine = Arc::new(Machine::default());
        machine.days.store(1000, Ordering::SeqCst);
        let mut story = Self { home, options, machine, store: None, known: Known::new() };
        story.open();
        story
    }

    /// Opens the store on a disk that works for so long.
    fn open(&mut self) -> &Store {
        let mood = self.machine.fails_after.swap(0, Ordering::SeqCst);
        drop(self.store.take());
        let opened = Store::open_on(&self.home, self.options, self.machine.seam());
        self.machine.fails_after.store(mood, Ordering::SeqCst);
        match opened {
            Ok(store) => self.store.insert(store),
            Err(error) => unreachable!("a store that was closed does not open: {error}"),
        }
    }

    fn store(&mut self) -> &Store {
        if self.store.is_none() {
            return self.open();
        }
        self.store.as_ref().unwrap_or_else(|| unreachable!("it was just opened"))
    }

    fn go_on(&mut self, what: u8, with: u8) {
        let (name, result) = (with % KEYS, with / KEYS % RESULTS);
        match what % 12 {
            0..4 => self.publish(name, result),
            4 => self.look(),
            5 => self.discard(name),
            6 => self.errand(|store| store.collect().map(drop)),
            7 => self.errand(|store| store.check(true).map(drop)),
            8 if with & 7 == 0 => self.clear(),
            9 => drop(self.open()),
            10 => {
                self.machine.days.fetch_add(u32::from(with % 8), Ordering::SeqCst);
                let is_full = with & 0x70 == 0x70;
                // Whatever the writer does next, it may make room.
                if self.machine.is_full.swap(is_full, Ordering::SeqCst) || is_full {
                    self.all_may_be_gone();
                }
            }
            11 => {
                self.machine.for_good.store(with & 0x80 != 0, Ordering::SeqCst);
                self.machine.fails_after.store(u32::from(with & 0x3f), Ordering::SeqCst);
            }
            _ => {}
        }
    }

    /// Whether something may be evicted at any time.
    fn forgets(&self) -> bool {
        let limits = self.options.limits;
        limits.max_bytes > 0 || limits.max_age > 0 || self.machine.was_in_trouble()
    }

    fn all_may_be_gone(&mut self) {
        let without = |slot: &mut Vec<Option<u8>>| slot.push(None);
        self.known.values_mut().for_each(without);
    }

    fn publish(&mut self, name: u8, result: u8) {
        let outcome = put(self.store(), name, result);
        let slot = self.known.entry(name).or_insert_with(|| vec![None]);
        match outcome {
            Ok(()) => *slot = vec![Some(result)],
            Err(_) => slot.push(Some(result)),
        }
        if self.forgets() {
            self.all_may_be_gone();
        }
    }

    /// Everything that is found was published, and whole; what must be there is.
    fn look(&mut self) {
        if self.forgets() {
            self.all_may_be_gone();
        }
        let known = self.known.clone();
        for (name, slot) in &known {
            let (key, store) = (key(*name), self.store());
            let found = store.candidates(&key);
            assert!(found.len() <= 1, "a trace is there twice");
            let result = found.first().map(|entry| number(entry));
            let failed = self.machine.has_failed.load(Ordering::SeqCst);
            assert!(
                slot.contains(&result) || (failed && result.is_none()),
                "{result:?} of {slot:?}"
            );
            let (Some(entry), Some(result)) = (found.first(), result) else { continue };
            assert_eq!(**entry, entry_of(result));
            match read(self.store(), result) {
                Ok(bytes) => assert_eq!(bytes, bytes_of(result)),
                Err(error) => {
                    let failed = self.machine.has_failed.load(Ordering::SeqCst);
                    assert!(failed || slot.contains(&None), "{error}");
                }
            }
            self.store().used(&key, entry);
        }
    }

    fn discard(&mut self, name: u8) {
        let key = key(name);
        let found = self.store().candidates(&key).first().cloned();
        if let Some(found) = found {
            let _ = self.store().discard(&key, &found);
        }
        if let Some(slot) = self.known.get_mut(&name) {
            slot.push(None);
        }
    }

    /// Does what removes nothing that is whole, within the bounds, on a disk that works.
    fn errand(&mut self, act: impl Fn(&Store) -> Result<(), StoreError>) {
        let forgot = self.forgets();
        let outcome = act(self.store());
        let trouble = self.machine.was_in_trouble();
        assert!(outcome.is_ok() || trouble, "{outcome:?}");
        if forgot || trouble {
            self.all_may_be_gone();
        }
    }

    fn clear(&mut self) {
        match self.store().clear() {
            Ok(_) => self.known.clear(),
            Err(_) => self.all_may_be_gone(),
        }
    }

    /// On a disk that works again, nothing is wrong.
    fn end(mut self) {
        self.machine.fails_after.store(0, Ordering::SeqCst);
        self.machine.is_full.store(false, Ordering::SeqCst);
        self.machine.has_failed.store(false, Ordering::SeqCst);
        self.open();
        self.look();
        let checked = self.store().check(false);
        assert!(checked.as_ref().is_ok_and(|checked| checked.damaged == 0), "{checked:?}");
        assert!(self.store().check(true).is_ok());
    }
}

fn key(name: u8) -> InvocationKey {
    InvocationKey(Digest::of(&[name]))
}

fn bytes_of(result: u8) -> Vec<u8> {
    vec![result; 9000 + 4000 * usize::from(result)]
}

fn entry_of(result: u8) -> Entry {
    let bytes = bytes_of(result);
    let content = Content::Blob { digest: Digest::of(&bytes), length: bytes.len() as u64 };
    let path = Rooted::Plain("/b/a.o".into());
    Entry {
        trace: Trace {
            observations: Vec::new(),
            twins: Vec::new(),
            same_directories: Vec::new(),
            ages: Vec::new(),
            environment: Environment::Asked(Vec::new()),
            display: None,
        },
        result: CompileResult {
            status: result,
            streams: Vec::new(),
            outputs: vec![Output { path, mode: 0o644, manner: Manner::InPlace, content }],
        },
        made: Stamp { seconds: 1, nanos: 2 },
        cost: 3,
        confirmed: true,
        checkout: OsBytes::default(),
        scope: Scope::All,
    }
}

fn number(entry: &Entry) -> u8 {
    entry.result.status
}

fn put(store: &Store, name: u8, result: u8) -> Result<(), StoreError> {
    let bytes = bytes_of(result);
    let staged = store.stage(source(&bytes).as_fd(), bytes.len() as u64)?;
    let (sender, told) = mpsc::channel();
    let done = Box::new(move |outcome| drop(sender.send(outcome)));
    let entry = entry_of(result);
    store.publish(Publication { key: key(name), entry, blobs: vec![staged], done });
    store.expedite();
    told.recv().unwrap_or(Err(StoreError::Closed))
}

fn source(bytes: &[u8]) -> File {
    let made = tempfile::tempfile_in("/dev/shm").and_then(|mut file| {
        file.write_all(bytes)?;
        Ok(file)
    });
    made.unwrap_or_else(|error| unreachable!("no memory: {error}"))
}

fn read(store: &Store, result: u8) -> Result<Vec<u8>, StoreError> {
    let blob = store.open_blob(&Digest::of(&bytes_of(result)))?;
    let mut bytes = Vec::new();
    let read = File::from(blob.file).read_to_end(&mut bytes);
    assert!(read.is_ok());
    Ok(bytes)
}

/// One directory for all runs: making one takes longer than a use of the store.
static HOME: Mutex<Option<TempDir>> = Mutex::new(None);

fn home() -> PathBuf {
    let mut home = HOME.lock().unwrap_or_else(PoisonError::into_inner);
    let made = home.take().map_or_else(|| tempfile::tempdir_in("/dev/shm"), Ok);
    let directory = made.unwrap_or_else(|error| unreachable!("no memory: {error}"));
    let path = directory.path().join("store");
    *home = Some(directory);
    if let Err(error) = std::fs::remove_dir_all(&path) {
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
    path
}

fuzz_target!(|bytes: &[u8]| {
    let Some((first, rest)) = bytes.split_first() else { return };
    let mut story = Story::begin(home(), *first);
    for pair in rest.chunks_exact(2).take(USES) {
        story.go_on(pair[0], pair[1]);
    }
    story.end();
});
