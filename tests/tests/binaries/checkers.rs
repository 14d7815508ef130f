//! clang-tidy and include-what-you-use: verdict, fixes and messages.

use std::path::Path;

use zccache_tests::{Place, Trial, scenario, trial};

use zccache_tests::Compiler::Clang;

fn with(tool: &str, text: &str) {
    if !Path::new("/usr/bin").join(tool).exists() {
        return zccache_tests::project::skip(&format!(
            "{tool} is not installed, see scripts/install-deps"
        ));
    }
    for place in [Place::Plain, Place::View] {
        trial::once(place, Clang, |trial: &Trial| scenario::play(trial, text));
    }
}

#[test]
fn what_clang_tidy_says_and_mends() {
    with(
        "clang-tidy",
        r#"
        mkdir -p src/deep; echo '#include "a.h"' >src/deep/a.cpp; echo 'int *f() { int *p = 0; return p; }' >>src/deep/a.cpp; echo 'int g();' >src/deep/a.h
        kept: clang-tidy -checks=modernize-use-nullptr src/deep/a.cpp --
        hit: clang-tidy -checks=modernize-use-nullptr src/deep/a.cpp --
        kept: clang-tidy src/deep/a.cpp --
        echo 'Checks: "-*,modernize-use-nullptr"' >src/.clang-tidy
        miss: clang-tidy src/deep/a.cpp --
        hit: clang-tidy src/deep/a.cpp --
        echo 'Checks: "-*,readability-identifier-length"' >src/deep/.clang-tidy
        miss: clang-tidy src/deep/a.cpp --
        rm src/deep/.clang-tidy
        hit: clang-tidy src/deep/a.cpp --
        echo 'WarningsAsErrors: "*"' >>src/.clang-tidy
        kept: clang-tidy src/deep/a.cpp --
        hit: clang-tidy src/deep/a.cpp --
        echo '[{"directory": "'$TREE'", "file": "src/deep/a.cpp", "command": "c++ -DX=1 -c src/deep/a.cpp"}]' >compile_commands.json
        miss: clang-tidy src/deep/a.cpp
        hit: clang-tidy src/deep/a.cpp
        sed -i s/X=1/X=2/ compile_commands.json
        miss: clang-tidy src/deep/a.cpp
        echo 'int g(int);' >src/deep/a.h
        miss: clang-tidy src/deep/a.cpp
        cp -r src kept
        any: clang-tidy --fix --export-fixes=fixes.yaml src/deep/a.cpp --
        rm -r src fixes.yaml; cp -r kept src
        hit: clang-tidy --fix --export-fixes=fixes.yaml src/deep/a.cpp --
        any: clang-tidy --fix src/deep/a.cpp --
        echo 'int h() { return nonsense; }' >>src/deep/a.cpp
        kept: clang-tidy src/deep/a.cpp --
        hit: clang-tidy src/deep/a.cpp --
        miss: clang-tidy src/deep/a.cpp -- -DY
        bypassed not_a_compile: clang-tidy --version
        "#,
    );
}

#[test]
fn what_include_what_you_use_says() {
    with(
        "include-what-you-use",
        r#"
        echo '#include "a.h"' >a.cpp; echo 'int f() { return 1; }' >>a.cpp; echo 'int g();' >a.h
        kept: include-what-you-use a.cpp
        hit: include-what-you-use a.cpp
        echo 'int f();' >>a.h
        miss: include-what-you-use a.cpp
        echo '[{ "symbol": ["g", "private", "<g.h>", "public"] }]' >map.imp
        kept: include-what-you-use -Xiwyu --mapping_file=map.imp a.cpp
        echo '[]' >map.imp
        miss: include-what-you-use -Xiwyu --mapping_file=map.imp a.cpp
        "#,
    );
}
