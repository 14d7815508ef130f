//! The daemon: started once, asked by many, killed at any moment.

use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use zccache_core::settings::socket_path;
use zccache_tests::sandbox::{eventually, is_view};
use zccache_tests::{Command, Compiler, Outcome, Place, Sandbox, Trial, trial};

use crate::failures::SLOW;
use crate::trials;

fn small_sources(trial: &Trial, count: usize) {
    for n in 0..count {
        trial.file(format!("s{n}.c"), format!("int f{n}(void) {{ return {n}; }}\n"));
    }
}

fn compile_all(trial: &Trial, count: usize) {
    for n in 0..count {
        trial.run_line(&format!("$CC -MD -c s{n}.c -o s{n}.o")).counted_once();
    }
}

#[test]
fn eight_launchers_at_once_start_one_daemon() {
    let sandbox = Sandbox::new();
    let work = sandbox.path("work");
    for n in 0..8 {
        fs::write(work.join(format!("{n}.c")), format!("int x{n};\n")).expect("a file");
    }
    std::thread::sleep(std::time::Duration::from_millis(30));
    let lines: Vec<_> = (0..8).map(|n| format!("gcc -c {n}.c -o {n}.o")).collect();
    let running: Vec<_> =
        lines.iter().map(|line| sandbox.start_launch(&work, line.as_str())).collect();
    let outcomes: Vec<Outcome> = running.into_iter().map(|one| one.wait().succeeded()).collect();
    assert!(outcomes.iter().all(|outcome| outcome.stderr.is_empty()), "{outcomes:?}");
    eventually("one daemon is left", || sandbox.daemons().len() == 1);
    let counted = sandbox.counters();
    assert_eq!((counted.misses, counted.lookups()), (8, 8), "{counted:?}");
    assert_eq!(sandbox.daemons().len(), 1);
}

fn equal_compiles_at_once_run_the_compiler_once(trial: &Trial) {
    trial.file("a.cpp", SLOW);
    trial.age();
    let sandbox = trial.sandbox();
    let compile = trial.line("$CXX -O1 -c a.cpp -o a.o");
    let expected = trial.bare(&compile);
    let running: Vec<_> = (0..5).map(|_| sandbox.start_launch(trial.tree(), &compile)).collect();
    for one in running {
        assert_eq!(one.wait(), expected);
    }
    sandbox.settle();
    let counted = sandbox.counters();
    assert_eq!((counted.misses, counted.hits), (1, 4), "{counted:?}");
    trial.assert_same_trees("five equal compiles");
}

/// A launcher leaves as soon as its report is in the socket; whoever comes next
/// waits until the daemon has read and published it.
fn an_equal_compile_that_follows_at_once_hits(trial: &Trial) {
    let compile = trial.line("$CC -MD -c a.c -o a.o");
    for round in 1..=20 {
        trial.file("a.c", format!("int f(void) {{ return {round}; }}\n"));
        trial.age();
        let expected = trial.bare(&compile);
        for _ in 0..2 {
            assert_eq!(trial.sandbox().launch(trial.tree(), &compile), expected);
            trial.assert_same_trees("a compile that follows at once");
        }
        let counted = trial.sandbox().counters();
        assert_eq!((counted.misses, counted.hits), (round, round), "{counted:?}");
    }
}

/// Only what the compiler finds wrong with a source is kept.
#[test]
fn equal_compiles_that_fail_run_the_compiler_once_if_the_source_is_to_blame() {
    trial::once(Place::Plain, Compiler::Gcc, |trial| {
        trial.file("a.cpp", format!("{SLOW}\n#error no\n"));
        trial.age();
        let sandbox = trial.sandbox();
        let mut seen = 0;
        for (language, misses) in [("C", 1), ("de_DE.UTF-8", 4)] {
            let compile = trial.line("$CXX -O1 -c a.cpp -o a.o").env("LC_ALL", language);
            let expected = trial.bare(&compile);
            let running: Vec<_> =
                (0..4).map(|_| sandbox.start_launch(trial.tree(), &compile)).collect();
            for one in running {
                assert_eq!(one.wait(), expected);
            }
            sandbox.settle();
            let counted = sandbox.counters().misses - seen;
            assert_eq!(counted, misses, "{language}");
            seen += counted;
        }
    });
}

#[test]
fn the_first_of_equal_compiles_is_killed_and_the_others_go_on() {
    trial::once(Place::Plain, Compiler::Gcc, |trial| {
        trial.file("a.cpp", SLOW);
        trial.age();
        let compile = trial.line("$CXX -O1 -c a.cpp -o a.o");
        let sandbox = trial.sandbox();
        let first = sandbox.start_launch(trial.tree(), &compile);
        eventually("the first runs", || sandbox.status()["running"] == 1);
        let second = sandbox.start_launch(trial.tree(), &compile);
        nix::sys::signal::kill(first.pid(), nix::sys::signal::Signal::SIGKILL).expect("it runs");
        assert!(!first.wait().status.success());
        let expected = trial.bare(&compile);
        assert_eq!(second.wait(), expected);
        trial.run(&compile).counted_once();
    });
}

fn killed_between_compiles(trial: &Trial) {
    if trial.place() == Place::View {
        return killed_between_compiles_in_a_view(trial);
    }
    small_sources(trial, 4);
    let empty = trial.state();
    compile_all(trial, 3);
    trial.sandbox().kill_daemon();
    compile_all(trial, 4);
    trial.sandbox().kill_daemon();
    trial.reset(&empty);
    let before = trial.sandbox().counters();
    for n in 0..4 {
        let compile = trial.line(&format!("$CC -MD -c s{n}.c -o s{n}.o"));
        assert_eq!(trial.bare(&compile), trial.sandbox().launch(trial.tree(), &compile));
    }
    trial.assert_same_trees("the daemon was killed twice");
    assert_eq!(trial.sandbox().counters().since(&before).hits, 4);
    nothing_is_damaged(trial.sandbox());
}

fn nothing_is_damaged(sandbox: &Sandbox) {
    let _ = sandbox.zccache(&["check"]).succeeded();
}

/// Some files are lower ones, some projected, when the daemon dies: another one
/// shows all of them again.
fn killed_between_compiles_in_a_view(trial: &Trial) {
    small_sources(trial, 4);
    let empty = trial.state();
    compile_all(trial, 3);
    trial.reset(&empty);
    compile_all(trial, 4);
    kill_under_a_view(trial);
    trial.assert_same_trees("the daemon was killed");
    let before = trial.sandbox().counters();
    compile_all(trial, 4);
    trial.reset(&empty);
    compile_all(trial, 4);
    let counted = trial.sandbox().counters().since(&before);
    assert_eq!((counted.hits, counted.misses), (8, 0), "earlier results hit: {counted:?}");
    nothing_is_damaged(trial.sandbox());
}

/// Kills the daemon and waits until another one serves the view.
pub(crate) fn kill_under_a_view(trial: &Trial) {
    let before = trial.sandbox().daemons();
    trial.sandbox().kill_daemon_under(trial.tree());
    assert!(before.iter().all(|pid| !trial.sandbox().daemons().contains(pid)));
}

fn killed_during_a_compile(trial: &Trial) {
    small_sources(trial, 1);
    trial.file("a.cpp", SLOW);
    compile_all(trial, 1);
    let compile = trial.line("$CXX -O1 -MD -c a.cpp -o a.o");
    let before = trial.state();
    let expected = trial.bare(&compile);
    let sandbox = trial.sandbox();
    let running = sandbox.start_launch(trial.tree(), &compile);
    eventually("the compiler runs", || sandbox.status()["running"] == 1);
    if trial.place() == Place::Plain {
        sandbox.kill_daemon();
        assert_eq!(running.wait(), expected, "the build goes on");
        trial.assert_same_trees("the daemon was killed during the compile");
    } else {
        kill_under_a_view(trial);
        let _ended = running.wait();
        // It may have been too late for it to clear up after itself.
        trial.reset(&before);
        assert_eq!(trial.bare(&compile), expected);
    }
    assert_eq!(sandbox.launch(trial.tree(), &compile), expected, "the next build continues");
    trial.assert_same_trees("the next build");
    nothing_is_damaged(sandbox);
    trial.remove("s0.o");
    trial.run_line("$CC -MD -c s0.c -o s0.o").hit();
}

/// Kills the daemon at many moments of a build's life.
#[test]
fn killed_at_any_moment_the_store_opens_again() {
    trial::once(Place::Plain, Compiler::Gcc, |trial| {
        small_sources(trial, 12);
        trial.age();
        let empty = trial.state();
        for moment in 0..12 {
            trial.reset(&empty);
            trial.age();
            for n in 0..12 {
                if n == moment {
                    trial.sandbox().kill_daemon();
                }
                let compile = trial.line(&format!("$CC -MD -O1 -c s{n}.c -o s{n}.o"));
                let found = trial.sandbox().launch(trial.tree(), &compile);
                assert_eq!(trial.bare(&compile), found);
            }
            trial.assert_same_trees("the daemon was killed");
        }
        nothing_is_damaged(trial.sandbox());
    });
}

fn results_survive_a_restart(trial: &Trial) {
    small_sources(trial, 2);
    let empty = trial.state();
    compile_all(trial, 2);
    let pid = trial.sandbox().status()["pid"].clone();
    let _ = trial.sandbox().zccache(&["restart"]).succeeded();
    assert_ne!(trial.sandbox().status()["pid"], pid);
    trial.reset(&empty);
    trial.run_line("$CC -MD -c s0.c -o s0.o").hit();
    trial.run_line("$CC -MD -c s1.c -o s1.o").hit();
}

fn stopping_leaves_real_files_and_no_process(trial: &Trial) {
    small_sources(trial, 2);
    let empty = trial.state();
    compile_all(trial, 2);
    trial.reset(&empty);
    compile_all(trial, 2);
    let _ = trial.sandbox().zccache(&["stop"]).succeeded();
    eventually("the daemon is gone", || trial.sandbox().daemons().is_empty());
    assert!(!is_view(trial.tree()));
    trial.assert_same_trees("stopping");
}

#[test]
fn starting_twice_is_starting_once() {
    let sandbox = Sandbox::new();
    let _ = sandbox.zccache(&["start"]).succeeded();
    let pid = sandbox.status()["pid"].as_i64();
    let _ = sandbox.zccache(&["start"]).succeeded();
    assert_eq!(sandbox.status()["pid"].as_i64(), pid);
    assert_eq!(sandbox.daemons().len(), 1);
    let _ = sandbox.zccache(&["stop"]).succeeded();
    let _ = sandbox.zccache(&["stop"]).succeeded();
    assert_eq!(sandbox.daemons().len(), 0);
}

#[test]
fn a_cleared_cache_is_empty_and_usable() {
    trial::once(Place::Plain, Compiler::Gcc, |trial| {
        small_sources(trial, 1);
        trial.line_misses_then_hits("$CC -c s0.c -o s0.o");
        let _ = trial.sandbox().zccache(&["clear"]).succeeded();
        trial.line_misses_then_hits("$CC -c s0.c -o s0.o");
        let _ = trial.sandbox().zccache(&["stats", "--zero"]).succeeded();
        assert_eq!(trial.sandbox().counters().lookups(), 0);
    });
}

fn files_below(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("a directory can be listed");
    let paths = entries.map(|entry| entry.expect("listed").path());
    paths.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

/// Damages every file of a store, and compiles as if nothing were.
fn damaged(damage: impl Fn(&Path)) {
    trial::once(Place::Plain, Compiler::Gcc, |trial| {
        trial.file("a.cpp", SLOW);
        let state = trial.state();
        trial.run_line("$CXX -g -c a.cpp -o a.o").kept();
        let _ = trial.sandbox().zccache(&["stop"]).succeeded();
        eventually("the daemon is gone", || trial.sandbox().daemons().is_empty());
        let is_file = |path: &PathBuf| path.symlink_metadata().is_ok_and(|meta| meta.is_file());
        files_below(&trial.sandbox().store()).iter().filter(|path| is_file(path)).for_each(
            |path| {
                damage(path);
            },
        );
        for _ in 0..2 {
            trial.reset(&state);
            let compile = trial.line("$CXX -g -c a.cpp -o a.o");
            let expected = trial.bare(&compile);
            assert_eq!(trial.sandbox().launch(trial.tree(), &compile), expected);
            trial.assert_same_trees("the store was damaged");
        }
    });
}

#[test]
fn a_store_of_emptied_files_is_survived() {
    damaged(|path| fs::write(path, "").expect("a file"));
}

#[test]
fn a_store_with_flipped_bits_is_survived() {
    damaged(|path| {
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o644))
            .expect("a mode");
        let length = path.metadata().expect("a file").len();
        let mut file = OpenOptions::new().write(true).open(path).expect("a file");
        for at in [length / 4, length / 2, length * 3 / 4] {
            file.seek(SeekFrom::Start(at)).expect("a file can be sought in");
            file.write_all(b"\xa5damage").expect("a file can be written");
        }
        file.set_len(length).expect("a file can be cut");
    });
}

#[test]
fn a_store_that_vanishes_is_survived() {
    trial::once(Place::Plain, Compiler::Gcc, |trial| {
        small_sources(trial, 2);
        trial.run_line("$CC -c s0.c -o s0.o").kept();
        fs::remove_dir_all(trial.sandbox().store()).expect("it can be removed");
        for n in [0, 1, 0] {
            let compile = trial.line(&format!("$CC -c s{n}.c -o s{n}.o"));
            let expected = trial.bare(&compile);
            assert_eq!(trial.sandbox().launch(trial.tree(), &compile), expected);
        }
        trial.assert_same_trees("the store vanished");
    });
}

#[test]
fn a_view_whose_store_has_vanished_is_unmounted_all_the_same() {
    let sandbox = Sandbox::new();
    let _ = sandbox.zccache(&["start"]).succeeded();
    let work = sandbox.path("work");
    sandbox.mount(&work);
    let name = work.to_str().expect("a plain name");
    fs::write(work.join("a.txt"), "a").expect("it can be written");
    fs::remove_dir_all(sandbox.store()).expect("it can be removed");
    let again = sandbox.zccache(&["mount", name]);
    assert!(again.err().contains("is a view already"), "{again:?}");
    let unmounted = sandbox.zccache(&["umount", name]).succeeded();
    assert!(unmounted.err().contains("has been removed"), "{unmounted:?}");
    assert!(!is_view(&work));
    assert_eq!(fs::read(work.join("a.txt")).expect("it is below"), b"a");
}

#[test]
fn the_status_says_what_it_should() {
    let sandbox = Sandbox::new();
    let _ = sandbox.zccache(&["start"]).succeeded();
    let work = sandbox.path("work");
    sandbox.mount(&work);
    let status = sandbox.status();
    assert_eq!(status["store"].as_str().map(OsStr::new), Some(sandbox.store().as_os_str()));
    assert!(status["version"].is_string() && status["publications_in_flight"] == 0, "{status}");
    assert_eq!(status["views"].as_array().map(Vec::len), Some(1), "{status}");
    let mounts = sandbox.zccache(&["mounts"]).succeeded();
    assert!(mounts.out().contains(work.to_str().expect("a plain name")), "{mounts:?}");
    sandbox.umount(&work);
    assert_eq!(sandbox.status()["views"].as_array().map(Vec::len), Some(0));
}

#[test]
fn the_counters_as_prometheus_reads_them() {
    trial::once(Place::Plain, Compiler::Gcc, |trial| {
        small_sources(trial, 1);
        trial.line_misses_then_hits("$CC -c s0.c -o s0.o");
        let said = trial.sandbox().zccache(&["stats", "--prometheus"]).succeeded().out();
        let counted = trial.sandbox().counters();
        for (name, value) in [("hits", counted.hits), ("misses", counted.misses)] {
            assert!(said.contains(&format!("\nzccache_{name}_total {value}\n")), "{said}");
        }
        let is_line =
            |line: &str| line.starts_with("# TYPE zccache_") || line.starts_with("zccache_");
        assert!(said.lines().all(is_line), "{said}");
        over_http(trial.sandbox(), &said);
    });
}

/// The daemon says the same over its socket, and nothing else.
fn over_http(sandbox: &Sandbox, said: &str) {
    let socket = socket_path(&sandbox.store());
    let curl = |url: &str| {
        let command = Command::from("curl --silent --fail --unix-socket").arg(&socket).arg(url);
        sandbox.bare(&sandbox.path("work"), command)
    };
    let counters = |text: &str| -> Vec<String> {
        text.lines().filter(|line| line.contains("_total")).map(str::to_owned).collect()
    };
    let told = curl("http://zccache/metrics").succeeded().out();
    assert_eq!(counters(&told), counters(said));
    assert!(
        told.contains("# TYPE zccache_resident_bytes gauge\nzccache_resident_bytes "),
        "{told}"
    );
    assert!(!curl("http://zccache/other").status.success());
    let long = format!("GET /metrics HTTP/1.1\r\nX: {}", "x".repeat(8 << 10));
    for (request, answer) in
        [(long.as_str(), "HTTP/1.1 431"), ("GET /metrics\r\n\r\n", "HTTP/1.1 404")]
    {
        let mut stream = UnixStream::connect(&socket).expect("a daemon listens");
        stream.write_all(request.as_bytes()).expect("it listens");
        let mut found = Vec::new();
        // What it has not read ends the connection with an error, behind the answer.
        let _ended = stream.read_to_end(&mut found);
        let found = String::from_utf8_lossy(&found);
        assert!(found.starts_with(answer), "{found}");
    }
    assert_eq!(sandbox.daemons().len(), 1);
}

trials!(
    equal_compiles_at_once_run_the_compiler_once,
    an_equal_compile_that_follows_at_once_hits,
    killed_between_compiles,
    killed_during_a_compile,
    results_survive_a_restart,
    stopping_leaves_real_files_and_no_process,
);
