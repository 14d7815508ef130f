//! One file of a hit: written beside its place, then renamed to it.

use std::ffi::{CStr, OsString};
use std::fs::File;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use nix::NixPath;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, open, renameat};
use nix::sys::stat::{FileStat, Mode, fchmod, fstat, lstat};
use nix::unistd::{AccessFlags, faccessat, unlink};
use zccache_core::entry::Manner;
use zccache_core::protocol::Delivery;

use super::Undeliverable;
use super::bytes::Bytes;
use crate::xattr;

/// A file with all its bytes, under a temporary name that goes away on drop.
pub(super) struct Staged {
    temporary: Temporary,
    target: PathBuf,
    /// Whether something was at the target.
    replaces: bool,
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
        if existing.is_none() || file.manner == Manner::Renamed {
            let directory = target.parent().ok_or(Undeliverable)?;
            if xattr::decides_modes(directory) {
                return Err(Undeliverable);
            }
        }
        let temporary = temporary_name(target, number)?;
        let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW;
        let descriptor =
            open(&temporary, flags | OFlag::O_CLOEXEC, Mode::from_bits_truncate(0o600))?;
        let temporary = Temporary(temporary);
        let written = File::from(descriptor);
        bytes.write_to(&written).map_err(|_| Undeliverable)?;
        fchmod(&written, Mode::from_bits_truncate(file.mode))?;
        if let Some(existing) = &existing {
            check_replaceable(target, existing, &fstat(&written)?, file)?;
        }
        Ok(Self { temporary, target: target.to_owned(), replaces: existing.is_some() })
    }

    /// Renames the file to its place.
    pub(super) fn commit(self) -> Result<Placed, Undeliverable> {
        let placed = Placed { target: self.target, replaces: self.replaces };
        let Temporary(temporary) = &self.temporary;
        if self.replaces && swap(temporary, &placed.target) {
            return Ok(placed);
        }
        renameat(AT_FDCWD, temporary, AT_FDCWD, &placed.target)?;
        // The temporary name is gone.
        std::mem::forget(self.temporary);
        Ok(placed)
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
    faccessat(AT_FDCWD, target, AccessFlags::W_OK, AtFlags::AT_EACCESS)?;
    let alike = existing.st_nlink == 1
        && existing.st_mode & 0o7777 == file.mode
        && (existing.st_uid, existing.st_gid) == (new.st_uid, new.st_gid);
    let is_lost = file.manner == Manner::InPlace && (!alike || xattr::has_own(target));
    if is_lost { Err(Undeliverable) } else { Ok(()) }
}

fn temporary_name(target: &Path, number: usize) -> Result<PathBuf, Undeliverable> {
    let directory = target.parent().ok_or(Undeliverable)?;
    let name = format!(".zccache-{}-{number}", std::process::id());
    Ok(directory.join(OsString::from_vec(name.into_bytes())))
}
