//! What a run leaves behind, and what it must leave alone to be kept.

use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::{Duration, SystemTime};

use zccache_core::entry::Manner;
use zccache_core::report::Bytes;
use zccache_core::report::Seen;
use zccache_core::{Reason, limits};

use crate::bench::Bench;
use crate::daemon;

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
    let done = bench.observe(&["./tool"]);
    assert_eq!(done.outputs(), [bench.path("in-place"), bench.path("made"), bench.path("renamed")]);
    let outputs = &done.kept().outputs;
    assert_eq!(outputs[0].manner, Manner::InPlace);
    assert_eq!(outputs[1].mode, 0o755);
    assert_eq!(outputs[2].manner, Manner::Renamed);
    let carried = outputs.iter().map(|output| output.bytes.clone());
    let expected = [&b"one\n"[..], b"x\n", b"two\n"].map(|bytes| Bytes::Carried(bytes.into()));
    assert!(carried.eq(expected), "{outputs:?}");
}

#[test]
fn clang_renames_and_gcc_removes_before_it_writes() {
    let clang = ("clang", [Manner::Renamed, Manner::Renamed]);
    let gcc = ("gcc", [Manner::InPlace, Manner::Renamed]);
    for (compiler, manners) in [clang, gcc] {
        let bench = Bench::new();
        bench.write("a.c", "int a;\n");
        for manner in manners {
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
fn large_outputs_are_attached() {
    let bench = Bench::new();
    bench.script("tool", "head -c 65537 /dev/zero > large; head -c 65536 /dev/zero > small");
    let mut done = bench.observe(&["./tool"]);
    let outputs = &done.kept().outputs;
    assert_eq!(outputs[0].bytes, Bytes::Attached);
    assert_eq!(outputs[1].bytes, Bytes::Carried(vec![0; 65536]));
    assert_eq!(done.heard.contents(), [vec![0; 65537]]);
}

#[test]
fn files_on_a_view_are_not_attached() {
    use std::os::unix::fs::MetadataExt;
    let bench = Bench::new();
    bench.script("tool", "head -c 65537 /dev/zero > out");
    let device = fs::metadata(bench.path("")).unwrap().dev();
    let run = daemon::run(vec![device]);
    let done = bench.answered(bench.launcher(&["./tool"]), vec![run.into()]);
    assert_eq!(done.kept().outputs[0].bytes, Bytes::InView);
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
    assert_eq!(verdict(old, "touch -d @1 old"), Some(Reason::SideEffect));
    assert_eq!(verdict(old, "ln old new"), Some(Reason::SideEffect));
    assert_eq!(verdict(old, "cat old; rm old"), Some(Reason::SideEffect));
    let large = |bench: &Bench| {
        let file = fs::File::create(bench.path("old")).unwrap();
        file.set_len(limits::PRIOR_BYTES + 1).unwrap();
    };
    assert_eq!(verdict(large, "echo new > old"), None);
    assert_eq!(verdict(large, "echo more >> old"), Some(Reason::ReadAndWritten));
    assert_eq!(verdict(large, "head -c1 old; echo new > old"), Some(Reason::ReadAndWritten));
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
fn an_age_of_just_now_is_that_of_any_output() {
    let nothing = |_: &Bench| {};
    assert_eq!(verdict(nothing, "echo x > y; touch y"), None);
    assert_eq!(verdict(nothing, "echo x > y; cp -p y z"), None);
    assert_eq!(verdict(nothing, "echo x > y; touch -d '+1 hour' y"), Some(Reason::SideEffect));
    let aged = |bench: &Bench| {
        let source = fs::File::create(bench.path("source")).unwrap();
        source.set_modified(SystemTime::now() - Duration::from_secs(60)).unwrap();
    };
    assert_eq!(verdict(aged, "cp -p source y"), Some(Reason::SideEffect));
}

#[test]
fn what_comes_from_another_file_system_is_written_anew() {
    let elsewhere = tempfile::TempDir::new_in("/dev/shm").unwrap();
    let bench = Bench::new();
    bench.write("old", "old");
    bench.script("tool", "echo x > $E/t; mv $E/t old; echo y > $E/t; mv $E/t new");
    let mut command = bench.launcher(&["./tool"]);
    command.env("E", elsewhere.path());
    let done = bench.observe_command(command);
    assert_eq!(done.outputs(), [bench.path("new"), bench.path("old")]);
    assert!(fs::read_dir(elsewhere.path()).unwrap().next().is_none());
}

#[test]
fn caches_of_tools_are_no_outputs() {
    let lock = |bench: &Bench| {
        bench.write("c/cache.lock", "");
    };
    let take = ": > c/cache.lock; echo x > y";
    assert_eq!(verdict(lock, take), None);
    assert_eq!(verdict(lock, &format!("{take}; echo x > c/lib")), Some(Reason::OwnCache));
    assert_eq!(verdict(lock, &format!("{take}; rm -r c")), Some(Reason::OwnCache));
    assert_eq!(verdict(lock, "echo x > c/cache.lock"), Some(Reason::SideEffect));
    let nothing = |_: &Bench| {};
    assert_eq!(verdict(nothing, &format!("mkdir c; {take}")), Some(Reason::OwnCache));
    let filled = |bench: &Bench| {
        bench.write("c/cache.lock", "x");
    };
    assert_eq!(verdict(filled, take), None);

    let bytecode = |bench: &Bench| {
        bench.write("__pycache__/old.pyc", "");
    };
    assert_eq!(verdict(nothing, "mkdir __pycache__"), Some(Reason::OwnCache));
    assert_eq!(verdict(bytecode, "echo x > __pycache__/m.pyc"), Some(Reason::OwnCache));
    assert_eq!(
        verdict(bytecode, "echo x > __pycache__/t; mv __pycache__/t __pycache__/old.pyc"),
        Some(Reason::OwnCache)
    );
    assert_eq!(verdict(bytecode, "echo x > __pycache__/t; rm __pycache__/t"), None);
    assert_eq!(verdict(bytecode, "cat __pycache__/old.pyc"), None);
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
    assert_eq!(verdict(|_| {}, "echo x > out-$$.log"), Some(Reason::NamedByProcess));
    assert_eq!(verdict(|_| {}, "echo x > $$.log; rm $$.log"), None);
}

#[test]
fn an_archive_needs_that_there_was_none() {
    for archiver in ["ar", "llvm-ar"] {
        let bench = Bench::new();
        bench.write("member", "x");
        let done = bench.observe(&[archiver, "qc", "lib.a", "member"]);
        assert_eq!(done.outputs(), [bench.path("lib.a")]);
        assert_eq!(done.seen(bench.path("lib.a")), Some(&Seen::Absent), "{archiver}");
        let before = fs::read(bench.path("lib.a")).unwrap();
        let again = bench.observe(&[archiver, "qc", "lib.a", "member"]);
        let revised = &again.kept().revised;
        assert_eq!(revised.len(), 1, "{archiver}");
        assert_eq!(revised[0].bytes, Bytes::Carried(before), "{archiver}");
        assert_eq!(again.seen(bench.path("lib.a")), None, "{archiver}");
    }
}

#[test]
fn what_was_in_a_file_is_put_by_before_it_changes() {
    let long = "x".repeat(70_000);
    for (script, mode) in [
        ("cat old; echo new > old", 0o640),
        ("echo more >> old", 0o640),
        ("cat old; echo new > t; mv t old", 0o600),
        ("cat old; rm old; echo new > old", 0o600),
        ("printf y 1<> old", 0o640),
    ] {
        let bench = Bench::new();
        bench.script("tool", script);
        bench.write("old", &long);
        fs::set_permissions(bench.path("old"), fs::Permissions::from_mode(mode)).unwrap();
        let done = bench.observe(&["./tool"]);
        let revised = &done.kept().revised;
        assert_eq!((revised.len(), revised[0].mode), (1, mode), "{script}");
        assert_eq!(revised[0].bytes, Bytes::Attached, "{script}");
        let mut file = fs::File::from(done.heard.descriptors.last().unwrap().try_clone().unwrap());
        let mut content = String::new();
        file.seek(SeekFrom::Start(0)).unwrap();
        file.read_to_string(&mut content).unwrap();
        assert_eq!(content, long, "{script}");
    }
    let bench = Bench::new();
    bench.script("tool", "test -s old; echo new > old");
    bench.write("old", &long);
    assert!(bench.observe(&["./tool"]).kept().revised.is_empty());
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
