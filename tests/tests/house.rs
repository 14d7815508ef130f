//! Rules of the house that a reader relies on: who may know whom, and how the
//! code is laid out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use zccache_core::settings::{Author, TABLE};
use zccache_tests::Programs;

/// The longest file of production code, in lines.
const LINES: usize = 400;

/// The most files in a folder of source code.
const FILES: usize = 12;

/// Which of our crates each may import (`docs/ARCHITECTURE.md`).
const ARROWS: &[(&str, &[&str])] = &[
    ("core", &[]),
    ("compiler", &["core"]),
    ("store", &["core"]),
    ("fs", &["core"]),
    ("launcher", &["core"]),
    ("daemon", &["core", "compiler", "store", "fs"]),
];

/// What each of our crates must not see, directly or through others.
const STRANGERS: &[(&str, &[&str])] = &[
    ("core", &["tokio", "fuser", "clap", "redb"]),
    ("compiler", &["tokio", "fuser", "clap", "redb"]),
    ("store", &["tokio", "fuser", "clap"]),
    ("fs", &["tokio", "clap", "redb"]),
    ("launcher", &["tokio", "fuser", "redb"]),
    ("daemon", &["clap"]),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate is in the workspace")
}

/// The dependencies of every package, by name, as `cargo metadata` resolves them.
struct Dependencies(BTreeMap<String, BTreeSet<String>>);

impl Dependencies {
    fn read() -> Self {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let output = std::process::Command::new(cargo)
            .args(["metadata", "--format-version=1", "--locked", "--offline"])
            .args(["--filter-platform", "x86_64-unknown-linux-gnu"])
            .current_dir(root())
            .output()
            .expect("cargo can be run");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo writes JSON");
        let names: BTreeMap<_, _> = array(&metadata["packages"])
            .map(|package| (text(&package["id"]), text(&package["name"])))
            .collect();
        let edges = array(&metadata["resolve"]["nodes"]).map(|node| {
            let to = array(&node["deps"]).map(|dep| names[text(&dep["pkg"])].to_owned());
            (names[text(&node["id"])].to_owned(), to.collect())
        });
        Self(edges.collect())
    }

    fn of(&self, name: &str) -> &BTreeSet<String> {
        self.0.get(name).unwrap_or_else(|| panic!("no package {name}"))
    }

    fn reachable(&self, name: &str) -> BTreeSet<&str> {
        let mut found = BTreeSet::new();
        let mut open = vec![name];
        while let Some(name) = open.pop() {
            let new = self.of(name).iter().filter(|name| !found.contains(name.as_str()));
            let new: Vec<&str> = new.map(String::as_str).collect();
            found.extend(&new);
            open.extend(new);
        }
        found
    }
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().expect("an array").iter()
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a string")
}

#[test]
fn our_crates_import_each_other_only_along_the_arrows() {
    let dependencies = Dependencies::read();
    let package = |folder: &str| format!("zccache-{folder}");
    for (folder, allowed) in ARROWS {
        let allowed: BTreeSet<_> = allowed.iter().map(|folder| package(folder)).collect();
        let ours = dependencies.of(&package(folder)).iter();
        let ours: BTreeSet<_> = ours.filter(|name| name.starts_with("zccache-")).cloned().collect();
        assert!(ours.is_subset(&allowed), "{folder} imports {ours:?}, may import {allowed:?}");
    }
    for (folder, strangers) in STRANGERS {
        let package = package(folder);
        let seen = dependencies.reachable(&package);
        let wrong: Vec<_> = strangers.iter().filter(|name| seen.contains(*name)).collect();
        assert!(wrong.is_empty(), "{folder} reaches {wrong:?}");
    }
}

#[test]
fn every_crate_of_ours_has_its_arrows() {
    let listed: BTreeSet<_> = ARROWS.iter().map(|(folder, _)| (*folder).to_owned()).collect();
    let open = ["tests", "benches", "fuzz"].map(str::to_owned);
    let is_crate = |folder: &String| root().join(folder).join("Cargo.toml").is_file();
    let folders: BTreeSet<_> = names(root()).into_iter().filter(is_crate).collect();
    let unlisted: Vec<_> =
        folders.difference(&listed).filter(|folder| !open.contains(folder)).collect();
    assert!(unlisted.is_empty(), "no arrows are given for {unlisted:?}");
}

/// The launcher is started for every compile: nothing in it parses arguments or
/// schedules tasks, and it is small.
#[test]
fn the_launcher_is_static_and_small() {
    let programs = Programs::locate();
    let bytes = fs::read(programs.launcher()).expect("the launcher is there");
    assert!(bytes.len() < 2 << 20, "{} bytes", bytes.len());
    for stranger in ["clap_builder", "tokio", "fuser", "redb"] {
        let found = bytes.windows(stranger.len()).any(|window| window == stranger.as_bytes());
        assert!(!found, "zccache-launch contains {stranger}");
    }
    let interpreter = b"/lib64/ld-linux";
    assert!(!bytes.windows(interpreter.len()).any(|window| window == interpreter));
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("a directory can be listed");
    let names = entries.map(|entry| entry.expect("listed").file_name().into_string());
    names.map(|name| name.expect("our names are UTF-8")).collect()
}

/// Every Rust file of the repository, and the folders they are in.
fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root().to_owned()];
    while let Some(directory) = open.pop() {
        for name in names(&directory) {
            let path = directory.join(&name);
            if path.is_dir() && !name.starts_with('.') && name != "target" {
                open.push(path);
            } else if name.ends_with(".rs") {
                found.push(path);
            }
        }
    }
    found
}

fn relative(path: &Path) -> &Path {
    path.strip_prefix(root()).expect("below the root")
}

fn is_test(path: &Path) -> bool {
    let path = relative(path);
    path.ends_with("tests.rs") || path.components().any(|part| part.as_os_str() == "tests")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn files_and_folders_have_a_size_that_can_be_read() {
    let mut folders: BTreeMap<PathBuf, usize> = BTreeMap::new();
    for path in sources() {
        let lines = read(&path).lines().count();
        let name = relative(&path).display();
        assert!(lines <= LINES || is_test(&path), "{name} has {lines} lines");
        *folders.entry(path.parent().expect("it has one").to_owned()).or_default() += 1;
    }
    for (folder, files) in folders {
        assert!(files <= FILES, "{} holds {files} files", relative(&folder).display());
    }
}

#[test]
fn no_test_is_ignored_and_nothing_is_left_to_do() {
    let words = ["#[ignore", "todo!(", "unimplemented!(", "FIXME", "XXX", "dbg!("];
    for path in sources().iter().filter(|path| !path.ends_with("tests/tests/house.rs")) {
        let text = read(path);
        for word in words {
            assert!(!text.contains(word), "{} contains {word}", relative(path).display());
        }
    }
}

/// What a crate must not name, to keep a promise of DESIGN that the compiler
/// does not check.
#[test]
fn core_and_compiler_touch_neither_files_nor_processes() {
    let strangers = ["std::fs", "std::process", "std::thread", "std::net", "File::open"];
    let pure = |path: &&PathBuf| {
        let path = relative(path);
        path.starts_with("core/src") || path.starts_with("compiler/src")
    };
    for path in sources().iter().filter(pure).filter(|path| !is_test(path)) {
        let text = read(path);
        for word in strangers {
            assert!(!text.contains(word), "{} names {word}", relative(path).display());
        }
    }
}

#[test]
fn only_the_adapter_of_fs_names_the_kernel_library() {
    let named = sources()
        .into_iter()
        .filter(|path| relative(path).starts_with("fs/src") && read(path).contains("fuser::"));
    let folders: BTreeSet<_> =
        named.map(|path| relative(&path).components().take(3).collect::<PathBuf>()).collect();
    assert!(folders.len() <= 1, "fuser is named in {folders:?}");
}

/// A file that no module names is never compiled, and its tests never run.
#[test]
fn every_test_file_is_a_module() {
    let here = root().join("tests/tests");
    let main = read(&here.join("main.rs"));
    for name in names(&here) {
        let module = name.trim_end_matches(".rs");
        let declared = main.contains(&format!("mod {module};"));
        assert!(declared || module == "main", "{name} is not declared in main.rs");
    }
}

/// The names of all test functions, with `module::` in front of those made by
/// the macro of this test program.
fn test_names() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for path in sources() {
        for line in read(&path).lines() {
            let line = line.trim_start().trim_start_matches("pub ").trim_start_matches("async ");
            let Some(rest) = line.strip_prefix("fn ") else { continue };
            let name = rest.split(|c: char| !c.is_alphanumeric() && c != '_').next();
            found.insert(name.unwrap_or_default().to_owned());
        }
    }
    found
}

/// Each numbered clause of `docs/SEMANTICS.md` ends in `Tests:` and the names
/// of the tests that show it, in backquotes.
#[test]
fn every_clause_of_the_semantics_names_a_test() {
    let path = root().join("docs/SEMANTICS.md");
    let tests = test_names();
    let text = read(&path);
    let clauses = clauses(&text);
    assert!(!clauses.is_empty(), "docs/SEMANTICS.md has no numbered clause");
    for clause in clauses {
        let start: String = clause.chars().take(60).collect();
        let Some((_, named)) = clause.rsplit_once("Test") else {
            panic!("clause names no test: {start}")
        };
        let named: Vec<_> = named.split('`').skip(1).step_by(2).collect();
        assert!(!named.is_empty(), "clause names no test: {start}");
        for name in named {
            let last = name.rsplit("::").next().unwrap_or(name);
            assert!(tests.contains(last), "no test {name}, named by: {start}");
        }
    }
}

/// Paragraphs that begin with a number and a full stop.
fn clauses(text: &str) -> Vec<&str> {
    let starts: Vec<usize> = text
        .match_indices('\n')
        .map(|(at, _)| at + 1)
        .filter(|at| is_numbered(&text[*at..]))
        .collect();
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    starts.iter().copied().zip(ends).map(|(start, end)| text[start..end].trim()).collect()
}

fn is_numbered(line: &str) -> bool {
    let rest = line.trim_start_matches(|c: char| c.is_ascii_digit());
    rest.len() < line.len() && rest.starts_with('.')
}

/// Every setting, from the table of which the help is made.
fn configuration() -> String {
    let mut text = String::from(
        "# Settings\n\nMade from the table in `core/src/settings/mod.rs`; do not edit. Settings are variables of the environment. \
         Where one is not set, `.zccache.conf` at the root of the checkout may say it (for a compile), and where that does not, the file of the user, `~/.config/zccache/zccache.conf`: \
         a line `name = value` for each, its name in the second column; lines that begin with `#` say nothing. A switch is `1` or `0`; `yes`, `true`, `on` and `no`, `false`, `off` are understood. \
         `zccache config` shows what counts in the working directory, where it is set, and what cannot be understood; `--json` for programs.\n\
         The store, its bounds and what the daemon does are read when a daemon starts: `zccache restart` after changing them, and the daemon of whoever is first serves all. \
         What concerns a compile counts at once, as the environment of that compile and the files say it.\n\
         A project is no danger to others: it cannot move the store or bound it, and the tools that it calls deterministic are those of its own compiles. \
         Its file does not count if it is a link, or somebody else's who is not the owner of the directory either. For packages of a registry the file of the checkout counts in which cargo's outputs are; \
         where those are outside of any, none does.\n\n\
         | setting | files | default | what it does |\n|---|---|---|---|\n",
    );
    for setting in TABLE {
        let files = match setting.files {
            [] => "–".to_owned(),
            [Author::User] => format!("`{}`, user", setting.name()),
            _ => format!("`{}`, project or user", setting.name()),
        };
        let default = if setting.default.is_empty() { "unset" } else { setting.default };
        text += &format!("| `{}` | {files} | {default} | {} |\n", setting.variable, setting.help);
    }
    text
}

/// With `ZCCACHE_BLESS` set, the document is written instead.
#[test]
fn the_settings_are_the_documented_ones() {
    let path = root().join("docs/CONFIGURATION.md");
    if std::env::var_os("ZCCACHE_BLESS").is_some() {
        fs::write(&path, configuration()).expect("the documentation can be written");
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(found, configuration(), "run this test with ZCCACHE_BLESS=1");
}
