//! What somebody found who tried to be given something wrong.

mod identities;
mod rivals;
mod surroundings;

use std::cell::Cell;
use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use nix::sys::signal::{Signal, kill};
use zccache_core::Reason;
use zccache_tests::sandbox::eventually;
use zccache_tests::{Command, Compiler, Place, Step, Trial};

use crate::forms::clocks::not_kept;
use crate::trials;

const PASTE: &str = "#define JOIN(a, b) a##b\n#define P(a, b) JOIN(a, b)\n";

/// No text of the time reaches these objects, only what is computed from it.
fn a_time_macro_in_pieces_that_leaves_no_text(trial: &Trial) {
    let second = |name: &str| format!("{PASTE}int f(void) {{ return {name}[7]; }}\n");
    trial.file("pasted.c", second("P(__TI, ME__)"));
    trial.file("spliced.c", second("__TI\\\nME__"));
    trial.file("cut.c", second("_\\\n_T\\\nI\\\nME_\\\n_"));
    trial.file("trigraph.c", second("_??/\n_TIM??/\nE__"));
    trial.file("edges.h", "#define MAKE(name) __ ## name ## __\n");
    trial.file("edges.c", format!("#include \"edges.h\"\n{}", second("MAKE(TIME)")));
    trial.file("stamp.c", second("P(__TIMEST, AMP__)"));
    trial.file("tab.c", second("__T\\\x0b\nIM\\\x0b\nE__"));
    trial.file("return.c", second("__T\\\rIM\\\rE__"));
    for source in ["pasted", "spliced", "cut", "trigraph", "edges", "stamp", "tab", "return"] {
        not_kept(trial, &trial.line(&format!("$CC -O2 -trigraphs -c {source}.c -o ../a.o")));
    }
}

/// As the headers of Linux, which paste to everything, and fail where a time comes of it.
fn pieces_of_which_no_time_macro_can_come(trial: &Trial) {
    let pastes = "#define MAKE(name) __ ## name ## __\n";
    trial.file("few.c", format!("{pastes}enum {{ ES, _T, TI, MP, ST, _D }};\n"));
    trial.file("all.c", format!("{pastes}enum {{ TIME }};\n"));
    trial.run_line("$CC -c few.c -o few.o").kept();
    trial.run_line("$CC -c few.c -o few.o").hit();
    trial.run_line("$CC -c all.c -o all.o").abandoned(Reason::TimeMacro);
    trial.run_line("$CC -Werror=date-time -c all.c -o all.o").kept();
    trial.run_line("$CC -Werror=date-time -c all.c -o all.o").hit();
    trial.file("used.c", format!("{pastes}int v = MAKE(TIME)[7];\n"));
    let _ = trial.run_line("$CC -Werror=date-time -c used.c -o used.o").not_hit();
}

fn a_time_macro_in_an_argument(trial: &Trial) {
    trial.file("a.c", format!("{PASTE}int f(void) {{ return NOW[7]; }}\n"));
    not_kept(trial, &trial.line("$CC -O2 -DNOW=__TIME__ -c a.c -o ../a.o"));
    not_kept(trial, &trial.line("$CC -O2 -DNOW=P(__DA,TE__) -c a.c -o ../a.o"));
    trial.file("options", "-O2 '-DNOW=P(__TI,ME__)'\n");
    not_kept(trial, &trial.line("$CC @options -c a.c -o ../a.o"));
}

/// The text is there, but not in ASCII.
fn a_pasted_time_in_another_alphabet(trial: &Trial) {
    trial.file("a.c", format!("{PASTE}const char *t = P(__TI, ME__);\n"));
    if trial.compiler() == Compiler::Clang {
        return not_kept(trial, &trial.line("$CC -emit-llvm -c a.c -o ../a.bc"));
    }
    for option in ["-fexec-charset=UTF-16", "-fexec-charset=IBM037", "-flto"] {
        not_kept(trial, &trial.line(&format!("$CC {option} -c a.c -o ../a.o")));
    }
    let source = "int f(void) { return __TIME__[7]; }\n".encode_utf16();
    trial.file("w.c", source.flat_map(u16::to_be_bytes).collect::<Vec<u8>>());
    let before = trial.sandbox().counters();
    let wide = trial.line("$CC -finput-charset=UTF-16BE -c w.c -o ../a.o");
    let _ = trial.sandbox().launch(trial.tree(), &wide);
    let counted = trial.sandbox().counters().since(&before);
    assert_eq!(counted.bypassed, 1, "{counted:?}");
}

fn headers_of_the_system_and_plain_words_tell_no_time(trial: &Trial) {
    let headers = ["complex.h", "expat.h", "immintrin.h", "linux/perf_event.h", "math.h"]
        .map(|header| format!("#if __has_include(<{header}>)\n#include <{header}>\n#endif\n"));
    let words = "#define _(x) x\nenum { DATE, TIME };\nint TIMER(int _) { return _; }\n";
    trial.file("a.c", headers.concat() + words);
    trial.line_misses_then_hits("$CC -finput-charset=utf-8 -c a.c -o a.o");
    let headers = ["cmath", "codecvt", "iostream", "random", "regex"]
        .map(|header| format!("#include <{header}>\n"));
    trial.file("a.cc", headers.concat());
    trial.line_misses_then_hits("$CXX -c a.cc -o a.o");
}

/// A compiler that is a script, which runs `text` before the real one.
fn script(trial: &Trial, text: &str) {
    let cc = trial.compiler().c();
    trial.file("cc", format!("#!/bin/sh\n{text}\nexec /usr/bin/{cc} -DV=$v \"$@\"\n"));
    trial.edit(|root| {
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(root.join("cc"), mode).expect("a mode");
    });
}

/// Runs a line of a shell in which `LAUNCH` stands before the compiler.
fn shell(trial: &Trial, line: &str) -> Step {
    let launcher = trial.sandbox().programs().launcher();
    let command = |line: &str| Command::new(["sh", "-c", line]);
    let cached = line.replace("LAUNCH", launcher.to_str().expect("a plain name"));
    trial.run_pair(command(&line.replace("LAUNCH ", "")), command(&cached))
}

fn a_script_with_a_descriptor_of_its_caller(trial: &Trial) {
    trial.file("a.c", "int v = V;\n");
    trial.file("one", "1\n");
    trial.file("two", "2\n");
    script(trial, "read v <&5");
    for input in ["one", "two", "one"] {
        let _ = shell(trial, &format!("LAUNCH ./cc -c a.c -o a.o 5<{input}")).not_hit();
    }
    script(trial, "v=1; echo hello >&5");
    for log in ["log1", "log2"] {
        shell(trial, &format!("LAUNCH ./cc -c a.c -o a.o 5>{log}"))
            .abandoned(Reason::InheritedDescriptor);
    }
    shell(trial, "LAUNCH ./cc -c a.c -o a.o 5>&1").abandoned(Reason::InheritedDescriptor);
}

/// From the tenth on shells save their streams, and so the observer looks at what is written there.
fn a_launcher_may_inherit_any_number_of_descriptors(trial: &Trial) {
    trial.file("a.c", "int v;\n");
    let all = "exec 3<a.c 4<a.c 5<a.c 6<a.c 7<a.c 8<a.c 9<a.c";
    let line = format!("{all}; LAUNCH {} -c a.c -o a.o", trial.compiler().c());
    shell(trial, &line).kept();
    shell(trial, &line).hit();
}

fn a_job_server_and_what_a_real_compiler_inherits_do_not_matter(trial: &Trial) {
    trial.file("a.c", "int v = V;\n");
    script(trial, "v=1");
    let flags = "MAKEFLAGS=' -j4 --jobserver-auth=5,6'";
    let line = format!("{flags} LAUNCH ./cc -c a.c -o a.o 5<a.c 6<a.c");
    shell(trial, &line).kept();
    shell(trial, &line).hit();
    let line = format!("CARGO_{flags} LAUNCH ./cc -c a.c -o a.o 5<a.c 6<a.c");
    shell(trial, &line).hit();
    shell(trial, &format!("{flags} LAUNCH ./cc -DX -c a.c -o a.o 5<a.c 6<a.c 7<a.c"))
        .abandoned(Reason::InheritedDescriptor);
    shell(trial, "LAUNCH ./cc -DY -c a.c -o a.o 5</dev/null").kept();
    let line = format!("LAUNCH {} -DV=1 -c a.c -o a.o 5<a.c 7>&1", trial.compiler().c());
    shell(trial, &line).kept();
    shell(trial, &line).hit();
}

/// Two versions may be installed, both as links, and one of them be a copy.
fn other_launchers_along_the_path_are_no_compilers(trial: &Trial) {
    trial.file("a.c", "int v;\n");
    let programs = trial.sandbox().programs();
    let name = trial.compiler().c();
    let mut path = String::new();
    for directory in ["one", "two", "three"] {
        let directory = trial.sandbox().path(directory);
        fs::create_dir(&directory).expect("a directory");
        fs::copy(programs.launcher(), directory.join("zccache-launch")).expect("a copy");
        if directory.ends_with("three") {
            fs::copy(programs.launcher(), directory.join(name)).expect("a copy");
        } else {
            symlink("zccache-launch", directory.join(name)).expect("a link");
        }
        path += &format!("{}:", directory.display());
    }
    path += "/usr/bin:/bin";
    let bare = trial.line("$CC -c a.c -o a.o");
    let cached = bare.clone().env("PATH", &path);
    let disabled = cached.clone().env("ZCCACHE_DISABLE", "1");
    assert_eq!(trial.run_pair(&bare, disabled).counted.lookups(), 0);
    trial.run_pair(&bare, &cached).kept();
    trial.run_pair(&bare, &cached).hit();
    let named = trial.line("$PWD/../two/$CC -c a.c -o a.o").env("PATH", &path);
    trial.run_pair(&bare, named).hit();
    let launched = trial.sandbox().launched(cached);
    trial.run_pair(&bare, launched).hit();
}

fn closed_streams_are_counted(trial: &Trial) {
    trial.file("a.c", "int f(void) { int unused; return 1; }\n");
    let compile = format!("LAUNCH {} -Wall -c a.c -o a.o", trial.compiler().c());
    for closed in ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"] {
        shell(trial, &format!("{compile} {closed}")).bypassed(Reason::ClosedStream);
    }
    if trial.place() == Place::View {
        return;
    }
    let _ = trial.sandbox().zccache(&["stop"]).succeeded();
    let launcher = trial.sandbox().programs().launcher();
    let line = compile.replace("LAUNCH", launcher.to_str().expect("a plain name")) + " >&-";
    let _ = trial.sandbox().bare(trial.tree(), Command::new(["sh", "-c", &line])).succeeded();
    assert!(trial.sandbox().daemons().is_empty(), "it has started a daemon to be counted");
}

fn a_directory_hands_on_its_group(trial: &Trial) {
    trial.file("a.c", "int v;\n");
    trial.file("q/kept", "");
    let given = Cell::new(true);
    trial.edit(|root| {
        given.set(chown(root.join("q"), None, Some(12)).is_ok() && given.get());
        let mode = fs::Permissions::from_mode(0o2775);
        fs::set_permissions(root.join("q"), mode).expect("a mode");
    });
    if !given.get() {
        return println!("SKIP: only root gives a directory to another group");
    }
    let compile = trial.line("$CC -MD -c a.c -o q/a.o");
    trial.run(&compile).kept();
    trial.run(&compile).hit();
    trial.edit(|root| fs::remove_file(root.join("q/a.o")).expect("a file"));
    trial.run(&compile).hit();
}

/// An object of somebody else, written in place, stays theirs.
fn a_file_keeps_its_group(trial: &Trial) {
    trial.file("a.c", "int v;\n");
    let compile = trial.line("$CC -c a.c -o a.o");
    trial.miss_then_hit(&compile);
    trial.remove("a.o");
    trial.file("a.o", "old");
    let given = Cell::new(true);
    trial.edit(|root| {
        given.set(chown(root.join("a.o"), None, Some(12)).is_ok() && given.get());
    });
    if !given.get() {
        return println!("SKIP: only root gives a file to another group");
    }
    trial.run(&compile).not_bypassed();
}

/// `u::rwx u:65534:rwx g::r-x m::rwx o::---` (`linux/posix_acl_xattr.h`).
fn access_list() -> Vec<u8> {
    let entries: [(u16, u16, u32); 5] =
        [(1, 7, !0), (2, 7, 65534), (4, 5, !0), (16, 7, !0), (32, 0, !0)];
    let mut list = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        list.extend([tag.to_le_bytes(), permissions.to_le_bytes()].concat());
        list.extend(id.to_le_bytes());
    }
    list
}

fn set_default_access_list(directory: &Path) -> bool {
    let path = CString::new(directory.as_os_str().as_bytes()).expect("a plain name");
    let (name, list) = (c"system.posix_acl_default", access_list());
    // SAFETY: both strings end in NUL, and the list has the length it is given.
    let set = unsafe {
        libc::setxattr(path.as_ptr(), name.as_ptr(), list.as_ptr().cast(), list.len(), 0)
    };
    set == 0
}

/// A view cannot imitate the list, so the file is written.
fn a_directory_hands_on_its_access_list(trial: &Trial) {
    trial.file("a.c", "int v;\n");
    let (below, plain) = (trial.tree().join("q"), trial.sandbox().path("plain"));
    fs::create_dir(&below).expect("a directory");
    fs::create_dir(&plain).expect("a directory");
    if !set_default_access_list(&plain) {
        return println!("SKIP: no access control lists here");
    }
    let in_view = trial.place() == Place::View;
    if !set_default_access_list(&below) {
        return assert!(in_view, "only a view has none");
    }
    let seen = || {
        let object = below.join("a.o");
        let mode = fs::metadata(&object).expect("an object").mode();
        let path = CString::new(object.as_os_str().as_bytes()).expect("a plain name");
        let mut list = vec![0_u8; 256];
        // SAFETY: both strings end in NUL, and the buffer has the length it is given.
        let length = unsafe {
            let name = c"system.posix_acl_access";
            libc::getxattr(path.as_ptr(), name.as_ptr(), list.as_mut_ptr().cast(), list.len())
        };
        fs::remove_file(object).expect("it can be removed");
        list.truncate(usize::try_from(length).unwrap_or(0));
        (mode, list)
    };
    let compile = trial.line("$CC -c a.c -o q/a.o");
    trial.age();
    let _ = trial.sandbox().bare(trial.tree(), &compile).succeeded();
    let expected = seen();
    for _ in 0..2 {
        let _ = trial.sandbox().launch(trial.tree(), &compile).succeeded();
        trial.sandbox().settle();
        assert_eq!(seen(), expected);
    }
    // The list decides the mode, and may be gone the next time.
    assert_eq!(trial.sandbox().counters().hits, 0);
    fs::remove_dir(&below).expect("it is empty");
}

trials!(
    a_directory_hands_on_its_group,
    a_file_keeps_its_group,
    a_directory_hands_on_its_access_list,
    closed_streams_are_counted,
    other_launchers_along_the_path_are_no_compilers,
    a_script_with_a_descriptor_of_its_caller,
    a_job_server_and_what_a_real_compiler_inherits_do_not_matter,
    a_launcher_may_inherit_any_number_of_descriptors,
    a_time_macro_in_pieces_that_leaves_no_text,
    pieces_of_which_no_time_macro_can_come,
    a_time_macro_in_an_argument,
    a_pasted_time_in_another_alphabet,
    headers_of_the_system_and_plain_words_tell_no_time,
);

fn quiet() -> Trial {
    Trial::new(Place::Plain, Compiler::Gcc)
}

#[test]
fn a_store_that_others_can_write_is_named_as_the_trouble() {
    let trial = quiet();
    let _ = trial.sandbox().zccache(&["stop"]).succeeded();
    let open = fs::Permissions::from_mode(0o777);
    fs::set_permissions(trial.sandbox().store(), open).expect("a mode");
    for command in ["stats", "start", "gc"] {
        let outcome = trial.sandbox().zccache(&[command]);
        assert!(!outcome.status.success(), "{outcome:?}");
        assert!(outcome.err().contains("can be written by others"), "{outcome:?}");
    }
}

#[test]
fn commands_that_cannot_be_started_end_as_in_a_shell() {
    let trial = quiet();
    trial.file("plain", "");
    let plain = trial.tree().join("plain");
    let plain = plain.to_str().expect("a plain name");
    for (program, status) in [("no-such-program", 127), (plain, 126), ("true", 0)] {
        for arguments in [&["run", "--", program][..], &["run", program]] {
            let outcome = trial.sandbox().zccache(arguments);
            assert_eq!(outcome.status.code(), Some(status), "{outcome:?}");
        }
    }
}

/// As a supervisor signals what it has started, and that alone.
#[test]
fn what_a_run_alone_is_sent_reaches_its_command() {
    let trial = quiet();
    let command = "trap 'echo told >told; exit 7' TERM; echo >ready; while :; do sleep 0.01; done";
    let run = Command::new([trial.sandbox().programs().control()]);
    let run = run.arg("run").arg("--").arg("sh").arg("-c").arg(command);
    let environment = trial.sandbox().environment();
    let running = run.start(&mut run.process(trial.tree(), environment));
    eventually("it runs", || trial.tree().join("ready").exists());
    kill(running.pid(), Signal::SIGTERM).expect("it runs");
    assert_eq!(running.wait().status.code(), Some(7));
    assert_eq!(fs::read(trial.tree().join("told")).expect("it was told"), b"told\n");
}

#[test]
fn what_is_no_directory_is_not_mounted_over_and_nothing_else_is_blamed() {
    let trial = quiet();
    trial.file("file", "");
    for name in ["missing", "file"] {
        let path = trial.tree().join(name);
        for command in ["mount", "umount"] {
            let outcome = trial.sandbox().zccache(&[command.as_ref(), path.as_os_str()]);
            assert!(!outcome.status.success(), "{outcome:?}");
            assert!(!outcome.err().contains("doctor"), "{outcome:?}");
        }
    }
}

#[test]
fn a_check_says_what_becomes_of_damage() {
    let trial = quiet();
    trial.file("a.c", format!("const char text[] = \"{}\";\n", "text".repeat(20_000)));
    trial.line_misses_then_hits("$CC -c a.c -o a.o");
    let sound = trial.sandbox().zccache(&["check"]).succeeded();
    assert!(!sound.out().contains("--repair"), "{sound:?}");
    for blob in files_below(&trial.sandbox().kept().join("blobs")) {
        fs::set_permissions(&blob, fs::Permissions::from_mode(0o600)).expect("a mode");
        fs::write(blob, "damage").expect("a blob");
    }
    let damaged = trial.sandbox().zccache(&["check"]);
    assert!(damaged.out().contains("next compile"), "{damaged:?}");
    trial.run_line("$CC -c a.c -o a.o").kept();
    let _ = trial.sandbox().zccache(&["check"]).succeeded();
}

fn files_below(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("one"));
    let (directories, files): (Vec<_>, Vec<_>) =
        entries.map(|entry| entry.path()).partition(|path| path.is_dir());
    directories.iter().flat_map(|directory| files_below(directory)).chain(files).collect()
}
