//! A user of zccache with nothing but a home, a store and a clean environment.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use nix::mount::{MntFlags, umount2};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

use crate::command::{Command, Outcome, Running};
use crate::counters::Counters;
use crate::programs::Programs;

/// How long anything that happens in the background may take.
const HAPPENS_WITHIN: Duration = Duration::from_secs(60);

/// A store, a home and an environment of their own. Dropping it, also while
/// panicking, ends its daemon and its mounts and removes its files.
#[derive(Debug)]
pub struct Sandbox {
    programs: Programs,
    environment: Vec<(OsString, OsString)>,
    mounted: Mutex<BTreeSet<PathBuf>>,
    root: TempDir,
}

impl Sandbox {
    /// An empty sandbox in the directory for temporary files.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn new() -> Self {
        // Short: the path of a Unix socket has at most 107 bytes.
        let root = tempfile::Builder::new().prefix("zcc-").tempdir().expect("a directory");
        for name in ["home", "tmp", "work"] {
            fs::create_dir(root.path().join(name)).expect("a directory");
        }
        let mut sandbox = Self {
            programs: Programs::locate(),
            environment: Vec::new(),
            mounted: Mutex::default(),
            root,
        };
        let path = |name: &str| sandbox.path(name).into_os_string();
        let environment = [
            ("PATH", "/usr/local/bin:/usr/bin:/bin".into()),
            ("LC_ALL", "C".into()),
            ("HOME", path("home")),
            ("TMPDIR", path("tmp")),
            ("ZCCACHE_DIR", path("store")),
        ];
        sandbox.environment = environment.into_iter().map(|(n, v)| (n.into(), v)).collect();
        sandbox
    }

    /// A path in the sandbox: `home`, `tmp`, `store` and `work` are in use.
    #[must_use]
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.root.path().join(name)
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> PathBuf {
        self.path("store")
    }

    /// What the store keeps, in a directory of its format.
    #[must_use]
    pub fn kept(&self) -> PathBuf {
        self.store().join("store-10")
    }

    /// The programs under test.
    #[must_use]
    pub fn programs(&self) -> &Programs {
        &self.programs
    }

    /// Uses programs from elsewhere.
    pub fn use_programs(&mut self, programs: Programs) {
        self.programs = programs;
    }

    /// The environment of every process.
    #[must_use]
    pub fn environment(&self) -> &[(OsString, OsString)] {
        &self.environment
    }

    /// Sets a variable for every later process.
    pub fn set(&mut self, name: &str, value: impl Into<OsString>) {
        self.environment.retain(|(other, _)| other != name);
        self.environment.push((name.into(), value.into()));
    }

    /// Leaves a variable unset for every later process.
    pub fn unset(&mut self, name: &str) {
        self.environment.retain(|(other, _)| other != name);
    }

    /// Runs a command as it is, from `root`.
    #[must_use]
    pub fn bare(&self, root: &Path, command: impl Into<Command>) -> Outcome {
        let command = command.into();
        command.finish(&mut command.process(root, &self.environment))
    }

    /// Runs a command through the launcher, from `root`.
    #[must_use]
    pub fn launch(&self, root: &Path, command: impl Into<Command>) -> Outcome {
        self.start_launch(root, command).wait()
    }

    /// Starts a command through the launcher, from `root`.
    #[must_use]
    pub fn start_launch(&self, root: &Path, command: impl Into<Command>) -> Running {
        let command = self.launched(command);
        command.start(&mut command.process(root, &self.environment))
    }

    /// A command with the launcher in front.
    #[must_use]
    pub fn launched(&self, command: impl Into<Command>) -> Command {
        command.into().behind(&[self.programs.launcher()])
    }

    /// Runs the `zccache` command.
    #[must_use]
    pub fn zccache<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Outcome {
        let words = arguments.iter().map(|argument| argument.as_ref().to_owned());
        let command = Command::new(words).behind(&[self.programs.control()]);
        command.finish(&mut command.process(self.root.path(), &self.environment))
    }

    /// Mounts a view over a directory.
    ///
    /// # Panics
    /// When it cannot be mounted.
    pub fn mount(&self, directory: &Path) {
        self.mounted.lock().expect("no panic holds it").insert(directory.to_owned());
        let _ = self.zccache(&[OsStr::new("mount"), directory.as_os_str()]).succeeded();
        assert!(is_view(directory), "{} is no view after zccache mount", directory.display());
    }

    /// Unmounts a view; its files stay.
    ///
    /// # Panics
    /// When it cannot be unmounted.
    pub fn umount(&self, directory: &Path) {
        let _ = self.unmounting(&[OsStr::new("umount"), directory.as_os_str()]);
        assert!(!is_view(directory), "{} is still a view", directory.display());
        self.mounted.lock().expect("no panic holds it").remove(directory);
    }

    /// Runs a command that unmounts views, again while one is in use: whoever looks
    /// through `/proc` is in every directory for a moment, and a view that covered
    /// another uses it while some mount namespace has a copy of the mount, as those
    /// that other tests make have.
    ///
    /// # Panics
    /// When it fails for another reason, or for too long.
    pub fn unmounting<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Outcome {
        let mut last = None;
        eventually("nobody is in the view", || {
            let outcome = self.zccache(arguments);
            assert!(outcome.status.success() || outcome.err().contains("in use"), "{outcome:?}");
            last.insert(outcome).status.success()
        });
        last.expect("it was run")
    }

    /// The counters of the daemon.
    ///
    /// # Panics
    /// When they cannot be had.
    #[must_use]
    pub fn counters(&self) -> Counters {
        Counters::parse(&self.zccache(&["stats", "--json"]).succeeded().stdout)
    }

    /// What `zccache status --json` says.
    ///
    /// # Panics
    /// When it says nothing that can be understood.
    #[must_use]
    pub fn status(&self) -> Value {
        let outcome = self.zccache(&["status", "--json"]).succeeded();
        serde_json::from_slice(&outcome.stdout).unwrap_or_else(|e| panic!("{e}: {outcome:?}"))
    }

    /// How many compilers run under a ticket.
    #[must_use]
    pub fn running(&self) -> u64 {
        self.status()["running"].as_u64().unwrap_or(u64::MAX)
    }

    /// Waits until the daemon has kept, or dropped, all it was given.
    ///
    /// # Panics
    /// When that takes forever.
    pub fn settle(&self) {
        self.settle_but(0);
    }

    /// As [`Sandbox::settle`], while so many compilers run on. A launcher that has
    /// ended holds its ticket until the daemon has read its report.
    ///
    /// # Panics
    /// When that takes forever.
    pub fn settle_but(&self, running: u64) {
        eventually("publications end", || {
            let status = self.status();
            let count = |name: &str| status[name].as_u64().unwrap_or(u64::MAX);
            count("publications_in_flight") == 0 && count("running") <= running
        });
    }

    /// The processes of this sandbox's daemons.
    ///
    /// # Panics
    /// When processes cannot be listed.
    #[must_use]
    pub fn daemons(&self) -> Vec<Pid> {
        let processes = fs::read_dir("/proc").expect("/proc is mounted");
        let names = processes.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let pids = names.filter_map(|name| name.parse().ok()).map(Pid::from_raw);
        pids.filter(|pid| self.is_our_daemon(*pid)).collect()
    }

    /// A process of the daemon program that holds files of this store, or was
    /// told of it.
    fn is_our_daemon(&self, pid: Pid) -> bool {
        let process = PathBuf::from(format!("/proc/{pid}"));
        let runs = fs::read_link(process.join("exe"));
        if !runs.is_ok_and(|program| program.ends_with("zccache-daemon")) {
            return false;
        }
        let root = self.root.path().as_os_str().as_encoded_bytes();
        let mentions = |bytes: Vec<u8>| bytes.windows(root.len()).any(|window| window == root);
        let told = ["cmdline", "environ"].map(|name| fs::read(process.join(name)));
        if told.into_iter().any(|text| text.is_ok_and(mentions)) {
            return true;
        }
        let Ok(files) = fs::read_dir(process.join("fd")) else { return false };
        let targets = files.filter_map(|file| fs::read_link(file.ok()?.path()).ok());
        targets.into_iter().any(|target| target.starts_with(self.root.path()))
    }

    /// Ends the daemon with SIGKILL, and waits until another shows the view again
    /// that was mounted over `directory`.
    ///
    /// # Panics
    /// When there is none, or no other comes.
    pub fn kill_daemon_under(&self, directory: &Path) {
        let before = self.daemons();
        for pid in &before {
            kill(*pid, Signal::SIGKILL).ok();
        }
        let gone = || !self.daemons().iter().any(|pid| before.contains(pid));
        eventually("the daemon is gone", gone);
        eventually("another daemon shows the view", || {
            let mounts = self.zccache(&["mounts"]);
            mounts.out().contains(&*directory.to_string_lossy())
        });
    }

    /// Ends the daemon with SIGKILL.
    ///
    /// # Panics
    /// When there is none, or it survives.
    pub fn kill_daemon(&self) {
        assert!(!self.daemons().is_empty(), "no daemon to kill");
        self.kill_daemons();
    }

    /// Ends whatever daemons there are with SIGKILL.
    ///
    /// # Panics
    /// When one survives.
    pub fn kill_daemons(&self) {
        let daemons = self.daemons();
        for pid in &daemons {
            kill(*pid, Signal::SIGKILL).ok();
        }
        // One that is dying has no program any more, but may have its socket still.
        eventually("the daemon is gone", || daemons.iter().all(|pid| is_dead(*pid)));
        eventually("no daemon is left", || self.daemons().is_empty());
    }
}

impl Default for Sandbox {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let mounted = std::mem::take(self.mounted.get_mut().unwrap_or_else(|e| e.into_inner()));
        // A view whose daemon is killed comes back until it is unmounted.
        let patience = Instant::now() + Duration::from_secs(3);
        loop {
            for directory in mounted.iter().rev() {
                umount2(directory, MntFlags::MNT_DETACH).ok();
            }
            let daemons = self.daemons();
            if daemons.is_empty() && !mounted.iter().any(|directory| is_view(directory)) {
                return;
            }
            let patient = Instant::now() < patience;
            for pid in daemons {
                kill(pid, if patient { Signal::SIGTERM } else { Signal::SIGKILL }).ok();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Whether a process has ended, reaped or not (`proc_pid_stat(5)`).
fn is_dead(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.map_or(true, |stat| stat.rsplit(')').next().is_some_and(|rest| rest.starts_with(" Z")))
}

/// Whether a view is mounted at the directory itself.
///
/// # Panics
/// When mounts cannot be listed.
#[must_use]
pub fn is_view(directory: &Path) -> bool {
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("/proc is mounted");
    mounts.lines().any(|line| {
        let mut fields = line.split(' ').skip(4);
        let point = fields.next().unwrap_or_default();
        let kind = line.split(" - ").nth(1).unwrap_or_default();
        Path::new(point) == directory && kind.starts_with("fuse")
    })
}

/// Waits for something that happens in the background.
///
/// # Panics
/// When it does not happen.
pub fn eventually(what: &str, mut happened: impl FnMut() -> bool) {
    let deadline = Instant::now() + HAPPENS_WITHIN;
    while !happened() {
        assert!(Instant::now() < deadline, "it never comes true that {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
