//! The view: what is mounted shows what a plain directory would.

use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Stdio;

use zccache_tests::sandbox::is_view;
use zccache_tests::{Command, Compiler, Place, Sandbox, Tree, Trial, trial};

/// A trial in a view, with two objects that are projected files.
fn with_projected_files(then: impl Fn(&Trial)) {
    trial::once(Place::View, Compiler::Gcc, |trial| {
        trial.file("a.c", "int f(void) { return 1; }\n");
        trial.file("b.c", "int g(void) { return 2; }\n");
        trial.file("sub/lower.txt", "lower\n");
        trial.line_misses_then_hits("$CC -MD -g -c a.c -o a.o");
        trial.line_misses_then_hits("$CC -MD -g -c b.c -o sub/b.o");
        then(trial);
        trial.assert_same_trees("what was done in the view");
    });
}

/// Does the same in the view and in the plain twin; streams, status and files
/// have to agree.
fn shell(trial: &Trial, script: &str) {
    let command = Command::new(["sh", "-c", script]);
    let _ = trial.run_pair(&command, &command);
}

#[test]
fn files_are_moved_linked_and_removed() {
    with_projected_files(|trial| {
        shell(trial, "mv a.o c.o && cp c.o d.o && ln c.o e.o && ls -1");
        shell(trial, "mv sub/b.o c.o && cat c.o e.o | cksum");
        shell(trial, "ln -f e.o c.o && rm e.o && mv c.o sub/ && ls -1 . sub");
        shell(trial, "mkdir deep && mv sub deep/ && find . | sort && rm -rf deep && find . | sort");
    });
}

#[test]
fn files_are_written_and_keep_their_other_names() {
    with_projected_files(|trial| {
        shell(trial, "ln a.o alias.o && echo tail >> alias.o && cksum a.o alias.o");
        shell(trial, "echo new > sub/b.o && cat sub/b.o && : > a.o && ls -s a.o alias.o");
        shell(trial, "printf mid | dd of=a.d bs=1 seek=3 conv=notrunc 2>/dev/null && cat a.d");
        shell(trial, "truncate -s 10 sub/b.d && cat sub/b.d");
    });
    with_projected_files(|trial| {
        shell(trial, "strip a.o && cksum a.o; objcopy --add-section x=a.c sub/b.o; cksum sub/b.o");
        shell(trial, "ar rcs lib.a a.o sub/b.o && ar t lib.a && gcc -shared -o lib.so sub/b.o");
    });
}

#[test]
fn modes_and_attributes_are_of_the_name() {
    with_projected_files(|trial| {
        shell(trial, "chmod 600 a.o && stat -c '%a %h %F %s' a.o sub/b.o a.c");
        shell(trial, "chmod 4755 sub/b.o && touch -d @1000000000 a.o && stat -c '%a %Y' a.o");
        shell(trial, "test -r a.o && test -w a.o && ! test -x a.o && test a.o -ot a.c");
    });
}

#[test]
fn an_open_file_keeps_its_bytes_when_its_name_does_not() {
    with_projected_files(|trial| {
        shell(trial, "exec 3<a.o && rm a.o && cksum <&3 && ls -1");
        shell(trial, "exec 3<sub/b.o && echo replaced > new && mv new sub/b.o && cksum <&3");
    });
    with_projected_files(|trial| {
        shell(trial, "cd sub && rm -rf ../sub && ls -1 .. && pwd");
    });
}

#[test]
fn copies_of_the_whole_directory_are_true() {
    with_projected_files(|trial| {
        let copy = trial.sandbox().path("copy");
        let mut cp = Command::from("cp -a .").arg(&copy);
        let _ = trial.sandbox().bare(trial.tree(), &cp).succeeded();
        assert_eq!(Tree::of(trial.twin()).difference(&Tree::of(&copy)), "");
        cp = Command::from("sh -c").arg("tar cf - . | tar tf - | sort | cksum");
        let _ = trial.run_pair(&cp, &cp);
    });
}

/// A hit writes nothing into the directory below.
#[test]
fn a_hit_is_projected_and_not_written() {
    trial::once(Place::View, Compiler::Gcc, |trial| {
        trial.file("a.cpp", crate::failures::SLOW);
        trial.line_misses_then_hits("$CXX -g -c a.cpp -o a.o");
        let views = &trial.sandbox().status()["views"];
        assert_eq!(views[0]["projected"].as_u64(), Some(1), "{views}");
        let meta = trial.tree().join("a.o").metadata().expect("it is there");
        assert!(meta.is_file() && meta.nlink() == 1 && meta.mode() & 0o7777 == 0o644);
    });
}

#[test]
fn mounting_hides_nothing_and_unmounting_leaves_everything() {
    let sandbox = Sandbox::new();
    let work = sandbox.path("work");
    fs::create_dir_all(work.join("deep/er")).expect("directories");
    fs::write(work.join("deep/er/file"), "content").expect("a file");
    let before = Tree::of(&work);
    for _ in 0..3 {
        sandbox.mount(&work);
        assert_eq!(before.difference(&Tree::of(&work)), "");
        fs::write(work.join("deep/er/new"), "written").expect("a file");
        sandbox.umount(&work);
        assert_eq!(Tree::of(&work).content("deep/er/new"), Some(&b"written"[..]));
        fs::remove_file(work.join("deep/er/new")).expect("it can be removed");
    }
    assert_eq!(before.difference(&Tree::of(&work)), "");
}

#[test]
fn discarding_keeps_what_was_written_and_drops_what_was_projected() {
    let trial = Trial::new(Place::View, Compiler::Gcc);
    trial.file("a.cpp", crate::failures::SLOW);
    trial.line_misses_then_hits("$CXX -c a.cpp -o a.o");
    let tree = trial.tree();
    let words = [OsStr::new("umount"), OsStr::new("--discard"), tree.as_os_str()];
    let _ = trial.sandbox().zccache(&words).succeeded();
    assert!(!is_view(tree));
    assert!(tree.join("a.cpp").is_file() && !tree.join("a.o").exists());
}

#[test]
fn a_directory_that_cannot_be_mounted_over_is_an_error() {
    let sandbox = Sandbox::new();
    let file = sandbox.path("file");
    fs::write(&file, "").expect("a file");
    for path in [Path::new("/no/such/directory"), &file] {
        let outcome = sandbox.zccache(&[OsStr::new("mount"), path.as_os_str()]);
        let said = outcome.err();
        assert!(!outcome.status.success() && said.contains(&*path.to_string_lossy()), "{said}");
    }
    let work = sandbox.path("work");
    let outcome = sandbox.zccache(&[OsStr::new("umount"), work.as_os_str()]);
    assert!(!outcome.status.success(), "{outcome:?}");
    sandbox.mount(&work);
    let twice = sandbox.zccache(&[OsStr::new("mount"), work.as_os_str()]);
    assert!(!twice.err().is_empty() || twice.status.success(), "{twice:?}");
    sandbox.umount(&work);
}

/// The kernel keeps a view for as long as a mount namespace somewhere has a copy
/// of the mount; who unmounted it sees no more of it.
#[test]
fn a_copy_of_the_mount_elsewhere_is_no_view_here() {
    let sandbox = Sandbox::new();
    let work = sandbox.path("work");
    sandbox.mount(&work);
    let copy = Command::new(["unshare", "-m", "--propagation", "private", "sh", "-c"]);
    let mut process = copy.arg("echo ready; read line").process(&work, sandbox.environment());
    process.current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut elsewhere = process.spawn().expect("unshare runs");
    let mut ready = [0];
    let said = elsewhere.stdout.as_mut().expect("a pipe").read(&mut ready);
    assert_eq!(said.expect("it can be read"), 1);
    sandbox.umount(&work);
    sandbox.mount(&work);
    fs::write(work.join("file"), "kept").expect("the second view is written");
    sandbox.umount(&work);
    assert_eq!(fs::read(work.join("file")).expect("the file is there"), b"kept");
    let _ = sandbox.zccache(&["stop"]).succeeded();
    assert_eq!(sandbox.daemons().len(), 0);
    drop(elsewhere.stdin.take());
    let _ = elsewhere.wait().expect("it ends");
}

/// `zccache run --mount` is a view for one command that nobody else sees.
#[test]
fn a_view_for_one_command() {
    let trial = Trial::new(Place::Plain, Compiler::Gcc);
    trial.file("a.c", "int f(void) { return 1; }\n");
    trial.age();
    let script = "grep -c \" $PWD fuse\" /proc/self/mounts >kind; \
        $CC -MD -c a.c -o a.o && rm kind";
    let run = || {
        let run = Command::new([trial.sandbox().programs().control()]);
        let run = run.arg("run").arg("--mount").arg(trial.tree()).arg("--");
        let outcome = trial.sandbox().bare(trial.tree(), run.arg("sh").arg("-c").arg(script));
        assert!(outcome.status.success(), "{outcome:?}");
        trial.sandbox().settle();
        assert!(!is_view(trial.tree()));
    };
    let _ = trial.bare(&COMPILE.into());
    run();
    trial.assert_same_trees("the first run");
    trial.remove("a.o");
    trial.remove("a.d");
    run();
    let _ = trial.bare(&COMPILE.into());
    trial.assert_same_trees("the second run");
    assert_eq!(trial.sandbox().counters().hits, 1);
}

const COMPILE: &str = "gcc -MD -c a.c -o a.o";

/// The status of the command is the status of the run.
#[test]
fn a_run_ends_as_its_command_ends() {
    let sandbox = Sandbox::new();
    let work = sandbox.path("work");
    let run = |script: &str| {
        let run = Command::new([sandbox.programs().control()]).arg("run").arg("--mount");
        let run = run.arg(&work).arg("--").arg("sh").arg("-c").arg(script);
        sandbox.bare(&work, run)
    };
    assert_eq!(run("exit 0").status.code(), Some(0));
    assert_eq!(run("exit 7").status.code(), Some(7));
    let outcome = run("test -n \"$CC\" && test -n \"$CXX\" && echo \"$CC\"");
    assert!(outcome.status.success() && outcome.out().contains("zccache-launch"), "{outcome:?}");
    let shown = run("grep \" $PWD fuse\" /proc/self/mounts");
    assert!(shown.status.success(), "the command sees a view: {shown:?}");
    assert!(!is_view(&work), "nobody else does");
}

/// Many files appear one by one while others list and read the directory.
#[test]
fn listings_follow_what_is_projected() {
    trial::once(Place::View, Compiler::Gcc, |trial| {
        let names: Vec<_> = (0..20).map(|n| format!("s{n}")).collect();
        for name in &names {
            trial.file(format!("{name}.c"), format!("int {name};\n"));
        }
        let state = trial.state();
        for name in &names {
            trial.run_line(&format!("$CC -MD -c {name}.c -o {name}.o")).kept();
        }
        trial.reset(&state);
        for name in &names {
            trial.run_line(&format!("$CC -MD -c {name}.c -o {name}.o")).hit();
            shell(trial, "ls -1 | sort | cksum");
        }
    });
}
