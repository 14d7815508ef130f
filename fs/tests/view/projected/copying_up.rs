use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::thread;

use nix::sys::stat::{UtimensatFlags, utimensat};
use nix::sys::time::TimeSpec;

use crate::support::{Mount, names};

in_both_modes! {
    appending_keeps_what_was_there
    every_way_of_writing_turns_it_into_a_lower_file
    parallel_appenders_lose_no_line
    who_reads_keeps_the_old_bytes
    every_hard_link_follows
    attributes_are_kept
    changing_attributes_copies_nothing
    an_extended_attribute_copies_up
    a_copied_file_can_be_projected_over_again
}

fn appending_keeps_what_was_there(mount: &Mount) {
    mount.project("log", "one\n");
    mount.shell("echo two >> log; echo three >> log");
    assert_eq!(fs::read_to_string(mount.path("log")).unwrap(), "one\ntwo\nthree\n");
    assert_eq!(mount.view.projected(), 0);
    assert_eq!(names(&mount.path("")), ["log"]);
    mount.blobs.check();
}

fn every_way_of_writing_turns_it_into_a_lower_file(mount: &Mount) {
    let ways = [
        ("echo new > file", "new\n"),
        ("echo new >> file", "0123456789new\n"),
        ("truncate -s 4 file", "0123"),
        ("truncate -s 0 file", ""),
        ("truncate -s 12 file", "0123456789\0\0"),
        (": > file", ""),
        (": >> file", "0123456789"),
        ("touch file", "0123456789"),
        ("printf AB | dd of=file bs=1 seek=2 conv=notrunc status=none", "01AB456789"),
        ("exec 3<>file; printf AB >&3", "AB23456789"),
    ];
    for (script, expected) in ways {
        mount.project("file", "0123456789");
        assert_eq!(mount.view.projected(), 1, "{script}");
        mount.shell(script);
        assert_eq!(fs::read_to_string(mount.path("file")).unwrap(), expected, "{script}");
        assert_eq!(mount.view.projected(), 0, "{script}");
    }
    assert_eq!(names(&mount.path("")), ["file"]);
    mount.blobs.check();
}

fn parallel_appenders_lose_no_line(mount: &Mount) {
    let name = |file| mount.path(&format!("{file}.log"));
    for file in 0..100 {
        mount.project(&format!("{file}.log"), format!("{file}\n"));
    }
    thread::scope(|scope| {
        for writer in 0..12 {
            scope.spawn(move || {
                for file in 0..100 {
                    let mut log = OpenOptions::new().append(true).open(name(file)).unwrap();
                    log.write_all(format!("writer {writer}\n").as_bytes()).unwrap();
                }
            });
        }
    });
    for file in 0..100 {
        let text = fs::read_to_string(name(file)).unwrap();
        let mut lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.remove(0), file.to_string());
        lines.sort_unstable();
        let mut expected: Vec<_> = (0..12).map(|writer| format!("writer {writer}")).collect();
        expected.sort_unstable();
        assert_eq!(lines, expected);
    }
    assert_eq!(mount.view.projected(), 0);
    mount.blobs.check();
}

fn who_reads_keeps_the_old_bytes(mount: &Mount) {
    mount.project("file", "0123456789");
    let mut reader = File::open(mount.path("file")).unwrap();
    let mut start = [0; 4];
    reader.read_exact(&mut start).unwrap();
    mount.shell("echo other > file");
    let mut rest = String::new();
    reader.read_to_string(&mut rest).unwrap();
    assert_eq!((&start[..], rest.as_str()), (&b"0123"[..], "456789"));
    assert_eq!(fs::read_to_string(mount.path("file")).unwrap(), "other\n");
}

fn every_hard_link_follows(mount: &Mount) {
    fs::create_dir(mount.path("dir")).unwrap();
    mount.project("one", "1\n");
    fs::hard_link(mount.path("one"), mount.path("two")).unwrap();
    fs::hard_link(mount.path("two"), mount.path("dir/three")).unwrap();
    let all = ["one", "two", "dir/three"];
    for name in all {
        assert_eq!(fs::metadata(mount.path(name)).unwrap().nlink(), 3);
        assert_eq!(fs::read_to_string(mount.path(name)).unwrap(), "1\n");
    }
    mount.shell("echo 2 >> two");
    let inode = fs::metadata(mount.path("one")).unwrap().ino();
    for name in all {
        assert_eq!(fs::read_to_string(mount.path(name)).unwrap(), "1\n2\n", "{name}");
        let metadata = fs::metadata(mount.path(name)).unwrap();
        assert_eq!((metadata.ino(), metadata.nlink()), (inode, 3), "{name}");
    }
}

fn attributes_are_kept(mount: &Mount) {
    let mut projection = mount.blob("tool", "#!/bin/sh\n");
    (projection.mode, projection.uid, projection.gid) = (0o751, 12, 34);
    mount.view.project(&[projection]).unwrap();
    let attributes = || {
        let metadata = fs::metadata(mount.path("tool")).unwrap();
        let times = (metadata.mtime(), metadata.mtime_nsec());
        (metadata.mode(), metadata.uid(), metadata.gid(), times)
    };
    let before = attributes();
    drop(OpenOptions::new().write(true).open(mount.path("tool")).unwrap());
    assert_eq!(mount.view.projected(), 0);
    assert_eq!(attributes(), before);
}

fn changing_attributes_copies_nothing(mount: &Mount) {
    mount.project("file", "bytes");
    let path = mount.path("file");
    fs::set_permissions(&path, PermissionsExt::from_mode(0o4711)).unwrap();
    std::os::unix::fs::chown(&path, Some(5), Some(6)).unwrap();
    let times = (TimeSpec::new(-2, 500_000_000), TimeSpec::new(1_000_000_000, 123_456_789));
    let here = nix::fcntl::AT_FDCWD;
    utimensat(here, &path, &times.0, &times.1, UtimensatFlags::FollowSymlink).unwrap();
    let metadata = fs::metadata(&path).unwrap();
    assert_eq!((metadata.uid(), metadata.gid()), (5, 6));
    assert_eq!(metadata.mode() & 0o7777, 0o711, "a change of owner clears the set-ID bits");
    assert_eq!((metadata.atime(), metadata.atime_nsec()), (-2, 500_000_000));
    assert_eq!((metadata.mtime(), metadata.mtime_nsec()), (1_000_000_000, 123_456_789));
    assert_eq!(mount.view.projected(), 1);
    assert_eq!(fs::read(&path).unwrap(), b"bytes");
}

fn an_extended_attribute_copies_up(mount: &Mount) {
    mount.project("file", "bytes");
    mount.shell(
        "python3 -c '
import os
assert os.listxattr(\"file\") == []
os.setxattr(\"file\", \"user.a\", b\"b\")
assert os.getxattr(\"file\", \"user.a\") == b\"b\"
assert os.listxattr(\"file\") == [\"user.a\"]
os.removexattr(\"file\", \"user.a\")'",
    );
    assert_eq!(mount.view.projected(), 0);
    assert_eq!(fs::read(mount.path("file")).unwrap(), b"bytes");
}

fn a_copied_file_can_be_projected_over_again(mount: &Mount) {
    for round in 0..50 {
        mount.project("file", format!("{round}\n"));
        mount.shell("echo more >> file");
        let text = fs::read_to_string(mount.path("file")).unwrap();
        assert_eq!(text, format!("{round}\nmore\n"));
    }
}
