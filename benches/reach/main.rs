//! How close zccache comes to what it aims at, measured against what it is
//! compared with in the same run, alternating. `cargo bench -p zccache-benches`.
//!
//! Build the programs first (`scripts/build`). With `ZCCACHE_BENCH_QUICK=1`
//! every measurement has few rounds. The report is also written as JSON, to the
//! file that `ZCCACHE_BENCH_JSON` names, else to `tmp/reach.json` in cargo's
//! target directory.
#![allow(clippy::expect_used, clippy::panic)]

mod hits;

use std::fs;
use std::path::{Path, PathBuf};

use zccache_benches::samples::in_turn;
use zccache_benches::usage::{Usage, measure, memory, memory_told};
use zccache_benches::{Report, Samples};
use zccache_tests::project::Project;
use zccache_tests::{Command, Sandbox, rust};

/// A C++ file that takes a compiler about a second.
const SECOND: &str = "#include <map>\n#include <regex>\n#include <string>\n\
    bool f(const std::string &s) { return std::regex_match(s, std::regex(\"a+b*[c-f]\")); }\n\
    std::map<std::string, int> m(int n) { return {{std::to_string(n), n}}; }\n";

const SMALL: &str = "int f(int x) { return x + 1; }\n";

type Measure = fn(&mut Report);

fn main() {
    // Cargo passes `--bench`; a name in the arguments selects what is measured.
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let parts: [(&str, Measure); 10] = [
        ("hit", hits::hits),
        ("time", hits::daemon_time),
        ("link", links),
        ("small", small_misses),
        ("miss", misses),
        ("build", builds),
        ("launcher", launcher_memory),
        ("daemon", daemon_memory),
        ("warm", warm_builds),
        ("ripgrep", ripgrep),
    ];
    let mut report = Report::default();
    for (name, measure) in parts {
        if wanted.is_empty() || wanted.iter().any(|word| word == name) {
            eprintln!("measuring: {name}");
            measure(&mut report);
        }
    }
    print!("{report}");
    let path = std::env::var_os("ZCCACHE_BENCH_JSON")
        .map_or_else(|| Path::new(env!("CARGO_TARGET_TMPDIR")).join("reach.json"), PathBuf::from);
    report.write(&path).expect("the report can be written");
    println!("{}", path.display());
}

/// As many rounds as asked for, or a few.
fn rounds(full: u32) -> u32 {
    let quick = std::env::var_os("ZCCACHE_BENCH_QUICK").is_some();
    if quick { (full / 10).max(2) } else { full }
}

/// A sandbox with a daemon that runs with these settings.
fn started(settings: &[(&str, &str)]) -> (Sandbox, PathBuf) {
    let mut sandbox = Sandbox::new();
    settings.iter().for_each(|(name, value)| sandbox.set(name, *value));
    let _ = sandbox.zccache(&["start"]).succeeded();
    let work = sandbox.path("work");
    (sandbox, work)
}

fn write(path: impl AsRef<Path>, text: &str) {
    write_at_once(path.as_ref(), text);
    // Younger inputs are distrusted, which is not what is measured here.
    std::thread::sleep(std::time::Duration::from_millis(30));
}

fn write_at_once(path: &Path, text: &str) {
    fs::write(path, text).expect("a file can be written");
}

/// Runs a process to its end, as a build tool would; its streams go nowhere.
fn run(process: &mut std::process::Command) {
    use std::process::Stdio;
    process.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let status = process.status().expect("it can be started");
    assert!(status.success(), "{process:?}: {status}");
}

/// A process made ahead, so that only running it is timed.
fn process(sandbox: &Sandbox, work: &Path, command: &Command) -> std::process::Command {
    command.process(work, sandbox.environment())
}

/// A hit of a link of 500 objects that are projected anew beside one of a compile.
fn links(report: &mut Report) {
    const OBJECTS: usize = 500;
    let (sandbox, work) = started(&[]);
    sandbox.mount(&work);
    let name = |n: usize| format!("{n:03}.o");
    for n in 0..OBJECTS {
        write_at_once(
            &work.join(format!("{n:03}.c")),
            &format!("int f{n}(int x) {{ return x + {n}; }}\n"),
        );
    }
    write(work.join("main.c"), "int f0(int x);\nint main(void) { return f0(0); }\n");
    let compile =
        |source: &str, object: &str| sandbox.launched(&*format!("gcc -c {source} -o {object}"));
    let mut compiles: Vec<_> = (0..OBJECTS)
        .map(|n| process(&sandbox, &work, &compile(&format!("{n:03}.c"), &name(n))))
        .chain([process(&sandbox, &work, &compile("main.c", "main.o"))])
        .collect();
    let objects = (0..OBJECTS).map(name).chain(["main.o".to_owned()]);
    let link = objects.fold(Command::from("gcc -o program"), Command::arg);
    let mut link = process(&sandbox, &work, &sandbox.launched(link));
    let mut anew = || compiles.iter_mut().for_each(run);
    anew();
    run(&mut link);
    sandbox.settle();
    let before = sandbox.counters();
    let mut last = process(&sandbox, &work, &compile("main.c", "main.o"));
    let count = rounds(30);
    let samples = in_turn(
        count,
        |_, samples| samples.time(|| run(&mut last)),
        |_, samples| {
            anew();
            samples.time(|| run(&mut link));
        },
    );
    let counted = sandbox.counters().since(&before);
    assert_eq!(counted.misses, 0, "{counted:?}");
    report.difference("hit of a link of 500 projected objects - of a compile", &samples, 3.0);
}

/// A static program that does nothing.
fn no_op(sandbox: &Sandbox) -> PathBuf {
    let (source, program) = (sandbox.path("nothing.c"), sandbox.path("nothing"));
    write(&source, "int main(void) { return 0; }\n");
    let link = Command::from("gcc -static -O2 -o").arg(&program).arg(&source);
    let _ = sandbox.bare(&sandbox.path("work"), link).succeeded();
    program
}

fn misses(report: &mut Report) {
    let second = missed("g++ -O1 -c a.cpp -o a.o", SECOND, rounds(30));
    report.ratio("miss of a C++ file of a second / bare", &second, Some(1.08));
    let second = missed("clang++ -O1 -c a.cpp -o a.o", SECOND, rounds(20));
    report.ratio("the same with clang++", &second, Some(1.08));
}

fn small_misses(report: &mut Report) {
    let smallest = missed("gcc -c a.c -o a.o", "int x;\n", rounds(200));
    report.difference("miss of the smallest C file - bare", &smallest, 4.0);
    let smallest = missed("clang -c a.c -o a.o", "int x;\n", rounds(100));
    report.difference("the same with clang", &smallest, 4.0);
}

/// The same compile bare and through the launcher, where it is new each time.
fn missed(line: &str, source: &str, count: u32) -> [Samples; 2] {
    let (sandbox, work) = started(&[]);
    let name = if source == SECOND { "a.cpp" } else { "a.c" };
    write(work.join(name), source);
    let round = |round| Command::from(line).arg(format!("-DROUND={round}"));
    run(&mut process(&sandbox, &work, &round(count)));
    let samples = in_turn(
        count,
        |n, samples| {
            let mut bare = process(&sandbox, &work, &round(n));
            samples.time(|| run(&mut bare));
        },
        |n, samples| {
            let mut launched = process(&sandbox, &work, &sandbox.launched(round(n)));
            samples.time(|| run(&mut launched));
            sandbox.settle();
        },
    );
    let counted = sandbox.counters();
    assert_eq!((counted.misses, counted.abandoned), (u64::from(count), 0), "{counted:?}");
    samples
}

/// The library of zstd, with its sources and a Makefile that builds it.
struct Build {
    sandbox: Sandbox,
    tree: PathBuf,
}

impl Build {
    fn new() -> Option<Self> {
        let project = Project::find("zstd")?;
        let (sandbox, tree) = started(&[]);
        let mut copy = std::process::Command::new("cp");
        run(copy.arg("-a").arg(project.sources().join(".")).arg(&tree));
        Some(Self { sandbox, tree })
    }

    fn make(&self, target: &str) -> Command {
        let launcher = self.sandbox.programs().launcher();
        let make = Command::from("make -j2 -C lib BUILD_DIR=obj").arg(target);
        make.arg(format!("CC={} gcc", launcher.display())).env("CFLAGS", "-O2")
    }

    fn run(&self, command: &Command, samples: &mut Samples) {
        let mut process = process(&self.sandbox, &self.tree, command);
        samples.time(|| run(&mut process));
        self.sandbox.settle();
    }

    fn clean(&self) {
        let bare = self.make("clean").env("ZCCACHE_DISABLE", "1");
        run(&mut process(&self.sandbox, &self.tree, &bare));
    }

    /// Builds on the directory as it is, with the cache off.
    fn off(&self, samples: &mut Samples) {
        self.clean();
        self.run(&self.make("libzstd.a").env("ZCCACHE_DISABLE", "1"), samples);
        self.clean();
    }
}

fn builds(report: &mut Report) {
    let Some(build) = Build::new() else { return };
    let samples = in_turn(
        rounds(6),
        |_, samples| build.off(samples),
        |_, samples| {
            let _ = build.sandbox.zccache(&["clear"]).succeeded();
            build.sandbox.mount(&build.tree);
            build.run(&build.make("libzstd.a"), samples);
            build.sandbox.umount(&build.tree);
            build.clean();
        },
    );
    let counted = build.sandbox.counters();
    assert_eq!((counted.hits, counted.abandoned), (0, 0), "{counted:?}");
    report.ratio("cold build of zstd in a view / cache off, no view", &samples, Some(1.05));
}

fn warm_builds(report: &mut Report) {
    for view in [false, true] {
        let Some(build) = Build::new() else { return };
        build.run(&build.make("libzstd.a"), &mut Samples::default());
        let samples = in_turn(
            rounds(6),
            |_, samples| build.off(samples),
            |_, samples| {
                if view {
                    build.sandbox.mount(&build.tree);
                }
                build.clean();
                build.run(&build.make("libzstd.a"), samples);
                if view {
                    build.sandbox.umount(&build.tree);
                }
            },
        );
        let place = if view { "in a view" } else { "outside a view" };
        report.ratio(&format!("warm build of zstd, {place} / cache off"), &samples, None);
    }
}

/// A release build of ripgrep, bare and in a view: cold, then into an emptied
/// directory.
fn ripgrep(report: &mut Report) {
    let Some(ripgrep) = Ripgrep::new() else { return };
    let launcher = ripgrep.sandbox.programs().launcher();
    let (mut warm, mut written) = (Samples::default(), Vec::new());
    let [bare, cold] = in_turn(
        rounds(3),
        |_, samples| samples.add(ripgrep.built(Path::new("")).wall),
        |_, samples| {
            let _ = ripgrep.sandbox.zccache(&["clear"]).succeeded();
            ripgrep.sandbox.mount(&ripgrep.target);
            samples.add(ripgrep.built(&launcher).wall);
            let usage = ripgrep.built(&launcher);
            warm.add(usage.wall);
            written.push(usage.written);
            ripgrep.sandbox.umount(&ripgrep.target);
        },
    );
    written.sort_by(f64::total_cmp);
    let detail = format!("write_bytes of /proc/PID/io, median of {}", written.len());
    let cold = [bare.clone(), cold];
    report.ratio("cold release build of ripgrep in a view / bare", &cold, Some(1.03));
    report.ratio("warm release build of ripgrep in a view / bare", &[bare, warm], Some(1.0 / 40.0));
    let middle = written[written.len() / 2];
    report.bytes("bytes written by a warm build of ripgrep in a view", middle, None, detail);
}

/// The sources of ripgrep, and a directory that they are built in.
struct Ripgrep {
    sandbox: Sandbox,
    work: PathBuf,
    target: PathBuf,
    cargo_home: Project,
}

impl Ripgrep {
    fn new() -> Option<Self> {
        let (sources, cargo_home) =
            Project::find("ripgrep-14.1.0").zip(Project::find("cargo-home"))?;
        let (sandbox, work) = started(&[]);
        let target = work.join("target");
        fs::create_dir(&target).expect("a directory");
        let mut copy = std::process::Command::new("cp");
        run(copy.arg("-r").arg(sources.sources()).arg(work.join("rg")));
        Some(Self { sandbox, work, target, cargo_home })
    }

    /// Builds into the emptied directory.
    fn built(&self, launcher: &Path) -> Usage {
        let mut empty = std::process::Command::new("find");
        run(empty.arg(&self.target).args(["-mindepth", "1", "-delete"]));
        let line = rust::line("$CARGO build --release --offline --locked --quiet");
        let path = format!("{}:/usr/bin:/bin", rust::bin().display());
        let cargo = Command::from(&*line).below("rg").env("PATH", path);
        let cargo = cargo.env("CARGO_HOME", self.cargo_home.sources());
        let cargo = cargo.env("CARGO_TARGET_DIR", &self.target).env("RUSTC_WRAPPER", launcher);
        let mut build = process(&self.sandbox, &self.work, &cargo);
        measure(std::slice::from_mut(&mut build), 1, &self.sandbox.store())
    }
}

/// The launcher's own high-water mark, read by the compiler that it observes:
/// when that has ended, and just before it does.
fn launcher_memory(report: &mut Report) {
    let (sandbox, work) = started(&[]);
    write(work.join("a.cpp"), SECOND);
    let compiler = "#!/bin/sh\ng++ \"$@\"\ngrep VmHWM: /proc/$PPID/status >\"$OLDPWD/peak\"\n";
    write(work.join("g++"), compiler);
    let _ = sandbox.bare(&work, "chmod +x g++").succeeded();
    let out = sandbox.path("tmp");
    let compile = Command::from("./g++ -O1 -c a.cpp -o a.o").env("OLDPWD", &out);
    run(&mut process(&sandbox, &work, &sandbox.launched(compile)));
    let text = fs::read_to_string(out.join("peak")).expect("the compiler has written it");
    let most = memory_told(&text, "VmHWM:").expect("the kernel tells it");
    report.bytes("resident memory of the launcher, peak", most, Some(4.0), "a C++ miss".to_owned());
}

fn daemon_memory(report: &mut Report) {
    let (sandbox, work) = started(&[]);
    sandbox.mount(&work);
    write(work.join("a.cpp"), "#include <vector>\n#include <string>\nstd::string s;\n");
    let count = rounds(1000);
    for round in 0..count {
        let compile = Command::from("g++ -c a.cpp -o a.o").arg(format!("-DROUND={round}"));
        run(&mut process(&sandbox, &work, &sandbox.launched(compile)));
    }
    sandbox.settle();
    let pid = sandbox.daemons().first().map_or(0, |pid| pid.as_raw().unsigned_abs());
    let resident = memory(pid, "VmRSS:").expect("the daemon runs");
    let most = memory(pid, "VmHWM:").expect("the daemon runs") / 1024.0;
    let detail = format!("after {count} misses; at most {most:.0} KiB");
    report.bytes("resident memory of the daemon", resident, Some(64.0), detail);
    sandbox.umount(&work);
}
