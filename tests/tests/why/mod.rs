//! `zccache why`: each kind of verdict is explained, and what the compiler makes
//! again is compared with what was kept.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use serde_json::{Value, json};
use zccache_core::Reason;
use zccache_tests::{Command, Compiler, Place, Sandbox, Trial, trial};

use crate::trials;

/// What is told of a file, to people and to scripts.
struct Told {
    text: String,
    json: Value,
}

impl Told {
    /// The text holds a line.
    fn says(&self, line: &str) -> &Self {
        let found = self.text.lines().any(|found| found.trim() == line);
        assert!(found, "no line '{line}' in\n{}", self.text);
        self
    }

    /// The text holds a part of a line.
    fn mentions(&self, part: &str) -> &Self {
        assert!(self.text.contains(part), "no '{part}' in\n{}", self.text);
        self
    }

    /// A value of the JSON, by its JSON pointer (RFC 6901).
    fn tells(&self, pointer: &str, value: impl Into<Value>) -> &Self {
        let found = self.json.pointer(pointer);
        assert_eq!(found, Some(&value.into()), "{pointer} of {}", self.json);
        self
    }
}

/// Asks from a directory.
fn ask(sandbox: &Sandbox, directory: &Path, file: &Path) -> Told {
    let why = |front: &[&str]| {
        let words = front.iter().fold(Command::new(["why"]), |command, word| command.arg(word));
        sandbox.bare(directory, words.arg(file).behind(&[sandbox.programs().control()])).succeeded()
    };
    let json = why(&["--json"]).stdout;
    Told { text: why(&[]).out(), json: serde_json::from_slice(&json).expect("JSON is printed") }
}

/// Asks from the tree of a trial.
fn why(trial: &Trial, file: &str) -> Told {
    ask(trial.sandbox(), trial.tree(), Path::new(file))
}

fn path(trial: &Trial, name: &str) -> String {
    trial.tree().join(name).display().to_string()
}

/// A source, a header that it includes, and an empty directory before that of the header.
fn sources(trial: &Trial) -> &'static str {
    trial.file("a.c", "#include <x.h>\nint f(void) { return X; }\n");
    trial.file("include/x.h", "#define X 1\n");
    trial.edit(|root| fs::create_dir(root.join("first")).expect("a directory"));
    "$CC -Ifirst -Iinclude -MD -c a.c -o a.o"
}

fn a_hit(trial: &Trial) {
    let line = sources(trial);
    trial.run_line(line).kept();
    trial.run_line(line).hit();
    for output in ["a.o", "a.d"] {
        let told = why(trial, output);
        told.mentions(&format!("{output}: hit, ")).mentions("The result was made ");
        told.mentions(&format!("In {}: {} -Ifirst", trial.tree().display(), trial.compiler().c()));
        told.tells("/verdict", "hit").tells("/origin/checkout", Value::Null);
        assert!(told.json["origin"]["saved_microseconds"].as_u64() > Some(0), "{}", told.json);
    }
}

fn a_changed_input(trial: &Trial) {
    let line = sources(trial);
    trial.run_line(line).kept();
    trial.file("include/x.h", "#define X 2\n");
    trial.run_line(line).kept();
    let told = why(trial, "a.o");
    told.says("include/x.h: content changed").says("The new result is kept.");
    told.mentions("This differs from the one result of this command, made ");
    told.tells("/verdict", "miss").tells("/result/state", "kept");
    told.tells("/cause/kind", "observation").tells("/cause/change", "content");
    told.tells("/cause/path", path(trial, "include/x.h")).tells("/cause/traces", 1);
}

fn an_input_that_came_or_went(trial: &Trial) {
    let line = sources(trial);
    trial.run_line(line).kept();
    trial.file("first/x.h", "#define X 3\n");
    trial.run_line(line).kept();
    let told = why(trial, "a.d");
    told.says(
        "first/x.h: did not exist, now exists and comes before include/x.h in the search path",
    );
    told.tells("/cause/before", "nothing").tells("/cause/now", "file");
    told.tells("/cause/hides", path(trial, "include/x.h"));
    trial.remove("include/x.h");
    trial.remove("first/x.h");
    trial.run_line(line).not_hit();
    let told = why(trial, "a.o");
    told.mentions("x.h: existed, is gone now").mentions("nearest of 2 results");
    told.tells("/verdict", "miss").tells("/cause/now", "nothing");
}

fn another_command(trial: &Trial) {
    let line = sources(trial);
    trial.run_line(line).kept();
    let told = why(trial, "a.o");
    told.says(
        "No result of this command is kept; it is the first one remembered that makes the file.",
    );
    told.tells("/cause/kind", "first");
    let optimised = trial.line(&line.replace("-MD", "-O2 -MD")).arg("-DLAST");
    trial.run(&optimised).kept();
    let told = why(trial, "a.o");
    told.mentions("Since the one that made the file ");
    told.says("argument -O2 is new").says("argument -DLAST is new");
    told.tells("/cause/changes/0", json!({ "what": "arguments", "before": [], "now": ["-O2"] }));
    trial.run(optimised.clone().env("CPATH", "include").env("TOKEN", "secret")).kept();
    let told = why(trial, "a.o");
    told.says("CPATH is set: include").tells("/cause/changes/0/name", "CPATH");
    assert!(!told.text.contains("TOKEN"), "{}", told.text);
    trial.remove("a.o");
    trial.remove("a.d");
    trial.run(optimised.env("CPATH", "first").umask(0o027)).kept();
    let told = why(trial, "a.o");
    told.says("CPATH: include became first").mentions("became 027");
    assert_eq!(told.json["cause"]["changes"].as_array().map(Vec::len), Some(2), "{}", told.json);
}

fn another_directory(trial: &Trial) {
    trial.file("a.c", "int f(void) { return 1; }\n");
    trial.file("sub/a.c", "int g(void) { return 1; }\n");
    let line = trial.line("$CC -g -c a.c -o $PWD/a.o");
    trial.run(&line).kept();
    trial.run(line.below("sub")).kept();
    let told = why(trial, "a.o");
    told.says(&format!("working directory: {} became sub", trial.tree().display()));
    told.tells("/cause/changes/0/what", "cwd").tells("/cause/changes/0/now", path(trial, "sub"));
}

fn a_result_that_is_gone(trial: &Trial) {
    let line = sources(trial);
    trial.run_line(line).kept();
    let _ = trial.sandbox().zccache(&["clear"]).succeeded();
    trial.run_line(line).kept();
    let told = why(trial, "a.o");
    told.mentions("its result is gone: evicted, cleared, or of another version of zccache.");
    told.tells("/cause/kind", "gone").tells("/cause/result/state", "kept");
}

fn a_result_that_is_never_kept(trial: &Trial) {
    trial.file("a.c", "#include \"when.h\"\nconst char *f(void) { return WHEN; }\n");
    trial.file("when.h", "#define WHEN __DATE__\n");
    for _ in 0..2 {
        trial.run_line("$CC -c a.c").abandoned(Reason::TimeMacro);
    }
    let told = why(trial, "a.o");
    let reason = "An input uses the time of the compile: when.h (305 time_macro).";
    told.says(&format!("The new result is not kept: {reason}"));
    told.mentions(&format!("but its result was not kept: {reason}"));
    told.mentions("What helps: set SOURCE_DATE_EPOCH");
    told.tells("/result/reason/slug", "time_macro");
    told.tells("/result/reason/path", path(trial, "when.h"));
}

fn a_side_effect(trial: &Trial) {
    trial.file("a.c", "int f(void) { return 1; }\n");
    trial.file("log", "");
    trial.file("bin/gcc", "#!/bin/sh\ngcc \"$@\"\necho done >>log\n");
    trial.edit(|root| {
        fs::set_permissions(root.join("bin/gcc"), Permissions::from_mode(0o755)).expect("a mode");
    });
    trial.run_line("bin/gcc -c a.c -o a.o").not_hit();
    let told = why(trial, "a.o");
    told.mentions(": log (").tells("/result/state", "not_kept");
    told.tells("/result/reason/path", path(trial, "log"));
}

fn a_private_path(trial: &Trial) {
    trial.file("a.c", "int f(void) { return 1; }\n");
    trial.file("bin/gcc", "#!/bin/sh\ngcc \"$@\"\n: </dev/fd/0\n");
    trial.edit(|root| {
        fs::set_permissions(root.join("bin/gcc"), Permissions::from_mode(0o755)).expect("a mode");
    });
    trial.run_line("bin/gcc -c a.c -o a.o").abandoned(Reason::PrivatePath);
    let told = why(trial, "a.o");
    told.mentions("private to its process: /dev/fd/0 (214 private_path).");
    told.tells("/result/reason/path", "/dev/fd/0");
}

fn a_bypass(trial: &Trial) {
    let line = sources(trial);
    trial.run_line(line).kept();
    trial.run_line("$CC -emit-ast a.o -o lib.so").bypassed(Reason::NotACompile);
    let told = why(trial, "lib.so");
    told.mentions("lib.so: bypassed, ");
    told.says("The command asks the tool about itself, or for what is not known to be repeatable (101 not_a_compile).");
    told.tells("/verdict", "bypassed").tells("/reason/number", 101);
    trial.file("include/x.h", "#define X 4\n");
    trial.run(trial.line(line).env("ZCCACHE_READONLY", "1")).bypassed(Reason::ReadOnly);
    let told = why(trial, "a.o");
    told.says("include/x.h: content changed").says("The store is used read-only (309 read_only).");
    told.says(
        "What helps: unset ZCCACHE_READONLY, or make the store writable, to have results kept.",
    );
    told.tells("/reason/slug", "read_only").tells("/cause/change", "content");
}

fn a_file_by_other_names(trial: &Trial) {
    trial.file("a.c", "int f(void) { return 1; }\n");
    trial.edit(|root| {
        fs::create_dir(root.join("real")).expect("a directory");
        symlink("real", root.join("build")).expect("a link");
        symlink("real/a.o", root.join("latest.o")).expect("a link");
    });
    trial.run_line("$CC -c a.c -o build/../build/./a.o").counted_once();
    for name in ["real/a.o", "build/a.o", "./build/../real/a.o", "latest.o"] {
        why(trial, name).tells("/command/0", trial.compiler().c()).mentions(name);
    }
    let told = ask(trial.sandbox(), &trial.tree().join("build"), Path::new("a.o"));
    told.tells("/command/0", trial.compiler().c());
    trial.run_line("$CC -O1 -c a.c -o real/a.o").kept();
    why(trial, "latest.o")
        .says("argument -O1 is new")
        .says("argument build/../build/./a.o became real/a.o");
}

fn nothing(trial: &Trial) {
    let sandbox = trial.sandbox();
    for file in ["a.o", "no/such/a.o"] {
        let outcome = sandbox.zccache(&["why", file]);
        assert_eq!(outcome.status.code(), Some(1), "{outcome:?}");
        let first = outcome.out().lines().next().map(str::to_owned);
        let expected = format!("{file}: nothing is known of a compile that makes this file");
        assert_eq!(first, Some(expected));
        assert!(outcome.out().contains("'zccache stats'"), "{outcome:?}");
        let outcome = sandbox.zccache(&["why", "--json", file]);
        assert!(outcome.out().contains("\"verdict\":null"), "{outcome:?}");
    }
}

fn another_daemon(trial: &Trial) {
    let line = sources(trial);
    trial.run_line(line).kept();
    let before = why(trial, "a.o").json;
    trial.age();
    let sandbox = trial.sandbox();
    if trial.place() == Place::View {
        sandbox.umount(trial.tree());
    }
    let _ = sandbox.zccache(&["restart"]).succeeded();
    assert_eq!(why(trial, "a.o").json, before);
    trial.run_line(&line.replace("-MD", "-MD -O1")).kept();
    why(trial, "a.o").says("argument -O1 is new");
}

fn the_environment_of_a_script(trial: &Trial) {
    trial.file("a.c", "int f(void) { return 1; }\n");
    trial.file("bin/gcc", "#!/bin/sh\nexec gcc \"$@\"\n");
    trial.edit(|root| {
        fs::set_permissions(root.join("bin/gcc"), Permissions::from_mode(0o755)).expect("a mode");
    });
    let line = trial.line("bin/gcc -c a.c -o a.o");
    trial.run(&line).kept();
    trial.run(line.clone().env("COLOUR", "red")).kept();
    trial.run(line.env("COLOUR", "blue")).kept();
    let told = why(trial, "a.o");
    told.mentions("The environment has changed; all of it counts").says("COLOUR has another value");
    told.tells("/cause/kind", "environment").tells("/cause/changes/0/name", "COLOUR");
}

fn another_checkout(trial: &Trial) {
    for checkout in ["one", "two"] {
        trial.file(format!("{checkout}/a.c"), "int f(void) { return 1; }\n");
    }
    let run = |checkout: &str| trial.run(trial.line("$CC -c a.c -o a.o").below(checkout));
    run("one").kept();
    run("two").hit();
    let told = why(trial, "two/a.o");
    told.mentions(&format!(" in the checkout {}; it saves ", path(trial, "one")));
    told.tells("/origin/checkout", path(trial, "one"));
}

fn a_result_that_is_confirmed(trial: &Trial) {
    let line = sources(trial);
    let verified = || trial.line(line).env("ZCCACHE_VERIFY", "1");
    trial.run(verified()).kept();
    trial.run(verified()).kept();
    let told = why(trial, "a.o");
    told.mentions("a.o: hit, compiled all the same to compare (ZCCACHE_VERIFY), ");
    told.says("The compiler made the same again.");
    told.tells("/verdict", "verified").tells("/result/state", "confirmed");
    trial.run_line(line).hit();
    trial.file("include/x.h", "#define X 5\n");
    trial.run(verified()).kept();
    trial.run(verified()).kept();
    assert_eq!(comparisons(trial.sandbox()), (2, 0));
}

/// How many hits were compared, and how many of them differed.
fn comparisons(sandbox: &Sandbox) -> (u64, u64) {
    let counters = sandbox.zccache(&["stats", "--json"]).succeeded().stdout;
    let counters: Value = serde_json::from_slice(&counters).expect("JSON is printed");
    let count = |name: &str| counters[name].as_u64().expect("a counter");
    (count("verified"), count("differing"))
}

trials! {
    a_hit,
    a_changed_input,
    an_input_that_came_or_went,
    another_command,
    another_directory,
    a_result_that_is_gone,
    a_result_that_is_never_kept,
    a_side_effect,
    a_private_path,
    a_bypass,
    a_file_by_other_names,
    nothing,
    another_daemon,
    the_environment_of_a_script,
    another_checkout,
    a_result_that_is_confirmed,
}

/// A compiler that draws lots cannot be told from one that does not, but by
/// running it again. What it makes is no longer kept once it is found out.
#[test]
fn a_result_that_is_wrong_is_found_and_removed() {
    trial::once(Place::Plain, Compiler::Gcc, |trial| {
        trial.file("a.c", "int f(void) { return LOT; }\n");
        trial.file("bin/gcc", "#!/bin/sh\nexec gcc -DLOT=$$ \"$@\"\n");
        trial.edit(|root| {
            let mode = Permissions::from_mode(0o755);
            fs::set_permissions(root.join("bin/gcc"), mode).expect("a mode");
        });
        trial.age();
        let sandbox = trial.sandbox();
        let compile = |verify: &str| {
            let line = Command::from("bin/gcc -c a.c -o a.o").env("ZCCACHE_VERIFY", verify);
            let _ = sandbox.launch(trial.tree(), line).succeeded();
            sandbox.settle();
            fs::read(trial.tree().join("a.o")).expect("an object")
        };
        let kept = compile("0");
        assert_eq!(compile("0"), kept);
        assert_ne!(compile("1"), kept, "the build gets what its compiler makes");
        assert_eq!(comparisons(sandbox), (1, 1));
        assert_eq!(sandbox.counters().reasons.get("result_differs"), Some(&1));
        let told = why(trial, "a.o");
        told.says("The compiler made something else: a.o. The kept result is removed.");
        told.mentions("(320 result_differs).").tells("/result/state", "differs");
        told.tells("/result/paths", json!([path(trial, "a.o")]));
        let stats = sandbox.zccache(&["stats"]).succeeded().out();
        assert!(stats.contains("1 compared with the compiler, 1 differ"), "{stats}");
        let log = fs::read_to_string(sandbox.store().join("daemon.log")).expect("a log");
        assert!(log.contains("a wrong result was kept"), "{log}");
        assert_ne!(compile("0"), kept, "what is wrong is gone");
        why(trial, "a.o").mentions("its result was wrong and removed.");
    });
}
