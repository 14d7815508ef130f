//! Crate types, and how crates are found.

use std::fs;

use zccache_core::Reason;
use zccache_tests::{Command, Trial};

use super::{BUILD_MACRO, command, link, misses_then_hits, run};
use crate::places;

const LIB: &str = "pub fn seven() -> u32 { 7 }\n#[unsafe(no_mangle)] pub extern \"C\" fn c() {}\n";

fn every_crate_type(trial: &Trial) {
    trial.file("a.rs", LIB);
    trial.file("main.rs", "fn main() { println!(\"{}\", 7); }\n");
    for kind in ["lib", "rlib", "staticlib", "cdylib", "dylib"] {
        misses_then_hits(trial, &format!("$RUSTC --crate-type {kind} a.rs -o of_{kind}"));
    }
    misses_then_hits(trial, "$RUSTC main.rs");
    let ran = trial.run_pair("./main", "./main").outcome;
    assert_eq!(ran.out(), "7\n");
    misses_then_hits(
        trial,
        "$RUSTC -O -C lto=fat -C panic=abort -C strip=symbols main.rs -o small",
    );
}

fn a_test_program(trial: &Trial) {
    trial.file("a.rs", "#[test]\nfn works() { assert_eq!(1, 1); }\n");
    misses_then_hits(trial, "$RUSTC --edition 2021 --test a.rs -o tests");
    let _ = trial.run_pair("./tests --list", "./tests --list");
}

/// What was not found would be found by its name, which no crate that was read tells.
fn a_crate_of_a_crate_that_is_missing(trial: &Trial) {
    trial.file("b.rs", "pub fn b() -> u32 { 1 }\n");
    trial.file("a.rs", "pub fn a() -> u32 { b::b() }\n");
    trial.file("m.rs", "extern crate a;\npub fn m() -> u32 { a::a() }\n");
    for name in ["deps", "out"] {
        trial.edit(|root| fs::create_dir(root.join(name)).expect("made"));
    }
    run(trial, "$RUSTC --crate-type lib b.rs --out-dir deps").kept();
    run(trial, "$RUSTC --crate-type lib a.rs --extern b=deps/libb.rlib -L dependency=deps").kept();
    let rename = |from: &'static str, to: &'static str| {
        trial.edit(move |root| fs::rename(root.join(from), root.join(to)).expect("renamed"));
    };
    let user = "$RUSTC --crate-type lib m.rs --emit=dep-info,metadata --extern a=liba.rlib \
        -L dependency=deps --out-dir out";
    rename("deps/libb.rlib", "b.rlib");
    run(trial, user).not_hit();
    rename("b.rlib", "deps/libb.rlib");
    run(trial, user).kept();
    run(trial, user).hit();
}

const MACRO: &str = "use proc_macro::TokenStream;\n\
    #[proc_macro]\npub fn seven(_: TokenStream) -> TokenStream { \"7u32\".parse().unwrap() }\n";

fn a_proc_macro_and_its_user(trial: &Trial) {
    trial.file("m.rs", MACRO);
    trial.file("a.rs", "pub fn f() -> u32 { m::seven!() }\n");
    misses_then_hits(trial, BUILD_MACRO);
    let user = "$RUSTC --crate-type lib --edition 2021 a.rs --extern m=libm.so";
    misses_then_hits(trial, user);
    trial.file("m.rs", MACRO.replace('7', "8"));
    link(trial, "libm.so", BUILD_MACRO).kept();
    run(trial, user).kept();
}

/// `extern crate` without `--extern`: whatever `-L` leads to.
fn a_crate_found_only_through_a_search_path(trial: &Trial) {
    trial.file("dep.rs", LIB);
    trial.file("a.rs", "extern crate dep;\npub fn f() -> u32 { dep::seven() }\n");
    trial.edit(|root| fs::create_dir_all(root.join("deps")).expect("a directory"));
    run(trial, "$RUSTC --crate-type lib dep.rs --out-dir deps").kept();
    let user = "$RUSTC --crate-type lib a.rs -L deps";
    misses_then_hits(trial, user);
    trial.file("dep.rs", LIB.replace('7', "9"));
    run(trial, "$RUSTC --crate-type lib dep.rs --out-dir deps").kept();
    run(trial, user).kept();
    // A second candidate makes the search ambiguous.
    let second = "$RUSTC --crate-type lib dep.rs --out-dir deps -C metadata=b -C extra-filename=-b";
    run(trial, second).kept();
    run(trial, user).abandoned(Reason::CompilerFailed);
    trial.remove("deps/libdep-b.rlib");
    run(trial, user).hit();
}

/// Three crates in a row, as cargo builds them.
fn chain(trial: &Trial) {
    trial.file("one.rs", "pub fn one() -> u32 { 1 }\n");
    trial.file("two.rs", "pub fn two() -> u32 { one::one() + 1 }\n");
    trial.file("three.rs", "pub fn three() -> u32 { two::two() + 1 }\n");
    trial.edit(|root| fs::create_dir_all(root.join("deps")).expect("a directory"));
    run(trial, ONE).kept();
    run(trial, TWO).kept();
}

const ONE: &str = "$RUSTC --crate-type lib --edition 2021 one.rs --emit=dep-info,metadata,link \
    -C metadata=1 -C extra-filename=-1 --out-dir deps -L dependency=deps";
const TWO: &str = "$RUSTC --crate-type lib --edition 2021 two.rs --emit=dep-info,metadata,link \
    -C metadata=2 -C extra-filename=-2 --out-dir deps -L dependency=deps \
    --extern one=deps/libone-1.rmeta";
const THREE: &str = "$RUSTC --crate-type lib --edition 2021 three.rs --emit=dep-info,metadata,link \
    -C metadata=3 -C extra-filename=-3 --out-dir deps -L dependency=deps \
    --extern two=deps/libtwo-2.rmeta";

fn a_directory_that_a_build_fills_is_searched(trial: &Trial) {
    chain(trial);
    let state = trial.state();
    run(trial, THREE).kept();
    trial.reset(&state);
    // Crates of others come and go; the library of a dependency is not there yet.
    trial.file("deps/libother-5.rlib", "");
    trial.file("deps/three-3.long.rcgu.o", "");
    trial.remove("deps/libone-1.rlib");
    run(trial, THREE).hit();
    trial.remove("deps/libone-1.rmeta");
    run(trial, THREE).not_hit();
}

fn a_transitive_crate_changes(trial: &Trial) {
    chain(trial);
    run(trial, THREE).kept();
    trial.file("one.rs", "pub fn one() -> u32 { 10 }\n");
    run(trial, ONE).kept();
    run(trial, TWO).kept();
    run(trial, THREE).kept();
    trial.file("one.rs", "pub fn one() -> u32 { 1 }\n");
    run(trial, ONE).hit();
    run(trial, TWO).hit();
    run(trial, THREE).hit();
}

fn a_program_is_linked_with_what_is_there_now(trial: &Trial) {
    chain(trial);
    trial.file("main.rs", "fn main() { println!(\"{}\", two::two()); }\n");
    let program =
        "$RUSTC --edition 2021 main.rs -L dependency=deps --extern two=deps/libtwo-2.rlib";
    misses_then_hits(trial, program);
    trial.file("one.rs", "pub fn one() -> u32 { 20 }\n");
    run(trial, ONE).kept();
    run(trial, TWO).kept();
    link(trial, "main", program).kept();
    assert_eq!(trial.run_pair("./main", "./main").outcome.out(), "21\n");
    trial.remove("deps/libone-1.rlib");
    run(trial, program).not_hit();
}

fn native_libraries(trial: &Trial) {
    trial.file("n.c", "int n(void) { return 3; }\n");
    let make = |trial: &Trial, directory: &str| {
        let script =
            format!("mkdir -p {directory} && gcc -c n.c -o n.o && ar rcsD {directory}/libn.a n.o");
        let make = Command::new(["sh", "-c", &script]);
        let _ = trial.run_pair(&make, &make);
    };
    make(trial, "second");
    let body = "fn main() { println!(\"{}\", unsafe { n() }); }\n";
    let plain = format!("unsafe extern \"C\" {{ fn n() -> i32; }}\n{body}");
    trial.file("main.rs", &plain);
    trial.file("attribute.rs", format!("#[link(name = \"n\", kind = \"static\")]\n{plain}"));
    let ways = [
        "$RUSTC main.rs -o p -L native=first -L native=second -l static=n",
        "$RUSTC main.rs -o p -L first -L second -l n",
        "$RUSTC attribute.rs -o p -L native=first -L all=second",
        "$RUSTC main.rs -o p -C link-arg=second/libn.a",
    ];
    for way in ways {
        link(trial, "p", way).kept();
        link(trial, "p", way).hit();
    }
    trial.file("n.c", "int n(void) { return 4; }\n");
    make(trial, "second");
    for way in ways {
        link(trial, "p", way).kept();
    }
    assert_eq!(trial.run_pair("./p", "./p").outcome.out(), "4\n");
    trial.file("n.c", "int n(void) { return 5; }\n");
    make(trial, "first");
    link(trial, "p", ways[0]).kept();
    assert_eq!(trial.run_pair("./p", "./p").outcome.out(), "5\n");
}

/// A pipelined compile says where its metadata is before it is done.
fn artifact_notices_come_again(trial: &Trial) {
    trial.file("a.rs", "pub fn f() { let unused = 1; }\n");
    let line = "$RUSTC --crate-type lib a.rs --emit=dep-info,metadata,link \
        --error-format=json --json=diagnostic-rendered-ansi,artifacts,future-incompat";
    trial.miss_then_hit(command(trial, line));
    let said = trial.run(command(trial, line)).outcome.err();
    assert!(said.contains("unused_variables") && said.contains("liba.rmeta"), "{said}");
}

places!(
    every_crate_type,
    a_test_program,
    a_proc_macro_and_its_user,
    a_crate_found_only_through_a_search_path,
    a_crate_of_a_crate_that_is_missing,
    a_directory_that_a_build_fills_is_searched,
    a_transitive_crate_changes,
    a_program_is_linked_with_what_is_there_now,
    native_libraries,
    artifact_notices_come_again,
);
