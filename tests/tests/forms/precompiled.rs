//! Precompiled headers: making and using them.

use std::fs;

use zccache_core::Reason;
use zccache_tests::{Command, Compiler, Counters, Trial};

use crate::trials;

/// What a command through the cache is counted as. Precompiled headers of gcc
/// differ from run to run, so there is nothing to compare them with.
fn launched(trial: &Trial, command: &Command) -> Counters {
    trial.age();
    let before = trial.sandbox().counters();
    let _ = trial.sandbox().launch(trial.tree(), command).succeeded();
    trial.sandbox().settle();
    trial.sandbox().counters().since(&before)
}

/// Makes a precompiled header through the cache, twice, and gives the bare side
/// the same one.
fn header(trial: &Trial, make: &str, name: &str) {
    let make = trial.line(make);
    let counted = launched(trial, &make);
    assert_eq!((counted.misses, counted.abandoned), (1, 0), "{make}: {counted:?}");
    let made = fs::read(trial.tree().join(name)).expect("it was made");
    fs::remove_file(trial.tree().join(name)).expect("it was made");
    let counted = launched(trial, &make);
    assert_eq!(counted.hits, 1, "{make}: {counted:?}");
    assert_eq!(fs::read(trial.tree().join(name)).expect("it was made"), made);
    fs::write(trial.twin().join(name), made).expect("a file");
}

/// How each compiler makes and uses the header `a.h`.
fn commands(trial: &Trial) -> (&'static str, &'static str, &'static str) {
    match trial.compiler() {
        Compiler::Gcc => ("$CC -O1 -x c-header a.h -o a.h.gch", "a.h.gch", "-include a.h"),
        Compiler::Clang => (
            "$CC -O1 -x c-header a.h -o a.h.pch -Xclang -fno-pch-timestamp",
            "a.h.pch",
            "-include-pch a.h.pch",
        ),
    }
}

fn making_and_using(trial: &Trial) {
    trial.file("a.h", "#include <stddef.h>\n#define A 1\n");
    trial.file("a.c", "size_t f(void) { return A; }\n");
    let (make, name, with) = commands(trial);
    let uses = format!("$CC -O1 {with} -c a.c -o a.o");
    header(trial, make, name);
    trial.line_misses_then_hits(&uses);
    trial.file("a.h", "#include <stddef.h>\n#define A 2\n");
    // gcc does not look at the header any more, clang takes the tokens from it.
    trial.run_line(&uses).counted_once();
    trial.edit(|root| fs::remove_file(root.join(name)).expect("it was made"));
    header(trial, make, name);
    trial.run_line(&uses).counted_once();
    trial.run_line(&uses).hit();
    trial.edit(|root| fs::remove_file(root.join(name)).expect("it was made"));
    trial.run_line(&uses).not_hit();
}

/// What is in a header that was made elsewhere, nobody knows.
fn a_header_that_was_made_bare(trial: &Trial) {
    trial.file("a.h", "#define NOW __TIME__\n");
    trial.file("a.c", "int f(void) { return NOW[7] % 2; }\n");
    let (make, name, with) = commands(trial);
    let _ = trial.bare(&trial.line(make)).succeeded();
    fs::copy(trial.twin().join(name), trial.tree().join(name)).expect("it was made");
    let uses = trial.line(&format!("$CC -O1 {with} -c a.c -o ../t.o"));
    let counted = launched(trial, &uses);
    let reason = counted.reasons.get(Reason::StampedInput.slug());
    assert_eq!((counted.misses, reason), (1, Some(&1)), "{counted:?}");
}

fn a_header_that_mentions_the_time(trial: &Trial) {
    trial.file("a.h", "#define NOW __TIME__\n");
    let (make, ..) = commands(trial);
    let make = trial.line(&make.replace("-o a.h", "-o ../a.h"));
    let counted = launched(trial, &make);
    let reason = counted.reasons.get(Reason::TimeMacro.slug());
    assert_eq!((counted.misses, reason), (1, Some(&1)), "{counted:?}");
    // The date that was fixed when it was made is not that of its users.
    let fixed = launched(trial, &make.env("SOURCE_DATE_EPOCH", "1000000000"));
    assert_eq!((fixed.misses, fixed.abandoned), (1, 1), "{fixed:?}");
}

/// clang compares the time stamps of the sources with those in the header.
fn a_header_with_the_time_stamps_of_its_sources(trial: &Trial) {
    if trial.compiler() == Compiler::Gcc {
        return;
    }
    trial.file("a.h", "#define A 1\n");
    let make = trial.line("$CC -O1 -x c-header a.h -o ../a.h.pch");
    let counted = launched(trial, &make);
    let reason = counted.reasons.get(Reason::StampedOutput.slug());
    assert_eq!((counted.misses, reason), (1, Some(&1)), "{counted:?}");
}

trials!(
    making_and_using,
    a_header_that_was_made_bare,
    a_header_that_mentions_the_time,
    a_header_with_the_time_stamps_of_its_sources,
);
