//! `zccache run`: one command with the cache in front of its compilers, and
//! with views that nobody else sees.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, ExitStatus};

use nix::mount::{MntFlags, MsFlags};
use nix::poll::{PollFd, PollFlags, poll};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, fork};
use zccache_core::OsBytes;
use zccache_core::protocol::stats::Counters;
use zccache_core::protocol::{Reply, Request};
use zccache_launcher::observe::{Delayed, HeldSignals};

use crate::client::{Client, CommandError};
use crate::keeper::{self, End};
use crate::mount::Obstacle;
use crate::mount::{Mounted, absolute, detach, device, mount, settle};
use crate::process::process_descriptor;
use crate::show;

/// Runs a command; ends with its status, unless files of its views are lost.
pub(crate) fn run(mounts: &[PathBuf], command: &[OsString]) -> Result<ExitCode, CommandError> {
    let session = format!("run-{}-{}", std::process::id(), seconds());
    let mut counters = Client::connect_or_start()?;
    let mut views = Views::mount(mounts)?;
    let signals = HeldSignals::hold().map_err(CommandError::System)?;
    let child = start(command, &session)?;
    let status = views.wait(child, &signals).map_err(CommandError::System)?;
    let complete = views.dismantle();
    let request = Request::Stats { session: Some(OsBytes::from(session.as_str())), zero: true };
    if let Ok(Reply::Stats(counted)) = counters.ask(&request, &[]) {
        summarise(&counted);
    }
    Ok(if status.success() && !complete { ExitCode::FAILURE } else { exit_code(status) })
}

/// The views of the command, each after those in which it lies.
struct Views {
    mounted: Vec<Mounted>,
    /// Whether all that the views have shown is there without them.
    complete: bool,
}

impl Views {
    /// Mounts what can be mounted. Where that is not possible the command runs
    /// all the same, and outputs are put in place.
    fn mount(directories: &[PathBuf]) -> Result<Self, CommandError> {
        let mut views = Self { mounted: Vec::new(), complete: true };
        // Paths are in order of their components.
        let directories: BTreeSet<PathBuf> =
            directories.iter().filter_map(|directory| or_warn(absolute(directory))).collect();
        // Connections come first: a user namespace hides who we are.
        let clients: Vec<Client> =
            directories.iter().map(|_| Client::connect_or_start()).collect::<Result<_, _>>()?;
        if directories.is_empty() {
            return Ok(views);
        }
        // What the daemon does not know it cannot follow: without a view the command
        // has to stay where we are.
        if let Err(obstacle) = device() {
            warn(&CommandError::Namespace(obstacle));
            return Ok(views);
        }
        let home = fs::File::open("/proc/self/ns/mnt").map_err(CommandError::System)?;
        if let Err(error) = enter_private_namespace() {
            warn(&CommandError::Namespace(Obstacle::of_namespace(error)));
            return Ok(views);
        }
        let mount =
            |(client, directory): (Client, &PathBuf)| or_warn(mount(client, directory, false));
        views.mounted.extend(clients.into_iter().zip(&directories).filter_map(mount));
        if views.mounted.is_empty() {
            // Out of a user namespace there is no way back: then nothing is cached.
            let _stays = return_to(&home);
        }
        Ok(views)
    }

    /// Waits for the command, and passes on signals that we alone are sent; a view
    /// whose daemon dies meanwhile is taken away at once.
    fn wait(&mut self, mut child: Child, signals: &HeldSignals) -> io::Result<ExitStatus> {
        let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
        let pidfd = process_descriptor(child.id())?;
        let mut delayed = Delayed::default();
        loop {
            let watch = |end| PollFd::new(end, PollFlags::POLLIN);
            let mut ends = vec![watch(pidfd.as_fd()), watch(signals.as_fd())];
            ends.extend(self.mounted.iter().map(|view| watch(view.client.as_fd())));
            match poll(&mut ends, delayed.patience()) {
                Err(nix::errno::Errno::EINTR) => continue,
                other => other?,
            };
            let ready: Vec<bool> = ends.iter().map(|end| end.any() == Some(true)).collect();
            if ready[0] {
                return child.wait();
            }
            if ready[1] {
                signals.take(&mut delayed);
            }
            delayed.pass_on(pid);
            self.bury(&ready[2..])?;
        }
    }

    /// Takes away the views of which it is told that they have ended.
    fn bury(&mut self, ended: &[bool]) -> io::Result<()> {
        for (place, _) in ended.iter().enumerate().rev().filter(|(_, ended)| **ended) {
            let mut view = self.mounted.remove(place);
            if keeper::end(&mut view)? == End::Death {
                self.miss(&view, CommandError::Died);
            }
        }
        Ok(())
    }

    /// Unmounts all, leaving real files behind; returns whether none is missing.
    fn dismantle(mut self) -> bool {
        let mut mounted = std::mem::take(&mut self.mounted);
        // When a connection ends, the daemon lets go of the namespace of all views.
        for view in mounted.iter_mut().rev() {
            if let Err(error) = settle(&mut view.client, None, false) {
                self.miss(view, error);
            }
            if !keeper::bury(&view.directory)
                && let Err(error) = take_away(&view.directory)
            {
                // It ends with our namespace.
                eprintln!("zccache: {}", CommandError::Unmount(view.directory.clone(), error));
            }
        }
        self.complete
    }

    fn miss(&mut self, view: &Mounted, cause: CommandError) {
        self.complete = false;
        eprintln!("zccache: {}", CommandError::Missing(view.directory.clone(), cause.into()));
    }
}

fn take_away(directory: &Path) -> io::Result<()> {
    detach(directory, MntFlags::empty()).or_else(|_| detach(directory, MntFlags::MNT_DETACH))
}

fn or_warn<T>(result: Result<T, CommandError>) -> Option<T> {
    result.map_err(|error| warn(&error)).ok()
}

fn warn(error: &CommandError) {
    eprintln!("zccache: {error}; going on without a view");
}

/// A mount namespace of our own (`mount_namespaces(7)`); without the right to
/// have one, within a user namespace in which we stay who we are
/// (`user_namespaces(7)`).
fn enter_private_namespace() -> io::Result<()> {
    let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
    if unshare(CloneFlags::CLONE_NEWNS).is_err() {
        unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS)?;
        fs::write("/proc/self/setgroups", "deny")?;
        fs::write("/proc/self/uid_map", format!("{uid} {uid} 1"))?;
        fs::write("/proc/self/gid_map", format!("{gid} {gid} 1"))?;
    }
    let none: Option<&str> = None;
    nix::mount::mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_SLAVE, none)?;
    // The working directory is still the one outside: enter it anew, so that
    // relative paths lead into the views.
    std::env::set_current_dir(std::env::current_dir()?)
}

/// Goes back to a mount namespace, to the same working directory.
fn return_to(home: &fs::File) -> io::Result<()> {
    let here = std::env::current_dir()?;
    setns(home, CloneFlags::CLONE_NEWNS)?;
    std::env::set_current_dir(here)
}

/// Mounts in a private namespace that ends at once.
pub(crate) fn try_out() -> Result<(), Obstacle> {
    // The words of the child are the text of the obstacle.
    let (read, write) = nix::unistd::pipe()?;
    // SAFETY: the command has only this thread, so that the child may do all
    // that the parent may.
    match unsafe { fork() }? {
        ForkResult::Child => {
            let tried = enter_private_namespace()
                .map_err(Obstacle::of_namespace)
                .and_then(|()| crate::mount::try_out());
            let words = tried.err().map(|obstacle| obstacle.to_string()).unwrap_or_default();
            let written = fs::File::from(write).write_all(words.as_bytes());
            std::process::exit(i32::from(written.is_err()));
        }
        ForkResult::Parent { child } => {
            drop(write);
            let words = io::read_to_string(fs::File::from(read))?;
            waitpid(child, None)?;
            if words.is_empty() { Ok(()) } else { Err(Obstacle::Other(io::Error::other(words))) }
        }
    }
}

/// Variables by which CMake and cargo are told to call compilers and linkers through a
/// launcher (CMake's manual, `CMAKE_<LANG>_LINKER_LAUNCHER`, since 3.21).
const LAUNCHED_BY: [&str; 5] = [
    "CMAKE_C_COMPILER_LAUNCHER",
    "CMAKE_CXX_COMPILER_LAUNCHER",
    "CMAKE_C_LINKER_LAUNCHER",
    "CMAKE_CXX_LINKER_LAUNCHER",
    "RUSTC_WRAPPER",
];

fn start(command: &[OsString], session: &str) -> Result<Child, CommandError> {
    let launcher = beside_us("zccache-launch").map_err(CommandError::System)?;
    let (program, arguments) = command.split_first().ok_or(CommandError::Confused)?;
    // The working directory may have been covered by a view.
    let here = std::env::current_dir().map_err(CommandError::System)?;
    let mut child = Command::new(program);
    child.args(arguments).current_dir(here).env("ZCCACHE_SESSION", session);
    for (name, usual) in [("CC", "cc"), ("CXX", "c++")] {
        child.env(name, launched(&launcher, name, usual));
    }
    for name in LAUNCHED_BY {
        if std::env::var_os(name).is_none_or(|value| value.is_empty()) {
            child.env(name, &launcher);
        }
    }
    child.spawn().map_err(|error| CommandError::Start(program.clone(), error))
}

/// `zccache-launch cc`, or with what the user has set; a launcher behind a
/// launcher steps aside.
fn launched(launcher: &Path, name: &str, usual: &str) -> OsString {
    let compiler = std::env::var_os(name).filter(|value| !value.is_empty());
    let compiler = compiler.unwrap_or_else(|| usual.into());
    let mut launched = launcher.as_os_str().to_owned();
    launched.push(OsStr::new(" "));
    launched.push(compiler);
    launched
}

/// The path of another of our programs.
fn beside_us(program: &str) -> io::Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name(program);
    match path.exists() {
        true => Ok(path),
        false => {
            Err(io::Error::new(io::ErrorKind::NotFound, format!("{} is missing", path.display())))
        }
    }
}

fn summarise(counters: &Counters) {
    if counters.hits + counters.misses + counters.bypassed > 0 {
        eprintln!("zccache: {}", show::summary(counters));
    }
}

fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    ExitCode::from(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX))
}

fn seconds() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |elapsed| elapsed.as_secs())
}
