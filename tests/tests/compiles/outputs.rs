//! Outputs at unusual places: what was there is treated as the compiler would.

use std::fs::{self, Permissions};
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::Path;

use nix::fcntl::OFlag;
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use nix::sys::time::TimeSpec;
use nix::unistd::mkfifo;
use zccache_tests::{Command, Trial};

use crate::trials;

const COMPILE: &str = "$CC -MD -c a.c -o a.o";

fn source(trial: &Trial) {
    trial.file("a.c", "int f(void) { return 1; }\n");
}

/// Runs a compile twice from a state that `prepare` brings about.
fn twice_after(trial: &Trial, line: &str, prepare: impl Fn(&Path)) {
    source(trial);
    trial.edit(prepare);
    let state = trial.state();
    trial.run_line(line).counted_once();
    trial.reset(&state);
    trial.run_line(line).counted_once();
    // What a plain output left in the cache must not be put here either.
    trial.edit(|root| remove_all(&root.join("a.o")));
    trial.run_line(line).counted_once();
    trial.reset(&state);
    trial.run_line(line).counted_once();
}

fn remove_all(path: &Path) {
    match path.symlink_metadata() {
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(path).expect("it can be removed"),
        Ok(_) => fs::remove_file(path).expect("it can be removed"),
        Err(_) => (),
    }
}

fn the_null_device_survives(trial: &Trial) {
    let null = Path::new("/dev/null");
    let intact =
        || null.metadata().is_ok_and(|meta| meta.file_type().is_char_device() && meta.rdev() != 0);
    assert!(intact());
    source(trial);
    trial.file("a.h", "");
    let lines = ["$CC -c a.c -o /dev/null", "$CC -MD -MF /dev/null -c a.c -o a.o"];
    for line in lines.iter().chain(&lines) {
        trial.run_line(line).counted_once();
        if !intact() {
            remove_all(null);
            let everybody = Mode::from_bits_truncate(0o666);
            mknod(null, SFlag::S_IFCHR, everybody, makedev(1, 3)).expect("the device is back");
            panic!("{line} has replaced /dev/null");
        }
    }
}

fn an_output_that_is_a_device(trial: &Trial) {
    twice_after(trial, COMPILE, |root| {
        let everybody = Mode::from_bits_truncate(0o666);
        mknod(&root.join("a.o"), SFlag::S_IFCHR, everybody, makedev(1, 3)).expect("a device");
    });
}

fn an_output_that_is_a_directory(trial: &Trial) {
    twice_after(trial, COMPILE, |root| fs::create_dir(root.join("a.o")).expect("a directory"));
}

fn an_output_that_is_a_symlink(trial: &Trial) {
    twice_after(trial, COMPILE, |root| {
        fs::write(root.join("real.o"), "old").expect("a file");
        symlink("real.o", root.join("a.o")).expect("a link");
    });
}

fn an_output_that_is_a_dangling_symlink(trial: &Trial) {
    twice_after(trial, COMPILE, |root| {
        symlink("nowhere.o", root.join("a.o")).expect("a link");
        symlink("missing/a.d", root.join("a.d")).expect("a link");
    });
}

fn an_output_in_a_symlinked_directory(trial: &Trial) {
    twice_after(trial, "$CC -MD -c a.c -o alias/a.o", |root| {
        fs::create_dir(root.join("real")).expect("a directory");
        symlink("real", root.join("alias")).expect("a link");
    });
}

fn an_output_that_is_a_hard_link(trial: &Trial) {
    twice_after(trial, COMPILE, |root| {
        fs::write(root.join("a.o"), "old").expect("a file");
        fs::hard_link(root.join("a.o"), root.join("alias.o")).expect("a link");
        fs::write(root.join("a.d"), "old").expect("a file");
        fs::hard_link(root.join("a.d"), root.join("alias.d")).expect("a link");
    });
}

fn an_output_that_is_read_only(trial: &Trial) {
    twice_after(trial, COMPILE, |root| {
        for name in ["a.o", "a.d"] {
            fs::write(root.join(name), "old").expect("a file");
            fs::set_permissions(root.join(name), Permissions::from_mode(0o400)).expect("a mode");
        }
    });
}

fn an_output_with_a_mode_of_its_own(trial: &Trial) {
    twice_after(trial, COMPILE, |root| {
        for name in ["a.o", "a.d"] {
            fs::write(root.join(name), "old").expect("a file");
            fs::set_permissions(root.join(name), Permissions::from_mode(0o751)).expect("a mode");
        }
    });
}

fn an_output_that_is_the_standard_output(trial: &Trial) {
    source(trial);
    for line in ["$CC -S a.c -o -", "$CC -S a.c -o /dev/stdout", "$CC -S a.c -o /proc/self/fd/1"] {
        trial.run_line(line).counted_once();
        trial.run_line(line).counted_once();
    }
}

/// The assembly of so small a source fits in the buffer of a fifo.
fn an_output_that_is_a_fifo_reaches_its_reader(trial: &Trial) {
    source(trial);
    trial.edit(|root| mkfifo(&root.join("a.s"), Mode::S_IRWXU).expect("a fifo"));
    let open = |root: &Path| {
        let mut how = fs::OpenOptions::new();
        how.read(true).custom_flags(OFlag::O_NONBLOCK.bits());
        how.open(root.join("a.s")).expect("a fifo can be read")
    };
    for _ in 0..2 {
        let (mut bare, mut cached) = (open(trial.twin()), open(trial.tree()));
        trial.run_line("$CC -S a.c -o a.s").counted_once();
        let mut text = [Vec::new(), Vec::new()];
        bare.read_to_end(&mut text[0]).expect("the writer has ended");
        cached.read_to_end(&mut text[1]).expect("the writer has ended");
        assert_eq!(text[0], text[1]);
        assert!(!text[0].is_empty());
    }
}

fn an_output_named_twice(trial: &Trial) {
    source(trial);
    trial.run_line("$CC -c a.c -o first.o -o second.o").counted_once();
    trial.run_line("$CC -MD -MF same -c a.c -o same").counted_once();
}

fn an_output_over_its_own_source(trial: &Trial) {
    source(trial);
    let state = trial.state();
    for _ in 0..2 {
        trial.run_line("$CC -c a.c -o a.c").not_hit();
        trial.reset(&state);
    }
}

/// Build tools compare times: an output is newer than all that existed before.
fn an_output_is_newer_than_what_was_there_before(trial: &Trial) {
    source(trial);
    trial.run_line(COMPILE).kept();
    trial.edit(|root| {
        remove_all(&root.join("a.o"));
        fs::write(root.join("a.c"), "int f(void) { return 1; }\n").expect("a file");
    });
    trial.run_line(COMPILE).hit();
    let time = |name: &str| {
        let meta = trial.tree().join(name).metadata().expect("it is there");
        TimeSpec::new(meta.mtime(), meta.mtime_nsec())
    };
    assert!(time("a.o") > time("a.c"), "{:?} {:?}", time("a.o"), time("a.c"));
    assert!(time("a.d") > time("a.c"), "{:?} {:?}", time("a.d"), time("a.c"));
    trial.edit(|root| fs::write(root.join("later"), "").expect("a file"));
    assert!(time("later") > time("a.o"), "{:?} {:?}", time("later"), time("a.o"));
}

/// What is in the cache does not change when an output that came from it does.
fn an_output_that_is_edited_leaves_the_cache_alone(trial: &Trial) {
    source(trial);
    let state = trial.state();
    trial.run_line(COMPILE).kept();
    for _ in 0..2 {
        trial.reset(&state);
        trial.run_line(COMPILE).hit();
        trial.edit(|root| {
            let object = root.join("a.o");
            let mut bytes = fs::read(&object).expect("it is there");
            bytes.truncate(100);
            bytes.extend_from_slice(b"scribble");
            fs::write(&object, bytes).expect("it can be written");
            fs::OpenOptions::new().append(true).open(root.join("a.d")).expect("it is there");
        });
        trial.assert_same_trees("scribbling over the object");
    }
}

/// As `ninja` does with a depfile once it has read it, and automake.
fn depfiles_are_removed_or_renamed_at_once(trial: &Trial) {
    for number in 0..10 {
        trial.file("a.c", format!("int f(void) {{ return {number}; }}\n"));
        for then in ["rm a.d", "mv -f a.d b.d"] {
            let compile = format!("{} -MD -c a.c -o a.o", trial.compiler().c());
            let launcher = trial.sandbox().programs().launcher();
            let shell = |compile: &str| Command::new(["sh", "-c", &format!("{compile} && {then}")]);
            let cached = shell(&format!("{} {compile}", launcher.display()));
            let step = trial.run_pair(shell(&compile), cached);
            if then == "rm a.d" {
                step.kept()
            } else {
                step.hit()
            };
        }
    }
}

trials!(
    depfiles_are_removed_or_renamed_at_once,
    the_null_device_survives,
    an_output_that_is_a_device,
    an_output_that_is_a_directory,
    an_output_that_is_a_symlink,
    an_output_that_is_a_dangling_symlink,
    an_output_in_a_symlinked_directory,
    an_output_that_is_a_hard_link,
    an_output_that_is_read_only,
    an_output_with_a_mode_of_its_own,
    an_output_that_is_the_standard_output,
    an_output_that_is_a_fifo_reaches_its_reader,
    an_output_named_twice,
    an_output_over_its_own_source,
    an_output_is_newer_than_what_was_there_before,
    an_output_that_is_edited_leaves_the_cache_alone,
);
