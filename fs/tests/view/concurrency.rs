use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use zccache_fs::Settle;

use crate::support::{Mount, names};

in_both_modes! {
    projecting_while_others_create_and_remove
    projecting_over_what_others_write
    what_two_project_at_once_is_listed_at_once
    settling_while_others_append
    removing_directories_while_projecting_into_them
    looking_while_everything_moves
}

/// Notifications wait for the directory that clients hold while they wait for
/// the view: nobody may wait for both.
fn projecting_while_others_create_and_remove(mount: &Mount) {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for client in 0..3 {
            let (mount, done) = (&mount, &done);
            scope.spawn(move || {
                let (one, two) = (format!("{client}.one"), format!("{client}.two"));
                while !done.load(Ordering::Relaxed) {
                    fs::write(mount.path(&one), "lower").unwrap();
                    fs::rename(mount.path(&one), mount.path(&two)).unwrap();
                    fs::read_dir(mount.path("")).unwrap().for_each(drop);
                    fs::remove_file(mount.path(&two)).unwrap();
                }
            });
        }
        for number in 0..1_000 {
            let name = format!("{number}.o");
            assert!(!mount.path(&name).exists());
            mount.project(&name, "same");
            assert!(mount.path(&name).exists());
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(fs::read_dir(mount.path("")).unwrap().count(), 1_000);
}

fn projecting_over_what_others_write(mount: &Mount) {
    let done = AtomicBool::new(false);
    let ours = |text: &str| text == "projected" || text.is_empty() || text.starts_with("lower");
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    // The view may change the file twice between two looks of the kernel,
                    // which then says ESTALE as for any file that is gone.
                    let _replaced = fs::write(mount.path("file"), "lower");
                    let read = fs::read_to_string(mount.path("file"));
                    assert!(ours(&read.unwrap_or_default()));
                }
            });
        }
        for _ in 0..500 {
            mount.project("file", "projected");
        }
        done.store(true, Ordering::Relaxed);
    });
    mount.project("file", "projected");
    assert_eq!(fs::read(mount.path("file")).unwrap(), b"projected");
    mount.blobs.check();
}

/// Either projection may have the kernel forget the listing for both; neither returns
/// before it has.
fn what_two_project_at_once_is_listed_at_once(mount: &Mount) {
    thread::scope(|scope| {
        for one in ["a", "b"] {
            scope.spawn(move || {
                for number in 0..150 {
                    let name = format!("{one}{number}");
                    mount.project(&name, "same");
                    assert!(names(&mount.path("")).contains(&name), "{name}");
                    let time = |name: &str| fs::metadata(mount.path(name)).unwrap().modified();
                    assert!(time("").unwrap() >= time(&name).unwrap(), "{name}");
                }
            });
        }
    });
}

fn settling_while_others_append(mount: &Mount) {
    for number in 0..50 {
        mount.project(&format!("{number}.log"), "0\n");
    }
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for number in 0..50 {
                    let path = mount.path(&format!("{number}.log"));
                    let mut log = fs::OpenOptions::new().append(true).open(path).unwrap();
                    std::io::Write::write_all(&mut log, b"1\n").unwrap();
                }
            });
        }
        scope.spawn(|| assert!(mount.view.settle(Settle::Materialise).failed.is_empty()));
    });
    for number in 0..50 {
        let text = fs::read_to_string(mount.path(&format!("{number}.log"))).unwrap();
        assert_eq!(text, "0\n1\n1\n");
    }
    assert_eq!(mount.view.projected(), 0);
}

fn removing_directories_while_projecting_into_them(mount: &Mount) {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let _present = fs::create_dir(mount.path("dir"));
                let _projected = fs::remove_dir(mount.path("dir"));
                let _missing = fs::remove_file(mount.path("dir/file"));
            }
        });
        for _ in 0..500 {
            let _missing = mount.try_project("dir/file", "bytes");
        }
        done.store(true, Ordering::Relaxed);
    });
    let _present = fs::create_dir(mount.path("dir"));
    mount.project("dir/file", "bytes");
    assert_eq!(fs::read(mount.path("dir/file")).unwrap(), b"bytes");
    fs::remove_dir_all(mount.path("dir")).unwrap();
    assert_eq!(mount.view.projected(), 0);
}

fn looking_while_everything_moves(mount: &Mount) {
    for number in 0..20 {
        mount.project(&format!("{number}"), "bytes");
    }
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                for number in 0..20 {
                    mount.view.look(format!("{number}").as_ref(), true).unwrap();
                }
                mount.view.list("".as_ref()).unwrap();
                assert!(mount.view.digests().len() <= 20);
            }
        });
        for round in 0..50 {
            for number in 0..20 {
                let (from, to) = (format!("{number}"), format!("{}", (number + 1) % 20));
                fs::rename(mount.path(&from), mount.path(&to)).unwrap();
                mount.project(&from, format!("{round}"));
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(mount.view.projected(), 20);
}
