//! What a run leaves behind, and what it must leave alone to be kept.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use zccache_core::Reason;
use zccache_core::entry::Manner;
use zccache_core::report::Seen;

use crate::bench::Bench;

/// Runs a shell script after `prepare` and returns the reason against keeping it.
fn verdict(prepare: impl FnOnce(&Bench), script: &str) -> Option<Reason> {
    let bench = Bench::new();
    bench.script("tool", script);
    prepare(&bench);
    let done = bench.observe(&["./tool"]);
    let report = done.report();
    if report.unobservable.is_some() {
        assert!(report.outputs.is_empty() && done.heard.descriptors.is_empty());
    }
    report.unobservable
}

#[test]
fn outputs_come_with_manner_mode_and_bytes() {
    let bench = Bench::new();
    bench.script(
        "tool",
        "umask 022; echo one > in-place; echo two > t; mv t renamed; echo x > made; \
         chmod 755 made; echo y > gone; rm gone",
    );
    let mut done = bench.observe(&["./tool"]);
    assert_eq!(done.outputs(), [bench.path("in-place"), bench.path("made"), bench.path("renamed")]);
    let outputs = &done.kept().outputs;
    assert_eq!(outputs[0].manner, Manner::InPlace);
    assert_eq!(outputs[1].mode, 0o755);
    assert_eq!(outputs[2].manner, Manner::Renamed);
    assert!(outputs.iter().all(|output| output.attached));
    assert_eq!(done.heard.contents(), [&b"one\n"[..], b"x\n", b"two\n"]);
}

#[test]
fn clang_renames_and_gcc_writes_in_place() {
    for (compiler, manner) in [("clang", Manner::Renamed), ("gcc", Manner::InPlace)] {
        let bench = Bench::new();
        bench.write("a.c", "int a;\n");
        for _ in 0..2 {
            let done = bench.observe(&[compiler, "-c", "a.c"]);
            let outputs = &done.kept().outputs;
            assert_eq!(outputs.len(), 1, "{compiler}");
            assert_eq!(outputs[0].manner, manner, "{compiler}");
            assert_eq!(outputs[0].path.as_path(), bench.path("a.o"));
        }
    }
}

#[test]
fn side_files_are_outputs() {
    let bench = Bench::new();
    bench.write("a.c", "int a(void) { return 0; }\n");
    let done = bench.observe(&[
        "gcc",
        "-g",
        "-gsplit-dwarf",
        "-ftest-coverage",
        "-fstack-usage",
        "-save-temps",
        "-c",
        "a.c",
    ]);
    let names: Vec<_> = done
        .outputs()
        .iter()
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    assert_eq!(names, ["a.dwo", "a.gcno", "a.i", "a.o", "a.s", "a.su"]);
}

#[test]
fn files_on_a_view_are_not_attached() {
    use std::os::unix::fs::MetadataExt;
    use zccache_core::protocol::{Own, Verdict};
    let bench = Bench::new();
    bench.script("tool", "echo x > out");
    let device = fs::metadata(bench.path("")).unwrap().dev();
    let run = Verdict::Run { views: vec![device], own: Own::default() };
    let done = bench.answered(bench.launcher(&["./tool"]), vec![run.into()]);
    assert!(!done.kept().outputs[0].attached);
    assert!(done.heard.descriptors.is_empty());
}

#[test]
fn an_output_was_no_input_unless_it_was_read() {
    let bench = Bench::new();
    bench.script("tool", "test -e out; echo x > out; cat in > copy");
    let done = bench.observe(&["./tool"]);
    assert_eq!(done.outputs(), [bench.path("copy"), bench.path("out")]);
    assert!(done.kept().sightings.iter().all(|s| s.path.as_path() != bench.path("out")));

    bench.script("tool", "test -e worked-on; echo x > worked-on; cat worked-on");
    let done = bench.observe(&["./tool"]);
    assert_eq!(done.seen(bench.path("worked-on")), Some(&Seen::Absent));

    bench.script("tool", "cat other 2>/dev/null; echo x > other");
    let done = bench.observe(&["./tool"]);
    assert_eq!(done.seen(bench.path("other")), Some(&Seen::Absent));
}

#[test]
fn what_cannot_be_repeated_is_not_kept() {
    let old = |bench: &Bench| {
        bench.write("old", "old");
    };
    assert_eq!(verdict(old, "echo new > old"), None);
    assert_eq!(verdict(old, "rm old; echo new > old"), None);
    assert_eq!(verdict(old, "rm old"), Some(Reason::SideEffect));
    assert_eq!(verdict(old, "mv old new"), Some(Reason::SideEffect));
    assert_eq!(verdict(old, "chmod 600 old"), Some(Reason::SideEffect));
    assert_eq!(verdict(old, "touch -d @1 old"), Some(Reason::ReadAndWritten));
    assert_eq!(verdict(old, "ln old new"), Some(Reason::SideEffect));
    assert_eq!(verdict(old, "echo more >> old"), Some(Reason::ReadAndWritten));
    assert_eq!(verdict(old, "cat old; echo new > old"), Some(Reason::ReadAndWritten));
    let nothing = |_: &Bench| {};
    assert_eq!(verdict(nothing, "mkdir d"), Some(Reason::SideEffect));
    assert_eq!(verdict(nothing, "mkdir d; echo x > d/x; rm d/x; rmdir d"), None);
    assert_eq!(verdict(nothing, "ln -s x y"), Some(Reason::SpecialOutput));
    assert_eq!(verdict(nothing, "mkfifo f"), Some(Reason::SpecialOutput));
    assert_eq!(verdict(nothing, "echo x > y; touch -d @1 y"), Some(Reason::SideEffect));
    assert_eq!(verdict(nothing, "echo x > y; ln y z"), Some(Reason::SideEffect));
    assert_eq!(verdict(nothing, "echo x > /dev/null"), None);
}

#[test]
fn odd_places_for_outputs_are_not_kept() {
    let link = |bench: &Bench| {
        bench.write("real", "");
        symlink("real", bench.path("out")).unwrap();
    };
    assert_eq!(verdict(link, "echo x > out"), Some(Reason::OddOutput));
    let twice = |bench: &Bench| {
        bench.write("out", "");
        fs::hard_link(bench.path("out"), bench.path("other")).unwrap();
    };
    assert_eq!(verdict(twice, "echo x > out"), Some(Reason::OddOutput));
    let executable = |bench: &Bench| {
        bench.write("out", "");
        fs::set_permissions(bench.path("out"), fs::Permissions::from_mode(0o777)).unwrap();
    };
    assert_eq!(verdict(executable, "echo x > out"), Some(Reason::OddOutput));
}

#[test]
fn an_archive_needs_that_there_was_none() {
    for archiver in ["ar", "llvm-ar"] {
        let bench = Bench::new();
        bench.write("member", "x");
        let done = bench.observe(&[archiver, "qc", "lib.a", "member"]);
        assert_eq!(done.outputs(), [bench.path("lib.a")]);
        assert_eq!(done.seen(bench.path("lib.a")), Some(&Seen::Absent), "{archiver}");
        let again = bench.observe(&[archiver, "qc", "lib.a", "member"]);
        assert_eq!(again.report().unobservable, Some(Reason::ReadAndWritten), "{archiver}");
    }
}

#[test]
fn temporary_files_leave_no_trace() {
    let bench = Bench::new();
    bench.write("a.c", "int a;\n");
    for compiler in ["gcc", "clang"] {
        let mut command = bench.launcher(&[compiler, "-c", "a.c"]);
        command.env("TMPDIR", bench.store());
        let done = bench.observe_command(command);
        let temporary = |s: &&zccache_core::report::Sighting| {
            let path = s.path.as_path();
            path.starts_with(bench.store()) && path != bench.store() || path == bench.path("a.o")
        };
        assert_eq!(done.kept().sightings.iter().find(temporary), None, "{compiler}");
    }
}
