//! What others change in the lower directory, behind the view.

use std::fs::{self, File, FileTimes, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt, symlink};
use std::path::Path;

use nix::mount::{MntFlags, MsFlags, mount, umount2};

use crate::support::{Mount, names};

in_both_modes! {
    a_changed_file_is_seen_when_it_is_opened
    a_change_of_a_file_that_is_written_here_is_seen
    a_file_that_is_replaced_or_gone_is_looked_for_again
    changed_names_are_seen_once_the_directory_is_listed
    what_is_mounted_in_a_changed_directory_stays
}

/// A way of changing a file behind the view.
type Edit = (&'static str, fn(&Path));

const EDITS: &[Edit] = &[
    ("in place", |path| fs::write(path, "other").unwrap()),
    ("through a descriptor, with the old time", |path| {
        let file = OpenOptions::new().write(true).open(path).unwrap();
        let modified = file.metadata().unwrap().modified().unwrap();
        file.write_all_at(b"OTHER", 0).unwrap();
        file.set_times(FileTimes::new().set_modified(modified)).unwrap();
    }),
    ("longer", |path| fs::write(path, "much longer than it was").unwrap()),
    ("shorter", |path| fs::write(path, "s").unwrap()),
    ("appended", |path| {
        OpenOptions::new().append(true).open(path).unwrap().write_all(b" and more").unwrap();
    }),
];

fn a_changed_file_is_seen_when_it_is_opened(mount: &Mount) {
    for (number, (how, edit)) in EDITS.iter().enumerate() {
        // Not from here: who forks beside this test would hold the file open longer.
        mount.shell("printf bytes > file");
        assert_eq!(fs::read(mount.path("file")).unwrap(), b"bytes");
        assert_eq!(fs::metadata(mount.path("file")).unwrap().len(), 5);
        edit(&mount.below("file"));
        assert_seen(mount, how);
        assert_eq!(mount.view.changes_behind(), number as u64 + 1, "{how}");
        assert_seen(mount, how);
        assert_eq!(mount.view.changes_behind(), number as u64 + 1, "{how}, again");
    }
}

/// Who opens the file in the view finds what is below.
fn assert_seen(mount: &Mount, how: &str) {
    let mut file = File::open(mount.path("file")).unwrap();
    let (seen, is) = (file.metadata().unwrap(), fs::metadata(mount.below("file")).unwrap());
    let of = |stat: &fs::Metadata| (stat.len(), stat.mtime_nsec(), stat.ctime_nsec());
    assert_eq!(of(&seen), of(&is), "{how}");
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes, fs::read(mount.below("file")).unwrap(), "{how}");
}

/// The view cannot know whether it was its own writer that changed the file, nor
/// does it count that as a change behind it.
fn a_change_of_a_file_that_is_written_here_is_seen(mount: &Mount) {
    let path = mount.path("file");
    let look = || assert!(fs::metadata(&path).unwrap().is_file());
    for (how, edit) in EDITS {
        let _ = fs::remove_file(&path);
        fs::write(&path, "").unwrap();
        edit(&mount.below("file"));
        assert_seen(mount, &format!("made empty, then {how}"));
        let writer = File::create(&path).unwrap();
        writer.write_all_at(b"bytes", 0).unwrap();
        look();
        edit(&mount.below("file"));
        assert_seen(mount, &format!("{how}, while it is written"));
        look();
        drop(writer);
        edit(&mount.below("file"));
        assert_seen(mount, &format!("seen while it was written, then {how}"));
        let writer = OpenOptions::new().append(true).open(&path).unwrap();
        edit(&mount.below("file"));
        assert_seen(mount, &format!("{how}, while it is open for writing"));
        (&writer).write_all(b"more").unwrap();
        assert_seen(mount, &format!("{how}, then appended to"));
    }
}

fn a_file_that_is_replaced_or_gone_is_looked_for_again(mount: &Mount) {
    let see = |name: &str| {
        fs::write(mount.path(name), "old").unwrap();
        assert_eq!(fs::read(mount.path(name)).unwrap(), b"old");
    };
    see("file");
    fs::write(mount.below("new"), "new").unwrap();
    fs::rename(mount.below("new"), mount.below("file")).unwrap();
    assert_eq!(fs::read(mount.path("file")).unwrap(), b"new");
    for link in [false, true] {
        see("gone");
        fs::remove_file(mount.below("gone")).unwrap();
        if link {
            symlink("file", mount.below("gone")).unwrap();
            assert_eq!(fs::read(mount.path("gone")).unwrap(), b"new");
        } else {
            let error = fs::read(mount.path("gone")).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::ENOENT));
            see("made");
            fs::remove_file(mount.below("made")).unwrap();
            mount.shell("echo again >> made");
            assert_eq!(fs::read(mount.below("made")).unwrap(), b"again\n");
        }
    }
    assert!(mount.view.changes_behind() > 0);
}

fn changed_names_are_seen_once_the_directory_is_listed(mount: &Mount) {
    mount.shell("mkdir -p d/moved d/removed; echo 1 > d/kept; echo 1 > d/gone; echo 1 > d/other");
    mount.project("d/projected", "projected");
    let path = |name: &str| mount.path(&format!("d/{name}"));
    let below = |name: &str| mount.below(&format!("d/{name}"));
    assert_eq!(names(&mount.path("d")).len(), 6);
    for name in ["new", "there"] {
        assert!(!path(name).exists());
    }
    mount.shell("stat d/* >/dev/null");
    fs::write(below("new"), "new").unwrap();
    fs::remove_file(below("gone")).unwrap();
    fs::write(below("tmp"), "another").unwrap();
    fs::rename(below("tmp"), below("other")).unwrap();
    fs::rename(below("moved"), below("there")).unwrap();
    fs::remove_dir(below("removed")).unwrap();
    assert_eq!(names(&mount.path("d")), ["kept", "new", "other", "projected", "there"]);
    let told = ["new", "there", "kept", "projected", "gone", "moved", "removed"];
    let there = told.map(|name| path(name).exists());
    assert_eq!(there, [true, true, true, true, false, false, false]);
    assert_eq!(fs::metadata(path("other")).unwrap().len(), 7);
    assert_eq!(mount.view.changes_behind(), 1);
    let modified = |path: &Path| fs::metadata(path).unwrap().mtime_nsec();
    assert_eq!(modified(&mount.path("d")), modified(&mount.below("d")));
}

fn what_is_mounted_in_a_changed_directory_stays(test: &Mount) {
    fs::create_dir_all(test.path("d/inner")).unwrap();
    let (inner, none) = (test.path("d/inner"), None::<&str>);
    mount(Some("none"), &inner, Some("tmpfs"), MsFlags::empty(), none).unwrap();
    fs::write(inner.join("mounted"), "").unwrap();
    let _ = names(&test.path("d"));
    fs::write(test.below("d/new"), "").unwrap();
    let listed = names(&test.path("d"));
    let stays = names(&inner);
    umount2(&inner, MntFlags::MNT_DETACH).unwrap();
    assert_eq!((listed, stays), (vec!["inner".into(), "new".into()], vec!["mounted".into()]));
    assert_eq!(test.view.changes_behind(), 1);
}
