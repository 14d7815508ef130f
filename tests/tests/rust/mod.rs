//! rustc: every crate type, every kind of input, every kind of output.

mod cargo;
mod crates;
mod environment;
mod files;
mod forms;
mod macros;
mod projects;
mod worktrees;

use zccache_tests::{Command, Step, Trial, rust};

/// Makes a library of the macros in `m.rs`.
const BUILD_MACRO: &str = "$RUSTC --crate-type proc-macro --edition 2021 --extern proc_macro m.rs";

/// A command line of a trial; see [`rust::line`] and [`Trial::line`].
fn command(trial: &Trial, line: &str) -> Command {
    trial.line(&rust::line(line))
}

fn run(trial: &Trial, line: &str) -> Step {
    trial.run(command(trial, line))
}

/// As `run`, where nothing is at the place of the output: lld opens what is there
/// before it replaces it, and such a run is not kept.
fn link(trial: &Trial, output: &str, line: &str) -> Step {
    trial.edit(|root| {
        std::fs::remove_file(root.join(output)).ok();
    });
    run(trial, line)
}

fn misses_then_hits(trial: &Trial, line: &str) {
    trial.miss_then_hit(command(trial, line));
}
