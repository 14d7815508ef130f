//! Several checkouts of one tree: a result serves them all unless it may depend
//! on where it was made.

use std::fs;

use zccache_tests::{Command, Trial};

use crate::trials;

const ONE: &str = "one";
const OTHER: &str = "another-checkout-with-a-rather-long-name";

/// Sources with a private and a system header, in two git worktrees.
fn checkouts(trial: &Trial) {
    for checkout in [ONE, OTHER] {
        let file = |name: &str, text: &str| trial.file(format!("{checkout}/{name}"), text);
        file(".git", "gitdir: elsewhere\n");
        file("src/a.c", "#include \"a.h\"\n#include <stdio.h>\nint f(void) { return A; }\n");
        file("include/a.h", "#define A 1\n");
        trial.edit(|root| fs::create_dir(root.join(checkout).join("b")).expect("a directory"));
    }
}

/// A command line run in a checkout's directory `b`, with `ROOT` for the checkout.
fn at(trial: &Trial, checkout: &str, line: &str) -> Command {
    let root = format!("$PWD/{checkout}");
    trial.line(&line.replace("ROOT", &root)).below(format!("{checkout}/b"))
}

/// Compiles in one checkout, then in the other, from the cache.
fn is_shared(trial: &Trial, line: &str) {
    trial.run(at(trial, ONE, line)).kept();
    trial.run(at(trial, OTHER, line)).hit();
}

/// Compiles in one checkout, then in the other as well.
fn is_not_shared(trial: &Trial, line: &str) {
    trial.run(at(trial, ONE, line)).kept();
    trial.run(at(trial, OTHER, line)).kept();
    trial.run(at(trial, ONE, line)).hit();
}

fn relative_paths(trial: &Trial) {
    checkouts(trial);
    is_shared(trial, "$CC -O2 -I../include -MD -c ../src/a.c -o a.o");
    trial.file(format!("{OTHER}/include/a.h"), "#define A 2\n");
    trial.run(at(trial, OTHER, "$CC -O2 -I../include -MD -c ../src/a.c -o a.o")).kept();
    trial.file(format!("{ONE}/include/a.h"), "#define A 2\n");
    trial.run(at(trial, ONE, "$CC -O2 -I../include -MD -c ../src/a.c -o a.o")).hit();
}

fn absolute_paths_and_a_depfile(trial: &Trial) {
    checkouts(trial);
    is_shared(trial, "$CC -IROOT/include -MD -MT a.o -MF ROOT/b/a.d -o ROOT/b/a.o -c ROOT/src/a.c");
    is_shared(trial, "$CC -IROOT/include -MMD -MP -o a.o -c ROOT/src/a.c");
}

fn a_depfile_whose_lines_break_elsewhere(trial: &Trial) {
    checkouts(trial);
    for checkout in [ONE, OTHER] {
        let includes: Vec<_> = (0..30).map(|n| "h".repeat(n + 1) + ".h").collect();
        for name in &includes {
            trial.file(format!("{checkout}/include/{name}"), "");
        }
        let text: String = includes.iter().map(|name| format!("#include <{name}>\n")).collect();
        trial.file(format!("{checkout}/src/a.c"), text);
    }
    is_shared(trial, "$CC -IROOT/include -MD -MP -MQ ROOT/b/x -MT y -o a.o -c ROOT/src/a.c");
    is_shared(trial, "$CC -isystem ROOT/include -MD -o ROOT/b/a.o -c ROOT/src/a.c");
}

fn warnings_name_this_checkout(trial: &Trial) {
    checkouts(trial);
    for checkout in [ONE, OTHER] {
        trial.file(format!("{checkout}/include/a.h"), "static int unused;\n#define A 1\n");
    }
    is_shared(trial, "$CC -Wall -IROOT/include -c ROOT/src/a.c -o a.o");
}

fn debug_information_names_the_checkout(trial: &Trial) {
    checkouts(trial);
    is_not_shared(trial, "$CC -g -I../include -c ../src/a.c -o a.o");
    is_not_shared(trial, "$CC -g -gz -I../include -c ../src/a.c -o a.o");
    is_shared(trial, "$CC -g -fdebug-prefix-map=ROOT=. -I../include -c ../src/a.c -o a.o");
    is_shared(trial, "$CC -g -ffile-prefix-map=ROOT=/x -IROOT/include -c ROOT/src/a.c -o a.o");
}

fn a_map_of_what_is_above_hides_the_checkout(trial: &Trial) {
    checkouts(trial);
    is_not_shared(trial, "$CC -g -fdebug-prefix-map=$PWD=. -I../include -c ../src/a.c -o a.o");
}

/// Without a trace of the path in the object, its length is in it.
fn the_length_of_the_own_path(trial: &Trial) {
    checkouts(trial);
    for checkout in [ONE, OTHER] {
        trial.file(format!("{checkout}/src/a.c"), "int n = sizeof(__FILE__);\n");
        trial.file(
            format!("{checkout}/src/b.c"),
            "#define P(a, b) a##b\nint n = sizeof(P(__FI, LE__));\n",
        );
        trial.file(
            format!("{checkout}/src/c.c"),
            "int n = sizeof(__builtin_FILE());\nint m = __builtin_strlen(__builtin_FILE());\n",
        );
        trial.file(
            format!("{checkout}/src/d.c"),
            "#define T(x) #x\n#define S(x) T(x)\nint n = sizeof(S(HERE));\n",
        );
    }
    is_shared(trial, "$CC -c ../src/a.c -o a.o");
    is_not_shared(trial, "$CC -c ROOT/src/a.c -o a.o");
    is_not_shared(trial, "$CC -c ROOT/src/b.c -o b.o");
    is_not_shared(trial, "$CC -O2 -c ROOT/src/c.c -o c.o");
    is_not_shared(trial, "$CC -DHERE=ROOT -c ../src/d.c -o d.o");
    is_shared(trial, "$CC -fmacro-prefix-map=ROOT=. -c ROOT/src/a.c -o a.o");
}

fn what_hides_text_is_not_shared(trial: &Trial) {
    checkouts(trial);
    is_not_shared(trial, "$CC -flto -frandom-seed=x -I../include -c ../src/a.c -o a.o");
    is_not_shared(trial, "$CC --coverage -frandom-seed=x -I../include -c ../src/a.c -o a.o");
}

fn an_input_that_names_one_checkout_means_it_everywhere(trial: &Trial) {
    checkouts(trial);
    let include = format!("{}/{ONE}/include/a.h", trial.tree().display());
    for checkout in [ONE, OTHER] {
        let text = format!("#include \"{include}\"\nint f(void) {{ return A; }}\n");
        trial.file(format!("{checkout}/src/a.c"), text);
    }
    trial.run(at(trial, ONE, "$CC -MD -c ../src/a.c -o a.o")).kept();
    trial.file(format!("{OTHER}/include/a.h"), "#define A 3\n");
    trial.run(at(trial, OTHER, "$CC -MD -c ../src/a.c -o a.o")).not_bypassed();
    trial.file(format!("{ONE}/include/a.h"), "#define A 4\n");
    trial.run(at(trial, OTHER, "$CC -MD -c ../src/a.c -o a.o")).kept();
    trial.run(at(trial, ONE, "$CC -MD -c ../src/a.c -o a.o")).not_bypassed();
}

/// Each header is looked for in this checkout, also one that appears later.
fn a_header_appears_in_one_checkout(trial: &Trial) {
    checkouts(trial);
    let line = "$CC -IROOT/first -IROOT/include -c ROOT/src/a.c -o a.o";
    is_shared(trial, line);
    trial.file(format!("{OTHER}/first/a.h"), "#define A 5\n");
    trial.run(at(trial, OTHER, line)).kept();
    trial.run(at(trial, ONE, line)).hit();
}

/// Where there is no worktree, the working directory is the checkout.
fn plain_directories(trial: &Trial) {
    for directory in [ONE, OTHER] {
        trial.file(format!("{directory}/a.c"), "#include \"a.h\"\nint f(void) { return A; }\n");
        trial.file(format!("{directory}/a.h"), "#define A 1\n");
    }
    let run = |directory: &str, line: &str| trial.run(trial.line(line).below(directory));
    run(ONE, "$CC -MD -c a.c -o a.o").kept();
    run(OTHER, "$CC -MD -c a.c -o a.o").hit();
    run(ONE, "$CC -g -c a.c -o a.o").kept();
    run(OTHER, "$CC -g -c a.c -o a.o").kept();
}

fn a_configured_root(trial: &Trial) {
    for directory in [ONE, OTHER] {
        trial.file(
            format!("{directory}/src/a.c"),
            "#include \"../b/gen.h\"\nint f(void) { return A; }\n",
        );
        trial.file(format!("{directory}/b/gen.h"), "#define A 1\n");
    }
    let run = |checkout: &str| {
        let root = trial.tree().join(checkout);
        let line = at(trial, checkout, "$CC -MD -c ROOT/src/a.c -o a.o");
        trial.run(line.env("ZCCACHE_ROOT", root))
    };
    run(ONE).kept();
    run(OTHER).hit();
}

trials! {
    relative_paths,
    absolute_paths_and_a_depfile,
    a_depfile_whose_lines_break_elsewhere,
    warnings_name_this_checkout,
    debug_information_names_the_checkout,
    a_map_of_what_is_above_hides_the_checkout,
    the_length_of_the_own_path,
    what_hides_text_is_not_shared,
    an_input_that_names_one_checkout_means_it_everywhere,
    a_header_appears_in_one_checkout,
    plain_directories,
    a_configured_root,
}
