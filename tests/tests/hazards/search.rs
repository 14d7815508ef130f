//! Headers that appear, disappear and hide each other along the search path.

use crate::scenarios;

scenarios! {
    beside_the_source r#"
        mkdir src inc
        echo '#include "a.h"' >src/a.c; echo 'int f = A;' >>src/a.c
        echo '#define A 1' >inc/a.h
        kept: $CC -MD -Iinc -c src/a.c -o a.o
        echo '#define A 2' >src/a.h
        kept: $CC -MD -Iinc -c src/a.c -o a.o
        rm src/a.h
        hit: $CC -MD -Iinc -c src/a.c -o a.o
    "#
    of_who_may_execute_a_file r#"
        echo '#define A 1' >a.h; echo '#include "a.h"' >a.c; chmod 744 a.h
        kept: $CC -c a.c -o a.o
        chmod 755 a.h
        miss: $CC -c a.c -o a.o
        chmod 644 a.h
        kept: $CC -c a.c -o a.o
    "#
    below_what_becomes_a_file r#"
        echo 'int f;' >a.c
        kept: $CC -Id/sub -Ie/ -c a.c -o a.o
        echo >d
        miss: $CC -Id/sub -Ie/ -c a.c -o a.o
        rm d; echo >e
        miss: $CC -Id/sub -Ie/ -c a.c -o a.o
        any: $CC -Id/sub -Ie/ -c a.c -o a.o
        rm e
        hit: $CC -Id/sub -Ie/ -c a.c -o a.o
    "#
    with_the_same_content_but_earlier r#"
        mkdir one two
        echo '#include <a.h>' >a.c; echo 'int f = A;' >>a.c
        echo '#define A 1' >two/a.h
        kept: $CC -MD -Ione -Itwo -c a.c -o a.o
        cp -p two/a.h one/a.h
        kept: $CC -MD -Ione -Itwo -c a.c -o a.o
        grep -q one/a.h a.d
    "#
    in_a_subdirectory_of_an_earlier_directory r#"
        mkdir -p one two/sub
        echo '#include <sub/a.h>' >a.c; echo 'int f = A;' >>a.c
        echo '#define A 1' >two/sub/a.h
        kept: $CC -Ione -Itwo -c a.c -o a.o
        mkdir one/sub
        any: $CC -Ione -Itwo -c a.c -o a.o
        echo '#define A 2' >one/sub/a.h
        kept: $CC -Ione -Itwo -c a.c -o a.o
        rm -r one
        miss: $CC -Ione -Itwo -c a.c -o a.o
    "#
    in_a_missing_directory_step_by_step r#"
        mkdir two
        echo '#include <a.h>' >a.c; echo 'int f = A;' >>a.c
        echo '#define A 1' >two/a.h
        kept: $CC -Ix/y/z -Itwo -c a.c -o a.o
        mkdir -p x/y
        any: $CC -Ix/y/z -Itwo -c a.c -o a.o
        mkdir -p x/y/z
        any: $CC -Ix/y/z -Itwo -c a.c -o a.o
        echo '#define A 2' >x/y/z/a.h
        kept: $CC -Ix/y/z -Itwo -c a.c -o a.o
    "#
    where_a_file_was_instead_of_a_directory r#"
        mkdir two; echo x >one
        echo '#include <a.h>' >a.c; echo 'int f = A;' >>a.c
        echo '#define A 1' >two/a.h
        any: $CC -Ione -Itwo -c a.c -o a.o
        rm one; mkdir one; echo '#define A 2' >one/a.h
        kept: $CC -Ione -Itwo -c a.c -o a.o
    "#
    a_directory_of_the_name_is_passed_over r#"
        mkdir -p one two
        echo '#include <a.h>' >a.c; echo 'int f = A;' >>a.c
        echo '#define A 1' >two/a.h
        kept: $CC -Ione -Itwo -c a.c -o a.o
        mkdir one/a.h
        any: $CC -Ione -Itwo -c a.c -o a.o
        rmdir one/a.h; echo '#define A 2' >one/a.h
        kept: $CC -Ione -Itwo -c a.c -o a.o
    "#
    behind_include_next r#"
        mkdir one two three
        echo '#include <a.h>' >a.c; echo 'int f = A;' >>a.c
        echo '#include_next <a.h>' >one/a.h
        echo '#define A 3' >three/a.h
        kept: $CC -Ione -Itwo -Ithree -c a.c -o a.o
        echo '#define A 2' >two/a.h
        kept: $CC -Ione -Itwo -Ithree -c a.c -o a.o
        echo '#include_next <a.h>' >two/a.h
        kept: $CC -Ione -Itwo -Ithree -c a.c -o a.o
        rm two/a.h
        hit: $CC -Ione -Itwo -Ithree -c a.c -o a.o
    "#
    asked_for_by_has_include r#"
        mkdir one
        echo '#if __has_include("b.h") || __has_include(<one/c.h>)' >a.c
        echo 'int yes;' >>a.c; echo '#else' >>a.c; echo 'int no;' >>a.c; echo '#endif' >>a.c
        kept: $CC -c a.c -o a.o
        touch b.h
        kept: $CC -c a.c -o a.o
        rm b.h; touch one/c.h
        any: $CC -I. -c a.c -o a.o
        hit: $CC -c a.c -o a.o
        rm one/c.h
        hit: $CC -c a.c -o a.o
        any: $CC -I. -c a.c -o a.o
    "#
    asked_for_by_has_include_next r#"
        mkdir one two
        echo '#include <a.h>' >a.c
        echo '#if __has_include_next(<a.h>)' >one/a.h
        echo 'int yes;' >>one/a.h; echo '#else' >>one/a.h; echo 'int no;' >>one/a.h; echo '#endif' >>one/a.h
        kept: $CC -Ione -Itwo -c a.c -o a.o
        touch two/a.h
        kept: $CC -Ione -Itwo -c a.c -o a.o
    "#
    quoted_directories_come_first r#"
        mkdir q i
        echo '#include "a.h"' >a.c; echo 'int f = A;' >>a.c
        echo '#define A 1' >i/a.h
        kept: $CC -iquote q -Ii -c a.c -o a.o
        echo '#define A 2' >q/a.h
        kept: $CC -iquote q -Ii -c a.c -o a.o
        echo '#include <a.h>' >a.c; echo 'int f = A;' >>a.c
        kept: $CC -iquote q -Ii -c a.c -o a.o
        rm q/a.h
        hit: $CC -iquote q -Ii -c a.c -o a.o
    "#
    system_directories_and_those_after r#"
        mkdir s d
        echo '#include <a.h>' >a.c; echo 'int f = A;' >>a.c
        echo '#define A 1' >d/a.h
        kept: $CC -MMD -isystem s -idirafter d -c a.c -o a.o
        echo '#define A 2' >s/a.h
        kept: $CC -MMD -isystem s -idirafter d -c a.c -o a.o
        miss: $CC -MMD -I s -idirafter d -c a.c -o a.o
        rm s/a.h
        hit: $CC -MMD -isystem s -idirafter d -c a.c -o a.o
    "#
    before_the_headers_of_the_system r#"
        mkdir one
        echo '#include <limits.h>' >a.c
        echo '#ifndef CHAR_BIT' >>a.c; echo '#define CHAR_BIT 99' >>a.c; echo '#endif' >>a.c
        echo 'int f = CHAR_BIT;' >>a.c
        kept: $CC -Ione -c a.c -o a.o
        touch one/limits.h
        kept: $CC -Ione -c a.c -o a.o
        rm one/limits.h
        hit: $CC -Ione -c a.c -o a.o
    "#
    named_by_a_macro r#"
        mkdir one
        echo '#include NAME' >a.c; echo 'int f = A;' >>a.c
        echo '#define A 1' >a.h; echo '#define A 2' >b.h
        kept: $CC '-DNAME="a.h"' -c a.c -o a.o
        kept: $CC '-DNAME="b.h"' -c a.c -o a.o
        echo '#define A 3' >one/a.h
        hit: $CC '-DNAME="a.h"' -c a.c -o a.o
        echo '#define A 4' >a.h
        kept: $CC '-DNAME="a.h"' -c a.c -o a.o
        hit: $CC '-DNAME="b.h"' -c a.c -o a.o
    "#
    beside_the_header_that_includes_it r#"
        mkdir -p one/deep two
        echo '#include "one/deep/a.h"' >a.c; echo 'int f = B;' >>a.c
        echo '#include "b.h"' >one/deep/a.h
        echo '#define B 1' >two/b.h
        kept: $CC -Itwo -c a.c -o a.o
        echo '#define B 2' >b.h
        hit: $CC -Itwo -c a.c -o a.o
        echo '#define B 3' >one/deep/b.h
        kept: $CC -Itwo -c a.c -o a.o
        rm one/deep/b.h b.h
        hit: $CC -Itwo -c a.c -o a.o
    "#
    through_the_parent_of_a_linked_directory r#"
        mkdir -p real/inc other/inc
        ln -s ../real/inc other/link
        echo '#include <a.h>' >a.c; echo 'int f = A;' >>a.c
        echo '#define A 1' >real/a.h
        echo '#define A 2' >other/a.h
        miss: $CC -Iother/link/.. -c a.c -o a.o
        any: $CC -Iother/link/.. -c a.c -o a.o
        echo '#define A 3' >real/a.h
        miss: $CC -Iother/link/.. -c a.c -o a.o
        rm other/link; ln -s ../other/inc other/link
        miss: $CC -Iother/link/.. -c a.c -o a.o
    "#
    forced_from_an_earlier_directory r#"
        mkdir one two
        echo 'int f = A;' >a.c
        echo '#define A 1' >two/pre.h
        kept: $CC -include pre.h -Ione -Itwo -c a.c -o a.o
        echo '#define A 2' >one/pre.h
        kept: $CC -include pre.h -Ione -Itwo -c a.c -o a.o
        echo '#define A 3' >pre.h
        kept: $CC -include pre.h -Ione -Itwo -c a.c -o a.o
        rm pre.h one/pre.h
        hit: $CC -include pre.h -Ione -Itwo -c a.c -o a.o
    "#
    below_a_prefix r#"
        mkdir -p p/one p/two
        echo '#include <a.h>' >a.c; echo 'int f = A;' >>a.c
        echo '#define A 2' >p/two/a.h
        kept: $CC -iprefix p/ -iwithprefixbefore one -iwithprefix two -c a.c -o a.o
        echo '#define A 1' >p/one/a.h
        kept: $CC -iprefix p/ -iwithprefixbefore one -iwithprefix two -c a.c -o a.o
        kept: $CC -iprefix p/ -iwithprefixbefore two -iwithprefix one -c a.c -o a.o
    "#
    below_another_root r#"
        mkdir -p root/usr/include
        echo '#include <only.h>' >a.c; echo 'int f = A;' >>a.c
        echo '#define A 1' >root/usr/include/only.h
        any: $CC --sysroot=root -isystem =/usr/include -c a.c -o a.o
        echo '#define A 2' >root/usr/include/only.h
        miss: $CC --sysroot=root -isystem =/usr/include -c a.c -o a.o
        any: $CC -isysroot root -c a.c -o a.o
        mkdir -p root/usr/local/include; echo '#define A 3' >root/usr/local/include/only.h
        any: $CC -isysroot root -c a.c -o a.o
    "#
    in_the_current_directory_of_the_command r#"
        mkdir -p one two
        echo '#include <a.h>' >a.c; echo 'int f = A;' >>a.c
        echo '#define A 1' >one/a.h; echo '#define A 2' >two/a.h
        kept in one: $CC -I. -c ../a.c -o ../a.o
        kept in two: $CC -I. -c ../a.c -o ../a.o
        echo '#define A 3' >two/a.h
        hit in one: $CC -I. -c ../a.c -o ../a.o
        kept in two: $CC -I. -c ../a.c -o ../a.o
    "#
    in_another_order_of_the_same_directories r#"
        mkdir one two
        echo '#include <a.h>' >a.c; echo 'int f = A;' >>a.c
        echo '#define A 1' >one/a.h; echo '#define A 2' >two/a.h
        kept: $CC -Ione -Itwo -c a.c -o a.o
        kept: $CC -Itwo -Ione -c a.c -o a.o
        hit: $CC -Ione -Itwo -c a.c -o a.o
        kept: $CC -Ione -isystem two -c a.c -o a.o
        kept: $CC -Ione -Itwo -isystem one -c a.c -o a.o
    "#
    for_cxx_where_c_is_not_meant r#"
        mkdir one two
        echo '#include <a.h>' >a.cpp; echo 'int f = A;' >>a.cpp
        echo '#define A 1' >one/a.h; echo '#define A 2' >two/a.h
        kept: CPLUS_INCLUDE_PATH=one $CXX -c a.cpp -o a.o
        kept: CPLUS_INCLUDE_PATH=two $CXX -c a.cpp -o a.o
        hit: CPLUS_INCLUDE_PATH=one $CXX -c a.cpp -o a.o
        miss: C_INCLUDE_PATH=one $CXX -c a.cpp -o a.o
        kept: CPATH=one C_INCLUDE_PATH=two $CXX -c a.cpp -o a.o
        kept: CPATH=two CPLUS_INCLUDE_PATH=one $CXX -c a.cpp -o a.o
    "#
    that_vanish_altogether r#"
        mkdir one
        echo '#include <a.h>' >a.c; echo 'int f = A;' >>a.c
        echo '#define A 1' >one/a.h
        kept: $CC -Ione -c a.c -o a.o
        rm one/a.h
        miss: $CC -Ione -c a.c -o a.o
        mkdir two; echo '#define A 2' >two/a.h
        any: $CC -Ione -c a.c -o a.o
        mv two/a.h one/a.h
        kept: $CC -Ione -c a.c -o a.o
        echo '#define A 1' >one/a.h
        hit: $CC -Ione -c a.c -o a.o
    "#
    in_a_directory_that_has_long_been_quiet r#"
        mkdir one two
        echo '#include <a.h>' >a.c; echo 'int f = A;' >>a.c
        echo '#define A 1' >two/a.h
        sleep 2.3
        kept: $CC -Ione -Itwo -c a.c -o a.o
        hit: $CC -Ione -Itwo -c a.c -o a.o
        echo '#define A 2' >new.h; mv new.h one/a.h
        kept: $CC -Ione -Itwo -c a.c -o a.o
        rm one/a.h; ln two/a.h one/a.h
        miss: $CC -Ione -Itwo -c a.c -o a.o
    "#
    where_a_link_led_nowhere_for_long r#"
        mkdir one two gen
        ln -s ../gen/a.h one/a.h
        echo '#include <a.h>' >a.c; echo 'int f = A;' >>a.c
        echo '#define A 1' >two/a.h
        sleep 2.3
        any: $CC -Ione -Itwo -c a.c -o a.o
        any: $CC -Ione -Itwo -c a.c -o a.o
        echo '#define A 2' >gen/a.h
        miss: $CC -Ione -Itwo -c a.c -o a.o
        echo '#define A 3' >gen/a.h
        miss: $CC -Ione -Itwo -c a.c -o a.o
        rm gen/a.h
        any: $CC -Ione -Itwo -c a.c -o a.o
    "#
    where_a_directory_link_led_nowhere r#"
        mkdir two
        ln -s gen one
        echo '#include <a.h>' >a.c; echo 'int f = A;' >>a.c
        echo '#define A 1' >two/a.h
        any: $CC -Ione -Itwo -c a.c -o a.o
        mkdir gen; echo '#define A 2' >gen/a.h
        miss: $CC -Ione -Itwo -c a.c -o a.o
        rm one; mkdir other; ln -s other one; echo '#define A 3' >other/a.h
        miss: $CC -Ione -Itwo -c a.c -o a.o
    "#
    in_a_directory_that_is_mounted_over r#"
        mkdir one two hidden
        echo '#include <a.h>' >a.c; echo 'int f = A;' >>a.c
        echo '#define A 1' >two/a.h; echo '#define A 2' >hidden/a.h
        kept: $CC -Ione -Itwo -c a.c -o a.o
        mount --bind hidden one
        miss: $CC -Ione -Itwo -c a.c -o a.o
        any: $CC -Ione -Itwo -c a.c -o a.o
        umount one
        hit: $CC -Ione -Itwo -c a.c -o a.o
    "#
    compiled_before_by_the_preprocessor r#"
        echo '#include "a.h"' >a.c; echo 'int f = A;' >>a.c
        echo '#define A 1' >a.h
        kept: $CC -c a.c -o a.o
        echo 'no precompiled header' >a.h.gch
        any: $CC -c a.c -o a.o
        rm a.h.gch; mkdir a.h.gch
        any: $CC -c a.c -o a.o
        rmdir a.h.gch
        hit: $CC -c a.c -o a.o
    "#
}

scenarios! { gcc:
    a_precompiled_header_appears_and_goes_stale r#"
        echo '#include "a.h"' >a.c; echo 'int f = A;' >>a.c
        echo '#define A 1' >a.h
        kept: gcc -c a.c -o a.o
        echo '#define A 2' >b.h; test -e ../gch || gcc -x c-header b.h -o ../gch; cp ../gch a.h.gch
        miss: gcc -c a.c -o a.o
        miss: gcc -Winvalid-pch -DOTHER -c a.c -o a.o
        rm a.h.gch
        hit: gcc -c a.c -o a.o
    "#
}
