//! The paths that stopped calls name.

use std::ffi::{CStr, CString};

use zccache_core::{OsBytes, Reason};

use super::arguments::{argument_of, low};
use super::process::tracee::Tracee;
use super::seccomp::Notification;
use super::seccomp::table::At;

/// An absolute path and its NUL; empty when a call names none.
#[derive(Default)]
pub(super) struct PathBuffer(pub(super) Vec<u8>);

impl PathBuffer {
    /// The path, if there is one.
    pub(super) fn path(&self) -> Option<&CStr> {
        CStr::from_bytes_with_nul(&self.0).ok().filter(|path| !path.is_empty())
    }
}

/// Whether a call names a path.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    /// It does.
    Path,
    /// It means a descriptor, or nothing.
    Nothing,
}

/// Makes the paths of calls absolute.
pub(super) struct Resolver {
    /// The working directory of the program.
    directory: Vec<u8>,
    /// Whether the working directory of some process may differ from it.
    moved: bool,
    relative: Vec<u8>,
}

impl Resolver {
    /// For a program that starts in `directory`.
    pub(super) fn new(directory: &[u8]) -> Self {
        Self { directory: directory.to_vec(), moved: false, relative: Vec::new() }
    }

    /// Notes that a process changes its working directory.
    pub(super) fn moved(&mut self) {
        self.moved = true;
    }

    /// Puts the absolute path that a call names into `into`, joined as text.
    pub(super) fn resolve(
        &mut self,
        call: &Notification,
        at: At,
        into: &mut PathBuffer,
    ) -> Result<Named, Reason> {
        let (tracee, address) = (Tracee(call.thread), argument_of(call, at.path));
        let buffer = &mut into.0;
        buffer.clear();
        if address == 0 {
            return Ok(Named::Nothing);
        }
        tracee.append_text(address, buffer)?;
        if buffer.is_empty() {
            return Ok(Named::Nothing);
        }
        if buffer[0] != b'/' {
            self.make_absolute(call, at, buffer)?;
        }
        buffer.push(0);
        Ok(Named::Path)
    }

    fn make_absolute(
        &mut self,
        call: &Notification,
        at: At,
        absolute: &mut Vec<u8>,
    ) -> Result<(), Reason> {
        let tracee = Tracee(call.thread);
        let base = at.directory.map_or(libc::AT_FDCWD, |argument| low(argument_of(call, argument)));
        std::mem::swap(&mut self.relative, absolute);
        absolute.clear();
        match base {
            libc::AT_FDCWD if !self.moved => absolute.extend_from_slice(&self.directory),
            libc::AT_FDCWD => tracee.append_directory(absolute)?,
            fd => tracee.append_descriptor(fd, absolute)?,
        }
        if absolute.first() != Some(&b'/') {
            // Not a directory: the call will fail.
            absolute.clear();
            return Ok(());
        }
        if absolute.last() != Some(&b'/') {
            absolute.push(b'/');
        }
        absolute.extend_from_slice(&self.relative);
        Ok(())
    }
}

/// The entry of a cache that a path leads to or into: what it is named within
/// the directory of the cache.
pub(super) fn entry_of(cache: &OsBytes, path: &[u8]) -> Option<CString> {
    let rest = path.strip_prefix(cache.as_bytes())?.strip_prefix(b"/")?;
    let length = rest.iter().position(|&byte| byte == b'/').unwrap_or(rest.len());
    CString::new(&path[..path.len() - rest.len() + length]).ok()
}
