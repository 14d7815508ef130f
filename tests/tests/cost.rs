//! What a hit costs, counted in system calls: times differ from machine to machine,
//! these do not.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command as Process, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use zccache_tests::Trial;
use zccache_tests::sandbox::eventually;

use crate::places;

/// What the launcher asks the kernel for one hit, after the start of the process: each
/// call, and how often at most.
const LOOK_UP: [(&str, usize); 18] = [
    // The three streams are open; they are terminals or not; what standard input is.
    ("fcntl", 4),
    ("ioctl", 2),
    // The terminal behind them.
    ("openat", 1),
    // Directory, namespace, root, standard input; the directory once more by its path;
    // whether the store can be written, and whether the daemon was found silent.
    ("access", 1),
    ("getcwd", 1),
    ("newfstatat", 6),
    ("umask", 2),
    ("geteuid", 2),
    ("capget", 1),
    ("prlimit64", 1),
    // One message there, one back.
    ("socket", 1),
    ("connect", 1),
    ("getsockopt", 1),
    ("setsockopt", 1),
    ("sendmsg", 1),
    ("poll", 1),
    ("recvmsg", 1),
    ("close", 1),
];

/// What it asks besides for a file that it puts where there is none.
const PLACED: [(&str, usize); 7] = [
    ("lgetxattr", 1),
    ("newfstatat", 1),
    ("openat", 1),
    ("pwrite64", 1),
    ("fchmod", 1),
    ("linkat", 1),
    ("close", 1),
];

/// What it asks besides for a file that it puts in the place of another.
const REPLACED: [(&str, usize); 9] = [
    ("getpid", 1),
    ("newfstatat", 2),
    // Of its own, and of what is there, which is opened as the compiler would open it.
    ("openat", 2),
    ("pwrite64", 1),
    ("fchmod", 1),
    ("llistxattr", 1),
    ("renameat2", 1),
    ("unlink", 1),
    ("close", 2),
];

/// Memory, in whatever steps the allocator takes it, and the end.
const OF_THE_PROCESS: [&str; 4] = ["brk", "mmap", "munmap", "exit_group"];

/// The name of a call; what C libraries call by its old or by its new name has the new one.
fn name_of(line: &str) -> Option<&str> {
    let (name, _) = line.split_once('(')?;
    Some(match name {
        "open" => "openat",
        "stat" | "lstat" | "fstat" => "newfstatat",
        other => other,
    })
}

type Counts = BTreeMap<String, usize>;

/// The calls of a launcher, but for the start of its process.
fn calls(trial: &Trial, line: &str) -> Counts {
    let log = trial.sandbox().path("strace");
    let launched = trial.sandbox().launched(trial.line(line));
    let traced = launched.behind(&["strace", "-o", log.to_str().expect("a plain path")]);
    let _ = trial.sandbox().bare(trial.tree(), traced).succeeded();
    let text = fs::read_to_string(log).expect("strace has written it");
    let mut counts = Counts::new();
    let names = text.lines().filter_map(name_of);
    for name in names.skip_while(|name| *name != "fcntl") {
        if !OF_THE_PROCESS.contains(&name) {
            *counts.entry(name.to_owned()).or_default() += 1;
        }
    }
    counts
}

/// A source `many.c` and so many headers in a directory, which it includes.
fn source_with_headers(trial: &Trial, headers: usize, directory: &str) {
    let includes = (0..headers).map(|number| format!("#include \"h{number}.h\"\n"));
    trial.file("many.c", includes.collect::<String>());
    for number in 0..headers {
        trial.file(format!("{directory}/h{number}.h"), format!("int h{number}(void);\n"));
    }
}

fn a_hit_asks_the_kernel_little_however_much_is_included(trial: &Trial) {
    source_with_headers(trial, 40, ".");
    trial.file("small.c", "int f(void) { return 1; }\n");
    for name in ["small", "many"] {
        let line = format!("$CC -c {name}.c -o {name}.o");
        trial.line_misses_then_hits(&line);
        asks_no_more_than(trial, &line, &REPLACED);
        fs::remove_file(trial.tree().join(format!("{name}.o"))).expect("it was placed");
        asks_no_more_than(trial, &line, &PLACED);
    }
}

/// `delivery` is what a hit costs besides the look-up, outside a view.
fn asks_no_more_than(trial: &Trial, line: &str, delivery: &[(&str, usize)]) {
    let is_placed = !zccache_tests::sandbox::is_view(trial.tree());
    let mut allowed = Counts::new();
    for (name, count) in LOOK_UP.iter().chain(delivery.iter().filter(|_| is_placed)) {
        *allowed.entry((*name).to_owned()).or_default() += count;
    }
    let counts = calls(trial, line);
    assert!(counts.contains_key("sendmsg"), "{counts:?}");
    let most = |name: &String| allowed.get(name).copied().unwrap_or(0);
    let above: Vec<_> = counts.iter().filter(|(name, count)| **count > most(name)).collect();
    assert!(above.is_empty(), "{line}: {above:?}");
}

/// What the daemon asks the kernel while a command runs.
fn calls_of_the_daemon(trial: &Trial, line: &str) -> Vec<String> {
    let log = trial.sandbox().path("strace of the daemon");
    let daemon = trial.sandbox().daemons().first().expect("it runs").as_raw();
    let mut strace = Process::new("strace")
        .args(["-f", "-p", &daemon.to_string(), "-o"])
        .arg(&log)
        .stderr(Stdio::null())
        .spawn()
        .expect("strace is installed");
    let status = format!("/proc/{daemon}/status");
    let is_traced = || fs::read_to_string(&status).is_ok_and(|s| !s.contains("TracerPid:\t0\n"));
    eventually("the daemon is traced", is_traced);
    let _ = trial.sandbox().launch(trial.tree(), trial.line(line)).succeeded();
    let strace_itself = Pid::from_raw(i32::try_from(strace.id()).expect("a process"));
    kill(strace_itself, Signal::SIGINT).expect("it runs");
    let _ended = strace.wait().expect("it ends");
    let text = fs::read_to_string(log).expect("strace has written it");
    text.lines().filter(|line| line.contains("newfstatat(")).map(str::to_owned).collect()
}

fn a_hit_looks_at_no_header_that_has_not_changed(trial: &Trial) {
    let headers = 60;
    source_with_headers(trial, headers, "inc");
    trial.file("empty/other.h", "");
    let line = "$CC -Iempty -Iinc -c many.c -o many.o";
    trial.line_misses_then_hits(line);
    // Who compares trees opens all files. What has changed, or was opened, is left alone
    // for two seconds (`watch/limits.rs`).
    std::thread::sleep(Duration::from_millis(2_100));
    let before = trial.sandbox().counters();
    let _ = trial.sandbox().launch(trial.tree(), trial.line(line)).succeeded();
    let looks = calls_of_the_daemon(trial, line);
    assert_eq!(trial.sandbox().counters().since(&before).hits, 2);
    assert!(looks.len() < headers, "{looks:#?}");
}

places!(
    a_hit_asks_the_kernel_little_however_much_is_included,
    a_hit_looks_at_no_header_that_has_not_changed,
);
