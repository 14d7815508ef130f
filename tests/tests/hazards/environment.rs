//! Variables that reach a result, and those that do not.

use crate::scenarios;

scenarios! {
    search_paths r#"
        mkdir one two; echo '#include <a.h>' >a.c; echo 'int f = A;' >>a.c
        echo '#define A 1' >one/a.h; echo '#define A 2' >two/a.h
        kept: CPATH=one $CC -c a.c -o a.o
        kept: CPATH=two $CC -c a.c -o a.o
        kept: CPATH=one:two $CC -c a.c -o a.o
        kept: CPATH=two:one $CC -c a.c -o a.o
        kept: C_INCLUDE_PATH=one $CC -c a.c -o a.o
        kept: CPATH=two C_INCLUDE_PATH=one $CC -c a.c -o a.o
        hit: CPATH=one $CC -c a.c -o a.o
        rm one/a.h
        kept: CPATH=one:two $CC -c a.c -o a.o
    "#
    an_empty_search_path_is_the_current_directory r#"
        mkdir sub; echo '#include <a.h>' >sub/a.c; echo 'int f = A;' >>sub/a.c; echo '#define A 1' >a.h; echo '#define A 2' >sub/a.h
        miss: $CC -c sub/a.c -o a.o
        any: CPATH= $CC -c sub/a.c -o a.o
        any: CPATH=: $CC -c sub/a.c -o a.o
        any: CPATH=sub: $CC -c sub/a.c -o a.o
        any: CPATH=:sub $CC -c sub/a.c -o a.o
        any: CPATH=(unset) $CC -c sub/a.c -o a.o
    "#
    search_paths_for_one_language_only r#"
        mkdir one; echo '#include <a.h>' >a.c; echo 'int f = A;' >>a.c; echo '#define A 1' >one/a.h; cp a.c a.cpp
        miss: CPLUS_INCLUDE_PATH=one $CC -c a.c -o a.o
        kept: CPLUS_INCLUDE_PATH=one $CXX -c a.cpp -o a.o
        miss: OBJC_INCLUDE_PATH=one $CC -c a.c -o a.o
        miss: C_INCLUDE_PATH=one $CXX -c a.cpp -o a.o
        kept: C_INCLUDE_PATH=one $CC -c a.c -o a.o
    "#
    depfiles_by_the_environment r#"
        echo '#include "a.h"' >a.c; touch a.h b.h
        any: DEPENDENCIES_OUTPUT=e.d $CC -c a.c -o a.o
        rm -f e.d
        any: DEPENDENCIES_OUTPUT=e.d $CC -c a.c -o a.o
        echo '#include "b.h"' >a.h; rm -f e.d
        any: DEPENDENCIES_OUTPUT=e.d $CC -c a.c -o a.o
        rm -f e.d
        any: DEPENDENCIES_OUTPUT='e.d target' $CC -c a.c -o a.o
        any: DEPENDENCIES_OUTPUT='e.d target' $CC -c a.c -o a.o
        any: SUNPRO_DEPENDENCIES='s.d target' $CC -c a.c -o a.o
        any: $CC -c a.c -o a.o
        rm -f s.d
        any: SUNPRO_DEPENDENCIES='s.d target' $CC -c a.c -o a.o
        any: SUNPRO_DEPENDENCIES='s.d target' $CC -c a.c -o a.o
    "#
    a_depfile_by_the_environment_with_content_of_its_own r#"
        echo 'int f;' >a.c; echo 'before: it' >e.d
        any: DEPENDENCIES_OUTPUT=e.d $CC -c a.c -o a.o
        echo 'other: it' >e.d
        any: DEPENDENCIES_OUTPUT=e.d $CC -c a.c -o a.o
        rm e.d
        any: DEPENDENCIES_OUTPUT=e.d $CC -c a.c -o a.o
        any: DEPENDENCIES_OUTPUT=e.d $CC -MD -MF e.d -c a.c -o a.o
    "#
    languages_of_messages r#"
        printf 'int f(void) { int unused; return 1; } // caf\303\251\n' >a.c
        kept: LC_ALL=C $CC -Wall -c a.c -o a.o
        any: LC_ALL=C.UTF-8 $CC -Wall -c a.c -o a.o
        any: LC_ALL=(unset) LANG=C.UTF-8 $CC -Wall -c a.c -o a.o
        any: LC_ALL=(unset) LC_CTYPE=C.UTF-8 $CC -Wall -c a.c -o a.o
        any: LC_ALL=(unset) LANG=xx_YY $CC -Wall -c a.c -o a.o
        any: LC_ALL=(unset) LC_MESSAGES=C LANG=C.UTF-8 $CC -Wall -c a.c -o a.o
        hit: LC_ALL=C $CC -Wall -c a.c -o a.o
    "#
    colours_of_messages r#"
        printf 'int f(void) { int unused; return 1; }\n' >a.c
        kept: $CC -Wall -fdiagnostics-color=always -c a.c -o a.o
        any: GCC_COLORS= $CC -Wall -fdiagnostics-color=always -c a.c -o a.o
        any: GCC_COLORS=warning=01;33 $CC -Wall -fdiagnostics-color=always -c a.c -o a.o
        any: NO_COLOR=1 $CC -Wall -fdiagnostics-color=always -c a.c -o a.o
        any: TERM=dumb $CC -Wall -fdiagnostics-color=auto -c a.c -o a.o
        any: TERM=xterm-256color $CC -Wall -fdiagnostics-urls=always -c a.c -o a.o
        hit: $CC -Wall -fdiagnostics-color=always -c a.c -o a.o
    "#
    widths_of_messages r#"
        printf 'int f(void) { int unused_and_with_quite_a_long_name_so_that_it_would_be_cut; return 1; }\n' >a.c
        kept: $CC -Wall -c a.c -o a.o
        any: COLUMNS=20 $CC -Wall -c a.c -o a.o
        any: COLUMNS=200 $CC -Wall -fmessage-length=30 -c a.c -o a.o
        any: COLUMNS=20 $CC -Wall -fmessage-length=30 -c a.c -o a.o
    "#
    dates_that_are_given r#"
        echo 'const char *f = __DATE__ " " __TIME__;' >a.c
        any@gcc: SOURCE_DATE_EPOCH=1000000000 $CC -c a.c -o a.o
        any@gcc: SOURCE_DATE_EPOCH=1000000001 $CC -c a.c -o a.o
        any@gcc: SOURCE_DATE_EPOCH=1000000000 $CC -c a.c -o a.o
        any@gcc: SOURCE_DATE_EPOCH=rubbish $CC -DX -c /dev/null -x c -o a.o
        echo 'int f;' >b.c
        any: SOURCE_DATE_EPOCH=1000000000 $CC -c b.c -o b.o
        any: SOURCE_DATE_EPOCH=1000000001 $CC -c b.c -o b.o
    "#
    time_zones r#"
        printf '#define P(a, b) a##b\n#define N P(__DA, TE__)\nint f = sizeof(N);\n' >a.c
        any: TZ=UTC $CC -c a.c -o a.o
        any: TZ=Pacific/Kiritimati $CC -c a.c -o a.o
    "#
    variables_that_do_not_matter r#"
        echo '#include <stddef.h>' >a.c; echo 'size_t f;' >>a.c
        kept: $CC -c a.c -o a.o
        hit: USER=somebody LOGNAME=other HOSTNAME=there $CC -c a.c -o a.o
        hit: HOME=/nonexistent XDG_RUNTIME_DIR=/run/x EDITOR=vi $CC -c a.c -o a.o
        hit: MAKEFLAGS='-j8 --jobserver-auth=fifo:/tmp/x' MAKELEVEL=4 MFLAGS=-j8 $CC -c a.c -o a.o
        hit: NINJA_STATUS=x CARGO_HOME=/x RUSTFLAGS=-g GITHUB_SHA=0123 CI_JOB_ID=77 BUILD_NUMBER=12 $CC -c a.c -o a.o
        hit: CFLAGS=-O3 CXXFLAGS=-O3 LDFLAGS=-lx CC=other CXX=other $CC -c a.c -o a.o
        hit: A_VARIABLE_OF_MY_OWN=1 OLDPWD=/x SHLVL=9 _=/usr/bin/env $CC -c a.c -o a.o
        hit: PS1=x PYTHONPATH=/x JAVA_HOME=/y $CC -c a.c -o a.o
    "#
    another_directory_for_temporary_files r#"
        mkdir t1 t2; echo 'int f;' >a.c
        kept: TMPDIR=$PWD/t1 $CC -c a.c -o a.o
        hit: TMPDIR=$PWD/t2 $CC -c a.c -o a.o
        rmdir t1
        hit: TMPDIR=$PWD/t2 $CC -c a.c -o a.o
        hit: TMPDIR=(unset) $CC -c a.c -o a.o
    "#
    temporary_files_that_cannot_be_made r#"
        echo 'int f;' >a.c
        any: TMPDIR=/nonexistent $CC -c a.c -o a.o
        any: TMPDIR=/dev/null $CC -c a.c -o a.o
        any: $CC -c a.c -o a.o
        any: TMPDIR=/nonexistent $CC $EXTERNAL_AS -DX -c a.c -o a.o
        any: TMPDIR=$PWD/a.c $CC $EXTERNAL_AS -DX -c a.c -o a.o
    "#
    the_same_variable_with_nothing_in_it r#"
        echo 'int f;' >a.c
        any: GCC_EXEC_PREFIX= $CC -c a.c -o a.o
        any: COMPILER_PATH= $CC -c a.c -o a.o
        any: LIBRARY_PATH= $CC -c a.c -o a.o
        any: LANG= $CC -c a.c -o a.o
        any: PATH=/usr/bin: $CC -c a.c -o a.o
        any: $CC -c a.c -o a.o
    "#
    libraries_of_the_compiler_elsewhere r#"
        mkdir lib; echo 'int f;' >a.c
        any: LD_LIBRARY_PATH=$PWD/lib $CC -c a.c -o a.o
        printf 'no library' >lib/libz.so.1; cp $(ldd $(gcc -print-prog-name=cc1) | sed -n 's/.*libz.so.1 => \([^ ]*\).*/\1/p') lib/libz.so.1
        any: LD_LIBRARY_PATH=$PWD/lib $CC -c a.c -o a.o
        any: LD_BIND_NOW=1 $CC -c a.c -o a.o
        any: $CC -c a.c -o a.o
    "#
    libraries_loaded_before_all_others r#"
        echo 'int f;' >a.c; cp $(ldd $(gcc -print-prog-name=cc1) | sed -n 's/.*libz.so.1 => \([^ ]*\).*/\1/p') z.so
        any: LD_PRELOAD=$PWD/z.so $CC -c a.c -o a.o
        any: LD_PRELOAD=$PWD/z.so MY_VALUE=2 $CC -c a.c -o a.o
        any: $CC -c a.c -o a.o
    "#
}
