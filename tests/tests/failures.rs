//! Commands that fail or complain: the caller cannot tell who ran the compiler.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{Signal, kill, killpg};
use zccache_core::Reason;
use zccache_tests::{Command, Compiler, Place, Trial, sandbox, trial};

use crate::trials;

/// Some seconds of work for any compiler.
pub(crate) const SLOW: &str = "#include <regex>\n#include <string>\n\
    bool f(const std::string &s) { return std::regex_match(s, std::regex(\"a+b*[c-f]\")); }\n\
    bool g(const std::wstring &s) { return std::regex_match(s, std::wregex(L\"a+b\")); }\n";

fn a_compile_error(trial: &Trial) {
    trial.file("a.c", "int f(void) { return nonsense; }\n");
    trial.line_misses_then_hits("$CC -c a.c -o a.o");
    let german = trial.line("$CC -c a.c -o a.o").env("LC_ALL", "de_DE.UTF-8");
    trial.run(&german).abandoned(Reason::CompilerFailed);
}

fn a_compile_error_with_an_old_object(trial: &Trial) {
    trial.file("a.c", "int f(void) { return nonsense; }\n");
    trial.file("a.o", "old object");
    trial.file("a.d", "old: depfile");
    trial.run_line("$CC -MD -c a.c -o a.o").not_hit();
    trial.file("a.c", "int f(void) { return 0; }\n");
    trial.line_misses_then_hits("$CC -MD -c a.c -o a.o");
    trial.file("a.c", "#error no\n");
    trial.run_line("$CC -MD -c a.c -o a.o").not_hit();
}

fn one_of_several_sources_fails(trial: &Trial) {
    trial.file("good.c", "int f(void) { return 1; }\n");
    trial.file("bad.c", "int f(void) { return }\n");
    trial.line_misses_then_hits("$CC -c good.c bad.c");
    trial.run_line("$CC -c bad.c good.c").counted_once();
    trial.run_line("$CC -c bad.c good.c").counted_once();
    trial.run_line("$CC -c good.c bad.c").counted_once();
}

fn a_warning_is_replayed(trial: &Trial) {
    trial.file("a.c", "int f(void) { int unused; return 1; }\n");
    trial.line_misses_then_hits("$CC -Wall -c a.c -o a.o");
    trial.line_misses_then_hits("$CC -Wall -fdiagnostics-color=always -c a.c -o a.o");
    trial.run_line("$CC -Wall -w -c a.c -o a.o").kept();
    let step = trial.run_line("$CC -Wall -c a.c -o a.o").hit();
    assert!(step.outcome.err().contains("unused"), "{:?}", step.outcome);
    trial.run_line("$CC -Wall -Werror -c a.c -o a.o").not_hit();
}

fn a_missing_source(trial: &Trial) {
    trial.run_line("$CC -c nothing.c -o a.o").not_hit();
    trial.run_line("$CC -c no/where/nothing.c").not_hit();
    trial.file("nothing.c", "int now;\n");
    trial.line_misses_then_hits("$CC -c nothing.c -o a.o");
}

fn a_missing_output_directory(trial: &Trial) {
    trial.file("a.c", "int x;\n");
    trial.run_line("$CC -c a.c -o sub/a.o").not_hit();
    trial.edit(|root| fs::create_dir(root.join("sub")).expect("a directory"));
    trial.line_misses_then_hits("$CC -MD -c a.c -o sub/a.o");
    trial.edit(|root| fs::remove_dir_all(root.join("sub")).expect("it can be removed"));
    trial.run_line("$CC -MD -c a.c -o sub/a.o").not_hit();
}

fn a_missing_include(trial: &Trial) {
    trial.file("a.c", "#include \"late.h\"\nint x = LATE;\n");
    let missing = trial.state();
    trial.line_misses_then_hits("$CC -c a.c");
    trial.file("late.h", "#define LATE 1\n");
    trial.line_misses_then_hits("$CC -c a.c");
    trial.remove("late.h");
    trial.run_line("$CC -c a.c").counted_once();
    trial.reset(&missing);
    trial.run_line("$CC -c a.c").hit();
}

fn unknown_options_and_no_arguments(trial: &Trial) {
    trial.file("a.c", "int x;\n");
    trial.run_line("$CC -c --no-such-option a.c").not_hit();
    trial.run_line("$CC").not_hit();
    trial.run_line("$CC -c").not_hit();
    trial.run_line("$CC -c a.c -o").not_hit();
}

fn executable(root: &Path, name: &str, text: &str) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().expect("it is below the root")).expect("directories");
    fs::write(&path, text).expect("a script");
    fs::set_permissions(&path, Permissions::from_mode(0o755)).expect("a mode");
}

fn a_compiler_that_dies_by_a_signal(trial: &Trial) {
    trial.file("a.c", "int x;\n");
    for signal in ["TERM", "KILL", "ABRT", "SEGV", "PIPE"] {
        let script = format!("#!/bin/sh\nulimit -c 0\necho dying >&2\nkill -{signal} $$\n");
        let name = format!("bin/{}", trial.compiler().c());
        trial.edit(|root| executable(root, &name, &script));
        let step = trial.run_line(&format!("$PWD/{name} -c a.c -o a.o")).not_hit();
        assert!(step.outcome.status.signal().is_some(), "{:?}", step.outcome);
    }
}

fn a_compiler_that_cannot_be_run(trial: &Trial) {
    trial.file("a.c", "int x;\n");
    trial.file("tools/gcc", "#!/no/such/interpreter\n");
    for (compiler, status) in [("no-such-gcc", 127), ("tools/gcc", 126)] {
        let outcome = trial.sandbox().launch(trial.tree(), &*format!("{compiler} -c a.c"));
        assert_eq!(outcome.status.code(), Some(status), "{outcome:?}");
        assert!(outcome.err().contains(compiler), "{outcome:?}");
    }
}

/// Only gcc runs its compiler proper as another program.
#[test]
fn a_compiler_proper_that_dies_by_a_signal() {
    for place in [Place::Plain, Place::View] {
        trial::once(place, Compiler::Gcc, |trial| {
            trial.file("a.c", "int x;\n");
            trial.file("a.o", "old object");
            trial.edit(|root| executable(root, "bin/cc1", "#!/bin/sh\nkill -KILL $$\n"));
            trial.run_line("gcc -B$PWD/bin/ -c a.c -o a.o").not_hit();
        });
    }
}

/// What a build tool does when the user interrupts it.
#[test]
fn a_signal_to_the_launcher_ends_the_compiler_and_the_launcher() {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        for place in [Place::Plain, Place::View] {
            trial::once(place, Compiler::Gcc, |trial| interrupted(trial, signal));
        }
    }
}

fn interrupted(trial: &Trial, signal: Signal) {
    trial.file("a.cpp", SLOW);
    let sandbox = trial.sandbox();
    let compile = Command::from("g++ -O2 -c a.cpp -o a.o");
    let running = sandbox.start_launch(trial.tree(), compile);
    sandbox::eventually("the compiler runs", || sandbox.status()["running"] == 1);
    kill(running.pid(), signal).expect("the launcher runs");
    let outcome = running.wait();
    assert_eq!(outcome.status.signal(), Some(signal as i32), "{outcome:?}");
    sandbox::eventually("the ticket ends", || sandbox.status()["running"] == 0);
    assert!(!trial.tree().join("a.o").exists(), "gcc removes what it has not finished");
}

/// `ninja` signals the process group, and `timeout` first the launcher, then the group.
/// clang removes what it has not finished, unless a second signal comes while it does.
#[test]
fn a_signal_to_the_process_group_reaches_the_compiler_once() {
    for signal in [Signal::SIGTERM, Signal::SIGINT].repeat(4) {
        trial::once(Place::Plain, Compiler::Clang, |trial| {
            let function = |number| {
                format!(
                    "int f{number}(int a) {{ int s = 0; while (a--) s ^= a * {number}; return s; }}\n"
                )
            };
            trial.file("a.cpp", (0..20_000).map(function).collect::<String>());
            let names = || {
                let listed = fs::read_dir(trial.tree()).expect("a directory");
                let names = listed.map(|entry| entry.expect("listed").file_name());
                names.map(|name| name.into_string().expect("plain")).collect::<Vec<_>>()
            };
            let compile = Command::from("clang++ -O2 -c a.cpp -o a.o");
            let running = trial.sandbox().start_launch(trial.tree(), compile);
            let is_writing = || names().iter().any(|name| name.ends_with(".tmp"));
            sandbox::eventually("clang writes", is_writing);
            std::thread::sleep(Duration::from_millis(100));
            kill(running.pid(), signal).expect("the launcher runs");
            killpg(running.pid(), signal).expect("both run");
            let outcome = running.wait();
            assert_eq!(outcome.status.signal(), Some(signal as i32), "{outcome:?}");
            assert_eq!(names(), ["a.cpp"]);
        });
    }
}

trials!(
    a_compile_error,
    a_compile_error_with_an_old_object,
    one_of_several_sources_fails,
    a_warning_is_replayed,
    a_missing_source,
    a_missing_output_directory,
    a_missing_include,
    unknown_options_and_no_arguments,
    a_compiler_that_dies_by_a_signal,
    a_compiler_that_cannot_be_run,
);
