//! Launchers and daemons are killed at named points of their lives, under a parallel
//! build, again and again: no wrong object, no failed build, nothing damaged.

mod doomed;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::net::UnixStream;
use std::path::Path;

use zccache_core::settings::socket_path;
use zccache_tests::dice::{Dice, first_seed};
use zccache_tests::sandbox::eventually;
use zccache_tests::{Command, Sandbox};

use doomed::Point;

/// Processes killed at one of the points, in all.
const KILLS: usize = 200;

/// Sources of the build, which change between so many contents.
const SOURCES: usize = 6;
const CONTENTS: usize = 8;

const fn point(name: &'static str, call: i64, most: usize) -> Point {
    Point { name, call, most }
}

/// Where a daemon may be about to be.
const DAEMON: &[Point] = &[
    point("opens its store and its inputs", libc::SYS_openat, 60),
    point("listens", libc::SYS_listen, 1),
    point("takes a connection", libc::SYS_accept4, SOURCES + 1),
    point("hears a launcher", libc::SYS_recvmsg, 3 * SOURCES),
    point("answers", libc::SYS_sendmsg, SOURCES),
    point("copies an output", libc::SYS_ioctl, 4),
    point("makes a shard", libc::SYS_mkdir, 5),
    point("makes bytes durable", libc::SYS_fdatasync, 8),
    point("makes names durable", libc::SYS_fsync, 5),
    point("places a blob", libc::SYS_rename, 3),
    point("writes the index", libc::SYS_pwrite64, 40),
    point("removes what is old", libc::SYS_unlink, 5),
];

/// Where a launcher may be about to be.
const LAUNCHER: &[Point] = &[
    point("opens something", libc::SYS_openat, 6),
    point("connects", libc::SYS_connect, 2),
    point("asks, and reports", libc::SYS_sendmsg, 2),
    point("hears the verdict", libc::SYS_recvmsg, 1),
    point("starts the compiler, or a daemon", libc::SYS_clone, 1),
    point("hears what the compiler does", libc::SYS_ioctl, 300),
    point("looks at what the compiler names", libc::SYS_process_vm_readv, 150),
    point("waits for the compiler", libc::SYS_wait4, 2),
    point("fills a file", libc::SYS_copy_file_range, 1),
    point("puts a file in place", libc::SYS_renameat, 1),
    point("ends", libc::SYS_exit_group, 1),
];

/// A build with the objects that the compiler itself makes, for each content.
struct Build {
    sandbox: Sandbox,
    dice: Dice,
    expected: BTreeMap<(usize, usize), Vec<u8>>,
    contents: [usize; SOURCES],
    kills: usize,
}

impl Build {
    fn new(seed: u64) -> Self {
        let mut sandbox = Sandbox::new();
        // Some of the results are always being evicted.
        sandbox.set("ZCCACHE_MAX_SIZE", "120K");
        let (expected, contents) = (BTreeMap::new(), [0; SOURCES]);
        let mut build = Self { sandbox, dice: Dice::new(seed), expected, contents, kills: 0 };
        for source in 0..SOURCES {
            for content in 0..CONTENTS {
                build.write(source, content);
                let _ = build.sandbox.bare(&build.work(), compile(source)).succeeded();
                build.expected.insert((source, content), build.object(source));
            }
        }
        build
    }

    fn work(&self) -> std::path::PathBuf {
        self.sandbox.path("work")
    }

    fn write(&mut self, source: usize, content: usize) {
        // Large enough for a blob of its own.
        let text = format!("const char t{source}[9000] = \"{content}\";\n");
        fs::write(self.work().join(format!("s{source}.c")), text).expect("a file");
        self.contents[source] = content;
    }

    fn object(&self, source: usize) -> Vec<u8> {
        fs::read(self.work().join(format!("s{source}.o"))).expect("it was compiled")
    }

    fn is_right(&self, source: usize) {
        let expected = &self.expected[&(source, self.contents[source])];
        assert!(self.object(source) == *expected, "object {source} is wrong");
    }

    /// Half of the sources change, and all objects go.
    fn begin(&mut self) {
        for source in 0..SOURCES {
            if self.dice.once_in(2) {
                let content = self.dice.below(CONTENTS);
                self.write(source, content);
            }
            fs::remove_file(self.work().join(format!("s{source}.o"))).ok();
        }
    }

    fn choose(&mut self, points: &[Point]) -> (Point, usize) {
        let point = points[self.dice.below(points.len())];
        (point, 1 + self.dice.below(point.most))
    }

    /// Everything is compiled at once; the daemon dies, and so do two launchers.
    fn round(&mut self) {
        self.begin();
        let (point, count) = self.choose(DAEMON);
        let mut what = format!("the daemon {} ({count})", point.name);
        let daemon = doomed::start(self.daemon(), point.call, count);
        let socket = socket_path(&self.sandbox.store());
        let listens = || UnixStream::connect(&socket).is_ok();
        eventually("the daemon listens or is dead", || daemon.is_finished() || listens());
        let first = self.dice.below(SOURCES);
        let dooms = [first, (first + 1) % SOURCES];
        let mut dying = Vec::new();
        for source in dooms {
            let (point, count) = self.choose(LAUNCHER);
            what += &format!(", launcher {source} {} ({count})", point.name);
            dying.push(doomed::start(self.launcher(source), point.call, count));
        }
        let others = (0..SOURCES).filter(|source| !dooms.contains(source));
        let start = |source| (source, self.sandbox.start_launch(&self.work(), compile(source)));
        for (source, running) in others.map(start).collect::<Vec<_>>() {
            let outcome = running.wait();
            assert!(outcome.status.success() && outcome.stderr.is_empty(), "{what}: {outcome:?}");
            self.is_right(source);
        }
        let died = dying.into_iter().map(|one| one.join().expect("it is traced"));
        let mut died: Vec<bool> = died.collect();
        // As make would be run again.
        for source in dooms {
            let outcome = self.sandbox.launch(&self.work(), compile(source));
            assert!(outcome.status.success() && outcome.stderr.is_empty(), "{what}: {outcome:?}");
            self.is_right(source);
        }
        eventually("all is kept, or the daemon is dead", || {
            let status = self.sandbox.zccache(&["status", "--json"]).out();
            let is_zero = |name: &str| status.contains(&format!("\"{name}\":0"));
            daemon.is_finished() || is_zero("running") && is_zero("publications_in_flight")
        });
        self.sandbox.kill_daemons();
        died.push(daemon.join().expect("it is traced"));
        println!("{died:?}: {what}");
        self.kills += died.into_iter().map(usize::from).sum::<usize>();
    }

    fn daemon(&self) -> std::process::Command {
        let programs = self.sandbox.programs();
        let command = Command::new([programs.daemon()]).arg("--store").arg(self.sandbox.store());
        command.process(Path::new("/"), self.sandbox.environment())
    }

    fn launcher(&self, source: usize) -> std::process::Command {
        let command = self.sandbox.launched(compile(source));
        let mut process = command.process(&self.work(), self.sandbox.environment());
        process.stdin(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        process
    }
}

fn compile(source: usize) -> Command {
    Command::from(format!("gcc -c s{source}.c -o s{source}.o").as_str())
}

#[test]
fn two_hundred_deaths_under_a_parallel_build() {
    let seed = first_seed();
    println!("ZCCACHE_RANDOM_SEED={seed}");
    let mut build = Build::new(seed);
    while build.kills < KILLS {
        build.round();
    }
    // The last daemon may still take a connection while it dies.
    eventually("the store is whole", || build.sandbox.zccache(&["check"]).status.success());
    for _ in 0..2 {
        for source in 0..SOURCES {
            let _ = build.sandbox.launch(&build.work(), compile(source)).succeeded();
            build.is_right(source);
        }
    }
    assert!(build.sandbox.counters().hits > 0, "the cache serves");
}
