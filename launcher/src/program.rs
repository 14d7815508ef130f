//! The compiler to run: found as `execvp(3)` finds it, never a launcher.

use std::ffi::{CStr, CString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use libc::c_char;
use nix::errno::Errno;

use crate::environment;
use crate::mark::is_launcher;

/// Where programs are looked for without `PATH` (`confstr(3)`, `_CS_PATH`).
const DEFAULT_PATH: &[u8] = b"/bin:/usr/bin";

const SHELL: &CStr = c"/bin/sh";

/// A program, with its arguments, ready to be executed.
#[derive(Debug)]
pub(crate) struct Program {
    candidates: Vec<CString>,
    arguments: Vec<CString>,
    /// Whether the program is to know itself by its path: gcc finds its parts
    /// beside the first file of its name along `PATH`, which is a link to us.
    by_path: bool,
}

impl Program {
    /// The program that `arguments` name, whose first is looked for along `path`
    /// unless it holds a slash. Candidates that are launchers are left out.
    pub(crate) fn new(arguments: Vec<CString>, path: Option<&[u8]>) -> Self {
        let name = arguments.first().map_or(&b""[..], |name| name.to_bytes());
        if name.contains(&b'/') {
            return Self { candidates: arguments[..1].to_vec(), arguments, by_path: false };
        }
        let mut candidates = search(name, path);
        let found = candidates.len();
        candidates.retain(|candidate| !is_launcher(candidate));
        let by_path = candidates.len() < found;
        Self { candidates, arguments, by_path }
    }

    /// The name as the user typed it.
    pub(crate) fn name(&self) -> &CStr {
        self.arguments.first().map_or(c"", |name| name)
    }

    /// Replaces this process by the program; returns why it cannot. Safe between
    /// fork and exec, but for two allocations that a process with one thread may make.
    pub(crate) fn execute(&self) -> Errno {
        let mut arguments = pointers(&self.arguments);
        if let ([named], false) = (&self.candidates[..], self.by_path)
            && named.as_bytes().contains(&b'/')
        {
            return self.attempt(named, &arguments);
        }
        let mut denied = false;
        for candidate in &self.candidates {
            if self.by_path {
                arguments[0] = candidate.as_ptr();
            }
            match self.attempt(candidate, &arguments) {
                Errno::EACCES => denied = true,
                Errno::ENOENT | Errno::ENOTDIR | Errno::ESTALE | Errno::ENODEV => {}
                Errno::ETIMEDOUT => {}
                other => return other,
            }
        }
        if denied { Errno::EACCES } else { Errno::ENOENT }
    }

    fn attempt(&self, candidate: &CStr, arguments: &[*const c_char]) -> Errno {
        let errno = execute(candidate, arguments);
        if errno != Errno::ENOEXEC {
            return errno;
        }
        let mut script = vec![SHELL.as_ptr(), candidate.as_ptr()];
        script.extend_from_slice(&arguments[1..]);
        execute(SHELL, &script)
    }
}

fn execute(file: &CStr, arguments: &[*const c_char]) -> Errno {
    // SAFETY: both arrays end in null and hold strings that live until the call ends.
    unsafe { libc::execve(file.as_ptr(), arguments.as_ptr(), environment::pointer()) };
    Errno::last()
}

fn pointers(texts: &[CString]) -> Vec<*const c_char> {
    texts.iter().map(|text| text.as_ptr()).chain([std::ptr::null()]).collect()
}

fn search(name: &[u8], path: Option<&[u8]>) -> Vec<CString> {
    if name.is_empty() {
        return Vec::new();
    }
    path.unwrap_or(DEFAULT_PATH)
        .split(|&byte| byte == b':')
        .filter_map(|directory| {
            let separator: &[u8] = if directory.is_empty() { b"" } else { b"/" };
            CString::new([directory, separator, name].concat()).ok()
        })
        .collect()
}

/// The name of a file without its directory.
pub(crate) fn base_name(file: &CStr) -> &[u8] {
    let path = Path::new(std::ffi::OsStr::from_bytes(file.to_bytes()));
    path.file_name().map_or(file.to_bytes(), OsStrExt::as_bytes)
}
