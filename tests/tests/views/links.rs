//! Compiles that read and write through symbolic links, and files that have been
//! given other names: the same in a view as outside one.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use zccache_tests::{Compiler, Place, Trial, trial};

use crate::trials;

const COMPILE: &str = "$CC -MD -Iinc -c a.c -o a.o";

fn sources(trial: &Trial) {
    trial.file("a.c", "#include <a.h>\nint f(void) { return A; }\n");
    trial.file("one/a.h", "#define A 1\n");
    trial.file("two/a.h", "#define A 2\n");
}

/// Makes `link` point to `target` in both trees.
fn point(trial: &Trial, link: &str, target: impl AsRef<Path>) {
    trial.edit(|root| {
        fs::remove_file(root.join(link)).ok();
        symlink(target.as_ref(), root.join(link)).expect("a link");
    });
}

fn a_linked_directory_of_headers(trial: &Trial) {
    sources(trial);
    point(trial, "inc", "one");
    trial.line_misses_then_hits(COMPILE);
    point(trial, "inc", "two");
    trial.run_line(COMPILE).kept();
    point(trial, "inc", "./two/../one");
    trial.run_line(COMPILE).counted_once();
    point(trial, "inc", "one");
    trial.run_line(COMPILE).hit();
    trial.file("one/a.h", "#define A 3\n");
    trial.run_line(COMPILE).kept();
}

fn a_chain_of_links(trial: &Trial) {
    sources(trial);
    point(trial, "third", "one");
    point(trial, "second", "third/.");
    point(trial, "inc", "second");
    trial.line_misses_then_hits(COMPILE);
    point(trial, "third", "two");
    trial.run_line(COMPILE).kept();
    point(trial, "third", "nowhere");
    trial.run_line(COMPILE).not_hit();
    point(trial, "third", "inc");
    trial.run_line(COMPILE).not_hit();
    point(trial, "third", "one");
    trial.run_line(COMPILE).hit();
}

fn links_that_lead_out_and_back(trial: &Trial) {
    sources(trial);
    let outside = trial.sandbox().path("outside");
    fs::create_dir(&outside).expect("a directory");
    fs::write(outside.join("a.h"), "#define A 4\n").expect("a file");
    point(trial, "inc", &outside);
    trial.line_misses_then_hits(COMPILE);
    fs::write(outside.join("a.h"), "#define A 5\n").expect("a file");
    trial.edit(|_| ());
    trial.run_line(COMPILE).kept();
    fs::remove_file(outside.join("a.h")).expect("it is there");
    symlink(trial.tree().join("one/a.h"), outside.join("a.h")).expect("a link");
    trial.line_misses_then_hits(COMPILE);
    trial.file("one/a.h", "#define A 6\n");
    trial.run_line(COMPILE).kept();
}

fn a_source_and_an_output_behind_linked_directories(trial: &Trial) {
    trial.file("real/src/a.c", "int f(void) { return 1; }\n");
    trial.edit(|root| fs::create_dir(root.join("objects")).expect("a directory"));
    point(trial, "src", "real/src");
    point(trial, "out", "objects");
    trial.line_misses_then_hits("$CC -MD -c src/a.c -o out/a.o");
    trial.line_misses_then_hits("$CC -MD -c src/../src/a.c -o src/../../out/../out/b.o");
}

fn an_output_that_is_a_link(trial: &Trial) {
    trial.file("a.c", "int f(void) { return 1; }\n");
    trial.file("other.o", "");
    point(trial, "a.o", "other.o");
    trial.run_line("$CC -c a.c -o a.o").counted_once();
    trial.run_line("$CC -c a.c -o a.o").counted_once();
}

/// An assembly text that a view shows, and then another compile reads.
fn renamed_and_linked_files_are_inputs(trial: &Trial) {
    trial.file("a.c", "int f(void) { return 1; }\n");
    trial.file("b.c", "int f(void) { return 2; }\n");
    trial.line_misses_then_hits("$CC -S a.c -o a.s");
    trial.line_misses_then_hits("$CC -S b.c -o b.s");
    let assemble = "$CC -c in.s -o in.o";
    trial.edit(|root| fs::rename(root.join("a.s"), root.join("in.s")).expect("a rename"));
    trial.run_line(assemble).kept();
    trial.run_line(assemble).hit();
    trial.edit(|root| {
        let (one, two) = (root.join("in.s"), root.join("b.s"));
        let flags = RenameFlags::RENAME_EXCHANGE;
        renameat2(AT_FDCWD, &one, AT_FDCWD, &two, flags).expect("an exchange");
    });
    trial.run_line(assemble).kept();
    trial.edit(|root| {
        fs::remove_file(root.join("in.s")).expect("it is there");
        fs::hard_link(root.join("b.s"), root.join("in.s")).expect("a link");
    });
    trial.run_line(assemble).hit();
    trial.edit(|root| {
        let mut text = fs::read(root.join("b.s")).expect("it is there");
        text.extend_from_slice(b"\t.globl g\ng:\n\t.byte 1\n");
        fs::write(root.join("b.s"), text).expect("it is written in place");
    });
    trial.run_line(assemble).kept();
    point(trial, "in.s", "b.s");
    trial.run_line(assemble).counted_once();
}

/// A link leads from one view into another.
#[test]
fn a_link_into_another_view() {
    trial::once(Place::View, Compiler::Gcc, |trial| {
        sources(trial);
        let (other, sandbox) = (trial.sandbox().path("other"), trial.sandbox());
        fs::create_dir(&other).expect("a directory");
        fs::write(other.join("a.h"), "#define A 7\n").expect("a file");
        sandbox.mount(&other);
        point(trial, "inc", &other);
        trial.line_misses_then_hits(COMPILE);
        fs::write(other.join("a.h"), "#define A 8\n").expect("a file");
        trial.edit(|_| ());
        trial.run_line(COMPILE).kept();
        sandbox.umount(&other);
    });
}

trials!(
    a_linked_directory_of_headers,
    a_chain_of_links,
    links_that_lead_out_and_back,
    a_source_and_an_output_behind_linked_directories,
    an_output_that_is_a_link,
    renamed_and_linked_files_are_inputs,
);
