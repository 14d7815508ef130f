//! What needlessly misses elsewhere, and has to hit.

use crate::scenarios;

scenarios! {
    touching r#"
        echo '#include "a.h"' >a.c; echo 'int f = A;' >>a.c; echo '#define A 1' >a.h
        kept: $CC -MD -c a.c -o a.o
        touch a.c a.h
        hit: $CC -MD -c a.c -o a.o
        touch -d 2001-01-01 a.c; touch -d 2035-01-01 a.h
        hit: $CC -MD -c a.c -o a.o
    "#
    editing_and_reverting r#"
        echo '#include "a.h"' >a.c; echo 'int f = A;' >>a.c; echo '#define A 1' >a.h
        kept: $CC -c a.c -o a.o
        echo '#define A 2' >a.h
        kept: $CC -c a.c -o a.o
        echo '#define A 3' >a.h
        kept: $CC -c a.c -o a.o
        echo '#define A 1' >a.h
        hit: $CC -c a.c -o a.o
        echo '#define A 2' >a.h
        hit: $CC -c a.c -o a.o
        echo '#define A 3' >a.h
        hit: $CC -c a.c -o a.o
    "#
    another_branch_and_back r#"
        mkdir inc; echo '#include "a.h"' >a.c; echo 'int f = A;' >>a.c; echo '#define A 1' >inc/a.h
        kept: $CC -Iinc -c a.c -o a.o
        rm -r inc a.c; mkdir inc; echo '#include <b.h>' >a.c; echo 'int f = B;' >>a.c; echo '#define B 1' >inc/b.h
        kept: $CC -Iinc -c a.c -o a.o
        rm -r inc a.c; mkdir inc; echo '#include "a.h"' >a.c; echo 'int f = A;' >>a.c; echo '#define A 1' >inc/a.h
        hit: $CC -Iinc -c a.c -o a.o
        rm -r inc a.c; mkdir inc; echo '#include <b.h>' >a.c; echo 'int f = B;' >>a.c; echo '#define B 1' >inc/b.h
        hit: $CC -Iinc -c a.c -o a.o
    "#
    a_clean_build_in_new_directories r#"
        mkdir -p build/obj; echo 'int f;' >a.c
        kept: $CC -MD -c a.c -o build/obj/a.o
        rm -r build; mkdir -p build/obj
        hit: $CC -MD -c a.c -o build/obj/a.o
    "#
    other_files_come_and_go r#"
        mkdir inc; echo '#include <a.h>' >a.c; echo 'int f = A;' >>a.c; echo '#define A 1' >inc/a.h
        kept: $CC -Iinc -c a.c -o a.o
        touch inc/other.h inc/a.c other.c core .hidden; mkdir inc/sub
        hit: $CC -Iinc -c a.c -o a.o
        rm inc/other.h inc/a.c other.c core .hidden; rmdir inc/sub
        hit: $CC -Iinc -c a.c -o a.o
    "#
    sources_copied_anew r#"
        mkdir -p p/inc; echo '#include <a.h>' >p/a.c; echo 'int f = A;' >>p/a.c; echo '#define A 1' >p/inc/a.h
        kept in p: $CC -Iinc -c a.c -o a.o
        cp -r p q; rm -r p; mv q p; rm p/a.o
        hit in p: $CC -Iinc -c a.c -o a.o
        tar cf p.tar p; rm -r p; tar xf p.tar; rm p.tar p/a.o
        hit in p: $CC -Iinc -c a.c -o a.o
    "#
    links_made_anew r#"
        echo '#include "a.h"' >a.c; echo 'int f = A;' >>a.c; echo '#define A 1' >real.h; ln -s real.h a.h
        kept@plain: $CC -c a.c -o a.o
        rm a.h; ln -s real.h a.h
        hit@plain: $CC -c a.c -o a.o
    "#
    the_object_was_there_already r#"
        echo 'int f;' >a.c; echo rubbish >a.o
        kept: $CC -MD -c a.c -o a.o
        hit: $CC -MD -c a.c -o a.o
        hit: $CC -MD -c a.c -o a.o
        rm a.o a.d
        hit: $CC -MD -c a.c -o a.o
    "#
    a_header_that_lost_the_search r#"
        mkdir one two; echo '#include <a.h>' >a.c; echo 'int f = A;' >>a.c; echo '#define A 1' >one/a.h; echo '#define A 2' >two/a.h
        kept: $CC -Ione -Itwo -c a.c -o a.o
        echo '#define A 3' >two/a.h
        hit: $CC -Ione -Itwo -c a.c -o a.o
        rm two/a.h
        hit: $CC -Ione -Itwo -c a.c -o a.o
    "#
    a_header_that_is_skipped r#"
        printf '#if 0\n#include "a.h"\n#endif\nint f;\n' >a.c; echo '#define A 1' >a.h
        kept: $CC -c a.c -o a.o
        echo '#define A 2' >a.h
        hit: $CC -c a.c -o a.o
        rm a.h
        hit: $CC -c a.c -o a.o
    "#
    headers_behind_unused_directories r#"
        mkdir u1 u2; echo 'int f;' >a.c
        kept: $CC -Iu1 -Iu2 -c a.c -o a.o
        touch u1/x.h u2/y.h
        hit: $CC -Iu1 -Iu2 -c a.c -o a.o
    "#
    with_a_prefix_map_of_its_own r#"
        mkdir -p one two; echo 'int f(void) { return 1; }' >one/a.c; cp one/a.c two/a.c
        kept in one: $CC -g -fdebug-prefix-map=$PWD/one=. -c a.c -o a.o
        touch one/a.c; rm one/a.o
        hit in one: $CC -g -fdebug-prefix-map=$PWD/one=. -c a.c -o a.o
    "#
    messages_too r#"
        printf 'int f(void) { int unused; return 1; }\n' >a.c
        kept: $CC -Wall -Wextra -c a.c -o a.o
        touch a.c
        hit: $CC -Wall -Wextra -c a.c -o a.o
        hit: $CC -Wall -Wextra -c a.c -o a.o
    "#
    from_another_descriptor_and_under_another_load r#"
        echo 'int f;' >a.c
        kept: $CC -c a.c -o a.o
        hit: STDIN=something $CC -c a.c -o a.o
        hit: STDIN= $CC -c a.c -o a.o
    "#
}
