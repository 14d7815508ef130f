//! A tool at work in directories of its own.

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::tool::Tool;
use zccache_benches::usage::daemons;

/// Where what is compared is.
pub(crate) struct Places {
    /// The directory of our programs.
    pub(crate) ours: PathBuf,
    /// A directory for each of the other tools.
    pub(crate) peers: PathBuf,
    /// The programs of the Rust toolchain.
    pub(crate) toolchain: PathBuf,
    /// Cargo's directory, with all that the projects need.
    pub(crate) cargo_home: PathBuf,
}

/// A tool with a home, a cache and trees that nobody else uses. Dropping it
/// ends its daemons and removes its files.
pub(crate) struct Lane<'a> {
    pub(crate) tool: &'static Tool,
    pub(crate) root: PathBuf,
    places: &'a Places,
    views: RefCell<Vec<PathBuf>>,
}

impl<'a> Lane<'a> {
    /// Makes the directories and starts the daemon. Paths of all lanes have the
    /// same length, so that files that hold them can be compared.
    pub(crate) fn new(tool: &'static Tool, root: PathBuf, places: &'a Places) -> Self {
        for name in ["home", "tmp", "cache"] {
            fs::create_dir_all(root.join(name)).expect("a directory");
        }
        let lane = Self { tool, root, places, views: RefCell::default() };
        if let Some(line) = tool.start {
            let _ = lane.told(line);
        }
        lane
    }

    /// The trees that a project is built in are named `one`, `two` and `next`.
    pub(crate) fn tree(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// A line with paths in place of names in braces.
    pub(crate) fn expand(&self, line: &str, tree: &Path) -> String {
        let cache = self.root.join("cache");
        let places = [
            ("{ours}", &self.places.ours),
            ("{peers}", &self.places.peers),
            ("{root}", &self.root),
            ("{cache}", &cache),
        ];
        let line = line.replace("{tree}", &tree.to_string_lossy());
        places.iter().fold(line, |line, (name, path)| line.replace(name, &path.to_string_lossy()))
    }

    /// What stands in front of compilers.
    pub(crate) fn launcher(&self) -> String {
        self.expand(self.tool.launcher, &self.root)
    }

    /// A command in `tree`, in an environment with nothing else in it, that is
    /// silent unless it fails.
    pub(crate) fn command(&self, line: &str, tree: &Path) -> Command {
        let line = self.expand(line, tree);
        let mut words = line.split(' ').filter(|word| !word.is_empty());
        let mut command = Command::new(words.next().expect("a program"));
        command.args(words).current_dir(tree).env_clear();
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin", self.places.toolchain.display());
        command.env("PATH", path).env("LC_ALL", "C").env("CARGO_HOME", &self.places.cargo_home);
        command.env("HOME", self.root.join("home")).env("TMPDIR", self.root.join("tmp"));
        for (name, value) in self.tool.environment {
            command.env(name, self.expand(value, tree));
        }
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    /// Runs a line to its end; what it says on standard output.
    pub(crate) fn told(&self, line: &str) -> String {
        let mut command = self.command(line, &self.root);
        // A daemon may keep the streams that it was started with.
        let file = self.root.join("tmp/told");
        command.stdout(fs::File::create(&file).expect("a file"));
        let status = command.status().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        assert!(status.success(), "{command:?}: {status}");
        fs::read_to_string(file).unwrap_or_default()
    }

    /// Hits and misses since the daemon was started, if the tool tells.
    pub(crate) fn counters(&self) -> Option<[u64; 2]> {
        let counters = self.tool.counters.as_ref()?;
        Some((counters.read)(&self.told(counters.line)))
    }

    /// Makes a directory a view, if the tool has views.
    pub(crate) fn show(&self, directory: &Path) {
        if self.tool.view {
            let _ = self.told(&format!("{{ours}}/zccache mount {}", directory.display()));
            self.views.borrow_mut().push(directory.to_owned());
        }
    }
}

impl Drop for Lane<'_> {
    fn drop(&mut self) {
        for view in self.views.take() {
            let _ = self.told(&format!("{{ours}}/zccache umount --discard {}", view.display()));
        }
        let start = Instant::now();
        loop {
            let daemons = daemons(&self.root);
            if daemons.is_empty() {
                break;
            }
            let patient = start.elapsed() < Duration::from_secs(5);
            let signal = if patient { Signal::SIGTERM } else { Signal::SIGKILL };
            for pid in daemons.iter().filter_map(|pid| i32::try_from(*pid).ok()) {
                kill(Pid::from_raw(pid), signal).ok();
            }
            sleep(Duration::from_millis(50));
        }
        fs::remove_dir_all(&self.root).ok();
    }
}
