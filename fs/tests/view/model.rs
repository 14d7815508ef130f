//! Random operations on a view and on a plain directory, which have to stay the
//! same: what each operation answers, and everything that can be seen after it.

use std::collections::BTreeMap;
use std::fs::{self, File, FileTimes, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use zccache_fs::{Look, Settle};

use crate::support::{Mode, Mount};

/// Numbers that a seed decides (xorshift64).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    /// One of few names, so that they meet.
    fn name(&mut self) -> PathBuf {
        let directories = ["", "", "d0", "d1", "d0/d2", "d1/d2"];
        let names = ["f0", "f1", "f2", "f3", "d0", "d1", "d2"];
        let pick = |random: &mut Self, from: &[&'static str]| {
            from[usize::try_from(random.below(from.len() as u64)).unwrap()]
        };
        Path::new(pick(self, &directories)).join(pick(self, &names))
    }

    fn text(&mut self) -> String {
        let length = [0, 1, 10, 5_000, 70_000][usize::try_from(self.below(5)).unwrap()];
        format!("{:x}", self.below(u64::MAX)).repeat(1 + length / 16)
    }
}

/// What can be done to both.
#[derive(Clone, Debug)]
enum Step {
    Write(PathBuf, String),
    Append(PathBuf, String),
    Overwrite(PathBuf, String),
    Truncate(PathBuf, u64),
    MakeDirectory(PathBuf),
    RemoveDirectory(PathBuf),
    Remove(PathBuf),
    RemoveAll(PathBuf),
    Rename(PathBuf, PathBuf, RenameFlags),
    Link(PathBuf, PathBuf),
    Symlink(PathBuf, PathBuf),
    Mode(PathBuf, u32),
    Time(PathBuf, u64),
    Keep(PathBuf),
    Project(Vec<(PathBuf, String, u32)>),
    Settle,
    Die,
}

impl Step {
    fn random(random: &mut Random) -> Self {
        let name = random.name();
        match random.below(30) {
            0 | 1 => Self::Write(name, random.text()),
            2 => Self::Append(name, random.text()),
            3 => Self::Overwrite(name, random.text()),
            4 => Self::Truncate(name, random.below(9_000)),
            5..=7 => Self::MakeDirectory(name),
            8 => Self::RemoveDirectory(name),
            9 | 10 => Self::Remove(name),
            11 => Self::RemoveAll(name),
            12..=15 => Self::Rename(name, random.name(), RenameFlags::empty()),
            16 => Self::Rename(name, random.name(), RenameFlags::RENAME_NOREPLACE),
            17 => Self::Rename(name, random.name(), RenameFlags::RENAME_EXCHANGE),
            18 | 19 => Self::Link(name, random.name()),
            20 => Self::Symlink(name, random.name()),
            21 => Self::Mode(name, [0o644, 0o755, 0o600, 0o444][random.below(4) as usize]),
            22 => Self::Time(name, random.below(2_000_000_000)),
            23 => Self::Keep(name),
            24..=27 => {
                let count = 1 + random.below(3);
                let file = |random: &mut Random| {
                    (random.name(), random.text(), [0o644, 0o755][random.below(2) as usize])
                };
                Self::Project((0..count).map(|_| file(random)).collect())
            }
            28 => Self::Settle,
            _ => Self::Die,
        }
    }

    /// Does what is the same in both.
    fn apply(&self, root: &Path) -> io::Result<()> {
        let at = |path: &Path| root.join(path);
        let open = |path: &Path| OpenOptions::new().write(true).open(at(path));
        match self {
            Self::Write(path, text) => fs::write(at(path), text),
            Self::Append(path, text) => {
                OpenOptions::new().append(true).open(at(path))?.write_all(text.as_bytes())
            }
            Self::Overwrite(path, text) => open(path)?.write_all_at(text.as_bytes(), 3),
            Self::Truncate(path, length) => open(path)?.set_len(*length),
            Self::MakeDirectory(path) => fs::create_dir(at(path)),
            Self::RemoveDirectory(path) => fs::remove_dir(at(path)),
            Self::Remove(path) => fs::remove_file(at(path)),
            Self::RemoveAll(path) => fs::remove_dir_all(at(path)),
            Self::Rename(from, to, flags) => {
                Ok(renameat2(AT_FDCWD, &at(from), AT_FDCWD, &at(to), *flags)?)
            }
            Self::Link(from, to) => fs::hard_link(at(from), at(to)),
            Self::Symlink(path, target) => symlink(target, at(path)),
            Self::Mode(path, mode) => {
                fs::set_permissions(at(path), PermissionsExt::from_mode(*mode))
            }
            Self::Time(path, seconds) => {
                let time = SystemTime::UNIX_EPOCH + Duration::from_secs(*seconds);
                File::open(at(path))?.set_times(FileTimes::new().set_modified(time))
            }
            Self::Keep(_) | Self::Project(_) | Self::Settle | Self::Die => Ok(()),
        }
    }
}

/// A view, a plain directory, and files that are open in both.
struct Pair<'m> {
    mount: &'m mut Mount,
    plain: PathBuf,
    kept: Vec<(File, File)>,
}

impl Pair<'_> {
    fn take(&mut self, step: &Step) {
        match step {
            Step::Project(set) => return self.project(set),
            Step::Settle => {
                let settled = self.mount.view.settle(Settle::Materialise);
                assert!(settled.failed.is_empty(), "{settled:?}");
            }
            Step::Die => {
                self.kept.clear();
                self.mount.die_and_come_back(|_| ());
            }
            Step::Keep(path) => self.keep(path),
            _ => {}
        }
        let errno = |result: io::Result<()>| result.err().map(|error| error.raw_os_error());
        let expected = errno(step.apply(&self.plain));
        assert_eq!(errno(step.apply(&self.mount.path(""))), expected, "{step:?}");
    }

    /// Who has a projected file open keeps its bytes when others write, which
    /// is not so for a plain one.
    fn keep(&mut self, path: &Path) {
        let lower = matches!(self.mount.view.look(path, false), Ok(Look::Lower { .. }));
        let open = |root: &Path| File::open(root.join(path));
        if let (true, Ok(shown), Ok(plain)) = (lower, open(&self.mount.path("")), open(&self.plain))
        {
            self.kept.push((shown, plain));
        }
    }

    fn project(&mut self, set: &[(PathBuf, String, u32)]) {
        let mut projections = Vec::new();
        for (path, text, mode) in set {
            let mut projection = self.mount.blob("", text);
            (projection.path, projection.mode) = (path.clone(), *mode);
            projections.push(projection);
        }
        let possible = set.iter().enumerate().all(|(index, (path, ..))| {
            let linked = path.parent().into_iter().flat_map(Path::ancestors);
            let parents_are_plain = linked
                .map(|parent| self.plain.join(parent).symlink_metadata())
                .all(|found| found.is_ok_and(|metadata| metadata.is_dir()));
            let found = self.plain.join(path).symlink_metadata();
            let vacant = found.map_or(true, |metadata| metadata.is_file());
            let once = set[..index].iter().all(|(other, ..)| other != path);
            parents_are_plain && vacant && once
        });
        let projected = self.mount.view.project(&projections);
        assert_eq!(projected.is_ok(), possible, "{projected:?}");
        for (path, text, mode) in set.iter().filter(|_| possible) {
            let new = self.plain.join(".new");
            fs::write(&new, text).unwrap();
            fs::set_permissions(&new, PermissionsExt::from_mode(*mode)).unwrap();
            fs::rename(new, self.plain.join(path)).unwrap();
        }
    }

    fn compare(&self) {
        let (expected, found) = (seen(&self.plain), seen(&self.mount.path("")));
        for (path, expected) in &expected {
            assert_eq!(found.get(path), Some(expected), "{}", path.display());
        }
        assert_eq!(found.len(), expected.len(), "{:?}", found.keys());
        for (shown, plain) in &self.kept {
            let facts = |file: &File| {
                let metadata = file.metadata().unwrap();
                let mut bytes = vec![0; usize::try_from(metadata.len()).unwrap()];
                file.read_exact_at(&mut bytes, 0).unwrap();
                (metadata.mode(), metadata.nlink(), bytes)
            };
            assert_eq!(facts(shown), facts(plain));
        }
        self.mount.check_notes();
    }
}

/// What can be seen of a name.
#[derive(PartialEq, Eq, Debug)]
struct Seen {
    mode: u32,
    links: u64,
    size: Option<u64>,
    /// The digest of a file, the target of a link.
    content: String,
    /// The first name of the same file.
    first_name: PathBuf,
    /// The time, where it was set.
    time: Option<i64>,
}

/// Everything below a directory.
fn seen(root: &Path) -> BTreeMap<PathBuf, Seen> {
    let mut all = BTreeMap::new();
    let mut first_names = BTreeMap::new();
    let mut open = vec![PathBuf::new()];
    while let Some(directory) = open.pop() {
        let mut names: Vec<_> = fs::read_dir(root.join(&directory))
            .unwrap()
            .map(|entry| directory.join(entry.unwrap().file_name()))
            .collect();
        names.sort();
        for name in names {
            let path = root.join(&name);
            let metadata = path.symlink_metadata().unwrap();
            let content = if metadata.is_symlink() {
                fs::read_link(&path).unwrap().display().to_string()
            } else if metadata.is_file() {
                zccache_core::Digest::of(&fs::read(&path).unwrap()).to_string()
            } else {
                open.push(name.clone());
                String::new()
            };
            let first_name = first_names.entry(metadata.ino()).or_insert(name.clone()).clone();
            let seen = Seen {
                mode: metadata.mode(),
                links: metadata.nlink(),
                size: metadata.is_file().then_some(metadata.len()),
                content,
                first_name,
                time: Some(metadata.mtime()).filter(|seconds| *seconds < 2_000_000_000 / 2),
            };
            all.insert(name, seen);
        }
    }
    all
}

fn replay(mode: Mode, steps: &[Step]) {
    let Some(mut mount) = Mount::new(mode, false) else { return };
    let plain = mount.path("").with_file_name("plain");
    fs::create_dir(&plain).unwrap();
    let mut pair = Pair { mount: &mut mount, plain, kept: Vec::new() };
    for step in steps {
        pair.take(step);
        pair.compare();
    }
    // Files that are open would keep the view.
    let Pair { plain, .. } = pair;
    assert!(mount.view.settle(Settle::Materialise).failed.is_empty());
    mount.abort();
    assert_eq!(seen(&mount.path("")), seen(&plain), "after unmounting");
    mount.blobs.check();
}

/// Prints the steps that led to a failure, to be kept as a test of their own.
fn explore(mode: Mode, seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let steps: Vec<Step> = (0..150).map(|_| Step::random(&mut random)).collect();
        println!("seed {seed}");
        replay(mode, &steps);
    }
}

#[test]
fn random_operations_do_the_same_with_passthrough() {
    explore(Mode::Passthrough, 1..21);
}

#[test]
fn random_operations_do_the_same_with_cached_files() {
    explore(Mode::Cached, 21..41);
}

/// A directory does not change when a file that it shows becomes a real one.
#[test]
fn directories_keep_their_times_when_files_become_real() {
    let set = vec![(PathBuf::from("d0/f0"), "text".to_owned(), 0o644)];
    let (directory, file) = (PathBuf::from("d0"), PathBuf::from("d0/f0"));
    let before = [
        Step::MakeDirectory(directory.clone()),
        Step::Project(set),
        Step::Link(file.clone(), "d0/f1".into()),
        Step::Time(directory, 1_000),
    ];
    for last in
        [Step::Settle, Step::Append(file.clone(), "more".into()), Step::Write(file, "".into())]
    {
        let steps: Vec<_> = before.iter().cloned().chain([last]).collect();
        replay(Mode::Passthrough, &steps);
    }
}
