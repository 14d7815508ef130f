//! The forms of Emscripten's commands.

use zccache_core::Reason;
use zccache_tests::scenario::shell_in_both;
use zccache_tests::{Compiler, Place, trial};

use super::table::Fate::{AnyOf, Bypassed, Cached, NotKept};
use super::table::{ToolForm, has_fate};
use crate::binaries::emscripten::is_there;

/// What stands above them.
pub(super) const HEADING: &str = "
Emscripten, as Debian has it (3.1.6); the whole environment counts, see [CACHE_KEYS](CACHE_KEYS.md#emscripten) (`tests/tests/binaries/emscripten.rs`):
";

pub(super) const EMSCRIPTEN_FORMS: &[ToolForm] = &[
    ToolForm("compile", "emcc -c a.c", Cached),
    ToolForm("compile, C++", "em++ -O2 -g -c a.cpp -o a.o", Cached),
    ToolForm("several sources and depfiles", "emcc -MMD -c a.c b.c", Cached),
    ToolForm("assembly", "emcc -S a.c -o a.s", Cached),
    ToolForm("preprocess to standard output", "emcc -E a.c", Cached),
    ToolForm("response file", "emcc @args", Cached),
    ToolForm("link", "emcc main.o -o p.js", Cached),
    ToolForm("link to a module", "emcc main.o -o p.mjs", Cached),
    ToolForm("link to a page", "emcc main.o -o p.html", Cached),
    ToolForm("link to wasm alone", "emcc -O2 main.o -o p.wasm", Cached),
    ToolForm("link to script alone", "emcc main.o -sWASM=0 -o p.js", Cached),
    ToolForm("link to one file", "emcc main.o -sSINGLE_FILE -o p.js", Cached),
    ToolForm("partial link", "emcc -r main.o -o r.o", Cached),
    ToolForm("compile and link", "emcc main.c b.c -o p.js", Cached),
    ToolForm("source map", "emcc -g -gsource-map main.c -o p.js", Cached),
    ToolForm("debug information apart", "emcc -g -gseparate-dwarf main.c -o p.js", Cached),
    ToolForm("files embedded", "emcc main.o --embed-file data/one -o p.js", Cached),
    ToolForm("files packed", "emcc main.o --preload-file data/one -o p.js", AnyOf),
    ToolForm("threads", "emcc -pthread main.c -o p.js", Cached),
    ToolForm("link-time optimisation", "emcc -flto main.c -o p.js", Cached),
    ToolForm("link by the linker itself", "wasm-ld-14 main.o --no-entry -o p.wasm", Cached),
    ToolForm("new archive", "emar rcs new.a main.o", Cached),
    ToolForm("index", "emranlib old.a", Cached),
    ToolForm("failing compile", "emcc -c wrong.c", NotKept(Reason::CompilerFailed)),
    ToolForm("what the driver does", "emcc -v -c a.c", Bypassed(Reason::UnsupportedOption)),
    ToolForm("question", "emcc --version", Bypassed(Reason::NotACompile)),
];

/// Only outside a view: emcc is slow, and `binaries/emscripten.rs` is tried in one.
#[test]
fn each_has_its_fate() {
    if !is_there() {
        return;
    }
    trial::once(Place::Plain, Compiler::Clang, |trial| {
        shell_in_both(
            trial,
            "echo 'int a(int x) { return x + 1; }' >a.c; echo 'int b;' >b.c; echo 'int f() { return 1; }' >a.cpp
             echo 'int main(void) { return 0; }' >main.c; echo '-O1 -c a.c' >args; echo 'int x = y;' >wrong.c
             mkdir data; echo one >data/one; emcc -c main.c; emar rcs old.a main.o",
        );
        let state = trial.state();
        for ToolForm(_, line, fate) in EMSCRIPTEN_FORMS {
            has_fate(trial, &state, line, *fate);
        }
    });
}
