//! What stays of a view when its daemon is killed, and comes back.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use zccache_tests::sandbox::{eventually, is_view};
use zccache_tests::{Command, Compiler, Outcome, Place, Sandbox, Trial, trial};

use crate::failures::SLOW;

const NINJA: &str = "rule cc\n  command = $launcher gcc -MD -MF $out.d -c $in -o $out\n  \
    depfile = $out.d\n  deps = gcc\nbuild a.o: cc a.c\nbuild b.o: cc b.c\nbuild sub/c.o: cc c.c\n";

fn in_a_view(then: impl Fn(&Trial)) {
    trial::once(Place::View, Compiler::Gcc, then);
}

/// Three sources and how ninja builds them, with or without the launcher.
fn project(trial: &Trial) {
    for name in ["a", "b", "c"] {
        trial.file(format!("{name}.c"), format!("#include \"x.h\"\nint {name} = X;\n"));
    }
    trial.file("x.h", "#define X 1\n");
    trial.file("build.ninja", NINJA);
    let launcher = trial.sandbox().programs().launcher();
    let text = format!("launcher = {}\n{NINJA}", launcher.display());
    fs::write(trial.tree().join("build.ninja"), text).expect("a file");
    trial.edit(|_| ());
}

fn ninja(trial: &Trial, arguments: &str) -> Outcome {
    trial.age();
    let command = Command::from(format!("ninja {arguments}").as_str());
    trial.sandbox().bare(trial.tree(), command).succeeded()
}

/// Builds, removes what was built and builds again: then a view shows it.
fn built_and_shown(trial: &Trial) {
    project(trial);
    let _ = ninja(trial, "");
    trial.sandbox().settle();
    let _ = ninja(trial, "-t clean");
    let _ = ninja(trial, "");
    assert!(shown(trial.sandbox()) >= 3, "{}", trial.sandbox().status());
}

/// How many files views show.
fn shown(sandbox: &Sandbox) -> u64 {
    let status = sandbox.status();
    let views = status["views"].as_array().expect("a list").iter();
    views.map(|view| view["projected"].as_u64().expect("a number")).sum()
}

fn has_no_work(trial: &Trial) {
    let said = ninja(trial, "-n -d explain");
    assert!(said.out().contains("no work to do"), "{said:?}");
}

/// Who waits for the death of which view is faster is chance.
#[test]
fn of_views_within_each_other_the_outer_comes_back() {
    in_a_view(|trial| {
        let (sandbox, inner) = (trial.sandbox(), trial.tree().join("inner"));
        trial.file("inner/a.c", "int a;\n");
        for _ in 0..3 {
            sandbox.mount(&inner);
            trial.run_line("gcc -c inner/a.c -o inner/a.o").not_bypassed();
            sandbox.settle();
            sandbox.kill_daemon_under(trial.tree());
            eventually("the inner one is gone", || !is_view(&inner));
            assert_eq!(fs::read(inner.join("a.c")).expect("it is there"), b"int a;\n");
            sandbox.mount(&inner);
            trial.run_line("gcc -c inner/a.c -o inner/a.o").hit();
            sandbox.umount(&inner);
            trial.assert_same_trees("unmounting the inner view");
        }
    });
}

#[test]
fn a_build_goes_on_where_it_was_when_the_daemon_was_killed() {
    in_a_view(|trial| {
        built_and_shown(trial);
        let misses = trial.sandbox().counters().misses;
        for _ in 0..2 {
            trial.sandbox().kill_daemon_under(trial.tree());
            assert!(shown(trial.sandbox()) >= 3);
            has_no_work(trial);
        }
        trial.file("b.c", "int b;\n");
        let _ = ninja(trial, "");
        has_no_work(trial);
        trial.sandbox().settle();
        // The daemon that was killed had not saved all of its counters.
        assert!(trial.sandbox().counters().misses <= misses + 1);
        // The twin was not built.
        for built in ["a.o", "b.o", "sub", ".ninja_deps", ".ninja_log", "build.ninja"] {
            let path = trial.tree().join(built);
            fs::remove_file(&path).or_else(|_| fs::remove_dir_all(&path)).expect("it is there");
        }
        fs::remove_file(trial.twin().join("build.ninja")).expect("it is there");
    });
}

#[test]
fn a_build_whose_daemon_is_killed_again_and_again_ends_in_the_same() {
    in_a_view(|trial| {
        for number in 0..8 {
            trial.file(format!("s{number}.c"), format!("int f(void) {{ return {number}; }}\n"));
        }
        for number in 0..8 {
            let compile = trial.line(&format!("gcc -g -c s{number}.c -o s{number}.o"));
            let expected = trial.bare(&compile);
            if number % 4 == 2 {
                trial.sandbox().kill_daemon_under(trial.tree());
            }
            assert_eq!(trial.sandbox().launch(trial.tree(), &compile), expected);
        }
        trial.assert_same_trees("the daemon was killed twice");
    });
}

/// Appends numbered lines until that fails; returns how many it has written.
fn append(path: &Path, stop: &AtomicBool) -> usize {
    let mut file = OpenOptions::new().append(true).create(true).open(path).expect("a file");
    let mut written = 0;
    while !stop.load(Ordering::Relaxed) && writeln!(file, "{written}").is_ok() {
        written += 1;
    }
    written
}

#[test]
fn what_was_written_is_there_and_what_is_open_ends() {
    in_a_view(|trial| {
        let (tree, sandbox) = (trial.tree(), trial.sandbox());
        let stop = AtomicBool::new(false);
        trial.file("mapped", "before");
        let mapped = OpenOptions::new().read(true).write(true).open(tree.join("mapped"));
        let mapped = mapped.expect("it is there");
        let files: Vec<_> = (0..3).map(|n| tree.join(format!("log{n}"))).collect();
        thread::scope(|scope| {
            let writers: Vec<_> =
                files.iter().map(|file| scope.spawn(|| append(file, &stop))).collect();
            eventually("all write", || files.iter().all(|file| file.exists()));
            thread::sleep(Duration::from_millis(50));
            sandbox.kill_daemon_under(tree);
            stop.store(true, Ordering::Relaxed);
            for (file, writer) in files.iter().zip(writers) {
                let written = writer.join().expect("it does not panic");
                let lines = BufReader::new(File::open(file).expect("it is there")).lines();
                let lines: Vec<String> = lines.map(|line| line.expect("text")).collect();
                assert!(lines.len() >= written, "{} of {written} lines", lines.len());
                assert!(lines.iter().enumerate().all(|(n, line)| *line == n.to_string()));
                fs::remove_file(file).expect("it is there");
            }
        });
        assert_eq!(fs::read(tree.join("mapped")).expect("it is there"), b"before");
        drop(mapped);
    });
}

/// The processes that wait for the end of views of this sandbox.
fn keepers(sandbox: &Sandbox) -> Vec<Pid> {
    let control = sandbox.programs().control();
    let store = sandbox.store();
    let is_keeper = |pid: &i32| {
        let process = Path::new("/proc").join(pid.to_string());
        let runs = fs::read_link(process.join("exe")).is_ok_and(|program| program == control);
        let told = fs::read(process.join("environ")).unwrap_or_default();
        let name = store.as_os_str().as_encoded_bytes();
        runs && told.windows(name.len()).any(|window| window == name)
    };
    let processes = fs::read_dir("/proc").expect("/proc is mounted");
    let pids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(is_keeper).map(Pid::from_raw).collect()
}

#[test]
fn a_view_that_nobody_keeps_is_mounted_again_by_the_next_command() {
    in_a_view(|trial| {
        trial.file("a.c", "int f(void) { return 1; }\n");
        trial.line_misses_then_hits("$CC -g -c a.c -o a.o");
        let sandbox = trial.sandbox();
        assert_eq!(shown(sandbox), 1);
        for pid in keepers(sandbox) {
            kill(pid, Signal::SIGKILL).expect("it runs");
        }
        eventually("nobody keeps the view", || keepers(sandbox).is_empty());
        sandbox.kill_daemon();
        assert!(fs::read_dir(trial.tree()).is_err(), "a dead view");
        sandbox.mount(trial.tree());
        assert_eq!(shown(sandbox), 1);
        trial.assert_same_trees("mounting again");
    });
    in_a_view(|trial| {
        for pid in keepers(trial.sandbox()) {
            kill(pid, Signal::SIGKILL).expect("it runs");
        }
        trial.sandbox().kill_daemon();
        let _ = trial.sandbox().zccache(&["start"]).succeeded();
        assert!(!is_view(trial.tree()), "starting cleans up");
    });
}

#[test]
fn a_view_outlives_the_shell_that_mounted_it() {
    let trial = Trial::new(Place::Plain, Compiler::Gcc);
    let (sandbox, tree) = (trial.sandbox(), trial.tree());
    let script = format!(
        "trap '' HUP; {} mount {} && kill -HUP 0; exit 0",
        sandbox.programs().control().display(),
        tree.display()
    );
    let _ = sandbox.bare(Path::new("/"), Command::new(["setsid", "sh", "-c", &script]));
    assert!(is_view(tree));
    trial.file("a.c", "int f(void) { return 1; }\n");
    trial.line_misses_then_hits("$CC -g -c a.c -o a.o");
    sandbox.kill_daemon_under(tree);
    assert_eq!(shown(sandbox), 1);
    trial.assert_same_trees("the daemon was killed");
    sandbox.umount(tree);
    trial.assert_same_trees("unmounting");
}

#[test]
fn a_daemon_that_is_told_to_end_leaves_real_files() {
    in_a_view(|trial| {
        trial.file("a.c", "int f(void) { return 1; }\n");
        trial.line_misses_then_hits("$CC -g -c a.c -o a.o");
        for pid in trial.sandbox().daemons() {
            kill(pid, Signal::SIGTERM).expect("it runs");
        }
        eventually("the daemon is gone", || trial.sandbox().daemons().is_empty());
        eventually("the plain directory is back", || !is_view(trial.tree()));
        trial.assert_same_trees("the daemon ended");
    });
}

#[test]
fn restarting_keeps_views_and_what_they_show_as_files() {
    in_a_view(|trial| {
        built_and_shown(trial);
        let pid = trial.sandbox().status()["pid"].clone();
        let _ = trial.sandbox().unmounting(&["restart"]);
        assert_ne!(trial.sandbox().status()["pid"], pid);
        assert!(is_view(trial.tree()), "the view is mounted again");
        has_no_work(trial);
        let _ = ninja(trial, "-t clean");
        for left in [".ninja_deps", ".ninja_log", "build.ninja", "sub"] {
            let path = trial.tree().join(left);
            fs::remove_file(&path).or_else(|_| fs::remove_dir_all(&path)).ok();
        }
        fs::remove_file(trial.twin().join("build.ninja")).expect("it is there");
    });
}

#[test]
fn restarting_waits_for_compilers() {
    trial::once(Place::Plain, Compiler::Gcc, |trial| {
        trial.file("a.cpp", SLOW);
        trial.age();
        let (sandbox, line) = (trial.sandbox(), "$CXX -O1 -c a.cpp -o a.o");
        let expected = trial.bare(&trial.line(line));
        let running = sandbox.start_launch(trial.tree(), trial.line(line));
        eventually("the compiler runs", || sandbox.status()["running"] == 1);
        let restarted = sandbox.unmounting(&["restart"]);
        assert!(restarted.err().contains("waiting for 1"), "{restarted:?}");
        assert_eq!(running.wait(), expected);
        trial.remove("a.o");
        trial.run_line(line).hit();
    });
}

#[test]
fn restarting_leaves_a_view_that_is_in_use() {
    in_a_view(|trial| {
        let (sandbox, tree) = (trial.sandbox(), trial.tree());
        let other = sandbox.path("other");
        fs::create_dir(&other).expect("a directory");
        sandbox.mount(&other);
        let mut user = std::process::Command::new("sleep");
        user.arg("1000").current_dir(tree).stdin(Stdio::null());
        let mut user = user.spawn().expect("sleep runs");
        let pid = sandbox.status()["pid"].clone();
        let refused = sandbox.zccache(&["restart"]);
        let said = refused.err();
        assert!(!refused.status.success() && said.contains("is in use"), "{refused:?}");
        assert!(said.contains(tree.to_str().expect("a plain name")), "{said}");
        assert_eq!(sandbox.status()["pid"], pid);
        assert!(is_view(tree) && is_view(&other));
        user.kill().expect("it runs");
        let _ = user.wait().expect("it ends");
        sandbox.umount(&other);
    });
}

#[test]
fn a_view_for_one_command_comes_back_with_the_next() {
    let trial = Trial::new(Place::Plain, Compiler::Gcc);
    trial.file("a.c", "int f(void) { return 1; }\n");
    trial.run_line("$CC -g -c a.c -o a.o").kept();
    trial.edit(|root| fs::remove_file(root.join("a.o")).expect("it is there"));
    trial.age();
    let run = |script: &str| {
        let run = Command::new([trial.sandbox().programs().control()]).arg("run").arg("--mount");
        let run = run.arg(trial.tree()).arg("--").arg("sh").arg("-euc").arg(script);
        trial.sandbox().bare(trial.tree(), run)
    };
    let pids = trial.sandbox().daemons();
    let kills: Vec<_> = pids.iter().map(|pid| format!("kill -9 {pid}")).collect();
    let killed = run(&format!(
        "{} gcc -g -c a.c -o a.o; test -s a.o; here=$PWD; cd /; {}
         while grep -q \" $here fuse\" /proc/self/mounts; do sleep 0.02; done
         test -e $here/a.c; test ! -e $here/a.o",
        trial.sandbox().programs().launcher().display(),
        kills.join("; ")
    ));
    assert_eq!(killed.status.code(), Some(1), "{killed:?}");
    assert!(killed.err().contains("the daemon has died"), "{killed:?}");
    let _ = run("test -s a.o; grep -q \" $PWD fuse\" /proc/self/mounts").succeeded();
    let _ = trial.bare(&trial.line("$CC -g -c a.c -o a.o"));
    trial.assert_same_trees("the second run");
}

/// A journal must not bring back what was dropped.
#[test]
fn what_was_discarded_stays_away() {
    in_a_view(|trial| {
        trial.file("a.c", "int f(void) { return 1; }\n");
        trial.line_misses_then_hits("$CC -g -c a.c -o a.o");
        let (sandbox, tree) = (trial.sandbox(), trial.tree());
        let words = [OsStr::new("umount"), OsStr::new("--discard"), tree.as_os_str()];
        let _ = sandbox.zccache(&words).succeeded();
        sandbox.mount(tree);
        assert!(!tree.join("a.o").exists());
        fs::remove_file(trial.twin().join("a.o")).expect("it is there");
    });
}
