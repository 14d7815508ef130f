//! The ratios that the first milestone aims at: `cargo bench --package zccache-benches`
//! after `cargo build --release`. Prints a table, and JSON to the file named by
//! `ZCCACHE_BENCH_JSON`.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use zccache_benches::{Contender, race, ratio};
use zccache_tests::{Command, Sandbox};

/// One figure and what it aims at.
struct Figure {
    what: &'static str,
    measured: f64,
    aim: f64,
    unit: &'static str,
}

fn main() {
    let bench = Bench::new();
    let mut figures = vec![bench.hit()];
    figures.extend(bench.misses());
    figures.push(bench.build());
    figures.extend(bench.memory());
    println!("{:<66} {:>9} {:>9}", "", "measured", "aim");
    for Figure { what, measured, aim, unit } in &figures {
        println!("{what:<66} {measured:>7.2} {unit:<1} {aim:>7.2} {unit}");
    }
    if let Some(path) = std::env::var_os("ZCCACHE_BENCH_JSON") {
        let all: Vec<Value> = figures.iter().map(Figure::json).collect();
        let written = fs::write(&path, Value::from(all).to_string());
        assert!(written.is_ok(), "cannot write {}", Path::new(&path).display());
    }
}

impl Figure {
    fn json(&self) -> Value {
        json!({ "what": self.what, "measured": self.measured, "aim": self.aim, "unit": self.unit })
    }
}

/// A directory with sources, and a daemon of its own.
struct Bench {
    sandbox: Sandbox,
    directory: PathBuf,
}

/// How many units the build has.
const UNITS: usize = 24;

/// How many compiles the daemon's memory is measured after.
const MANY: usize = 1000;

const LARGE: &str = "#include <algorithm>\n#include <iostream>\n#include <map>\n#include <regex>\n\
    #include <string>\nint f(const std::string& s) { std::map<std::string, int> m; \
    std::regex r(s); for (auto& x : m) std::cout << x.first; return std::regex_match(s, r); }\n";

impl Bench {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        let directory = sandbox.path("bench");
        let bench = Self { sandbox, directory };
        bench.write("small.c", "int x;\n");
        bench.write("large.cc", LARGE);
        bench.write("noop.c", "int main(void) { return 0; }\n");
        bench.bare("gcc -O2 -static -o noop noop.c");
        let rules = "objects = $(addsuffix .o,$(basename $(wildcard *.unit.cc)))\n\
            all: $(objects)\n%.o: %.cc\n\t$(CXX) -O1 -c $< -o $@\n";
        bench.write("build/Makefile", rules);
        for unit in 0..UNITS {
            bench.write(&format!("build/{unit}.unit.cc"), &format!("{LARGE}int g{unit};\n"));
        }
        bench
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.directory.join(name);
        let parent = path.parent().unwrap_or(&self.directory);
        let written = fs::create_dir_all(parent).and_then(|()| fs::write(&path, text));
        assert!(written.is_ok(), "cannot write {}", path.display());
    }

    fn bare(&self, line: &str) {
        let _ = self.sandbox.bare(&self.directory, line).succeeded();
    }

    fn launch(&self, command: impl Into<Command>) {
        let _ = self.sandbox.launch(&self.directory, command).succeeded();
    }

    fn hit(&self) -> Figure {
        let compile = "gcc -c small.c -o small.o";
        self.launch(compile);
        self.sandbox.settle();
        let mut racers = [
            Contender::new("hit", || self.launch(compile)),
            Contender::new("no-op", || self.bare("./noop")),
        ];
        race(&mut racers, 300);
        let measured = ratio(&racers[0], &racers[1]);
        Figure {
            what: "hit of a small C file / static no-op program",
            measured,
            aim: 2.5,
            unit: "x",
        }
    }

    fn misses(&self) -> [Figure; 2] {
        let race_of = |line: &'static str, rounds| {
            let mut racers = [
                Contender::new("miss", || {
                    self.launch(Command::from(line).env("ZCCACHE_RECACHE", "1"));
                }),
                Contender::new("bare", || self.bare(line)),
            ];
            race(&mut racers, rounds);
            (racers[0].median(), racers[1].median())
        };
        let (miss, bare) = race_of("gcc -c small.c -o small.o", 60);
        let added = (miss.as_secs_f64() - bare.as_secs_f64()) * 1e3;
        let (miss, bare) = race_of("g++ -O2 -c large.cc -o large.o", 7);
        let large = miss.as_secs_f64() / bare.as_secs_f64();
        [
            Figure { what: "miss of a small C file - bare", measured: added, aim: 4.0, unit: "ms" },
            Figure {
                what: "miss of a large C++ file / bare",
                measured: large,
                aim: 1.08,
                unit: "x",
            },
        ]
    }

    /// A cold build in a view, and the same on the directory below.
    fn build(&self) -> Figure {
        let directory = self.directory.join("build");
        let launcher = self.sandbox.programs().launcher();
        let make = |off: &str| {
            let _ = self.sandbox.zccache(&["clear"]).succeeded();
            let clean = self.sandbox.bare(&directory, Command::new(["sh", "-c", "rm -f *.o"]));
            let _ = clean.succeeded();
            let make = Command::from("make -s -j2").arg(format!("CXX={} g++", launcher.display()));
            let _ = self.sandbox.bare(&directory, make.env("ZCCACHE_DISABLE", off)).succeeded();
        };
        let mut racers = [
            Contender::new("view", || {
                self.sandbox.mount(&directory);
                make("0");
                self.sandbox.umount(&directory);
            }),
            Contender::new("below", || make("1")),
        ];
        race(&mut racers, 3);
        let measured = ratio(&racers[0], &racers[1]);
        Figure { what: "cold build in a view / without cache", measured, aim: 1.05, unit: "x" }
    }

    fn memory(&self) -> [Figure; 2] {
        for unit in 0..MANY {
            self.launch(format!("gcc -c -DU={unit} small.c -o small.o").as_str());
        }
        let resident = self.sandbox.status()["resident_bytes"].as_f64().unwrap_or(f64::NAN);
        let launcher = self.launcher_peak();
        let daemon = "daemon after a thousand compiles";
        [
            Figure { what: daemon, measured: resident / 1048576.0, aim: 64.0, unit: "MiB" },
            Figure {
                what: "launcher, peak during a miss",
                measured: launcher,
                aim: 4.0,
                unit: "MiB",
            },
        ]
    }

    /// The launcher's own high-water mark, read while its compiler waits.
    fn launcher_peak(&self) -> f64 {
        let script = "#!/bin/sh\ngrep VmHWM /proc/$PPID/status >peak\nexec gcc \"$@\"\n";
        self.write("cc", script);
        self.bare("chmod +x cc");
        self.launch("./cc -c small.c -o small.o");
        let text = fs::read_to_string(self.directory.join("peak")).unwrap_or_default();
        let kibibytes =
            text.split_whitespace().nth(1).and_then(|number| number.parse::<f64>().ok());
        kibibytes.map_or(f64::NAN, |kibibytes| kibibytes / 1024.0)
    }
}
