//! Depfiles in all spellings: their names, and content that follows the headers.

use zccache_tests::{Compiler, Trial};

use crate::trials;

fn sources(trial: &Trial) {
    trial.file("a.c", "#include <stddef.h>\n#include \"a.h\"\nsize_t f(void) { return A; }\n");
    trial.file("a.h", "#include \"b.h\"\n#define A B\n");
    trial.file("b.h", "#define B 1\n");
    trial.file("out/.keep", "");
}

fn spelled(trial: &Trial, lines: &[&str]) {
    sources(trial);
    for line in lines {
        trial.line_misses_then_hits(line);
    }
}

fn implicit_names(trial: &Trial) {
    spelled(
        trial,
        &["$CC -MD -c a.c", "$CC -MMD -c a.c -o a.o", "$CC -MD -c a.c -o out/other.obj.o"],
    );
}

fn explicit_names(trial: &Trial) {
    let lines = &[
        "$CC -MD -MF a.dep -c a.c -o a.o",
        "$CC -MMD -MFout/joined.d -c a.c -o a.o",
        "$CC -MMD -MF $PWD/out/full.d -c a.c -o a.o",
        "$CC -MD -MF first.d -MF second.d -c a.c -o a.o",
    ];
    spelled(trial, lines);
}

fn targets(trial: &Trial) {
    let lines = &[
        "$CC -MD -MT target -c a.c -o a.o",
        "$CC -MD -MT one -MT two -MF t.d -c a.c -o a.o",
        "$CC -MMD -MQ $(obj)/a.o -MF q.d -c a.c -o a.o",
        "$CC -MMD -MP -MT out/a.o -MF p.d -c a.c -o out/a.o",
    ];
    spelled(trial, lines);
}

fn through_the_preprocessor(trial: &Trial) {
    spelled(trial, &["$CC -Wp,-MD,wp.d -c a.c -o a.o", "$CC -Wp,-MMD,out/wp.d -c a.c -o a.o"]);
    if trial.compiler() == Compiler::Gcc {
        trial.line_misses_then_hits("gcc -Wp,-MD,wp.d,-MT,word,-MP -c a.c -o a.o");
    }
}

fn to_nowhere(trial: &Trial) {
    sources(trial);
    trial.run_line("$CC -MD -MF /dev/null -c a.c -o a.o").counted_once();
    trial.run_line("$CC -MD -MF /dev/null -c a.c -o a.o").counted_once();
}

fn beside_assembly(trial: &Trial) {
    spelled(trial, &["$CC -MD -S a.c", "$CC -MMD -MF s.d -S a.c -o out/a.s"]);
}

fn wanted_only_the_second_time(trial: &Trial) {
    sources(trial);
    trial.run_line("$CC -c a.c -o a.o").kept();
    trial.run_line("$CC -MD -c a.c -o a.o").kept();
    trial.remove("a.d");
    trial.run_line("$CC -MD -c a.c -o a.o").hit();
    trial.run_line("$CC -MMD -c a.c -o a.o").kept();
}

fn content_follows_the_headers(trial: &Trial) {
    sources(trial);
    let compile = "$CC -MD -MF a.d -c a.c -o a.o";
    trial.run_line(compile).kept();
    trial.file("c.h", "#define B 1\n");
    trial.file("a.h", "#include \"c.h\"\n#define A B\n");
    trial.run_line(compile).kept();
    let depfile = std::fs::read_to_string(trial.tree().join("a.d")).expect("there is a depfile");
    assert!(depfile.contains("c.h") && !depfile.contains("b.h"), "{depfile}");
    trial.file("a.h", "#include \"b.h\"\n#define A B\n");
    trial.run_line(compile).hit();
}

fn by_the_environment(trial: &Trial) {
    sources(trial);
    for name in ["DEPENDENCIES_OUTPUT", "SUNPRO_DEPENDENCIES"] {
        let compile = trial.line("$CC -c a.c -o a.o").env(name, "env.d target.o");
        trial.run(&compile).counted_once();
        // These append: the second run finds what the first has left.
        trial.run(&compile).counted_once();
        remove_if_there(trial, "env.d");
        trial.run(&compile).counted_once();
        remove_if_there(trial, "env.d");
    }
}

/// Only gcc knows both variables.
fn remove_if_there(trial: &Trial, name: &str) {
    trial.edit(|root| drop(std::fs::remove_file(root.join(name))));
}

fn of_several_sources(trial: &Trial) {
    sources(trial);
    trial.file("z.c", "#include \"b.h\"\nint z = B;\n");
    trial.line_misses_then_hits("$CC -MMD -c a.c z.c");
    trial.file("b.h", "#define B 3\n");
    trial.run_line("$CC -MMD -c a.c z.c").kept();
}

fn with_system_headers_changed_to_local_ones(trial: &Trial) {
    sources(trial);
    let compile = "$CC -MMD -isystem out -c a.c -o a.o";
    trial.run_line(compile).kept();
    trial.file("out/stddef.h", "typedef unsigned long size_t;\n");
    trial.run_line(compile).kept();
    trial.remove("out/stddef.h");
    trial.run_line(compile).hit();
}

fn fragments_of_a_compilation_database(trial: &Trial) {
    if trial.compiler() == Compiler::Clang {
        spelled(trial, &["clang -MJ fragment.json -MD -c a.c -o a.o"]);
    }
}

trials!(
    implicit_names,
    explicit_names,
    targets,
    through_the_preprocessor,
    to_nowhere,
    beside_assembly,
    wanted_only_the_second_time,
    content_follows_the_headers,
    by_the_environment,
    of_several_sources,
    with_system_headers_changed_to_local_ones,
    fragments_of_a_compilation_database,
);
