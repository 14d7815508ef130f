//! What a view shows, in a file: should this process die, the next one shows it
//! again. `docs/FORMAT.md` describes the bytes.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use zccache_core::{Digest, OsBytes, SmallFile, Stamp, codec, limits};
use zccache_fs::{Change, Journal, ProjectedBytes, Shown};

/// The beginning of every journal.
const MAGIC: &[u8] = b"zccache view 1\n";

/// Length and checksum in front of a record.
const FRAME: usize = 12;

/// A journal. When it cannot be written it is removed: what it would not say of
/// a later change must not be believed.
pub struct ViewJournal {
    path: PathBuf,
    /// The directory that the view shows.
    directory: OsBytes,
    state: Mutex<State>,
}

struct State {
    remembered: Vec<Shown>,
    /// None once it cannot be written.
    file: Option<File>,
    length: u64,
    /// The length with which it was begun.
    begun_with: u64,
}

#[derive(Serialize, Deserialize)]
enum Record {
    /// The directory that the view shows; comes first.
    View(OsBytes),
    /// A name is a projected file.
    Shown(OsBytes, ShownFile),
    /// A name is none any more.
    Gone(OsBytes),
}

#[derive(Serialize, Deserialize)]
struct ShownFile {
    directory: (u64, u64),
    file: u64,
    source: Source,
    mode: u32,
    owner: (u32, u32),
    atime: Stamp,
    mtime: Stamp,
}

#[derive(Serialize, Deserialize)]
enum Source {
    Inline(SmallFile),
    Blob { digest: Digest, length: u64 },
}

impl ViewJournal {
    /// The journal at `path` of a view of `directory`, with what it remembers.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn open(path: &Path, directory: &OsBytes) -> io::Result<Self> {
        let read = read(path).filter(|(of, _)| of == directory);
        let remembered = read.map(|(_, remembered)| remembered).unwrap_or_default();
        let (length, file) = rewrite(path, directory, &remembered)?;
        let state = State { remembered, file: Some(file), length, begun_with: length };
        let (path, directory) = (path.to_owned(), directory.clone());
        Ok(Self { path, directory, state: Mutex::new(state) })
    }

    /// The end of a view of which nothing is left to be shown again.
    pub(crate) fn remove(&self) {
        self.state().file = None;
        remove(&self.path);
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Journal for ViewJournal {
    fn replay(&self) -> Vec<Shown> {
        std::mem::take(&mut self.state().remembered)
    }

    fn note(&self, changes: &[Change]) -> bool {
        let mut state = self.state();
        let Some(file) = &mut state.file else { return false };
        let written = frames(changes.iter().map(record)).and_then(|frames| {
            file.write_all(&frames)?;
            Ok(frames.len() as u64)
        });
        match written {
            Ok(length) => state.length += length,
            Err(error) => {
                tracing::warn!(%error, path = %self.path.display(), "a view is not remembered");
                state.file = None;
                remove(&self.path);
            }
        }
        state.length > 2 * state.begun_with + limits::JOURNAL_SLACK_BYTES
    }

    fn begin_anew(&self, all: &[Shown]) {
        let mut state = self.state();
        if state.file.is_none() {
            return;
        }
        match rewrite(&self.path, &self.directory, all) {
            Ok((length, file)) => {
                (state.length, state.begun_with, state.file) = (length, length, Some(file));
            }
            // The old one goes on, and is as true.
            Err(error) => {
                tracing::info!(%error, path = %self.path.display(), "a journal stays long");
                state.begun_with = state.length;
            }
        }
    }
}

/// The digests of the blobs that a journal needs. Of one that needs none, or is
/// older than [`limits::JOURNAL_AGE`], nothing is left.
pub(crate) fn needs(path: &Path) -> Vec<Digest> {
    let age = fs::metadata(path).and_then(|metadata| metadata.modified());
    let age = age.ok().and_then(|modified| modified.elapsed().ok()).unwrap_or_default();
    let remembered = read(path).map(|(_, remembered)| remembered).unwrap_or_default();
    if remembered.is_empty() || age > limits::JOURNAL_AGE {
        remove(path);
        return Vec::new();
    }
    remembered.iter().filter_map(|shown| shown.source.blob()).collect()
}

fn remove(path: &Path) {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(%error, path = %path.display(), "a journal stays behind");
        }
        _ => {}
    }
}

/// Writes a journal that says nothing but `all`, in place of the old one.
fn rewrite(path: &Path, directory: &OsBytes, all: &[Shown]) -> io::Result<(u64, File)> {
    let new = path.with_extension("new");
    let mut open = OpenOptions::new();
    open.write(true).create(true).truncate(true).mode(0o600).custom_flags(libc::O_NOFOLLOW);
    let mut file = open.open(&new)?;
    let view = Record::View(directory.clone());
    let bytes = [MAGIC, &frames([view].into_iter().chain(all.iter().map(shown)))?].concat();
    file.write_all(&bytes)?;
    fs::rename(&new, path)?;
    Ok((bytes.len() as u64, file))
}

/// What a journal remembers, up to where it is damaged, and of which directory.
fn read(path: &Path) -> Option<(OsBytes, Vec<Shown>)> {
    parse(&fs::read(path).ok()?)
}

fn parse(bytes: &[u8]) -> Option<(OsBytes, Vec<Shown>)> {
    let mut rest = bytes.strip_prefix(MAGIC)?;
    let mut names = BTreeMap::new();
    let Record::View(directory) = next(&mut rest)? else { return None };
    while let Some(record) = next(&mut rest) {
        match record {
            Record::View(_) => break,
            Record::Gone(path) => drop(names.remove(&path)),
            Record::Shown(path, file) => drop(names.insert(path, file)),
        }
    }
    Some((directory, names.into_iter().map(|(path, file)| file.at(&path)).collect()))
}

fn next(rest: &mut &[u8]) -> Option<Record> {
    let (frame, after) = rest.split_at_checked(FRAME)?;
    let (length, checksum) = frame.split_first_chunk()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let (payload, after) = after.split_at_checked(length)?;
    if checksum != sum(payload) {
        return None;
    }
    *rest = after;
    codec::decode(payload).ok()
}

fn frames(records: impl Iterator<Item = Record>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for record in records {
        let payload = codec::encode(&record).map_err(io::Error::other)?;
        let length = u32::try_from(payload.len()).map_err(io::Error::other)?;
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&sum(&payload));
        bytes.extend_from_slice(&payload);
    }
    Ok(bytes)
}

fn sum(payload: &[u8]) -> [u8; 8] {
    let [a, b, c, d, e, f, g, h, ..] = *blake3::hash(payload).as_bytes();
    [a, b, c, d, e, f, g, h]
}

fn record(change: &Change) -> Record {
    match change {
        Change::Shown(file) => shown(file),
        Change::Gone { path, .. } => Record::Gone(path.as_path().into()),
    }
}

fn shown(shown: &Shown) -> Record {
    let source = match &shown.source {
        ProjectedBytes::Inline(bytes) => Source::Inline(bytes.clone()),
        &ProjectedBytes::Blob { digest, length } => Source::Blob { digest, length },
    };
    let file = ShownFile {
        directory: shown.directory,
        file: shown.file,
        source,
        mode: shown.mode,
        owner: (shown.uid, shown.gid),
        atime: shown.atime,
        mtime: shown.mtime,
    };
    Record::Shown(shown.path.as_path().into(), file)
}

impl ShownFile {
    fn at(self, path: &OsBytes) -> Shown {
        let source = match self.source {
            Source::Inline(bytes) => ProjectedBytes::Inline(bytes),
            Source::Blob { digest, length } => ProjectedBytes::Blob { digest, length },
        };
        Shown {
            path: path.as_path().to_owned(),
            directory: self.directory,
            file: self.file,
            source,
            mode: self.mode,
            uid: self.owner.0,
            gid: self.owner.1,
            atime: self.atime,
            mtime: self.mtime,
        }
    }
}

/// Reads any bytes as a journal, and as the second record of one.
#[cfg(feature = "fuzzing")]
pub(crate) fn any(bytes: &[u8]) {
    let _ = parse(bytes);
    let view = frames([Record::View("/build".into())].into_iter()).unwrap_or_default();
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes();
    let journal = [MAGIC, &view, &length, &sum(bytes), bytes].concat();
    let (directory, remembered) = parse(&journal).unwrap_or_default();
    assert_eq!(directory, "/build".into());
    let again = frames(remembered.iter().map(shown)).unwrap_or_default();
    let again = parse(&[MAGIC, &view, &again].concat()).unwrap_or_default();
    assert_eq!(again.1, remembered);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, mode: u32) -> Shown {
        let stamp = Stamp { seconds: 1, nanos: 2 };
        Shown {
            path: path.into(),
            directory: (3, 4),
            file: 5,
            source: ProjectedBytes::Blob { digest: Digest::of(path.as_bytes()), length: 9 },
            mode,
            uid: 6,
            gid: 7,
            atime: stamp,
            mtime: stamp,
        }
    }

    #[test]
    fn the_last_that_was_noted_is_remembered() {
        let home = tempfile::tempdir().unwrap();
        let (path, of) = (home.path().join("j"), OsBytes::from("/build"));
        let journal = ViewJournal::open(&path, &of).unwrap();
        let small =
            Shown { source: ProjectedBytes::Inline(b"bytes".to_vec().into()), ..file("c", 1) };
        journal.note(&[Change::Shown(file("a", 1)), Change::Shown(file("b", 1))]);
        journal.note(&[
            Change::Gone { path: "a".into(), directory: (1, 2) },
            Change::Shown(file("b", 2)),
        ]);
        journal.note(&[Change::Shown(small.clone())]);
        let expected = [file("b", 2), small.clone()];
        for _ in 0..2 {
            assert_eq!(ViewJournal::open(&path, &of).unwrap().replay(), expected);
        }
        assert_eq!(needs(&path), [Digest::of(b"b")]);
        journal.begin_anew(std::slice::from_ref(&small));
        assert_eq!(ViewJournal::open(&path, &of).unwrap().replay(), [small]);
        assert!(ViewJournal::open(&path, &"/other".into()).unwrap().replay().is_empty());
        assert!(needs(&path).is_empty() && !path.exists());
    }

    #[test]
    fn what_is_torn_off_or_damaged_is_left_out() {
        let home = tempfile::tempdir().unwrap();
        let (path, of) = (home.path().join("j"), OsBytes::from("/build"));
        let journal = ViewJournal::open(&path, &of).unwrap();
        journal.note(&[Change::Shown(file("a", 1))]);
        let kept = fs::metadata(&path).unwrap().len();
        journal.note(&[Change::Shown(file("b", 1))]);
        let whole = fs::read(&path).unwrap();
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            let remembered = read(&path).map(|(_, remembered)| remembered).unwrap_or_default();
            let expected = if length as u64 >= kept { vec![file("a", 1)] } else { Vec::new() };
            assert_eq!(remembered, expected, "{length} bytes");
            let mut damaged = whole.clone();
            damaged[length] ^= 0x10;
            fs::write(&path, &damaged).unwrap();
            let remembered = read(&path).map(|(_, remembered)| remembered).unwrap_or_default();
            assert!(remembered.iter().all(|found| [file("a", 1), file("b", 1)].contains(found)));
        }
    }

    /// The checksum of a record is right, and what it says is not.
    #[test]
    fn any_record_is_read_or_left_out() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("j");
        let sample = codec::encode(&shown(&file("a", 1))).unwrap();
        let view = codec::encode(&Record::View("/build".into())).unwrap();
        let framed = |payload: &[u8]| {
            let length = u32::try_from(payload.len()).unwrap().to_le_bytes();
            [&length[..], &sum(payload), payload].concat()
        };
        let mut rng = fastrand::Rng::with_seed(1);
        for _ in 0..5000 {
            let record = crate::mutant::mutant(&mut rng, &[sample.clone(), view.clone()]);
            let bytes = [MAGIC, &framed(&view), &framed(&record), &framed(&sample)].concat();
            fs::write(&path, &bytes).unwrap();
            read(&path).unwrap();
            fs::write(&path, crate::mutant::mutant(&mut rng, &[bytes])).unwrap();
            let _ = read(&path);
        }
    }

    #[test]
    fn a_long_journal_asks_to_begin_anew() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("j");
        let journal = ViewJournal::open(&path, &"/build".into()).unwrap();
        let set: Vec<_> = (0..1000).map(|n| Change::Shown(file(&n.to_string(), 1))).collect();
        let rounds = (1..100).find(|_| journal.note(&set)).unwrap();
        assert!(rounds > 2);
        journal.begin_anew(&[file("a", 1)]);
        assert!(!journal.note(&set));
    }
}
