//! Failing compiles: their messages come back, and what they leave behind and
//! remove is what the compiler would.

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use zccache_core::Reason;
use zccache_tests::{Compiler, Place, Trial, trial};

use crate::trials;

const WRONG: &[(&str, &str)] = &[
    ("unknown name", "int f(void) { return nonsense; }\n"),
    ("syntax", "int f(void) { return }\nint g( { }\nint h;;\n"),
    ("missing header", "#include \"nowhere.h\"\nint x;\n"),
    ("directive", "int x;\n#error as intended\n"),
    ("late", "int f(void) { return 1; }\nint f(void) { return 2; }\n"),
    ("assembler", "int f(void) { __asm__(\"nonsense %eax\"); return 1; }\n"),
];

const LINES: &[&str] = &[
    "$CC -c a.c",
    "$CC -MD -c a.c -o a.o",
    "$CC -MD -MF a.d -MP -S a.c -o a.s",
    "$CC -Wall -Werror -fdiagnostics-color=always -g -gsplit-dwarf -MMD -c a.c -o a.o",
    "$CC -save-temps -c a.c -o a.o",
    "$CC -fsyntax-only a.c",
    "$CC -E a.c -o a.i",
    "$CC -M a.c -MF a.d",
];

/// What a failing compile may find from earlier ones.
const LEFT: &[&[&str]] = &[&[], &["a.o"], &["a.d", "a.s", "a.i"], &["a.o", "a.d", "a.dwo"]];

/// Whatever was cached in one state of the tree is right in any other.
fn what_was_there_before(trial: &Trial) {
    for (line, (what, source)) in LINES.iter().zip(WRONG.iter().cycle()) {
        for left in LEFT.iter().chain(&LEFT[..2]) {
            trial.edit(|root| {
                for name in ["a.o", "a.d", "a.s", "a.i", "a.dwo", "a.bc"] {
                    std::fs::remove_file(root.join(name)).ok();
                }
            });
            trial.file("a.c", source);
            for name in *left {
                trial.file(name, format!("{what}: old {name}"));
            }
            trial.run_line(line).counted_once();
        }
    }
}

fn errors_of_the_source_are_kept(trial: &Trial) {
    let empty = trial.state();
    for (what, source) in WRONG.iter().filter(|(what, _)| *what != "assembler") {
        trial.reset(&empty);
        trial.file("a.c", source);
        for line in ["$CC -c a.c -o a.o", "$CC -fdiagnostics-color=always -MD -c a.c -o b.o"] {
            trial.line_misses_then_hits(line);
        }
        let step = trial.run_line("$CC -c a.c -o a.o").hit();
        assert_eq!(step.outcome.status.code(), Some(1), "{what}");
        assert!(!step.outcome.stderr.is_empty(), "{what}");
    }
    // Mended and broken again.
    trial.file("a.c", "int f(void) { return 0; }\n");
    let state = trial.state();
    trial.line_misses_then_hits("$CC -c a.c -o a.o");
    trial.reset(&state);
    trial.file("a.c", WRONG[0].1);
    trial.run_line("$CC -c a.c -o a.o").hit();
}

fn errors_of_the_command_are_not(trial: &Trial) {
    trial.file("a.c", "int x;\n");
    for line in ["$CC -c nothing.c", "$CC -c --no-such-option a.c"] {
        trial.run_line(line).abandoned(Reason::CompilerFailed);
    }
    trial.run_line("$CC -c a.c -o no/where/a.o").abandoned(Reason::OutputRefused);
}

/// A wrapper may fail for reasons of its own.
fn a_failing_wrapper_is_not_kept(trial: &Trial) {
    let name = format!("bin/{}", trial.compiler().c());
    trial.file(&name, "#!/bin/sh\necho 'a.c:1:2: error: says the wrapper' >&2\nexit 1\n");
    trial.edit(|root| {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(root.join(&name), mode).expect("a mode");
    });
    trial.file("a.c", "int x;\n");
    trial.run_line("$PWD/bin/$CC -c a.c").abandoned(Reason::CompilerFailed);
}

/// A disk may have room the next time.
#[test]
fn a_full_disk_is_not_remembered() {
    for place in [Place::Plain, Place::View] {
        trial::once(place, Compiler::Gcc, |trial| {
            let small = trial.sandbox().path("small");
            std::fs::create_dir(&small).expect("a directory");
            let tmpfs = Some("tmpfs");
            let mounted = mount(tmpfs, &small, tmpfs, MsFlags::empty(), Some("size=16k"));
            if mounted.is_err() {
                println!("SKIP: file systems cannot be mounted here");
                return;
            }
            let lines: String = (0..2000).map(|n| format!("int x{n} = {n};\n")).collect();
            trial.file("a.c", lines);
            let compile = trial.line("$CC -c a.c -o a.o").env("TMPDIR", &small);
            trial.age();
            let outcome = trial.sandbox().launch(trial.tree(), &compile);
            trial.sandbox().settle();
            let counted = trial.sandbox().counters();
            umount2(&small, MntFlags::MNT_DETACH).expect("it is mounted");
            assert_eq!(outcome.status.code(), Some(1), "{outcome:?}");
            let reason = counted.reasons.get(Reason::CompilerFailed.slug());
            assert_eq!((counted.misses, reason), (1, Some(&1)), "{outcome:?} {counted:?}");
            trial.run_line("$CC -c a.c -o a.o").kept();
        });
    }
}

trials!(
    what_was_there_before,
    errors_of_the_source_are_kept,
    errors_of_the_command_are_not,
    a_failing_wrapper_is_not_kept,
);
