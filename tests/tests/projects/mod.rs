//! Real projects, cold and warm, in a view and outside one, compared with a
//! bare build in the same path.

mod builds;
mod commit;

use std::fs;
use std::path::Path;

use zccache_core::Reason;
use zccache_tests::project::{Project, skip};
use zccache_tests::{Compiler, Counters, Place, Tree, Trial};

use builds::{Build, Curl, Fmt, Png, Sqlite, Zstd, is_program};

/// What a compiler, an archiver or a linker has made.
fn is_product(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let made = matches!(extension, "o" | "d" | "a" | "so") || path.starts_with("bin");
    made || is_program(path) || path.to_string_lossy().contains(".so.")
}

/// Compilers name no temporary file in what they make, but CMake's own trials
/// of the compiler go through no launcher and are left out.
fn products(root: &Path) -> Tree {
    Tree::of(root).files(|path| {
        is_product(path) && !path.components().any(|part| part.as_os_str() == "CompilerIdC")
    })
}

/// What a bare build in the same path leaves behind.
struct Truth {
    products: Tree,
    /// Whether the build tool then finds nothing to do: zstd's Makefile does
    /// not after clang, which writes the depfile, a prerequisite, last.
    is_up_to_date: bool,
}

impl Truth {
    fn of(project: &impl Build, trial: &Trial) -> Self {
        for command in project.build(trial.compiler(), "") {
            let _ = trial.bare(&command).succeeded();
        }
        let products = products(trial.twin());
        assert!(!products.is_empty());
        let is_up_to_date = project.is_up_to_date(&trial.bare(&project.dry_run()));
        Self { products, is_up_to_date }
    }
}

fn cold_and_warm(project: &impl Build, trial: &Trial, bare: &Truth) {
    let _ = trial.sandbox().zccache(&["clear"]).succeeded();
    empty(project, trial);
    let cold = build(project, trial, bare, "cold");
    let compiles = cold.misses + cold.hits;
    assert!(compiles >= project.compiles(), "{cold:?}");
    let refused = refused(&cold);
    assert_eq!(cold.abandoned, refused, "every result is kept: {cold:?}");
    empty(project, trial);
    let warm = build(project, trial, bare, "warm");
    assert_eq!((warm.hits, warm.misses), (compiles - refused, refused), "{warm:?}");
}

/// What a build asks of the compiler to see it refused (zstd, whether an option is
/// known) is run each time.
fn refused(counted: &Counters) -> u64 {
    counted.reasons.get(Reason::CompilerFailed.slug()).copied().unwrap_or(0)
}

/// Whether a build after a change was taken back ran only what it has to.
fn is_known(project: &impl Build, counted: &Counters) -> bool {
    let refused = refused(counted);
    (refused..=refused + project.updates()).contains(&counted.misses)
}

/// A change comes, and is taken back: what is built follows, and nothing that
/// was built before is compiled again.
fn changed_and_back(project: &impl Build, trial: &Trial) {
    let change = project.change();
    let before: Vec<_> = change.iter().map(|(path, _)| read(trial, path)).collect();
    for ((path, added), before) in change.iter().zip(&before) {
        trial.file(path, [before, added.as_bytes()].concat());
    }
    let there = rebuild(project, trial, "changed");
    assert!(there.misses > 0, "{there:?}");
    for ((path, _), before) in change.iter().zip(&before) {
        trial.file(path, before);
    }
    let back = rebuild(project, trial, "changed back");
    assert!(back.hits > 0 && is_known(project, &back), "{back:?}");
}

fn read(trial: &Trial, path: impl AsRef<Path>) -> Vec<u8> {
    fs::read(trial.twin().join(path)).expect("the project has this file")
}

/// Builds what is left to build, bare and through the launcher.
fn rebuild(project: &impl Build, trial: &Trial, name: &str) -> Counters {
    let bare = Truth::of(project, trial);
    trial.age();
    build(project, trial, &bare, name)
}

/// Builds through the launcher and judges what was built.
fn build(project: &impl Build, trial: &Trial, bare: &Truth, name: &str) -> Counters {
    let before = trial.sandbox().counters();
    let launcher = format!("{} ", trial.sandbox().programs().launcher().display());
    for command in project.build(trial.compiler(), &launcher) {
        let _ = trial.sandbox().bare(trial.tree(), command).succeeded();
    }
    trial.sandbox().settle();
    let counted = trial.sandbox().counters().since(&before);
    judge(project, trial, bare, name);
    assert_eq!(counted.errors, 0, "{counted:?}");
    counted
}

fn judge(project: &impl Build, trial: &Trial, bare: &Truth, name: &str) {
    let difference = bare.products.difference(&products(trial.tree()));
    assert!(difference.is_empty(), "{name}: files differ from bare:\n{difference}");
    let left = trial.sandbox().bare(trial.tree(), project.dry_run());
    let is_up_to_date = project.is_up_to_date(&left);
    let head: Vec<_> = left.out().lines().take(5).map(str::to_owned).collect();
    assert!(is_up_to_date || !bare.is_up_to_date, "{name}: left to do: {head:#?}");
    for command in project.check() {
        let _ = trial.sandbox().bare(trial.tree(), command).succeeded();
    }
}

fn empty(project: &impl Build, trial: &Trial) {
    remove_products(project, trial.tree(), trial.tree());
    trial.age();
}

fn remove_products(project: &impl Build, root: &Path, directory: &Path) {
    for entry in fs::read_dir(directory).expect("a directory can be listed") {
        let path = entry.expect("listed").path();
        if path.is_dir() && !path.is_symlink() {
            remove_products(project, root, &path);
            // Fails, rightly, for directories that are not empty.
            fs::remove_dir(&path).ok();
        } else if !project.is_source(path.strip_prefix(root).expect("below the root")) {
            fs::remove_file(path).expect("a file can be removed");
        }
    }
}

fn everywhere(project: &impl Build, trial: Trial) {
    let bare = Truth::of(project, &trial);
    cold_and_warm(project, &trial, &bare);
    if !project.change().is_empty() {
        changed_and_back(project, &trial);
        commit::random_commit(project, &trial);
    }
    trial.sandbox().mount(trial.tree());
    cold_and_warm(project, &trial, &bare);
    trial.sandbox().umount(trial.tree());
    judge(project, &trial, &bare, "unmounted");
}

/// Builds a project within a tree that has its sources too.
fn in_its_sources(name: &str, project: &impl Build, compiler: Compiler) {
    let Some(sources) = Project::find(name) else { return };
    let trial = Trial::new(Place::Plain, compiler);
    copy(sources.sources(), trial.tree());
    copy(sources.sources(), trial.twin());
    everywhere(project, trial);
}

fn fmt(compiler: Compiler) {
    let Some(project) = Project::find("fmt") else { return };
    if !Path::new("/usr/src/googletest").is_dir() {
        return skip("fmt: its tests need Debian's googletest, see scripts/install-deps");
    }
    let trial = Trial::new(Place::Plain, compiler);
    let sources = trial.sandbox().path("sources");
    fs::create_dir(&sources).expect("a directory");
    copy(project.sources(), &sources);
    everywhere(&Fmt { sources }, trial);
}

fn copy(from: &Path, to: &Path) {
    let status = std::process::Command::new("cp").arg("-a").arg(from.join(".")).arg(to).status();
    assert!(status.expect("cp can be run").success());
}

#[test]
fn zstd_with_gcc() {
    in_its_sources("zstd", &Zstd, Compiler::Gcc);
}

#[test]
fn zstd_with_clang() {
    in_its_sources("zstd", &Zstd, Compiler::Clang);
}

#[test]
fn fmt_with_gcc() {
    fmt(Compiler::Gcc);
}

#[test]
fn fmt_with_clang() {
    fmt(Compiler::Clang);
}

#[test]
fn libpng_with_gcc() {
    in_its_sources("libpng", &Png::Plain, Compiler::Gcc);
}

#[test]
fn libpng_with_clang() {
    in_its_sources("libpng", &Png::Plain, Compiler::Clang);
}

#[test]
fn libpng_optimised_as_a_whole_by_gcc() {
    in_its_sources("libpng", &Png::Lto, Compiler::Gcc);
}

#[test]
fn libpng_optimised_as_a_whole_by_clang() {
    in_its_sources("libpng", &Png::Lto, Compiler::Clang);
}

#[test]
fn sqlite_with_gcc() {
    in_its_sources("sqlite", &Sqlite, Compiler::Gcc);
}

#[test]
fn sqlite_with_clang() {
    in_its_sources("sqlite", &Sqlite, Compiler::Clang);
}

#[test]
fn curl_with_gcc() {
    in_its_sources("curl", &Curl::Shared, Compiler::Gcc);
}

#[test]
fn curl_static_with_clang() {
    in_its_sources("curl", &Curl::StaticWithTests, Compiler::Clang);
}
