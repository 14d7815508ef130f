//! Every form of command, what becomes of it, and `docs/TOOLS.md` made from that.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use zccache_core::Reason;
use zccache_tests::scenario::shell_in_both;
use zccache_tests::{Compiler, Counters, Tree, Trial};

use super::emscripten::{self, EMSCRIPTEN_FORMS};
use crate::trials;

/// What becomes of a form with one compiler.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fate {
    /// It is kept and served, byte for byte what bare commands leave.
    Cached,
    /// It is kept and served; two bare runs differ by names or seeds of their own.
    AnyOf,
    /// It is run unobserved.
    Bypassed(Reason),
    /// It is run and not kept.
    NotKept(Reason),
    /// The compiler does not know it.
    Unknown,
}

use Fate::{AnyOf, Bypassed, Cached, NotKept, Unknown};

/// A form: its heading in the table, a command line, and its fates with gcc and
/// with clang.
struct Form(&'static str, &'static str, [Fate; 2]);

const BOTH: [Fate; 2] = [Cached, Cached];
const GCC: [Fate; 2] = [Cached, Unknown];
const CLANG: [Fate; 2] = [Unknown, Cached];

const fn both(fate: Fate) -> [Fate; 2] {
    [fate, fate]
}

const FORMS: &[Form] = &[
    Form("compile", "$CC -c a.c", BOTH),
    Form("compile, named output", "$CC -O2 -g -Wall -c a.c -o out/a.o", BOTH),
    Form("C++", "$CXX -O2 -g -c a.cpp -o a.o", BOTH),
    Form("assembly", "$CC -O2 -S a.c -o a.s", BOTH),
    Form("assembly to standard output", "$CC -S a.c -o -", BOTH),
    Form("assembler source", "$CC -c b.s -o b.o", BOTH),
    Form("assembler source, preprocessed", "$CC -c c.S -o c.o", BOTH),
    Form("several sources", "$CC -c a.c b.c", BOTH),
    Form("several sources and depfiles", "$CC -MMD -c a.c b.c", BOTH),
    Form("response file", "$CC @args", BOTH),
    Form("preprocess to standard output", "$CC -E a.c", BOTH),
    Form("preprocess to a file", "$CC -E -dD a.c -o a.i", BOTH),
    Form("preprocessed source", "$CC -c d.i -o d.o", BOTH),
    Form("syntax check", "$CC -Wall -fsyntax-only a.c", BOTH),
    Form("dependencies to standard output", "$CC -M a.c", BOTH),
    Form("dependencies to a file", "$CC -MM a.c -MF a.d", BOTH),
    Form("depfile", "$CC -MD -c a.c -o out/a.o", BOTH),
    Form("depfile with targets", "$CC -MMD -MF x.d -MT x -MQ y -MP -c a.c -o a.o", BOTH),
    Form("depfile by the preprocessor", "$CC -Wp,-MD,x.d -c a.c -o a.o", BOTH),
    Form("pipes between the passes", "$CC -pipe -c a.c -o a.o", BOTH),
    Form("native CPU", "$CC -march=native -O2 -c a.c -o a.o", BOTH),
    Form("split debug information", "$CC -g -gsplit-dwarf -c a.c -o out/a.o", BOTH),
    Form("coverage notes", "$CC --coverage -c a.c -o a.o", [AnyOf, Cached]),
    Form("profile generation", "$CC -fprofile-generate -c a.c -o a.o", [AnyOf, Cached]),
    Form("sanitizers", "$CC -fsanitize=address,undefined -c a.c -o a.o", BOTH),
    Form("link-time optimisation", "$CC -flto -c a.c -o a.o", [AnyOf, Cached]),
    Form("bitcode", "$CC -emit-llvm -c a.c -o a.bc", CLANG),
    Form("stack usage", "$CC -fstack-usage -c a.c -o a.o", BOTH),
    Form("call graph", "$CC -fcallgraph-info=su,da -c a.c -o a.o", GCC),
    Form("dumps of trees", "$CC -O1 -fdump-tree-optimized -fdump-tree-gimple -c a.c", GCC),
    Form("dumps of RTL", "$CC -O1 -fdump-rtl-expand -c a.c -o a.o", [AnyOf, Unknown]),
    Form("optimisation record", "$CC -O2 -fsave-optimization-record -c a.c", [AnyOf, Cached]),
    Form("optimisation report", "$CC -O2 -fopt-info-all=a.opt -c a.c -o a.o", GCC),
    Form("remarks", "$CC -O2 -Rpass=.* -c a.c -o a.o", CLANG),
    Form("assembler listing", "$CC -Wa,-al=a.lst -c b.s -o b.o", [Cached, Unknown]),
    Form("prototypes", "$CC -aux-info a.X -c a.c -o a.o", GCC),
    Form("temporary files kept", "$CC -save-temps -c a.c -o a.o", BOTH),
    Form("temporary files kept beside the object", "$CC -save-temps=obj -c a.c -o out/a.o", BOTH),
    Form("serialized diagnostics", "$CC --serialize-diagnostics a.dia -Wall -c a.c", CLANG),
    Form("diagnostics as JSON", "$CC -fdiagnostics-format=json -Wall -c a.c", GCC),
    Form("compilation database", "$CC -MJ a.json -c a.c -o a.o", CLANG),
    Form("header list", "$CC -H -c a.c -o a.o", BOTH),
    Form(
        "precompiled header",
        "$CC -x c-header a.h -o a.pch",
        [AnyOf, NotKept(Reason::StampedOutput)],
    ),
    Form(
        "precompiled header without time stamps",
        "$CC -x c-header a.h -o a.pch -Xclang -fno-pch-timestamp",
        CLANG,
    ),
    Form("failing compile", "$CC -c wrong.c -o a.o", BOTH),
    Form("no such source", "$CC -c nothing.c", both(NotKept(Reason::CompilerFailed))),
    Form("time of the compile", "$CC -c time.c -o ../t.o", both(NotKept(Reason::TimeMacro))),
    Form("time stamp of the source", "$CC -c stamp.c -o a.o", both(NotKept(Reason::TimeMacro))),
    Form("time trace", "$CC -ftime-trace -c a.c", [Unknown, Bypassed(Reason::UnsupportedOption)]),
    Form("timing report", "$CC -ftime-report -c a.c", both(Bypassed(Reason::UnsupportedOption))),
    Form("what the driver does", "$CC -v -c a.c", both(Bypassed(Reason::UnsupportedOption))),
    Form(
        "modules",
        "$CXX -std=c++20 -fmodules-ts -c a.cpp",
        both(Bypassed(Reason::UnsupportedOption)),
    ),
    Form(
        "module interface",
        "$CXX -std=c++20 --precompile m.cppm -o m.pcm",
        [Unknown, Bypassed(Reason::UnsupportedOption)],
    ),
    Form("descriptor", "$CC -x c -c /dev/stdin", both(Bypassed(Reason::DescriptorPath))),
    Form("link", "$CC main.o b.o -o p", BOTH),
    Form("link over an older program", "$CC main.o b.o -o old", BOTH),
    Form("compile and link", "$CC -O2 -Wall main.c b.c -o p", BOTH),
    Form("compile and link, C++", "$CXX -O2 main.cpp -o p", BOTH),
    Form("shared object", "$CC -shared -fPIC b.c -Wl,-soname,b.so.1 -o b.so", BOTH),
    Form("partial link", "$CC -r main.o b.o -o r.o", BOTH),
    Form("static link", "$CC -static main.o b.o -o p", BOTH),
    Form("static, position-independent", "$CC -static-pie main.o b.o -o p", BOTH),
    Form("libraries", "$CC main.o -Llib -lb -lm -o p", BOTH),
    Form("thin archive", "$CC main.o lib/thin.a -o p", BOTH),
    Form("response file of a link", "$CC @objects -o p", BOTH),
    Form("linker script", "$CC main.o more.ld -o p", BOTH),
    Form("version script", "$CC -shared b.o -Wl,--version-script=b.map -o b.so", BOTH),
    Form("map", "$CC main.o b.o -Wl,-Map=p.map -o p", BOTH),
    Form("map with temporary files", "$CC main.c b.c -Wl,-Map=p.map -o p", both(AnyOf)),
    Form("dependencies of a link", "$CC main.o b.o -Wl,--dependency-file=p.d -o p", BOTH),
    Form("build id", "$CC main.o b.o -Wl,--build-id=sha1 -o p", BOTH),
    Form("link by gold", "$CC main.o b.o -fuse-ld=gold -o p", BOTH),
    Form("link by lld", "$CC main.o b.o -fuse-ld=lld -o old", BOTH),
    Form("link by mold", "$CC main.o b.o -fuse-ld=mold -o old", BOTH),
    Form("link-time optimisation at the link", "$CC -O2 -flto lto/main.o lto/b.o -o p", BOTH),
    Form("link-time optimisation in parallel", "$CC -O2 -flto=auto lto/main.o lto/b.o -o p", GCC),
    Form(
        "link-time optimisation by lld",
        "$CC -O2 -flto=thin -fuse-ld=lld lto/main.o lto/b.o -o p",
        CLANG,
    ),
    Form(
        "link-time optimisation by mold",
        "$CC -O2 -flto -fuse-ld=mold lto/main.o lto/b.o -o p",
        BOTH,
    ),
    Form("the same, in pieces", "$CC -O2 -flto=thin -fuse-ld=mold lto/main.o lto/b.o -o p", CLANG),
    Form("undefined symbol", "$CC main.o -o p", both(NotKept(Reason::CompilerFailed))),
    Form(
        "random build id",
        "$CC main.o b.o -Wl,--build-id=uuid -o p",
        both(Bypassed(Reason::UnsupportedOption)),
    ),
    Form("question", "$CC -dumpmachine", both(Bypassed(Reason::NotACompile))),
];

/// A form of a tool that is no compiler, and its fate.
pub(super) struct ToolForm(pub(super) &'static str, pub(super) &'static str, pub(super) Fate);

const TOOL_FORMS: &[ToolForm] = &[
    ToolForm("link", "ld main.o b.o -e main -o p", Cached),
    ToolForm("link", "ld.gold main.o b.o -e main -o p", Cached),
    ToolForm("link", "ld.lld main.o b.o -e main -Map p.map --dependency-file p.d -o p", Cached),
    ToolForm("link", "mold main.o b.o -e main -Map p.map --dependency-file p.d -o p", Cached),
    ToolForm("link and run", "mold -run true", Bypassed(Reason::NotACompile)),
    ToolForm(
        "statistics",
        "ld --stats main.o b.o -e main -o p",
        Bypassed(Reason::UnsupportedOption),
    ),
    ToolForm("new archive", "ar rcs new.a b.o main.o", Cached),
    ToolForm("new archive", "llvm-ar rcs new.a b.o main.o", Cached),
    ToolForm("archive of intermediate code", "gcc-ar rcs new.a lto/b.o", Cached),
    ToolForm("thin archive", "ar rcsT new.a b.o", Cached),
    ToolForm("members added", "ar rcs lib/libb.a main.o", Cached),
    ToolForm("members added", "llvm-ar rcs lib/libb.a main.o", Cached),
    ToolForm("member removed", "ar d lib/libb.a b.o", Cached),
    ToolForm("members taken out", "ar x lib/libb.a", Cached),
    ToolForm("contents", "ar tv lib/libb.a", Cached),
    ToolForm(
        "ages and owners in an archive",
        "ar rcSU new.a b.o",
        Bypassed(Reason::UnsupportedOption),
    ),
    ToolForm(
        "ages and owners from before",
        "ar rcs stamped.a main.o",
        NotKept(Reason::StampedOutput),
    ),
    ToolForm("index", "ranlib lib/libb.a", Cached),
    ToolForm("strip in place", "strip b.o", Cached),
    ToolForm("strip in place", "llvm-strip old", Cached),
    ToolForm("strip, named output", "strip -g old -o p", Cached),
    ToolForm("strip, ages kept", "strip -p b.o", NotKept(Reason::SideEffect)),
    ToolForm("debug information apart", "objcopy --only-keep-debug old old.debug", Cached),
    ToolForm("object rewritten", "objcopy -j .text b.o t.o", Cached),
    ToolForm("question", "ld --version", Bypassed(Reason::NotACompile)),
];

/// What the forms need, and what is said of them besides the table.
const NOTES: &str = "\
A form is *cached* when what comes out of the cache is, byte for byte, what the bare command leaves: outputs, side files, streams, status. It is *cached, any of* where two bare runs differ by seeds or
names of their own: one of the possible results is kept. *Not kept* runs under observation each time, *bypassed* runs as if we were not there; the reason is the one that `zccache stats` counts.

Conditions beyond the table, each with tests in `tests/tests/forms/`:

- Sources on standard input are cached for files and pipes up to 8 MiB (`input.rs`).
- `__DATE__` and `__TIME__` are cached with `SOURCE_DATE_EPOCH` and compilers that obey it (`clocks.rs`).
- Failing compiles are cached if the compiler names a place in the source, in English, and no file from before was removed (`failing.rs`).
- Precompiled headers are used from the cache's own runs only (`precompiled.rs`).
- What links, archives and rewritten objects depend on, and what of them is never kept, is in [CACHE_KEYS](CACHE_KEYS.md#links-archives-and-rewritten-objects) (`tests/tests/binaries/`).
- Standard output and error are kept up to 4 MiB, 250 output files.
";

fn sources(trial: &Trial) {
    trial.file("a.h", "#include <stddef.h>\nstatic inline int twice(int x) { return 2 * x; }\n");
    trial.file("a.c", "#include \"a.h\"\nint f(int x) { int unused; return twice(x) + 1; }\n");
    trial.file("b.c", "int g(int *p) { for (int i = 0; i < 9; i++) *p += i; return *p; }\n");
    trial.file("a.cpp", "#include <vector>\nint f() { return std::vector<int>(3).size(); }\n");
    trial.file("b.s", ".text\n.globl b\nb: ret\n");
    trial.file("c.S", "#define C c\n.text\n.globl C\nC: ret\n");
    trial.file("d.i", "# 1 \"d.c\"\nint d;\n");
    trial.file("args", "-O1 -c a.c\n-o 'a.o'\n");
    trial.file("wrong.c", "int f(void) { return nonsense; }\n");
    trial.file("time.c", "const char *t = __TIME__;\n");
    trial.file("stamp.c", "const char *t = __TIMESTAMP__;\n");
    trial.file("m.cppm", "export module m;\n");
    trial.edit(|root| fs::create_dir(root.join("out")).expect("a directory"));
}

/// What is linked and archived.
fn binaries(trial: &Trial) {
    trial.file("main.c", "int g(int *p);\nint main(void) { int x = 1; return g(&x) != 37; }\n");
    trial.file("main.cpp", "#include <string>\nint main() { return std::string(\"a\").size(); }\n");
    trial.file("objects", "main.o 'b.o'\n");
    trial.file("more.ld", "INPUT(b.o)\n");
    trial.file("b.map", "{ global: g; local: *; };\n");
    shell_in_both(
        trial,
        "mkdir lib lto; $CC -fPIC -c main.c; $CC -fPIC -c b.c; $CC main.o b.o -o old
         ar rcs lib/libb.a b.o; ar rcsT lib/thin.a b.o; touch -d 2001-02-03 b.o; ar rcSU stamped.a b.o",
    );
    // Intermediate code names the directory.
    for name in ["main", "b"] {
        let compile = format!("$CC -O2 -flto -frandom-seed={name} -c {name}.c -o lto/{name}.o");
        let _ = trial.run_line(&compile);
    }
}

fn fate_of(form: &Form, compiler: Compiler) -> Fate {
    form.2[compiler as usize]
}

/// Runs a form where nothing is compared, and says what was counted.
fn counted(trial: &Trial, line: &str) -> Counters {
    trial.age();
    let before = trial.sandbox().counters();
    let _ = trial.sandbox().launch(trial.tree(), trial.line(line));
    trial.sandbox().settle();
    trial.sandbox().counters().since(&before)
}

fn every_form_has_its_fate(trial: &Trial) {
    sources(trial);
    binaries(trial);
    let state = trial.state();
    for form in FORMS {
        has_fate(trial, &state, form.1, fate_of(form, trial.compiler()));
    }
    if trial.compiler() == Compiler::Gcc {
        for ToolForm(_, line, fate) in TOOL_FORMS {
            has_fate(trial, &state, line, *fate);
        }
    }
}

pub(super) fn has_fate(trial: &Trial, state: &Tree, line: &str, fate: Fate) {
    match fate {
        Unknown => return,
        Cached => trial.line_misses_then_hits(line),
        AnyOf => {
            let first = counted(trial, line);
            assert_eq!((first.misses, first.abandoned), (1, 0), "{line}: {first:?}");
            trial.reset(state);
            assert_eq!(counted(trial, line).hits, 1, "{line}");
        }
        Bypassed(reason) | NotKept(reason) => has_reason(&counted(trial, line), reason, line),
    }
    trial.reset(state);
}

fn has_reason(counted: &Counters, reason: Reason, line: &str) {
    let bypass = reason.number() < 200;
    let seen = (counted.bypassed, counted.abandoned, counted.reasons.get(reason.slug()));
    let expected = (u64::from(bypass), u64::from(!bypass), Some(&1));
    assert_eq!(seen, expected, "{line}: {counted:?}");
}

fn cell(fate: Fate) -> String {
    match fate {
        Cached => "cached".into(),
        AnyOf => "cached, any of".into(),
        Bypassed(reason) => format!("bypassed: `{}`", reason.slug()),
        NotKept(reason) => format!("not kept: `{}`", reason.slug()),
        Unknown => "–".into(),
    }
}

fn document() -> String {
    let mut text = String::from("# Forms of commands\n\n");
    text += "Made from `tests/tests/forms/table.rs`, where each line is tried; do not edit.\n\n";
    text += NOTES;
    text += "\n| form | for example | gcc | clang |\n|---|---|---|---|\n";
    for Form(name, line, [gcc, clang]) in FORMS {
        let line = line.replace("$CXX", "c++").replace("$CC", "cc").replace("../", "");
        let row = format!("| {name} | `{line}` | {} | {} |", cell(*gcc), cell(*clang));
        writeln!(text, "{row}").expect("strings take all");
    }
    text += "\nLinkers, archivers and what rewrites objects, where a build calls them itself:\n";
    text += &rows(TOOL_FORMS);
    text += emscripten::HEADING;
    text + &rows(EMSCRIPTEN_FORMS)
}

fn rows(forms: &[ToolForm]) -> String {
    let mut text = String::from("\n| form | for example | fate |\n|---|---|---|\n");
    for ToolForm(name, line, fate) in forms {
        writeln!(text, "| {name} | `{line}` | {} |", cell(*fate)).expect("strings take all");
    }
    text
}

/// With `ZCCACHE_BLESS` set, the document is written instead.
#[test]
fn the_table_of_forms_is_the_documented_one() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let path = root.join("docs/TOOLS.md");
    if std::env::var_os("ZCCACHE_BLESS").is_some() {
        fs::write(&path, document()).expect("the documentation can be written");
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(found, document(), "run this test with ZCCACHE_BLESS=1");
}

trials!(every_form_has_its_fate);
