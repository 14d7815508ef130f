//! The power is cut before each step; what was not synchronised is there, torn or
//! lost. The store opens and has what it said it had.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use fastrand::Rng;
use tempfile::TempDir;
use zccache_store::{FORMAT_DIRECTORY, Gate, Options, Step, Store};

use crate::kit::{
    again_while_in_use, assert_clean, blob, bounded, entry, key, put, read, tempdir_in_memory,
};

/// A disk writes no less than this at once.
const SECTOR: usize = 512;

/// Images made of each moment.
const IMAGES: u64 = 3;

type Bytes = Arc<Vec<u8>>;

/// What is at a path.
#[derive(Clone, PartialEq, Eq)]
enum Node {
    Directory,
    File(u64),
}

/// Names and bytes, of now or as they are certain to be after a cut.
#[derive(Clone, Default)]
struct Tree {
    names: BTreeMap<PathBuf, Node>,
    bytes: BTreeMap<u64, Bytes>,
}

/// A moment, before a step.
#[derive(Clone)]
struct Moment {
    now: Tree,
    certain: Tree,
    step: Step,
    /// How many objects had been said to be kept.
    kept: usize,
}

/// Watches the directory of a store at each of its steps.
struct Witness {
    root: PathBuf,
    certain: Mutex<Tree>,
    kept: Mutex<usize>,
    moments: Mutex<Vec<Moment>>,
}

impl Witness {
    fn new(root: PathBuf) -> Arc<Self> {
        let (certain, kept, moments) = (Mutex::default(), Mutex::default(), Mutex::default());
        Arc::new(Self { root, certain, kept, moments })
    }

    fn gate(self: &Arc<Self>) -> Arc<Gate> {
        let this = Arc::clone(self);
        Arc::new(move |step| {
            if step != Step::Read {
                this.see(step);
            }
            Ok(())
        })
    }

    fn see(&self, step: Step) {
        // First the lock: no other thread may synchronise what is being looked at,
        // or the moment would hold bytes older than those that are certain.
        let mut certain = self.certain.lock().unwrap();
        let now = Tree::of(&self.root);
        let kept = *self.kept.lock().unwrap();
        let moment = Moment { now: now.clone(), certain: certain.clone(), step, kept };
        self.moments.lock().unwrap().push(moment);
        certain.synchronise(step, &now);
    }
}

impl Tree {
    fn of(root: &Path) -> Self {
        let mut tree = Self::default();
        tree.add(root, Path::new(""));
        tree
    }

    fn add(&mut self, root: &Path, below: &Path) {
        let Ok(listing) = fs::read_dir(root.join(below)) else { return };
        for found in listing {
            let path = below.join(found.unwrap().file_name());
            let Ok(metadata) = fs::symlink_metadata(root.join(&path)) else { continue };
            if metadata.is_dir() {
                self.names.insert(path.clone(), Node::Directory);
                self.add(root, &path);
            } else if let Ok(bytes) = fs::read(root.join(&path)) {
                self.names.insert(path, Node::File(metadata.ino()));
                self.bytes.insert(metadata.ino(), Arc::new(bytes));
            }
        }
    }

    /// What becomes certain when a step succeeds. One object is on its way at a
    /// time, so that the file meant is the only one that is not certain yet. That
    /// the name of a blob is gone never becomes certain.
    fn synchronise(&mut self, step: Step, now: &Self) {
        let is_in = |path: &Path, depth: usize| path.components().count() == depth;
        let of =
            |now: &Self, path: &str| match now.names.get(&Path::new(FORMAT_DIRECTORY).join(path)) {
                Some(Node::File(inode)) => Some((*inode, Arc::clone(&now.bytes[inode]))),
                _ => None,
            };
        let below =
            |path: &Path, name: &str| path.starts_with(Path::new(FORMAT_DIRECTORY).join(name));
        match step {
            Step::SyncIndex => self.bytes.extend(of(now, "index.redb")),
            Step::SyncFormat => self.bytes.extend(of(now, "format.new")),
            Step::SyncBlob => {
                let deep = now.names.iter().filter(|(path, _)| below(path, "staging"));
                let inodes = deep.filter_map(|(_, node)| match node {
                    Node::File(inode) => Some((*inode, Arc::clone(&now.bytes[inode]))),
                    Node::Directory => None,
                });
                self.bytes.extend(inodes.collect::<Vec<_>>());
            }
            Step::SyncTop | Step::SyncRoot => {
                let depth = if step == Step::SyncTop { 1 } else { 2 };
                self.names.retain(|path, _| !is_in(path, depth));
                let top = now.names.iter().filter(|(path, _)| is_in(path, depth));
                self.names.extend(top.map(|(path, node)| (path.clone(), node.clone())));
            }
            Step::SyncShards | Step::SyncShard => {
                let depth = if step == Step::SyncShards { 3 } else { 4 };
                let blobs = now.names.iter().filter(|(path, _)| below(path, "blobs"));
                let deep = blobs.filter(|(path, _)| is_in(path, depth));
                self.names.extend(deep.map(|(path, node)| (path.clone(), node.clone())));
            }
            _ => {}
        }
    }
}

impl Moment {
    /// Writes down one of the many states that a cut may leave.
    fn write(&self, rng: &mut Rng, root: &Path) {
        fs::create_dir(root).unwrap();
        fs::set_permissions(root, fs::Permissions::from_mode(0o700)).unwrap();
        let all: BTreeSet<_> = self.now.names.keys().chain(self.certain.names.keys()).collect();
        for path in all {
            let (now, certain) = (self.now.names.get(path), self.certain.names.get(path));
            let node = if now == certain || rng.bool() { now } else { certain };
            let target = root.join(path);
            // What is in a directory that is not there is lost with it.
            if !target.parent().unwrap().is_dir() {
                continue;
            }
            match node {
                None => {}
                Some(Node::Directory) => fs::create_dir(&target).unwrap(),
                Some(Node::File(inode)) => fs::write(&target, self.bytes(*inode, rng)).unwrap(),
            }
            if node.is_some() {
                fs::set_permissions(&target, fs::Permissions::from_mode(0o700)).unwrap();
            }
        }
    }

    /// The bytes of a file: of each sector either state, and of the lengths.
    fn bytes(&self, inode: u64, rng: &mut Rng) -> Vec<u8> {
        let empty = Bytes::default();
        let certain = self.certain.bytes.get(&inode).unwrap_or(&empty);
        let now = self.now.bytes.get(&inode).unwrap_or(certain);
        if now == certain {
            return now.to_vec();
        }
        let length = if rng.bool() { now.len() } else { certain.len() };
        let mut bytes = vec![0; length];
        for (number, sector) in bytes.chunks_mut(SECTOR).enumerate() {
            let from = if rng.bool() { now } else { certain };
            let from = from.get(number * SECTOR..).unwrap_or_default();
            let common = sector.len().min(from.len());
            sector[..common].copy_from_slice(&from[..common]);
        }
        bytes
    }
}

fn object(number: usize) -> Vec<u8> {
    number.to_string().into_bytes().repeat(9000)
}

/// Keeps objects, opening the store anew in between, and returns all moments.
fn record(home: &TempDir, options: Options, objects: usize) -> Vec<Moment> {
    let witness = Witness::new(home.path().join("store"));
    let mut store = Some(Store::open_gated(&witness.root, options, witness.gate()).unwrap());
    for number in 0..objects {
        put(store.as_ref().unwrap(), &number.to_string(), "t", &object(number)).unwrap();
        *witness.kept.lock().unwrap() = number + 1;
        if number == objects / 2 {
            drop(store.take());
            let open = || Store::open_gated(&witness.root, options, witness.gate());
            store = Some(again_while_in_use(open).unwrap());
        }
    }
    store.as_ref().unwrap().collect().unwrap();
    drop(store);
    let mut moments = witness.moments.lock().unwrap();
    std::mem::take(&mut *moments)
}

/// Opens an image. Of what was kept, at least `surely` of the last are there.
fn survives(moment: &Moment, seed: u64, options: Options, surely: usize) {
    let home = tempdir_in_memory();
    let root = home.path().join("store");
    moment.write(&mut Rng::with_seed(seed), &root);
    let file = |name: &str| root.join(FORMAT_DIRECTORY).join(name);
    let is_unclean = file("unclean").exists();
    let store = Store::open(&root, options).unwrap();
    for number in 0..moment.kept + 1 {
        let found = store.candidates(&key(&number.to_string()));
        let context = format!("object {number}, before {:?}, seed {seed}", moment.step);
        for found in &*found {
            assert_eq!(**found, entry("t", vec![blob(&object(number))]), "{context}");
            assert_eq!(read(&store, &object(number)).unwrap(), object(number), "{context}");
        }
        let due = number < moment.kept && number + surely >= moment.kept;
        assert!(!due || found.len() == 1, "lost: {context}");
    }
    assert_clean(&store);
    assert_eq!(fs::read_dir(file("staging")).unwrap().count(), 0);
    put(&store, "next", "t", b"the next object").unwrap();
    store.collect().unwrap();
    if !is_unclean {
        // A blob that was removed shortly before the orderly end may be back.
        store.check(true).unwrap();
    }
    let shards = fs::read_dir(file("blobs")).unwrap();
    let files = shards.flat_map(|shard| fs::read_dir(shard.unwrap().path()).unwrap()).count();
    assert_eq!(store.check(false).unwrap().blobs, files as u64, "strays, seed {seed}");
}

fn any_cut_is_survived(options: Options, objects: usize, surely: usize, least: usize) {
    let moments = record(&tempdir_in_memory(), options, objects);
    assert!(moments.len() > least, "only {} steps were seen", moments.len());
    for (number, moment) in moments.iter().enumerate() {
        for image in 0..IMAGES {
            survives(moment, number as u64 * IMAGES + image, options, surely);
        }
    }
}

#[test]
fn a_power_cut_while_publishing_loses_nothing_kept() {
    any_cut_is_survived(bounded(0), 4, 4, 60);
}

#[test]
fn a_power_cut_while_evicting_loses_nothing_that_was_to_stay() {
    any_cut_is_survived(bounded(40 << 10), 8, 1, 120);
}
