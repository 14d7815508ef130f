//! Real Rust projects: cold, warm, in a view, in another directory and in the next
//! release, compared with a bare build in the same path.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command as Process;

use zccache_core::Reason;
use zccache_tests::project::Project;
use zccache_tests::{Command, Compiler, Counters, Outcome, Place, Trial};

use super::cargo::{cargo, observed, products};

/// A project in a directory of a trial, and what cargo is to do with it.
struct Build<'a> {
    trial: &'a Trial,
    directory: &'a str,
    line: &'a str,
}

impl<'a> Build<'a> {
    /// Lays the sources down in both copies of the tree; none if there are none.
    fn of(trial: &'a Trial, name: &str, directory: &'a str, line: &'a str) -> Option<Self> {
        let sources = Project::find(name)?;
        for root in [trial.tree(), trial.twin()] {
            let mut copy = Process::new("cp");
            copy.arg("-r").arg(sources.sources()).arg(root.join(directory));
            assert!(copy.status().expect("cp can be run").success());
        }
        Some(Self { trial, directory, line })
    }

    fn command(&self) -> Command {
        let home = Project::find("cargo-home").expect("it comes with the sources");
        // Compiles of members of a workspace keep caches of their own, which other
        // tests are about.
        let command = cargo(self.trial, self.line).env("CARGO_HOME", home.sources());
        command.env("CARGO_INCREMENTAL", "0").below(self.directory)
    }

    fn tree(&self) -> PathBuf {
        self.trial.tree().join(self.directory)
    }

    fn bare(&self) -> zccache_tests::Tree {
        let _ = self.trial.bare(&self.command()).succeeded();
        products(&self.trial.twin().join(self.directory))
    }

    /// Builds through the launcher into an empty directory; all is as bare, and cargo
    /// has nothing left to do.
    fn build(&self, bare: &zccache_tests::Tree, what: &str) -> Counters {
        let target = self.tree().join("target");
        if target.exists() {
            fs::remove_dir_all(&target).expect("it can be removed");
        }
        self.trial.age();
        let (_, counted) = self.observed();
        let difference = bare.difference(&products(&self.tree()));
        assert!(difference.is_empty(), "{what}: files differ from bare:\n{difference}");
        let (again, idle) = self.observed();
        assert!(!again.err().contains("Compiling"), "{what}: {}", again.err());
        assert_eq!(idle.misses, 0, "{what}: everything is fresh: {idle:?}");
        counted
    }

    fn observed(&self) -> (Outcome, Counters) {
        let launcher = self.trial.sandbox().programs().launcher();
        // What build scripts compile.
        let compiler = format!("{} gcc", launcher.display());
        observed(self.trial, self.command().env("CC_x86_64_unknown_linux_gnu", compiler))
    }

    /// Cold, warm, and warm in a view.
    fn everywhere(&self, compiles: u64) {
        let bare = self.bare();
        let cold = self.build(&bare, "cold");
        // C sources of onig have words that may be pasted to a time macro, and cc asks the
        // compiler for options it does not have.
        let because = |reason: Reason| cold.reasons.get(reason.slug()).copied().unwrap_or_default();
        let never = because(Reason::TimeMacro) + because(Reason::CompilerFailed);
        let late = late(&cold);
        assert!(cold.misses >= compiles && late <= 2, "{cold:?}");
        assert_eq!(cold.abandoned, never + late, "{cold:?}");
        let missed = never..=never + late;
        let warm = self.build(&bare, "warm");
        assert!(warm.hits >= compiles && missed.contains(&warm.misses), "{warm:?}");
        self.trial.sandbox().mount(&self.tree());
        let shown = self.build(&bare, "in a view");
        assert!(missed.contains(&shown.misses), "{shown:?}");
        self.trial.sandbox().umount(&self.tree());
        let difference = bare.difference(&products(&self.tree()));
        assert!(difference.is_empty(), "unmounted: files differ from bare:\n{difference}");
    }
}

/// Where a build script has tried one thing it tries the next at once, perhaps before
/// the first is kept.
fn late(counted: &Counters) -> u64 {
    counted.reasons.get(Reason::InputChanged.slug()).copied().unwrap_or_default()
}

fn runs(trial: &Trial, program: &Path) {
    let program = program.to_str().expect("a plain path");
    let told = trial.sandbox().bare(trial.tree(), Command::new([program, "--version"])).succeeded();
    assert!(!told.out().is_empty());
}

/// A release after the other: what both need is compiled once.
#[test]
fn ripgrep_and_its_next_release() {
    let trial = Trial::new(Place::Plain, Compiler::Gcc);
    let line = "$CARGO build --offline --locked";
    let Some(old) = Build::of(&trial, "ripgrep-14.1.0", "old", line) else { return };
    let Some(new) = Build::of(&trial, "ripgrep-14.1.1", "new", line) else { return };
    old.everywhere(40);
    runs(&trial, &old.tree().join("target/debug/rg"));
    let next = new.build(&new.bare(), "the next release");
    assert!(next.hits >= 5 && next.abandoned == late(&next), "{next:?}");
    runs(&trial, &new.tree().join("target/debug/rg"));
}

/// Derives of serde and of the workspace itself; its tests, in two directories.
#[test]
fn a_workspace_with_derives() {
    let trial = Trial::new(Place::Plain, Compiler::Gcc);
    let line = "$CARGO test --offline --locked --workspace --no-run";
    let Some(one) = Build::of(&trial, "derive", "one", line) else { return };
    one.everywhere(14);
    let Some(other) = Build::of(&trial, "derive", "another-directory", line) else { return };
    let moved = other.build(&other.bare(), "in another directory");
    assert!(moved.hits >= 10 && moved.abandoned == late(&moved), "{moved:?}");
    let run = Build { line: "$CARGO test --offline --locked --workspace", ..other };
    let _ = run.observed().0.succeeded();
}

#[test]
fn bat_is_checked() {
    let trial = Trial::new(Place::Plain, Compiler::Gcc);
    let line =
        "$CARGO check --offline --locked --no-default-features --features minimal-application";
    let Some(bat) = Build::of(&trial, "bat-0.24.0", "bat", line) else { return };
    bat.everywhere(100);
}
