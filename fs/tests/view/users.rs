use std::fs;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use zccache_core::Digest;
use zccache_fs::{Content, NoJournal, ProjectedBytes, Projection, Settle, View, ViewOptions};

use crate::support::{HandedOver, Mode, Mount};

const USER: u32 = 12_345;

/// Runs a script as an ordinary user; returns whether it succeeded.
fn as_user(mount: &Mount, script: &str) -> bool {
    let mut command = Command::new("sh");
    command.args(["-euc", script]).current_dir(mount.path("")).uid(USER).gid(USER);
    command.output().unwrap().status.success()
}

fn shared(test: fn(&Mount)) {
    for mode in [Mode::Passthrough, Mode::Cached] {
        let Some(mount) = Mount::new(mode, true) else { return };
        let home = mount.path("");
        let open = PermissionsExt::from_mode(0o755);
        fs::set_permissions(home.parent().unwrap(), open).unwrap();
        fs::set_permissions(&home, PermissionsExt::from_mode(0o777)).unwrap();
        test(&mount);
    }
}

fn owner(path: &Path) -> (u32, u32) {
    let metadata = fs::symlink_metadata(path).unwrap();
    (metadata.uid(), metadata.gid())
}

#[test]
fn new_files_belong_to_who_makes_them() {
    shared(|mount| {
        assert!(as_user(mount, "echo > file; mkdir dir; mkfifo fifo; ln -s nowhere link"));
        for name in ["file", "dir", "fifo", "link"] {
            assert_eq!(owner(&mount.path(name)), (USER, USER), "{name}");
        }
    });
}

#[test]
fn a_directory_with_the_set_group_bit_hands_its_group_down() {
    shared(|mount| {
        mount.shell("mkdir dir; chgrp 77 dir; chmod 2777 dir");
        assert!(as_user(mount, "mkdir dir/sub; echo > dir/sub/file"));
        assert_eq!(owner(&mount.path("dir/sub")), (USER, 77));
        assert_eq!(owner(&mount.path("dir/sub/file")), (USER, 77));
    });
}

#[test]
fn permissions_hold_for_projected_files_as_for_others() {
    shared(|mount| {
        let mut private = mount.blob("private", "secret");
        private.mode = 0o600;
        let mut own = mount.blob("own", "mine");
        (own.uid, own.gid, own.mode) = (USER, USER, 0o600);
        mount.view.project(&[private, own, mount.blob("public", "all")]).unwrap();
        assert!(as_user(mount, "cat public; cat own; ! cat private; ! echo > public"));
        assert!(as_user(mount, "! chmod 777 private; chmod 640 own; ! chown 0 own"));
        assert_eq!(mount.view.projected(), 3);
        assert!(as_user(mount, "echo more >> own; rm public"));
        assert_eq!(owner(&mount.path("own")), (USER, USER));
        assert_eq!(fs::read_to_string(mount.path("own")).unwrap(), "minemore\n");
        fs::set_permissions(mount.path(""), PermissionsExt::from_mode(0o755)).unwrap();
        assert!(as_user(mount, "! rm private; ! mv own other; ! ln own other"));
    });
}

#[test]
fn set_user_bits_go_when_others_write() {
    shared(|mount| {
        mount.shell("echo > file; chown 12345 file");
        for script in ["echo more >> file", "echo other > file", "truncate -s 3 file"] {
            mount.shell("chmod 6777 file");
            assert!(as_user(mount, script));
            let mode = fs::metadata(mount.path("file")).unwrap().mode();
            assert_eq!(mode & 0o7777, 0o777, "{script}");
        }
    });
}

#[test]
fn a_view_that_is_not_shared_serves_its_user_only() {
    let Some(mount) = Mount::new(Mode::Passthrough, false) else { return };
    let parent = mount.path("");
    fs::set_permissions(parent.parent().unwrap(), PermissionsExt::from_mode(0o755)).unwrap();
    let status = Command::new("ls").arg(&parent).uid(USER).gid(USER).output().unwrap().status;
    assert!(!status.success());
}

/// Set in a process that serves a view as an ordinary user: the descriptors of
/// the directory and of the mount, and the path of both.
const SERVED: &str = "VIEW_TEST_SERVED";

/// What an ordinary user's daemon does: it is handed what a privileged helper
/// has mounted for it, in a process of its own.
#[test]
fn a_view_served_by_an_ordinary_user_is_cached_and_checked() {
    if let Some(served) = std::env::var_os(SERVED) {
        return serve_as_user(served.to_str().unwrap());
    }
    let Some(handed) = HandedOver::new(USER) else { return };
    let this = "users::a_view_served_by_an_ordinary_user_is_cached_and_checked";
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", this, "--nocapture"]).env(SERVED, handed.describe());
    let output = command.uid(USER).gid(USER).current_dir("/").output().unwrap();
    drop(handed);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("1 passed"), "{said}");
}

fn serve_as_user(served: &str) {
    let mut parts = served.splitn(3, ' ');
    let mut next = || parts.next().unwrap();
    let (lower, fuse, root) = (next().parse().unwrap(), next().parse().unwrap(), next());
    // SAFETY: the parent process left these two open for this one, which has
    // opened nothing else by these numbers.
    let lower = unsafe { OwnedFd::from_raw_fd(lower) };
    // SAFETY: as above.
    let fuse = unsafe { OwnedFd::from_raw_fd(fuse) };
    let root = Path::new(root);
    let view =
        View::serve(lower, fuse, ViewOptions::default(), Arc::new(NoBlobs), Arc::new(NoJournal))
            .unwrap();
    assert!(!view.passthrough(), "passing through is a privilege");
    let shell = |script: &str| {
        let output = Command::new("sh").args(["-euc", script]).current_dir(root).output().unwrap();
        assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let project = |path: &str, mode: u32, uid: u32| {
        let source = ProjectedBytes::Inline(b"bytes\n".to_vec().into());
        view.project(&[Projection { path: path.into(), source, mode, uid, gid: USER }]).unwrap();
    };
    shell("mkdir dir; echo lower > dir/lower; cat dir/lower; umask 077; : > private");
    project("dir/own", 0o644, USER);
    project("dir/mute", 0o200, USER);
    project("dir/script", 0o755, USER);
    shell("test \"$(cat dir/own)\" = bytes; ! cat dir/mute; test -x dir/script; ! test -x dir/own");
    shell("chmod 400 dir/own; ! (echo > dir/own); ! test -w dir/own; test -r dir/own");
    shell(
        "! chown 0 dir/own; chmod 500 dir; ! rm -f dir/own; ! mv dir/own own; ! ln dir/own dir/other",
    );
    assert_eq!(view.projected(), 3);
    shell("chmod 700 dir dir/own; mv dir/own own; echo more >> own; test \"$(wc -l < own)\" = 2");
    shell("ln dir/script link; touch -d @5 link; test \"$(stat -c %Y dir/script)\" = 5; rm link");
    // The touch has opened the script for writing already.
    assert_eq!(view.settle(Settle::Materialise).written, 1);
    shell("test -x dir/script; rm -rf dir own private; test -z \"$(ls)\"");
}

/// No blob is asked for.
struct NoBlobs;

impl Content for NoBlobs {
    fn open(&self, _: &Digest) -> io::Result<OwnedFd> {
        Err(io::ErrorKind::NotFound.into())
    }
}
