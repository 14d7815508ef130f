//! Ways to start a process with less, or other, than its parent sees.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::resource::{Resource, setrlimit};
use nix::unistd::{Gid, Uid};

/// Lets the process see `source` at `target`, alone in a mount namespace of its
/// own, and start in `directory` as it is then.
pub fn bind(process: &mut Command, source: &Path, target: &Path, directory: &Path) {
    let paths: [PathBuf; 3] = [source.into(), target.into(), directory.into()];
    before_exec(process, move || {
        let [source, target, directory] = &paths;
        let none: Option<&Path> = None;
        private_mounts()?;
        let with_mounts_below = MsFlags::MS_BIND | MsFlags::MS_REC;
        mount(Some(source), target, none, with_mounts_below, none)?;
        nix::unistd::chdir(directory)?;
        Ok(())
    });
}

/// Lets the process see `target` read-only, alone in a mount namespace of its own.
pub fn read_only(process: &mut Command, target: &Path) {
    let target: PathBuf = target.into();
    before_exec(process, move || {
        let none: Option<&Path> = None;
        private_mounts()?;
        mount(Some(&target), &target, none, MsFlags::MS_BIND, none)?;
        let flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
        mount(none, &target, none, flags, none)?;
        Ok(())
    });
}

/// Lets the process see at `target` an empty file system that is full with
/// `kibibytes`, alone in a mount namespace of its own.
pub fn small_disk(process: &mut Command, target: &Path, kibibytes: u32) {
    let target: PathBuf = target.into();
    let size = format!("size={kibibytes}k,mode=700");
    before_exec(process, move || {
        private_mounts()?;
        mount(Some("none"), &target, Some("tmpfs"), MsFlags::empty(), Some(size.as_str()))?;
        Ok(())
    });
}

/// Lets the process be an ordinary user who sees `replaced.0` at `replaced.1`,
/// for each, alone in a mount namespace of its own.
pub fn as_user(process: &mut Command, user: u32, replaced: &[(PathBuf, PathBuf)]) {
    let replaced = replaced.to_vec();
    before_exec(process, move || {
        let none: Option<&Path> = None;
        private_mounts()?;
        for (source, target) in &replaced {
            mount(Some(source), target, none, MsFlags::MS_BIND, none)?;
        }
        nix::unistd::setgroups(&[])?;
        nix::unistd::setgid(Gid::from_raw(user))?;
        nix::unistd::setuid(Uid::from_raw(user))?;
        Ok(())
    });
}

/// Lets every attempt of the process to install a seccomp filter fail, as
/// container profiles do.
pub fn refuse_seccomp(process: &mut Command) {
    before_exec(process, || {
        nix::sys::prctl::set_no_new_privs()?;
        refuse(libc::SYS_seccomp)
    });
}

/// Limits how many descriptors the process may have open.
pub fn limit_descriptors(process: &mut Command, count: u64) {
    before_exec(process, move || Ok(setrlimit(Resource::RLIMIT_NOFILE, count, count)?));
}

fn private_mounts() -> nix::Result<()> {
    let none: Option<&Path> = None;
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)
}

fn before_exec(
    process: &mut Command,
    action: impl FnMut() -> io::Result<()> + Send + Sync + 'static,
) {
    // SAFETY: the callers in this file make system calls only; none takes a
    // lock or allocates, nix keeps short paths on the stack.
    unsafe { process.pre_exec(action) };
}

/// Installs a filter that answers one system call of this process with `EPERM`.
fn refuse(call: libc::c_long) -> io::Result<()> {
    const NUMBER_OFFSET: u32 = 0;
    let number = u32::try_from(call).expect("system call numbers are small");
    let statement = |code, k| libc::sock_filter { code, jt: 0, jf: 0, k };
    let refusal = libc::SECCOMP_RET_ERRNO | Errno::EPERM as u32;
    let mut filter = [
        statement(code(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS), NUMBER_OFFSET),
        libc::sock_filter { jf: 1, ..statement(code(libc::BPF_JMP | libc::BPF_JEQ), number) },
        statement(code(libc::BPF_RET), refusal),
        statement(code(libc::BPF_RET), libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: 4, filter: filter.as_mut_ptr() };
    // SAFETY: `program` points to `filter`, which outlives the call.
    let done =
        unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn code(bits: u32) -> u16 {
    u16::try_from(bits).expect("BPF codes are small")
}
