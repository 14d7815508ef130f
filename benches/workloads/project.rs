//! What is built, as data, and how it is laid down and built.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::available_parallelism;

use zccache_tests::project::Project as Fetched;

use crate::lane::Lane;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    /// And C++.
    C,
    Rust,
    /// With `CARGO_INCREMENTAL`, with which not every tool that knows Rust will run.
    IncrementalRust,
}

/// Something to build. Its trees hold `src` and `build`.
pub(crate) struct Project {
    pub(crate) sources: Sources,
    pub(crate) build: Build,
    /// A file below `src` that much depends on, and what an edit adds to it.
    pub(crate) edited: (&'static str, &'static str),
}

pub(crate) enum Sources {
    /// Directories below the one that `scripts/fetch-projects` fills: a project
    /// and its next release.
    Fetched { this: &'static str, next: Option<&'static str> },
    /// So many small files in C.
    Generated(usize),
}

pub(crate) enum Build {
    /// Ninja compiles each file below some directories of `src`, as CMake would
    /// have it do.
    Ninja { compiler: &'static str, folders: &'static [&'static str], but: &'static [&'static str] },
    /// CMake configures `src` for ninja, which makes some of the targets. Compilers run
    /// through the launcher, and linkers too where a tool can cache links.
    CMake { options: &'static str, targets: &'static str },
    /// Cargo, with further arguments, and whether it compiles incrementally.
    Cargo { arguments: &'static str, incremental: &'static str },
    /// One compile of `a.cpp`, in `build`.
    One { line: &'static str, source: &'static str },
}

impl Project {
    pub(crate) fn language(&self) -> Language {
        match self.build {
            Build::Cargo { incremental: "1", .. } => Language::IncrementalRust,
            Build::Cargo { .. } => Language::Rust,
            _ => Language::C,
        }
    }

    /// Lays the sources down in a tree, ready to build.
    pub(crate) fn lay(&self, lane: &Lane, name: &str) {
        let tree = lane.tree(name);
        let source = tree.join("src");
        fs::create_dir_all(tree.join("build")).expect("a directory");
        match &self.sources {
            Sources::Generated(count) => generate(&source, *count),
            Sources::Fetched { this, next } => {
                let project = if name == "next" { next.unwrap_or(this) } else { this };
                copy(&fetched(project), &source);
            }
        }
        match &self.build {
            Build::One { source: text, .. } => write(&source.join("a.cpp"), text),
            Build::Ninja { .. } => write(&tree.join("build.ninja"), &self.rules(lane, &tree)),
            Build::Cargo { .. } | Build::CMake { .. } => {}
        }
        lane.show(&tree.join("build"));
        if let Build::CMake { options, .. } = &self.build {
            configure(lane, &tree, options);
        }
    }

    /// Removes all that was built.
    pub(crate) fn empty(&self, lane: &Lane, name: &str) {
        let build = lane.tree(name).join("build");
        // What CMake has found out stays.
        match &self.build {
            Build::CMake { .. } => {
                let _ = lane.told(&format!("ninja --quiet -C {} -t clean", build.display()));
            }
            _ => empty(&build, &lane.root),
        }
    }

    /// The command that builds a tree.
    pub(crate) fn command(&self, lane: &Lane, name: &str) -> Command {
        let tree = lane.tree(name);
        let jobs = available_parallelism().map_or(1, usize::from);
        let ninja = format!("ninja --quiet -C {{tree}}/build -j{jobs}");
        match &self.build {
            Build::Ninja { .. } => lane.command(&format!("{ninja} -f ../build.ninja"), &tree),
            Build::CMake { targets, .. } => lane.command(&format!("{ninja} {targets}"), &tree),
            Build::Cargo { arguments, incremental } => {
                let line = format!("cargo build --quiet --offline --locked -j{jobs} {arguments}");
                let mut cargo = lane.command(&line, &tree);
                cargo.current_dir(tree.join("src")).env("CARGO_TARGET_DIR", tree.join("build"));
                cargo.env("CARGO_INCREMENTAL", incremental);
                if !lane.tool.launcher.is_empty() {
                    cargo.env("RUSTC_WRAPPER", lane.launcher());
                }
                cargo
            }
            Build::One { line, .. } => {
                let mut compile = lane.command(&format!("{} {line}", lane.tool.launcher), &tree);
                compile.current_dir(tree.join("build"));
                compile
            }
        }
    }

    /// A command that links all objects of a tree.
    pub(crate) fn link(lane: &Lane, name: &str) -> Command {
        let mut sh = lane.command("sh -c", &lane.tree(name));
        sh.arg("g++ -shared -Wl,-z,muldefs -Wl,--build-id=none -o linked.so *.o");
        sh.current_dir(lane.tree(name).join("build"));
        sh
    }

    fn rules(&self, lane: &Lane, tree: &Path) -> String {
        let Build::Ninja { compiler, folders, but } = &self.build else { return String::new() };
        let compiler = lane.expand(compiler, tree);
        let launcher = lane.launcher();
        let mut text = format!(
            "rule compile\n  command = {launcher} {compiler} -MD -MF $out.d -c $in -o $out\n  \
             depfile = $out.d\n  deps = gcc\n"
        );
        for folder in *folders {
            let directory = tree.join("src").join(folder);
            for name in listed(&directory) {
                let is_source = name.ends_with(".c") || name.ends_with(".cc");
                if is_source && !but.contains(&name.as_str()) {
                    let object = format!("{}-{name}.o", folder.replace('/', "-"));
                    let path = directory.join(&name);
                    text += &format!("build {object}: compile {}\n", path.display());
                }
            }
        }
        text
    }
}

fn configure(lane: &Lane, tree: &Path, options: &str) {
    let mut line = format!(
        "cmake -G Ninja -S {{tree}}/src -B {{tree}}/build --log-level=ERROR -Wno-dev {options}"
    );
    let launcher = lane.launcher();
    if !launcher.is_empty() {
        for language in ["C", "CXX"] {
            line += &format!(" -DCMAKE_{language}_COMPILER_LAUNCHER={launcher}");
            if lane.tool.links {
                line += &format!(" -DCMAKE_{language}_LINKER_LAUNCHER={launcher}");
            }
        }
    }
    let _ = lane.told(&lane.expand(&line, tree));
}

/// Moves what is in a directory elsewhere below `root`. ext4 without a journal looks at each
/// inode that was freed within minutes before it gives a new one (`recently_deleted` in
/// `fs/ext4/ialloc.c`), so that tools would be measured by what was removed before. What is
/// in a view can only be removed.
fn empty(directory: &Path, root: &Path) {
    let aside = tempfile::tempdir_in(root).expect("a directory").keep();
    for entry in fs::read_dir(directory).expect("a directory") {
        let entry = entry.expect("it can be listed");
        let path = entry.path();
        let moved = fs::rename(&path, aside.join(entry.file_name()));
        let gone = moved.or_else(|error| match error.kind() {
            io::ErrorKind::CrossesDevices if path.is_dir() => fs::remove_dir_all(&path),
            io::ErrorKind::CrossesDevices => fs::remove_file(&path),
            _ => Err(error),
        });
        gone.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}

/// Where the sources of a project are.
pub(crate) fn fetched(name: &str) -> PathBuf {
    let (project, rest) = name.split_once('/').unwrap_or((name, ""));
    let project = Fetched::find(project).expect("scripts/fetch-projects has fetched it");
    let mut found = project.sources().to_owned();
    for part in rest.split('/').filter(|part| !part.is_empty()) {
        // A registry's directory has a name of its own.
        let only = || listed(&found).pop().expect("it is not empty");
        found = found.join(if part == "*" { only() } else { part.to_owned() });
    }
    found
}

/// The names in a directory, in order.
fn listed(directory: &Path) -> Vec<String> {
    let entries =
        fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-r").arg(from).arg(to).status();
    assert!(status.expect("cp can be run").success());
}

/// Files that take a compiler no time.
fn generate(directory: &Path, count: usize) {
    fs::create_dir_all(directory).expect("a directory");
    write(&directory.join("tiny.h"), "int shared(int x);\n");
    for n in 0..count {
        let text = format!("#include \"tiny.h\"\nint f{n}(int x) {{ return shared(x + {n}); }}\n");
        write(&directory.join(format!("{n:04}.c")), &text);
    }
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}
