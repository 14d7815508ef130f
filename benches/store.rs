//! What a large store costs a daemon, against a store with one entry, alternating.
//! `cargo bench -p zccache-benches --bench store`, after `cargo build --release`.
#![allow(clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::Path;
use std::sync::mpsc;

use zccache_benches::Report;
use zccache_benches::samples::in_turn;
use zccache_core::entry::{Environment, Manner};
use zccache_core::{
    CompileResult, Content, Digest, Entry, Expected, InvocationKey, Observation, OsBytes, Output,
    Rooted, Stamp, Trace,
};
use zccache_store::{Options, Publication, Store};
use zccache_tests::{Command, Sandbox};

const ENTRIES: u32 = 100_000;

/// Inputs of each: a C file with some headers of its own and of the system.
const INPUTS: u32 = 25;

/// Publications on their way at once; the store takes no more than 1024.
const AT_ONCE: u32 = 1000;

fn main() {
    let rounds = if std::env::var_os("ZCCACHE_BENCH_QUICK").is_some() { 4 } else { 40 };
    let [small, large] = [prepared(), prepared()];
    eprintln!("filling a store");
    fill(&large.store());
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

fn fill(directory: &Path) {
    let options = Options { max_bytes: 0, read_only: false };
    let store = Store::open(directory, options).expect("the store opens");
    for first in (0..ENTRIES).step_by(AT_ONCE as usize) {
        let (sender, told) = mpsc::channel();
        for number in first..ENTRIES.min(first + AT_ONCE) {
            let sender = sender.clone();
            let done = Box::new(move |outcome: Result<(), _>| {
                sender.send(outcome.is_ok()).expect("it is waited for");
            });
            let key = InvocationKey(Digest::of(&number.to_le_bytes()));
            store.publish(Publication { key, entry: entry(number), blobs: Vec::new(), done });
        }
        drop(sender);
        store.expedite();
        assert!(told.iter().all(|kept| kept), "an entry is not kept");
    }
}

/// The entry of a compile with a small object, which lives inside it.
fn entry(number: u32) -> Entry {
    let observation = |input| Observation {
        path: Rooted::Plain(
            format!("/home/me/project/include/part{number}/{input}.h").as_str().into(),
        ),
        follow: true,
        expected: Expected::File { digest: Digest::of(b"input"), executable: false },
    };
    Entry {
        trace: Trace {
            observations: (0..INPUTS).map(observation).collect(),
            twins: Vec::new(),
            ages: Vec::new(),
            same_directories: Vec::new(),
            environment: Environment::Asked(Vec::new()),
            display: None,
        },
        result: CompileResult {
            status: 0,
            streams: Vec::new(),
            outputs: vec![Output {
                path: Rooted::Plain(format!("/home/me/project/{number}.o").as_str().into()),
                mode: 0o644,
                manner: Manner::InPlace,
                content: Content::Inline(vec![1; 1500]),
            }],
        },
        made: Stamp { seconds: 1, nanos: 2 },
        cost: 3,
        checkout: OsBytes::default(),
    }
}
