use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::support::{Mode, Mount};

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
