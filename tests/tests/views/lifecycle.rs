//! The life of a view: where it can be mounted, and every way in which it ends.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};

use zccache_tests::sandbox::{eventually, is_view};
use zccache_tests::{Command, Compiler, Place, Sandbox, Tree, Trial, trial};

const SOURCE: &str = "int f(void) { return 1; }\n";
const COMPILE: &str = "gcc -g -MD -c a.c -o a.o";

/// A view in which a hit shows an object and a depfile.
fn with_an_object(then: impl Fn(&Trial)) {
    trial::once(Place::View, Compiler::Gcc, |trial| {
        trial.file("a.c", SOURCE);
        trial.line_misses_then_hits(COMPILE);
        then(trial);
    });
}

/// A process that works in a directory until it is killed.
fn user(directory: &Path) -> Child {
    let mut sleeper = std::process::Command::new("sleep");
    sleeper.arg("1000").current_dir(directory).stdin(Stdio::null());
    sleeper.spawn().expect("sleep runs")
}

fn end(mut user: Child) {
    user.kill().expect("it runs");
    let _ = user.wait().expect("it ends");
}

fn zccache(sandbox: &Sandbox, action: &str, directory: &Path) -> zccache_tests::Outcome {
    sandbox.zccache(&[OsStr::new(action), directory.as_os_str()])
}

fn no_views(sandbox: &Sandbox) -> bool {
    sandbox.status()["views"].as_array().is_some_and(Vec::is_empty)
}

#[test]
fn a_view_in_use_is_not_unmounted_and_loses_nothing() {
    with_an_object(|trial| {
        let user = user(trial.tree());
        let refused = zccache(trial.sandbox(), "umount", trial.tree());
        assert!(!refused.status.success() && refused.err().contains("is in use"), "{refused:?}");
        assert!(is_view(trial.tree()));
        trial.assert_same_trees("a refused umount");
        trial.remove("a.o");
        trial.run_line(COMPILE).hit();
        end(user);
    });
}

#[test]
fn a_lazy_unmount_leaves_real_files() {
    with_an_object(|trial| {
        let user = user(trial.tree());
        let _ = trial.sandbox().bare(Path::new("/"), Command::from("umount -l").arg(trial.tree()));
        assert!(!is_view(trial.tree()));
        end(user);
        eventually("its files are real", || trial.tree().join("a.o").is_file());
        eventually("all of them", || Tree::of(trial.twin()) == Tree::of(trial.tree()));
        trial.run_line(COMPILE).hit();
    });
}

#[test]
fn the_helper_may_unmount() {
    if !Path::new("/usr/bin/fusermount3").exists() {
        return println!("SKIP: no fusermount3");
    }
    with_an_object(|trial| {
        let command = Command::from("fusermount3 -u").arg(trial.tree());
        let _ = trial.sandbox().bare(Path::new("/"), command).succeeded();
        eventually("its files are real", || Tree::of(trial.twin()) == Tree::of(trial.tree()));
        eventually("it is gone", || no_views(trial.sandbox()));
    });
}

#[test]
fn views_lie_within_each_other() {
    with_an_object(|trial| {
        let (sandbox, inner) = (trial.sandbox(), trial.tree().join("inner"));
        trial.file("inner/b.c", SOURCE);
        sandbox.mount(&inner);
        trial.line_misses_then_hits("gcc -g -MD -c inner/b.c -o inner/b.o");
        trial.line_misses_then_hits("gcc -g -MD -c inner/b.c -o b.o");
        trial.line_misses_then_hits("gcc -g -MD -c a.c -o inner/a.o");
        let refused = zccache(sandbox, "umount", trial.tree());
        let named = format!("{} is mounted in", inner.display());
        assert!(!refused.status.success() && refused.err().contains(&named), "{refused:?}");
        trial.assert_same_trees("a refused umount");
        sandbox.umount(&inner);
        trial.assert_same_trees("unmounting the inner view");
    });
}

/// The mount point cannot be removed, what is in it can.
#[test]
fn everything_in_a_view_is_removed() {
    with_an_object(|trial| {
        let remove = Command::from("rm -rf").arg(trial.tree());
        let outcome = trial.sandbox().bare(Path::new("/"), remove);
        assert!(outcome.err().contains("busy"), "{outcome:?}");
        assert_eq!(fs::read_dir(trial.tree()).expect("a directory").count(), 0);
        trial.edit(|root| {
            for entry in fs::read_dir(root).expect("a directory") {
                fs::remove_file(entry.expect("an entry").path()).expect("it can be removed");
            }
        });
        trial.file("a.c", SOURCE);
        trial.run_line(COMPILE).hit();
    });
}

/// A frozen file system is as slow as can be. Only a terminal is told.
#[test]
fn a_slow_unmount_tells_how_many_files_are_left() {
    let sandbox = Sandbox::new();
    let bin = sandbox.programs().directory().display();
    let script = format!("PATH={bin}:$PATH:/usr/sbin:/sbin\n{SLOW_UNMOUNT}");
    let outcome = sandbox.bare(&sandbox.path("work"), Command::new(["sh", "-euc", &script]));
    if outcome.status.code() == Some(77) {
        return println!("SKIP: no disk can be frozen: {}", outcome.err());
    }
    assert!(outcome.status.success(), "{outcome:?}");
    assert!(outcome.out().contains("1 files written"), "{outcome:?}");
}

const SLOW_UNMOUNT: &str = "truncate -s 16m ../disk; mkdir disk
    mkfs.ext4 -q ../disk && mount -o loop ../disk disk || exit 77
    trap 'fsfreeze -u disk 2>&- || true; zccache stop; umount disk' EXIT
    mkdir disk/view; echo 'int x;' > a.c; sleep 0.05
    zccache-launch gcc -c a.c -o disk/view/a.o
    until zccache status --json | grep -q 'in_flight\":0'; do sleep 0.02; done
    zccache mount disk/view; rm disk/view/a.o; zccache-launch gcc -c a.c -o disk/view/a.o
    fsfreeze -f disk || exit 77
    script -qefc 'zccache umount disk/view' ../said > /dev/null < /dev/null & umount=$!
    until grep -q 'files left to write: 1 (' ../said; do sleep 0.05; done
    fsfreeze -u disk; wait $umount; cat ../said\n";

/// Somebody in another mount namespace may remove the directory of a view.
#[test]
fn the_directory_of_a_view_is_removed_elsewhere() {
    let sandbox = Sandbox::new();
    let work = sandbox.path("work");
    fs::create_dir(work.join("build")).expect("a directory");
    fs::write(work.join("build/file"), "text").expect("a file");
    sandbox.mount(&work.join("build"));
    let script = "umount -l build && rm -rf build && test ! -e build";
    let elsewhere = Command::new(["unshare", "-m", "--propagation", "private", "sh", "-c"]);
    let _ = sandbox.bare(&work, elsewhere.arg(script)).succeeded();
    eventually("the view is gone", || !is_view(&work.join("build")));
    eventually("the daemon knows", || no_views(&sandbox));
    fs::create_dir(work.join("build")).expect("a directory");
    sandbox.mount(&work.join("build"));
    fs::write(work.join("build/file"), "new").expect("a file");
    sandbox.umount(&work.join("build"));
}

#[test]
fn one_store_serves_two_views() {
    let trial = Trial::new(Place::Plain, Compiler::Gcc);
    let sandbox = trial.sandbox();
    let views = [sandbox.path("one"), sandbox.path("two")];
    for view in &views {
        fs::create_dir(view).expect("a directory");
        sandbox.mount(view);
    }
    trial.file("a.c", SOURCE);
    for view in &views {
        let line = format!("gcc -c $PWD/a.c -o {}/a.o", view.display());
        trial.run_line(&line).kept();
        fs::remove_file(view.join("a.o")).expect("it is there");
        trial.run_line(&line).hit();
    }
    assert_eq!(sandbox.status()["views"].as_array().map(Vec::len), Some(2));
    assert_eq!(fs::read(views[0].join("a.o")).ok(), fs::read(views[1].join("a.o")).ok());
    views.iter().for_each(|view| sandbox.umount(view));
    assert_eq!(fs::read(views[0].join("a.o")).ok(), fs::read(views[1].join("a.o")).ok());
}

/// Sources, outputs, working directory and temporary files are in the view, and
/// so are the compilers' own: whoever waits for the view must not be waited for.
#[test]
fn a_build_of_which_everything_is_in_the_view() {
    let mut trial = Trial::new(Place::View, Compiler::Gcc);
    let temporary = trial.tree().join("tmp");
    trial.edit(|root| fs::create_dir(root.join("tmp")).expect("a directory"));
    trial.sandbox_mut().set("TMPDIR", &temporary);
    trial.sandbox_mut().set("HOME", &temporary);
    let count = 24;
    for number in 0..count {
        let text = format!("#include \"h{}.h\"\nint f{number}(void) {{ return H; }}\n", number % 3);
        trial.file(format!("src/s{number}.c"), text);
    }
    for number in 0..3 {
        trial.file(format!("src/h{number}.h"), format!("#define H {number}\n"));
    }
    trial.file("ls.mk", MAKEFILE);
    let empty = trial.state();
    let make = |cached: bool| {
        let launcher = trial.sandbox().programs().launcher();
        let cc = if cached { format!("{} gcc", launcher.display()) } else { "gcc".to_owned() };
        Command::from("make -j4 -f ls.mk").arg(format!("CC={cc}"))
    };
    for round in 0..3 {
        trial.reset(&empty);
        let step = trial.run_pair(make(false), make(true));
        let wanted = if round == 0 { (0, count) } else { (count, 0) };
        assert_eq!((step.counted.hits, step.counted.misses), wanted, "{:?}", step.counted);
    }
    trial.end();
}

/// Silent, so that only what compilers say is compared.
const MAKEFILE: &str = "objects := $(patsubst src/%.c,out/%.o,$(wildcard src/*.c))\n\
    .SILENT:\nout/all.a: $(objects)\n\tcat $(sort $^) > $@\n\
    out/%.o: src/%.c | out\n\t$(CC) -g -MMD -pipe -c $< -o $@\n\
    out:\n\tmkdir out\n";
