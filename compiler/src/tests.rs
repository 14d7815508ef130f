//! Plans of whole command lines, as data.

use std::collections::HashMap;

use zccache_core::invocation::{Place, Terminal};
use zccache_core::{Invocation, InvocationKey, OsBytes, Reason, Stamp};

use crate::response::{ResponseFiles, expand};
use crate::rust::Searched;
use crate::{clock, environment, plan, program, rust, source};

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
        console: None,
        jobserver_is_broken: false,
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
}

#[test]
fn a_window_is_told_by_its_dates_and_times_only() {
    let at = |seconds| Stamp { seconds, nanos: 0 };
    // 2000-02-29 23:59:50 to 23:59:59 UTC.
    let window = clock::Window { from: at(951_868_790), to: at(951_868_799), offset: 19_800 };
    for told in ["x Feb 29 2000 y", "Mar  1 2000", "23:59:55", "..05:29:50"] {
        assert!(window.is_told_by(told.as_bytes()), "{told}");
    }
    for other in ["Mar  3 2000", "23:59:49", "23:58:55", "12:44:59", "3:59:55", "ab:59:55", ""] {
        assert!(!window.is_told_by(other.as_bytes()), "{other}");
    }
}

#[test]
fn rustc_commands_have_a_key_or_a_reason() {
    for command in [
        "rustc a.rs",
        "/opt/rust/bin/rustc --crate-type lib -C opt-level=3 -L dependency=deps a.rs",
        "clippy-driver /opt/rust/bin/rustc a.rs -o -",
        "rustc -vV",
    ] {
        assert!(check(command).is_ok(), "{command}: {:?}", check(command));
    }
    for (command, reason) in [
        ("rustc -", Reason::SourceFromStdin),
        ("rustc --crate-type lib - --print=cfg", Reason::SourceFromStdin),
        ("rustc a.rs -Zself-profile", Reason::UnsupportedOption),
        ("rustc a.rs -Z time-passes", Reason::UnsupportedOption),
        ("rustc /dev/fd/63", Reason::DescriptorPath),
        ("rustdoc a.rs", Reason::UnknownTool),
        ("my-rustc a.rs", Reason::UnknownTool),
    ] {
        assert_eq!(check(command), Err(reason), "{command}");
    }
}

#[test]
fn what_rustc_reads_of_the_environment_counts() {
    let with = |variable: &str, command: &str| {
        let mut invocation = invocation(command);
        invocation.environment.push(variable.into());
        plan(&invocation, &files(&[]))
    };
    for known in ["RUSTC_BOOTSTRAP=1", "CLIPPY_ARGS=-D", "LIBRARY_PATH=/l", "CARGO_CRATE_NAME=a"] {
        assert_ne!(with(known, "rustc a.rs"), check("rustc a.rs"), "{known}");
    }
    assert_eq!(with("CARGO_HOME=/h", "rustc a.rs"), check("rustc a.rs"));
    let plugin = "rustc a.rs -Z codegen-backend=/b.so";
    assert_ne!(with("CARGO_HOME=/h", plugin), check(plugin));
}

#[test]
fn rustc_searches_directories_for_what_their_kind_says() {
    let searched = |arguments: &str, directory: &str| {
        let arguments: Vec<OsBytes> = arguments.split(' ').map(OsBytes::from).collect();
        rust::searched(&arguments, b"/b", directory.as_bytes())
    };
    assert_eq!(searched("-L dependency=deps", "/b/deps"), Searched::Crates);
    assert_eq!(searched("-Ldependency=/x", "/x"), Searched::Crates);
    assert_eq!(searched("-L native=n", "/b/n"), Searched::Nothing);
    assert_eq!(searched("-L deps", "/b/deps"), Searched::Whole);
    assert_eq!(searched("-L dependency=deps -L all=deps", "/b/deps"), Searched::Whole);
    assert_eq!(searched("-L native=deps -L dependency=deps", "/b/deps"), Searched::Crates);
    assert_eq!(searched("-L dependency=./deps", "/b/deps"), Searched::Whole);
    assert_eq!(searched("a.rs", "/b/deps"), Searched::Whole);
}

#[test]
fn dep_info_tells_the_variables() {
    let told = b"a.d: a.rs\n\n# env-dep:A=x=y\n# env-dep:UNSET\n# env-dep:odd\\nname=1\n";
    let names = [&b"A"[..], b"UNSET", b"odd\nname"].map(<[u8]>::to_vec);
    assert_eq!(rust::tracked_variables(told), names);
}

#[test]
fn libraries_with_macros_are_told_from_others() {
    let loads = |path: &str, command: &str| {
        rust::may_run_in_compiler(std::path::Path::new(path), &invocation(command))
    };
    assert!(loads("/b/deps/libm-1.so", "rustc a.rs"));
    assert!(!loads("/b/deps/libm-1.rlib", "rustc a.rs"));
    assert!(!loads("/usr/lib/x86_64-linux-gnu/libc.so", "rustc a.rs"));
    assert!(loads("/usr/lib/m/libm.so", "rustc a.rs -L dependency=/usr/lib/m"));
    assert!(!loads("/r/lib/rustlib/x/lib/libstd-1.so", "rustc a.rs"));
}
