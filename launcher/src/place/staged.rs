//! One file of a hit: written without a name or beside its place, then brought there.

use std::ffi::{CStr, OsString};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use nix::NixPath;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, openat, renameat};
use nix::sys::stat::{FileStat, Mode, fchmod, fstat, lstat};
use nix::unistd::{AccessFlags, faccessat, linkat, unlink};
use zccache_core::entry::Manner;
use zccache_core::protocol::Delivery;

use super::Undeliverable;
use super::bytes::Bytes;
use crate::xattr;

/// A file with all its bytes that goes away on drop.
pub(super) struct Staged {
    draft: Draft,
    target: PathBuf,
    /// Whether something was at the target.
    replaces: bool,
}

/// Where a file is until it is in its place.
enum Draft {
    /// Without a name (`O_TMPFILE`, `open(2)`): the directory, for which others wait, is
    /// locked only once, and it can replace nothing.
    Unnamed(File),
    /// Beside its place, and closed.
    Named(Temporary),
}

/// A file in its place.
pub(super) struct Placed {
    target: PathBuf,
    replaces: bool,
}

struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = unlink(&self.0);
    }
}

impl Staged {
    /// Writes the file; `number` tells it from the others of this process.
    pub(super) fn write(
        file: &Delivery,
        number: usize,
        bytes: Bytes<'_>,
    ) -> Result<Self, Undeliverable> {
        let target = file.path.as_path();
        let existing = existing(target)?;
        let directory = target.parent().ok_or(Undeliverable)?;
        let is_new = existing.is_none() || file.manner == Manner::Renamed;
        if is_new && xattr::decides_modes(directory) {
            return Err(Undeliverable);
        }
        let (written, name) = match existing {
            None => unnamed(directory).or_else(|_| named(directory, number))?,
            Some(_) => named(directory, number)?,
        };
        bytes.write_to(&written).map_err(|_| Undeliverable)?;
        fchmod(&written, Mode::from_bits_truncate(file.mode))?;
        if let Some(existing) = &existing {
            check_replaceable(target, existing, &fstat(&written)?, file)?;
        }
        let draft = match name {
            None => Draft::Unnamed(written),
            Some(temporary) => Draft::Named(temporary),
        };
        Ok(Self { draft, target: target.to_owned(), replaces: existing.is_some() })
    }

    /// Brings the file to its place.
    pub(super) fn commit(self) -> Result<Placed, Undeliverable> {
        match self.draft {
            Draft::Unnamed(file) => link(&file, &self.target)?,
            Draft::Named(temporary) => temporary.rename(&self.target, self.replaces)?,
        }
        Ok(Placed { target: self.target, replaces: self.replaces })
    }
}

impl Temporary {
    fn rename(self, target: &Path, replaces: bool) -> Result<(), Errno> {
        if !replaces || !swap(&self.0, target) {
            renameat(AT_FDCWD, &self.0, AT_FDCWD, target)?;
            // The temporary name is gone.
            std::mem::forget(self);
        }
        Ok(())
    }
}

/// A file without a name, where the file system has such files.
fn unnamed(directory: &Path) -> Result<(File, Option<Temporary>), Errno> {
    Ok((create(directory, OFlag::O_TMPFILE)?, None))
}

/// A file with a temporary name; `number` tells it from the others of this process.
fn named(directory: &Path, number: usize) -> Result<(File, Option<Temporary>), Errno> {
    let name = format!(".zccache-{}-{number}", std::process::id());
    let path = directory.join(OsString::from_vec(name.into_bytes()));
    let file = create(&path, OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW)?;
    Ok((file, Some(Temporary(path))))
}

fn create(path: &Path, flags: OFlag) -> Result<File, Errno> {
    let flags = flags | OFlag::O_RDWR | OFlag::O_CLOEXEC;
    openat(AT_FDCWD, path, flags, Mode::from_bits_truncate(0o600)).map(File::from)
}

/// Gives a file its first name. Where the descriptor itself is not taken for a path
/// (before Linux 6.10, without privileges), `/proc` has one for it (`open(2)`).
fn link(file: &File, target: &Path) -> Result<(), Errno> {
    match linkat(file, c"", AT_FDCWD, target, AtFlags::AT_EMPTY_PATH) {
        Err(Errno::ENOENT) => {
            let path = format!("/proc/self/fd/{}", file.as_raw_fd());
            linkat(AT_FDCWD, path.as_str(), AT_FDCWD, target, AtFlags::AT_SYMLINK_FOLLOW)
        }
        linked => linked,
    }
}

/// Exchanges two files, where the file system can. For a rename over a file ext4 writes
/// the new one out at once (`auto_da_alloc`, `ext4(5)`), and the build would wait for the
/// disk, as it does not when a compiler opens or removes its output.
fn swap(one: &Path, other: &Path) -> bool {
    let exchange = |one: &CStr, other: &CStr| {
        // Not every C library has a function for it.
        // SAFETY: `renameat2(2)` reads two strings, which live through the call.
        unsafe {
            libc::syscall(
                libc::SYS_renameat2,
                libc::AT_FDCWD,
                one.as_ptr(),
                libc::AT_FDCWD,
                other.as_ptr(),
                libc::RENAME_EXCHANGE,
            )
        }
    };
    let exchanged = one.with_nix_path(|one| other.with_nix_path(|other| exchange(one, other)));
    exchanged == Ok(Ok(0))
}

impl Placed {
    /// Takes the file away again, if nothing was there before.
    pub(super) fn undo(self) {
        if !self.replaces {
            let _ = unlink(&self.target);
        }
    }
}

/// What is at the target. Only a regular file may be replaced.
fn existing(target: &Path) -> Result<Option<FileStat>, Undeliverable> {
    match lstat(target) {
        Ok(stat) if stat.st_mode & libc::S_IFMT == libc::S_IFREG => Ok(Some(stat)),
        Err(Errno::ENOENT) => Ok(None),
        _ => Err(Undeliverable),
    }
}

/// A new file may stand for one that the compiler would have written into only
/// if nobody can tell the difference.
fn check_replaceable(
    target: &Path,
    existing: &FileStat,
    new: &FileStat,
    file: &Delivery,
) -> Result<(), Undeliverable> {
    match file.manner {
        // A program that runs refuses it (`ETXTBSY`).
        Manner::InPlace => {
            let flags = OFlag::O_WRONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
            drop(openat(AT_FDCWD, target, flags, Mode::empty())?);
        }
        Manner::Renamed => {
            faccessat(AT_FDCWD, target, AccessFlags::W_OK, AtFlags::AT_EACCESS)?;
        }
    }
    // Root may write all the same, but rustc does not.
    if existing.st_mode & 0o222 == 0 {
        return Err(Undeliverable);
    }
    let alike = existing.st_nlink == 1
        && existing.st_mode & 0o7777 == file.mode
        && (existing.st_uid, existing.st_gid) == (new.st_uid, new.st_gid);
    let is_lost = file.manner == Manner::InPlace && (!alike || xattr::has_own(target));
    if is_lost { Err(Undeliverable) } else { Ok(()) }
}
