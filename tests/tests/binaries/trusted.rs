//! Tools that a project says are deterministic, and what becomes of those that are not.

use std::time::Duration;

use zccache_core::Reason;
use zccache_tests::{Step, Trial};

use crate::places;

/// A tool behind `--tool tool=cache`.
fn run(trial: &Trial, line: &str) -> Step {
    let bare = trial.line(line);
    let launcher = trial.sandbox().programs().launcher();
    let words = [launcher.to_str().expect("plain names"), "--tool", "tool=cache", line].join(" ");
    trial.run_pair(bare, trial.line(&words))
}

fn tool(trial: &Trial, script: &str) {
    trial.edit(|root| {
        let path = root.join("tool");
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("a script");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(path, mode).expect("its mode");
    });
}

/// Two runs are believed only if they are some seconds apart.
fn let_the_clock_move() {
    std::thread::sleep(Duration::from_millis(2100));
}

/// The second run is compared with the first, the third is served.
fn it_is_believed(trial: &Trial, line: &str) {
    run(trial, line).kept();
    let_the_clock_move();
    assert_eq!(run(trial, line).counted.misses, 1);
    run(trial, line).hit();
}

fn a_deterministic_tool(trial: &Trial) {
    tool(trial, "sed s/x/y/ \"$1\" >made; echo done");
    trial.file("in", "x\n");
    trial.run_line("./tool in").bypassed(Reason::UnknownTool);
    it_is_believed(trial, "./tool in");
    let as_told = trial.line("./tool in").env("ZCCACHE_TOOLS", "other=cache tool=cache");
    trial.run(as_told).hit();
    trial.file("in", "xx\n");
    run(trial, "./tool in").kept();
    let other = trial.line("./tool in").env("ANYTHING", "1").env("ZCCACHE_TOOLS", "tool=cache");
    trial.run(other).kept();
}

fn a_tool_that_passes_on_ages_and_modes(trial: &Trial) {
    tool(trial, "ls -l --time-style=+%s in >o/made; tar -cf o/made.tar d; gzip -c in >o/in.gz");
    trial.file("in", "x\n");
    trial.file("d/e", "x\n");
    trial.edit(|root| std::fs::create_dir(root.join("o")).expect("a directory"));
    let set = |path: &'static str, seconds: u64, mode: u32| {
        let time = std::time::UNIX_EPOCH + Duration::from_secs(seconds);
        trial.edit(|root| {
            let file = std::fs::File::open(root.join(path)).expect("it is there");
            file.set_modified(time).expect("its time");
            let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
            std::fs::set_permissions(root.join(path), mode).expect("its mode");
        });
    };
    for (path, mode) in [("in", 0o644), ("d/e", 0o644), ("d", 0o755)] {
        set(path, 1_000_000_000, mode);
    }
    it_is_believed(trial, "./tool");
    for (path, seconds, mode) in [
        ("in", 1_000_000_007, 0o644),
        ("in", 1_000_000_000, 0o600),
        ("d/e", 1_000_000_007, 0o644),
        ("d/e", 1_000_000_000, 0o600),
        ("d", 1_000_000_007, 0o755),
    ] {
        let usual = if path == "d" { 0o755 } else { 0o644 };
        set(path, seconds, mode);
        run(trial, "./tool").not_hit();
        set(path, 1_000_000_000, usual);
        run(trial, "./tool").hit();
    }
}

fn tools_that_are_not_deterministic(trial: &Trial) {
    // What differs from bare anyway is written where nobody compares.
    let unrepeatable = |script: &str| {
        tool(trial, script);
        for _ in 0..3 {
            trial.age();
            let launcher = trial.sandbox().programs().launcher();
            let line = format!("{} --tool tool=cache ./tool", launcher.display());
            let before = trial.sandbox().counters();
            let _ = trial.sandbox().bare(trial.tree(), trial.line(&line)).succeeded();
            trial.sandbox().settle();
            let counted = trial.sandbox().counters().since(&before);
            assert_eq!((counted.hits, counted.misses), (0, 1), "{script}: {counted:?}");
        }
    };
    unrepeatable("head -c 20 /dev/urandom >../random");
    unrepeatable("date +%s%N >../clock");
    unrepeatable("date +%Y-%m-%d >../date");
    unrepeatable("date +%T");
    let reasons = trial.sandbox().counters().reasons;
    assert!(reasons.contains_key(Reason::ResultDiffers.slug()), "{reasons:?}");
    assert!(reasons.contains_key(Reason::TimeMacro.slug()), "{reasons:?}");
    unrepeatable("python3 -c 'import socket; socket.socket(socket.AF_INET)'; echo x >../net");
    let reasons = trial.sandbox().counters().reasons;
    assert!(reasons.contains_key(Reason::Network.slug()), "{reasons:?}");
}

places!(
    a_deterministic_tool,
    a_tool_that_passes_on_ages_and_modes,
    tools_that_are_not_deterministic,
);
