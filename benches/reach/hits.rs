//! Hits of single compiles: how long they take, and how long the daemon.

use std::path::Path;

use zccache_benches::Report;
use zccache_benches::samples::in_turn;
use zccache_benches::usage::processor_time;
use zccache_tests::{Command, Counters, Sandbox};

use super::{SMALL, no_op, process, rounds, run, started, write, write_at_once};

/// A compile of which hits are measured.
struct Compile {
    name: &'static str,
    compiler: &'static str,
    headers: usize,
    /// How many times as long a hit may take as a process that does nothing.
    reach: f64,
}

const COMPILES: [Compile; 2] = [
    Compile { name: "a small C file", compiler: "gcc", headers: 0, reach: 1.6 },
    Compile { name: "a C++ file with 300 headers", compiler: "g++", headers: 300, reach: 1.9 },
];

impl Compile {
    /// Writes its sources, and compiles them for the first time.
    fn prepare(&self, sandbox: &Sandbox, work: &Path) -> std::process::Command {
        let header = |n: usize| format!("h{n}.h");
        for n in 0..self.headers {
            write_at_once(&work.join(header(n)), &format!("extern int of_{n};\n"));
        }
        let includes = (0..self.headers).map(|n| format!("#include \"{}\"\n", header(n)));
        write(work.join("a.c"), &(includes.collect::<String>() + SMALL));
        let command = Command::from(self.compiler).arg("-c").arg("a.c").arg("-o").arg("a.o");
        let mut hit = process(sandbox, work, &sandbox.launched(command));
        run(&mut hit);
        sandbox.settle();
        // What is used again is watched from then on.
        (0..10).for_each(|_| run(&mut hit));
        hit
    }
}

pub(super) fn hits(report: &mut Report) {
    for compile in &COMPILES {
        for (place, is_view) in [("outside a view", false), ("in a view", true)] {
            let (sandbox, work) = started(&[]);
            if is_view {
                sandbox.mount(&work);
            }
            let nothing = no_op(&sandbox);
            let mut no_op = process(&sandbox, &work, &Command::new([&nothing]));
            let mut hit = compile.prepare(&sandbox, &work);
            let before = sandbox.counters();
            let count = rounds(400);
            let samples = in_turn(
                count,
                |_, samples| samples.time(|| run(&mut no_op)),
                |_, samples| samples.time(|| run(&mut hit)),
            );
            assert_hits(&sandbox, &before, count);
            let name = format!("hit of {}, {place} / no-op", compile.name);
            report.ratio(&name, &samples, Some(compile.reach));
        }
    }
}

/// Processor time of the daemon for a hit, with what it has read watched and not.
pub(super) fn daemon_time(report: &mut Report) {
    for compile in &COMPILES {
        for (inputs, watch, bound) in [("watched", "1", 60.0), ("looked at", "0", 400.0)] {
            let (sandbox, work) = started(&[("ZCCACHE_WATCH", watch)]);
            let mut hit = compile.prepare(&sandbox, &work);
            let pid = sandbox.daemons()[0];
            let (counted, count) = (sandbox.counters(), rounds(4000));
            let before = processor_time(pid);
            (0..count).for_each(|_| run(&mut hit));
            let spent = (processor_time(pid) - before) / f64::from(count);
            assert_hits(&sandbox, &counted, count);
            let name = format!("daemon, a hit of {}, inputs {inputs}", compile.name);
            report.time(&name, spent, Some(bound), format!("mean of {count}"));
        }
    }
}

fn assert_hits(sandbox: &Sandbox, before: &Counters, count: u32) {
    let counted = sandbox.counters().since(before);
    assert_eq!(counted.hits, u64::from(count), "{counted:?}");
}
