//! Whole builds by cargo: cold, warm, in a view and outside one.

use std::fs;
use std::path::Path;

use zccache_tests::{Command, Compiler, Counters, Outcome, Place, Tree, Trial, rust};

use crate::places;

/// A workspace of one program with a build script, a library, a proc macro that
/// it uses and a C file that nobody but the build script knows of.
fn workspace(trial: &Trial) {
    let package = |name: &str, more: &str| {
        format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2021\"\n{more}")
    };
    trial.file(
        "Cargo.toml",
        package(
            "demo",
            "[dependencies]\ndep = { path = \"dep\" }\nmac = { path = \"mac\" }\n\
            [lib]\ncrate-type = [\"lib\", \"cdylib\"]\n\
            [workspace]\nmembers = [\"dep\", \"mac\"]\n",
        ),
    );
    trial.file("dep/Cargo.toml", package("dep", ""));
    trial.file("mac/Cargo.toml", package("mac", "[lib]\nproc-macro = true\n"));
    trial.file("dep/src/lib.rs", "pub fn dep() -> u32 { let unused = 1; 7 }\n");
    trial.file(
        "mac/src/lib.rs",
        "use proc_macro::TokenStream;\n#[proc_macro]\n\
        pub fn seven(_: TokenStream) -> TokenStream { \"7u32\".parse().unwrap() }\n",
    );
    trial.file("src/lib.rs", "pub fn lib() -> u32 { dep::dep() + mac::seven!() }\n");
    trial.file(
        "src/main.rs",
        "include!(concat!(env!(\"OUT_DIR\"), \"/made.rs\"));\n\
        fn main() { println!(\"{} {} {:?}\", demo::lib(), MADE, option_env!(\"TOLD\")); }\n",
    );
    trial.file("tests/works.rs", "#[test]\nfn works() { assert_eq!(demo::lib(), 14); }\n");
    trial.file(
        "build.rs",
        "fn main() { let out = std::env::var(\"OUT_DIR\").unwrap();\n\
        std::fs::write(format!(\"{out}/made.rs\"), \"pub const MADE: u32 = 3;\").unwrap();\n\
        println!(\"cargo::rustc-env=TOLD=told\"); println!(\"cargo::rerun-if-changed=build.rs\"); }\n",
    );
}

/// A command line of cargo, for which rustc is to be found along the path.
pub(super) fn cargo(trial: &Trial, line: &str) -> Command {
    let path = format!("{}:/usr/bin:/bin", rust::bin().display());
    let command = trial.line(&rust::line(line)).env("PATH", path);
    command.env("CARGO_HOME", trial.sandbox().path("cargo-home")).env("CARGO_NET_OFFLINE", "true")
}

/// Runs cargo with the launcher around rustc.
fn wrapped(trial: &Trial, line: &str) -> (Outcome, Counters) {
    observed(trial, cargo(trial, line))
}

pub(super) fn observed(trial: &Trial, command: Command) -> (Outcome, Counters) {
    let before = trial.sandbox().counters();
    let launcher = trial.sandbox().programs().launcher();
    let command = command.env("RUSTC_WRAPPER", launcher);
    let outcome = trial.sandbox().bare(trial.tree(), command).succeeded();
    trial.sandbox().settle();
    (outcome, trial.sandbox().counters().since(&before))
}

/// What rustc has made; cargo's own notes name the wrapper, and the cache of
/// incremental compiles is rustc's own. The `.d` that cargo writes beside a
/// product of two crate types names either of them, also in bare builds.
pub(super) fn products(root: &Path) -> Tree {
    let own = [".fingerprint", "incremental", ".rustc_info.json", ".cargo-lock", "output"];
    Tree::of(root).files(|path| {
        let names = |name: &&str| path.components().any(|part| part.as_os_str() == *name);
        let beside = path.components().count() == 3 && path.extension() == Some("d".as_ref());
        path.starts_with("target") && !beside && !own.iter().any(names)
    })
}

fn empty(trial: &Trial) {
    trial.edit(|root| {
        fs::remove_dir_all(root.join("target")).ok();
    });
    trial.age();
}

/// Without the times that a build took.
fn said(outcome: &Outcome) -> Vec<String> {
    let mut lines: Vec<_> = outcome.err().lines().map(str::to_owned).collect();
    lines.retain(|line| !line.contains("Finished") && !line.contains("Compiling"));
    lines.sort();
    lines
}

/// Cold and warm are as bare; warm runs no rustc, and cargo has nothing left to do.
fn cold_and_warm(trial: &Trial, line: &str, compiles: u64) {
    workspace(trial);
    trial.age();
    let bare = trial.bare(&cargo(trial, line)).succeeded();
    let expected = products(trial.twin());
    for (hits, misses) in [(0, compiles), (compiles, 0)] {
        let (outcome, counted) = wrapped(trial, line);
        // The version of rustc is asked for as well.
        let asked = counted.hits + counted.misses - compiles;
        assert!(counted.hits >= hits && counted.misses <= misses + asked, "{line}: {counted:?}");
        assert_eq!(counted.abandoned, 0, "{line}: {counted:?}");
        assert_eq!(said(&bare), said(&outcome), "{line}");
        let difference = expected.difference(&products(trial.tree()));
        assert!(difference.is_empty(), "{line}: files differ from bare:\n{difference}");
        let (again, counted) = wrapped(trial, line);
        assert!(!again.err().contains("Compiling"), "{line}: {}", again.err());
        assert_eq!(counted.hits + counted.misses, 0, "{line}: everything is fresh");
        trial.edit(|root| {
            if root == trial.tree() {
                fs::remove_dir_all(root.join("target")).expect("removed");
            }
        });
        trial.age();
    }
    let (_, counted) = wrapped(trial, line);
    assert_eq!((counted.misses, counted.abandoned), (0, 0), "{line}: {counted:?}");
}

fn release_build(trial: &Trial) {
    cold_and_warm(trial, "$CARGO build --release --offline", 5);
    let ran = trial.sandbox().bare(trial.tree(), "./target/release/demo").succeeded();
    assert_eq!(ran.out(), "14 3 Some(\"told\")\n");
}

fn check(trial: &Trial) {
    cold_and_warm(trial, "$CARGO check --offline --config profile.dev.incremental=false", 5);
}

fn clippy(trial: &Trial) {
    cold_and_warm(trial, "$CARGO clippy --offline --config profile.dev.incremental=false", 5);
}

/// What rustdoc needs is compiled by rustc; rustdoc itself runs each time.
fn documentation(trial: &Trial) {
    cold_and_warm(trial, "$CARGO doc --offline --config profile.dev.incremental=false", 4);
}

fn tests(trial: &Trial) {
    cold_and_warm(
        trial,
        "$CARGO test --no-run --offline --config profile.dev.incremental=false",
        7,
    );
    let _ = wrapped(trial, "$CARGO test --offline --config profile.dev.incremental=false");
}

/// In the dev profile members are compiled incrementally.
fn dev_build(trial: &Trial) {
    workspace(trial);
    trial.age();
    let line = "$CARGO build --offline";
    let (_, cold) = wrapped(trial, line);
    assert_eq!(cold.abandoned, 0, "{cold:?}");
    empty(trial);
    let (_, warm) = wrapped(trial, line);
    assert_eq!((warm.misses, warm.abandoned), (0, 0), "{warm:?}");
    let ran = trial.sandbox().bare(trial.tree(), "./target/debug/demo").succeeded();
    assert_eq!(ran.out(), "14 3 Some(\"told\")\n");
    // The first edit compiles from nothing, the next one from rustc's own cache.
    trial.file("src/main.rs", "fn main() { println!(\"{}\", demo::lib() + 1); }\n");
    trial.age();
    let (_, edited) = wrapped(trial, line);
    assert_eq!((edited.misses, edited.abandoned), (1, 0), "{edited:?}");
    trial.file("src/main.rs", "fn main() { println!(\"{}\", demo::lib() + 2); }\n");
    trial.age();
    let (_, edited) = wrapped(trial, line);
    assert_eq!(edited.reasons.get("own_cache"), Some(&1), "{edited:?}");
    let ran = trial.sandbox().bare(trial.tree(), "./target/debug/demo").succeeded();
    assert_eq!(ran.out(), "16\n");
}

/// A member changes, and changes back.
fn there_and_back(trial: &Trial) {
    workspace(trial);
    trial.age();
    let line = "$CARGO build --release --offline";
    let _ = wrapped(trial, line);
    let dep = "pub fn dep() -> u32 { 8 }\n";
    trial.file("dep/src/lib.rs", dep);
    trial.age();
    let (_, changed) = wrapped(trial, line);
    assert!(changed.misses >= 3 && changed.abandoned == 0, "{changed:?}");
    let ran = trial.sandbox().bare(trial.tree(), "./target/release/demo").succeeded();
    assert_eq!(ran.out(), "15 3 Some(\"told\")\n");
    empty(trial);
    trial.file("dep/src/lib.rs", "pub fn dep() -> u32 { let unused = 1; 7 }\n");
    trial.age();
    let (_, back) = wrapped(trial, line);
    assert_eq!((back.misses, back.abandoned), (0, 0), "{back:?}");
    let ran = trial.sandbox().bare(trial.tree(), "./target/release/demo").succeeded();
    assert_eq!(ran.out(), "14 3 Some(\"told\")\n");
}

/// `zccache run` puts the launcher around rustc by itself.
#[test]
fn zccache_run_wraps_rustc() {
    let trial = Trial::new(Place::Plain, Compiler::Gcc);
    workspace(&trial);
    trial.age();
    let line = "$CARGO check --offline --config profile.dev.incremental=false";
    for _ in 0..2 {
        let before = trial.sandbox().counters();
        let control = trial.sandbox().programs().control();
        let run = cargo(&trial, line).behind(&[control.as_os_str(), "run".as_ref(), "--".as_ref()]);
        let _ = trial.sandbox().bare(trial.tree(), run).succeeded();
        trial.sandbox().settle();
        let counted = trial.sandbox().counters().since(&before);
        assert!(counted.hits + counted.misses >= 5 && counted.abandoned == 0, "{counted:?}");
        empty(&trial);
    }
    let counted = trial.sandbox().counters();
    assert!(counted.hits >= 5, "{counted:?}");
}

places!(release_build, check, clippy, documentation, tests, dev_build, there_and_back);
