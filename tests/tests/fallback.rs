//! Where the cache cannot work, the build does not notice, and a person who
//! asks is told why.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use zccache_core::Reason;
use zccache_core::settings::socket_path;
use zccache_tests::{Command, Compiler, Outcome, Place, Sandbox, Trial, confine, trial};

const COMPILE: &str = "gcc -Wall -MD -c a.c -o a.o";

/// Compiles in a place where the cache is unwell, twice, and compares.
fn unwell(
    prepare: impl Fn(&mut Trial),
    confine: impl Fn(&mut std::process::Command, &Sandbox),
) -> Trial {
    let mut trial = Trial::new(Place::Plain, Compiler::Gcc);
    trial.file("a.c", "int f(void) { int unused; return 1; }\n");
    let expected = trial.bare(&COMPILE.into());
    prepare(&mut trial);
    trial.age();
    for _ in 0..2 {
        assert_eq!(launch_confined(&trial, &confine), expected);
        trial.assert_same_trees("compiling with an unwell cache");
    }
    trial
}

/// As [`unwell`], where `zccache doctor` finds something wrong and names `what`.
fn unwell_and_told(
    prepare: impl Fn(&mut Trial),
    confine: impl Fn(&mut std::process::Command, &Sandbox),
    what: &str,
) {
    let trial = unwell(prepare, &confine);
    let said = doctor(&trial, |process| confine(process, trial.sandbox()));
    let broken: Vec<_> = said.lines().filter(|line| line.starts_with("broken")).collect();
    assert!(broken.iter().any(|line| line.contains(what)), "nothing of {what}: {said}");
}

fn launch_confined(
    trial: &Trial,
    confine: &impl Fn(&mut std::process::Command, &Sandbox),
) -> Outcome {
    let command = trial.sandbox().launched(COMPILE);
    let mut process = command.process(trial.tree(), trial.sandbox().environment());
    confine(&mut process, trial.sandbox());
    command.finish(&mut process)
}

fn stop(trial: &Trial) {
    let _ = trial.sandbox().zccache(&["stop"]).succeeded();
}

/// Names another store. The daemon of the first one stays idle.
fn store_at(trial: &mut Trial, path: impl AsRef<Path>) {
    stop(trial);
    trial.sandbox_mut().set("ZCCACHE_DIR", path.as_ref());
}

#[test]
fn a_store_that_cannot_exist() {
    for path in ["/dev/null/store", "/proc/store"] {
        unwell_and_told(|trial| store_at(trial, path), |_, _| (), path);
    }
}

#[test]
fn a_store_that_is_a_file() {
    let take = |trial: &mut Trial| {
        let file = trial.sandbox().path("file");
        fs::write(&file, "no store").expect("a file");
        store_at(trial, &file);
    };
    unwell_and_told(take, |_, _| (), "/file");
}

#[test]
fn a_store_that_is_read_only() {
    let confine = |process: &mut std::process::Command, sandbox: &Sandbox| {
        confine::read_only(process, &sandbox.store());
    };
    let prepare = |trial: &mut Trial| {
        stop(trial);
        let run = trial.sandbox().path("run");
        trial.sandbox_mut().set("XDG_RUNTIME_DIR", run);
    };
    let trial = unwell(prepare, confine);
    let said = doctor(&trial, |process| confine(process, trial.sandbox()));
    assert!(said.contains("cannot be written: results are used"), "{said}");
}

#[test]
fn a_store_on_a_full_disk() {
    let confine = |process: &mut std::process::Command, sandbox: &Sandbox| {
        confine::small_disk(process, &sandbox.store(), 64);
    };
    unwell_and_told(stop_mut, confine, "full");
}

fn stop_mut(trial: &mut Trial) {
    stop(trial);
}

#[test]
fn a_store_with_too_long_a_path() {
    let _ = unwell(
        |trial| {
            let long = trial.sandbox().path("long".repeat(50));
            store_at(trial, long);
        },
        |_, _| (),
    );
}

#[test]
fn no_place_for_a_store_at_all() {
    let confine = |process: &mut std::process::Command, _: &Sandbox| {
        process.env_remove("ZCCACHE_DIR").env_remove("HOME");
    };
    unwell_and_told(stop_mut, confine, "ZCCACHE_DIR");
}

#[test]
fn settings_that_make_no_sense() {
    let confine = |process: &mut std::process::Command, _: &Sandbox| {
        process.env("ZCCACHE_MAX_SIZE", "plenty");
    };
    unwell_and_told(stop_mut, confine, "ZCCACHE_MAX_SIZE");
}

#[test]
fn no_daemon_beside_the_launcher() {
    let trial = Trial::new(Place::Plain, Compiler::Gcc);
    stop(&trial);
    trial.file("a.c", "int x;\n");
    let lonely = trial.sandbox().path("zccache-launch");
    fs::copy(trial.sandbox().programs().launcher(), &lonely).expect("a copy");
    for _ in 0..2 {
        let expected = trial.bare(&COMPILE.into());
        let found = trial.sandbox().bare(trial.tree(), Command::from(COMPILE).behind(&[&lonely]));
        assert_eq!(found, expected);
        trial.assert_same_trees("compiling without a daemon");
    }
}

#[test]
fn few_descriptors() {
    let _ = unwell(|_| (), |process, _| confine::limit_descriptors(process, 12));
    let _ = unwell(stop_mut, |process, _| confine::limit_descriptors(process, 12));
}

#[test]
fn no_directory_for_temporary_files() {
    let _ = unwell(stop_mut, |process, _| {
        process.env_remove("TMPDIR").env_remove("PATH").env("PATH", "/usr/bin");
    });
}

#[test]
fn seccomp_refused_is_a_counted_bypass() {
    let trial = Trial::new(Place::Plain, Compiler::Gcc);
    trial.file("a.c", "int x;\n");
    trial.age();
    let expected = trial.bare(&COMPILE.into());
    let found = launch_confined(&trial, &|process: &mut std::process::Command, _: &Sandbox| {
        confine::refuse_seccomp(process);
    });
    assert_eq!(found, expected);
    trial.assert_same_trees("compiling unobserved");
    trial.sandbox().settle();
    let counted = trial.sandbox().counters();
    assert_eq!(counted.hits, 0);
    let reason = counted.reasons.get(Reason::ObserverUnavailable.slug());
    assert_eq!(reason, Some(&1), "{counted:?}");
    let said = doctor(&trial, confine::refuse_seccomp);
    assert!(said.contains("seccomp"), "{said}");
    trial.run_line(COMPILE).kept();
}

/// Everything that `zccache doctor` says in a confined process.
fn doctor(trial: &Trial, confine: impl Fn(&mut std::process::Command)) -> String {
    let command = Command::new([trial.sandbox().programs().control()]).arg("doctor");
    let mut process = command.process(trial.tree(), trial.sandbox().environment());
    confine(&mut process);
    let outcome = command.finish(&mut process);
    outcome.out() + &outcome.err()
}

/// Gives the process a `/dev` with little in it, as containers have.
fn hide_fuse(process: &mut std::process::Command, trial: &Trial) {
    let devices = trial.sandbox().path("dev");
    if fs::create_dir(&devices).is_ok() {
        let everybody = Mode::from_bits_truncate(0o666);
        for (name, minor) in [("null", 3), ("zero", 5), ("urandom", 9)] {
            let device = makedev(1, minor);
            mknod(&devices.join(name), SFlag::S_IFCHR, everybody, device).expect("a device");
        }
    }
    confine::bind(process, &devices, Path::new("/dev"), trial.tree());
}

#[test]
fn no_fuse_device_is_said_and_survived() {
    let trial = Trial::new(Place::Plain, Compiler::Gcc);
    trial.file("a.c", "int f(void) { int unused; return 1; }\n");
    trial.age();
    let said = doctor(&trial, |process| hide_fuse(process, &trial));
    assert!(said.contains("/dev/fuse"), "{said}");

    let control = trial.sandbox().programs().control();
    let confined = |command: &Command| {
        let mut process = command.process(trial.tree(), trial.sandbox().environment());
        hide_fuse(&mut process, &trial);
        command.finish(&mut process)
    };
    let mount = confined(&Command::new([&control]).arg("mount").arg(trial.tree()));
    assert!(!mount.status.success(), "{mount:?}");
    assert!(mount.err().contains("fuse"), "it says why: {mount:?}");

    let expected = trial.bare(&COMPILE.into());
    let run = Command::new([&control]).arg("run").arg("--mount").arg(trial.tree()).arg("--");
    let words = ["sh", "-c", "exec $CC -Wall -MD -c a.c -o a.o"];
    let found = confined(&words.iter().fold(run, |command, word| command.arg(word)));
    assert_eq!(found.status, expected.status, "{found:?}");
    assert!(found.err().contains("unused"), "{found:?}");
    trial.assert_same_trees("building without a view");
}

#[test]
fn a_daemon_that_does_not_answer() {
    let _ = unwell(
        |trial| {
            for pid in trial.sandbox().daemons() {
                kill(pid, Signal::SIGSTOP).expect("the daemon runs");
            }
        },
        |_, _| (),
    );
}

/// Answers every connection with `answer` and keeps it open.
fn stranger(trial: &Trial, answer: &'static [u8]) {
    stop(trial);
    let path = socket_path(&trial.sandbox().store());
    fs::remove_file(&path).ok();
    let listener = UnixListener::bind(path).expect("the socket is free");
    std::thread::spawn(move || {
        let mut connections = Vec::new();
        for connection in listener.incoming() {
            let Ok(mut connection) = connection else { return };
            let mut request = [0; 4096];
            let _ = connection.read(&mut request);
            connection.write_all(answer).ok();
            connections.push(connection);
        }
    });
}

#[test]
fn a_stranger_on_the_socket_who_says_nothing() {
    let _ = unwell(|trial| stranger(trial, b""), |_, _| ());
}

#[test]
fn a_stranger_on_the_socket_who_says_nonsense() {
    let _ = unwell(|trial| stranger(trial, b"HTTP/1.1 400 Bad Request\r\n\r\n"), |_, _| ());
    // A frame of another version, then one that announces four gibibytes.
    let _ = unwell(|trial| stranger(trial, b"zccp\xff\x7f\0\0\x01\0\0\0\0"), |_, _| ());
    let _ = unwell(|trial| stranger(trial, b"zccp\x01\0\0\0\xff\xff\xff\xff"), |_, _| ());
}

#[test]
fn a_daemon_that_hangs_up() {
    let _ = unwell(
        |trial| {
            stop(trial);
            let path = socket_path(&trial.sandbox().store());
            fs::remove_file(&path).ok();
            let listener = UnixListener::bind(path).expect("the socket is free");
            std::thread::spawn(move || listener.incoming().for_each(drop));
        },
        |_, _| (),
    );
}

#[test]
fn a_socket_that_nobody_listens_to() {
    let _ = unwell(
        |trial| {
            stop(trial);
            let path = socket_path(&trial.sandbox().store());
            fs::remove_file(&path).ok();
            drop(UnixListener::bind(path).expect("the socket is free"));
        },
        |_, _| (),
    );
    let _ = unwell(
        |trial| {
            stop(trial);
            fs::write(socket_path(&trial.sandbox().store()), "a file").expect("a file");
        },
        |_, _| (),
    );
}

#[test]
fn doctor_finds_nothing_wrong_where_all_is_well() {
    trial::once(Place::Plain, Compiler::Gcc, |trial| {
        let outcome = trial.sandbox().zccache(&["doctor"]);
        assert!(outcome.status.success(), "{outcome:?}");
    });
}
