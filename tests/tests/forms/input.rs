//! Sources on standard input, and programs that read what nobody expects them to.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use zccache_core::Reason;
use zccache_tests::{Command, Step, Trial};

use crate::trials;

const SOURCE: &[u8] = b"#include \"a.h\"\nint f(void) { return A; }\n";

fn a_source_in_a_pipe(trial: &Trial) {
    trial.file("a.h", "#define A 1\n");
    let lines = [
        "$CC -I. -x c -c - -o a.o",
        "$CC -I. -x c -S - -o -",
        "$CC -I. -x c -g -MD -MF a.d -MT a.o -pipe -c -o a.o -",
        "$CC -I. -E -",
        "$CC -I. -x c -M -",
    ];
    for line in lines {
        let compile = trial.line(line).stdin(SOURCE);
        trial.file("a.h", "#define A 1\n");
        trial.miss_then_hit(&compile);
        let other = compile.clone().stdin(b"#include \"a.h\"\nint g(void) { return A; }\n");
        trial.run(&other).kept();
        trial.run(&compile).hit();
        trial.file("a.h", "#define A 2\n");
        trial.run(&compile).kept();
        trial.run(&other).kept();
    }
    trial.miss_then_hit(trial.line("$CC -x c -c - -o a.o").stdin(b""));
}

/// Runs a command with its standard input redirected by a shell.
fn redirected(trial: &Trial, script: &str, line: &str) -> Step {
    let shell = Command::new(["sh", "-c", script, "sh"]);
    let with = |front: Vec<std::ffi::OsString>| {
        let words = front.into_iter().chain(line.split(' ').map(Into::into));
        words.fold(shell.clone(), |shell, word| shell.arg(word))
    };
    let launcher = trial.sandbox().programs().launcher().into();
    trial.run_pair(with(Vec::new()), with(vec![launcher]))
}

fn a_source_in_a_file(trial: &Trial) {
    trial.file("a.h", "#define A 1\n");
    trial.file("in.c", SOURCE);
    let line = format!("{} -I. -x c -c - -o a.o", trial.compiler().c());
    // Whoever reads on finds that the compiler has read to the end.
    let script = "{ \"$@\"; echo rest; cat; } < in.c";
    redirected(trial, script, &line).kept();
    redirected(trial, script, &line).hit();
    trial.file("in.c", "int other;\n");
    redirected(trial, script, &line).kept();
    // What was read before cannot be seen.
    trial.file("in.c", "first\nint after_the_first_line;\n");
    let step = redirected(trial, "{ read -r line; \"$@\"; } < in.c", &line);
    step.bypassed(Reason::SourceFromStdin);
}

fn a_source_too_long_to_be_kept(trial: &Trial) {
    let mut source = b"int f(void) { return 1; }\n/*".to_vec();
    source.resize(9 << 20, b'x');
    source.extend_from_slice(b"*/\nint g(void) { return 2; }\n");
    let compile = trial.line("$CC -x c -c - -o a.o").stdin(&source);
    let expected = trial.bare(&compile);
    assert!(expected.status.success(), "{expected:?}");
    assert_eq!(trial.sandbox().launch(trial.tree(), &compile), expected);
    trial.assert_same_trees("a long source");
    assert_eq!(trial.sandbox().counters().misses, 0);
}

fn a_source_that_tells_the_time(trial: &Trial) {
    let pasted = "#define P(a, b) a##b\n#define J(a, b) P(a, b)\nconst char *t = J(__TI, ME__);\n";
    for source in ["const char *t = __TIME__;\n", "const char *t = __TIMESTAMP__;\n", pasted] {
        let compile = trial.line("$CC -x c -c - -o ../t.o").stdin(source.as_bytes());
        let before = trial.sandbox().counters();
        let _ = trial.sandbox().launch(trial.tree(), &compile).succeeded();
        trial.sandbox().settle();
        let counted = trial.sandbox().counters().since(&before);
        assert_eq!(
            counted.reasons.get(Reason::TimeMacro.slug()),
            Some(&1),
            "{source}: {counted:?}"
        );
    }
}

fn install(trial: &Trial, script: &str) {
    let name = format!("bin/{}", trial.compiler().c());
    let compiler = format!("/usr/bin/{}", trial.compiler().c());
    let text = format!("#!/bin/sh\n{}\n", script.replace("$CC", &compiler));
    trial.file(&name, text);
    trial.edit(|root| {
        fs::set_permissions(root.join(&name), Permissions::from_mode(0o755)).expect("a mode");
    });
}

/// Without a source on standard input nobody knows what is there.
fn a_wrapper_that_reads_standard_input(trial: &Trial) {
    trial.file("a.c", "int f(void) { return X; }\n");
    let compile = trial.line("$PWD/bin/$CC -c a.c -o a.o");
    let readers = [
        "read -r x; exec $CC -DX=$x \"$@\"",
        "exec $CC -DX=$(cat) \"$@\"",
        "exec 3<&0; read -r x <&3; exec $CC -DX=$x \"$@\"",
        "exec $CC -DX=$(dd bs=1 count=1 2>/dev/null) \"$@\"",
        "exec $CC -DX=$(sed -n 1p -) \"$@\"",
    ];
    for script in readers {
        install(trial, script);
        for digit in ["1\n", "2\n", "1\n"] {
            trial.run(compile.clone().stdin(digit.as_bytes())).abandoned(Reason::InputRead);
        }
    }
    install(trial, "exec $CC -DX=7 \"$@\"");
    trial.miss_then_hit(compile.clone().stdin(b"1\n"));
    trial.run(compile.clone().stdin(b"2\n")).hit();
}

/// Pipes of its own are no business of the caller. A shell that redirects its own
/// input keeps a duplicate of the caller's, which nobody watches.
fn a_wrapper_that_reads_something_else(trial: &Trial) {
    trial.file("a.c", "int f(void) { return X; }\n");
    trial.file("x", "8\n");
    install(trial, "x=$(echo 1 | cat - x | sort | tail -1); exec $CC -DX=$x \"$@\"");
    trial.line_misses_then_hits("$PWD/bin/$CC -c a.c -o a.o");
    trial.file("x", "9\n");
    trial.run_line("$PWD/bin/$CC -c a.c -o a.o").kept();
    install(trial, "exec < x; read -r x; exec $CC -DX=$x \"$@\"");
    trial.run_line("$PWD/bin/$CC -c a.c -o a.o").abandoned(Reason::InputRead);
}

fn nothing_on_standard_input_is_read(trial: &Trial) {
    install(trial, "read -r x; exec $CC -DX=$x \"$@\"");
    trial.file("a.c", "int f(void) { return X 0; }\n");
    let line = format!("{}/bin/{} -c a.c -o a.o", trial.tree().display(), trial.compiler().c());
    redirected(trial, "exec \"$@\" < /dev/null", &line).kept();
    redirected(trial, "exec \"$@\" < /dev/null", &line).hit();
    trial.file("in", "1 +\n");
    redirected(trial, "exec \"$@\" < in", &line).abandoned(Reason::InputRead);
}

trials!(
    a_source_in_a_pipe,
    a_source_in_a_file,
    a_source_too_long_to_be_kept,
    a_source_that_tells_the_time,
    a_wrapper_that_reads_standard_input,
    a_wrapper_that_reads_something_else,
    nothing_on_standard_input_is_read,
);
