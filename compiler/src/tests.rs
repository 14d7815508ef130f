//! Plans of whole command lines, as data.

use std::collections::HashMap;

use std::path::Path;

use zccache_core::entry::{Environment, Stream, Variable};
use zccache_core::invocation::{Input, Terminal};
use zccache_core::{Digest, Invocation, InvocationKey, OsBytes, Reason, Root};

use crate::TimeWords;
use crate::environment::Reading;
use crate::environment::display::{display, has_messages};
use crate::program::Family;
use crate::relocation::path_words::PathWords;
use crate::relocation::{Exposure, own_path};
use crate::response::{Files, expand};
use crate::rust::Searched;
use crate::{clock, environment, outputs, plan, program, rust, source};

struct Texts(HashMap<Vec<u8>, Vec<u8>>);

impl Files for Texts {
    fn read(&self, path: &[u8]) -> Option<Vec<u8>> {
        self.0.get(path).cloned()
    }

    /// All below `/link` do.
    fn is_working_directory(&self, path: &[u8]) -> bool {
        path.starts_with(b"/link/")
    }
}

fn files(list: &[(&str, &str)]) -> Texts {
    Texts(
        list.iter().map(|(path, text)| (path.as_bytes().into(), text.as_bytes().into())).collect(),
    )
}

fn invocation(command: &str) -> Invocation {
    let argv = command.split(' ').map(OsBytes::from).collect();
    Invocation::plain(argv, vec!["PATH=/usr/bin".into()])
}

fn check(command: &str) -> Result<InvocationKey, Reason> {
    plan(&invocation(command), &files(&[]), &Root::default()).map(|plan| plan.here)
}

#[test]
fn emscripten_is_keyed_on_all_variables_and_further_arguments() {
    let with = |command: &str, variables: &[&str]| {
        let mut invocation = invocation(command);
        invocation.environment.extend(variables.iter().map(|&entry| OsBytes::from(entry)));
        plan(&invocation, &files(&[("args", "-c a.c --cflags")]), &Root::default())
    };
    let key = |variables: &[&str]| with("emcc -c a.c", variables).map(|plan| plan.here);
    for name in ["EM_CONFIG", "EMCC_CFLAGS", "EM_CACHE", "NODE_PATH", "PYTHONPATH", "ANYTHING"] {
        assert_ne!(key(&[&format!("{name}=-O1")]), key(&[]), "{name}");
    }
    assert_eq!(key(&["MAKELEVEL=1"]), key(&[]));
    assert_eq!(with("emcc a.c -o a.html", &[]).map(|plan| plan.anywhere), Ok(None));
    for command in ["/usr/bin/em++ -O2 a.o", "emar rcs lib.a a.o", "emranlib lib.a"] {
        assert!(with(command, &["EMCC_DEBUG=0"]).is_ok(), "{command}");
    }
    for (command, variable, reason) in [
        ("emcc --clear-cache", "A=", Reason::NotACompile),
        ("emcc @args", "A=", Reason::NotACompile),
        ("emcc --version", "A=", Reason::NotACompile),
        ("emcc -v a.c", "A=", Reason::UnsupportedOption),
        ("emcc a.c", "EMCC_CFLAGS=-O1 '-v'", Reason::UnsupportedOption),
        ("emcc a.c", "EMMAKEN_CFLAGS=--cflags", Reason::NotACompile),
        ("emcc a.c", "EMCC_DEBUG=1", Reason::UnsupportedOption),
        ("emar rcsU lib.a a.o", "A=", Reason::UnsupportedOption),
        ("emcc", "A=", Reason::NotACompile),
        ("emrun a.html", "A=", Reason::UnknownTool),
    ] {
        assert_eq!(with(command, &[variable]), Err(reason), "{command} {variable}");
    }
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
        ("ar rcs lib/a.a a.o b.o", "/b/lib/a.a"),
        ("gcc-ar -rcs a.a a.o", "/b/a.a"),
        ("ar -M", ""),
        ("emranlib a.a", "/b/a.a"),
        ("strip -g a b", "/b/a /b/b"),
        ("strip -o c a", "/b/c"),
        ("objcopy -g a", "/b/a"),
        ("llvm-objcopy -g a b", "/b/b"),
        ("ld a.o", ""),
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
fn binaries_have_a_key() {
    for command in [
        "gcc a.o",
        "g++ a.cc b.o -lm -o p",
        "ld a.o",
        "x86_64-linux-gnu-ld.bfd a.o",
        "ld.lld a.o",
        "wasm-ld a.o",
        "ar rcs libU.a U.o",
        "gcc-ar-12 rcs l.a a.o",
        "llvm-ar-14 t l.a",
        "strip a.o",
        "objcopy a.o b.o",
        "ranlib l.a",
    ] {
        assert!(check(command).is_ok(), "{command}");
    }
}

#[test]
fn what_linkers_read_counts_where_something_is_linked() {
    let key = |command: &str, variable: &str| {
        let mut invocation = invocation(command);
        invocation.environment.push(variable.into());
        plan(&invocation, &files(&[]), &Root::default()).map(|plan| plan.here)
    };
    for variable in [
        "LD_RUN_PATH=/x",
        "GNUTARGET=x",
        "LDEMULATION=x",
        "LPATH=x",
        "LIBRARY_PATH=x",
        "COLLECT_NO_DEMANGLE=1",
        "COLLECT_LTO_WRAPPER=x",
        "SOURCE_DATE_EPOCH=1",
        "ZERO_AR_DATE=1",
        "LLD_VERSION=x",
        "MOLD_JOBS=1",
        "TMPDIR=/x",
        "MAKEFLAGS=-j2 --jobserver-auth=3,4",
    ] {
        assert_ne!(key("gcc a.o", variable), key("gcc a.o", "X=1"), "{variable}");
        assert_ne!(key("ld a.o", variable), key("ld a.o", "X=1"), "{variable}");
    }
    assert_eq!(key("gcc a.o", "MAKEFLAGS=-k"), key("gcc a.o", "X=1"));
    assert_eq!(key("ar rc l.a a.o", "TMPDIR=/x"), key("ar rc l.a a.o", "X=1"));
    assert_ne!(key("gcc -Wl,-plugin,p.so a.o", "X=2"), key("gcc -Wl,-plugin,p.so a.o", "X=1"));
    assert_ne!(key("ar --plugin=p rc l.a a.o", "X=2"), key("ar --plugin=p rc l.a a.o", "X=1"));
}

#[test]
fn of_make_only_what_it_does_to_a_link_counts() {
    let key = |command: &str, flags: &str| {
        let mut invocation = invocation(command);
        invocation.environment.push(format!("MAKEFLAGS={flags}").as_str().into());
        plan(&invocation, &files(&[]), &Root::default()).map(|plan| plan.here)
    };
    let (link, usual) = ("gcc -flto=auto a.o", " -j2 --jobserver-auth=3,4");
    for same in ["kw -j --jobserver-auth=5,6", "s -j8 --jobserver-auth=7,8 -- V=1 CFLAGS=-O2"] {
        assert_eq!(key(link, same), key(link, usual), "{same}");
    }
    for other in [
        "",
        " -j2 --jobserver-auth=fifo:/tmp/f",
        " -j2 --jobserver-fds=3,4",
        "n -j2 --jobserver-auth=3,4",
        " -j2 --jobserver-auth=3,4 --trace",
        " -j2 --jobserver-auth=3,4 -- SHELL=/x",
        " -j2 --jobserver-auth=3,4 -- MAKEFILES=x.mk",
        " -j2 --jobserver-auth=3,4 -- .SHELLFLAGS=-ec",
    ] {
        assert_ne!(key(link, other), key(link, usual), "{other}");
        assert_eq!(key("gcc -c a.c", other), key("gcc -c a.c", usual), "{other}");
    }
    // Where there is no job server, none of them gets through.
    assert_eq!(key(link, "n -- SHELL=/x"), key(link, ""));
    let with = |command: &str, variable: &str| {
        let mut invocation = invocation(command);
        invocation.environment.push(variable.into());
        plan(&invocation, &files(&[]), &Root::default()).map(|plan| plan.here)
    };
    for variable in ["MAKEFILES=x", "MAKE=x", "GNUMAKEFLAGS=n", "BASH_FUNC_mv%%=x", ".ONESHELL="] {
        assert_ne!(with(link, variable), with(link, "X=1"), "{variable}");
        assert_eq!(with("gcc -c a.c", variable), with("gcc -c a.c", "X=1"), "{variable}");
    }
    // What make would replace may be any variable.
    assert_ne!(with("gcc -DX=$(X) a.o", "X=2"), with("gcc -DX=$(X) a.o", "X=1"));
    assert_eq!(
        with("gcc -Wl,-rpath,$ORIGIN a.o", "X=2"),
        with("gcc -Wl,-rpath,$ORIGIN a.o", "X=1")
    );
}

#[test]
fn links_that_name_the_checkout_stay_in_it() {
    let root = Root::new(Path::new("/home/me/p"));
    let anywhere = |command: &str| {
        let mut invocation = invocation(command);
        invocation.cwd = "/home/me/p".into();
        let plan = plan(&invocation, &files(&[("args", "/home/me/p/a.o")]), &root);
        plan.expect("it has a key").anywhere.is_some()
    };
    assert!(anywhere("gcc a.o -o p"));
    assert!(anywhere("ar rcs l.a a.o"));
    assert!(!anywhere("gcc /home/me/p/a.o -o p"));
    assert!(!anywhere("gcc a.o -Wl,-rpath,/home/me/p/lib -o p"));
    assert!(!anywhere("gcc @args -o p"));
    assert!(!anywhere("ar rcs /home/me/p/l.a a.o"));
}

#[test]
fn everything_else_has_a_reason() {
    for (command, reason) in [
        ("ls -c a.c", Reason::UnknownTool),
        ("my-gcc -c a.c", Reason::UnknownTool),
        ("gcc -dumpmachine", Reason::NotACompile),
        ("gcc -shared -o -c", Reason::NotACompile),
        ("ld --version", Reason::NotACompile),
        ("ld -shared", Reason::NoSource),
        ("gcc a.o -Wl,-z,now,--build-id=uuid", Reason::UnsupportedOption),
        ("gcc a.o -Wl,--build-i=uuid", Reason::UnsupportedOption),
        ("gcc a.o -Wl,@options", Reason::UnsupportedOption),
        ("rustc -C link-arg=-Wl,--build-id=uuid a.rs", Reason::UnsupportedOption),
        ("gcc a.o -Xlinker --stats", Reason::UnsupportedOption),
        ("ld.gold --incremental a.o", Reason::UnsupportedOption),
        ("ld.lld --thinlto-cache-dir=c a.o", Reason::UnsupportedOption),
        ("ar rcsU l.a a.o", Reason::UnsupportedOption),
        ("llvm-ar rcu l.a a.o", Reason::UnsupportedOption),
        ("ar -U -r l.a a.o", Reason::UnsupportedOption),
        ("ranlib -U l.a", Reason::UnsupportedOption),
        ("ld -o /dev/stdout a.o", Reason::DescriptorPath),
        ("gcc -c", Reason::NoSource),
        ("gcc -c -v a.c", Reason::UnsupportedOption),
        ("clang -c -fmodules a.c", Reason::UnsupportedOption),
        ("clang -c -ftime-trace a.c", Reason::UnsupportedOption),
        ("clang++ -std=c++20 --precompile a.cppm", Reason::UnsupportedOption),
        ("gcc -c /dev/fd/63", Reason::DescriptorPath),
        ("gcc -I/proc/self/cwd -c a.c", Reason::DescriptorPath),
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
fn directory_umask_and_known_variables_count_others_do_not() {
    let base = invocation("gcc -c a.c");
    let key = |change: &dyn Fn(&mut Invocation)| {
        let mut changed = base.clone();
        change(&mut changed);
        plan(&changed, &files(&[]), &Root::default())
    };
    let same = key(&|_| ());
    assert_ne!(same, key(&|i| i.cwd = "/c".into()));
    assert_ne!(same, key(&|i| i.umask = 0));
    for known in ["CPATH=", "LC_ALL=C", "PWD=/link/b", "GCC_COLORS=", "CCC_OVERRIDE_OPTIONS=#"] {
        assert_ne!(same, key(&|i| i.environment.push(known.into())), "{known}");
    }
    for other in ["EDITOR=vi", "PWD=/b", "PWD=/elsewhere", "PWD=link/b", "TERM=xterm"] {
        assert_eq!(same, key(&|i| i.environment.push(other.into())), "{other}");
    }
}

#[test]
fn terminals_count_only_for_messages() {
    let base = invocation("gcc -c a.c");
    let with = |change: &dyn Fn(&mut Invocation)| {
        let mut changed = base.clone();
        change(&mut changed);
        let key = plan(&changed, &files(&[]), &Root::default()).map(|plan| plan.here);
        (key, display(&changed))
    };
    let wide = Some(Terminal { columns: 80 });
    let (key, none) = with(&|_| ());
    let (key_out, out) = with(&|i| i.terminals[0] = wide);
    let (key_err, err) = with(&|i| i.terminals[1] = wide);
    assert!(key == key_out && key == key_err);
    assert!(none != out && none != err && out != err);
    assert_eq!(with(&|i| i.environment.push("COLUMNS=9".into())), (key, none));
    let named = |variable: &str| {
        with(&|i| {
            i.terminals[1] = wide;
            i.environment.push(variable.into());
        })
    };
    for variable in ["COLUMNS=9", "TERM=dumb", "COLORTERM=xfce4-terminal"] {
        assert!(named(variable).0 == key && named(variable).1 != err, "{variable}");
    }
    let recorded = |columns| {
        let mut invocation = invocation("clang -fembed-bitcode -c a.c");
        invocation.terminals[1] = columns;
        plan(&invocation, &files(&[]), &Root::default())
    };
    assert_ne!(recorded(None), recorded(wide));
}

#[test]
fn notices_of_rustc_are_no_messages() {
    let notice =
        "{\"$message_type\":\"artifact\",\"artifact\":\"/a.rmeta\",\"emit\":\"metadata\"}\n";
    let has = |command: &str, stream, text: &str| match stream {
        Stream::Stdout => has_messages(&invocation(command), text.as_bytes(), b""),
        Stream::Stderr => has_messages(&invocation(command), b"", text.as_bytes()),
    };
    assert!(!has("rustc a.rs", Stream::Stderr, notice));
    assert!(has("rustc a.rs", Stream::Stdout, notice));
    assert!(has("rustc a.rs", Stream::Stderr, "{\"$message_type\":\"diagnostic\"}\n"));
    assert!(has("gcc -c a.c", Stream::Stderr, notice));
    assert!(!has_messages(&invocation("gcc -c a.c"), b"", b""));
    let width = |argument: &str| {
        let invocation = invocation(&format!("rustc a.rs {argument}"));
        let key = plan(&invocation, &files(&[]), &Root::default()).map(|plan| plan.here);
        (key, display(&invocation))
    };
    let (wide, narrow) = (width("--diagnostic-width=120"), width("--diagnostic-width=80"));
    assert!(wide.0 == narrow.0 && wide.1 != narrow.1);
}

#[test]
fn a_source_on_standard_input_is_part_of_the_key() {
    let with = |input: Input| {
        let mut invocation = invocation("gcc -c -");
        invocation.input = input;
        plan(&invocation, &files(&[]), &Root::default())
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
        let variables = &["PWD=ROOT/b"];
        let (one, other) = (plan_at("/one", command, variables), plan_at("/2", command, variables));
        assert_ne!(one.here, other.here, "{command}");
        assert!(one.anywhere.is_some(), "{command}");
        assert_eq!(one.anywhere, other.anywhere, "{command}");
    }
}

#[test]
fn commands_of_cargo_have_a_shared_key() {
    let variables = &["LD_LIBRARY_PATH=ROOT/target/deps:/opt/lib", "CARGO_MANIFEST_DIR=ROOT"];
    for (command, works_below) in [
        (
            "rustc src/lib.rs --emit=dep-info,metadata,link -C incremental=ROOT/target/inc \
             --out-dir ROOT/target/deps -L dependency=ROOT/target/deps \
             --extern a=ROOT/target/deps/liba.rmeta -Lnative=ROOT/target/out",
            true,
        ),
        ("rustc src/lib.rs -o ROOT/x --emit=link=ROOT/x --remap-path-prefix ROOT=/r", false),
    ] {
        let (one, other) = (plan_at("/one", command, variables), plan_at("/2", command, variables));
        assert_ne!(one.here, other.here, "{command}");
        assert_eq!(one.anywhere, other.anywhere, "{command}");
        let exposure = one.anywhere.map(|anywhere| anywhere.exposure);
        assert_eq!(exposure, Some(Exposure::Rust { works_below }), "{command}");
    }
    for (command, variable) in [
        ("rustc ROOT/src/lib.rs", ""),
        ("rustc a.rs -C link-arg=-LROOT/x", ""),
        ("rustc a.rs --cfg here=ROOT", ""),
        ("rustc a.rs --target ROOT/x.json", ""),
        ("rustc a.rs --emit=dep-info,link=ROOT/x", ""),
        ("rustc a.rs --remap-path-prefix /a=ROOT", ""),
        ("rustc a.rs --remap-path-prefix=/a=/y", ""),
        ("rustc @ROOT/args", ""),
        ("rustc a.rs", "LD_LIBRARY_PATH=/x:/y=ROOT"),
        ("rustc a.rs", "RUSTC_X=ROOT"),
    ] {
        assert_eq!(plan_at("/a/b", command, &[variable]).anywhere, None, "{command} {variable}");
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
    let exposure = |command| match plan_at("/r", command, &[]).anywhere.unwrap().exposure {
        Exposure::C(exposure) => exposure,
        Exposure::Rust { .. } => panic!("{command} is no command of rustc"),
    };
    assert!(!exposure("gcc -Ii -o ROOT/a.o -c a.c").absolute_sources);
    assert!(exposure("gcc -IROOT/i -c a.c").absolute_sources);
    assert!(exposure("gcc -c ROOT/a.c").absolute_sources);
    assert!(exposure("gcc -fmacro-prefix-map=ROOT=. -c ROOT/a.c").mapped_macros);
    assert!(!exposure("gcc -fdebug-prefix-map=ROOT=. -c ROOT/a.c").mapped_macros);
    assert!(!exposure("gcc -ffile-prefix-map=ROOT/b=. -c ROOT/a.c").mapped_macros);
}

#[test]
fn words_for_the_own_path() {
    let words = |text: &str| {
        let words = PathWords::of(text.as_bytes());
        (words.have_macros(), words.have_unmapped() && !words.have_types(), words.have_types())
    };
    let (macros, unmapped, types) =
        ((true, false, false), (false, true, false), (false, false, true));
    for text in
        ["f(__FILE__)", "__BASE_FILE__;", "P(__FI, LE__)", "a ## E__", "__FILE", "__FI\\\nLE__"]
    {
        assert_eq!(words(text), macros, "{text}");
    }
    for text in ["#define __assert_fail(a, f) my(sizeof(f))", "__glibcxx_assert_fail"] {
        assert_eq!(words(text), macros, "{text}");
    }
    for text in
        ["std::source_location::current()", "__builtin_FILE()", "P(__builtin_, FILE)", "n_FILE"]
    {
        assert_eq!(words(text), unmapped, "{text}");
    }
    for text in ["__PRETTY_FUNCTION__", "P(__PRET, x)", "TY_FUNCTION__", "__FUNCSIG__"] {
        assert_eq!(words(text), types, "{text}");
    }
    for text in [
        "_FILE_H",
        "PROFILE__H",
        "__FINITE_MATH_ONLY__",
        "MY_FILE__",
        "file",
        "FILE *f",
        "__FUNCTION__",
        "__builtin_expect",
        "MY_FUNCTION__",
    ] {
        assert_eq!(words(text), (false, false, false), "{text}");
    }
}

#[test]
fn pieces_of_a_name_are_told_from_names() {
    let is_whole = |text: &str| PathWords::of(text.as_bytes()).whole() != PathWords::default();
    for text in ["__FILE__", "x = __builtin_FILE();", "__PRETTY_FUNCTION__", "source_location"] {
        assert!(is_whole(text), "{text}");
    }
    for text in
        ["typedef struct _IO_FILE __FILE;", "__FILE", "E__", "__builtin_", "__assert_fail", "__P"]
    {
        assert!(!is_whole(text), "{text}");
    }
    assert!(!PathWords::ALL.without_types().have_types());
}

/// Options that choose by the path of a source, or show another form of it.
#[test]
fn what_may_not_show_the_path_whole_is_not_shared() {
    let shared = |command: &str, list: &[(&str, &str)]| {
        let mut invocation = invocation(&command.replace("ROOT", "/r"));
        invocation.cwd = "/r/b".into();
        let plan = plan(&invocation, &files(list), &Root::new(Path::new("/r")));
        plan.is_ok_and(|plan| plan.anywhere.is_some())
    };
    for option in [
        "-finstrument-functions-exclude-file-list=one",
        "-fsanitize=address -fsanitize-ignorelist=list",
        "-fsanitize-undefined-strip-path-components=1",
        "-fprofile-exclude-files=.*",
        "-fsanitize=hwaddress",
        "-fsanitize=undefined,memtag-stack",
        "--target=x86_64-pc-windows-msvc",
        "-target x86_64-w64-windows-gnu",
        "-fms-extensions",
        "-ivfsoverlay list",
        "-Xclang -fprofile-instrument=clang",
        "-Wp,-DA=__FILE__",
        "-x objective-c++",
        "-funknown-option=x",
        "--instrument-functions-exclude-file-list=one",
        "--debug-prefix-map=/=x",
        "-Wa,--debug-prefix-map=/=x",
        "-g -fdebug-compilation-dir=/",
        "-g -fdebug-compilation-dir /",
        "-working-directory=/",
        "--target=x86_64-pc-win32",
        "-ObjC++",
        "--language=objective-c++",
        "-H",
        "-MD -MF -",
        "-MD -MF-",
        "-MD -MV",
        "-MD -MT a\tb",
        "-M",
        "-isystem include",
        "-isystem ROOT/../x/include",
        "-isystem /x/./include",
        "--sysroot=x",
        "-iprefix x",
    ] {
        assert!(!shared(&format!("clang {option} -c ROOT/a.c"), &[]), "{option}");
    }
    assert!(!shared("clang -c ROOT/a.mm", &[]));
    assert!(!shared("x86_64-pc-win32-clang++ -c ROOT/a.cc", &[]));
    assert!(shared("x86_64-linux-gnu-g++-12 -c ROOT/a.cc", &[]));
    for option in [
        "-fsanitize=address,undefined",
        "-fvisibility=hidden",
        "-O2 -fPIC -Wall",
        "-Wa,--noexecstack",
    ] {
        assert!(shared(&format!("clang {option} -c ROOT/a.c"), &[]), "{option}");
    }
    assert!(shared("gcc @list -c ROOT/a.c", &[("list", "-O2")]));
    assert!(!shared("gcc @list -c ROOT/a.c", &[("list", "-fdebug-prefix-map=/r=x")]));
}

/// How the preprocessor is asked whether a source uses its own path.
#[test]
fn the_question_to_the_preprocessor() {
    let asked = |command: &str| {
        let question = own_path::question(&invocation(command))?;
        let kept = question.arguments.iter().take_while(|word| word.as_bytes() != b"-E");
        Some(kept.map(OsBytes::to_string).collect::<Vec<_>>().join(" "))
    };
    let same =
        |command: &str, kept: &str| assert_eq!(asked(command).as_deref(), Some(kept), "{command}");
    same("gcc -c a.c", "a.c");
    same("gcc -O2 -DX -D Y -I i -MD -MF a.d -MT x -o a.o -c a.cc", "-O2 -DX -D Y -I i a.cc");
    same("clang -std=c11 -MMD -MP -MQx -oa.s -S a.c", "-std=c11 a.c");
    for command in [
        "gcc a.c",
        "gcc -c a.c b.c",
        "gcc -c @list a.c",
        "gcc -c -x c a.c",
        "gcc -c a.i",
        "gcc -c -fdirectives-only a.c",
        "gcc -c -Wp,-MD,x a.c",
        "gcc -c -save-temps a.c",
        "gcc -c -M a.c",
        "gcc -E a.c",
        "gcc -c -",
        "clang -c -MJ x a.c",
        "gcc -c a.s",
        "gcc -c a.c -I",
    ] {
        assert_eq!(asked(command), None, "{command}");
    }
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
fn time_macros_are_found_in_pieces_too() {
    let told = |text: &str| {
        let words = TimeWords::of(text.as_bytes());
        (words.tell_now(), words.tell_stamp())
    };
    for now in [
        "char d[] = __DATE__;",
        "\0__TIME__",
        "P(__TI, ME__)",
        "P(x, E__)",
        "__TI\\\nME__",
        "_\\\n_T\\ \r\nI\\\nME_\\\n_",
        "_??/\nDATE__",
        "__DA\\\x0b\nTE\\\x0b\n__",
        "__T\\\0\nIM\\\0\nE__",
        "__T\\\rIM\\\rE__",
        "#define M(x) __ ## x ## __\nM(TIME)",
        "_ ## _DAT\nP(P(x,E_),_)",
        "#define U __\nP(U, P(TI, ME))",
        "P(__, P(T, P(IME, __)))",
        "-DX=__TIM",
    ] {
        assert_eq!(told(now), (true, false), "{now}");
    }
    for stamp in
        ["__TIMESTAMP__", "P(__TIMEST, AMP__)", "P(, STAMP__)", "P(__, P(TIM, P(ESTAMP, __)))"]
    {
        assert!(told(stamp).1, "{stamp}");
    }
    for other in [
        "__T x; TIME = _(\"DATE\"); __D y; __TIMER TIME__R",
        "f(_, _); TIME",
        "#define M(x, y) x##_##y\nM(TIME, DATE)",
        "#define M(x) __ ## x ## __\nM(SIZE)",
        "#define M(x) __ ## x ## __\nenum { ES, _T, TI, MP, ST, _D };",
        "",
    ] {
        assert_eq!(told(other), (false, false), "{other}");
    }
    let comment = TimeWords::of(b"/* Defines __TIME*_T_TYPE. */ __DATE").whole();
    assert!(!comment.tell_now() && TimeWords::of(b"__DATE__").whole().tell_now());
}

#[test]
fn time_macros_are_refused_where_that_is_said_last() {
    let is_refused = |line: &str| clock::is_refused(&invocation(line));
    assert!(is_refused("gcc -Wall -Werror=date-time -c a.c"));
    assert!(is_refused("gcc -Wno-date-time -Werror=date-time -Wno-error=vla -c a.c"));
    for line in [
        "gcc -Wdate-time -c a.c",
        "gcc -Werror -Wdate-time -c a.c",
        "gcc -Werror=date-time -Wno-date-time -c a.c",
        "gcc -Werror=date-time -Wp,-Wno-error=date-time -c a.c",
        "gcc -Werror=date-time -w -c a.c",
        "gcc -Werror=date-time -Wp,-w -c a.c",
        "gcc -Werror=date-time -Wno-error -c a.c",
        "gcc -Werror=date-time @more -c a.c",
    ] {
        assert!(!is_refused(line), "{line}");
    }
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
        assert!(!clock.told_by(told.as_bytes()).is_empty(), "{told}");
    }
    let others = ["Mar  9 2000", "23:59:49", "23:58:55", "12:43:59", "3:59:55", "ab:59:55", ""];
    let other_ages =
        ["Thu May  6 07:08:10 1999", "Thu May  9 07:08:09 1999", "Thu May  6 07:08:09"];
    for other in others.iter().chain(&other_ages) {
        assert!(clock.told_by(other.as_bytes()).is_empty(), "{other}");
    }
    let fixed = clock::Clock { is_fixed: true, ..clock.clone() };
    assert!(ages.iter().all(|age| !fixed.told_by(age.as_bytes()).is_empty()));
    assert!(!dates.iter().chain(&times).any(|told| !fixed.told_by(told.as_bytes()).is_empty()));
    let unusual = clock::Clock { is_usual: false, ..clock };
    for told in ["Mar  9 2010", "01:02:03", "Thu May  9 07:08:09 1999"] {
        assert!(!unusual.told_by(told.as_bytes()).is_empty(), "{told}");
    }
}

#[test]
fn a_time_that_stands_in_an_input_came_from_there() {
    let clock = clock::Clock {
        from: 951_868_790,
        to: 951_868_799,
        offset: 0,
        is_usual: true,
        is_fixed: false,
        modified: Vec::new(),
    };
    let mut told = clock.told_by(b"at 23:59:55 or 23:59:56 on Feb 29 2000");
    told.strike_out(b"char *at = \"23:59:55\", *on = \"Feb 29 2000\";");
    assert_eq!(told, clock.told_by(b"23:59:56"));
    told.strike_out(b"23:59:56");
    assert!(told.is_empty());
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
        assert!(is_diagnosed(Family::C, diagnosed.as_bytes()), "{diagnosed}");
    }
    for other in [
        "",
        "gcc: error: a.c: No such file or directory\n",
        "error: unable to open output file 'a.o'\n",
        "a.c:1:2: error: no\ngcc: fatal error: Killed signal terminated program cc1\n",
        "a.c:1:2: error: no\nclang: error: clang frontend command failed\n",
        "a.c:1:2: internal compiler error: in x\n",
        "a.c:1:10: fatal error: x.h: Too many open files\n",
        "a.c:1:1: fatal error: opening dependency file a.d: Operation not permitted\n",
        "/tmp/ccXyz.s:7: Error: no such instruction\n",
        "[{\"kind\": \"error\", \"message\": \"error: \"}]\n",
    ] {
        assert!(!is_diagnosed(Family::C, other.as_bytes()), "{other}");
    }
    let speaks = |variable: &str| {
        let mut invocation = invocation("gcc -c a.c");
        invocation.environment.push(variable.into());
        crate::failure::speaks_english(Family::C, &invocation)
    };
    assert!(["LANG=en_GB.UTF-8", "LC_ALL=C.UTF-8", "X=1"].into_iter().all(speaks));
    assert!(!["LANG=de_DE.UTF-8", "LANGUAGE=fr:en"].into_iter().any(speaks));
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
        ("rustc a.rs -Zself-profile", Reason::UnsupportedOption),
        ("rustc a.rs --json artifacts,timings", Reason::UnsupportedOption),
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
        plan(&invocation, &files(&[]), &Root::default()).map(|plan| plan.here)
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
    assert_eq!(searched("-L dependency=deps", "/b/deps"), (Searched::Crates, 1));
    assert_eq!(searched("-Ldependency=/x", "/x"), (Searched::Crates, 1));
    assert_eq!(searched("-L native=n", "/b/n"), (Searched::Nothing, 1));
    assert_eq!(searched("-L deps", "/b/deps"), (Searched::Whole, 1));
    assert_eq!(searched("-L dependency=deps -L all=deps", "/b/deps"), (Searched::Whole, 2));
    assert_eq!(searched("-L native=deps -L dependency=deps", "/b/deps"), (Searched::Crates, 2));
    assert_eq!(searched("-L dependency=./deps", "/b/deps"), (Searched::Whole, 0));
    assert_eq!(searched("a.rs", "/b/deps"), (Searched::Whole, 0));
}

#[test]
fn dep_info_tells_the_variables() {
    let told = b"a.d: a.rs\n\n# env-dep:A=x=y\n# env-dep:UNSET\n# env-dep:odd\\nname=1\n";
    let names = [&b"A"[..], b"UNSET", b"odd\nname"].map(<[u8]>::to_vec);
    assert_eq!(rust::tracked_variables(told), names);
}

#[test]
fn a_macro_that_asks_by_name_reads_what_it_may_know_the_name_of() {
    let known = |invocation: &Invocation| Environment::Named {
        known: vec![Variable::of(invocation, b"APP_NAME"), Variable::of(invocation, b"UNSET")],
        unknown: vec!["PATH".into(), "TOKEN".into()],
    };
    let with = |variables: &[&str]| {
        let mut invocation = invocation("rustc a.rs");
        invocation.environment.extend(variables.iter().map(|&entry| entry.into()));
        invocation
    };
    let before = known(&with(&["APP_NAME=x", "TOKEN=1"]));
    let reads = |variables: &[&str], expected| {
        let now = with(variables);
        assert_eq!(environment::reading(&before, &now, || Digest::of(b"")), expected);
    };
    reads(&["APP_NAME=x", "TOKEN=2"], Reading::Same);
    reads(&["APP_NAME=x", "SHLVL=3"], Reading::Same);
    for other in [&["APP_NAME=y"][..], &[], &["APP_NAME=x", "UNSET="], &["NEW=1"]] {
        reads(other, Reading::Other);
    }
    reads(&["APP_NAME=x", "NEW=1", "ANEW=2"], Reading::SameUnlessKnown(vec![b"ANEW", b"NEW"]));
    let marks = ["APP_NAME", "HOME", "CI_JOB_ID", "APPLICATION"]
        .map(|name| environment::mark(name.as_bytes()));
    assert_eq!(marks, [&b"APP_"[..], b"HOME", b"CI_JOB_", b"APPLICAT"]);
}

#[test]
fn errors_of_rustc_have_places() {
    let is_diagnosed = |text: &str| crate::failure::is_diagnosed(Family::Rust, text.as_bytes());
    let json = |spans: &str| {
        format!(
            "{{\"$message_type\":\"diagnostic\",\"message\":\"m\",\"code\":null,\"level\":\"error\",\"spans\":[{spans}],\"children\":[]}}\n"
        )
    };
    let aborting = json("").replace("\"m\"", "\"aborting due to 1 previous error\"");
    assert!(is_diagnosed(
        "error[E0425]: no f\n --> a.rs:1:2\n  |\n\nerror: aborting due to 1 previous error\n\n"
    ));
    assert!(is_diagnosed(&(json("{\"x\":1}") + &aborting)));
    for other in [
        "error: linking with `cc` failed: exit status: 1\n  |\n".to_owned(),
        "warning: x\n --> a.rs:1:2\n".to_owned(),
        json("") + &aborting,
        json("{}") + &json(""),
        aborting,
    ] {
        assert!(!is_diagnosed(&other), "{other}");
    }
}

#[test]
fn libraries_with_macros_are_told_from_others() {
    let loads = |path: &str, command: &str| {
        rust::may_run_in_compiler(Path::new(path), &invocation(command))
    };
    assert!(loads("/b/deps/libm-1.so", "rustc a.rs"));
    assert!(!loads("/b/deps/libm-1.rlib", "rustc a.rs"));
    assert!(loads("/b/deps/libfoo.so.1", "rustc a.rs"));
    assert!(loads("/b/plug.so", "rustc a.rs"));
    assert!(!loads("/usr/lib/x86_64-linux-gnu/libc.so", "rustc a.rs"));
    assert!(!loads("/nix/store/glibc/lib/libc.so.6", "rustc a.rs"));
    assert!(!loads("/r/lib/librustc_driver-1.so", "rustc a.rs"));
    assert!(!loads("/r/lib/libLLVM.so.21.1-rust-1.95.0-stable", "rustc a.rs"));
    assert!(
        rust::may_hold_names(Path::new("/b/rustc"))
            && rust::may_hold_names(Path::new("/b/libm.rlib"))
    );
    assert!(!rust::may_hold_names(Path::new("/r/bin/rustc")));
    assert!(loads("/usr/lib/m/libm.so", "rustc a.rs -L dependency=/usr/lib/m"));
    assert!(!loads("/r/lib/rustlib/x/lib/libstd-1.so", "rustc a.rs"));
}

#[test]
fn objects_for_the_optimiser_are_no_sources() {
    assert!(source::is_made_of_objects(b"BC\xc0\xde5\x14\0\0"));
    assert!(!source::is_made_of_objects(b"BC = 1;\n"));
}

/// What rustc made says so, in debug information, and is no compiler for it.
#[test]
fn programs_of_the_toolchain_say_so() {
    for text in ["_ZN4llvm LLVM_14 and more", "COLLECT_GCC", "librustc_driver.so"] {
        assert!(program::is_of_toolchain(text.as_bytes()), "{text}");
    }
    for text in ["clang LLVM (rustc version 1.95.0)", "clang version 14.0.6", ""] {
        assert!(!program::is_of_toolchain(text.as_bytes()), "{text}");
    }
}
