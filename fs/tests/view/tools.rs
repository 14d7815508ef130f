use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use crate::support::{Mount, has};

in_both_modes! {
    a_compiler_an_archiver_and_a_linker_work
    make_has_nothing_to_do_after_projection
    ninja_has_nothing_to_do_after_projection
    a_linker_reads_projected_objects
    git_works
}

const MAIN: &str = "int f(void); int main(void) { return f() - 7; }\n";
const F: &str = "int f(void) { return 7; }\n";

fn sources(mount: &Mount) {
    fs::write(mount.path("main.c"), MAIN).unwrap();
    fs::write(mount.path("f.c"), F).unwrap();
}

fn a_compiler_an_archiver_and_a_linker_work(mount: &Mount) {
    if !has("gcc") {
        return;
    }
    sources(mount);
    mount.shell(
        "gcc -g -c -MD main.c f.c; ar rcs libf.a f.o; gcc -o program main.o -L. -lf; ./program; \
         gcc -g -o program main.c f.c; ./program; strip program; ./program; \
         gcc -shared -fPIC -o libf.so f.c; gcc -o dynamic main.o libf.so -Wl,-rpath,.; ./dynamic",
    );
}

/// Compiles outside of the view and returns the object.
fn object(mount: &Mount, name: &str) -> Vec<u8> {
    let outside = mount.path("").parent().unwrap().join("object");
    mount.shell(&format!("gcc -c {name}.c -o {}", outside.display()));
    fs::read(outside).unwrap()
}

fn a_linker_reads_projected_objects(mount: &Mount) {
    if !has("gcc") {
        return;
    }
    sources(mount);
    let set = ["main", "f"].map(|name| mount.blob(&format!("{name}.o"), object(mount, name)));
    mount.view.project(&set).unwrap();
    mount.shell("gcc -o program main.o f.o; ./program; ar rcs libf.a f.o; ranlib libf.a");
    mount.shell("gcc -o program main.o libf.a; ./program; cp main.o copy.o; cmp main.o copy.o");
    assert_eq!(mount.view.projected(), 2);
    let program = fs::read(mount.path("program")).unwrap();
    mount.shell("strip -g f.o");
    assert_eq!(mount.view.projected(), 1);
    let mut linked = mount.blob("program", program);
    linked.mode = 0o755;
    mount.view.project(&[linked]).unwrap();
    mount.shell("./program; objcopy --only-keep-debug program program.debug; strip program");
    mount.shell("./program");
    mount.blobs.check();
}

fn age_sources(mount: &Mount) {
    let past = SystemTime::now() - Duration::from_secs(100);
    for name in ["main.c", "f.c"] {
        fs::File::options().write(true).open(mount.path(name)).unwrap().set_modified(past).unwrap();
    }
}

/// As a hit would: the outputs of each edge are projected after its inputs exist.
fn project_outputs(mount: &Mount) {
    for name in ["f", "main"] {
        mount.view.project(&[mount.blob(&format!("{name}.o"), object(mount, name))]).unwrap();
    }
}

fn make_has_nothing_to_do_after_projection(mount: &Mount) {
    if !has("gcc") || !has("make") {
        return;
    }
    sources(mount);
    age_sources(mount);
    fs::write(
        mount.path("Makefile"),
        "program: main.o f.o\n\tgcc -o $@ $^\n%.o: %.c\n\tgcc -c $< -o $@\n",
    )
    .unwrap();
    project_outputs(mount);
    let told = mount.shell("make -j2");
    assert!(!told.contains("-c"), "the objects are up to date: {told}");
    assert!(mount.shell("make").contains("up to date"));
    mount.shell("./program; touch f.c; make; ./program");
    assert_eq!(mount.view.projected(), 1);
}

const BUILD: &str = "\
rule cc
  command = : > $out.request; while test -e $out.request; do sleep 0.01; done
  depfile = $out.d
  deps = gcc
rule link
  command = gcc -o $out $in
build main.o: cc main.c
build f.o: cc f.c
build program: link main.o f.o
";

/// Every compile of a build is a hit: ninja runs a command that asks for the
/// outputs, which are projected while it waits.
fn ninja_has_nothing_to_do_after_projection(mount: &Mount) {
    if !has("gcc") || !has("ninja") {
        return;
    }
    sources(mount);
    fs::write(mount.path("build.ninja"), BUILD).unwrap();
    let objects = ["main", "f"].map(|name| (name, object(mount, name)));
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                objects.iter().for_each(|(name, object)| answer(mount, name, object));
                thread::sleep(Duration::from_millis(1));
            }
        });
        mount.shell("ninja; ./program");
        let again = mount.shell("ninja -d explain");
        let touched = mount.shell("touch f.c; ninja; ./program; ninja");
        done.store(true, Ordering::Relaxed);
        assert!(again.contains("no work to do"), "{again}");
        assert!(touched.contains("no work to do"), "{touched}");
    });
    assert_eq!(mount.view.projected(), 2);
}

fn answer(mount: &Mount, name: &str, object: &[u8]) {
    let request = mount.path(&format!("{name}.o.request"));
    if request.exists() {
        let dependencies = mount.blob(&format!("{name}.o.d"), format!("{name}.o: {name}.c\n"));
        mount.view.project(&[mount.blob(&format!("{name}.o"), object), dependencies]).unwrap();
        fs::remove_file(request).unwrap();
    }
}

fn git_works(mount: &Mount) {
    if !has("git") {
        return;
    }
    sources(mount);
    mount.project("projected.txt", "bytes\n");
    mount.shell(
        "git init -q .; git config user.email a@b; git config user.name n; git add -A; \
         git commit -qm one; test -z \"$(git status --porcelain)\"; \
         git mv f.c g.c; git commit -qm two; git checkout -q HEAD~1; test -f f.c; \
         echo more >> projected.txt; git stash -q; test \"$(cat projected.txt)\" = bytes; \
         git gc -q; git fsck; git clean -dfxq",
    );
}
