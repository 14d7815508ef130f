use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use zccache_core::{Digest, Identity, Stamp};
use zccache_fs::Look;

use crate::support::Mount;

in_both_modes! {
    a_look_tells_what_stat_tells
    a_look_tells_of_every_kind_of_thing
    links_on_the_way_are_left_to_the_kernel
    names_are_listed_without_the_kernel
    the_identity_of_a_directory_changes_with_its_names
    files_are_opened_without_the_kernel
    the_digests_in_use_are_known
}

fn look(mount: &Mount, path: &str) -> Look {
    mount.view.look(Path::new(path), false).unwrap()
}

/// What `stat(2)` tells in the view, but for the device.
fn stat(mount: &Mount, path: &str) -> Identity {
    let metadata = fs::symlink_metadata(mount.path(path)).unwrap();
    let stamp = |seconds, nanos: i64| Stamp { seconds, nanos: u32::try_from(nanos).unwrap() };
    Identity {
        device: fs::metadata(mount.path("").parent().unwrap()).unwrap().dev(),
        inode: metadata.ino(),
        size: metadata.size(),
        mtime: stamp(metadata.mtime(), metadata.mtime_nsec()),
        ctime: stamp(metadata.ctime(), metadata.ctime_nsec()),
    }
}

fn a_look_tells_what_stat_tells(mount: &Mount) {
    fs::create_dir(mount.path("dir")).unwrap();
    fs::write(mount.path("dir/lower"), "lower").unwrap();
    mount.project("dir/projected", "projected");
    let Look::Lower { identity, mode } = look(mount, "dir/lower") else { panic!("not lower") };
    assert_eq!(identity, stat(mount, "dir/lower"));
    assert_eq!(mode & libc::S_IFMT, libc::S_IFREG);
    let Look::Projected { identity, digest, mode, .. } = look(mount, "dir/projected") else {
        panic!("not projected")
    };
    assert_eq!(identity, stat(mount, "dir/projected"));
    assert_eq!((digest, mode), (Digest::of(b"projected"), libc::S_IFREG | 0o644));
    for path in ["dir", ""] {
        assert_eq!(look(mount, path), Look::Directory { identity: stat(mount, path) });
    }
    mount.shell("echo >> dir/projected; echo >> dir/lower");
    for path in ["dir/projected", "dir/lower"] {
        let Look::Lower { identity, .. } = look(mount, path) else { panic!("not lower") };
        assert_eq!(identity, stat(mount, path));
    }
}

fn a_look_tells_of_every_kind_of_thing(mount: &Mount) {
    mount.shell("mkfifo fifo; mknod null c 1 3; ln -s target link; echo > file");
    assert_eq!(look(mount, "fifo"), Look::Special { kind: libc::S_IFIFO, device: 0 });
    let device = libc::makedev(1, 3);
    assert_eq!(look(mount, "null"), Look::Special { kind: libc::S_IFCHR, device });
    assert_eq!(look(mount, "link"), Look::Symlink("target".into()));
    for path in ["missing", "missing/file", &"n".repeat(255)] {
        assert_eq!(look(mount, path), Look::Absent, "{path}");
    }
    mount.project("projected", "bytes");
    for path in ["file/below", "projected/below"] {
        let error = mount.view.look(Path::new(path), false).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::NotADirectory, "{path}");
    }
    for path in ["../file", "/etc/passwd", "a/../file", "."] {
        assert!(mount.view.look(Path::new(path), false).is_err(), "{path}");
    }
}

fn links_on_the_way_are_left_to_the_kernel(mount: &Mount) {
    fs::create_dir(mount.path("dir")).unwrap();
    symlink("dir", mount.path("link")).unwrap();
    mount.project("dir/file", "bytes");
    for path in ["link/file", "link/missing"] {
        assert_eq!(look(mount, path), Look::ThroughLink, "{path}");
        assert!(mount.view.open_lower(Path::new(path)).is_err());
    }
    assert_eq!(mount.view.look(Path::new("link"), true).unwrap(), Look::ThroughLink);
    assert!(mount.view.list(Path::new("link")).is_err());
    assert_eq!(fs::read(mount.path("link/file")).unwrap(), b"bytes");
}

fn names_are_listed_without_the_kernel(mount: &Mount) {
    fs::create_dir(mount.path("dir")).unwrap();
    fs::write(mount.path("dir/lower"), "").unwrap();
    mount.project("dir/projected", "");
    let list = |path: &str| {
        let listed = mount.view.list(Path::new(path)).unwrap();
        let mut names: Vec<_> = listed.into_iter().map(|entry| (entry.name, entry.kind)).collect();
        names.sort();
        names
    };
    let file = |name: &str| (name.into(), libc::S_IFREG);
    assert_eq!(list("dir"), [file("lower"), file("projected")]);
    assert_eq!(list(""), [("dir".into(), libc::S_IFDIR)]);
    assert!(mount.view.list(Path::new("missing")).is_err());
}

/// Who relies on a directory being unchanged relies on its names.
fn the_identity_of_a_directory_changes_with_its_names(mount: &Mount) {
    fs::create_dir(mount.path("dir")).unwrap();
    let mut seen = vec![look(mount, "dir")];
    let mut changed = |what: &str| {
        let now = look(mount, "dir");
        assert!(!seen.contains(&now), "{what} goes unnoticed");
        assert_eq!(now, Look::Directory { identity: stat(mount, "dir") });
        seen.push(now);
    };
    mount.project("dir/a", "a");
    changed("projection");
    fs::rename(mount.path("dir/a"), mount.path("dir/b")).unwrap();
    changed("renaming");
    fs::hard_link(mount.path("dir/b"), mount.path("dir/c")).unwrap();
    changed("linking");
    fs::remove_file(mount.path("dir/b")).unwrap();
    changed("removal");
    fs::write(mount.path("dir/d"), "").unwrap();
    changed("creation");
    mount.project("dir/d", "d");
    changed("replacement");
    fs::rename(mount.path("dir/d"), mount.path("out")).unwrap();
    changed("moving away");
}

fn files_are_opened_without_the_kernel(mount: &Mount) {
    fs::create_dir(mount.path("dir")).unwrap();
    fs::write(mount.path("dir/lower"), "lower").unwrap();
    mount.project("dir/projected", "bytes");
    let open = |path: &str| mount.view.open_lower(Path::new(path));
    let read = |file: OwnedFd| std::io::read_to_string(File::from(file)).unwrap();
    assert_eq!(read(open("dir/lower").unwrap()), "lower");
    assert_eq!(read(mount.view.open_projected(Path::new("dir/projected")).unwrap()), "bytes");
    assert!(mount.view.open_projected(Path::new("dir/lower")).is_err());
    let code = |path: &str| open(path).unwrap_err().raw_os_error();
    assert_eq!(code("dir/projected"), Some(libc::ESTALE));
    assert_eq!(code("dir/missing"), Some(libc::ENOENT));
    assert_eq!(code("dir"), Some(libc::EINVAL));
    mount.shell("mkfifo fifo; ln -s dir/lower link");
    assert_eq!(code("fifo"), Some(libc::EINVAL));
    assert_eq!(code("link"), Some(libc::ELOOP));
}

fn the_digests_in_use_are_known(mount: &Mount) {
    assert!(mount.view.digests().is_empty());
    mount.project("a", "one");
    mount.project("b", "one");
    mount.project("c", "two");
    let mut expected = vec![Digest::of(b"one"), Digest::of(b"two")];
    expected.sort();
    assert_eq!(mount.view.digests(), expected);
    fs::remove_file(mount.path("c")).unwrap();
    assert_eq!(mount.view.digests(), [Digest::of(b"one")]);
}
