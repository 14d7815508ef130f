//! Invocations that look alike and are not.

use crate::scenarios;

scenarios! {
    levels_in_two_orders r#"
        echo 'int f(int x) { int s = 0; for (int i = 0; i < x; i++) s += i * x; return s; }' >a.c
        kept: $CC -O0 -O2 -c a.c -o a.o
        kept: $CC -O2 -O0 -c a.c -o a.o
        kept: $CC -O2 -c a.c -o a.o
        kept: $CC -O2 -g -g0 -c a.c -o a.o
        kept: $CC -O2 -g0 -g -c a.c -o a.o
        hit: $CC -O0 -O2 -c a.c -o a.o
    "#
    definitions_in_two_orders r#"
        printf '#ifdef X\nint f = X + 0;\n#else\nint g;\n#endif\n' >a.c
        kept: $CC -DX -UX -c a.c -o a.o
        kept: $CC -UX -DX -c a.c -o a.o
        kept: $CC -DX=1 -UX -DX=2 -c a.c -o a.o
        kept: $CC -DX=2 -UX -DX=1 -c a.c -o a.o
        hit: $CC -DX -UX -c a.c -o a.o
    "#
    pairs_of_switches r#"
        echo 'static int g(int x) { return x * 7; } int f(int x) { return g(x); } char c = -1;' >a.c
        kept: $CC -O2 -fno-inline -finline -c a.c -o a.o
        kept: $CC -O2 -finline -fno-inline -c a.c -o a.o
        kept: $CC -funsigned-char -fsigned-char -Wall -c a.c -o a.o
        kept: $CC -fsigned-char -funsigned-char -Wall -c a.c -o a.o
        kept: $CC -fPIC -fno-pic -c a.c -o a.o
        kept: $CC -fno-pic -fPIC -c a.c -o a.o
    "#
    warnings_on_and_off r#"
        echo 'int f(void) { int unused; return 1; }' >a.c
        kept: $CC -Wall -c a.c -o a.o
        kept: $CC -Wall -w -c a.c -o a.o
        kept: $CC -w -Wall -c a.c -o a.o
        kept: $CC -Wall -Wno-unused-variable -c a.c -o a.o
        kept: $CC -Wno-unused-variable -Wall -c a.c -o a.o
        miss: $CC -Wall -Werror -c a.c -o a.o
        hit: $CC -Wall -c a.c -o a.o
    "#
    objects_and_assembly_at_once r#"
        echo 'int f;' >a.c
        miss: $CC -c -S a.c -o a.x
        miss: $CC -S -c a.c -o a.x
        miss: $CC -S a.c -o a.x
        any: $CC -c a.c -o a.x
        hit: $CC -S a.c -o a.x
    "#
    drivers_by_name r#"
        echo 'int f = sizeof(char);' >a.c; echo 'int g = sizeof(0);' >b.cc
        kept: $CC -c a.c -o a.o
        kept: $CXX -c a.c -o a.o
        kept: $CC -c b.cc -o b.o
        kept: $CXX -c b.cc -o b.o
        hit: $CC -c a.c -o a.o
    "#
    values_that_look_like_options r#"
        mkdir -- -c; echo '#define A 1' >-c/a.h; echo '#include <a.h>' >a.c; echo 'int f = A;' >>a.c
        kept: $CC -I -c -c a.c -o a.o
        echo '#define A 2' >-c/a.h
        kept: $CC -I -c -c a.c -o a.o
        any: $CC -I-c -c a.c -o a.o
        any: $CC -I -c a.c -o a.o
        any: $CC -D -c a.c -o a.o
        any: $CC -MD -MF -O2 -c -I-c a.c -o a.o
        any: $CC -o -S -I-c -c a.c
    "#
    fields_that_join_to_the_same_text r#"
        printf '#ifdef A\nconst char *f = S(A);\n#endif\nint x;\n' >a.c; mkdir 'one two' one two; echo '#define S(x) #x' >s.h
        any: $CC -include s.h -DA -D B -c a.c -o a.o
        any: $CC -include s.h '-DA -D' B -c a.c -o a.o
        any: $CC -include s.h '-DA=x y' -c a.c -o a.o
        any: $CC -include s.h -DA=xy -c a.c -o a.o
        any: $CC -include s.h '-DA=x  y' -c a.c -o a.o
        any: $CC '-Ione two' -include s.h -c a.c -o a.o
        any: $CC -Ione two -include s.h -c a.c -o a.o
    "#
    arguments_that_are_empty r#"
        echo 'int f;' >a.c
        kept: $CC -c a.c -o a.o
        any: $CC -c a.c -o a.o ''
        any: $CC '' -c a.c -o a.o
        any: $CC -I '' -c a.c -o a.o
        any: $CC -D '' -c a.c -o a.o
        hit: $CC -c a.c -o a.o
    "#
    joined_and_separate_values r#"
        mkdir i; echo '#include <a.h>' >a.c; echo 'int f = A;' >>a.c; echo '#define A 1' >i/a.h
        kept: $CC -MD -Ii -c a.c -o a.o
        kept: $CC -MD -I i -c a.c -o a.o
        kept: $CC -MD -Ii/ -c a.c -o a.o
        kept: $CC -MD -Ii/. -c a.c -o a.o
        kept: $CC -MD -I./i -c a.c -o a.o
        kept: $CC -MD -I$PWD/i -c a.c -o a.o
        kept: $CC -MD -Ii -c a.c -oa.o
        hit: $CC -MD -Ii -c a.c -o a.o
    "#
    the_source_by_several_names r#"
        echo 'const char *f = __FILE__;' >a.c; mkdir d; ln a.c b.c; ln -s ../a.c d/a.c
        kept: $CC -c a.c -o a.o
        kept: $CC -c ./a.c -o a.o
        kept: $CC -c .//a.c -o a.o
        kept: $CC -c b.c -o a.o
        kept: $CC -c d/../a.c -o a.o
        miss: $CC -c d/a.c -o a.o
        kept: $CC -c $PWD/a.c -o a.o
        hit: $CC -c a.c -o a.o
        hit: $CC -c b.c -o a.o
    "#
    the_object_by_several_names r#"
        echo 'int f(void) { return 1; }' >a.c; mkdir d
        kept: $CC -MMD -g -c a.c -o a.o
        kept: $CC -MMD -g -c a.c -o ./a.o
        kept: $CC -MMD -g -c a.c -o d/a.o
        kept: $CC -MMD -g -c a.c -o d/../a.o
        kept: $CC -MMD -g -c a.c -o $PWD/a.o
        hit: $CC -MMD -g -c a.c -o a.o
    "#
    the_directory_in_debug_information r#"
        mkdir one two; echo 'int f(void) { return 1; }' >one/a.c; cp one/a.c two/a.c
        kept in one: $CC -g -c a.c -o a.o
        kept in two: $CC -g -c a.c -o a.o
        miss in one: $CC -g -fdebug-prefix-map=$PWD/one=/x -c a.c -o a.o
        hit in two: $CC -g -fdebug-prefix-map=$PWD/two=/x -c a.c -o a.o
        hit in one: $CC -g -c a.c -o a.o
    "#
    a_directory_by_two_names r#"
        mkdir real; ln -s real alias; echo 'int f(void) { return 1; }' >real/a.c
        kept in real: PWD=$PWD/real $CC -g -c a.c -o a.o
        miss in real: PWD=$PWD/alias $CC -g -c a.c -o a.o
        hit in real: PWD=$PWD/nonsense $CC -g -c a.c -o a.o
        hit in real: PWD=(unset) $CC -g -c a.c -o a.o
        hit in real: PWD=$PWD/alias $CC -g -c a.c -o a.o
        hit in real: PWD=$PWD/real $CC -g -c a.c -o a.o
    "#
    standards_and_languages r#"
        echo 'int f = sizeof(0) + __cplusplus + 0;' >a.cpp; echo 'int f = __STDC_VERSION__;' >a.c
        kept: $CC -std=c99 -c a.c -o a.o
        kept: $CC -std=c11 -c a.c -o a.o
        kept: $CC -std=c11 -std=c99 -c a.c -o a.o
        kept: $CXX -std=c++11 -c a.cpp -o a.o
        kept: $CXX -std=c++17 -c a.cpp -o a.o
        kept: $CXX -ansi -c a.cpp -o a.o
        kept: $CC -x c++ -std=c++17 -c a.cpp -o a.o
    "#
    seeds_and_coverage_paths r#"
        mkdir d; echo 'int f(int x) { return x ? 1 : 2; }' >a.c
        kept: $CC -frandom-seed=1 --coverage -c a.c -o a.o
        kept: $CC -frandom-seed=2 --coverage -c a.c -o a.o
        kept: $CC -frandom-seed=1 --coverage -c a.c -o d/a.o
        kept in d: $CC -frandom-seed=1 --coverage -c ../a.c -o a.o
        rm a.gcno
        hit: $CC -frandom-seed=1 --coverage -c a.c -o a.o
    "#
    names_in_split_debug_information r#"
        mkdir d; echo 'int f(int x) { return x; }' >a.c
        kept: $CC -g -gsplit-dwarf -c a.c -o a.o
        kept: $CC -g -gsplit-dwarf -c a.c -o d/a.o
        kept: $CC -g -gsplit-dwarf -c a.c -o d/b.o
        kept: $CC -g -gsplit-dwarf -c a.c
        rm a.dwo d/b.dwo
        any: $CC -g -gsplit-dwarf -c a.c -o d/b.o
        any: $CC -g -gsplit-dwarf -c a.c -o a.o
    "#
    options_that_repeat_the_command_line r#"
        echo 'int f(int x) { return x; }' >a.c
        kept: $CC -g -grecord-gcc-switches -c a.c -o a.o
        kept: $CC -grecord-gcc-switches -g -c a.c -o a.o
        kept: $CC -g -gno-record-gcc-switches -c a.c -o a.o
        kept: $CC -g -grecord-gcc-switches -fno-common -c a.c -o a.o
        hit: $CC -g -grecord-gcc-switches -c a.c -o a.o
    "#
    several_outputs_wanted_differently r#"
        echo '#include "a.h"' >a.c; echo 'int f = A;' >>a.c; echo '#define A 1' >a.h
        kept: $CC -c a.c -o a.o
        kept: $CC -MD -c a.c -o a.o
        kept: $CC -MMD -MP -c a.c -o a.o
        rm a.d
        hit: $CC -c a.c -o a.o
        hit: $CC -MMD -MP -c a.c -o a.o
        hit: $CC -MD -c a.c -o a.o
    "#
    a_hundred_thousand_bytes_of_arguments r#"
        echo 'int f = sizeof(S);' >a.c
        printf '%s' '-DS="' >long; head -c 100000 /dev/zero | tr '\0' x >>long; printf '%s\n' '"' >>long; sed -i 's/"/\\"/g' long
        kept: $CC @long -c a.c -o a.o
        hit: $CC @long -c a.c -o a.o
        sed -i 's/x/y/' long
        any: $CC @long -c a.c -o a.o
    "#
}
