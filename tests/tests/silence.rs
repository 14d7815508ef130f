//! A daemon that hangs costs a build its patience once, and nothing for good.

use std::fs::{self, File};
use std::os::unix::net::UnixListener;
use std::time::{Duration, SystemTime};

use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{Backlog, listen};
use zccache_core::settings::{silence_path, socket_path};
use zccache_tests::sandbox::eventually;
use zccache_tests::{Compiler, Place, Trial, trial};

/// Compiles everything once, some at a time, as the compiler itself does.
fn build(trial: &Trial, sources: std::ops::Range<usize>) {
    let lines = sources.map(|n| trial.line(&format!("$CC -MD -c s{n}.c -o s{n}.o")));
    let lines: Vec<_> = lines.collect();
    for some in lines.chunks(3) {
        let start = |line| trial.sandbox().start_launch(trial.tree(), line);
        let running: Vec<_> = some.iter().map(start).collect();
        for (line, one) in some.iter().zip(running) {
            assert_eq!(one.wait(), trial.bare(line));
        }
    }
    trial.assert_same_trees("building");
}

fn sources(trial: &Trial, count: usize) {
    for n in 0..count {
        trial.file(format!("s{n}.c"), format!("int f{n}(void) {{ return {n}; }}\n"));
    }
    trial.age();
}

fn signal(trial: &Trial, signal: Signal) {
    trial.sandbox().daemons().iter().for_each(|pid| kill(*pid, signal).expect("it runs"));
}

/// The note of those who waited in vain, made older than a daemon that lives takes it.
fn age_note(trial: &Trial) {
    let note = File::open(silence_path(&trial.sandbox().store())).expect("it is noted");
    let long_ago = SystemTime::now() - Duration::from_secs(3600);
    note.set_modified(long_ago).expect("it is ours");
}

#[test]
fn a_hung_daemon_is_asked_by_the_first_compiles_only() {
    trial::once(Place::Plain, Compiler::Gcc, |trial| {
        sources(trial, 12);
        signal(trial, Signal::SIGSTOP);
        build(trial, 0..12);
        signal(trial, Signal::SIGCONT);
        // It finds the look-ups of those who waited, and of nobody else.
        eventually("it has answered", || trial.sandbox().running() == 0);
        let counted = trial.sandbox().counters();
        assert!((1..=3).contains(&counted.lookups()), "{counted:?}");
        age_note(trial);
        let note = silence_path(&trial.sandbox().store());
        eventually("it takes the note back", || !note.exists());
        let before = trial.sandbox().counters();
        build(trial, 0..12);
        trial.sandbox().settle();
        assert_eq!(trial.sandbox().counters().since(&before).misses, 12);
    });
}

#[test]
fn a_hung_daemon_that_is_killed_is_replaced_at_once() {
    trial::once(Place::Plain, Compiler::Gcc, |trial| {
        sources(trial, 6);
        signal(trial, Signal::SIGSTOP);
        build(trial, 0..3);
        assert!(silence_path(&trial.sandbox().store()).exists());
        trial.sandbox().kill_daemon();
        build(trial, 3..6);
        trial.sandbox().settle();
        assert_eq!(trial.sandbox().counters().misses, 3);
        assert!(!silence_path(&trial.sandbox().store()).exists());
    });
}

/// Whoever uses the view waits for its daemon, until somebody ends that.
#[test]
fn a_hung_daemon_with_a_view_is_ended_and_the_view_is_back() {
    trial::once(Place::View, Compiler::Gcc, |trial| {
        sources(trial, 3);
        build(trial, 0..3);
        trial.sandbox().settle();
        signal(trial, Signal::SIGSTOP);
        trial.sandbox().kill_daemon_under(trial.tree());
        trial.assert_same_trees("the daemon was ended");
        build(trial, 0..3);
        trial.sandbox().settle();
        assert_eq!(trial.sandbox().counters().hits, 3);
    });
}

/// The compiler runs while the daemon begins to hang: its report waits in the socket,
/// and an equal compile does not wait for it forever.
#[test]
fn a_daemon_that_hangs_while_compilers_run_and_others_wait_for_them() {
    trial::once(Place::Plain, Compiler::Gcc, |trial| {
        trial.file("a.cpp", crate::failures::SLOW);
        trial.age();
        let sandbox = trial.sandbox();
        let compile = trial.line("$CXX -O1 -c a.cpp -o a.o");
        let expected = trial.bare(&compile);
        let running: Vec<_> =
            (0..3).map(|_| sandbox.start_launch(trial.tree(), &compile)).collect();
        eventually("one runs, two wait", || sandbox.running() == 1);
        signal(trial, Signal::SIGSTOP);
        running.into_iter().for_each(|one| assert_eq!(one.wait(), expected));
        trial.assert_same_trees("the daemon hangs");
        signal(trial, Signal::SIGCONT);
        sandbox.settle();
        assert_eq!(sandbox.launch(trial.tree(), &compile), expected);
    });
}

/// Nobody takes connections, and more than fit wait for it.
#[test]
fn a_socket_whose_queue_is_full() {
    trial::once(Place::Plain, Compiler::Gcc, |trial| {
        sources(trial, 6);
        let store = trial.sandbox().store();
        let _ = trial.sandbox().zccache(&["stop"]).succeeded();
        let listener = UnixListener::bind(socket_path(&store)).expect("the socket is free");
        listen(&listener, Backlog::new(0).expect("it is no number of its own"))
            .expect("it listens");
        build(trial, 0..3);
        drop(listener);
        fs::remove_file(socket_path(&store)).expect("it is ours");
        build(trial, 3..6);
        trial.sandbox().settle();
        assert_eq!(trial.sandbox().counters().misses, 3);
    });
}
