use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};

use crate::support::{Mount, names};

in_both_modes! {
    a_projected_file_is_renamed
    renaming_over_a_projected_file_replaces_it
    renaming_a_projected_file_replaces_what_is_there
    two_names_of_one_file_are_left_alone
    files_are_exchanged
    nothing_is_replaced_against_the_will
    projected_files_follow_their_directory
    a_directory_with_projected_files_is_not_empty
    everything_can_be_removed
    links_are_counted
    the_longest_names_work
    a_removed_name_can_be_used_again
}

fn read(mount: &Mount, name: &str) -> String {
    fs::read_to_string(mount.path(name)).unwrap()
}

fn rename2(mount: &Mount, from: &str, to: &str, flags: RenameFlags) -> nix::Result<()> {
    renameat2(AT_FDCWD, &mount.path(from), AT_FDCWD, &mount.path(to), flags)
}

fn a_projected_file_is_renamed(mount: &Mount) {
    fs::create_dir(mount.path("dir")).unwrap();
    mount.project("a", "bytes");
    let inode = fs::metadata(mount.path("a")).unwrap().ino();
    fs::rename(mount.path("a"), mount.path("b")).unwrap();
    fs::rename(mount.path("b"), mount.path("dir/c")).unwrap();
    assert_eq!(names(&mount.path("")), ["dir"]);
    assert_eq!(names(&mount.path("dir")), ["c"]);
    assert_eq!(read(mount, "dir/c"), "bytes");
    assert_eq!(fs::metadata(mount.path("dir/c")).unwrap().ino(), inode);
    assert!(!mount.path("a").exists() && !mount.path("b").exists());
    assert_eq!(mount.view.projected(), 1);
}

fn renaming_over_a_projected_file_replaces_it(mount: &Mount) {
    mount.project("a.o", "projected");
    fs::write(mount.path("a.o.tmp"), "lower").unwrap();
    fs::rename(mount.path("a.o.tmp"), mount.path("a.o")).unwrap();
    assert_eq!(read(mount, "a.o"), "lower");
    assert_eq!(names(&mount.path("")), ["a.o"]);
    assert_eq!(mount.view.projected(), 0);
    fs::create_dir(mount.path("dir")).unwrap();
    mount.project("a.o", "projected");
    let error = fs::rename(mount.path("dir"), mount.path("a.o")).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ENOTDIR));
    assert_eq!(read(mount, "a.o"), "projected");
}

fn renaming_a_projected_file_replaces_what_is_there(mount: &Mount) {
    fs::write(mount.path("lower"), "lower").unwrap();
    fs::create_dir(mount.path("dir")).unwrap();
    for target in ["lower", "other"] {
        mount.project("other", "other");
        mount.project("new", "new");
        fs::rename(mount.path("new"), mount.path(target)).unwrap();
        assert_eq!(read(mount, target), "new");
        assert!(!mount.path("new").exists());
    }
    mount.project("new", "new");
    let error = fs::rename(mount.path("new"), mount.path("dir")).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EISDIR));
    assert_eq!(names(&mount.path("")), ["dir", "lower", "new", "other"]);
}

fn two_names_of_one_file_are_left_alone(mount: &Mount) {
    mount.project("a", "bytes");
    fs::hard_link(mount.path("a"), mount.path("b")).unwrap();
    fs::rename(mount.path("a"), mount.path("b")).unwrap();
    assert_eq!(names(&mount.path("")), ["a", "b"]);
    fs::write(mount.path("c"), "lower").unwrap();
    fs::hard_link(mount.path("c"), mount.path("d")).unwrap();
    fs::rename(mount.path("c"), mount.path("d")).unwrap();
    fs::remove_file(mount.path("d")).unwrap();
    assert_eq!(read(mount, "c"), "lower");
}

fn files_are_exchanged(mount: &Mount) {
    fs::create_dir(mount.path("dir")).unwrap();
    fs::write(mount.path("dir/inside"), "inside").unwrap();
    fs::write(mount.path("lower"), "lower").unwrap();
    fs::write(mount.path("low2"), "low2").unwrap();
    mount.project("one", "one");
    mount.project("two", "two");
    let exchange = |a, b| rename2(mount, a, b, RenameFlags::RENAME_EXCHANGE).unwrap();
    exchange("one", "two");
    assert_eq!((read(mount, "one"), read(mount, "two")), ("two".into(), "one".into()));
    exchange("one", "lower");
    assert_eq!((read(mount, "one"), read(mount, "lower")), ("lower".into(), "two".into()));
    exchange("one", "lower");
    assert_eq!((read(mount, "one"), read(mount, "lower")), ("two".into(), "lower".into()));
    exchange("lower", "low2");
    assert_eq!((read(mount, "lower"), read(mount, "low2")), ("low2".into(), "lower".into()));
    exchange("dir", "two");
    assert_eq!((read(mount, "two/inside"), read(mount, "dir")), ("inside".into(), "one".into()));
    let missing = rename2(mount, "one", "none", RenameFlags::RENAME_EXCHANGE);
    assert_eq!(missing, Err(Errno::ENOENT));
}

fn nothing_is_replaced_against_the_will(mount: &Mount) {
    fs::write(mount.path("lower"), "lower").unwrap();
    mount.project("one", "one");
    mount.project("two", "two");
    for (from, to) in [("one", "two"), ("one", "lower"), ("lower", "two")] {
        let refused = rename2(mount, from, to, RenameFlags::RENAME_NOREPLACE);
        assert_eq!(refused, Err(Errno::EEXIST), "{from} to {to}");
    }
    rename2(mount, "one", "free", RenameFlags::RENAME_NOREPLACE).unwrap();
    assert_eq!(read(mount, "free"), "one");
    for (from, to) in [("free", "two"), ("free", "lower"), ("lower", "two")] {
        let error = fs::hard_link(mount.path(from), mount.path(to)).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EEXIST), "{from} to {to}");
    }
    let error = fs::create_dir(mount.path("two")).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EEXIST));
    let error = fs::File::create_new(mount.path("two")).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EEXIST));
}

fn projected_files_follow_their_directory(mount: &Mount) {
    fs::create_dir_all(mount.path("a/b/c")).unwrap();
    mount.project("a/b/c/file", "bytes");
    fs::rename(mount.path("a/b"), mount.path("moved")).unwrap();
    assert_eq!(read(mount, "moved/c/file"), "bytes");
    assert!(!mount.path("a/b/c/file").exists());
    mount.project("moved/c/second", "second");
    assert_eq!(names(&mount.path("moved/c")), ["file", "second"]);
}

fn a_directory_with_projected_files_is_not_empty(mount: &Mount) {
    fs::create_dir(mount.path("dir")).unwrap();
    fs::create_dir(mount.path("other")).unwrap();
    mount.project("dir/file", "bytes");
    let error = fs::remove_dir(mount.path("dir")).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ENOTEMPTY));
    let error = fs::rename(mount.path("other"), mount.path("dir")).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ENOTEMPTY));
    fs::remove_file(mount.path("dir/file")).unwrap();
    fs::remove_dir(mount.path("dir")).unwrap();
    assert_eq!(names(&mount.path("")), ["other"]);
}

fn everything_can_be_removed(mount: &Mount) {
    for directory in ["a", "a/b", "a/b/c"] {
        fs::create_dir(mount.path(directory)).unwrap();
        for number in 0..100 {
            fs::write(mount.path(&format!("{directory}/lower{number}")), "lower").unwrap();
            mount.project(&format!("{directory}/projected{number}"), "bytes");
        }
    }
    mount.shell("find a | wc -l; rm -rf a");
    assert!(names(&mount.path("")).is_empty());
    assert_eq!(mount.view.projected(), 0);
    mount.blobs.check();
}

fn links_are_counted(mount: &Mount) {
    let links = |name: &str| fs::metadata(mount.path(name)).unwrap().nlink();
    mount.project("a", "bytes");
    fs::hard_link(mount.path("a"), mount.path("b")).unwrap();
    assert_eq!((links("a"), links("b"), mount.view.projected()), (2, 2, 2));
    mount.project("b", "other");
    assert_eq!((links("a"), links("b")), (1, 1));
    fs::write(mount.path("c"), "lower").unwrap();
    fs::hard_link(mount.path("c"), mount.path("d")).unwrap();
    assert_eq!(links("c"), 2);
    mount.project("d", "over");
    assert_eq!(links("c"), 1, "one of its names was projected over");
    fs::remove_file(mount.path("a")).unwrap();
    assert_eq!(names(&mount.path("")), ["b", "c", "d"]);
}

fn the_longest_names_work(mount: &Mount) {
    let longest = "n".repeat(255);
    mount.project(&longest, "projected");
    assert_eq!(read(mount, &longest), "projected");
    fs::write(mount.path("é\n\u{1F600}"), "lower").unwrap();
    assert_eq!(names(&mount.path("")), [longest.as_str(), "é\n\u{1F600}"]);
    let too_long = mount.path(&"n".repeat(256));
    assert_eq!(fs::metadata(too_long).unwrap_err().raw_os_error(), Some(libc::ENAMETOOLONG));
    mount.shell(&format!("echo more >> {longest}"));
    assert_eq!(read(mount, &longest), "projectedmore\n");
    assert!(mount.try_project(&"n".repeat(256), "").is_err());
}

fn a_removed_name_can_be_used_again(mount: &Mount) {
    for _ in 0..50 {
        mount.project("a", "projected");
        fs::remove_file(mount.path("a")).unwrap();
        assert!(!mount.path("a").exists());
        fs::write(mount.path("a"), "lower").unwrap();
        assert_eq!(read(mount, "a"), "lower");
        fs::remove_file(mount.path("a")).unwrap();
        fs::create_dir(mount.path("a")).unwrap();
        fs::remove_dir(mount.path("a")).unwrap();
    }
    assert_eq!(fs::metadata(mount.path("")).unwrap().file_type().is_dir(), Path::new("/").is_dir());
}
