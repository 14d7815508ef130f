//! What a journal remembers is shown again after the process that served the
//! view has died.

use std::fs::{self, FileTimes};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::time::{Duration, SystemTime};

use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};

use crate::support::{Mode, Mount, names};

fn dying(test: fn(&mut Mount)) {
    for mode in [Mode::Passthrough, Mode::Cached] {
        let Some(mut mount) = Mount::new(mode, false) else { return };
        test(&mut mount);
        mount.check_notes();
        mount.blobs.check();
    }
}

/// Every operation that moves a projected file, one after the other.
#[test]
fn every_change_is_noted() {
    dying(|mount| {
        mount.shell("mkdir -p a/b c");
        for name in ["one", "a/two", "a/b/three", "c/four", "c/five"] {
            mount.project(name, name);
        }
        let scripts = [
            "mv one a/one",
            "ln a/one c/one; mv -f c/one a/two",
            "mv a d",
            "mv d/b e; chmod 600 e/three",
            "touch -d @5 -h c/four || true",
            "rm c/four",
            "echo more >> c/five",
            "echo lower > lower; mv lower e/three",
        ];
        for script in scripts {
            mount.shell(script);
            mount.check_notes();
        }
        mount.project("e/six", "six");
        let (from, to) = (mount.path("c"), mount.path("e"));
        renameat2(AT_FDCWD, &from, AT_FDCWD, &to, RenameFlags::RENAME_EXCHANGE).unwrap();
        mount.check_notes();
        mount.shell("rm -rf c d e");
        assert!(mount.notes.0.lock().unwrap().is_empty());
    });
}

#[test]
fn files_come_back_as_they_were() {
    dying(|mount| {
        mount.shell("mkdir -p dir/deep; echo lower > dir/lower");
        let mut set =
            [mount.blob("top", "top"), mount.blob("dir/deep/tool", "#!/bin/sh\necho ran\n")];
        set[1].mode = 0o755;
        mount.view.project(&set).unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::new(1_000_000_000, 123_456_789);
        mount.shell("ln top dir/link; mv dir/deep dir/moved");
        // Opening it for writing would turn it into a lower file.
        let times = FileTimes::new().set_modified(time);
        fs::File::open(mount.path("top")).unwrap().set_times(times).unwrap();
        assert_eq!(mount.view.projected(), 3);
        mount.die_and_come_back(|below| {
            assert_eq!(names(below), ["dir"]);
            assert_eq!(names(&below.join("dir")), ["lower", "moved"]);
        });
        assert_eq!(mount.view.projected(), 3);
        assert_eq!(fs::read(mount.path("top")).unwrap(), b"top");
        let (top, link) = (mount.path("top").metadata(), mount.path("dir/link").metadata());
        let (top, link) = (top.unwrap(), link.unwrap());
        assert_eq!((top.ino(), top.nlink(), top.modified().unwrap()), (link.ino(), 2, time));
        assert_eq!(mount.shell("dir/moved/tool"), "ran\n");
        mount.shell("echo more >> dir/link; test \"$(cat top)\" = topmore");
        mount.die_and_come_back(|below| assert_eq!(names(below), ["dir", "top"]));
        assert_eq!(mount.view.projected(), 1);
    });
}

#[test]
fn what_has_changed_meanwhile_stays_changed() {
    dying(|mount| {
        mount.shell("mkdir gone other moved kept");
        for name in ["gone/a", "other/b", "moved/c", "kept/d", "kept/e"] {
            mount.project(name, name);
        }
        mount.die_and_come_back(|below| {
            fs::remove_dir(below.join("gone")).unwrap();
            fs::rename(below.join("other"), below.join("tmp")).unwrap();
            fs::create_dir(below.join("other")).unwrap();
            fs::rename(below.join("moved"), below.join("away")).unwrap();
            fs::write(below.join("kept/d"), "newer").unwrap();
        });
        assert_eq!(fs::read(mount.path("kept/d")).unwrap(), b"newer");
        assert_eq!(fs::read(mount.path("kept/e")).unwrap(), b"kept/e");
        assert_eq!(mount.view.projected(), 1);
        assert_eq!(names(&mount.path("other")), [""; 0]);
    });
}

#[test]
fn bytes_that_are_lost_are_not_shown() {
    dying(|mount| {
        mount.project("lost", "lost");
        mount.project("kept", "kept");
        let lost = zccache_core::Digest::of(b"lost");
        mount.die_and_come_back(|below| {
            let blobs = below.with_file_name("blobs");
            fs::remove_file(blobs.join(lost.to_string())).unwrap();
            fs::set_permissions(below, PermissionsExt::from_mode(0o755)).unwrap();
        });
        assert_eq!(names(&mount.path("")), ["kept"]);
    });
}
