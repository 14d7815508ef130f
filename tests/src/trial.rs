//! The differential primitive: one command, bare and through zccache, in the
//! same path, from the same state, judged by everything its caller can see.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use zccache_core::Reason;

use crate::command::{Command, Outcome};
use crate::counters::Counters;
use crate::sandbox::Sandbox;
use crate::tree::Tree;
use crate::{command, confine, sandbox};

/// Files that have just changed are not trusted by their time stamps; a person
/// is never as fast as a test.
const AGE_OF_INPUTS: Duration = Duration::from_millis(30);

/// Where a trial takes place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// A directory as it is.
    Plain,
    /// A directory with a view mounted over it, sources included.
    View,
}

/// The compilers that every case is tried with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Compiler {
    /// `gcc` and `g++`.
    Gcc,
    /// `clang` and `clang++`.
    Clang,
}

impl Compiler {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Gcc, Self::Clang];

    /// The C compiler.
    #[must_use]
    pub fn c(self) -> &'static str {
        match self {
            Self::Gcc => "gcc",
            Self::Clang => "clang",
        }
    }

    /// The C++ compiler.
    #[must_use]
    pub fn cxx(self) -> &'static str {
        match self {
            Self::Gcc => "g++",
            Self::Clang => "clang++",
        }
    }
}

/// When inputs are watched in a trial: at once with one compiler and never with the other,
/// so that every case has the same verdicts with a memory of inputs and without one; the
/// other way round if `ZCCACHE_WATCH_THE_OTHER` is set.
fn watching(compiler: Compiler) -> &'static str {
    let other = std::env::var_os("ZCCACHE_WATCH_THE_OTHER").is_some();
    if (compiler == Compiler::Gcc) == other { "0" } else { "at-once" }
}

/// A tree of files in two copies that see the same edits: in one, commands run
/// bare, in the other through zccache. Bare commands see their copy at the path
/// of the other, by a bind mount in a namespace of their own.
#[derive(Debug)]
pub struct Trial {
    sandbox: Sandbox,
    place: Place,
    tree: PathBuf,
    twin: PathBuf,
    compiler: Compiler,
    last_edit: Mutex<Instant>,
}

impl Trial {
    /// An empty tree.
    ///
    /// # Panics
    /// When the sandbox cannot be made.
    #[must_use]
    pub fn new(place: Place, compiler: Compiler) -> Self {
        let mut sandbox = Sandbox::new();
        sandbox.set("ZCCACHE_WATCH", watching(compiler));
        let (tree, twin) = (sandbox.path("work"), sandbox.path("twin"));
        fs::create_dir(&twin).expect("a directory");
        let _ = sandbox.zccache(&["start"]).succeeded();
        if place == Place::View {
            sandbox.mount(&tree);
        }
        let last_edit = Mutex::new(Instant::now());
        Self { sandbox, place, tree, twin, compiler, last_edit }
    }

    /// The sandbox of the trial.
    #[must_use]
    pub fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    /// The sandbox, to change it.
    pub fn sandbox_mut(&mut self) -> &mut Sandbox {
        &mut self.sandbox
    }

    /// The path at which commands see the tree.
    #[must_use]
    pub fn tree(&self) -> &Path {
        &self.tree
    }

    /// The copy for bare commands, where it really is.
    #[must_use]
    pub fn twin(&self) -> &Path {
        &self.twin
    }

    /// Whether the trial is in a view or outside one.
    #[must_use]
    pub fn place(&self) -> Place {
        self.place
    }

    /// The compiler that `$CC` and `$CXX` stand for.
    #[must_use]
    pub fn compiler(&self) -> Compiler {
        self.compiler
    }

    /// A command line, in which `$CC`, `$CXX` and `$PWD` are words or ends of
    /// words that stand for the compiler and the path of the tree.
    #[must_use]
    pub fn line(&self, line: &str) -> Command {
        let tree = self.tree.to_str().expect("temporary directories have plain names");
        let line = line.replace("$CXX", self.compiler.cxx()).replace("$CC", self.compiler.c());
        Command::from(line.replace("$PWD", tree).as_str())
    }

    /// Changes both copies in the same way.
    pub fn edit(&self, change: impl Fn(&Path)) {
        change(&self.tree);
        change(&self.twin);
        command::wait_for_forks();
        *self.last_edit.lock().expect("no panic holds it") = Instant::now();
    }

    /// Writes a file, with the directories that lead to it.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn file(&self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) {
        self.edit(|root| {
            let path = root.join(path.as_ref());
            fs::create_dir_all(path.parent().expect("it is below the root")).expect("directories");
            fs::write(path, content.as_ref()).expect("a file");
        });
    }

    /// Removes a file.
    ///
    /// # Panics
    /// When there is none.
    pub fn remove(&self, path: impl AsRef<Path>) {
        self.edit(|root| fs::remove_file(root.join(path.as_ref())).expect("it can be removed"));
    }

    /// Runs a command line of this trial: see [`Trial::line`] and [`Trial::run`].
    ///
    /// # Panics
    /// When it does not do the same through zccache as bare.
    pub fn run_line(&self, line: &str) -> Step {
        self.run(self.line(line))
    }

    /// Runs a command bare in one copy and through zccache in the other.
    ///
    /// # Panics
    /// When status, streams or files differ.
    pub fn run(&self, command: impl Into<Command>) -> Step {
        let command = command.into();
        let expected = self.bare(&command);
        self.run_expecting(&command, &self.sandbox.launched(&command), &expected)
    }

    /// Runs one command bare and another, with zccache in it, as it is.
    ///
    /// # Panics
    /// When status, streams or files differ.
    pub fn run_pair(&self, bare: impl Into<Command>, cached: impl Into<Command>) -> Step {
        let bare = bare.into();
        let expected = self.bare(&bare);
        self.run_expecting(&bare, &cached.into(), &expected)
    }

    fn run_expecting(&self, bare: &Command, cached: &Command, expected: &Outcome) -> Step {
        let (before, running) = (self.sandbox.counters(), self.sandbox.running());
        self.age();
        let found = self.sandbox.bare(&self.tree, cached);
        self.sandbox.settle_but(running);
        let counted = self.sandbox.counters().since(&before);
        let label = format!("{bare} ({:?})", self.place);
        assert_eq!(expected, &found, "{label}: the caller sees another outcome\n{counted:?}");
        self.assert_same_trees(&format!("{label}\n{found:?}\n{counted:?}"));
        assert_eq!(counted.errors, 0, "{label}: {counted:?}");
        Step { counted, outcome: found, label }
    }

    /// Runs a command bare, in the twin at the path of the tree.
    #[must_use]
    pub fn bare(&self, command: &Command) -> Outcome {
        let mut process = command.process(&self.tree, self.sandbox.environment());
        process.current_dir("/");
        confine::bind(&mut process, &self.twin, &self.tree, &command.directory(&self.tree));
        command.finish(&mut process)
    }

    /// Waits until the last edit is no longer so recent that it is distrusted.
    ///
    /// # Panics
    /// Never.
    pub fn age(&self) {
        let last = *self.last_edit.lock().expect("no panic holds it");
        std::thread::sleep(AGE_OF_INPUTS.saturating_sub(last.elapsed()));
    }

    /// # Panics
    /// When the two copies differ.
    pub fn assert_same_trees(&self, label: &str) {
        let difference = Tree::of(&self.twin).difference(&Tree::of(&self.tree));
        assert!(difference.is_empty(), "files differ from bare:\n{difference}after {label}");
    }

    /// Runs a command line twice from the same state: the first time it misses
    /// and is kept, the second time it hits.
    ///
    /// # Panics
    /// When it does not, or when anything differs from bare.
    pub fn miss_then_hit(&self, command: impl Into<Command>) {
        let command = command.into();
        let state = self.state();
        self.run(&command).kept();
        self.reset(&state);
        self.run(&command).hit();
    }

    /// As [`Trial::miss_then_hit`], for a command line of this trial.
    ///
    /// # Panics
    /// As there.
    pub fn line_misses_then_hits(&self, line: &str) {
        self.miss_then_hit(self.line(line));
    }

    /// The state of the tree, to go back to.
    #[must_use]
    pub fn state(&self) -> Tree {
        Tree::of(&self.twin)
    }

    /// Brings both copies back to a state.
    pub fn reset(&self, state: &Tree) {
        self.edit(|root| state.restore(root));
    }

    /// Ends the trial; what a view showed has to stay when it is unmounted.
    ///
    /// # Panics
    /// When it does not.
    pub fn end(self) {
        if self.place == Place::View && sandbox::is_view(&self.tree) {
            let shown = Tree::of(&self.tree);
            self.sandbox.umount(&self.tree);
            let difference = shown.difference(&Tree::of(&self.tree));
            assert!(difference.is_empty(), "unmounting has changed files:\n{difference}");
        }
    }
}

/// What became of a command.
#[derive(Debug)]
pub struct Step {
    /// What zccache counted meanwhile.
    pub counted: Counters,
    /// What the caller saw.
    pub outcome: Outcome,
    label: String,
}

impl Step {
    fn counts(self, hits: u64, misses: u64, abandoned: u64) -> Self {
        let counted = &self.counted;
        let found = (counted.hits, counted.misses, counted.abandoned, counted.bypassed);
        let wanted = (hits, misses, abandoned, 0);
        let columns = "(hits, misses, abandoned, bypassed)";
        assert_eq!(found, wanted, "{}: {columns} {counted:?}", self.label);
        self
    }

    /// It was served from the cache.
    pub fn hit(self) -> Self {
        self.counts(1, 0, 0)
    }

    /// It was compiled and kept.
    pub fn kept(self) -> Self {
        self.counts(0, 1, 0)
    }

    /// It was compiled under observation and not kept, for this reason.
    ///
    /// # Panics
    /// When it was kept, or not kept for another reason.
    pub fn abandoned(self, reason: Reason) -> Self {
        let step = self.counts(0, 1, 1);
        step.assert_reason(reason);
        step
    }

    /// The compiler was run unobserved, for this reason.
    ///
    /// # Panics
    /// When it was not, or for another reason.
    pub fn bypassed(self, reason: Reason) -> Self {
        let bypassed = (self.counted.lookups(), self.counted.bypassed) == (1, 1);
        assert!(bypassed, "{}: {:?}", self.label, self.counted);
        self.assert_reason(reason);
        self
    }

    /// It was compiled, kept or not.
    ///
    /// # Panics
    /// When it was served from the cache.
    pub fn not_hit(self) -> Self {
        assert_eq!(self.counted.hits, 0, "{}: {:?}", self.label, self.counted);
        self
    }

    /// It was looked at under observation or served, not bypassed.
    ///
    /// # Panics
    /// When it was bypassed or not counted.
    pub fn not_bypassed(self) -> Self {
        let seen = (self.counted.lookups(), self.counted.bypassed) == (1, 0);
        assert!(seen, "{}: {:?}", self.label, self.counted);
        self
    }

    /// It was counted, as whatever it was.
    ///
    /// # Panics
    /// When it was not counted, or more than once.
    pub fn counted_once(self) -> Self {
        assert_eq!(self.counted.lookups(), 1, "{}: {:?}", self.label, self.counted);
        self
    }

    fn assert_reason(&self, reason: Reason) {
        let counted = self.counted.reasons.get(reason.slug());
        assert_eq!(counted, Some(&1), "{}: {} in {:?}", self.label, reason.slug(), self.counted);
    }
}

/// Runs a trial in a view and outside one, with each compiler.
pub fn everywhere(trial: impl Fn(&Trial)) {
    for compiler in Compiler::ALL {
        for place in [Place::Plain, Place::View] {
            once(place, compiler, &trial);
        }
    }
}

/// Runs one trial from an empty tree to its end.
pub fn once(place: Place, compiler: Compiler, trial: impl Fn(&Trial)) {
    let fresh = Trial::new(place, compiler);
    trial(&fresh);
    fresh.end();
}
