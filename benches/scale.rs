//! What a large store costs, and what many launchers at once cost, as ratios of one run.
//! `cargo bench -p zccache-benches --bench scale`, after `scripts/build`.
#![allow(clippy::expect_used, clippy::panic)]

use std::fs;

use zccache_benches::samples::in_turn;
use zccache_benches::usage::{self, Usage, measure_each, run};
use zccache_benches::{Report, Samples, entries};
use zccache_tests::{Command, Sandbox};

const ENTRIES: u32 = 100_000;

/// Results that are asked for, one after the other or all at once.
const RESULTS: u32 = 200;

fn main() {
    let rounds = if std::env::var_os("ZCCACHE_BENCH_QUICK").is_some() { 4 } else { 40 };
    let mut report = Report::default();
    first_hits(&mut report, rounds);
    growth(&mut report, rounds / 4);
    print!("{report}");
}

/// One store, asked by so many launchers at once.
struct Lane<'s> {
    sandbox: &'s Sandbox,
    at_once: usize,
    wall: Samples,
    cpu: Samples,
}

impl<'s> Lane<'s> {
    fn new(sandbox: &'s Sandbox, at_once: usize) -> Self {
        Self { sandbox, at_once, wall: Samples::default(), cpu: Samples::default() }
    }

    /// A round begins with a daemon, so that each look-up reads the index.
    fn run(&mut self) {
        let _ = self.sandbox.zccache(&["stop"]).succeeded();
        let _ = self.sandbox.zccache(&["start"]).succeeded();
        let usage = hits(self.sandbox, self.at_once);
        self.wall.add(usage.wall);
        self.cpu.add(usage.cpu);
    }
}

/// Hits of stores of several sizes, and of several launchers at once.
fn growth(report: &mut Report, rounds: u32) {
    let [one, thousand, ten, hundred] = [1, 1_000, 10_000, 100_000].map(|size| {
        eprintln!("filling a store of {size}");
        let sandbox = prepared();
        drop(entries::fill(&sandbox.store(), size));
        sandbox
    });
    let mut lanes = [
        Lane::new(&one, 1),
        Lane::new(&thousand, 1),
        Lane::new(&ten, 1),
        Lane::new(&hundred, 1),
        Lane::new(&thousand, 16),
        Lane::new(&thousand, 200),
    ];
    for round in 0..rounds as usize {
        // Who begins changes.
        let (last, first) = lanes.split_at_mut(round % 6);
        first.iter_mut().chain(last).for_each(Lane::run);
    }
    let [one, thousand, ten, hundred, sixteen, all] = &lanes;
    for (name, [before, after], bound) in [
        ("entries: 1,000 / 1", [one, thousand], None),
        ("entries: 10,000 / 1,000", [thousand, ten], None),
        ("entries: 100,000 / 1,000", [thousand, hundred], Some(1.2)),
        ("launchers at once: 16 / 1", [thousand, sixteen], None),
        ("launchers at once: 200 / 1", [thousand, all], None),
    ] {
        let (wall, cpu) = ([&before.wall, &after.wall], [&before.cpu, &after.cpu]);
        report.ratio(&format!("time a hit, {name}"), &wall.map(Samples::clone), bound);
        report.ratio(&format!("processor time a hit, {name}"), &cpu.map(Samples::clone), None);
    }
}

/// Asks for all results, so many at once; what a hit took.
fn hits(sandbox: &Sandbox, at_once: usize) -> Usage {
    let before = sandbox.counters();
    let process = |number: u32| {
        compile(sandbox, number).process(&sandbox.path("work"), sandbox.environment())
    };
    let mut processes: Vec<_> = (0..RESULTS).map(process).collect();
    let usage = measure_each(RESULTS, &sandbox.path(""), || {
        processes.chunks_mut(at_once).for_each(run);
    });
    assert_eq!(sandbox.counters().since(&before).hits, u64::from(RESULTS));
    usage
}

fn first_hits(report: &mut Report, rounds: u32) {
    let [small, large] = [prepared(), prepared()];
    eprintln!("filling a store of {ENTRIES}");
    drop(entries::fill(&large.store(), ENTRIES));
    let samples = in_turn(
        rounds,
        |_, samples| first_hit(&small, |run| samples.time(run)),
        |_, samples| first_hit(&large, |run| samples.time(run)),
    );
    report.difference("first hit after a start, 100,000 entries rather than 200", &samples, 10.0);
    for (sandbox, entries) in [(&small, RESULTS), (&large, ENTRIES + RESULTS)] {
        first_hit(sandbox, |run| run());
        let name = format!("resident after a hit, {entries} entries");
        report.bytes(&name, memory(sandbox, "VmRSS:"), Some(64.0), String::new());
        let _ = sandbox.zccache(&["check"]).succeeded();
        let name = format!("most resident while checking, {entries} entries");
        report.bytes(&name, memory(sandbox, "VmHWM:"), Some(256.0), String::new());
    }
}

fn compile(sandbox: &Sandbox, number: u32) -> Command {
    sandbox.launched(format!("gcc -c {number}.c -o {number}.o").as_str())
}

/// A store with the results of compiles, and no daemon.
fn prepared() -> Sandbox {
    let sandbox = Sandbox::new();
    for number in 0..RESULTS {
        let text = format!("int f(int x) {{ return x + {number}; }}\n");
        fs::write(sandbox.path(format!("work/{number}.c")), text).expect("a file");
    }
    std::thread::sleep(std::time::Duration::from_millis(30));
    for number in 0..RESULTS {
        let _ = sandbox.bare(&sandbox.path("work"), compile(&sandbox, number)).succeeded();
    }
    sandbox.settle();
    let _ = sandbox.zccache(&["stop"]).succeeded();
    sandbox
}

/// Starts a daemon with a hit, and ends one that ran before.
fn first_hit(sandbox: &Sandbox, time: impl FnOnce(Box<dyn FnOnce()>)) {
    let _ = sandbox.zccache(&["stop"]).succeeded();
    let mut hit = compile(sandbox, 0).process(&sandbox.path("work"), sandbox.environment());
    time(Box::new(move || assert!(hit.status().expect("it can be started").success())));
    assert_eq!(sandbox.status()["running"], 0);
}

fn memory(sandbox: &Sandbox, field: &str) -> f64 {
    let daemon = sandbox.daemons()[0].as_raw().unsigned_abs();
    usage::memory(daemon, field).expect("the daemon runs")
}
