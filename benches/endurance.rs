//! A day's worth of compiles: 20,000, hits and misses mixed, with daemons killed and
//! stopped and blobs damaged meanwhile. Each must leave what the bare compiler does, and
//! a daemon must not grow. `cargo bench -p zccache-benches --bench endurance`, after
//! `scripts/build`; some ten minutes on two processors.
#![allow(clippy::expect_used, clippy::panic)]

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use zccache_benches::Report;
use zccache_benches::usage::memory;
use zccache_tests::dice::Dice;
use zccache_tests::{Command, Sandbox};

/// Compiles, and how often something happens, in compiles.
const COMPILES: usize = 20_000;
const LIFE: usize = 5_000;
const EDIT: usize = 500;
const PAUSE: usize = 300;
const DAMAGE: usize = 150;

/// Compiles after which a daemon knows the compiler and most sources.
const WARM: usize = 1_000;

/// Sources, and states of the header that they share.
const SOURCES: usize = 2_000;
const STATES: usize = 3;

fn main() {
    let mut day = Day::new();
    let mut warm = Size::default();
    let mut growth = Vec::new();
    for number in 1..=COMPILES {
        if number % EDIT == 0 {
            day.edit();
        }
        if number % DAMAGE == 0 {
            day.damage_a_blob();
        }
        day.compile(number % LIFE == 0, number % PAUSE == 0);
        match number % LIFE {
            WARM => warm = day.size(),
            last if last + 1 == LIFE => growth.push((warm.clone(), day.size())),
            _ => {}
        }
    }
    let counted = day.sandbox.counters();
    let mut report = Report::default();
    for (life, (before, after)) in growth.iter().enumerate() {
        let name = format!("daemon {}: resident after {LIFE} compiles less after {WARM}", life + 1);
        let open = format!("{} -> {} descriptors", before.descriptors, after.descriptors);
        report.bytes(&name, after.resident - before.resident, Some(8.0), open);
    }
    print!("{report}");
    println!("{COMPILES} compiles, all as bare; the last daemon counted {counted:?}");
}

/// What a daemon takes.
#[derive(Clone, Default)]
struct Size {
    /// Memory, in bytes.
    resident: f64,
    descriptors: usize,
}

struct Day {
    sandbox: Sandbox,
    work: PathBuf,
    dice: Dice,
    header: usize,
    /// What the bare compiler makes of a source with the header in some state.
    objects: HashMap<(usize, usize), Vec<u8>>,
}

impl Day {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        let work = sandbox.path("work");
        for source in 0..SOURCES {
            let text = format!(
                "#include \"shared.h\"\nint f{source}(int x) {{ return x + SHARED + {source}; }}\n\
                char table[6000] = {{ {} }};\n",
                source % 100
            );
            fs::write(work.join(format!("{source}.c")), text).expect("a file");
        }
        let mut day =
            Self { sandbox, work, dice: Dice::new(1), header: 0, objects: HashMap::new() };
        day.edit();
        day
    }

    /// Brings the header into another state, or back into an earlier one.
    fn edit(&mut self) {
        self.header = (self.header + 1) % STATES;
        let (new, text) = (self.work.join("new"), format!("#define SHARED {}\n", self.header));
        fs::write(&new, text).expect("a file");
        fs::rename(new, self.work.join("shared.h")).expect("renamed");
        // What is younger than a tick of the clock may change once more.
        std::thread::sleep(Duration::from_millis(30));
    }

    /// Compiles a source, perhaps while the daemon is killed or stands still.
    fn compile(&mut self, kills: bool, pauses: bool) {
        let source = self.dice.below(SOURCES);
        let line = format!("gcc -O1 -c {source}.c -o made.o");
        let running = self.sandbox.start_launch(&self.work, Command::from(&*line));
        if kills {
            std::thread::sleep(Duration::from_millis(2));
            self.sandbox.kill_daemons();
        }
        if pauses {
            for daemon in self.sandbox.daemons() {
                kill(daemon, Signal::SIGSTOP).expect("it is ours");
                std::thread::sleep(Duration::from_millis(50));
                kill(daemon, Signal::SIGCONT).expect("it is ours");
            }
        }
        let done = running.wait();
        assert!(done.status.success() && done.err().is_empty(), "{line}: {done:?}");
        let made = fs::read(self.work.join("made.o")).expect("it was compiled");
        let (sandbox, work) = (&self.sandbox, &self.work);
        let object = self.objects.entry((source, self.header)).or_insert_with(|| {
            let bare = Command::from(&*line.replace("made.o", "bare.o"));
            let _ = sandbox.bare(work, bare).succeeded();
            fs::read(work.join("bare.o")).expect("it was compiled")
        });
        assert!(made == *object, "{line} with header {}: another object", self.header);
    }

    /// Changes a byte of some blob.
    fn damage_a_blob(&mut self) {
        let blobs = files(&self.sandbox.kept().join("blobs"));
        let Some(blob) = blobs.get(self.dice.below(blobs.len().max(1))) else { return };
        let writable = fs::Permissions::from_mode(0o600);
        fs::set_permissions(blob, writable).expect("it is ours");
        let file = fs::File::options().write(true).open(blob).expect("it is there");
        file.write_all_at(b"?", self.dice.below(1000) as u64).expect("it can be written");
    }

    fn size(&self) -> Size {
        let pid = self.sandbox.daemons()[0];
        let resident = memory(pid.as_raw().unsigned_abs(), "VmRSS:").expect("the daemon runs");
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).expect("the daemon runs").count();
        Size { resident, descriptors }
    }
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let shards = fs::read_dir(directory).into_iter().flatten().flatten();
    let blobs = shards.flat_map(|shard| fs::read_dir(shard.path()).into_iter().flatten());
    let mut paths: Vec<_> = blobs.flatten().map(|blob| blob.path()).collect();
    paths.sort();
    paths
}
