//! What the measurements were made on and with.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread::available_parallelism;

use serde_json::{Value, json};

use crate::lane::Places;
use crate::tool::Tool;

pub(crate) struct Machine {
    /// Processors, kernel, file system, memory.
    pub(crate) hardware: String,
    /// How many processes wanted to run in the minute before, on average.
    pub(crate) load: f64,
    /// Compilers and tools, with their versions.
    pub(crate) versions: Vec<(String, String)>,
}

impl Machine {
    pub(crate) fn look(work: &Path, tools: &[&Tool], places: &Places) -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let words =
            |text: &str, at: usize| text.split_whitespace().nth(at).unwrap_or_default().to_owned();
        let cores = available_parallelism().map_or(1, usize::from);
        let kernel = words(&read("/proc/sys/kernel/osrelease").replace(['-', '+'], " "), 0);
        let kibibytes: u64 = words(&read("/proc/meminfo"), 1).parse().unwrap_or_default();
        let mut df = Command::new("df");
        let kind = line_of(df.arg("--output=fstype").arg(work), 1).unwrap_or_default();
        let hypervisor = read("/proc/cpuinfo").contains(" hypervisor");
        let machine = if hypervisor { "virtual machine" } else { "machine" };
        let hardware = format!(
            "a {machine} with {cores} processors and {} GiB, Linux {kernel}, {kind}",
            kibibytes >> 20
        );
        let compilers = ["rustc", "ninja"].into_iter().filter_map(|name| {
            let mut command = Command::new(name);
            Some((name.to_owned(), line_of(command.arg("--version"), 0)?))
        });
        let versions = tools.iter().filter(|tool| !tool.view && tool.name != "ccache depend");
        let versions = versions.filter_map(|tool| {
            let name = if tool.launcher.is_empty() { "gcc" } else { tool.name };
            Some((name.to_owned(), tool.version(places)?))
        });
        let versions = versions.chain(compilers).collect();
        Self { hardware, load: words(&read("/proc/loadavg"), 0).parse().unwrap_or(0.0), versions }
    }

    pub(crate) fn json(&self) -> Value {
        json!({ "machine": self.hardware, "load_before": self.load, "versions": self.versions })
    }

    /// The machine and the versions, in one sentence each.
    pub(crate) fn sentences(&self) -> String {
        let versions =
            self.versions.iter().map(|(name, version)| match version.contains(&**name) {
                true => version.clone(),
                false => format!("{name} {version}"),
            });
        let versions: Vec<_> = versions.collect();
        format!(
            "On {}; load average before the run {}. {}.",
            self.hardware,
            self.load,
            versions.join(", ")
        )
    }
}

impl Tool {
    /// What the tool says of its version; nothing if it cannot be run.
    pub(crate) fn version(&self, places: &Places) -> Option<String> {
        let paths = [("{ours}", &places.ours), ("{peers}", &places.peers)];
        let line = paths.iter().fold(self.version.to_owned(), |line, (name, path)| {
            line.replace(name, &path.to_string_lossy())
        });
        let mut words = line.split(' ');
        line_of(Command::new(words.next()?).args(words), 0)
    }
}

/// A line of what a command says, the first being 0.
fn line_of(command: &mut Command, at: usize) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.lines().nth(at).map(|line| line.trim().to_owned())
}
