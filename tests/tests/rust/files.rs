//! Files that a compile reads without being told on the command line.

use std::fs;

use zccache_tests::{Command, Trial};

use super::{BUILD_MACRO, command, misses_then_hits, run};
use crate::places;

const LIB: &str = "$RUSTC --crate-type lib --edition 2021 a.rs --emit=dep-info,metadata,link";

/// `first` makes the state in which the compile misses, `second` another one;
/// back in the first it hits.
fn there_and_back(trial: &Trial, line: &str, first: &dyn Fn(), second: &dyn Fn()) {
    first();
    run(trial, line).kept();
    run(trial, line).hit();
    second();
    run(trial, line).kept();
    first();
    run(trial, line).hit();
}

fn included_files(trial: &Trial) {
    trial.file(
        "a.rs",
        "pub const S: &str = include_str!(\"deep/s.txt\");\n\
        pub const B: &[u8] = include_bytes!(\"b.bin\");\ninclude!(\"more.in\");\n",
    );
    trial.file("deep/s.txt", "one");
    trial.file("b.bin", [0, 255]);
    trial.file("more.in", "pub fn more() {}\n");
    for (name, one, two) in [
        ("deep/s.txt", &b"one"[..], &b"two"[..]),
        ("b.bin", &[0, 255], &[1, 255]),
        ("more.in", b"pub fn more() {}\n", b"pub fn less() {}\n"),
    ] {
        trial.file(name, one);
        run(trial, LIB);
        there_and_back(
            trial,
            &format!("{LIB} --cfg c{}", name.len()),
            &|| trial.file(name, one),
            &|| {
                trial.file(name, two);
            },
        );
    }
}

fn modules_by_path_and_by_name(trial: &Trial) {
    trial.file(
        "a.rs",
        "mod b;\n#[path = \"odd/c.rs\"]\nmod d;\npub fn f() -> u32 { b::b() + d::d() }\n",
    );
    trial.file("b.rs", "pub fn b() -> u32 { 1 }\n");
    let other = || trial.file("odd/c.rs", "pub fn d() -> u32 { 3 }\n");
    there_and_back(trial, LIB, &|| trial.file("odd/c.rs", "pub fn d() -> u32 { 2 }\n"), &other);
    // The same module in a second place is an error.
    trial.file("b/mod.rs", "pub fn b() -> u32 { 1 }\n");
    misses_then_hits(trial, LIB);
    trial.remove("b.rs");
    run(trial, LIB).kept();
    trial.file("b.rs", "pub fn b() -> u32 { 1 }\n");
    trial.remove("b/mod.rs");
    run(trial, LIB).hit();
}

/// What a build script left in `OUT_DIR`.
fn generated_sources(trial: &Trial) {
    trial.file("a.rs", "include!(concat!(env!(\"OUT_DIR\"), \"/made.rs\"));\n");
    trial.file("one/made.rs", "pub const MADE: u32 = 1;\n");
    trial.file("two/made.rs", "pub const MADE: u32 = 2;\n");
    let tree = trial.tree().display().to_string();
    let with = |name: &str| command(trial, LIB).env("OUT_DIR", format!("{tree}/{name}"));
    trial.run(with("one")).kept();
    trial.run(with("two")).kept();
    trial.run(with("one")).hit();
    trial.file("one/made.rs", "pub const MADE: u32 = 3;\n");
    trial.run(with("one")).kept();
    trial.file("one/other.rs", "");
    trial.run(with("one")).hit();
}

fn assembly_that_includes(trial: &Trial) {
    trial.file(
        "a.rs",
        "core::arch::global_asm!(include_str!(\"s.s\"));\n\
        core::arch::global_asm!(\".section .rodata\\n.incbin \\\"b.bin\\\"\");\n",
    );
    trial.file("b.bin", "bytes");
    trial.file("s.s", ".globl x\nx: .byte 1\n");
    there_and_back(trial, LIB, &|| trial.file("b.bin", "bytes"), &|| trial.file("b.bin", "other"));
    let other = || trial.file("s.s", ".globl x\nx: .byte 2\n");
    there_and_back(
        trial,
        &format!("{LIB} --cfg s"),
        &|| trial.file("s.s", ".globl x\nx: .byte 1\n"),
        &other,
    );
}

const READER: &str = "use proc_macro::TokenStream;\n\
    #[proc_macro]\npub fn read(_: TokenStream) -> TokenStream {\n\
    format!(\"{:?}\", std::fs::read_to_string(\"in/told.txt\").unwrap_or_default()).parse().unwrap() }\n\
    #[proc_macro]\npub fn list(_: TokenStream) -> TokenStream {\n\
    let mut names: Vec<_> = std::fs::read_dir(\"in\").unwrap().map(|e| e.unwrap().file_name()).collect();\n\
    names.sort(); format!(\"{:?}\", format!(\"{names:?}\")).parse().unwrap() }\n";

fn what_macros_read_and_list(trial: &Trial) {
    trial.file("m.rs", READER);
    run(trial, BUILD_MACRO).kept();
    trial.file("in/told.txt", "one");
    trial.file("a.rs", "pub const A: &str = m::read!();\n");
    let user = format!("{LIB} --extern m=libm.so");
    there_and_back(trial, &user, &|| trial.file("in/told.txt", "one"), &|| {
        trial.file("in/told.txt", "two");
    });
    trial.remove("in/told.txt");
    run(trial, &user).kept();
    trial.file("a.rs", "pub const A: &str = m::list!();\n");
    run(trial, &user).kept();
    trial.file("in/new.txt", "");
    run(trial, &user).kept();
    trial.remove("in/new.txt");
    run(trial, &user).hit();
}

fn files_of_the_linker(trial: &Trial) {
    trial.file("a.rs", "#[unsafe(no_mangle)] pub extern \"C\" fn f() {}\n#[unsafe(no_mangle)] pub extern \"C\" fn g() {}\n");
    trial.file("map", "{ global: f; local: *; };\n");
    let write = |name: &str, text: &str| {
        trial.edit(|root| {
            fs::remove_file(root.join("liba.so")).ok();
        });
        trial.file(name, text);
    };
    let line = "$RUSTC --crate-type cdylib a.rs -C link-arg=-Wl,--dynamic-list=map";
    there_and_back(trial, line, &|| write("map", "{ f; };\n"), &|| write("map", "{ f; g; };\n"));
    trial.file("options", "-Wl,--defsym=one=1\n");
    there_and_back(
        trial,
        "$RUSTC --crate-type cdylib a.rs -C link-arg=@options",
        &|| write("options", "-Wl,--defsym=one=1\n"),
        &|| write("options", "-Wl,--defsym=one=2\n"),
    );
}

fn descriptions_of_targets(trial: &Trial) {
    let target = |features: &str| {
        format!(
            "{{\"arch\": \"x86_64\", \"data-layout\": \"e-m:e-p270:32:32-p271:32:32-p272:64:64-i64:64-i128:128-f80:128-n8:16:32:64-S128\", \
            \"llvm-target\": \"x86_64-unknown-none\", \"target-pointer-width\": 64, \"features\": \"{features}\"}}"
        )
    };
    trial.file("t.json", target("+avx"));
    let told = command(trial, "$RUSTC --print cfg --target t.json -Z unstable-options")
        .env("RUSTC_BOOTSTRAP", "1");
    let _ = trial.run(&told).outcome.succeeded();
    trial.run(&told).hit();
    trial.file("t.json", target("+sse4.2"));
    let _ = trial.run(&told).outcome.clone().succeeded();
    trial.file("t.json", target("+avx"));
    trial.run(&told).hit();
}

fn arguments_in_a_file(trial: &Trial) {
    trial.file("a.rs", "#[cfg(given)]\npub fn given() {}\n");
    trial.file("args", "--crate-type\nlib\n--cfg\ngiven\na.rs");
    let other = || trial.file("args", "--crate-type\nlib\na.rs");
    there_and_back(
        trial,
        "$RUSTC @args",
        &|| trial.file("args", "--crate-type\nlib\n--cfg\ngiven\na.rs"),
        &other,
    );
    trial.file("args", "-\n--crate-name\nx");
    let from_input = |text: &[u8]| command(trial, "$RUSTC --crate-type lib @args").stdin(text);
    trial.run(from_input(b"fn f() {}")).kept();
    trial.run(from_input(b"fn f() {}")).hit();
    trial.run(from_input(b"fn g() {}")).kept();
}

/// A script in the place of rustc; it may do anything.
fn a_compiler_that_is_a_script(trial: &Trial) {
    trial.file("a.rs", "#[cfg(given)]\npub fn given() {}\n");
    let real = zccache_tests::rust::line("$RUSTC");
    let script = |more: &str| {
        trial.file("bin/rustc", format!("#!/bin/sh\nexec {real} {more} \"$@\"\n"));
        let allow = Command::from("chmod +x bin/rustc");
        let _ = trial.run_pair(&allow, &allow);
    };
    let line = "bin/rustc --crate-type lib a.rs";
    script("");
    misses_then_hits(trial, line);
    script("--cfg given");
    run(trial, line).kept();
    run(trial, line).hit();
    trial.run(command(trial, line).env("ANY", "1")).kept();
}

fn clippy_and_its_configuration(trial: &Trial) {
    let text = "pub fn f(a: u8, b: u8, c: u8) -> u8 { a + b + c }\n";
    trial.file("a.rs", text);
    let line = "$CLIPPY $RUSTC --crate-type lib --emit=dep-info,metadata a.rs";
    let with = |trial: &Trial| command(trial, line).env("CLIPPY_CONF_DIR", trial.tree());
    trial.run(with(trial)).kept();
    trial.run(with(trial)).hit();
    trial.file("clippy.toml", "too-many-arguments-threshold = 1\n");
    let said = trial.run(with(trial)).outcome.err();
    assert!(said.contains("too_many_arguments"), "{said}");
    trial.run(with(trial)).hit();
    trial
        .run(with(trial).env("CLIPPY_ARGS", "-Aclippy::too_many_arguments__CLIPPY_HACKERY__"))
        .not_hit();
    trial.edit(|root| {
        fs::rename(root.join("clippy.toml"), root.join(".clippy.toml")).expect("renamed");
    });
    trial.run(with(trial)).kept();
    trial.remove(".clippy.toml");
    trial.run(with(trial)).hit();
}

places!(
    included_files,
    modules_by_path_and_by_name,
    generated_sources,
    assembly_that_includes,
    what_macros_read_and_list,
    files_of_the_linker,
    descriptions_of_targets,
    arguments_in_a_file,
    a_compiler_that_is_a_script,
    clippy_and_its_configuration,
);
