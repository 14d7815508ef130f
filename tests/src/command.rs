//! A command, and what its caller sees of it.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::sys::stat::{Mode, umask};
use nix::unistd::Pid;

/// How long any command may take before it counts as hanging. A full build of
/// a project on a loaded machine takes some minutes.
const HANGS_AFTER: Duration = Duration::from_secs(600);

/// How long the streams may stay open after the command itself has ended: gcc that
/// is ended by a signal leaves its parts to end by themselves, on a loaded machine
/// late.
const STREAMS_END_WITHIN: Duration = Duration::from_secs(90);

/// One command, not yet placed in a directory of the file system.
#[derive(Clone, Debug)]
pub struct Command {
    argv: Vec<OsString>,
    environment: Vec<(OsString, Option<OsString>)>,
    directory: PathBuf,
    umask: Option<u32>,
    stdin: Vec<u8>,
}

/// What the caller of a command sees of it, besides files.
#[derive(Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Exit code or signal.
    pub status: ExitStatus,
    /// Everything written to descriptor 1.
    pub stdout: Vec<u8>,
    /// Everything written to descriptor 2.
    pub stderr: Vec<u8>,
}

impl From<&str> for Command {
    /// Splits at white space; there is no quoting, see [`Command::arg`].
    fn from(line: &str) -> Self {
        Self::new(line.split_whitespace())
    }
}

impl From<&Self> for Command {
    fn from(command: &Self) -> Self {
        command.clone()
    }
}

impl Command {
    /// A command from its arguments.
    pub fn new<S: Into<OsString>>(argv: impl IntoIterator<Item = S>) -> Self {
        Self {
            argv: argv.into_iter().map(Into::into).collect(),
            environment: Vec::new(),
            directory: PathBuf::new(),
            umask: None,
            stdin: Vec::new(),
        }
    }

    /// Appends an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.argv.push(argument.as_ref().to_owned());
        self
    }

    /// Puts arguments in front.
    #[must_use]
    pub fn behind<S: AsRef<OsStr>>(mut self, front: &[S]) -> Self {
        self.argv.splice(0..0, front.iter().map(|s| s.as_ref().to_owned()));
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), Some(value.into())));
        self
    }

    /// Removes an environment variable.
    #[must_use]
    pub fn env_remove(mut self, name: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), None));
        self
    }

    /// Runs in this directory below the one that it is started from.
    #[must_use]
    pub fn below(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = directory.into();
        self
    }

    /// Runs with this file mode creation mask.
    #[must_use]
    pub fn umask(mut self, mask: u32) -> Self {
        self.umask = Some(mask);
        self
    }

    /// Runs with these bytes on its standard input.
    #[must_use]
    pub fn stdin(mut self, bytes: &[u8]) -> Self {
        self.stdin = bytes.to_vec();
        self
    }

    /// Where it runs when started from `root`.
    #[must_use]
    pub fn directory(&self, root: &Path) -> PathBuf {
        if self.directory.as_os_str().is_empty() { root.into() } else { root.join(&self.directory) }
    }

    /// The process to be, started from `root` with exactly `environment` and
    /// what this command adds to it, and with `PWD` as a shell sets it.
    #[must_use]
    pub fn process(
        &self,
        root: &Path,
        environment: &[(OsString, OsString)],
    ) -> std::process::Command {
        let directory = self.directory(root);
        let mut process = std::process::Command::new(&self.argv[0]);
        process.args(&self.argv[1..]).env_clear().envs(environment.iter().cloned());
        process.current_dir(&directory).env("PWD", &directory).process_group(0);
        for (name, value) in &self.environment {
            match value {
                Some(value) => process.env(name, value),
                None => process.env_remove(name),
            };
        }
        // SAFETY: the closure makes one async-signal-safe system call.
        unsafe { process.pre_exec(keep_descriptors_back) };
        if let Some(mask) = self.umask {
            let set = move || {
                umask(Mode::from_bits_truncate(mask));
                Ok(())
            };
            // SAFETY: the closure makes one async-signal-safe system call.
            unsafe { process.pre_exec(set) };
        }
        process
    }

    /// Runs a process made by [`Command::process`] to its end.
    ///
    /// # Panics
    /// When it cannot be started, hangs, or leaves a process behind that keeps
    /// its streams open.
    #[must_use]
    pub fn finish(&self, process: &mut std::process::Command) -> Outcome {
        self.start(process).wait()
    }

    /// Starts a process made by [`Command::process`].
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(&self, process: &mut std::process::Command) -> Running {
        process.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = {
            let _forks = FORKS.read().unwrap_or_else(PoisonError::into_inner);
            process.spawn().unwrap_or_else(|error| panic!("{self}: {error}"))
        };
        let mut stdin = child.stdin.take().expect("piped");
        let input = self.stdin.clone();
        // A program that does not read its input breaks the pipe, rightly.
        std::thread::spawn(move || stdin.write_all(&input));
        let stdout = drain(child.stdout.take().expect("piped"));
        let stderr = drain(child.stderr.take().expect("piped"));
        Running { name: self.to_string(), child, stdout, stderr }
    }
}

/// Shared by all who fork, for as long as a child may have a copy of every descriptor.
static FORKS: RwLock<()> = RwLock::new(());

/// Waits until no child of another test has a copy of a descriptor that was closed before:
/// a script that somebody may still write to cannot be run (`ETXTBSY`, `execve(2)`).
pub(crate) fn wait_for_forks() {
    drop(FORKS.write().unwrap_or_else(PoisonError::into_inner));
    // Where exec closes descriptors, files follow when it returns.
    std::thread::sleep(Duration::from_millis(1));
}

/// A terminal or a build service may have left descriptors open, which are not
/// for the command.
fn keep_descriptors_back() -> std::io::Result<()> {
    let flags = libc::CLOSE_RANGE_CLOEXEC;
    // SAFETY: marks descriptors to be closed by exec, whoever has them.
    let marked = unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, flags) };
    if marked == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<_> = self.argv.iter().map(|word| word.to_string_lossy()).collect();
        f.write_str(&words.join(" "))
    }
}

/// A started command.
#[derive(Debug)]
pub struct Running {
    name: String,
    child: Child,
    stdout: Receiver<Vec<u8>>,
    stderr: Receiver<Vec<u8>>,
}

impl Running {
    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).expect("process ids fit"))
    }

    /// Waits until it has ended.
    ///
    /// # Panics
    /// When it hangs, or when its streams stay open.
    #[must_use]
    pub fn wait(mut self) -> Outcome {
        let group = self.pid();
        let (ended, has_ended) = mpsc::channel::<()>();
        let watchdog = std::thread::spawn(move || {
            let hangs = has_ended.recv_timeout(HANGS_AFTER) == Err(RecvTimeoutError::Timeout);
            if hangs {
                killpg(group, Signal::SIGKILL).ok();
            }
            hangs
        });
        let status = self.child.wait().expect("a child can be waited for");
        drop(ended);
        let hung = watchdog.join().expect("the watchdog does not panic");
        assert!(!hung, "{} hangs", self.name);
        let rest = |stream: Receiver<Vec<u8>>| {
            stream.recv_timeout(STREAMS_END_WITHIN).unwrap_or_else(|_| {
                panic!("{}: a process left behind keeps its streams open", self.name)
            })
        };
        Outcome { status, stdout: rest(self.stdout), stderr: rest(self.stderr) }
    }
}

fn drain(mut stream: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).ok();
        sender.send(bytes).ok();
    });
    receiver
}

impl Outcome {
    /// Standard output as text.
    #[must_use]
    pub fn out(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard error as text.
    #[must_use]
    pub fn err(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// The outcome itself, of a command that has to succeed.
    ///
    /// # Panics
    /// When it failed.
    #[must_use]
    pub fn succeeded(self) -> Self {
        assert!(self.status.success(), "{self:?}");
        self
    }
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |bytes: &[u8]| OsStr::from_bytes(bytes).to_string_lossy().into_owned();
        match self.status.signal() {
            Some(signal) => writeln!(f, "ended by signal {signal}")?,
            None => writeln!(f, "{}", self.status)?,
        }
        writeln!(f, "--- stdout\n{}", text(&self.stdout))?;
        write!(f, "--- stderr\n{}", text(&self.stderr))
    }
}
