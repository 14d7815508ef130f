//! Plans of whole command lines, as data.

use std::collections::HashMap;

use std::path::Path;
use zccache_core::invocation::{Place, Terminal};
use zccache_core::{Invocation, InvocationKey, OsBytes, Reason, Root};

use crate::response::{ResponseFiles, expand};
use crate::{clock, environment, outputs, plan, program, source};

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
    }
}

fn check(command: &str) -> Result<InvocationKey, Reason> {
    plan(&invocation(command), &files(&[]), &Root::default()).map(|plan| plan.here)
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
    ] {
        assert!(check(command).is_ok(), "{command}: {:?}", check(command));
    }
}

#[test]
fn outputs_are_guessed() {
    for (command, guess) in [
        ("gcc -c src/a.b.c", "/b/a.b.o"),
        ("gcc -c -S a.c -I x -MF d b.c", "/b/a.s /b/b.s"),
        ("gcc a.o -o bin/program", "/b/bin/program"),
        ("clang -o/x/y.o -c a.c", "/x/y.o"),
        ("gcc a.c", "/b/a.out"),
        ("rustc a.rs -o a", "/b/a"),
        ("gcc -E a.c", ""),
        ("gcc --version", ""),
        ("cat a.c", ""),
        ("gcc -c -o", ""),
    ] {
        let found: Vec<_> =
            outputs::guess(&invocation(command)).iter().map(OsBytes::to_string).collect();
        assert_eq!(found.join(" "), guess, "{command}");
    }
}

#[test]
fn values_of_unknown_variables_are_told_apart() {
    let mut invocation = invocation("gcc -c a.c");
    invocation.environment = ["TOKEN=x", "SHLVL=2", "LANG=C", "ZCCACHE_DIR=/d", "LANG=de", "odd"]
        .map(OsBytes::from)
        .to_vec();
    let found = environment::telling(&invocation);
    let found: Vec<_> = found.iter().map(|v| (v.name, v.value, v.of_compilers)).collect();
    assert_eq!(found, [(&b"LANG"[..], &b"C"[..], true), (b"TOKEN", b"x", false)]);
}

#[test]
fn everything_else_has_a_reason() {
    for (command, reason) in [
        ("ls -c a.c", Reason::UnknownTool),
        ("my-gcc -c a.c", Reason::UnknownTool),
        ("gcc a.c", Reason::NotACompile),
        ("gcc -E a.c", Reason::NotACompile),
        ("gcc -c -M a.c", Reason::NotACompile),
        ("gcc -o -c a.c", Reason::NotACompile),
        ("gcc -c -", Reason::SourceFromStdin),
        ("gcc -c", Reason::NoSource),
        ("gcc -c -v a.c", Reason::UnsupportedOption),
        ("clang -c -fmodules a.c", Reason::UnsupportedOption),
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
        plan(&changed, &files(&[]), &Root::default())
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
fn code_of_others_makes_the_whole_environment_count() {
    let with = |variable: &str| {
        let mut invocation = invocation("gcc -c -fplugin=p.so a.c");
        invocation.environment.push(variable.into());
        plan(&invocation, &files(&[]), &Root::default())
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
    assert!(plan(&invocation("gcc @r"), &files, &Root::default()).is_ok());
}

/// The plan of a command in `<root>/b`, with `ROOT` for the root.
fn plan_at(root: &str, command: &str, variables: &[&str]) -> crate::Plan {
    let mut invocation = invocation(&command.replace("ROOT", root));
    invocation.cwd = format!("{root}/b").as_str().into();
    let entries = variables.iter().map(|entry| entry.replace("ROOT", root).as_str().into());
    invocation.environment.extend(entries);
    plan(&invocation, &files(&[]), &Root::new(Path::new(root))).unwrap()
}

#[test]
fn the_same_command_in_another_checkout_has_the_same_shared_key() {
    for command in [
        "gcc -c a.c",
        "gcc -IROOT/i -isystem ROOT/s -I i -MD -MF ROOT/b/a.d -MT x -o ROOT/b/a.o -c ROOT/a.c",
        "clang -c -include ROOT/pre.h -ffile-prefix-map=ROOT=. -fdebug-prefix-map=ROOT/b=/b a.c",
    ] {
        let (one, other) =
            (plan_at("/one", command, &["PWD=ROOT/b"]), plan_at("/2", command, &["PWD=ROOT/b"]));
        assert_ne!(one.here, other.here, "{command}");
        assert!(one.anywhere.is_some(), "{command}");
        assert_eq!(one.anywhere, other.anywhere, "{command}");
    }
}

#[test]
fn what_may_depend_on_where_the_checkout_is_has_no_shared_key() {
    for (command, variable) in [
        ("gcc -DHERE=ROOT -c a.c", ""),
        ("gcc -D HERE=ROOT/x -c a.c", ""),
        ("gcc -D ROOT -c a.c", ""),
        ("gcc -frandom-seed=ROOT/a.c -c a.c", ""),
        ("gcc -IROOT/x:ROOT/y -c a.c", ""),
        ("gcc -BROOT/tools -c a.c", ""),
        ("ROOT/tools/gcc -c a.c", ""),
        ("gcc -c a.c", "CPATH=ROOT/i"),
        ("gcc -c a.c", "PWD=/link/b"),
        ("clang -c a.c", "CCC_OVERRIDE_OPTIONS=+-g"),
        ("clang --config x.cfg -c a.c", ""),
        ("gcc -isystem ../../i -c a.c", ""),
        ("gcc -ffile-prefix-map=/home=x -c a.c", ""),
        ("gcc -ffile-prefix-map=/home/u=x -c a.c", ""),
        ("gcc -fplugin=p.so -c a.c", ""),
        ("gcc -c a.c", "LD_PRELOAD=l.so"),
    ] {
        assert_eq!(
            plan_at("/home/user", command, &[variable]).anywhere,
            None,
            "{command} {variable}"
        );
    }
}

#[test]
fn shared_keys_differ_by_what_is_below_the_root_and_by_whether_it_is() {
    let key = |command| plan_at("/r", command, &[]).anywhere.unwrap().key;
    assert_ne!(key("gcc -IROOT/i -c a.c"), key("gcc -IROOT/j -c a.c"));
    assert_ne!(key("gcc -IROOT/i -c a.c"), key("gcc -I/i -c a.c"));
    assert_ne!(key("gcc -I ROOT/i -c a.c"), key("gcc -IROOT/i -c a.c"));
}

#[test]
fn a_path_that_may_become_a_macro_is_remarked_on() {
    let exposure = |command| plan_at("/r", command, &[]).anywhere.unwrap().exposure;
    assert!(!exposure("gcc -Ii -o ROOT/a.o -c a.c").absolute_sources);
    assert!(exposure("gcc -IROOT/i -c a.c").absolute_sources);
    assert!(exposure("gcc -c ROOT/a.c").absolute_sources);
    assert!(exposure("gcc -fmacro-prefix-map=ROOT=. -c ROOT/a.c").mapped_macros);
    assert!(!exposure("gcc -fdebug-prefix-map=ROOT=. -c ROOT/a.c").mapped_macros);
    assert!(!exposure("gcc -ffile-prefix-map=ROOT/b=. -c ROOT/a.c").mapped_macros);
}

#[test]
fn words_for_the_own_path() {
    for text in ["f(__FILE__)", "__BASE_FILE__;", "P(__FI, LE__)", "a ## E__", "__FILE"] {
        assert!(source::may_use_own_path(text.as_bytes()), "{text}");
    }
    for text in ["_FILE_H", "PROFILE__H", "__FINITE_MATH_ONLY__", "MY_FILE__", "file"] {
        assert!(!source::may_use_own_path(text.as_bytes()), "{text}");
    }
    assert!(source::may_use_unmapped_path(b"std::source_location::current()"));
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
