//! Inputs in a view are remembered until they change, whoever changes them and however.

use std::fs;
use std::path::Path;
use std::time::Duration;

use zccache_tests::{Compiler, Place, Trial, trial};

const COMPILE: &str = "$CC -Ifirst -Iinc -c a.c -o a.o";

/// How another header comes to be the one that is included, in both copies.
type Edit = (&'static str, fn(&Path));

const EDITS: &[Edit] = &[
    ("written", |tree| fs::write(tree.join("inc/h.h"), "int written;\n").expect("a file")),
    ("renamed over", |tree| {
        fs::write(tree.join("new"), "int renamed;\n").expect("a file");
        fs::rename(tree.join("new"), tree.join("inc/h.h")).expect("it is renamed");
    }),
    ("in another directory of that name", |tree| {
        fs::rename(tree.join("inc"), tree.join("old")).expect("it is renamed");
        fs::create_dir(tree.join("inc")).expect("a directory");
        fs::write(tree.join("inc/h.h"), "int another;\n").expect("a file");
    }),
    ("through another name of it", |tree| {
        fs::hard_link(tree.join("inc/h.h"), tree.join("old/link")).expect("a link");
        fs::write(tree.join("old/link"), "int linked;\n").expect("a file");
    }),
    ("by a link in place of the directory", |tree| {
        fs::write(tree.join("old/h.h"), "int behind_a_link;\n").expect("a file");
        fs::rename(tree.join("inc"), tree.join("older")).expect("it is renamed");
        std::os::unix::fs::symlink("old", tree.join("inc")).expect("a link");
    }),
    ("before it in the path", |tree| {
        fs::write(tree.join("first/h.h"), "int first;\n").expect("a file");
    }),
    ("by the removal of that", |tree| {
        fs::remove_file(tree.join("first/h.h")).expect("it was there");
        fs::write(tree.join("inc/h.h"), "int last;\n").expect("a file");
    }),
];

fn prepared(trial: &Trial) {
    trial.file("a.c", "#include <h.h>\n");
    trial.file("inc/h.h", "int original;\n");
    trial.file("first/other.h", "");
    trial.line_misses_then_hits(COMPILE);
    is_known(trial);
}

/// Compiles what is new, and then what is remembered of it serves.
fn is_noticed(trial: &Trial) {
    let _ = trial.run_line(COMPILE).not_hit();
    is_known(trial);
}

/// It is a hit, and what it looks at is remembered. That is not done of what has changed
/// within two seconds (`watch/limits.rs`), nor of files that somebody opens, as who
/// compares trees does.
fn is_known(trial: &Trial) {
    let _ = trial.run_line(COMPILE).hit();
    std::thread::sleep(Duration::from_millis(2_100));
    for _ in 0..2 {
        let _ = trial.sandbox().launch(trial.tree(), trial.line(COMPILE)).succeeded();
    }
}

#[test]
fn what_changes_in_a_view_is_noticed() {
    trial::once(Place::View, Compiler::Gcc, |trial| {
        prepared(trial);
        for (how, edit) in EDITS {
            eprintln!("{how}");
            trial.edit(edit);
            is_noticed(trial);
        }
    });
}

/// Projecting a file, and taking it away, is announced by no kernel.
#[test]
fn what_is_projected_into_a_view_is_noticed() {
    trial::once(Place::View, Compiler::Gcc, |trial| {
        prepared(trial);
        trial.file("made.c", "int made;\n");
        let make = "$CC -E -P made.c -o first/h.h";
        trial.line_misses_then_hits(make);
        is_noticed(trial);
        trial.remove("first/h.h");
        is_known(trial);
        let _ = trial.run_line(make).hit();
        is_known(trial);
        trial.edit(|tree| fs::rename(tree.join("first"), tree.join("moved")).expect("renamed"));
        is_noticed(trial);
        trial.edit(|tree| fs::rename(tree.join("moved"), tree.join("first")).expect("renamed"));
        is_known(trial);
        trial.edit(|tree| {
            let header = tree.join("first/h.h");
            fs::write(header, "int written_over;\n").expect("a file");
        });
        is_noticed(trial);
    });
}
