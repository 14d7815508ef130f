//! Depfiles: their names, and content that follows the headers of each run.

use crate::scenarios;

scenarios! {
    names_that_make_quotes r#"
        mkdir 'd d'; echo '#include "d d/a b.h"' >'a b.c'; touch 'd d/a b.h'
        kept: $CC -MD -c 'a b.c' -o 'a b.o'
        kept: $CC -MMD -MP -c 'a b.c' -o 'd d/x y.o'
        kept: $CC -MMD -MT 'a b' -MQ 'a b' -MF 'd d/dep file' -c 'a b.c' -o a.o
        rm 'a b.d'
        hit: $CC -MD -c 'a b.c' -o 'a b.o'
    "#
    names_with_dollars_and_hashes r##"
        echo '#include "a$b#c.h"' >'x$y.c'; touch 'a$b#c.h' '#.h' '%.h'; echo '#include "#.h"' >>'x$y.c'; echo '#include "%.h"' >>'x$y.c'
        kept: $CC -MD -MP -c 'x$y.c' -o 'x$y.o'
        kept: $CC -MD -MT '$(X)/y#z' -MF a.d -c 'x$y.c' -o a.o
        kept: $CC -MD -MQ '$(X)/y#z' -MF a.d -c 'x$y.c' -o a.o
        rm a.d
        hit: $CC -MD -MQ '$(X)/y#z' -MF a.d -c 'x$y.c' -o a.o
        hit: $CC -MD -MP -c 'x$y.c' -o 'x$y.o'
    "##
    names_with_backslashes_colons_and_tabs r#"
        echo '#include "a:b.h"' >a.c; touch 'a:b.h' 'c\d.h'; echo '#include "c\d.h"' >>a.c
        miss: $CC -MD -MP -c a.c -o 'o:p.o'
        any: $CC -MD -MP -c a.c -o 'o:p.o'
    "#
    the_headers_of_this_run r#"
        echo '#include "a.h"' >a.c; echo '#include "b.h"' >a.h; touch b.h c.h
        kept: $CC -MMD -MP -c a.c -o a.o
        echo '#include "c.h"' >a.h
        kept: $CC -MMD -MP -c a.c -o a.o
        grep -q c.h a.d
        echo '#include "b.h"' >a.h
        hit: $CC -MMD -MP -c a.c -o a.o
        grep -q b.h a.d
    "#
    system_headers_left_out_or_not r#"
        mkdir s; echo '#include <a.h>' >a.c; touch s/a.h
        kept: $CC -MMD -isystem s -c a.c -o a.o
        kept: $CC -MD -isystem s -c a.c -o a.o
        kept: $CC -MMD -Is -c a.c -o a.o
        mkdir t; touch t/a.h
        kept: $CC -MMD -It -isystem s -c a.c -o a.o
        hit: $CC -MMD -isystem s -c a.c -o a.o
    "#
    several_names_for_one r#"
        echo 'int f;' >a.c
        kept: $CC -MD -MF one.d -MF two.d -c a.c -o a.o
        kept: $CC -MD -MF one.d -MT x -MT y -MQ z -c a.c -o a.o
        kept: $CC -MD -MMD -c a.c -o a.o
        kept: $CC -MMD -MD -c a.c -o a.o
        rm one.d
        hit: $CC -MD -MF one.d -MT x -MT y -MQ z -c a.c -o a.o
    "#
    nowhere_and_the_terminal r#"
        echo 'int f;' >a.c
        any: $CC -MD -MF /dev/null -c a.c -o a.o
        any: $CC -MD -MF /dev/null -c a.c -o a.o
        any: $CC -MD -MF - -c a.c -o a.o
        any: $CC -MD -MF - -c a.c -o a.o
        any: $CC -MD -MF /dev/stdout -c a.c -o a.o
        any: $CC -MD -MF /dev/stderr -c a.c -o a.o
        any: $CC -MD -c a.c -o /dev/null
        any: $CC -MD -c a.c -o /dev/null
    "#
    in_a_missing_directory r#"
        echo 'int f;' >a.c
        miss: $CC -MD -MF d/a.d -c a.c -o a.o
        mkdir d
        kept: $CC -MD -MF d/a.d -c a.c -o a.o
        rm -r d
        miss: $CC -MD -MF d/a.d -c a.c -o a.o
        mkdir d; rm -f a.o
        hit: $CC -MD -MF d/a.d -c a.c -o a.o
        rm -r d; : >d
        miss: $CC -MD -MF d/a.d -c a.c -o a.o
    "#
    through_the_preprocessor r#"
        echo '#include "a.h"' >a.c; touch a.h
        kept: $CC -Wp,-MD,x.d -c a.c -o a.o
        kept: $CC -Wp,-MMD,x.d -c a.c -o a.o
        kept: $CC -Wp,-MD,x.d -MT t -c a.c -o a.o
        any: $CC -Wp,-MD,x.d -MD -c a.c -o a.o
        rm x.d
        hit: $CC -Wp,-MD,x.d -c a.c -o a.o
    "#
    beside_assembly_and_preprocessed_text r#"
        echo '#include "a.h"' >a.c; touch a.h; echo '#include "a.h"' >b.S
        kept: $CC -MD -S a.c
        kept: $CC -MD -S a.c -o x.y.z
        kept: $CC -MD -c b.S
        kept: $CC -MMD -MP -c b.S -o b.x.o
        rm b.d
        hit: $CC -MD -c b.S
    "#
    of_several_sources_at_once r#"
        echo '#include "a.h"' >a.c; echo '#include "b.h"' >b.c; touch a.h b.h; mkdir d; cp a.c a.h d
        kept: $CC -MD -c a.c b.c
        rm a.d; echo '/* */' >b.h
        kept: $CC -MD -c a.c b.c
        any: $CC -MD -MF x.d -c a.c b.c
        any: $CC -MD -c a.c d/a.c
        : >b.h
        hit: $CC -MD -c a.c b.c
    "#
    over_the_object_or_the_source r#"
        echo 'int f;' >a.c; cp a.c b.c
        any: $CC -MD -MF a.o -c a.c -o a.o
        any: $CC -MD -MF a.o -c a.c -o a.o
        any: $CC -MD -MF b.c -c b.c -o b.o
    "#
    an_old_one_is_replaced_or_kept r#"
        echo 'int f;' >a.c; echo old >a.d; chmod 600 a.d
        any: $CC -MD -c a.c -o a.o
        echo old >a.d
        any: $CC -MD -c a.c -o a.o
        rm a.d; ln -s other a.d
        any: $CC -MD -c a.c -o a.o
        echo '#error no' >a.c
        any: $CC -MD -c a.c -o a.o
        rm a.d; echo old >a.d
        any: $CC -MD -c a.c -o a.o
    "#
    missing_headers_taken_as_made_later r#"
        printf '#include "later.h"\n' >a.c
        miss: $CC -MD -MG -c a.c -o a.o
        miss: $CC -MM -MG a.c
        touch later.h
        kept: $CC -MD -c a.c -o a.o
    "#
}
