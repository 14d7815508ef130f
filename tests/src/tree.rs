//! Everything below a directory that a build can depend on or be judged by,
//! except time stamps.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, DirEntry, Metadata, Permissions};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};

use nix::sys::stat::{Mode, SFlag, mknod};

/// The files below a directory, by their path from there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree(BTreeMap<PathBuf, Node>);

/// One file of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Node {
    kind: Kind,
    /// `st_mode & 07777`; zero for symbolic links, which have none.
    mode: u32,
    owner: (u32, u32),
    /// The first name in the tree of this very file, when it is another one.
    link_of: Option<PathBuf>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    File(Vec<u8>),
    Directory,
    Symlink(PathBuf),
    Special { kind: u32, device: u64 },
}

impl Tree {
    /// Reads everything below `root`.
    ///
    /// # Panics
    /// When something cannot be read.
    #[must_use]
    pub fn of(root: &Path) -> Self {
        let mut reader = Reader { root, tree: Self::default(), names: BTreeMap::new() };
        reader.directory(root);
        reader.tree
    }

    /// The regular files that `keep` accepts by their path.
    #[must_use]
    pub fn files(self, keep: impl Fn(&Path) -> bool) -> Self {
        let is_kept =
            |(path, node): &(PathBuf, Node)| matches!(node.kind, Kind::File(_)) && keep(path);
        Self(self.0.into_iter().filter(is_kept).collect())
    }

    /// How many files there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no file.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The content of a regular file.
    #[must_use]
    pub fn content(&self, path: impl AsRef<Path>) -> Option<&[u8]> {
        match &self.0.get(path.as_ref())?.kind {
            Kind::File(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// What differs between the expected tree and `found`, a line each; empty
    /// when they are equal.
    #[must_use]
    pub fn difference(&self, found: &Self) -> String {
        let mut text = String::new();
        for (path, node) in &self.0 {
            let line = match found.0.get(path) {
                None => "is missing".to_owned(),
                Some(other) if other != node => node.difference(other),
                Some(_) => continue,
            };
            writeln!(text, "{}: {line}", path.display()).expect("memory");
        }
        for path in found.0.keys().filter(|path| !self.0.contains_key(*path)) {
            writeln!(text, "{}: should not be there", path.display()).expect("memory");
        }
        text
    }

    /// Makes what is below `root` equal to this tree, touching only what
    /// differs.
    ///
    /// # Panics
    /// When something cannot be changed.
    pub fn restore(&self, root: &Path) {
        let now = Self::of(root);
        let differs = |path: &PathBuf| now.0.get(path) != self.0.get(path);
        for path in now.0.keys().rev().filter(|path| differs(path)) {
            remove(&root.join(path), self.0.get(path));
        }
        for (path, node) in self.0.iter().filter(|(path, _)| differs(path)) {
            node.make(root, &root.join(path));
        }
    }
}

/// Removes a file unless a directory is to stay at its path.
fn remove(path: &Path, wanted: Option<&Node>) {
    let is_directory = path.symlink_metadata().expect("it was read before").is_dir();
    if !is_directory {
        return fs::remove_file(path).expect("a file can be removed");
    }
    if wanted.is_none_or(|node| node.kind != Kind::Directory) {
        fs::remove_dir(path).expect("the directory is empty");
    }
}

impl Node {
    fn difference(&self, found: &Self) -> String {
        if self.link_of != found.link_of {
            return format!("is a link of {:?}, not of {:?}", found.link_of, self.link_of);
        }
        if self.kind == found.kind {
            let (mode, owner) = (self.mode, self.owner);
            return format!(
                "mode {:o} owner {:?}, not mode {mode:o} owner {owner:?}",
                found.mode, found.owner
            );
        }
        match (&self.kind, &found.kind) {
            (Kind::File(wanted), Kind::File(found)) => content_difference(wanted, found),
            (wanted, found) => format!("is {}, not {}", found.name(), wanted.name()),
        }
    }

    fn make(&self, root: &Path, path: &Path) {
        if let Some(first) = &self.link_of {
            return fs::hard_link(root.join(first), path).expect("a link can be made");
        }
        match &self.kind {
            Kind::File(bytes) => fs::write(path, bytes).expect("a file can be written"),
            Kind::Directory if path.is_dir() => (),
            Kind::Directory => fs::create_dir(path).expect("a directory can be made"),
            Kind::Symlink(target) => return symlink(target, path).expect("a link can be made"),
            Kind::Special { kind, device } => {
                mknod(path, SFlag::from_bits_truncate(*kind), Mode::empty(), *device)
                    .expect("a node can be made");
            }
        }
        lchown(path, Some(self.owner.0), Some(self.owner.1)).expect("an owner can be set");
        fs::set_permissions(path, Permissions::from_mode(self.mode)).expect("a mode can be set");
    }
}

impl Kind {
    fn name(&self) -> String {
        match self {
            Self::File(bytes) => format!("a file of {} bytes", bytes.len()),
            Self::Directory => "a directory".to_owned(),
            Self::Symlink(target) => format!("a symbolic link to {}", target.display()),
            Self::Special { kind, device } => format!("special {kind:o} of device {device:x}"),
        }
    }
}

/// Text is shown, anything else by the place of the first difference.
fn content_difference(wanted: &[u8], found: &[u8]) -> String {
    let short = |bytes: &[u8]| bytes.len() < 4096;
    if short(wanted)
        && short(found)
        && let (Ok(wanted), Ok(found)) = (std::str::from_utf8(wanted), std::str::from_utf8(found))
    {
        return format!("holds {found:?}, not {wanted:?}");
    }
    let at = wanted.iter().zip(found).take_while(|(a, b)| a == b).count();
    format!("{} bytes, not {}, and differs from byte {at}", found.len(), wanted.len())
}

struct Reader<'a> {
    root: &'a Path,
    tree: Tree,
    /// The first name of each file that has several.
    names: BTreeMap<(u64, u64), PathBuf>,
}

impl Reader<'_> {
    /// Reads entries in the order of their names, so that the first name of a
    /// file is the same in equal trees.
    fn directory(&mut self, path: &Path) {
        let listing = fs::read_dir(path).expect("a directory can be listed");
        let mut entries: Vec<DirEntry> = listing.map(|entry| entry.expect("listed")).collect();
        entries.sort_by_key(DirEntry::file_name);
        for entry in entries {
            self.entry(&entry.path());
        }
    }

    fn entry(&mut self, path: &Path) {
        let name = path.strip_prefix(self.root).expect("below the root").to_owned();
        let meta = path.symlink_metadata().unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let link_of = self.first_name(&meta, &name);
        let mode = if meta.is_symlink() { 0 } else { meta.mode() & 0o7777 };
        let owner = (meta.uid(), meta.gid());
        let kind = kind(path, &meta);
        self.tree.0.insert(name, Node { kind, mode, owner, link_of });
        if meta.is_dir() {
            self.directory(path);
        }
    }

    fn first_name(&mut self, meta: &Metadata, name: &Path) -> Option<PathBuf> {
        if meta.is_dir() || meta.nlink() < 2 {
            return None;
        }
        let first = self.names.entry((meta.dev(), meta.ino())).or_insert_with(|| name.to_owned());
        (first != name).then(|| first.clone())
    }
}

fn kind(path: &Path, meta: &Metadata) -> Kind {
    let file_type = meta.file_type();
    if file_type.is_dir() {
        Kind::Directory
    } else if file_type.is_symlink() {
        Kind::Symlink(fs::read_link(path).expect("a link can be read"))
    } else if file_type.is_fifo() || file_type.is_socket() || !file_type.is_file() {
        Kind::Special { kind: meta.mode() & libc::S_IFMT, device: meta.rdev() }
    } else {
        let bytes = fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        Kind::File(bytes)
    }
}

#[cfg(test)]
mod tests;
