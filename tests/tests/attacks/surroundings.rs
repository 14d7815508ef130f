//! Variables, limits and attributes that reach a result by other ways than files.

use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use zccache_core::Reason;
use zccache_tests::{Command, Compiler, Place, Trial};

use crate::forms::clocks::not_kept;
use crate::{scenarios, trials};

scenarios! { gcc:
    another_place_of_the_binutils r#"
        mkdir -p w x/lib/gcc/x86_64-linux-gnu/12 x/x86_64-linux-gnu/bin x/x86_64-linux-gnu/include
        echo 'int from_root;' >x/x86_64-linux-gnu/include/unistd.h
        printf '#include <unistd.h>\nint a;\n' >w/a.c
        kept: $CC -c w/a.c -o a.o
        any: BINUTILS_ROOT=$PWD/x $CC -c w/a.c -o a.o
        hit: $CC -c w/a.c -o a.o
    "#
    other_tables_of_characters r#"
        mkdir g g2; echo 'alias FOO// ISO-8859-1//' >g/gconv-modules
        echo 'alias FOO// UTF-16LE//' >g2/gconv-modules
        printf 'const char s[] = "\303\244";\n' >c.c
        kept: GCONV_PATH=$PWD/g $CC -fexec-charset=FOO -c c.c -o c.o
        kept: GCONV_PATH=$PWD/g2 $CC -fexec-charset=FOO -c c.c -o c.o
        hit: GCONV_PATH=$PWD/g $CC -fexec-charset=FOO -c c.c -o c.o
    "#
    the_characters_of_translated_messages r#"
        echo 'int oc;' >a.c
        any: LC_ALL=C.UTF-8 LANGUAGE=ru $CC -Wmissing-include-dirs -Inodir -c a.c
        any: LC_ALL=C.UTF-8 LANGUAGE=ru OUTPUT_CHARSET=KOI8-R $CC -Wmissing-include-dirs -Inodir -c a.c
    "#
    names_and_limits_of_a_run_in_its_result r#"
        echo 'int f(int x) { return x; }' >v.c; mkdir t
        bypassed: $CC -S -fverbose-asm v.c -o v.s
        bypassed: $CC -Wa,-g -c v.c -o /dev/null
    "#
}

/// The driver of clang takes more arguments from a variable.
fn a_time_macro_in_a_variable(trial: &Trial) {
    trial.file("a.c", "const int c = X[7];\n");
    if trial.compiler() == Compiler::Clang {
        let line = trial.line("$CC -S a.c -o ../o.s").env("CCC_OVERRIDE_OPTIONS", "+-DX=__TIME__");
        not_kept(trial, &line);
    }
}

/// A compiler that writes into a file leaves its attributes.
fn attributes_of_an_existing_output(trial: &Trial) {
    trial.file("a.c", "int x;\n");
    trial.run_line("$CC -S a.c").kept();
    let mark = |path: &Path| {
        let path = CString::new(path.as_os_str().as_bytes()).expect("no NUL");
        // SAFETY: all strings end with NUL, and the value has as many bytes as it says.
        unsafe { libc::setxattr(path.as_ptr(), c"user.x".as_ptr(), c"hi".as_ptr().cast(), 2, 0) }
    };
    let marked = |path: &Path| {
        let path = CString::new(path.as_os_str().as_bytes()).expect("no NUL");
        // SAFETY: all strings end with NUL; no room is given for the value.
        unsafe { libc::getxattr(path.as_ptr(), c"user.x".as_ptr(), std::ptr::null_mut(), 0) }
    };
    if mark(&trial.tree().join("a.s")) != 0 {
        return zccache_tests::project::skip("extended attributes of users");
    }
    let _ = trial.sandbox().launch(trial.tree(), trial.line("$CC -S a.c")).succeeded();
    let writes_into = trial.compiler() == Compiler::Gcc;
    assert_eq!(marked(&trial.tree().join("a.s")) == 2, writes_into);
}

trials!(a_time_macro_in_a_variable, attributes_of_an_existing_output);

/// A shell that mounts a view over where it is stays below it, and so do the files
/// that its compiles are to make.
#[test]
fn a_directory_below_a_view_is_not_the_view() {
    let trial = Trial::new(Place::Plain, Compiler::Gcc);
    let work = trial.tree().join("w");
    fs::create_dir(&work).expect("a directory");
    let control = trial.sandbox().programs().control().display().to_string();
    let launcher = trial.sandbox().programs().launcher().display().to_string();
    let script = "set -e\n\
        for v in q r; do echo \"int $v;\" >a.c; $L gcc -c a.c -o a.o; sleep 0.3; done; rm a.o\n\
        $Z mount . 2>hint\n\
        echo 'int q;' >a.c; $L gcc -c a.c -o a.o; nm a.o | grep -q ' q$'\n\
        echo 'int s;' >a.c; $L gcc -c a.c -o a.o; nm a.o | grep -q ' s$'\n\
        echo 'int q;' >a.c; $L gcc -c a.c -o a.o; nm a.o | grep -q ' q$'\n\
        cat hint; cd \"$PWD\"; $L gcc -c a.c -o b.o; nm b.o | grep -q ' q$'\n";
    let shell = Command::new(["sh", "-c", script]).env("Z", control).env("L", launcher);
    let done = trial.sandbox().bare(trial.tree(), shell.below("w"));
    trial.sandbox().umount(&work);
    let done = done.succeeded();
    assert!(done.out().contains("cd \"$PWD\""), "{done:?}");
    let counted = trial.sandbox().counters();
    assert_eq!(counted.reasons.get(Reason::CoveredDirectory.slug()), Some(&3), "{counted:?}");
}

/// As gcc ends when the reader of its output has gone away.
#[test]
fn a_reader_that_has_gone_away() {
    let trial = Trial::new(Place::Plain, Compiler::Gcc);
    trial.file("a.c", (0..20_000).map(|n| format!("int a{n};\n")).collect::<String>());
    trial.line_misses_then_hits("gcc -E a.c");
    let launcher = trial.sandbox().programs().launcher().display().to_string();
    for launcher in ["", &launcher] {
        let shell = "{ $L gcc -E a.c; echo $? >&2; } | head -1 >/dev/null";
        let shell = Command::new(["sh", "-c", shell]).env("L", launcher);
        assert_eq!(trial.sandbox().bare(trial.tree(), shell).err().trim(), "2");
    }
}

/// Root without the capability to read everything.
#[test]
fn a_caller_that_may_read_less_than_the_daemon() {
    let trial = Trial::new(Place::Plain, Compiler::Gcc);
    if !nix::unistd::geteuid().is_root() {
        return zccache_tests::project::skip("capabilities: needs root");
    }
    trial.file("a.c", "#include \"x.h\"\n");
    trial.file("inc/x.h", "int v;\n");
    trial.line_misses_then_hits("gcc -Iinc -c a.c -o a.o");
    let header = trial.tree().join("inc/x.h");
    std::os::unix::fs::chown(&header, Some(65534), None).expect("root may");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(&header, mode).expect("root may");
    let launcher = trial.sandbox().programs().launcher().display().to_string();
    let shell = "setpriv --bounding-set -all --inh-caps -all $L gcc -Iinc -c a.c -o a.o";
    let shell = Command::new(["sh", "-c", shell]).env("L", launcher);
    let done = trial.sandbox().bare(trial.tree(), shell);
    assert!(!done.status.success() && done.err().contains("Permission denied"), "{done:?}");
    let counted = trial.sandbox().counters();
    assert_eq!(counted.reasons.get(Reason::WeakerCaller.slug()), Some(&1), "{counted:?}");
}

/// What the compiler could not write must not come from the cache.
#[test]
fn a_caller_that_may_write_no_long_files() {
    let trial = Trial::new(Place::Plain, Compiler::Gcc);
    trial.file("a.c", "char long_enough[1 << 16] = { 1 };\n");
    trial.line_misses_then_hits("gcc -c a.c -o a.o");
    let before = trial.sandbox().counters();
    let launcher = trial.sandbox().programs().launcher().display().to_string();
    let run = |launcher: &str| {
        let shell = "rm -f a.o; ulimit -f 10; $L gcc -c a.c -o a.o; echo $?; ls -A";
        let shell = Command::new(["sh", "-c", shell]).env("L", launcher);
        trial.sandbox().bare(trial.tree(), shell)
    };
    assert_eq!(run(&launcher).out(), run("").out());
    let counted = trial.sandbox().counters();
    assert_eq!((counted.hits, counted.bypassed), (before.hits, before.bypassed + 1));
    assert_eq!(counted.reasons.get(Reason::WeakerCaller.slug()), Some(&1), "{counted:?}");
}

/// Below a file there is no compiler, and that is what a shell says.
#[test]
fn a_compiler_below_a_file() {
    let trial = Trial::new(Place::Plain, Compiler::Gcc);
    trial.file("plain", "");
    let done = trial.sandbox().launch(trial.tree(), Command::from("./plain/gcc -c a.c"));
    assert_eq!(done.status.code(), Some(126), "{done:?}");
    assert!(done.err().contains("Not a directory"), "{done:?}");
}
