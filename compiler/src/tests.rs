//! Plans of whole command lines, as data.

use std::collections::HashMap;

use zccache_core::invocation::{Input, Place, Terminal};
use zccache_core::{Invocation, InvocationKey, OsBytes, Reason};

use crate::response::{ResponseFiles, expand};
use crate::{clock, environment, plan, program, source};

struct Files(HashMap<Vec<u8>, Vec<u8>>);

impl ResponseFiles for Files {
    fn read(&self, path: &[u8]) -> Option<Vec<u8>> {
        self.0.get(path).cloned()
    }
}

fn files(list: &[(&str, &str)]) -> Files {
    Files(
        list.iter().map(|(path, text)| (path.as_bytes().into(), text.as_bytes().into())).collect(),
    )
}

fn invocation(command: &str) -> Invocation {
    Invocation {
        argv: command.split(' ').map(OsBytes::from).collect(),
        cwd: "/b".into(),
        environment: vec!["PATH=/usr/bin".into()],
        umask: 0o022,
        place: Place { namespace: 1, root_device: 1, root_inode: 1 },
        terminals: [None, None],
        input: Input::Null,
    }
}

fn check(command: &str) -> Result<InvocationKey, Reason> {
    plan(&invocation(command), &files(&[]))
}

#[test]
fn compiles_have_a_key() {
    for command in [
        "gcc -c a.c",
        "/usr/bin/x86_64-linux-gnu-g++-12 -c a.cc -o a.o",
        "clang++-14 -S a.cc",
        "clang -c a.c -o -",
        "cc -c -MD -MF d -MT -E a.c b.c",
        "gcc -o -E -c a.c",
        "gcc -E a.c",
        "gcc -c -M a.c",
        "clang -fsyntax-only a.c",
        "gcc -E -",
        "gcc -x c-header a.h -o a.h.gch",
        "clang++ -xc++-header a.h",
    ] {
        assert!(check(command).is_ok(), "{command}: {:?}", check(command));
    }
}

#[test]
fn everything_else_has_a_reason() {
    for (command, reason) in [
        ("ls -c a.c", Reason::UnknownTool),
        ("my-gcc -c a.c", Reason::UnknownTool),
        ("gcc a.c", Reason::NotACompile),
        ("gcc -o -c a.c", Reason::NotACompile),
        ("gcc -c", Reason::NoSource),
        ("gcc -c -v a.c", Reason::UnsupportedOption),
        ("clang -c -fmodules a.c", Reason::UnsupportedOption),
        ("clang -c -ftime-trace a.c", Reason::UnsupportedOption),
        ("clang++ -std=c++20 --precompile a.cppm", Reason::UnsupportedOption),
        ("gcc -c /dev/fd/63", Reason::DescriptorPath),
        ("gcc -c a.c -o /dev/stdout", Reason::DescriptorPath),
    ] {
        assert_eq!(check(command), Err(reason), "{command}");
    }
}

#[test]
fn order_spelling_and_boundaries_of_arguments_count() {
    let differ = |a: &str, b: &str| assert_ne!(check(a), check(b), "{a} | {b}");
    differ("gcc -c -O0 -O2 a.c", "gcc -c -O2 -O0 a.c");
    differ("gcc -c a.c", "g++ -c a.c");
    differ("gcc -c m.c", "gcc -c ./m.c");
    differ("gcc -c -DA -DB a.c", "gcc -c -DA-DB a.c");
}

#[test]
fn directory_umask_terminal_and_known_variables_count_others_do_not() {
    let base = invocation("gcc -c a.c");
    let key = |change: &dyn Fn(&mut Invocation)| {
        let mut changed = base.clone();
        change(&mut changed);
        plan(&changed, &files(&[]))
    };
    let same = key(&|_| ());
    assert_ne!(same, key(&|i| i.cwd = "/c".into()));
    assert_ne!(same, key(&|i| i.umask = 0));
    assert_ne!(same, key(&|i| i.terminals[1] = Some(Terminal { columns: 80 })));
    assert_ne!(
        key(&|i| i.terminals[0] = Some(Terminal { columns: 80 })),
        key(&|i| i.terminals[1] = Some(Terminal { columns: 80 }))
    );
    for known in ["CPATH=", "LC_ALL=C", "PWD=/b", "GCC_COLORS=", "CCC_OVERRIDE_OPTIONS=#"] {
        assert_ne!(same, key(&|i| i.environment.push(known.into())), "{known}");
    }
    assert_eq!(same, key(&|i| i.environment.push("EDITOR=vi".into())));
}

#[test]
fn a_source_on_standard_input_is_part_of_the_key() {
    let with = |input: Input| {
        let mut invocation = invocation("gcc -c -");
        invocation.input = input;
        plan(&invocation, &files(&[]))
    };
    let text = |bytes: &[u8]| with(Input::Text { bytes: bytes.into(), modified: 0 });
    assert_ne!(text(b"int a;"), text(b"int b;"));
    for unknown in [Input::Terminal, Input::File, Input::Pipe, Input::Other] {
        assert_eq!(with(unknown), Err(Reason::SourceFromStdin));
    }
}

#[test]
fn code_of_others_makes_the_whole_environment_count() {
    let with = |variable: &str| {
        let mut invocation = invocation("gcc -c -fplugin=p.so a.c");
        invocation.environment.push(variable.into());
        plan(&invocation, &files(&[]))
    };
    assert_ne!(with("MINE=1"), with("MINE=2"));
    assert_eq!(with("SHLVL=1"), with("SHLVL=2"));
}

#[test]
fn the_whole_environment_ignores_order_but_not_which_value_comes_first() {
    let of = |entries: &[&str]| {
        let mut invocation = invocation("x");
        invocation.environment = entries.iter().map(|&entry| entry.into()).collect();
        environment::whole(&invocation)
    };
    assert_eq!(of(&["A=1", "B=2"]), of(&["B=2", "A=1"]));
    assert_ne!(of(&["A=1", "A=2"]), of(&["A=2", "A=1"]));
}

#[test]
fn response_files_expand_as_the_compilers_do() {
    let files = files(&[("r", "-c 'a b.c' \"x\\\"y\" @s\n"), ("s", "\\ z ''"), ("loop", "@loop")]);
    let given = |text: &str| expand(&[OsBytes::from(text)], &files);
    let words: Vec<OsBytes> = ["-c", "a b.c", "x\"y", " z", ""].map(OsBytes::from).into();
    assert_eq!(given("@r"), Ok(words));
    assert_eq!(given("@missing"), Ok(vec!["@missing".into()]));
    assert_eq!(given("@loop"), Err(Reason::ResponseFile));
    assert!(plan(&invocation("gcc @r"), &files).is_ok());
}

#[test]
fn program_names() {
    assert!(program::is_driver(b"aarch64-linux-gnu-gcc"));
    assert!(!program::is_driver(b"ccache"));
    assert!(!program::is_driver(b"cc1"));
    assert!(program::has_known_environment(b"cc1plus"));
    assert!(program::has_known_environment(b"x86_64-linux-gnu-as"));
    assert!(!program::has_known_environment(b"sh"));
}

#[test]
fn time_macros_are_found() {
    assert!(source::mentions_time(b"char d[] = __DATE__;"));
    assert!(!source::mentions_time(b"__DAT__ __TIME_"));
    assert!(source::mentions_time(b"\0__TIME__"));
    assert!(!source::mentions_time(b"__TIMESTAMP__"));
    assert!(source::mentions_stamp(b"__TIMESTAMP__"));
}

#[test]
fn a_clock_is_told_by_its_dates_and_times_and_the_ages_of_inputs() {
    // 2000-02-29 23:59:50 to 23:59:59 UTC; an input of 1999-05-06 07:08:09 UTC.
    let clock = clock::Clock {
        from: 951_868_790,
        to: 951_868_799,
        offset: 19_800,
        is_usual: true,
        is_fixed: false,
        modified: vec![925_974_489],
    };
    let dates = ["x Feb 29 2000 y", "Mar  1 2000", "Mar  2 2000"];
    let times = ["23:59:55", "..05:29:50", "05:44:51", "2\x003\x00:\x005\x009\x00:\x005\x005\x00"];
    let ages =
        ["Thu May  6 07:08:09 1999", "?Thu May  6 12:53:09 1999", "Wed May  5 23:38:09 1999"];
    for told in dates.iter().chain(&times).chain(&ages) {
        assert!(clock.is_told_by(told.as_bytes()), "{told}");
    }
    let others = ["Mar  9 2000", "23:59:49", "23:58:55", "12:43:59", "3:59:55", "ab:59:55", ""];
    let other_ages =
        ["Thu May  6 07:08:10 1999", "Thu May  9 07:08:09 1999", "Thu May  6 07:08:09"];
    for other in others.iter().chain(&other_ages) {
        assert!(!clock.is_told_by(other.as_bytes()), "{other}");
    }
    let fixed = clock::Clock { is_fixed: true, ..clock.clone() };
    assert!(ages.iter().all(|age| fixed.is_told_by(age.as_bytes())));
    assert!(!dates.iter().chain(&times).any(|told| fixed.is_told_by(told.as_bytes())));
    let unusual = clock::Clock { is_usual: false, ..clock };
    for told in ["Mar  9 2010", "01:02:03", "Thu May  9 07:08:09 1999"] {
        assert!(unusual.is_told_by(told.as_bytes()), "{told}");
    }
}

#[test]
fn zones_of_minutes_files_and_leap_seconds_are_not_usual() {
    let with = |variable: &str| {
        let mut invocation = invocation("gcc -c a.c");
        invocation.environment.push(variable.into());
        clock::is_usual(&invocation)
    };
    for usual in ["TZ=", "TZ=Asia/Kathmandu", "TZ=EST5EDT,M3.2.0,M11.1.0", "TZ=Etc/GMT+3"] {
        assert!(with(usual), "{usual}");
    }
    for odd in ["TZ=X-1:02:03", "TZ=:/z", "TZ=/z", "TZ=right/UTC", "TZDIR=/z", "LD_PRELOAD=f.so"] {
        assert!(!with(odd), "{odd}");
    }
}

#[test]
fn who_obeys_a_fixed_date() {
    use program::{Epoch, epoch};
    for (path, expected) in [
        ("/usr/lib/gcc/x86_64-linux-gnu/12/cc1", Epoch::Obeyed),
        ("/usr/libexec/gcc/x86_64-redhat-linux/14.2.1/cc1plus", Epoch::Obeyed),
        ("/usr/lib/gcc/x86_64-linux-gnu/6/cc1", Epoch::Unknown),
        ("/opt/bin/cc1", Epoch::Unknown),
        ("/usr/lib/llvm-14/bin/clang", Epoch::Unknown),
        ("/usr/lib/llvm-16/bin/clang", Epoch::Obeyed),
        ("/usr/bin/clang-19", Epoch::Obeyed),
        ("/opt/bin/clang", Epoch::Unknown),
        ("/usr/bin/x86_64-linux-gnu-gcc-12", Epoch::Unconcerned),
        ("/usr/bin/x86_64-linux-gnu-as", Epoch::Unconcerned),
        ("/usr/bin/sh", Epoch::Unknown),
    ] {
        assert_eq!(epoch(path.as_bytes()), expected, "{path}");
    }
}

#[test]
fn errors_of_the_program_are_told_from_troubles_of_the_machine() {
    use crate::failure::is_diagnosed;
    let coloured = "\x1b[01m\x1b[Ka.c:1:2:\x1b[m\x1b[K \x1b[01;31m\x1b[Kerror: \x1b[m\x1b[Kno\n";
    for diagnosed in [
        "a.c: In function 'f':\na.c:1:2: error: no\n    1 | \"error: \"\n",
        "a.c:1:10: fatal error: x.h: No such file or directory\ncompilation terminated.\n",
        "a.c:1:2: error: no\n1 error generated.\n",
        "a.c:1:2: error: unused [-Werror]\ncc1: all warnings being treated as errors\n",
        coloured,
    ] {
        assert!(is_diagnosed(diagnosed.as_bytes()), "{diagnosed}");
    }
    for other in [
        "",
        "gcc: error: a.c: No such file or directory\n",
        "error: unable to open output file 'a.o'\n",
        "a.c:1:2: error: no\ngcc: fatal error: Killed signal terminated program cc1\n",
        "a.c:1:2: error: no\nclang: error: clang frontend command failed\n",
        "a.c:1:2: internal compiler error: in x\n",
        "a.c:1:10: fatal error: x.h: Too many open files\n",
        "/tmp/ccXyz.s:7: Error: no such instruction\n",
        "[{\"kind\": \"error\", \"message\": \"error: \"}]\n",
    ] {
        assert!(!is_diagnosed(other.as_bytes()), "{other}");
    }
    let speaks = |variable: &str| {
        let mut invocation = invocation("gcc -c a.c");
        invocation.environment.push(variable.into());
        crate::failure::speaks_english(&invocation)
    };
    assert!(["LANG=en_GB.UTF-8", "LC_ALL=C.UTF-8", "X=1"].into_iter().all(speaks));
    assert!(!["LANG=de_DE.UTF-8", "LANGUAGE=fr:en"].into_iter().any(speaks));
}
