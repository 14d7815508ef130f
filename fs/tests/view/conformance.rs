//! Suites of others, where they are installed (`cargo install pjdfstest fsx`).

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use nix::unistd::{Group, User};

use crate::support::{Mode, Mount, has};

fn shared(mode: Mode) -> Option<Mount> {
    let mount = Mount::new(mode, true)?;
    let home = mount.path("");
    fs::set_permissions(home.parent().unwrap(), PermissionsExt::from_mode(0o755)).unwrap();
    Some(mount)
}

/// Runs a command; what it says is shown if the test fails.
fn run(command: &mut Command) {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    println!("{said}\n{errors}");
    assert!(output.status.success());
}

/// Two users that every distribution has, and their groups.
fn users() -> Option<String> {
    let entry = |name| {
        let user = User::from_name(name).ok()??;
        let group = Group::from_gid(user.gid).ok()??;
        Some(format!("[\"{}\", \"{}\"]", user.name, group.name))
    };
    Some(format!("[{}, {}]", entry("nobody")?, entry("daemon")?))
}

fn pjdfstest(mode: Mode) {
    let Some(entries) = users().filter(|_| has("pjdfstest")) else { return };
    let Some(mount) = shared(mode) else { return };
    let settings = mount.path("").with_file_name("pjdfstest.toml");
    let text = format!(
        "[features]\nposix_fallocate = {{}}\nutime_now = {{}}\nutimensat = {{}}\n\
         rename_ctime = {{}}\n\
         [settings]\nnaptime = 0.01\nallow_remount = false\nexpected_failures = []\n\
         [dummy_auth]\nentries = {entries}\n"
    );
    fs::write(&settings, text).unwrap();
    let mut suite = Command::new("pjdfstest");
    run(suite.arg("-c").arg(&settings).arg("-p").arg(mount.path("")).current_dir("/"));
}

#[test]
fn pjdfstest_passes_with_passthrough() {
    pjdfstest(Mode::Passthrough);
}

#[test]
fn pjdfstest_passes_with_cached_files() {
    pjdfstest(Mode::Cached);
}

const WEIGHTS: &str = "[weights]\nclose_open = 1\nread = 10\nwrite = 10\nmapread = 10\n\
    mapwrite = 10\ntruncate = 5\ninvalidate = 1\nfsync = 0.1\nfdatasync = 0.1\npunch_hole = 1\n\
    posix_fallocate = 1\ncopy_file_range = 5\nsendfile = 1\nposix_fadvise = 1\n";

fn fsx(mount: &Mount, settings: &Path, seed: u32) {
    let artifacts = settings.parent().unwrap();
    let mut exerciser = Command::new("fsx");
    exerciser.args(["-N", "5000", "-S", &seed.to_string(), "-f"]).arg(settings);
    exerciser.arg("-P").arg(artifacts).arg(mount.path(&format!("file-{seed}")));
    run(&mut exerciser);
}

fn exercise(mode: Mode) {
    if !has("fsx") {
        return;
    }
    let Some(mount) = Mount::new(mode, false) else { return };
    let settings = mount.path("").with_file_name("fsx.toml");
    fs::write(&settings, WEIGHTS).unwrap();
    for seed in 1..4 {
        // The exerciser opens the file for writing, so it starts with a copy-up.
        mount.project(&format!("file-{seed}"), "projected");
        fsx(&mount, &settings, seed);
    }
    mount.blobs.check();
}

#[test]
fn fsx_finds_nothing_with_passthrough() {
    exercise(Mode::Passthrough);
}

#[test]
fn fsx_finds_nothing_with_cached_files() {
    exercise(Mode::Cached);
}
