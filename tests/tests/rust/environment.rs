//! Variables that reach a result, and those that do not.

use std::fs;

use zccache_core::settings::PROJECT_FILE;
use zccache_tests::{Command, Trial};

use super::{BUILD_MACRO, command, link, run};
use crate::places;

const WITH_DEP_INFO: &str = "$RUSTC --crate-type lib --edition 2021 a.rs --emit=dep-info,link";

fn with(trial: &Trial, name: &str, value: &str) -> Command {
    command(trial, WITH_DEP_INFO).env(name, value)
}

fn a_variable_of_the_source(trial: &Trial) {
    trial.file("a.rs", "pub const A: &str = env!(\"GIVEN\");\n");
    trial.run(with(trial, "GIVEN", "one")).kept();
    trial.run(with(trial, "GIVEN", "two")).kept();
    trial.run(with(trial, "GIVEN", "one")).hit();
    trial.run(with(trial, "GIVEN", "one").env("OTHER", "x")).hit();
    trial.run(with(trial, "GIVEN", "a\\b\nc")).kept();
    trial.run(with(trial, "GIVEN", "a\\b\nc")).hit();
    trial.run(with(trial, "OTHER", "x")).kept();
    trial.run(with(trial, "OTHER", "y")).hit();
}

fn unset_is_not_empty(trial: &Trial) {
    trial.file("a.rs", "pub const A: Option<&str> = option_env!(\"GIVEN\");\n");
    trial.run(with(trial, "OTHER", "x")).kept();
    trial.run(with(trial, "GIVEN", "")).kept();
    trial.run(with(trial, "GIVEN", "x")).kept();
    trial.run(with(trial, "GIVEN", "")).hit();
    trial.run(with(trial, "OTHER", "y")).hit();
}

fn a_setting_that_is_written_down_is_no_variable(trial: &Trial) {
    trial.file("a.rs", "pub const A: Option<&str> = option_env!(\"ZCCACHE_SESSION\");\n");
    trial.file(PROJECT_FILE, "session = one\n");
    run(trial, WITH_DEP_INFO).kept();
    trial.run(with(trial, "ZCCACHE_SESSION", "one")).kept();
    run(trial, WITH_DEP_INFO).hit();
    trial.file("a.rs", "pub const A: &str = env!(\"ZCCACHE_SESSION\");\n");
    trial.run(with(trial, "ZCCACHE_SESSION", "one")).kept();
    let refused = run(trial, WITH_DEP_INFO).outcome;
    assert!(refused.err().contains("not defined at compile time"), "{refused:?}");
}

/// Without dep-info nobody tells which variables count.
fn without_dep_info_every_variable_counts(trial: &Trial) {
    trial.file("a.rs", "pub const A: Option<&str> = option_env!(\"GIVEN\");\n");
    let plain = command(trial, "$RUSTC --crate-type lib a.rs");
    trial.run(&plain).kept();
    trial.run(&plain).hit();
    trial.run(plain.clone().env("GIVEN", "x")).kept();
    trial.run(plain.env("GIVEN", "x").env("CARGO_MAKEFLAGS", "-j9")).hit();
}

const NOSY: &str = "use proc_macro::TokenStream;\n\
    #[proc_macro]\npub fn told(_: TokenStream) -> TokenStream {\n\
    let told = std::env::var(\"UNDECLARED\").unwrap_or(\"nothing\".into());\n\
    format!(\"{told:?}\").parse().unwrap() }\n";

fn a_variable_that_a_macro_reads_and_nobody_declares(trial: &Trial) {
    trial.file("m.rs", NOSY);
    run(trial, BUILD_MACRO).kept();
    trial.file("a.rs", "pub const A: &str = m::told!();\n");
    let user = format!("{WITH_DEP_INFO} --extern m=libm.so");
    let with = |value| command(trial, &user).env("UNDECLARED", value);
    trial.run(with("one")).kept();
    trial.run(with("two")).kept();
    trial.run(with("one")).hit();
    trial.run(command(trial, &user)).kept();
    trial.run(with("two").env("CARGO_MAKEFLAGS", "-j9")).hit();
}

/// Of the others only the names count, once a name is known to be of no concern.
/// The name is in a crate whose macro passes it on, in another variable, or in the command.
fn a_macro_that_is_told_the_name(trial: &Trial) {
    trial.file(
        "m.rs",
        "use proc_macro::TokenStream;\n\
        #[proc_macro]\npub fn ask(name: TokenStream) -> TokenStream {\n\
        let name = name.to_string().trim_matches('\"').to_owned();\n\
        let name = match name.as_str() { \"by variable\" => std::env::var(\"TOLD_BY\").unwrap(),\n\
        \"by argument\" => std::env::args().find(|a| a.starts_with(\"metadata=\")).unwrap()[9..].into(),\n\
        _ => name };\n\
        format!(\"{:?}\", std::env::var(name).unwrap_or_default()).parse().unwrap() }\n",
    );
    trial.file("d/empty", "");
    run(trial, &format!("{BUILD_MACRO} --out-dir d")).kept();
    trial.file(
        "conf.rs",
        "pub use m;\n#[macro_export]\nmacro_rules! server { () => { $crate::m::ask!(\"SERVER_URL\") } }\n",
    );
    run(trial, "$RUSTC --crate-type lib --edition 2021 conf.rs --extern m=d/libm.so --out-dir d")
        .kept();
    let user = format!(
        "{WITH_DEP_INFO} -L dependency=d --extern m=d/libm.so --extern conf=d/libconf.rlib \
         -C metadata=ARGUMENT_X"
    );
    let with = |name, value| command(trial, &user).env("TOLD_BY", "VARIABLE_X").env(name, value);
    for (source, name) in [
        ("conf::server!()", "SERVER_URL"),
        ("m::ask!(\"by variable\")", "VARIABLE_X"),
        ("m::ask!(\"by argument\")", "ARGUMENT_X"),
    ] {
        trial.file("a.rs", format!("pub const A: &str = {source};\n"));
        trial.run(with("OTHER", "x")).kept();
        trial.run(with(name, "one")).kept();
        assert!(trial.run(with(name, "two")).kept().outcome.err().is_empty());
        trial.run(with(name, "one").env("OTHER", "y")).hit();
    }
}

/// Not all libraries are called `lib*.so`.
fn a_library_of_a_macro_that_reads_the_whole_environment(trial: &Trial) {
    trial.file(
        "foo.c",
        "#include <string.h>\nextern char **environ;\n\
        const char *foo(void) { for (char **p = environ; *p; p++) if (!strncmp(*p, \"QZ\", 2)) return *p; return \"\"; }\n",
    );
    run(trial, "gcc -shared -fPIC foo.c -o libfoo.so.1 -Wl,-soname,libfoo.so.1").kept();
    trial.edit(|root| {
        fs::create_dir(root.join("lib")).expect("a directory");
        fs::copy(root.join("libfoo.so.1"), root.join("lib/libfoo.so")).expect("a file");
    });
    trial.file(
        "m.rs",
        "use proc_macro::TokenStream;\nextern \"C\" { fn foo() -> *const std::ffi::c_char; }\n\
        #[proc_macro]\npub fn told(_: TokenStream) -> TokenStream {\n\
        let told = unsafe { std::ffi::CStr::from_ptr(foo()) };\n\
        format!(\"{:?}\", told.to_str().unwrap()).parse().unwrap() }\n",
    );
    let with_library = "-L native=lib -lfoo -C link-arg=-Wl,-rpath,$PWD";
    run(trial, &format!("{BUILD_MACRO} {with_library}")).kept();
    trial.file("a.rs", "pub const A: &str = m::told!();\n");
    let user = format!("{WITH_DEP_INFO} --extern m=libm.so");
    let with = |value| command(trial, &user).env("QZA", value);
    trial.run(with("one")).kept();
    trial.run(with("two")).kept();
    trial.run(with("one")).hit();
}

fn an_output_that_is_called_like_dep_info(trial: &Trial) {
    trial.file(
        "a.rs",
        "pub const A: &str = env!(\"GIVEN\");\n#[no_mangle] pub fn a() -> &'static str { A }\n",
    );
    for line in [
        "$RUSTC --crate-type lib --emit=asm -o u.d a.rs",
        "$RUSTC --crate-type lib --emit=dep-info=deps.mk,asm=u.d a.rs",
        "$RUSTC --crate-type lib --emit=dep-info=a.d,llvm-ir=u.d a.rs",
    ] {
        let with = |value| command(trial, line).env("GIVEN", value);
        trial.run(with("one")).kept();
        trial.run(with("two")).kept();
        trial.run(with("one")).hit();
    }
}

fn variables_that_a_macro_cannot_know(trial: &Trial) {
    trial.file("m.rs", NOSY);
    run(trial, BUILD_MACRO).kept();
    trial.file("a.rs", "pub const A: &str = m::told!();\n");
    let with = |name, value| {
        command(trial, &format!("{WITH_DEP_INFO} --extern m=libm.so")).env(name, value)
    };
    trial.run(with("PIPELINE_ID", "1")).kept();
    trial.run(with("PIPELINE_ID", "2")).hit();
    trial.run(command(trial, &format!("{WITH_DEP_INFO} --extern m=libm.so"))).hit();
    trial.run(with("NOT_SEEN_BEFORE", "1")).hit();
    trial.run(with("UNDECLARED_BEFORE", "2")).kept();
    // A text that the macro is given may be the name.
    trial.file("a.rs", "pub const A: &str = m::told!(); // PIPELINE_ID\n");
    trial.run(with("PIPELINE_ID", "1")).kept();
    trial.run(with("PIPELINE_ID", "2")).kept();
    trial.run(with("PIPELINE_ID", "1")).hit();
}

/// Such a macro may look at all of it.
fn a_macro_that_reads_the_whole_environment(trial: &Trial) {
    for asks in [
        "std::env::vars().filter(|(name, _)| name.len() == 4).count()",
        // As it is found while the macro runs.
        "unsafe { unsafe extern \"C\" { fn dlsym(h: usize, name: *const i8) -> *const *const *const i8; } \
        let mut entry = *dlsym(0, c\"environ\".as_ptr().cast()); let mut count = 0; \
        while !(*entry).is_null() { count += (*(*entry).add(4) == b'=' as i8) as u32; entry = entry.add(1); } \
        count }",
    ] {
        let nosy =
            NOSY.replace("std::env::var(\"UNDECLARED\").unwrap_or(\"nothing\".into())", asks);
        trial.file("m.rs", nosy.replace("{told:?}", "\\\"{told}\\\""));
        link(trial, "libm.so", BUILD_MACRO).kept();
        trial.file("a.rs", "pub const A: &str = m::told!();\n");
        let line = format!("{WITH_DEP_INFO} --extern m=libm.so");
        trial.run(command(trial, &line)).kept();
        trial.run(command(trial, &line).env("FOUR", "1")).kept();
        trial.run(command(trial, &line).env("FOUR", "2")).kept();
        trial.run(command(trial, &line)).hit();
    }
}

/// Of which cargo it tells, rustc does not ask.
fn the_wrapper_does_not_count(trial: &Trial) {
    trial.file("a.rs", "pub fn a() {}\n");
    trial.run(with(trial, "RUSTC_WRAPPER", "one")).kept();
    trial.run(with(trial, "RUSTC_WRAPPER", "two")).hit();
    trial.run(with(trial, "RUSTC_WORKSPACE_WRAPPER", "two")).hit();
    trial.run(with(trial, "RUSTC_BOOTSTRAP", "1")).kept();
}

/// What a crate reexports may be a macro as well.
fn such_a_macro_behind_another_crate(trial: &Trial) {
    trial.file("m.rs", NOSY);
    trial.file("between.rs", "pub use m::told;\n");
    trial.file("a.rs", "pub const A: &str = between::told!();\n");
    let there = "--edition 2021 --out-dir deps -L dependency=deps";
    trial.edit(|root| fs::create_dir(root.join("deps")).expect("a directory"));
    run(trial, &format!("$RUSTC --crate-type proc-macro --extern proc_macro m.rs {there}")).kept();
    run(trial, &format!("$RUSTC --crate-type lib between.rs {there} --extern m=deps/libm.so"))
        .kept();
    let user = format!("{WITH_DEP_INFO} -L dependency=deps --extern between=deps/libbetween.rlib");
    let with = |value| command(trial, &user).env("UNDECLARED", value);
    trial.run(with("one")).kept();
    trial.run(with("two")).kept();
    trial.run(with("one")).hit();
}

fn features_of_the_next_compiler(trial: &Trial) {
    trial.file("a.rs", "#![feature(never_type)]\npub fn f() -> ! { loop {} }\n");
    trial.run(command(trial, WITH_DEP_INFO)).kept();
    trial.run(with(trial, "RUSTC_BOOTSTRAP", "1")).kept();
    trial.run(with(trial, "RUSTC_BOOTSTRAP", "1")).hit();
    trial.run(command(trial, WITH_DEP_INFO)).not_hit();
}

fn the_linker_along_the_path(trial: &Trial) {
    trial.file("a.rs", "fn main() {}\n");
    let line = "$RUSTC a.rs --emit=dep-info,link";
    run(trial, line).kept();
    run(trial, line).hit();
    let script = |text: &str| {
        trial.file("bin/cc", format!("#!/bin/sh\n{text}exec /usr/bin/cc \"$@\"\n"));
        let allow = Command::from("chmod +x bin/cc");
        let _ = trial.run_pair(&allow, &allow);
    };
    let path = format!("{}/bin:/usr/bin:/bin", trial.tree().display());
    let clean = || trial.edit(|root| fs::remove_file(root.join("a")).expect("removed"));
    let with = || {
        clean();
        command(trial, line).env("PATH", &path)
    };
    script("");
    trial.run(with()).kept();
    trial.run(with()).hit();
    script("set -- \"$@\" -Wl,--defsym=marked=1\n");
    trial.run(with()).kept();
    // A script may read any variable.
    trial.run(with().env("ANY", "1")).kept();
    trial.run(with()).hit();
}

fn where_the_linker_looks(trial: &Trial) {
    trial.file("n.c", "int n(void) { return 3; }\n");
    let make = "mkdir -p lib && gcc -c n.c -o n.o && ar rcsD lib/libn.a n.o";
    let make = Command::new(["sh", "-c", make]);
    let _ = trial.run_pair(&make, &make);
    trial.file("a.rs", "unsafe extern \"C\" { fn n() -> i32; }\nfn main() { unsafe { n(); } }\n");
    let line = "$RUSTC a.rs --emit=dep-info,link -C link-arg=-ln";
    let path = format!("{}/lib", trial.tree().display());
    trial.run(command(trial, line).env("LIBRARY_PATH", &path)).kept();
    trial.run(command(trial, line).env("LIBRARY_PATH", &path)).hit();
    // What rustc says of a failed link names its temporary files.
    let failed = trial.sandbox().launch(trial.tree(), command(trial, line));
    assert!(failed.err().contains("unable to find library -ln"), "{failed:?}");
    let _ = trial.bare(&command(trial, line));
}

places!(
    a_variable_of_the_source,
    unset_is_not_empty,
    a_setting_that_is_written_down_is_no_variable,
    without_dep_info_every_variable_counts,
    a_variable_that_a_macro_reads_and_nobody_declares,
    variables_that_a_macro_cannot_know,
    a_macro_that_is_told_the_name,
    a_library_of_a_macro_that_reads_the_whole_environment,
    an_output_that_is_called_like_dep_info,
    a_macro_that_reads_the_whole_environment,
    the_wrapper_does_not_count,
    such_a_macro_behind_another_crate,
    features_of_the_next_compiler,
    the_linker_along_the_path,
    where_the_linker_looks,
);
