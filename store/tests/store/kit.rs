//! What the tests share: a store in a directory of its own, and entries for it.

use std::fs;
use std::io::Write;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use tempfile::TempDir;
use zccache_core::entry::{Environment, Manner};
use zccache_core::settings::StoreLimits;
use zccache_core::{
    CompileResult, Content, Digest, Entry, ExecuteBits, Expected, InvocationKey, Observation,
    Output, Rooted, Stamp, Trace,
};
use zccache_store::{Done, FORMAT_DIRECTORY, Options, Publication, Staged, Store, StoreError};

pub(crate) const UNBOUNDED: Options = bounded(0);
pub(crate) const READ_ONLY: Options = Options { read_only: true, ..UNBOUNDED };

/// A store that may hold so many bytes, whatever room there is.
pub(crate) const fn bounded(max_bytes: u64) -> Options {
    let limits = StoreLimits { max_bytes, max_age: 0, min_free: Some(0) };
    Options { limits, read_only: false }
}

/// A directory for a store, removed with everything in it.
pub(crate) struct Home(TempDir);

impl Home {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Where a test opens many stores and has no use for a disk.
    pub(crate) fn in_memory() -> Self {
        Self(tempdir_in_memory())
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().join("store")
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path().join(FORMAT_DIRECTORY).join(name)
    }

    /// What stores of all formats share.
    pub(crate) fn top(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    pub(crate) fn open(&self) -> Store {
        self.open_bounded(0)
    }

    pub(crate) fn open_bounded(&self, max_bytes: u64) -> Store {
        again_while_in_use(|| Store::open(&self.path(), bounded(max_bytes))).unwrap()
    }

    pub(crate) fn blob(&self, digest: &Digest) -> PathBuf {
        blob_path(&self.path(), digest)
    }

    /// Names of the files in a directory of the store.
    pub(crate) fn names(&self, directory: &str) -> Vec<String> {
        let Ok(listing) = fs::read_dir(self.file(directory)) else { return Vec::new() };
        listing.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    /// Digests of the blobs that have a file.
    pub(crate) fn blobs(&self) -> Vec<Digest> {
        let shards = self.names("blobs");
        let names = shards.iter().flat_map(|shard| self.names(&format!("blobs/{shard}")));
        names.map(|name| name.parse().unwrap()).collect()
    }
}

/// A process that another test starts has the lock of a store for a moment, until it
/// becomes its program.
pub(crate) fn again_while_in_use<T>(
    open: impl Fn() -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    for _ in 0..1000 {
        match open() {
            Err(StoreError::InUse(_)) => std::thread::sleep(Duration::from_millis(1)),
            other => return other,
        }
    }
    open()
}

/// A directory in memory if there is one, for what would wait for the disk all the time.
pub(crate) fn tempdir_in_memory() -> TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

pub(crate) fn blob_path(store: &Path, digest: &Digest) -> PathBuf {
    let name = digest.to_string();
    store.join(FORMAT_DIRECTORY).join("blobs").join(&name[..2]).join(name)
}

pub(crate) fn key(name: &str) -> InvocationKey {
    InvocationKey(Digest::of(name.as_bytes()))
}

/// An entry whose trace is told apart by `trace` and that produced `outputs`.
pub(crate) fn entry(trace: &str, outputs: Vec<Content>) -> Entry {
    let output = |(number, content)| Output {
        path: Rooted::Plain(format!("/build/{number}.o").as_str().into()),
        mode: 0o644,
        manner: Manner::InPlace,
        content,
    };
    Entry {
        trace: Trace {
            observations: vec![Arc::new(Observation {
                path: Rooted::Plain("/src/a.c".into()),
                follow: true,
                expected: Expected::File {
                    digest: Digest::of(trace.as_bytes()),
                    executable: ExecuteBits::default(),
                    outline: None,
                },
            })],
            twins: Vec::new(),
            same_directories: Vec::new(),
            ages: Vec::new(),
            environment: Environment::Asked(Vec::new()),
            display: None,
        },
        result: CompileResult {
            status: 0,
            streams: Vec::new(),
            outputs: outputs.into_iter().enumerate().map(output).collect(),
        },
        made: Stamp { seconds: 1, nanos: 2 },
        cost: 3,
        confirmed: true,
        checkout: zccache_core::OsBytes::default(),
        scope: zccache_core::entry::Scope::All,
    }
}

pub(crate) fn blob(bytes: &[u8]) -> Content {
    Content::Blob { digest: Digest::of(bytes), length: bytes.len() as u64 }
}

pub(crate) fn stage(store: &Store, bytes: &[u8]) -> Result<Staged, StoreError> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    store.stage(file.as_fd(), bytes.len() as u64)
}

/// A `done`, and where what it was told arrives.
pub(crate) fn done() -> (Done, mpsc::Receiver<Result<(), StoreError>>) {
    let (sender, receiver) = mpsc::channel();
    (Box::new(move |outcome| sender.send(outcome).unwrap()), receiver)
}

/// Makes sure of something twice: in this process's memory, and on disk.
pub(crate) fn now_and_opened_again(home: &Home, store: Store, holds: impl Fn(&Store)) {
    holds(&store);
    drop(store);
    holds(&home.open());
}

/// Hands over an entry with one blob.
pub(crate) fn submit(
    store: &Store,
    name: &str,
    trace: &str,
    bytes: &[u8],
) -> Result<mpsc::Receiver<Result<(), StoreError>>, StoreError> {
    let staged = stage(store, bytes)?;
    let (done, told) = done();
    let entry = entry(trace, vec![blob(bytes)]);
    store.publish(Publication { key: key(name), entry, blobs: vec![staged], done });
    Ok(told)
}

/// Publishes an entry with one blob and waits for it.
pub(crate) fn put(store: &Store, name: &str, trace: &str, bytes: &[u8]) -> Result<(), StoreError> {
    let told = submit(store, name, trace, bytes)?;
    store.expedite();
    told.recv().unwrap()
}

/// The only candidate of a key.
pub(crate) fn only(store: &Store, name: &str) -> Arc<Entry> {
    let found = store.candidates(&key(name));
    assert_eq!(found.len(), 1);
    Arc::clone(&found[0])
}

pub(crate) fn read(store: &Store, bytes: &[u8]) -> Result<Vec<u8>, StoreError> {
    let opened = store.open_blob(&Digest::of(bytes))?;
    let mut found = Vec::new();
    std::io::Read::read_to_end(&mut fs::File::from(opened.file), &mut found).unwrap();
    assert_eq!(found.len() as u64, opened.length);
    Ok(found)
}

/// Changes one byte of a file that may be read-only.
pub(crate) fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    overwrite(path, &bytes);
}

/// Changes the content of a file in place, as a failing disk would.
pub(crate) fn overwrite(path: &Path, bytes: &[u8]) {
    use std::os::unix::fs::PermissionsExt;
    let permissions = fs::metadata(path).unwrap().permissions();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, permissions).unwrap();
}

pub(crate) fn assert_clean(store: &Store) {
    let checked = store.check(false).unwrap();
    assert_eq!(checked.damaged, 0, "{checked:?}");
}
