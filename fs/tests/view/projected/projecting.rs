use std::fs::{self, File};
use std::io::{Read, Seek};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use zccache_fs::{ProjectError, ProjectedBytes, Projection};

use crate::support::{Mount, names};

in_both_modes! {
    a_projected_file_is_read_like_any_other
    a_small_file_is_projected_from_memory
    a_name_that_was_missing_is_there_at_once
    a_name_that_was_there_is_replaced
    a_whole_set_appears_at_once
    times_lie_between_files_written_before_and_after
    attributes_are_those_of_the_projection
    an_executable_runs_straight_after_projection
    a_large_file_is_read_and_mapped
    what_cannot_be_replaced_refuses_the_whole_set
    an_open_file_outlives_its_replacement
    many_projections_into_one_directory_hold_few_descriptors
}

fn a_projected_file_is_read_like_any_other(mount: &Mount) {
    fs::create_dir(mount.path("dir")).unwrap();
    mount.project("dir/a.o", "object");
    let path = mount.path("dir/a.o");
    assert_eq!(fs::read(&path).unwrap(), b"object");
    assert_eq!(fs::metadata(&path).unwrap().len(), 6);
    assert_eq!(mount.view.projected(), 1);
    mount.blobs.check();
}

fn a_small_file_is_projected_from_memory(mount: &Mount) {
    let source = ProjectedBytes::Inline(b"a.o: a.c\n".to_vec().into());
    let path = "a.d".into();
    mount.view.project(&[Projection { path, source, mode: 0o600, uid: 0, gid: 0 }]).unwrap();
    for _ in 0..2 {
        assert_eq!(fs::read(mount.path("a.d")).unwrap(), b"a.o: a.c\n");
    }
    let (mut one, mut other) = (File::open(mount.path("a.d")).unwrap(), String::new());
    File::open(mount.path("a.d")).unwrap().read_to_string(&mut other).unwrap();
    one.seek(std::io::SeekFrom::Start(5)).unwrap();
    let mut rest = String::new();
    one.read_to_string(&mut rest).unwrap();
    assert_eq!((rest.as_str(), other.as_str()), ("a.c\n", "a.o: a.c\n"));
}

fn a_name_that_was_missing_is_there_at_once(mount: &Mount) {
    for number in 0..200 {
        let name = format!("{number}.o");
        let path = mount.path(&name);
        assert!(!path.exists());
        assert!(!names(&mount.path("")).contains(&name));
        mount.project(&name, &name);
        assert_eq!(fs::read_to_string(&path).unwrap(), name);
        assert!(names(&mount.path("")).contains(&name));
    }
}

fn a_name_that_was_there_is_replaced(mount: &Mount) {
    let path = mount.path("a.o");
    fs::write(&path, "lower").unwrap();
    let lower = fs::metadata(&path).unwrap();
    mount.project("a.o", "first");
    let first = fs::metadata(&path).unwrap();
    assert_ne!(lower.ino(), first.ino());
    assert_eq!(fs::read(&path).unwrap(), b"first");
    mount.project("a.o", "second, longer");
    assert_ne!(first.ino(), fs::metadata(&path).unwrap().ino());
    assert_eq!(fs::read(&path).unwrap(), b"second, longer");
    assert_eq!(names(&mount.path("")), ["a.o"]);
    assert_eq!(mount.view.projected(), 1);
}

/// A reader that looks at the names in order of their projection never finds a
/// new one and then an old one.
fn a_whole_set_appears_at_once(mount: &Mount) {
    let generation = |number: u32| -> Vec<_> {
        (0..8).map(|file| mount.blob(&format!("{file}.o"), number.to_string())).collect()
    };
    let read = |file| -> u32 {
        fs::read_to_string(mount.path(&format!("{file}.o"))).unwrap().parse().unwrap()
    };
    mount.view.project(&generation(0)).unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let seen: Vec<_> = (0..8).map(read).collect();
                    assert!(seen.is_sorted(), "an older file was seen after a newer: {seen:?}");
                }
            });
        }
        for number in 1..200 {
            mount.view.project(&generation(number)).unwrap();
        }
        done.store(true, Ordering::Relaxed);
    });
}

fn times_lie_between_files_written_before_and_after(mount: &Mount) {
    let stamp = |name: &str| {
        let metadata = fs::metadata(mount.path(name)).unwrap();
        (metadata.mtime(), metadata.mtime_nsec())
    };
    for number in 0..100 {
        fs::write(mount.path("before"), number.to_string()).unwrap();
        let before = stamp("before");
        mount.project("between", number.to_string());
        fs::write(mount.path("after"), number.to_string()).unwrap();
        assert!(before <= stamp("between"), "older than a file written before");
        assert!(stamp("between") <= stamp("after"), "newer than a file written after");
    }
}

fn attributes_are_those_of_the_projection(mount: &Mount) {
    let mut projection = mount.blob("tool", "bytes");
    (projection.mode, projection.uid, projection.gid) = (0o4751, 12, 34);
    mount.view.project(&[projection]).unwrap();
    let metadata = fs::metadata(mount.path("tool")).unwrap();
    assert_eq!(metadata.mode(), 0o104_751);
    assert_eq!((metadata.uid(), metadata.gid(), metadata.nlink()), (12, 34, 1));
    assert_eq!((metadata.size(), metadata.blocks()), (5, 1));
    assert_eq!(metadata.mtime_nsec(), metadata.ctime_nsec());
}

fn an_executable_runs_straight_after_projection(mount: &Mount) {
    let program = fs::read("/bin/true").unwrap();
    for number in 0..20 {
        let name = format!("program-{}", number % 3);
        let mut projection = mount.blob(&name, &program);
        projection.mode = 0o755;
        let mut script = mount.blob("script", format!("#!/bin/sh\nexit {number}\n"));
        script.mode = 0o755;
        mount.view.project(&[projection, script]).unwrap();
        assert!(Command::new(mount.path(&name)).status().unwrap().success());
        let status = Command::new(mount.path("script")).status().unwrap();
        assert_eq!(status.code(), Some(number));
    }
}

fn a_large_file_is_read_and_mapped(mount: &Mount) {
    let bytes: Vec<u8> = (0..5_000_000_u32).flat_map(|n| (n / 3).to_le_bytes()).collect();
    mount.project("big", &bytes);
    assert_eq!(fs::read(mount.path("big")).unwrap(), bytes);
    let file = File::open(mount.path("big")).unwrap();
    let length = bytes.len().try_into().unwrap();
    // SAFETY: the mapping is of a new range, and removed before `file` closes.
    let mapped =
        unsafe { mmap(None, length, ProtFlags::PROT_READ, MapFlags::MAP_PRIVATE, &file, 0) };
    let mapped = mapped.unwrap();
    // SAFETY: `length` bytes are mapped there, and nobody changes them.
    let seen = unsafe { std::slice::from_raw_parts(mapped.as_ptr().cast::<u8>(), bytes.len()) };
    assert_eq!(seen, bytes);
    // SAFETY: the range is the one mapped above, and `seen` is not used again.
    unsafe { munmap(mapped, bytes.len()) }.unwrap();
}

fn what_cannot_be_replaced_refuses_the_whole_set(mount: &Mount) {
    fs::create_dir_all(mount.path("dir/sub")).unwrap();
    symlink("dir", mount.path("link")).unwrap();
    fs::write(mount.path("lower"), "lower").unwrap();
    let refuses = |path: &str| {
        let set = [mount.blob("fine", "1"), mount.blob("lower", "2"), mount.blob(path, "3")];
        mount.view.project(&set).unwrap_err()
    };
    assert!(matches!(refuses("dir/sub"), ProjectError::NotRegular(_)));
    assert!(matches!(refuses("link"), ProjectError::NotRegular(_)));
    assert!(matches!(refuses("missing/a.o"), ProjectError::NoDirectory(_)));
    assert!(matches!(refuses("lower/a.o"), ProjectError::NoDirectory(_)));
    assert!(matches!(refuses("link/a.o"), ProjectError::ThroughLink(_)));
    assert!(matches!(refuses("fine"), ProjectError::Twice(_)));
    for path in ["", "/etc/a.o", "dir/../a.o", ".", "../a.o"] {
        assert!(matches!(refuses(path), ProjectError::NotPlain(_)), "{path}");
    }
    assert_eq!(names(&mount.path("")), ["dir", "link", "lower"]);
    assert_eq!(fs::read(mount.path("lower")).unwrap(), b"lower");
    assert_eq!(mount.view.projected(), 0);
    assert_eq!(fs::read_link(mount.path("link")).unwrap(), Path::new("dir"));
}

fn an_open_file_outlives_its_replacement(mount: &Mount) {
    let path = mount.path("a.o");
    fs::write(&path, "lower").unwrap();
    let mut lower = File::open(&path).unwrap();
    mount.project("a.o", "first");
    let mut first = File::open(&path).unwrap();
    mount.project("a.o", "second");
    let read = |file: &mut File| {
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        (text, file.metadata().unwrap().nlink())
    };
    assert_eq!(read(&mut lower), ("lower".into(), 0));
    assert_eq!(read(&mut first), ("first".into(), 0));
    lower.set_permissions(PermissionsExt::from_mode(0o400)).unwrap();
    assert_eq!(lower.metadata().unwrap().mode() & 0o777, 0o400);
    assert_eq!(fs::read(&path).unwrap(), b"second");
}

fn many_projections_into_one_directory_hold_few_descriptors(mount: &Mount) {
    fs::create_dir(mount.path("dir")).unwrap();
    let open = || fs::read_dir("/proc/self/fd").unwrap().count();
    mount.project("dir/first", "first");
    let before = open();
    for number in 0..2_000 {
        mount.project(&format!("dir/{number}.o"), "same");
    }
    // Other tests run in this process too, and open files of their own.
    assert!(open() < before + 1_000, "each projected file holds a descriptor");
    assert_eq!(names(&mount.path("dir")).len(), 2_001);
}
