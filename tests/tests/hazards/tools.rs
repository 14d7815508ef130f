//! The compiler and its parts: other ones are found, or the same ones change.

use crate::scenarios;

scenarios! {
    a_wrapper_that_reads_a_file r#"
        mkdir bin; echo 1 >value; echo 'int f = A;' >a.c
        printf '#!/bin/sh\nv=$(cat value)\nexec /usr/bin/%s -DA=$v "$@"\n' $CC >bin/$CC; chmod +x bin/$CC
        any: bin/$CC -c a.c -o a.o
        hit: bin/$CC -c a.c -o a.o
        echo 2 >value
        miss: bin/$CC -c a.c -o a.o
        echo 1 >value
        hit: bin/$CC -c a.c -o a.o
        sed -i 's/-DA/-UB -DA/' bin/$CC
        miss: bin/$CC -c a.c -o a.o
    "#
    a_wrapper_that_reads_a_variable r#"
        mkdir bin; echo 'int f = A;' >a.c
        printf '#!/bin/sh\nexec /usr/bin/%s -DA=${MY_VALUE-0} "$@"\n' $CC >bin/$CC; chmod +x bin/$CC
        any: MY_VALUE=1 bin/$CC -c a.c -o a.o
        miss: MY_VALUE=2 bin/$CC -c a.c -o a.o
        miss: bin/$CC -c a.c -o a.o
        hit: MY_VALUE=1 bin/$CC -c a.c -o a.o
        miss: MY_VALUE= bin/$CC -c a.c -o a.o
    "#
    a_wrapper_that_asks_whether_a_file_is_there r#"
        mkdir bin; echo 'int f = A;' >a.c
        printf '#!/bin/sh\nif test -e flag; then v=1; else v=2; fi\nexec /usr/bin/%s -DA=$v "$@"\n' $CC >bin/$CC; chmod +x bin/$CC
        any: bin/$CC -c a.c -o a.o
        touch flag
        miss: bin/$CC -c a.c -o a.o
        rm flag; mkdir flag
        any: bin/$CC -c a.c -o a.o
        rmdir flag
        hit: bin/$CC -c a.c -o a.o
    "#
    a_wrapper_that_lists_a_directory r#"
        mkdir bin d; echo 'int f = A;' >a.c; touch d/one
        printf '#!/bin/sh\nset -- "$@" d/*\nfor last; do :; done\nset -- "$@"\nn=0; for x in d/*; do n=$((n+1)); done\nexec /usr/bin/%s -DA=$n -c a.c -o a.o\n' $CC >bin/$CC; chmod +x bin/$CC
        any: bin/$CC -c a.c -o a.o
        touch d/two
        miss: bin/$CC -c a.c -o a.o
        rm d/two
        hit: bin/$CC -c a.c -o a.o
        mv d/one d/other
        any: bin/$CC -c a.c -o a.o
    "#
    a_wrapper_that_asks_for_sizes_and_modes r#"
        mkdir bin; echo 'int f = A;' >a.c; echo one >x
        printf '#!/bin/sh\nif test -x x; then v=1; else v=2; fi\nif test -s x; then w=1; else w=2; fi\nexec /usr/bin/%s -DA=$v$w "$@"\n' $CC >bin/$CC; chmod +x bin/$CC
        any: bin/$CC -c a.c -o a.o
        chmod +x x
        miss: bin/$CC -c a.c -o a.o
        : >x
        miss: bin/$CC -c a.c -o a.o
    "#
    a_wrapper_that_writes_more r#"
        mkdir bin; echo 'int f;' >a.c
        printf '#!/bin/sh\necho log >log.txt\necho said; echo told >&2\nexec /usr/bin/%s "$@"\n' $CC >bin/$CC; chmod +x bin/$CC
        any: bin/$CC -c a.c -o a.o
        rm -f log.txt a.o
        hit: bin/$CC -c a.c -o a.o
    "#
    a_wrapper_that_appends_to_a_log r#"
        mkdir bin; echo 'int f;' >a.c
        printf '#!/bin/sh\necho log >>log.txt\nexec /usr/bin/%s "$@"\n' $CC >bin/$CC; chmod +x bin/$CC
        any: bin/$CC -c a.c -o a.o
        miss: bin/$CC -c a.c -o a.o
        miss: bin/$CC -c a.c -o a.o
        rm log.txt
        any: bin/$CC -c a.c -o a.o
    "#
    a_wrapper_that_works_on_a_file_elsewhere r#"
        mkdir bin; echo 'int f;' >a.c; echo ax >log
        printf '#!/bin/sh\nmv log t; tr x y <t >log; rm t\nexec /usr/bin/%s "$@"\n' $CC >bin/$CC; chmod +x bin/$CC
        any: bin/$CC -c a.c -o a.o
        echo bx >log
        miss: bin/$CC -c a.c -o a.o
        printf '#!/bin/sh\nmv log t; echo more >>t; mv t log\nexec /usr/bin/%s "$@"\n' $CC >bin/$CC
        any: bin/$CC -c a.c -o a.o
        miss: bin/$CC -c a.c -o a.o
        ln log other
        miss: bin/$CC -c a.c -o a.o
    "#
    a_wrapper_that_removes_a_file r#"
        mkdir bin; echo 'int f;' >a.c; touch scrap
        printf '#!/bin/sh\nrm -f scrap\nexec /usr/bin/%s "$@"\n' $CC >bin/$CC; chmod +x bin/$CC
        miss: bin/$CC -c a.c -o a.o
        touch scrap
        miss: bin/$CC -c a.c -o a.o
    "#
    a_wrapper_that_changes_directory r#"
        mkdir bin sub; echo '#include "a.h"' >sub/a.c; echo 'int f = A;' >>sub/a.c; echo '#define A 1' >sub/a.h
        printf '#!/bin/sh\ncd sub\nexec /usr/bin/%s "$@"\n' $CC >bin/$CC; chmod +x bin/$CC
        any: bin/$CC -g -c a.c -o a.o
        echo '#define A 2' >sub/a.h
        miss: bin/$CC -g -c a.c -o a.o
        echo '#define A 1' >sub/a.h
        hit: bin/$CC -g -c a.c -o a.o
    "#
    a_wrapper_that_reads_its_input r#"
        mkdir bin; echo 'int f = A;' >a.c
        printf '#!/bin/sh\nif read v; then :; else v=7; fi\nexec /usr/bin/%s -DA=$v "$@"\n' $CC >bin/$CC; chmod +x bin/$CC
        any: bin/$CC -c a.c -o a.o
        any: bin/$CC -c a.c -o a.o
        miss: STDIN=5 bin/$CC -c a.c -o a.o
        miss: STDIN=6 bin/$CC -c a.c -o a.o
    "#
    a_wrapper_that_calls_a_wrapper r#"
        mkdir bin lib; echo 'int f = A;' >a.c
        printf '#!/bin/sh\nexec lib/inner "$@"\n' >bin/$CC; printf '#!/bin/sh\nexec /usr/bin/%s -DA=1 "$@"\n' $CC >lib/inner; chmod +x bin/$CC lib/inner
        any: bin/$CC -c a.c -o a.o
        sed -i s/A=1/A=2/ lib/inner
        miss: bin/$CC -c a.c -o a.o
        sed -i s/A=2/A=1/ lib/inner
        hit: bin/$CC -c a.c -o a.o
    "#
    a_wrapper_whose_shell_is_replaced r#"
        mkdir bin; echo 'int f = A;' >a.c; cp /bin/sh bin/sh
        printf '#!%s/bin/sh\nexec /usr/bin/%s -DA=1 "$@"\n' $TREE $CC >bin/$CC; chmod +x bin/$CC
        any: bin/$CC -c a.c -o a.o
        printf '#!/bin/sh\nshift\nexec /usr/bin/%s -DA=2 "$@"\n' $CC >bin/sh
        miss: bin/$CC -c a.c -o a.o
    "#
    a_wrapper_without_a_first_line r#"
        mkdir bin; echo 'int f = A;' >a.c
        printf 'exec /usr/bin/%s -DA=1 "$@"\n' $CC >bin/$CC; chmod +x bin/$CC
        any: PATH=$PWD/bin:/usr/bin:/bin $CC -c a.c -o a.o
        sed -i s/A=1/A=2/ bin/$CC
        miss: PATH=$PWD/bin:/usr/bin:/bin $CC -c a.c -o a.o
    "#
    a_wrapper_in_machine_code r#"
        mkdir bin; echo 'int f = A;' >a.c
        printf '#include <stdlib.h>\n#include <stdio.h>\n#include <unistd.h>\nint main(int c, char **v) { char d[99]; const char *e = getenv("MY_VALUE"); snprintf(d, 99, "-DA=%%s", e ? e : "0"); char *n[99] = { "/usr/bin/%s", d }; for (int i = 1; i < c; i++) n[i + 1] = v[i]; execv("/usr/bin/%s", n); return 1; }\n' $CC $CC >w.c; gcc w.c -o bin/$CC; rm w.c
        any: MY_VALUE=1 bin/$CC -c a.c -o a.o
        miss: MY_VALUE=2 bin/$CC -c a.c -o a.o
        hit: MY_VALUE=1 bin/$CC -c a.c -o a.o
    "#
    a_link_to_the_compiler_is_retargeted r#"
        mkdir bin; echo 'const char *f = __VERSION__;' >a.c
        ln -s /usr/bin/gcc bin/cc
        miss: bin/cc -c a.c -o a.o
        ln -sf /usr/bin/clang bin/cc
        miss: bin/cc -c a.c -o a.o
        ln -sf /usr/bin/gcc bin/cc
        any: bin/cc -c a.c -o a.o
    "#
    a_bare_name_is_found_elsewhere r#"
        mkdir one two; echo 'int f = A;' >a.c
        printf '#!/bin/sh\nexec /usr/bin/%s -DA=2 "$@"\n' $CC >two/$CC; chmod +x two/$CC
        any: PATH=$PWD/one:$PWD/two:/usr/bin:/bin $CC -c a.c -o a.o
        printf '#!/bin/sh\nexec /usr/bin/%s -DA=1 "$@"\n' $CC >one/$CC
        any: PATH=$PWD/one:$PWD/two:/usr/bin:/bin $CC -c a.c -o a.o
        chmod +x one/$CC
        miss: PATH=$PWD/one:$PWD/two:/usr/bin:/bin $CC -c a.c -o a.o
        rm two/$CC
        hit: PATH=$PWD/one:$PWD/two:/usr/bin:/bin $CC -c a.c -o a.o
        rm -r one
        miss: PATH=$PWD/one:$PWD/two:/usr/bin:/bin $CC -DA=3 -c a.c -o a.o
    "#
    a_path_that_is_relative r#"
        mkdir -p one/bin two/bin; echo 'int f = A;' >a.c
        printf '#!/bin/sh\nexec /usr/bin/%s -DA=1 "$@"\n' $CC >one/bin/$CC; printf '#!/bin/sh\nexec /usr/bin/%s -DA=2 "$@"\n' $CC >two/bin/$CC; chmod +x one/bin/$CC two/bin/$CC
        any in one: PATH=bin:/usr/bin:/bin $CC -c ../a.c -o a.o
        miss in two: PATH=bin:/usr/bin:/bin $CC -c ../a.c -o a.o
        any in one: PATH=:/usr/bin:/bin $CC -DA=3 -c ../a.c -o a.o
        cp two/bin/$CC one/$CC
        miss in one: PATH=:/usr/bin:/bin $CC -c ../a.c -o a.o
    "#
    a_relative_compiler_in_two_directories r#"
        mkdir one two; echo 'int f = A;' >a.c
        printf '#!/bin/sh\nexec /usr/bin/%s -DA=1 "$@"\n' $CC >one/$CC; printf '#!/bin/sh\nexec /usr/bin/%s -DA=2 "$@"\n' $CC >two/$CC; chmod +x one/$CC two/$CC
        any in one: ./$CC -c ../a.c -o ../a.o
        miss in two: ./$CC -c ../a.c -o ../a.o
        hit in one: ./$CC -c ../a.c -o ../a.o
        mv one t; mv two one; mv t two
        miss in one: ./$CC -c ../a.c -o ../a.o
    "#
    a_compiler_that_is_missing r#"
        mkdir bin; echo 'int f;' >a.c
        any: sh -c 'bin/$CC -c a.c' x
        printf '#!/bin/sh\necho broken >&2\nexit 3\n' >bin/$CC; chmod +x bin/$CC
        miss: bin/$CC -c a.c -o a.o
        printf '#!/bin/sh\nexec /usr/bin/%s "$@"\n' $CC >bin/$CC
        any: bin/$CC -c a.c -o a.o
    "#
    a_wrapper_that_leaves_its_result_to_another_process r#"
        mkdir bin; echo 'int f;' >a.c
        printf '#!/bin/sh\n/usr/bin/%s "$@" &\nwait\n' $CC >bin/$CC; chmod +x bin/$CC
        any: bin/$CC -c a.c -o a.o
        any: bin/$CC -c a.c -o a.o
        echo 'int g;' >a.c
        miss: bin/$CC -c a.c -o a.o
    "#
    an_assembler_of_ones_own_along_minus_b r#"
        mkdir b; echo 'int f;' >a.c
        printf '#!/bin/sh\nexec /usr/bin/as --defsym x=1 "$@"\n' >b/as; chmod +x b/as
        any: $CC -Bb $EXTERNAL_AS -c a.c -o a.o
        any: $CC -Bb/ -c a.c -o a.o
        touch -r b/as time; printf '#!/bin/sh\nexec /usr/bin/as --defsym x=2 "$@"\n' >b/as; touch -r time b/as
        any: $CC -Bb $EXTERNAL_AS -c a.c -o a.o
        miss: $CC -Bb/ $EXTERNAL_AS -c a.c -o a.o
        rm b/as
        any: $CC -Bb $EXTERNAL_AS -c a.c -o a.o
    "#
    an_assembler_that_appears_along_the_path r#"
        mkdir b; echo 'int f;' >a.c
        any: PATH=$PWD/b:/usr/bin:/bin $CC $EXTERNAL_AS -c a.c -o a.o
        printf '#!/bin/sh\nexec /usr/bin/as --defsym x=1 "$@"\n' >b/as; chmod +x b/as
        any: PATH=$PWD/b:/usr/bin:/bin $CC $EXTERNAL_AS -c a.c -o a.o
        rm b/as
        hit: PATH=$PWD/b:/usr/bin:/bin $CC $EXTERNAL_AS -c a.c -o a.o
    "#
    parts_along_compiler_path r#"
        mkdir b c; echo 'int f;' >a.c
        printf '#!/bin/sh\nexec /usr/bin/as --defsym x=1 "$@"\n' >c/as; chmod +x c/as
        any: COMPILER_PATH=$PWD/b:$PWD/c $CC $EXTERNAL_AS -c a.c -o a.o
        printf '#!/bin/sh\nexec /usr/bin/as --defsym y=1 "$@"\n' >b/as; chmod +x b/as
        any: COMPILER_PATH=$PWD/b:$PWD/c $CC $EXTERNAL_AS -c a.c -o a.o
        any: COMPILER_PATH=$PWD/c $CC $EXTERNAL_AS -c a.c -o a.o
        any: $CC $EXTERNAL_AS -c a.c -o a.o
    "#
}

scenarios! { gcc:
    a_compiler_proper_of_ones_own r#"
        mkdir b; echo 'int f = A;' >a.c
        printf '#!/bin/sh\nexec %s -DA=1 "$@"\n' $(gcc -print-prog-name=cc1) >b/cc1; chmod +x b/cc1
        any: gcc -Bb/ -c a.c -o a.o
        touch -r b/cc1 time; sed -i s/A=1/A=2/ b/cc1; touch -r time b/cc1
        miss: gcc -Bb/ -c a.c -o a.o
        sed -i s/A=2/A=1/ b/cc1
        hit: gcc -Bb/ -c a.c -o a.o
        miss: GCC_EXEC_PREFIX=$PWD/b/ gcc -DA=3 -c a.c -o a.o
    "#
    a_prefix_for_the_parts r#"
        mkdir -p p/12; echo 'int f = A;' >a.c
        any: GCC_EXEC_PREFIX=$PWD/p/ gcc -DA=0 -c a.c -o a.o
        printf '#!/bin/sh\nexec %s -UA -DA=1 "$@"\n' $(gcc -print-prog-name=cc1) >p/cc1; chmod +x p/cc1
        any: GCC_EXEC_PREFIX=$PWD/p/ gcc -DA=0 -c a.c -o a.o
        any: GCC_EXEC_PREFIX=$PWD/q/ gcc -DA=0 -c a.c -o a.o
        any: gcc -DA=0 -c a.c -o a.o
    "#
    a_wrapper_around_every_part r#"
        echo 'int f = A;' >a.c; printf '#!/bin/sh\nc=$1; shift\ncase $c in *cc1) exec $c -DA=1 "$@";; esac\nexec $c "$@"\n' >w; chmod +x w
        any: gcc -wrapper ./w -c a.c -o a.o
        sed -i s/A=1/A=2/ w
        miss: gcc -wrapper ./w -c a.c -o a.o
        sed -i s/A=2/A=1/ w
        hit: gcc -wrapper ./w -c a.c -o a.o
    "#
}

scenarios! { clang:
    options_from_the_environment r#"
        echo 'int f = A;' >a.c
        miss: CCC_OVERRIDE_OPTIONS=+-DA=1 clang -c a.c -o a.o
        miss: CCC_OVERRIDE_OPTIONS=+-DA=2 clang -c a.c -o a.o
        hit: CCC_OVERRIDE_OPTIONS=+-DA=1 clang -c a.c -o a.o
        miss: clang -c a.c -o a.o
    "#
    a_link_named_after_another_driver r#"
        mkdir bin; echo 'int f = sizeof((char)1);' >a.c
        ln -s /usr/bin/clang bin/clang++; ln -s /usr/bin/clang bin/clang
        any: bin/clang -c a.c -o a.o
        any: bin/clang++ -c a.c -o a.o
        ln -s /usr/bin/clang bin/x86_64-linux-gnu-clang
        any: bin/x86_64-linux-gnu-clang -c a.c -o a.o
    "#
}
