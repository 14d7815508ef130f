//! Descriptors that the caller hands on to the compiler.

use std::fs;
use std::os::fd::{BorrowedFd, RawFd};

use crate::environment::variable;

/// `st_rdev` of `/dev/null` (Linux, `Documentation/admin-guide/devices.txt`).
const NULL_DEVICE: u64 = libc::makedev(1, 3);

/// Whether a program that this process starts has descriptors of the caller
/// besides the three streams, those of a job server and `/dev/null`. They are those that
/// survive `execve(2)`: ours are closed by it. Where they cannot be told, there
/// are some.
pub(crate) fn some_are_handed_on() -> bool {
    let Ok(open) = fs::read_dir("/proc/self/fd") else { return true };
    let numbers = open.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let job_servers: Vec<RawFd> = [c"MAKEFLAGS", c"CARGO_MAKEFLAGS"]
        .into_iter()
        .filter_map(variable)
        .flat_map(of_job_server)
        .collect();
    let is_strange =
        |fd: RawFd| fd > 2 && !job_servers.contains(&fd) && survives(fd) && !is_null_device(fd);
    numbers.into_iter().any(is_strange)
}

/// The descriptors of the pipes that flags of make name (GNU make manual, "POSIX
/// Jobserver Interaction"); a named pipe has none.
fn of_job_server(flags: &[u8]) -> impl Iterator<Item = RawFd> {
    let pipes = flags.split(u8::is_ascii_whitespace).filter_map(|flag| {
        let value = flag.strip_prefix(b"--jobserver-auth=");
        value.or_else(|| flag.strip_prefix(b"--jobserver-fds="))
    });
    let numbers = pipes.flat_map(|pipes| pipes.split(|&byte| byte == b','));
    numbers.filter_map(|number| std::str::from_utf8(number).ok()?.parse().ok())
}

/// `/dev/null`, from which nothing comes and in which nothing stays.
fn is_null_device(fd: RawFd) -> bool {
    // SAFETY: only asks about the descriptor, which stays open.
    let stat = nix::sys::stat::fstat(unsafe { BorrowedFd::borrow_raw(fd) });
    stat.is_ok_and(|stat| {
        stat.st_mode & libc::S_IFMT == libc::S_IFCHR && stat.st_rdev == NULL_DEVICE
    })
}

fn survives(fd: RawFd) -> bool {
    // SAFETY: asks about a number, which may name nothing by now.
    let flags = unsafe { libc::fcntl(fd, libc::F_GETFD) };
    flags >= 0 && flags & libc::FD_CLOEXEC == 0
}
