//! Several checkouts of one tree: a result serves them all unless it may depend
//! on where it was made.

use std::fs;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use zccache_core::Reason;
use zccache_tests::sandbox::eventually;
use zccache_tests::{Command, Compiler, Place, Trial, trial};

use crate::trials;

const ONE: &str = "one";
const OTHER: &str = "another-checkout-with-a-rather-long-name";
const THIRD: &str = "third";

/// Sources with a private and a system header, in two git worktrees.
fn checkouts(trial: &Trial) {
    for checkout in [ONE, OTHER] {
        let file = |name: &str, text: &str| trial.file(format!("{checkout}/{name}"), text);
        file(".git", "gitdir: elsewhere\n");
        file("src/a.c", "#include \"a.h\"\n#include <stdio.h>\nint f(void) { return A; }\n");
        file("include/a.h", "#define A 1\n");
        trial.edit(|root| fs::create_dir(root.join(checkout).join("b")).expect("a directory"));
    }
}

/// A command line run in a checkout's directory `b`, with `ROOT` for the checkout.
fn at(trial: &Trial, checkout: &str, line: &str) -> Command {
    let root = format!("$PWD/{checkout}");
    trial.line(&line.replace("ROOT", &root)).below(format!("{checkout}/b"))
}

/// Compiles in one checkout, then in the other, from the cache.
fn is_shared(trial: &Trial, line: &str) {
    trial.run(at(trial, ONE, line)).kept();
    trial.run(at(trial, OTHER, line)).hit();
}

/// Compiles in one checkout, then in the other as well.
fn is_not_shared(trial: &Trial, line: &str) {
    trial.run(at(trial, ONE, line)).kept();
    trial.run(at(trial, OTHER, line)).kept();
    trial.run(at(trial, ONE, line)).hit();
}

fn relative_paths(trial: &Trial) {
    checkouts(trial);
    is_shared(trial, "$CC -O2 -I../include -MD -c ../src/a.c -o a.o");
    trial.file(format!("{OTHER}/include/a.h"), "#define A 2\n");
    trial.run(at(trial, OTHER, "$CC -O2 -I../include -MD -c ../src/a.c -o a.o")).kept();
    trial.file(format!("{ONE}/include/a.h"), "#define A 2\n");
    trial.run(at(trial, ONE, "$CC -O2 -I../include -MD -c ../src/a.c -o a.o")).hit();
}

fn absolute_paths_and_a_depfile(trial: &Trial) {
    checkouts(trial);
    is_shared(trial, "$CC -IROOT/include -MD -MT a.o -MF ROOT/b/a.d -o ROOT/b/a.o -c ROOT/src/a.c");
    is_shared(trial, "$CC -IROOT/include -MMD -MP -o a.o -c ROOT/src/a.c");
}

fn a_depfile_whose_lines_break_elsewhere(trial: &Trial) {
    checkouts(trial);
    for checkout in [ONE, OTHER] {
        let includes: Vec<_> = (0..30).map(|n| "h".repeat(n + 1) + ".h").collect();
        for name in &includes {
            trial.file(format!("{checkout}/include/{name}"), "");
        }
        let text: String = includes.iter().map(|name| format!("#include <{name}>\n")).collect();
        trial.file(format!("{checkout}/src/a.c"), text);
    }
    is_shared(trial, "$CC -IROOT/include -MD -MP -MQ ROOT/b/x -MT y -o a.o -c ROOT/src/a.c");
    is_shared(trial, "$CC -isystem ROOT/include -MD -o ROOT/b/a.o -c ROOT/src/a.c");
}

fn warnings_name_this_checkout(trial: &Trial) {
    checkouts(trial);
    for checkout in [ONE, OTHER] {
        trial.file(format!("{checkout}/include/a.h"), "static int unused;\n#define A 1\n");
    }
    is_shared(trial, "$CC -Wall -IROOT/include -c ROOT/src/a.c -o a.o");
}

fn debug_information_names_the_checkout(trial: &Trial) {
    checkouts(trial);
    is_not_shared(trial, "$CC -g -I../include -c ../src/a.c -o a.o");
    is_not_shared(trial, "$CC -g -gz -I../include -c ../src/a.c -o a.o");
    is_shared(trial, "$CC -g -fdebug-prefix-map=ROOT=. -I../include -c ../src/a.c -o a.o");
    is_shared(trial, "$CC -g -ffile-prefix-map=ROOT=/x -IROOT/include -c ROOT/src/a.c -o a.o");
}

fn a_map_of_what_is_above_hides_the_checkout(trial: &Trial) {
    checkouts(trial);
    is_not_shared(trial, "$CC -g -fdebug-prefix-map=$PWD=. -I../include -c ../src/a.c -o a.o");
}

/// Without a trace of the path in the object, its length is in it.
fn the_length_of_the_own_path(trial: &Trial) {
    checkouts(trial);
    for checkout in [ONE, OTHER] {
        trial.file(format!("{checkout}/src/a.c"), "int n = sizeof(__FILE__);\n");
        trial.file(
            format!("{checkout}/src/b.c"),
            "#define P(a, b) a##b\nint n = sizeof(P(__FI, LE__));\n",
        );
        trial.file(
            format!("{checkout}/src/c.c"),
            "int n = sizeof(__builtin_FILE());\nint m = __builtin_strlen(__builtin_FILE());\n",
        );
        trial.file(
            format!("{checkout}/src/d.c"),
            "#define T(x) #x\n#define S(x) T(x)\nint n = sizeof(S(HERE));\n",
        );
    }
    is_shared(trial, "$CC -c ../src/a.c -o a.o");
    is_not_shared(trial, "$CC -c ROOT/src/a.c -o a.o");
    is_not_shared(trial, "$CC -c ROOT/src/b.c -o b.o");
    is_not_shared(trial, "$CC -O2 -c ROOT/src/c.c -o c.o");
    is_not_shared(trial, "$CC -DHERE=ROOT -c ../src/d.c -o d.o");
    is_shared(trial, "$CC -fmacro-prefix-map=ROOT=. -c ROOT/src/a.c -o a.o");
}

/// What the preprocessor finds unused is unused, whatever mentions it.
fn an_own_path_that_is_not_used(trial: &Trial) {
    checkouts(trial);
    let header = "#define LOG(x) g(__FILE__, x)\n#define FULL __BASE_FILE__ __builtin_FILE\n\
                  #ifdef NDEBUG\n#define CHECK(x) ((void)0)\n#else\n\
                  #define CHECK(x) ((x) ? (void)0 : h(sizeof(__FILE__)))\n#endif\n\
                  void h(int);\n#define A 1\n";
    let source = "#include \"a.h\"\nint f(int x) { CHECK(x); return A; }\n";
    for checkout in [ONE, OTHER, THIRD] {
        trial.file(format!("{checkout}/.git"), "gitdir: elsewhere\n");
        trial.file(format!("{checkout}/include/a.h"), header);
        trial.file(format!("{checkout}/src/a.c"), source);
        trial.edit(|root| fs::create_dir_all(root.join(checkout).join("b")).expect("a directory"));
    }
    let line = "$CC -O2 -DNDEBUG -IROOT/include -MD -MF a.d -o a.o -c ROOT/src/a.c";
    is_shared(trial, line);
    trial.run(at(trial, THIRD, line)).hit();
    trial.run(at(trial, ONE, line)).hit();
    is_shared(trial, "$CC -S -DNDEBUG -Wall -Werror -pedantic-errors -IROOT/include ROOT/src/a.c");
    is_not_shared(trial, "$CC -O2 -IROOT/include -c ROOT/src/a.c -o a.o");
    trial.run(at(trial, THIRD, "$CC -O2 -IROOT/include -c ROOT/src/a.c -o a.o")).kept();
    trial.file(format!("{THIRD}/src/a.c"), "#include \"a.h\"\nint n = sizeof(__FILE__);\n");
    trial.run(at(trial, THIRD, line)).kept();
    trial.run(at(trial, THIRD, line)).hit();
    trial.file(format!("{THIRD}/src/a.c"), source);
    trial.run(at(trial, THIRD, line)).hit();
}

/// Where the preprocessor is not to be asked, or would not tell, nothing is shared.
fn an_own_path_that_nobody_can_be_asked_about(trial: &Trial) {
    checkouts(trial);
    for checkout in [ONE, OTHER] {
        trial.file(format!("{checkout}/include/a.h"), "#define A sizeof(__FILE__)\n");
        let source = |name: &str, text: &str| trial.file(format!("{checkout}/src/{name}"), text);
        source("a.c", "#include \"a.h\"\nint n = A;\n");
        source("b.c", "#ifndef B\n#define B\n#include __FILE__\nint n = 1;\n#endif\n");
        source("c.c", "#pragma push_macro(\"__FILE__\")\nint n = sizeof(__FILE__);\n");
        source(
            "d.c",
            "#define P(a, b) a##b\nint n = sizeof(P(__FI, LE__)) + sizeof(P(L, __FILE__));\n",
        );
        trial.file(format!("{checkout}/b/options"), "-O2 -DNDEBUG");
    }
    if trial.compiler() == Compiler::Gcc {
        is_not_shared(trial, "$CC -IROOT/include -fdirectives-only -c ROOT/src/a.c -o a.o");
    }
    is_not_shared(trial, "$CC -IROOT/include @options -c ROOT/src/a.c -o a.o");
    for checkout in [ONE, OTHER] {
        let line = "$CC -IROOT/include -save-temps -c ROOT/src/a.c -o a.o";
        trial.run(at(trial, checkout, line)).not_hit();
    }
    is_not_shared(trial, "$CC -IROOT/include -x c -c ROOT/src/a.c -o a.o");
    is_not_shared(trial, "$CC -c ROOT/src/b.c -o b.o");
    is_not_shared(trial, "$CC -c ROOT/src/c.c -o c.o");
    is_not_shared(trial, "$CC -c ROOT/src/d.c -o d.o");
    let depfile = |checkout| {
        let line = at(trial, checkout, "$CC -IROOT/include -c ROOT/src/a.c -o a.o");
        trial.run(line.env("DEPENDENCIES_OUTPUT", "made.d"))
    };
    depfile(ONE).not_bypassed();
    depfile(OTHER).not_bypassed();
}

/// A header that is another one while the preprocessor reads it has said nothing, though it
/// is what it was before and afterwards.
fn a_header_is_changed_and_changed_back_meanwhile(trial: &Trial) {
    checkouts(trial);
    let macros: String = (0..400_000).map(|n| format!("#define M{n} 1\n")).collect();
    let uses = "#define A sizeof(__FILE__)\n";
    for checkout in [ONE, OTHER] {
        trial.file(format!("{checkout}/src/a.c"), "#include <m.h>\n#include <a.h>\nint n = A;\n");
        trial.file(format!("{checkout}/include/m.h"), &macros);
        trial.file(format!("{checkout}/include/a.h"), uses);
    }
    let line = "$CC -IROOT/include -c ROOT/src/a.c -o a.o";
    trial.run(at(trial, ONE, line)).kept();
    let changed = trial.tree().join(OTHER).join("include/a.h");
    trial.age();
    let launch = trial.sandbox().start_launch(trial.tree(), at(trial, OTHER, line));
    let launcher = launch.pid();
    let directory = trial.tree().join(OTHER).join("b");
    let is_asked = || processes().find(|pid| preprocesses_in(*pid, &directory));
    let mut asked = None;
    eventually("the preprocessor is at work", || {
        asked = is_asked();
        asked.is_some()
    });
    let preprocessor = asked.expect("it has been found");
    for pid in [launcher, preprocessor] {
        kill(pid, Signal::SIGSTOP).expect("it runs");
    }
    fs::write(&changed, "#define A sizeof(int)\n").expect("a write");
    kill(preprocessor, Signal::SIGCONT).expect("it is there");
    eventually("the preprocessor has ended", || is_asked().is_none());
    fs::write(&changed, uses).expect("a write");
    kill(launcher, Signal::SIGCONT).expect("it is there");
    let _ = launch.wait().succeeded();
    let _ = trial.bare(&at(trial, OTHER, line)).succeeded();
    trial.assert_same_trees("the object is that of what the header is");
}

fn processes() -> impl Iterator<Item = Pid> {
    let names = fs::read_dir("/proc").expect("/proc is mounted");
    let names = names.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter_map(|name| name.parse().ok()).map(Pid::from_raw)
}

/// Whether a process, which has not ended, is a compiler proper that has been asked there.
fn preprocesses_in(pid: Pid, directory: &Path) -> bool {
    let command = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let program = command.split('\0').next().unwrap_or_default();
    let cwd = fs::read_link(format!("/proc/{pid}/cwd"));
    program.ends_with("/cc1")
        && command.contains("zccache_path_of_a_source")
        && cwd.is_ok_and(|cwd| cwd == directory)
}

#[test]
fn a_header_is_another_while_the_preprocessor_runs() {
    for place in [Place::Plain, Place::View] {
        trial::once(place, Compiler::Gcc, a_header_is_changed_and_changed_back_meanwhile);
    }
}

/// clang calls a type without a name by the path of its source.
fn the_names_of_types(trial: &Trial) {
    checkouts(trial);
    for checkout in [ONE, OTHER] {
        let text = "template<class T> constexpr int f(T) { return sizeof(__PRETTY_FUNCTION__); }\n\
                    struct { int x; } unnamed;\nint n = f([] {}) + f(unnamed);\n";
        trial.file(format!("{checkout}/src/a.cc"), text);
        trial.file(format!("{checkout}/include/a.h"), "#define WHERE __PRETTY_FUNCTION__\n");
        trial.file(format!("{checkout}/src/c.cc"), "#include \"a.h\"\nint n;\n");
        let pasted = text.replace("__PRETTY_FUNCTION__", "P(__PRET, TY_FUNCTION__)");
        trial.file(format!("{checkout}/src/b.cc"), format!("#define P(a, b) a##b\n{pasted}"));
    }
    for source in ["a", "b"] {
        let line = format!("$CXX -std=c++17 -c ROOT/src/{source}.cc -o a.o");
        let line = |checkout| at(trial, checkout, &line);
        trial.run(line(ONE)).kept();
        trial.run(line(OTHER)).not_bypassed();
        let mapped =
            format!("$CXX -std=c++17 -ffile-prefix-map=ROOT=. -c ROOT/src/{source}.cc -o a.o");
        trial.run(at(trial, ONE, &mapped)).kept();
        trial.run(at(trial, OTHER, &mapped)).not_bypassed();
    }
    is_shared(trial, "$CXX -std=c++17 -IROOT/include -c ROOT/src/c.cc -o c.o");
}

/// The path is used where the scan of the sources has to know more than its names.
fn an_own_path_by_other_words(trial: &Trial) {
    checkouts(trial);
    for checkout in [ONE, OTHER] {
        let source = |name: &str, text: &str| trial.file(format!("{checkout}/src/{name}"), text);
        source("a.c", "int n = sizeof(HERE);\n");
        source("b.c", "#define B(x) __##x##__\nint n = sizeof(B(FILE));\n");
        source("c.c", "int n = sizeof(__\\\nFILE\\\n__);\n");
        source(
            "d.c",
            "#define P(a, b) a##b\nint f(void) { return __builtin_strlen(P(__builtin_, FILE)()); }\n",
        );
        source(
            "e.c",
            "#include <assert.h>\nvoid my(int);\n#define __assert_fail(e, f, l, n) my(sizeof(f))\n\
             void g(int x) { assert(x); }\n",
        );
        source(
            "f.c",
            "#define N (sizeof(__FILE__) % 7 + 2)\nvoid g(int);\nvoid f(int n) {\n#pragma unroll(N)\n\
             for (int i = 0; i < n; i++) g(i);\n}\n",
        );
        source(
            "g.c",
            "#define N (sizeof(__FILE__) % 7 + 2)\nvoid g(int);\nvoid f(int n) {\n\
             _Pragma(\"clang loop unroll_count(N)\")\nfor (int i = 0; i < n; i++) g(i);\n}\n",
        );
    }
    is_not_shared(trial, "$CC -DHERE=__FILE__ -c ROOT/src/a.c -o a.o");
    is_not_shared(trial, "$CC -O2 -Wp,-DHERE=__FILE__ -c ROOT/src/a.c -o a.o");
    is_not_shared(trial, "$CC -c ROOT/src/b.c -o b.o");
    is_not_shared(trial, "$CC -c ROOT/src/c.c -o c.o");
    is_not_shared(trial, "$CC -O2 -c ROOT/src/d.c -o d.o");
    is_not_shared(trial, "$CC -O2 -c ROOT/src/e.c -o e.o");
    is_not_shared(trial, "$CC -O2 -c ROOT/src/f.c -o f.o");
    is_not_shared(trial, "$CC -O2 -c ROOT/src/g.c -o g.o");
}

/// A pattern in the arguments, or a list, may choose by a part of the path.
fn patterns_that_paths_are_compared_with(trial: &Trial) {
    checkouts(trial);
    for checkout in [ONE, OTHER] {
        let text = "int f(int *x, int y) { return *x / y; }\n";
        trial.file(format!("{checkout}/src/a.c"), text);
        trial.file(format!("{checkout}/list"), format!("src:*/{ONE}/*\n"));
    }
    let options: &[_] = match trial.compiler() {
        Compiler::Gcc => &["-finstrument-functions -finstrument-functions-exclude-file-list=one"],
        Compiler::Clang => &[
            "-fsanitize=address -fsanitize-ignorelist=../list",
            "-fsanitize=undefined -fsanitize-undefined-strip-path-components=1",
            "-fsanitize=undefined -fsanitize-undefined-strip-path-components=-2",
            "-fxray-instrument -fxray-instruction-threshold=1 -fxray-attr-list=../list",
        ],
    };
    for option in options {
        is_not_shared(trial, &format!("$CC -O1 {option} -c ROOT/src/a.c -o a.o"));
    }
}

/// What is common to checkouts may name one of them, also one that comes later.
fn a_response_file_names_the_other_checkout(trial: &Trial) {
    checkouts(trial);
    for named in [ONE, OTHER] {
        let named = trial.tree().join(named);
        trial.file("options", format!("-fdebug-prefix-map={}=/y", named.display()));
        let line =
            "$CC -g -fdebug-prefix-map=ROOT=/x @../../options -I../include -c ../src/a.c -o a.o";
        for checkout in [ONE, OTHER] {
            trial.run(at(trial, checkout, line)).not_hit();
        }
    }
}

/// A map of prefixes changes what an input says of this checkout, and not of the other.
fn an_input_that_names_the_other_checkout(trial: &Trial) {
    checkouts(trial);
    let named = trial.tree().join(OTHER).join("include/i.h");
    for checkout in [ONE, OTHER] {
        trial.file(
            format!("{checkout}/include/i.h"),
            "static int q = sizeof(__FILE__);\nint *z = &q;\n",
        );
        trial.file(format!("{checkout}/src/a.c"), format!("#include \"{}\"\n", named.display()));
        trial.file(
            format!("{checkout}/src/b.c"),
            format!("#line 5 \"{}\"\nint b;\n", named.display()),
        );
    }
    for line in [
        "$CC -ffile-prefix-map=ROOT=. -c ../src/a.c -o a.o",
        "$CC -g -ffile-prefix-map=ROOT=. -c ../src/b.c -o b.o",
    ] {
        trial.run(at(trial, ONE, line)).kept();
        trial.run(at(trial, OTHER, line)).not_hit();
        trial.run(at(trial, ONE, line)).hit();
    }
}

/// gcc shows the canonical name of a system header where that is shorter than how it was found.
fn names_of_system_headers_by_their_length(trial: &Trial) {
    checkouts(trial);
    for checkout in [ONE, OTHER] {
        trial.file(format!("{checkout}/third/include/s.h"), "#include \"../../detail/x.h\"\n");
        trial.file(format!("{checkout}/detail/x.h"), "static const int q = sizeof(__FILE__);\n");
        trial.file(
            format!("{checkout}/src/a.c"),
            "#include <s.h>\nint f(int x) { return q + x; }\n",
        );
    }
    for option in [
        "-idirafter ../third/include",
        "-isystem ../third/include",
        "-isystem ROOT/b/../third/include",
    ] {
        is_not_shared(trial, &format!("$CC {option} -MD -MF a.d -c ../src/a.c -o a.o"));
    }
    let by_variable = |checkout| {
        let line = at(trial, checkout, "$CC -MD -MF a.d -c ../src/a.c -o a.o");
        trial.run(line.env("C_INCLUDE_PATH", "../third/include"))
    };
    by_variable(ONE).kept();
    by_variable(OTHER).kept();
}

/// What is laid out by the length of the root, sorted by it, or cut in two.
fn texts_that_depend_on_the_root(trial: &Trial) {
    checkouts(trial);
    for checkout in [ONE, OTHER] {
        trial.file(format!("{checkout}/src/a.s"), ".text\nf: nop\n");
        trial.file(format!("{checkout}/include/a.h"), "static inline __attribute__((noinline)) int e(int x) { return x + 2; }\n#define A e(1)\n");
    }
    let outside = trial.tree().display().to_string();
    is_not_shared(trial, "$CC -c -MMD -MF - ROOT/src/a.c -IROOT/include -o ROOT/b/a.o");
    is_not_shared(trial, "$CC -H -c ROOT/src/a.c -IROOT/include -o a.o");
    if trial.compiler() == Compiler::Clang {
        is_not_shared(
            trial,
            &format!(
                "$CC -g -fdebug-compilation-dir={outside} -IROOT/include -c ROOT/src/a.c -o a.o"
            ),
        );
    } else {
        is_not_shared(
            trial,
            &format!("$CC -g -Wa,--debug-prefix-map={outside}=X -c ROOT/src/a.s -o a.o"),
        );
        is_not_shared(trial, "$CC -Wa,--MD,x.d -c ROOT/src/a.s -o a.o");
        is_not_shared(
            trial,
            &format!("$CC -g --debug-prefix-map={outside}=X -IROOT/include -c ROOT/src/a.c -o a.o"),
        );
    }
}

/// Of a path only a hash is in the object, or a compressed form.
fn paths_that_do_not_show(trial: &Trial) {
    checkouts(trial);
    let text = "static int k(int x) { return x << 2; }\nint (*p)(int) = k;\n\
                int f(int x) { int a[10]; a[x % 10] = k(x); return a[x % 7]; }\n";
    for checkout in [ONE, OTHER] {
        trial.file(format!("{checkout}/src/a.c"), text);
    }
    let options: &[_] = match trial.compiler() {
        Compiler::Gcc => &["-fprofile-use", "--coverage -frandom-seed=x -ffile-prefix-map=ROOT=."],
        Compiler::Clang => &[
            "-fprofile-generate",
            "-fcs-profile-generate",
            "-fprofile-instr-generate",
            "-fprofile-instr-generate -fcoverage-mapping",
            "-fprofile-instr-generate -fcoverage-mapping -fcoverage-prefix-map=ROOT=.",
            "-fpseudo-probe-for-profiling",
            "-funique-internal-linkage-names",
            "-fsanitize=hwaddress",
            "-Xclang -fprofile-instrument=clang",
        ],
    };
    for option in options {
        for source in ["ROOT/src/a.c", "../src/a.c"] {
            is_not_shared(trial, &format!("$CC -O1 {option} -c {source} -o a.o"));
        }
    }
}

/// clang names a region that may be offloaded by device and inode of its source, so that the
/// object is another once the source is a copy of itself.
fn a_name_made_of_an_inode(trial: &Trial) {
    let text = "int f(int *a) {\n#pragma omp target map(tofrom: a[0:10])\n\
                for (int i = 0; i < 10; i++) a[i]++;\nreturn a[0];\n}\n";
    trial.file("a.c", text);
    let (sandbox, line) = (trial.sandbox(), trial.line("$CC -O0 -fopenmp -c a.c -o a.o"));
    let _ = sandbox.launch(trial.tree(), &line).succeeded();
    sandbox.settle();
    let reasons = sandbox.counters().reasons;
    assert_eq!(reasons.get(Reason::StampedOutput.slug()), Some(&1), "{reasons:?}");
}

#[test]
fn a_name_is_made_of_an_inode() {
    for place in [Place::Plain, Place::View] {
        trial::once(place, Compiler::Clang, a_name_made_of_an_inode);
    }
}

fn what_hides_text_is_not_shared(trial: &Trial) {
    checkouts(trial);
    is_not_shared(trial, "$CC -flto -frandom-seed=x -I../include -c ../src/a.c -o a.o");
    is_not_shared(trial, "$CC --coverage -frandom-seed=x -I../include -c ../src/a.c -o a.o");
}

fn an_input_that_names_one_checkout_means_it_everywhere(trial: &Trial) {
    checkouts(trial);
    let include = format!("{}/{ONE}/include/a.h", trial.tree().display());
    for checkout in [ONE, OTHER] {
        let text = format!("#include \"{include}\"\nint f(void) {{ return A; }}\n");
        trial.file(format!("{checkout}/src/a.c"), text);
    }
    trial.run(at(trial, ONE, "$CC -MD -c ../src/a.c -o a.o")).kept();
    trial.file(format!("{OTHER}/include/a.h"), "#define A 3\n");
    trial.run(at(trial, OTHER, "$CC -MD -c ../src/a.c -o a.o")).not_bypassed();
    trial.file(format!("{ONE}/include/a.h"), "#define A 4\n");
    trial.run(at(trial, OTHER, "$CC -MD -c ../src/a.c -o a.o")).kept();
    trial.run(at(trial, ONE, "$CC -MD -c ../src/a.c -o a.o")).not_bypassed();
}

/// Each header is looked for in this checkout, also one that appears later.
fn a_header_appears_in_one_checkout(trial: &Trial) {
    checkouts(trial);
    let line = "$CC -IROOT/first -IROOT/include -c ROOT/src/a.c -o a.o";
    is_shared(trial, line);
    trial.file(format!("{OTHER}/first/a.h"), "#define A 5\n");
    trial.run(at(trial, OTHER, line)).kept();
    trial.run(at(trial, ONE, line)).hit();
}

/// Where there is no worktree, the working directory is the checkout.
fn plain_directories(trial: &Trial) {
    for directory in [ONE, OTHER] {
        trial.file(format!("{directory}/a.c"), "#include \"a.h\"\nint f(void) { return A; }\n");
        trial.file(format!("{directory}/a.h"), "#define A 1\n");
    }
    let run = |directory: &str, line: &str| trial.run(trial.line(line).below(directory));
    run(ONE, "$CC -MD -c a.c -o a.o").kept();
    run(OTHER, "$CC -MD -c a.c -o a.o").hit();
    run(ONE, "$CC -g -c a.c -o a.o").kept();
    run(OTHER, "$CC -g -c a.c -o a.o").kept();
}

fn a_configured_root(trial: &Trial) {
    for directory in [ONE, OTHER] {
        trial.file(
            format!("{directory}/src/a.c"),
            "#include \"../b/gen.h\"\nint f(void) { return A; }\n",
        );
        trial.file(format!("{directory}/b/gen.h"), "#define A 1\n");
    }
    let run = |checkout: &str| {
        let root = trial.tree().join(checkout);
        let line = at(trial, checkout, "$CC -MD -c ROOT/src/a.c -o a.o");
        trial.run(line.env("ZCCACHE_ROOT", root))
    };
    run(ONE).kept();
    run(OTHER).hit();
}

trials! {
    relative_paths,
    absolute_paths_and_a_depfile,
    a_depfile_whose_lines_break_elsewhere,
    warnings_name_this_checkout,
    debug_information_names_the_checkout,
    a_map_of_what_is_above_hides_the_checkout,
    the_length_of_the_own_path,
    an_own_path_that_is_not_used,
    an_own_path_that_nobody_can_be_asked_about,
    the_names_of_types,
    an_own_path_by_other_words,
    patterns_that_paths_are_compared_with,
    a_response_file_names_the_other_checkout,
    an_input_that_names_the_other_checkout,
    names_of_system_headers_by_their_length,
    texts_that_depend_on_the_root,
    paths_that_do_not_show,
    what_hides_text_is_not_shared,
    an_input_that_names_one_checkout_means_it_everywhere,
    a_header_appears_in_one_checkout,
    plain_directories,
    a_configured_root,
}
