//! Macros that stand for something else than before: where nobody mentions them that has to
//! hit, else to miss.

use crate::scenarios;

scenarios! {
    a_version_that_others_want r##"
        printf '#ifndef A_H\n#define A_H\n#define MY_VERSION "1.0" // now\n#define MY_LEVEL 3\n#endif\n' >a.h
        printf '#include "a.h"\nint f = MY_LEVEL;\n' >a.c
        printf '#include "a.h"\nconst char *v = MY_VERSION;\n' >b.c
        kept: $CC -O2 -Wall -Wextra -MD -c a.c -o a.o
        kept: $CC -O2 -Wall -Wextra -MD -c b.c -o b.o
        sed -i 's/1\.0/1.1-g12ab/' a.h
        hit: $CC -O2 -Wall -Wextra -MD -c a.c -o a.o
        kept: $CC -O2 -Wall -Wextra -MD -c b.c -o b.o
        sed -i 's/ 3/ 4/' a.h
        kept: $CC -O2 -Wall -Wextra -MD -c a.c -o a.o
        hit: $CC -O2 -Wall -Wextra -MD -c b.c -o b.o
        kept: LC_ALL=C.UTF-8 $CC -Wall -c a.c -o a.o
        sed -i 's/1\.1-g12ab/1.2/' a.h
        hit: LC_ALL=C.UTF-8 $CC -Wall -c a.c -o a.o
        sed -i 's/1\.2/1.1-g12ab/' a.h
        sed -i 's/ 4/ 3/; s/1\.1-g12ab/1.0/' a.h
        hit: $CC -O2 -Wall -Wextra -MD -c a.c -o a.o
        hit: $CC -O2 -Wall -Wextra -MD -c b.c -o b.o
        sed -i 's/MY_VERSION/MY_LEVEL2/' a.h
        kept: $CC -O2 -Wall -Wextra -MD -c a.c -o a.o
    "##
    where_each_byte_counts r##"
        printf '#define MY_VERSION "1.0" // a\n' >a.h; printf '#include "a.h"\nint f;\n' >a.c
        kept: $CC -c a.c
        kept: ZCCACHE_EXACT=1 $CC -c a.c
        printf '#define MY_VERSION "1.0" // b\n' >a.h
        kept: ZCCACHE_EXACT=1 $CC -c a.c
        hit: ZCCACHE_EXACT=0 $CC -c a.c
        printf '#define MY_VERSION "1.1" // b\n' >a.h
        kept: ZCCACHE_EXACT=1 $CC -c a.c
        hit: ZCCACHE_EXACT=1 $CC -c a.c
        hit: $CC -c a.c
    "##
    by_options r##"
        printf '#define MY_VERSION "1.0"\n' >config.h; printf 'int f;\n' >a.c; printf 'const char *v = MY_VERSION;\n' >b.c
        kept: $CC -include config.h -c a.c
        kept: $CC -include config.h -c b.c
        kept: $CC -imacros config.h -c a.c
        kept: $CC -imacros config.h -c b.c
        kept: $CC -include config.h -UMY_VERSION -c a.c
        kept: $CC -include config.h -D OTHER=MY_VERSION -c b.c
        any: $CC -include config.h -DMY_VERSION='"1.0"' -c a.c
        printf -- '-DOTHER=MY_VERSION' >args; printf 'const char *v = OTHER;\n' >c.c
        any: $CC @args -include config.h -c c.c
        any: $CC -Wp,-DOTHER=MY_VERSION -include config.h -c c.c
        any: $CC -Xpreprocessor -DOTHER=MY_VERSION -include config.h -c c.c
        printf '#define MY_VERSION "1.1"\n' >config.h
        hit: $CC -include config.h -c a.c
        miss: $CC @args -include config.h -c c.c
        miss: $CC -Wp,-DOTHER=MY_VERSION -include config.h -c c.c
        miss: $CC -Xpreprocessor -DOTHER=MY_VERSION -include config.h -c c.c
        kept: $CC -include config.h -c b.c
        hit: $CC -imacros config.h -c a.c
        kept: $CC -imacros config.h -c b.c
        kept: $CC -include config.h -UMY_VERSION -c a.c
        kept: $CC -include config.h -D OTHER=MY_VERSION -c b.c
        miss: $CC -include config.h -DMY_VERSION='"1.0"' -c a.c
    "##
    in_conditions r##"
        printf '#define MY_LEVEL 1\n' >a.h
        printf '#include "a.h"\n#if MY_LEVEL > 1\nint f;\n#endif\nint g;\n' >a.c
        printf '#include "a.h"\n#ifdef MY_LEVEL\nint f;\n#endif\nint g;\n' >b.c
        kept: $CC -c a.c
        kept: $CC -c b.c
        printf '#define MY_LEVEL 2\n' >a.h
        kept: $CC -c a.c
        kept: $CC -c b.c
        printf '#define MY_LEVEL\n' >a.h
        kept: $CC -c b.c
        printf '\n' >a.h
        kept: $CC -c b.c
    "##
    put_together r##"
        printf '#define MY_LEVEL 1\n#define MY_COUNT_0 2\n#define MY_COUNT_1L 3\n' >a.h
        printf '#define J(a, b) J_(a, b)\n#define J_(a, b) a ## b\n#include "a.h"\nint f = J(MY_, LEVEL);\n' >a.c
        printf '#define J(a, b) J_(a, b)\n#define J_(a, b) a ## b\n#include "a.h"\nint f = J(MY_COUNT_, __COUNTER__);\n' >b.c
        printf '#define J(a, b) J_(a, b)\n#define J_(a, b) a ## b\n#include "a.h"\n#define ONE 1L\nint f = J(MY_COUNT_, ONE);\n' >c.c
        printf '#include "a.h"\nint f = MY\\\n_LEVEL;\n' >d.c
        printf '#define J(a, b, c) J_(a, b, c)\n#define J_(a, b, c) a ## b ## c\n#include "a.h"\nint f = J(M, Y_LEV, EL);\n' >e.c
        for n in a b c d e; do touch -d 2020-01-01 $n.c; done
        kept: $CC -c a.c
        kept: $CC -c b.c
        kept: $CC -c c.c
        kept: $CC -c d.c
        kept: $CC -c e.c
        printf '#define MY_LEVEL 4\n#define MY_COUNT_0 5\n#define MY_COUNT_1L 6\n' >a.h
        kept: $CC -c a.c
        kept: $CC -c b.c
        kept: $CC -c c.c
        kept: $CC -c d.c
        kept: $CC -c e.c
    "##
    put_by_and_back r##"
        printf '#define MY_LEVEL 1\n' >a.h
        printf '#include "a.h"\n#pragma push_macro("MY_LEVEL")\n#undef MY_LEVEL\n#define MY_LEVEL 7\n#pragma pop_macro("MY_LEVEL")\nint f;\n' >a.c
        any: $CC -c a.c
        printf '#define MY_LEVEL 2\n' >a.h
        miss: $CC -c a.c
    "##
    in_debug_information r##"
        printf '#define MY_LEVEL 1\n' >a.h; printf '#include "a.h"\nint f;\n' >a.c
        kept: $CC -g -c a.c
        kept: $CC -g3 -c a.c
        kept: $CC -ggdb3 -c a.c
        kept@clang: $CC -g -fdebug-macro -c a.c
        printf '#define MY_LEVEL 2\n' >a.h
        hit@gcc: $CC -g -c a.c
        kept: $CC -g3 -c a.c
        kept: $CC -ggdb3 -c a.c
        kept@clang: $CC -g -fdebug-macro -c a.c
    "##
    in_a_precompiled_header r##"
        printf '#define MY_LEVEL 1\n' >a.h; printf '#include "a.h"\nint f;\n' >a.c
        touch -d 2020-01-01 a.h a.c
        any@clang: $CC -x c-header -c a.c -o b.h.gch
        any@clang: $CC -c a.h -o c.h.gch
        printf '#define MY_LEVEL 2\n' >a.h; touch -d 2020-01-02 a.h
        miss@clang: $CC -x c-header -c a.c -o b.h.gch
        any@clang: $CC -c a.h -o c.h.gch
    "##
    defined_elsewhere r##"
        printf '#define MY_LEVEL 1\n' >a.h; printf '#define MY_LEVEL 1\n' >b.h
        printf '#include "a.h"\n#include "b.h"\nint f;\n' >a.c
        kept: $CC -c a.c
        printf '#define MY_LEVEL 2\n' >b.h
        kept: $CC -c a.c
        printf '#define MY_LEVEL 2\n' >a.h
        kept: $CC -c a.c
    "##
    of_the_system r##"
        printf '#define FD_SETSIZE 64\n#define _FILE_OFFSET_BITS 64\n' >a.h
        printf '#include "a.h"\n#include <stdio.h>\nint f = sizeof(off_t);\n' >a.c
        kept: $CC -c a.c
        printf '#define FD_SETSIZE 64\n#define _FILE_OFFSET_BITS 32\n' >a.h
        kept: $CC -c a.c
        printf '#include "a.h"\n#include <stdlib.h>\nint f;\n' >b.c
        kept: $CC -c b.c
        printf '#define FD_SETSIZE 65\n#define _FILE_OFFSET_BITS 32\n' >a.h
        kept: $CC -c b.c
    "##
    that_a_message_is_about r##"
        printf '#define MY_LEVEL "a"\n' >a.h; printf '#pragma GCC poison bad\n#include "a.h"\nint f;\n' >a.c
        kept: $CC -Wall -c a.c
        printf '#define MY_LEVEL bad\n' >a.h
        any: $CC -Wall -c a.c
        printf '#define MY_LEVEL "a??!"\n' >a.h
        any: $CC -Wall -c a.c
        printf '#define MY_LEVEL "a"b\n' >a.h
        any: $CC -Wall -c a.c
        printf '#define MY_LEVEL +1\n' >a.h
        any: $CC -Wall -c a.c
        printf '#define MY_LEVEL+1\n' >a.h
        any: $CC -Wall -c a.c
        printf '#define MY_LEVEL(1)\n' >a.h
        any: $CC -Wall -c a.c
        printf '#define MY_LEVEL "a\n' >a.h
        any: $CC -Wall -c a.c
        printf '#define MY_LEVEL 1 ## 2\n' >a.h
        any: $CC -Wall -c a.c
        printf '#define MY_LEVEL 1 ##\n' >a.h
        any: $CC -Wall -c a.c
        printf '#define MY_LEVEL 1 /* /* */\n' >a.h
        any: $CC -Wall -c a.c
        printf '#define MY_LEVEL "\\x"\n' >a.h
        any: $CC -Wall -c a.c
    "##
    behind_what_is_no_letter r##"
        printf '#define MY_LEVEL 1\n' >a.h; printf '\xef\xbb\xbfMY_LEVEL,\n' >a.inc
        printf '#include "a.h"\nint f[] = {\n#include "a.inc"\n};\n' >a.c
        printf '#define S_(x) #x\n#define S(x) S_(x)\n#include "a.h"\nconst char *v = S(\xc2\xa7MY_LEVEL);\n' >b.c
        printf '#define S_(x) #x\n#define S(x) S_(x)\n#include "a.h"\nconst char *v = S($MY_LEVEL);\n' >c.c
        printf '#define S_(x) #x\n#define S(x) S_(x)\n#include "a.h"\nconst char *v = S(\\u00a7MY_LEVEL);\n' >d.c
        for n in a b c d; do touch -d 2020-01-01 $n.c; done
        any: $CC -c a.c
        any: $CC -w -c b.c
        any: $CC -fno-dollars-in-identifiers -w -c c.c
        any: $CC -w -c d.c
        printf '#define MY_LEVEL 2\n' >a.h
        miss: $CC -c a.c
        any: $CC -w -c b.c
        miss: $CC -fno-dollars-in-identifiers -w -c c.c
        any: $CC -w -c d.c
    "##
    that_look_like_a_guard r##"
        printf '#ifndef VERSION_H\n#define VERSOIN_H 1\nextern int w;\n#endif\n' >a.h; printf '#include "a.h"\nint f;\n' >a.c
        kept: $CC -c a.c
        printf '#ifndef VERSION_H\n#define VERSOIN_H\nextern int w;\n#endif\n' >a.h
        any: $CC -c a.c
    "##
    of_the_compiler r##"
        printf '#define SYCL_LANGUAGE_VERSION 202001\n' >a.h; printf '#include "a.h"\nint f;\n' >a.cc
        any@clang: $CXX -fsycl -c a.cc
        printf '#define UNICODE 1\n' >c.h; printf '#include "c.h"\nint f;\n' >c.c
        any@clang: $CC -municode -c c.c
        printf '#define UNICODE 2\n' >c.h
        any@clang: $CC -municode -c c.c
        printf '#define J_(a, b, c) a##b##c\n#define J(a, b, c) J_(a, b, c)\n#define MY_LEVEL 1\nint v = J(MY, __USER_LABEL_PREFIX__, LEVEL);\n' >b.c
        kept@gcc: $CC -fleading-underscore -c b.c
        printf '#define SYCL_LANGUAGE_VERSION 202002\n' >a.h; sed -i 's/ 1/ 2/' b.c
        any@clang: $CXX -fsycl -c a.cc
        kept@gcc: $CC -fleading-underscore -c b.c
    "##
    in_what_begins_as_a_binary r##"
        printf '!<arch>\nMY_LEVEL);\n' >a.inc; printf '#define MY_LEVEL 1\n' >a.h
        printf '#define S_(x) #x\n#define S(x) S_(x)\n#include "a.h"\nconst char *v = S(\n#include "a.inc"\n' >a.c
        any: $CC -w -c a.c
        printf '#define MY_LEVEL 2\n' >a.h
        any: $CC -w -c a.c
        printf '\177ELF MY_LEVEL);\n' >a.inc
        any: $CC -w -c a.c
        printf '#define MY_LEVEL 1\n' >a.h
        any: $CC -w -c a.c
    "##
    that_names_a_header r##"
        mkdir x y; echo 'int x;' >x/n.h; echo 'int y;' >y/n.h
        printf '#define MY_HEADER "x/n.h"\n' >a.h; printf '#include "a.h"\n#include MY_HEADER\nint f;\n' >a.c
        kept: $CC -c a.c
        printf '#define MY_HEADER "y/n.h"\n' >a.h
        kept: $CC -c a.c
    "##
    beside_an_empty_definition r##"
        printf '#if 0\n#define\n#endif\n#define MY_LEVEL 1\n' >a.h; printf '#include "a.h"\nint f;\n' >a.c
        kept: $CC -c a.c
        printf '#if 0\n#define MY_LEVEL 1\n#endif\n#define\n' >a.h
        any: $CC -c a.c
    "##
    of_more_files_at_once r##"
        printf '#define MY_LEVEL 1\n' >a.h; printf '#define OUR_LEVEL 1\n' >b.h
        printf '#include "a.h"\n#include "b.h"\nint f;\n' >a.c
        kept: $CC -c a.c
        printf '#define MY_LEVEL 2\n' >a.h; printf '#define OUR_LEVEL 2 // b\n' >b.h
        hit: $CC -c a.c
        printf '#define OUR_LEVEL 2 // b\n#define FROM_B MY_LEVEL\n' >b.h
        kept: $CC -c a.c
        printf '#define MY_LEVEL 3\n' >a.h
        kept: $CC -c a.c
    "##
    in_many_definitions r##"
        for n in $(seq 1500); do echo "#define MY_LEVEL_$n 1"; done >a.h; printf '#include "a.h"\nint f = MY_LEVEL_7;\n' >a.c
        kept: $CC -c a.c
        sed -i 's/LEVEL_8 1/LEVEL_8 2/' a.h
        hit: $CC -c a.c
        sed -i 's/LEVEL_1400 1/LEVEL_1400 2/' a.h
        kept: $CC -c a.c
        sed -i 's/LEVEL_7 1/LEVEL_7 2/' a.h
        kept: $CC -c a.c
    "##
}
