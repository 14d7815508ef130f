//! Taking all tools through a scenario, step by step, in turn.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, SystemTime};

use crate::lane::{Lane, Places};
use crate::project::Project;
use crate::results::{Results, Sample};
use crate::scenario::{Change, Scenario, Step};
use crate::tool::{TOOLS, Tool};
use zccache_benches::usage::measure;

/// Inputs younger than this are distrusted by caches that go by time stamps.
const SETTLED: Duration = Duration::from_millis(2_200);

/// What the compiler makes, and what is made of that.
const PRODUCTS: &[&str] = &["o", "so", "rlib", "rmeta"];

/// How a file begins that is to be optimised at the link (LLVM's bitcode file format).
const BITCODE: &[u8] = b"BC\xC0\xDE";

/// What stands before a build id: a note of the GNU linkers with a SHA-1 (`ld(1)`,
/// `--build-id`), which is also of the paths in the file.
const BUILD_ID: &[u8] = b"\x04\0\0\0\x14\0\0\0\x03\0\0\0GNU\0";
const BUILD_ID_LENGTH: usize = 20;

/// A build of the first step by the compiler alone that is not counted: who comes first
/// would else read from the disk what the others find in memory.
pub(crate) fn warm_up(scenario: &Scenario, places: &Places, home: &Path) {
    let lane = Lane::new(&TOOLS[0], home.join("a"), places);
    let [step, ..] = scenario.steps else { return };
    change(&scenario.project, step, &lane);
    let commands = step.trees.iter().map(|tree| scenario.project.command(&lane, tree));
    let _ = measure(&mut commands.collect::<Vec<_>>(), step.times, &lane.root);
}

/// One round of a scenario, in new directories below `home`. Who comes first
/// depends on its number.
pub(crate) fn round(
    scenario: &Scenario,
    tools: &[&'static Tool],
    places: &Places,
    (number, home): (usize, &Path),
    results: &mut Results,
) {
    let lanes: Vec<_> = tools
        .iter()
        .filter(|tool| tool.languages.contains(&scenario.project.language()))
        .zip('a'..='z')
        .map(|(tool, letter)| Lane::new(tool, home.join(letter.to_string()), places))
        .collect();
    for (at, step) in scenario.steps.iter().enumerate() {
        lanes.iter().for_each(|lane| change(&scenario.project, step, lane));
        if step.change.is_of_sources() {
            sleep(SETTLED);
        }
        let mut samples = Vec::new();
        for turn in 0..lanes.len() {
            let lane = &lanes[(number + at + turn) % lanes.len()];
            samples.push((lane, sample(&scenario.project, step, lane)));
        }
        let bare = samples.iter().find(|(lane, _)| lane.tool.launcher.is_empty());
        let (bare, alone) = *bare.expect("the compiler alone is always among the tools");
        for (lane, mut sample) in samples {
            sample.ratio = sample.usage.wall / alone.usage.wall;
            let differing = step.trees.iter().flat_map(|tree| differing(bare, lane, tree));
            let differing: Vec<_> = differing.collect();
            sample.differing = differing.len();
            for path in differing.iter().take(3) {
                eprintln!(
                    "    {} is not what the compiler makes with {}",
                    path.display(),
                    lane.tool.name
                );
            }
            results.add([scenario.name, step.name, lane.tool.name], sample);
        }
    }
}

fn tell(step: &Step, lane: &Lane, sample: &Sample) {
    let (name, usage) = (lane.tool.name, sample.usage);
    let counted = sample.counted.map_or(String::new(), |[h, m]| format!("{h} hits, {m} misses"));
    let (wall, cpu, megabytes) = (usage.wall, usage.cpu, usage.written / 1e6);
    eprintln!(
        "  {:22} {name:14} {wall:9.4} s {cpu:9.4} s cpu {megabytes:7.1} MB  {counted}",
        step.name
    );
}

fn sample(project: &Project, step: &Step, lane: &Lane) -> Sample {
    let before = lane.counters();
    let commands = step.trees.iter().map(|tree| match step.links {
        true => Project::link(lane, tree),
        false => project.command(lane, tree),
    });
    let mut commands: Vec<_> = commands.collect();
    let usage = measure(&mut commands, step.times, &lane.root);
    let counted = before
        .zip(lane.counters())
        .map(|(before, after)| [0, 1].map(|at: usize| after[at].saturating_sub(before[at])));
    let sample = Sample { usage, ratio: 1.0, counted, differing: 0 };
    tell(step, lane, &sample);
    sample
}

impl Change {
    fn is_of_sources(self) -> bool {
        !matches!(self, Self::Nothing | Self::Emptied)
    }
}

fn change(project: &Project, step: &Step, lane: &Lane) {
    for name in step.trees {
        let tree = lane.tree(name);
        let (edited, addition) = project.edited;
        let path = tree.join("src").join(edited);
        let write = |text: String| fs::write(&path, text).expect("a source can be written");
        let text = || fs::read_to_string(&path).expect("a source can be read");
        match step.change {
            Change::Nothing => {}
            Change::Laid => project.lay(lane, name),
            Change::Emptied => project.empty(lane, name),
            Change::Touched => touch(&path),
            Change::Edited => write(text() + addition),
            Change::Reverted => {
                write(text().strip_suffix(addition).expect("it was edited").to_owned());
            }
            Change::Commented => write(with_another_comment(&text())),
        }
    }
}

/// A header with another word in the comment on rights that those of the projects begin with.
fn with_another_comment(text: &str) -> String {
    let (before, after) = text.split_once("rights reserved").expect("a comment on rights");
    format!("{before}rights still reserved{after}")
}

fn touch(path: &Path) {
    let file = fs::File::options().append(true).open(path).expect("a source");
    file.set_modified(SystemTime::now()).expect("its owner may");
}

/// The products of a lane that are not those of the compiler alone, but for the
/// name of the directory.
fn differing(bare: &Lane, lane: &Lane, tree: &str) -> Vec<PathBuf> {
    let [expected, found] = [bare, lane].map(|lane| products(&lane.tree(tree).join("build")));
    let names = expected.keys().chain(found.keys().filter(|name| !expected.contains_key(*name)));
    let bytes = |products: &BTreeMap<PathBuf, PathBuf>, name: &PathBuf, lane: &Lane| {
        let mut bytes = fs::read(products.get(name)?).ok()?;
        // Its texts do not begin where bytes do, and it has hashes of paths, of which the
        // smaller take less room.
        if bytes.starts_with(BITCODE) {
            bytes.clear();
        }
        let ids: Vec<_> = memchr::memmem::find_iter(&bytes, BUILD_ID).collect();
        for at in ids.into_iter().map(|at| at + BUILD_ID.len()) {
            bytes.iter_mut().skip(at).take(BUILD_ID_LENGTH).for_each(|byte| *byte = 0);
        }
        Some(without(bytes, lane.root.as_os_str().as_encoded_bytes()))
    };
    let same = |name: &PathBuf| bytes(&expected, name, bare) == bytes(&found, name, lane);
    names.filter(|name| !same(name)).cloned().collect()
}

/// Zeros in place of a text.
fn without(mut bytes: Vec<u8>, text: &[u8]) -> Vec<u8> {
    let found: Vec<usize> = memchr::memmem::find_iter(&bytes, text).collect();
    for at in found {
        bytes[at..at + text.len()].fill(0);
    }
    bytes
}

/// The products in a directory and below, by their names from there. Not programs: those
/// with debug information have a build id, which is a hash also of the directory's name.
fn products(directory: &Path) -> BTreeMap<PathBuf, PathBuf> {
    let mut found = BTreeMap::new();
    let mut open = vec![directory.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(&next).expect("a directory") {
            let path = entry.expect("it can be listed").path();
            let ends = path.extension().and_then(|extension| extension.to_str());
            if path.is_dir() {
                // Their names are random.
                if path.file_name() != Some("incremental".as_ref()) {
                    open.push(path);
                }
            } else if ends.is_some_and(|ends| PRODUCTS.contains(&ends)) {
                let name = path.strip_prefix(directory).expect("it is below").to_owned();
                let _ = found.insert(name, path);
            }
        }
    }
    found
}
