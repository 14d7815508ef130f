use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;

use zccache_fs::{ProjectError, Settle};

use crate::support::{Mode, Mount, names};

in_both_modes! {
    what_is_materialised_goes_on_in_the_view
    what_is_discarded_is_gone_from_the_view
    settling_twice_does_nothing
    what_cannot_be_written_is_reported_and_stays
}

fn what_is_materialised_goes_on_in_the_view(mount: &Mount) {
    fs::create_dir(mount.path("dir")).unwrap();
    mount.project("a", "a");
    mount.project("dir/b", "b");
    fs::hard_link(mount.path("a"), mount.path("dir/c")).unwrap();
    let mtime = fs::metadata(mount.path("a")).unwrap().mtime_nsec();
    let mut open = fs::File::open(mount.path("a")).unwrap();
    let settled = mount.view.settle(Settle::Materialise);
    assert_eq!((settled.written, settled.dropped, settled.failed.len()), (3, 0, 0));
    assert_eq!(mount.view.projected(), 0);
    for (name, text) in [("a", "a"), ("dir/b", "b"), ("dir/c", "a")] {
        assert_eq!(fs::read_to_string(mount.path(name)).unwrap(), text);
    }
    let metadata = fs::metadata(mount.path("a")).unwrap();
    assert_eq!((metadata.mtime_nsec(), metadata.nlink()), (mtime, 2));
    let mut text = String::new();
    open.read_to_string(&mut text).unwrap();
    assert_eq!(text, "a");
    mount.blobs.check();
}

fn what_is_discarded_is_gone_from_the_view(mount: &Mount) {
    fs::write(mount.path("lower"), "lower").unwrap();
    mount.project("a", "a");
    assert!(mount.path("a").exists());
    assert_eq!(names(&mount.path("")), ["a", "lower"]);
    let settled = mount.view.settle(Settle::Discard);
    assert_eq!((settled.written, settled.dropped, settled.failed.len()), (0, 1, 0));
    assert!(!mount.path("a").exists());
    assert_eq!(names(&mount.path("")), ["lower"]);
}

fn settling_twice_does_nothing(mount: &Mount) {
    mount.project("a", "a");
    assert_eq!(mount.view.settle(Settle::Materialise).written, 1);
    for how in [Settle::Materialise, Settle::Discard] {
        let settled = mount.view.settle(how);
        assert_eq!((settled.written, settled.dropped, settled.failed.len()), (0, 0, 0));
    }
    assert_eq!(fs::read(mount.path("a")).unwrap(), b"a");
}

fn what_cannot_be_written_is_reported_and_stays(mount: &Mount) {
    mount.project("whole", "whole");
    let mut cut = mount.blob("cut", "cut short");
    if let zccache_fs::ProjectedBytes::Blob { length, .. } = &mut cut.source {
        *length += 1;
    }
    mount.view.project(&[cut]).unwrap();
    let settled = mount.view.settle(Settle::Materialise);
    assert_eq!((settled.written, settled.failed.len()), (1, 1));
    assert!(settled.failed[0].path.ends_with("cut"));
    assert_eq!(mount.view.projected(), 1);
    assert_eq!(names(&mount.path("")), ["cut", "whole"]);
}

fn tree(mode: Mode) -> Option<Mount> {
    let mount = Mount::over(mode, false, |root| {
        fs::create_dir_all(root.join("sub/dir")).unwrap();
        fs::write(root.join("sub/replaced"), "old").unwrap();
    })?;
    let mut program = mount.blob("sub/dir/program", "#!/bin/sh\necho it runs\n");
    program.mode = 0o755;
    let large = vec![7; 3_000_000];
    mount
        .view
        .project(&[program, mount.blob("large", large), mount.blob("sub/replaced", "new")])
        .unwrap();
    Some(mount)
}

fn everything_is_below_after_unmounting(mode: Mode) {
    let Some(mut mount) = tree(mode) else { return };
    assert_eq!(mount.view.settle(Settle::Materialise).written, 3);
    mount.unmount();
    assert_eq!(mount.shell("sub/dir/program"), "it runs\n");
    assert_eq!(fs::read(mount.path("large")).unwrap(), vec![7; 3_000_000]);
    assert_eq!(fs::read(mount.path("sub/replaced")).unwrap(), b"new");
    assert_eq!(names(&mount.path("")), ["large", "sub"]);
    mount.blobs.check();
}

fn a_view_settles_after_unmounting_too(mode: Mode) {
    let Some(mut mount) = tree(mode) else { return };
    mount.unmount();
    assert!(mount.view.has_ended());
    assert!(matches!(mount.try_project("late", "late"), Err(ProjectError::Ended)));
    assert_eq!(names(&mount.path("")), ["sub"]);
    assert_eq!(mount.view.settle(Settle::Materialise).written, 3);
    assert_eq!(names(&mount.path("")), ["large", "sub"]);
    assert_eq!(fs::read(mount.path("sub/replaced")).unwrap(), b"new");
}

fn what_is_discarded_leaves_no_trace_below(mode: Mode) {
    let Some(mut mount) = tree(mode) else { return };
    assert_eq!(mount.view.settle(Settle::Discard).dropped, 3);
    mount.unmount();
    assert_eq!(mount.shell("find . | sort"), ".\n./sub\n./sub/dir\n");
}

#[test]
fn everything_is_below_after_unmounting_in_both_modes() {
    [Mode::Passthrough, Mode::Cached].into_iter().for_each(everything_is_below_after_unmounting);
}

#[test]
fn a_view_settles_after_unmounting_too_in_both_modes() {
    [Mode::Passthrough, Mode::Cached].into_iter().for_each(a_view_settles_after_unmounting_too);
}

#[test]
fn what_is_discarded_leaves_no_trace_below_in_both_modes() {
    [Mode::Passthrough, Mode::Cached].into_iter().for_each(what_is_discarded_leaves_no_trace_below);
}
