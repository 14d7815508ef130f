//! The directory below a view is changed behind it.

use std::fs::{self, File, FileTimes};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use zccache_tests::{Command, Sandbox};

/// How the header is changed; `below` is its directory without the view.
type Edit = (&'static str, fn(below: &Path));

/// A value in a header, always as long.
fn header(value: u32) -> String {
    format!("#define H {value}\n")
}

const EDITS: &[Edit] = &[
    ("in place", |below| fs::write(below.join("h.h"), header(2)).expect("a file")),
    ("in place, its time restored", |below| {
        let file = File::options().write(true).open(below.join("h.h")).expect("a file");
        let modified = file.metadata().and_then(|meta| meta.modified()).expect("a time");
        file.write_all_at(header(3).as_bytes(), 0).expect("it is written");
        file.set_times(FileTimes::new().set_modified(modified)).expect("a time");
    }),
    ("longer", |below| {
        fs::write(below.join("h.h"), format!("/* longer */\n{}", header(4))).expect("a file");
    }),
    ("renamed over", |below| {
        fs::write(below.join("new"), header(5)).expect("a file");
        fs::rename(below.join("new"), below.join("h.h")).expect("it is renamed");
    }),
    ("another before it in the path", |below| {
        fs::write(below.join("first/h.h"), header(6)).expect("a file");
    }),
    ("that one removed again", |below| fs::remove_file(below.join("first/h.h")).expect("a file")),
];

/// Compiles with `launcher` in front, if any; returns what is in the object.
fn compile(sandbox: &Sandbox, directory: &Path, launcher: Option<&Path>) -> Vec<u8> {
    let object = directory.join("a.o");
    let _absent = fs::remove_file(&object);
    let command = Command::from("gcc -Ifirst -I. -c a.c -o a.o");
    let command = command.behind(launcher.as_slice());
    let _ = sandbox.bare(directory, command).succeeded();
    fs::read(object).expect("an object")
}

/// After each edit the compile is what a bare one in the directory below is, once
/// its names have been listed, and even without that nothing wrong is kept for later.
#[test]
fn inputs_changed_behind_a_view_are_never_served_wrong() {
    let ways = [true, false].into_iter().flat_map(|l| [(l, "0"), (l, "at-once")]);
    for (listed, watch) in ways {
        let mut sandbox = Sandbox::new();
        sandbox.set("ZCCACHE_WATCH", watch);
        let view = sandbox.path("work");
        fs::create_dir(view.join("first")).expect("a directory");
        fs::write(view.join("a.c"), "#include <h.h>\nint x = H;\n").expect("a file");
        fs::write(view.join("h.h"), header(1)).expect("a file");
        let before = File::open(&view).expect("a directory");
        let below = PathBuf::from(format!("/proc/self/fd/{}", before.as_raw_fd()));
        sandbox.mount(&view);
        let launcher = sandbox.programs().launcher();
        let through_the_view = || {
            std::thread::sleep(std::time::Duration::from_millis(30));
            let made = compile(&sandbox, &view, Some(&launcher));
            sandbox.settle();
            made
        };
        let _ = through_the_view();
        for (how, edit) in EDITS {
            edit(&below);
            if listed {
                for directory in [view.clone(), view.join("first")] {
                    let _ = fs::read_dir(directory).expect("a directory").count();
                }
                assert_eq!(through_the_view(), bare(&sandbox, &below), "{how}");
            } else {
                let _perhaps_stale = through_the_view();
            }
        }
        sandbox.umount(&view);
        for _ in 0..2 {
            assert_eq!(through_the_view(), bare(&sandbox, &view), "listed: {listed}");
        }
        let _ = sandbox.zccache(&["stop"]).succeeded();
    }
}

/// What a compile in a copy of the directory makes.
fn bare(sandbox: &Sandbox, directory: &Path) -> Vec<u8> {
    let copy = sandbox.path("copy");
    let _absent = fs::remove_dir_all(&copy);
    fs::create_dir_all(copy.join("first")).expect("a directory");
    for name in ["a.c", "h.h", "first/h.h"] {
        let _absent = fs::copy(directory.join(name), copy.join(name));
    }
    compile(sandbox, &copy, None)
}
