use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{DirEntryExt, MetadataExt};

use crate::support::{Mount, names};

in_both_modes! {
    a_listing_mixes_lower_and_projected_files
    thousands_of_names_are_each_listed_once
    a_cached_listing_follows_every_change
    names_may_be_removed_while_listing
    a_listing_can_be_rewound
    types_and_numbers_agree_with_stat
    a_listed_directory_has_its_attributes
}

fn a_listing_mixes_lower_and_projected_files(mount: &Mount) {
    fs::write(mount.path("lower"), "").unwrap();
    fs::write(mount.path("both"), "").unwrap();
    mount.project("both", "projected");
    mount.project("projected", "projected");
    assert_eq!(names(&mount.path("")), ["both", "lower", "projected"]);
    let listed = mount.shell("ls -a");
    assert_eq!(listed, ".\n..\nboth\nlower\nprojected\n");
}

fn thousands_of_names_are_each_listed_once(mount: &Mount) {
    let set: Vec<_> = (0..3_000).map(|n| mount.blob(&format!("projected-{n}"), "same")).collect();
    mount.view.project(&set).unwrap();
    for number in 0..3_000 {
        fs::write(mount.path(&format!("lower-{number}")), "").unwrap();
    }
    for _ in 0..3 {
        let listed = names(&mount.path(""));
        assert_eq!(listed.len(), 6_000);
        assert_eq!(listed.iter().collect::<BTreeSet<_>>().len(), 6_000);
    }
    let long = mount.shell("ls -l | wc -l; ls -f | wc -l; find . -size +0 | wc -l");
    assert_eq!(long.split_whitespace().collect::<Vec<_>>(), ["6001", "6002", "3001"]);
}

fn a_cached_listing_follows_every_change(mount: &Mount) {
    fs::create_dir(mount.path("dir")).unwrap();
    let list = || names(&mount.path("dir"));
    for _ in 0..30 {
        assert!(list().is_empty());
        mount.project("dir/a", "a");
        assert_eq!(list(), ["a"]);
        fs::write(mount.path("dir/b"), "").unwrap();
        assert_eq!(list(), ["a", "b"]);
        fs::rename(mount.path("dir/a"), mount.path("dir/c")).unwrap();
        assert_eq!(list(), ["b", "c"]);
        mount.project("dir/b", "b");
        assert_eq!(list(), ["b", "c"]);
        mount.shell("echo >> dir/c");
        assert_eq!(list(), ["b", "c"]);
        fs::remove_file(mount.path("dir/b")).unwrap();
        assert_eq!(list(), ["c"]);
        fs::remove_file(mount.path("dir/c")).unwrap();
    }
}

fn names_may_be_removed_while_listing(mount: &Mount) {
    for number in 0..2_000 {
        fs::write(mount.path(&format!("lower-{number}")), "").unwrap();
    }
    let set: Vec<_> = (0..2_000).map(|n| mount.blob(&format!("projected-{n}"), "same")).collect();
    mount.view.project(&set).unwrap();
    let mut removed = 0;
    for entry in fs::read_dir(mount.path("")).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
        removed += 1;
    }
    assert_eq!(removed, 4_000);
    assert!(names(&mount.path("")).is_empty());
}

fn a_listing_can_be_rewound(mount: &Mount) {
    mount.project("a", "a");
    let listed = mount.shell(
        "perl -e 'opendir(D, \".\"); my @a = readdir(D); open(F, \">b\"); close F; \
         my $p = telldir(D); rewinddir(D); my @b = readdir(D); \
         print scalar(@a), \" \", scalar(@b)'",
    );
    assert_eq!(listed, "3 4");
}

fn types_and_numbers_agree_with_stat(mount: &Mount) {
    fs::create_dir(mount.path("directory")).unwrap();
    fs::write(mount.path("lower"), "").unwrap();
    std::os::unix::fs::symlink("lower", mount.path("link")).unwrap();
    mount.shell("mkfifo fifo");
    mount.project("projected", "bytes");
    for entry in fs::read_dir(mount.path("")).unwrap() {
        let entry = entry.unwrap();
        let metadata = fs::symlink_metadata(entry.path()).unwrap();
        assert_eq!(entry.ino(), metadata.ino(), "{entry:?}");
        assert_eq!(entry.file_type().unwrap(), metadata.file_type(), "{entry:?}");
    }
}

/// What a listing does not tell must not be remembered.
fn a_listed_directory_has_its_attributes(mount: &Mount) {
    for name in ["one", "two"] {
        fs::create_dir(mount.path(name)).unwrap();
        fs::create_dir(mount.path(name).join("below")).unwrap();
        // The kernel forgets what it knows of the directory.
        fs::rename(mount.path(name), mount.path("moved")).unwrap();
        fs::rename(mount.path("moved"), mount.path(name)).unwrap();
    }
    mount.shell("ls -la; echo 2 >/proc/sys/vm/drop_caches || true; ls -la");
    for name in names(&mount.path("")) {
        let found = fs::metadata(mount.path(&name)).unwrap();
        assert_eq!((found.mode() & 0o777, found.nlink()), (0o755, 3), "{name}");
        assert!(found.mtime() > 0, "{name}");
    }
}
