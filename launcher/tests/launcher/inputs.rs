//! What a run looks at is sighted.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use zccache_core::report::Seen;

use crate::bench::{Bench, Done};

/// The prerequisites in a depfile of one rule.
fn prerequisites(depfile: &Path) -> Vec<PathBuf> {
    let text = fs::read_to_string(depfile).unwrap().replace("\\\n", " ");
    let (_, list) = text.split_once(": ").unwrap();
    list.split_whitespace().map(PathBuf::from).collect()
}

fn every_prerequisite_is_sighted(done: &Done, bench: &Bench) {
    let found = prerequisites(&bench.path("a.d"));
    assert!(found.len() > 1);
    for path in found {
        let path = bench.path("").join(path);
        assert!(done.saw_file(&path), "{} was read", path.display());
    }
}

fn compile(compiler: &str, source: &str, extra: &[&str]) {
    let bench = Bench::new();
    let text = "#include <vector.h>\n#include <stdlib.h>\n#include \"deep/a.h\"\nint main(void) { return A; }\n";
    bench.write(source, text);
    bench.write("include/vector.h", "#pragma once\n");
    bench.write("deep/a.h", "#include \"b.h\"\n");
    bench.write("deep/b.h", "#define A 0\n");
    fs::create_dir(bench.path("empty")).unwrap();
    let mut arguments = vec![compiler, "-Iempty", "-Iinclude", "-MD", "-MF", "a.d", "-c", source];
    arguments.extend_from_slice(&["-o", "a.o"]);
    arguments.extend_from_slice(extra);
    let done = bench.observe(&arguments);
    assert!(done.output.status.success(), "{}", String::from_utf8_lossy(&done.output.stderr));
    every_prerequisite_is_sighted(&done, &bench);
    assert_eq!(done.seen(bench.path("empty/vector.h")), Some(&Seen::Absent));
    assert_eq!(done.outputs(), [bench.path("a.d"), bench.path("a.o")]);
    assert!(done.kept().sightings.iter().all(|s| s.path.as_path() != bench.path("a.o")));
    assert!(done.kept().sightings.iter().all(|s| s.path.as_bytes().starts_with(b"/")));
}

#[test]
fn gcc_reads_its_headers_and_misses_others() {
    compile("gcc", "a.c", &[]);
}

#[test]
fn gcc_through_pipes_reads_the_same() {
    compile("gcc", "a.c", &["-pipe"]);
}

#[test]
fn gxx_reads_its_headers_and_misses_others() {
    compile("g++", "a.cc", &[]);
}

#[test]
fn clang_reads_its_headers_and_misses_others() {
    compile("clang", "a.c", &[]);
}

#[test]
fn clangxx_reads_its_headers_and_misses_others() {
    compile("clang++", "a.cc", &[]);
}

#[test]
fn programs_and_what_the_kernel_opens_for_them_are_inputs() {
    let bench = Bench::new();
    bench.write("a.c", "int a;\n");
    let done = bench.observe(&["gcc", "-c", "a.c"]);
    for program in ["/usr/bin/gcc", "/usr/bin/as"] {
        assert!(
            matches!(done.seen(program), Some(Seen::File { executed: true, .. })),
            "{program} was executed"
        );
    }
    let executed = |s: &zccache_core::report::Sighting| {
        matches!(s.seen, Seen::File { executed: true, .. }) && s.path.as_bytes().ends_with(b"/cc1")
    };
    assert!(done.kept().sightings.iter().any(executed));
    assert!(done.saw_file("/lib64/ld-linux-x86-64.so.2"));
    assert!(matches!(
        done.sighting("/usr/bin/gcc", false).map(|s| &s.seen),
        Some(Seen::Symlink(_))
    ));
}

#[test]
fn a_search_along_path_is_an_input() {
    let bench = Bench::new();
    fs::create_dir(bench.path("one")).unwrap();
    bench.script("two/tool", "exit 0");
    let mut command = bench.launcher(&["tool"]);
    command.env("PATH", format!("{}:{}", bench.path("one").display(), bench.path("two").display()));
    let done = bench.observe_command(command);
    assert_eq!(done.seen(bench.path("one/tool")), Some(&Seen::Absent));
    assert!(matches!(done.seen(bench.path("two/tool")), Some(Seen::File { executed: true, .. })));
    assert!(matches!(done.seen("/bin/sh"), Some(Seen::File { executed: true, .. })));
}

#[test]
fn links_on_the_way_are_inputs() {
    let bench = Bench::new();
    bench.write("real/a.h", "int a;\n");
    bench.write("a.c", "#include \"a.h\"\n");
    symlink("middle", bench.path("link")).unwrap();
    symlink("real", bench.path("middle")).unwrap();
    let done = bench.observe(&["gcc", "-Ilink", "-c", "a.c"]);
    let target = |name: &str| match done.sighting(bench.path(name), false).map(|s| &s.seen) {
        Some(Seen::Symlink(target)) => target.to_string(),
        other => panic!("{name}: {other:?}"),
    };
    assert_eq!(target("link"), "middle");
    assert_eq!(target("middle"), "real");
    assert!(done.saw_file(bench.path("link/a.h")));
}

#[test]
fn paths_are_relative_to_where_the_tool_went() {
    let bench = Bench::new();
    bench.write("sub/x", "");
    bench.script("tool", "cd sub && cat x y 2>/dev/null; cd .. && cat sub/../sub/x; exit 0");
    let done = bench.observe(&["./tool"]);
    assert!(done.saw_file(bench.path("sub/x")));
    assert_eq!(done.seen(bench.path("sub/y")), Some(&Seen::Absent));
    assert!(done.saw_file(bench.path("sub/../sub/x")));
}

#[test]
fn listings_differ_from_looks() {
    let bench = Bench::new();
    bench.write("listed/x", "");
    bench.write("looked/x", "");
    bench.script("tool", "ls listed; test -d looked");
    let done = bench.observe(&["./tool"]);
    assert!(matches!(done.seen(bench.path("listed")), Some(Seen::Directory { listings: 1, .. })));
    assert!(matches!(done.seen(bench.path("looked")), Some(Seen::Directory { listings: 0, .. })));
}

#[test]
fn the_identity_is_that_before_the_first_look() {
    let bench = Bench::new();
    let input = bench.write("in", "one");
    let before = fs::metadata(&input).unwrap();
    bench.script("tool", "cat in; exit 0");
    let done = bench.observe(&["./tool"]);
    let Some(Seen::File { identity, executable, .. }) = done.seen(&input) else {
        panic!("the input is a file");
    };
    use std::os::unix::fs::MetadataExt;
    assert_eq!((identity.inode, identity.size), (before.ino(), 3));
    assert_eq!(identity.ctime.seconds, before.ctime());
    assert!(!executable.is_any());
}

#[test]
fn threads_and_spawned_processes_are_observed() {
    let bench = Bench::new();
    bench.write("t1", "");
    bench.write("t2", "");
    let source = r#"
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
extern char **environ;
static void *reader(void *name) {
    for (int i = 0; i < 200; i++) { int fd = open(name, O_RDONLY); if (fd >= 0) close(fd); }
    return 0;
}
int main(void) {
    pthread_t one, two;
    pthread_create(&one, 0, reader, "t1");
    pthread_create(&two, 0, reader, "t2");
    pid_t pid;
    char *arguments[] = {"cat", "by-spawn", 0};
    posix_spawn(&pid, "/bin/cat", 0, 0, arguments, environ);
    waitpid(pid, 0, 0);
    if (vfork() == 0) { execl("/bin/cat", "cat", "by-vfork", (char *)0); _exit(1); }
    while (wait(0) > 0) {}
    pthread_join(one, 0);
    pthread_join(two, 0);
    return 0;
}
"#;
    bench.program("tool", source, &["-static", "-pthread"]);
    bench.write("by-spawn", "");
    bench.write("by-vfork", "");
    let done = bench.observe(&["./tool"]);
    assert!(done.output.status.success());
    for name in ["t1", "t2", "by-spawn", "by-vfork"] {
        assert!(done.saw_file(bench.path(name)), "{name} was read");
    }
}

#[test]
fn private_paths_are_no_inputs() {
    let bench = Bench::new();
    bench.script("tool", "cat /proc/self/maps /proc/cpuinfo /dev/null > /dev/null; exit 0");
    let done = bench.observe(&["./tool"]);
    let private = |s: &&zccache_core::report::Sighting| {
        let path = s.path.as_bytes();
        path.starts_with(b"/proc/") || path == b"/dev/null" || path == b"/etc/ld.so.cache"
    };
    assert_eq!(done.kept().sightings.iter().find(private), None);
    assert_eq!(done.outputs(), Vec::<PathBuf>::new());
}
