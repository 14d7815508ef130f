//! Two worktrees of one repository, built by cargo: what cannot know in which of them
//! it is built is compiled once.

use std::fs;

use zccache_tests::{Command, Counters, Step, Trial};

use super::cargo::{cargo, observed, products};
use super::command;
use crate::places;

const ONE: &str = "one";
const OTHER: &str = "another-worktree";

/// A workspace with a member, and a package elsewhere, as one of a registry is. Both
/// have a build script; a macro takes part.
fn worktrees(trial: &Trial) {
    let package = |name: &str, more: &str| {
        format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2021\"\n{more}")
    };
    let script = "fn main() { println!(\"cargo::rerun-if-changed=build.rs\"); }\n";
    let macros = "use proc_macro::TokenStream;\n#[proc_macro]\n\
        pub fn seven(_: TokenStream) -> TokenStream { \"7u32\".parse().unwrap() }\n";
    let file = |name: &str, text: &str| trial.file(name, text);
    file("elsewhere/mac/Cargo.toml", &package("mac", "[lib]\nproc-macro = true\n[workspace]\n"));
    file("elsewhere/mac/src/lib.rs", macros);
    let uses_macro = "[dependencies]\nmac = { path = \"../mac\" }\n[workspace]\n";
    file("elsewhere/dep/Cargo.toml", &package("dep", uses_macro));
    file("elsewhere/dep/build.rs", script);
    file("elsewhere/dep/src/lib.rs", "pub fn dep() -> u32 { let unused = mac::seven!(); 7 }\n");
    for worktree in [ONE, OTHER] {
        let file = |name: &str, text: &str| trial.file(format!("{worktree}/{name}"), text);
        file(".git", "gitdir: elsewhere\n");
        let uses_dep = "[dependencies]\ndep = { path = \"../elsewhere/dep\" }\n\
            member = { path = \"member\" }\n[workspace]\nmembers = [\"member\"]\n";
        file("Cargo.toml", &package("demo", uses_dep));
        file("build.rs", script);
        file("src/main.rs", "fn main() { println!(\"{}\", member::member() + dep::dep()); }\n");
        file("member/Cargo.toml", &package("member", ""));
        file("member/src/lib.rs", "pub fn member() -> u32 { 1 }\n");
    }
}

fn build(trial: &Trial, worktree: &str, line: &str) -> Command {
    cargo(trial, line).below(worktree)
}

/// Builds in one worktree after the other, and compares both with bare builds.
fn both(trial: &Trial, line: &str, change: impl Fn(Command, &str) -> Command) -> [Counters; 2] {
    worktrees(trial);
    trial.age();
    [ONE, OTHER].map(|worktree| {
        let command = || change(build(trial, worktree, line), worktree);
        let _ = trial.bare(&command()).succeeded();
        let (_, counted) = observed(trial, command());
        let expected = products(&trial.twin().join(worktree));
        let difference = expected.difference(&products(&trial.tree().join(worktree)));
        assert!(difference.is_empty(), "{worktree}: files differ from bare:\n{difference}");
        counted
    })
}

/// Metadata of members names their directory, so that they are compiled in each.
fn packages_from_elsewhere_are_shared(trial: &Trial) {
    let [cold, warm] = both(trial, "$CARGO build --release --offline", |command, _| command);
    assert_eq!((cold.abandoned, warm.abandoned), (0, 0), "{cold:?} {warm:?}");
    // The macro, the package, and the programs of both build scripts.
    assert!(warm.hits >= 4 && warm.misses <= 2, "{cold:?} {warm:?}");
}

fn debug_builds_too(trial: &Trial) {
    let [_, warm] = both(trial, "$CARGO check --offline", |command, _| command);
    assert!(warm.hits >= 4 && warm.misses <= 2, "{warm:?}");
}

/// With the directory mapped nothing is different in another worktree.
fn with_a_map_all_is_shared(trial: &Trial) {
    let [_, warm] = both(trial, "$CARGO build --release --offline", |command, worktree| {
        let map = format!("--remap-path-prefix={}/{worktree}=/w", trial.tree().display());
        command.env("RUSTFLAGS", map)
    });
    assert_eq!((warm.misses, warm.abandoned), (0, 0), "{warm:?}");
}

/// Only the text of the variable tells, and the length of it.
fn a_source_that_asks_where_it_is(trial: &Trial) {
    worktrees(trial);
    for worktree in [ONE, OTHER] {
        let main = "fn main() { print!(\"{}\", env!(\"CARGO_MANIFEST_DIR\").len()); }\n";
        trial.file(format!("{worktree}/src/main.rs"), main);
    }
    trial.age();
    for worktree in [ONE, OTHER] {
        let (_, counted) = observed(trial, build(trial, worktree, "$CARGO build --offline"));
        assert_eq!(counted.abandoned, 0, "{counted:?}");
        let ran = Command::from("target/debug/demo").below(worktree);
        let told = trial.sandbox().bare(trial.tree(), ran).succeeded();
        let length = trial.tree().join(worktree).as_os_str().len();
        assert_eq!(told.out(), length.to_string());
    }
}

/// Runs one command in two worktrees of different depth, each the root of its outputs.
fn in_one_and_deeper(trial: &Trial, line: &str) -> [Step; 2] {
    for worktree in [ONE, DEEPER] {
        trial.file(format!("{worktree}/.git"), "gitdir: elsewhere\n");
        trial.file(format!("{worktree}/src/a.rs"), "pub fn a(_: u8, _: u8, _: u8) {}\n");
        trial.edit(|root| fs::create_dir_all(root.join(worktree).join("out")).expect("made"));
    }
    trial.age();
    [ONE, DEEPER].map(|worktree| {
        let place = trial.tree().join(worktree).display().to_string();
        let line = line.replace("$ROOT", &place);
        trial.run(command(trial, &line).below(worktree).env("CARGO_MANIFEST_DIR", place))
    })
}

const DEEPER: &str = "deep/er";

const MAPPED: &str = "--crate-type lib src/a.rs --emit=dep-info,metadata --out-dir $ROOT/out \
    --remap-path-prefix=$ROOT=/w";

fn worktrees_of_different_depth(trial: &Trial) {
    let [one, deeper] = in_one_and_deeper(trial, &format!("$RUSTC {MAPPED}"));
    let _ = (one.kept(), deeper.hit());
}

/// The way from the output to the toolchain.
fn a_relative_path_to_libraries(trial: &Trial) {
    let line = "$RUSTC --crate-type cdylib -C rpath -C prefer-dynamic src/a.rs \
        --out-dir $ROOT/out --remap-path-prefix=$ROOT=/w";
    let [one, deeper] = in_one_and_deeper(trial, line);
    let _ = (one.kept(), deeper.kept());
}

/// clippy goes upwards until it finds one.
fn a_configuration_above_the_worktree(trial: &Trial) {
    trial.file("deep/clippy.toml", "too-many-arguments-threshold = 1\n");
    let [one, deeper] = in_one_and_deeper(trial, &format!("$CLIPPY $RUSTC {MAPPED}"));
    let deeper = deeper.kept();
    assert!(deeper.outcome.err().contains("too_many_arguments"), "{:?}", deeper.outcome);
    assert_eq!(one.kept().outcome.err(), "");
}

places!(
    worktrees_of_different_depth,
    a_relative_path_to_libraries,
    a_configuration_above_the_worktree,
    packages_from_elsewhere_are_shared,
    debug_builds_too,
    with_a_map_all_is_shared,
    a_source_that_asks_where_it_is,
);
