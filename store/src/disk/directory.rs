//! Opening the directory of a store: is it ours, is it free, is it of this format?

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;
use zccache_core::settings;

use super::{Gate, PRIVATE_DIRECTORY, PRIVATE_FILE, Step, make_private, sync_directory};
use crate::StoreError;

pub(super) const BLOBS: &str = "blobs";
pub(super) const INDEX: &str = "index.redb";
pub(super) const STAGING: &str = "staging";
pub(super) const UNCLEAN: &str = "unclean";
pub(super) const FORMAT: &str = "format";
const SET_ASIDE: &str = "set-aside";
const SETTING_ASIDE: &str = "set-aside.new";

/// What a store keeps is in a directory of its format, so that those of several
/// versions of this program lie side by side. Changes with every change of what is on
/// disk, together with the text of the marker.
pub const FORMAT_DIRECTORY: &str = "store-10";

/// What the marker says; other content is foreign.
const THIS_FORMAT: &str = "zccache store 10\n";

/// Returns the absolute path and the lock. Afterwards the directory is private
/// and locked, and unless it is read-only of this format and without left-overs.
pub(super) fn open(
    directory: &Path,
    read_only: bool,
    gate: &Gate,
) -> Result<(PathBuf, Option<File>), StoreError> {
    if !read_only {
        let mut builder = DirBuilder::new();
        let make = |()| builder.recursive(true).mode(PRIVATE_DIRECTORY).create(directory);
        gate(Step::Create).and_then(make).map_err(StoreError::io("create", directory))?;
    }
    let top = directory.canonicalize().map_err(StoreError::io("open", directory))?;
    is_private(&top, read_only)?;
    let root = top.join(FORMAT_DIRECTORY);
    let parts = [BLOBS, STAGING, INDEX, FORMAT].map(|name| root.join(name));
    // What a careless copy may have opened. Below `blobs` names are digests of bytes.
    for path in parts.iter().chain([&root, &top.join(settings::LOCK)]) {
        if path.symlink_metadata().is_ok() {
            is_private(path, read_only)?;
        }
    }
    let lock = lock(&top, read_only)?;
    if read_only {
        is_readable(&root)?;
    } else {
        prepare(&root, gate).map_err(StoreError::io("prepare", &root))?;
    }
    Ok((top, lock))
}

/// What is only read may be of root, who could change anything anyway.
fn is_private(path: &Path, read_only: bool) -> Result<(), StoreError> {
    let metadata = fs::metadata(path).map_err(StoreError::io("look at", path))?;
    let directory = path.to_owned();
    let trusted = metadata.uid() == geteuid().as_raw() || (read_only && metadata.uid() == 0);
    if !trusted {
        return Err(StoreError::ForeignOwner { directory, owner: metadata.uid() });
    }
    if metadata.mode() & 0o022 != 0 {
        return Err(StoreError::OpenToOthers { directory, mode: metadata.mode() & 0o7777 });
    }
    Ok(())
}

/// One writer, or any number of readers.
fn lock(top: &Path, read_only: bool) -> Result<Option<File>, StoreError> {
    let path = top.join(settings::LOCK);
    let mut options = OpenOptions::new();
    options.read(true).write(!read_only).create(!read_only).mode(PRIVATE_FILE);
    let file = match options.open(&path) {
        Err(error) if read_only && error.kind() == ErrorKind::NotFound => return Ok(None),
        other => other.map_err(StoreError::io("open", &path))?,
    };
    match if read_only { file.try_lock_shared() } else { file.try_lock() } {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse(top.to_owned())),
        Err(TryLockError::Error(error)) => Err(StoreError::io("lock", &path)(error)),
    }
}

/// A store that may not be changed is of this format, or not yet one.
fn is_readable(root: &Path) -> Result<(), StoreError> {
    match is_this_format(root) {
        Ok(true) => Ok(()),
        Ok(false) if !is_store(root) => Ok(()),
        Ok(false) => Err(StoreError::Format(root.to_owned())),
        Err(error) => Err(StoreError::io("read", &root.join(FORMAT))(error)),
    }
}

fn prepare(root: &Path, gate: &Gate) -> io::Result<()> {
    gate(Step::Create)?;
    make_private(root)?;
    gate(Step::Read)?;
    if !is_this_format(root)? && is_store(root) {
        tracing::warn!(store = %root.display(), "the store has a foreign marker: set aside");
        set_aside(root, &[FORMAT, INDEX, BLOBS, STAGING, UNCLEAN], gate)?;
    }
    make(root, gate)?;
    empty(&root.join(STAGING), gate)
}

/// Makes what is always there.
pub(super) fn make(root: &Path, gate: &Gate) -> io::Result<()> {
    gate(Step::Create)?;
    make_private(root)?;
    if !is_this_format(root)? {
        write_format(root, gate)?;
    }
    gate(Step::Create)?;
    make_private(&root.join(BLOBS))?;
    make_private(&root.join(STAGING))
}

/// Whether that is there.
pub(super) fn is_whole(root: &Path) -> bool {
    [BLOBS, STAGING].iter().all(|name| root.join(name).is_dir()) && root.join(FORMAT).is_file()
}

fn is_this_format(root: &Path) -> io::Result<bool> {
    match fs::read(root.join(FORMAT)) {
        Ok(found) => Ok(found == THIS_FORMAT.as_bytes()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn is_store(root: &Path) -> bool {
    [FORMAT, INDEX, BLOBS].iter().any(|name| root.join(name).symlink_metadata().is_ok())
}

/// Written under another name first, so that it is never seen half.
fn write_format(root: &Path, gate: &Gate) -> io::Result<()> {
    gate(Step::Create)?;
    let new = root.join("format.new");
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(PRIVATE_FILE).open(&new)?;
    file.write_all(THIS_FORMAT.as_bytes())?;
    gate(Step::SyncFormat)?;
    file.sync_data()?;
    gate(Step::Rename)?;
    fs::rename(new, root.join(FORMAT))?;
    sync_directory(gate, Step::SyncRoot, root)?;
    root.parent().map_or(Ok(()), |top| sync_directory(gate, Step::SyncTop, top))
}

/// Moves files of the store where only a person will look. One such set is
/// kept: what was set aside before is removed.
pub(super) fn set_aside(root: &Path, names: &[&str], gate: &Gate) -> io::Result<()> {
    let (kept, new) = (root.join(SET_ASIDE), root.join(SETTING_ASIDE));
    gate(Step::Create)?;
    make_private(&new)?;
    for name in names {
        let target = new.join(name);
        remove_tree(&target)?;
        gate(Step::Rename)?;
        absent_is_fine(fs::rename(root.join(name), target))?;
    }
    gate(Step::Remove)?;
    remove_tree(&kept)?;
    gate(Step::Rename)?;
    fs::rename(new, kept)?;
    sync_directory(gate, Step::SyncRoot, root)
}

fn empty(directory: &Path, gate: &Gate) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        gate(Step::Remove)?;
        remove_tree(&entry?.path())?;
    }
    Ok(())
}

pub(super) fn remove_tree(path: &Path) -> io::Result<()> {
    match path.symlink_metadata() {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => absent_is_fine(Err(error)),
    }
}

fn absent_is_fine(outcome: io::Result<()>) -> io::Result<()> {
    match outcome {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
