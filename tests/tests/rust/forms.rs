//! What a compile writes, and commands that are not kept.

use std::fs;

use zccache_core::Reason;
use zccache_tests::{Command, Trial};

use super::{command, misses_then_hits, run};
use crate::places;

const TEXT: &str = "pub fn f(x: u32) -> Vec<u32> { vec![x; 3] }\n";

fn every_kind_of_output(trial: &Trial) {
    trial.file("a.rs", TEXT);
    for kind in ["asm", "llvm-bc", "llvm-ir", "metadata", "mir", "obj", "dep-info"] {
        misses_then_hits(trial, &format!("$RUSTC --crate-type lib a.rs --emit={kind}"));
    }
    misses_then_hits(
        trial,
        "$RUSTC --crate-type lib a.rs --emit=obj=x.o,dep-info=y.d -C debuginfo=2",
    );
    misses_then_hits(trial, "$RUSTC --crate-type lib a.rs --emit=asm=-");
}

fn side_files(trial: &Trial) {
    trial.file("a.rs", "fn main() { println!(\"a\"); }\n");
    misses_then_hits(trial, "$RUSTC a.rs -g -C split-debuginfo=unpacked -C codegen-units=2");
    misses_then_hits(trial, "$RUSTC a.rs -o b -g -C split-debuginfo=packed");
    misses_then_hits(trial, "$RUSTC a.rs -o d -C link-arg=-Wl,-Map=a.map");
}

fn names_and_places_of_outputs(trial: &Trial) {
    trial.file("src/a.rs", TEXT);
    trial.edit(|root| fs::create_dir(root.join("out")).expect("a directory"));
    misses_then_hits(trial, "$RUSTC --crate-type lib src/a.rs --out-dir out -C extra-filename=-x");
    misses_then_hits(trial, "$RUSTC --crate-type lib --crate-name named src/a.rs");
    misses_then_hits(trial, "$RUSTC --crate-type cdylib src/a.rs -o out/odd.name");
    let below = command(trial, "$RUSTC --crate-type lib ../src/a.rs").below("out");
    trial.miss_then_hit(below);
    misses_then_hits(
        trial,
        "$RUSTC --crate-type lib src/a.rs -g --remap-path-prefix=src=elsewhere",
    );
}

/// Over what an earlier build left, as bare.
fn outputs_that_are_there_already(trial: &Trial) {
    trial.file("a.rs", TEXT);
    trial.file("main.rs", "fn main() { println!(\"1\"); }\n");
    let lib = "$RUSTC --crate-type lib a.rs --emit=dep-info,metadata,link";
    run(trial, lib).kept();
    run(trial, lib).hit();
    trial.file("a.rs", TEXT.replace("; 3]", "; 4]"));
    run(trial, lib).kept();
    run(trial, "$RUSTC main.rs").kept();
    run(trial, "$RUSTC main.rs").hit();
    // What cargo gave a second name keeps it, with the old content.
    trial.edit(|root| fs::hard_link(root.join("liba.rlib"), root.join("up.rlib")).expect("a link"));
    trial.file("a.rs", TEXT.replace("; 3]", "; 5]"));
    run(trial, lib);
    run(trial, lib);
    trial.edit(|root| fs::hard_link(root.join("main"), root.join("up")).expect("a link"));
    trial.file("main.rs", "fn main() { println!(\"2\"); }\n");
    run(trial, "$RUSTC main.rs");
    run(trial, "$RUSTC main.rs");
}

fn masks_and_modes(trial: &Trial) {
    trial.file("a.rs", "fn main() {}\n");
    let masked = |mask| command(trial, "$RUSTC a.rs --emit=dep-info,link").umask(mask);
    let state = trial.state();
    trial.miss_then_hit(masked(0o077));
    trial.reset(&state);
    trial.miss_then_hit(masked(0o002));
}

fn warnings_and_errors(trial: &Trial) {
    trial.file("a.rs", "pub fn f() { let unused = 1; }\n");
    for form in [
        "",
        "--color always",
        "--error-format short",
        "--error-format json --json=diagnostic-short",
        "--diagnostic-width 40 --error-format json",
    ] {
        misses_then_hits(trial, &format!("$RUSTC --crate-type lib a.rs {form}"));
    }
    misses_then_hits(trial, "$RUSTC --crate-type lib a.rs --cap-lints allow");
    run(trial, "$RUSTC --crate-type lib a.rs -D warnings").abandoned(Reason::CompilerFailed);
    trial.file("a.rs", "pub fn f() -> u32 { \"no number\" }\n");
    run(trial, "$RUSTC --crate-type lib a.rs").abandoned(Reason::CompilerFailed);
    // Only with dep-info it is known what such a failure depended on.
    misses_then_hits(trial, "$RUSTC --crate-type lib a.rs --emit=dep-info,metadata");
    misses_then_hits(
        trial,
        "$RUSTC --crate-type lib a.rs --emit=dep-info,metadata --error-format json",
    );
    trial.remove("a.rs");
    run(trial, "$RUSTC --crate-type lib a.rs").abandoned(Reason::CompilerFailed);
}

fn options_that_change_the_code(trial: &Trial) {
    trial.file("a.rs", TEXT);
    let forms = [
        "-O",
        "-C opt-level=s",
        "-C opt-level=3 -C target-cpu=native",
        "-Copt-level=3 -Ctarget-cpu=native",
        "-C target-feature=+avx2",
        "-C debug-assertions",
        "-C overflow-checks=on",
        "-C codegen-units=1",
        "-C embed-bitcode=no",
        "-C linker-plugin-lto",
        "-C metadata=x",
        "-C instrument-coverage",
    ];
    for form in forms {
        misses_then_hits(trial, &format!("$RUSTC --crate-type lib a.rs {form}"));
    }
}

fn questions(trial: &Trial) {
    trial.file("a.rs", TEXT);
    for question in [
        "-vV",
        "--version",
        "--print sysroot",
        "--print=cfg",
        "--print target-list",
        "--print crate-name a.rs",
        "-C help",
        "--explain E0001",
    ] {
        misses_then_hits(trial, &format!("$RUSTC {question}"));
    }
    run(trial, "$RUSTC --print no-such-thing").abandoned(Reason::CompilerFailed);
}

fn sources_from_elsewhere(trial: &Trial) {
    let line = || command(trial, "$RUSTC --crate-type lib --crate-name x -");
    trial.run(line().stdin(TEXT.as_bytes())).kept();
    trial.run(line().stdin(TEXT.as_bytes())).hit();
    trial.run(line().stdin(TEXT.replace("; 3", "; 4").as_bytes())).kept();
    misses_then_hits(trial, "$RUSTC - --crate-name x --print=file-names --crate-type bin");
    run(trial, "$RUSTC --crate-type lib /dev/stdin").bypassed(Reason::DescriptorPath);
}

/// Which bytes an incremental compile writes depends on what is in its cache, and
/// bare they differ from run to run. So only a compile from nothing is kept, and
/// the files of the cache are rustc's own.
#[test]
fn incremental_compiles_from_nothing_are_kept() {
    for place in [zccache_tests::Place::Plain, zccache_tests::Place::View] {
        let trial = Trial::new(place, zccache_tests::Compiler::Gcc);
        trial.file("a.rs", TEXT);
        trial.age();
        let line = "$RUSTC --crate-type lib a.rs --emit=dep-info,metadata,link -C incremental=inc";
        let run = || {
            let before = trial.sandbox().counters();
            let outcome = trial.sandbox().launch(trial.tree(), command(&trial, line)).succeeded();
            trial.sandbox().settle();
            let counted = trial.sandbox().counters().since(&before);
            (
                counted.hits,
                counted.misses,
                counted.reasons.keys().cloned().collect::<Vec<_>>(),
                outcome,
            )
        };
        let (hits, misses, reasons, _) = run();
        assert_eq!((hits, misses, reasons), (0, 1, vec![]), "from nothing");
        let made = fs::read(trial.tree().join("liba.rlib")).expect("it is there");
        assert!(trial.tree().join("inc").is_dir(), "rustc has its cache");
        let (hits, misses, reasons, _) = run();
        assert_eq!((hits, misses, reasons), (0, 1, vec!["own_cache".to_owned()]), "from its cache");
        fs::remove_dir_all(trial.tree().join("inc")).expect("removed");
        fs::remove_file(trial.tree().join("liba.rlib")).expect("removed");
        let (hits, ..) = run();
        assert_eq!(hits, 1, "from nothing again");
        assert_eq!(fs::read(trial.tree().join("liba.rlib")).expect("it is there"), made);
        assert!(!trial.tree().join("inc").exists(), "rustc has not run");
    }
}

/// rustc complains of a job server that is not there.
fn a_broken_job_server(trial: &Trial) {
    trial.file("a.rs", TEXT);
    let line = command(trial, "$RUSTC --crate-type lib a.rs");
    trial.run(line.env("MAKEFLAGS", " -j --jobserver-auth=8,9")).bypassed(Reason::BrokenJobserver);
}

/// A job server is how many processes may run, whatever it is made of.
fn job_servers(trial: &Trial) {
    trial.file("a.rs", TEXT);
    let make = "%.rlib: a.rs\n\t+$(WITH) --crate-type lib a.rs -O\n";
    trial.file("Makefile", make);
    let rustc = zccache_tests::rust::line("$RUSTC");
    for style in ["pipe", "fifo"] {
        let make = |with: String| {
            let make = Command::new([
                "make",
                "-s",
                "-B",
                "-j2",
                &format!("--jobserver-style={style}"),
                "a.rlib",
            ]);
            make.arg(format!("WITH={with}"))
        };
        let launched = format!("{} {rustc}", trial.sandbox().programs().launcher().display());
        let first = trial.run_pair(make(rustc.clone()), make(launched.clone()));
        if !first.outcome.status.success() {
            zccache_tests::project::skip("make knows no --jobserver-style");
            continue;
        }
        trial.run_pair(make(rustc.clone()), make(launched)).hit();
    }
}

places!(
    every_kind_of_output,
    side_files,
    names_and_places_of_outputs,
    outputs_that_are_there_already,
    masks_and_modes,
    warnings_and_errors,
    options_that_change_the_code,
    questions,
    sources_from_elsewhere,
    a_broken_job_server,
    job_servers,
);
