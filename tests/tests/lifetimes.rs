//! Daemons begin and end, move and crowd; what was kept stays, and builds go on.

use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use zccache_core::settings::socket_path;
use zccache_tests::sandbox::eventually;
use zccache_tests::{Command, Compiler, Outcome, Place, Sandbox, Trial, confine, trial};

/// Sources, and commands that compile them.
fn project(trial: &Trial, count: usize) -> Vec<Command> {
    for n in 0..count {
        trial.file(format!("s{n}.c"), format!("int f{n}(void) {{ return {n}; }}\n"));
    }
    trial.age();
    (0..count).map(|n| trial.line(&format!("$CC -g -c s{n}.c -o s{n}.o"))).collect()
}

/// Runs commands, all at once, as the compiler itself does.
fn build(trial: &Trial, commands: &[Command]) {
    let start = |command| trial.sandbox().start_launch(trial.tree(), command);
    let running: Vec<_> = commands.iter().map(start).collect();
    let found: Vec<Outcome> = running.into_iter().map(|one| one.wait()).collect();
    for (command, found) in commands.iter().zip(found) {
        assert_eq!(found, trial.bare(command));
    }
    trial.assert_same_trees("building");
}

/// Everything is a hit now.
fn hits(trial: &Trial, commands: &[Command]) {
    let before = trial.sandbox().counters();
    build(trial, commands);
    let counted = trial.sandbox().counters().since(&before);
    assert_eq!(counted.hits, commands.len() as u64, "{counted:?}");
}

fn once(test: impl Fn(&Trial)) {
    trial::once(Place::Plain, Compiler::Gcc, test);
}

#[test]
fn a_daemon_told_to_end_writes_what_it_has_heard() {
    once(|trial| {
        let commands = project(trial, 8);
        let sandbox = trial.sandbox();
        build(trial, &commands);
        // Every report is read; not every result is on disk.
        eventually("all have reported", || sandbox.running() == 0);
        sandbox.daemons().iter().for_each(|pid| kill(*pid, Signal::SIGTERM).expect("it runs"));
        eventually("it has ended", || sandbox.daemons().is_empty());
        hits(trial, &commands);
    });
}

/// The bound on writing what it has heard holds: it ends though a publication hangs, and
/// loses that alone.
#[test]
fn a_daemon_told_to_end_gives_up_on_a_disk_that_hangs() {
    let mut trial = Trial::new(Place::Plain, Compiler::Gcc);
    let commands = project(&trial, 6);
    // So large that they are blobs, which is what hangs.
    for n in 0..6 {
        trial.file(format!("s{n}.c"), format!("char large{n}[20000] = {{1}};\n"));
    }
    trial.age();
    let _ = trial.sandbox().zccache(&["stop"]).succeeded();
    let programs = trial.sandbox().programs().clone();
    let stuck = Path::new(env!("CARGO_BIN_EXE_stuck-daemon"));
    let directory = trial.sandbox().path("stuck");
    trial.sandbox_mut().use_programs(programs.with_daemon(stuck, directory));
    build(&trial, &commands[..3]);
    trial.sandbox().settle();
    let hang = trial.sandbox().store().join("hang");
    fs::write(&hang, "").expect("a file");
    build(&trial, &commands[3..]);
    eventually("all have reported", || trial.sandbox().running() == 0);
    let status = trial.sandbox().status();
    assert_eq!(status["publications_in_flight"], 3, "{status}");
    trial.sandbox().daemons().iter().for_each(|pid| kill(*pid, Signal::SIGTERM).expect("it runs"));
    eventually("it has ended", || trial.sandbox().daemons().is_empty());
    fs::remove_file(&hang).expect("it is there");
    trial.sandbox_mut().use_programs(programs);
    hits(&trial, &commands[..3]);
    build(&trial, &commands);
    let _ = trial.sandbox().zccache(&["check"]).succeeded();
}

#[test]
fn a_daemon_whose_socket_is_removed_makes_way_for_another() {
    once(|trial| {
        let commands = project(trial, 4);
        let sandbox = trial.sandbox();
        build(trial, &commands);
        let first = sandbox.daemons();
        fs::remove_file(socket_path(&sandbox.store())).expect("there is a socket");
        build(trial, &commands);
        eventually("the first has left", || {
            !sandbox.daemons().iter().any(|pid| first.contains(pid))
        });
        hits(trial, &commands);
        assert_eq!(sandbox.daemons().len(), 1);
    });
}

#[test]
fn an_idle_daemon_ends_and_the_next_compile_starts_another() {
    let mut trial = Trial::new(Place::Plain, Compiler::Gcc);
    let _ = trial.sandbox().zccache(&["stop"]).succeeded();
    trial.sandbox_mut().set("ZCCACHE_IDLE_EXIT", "1");
    let commands = project(&trial, 2);
    build(&trial, &commands);
    eventually("it is idle and ends", || trial.sandbox().daemons().is_empty());
    hits(&trial, &commands);
}

fn copy(from: &Path, to: &Path) {
    let mut archive = std::process::Command::new("cp");
    assert!(archive.arg("-r").arg(from).arg(to).status().expect("cp runs").success());
}

/// Times, inodes and owners differ, as on another machine.
#[test]
fn a_store_serves_where_it_was_copied_to() {
    let mut trial = Trial::new(Place::Plain, Compiler::Gcc);
    let commands = project(&trial, 4);
    build(&trial, &commands);
    let _ = trial.sandbox().zccache(&["stop"]).succeeded();
    let moved = trial.sandbox().path("moved");
    copy(&trial.sandbox().store(), &moved);
    trial.sandbox_mut().set("ZCCACHE_DIR", &moved);
    hits(&trial, &commands);
    let _ = trial.sandbox().zccache(&["check"]).succeeded();
}

/// What is copied while it changes may lack the last results, but gives no wrong one.
#[test]
fn a_store_copied_under_a_daemon_that_writes_is_put_right() {
    let mut trial = Trial::new(Place::Plain, Compiler::Gcc);
    let commands = project(&trial, 12);
    build(&trial, &commands[..6]);
    let start = |command| trial.sandbox().start_launch(trial.tree(), command);
    let running: Vec<_> = commands[6..].iter().map(start).collect();
    let moved = trial.sandbox().path("moved");
    copy(&trial.sandbox().store(), &moved);
    running.into_iter().for_each(|one| drop(one.wait().succeeded()));
    trial.sandbox_mut().set("ZCCACHE_DIR", &moved);
    build(&trial, &commands);
    let _ = trial.sandbox().zccache(&["check", "--repair"]).succeeded();
    trial.sandbox().settle();
    build(&trial, &commands);
    let _ = trial.sandbox().zccache(&["check"]).succeeded();
}

#[test]
fn a_store_that_others_can_write_to_is_refused_in_words() {
    once(|trial| {
        let commands = project(trial, 2);
        let sandbox = trial.sandbox();
        build(trial, &commands);
        let _ = sandbox.zccache(&["stop"]).succeeded();
        for name in ["..", "", "blobs", "index.redb"] {
            let path = sandbox.kept().join(name);
            let mode = path.metadata().expect("it is there").permissions();
            fs::set_permissions(&path, Permissions::from_mode(0o777)).expect("a mode");
            build(trial, &commands);
            for command in ["stats", "doctor"] {
                let said = sandbox.zccache(&[command]);
                assert!(!said.status.success(), "{said:?}");
                assert!((said.out() + &said.err()).contains("others"), "{said:?}");
            }
            fs::set_permissions(&path, mode).expect("a mode");
        }
        hits(trial, &commands);
    });
}

/// Says something to a daemon that does not answer it.
fn say(trial: &Trial, bytes: &[u8]) {
    let socket = socket_path(&trial.sandbox().store());
    let mut stream = UnixStream::connect(socket).expect("it listens");
    stream.write_all(bytes).expect("it listens");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok();
    assert!(answer.is_empty(), "{answer:?}");
}

#[test]
fn an_older_version_is_turned_away_and_nobody_else() {
    once(|trial| {
        let commands = project(trial, 2);
        build(trial, &commands);
        let daemons = trial.sandbox().daemons();
        for bytes in [&b"zccp\x01\0\0\0\x01\0\0\0\0"[..], b"PUT / HTTP/1.1\r\n\r\n"] {
            say(trial, bytes);
        }
        hits(trial, &commands);
        assert_eq!(trial.sandbox().daemons(), daemons);
    });
}

#[test]
fn a_daemon_makes_way_for_that_of_a_newer_version() {
    once(|trial| {
        let commands = project(trial, 2);
        build(trial, &commands);
        trial.sandbox().settle();
        say(trial, b"zccp\xff\x7f\0\0\x01\0\0\0\0");
        eventually("it has left", || trial.sandbox().daemons().is_empty());
        hits(trial, &commands);
    });
}

#[test]
fn two_hundred_launchers_and_a_daemon_with_64_descriptors() {
    let trial = Trial::new(Place::Plain, Compiler::Gcc);
    let sandbox = trial.sandbox();
    let _ = sandbox.zccache(&["stop"]).succeeded();
    let start = Command::new([sandbox.programs().control()]).arg("start");
    let mut process = start.process(sandbox.path("work").as_path(), sandbox.environment());
    confine::limit_descriptors(&mut process, 64);
    let _ = start.finish(&mut process).succeeded();
    let daemons = sandbox.daemons();
    let commands = project(&trial, 200);
    build(&trial, &commands);
    assert_eq!(sandbox.daemons(), daemons, "it has survived");
    sandbox.settle();
    fs::remove_file(zccache_core::settings::silence_path(&sandbox.store())).ok();
    let before = sandbox.counters();
    commands[..20].iter().for_each(|command| drop(sandbox.launch(trial.tree(), command)));
    let counted = sandbox.counters().since(&before);
    assert_eq!(counted.hits + counted.misses, 20, "{counted:?}");
    trial.assert_same_trees("a crowd of launchers");
}

/// All that a person may ask for while compilers run.
#[test]
fn collecting_clearing_and_checking_while_a_build_runs() {
    let mut trial = Trial::new(Place::Plain, Compiler::Gcc);
    let _ = trial.sandbox().zccache(&["stop"]).succeeded();
    trial.sandbox_mut().set("ZCCACHE_MAX_SIZE", "64K");
    let commands = project(&trial, 24);
    std::thread::scope(|scope| {
        let building = scope.spawn(|| commands.chunks(4).for_each(|some| build(&trial, some)));
        while !building.is_finished() {
            for words in [&["gc"][..], &["check", "--repair"], &["clear"], &["check"]] {
                let _ = trial.sandbox().zccache(words).succeeded();
            }
        }
    });
    trial.sandbox().settle();
    let _ = trial.sandbox().zccache(&["check"]).succeeded();
    build(&trial, &commands);
}

/// Each has its own daemon, and none knows of the others.
#[test]
fn stores_side_by_side() {
    let sandboxes = [Sandbox::new(), Sandbox::new(), Sandbox::new()];
    for sandbox in &sandboxes {
        fs::write(sandbox.path("work/a.c"), "int x;\n").expect("a file");
    }
    std::thread::sleep(std::time::Duration::from_millis(30));
    let compile = |sandbox: &Sandbox| sandbox.start_launch(&sandbox.path("work"), "gcc -c a.c");
    for _ in 0..2 {
        let running: Vec<_> = sandboxes.iter().map(compile).collect();
        running.into_iter().for_each(|one| drop(one.wait().succeeded()));
    }
    for sandbox in &sandboxes {
        let counted = sandbox.counters();
        assert_eq!((counted.misses, counted.hits), (1, 1), "{counted:?}");
        assert_eq!(sandbox.daemons().len(), 1);
    }
}
