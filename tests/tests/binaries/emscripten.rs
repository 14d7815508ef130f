//! Emscripten: what its drivers make, and runs; their configuration, caches and installation.

use std::path::Path;

use zccache_tests::project::{Project, skip};
use zccache_tests::scenario::shell_in_both;
use zccache_tests::{Compiler::Clang, Place, Trial, scenario, trial};

/// Whether it is installed; says so if not.
pub(crate) fn is_there() -> bool {
    let is_there = Path::new("/usr/bin/emcc").exists();
    if !is_there {
        skip("Debian's emscripten is not installed, see scripts/install-deps");
    }
    is_there
}

fn in_places(case: impl Fn(&Trial)) {
    if is_there() {
        for place in [Place::Plain, Place::View] {
            trial::once(place, Clang, &case);
        }
    }
}

fn with(text: &str) {
    in_places(|trial| scenario::play(trial, text));
}

/// Node has to be kept from fetching what is a file, which this Emscripten does not expect.
/// That of Debian finds the packages of Debian by itself.
#[test]
fn programs_run() {
    with(
        r#"
        printf '%s\n' '#include <stdio.h>' 'int answer(void); int main(void) { printf("%d", answer()); puts(""); return 0; }' >a.c
        echo '#include "b.h"' >b.c; echo 'int answer(void) { return B; }' >>b.c; echo '#define B 42' >b.h
        echo '#include <iostream>' >c.cpp; echo 'int main() { std::cout << 7 << std::endl; }' >>c.cpp
        kept: emcc -MMD -O1 -c b.c -o b.o
        hit: emcc -MMD -O1 -c b.c -o b.o
        kept: emcc -g -gsource-map --source-map-base ./ a.c b.o -o p.js
        rm p.*
        hit: emcc -g -gsource-map --source-map-base ./ a.c b.o -o p.js
        test "$(node --no-experimental-fetch p.js)" = 42; test -s p.wasm.map
        echo '#define B 43' >b.h
        kept: emcc -MMD -O1 -c b.c -o b.o
        miss: emcc -g -gsource-map --source-map-base ./ a.c b.o -o p.js
        test "$(node --no-experimental-fetch p.js)" = 43
        echo '#define B 42' >b.h
        hit: emcc -MMD -O1 -c b.c -o b.o
        hit: emcc -g -gsource-map --source-map-base ./ a.c b.o -o p.js
        kept: NODE_PATH=/usr/share/nodejs em++ -O2 c.cpp -o c.js
        hit: NODE_PATH=/usr/share/nodejs em++ -O2 c.cpp -o c.js
        test "$(node --no-experimental-fetch c.js)" = 7
        kept: emar rcs lib.a b.o
        rm lib.a
        hit: emar rcs lib.a b.o
        miss: emar rcs lib.a b.o
        kept: emranlib lib.a
        kept: emcc a.c lib.a -o q.js -sSINGLE_FILE
        hit: emcc a.c lib.a -o q.js -sSINGLE_FILE
        test "$(node --no-experimental-fetch q.js)" = 42
        kept: wasm-ld-14 b.o --no-entry --export-all -o b.wasm
        hit: wasm-ld-14 b.o --no-entry --export-all -o b.wasm
    "#,
    );
}

#[test]
fn what_is_packed_and_pasted_is_an_input() {
    with(
        r#"
        mkdir data; echo one >data/one; echo two >data/two; echo '// before' >pre.js; printf '%s\n' '<!doctype html>{{{ SCRIPT }}}' >shell.html
        echo 'mergeInto(LibraryManager.library, { f: function() { return 1; } });' >lib.js
        printf '%s\n' '#include <stdio.h>' 'int f(void); int main(void) { char b[9]; FILE *d = fopen("data/one", "r"); fgets(b, 9, d); printf("%s%d\n", b, f()); return 0; }' >a.c
        kept: emcc a.c -o a.html --embed-file data --pre-js pre.js --js-library lib.js --shell-file shell.html
        hit: emcc a.c -o a.html --embed-file data --pre-js pre.js --js-library lib.js --shell-file shell.html
        test "$(node --no-experimental-fetch a.js | tr '\n' ' ')" = 'one 1 '
        echo '// after' >pre.js
        miss: emcc a.c -o a.html --embed-file data --pre-js pre.js --js-library lib.js --shell-file shell.html
        echo '// before' >pre.js; printf '%s\n' '<!doctype html><p>{{{ SCRIPT }}}' >shell.html
        miss: emcc a.c -o a.html --embed-file data --pre-js pre.js --js-library lib.js --shell-file shell.html
        printf '%s\n' '<!doctype html>{{{ SCRIPT }}}' >shell.html
        hit: emcc a.c -o a.html --embed-file data --pre-js pre.js --js-library lib.js --shell-file shell.html
        sed -i 's/return 1/return 2/' lib.js
        miss: emcc a.c -o a.html --embed-file data --pre-js pre.js --js-library lib.js --shell-file shell.html
        sed -i 's/return 2/return 1/' lib.js; echo uno >data/one
        miss: emcc a.c -o a.html --embed-file data --pre-js pre.js --js-library lib.js --shell-file shell.html
        test "$(node --no-experimental-fetch a.js | tr '\n' ' ')" = 'uno 1 '
        rm data/one; echo one >data/one
        miss: emcc a.c -o a.html --embed-file data --pre-js pre.js --js-library lib.js --shell-file shell.html
    "#,
    );
}

#[test]
fn configuration_is_an_input() {
    with(
        r#"
        echo 'int main(void) { return A; }' >a.c; cp /usr/share/emscripten/.emscripten one; cp one two; echo '-DA=1 -c' >args
        kept: EM_CONFIG=one emcc @args a.c
        hit: EM_CONFIG=one emcc @args a.c
        miss: EM_CONFIG=two emcc @args a.c
        echo 'COMPILER_WRAPPER = "/usr/bin/env"' >>one
        miss: EM_CONFIG=one emcc @args a.c
        hit: EM_CONFIG=two emcc @args a.c
        miss: emcc --em-config one @args a.c
        miss: EM_CONFIG=two EMCC_CFLAGS=-DB emcc @args a.c
        hit: EM_CONFIG=two EMCC_CFLAGS=-DB emcc @args a.c
        miss: EM_CONFIG=two EMCC_CFLAGS=-Werror emcc @args a.c
        miss: EM_CONFIG=two EMCC_STRICT=1 emcc @args a.c
        miss: EM_CONFIG=two PYTHONHASHSEED=1 emcc @args a.c
        hit: EM_CONFIG=two MAKELEVEL=7 emcc @args a.c
        echo '-DA=2 -c' >args
        miss: EM_CONFIG=two emcc @args a.c
        abandoned compiler_failed: emcc -c nothing.c
        abandoned time_macro: SOURCE_DATE_EPOCH=1 emcc -DA=__TIMESTAMP__[0] -c a.c
        bypassed not_a_compile: emcc --version
    "#,
    );
}

/// Of this cache, all but one library is there, and only the headers are not asked for.
#[test]
fn what_is_added_to_its_cache_stays() {
    with(
        r#"
        echo 'int main(void) { return 0; }' >a.c; mkdir -p own/sysroot/lib; c=/usr/share/emscripten/cache
        ln -s $c/sysroot_install.stamp own; ln -s $c/sysroot/include $c/sysroot/bin own/sysroot
        cp -as $c/sysroot/lib/. own/sysroot/lib; rm own/sysroot/lib/wasm32-emscripten/libnoexit.a
        abandoned own_cache: EM_FROZEN_CACHE= EM_CACHE=$PWD/own emcc -c a.c
        kept: EM_FROZEN_CACHE= EM_CACHE=$PWD/own emcc -c a.c
        hit: EM_FROZEN_CACHE= EM_CACHE=$PWD/own emcc -c a.c
        abandoned own_cache: EM_FROZEN_CACHE= EM_CACHE=$PWD/own emcc a.o -o a.js
        kept: EM_FROZEN_CACHE= EM_CACHE=$PWD/own emcc a.o -o a.js
        hit: EM_FROZEN_CACHE= EM_CACHE=$PWD/own emcc a.o -o a.js
        rm own/sysroot/lib/wasm32-emscripten/libnoexit.a
        abandoned own_cache: EM_FROZEN_CACHE= EM_CACHE=$PWD/own emcc a.o -o a.js
        hit: EM_FROZEN_CACHE= EM_CACHE=$PWD/own emcc a.o -o a.js
        rm own/sanity.txt
        abandoned own_cache: EM_FROZEN_CACHE= EM_CACHE=$PWD/own emcc -c a.c
        hit: EM_FROZEN_CACHE= EM_CACHE=$PWD/own emcc -c a.c
    "#,
    );
}

/// An installation beside Debian's, with its libraries.
const INSTALLATION: &str = r#"
    mkdir em; cd em; d=/usr/share/emscripten; cp -a $d/*.py $d/tools $d/src $d/.emscripten $d/*.txt .
    ln -s $d/system $d/third_party $d/cache .
    printf '#!/bin/sh\nexec python3 "${0%%/*}/emcc.py" "$@"\n' >emcc; chmod +x emcc
"#;

/// What is behind the sandbox's home is there for both: what Python translates anew, the bare
/// command keeps.
#[test]
fn another_installation_is_another_compiler() {
    in_places(|trial| {
        let home = trial.sandbox().path("home");
        let change = |text: &str| {
            let done = std::process::Command::new("/bin/sh")
                .args(["-ec", text])
                .current_dir(&home)
                .status();
            assert!(done.expect("there is a shell").success(), "{text}");
            trial.edit(|_| {});
        };
        change(INSTALLATION);
        trial.file("a.c", "int main(void) { return 0; }\n");
        let line = format!("{}/em/emcc a.c -o a.js", home.display());
        trial.run_line(&line).kept();
        trial.run_line(&line).hit();
        for (file, edit) in [
            ("src/preamble.js", "$a // changed"),
            ("tools/shared.py", "$a # changed"),
            ("emcc.py", "$a # changed"),
            ("emscripten-version.txt", "s/3/4/"),
            ("emcc", "2i LLVM_ADD_VERSION=14"),
        ] {
            // Files are written in their place: names that come and go make another listing.
            change(&format!("cp -a em/{file} kept; sed '{edit}' kept >em/{file}"));
            trial.run_line(&line).not_hit();
            change(&format!("cp -p kept em/{file}"));
            if file.starts_with("tools/") {
                // Python has translated it anew, and not always to the same bytes.
                trial.run_line(&line).not_bypassed();
            }
            trial.run_line(&line).hit();
        }
    });
}

/// Where the directory of temporary files is on another file system, what is renamed
/// elsewhere is copied with its age.
#[test]
fn temporary_files_may_be_elsewhere() {
    with(
        r#"
        echo 'int main(void) { return 0; }' >a.c; echo old >a.js
        kept: TMPDIR=/dev/shm emcc a.c -o a.js
        echo other >a.js
        hit: TMPDIR=/dev/shm emcc a.c -o a.js
        chmod 640 a.js
        any: TMPDIR=/dev/shm emcc a.c -o a.js
        rm a.js; ln -s b.js a.js
        any: TMPDIR=/dev/shm emcc a.c -o a.js
        any: TMPDIR=/dev/shm emcc a.c -o a.js
    "#,
    );
}

/// SQLite's shell, from one large file of C.
#[test]
fn sqlite_answers() {
    let Some(sqlite) = Project::find("sqlite").filter(|_| is_there()) else { return };
    let trial = Trial::new(Place::Plain, Clang);
    let made = trial.sandbox().path("sqlite");
    let make =
        "cp -a $1/. $2; cd $2; make -j2 -f Makefile.linux-gcc TOP=. TCL_FLAGS= sqlite3.c shell.c";
    let done = std::process::Command::new("/bin/sh")
        .args(["-ec", &format!("mkdir $2; {make} >/dev/null"), "make"])
        .args([sqlite.sources(), &made])
        .status();
    assert!(done.expect("there is a shell").success());
    shell_in_both(
        &trial,
        &format!("cd {}; cp sqlite3.c sqlite3.h shell.c $OLDPWD", made.display()),
    );
    let options = "-DSQLITE_THREADSAFE=0 -DSQLITE_OMIT_LOAD_EXTENSION -sALLOW_MEMORY_GROWTH";
    trial.line_misses_then_hits(&format!("emcc {options} sqlite3.c shell.c -o sqlite.js"));
    let ask = "echo 'select 6*7;' | node --no-experimental-fetch sqlite.js -batch";
    shell_in_both(&trial, &format!("test \"$({ask})\" = 42"));
    trial.end();
}
