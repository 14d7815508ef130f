//! What changes while a compile runs, at moments that the test chooses.
//!
//! The compiler is a script that stops itself (`SIGSTOP`, which nobody can
//! observe) where `$WINDOWID`, a variable that is no part of a key, says so.

use std::fs;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use zccache_tests::command::Running;
use zccache_tests::sandbox::eventually;
use zccache_tests::{Command, Compiler, Place, Trial, scenario, trial};

use crate::trials;

/// Compiles `a.c` and `b.c`, which both include `<a.h>`, one after the other.
const SCRIPT: &str = r#"
    mkdir -p bin one two
    printf '#!/bin/sh\nat() { if test "$WINDOWID" = $1; then kill -STOP $$; fi; }\nat start\n%s -Ione -Itwo -c a.c -o a.o\nat middle\n%s -Ione -Itwo -c b.c -o b.o\nat end\n' $CC $CC >bin/cc
    chmod +x bin/cc
    printf '#include <a.h>\nint f = A;\n' >a.c
    printf '#include <a.h>\nint g = A;\n' >b.c
    printf '#define A 1\n' >two/a.h
"#;

/// A compile that has stopped.
struct Stopped<'a> {
    trial: &'a Trial,
    running: Running,
    pid: Pid,
}

fn compile() -> Command {
    Command::from("bin/cc -c a.c b.c")
}

/// Starts a compile in the tree and waits until it has stopped.
fn stopped_at<'a>(trial: &'a Trial, moment: &str) -> Stopped<'a> {
    start(trial, compile().env("WINDOWID", moment))
}

fn start(trial: &Trial, command: Command) -> Stopped<'_> {
    trial.age();
    let running = trial.sandbox().start_launch(trial.tree(), command);
    let mut found = None;
    eventually("the compile has stopped", || {
        found = stopped_process(trial.tree());
        found.is_some()
    });
    Stopped { trial, running, pid: found.expect("it has been found") }
}

impl Stopped<'_> {
    fn resume(self) {
        self.release();
        let _ = self.running.wait().succeeded();
        self.trial.sandbox().settle();
    }

    fn release(&self) {
        kill(self.pid, Signal::SIGCONT).expect("it is there");
    }
}

/// The stopped process that works in a directory.
fn stopped_process(directory: &Path) -> Option<Pid> {
    let processes = fs::read_dir("/proc").expect("/proc is mounted");
    let names = processes.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names
        .filter_map(|name| name.parse().ok())
        .find(|pid: &i32| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let state = stat.rsplit(") ").next().unwrap_or_default();
            let cwd = fs::read_link(format!("/proc/{pid}/cwd"));
            state.starts_with('T') && cwd.is_ok_and(|cwd| cwd == directory)
        })
        .map(Pid::from_raw)
}

/// What is compiled from now on is right in this state and the two before it.
fn right_from_now_on(trial: &Trial) {
    let state = trial.state();
    for text in
        ["rm -f a.o b.o", "printf '#define A 1\\n' >two/a.h", "printf '#define A 2\\n' >two/a.h"]
    {
        scenario::play(trial, &format!("{text}\nany: bin/cc -c a.c b.c\n"));
    }
    scenario::play(trial, "rm -rf one; mkdir one\nany: bin/cc -c a.c b.c\n");
    scenario::play(trial, "printf '#define A 1\\n' >two/a.h\nany: bin/cc -c a.c b.c\n");
    trial.reset(&state);
    trial.run(compile()).counted_once();
}

/// Changes the tree at a moment of a compile and judges all that follow.
fn changed(trial: &Trial, moment: &str, edits: &str) {
    scenario::play(trial, SCRIPT);
    let stopped = stopped_at(trial, moment);
    scenario::shell_in_both(trial, edits);
    stopped.resume();
    scenario::shell_in_both(trial, "rm -f a.o b.o");
    right_from_now_on(trial);
}

fn an_input_before_it_is_read(trial: &Trial) {
    changed(trial, "start", "printf '#define A 2\\n' >two/a.h");
}

fn an_input_between_two_readings(trial: &Trial) {
    changed(trial, "middle", "printf '#define A 2\\n' >two/a.h");
}

fn an_input_after_the_last_reading(trial: &Trial) {
    changed(trial, "end", "printf '#define A 2\\n' >two/a.h");
}

fn an_input_with_its_time_restored(trial: &Trial) {
    let edits = "touch -r two/a.h t; printf '#define A 2\\n' >two/a.h; touch -r t two/a.h; rm t";
    changed(trial, "middle", edits);
}

/// The second store leaves no stamp: the page has been dirty since the first. A view
/// does not know who has mapped a file (`docs/CACHE_KEYS.md`).
#[test]
fn an_input_through_a_mapping_from_before() {
    for compiler in Compiler::ALL {
        trial::once(Place::Plain, compiler, mapped_from_before);
    }
}

fn mapped_from_before(trial: &Trial) {
    use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
    scenario::play(trial, SCRIPT);
    let header = trial.tree().join("two/a.h");
    let file = fs::OpenOptions::new().read(true).write(true).open(&header).expect("it is there");
    let (length, access) =
        (4096.try_into().expect("not 0"), ProtFlags::PROT_READ | ProtFlags::PROT_WRITE);
    // SAFETY: a new mapping, which nothing else knows.
    let page = unsafe { mmap(None, length, access, MapFlags::MAP_SHARED, &file, 0) };
    let page = page.expect("files can be mapped");
    let at = "#define A ".len();
    // SAFETY: the page has that byte.
    let byte = unsafe { page.cast::<u8>().add(at) };
    // SAFETY: the page may be written, and is not shared within this process.
    let store = |digit: u8| unsafe { byte.write_volatile(digit) };
    store(b'2');
    drop(file);
    let stopped = stopped_at(trial, "end");
    store(b'3');
    // SAFETY: nothing points there any more.
    unsafe { munmap(page, 4096) }.expect("it is mapped");
    fs::write(trial.twin().join("two/a.h"), "#define A 3\n").expect("it can be written");
    stopped.resume();
    scenario::shell_in_both(trial, "rm -f a.o b.o");
    right_from_now_on(trial);
}

fn an_input_that_is_removed(trial: &Trial) {
    changed(trial, "end", "rm two/a.h; printf '#define A 2\\n' >one/a.h");
}

fn a_header_appears_between_two_readings(trial: &Trial) {
    changed(trial, "middle", "printf '#define A 2\\n' >one/a.h");
}

fn a_header_appears_after_the_last_reading(trial: &Trial) {
    changed(trial, "end", "printf '#define A 2\\n' >one/a.h");
}

/// Changes the tree in the middle and takes the change back at the end.
fn changed_and_back(trial: &Trial, there: &str, back: &str) {
    scenario::play(trial, SCRIPT);
    scenario::shell_in_both(
        trial,
        "sed -i 's/^at middle$/at middle; WINDOWID=${WINDOWID:+end}/' bin/cc",
    );
    let middle = stopped_at(trial, "middle");
    scenario::shell_in_both(trial, there);
    middle.release();
    eventually("the second source is compiled", || trial.tree().join("b.o").is_file());
    let mut end = None;
    eventually("the compile has stopped again", || {
        end = stopped_process(trial.tree());
        end.is_some()
    });
    scenario::shell_in_both(trial, back);
    middle.resume();
    scenario::shell_in_both(trial, "rm -f a.o b.o");
    right_from_now_on(trial);
}

fn a_header_appears_and_disappears(trial: &Trial) {
    changed_and_back(trial, "printf '#define A 2\\n' >one/a.h", "rm one/a.h");
}

fn two_directories_swap_and_swap_back(trial: &Trial) {
    let swap = "mv two t; mv three two; mv t three";
    scenario::shell_in_both(trial, "mkdir three; printf '#define A 2\\n' >three/a.h");
    changed_and_back(trial, swap, swap);
}

fn two_headers_swap_and_swap_back(trial: &Trial) {
    let swap = "mv two/a.h t; mv three/a.h two/a.h; mv t three/a.h";
    scenario::shell_in_both(trial, "mkdir three; printf '#define A 2\\n' >three/a.h");
    changed_and_back(trial, swap, swap);
}

fn a_link_is_retargeted_and_back(trial: &Trial) {
    scenario::shell_in_both(trial, "mkdir real three; printf '#define A 2\\n' >three/a.h");
    changed_and_back(trial, "rmdir one; ln -s three one", "rm one; mkdir one");
}

/// Another process writes an output while the compile still runs.
fn an_output_is_written_by_another(trial: &Trial) {
    changed(trial, "end", "printf 'xx' | dd of=a.o bs=1 seek=70 conv=notrunc 2>/dev/null");
}

fn an_output_is_replaced_by_another(trial: &Trial) {
    changed(trial, "end", "cp b.o t 2>/dev/null && mv t a.o || true");
}

fn an_output_is_stripped_or_removed(trial: &Trial) {
    changed(trial, "end", "rm -f a.o; echo >>b.o");
}

/// Two compiles at once write one object; what each is remembered by is its own.
fn two_writers_of_one_output(trial: &Trial) {
    scenario::play(trial, "
        mkdir bin
        printf '#!/bin/sh\\n%s \"$@\"\\nif test \"$WINDOWID\" = end; then kill -STOP $$; fi\\n' $CC >bin/cc; chmod +x bin/cc
        printf 'int f;\\n' >a.c; printf 'int g;\\n' >b.c
    ");
    let first = Command::from("bin/cc -c a.c -o x.o");
    let second = Command::from("bin/cc -c b.c -o x.o");
    let stopped = start(trial, first.clone().env("WINDOWID", "end"));
    let _ = trial.sandbox().launch(trial.tree(), &second).succeeded();
    stopped.resume();
    scenario::shell_in_both(trial, "rm -f x.o");
    for command in [&first, &second, &first, &second] {
        trial.run(command).counted_once();
    }
}

trials!(
    an_input_before_it_is_read,
    an_input_between_two_readings,
    an_input_after_the_last_reading,
    an_input_with_its_time_restored,
    an_input_that_is_removed,
    a_header_appears_between_two_readings,
    a_header_appears_after_the_last_reading,
    a_header_appears_and_disappears,
    two_directories_swap_and_swap_back,
    two_headers_swap_and_swap_back,
    a_link_is_retargeted_and_back,
    an_output_is_written_by_another,
    an_output_is_replaced_by_another,
    an_output_is_stripped_or_removed,
    two_writers_of_one_output,
);

/// The compile has ended and its caller goes on while the daemon has not yet
/// looked at anything.
fn changed_before_the_daemon_looks(edits: &str) {
    trial::once(Place::Plain, Compiler::Gcc, |trial| {
        scenario::play(trial, SCRIPT);
        let stopped = stopped_at(trial, "end");
        let daemons = trial.sandbox().daemons();
        let signal = |signal| daemons.iter().for_each(|pid| kill(*pid, signal).expect("it runs"));
        signal(Signal::SIGSTOP);
        stopped.release();
        let outcome = stopped.running.wait();
        scenario::shell_in_both(trial, edits);
        signal(Signal::SIGCONT);
        let _ = outcome.succeeded();
        trial.sandbox().settle();
        scenario::shell_in_both(trial, "rm -f a.o b.o");
        right_from_now_on(trial);
    });
}

#[test]
fn an_input_before_the_daemon_looks() {
    changed_before_the_daemon_looks("printf '#define A 2\\n' >two/a.h");
}

#[test]
fn an_input_replaced_before_the_daemon_looks() {
    changed_before_the_daemon_looks(
        "printf '#define A 2\\n' >t; touch -r two/a.h t; mv t two/a.h; printf '#define A 3\\n' >one/a.h",
    );
}

#[test]
fn an_output_before_the_daemon_looks() {
    changed_before_the_daemon_looks(
        "test ! -e a.o || { touch -r a.o t; printf 'xx' | dd of=a.o bs=1 seek=70 conv=notrunc 2>/dev/null; touch -r t a.o; rm t; }",
    );
}

#[test]
fn an_output_removed_before_the_daemon_looks() {
    changed_before_the_daemon_looks("rm -f a.o; echo >b.o; mv b.o a.o");
}
