//! Compiles of every shape: the first is kept, the second is served, and both
//! do exactly what the bare compiler does.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

use zccache_tests::{Command, Trial};

use crate::trials;

const SOURCE: &str = "#include \"a.h\"\nint f(int x) { return x + A; }\n";

fn two_files(trial: &Trial) {
    trial.file("a.c", SOURCE);
    trial.file("a.h", "#define A 1\n");
}

fn c_to_an_object(trial: &Trial) {
    two_files(trial);
    trial.line_misses_then_hits("$CC -c a.c -o a.o");
    trial.run_line("$CC -O2 -c a.c -o a.o").kept();
}

fn c_to_an_implicit_object(trial: &Trial) {
    two_files(trial);
    trial.line_misses_then_hits("$CC -O2 -c a.c");
    trial.line_misses_then_hits("$CC -c $PWD/a.c");
}

fn c_to_assembly(trial: &Trial) {
    two_files(trial);
    trial.line_misses_then_hits("$CC -O2 -S a.c");
    trial.line_misses_then_hits("$CC -S -O1 a.c -o other.s");
}

fn cxx_to_an_object(trial: &Trial) {
    trial.file(
        "a.cpp",
        "#include <string>\n#include <vector>\n\
         std::string f() { std::vector<std::string> v{\"a\"}; return v[0]; }\n",
    );
    trial.line_misses_then_hits("$CXX -std=c++17 -O1 -c a.cpp -o a.o");
    trial.line_misses_then_hits("$CXX -std=c++17 -g -c a.cpp -o a.o");
    trial.line_misses_then_hits("$CC -std=c++17 -c a.cpp -o c.o");
}

fn assembly_to_an_object(trial: &Trial) {
    trial.file("a.s", ".globl f\nf: ret\n");
    trial.file("b.S", "#include \"b.h\"\n.globl g\ng: NOTHING\n");
    trial.file("b.h", "#define NOTHING ret\n");
    trial.line_misses_then_hits("$CC -c a.s");
    trial.line_misses_then_hits("$CC -c b.S -o b.o");
    trial.file("b.h", "#define NOTHING nop; ret\n");
    trial.run_line("$CC -c b.S -o b.o").kept();
}

fn preprocessed_and_unusual_sources(trial: &Trial) {
    trial.file("a.i", "# 1 \"x.c\"\nint f(void) { return 3; }\n");
    trial.file("code.txt", "int g;\n");
    trial.line_misses_then_hits("$CC -c a.i");
    trial.line_misses_then_hits("$CC -x c -c code.txt -o code.o");
}

fn several_sources_in_one_command(trial: &Trial) {
    two_files(trial);
    trial.file("b.c", "int g(void) { return 2; }\n");
    trial.line_misses_then_hits("$CC -c a.c b.c");
    trial.line_misses_then_hits("$CC -MD -c b.c a.c");
    trial.file("a.h", "#define A 20\n");
    trial.run_line("$CC -c a.c b.c").kept();
}

fn debug_information_names_the_directory(trial: &Trial) {
    for directory in ["one", "two"] {
        trial.file(format!("{directory}/a.c"), "int f(void) { return 1; }\n");
    }
    let compile = trial.line("$CC -g -c a.c -o a.o");
    trial.miss_then_hit(compile.clone().below("one"));
    trial.run(compile.below("two")).not_hit();
    let mapped = trial.line("$CC -g -ffile-prefix-map=$PWD=. -c $PWD/one/a.c -o mapped.o");
    trial.miss_then_hit(mapped);
}

fn debug_information_names_a_symlinked_directory(trial: &Trial) {
    trial.file("real/a.c", "int f(void) { return 1; }\n");
    let tree = trial.tree().to_owned();
    trial.edit(|root| symlink("real", root.join("alias")).expect("a link"));
    let compile = trial.line("$CC -g -c a.c -o a.o").below("real");
    trial.run(&compile).kept();
    trial.run(compile.env("PWD", tree.join("alias"))).not_hit();
}

fn side_files_are_kept_too(trial: &Trial) {
    two_files(trial);
    trial.line_misses_then_hits("$CC -g -gsplit-dwarf -c a.c -o a.o");
    trial.line_misses_then_hits("$CC -frandom-seed=1 --coverage -c a.c -o b.o");
    trial.line_misses_then_hits("$CC -fstack-usage -c a.c -o c.o");
}

fn options_keep_their_order(trial: &Trial) {
    trial.file("a.c", "#ifdef X\nint x;\n#else\nint y;\n#endif\nint f(int a) { return a * 9; }\n");
    trial.run_line("$CC -O0 -O2 -c a.c").kept();
    trial.run_line("$CC -O2 -O0 -c a.c").not_hit();
    trial.run_line("$CC -DX -UX -c a.c").kept();
    trial.run_line("$CC -UX -DX -c a.c").not_hit();
    trial.run_line("$CC -O0 -O2 -c a.c").hit();
}

fn spelling_of_the_source_reaches_the_object(trial: &Trial) {
    trial.file("a.c", "const char *f(void) { return __FILE__; }\n");
    trial.run_line("$CC -c a.c -o a.o").kept();
    trial.run_line("$CC -c ./a.c -o a.o").not_hit();
    trial.run_line("$CC -c $PWD/a.c -o a.o").not_hit();
    trial.run_line("$CC -c a.c -o a.o").hit();
}

fn response_files_nested_and_quoted(trial: &Trial) {
    two_files(trial);
    trial.file("all.rsp", "-O2 @inner.rsp\n-c a.c");
    trial.file("inner.rsp", "'-DS=\"two words\"' -o \"with space.o\" -DB=\\\"b\\\"\n");
    trial.line_misses_then_hits("$CC @all.rsp");
    trial.file("inner.rsp", "-DOTHER=1 -o other.o");
    trial.line_misses_then_hits("$CC @all.rsp");
    trial.file("a.h", "#define A 2\n");
    trial.run_line("$CC @all.rsp").kept();
}

fn names_of_any_bytes(trial: &Trial) {
    let names: [&[u8]; 6] = [b"caf\xe9", b"two\nlines", b"sp ace", b"q'u\"o", b"$d#%", b"-dash"];
    for name in names {
        let file = |suffix: &[u8]| OsStr::from_bytes(&[b"./", name, suffix].concat()).to_owned();
        trial.file(file(b".c"), "int f(void) { return 1; }\n");
        let compile = trial.line("$CC -MD -c").arg(file(b".c"));
        trial.miss_then_hit(compile.arg("-o").arg(file(b".o")));
    }
}

fn an_unrelated_variable_still_hits(trial: &Trial) {
    two_files(trial);
    let compile = trial.line("$CC -c a.c -o a.o");
    trial.run(&compile).kept();
    trial.run(compile.clone().env("MAKELEVEL", "3").env("SSH_AUTH_SOCK", "/x")).hit();
    trial.run(compile.env("MAKEFLAGS", "-j8 --jobserver-auth=3,4")).hit();
}

fn the_umask_is_obeyed(trial: &Trial) {
    two_files(trial);
    let compile = trial.line("$CC -MD -c a.c -o a.o");
    for mask in [0o077, 0o022, 0o002, 0o777] {
        let state = trial.state();
        trial.run(compile.clone().umask(mask)).counted_once();
        trial.reset(&state);
        trial.run(compile.clone().umask(mask)).hit();
        trial.reset(&state);
    }
}

fn launchers_in_disguise_and_in_a_row(trial: &Trial) {
    two_files(trial);
    let launcher = trial.sandbox().programs().launcher();
    let disguise = trial.sandbox().path("bin");
    fs::create_dir(&disguise).expect("a directory");
    symlink(&launcher, disguise.join(trial.compiler().c())).expect("a link");
    let path = format!("{}:/usr/bin:/bin", disguise.display());
    let bare = trial.line("$CC -c a.c -o a.o");
    trial.run_pair(&bare, bare.clone().env("PATH", path)).not_bypassed();
    let row = trial.sandbox().launched(trial.sandbox().launched(&bare));
    let _ = trial.run_pair(&bare, row);
}

fn the_same_through_the_full_path_of_the_compiler(trial: &Trial) {
    two_files(trial);
    let full = format!("/usr/bin/{} -c a.c -o a.o", trial.compiler().c());
    trial.miss_then_hit(Command::from(full.as_str()));
}

/// As a `configure` script does, which then is run again.
fn one_source_with_many_contents(trial: &Trial) {
    let check = |number| {
        trial.file("conftest.c", format!("int check_{number}(void) {{ return {number}; }}\n"));
        trial.age();
        trial.run_line("$CC -c -g -O2 conftest.c")
    };
    for number in 0..24 {
        let _ = check(number).kept();
    }
    for number in 0..24 {
        let _ = check(number).hit();
    }
}

trials!(
    one_source_with_many_contents,
    c_to_an_object,
    c_to_an_implicit_object,
    c_to_assembly,
    cxx_to_an_object,
    assembly_to_an_object,
    preprocessed_and_unusual_sources,
    several_sources_in_one_command,
    debug_information_names_the_directory,
    debug_information_names_a_symlinked_directory,
    side_files_are_kept_too,
    options_keep_their_order,
    spelling_of_the_source_reaches_the_object,
    response_files_nested_and_quoted,
    names_of_any_bytes,
    an_unrelated_variable_still_hits,
    the_umask_is_obeyed,
    launchers_in_disguise_and_in_a_row,
    the_same_through_the_full_path_of_the_compiler,
);
