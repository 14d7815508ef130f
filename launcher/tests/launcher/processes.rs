//! Processes: how they end, what outlives them, and the signals in between.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Stdio};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use zccache_core::Reason;
use zccache_core::report::Ended;

use crate::bench::Bench;
use crate::daemon;

#[test]
fn the_status_is_the_compiler_s() {
    for code in [0, 1, 42, 255] {
        let bench = Bench::new();
        bench.script("tool", &format!("exit {code}"));
        let done = bench.observe(&["./tool"]);
        assert_eq!(done.output.status.code(), Some(code));
        assert_eq!(done.report().ended, Ended::Exit(code as u8));
    }
}

#[test]
fn death_by_a_signal_is_death_by_the_same() {
    for signal in [Signal::SIGKILL, Signal::SIGTERM, Signal::SIGSEGV, Signal::SIGPIPE] {
        let bench = Bench::new();
        bench.script("tool", &format!("kill -{} $$", signal as i32));
        let done = bench.observe(&["./tool"]);
        assert_eq!(done.output.status.signal(), Some(signal as i32));
        assert!(!done.output.status.core_dumped());
        assert_eq!(done.report().ended, Ended::Signal(signal as i32));
    }
}

/// Starts a tool under observation and waits for its first line.
fn started(bench: &Bench, script: &str) -> (Child, BufReader<std::process::ChildStdout>) {
    bench.script("tool", script);
    let mut command = bench.launcher(&["./tool"]);
    command.stdout(Stdio::piped()).process_group(0);
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    lines.read_line(&mut String::new()).unwrap();
    (child, lines)
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(child.id().cast_signed())
}

fn run() -> Vec<daemon::Answer> {
    vec![daemon::run(Vec::new()).into()]
}

#[test]
fn signals_to_the_launcher_reach_the_compiler() {
    for (signal, trap) in
        [(Signal::SIGTERM, "TERM"), (Signal::SIGINT, "INT"), (Signal::SIGUSR1, "USR1")]
    {
        let bench = Bench::new();
        let heard = daemon::serve(&bench.store(), run());
        let script = format!("trap 'exit 7' {trap}; echo ready; while :; do sleep 0.01; done");
        let (mut child, _lines) = started(&bench, &script);
        kill(pid(&child), signal).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(7), "{signal}");
        assert_eq!(heard.join().unwrap().report().ended, Ended::Exit(7));
    }
}

#[test]
fn a_signal_reaches_a_compiler_that_makes_calls_without_a_pause() {
    let bench = Bench::new();
    let heard = daemon::serve(&bench.store(), run());
    let script = "trap 'exit 7' TERM; echo ready; while :; do test -e missing; done";
    let (mut child, _lines) = started(&bench, script);
    kill(pid(&child), Signal::SIGTERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(7));
    assert_eq!(heard.join().unwrap().report().ended, Ended::Exit(7));
}

#[test]
fn the_launcher_dies_as_the_compiler_does_when_both_are_signalled() {
    let bench = Bench::new();
    let heard = daemon::serve(&bench.store(), run());
    let (mut child, _lines) = started(&bench, "echo ready; exec sleep 60");
    killpg(pid(&child), Signal::SIGINT).unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(Signal::SIGINT as i32));
    assert_eq!(heard.join().unwrap().report().ended, Ended::Signal(Signal::SIGINT as i32));
}

#[test]
fn stopping_and_continuing_the_job_harms_nothing() {
    let bench = Bench::new();
    let heard = daemon::serve(&bench.store(), run());
    let script = "echo ready; while ! test -e go; do sleep 0.01; done; cat in; exit 5";
    bench.write("in", "");
    let (mut child, _lines) = started(&bench, script);
    killpg(pid(&child), Signal::SIGTSTP).unwrap();
    bench.write("go", "");
    killpg(pid(&child), Signal::SIGCONT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(5));
    assert_eq!(heard.join().unwrap().report().ended, Ended::Exit(5));
}

#[test]
fn the_death_of_the_launcher_is_the_death_of_the_compiler() {
    let bench = Bench::new();
    let heard = daemon::serve(&bench.store(), run());
    let (mut child, mut lines) = started(&bench, "echo $$; while :; do :; done");
    kill(pid(&child), Signal::SIGKILL).unwrap();
    child.wait().unwrap();
    heard.join().unwrap();
    // The pipe ends when nobody is left who could write to it.
    assert_eq!(lines.read_line(&mut String::new()).unwrap(), 0);
}

#[test]
fn a_process_that_stays_behind_keeps_working_and_the_run_is_not_kept() {
    let bench = Bench::new();
    let script = "(while ! test -e go; do sleep 0.01; done; cat in > out; mv out done) \
                  >/dev/null 2>&1 & exit 0";
    bench.write("in", "still here");
    bench.script("tool", script);
    let done = bench.observe(&["./tool"]);
    assert!(done.output.status.success());
    assert_eq!(done.report().unobservable, Some(Reason::EscapedProcess));
    bench.write("go", "");
    while !bench.path("done").exists() {
        std::thread::yield_now();
    }
    assert_eq!(fs::read_to_string(bench.path("done")).unwrap(), "still here");
}

#[test]
fn a_status_is_kept_for_callers_that_ignore_their_children() {
    let bench = Bench::new();
    bench.script("tool", "exit 9");
    let mut command = bench.bare("/bin/sh");
    command.args(["-c", "trap '' CHLD; exec \"$0\" ./tool", crate::bench::LAUNCHER]);
    let done = bench.answered(command, run());
    assert_eq!(done.output.status.code(), Some(9));
}

#[test]
fn the_compiler_inherits_signals_and_descriptors_as_they_were() {
    let bench = Bench::new();
    let script = "grep '^Sig[BI]' /proc/self/status; ls /proc/self/fd | wc -l; umask";
    bench.script("tool", script);
    let ignoring = |program: &str| {
        let mut command = bench.bare("/bin/sh");
        command.args(["-c", &format!("trap '' PIPE HUP; umask 027; exec {program} ./tool")]);
        command
    };
    let bare = ignoring("env").output().unwrap();
    let done = bench.answered(ignoring(crate::bench::LAUNCHER), run());
    assert_eq!(String::from_utf8_lossy(&done.output.stdout), String::from_utf8_lossy(&bare.stdout));
}
