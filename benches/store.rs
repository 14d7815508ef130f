//! What a large store costs a daemon, against a store with one entry, alternating.
//! `cargo bench -p zccache-benches --bench store`, after `cargo build --release`.
#![allow(clippy::expect_used, clippy::panic)]

use std::fs;

use zccache_benches::samples::in_turn;
use zccache_benches::{Report, entries};
use zccache_tests::{Command, Sandbox};

const ENTRIES: u32 = 100_000;

fn main() {
    let rounds = if std::env::var_os("ZCCACHE_BENCH_QUICK").is_some() { 4 } else { 40 };
    let [small, large] = [prepared(), prepared()];
    eprintln!("filling a store");
    drop(entries::fill(&large.store(), ENTRIES));
    let mut report = Report::default();
    let samples = in_turn(
        rounds,
        |_, samples| first_hit(&small, |run| samples.time(run)),
        |_, samples| first_hit(&large, |run| samples.time(run)),
    );
    report.difference("first hit after a start, 100,000 entries rather than 1", &samples, 10.0);
    for (sandbox, entries) in [(&small, 1), (&large, ENTRIES + 1)] {
        first_hit(sandbox, |run| run());
        let name = format!("resident after a hit, {entries} entries");
        report.bytes(&name, memory(sandbox, "VmRSS:"), Some(64.0), String::new());
        let _ = sandbox.zccache(&["check"]).succeeded();
        let name = format!("most resident while checking, {entries} entries");
        report.bytes(&name, memory(sandbox, "VmHWM:"), Some(256.0), String::new());
    }
    print!("{report}");
}

fn compile(sandbox: &Sandbox) -> Command {
    sandbox.launched("gcc -c a.c -o a.o")
}

/// A store with the result of one compile, and no daemon.
fn prepared() -> Sandbox {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("work/a.c"), "int f(int x) { return x + 1; }\n").expect("a file");
    std::thread::sleep(std::time::Duration::from_millis(30));
    let _ = sandbox.bare(&sandbox.path("work"), compile(&sandbox)).succeeded();
    sandbox.settle();
    let _ = sandbox.zccache(&["stop"]).succeeded();
    sandbox
}

/// Starts a daemon with a hit, and ends one that ran before.
fn first_hit(sandbox: &Sandbox, time: impl FnOnce(Box<dyn FnOnce()>)) {
    let _ = sandbox.zccache(&["stop"]).succeeded();
    let mut hit = compile(sandbox).process(&sandbox.path("work"), sandbox.environment());
    time(Box::new(move || assert!(hit.status().expect("it can be started").success())));
    assert_eq!(sandbox.status()["running"], 0);
}

fn memory(sandbox: &Sandbox, name: &str) -> f64 {
    let pid = sandbox.daemons()[0];
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the daemon runs");
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a field");
    let kibibytes: f64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kibibytes * 1024.0
}
