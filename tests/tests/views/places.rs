//! Where views may be: over which directories, over and within each other, and
//! what becomes of their files when there is no room for them.

use std::fs;
use std::path::Path;

use zccache_tests::sandbox::{eventually, is_view};
use zccache_tests::{Command, Outcome, Sandbox};

/// Runs a script in `work`, with our programs in the path.
fn shell(sandbox: &Sandbox, script: &str) -> Outcome {
    let bin = sandbox.programs().directory().display().to_string();
    let command = Command::new(["sh", "-uc", script]).env("PATH", format!("{bin}:/usr/bin:/bin"));
    sandbox.bare(&sandbox.path("work"), command)
}

/// A sandbox with two sources, what they compile to kept.
fn with_kept_results() -> Sandbox {
    let sandbox = Sandbox::new();
    let work = sandbox.path("work");
    fs::create_dir_all(work.join("s/q")).expect("a directory");
    fs::write(work.join("a.c"), "int f(void) { return 1; }\n").expect("a file");
    fs::write(work.join("b.c"), "char big[3 << 20] = { 1 };\n").expect("a file");
    let _ = shell(&sandbox, &format!("sleep 0.05; {COMPILE}")).succeeded();
    sandbox.settle();
    let _ = shell(&sandbox, "mv s/a.o a.bare && mv s/q/b.o b.bare").succeeded();
    sandbox
}

const COMPILE: &str = "zccache-launch gcc -c a.c -o s/a.o && zccache-launch gcc -c b.c -o s/q/b.o";

fn no_views(sandbox: &Sandbox) -> bool {
    sandbox.status()["views"].as_array().is_some_and(Vec::is_empty)
}

/// Whether the daemon has no view any more, not even one that it does not tell of.
fn serves_nothing(sandbox: &Sandbox) -> bool {
    let descriptors = |pid| fs::read_dir(format!("/proc/{pid}/fd")).expect("it runs");
    let mut open = sandbox.daemons().into_iter().flat_map(descriptors).flatten();
    open.all(|fd| fs::read_link(fd.path()).map_or(true, |file| file != Path::new("/dev/fuse")))
}

/// Runs the compiles in views for one command, and looks at what they leave.
fn run_leaves_all(sandbox: &Sandbox, mounts: &str, views: usize) {
    let count = format!("test $(grep -c \" $PWD/s.* fuse\" /proc/self/mounts) = {views}");
    let outcome = shell(sandbox, &format!("zccache run {mounts} -- sh -c '{count} && {COMPILE}'"))
        .succeeded();
    let said = outcome.err();
    assert!(said.contains("2 hits") && said.lines().count() == 1, "{mounts}: {outcome:?}");
    let _ =
        shell(sandbox, "cmp s/a.o a.bare && cmp s/q/b.o b.bare && rm s/a.o s/q/b.o").succeeded();
    eventually("no view is left", || no_views(sandbox) && serves_nothing(sandbox));
}

#[test]
fn views_for_one_command_lie_within_each_other() {
    let sandbox = with_kept_results();
    run_leaves_all(&sandbox, "--mount s --mount s/q", 2);
    run_leaves_all(&sandbox, "--mount s/q --mount s", 2);
    run_leaves_all(&sandbox, "--mount s --mount s", 1);
    run_leaves_all(&sandbox, "--mount s --mount s/q/..", 1);
    let _ = sandbox.zccache(&["stop"]).succeeded();
}

/// Neither the command nor what it has started unmounts anything.
#[test]
fn a_view_for_one_command_ends_though_its_command_was_killed() {
    let sandbox = with_kept_results();
    let script = format!(
        "zccache run --mount s --mount s/q -- sh -c '{COMPILE}; kill -9 $PPID; sleep 0.1'; true"
    );
    let _ = shell(&sandbox, &script).succeeded();
    let work = sandbox.path("work");
    eventually("its files are real", || {
        fs::read(work.join("s/a.o")).ok() == fs::read(work.join("a.bare")).ok()
            && fs::read(work.join("s/q/b.o")).ok() == fs::read(work.join("b.bare")).ok()
    });
    eventually("the views are gone", || serves_nothing(&sandbox));
    let _ = sandbox.zccache(&["stop"]).succeeded();
}

/// Keeps a view in use beyond its unmount: the next view of the directory waits
/// for what this one could not write.
const LINGER: &str = "sleep 0.3 <s/a.o >/dev/null 2>&1 &";

#[test]
fn a_command_whose_files_are_lost_has_failed() {
    let sandbox = with_kept_results();
    let full = "mount -t tmpfs -o size=1m none s && mkdir s/q";
    let script = format!(
        "unshare -m --propagation private sh -uc '{full} && {{
            zccache run --mount s -- sh -c \"{COMPILE}; {LINGER}\"; echo status $?; cmp s/a.o a.bare
            zccache run --mount s -- sh -c \"exit 7\"; echo status $?
            mount -o remount,size=64m s
            zccache run --mount s -- true; echo status $?; cmp s/a.o a.bare; cmp s/q/b.o b.bare; }}'"
    );
    let outcome = shell(&sandbox, &script);
    if outcome.err().contains("unshare") || outcome.err().contains("mount: ") {
        return println!("SKIP: no file system can be mounted: {}", outcome.err());
    }
    assert_eq!(outcome.out(), "status 1\nstatus 7\nstatus 0\n", "{outcome:?}");
    let said = outcome.err();
    let place = sandbox.path("work").canonicalize().expect("it is there").join("s");
    let missing = format!("files are missing in {}: 1 files", place.display());
    assert_eq!(said.matches(&missing).count(), 2, "{outcome:?}");
    assert!(said.contains("q/b.o: No space left on device"), "{outcome:?}");
}

#[test]
fn a_view_that_another_covers_is_named_with_it() {
    let sandbox = with_kept_results();
    let work = sandbox.path("work").canonicalize().expect("it is there");
    let (inner, outer) = (work.join("s/q"), work.join("s"));
    sandbox.mount(&inner);
    sandbox.mount(&outer);
    let refused = sandbox.zccache(&[Path::new("umount"), &inner]);
    let expected = format!("{} is covered by {}", inner.display(), outer.display());
    assert!(!refused.status.success() && refused.err().contains(&expected), "{refused:?}");
    let _ = shell(&sandbox, COMPILE).succeeded();
    let _ = sandbox.unmounting(&["restart"]);
    assert!(is_view(&inner) && is_view(&outer));
    let _ = sandbox.unmounting(&["stop"]);
    assert!(!is_view(&inner) && !is_view(&outer) && sandbox.daemons().is_empty());
    let _ = shell(&sandbox, "cmp s/a.o a.bare && cmp s/q/b.o b.bare").succeeded();
}

/// To the daemon of another store it is a file system like any, and one in which files
/// have names from the start.
#[test]
fn in_the_view_of_another_store_files_are_put_in_place() {
    let other = with_kept_results();
    let work = other.path("work");
    other.mount(&work.join("s"));
    let sandbox = Sandbox::new();
    let _ = sandbox.zccache(&["start"]).succeeded();
    let compile = Command::from("gcc -c a.c -o s/a.o");
    for _ in 0..2 {
        let _ = sandbox.launch(&work, &compile).succeeded();
        sandbox.settle();
        let made = fs::read(work.join("s/a.o")).expect("it was made");
        assert_eq!(made, fs::read(work.join("a.bare")).expect("it was made before"));
        fs::remove_file(work.join("s/a.o")).expect("it can be removed");
    }
    let counters = sandbox.counters();
    assert_eq!((counters.hits, counters.misses), (1, 1), "{counters:?}");
    other.umount(&work.join("s"));
    assert!(
        fs::read_dir(work.join("s"))
            .expect("listed")
            .all(|left| { left.expect("listed").file_name() == "q" })
    );
}

#[test]
fn what_the_system_or_the_store_needs_is_not_mounted_over() {
    let sandbox = Sandbox::new();
    let within = sandbox.store().join("within");
    fs::create_dir_all(&within).expect("a directory");
    let (store, above) = (sandbox.store(), sandbox.path(""));
    let refused = ["/", "/proc", "/proc/self", "/sys", "/dev", "/dev/pts"].map(Path::new);
    for directory in refused.into_iter().chain([&*store, &*within, &*above]) {
        if !directory.is_dir() {
            println!("SKIP: no {}", directory.display());
            continue;
        }
        let outcome = sandbox.zccache(&[Path::new("mount"), directory]);
        let said = outcome.err();
        assert!(!outcome.status.success(), "{outcome:?}");
        assert!(
            ["another directory", "a build directory"].iter().any(|advice| said.contains(advice)),
            "{said}"
        );
        assert!(
            said.starts_with("zccache: cannot mount over") && said.lines().count() == 1,
            "{said}"
        );
        let shown =
            sandbox.zccache(&["run", "--mount", &directory.to_string_lossy(), "--", "true"]);
        assert!(shown.succeeded().err().contains("going on without a view"));
    }
    assert!(no_views(&sandbox));
}
