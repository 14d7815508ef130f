//! Builds real projects with and without compiler caches, in turn, and reports
//! what each took. `scripts/bench.sh` sets up what this needs and runs it;
//! `docs/BENCHMARKING.md` explains the method.
#![allow(clippy::expect_used, clippy::panic)]

mod document;
mod html;
mod lane;
mod machine;
mod project;
mod results;
mod run;
mod scenario;
mod tool;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use serde_json::json;

use crate::lane::Places;
use crate::machine::Machine;
use crate::results::Results;
use crate::scenario::{SCENARIOS, Scenario};
use crate::tool::{TOOLS, Tool};

/// Measures builds with compiler caches and without.
#[derive(Parser)]
#[command(name = "scripts/bench.sh")]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
struct Arguments {
    /// Few scenarios, in two rounds: some five minutes.
    #[arg(long)]
    quick: bool,
    /// How many rounds of each scenario.
    #[arg(long)]
    rounds: Option<usize>,
    /// Only these tools; the compiler alone is always there.
    #[arg(long, value_delimiter = ',')]
    tools: Vec<String>,
    /// Only these scenarios.
    #[arg(long, value_delimiter = ',')]
    scenarios: Vec<String>,
    /// Keeps what an earlier run has found of other scenarios.
    #[arg(long)]
    keep: bool,
    /// Lists tools and scenarios.
    #[arg(long)]
    list: bool,
    /// Writes the results into docs/BENCHMARKING.md too.
    #[arg(long)]
    document: bool,
    /// Where results.json and results.html go.
    #[arg(long, default_value = "target/bench")]
    output: PathBuf,
    /// The directory of our programs.
    #[arg(long, env = "ZCCACHE_BIN_DIR")]
    ours: PathBuf,
    /// The directory that `scripts/bench.sh` installs the other tools in.
    #[arg(long, env = "ZCCACHE_BENCH_PEERS")]
    peers: PathBuf,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.list {
        TOOLS.iter().for_each(|tool| println!("tool      {}", tool.name));
        SCENARIOS.iter().for_each(|one| println!("scenario  {:20} {}", one.name, one.about));
        return ExitCode::SUCCESS;
    }
    let places = places(&arguments);
    let tools = arguments.tools(&places);
    let home = home();
    let machine = Machine::look(home.path(), &tools, &places);
    let scenarios = arguments.scenarios();
    let mut results = arguments.kept(&scenarios);
    for scenario in scenarios {
        run::warm_up(scenario, &places, &home.path().join(format!("{}-0", scenario.name)));
        for round in 1..=arguments.rounds_of(scenario) {
            eprintln!("{}: {}, round {round}", scenario.name, scenario.about);
            let directory = home.path().join(format!("{}-{round}", scenario.name));
            run::round(scenario, &tools, &places, (round, &directory), &mut results);
        }
        arguments.write(&machine, &results, &tools);
    }
    let wrong = results.wrong();
    wrong.iter().for_each(|row| eprintln!("objects differ from the compiler's: {row}"));
    if wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

impl Arguments {
    fn scenarios(&self) -> Vec<&'static Scenario> {
        for name in &self.scenarios {
            assert!(SCENARIOS.iter().any(|one| one.name == name), "no scenario is named {name}");
        }
        let chosen = |one: &&Scenario| match self.scenarios.is_empty() {
            true => one.quick || !self.quick,
            false => self.scenarios.iter().any(|name| name == one.name),
        };
        SCENARIOS.iter().filter(chosen).collect()
    }

    fn kept(&self, scenarios: &[&Scenario]) -> Results {
        let written = fs::read_to_string(self.output.join("results.json"));
        let names: Vec<_> = scenarios.iter().map(|scenario| scenario.name).collect();
        written
            .ok()
            .filter(|_| self.keep)
            .map_or_else(Results::default, |written| Results::but(&written, &names))
    }

    fn rounds_of(&self, scenario: &Scenario) -> usize {
        self.rounds.unwrap_or(if self.quick { 2 } else { scenario.rounds })
    }

    /// The tools that are asked for and can be run.
    fn tools(&self, places: &Places) -> Vec<&'static Tool> {
        for name in &self.tools {
            assert!(TOOLS.iter().any(|tool| tool.name == name), "no tool is named {name}");
        }
        let wanted = |tool: &&Tool| {
            let named = self.tools.iter().any(|name| name == tool.name);
            self.tools.is_empty() || named || tool.launcher.is_empty()
        };
        let wanted = TOOLS.iter().filter(wanted);
        let (able, unable): (Vec<_>, Vec<_>) =
            wanted.partition(|tool| tool.version(places).is_some());
        unable.iter().for_each(|tool| eprintln!("SKIP: {} cannot be run", tool.name));
        able
    }

    fn write(&self, machine: &Machine, results: &Results, tools: &[&Tool]) {
        let names: Vec<_> = tools.iter().map(|tool| tool.name).collect();
        let steps = results.steps(&names);
        fs::create_dir_all(&self.output).expect("a directory for the results");
        let write = |name: &str, text: &str| {
            fs::write(self.output.join(name), text).expect("the results can be written");
        };
        let all = json!({ "machine": machine.json(), "results": results.json() });
        write("results.json", &format!("{all:#}\n"));
        write("results.html", &html::page(machine, &steps));
        if self.document {
            document::update(Path::new("docs/BENCHMARKING.md"), machine, &steps, &names);
        }
    }
}

/// The directory below which everything happens: on a disk, with a short path
/// for the sake of sockets.
fn home() -> tempfile::TempDir {
    let parent = std::env::var_os("TMPDIR").map_or_else(|| "/var/tmp".into(), PathBuf::from);
    tempfile::Builder::new().prefix("bench-").tempdir_in(parent).expect("a directory")
}

fn places(arguments: &Arguments) -> Places {
    let absolute = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    Places {
        ours: absolute(&arguments.ours),
        peers: absolute(&arguments.peers),
        toolchain: zccache_tests::rust::bin().to_owned(),
        cargo_home: project::fetched("cargo-home"),
    }
}
