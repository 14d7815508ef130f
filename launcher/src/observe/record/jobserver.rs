//! The job server of the build: how many processes may run at once, which no
//! result depends on (GNU make manual, "POSIX Jobserver"; the documentation of
//! the crate `jobserver`, whose clients open the pipe anew).

use std::ffi::CStr;
use std::os::fd::{BorrowedFd, RawFd};

use nix::sys::stat::{FileStat, fstat, stat};

use crate::environment::variable;
use crate::observe::process::tracee::Tracee;

/// Where the job server of this process is to be reached.
#[derive(Default)]
pub(crate) struct Jobserver {
    /// The two ends of a pipe.
    pipe: Option<[RawFd; 2]>,
    /// A named pipe.
    fifo: Option<Vec<u8>>,
}

/// Variables in which make and cargo tell it.
const TOLD_IN: [&CStr; 3] = [c"CARGO_MAKEFLAGS", c"MAKEFLAGS", c"MFLAGS"];

/// Beginnings of the option that tells it; the second is of make before 4.2.
const OPTIONS: [&[u8]; 2] = [b"--jobserver-auth=", b"--jobserver-fds="];

impl Jobserver {
    /// The one that the environment of this process names.
    pub(crate) fn of_process() -> Self {
        TOLD_IN.into_iter().filter_map(variable).find_map(Self::parse).unwrap_or_default()
    }

    /// The last option counts, as for make.
    fn parse(flags: &[u8]) -> Option<Self> {
        let words = flags.split(|&byte| byte == b' ');
        let told = |word| OPTIONS.iter().find_map(|option| <[u8]>::strip_prefix(word, *option));
        let value = words.filter_map(told).next_back()?;
        if let Some(path) = value.strip_prefix(b"fifo:") {
            return Some(Self { pipe: None, fifo: Some(path.to_vec()) });
        }
        let (reading, writing) = std::str::from_utf8(value).ok()?.split_once(',')?;
        let pipe = [reading.parse().ok()?, writing.parse().ok()?];
        Some(Self { pipe: Some(pipe), fifo: None })
    }

    /// Whether one is named that is not there.
    pub(crate) fn is_broken(&self) -> bool {
        let is_pipe = |fd: RawFd| {
            fd >= 0 && {
                // SAFETY: only looks at the descriptor, whatever it is.
                fstat(unsafe { BorrowedFd::borrow_raw(fd) }).is_ok_and(|stat| is_fifo(&stat))
            }
        };
        let pipe = self.pipe.is_none_or(|ends| ends.into_iter().all(is_pipe));
        let is_there = |path: &Vec<u8>| stat(path.as_slice()).is_ok_and(|stat| is_fifo(&stat));
        !pipe || !self.fifo.as_ref().is_none_or(is_there)
    }

    /// Whether `path`, opened by `tracee`, is the job server.
    pub(crate) fn is_at(&self, path: &[u8], tracee: Tracee) -> bool {
        if self.fifo.as_deref() == Some(path) {
            return true;
        }
        let Some(number) = path.strip_prefix(b"/dev/fd/") else { return false };
        let number = std::str::from_utf8(number).ok().and_then(|text| text.parse().ok());
        let ours = number.filter(|fd| self.pipe.is_some_and(|pipe| pipe.contains(fd)));
        ours.is_some_and(|fd| tracee.shares(fd, fd) == Ok(true))
    }
}

fn is_fifo(stat: &FileStat) -> bool {
    stat.st_mode & libc::S_IFMT == libc::S_IFIFO
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pipe(flags: &str) -> Option<[RawFd; 2]> {
        Jobserver::parse(flags.as_bytes()).and_then(|found| found.pipe)
    }

    #[test]
    fn pipes_and_fifos_are_told_in_the_ways_of_make_and_cargo() {
        assert_eq!(pipe("-j --jobserver-fds=8,9 --jobserver-auth=6,7"), Some([6, 7]));
        assert_eq!(pipe(" -j2 --jobserver-fds=3,4 -- A=B"), Some([3, 4]));
        assert_eq!(pipe("-j2"), None);
        assert_eq!(pipe("--jobserver-auth=x,7"), None);
        let fifo = Jobserver::parse(b"-j2 --jobserver-auth=fifo:/tmp/f").and_then(|f| f.fifo);
        assert_eq!(fifo.as_deref(), Some(&b"/tmp/f"[..]));
    }
}
