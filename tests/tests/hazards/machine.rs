//! What real machines and real build tools do around a compile.

use crate::scenarios;

scenarios! {
    a_source_from_a_pipe r##"
        mkfifo p.c; (timeout 20 sh -c 'echo "int f;" >p.c' >/dev/null 2>&1 &)
        miss: $CC -x c -c p.c -o a.o
        (timeout 20 sh -c 'echo "int g;" >p.c' >/dev/null 2>&1 &)
        miss: $CC -x c -c p.c -o a.o
    "##
    a_header_from_a_pipe r##"
        echo '#include "p.h"' >a.c; echo 'int f = A;' >>a.c; mkfifo p.h; (timeout 20 sh -c 'echo "#define A 1" >p.h' >/dev/null 2>&1 &)
        miss: $CC -c a.c -o a.o
        (timeout 20 sh -c 'echo "#define A 2" >p.h' >/dev/null 2>&1 &)
        miss: $CC -c a.c -o a.o
    "##
    a_source_from_standard_input r##"
        echo 'int g;' >a.c
        miss: STDIN='int f;' $CC -x c -c - -o a.o
        miss: STDIN='int g;' $CC -x c -c - -o a.o
        miss: STDIN='int f;' $CC -x c -c /dev/stdin -o a.o
        miss: STDIN='int f;' $CC -x c -c /dev/fd/0 -o a.o
        miss: STDIN='int f;' $CC -x c -c /proc/self/fd/0 -o a.o
        ln -s /dev/stdin in.c
        miss: STDIN='int f;' $CC -c in.c -o a.o
        miss: STDIN='int h;' $CC -c in.c -o a.o
    "##
    a_header_from_standard_input r##"
        echo 'int f = A;' >a.c
        miss: STDIN='-DA=1' $CC @/dev/stdin -c a.c -o a.o
        miss: STDIN='-DA=2' $CC @/dev/stdin -c a.c -o a.o
        miss: STDIN='#define A 1' $CC -include /dev/stdin -c a.c -o a.o
        miss: STDIN='#define A 2' $CC -include /dev/stdin -c a.c -o a.o
    "##
    what_the_kernel_says_of_the_machine_or_a_process r##"
        for f in sys/kernel/ostype version self/comm thread-self/comm; do printf '__asm__(".incbin \\"/proc/%s\\"");\n' $f >$(echo $f | tr / -).c; done
        abandoned private_path: $CC -c sys-kernel-ostype.c -o a.o
        abandoned private_path: $CC -c version.c -o a.o
        abandoned private_path: $CC -c self-comm.c -o a.o
        abandoned private_path: $CC -c thread-self-comm.c -o a.o
        echo 'int a;' >a.c; echo '#include P' >b.c
        kept: $CC -DP="/proc/self/exe" -c a.c -o a.o
        kept: $CC -D P="/proc/self/fd/0" -ffile-prefix-map=/proc/self/cwd=. -c a.c -o a.o
        hit: $CC -D P="/proc/self/fd/0" -ffile-prefix-map=/proc/self/cwd=. -c a.c -o a.o
        abandoned private_path: STDIN='int f;' $CC '-DP="/dev/stdin"' -c b.c -o a.o
    "##
    names_of_the_greatest_length r##"
        n=$(printf %0200d 0); mkdir $n; echo "#include \"$n/$n.h\"" >$n.c; echo '#define A 1' >$n/$n.h; echo 'int f = A;' >>$n.c; mv $n.c a.c; cp a.c ${n}12345.c
        kept: $CC -MD -c a.c -o a.o
        sed -i s/1/2/ */*.h
        kept: $CC -MD -c a.c -o a.o
        sed -i s/2/1/ */*.h
        hit: $CC -MD -c a.c -o a.o
    "##
    many_directories_to_search r##"
        for i in $(seq 300); do mkdir d$i; echo "-Id$i" >>all; done; echo '#include <a.h>' >a.c; echo 'int f = A;' >>a.c; echo '#define A 1' >d300/a.h
        kept: $CC @all -c a.c -o a.o
        hit: $CC @all -c a.c -o a.o
        echo '#define A 2' >d150/a.h
        kept: $CC @all -c a.c -o a.o
        rm d150/a.h
        hit: $CC @all -c a.c -o a.o
    "##
    many_headers r##"
        for i in $(seq 400); do echo "int v$i;" >h$i.h; echo "#include \"h$i.h\"" >>a.c; done
        kept: $CC -MMD -c a.c -o a.o
        hit: $CC -MMD -c a.c -o a.o
        echo 'int other;' >h277.h
        kept: $CC -MMD -c a.c -o a.o
        echo 'int v277;' >h277.h
        hit: $CC -MMD -c a.c -o a.o
    "##
    many_equal_headers r##"
        for i in $(seq 60); do mkdir d$i; echo "extern int v;" >d$i/h.h; echo "#include \"d$i/h.h\"" >>a.c; done
        kept: $CC -MMD -c a.c -o a.o
        touch d*/h.h; rm d7/h.h; cp d8/h.h d7
        hit: $CC -MMD -c a.c -o a.o
        rm d9/h.h; ln d8/h.h d9/h.h
        any: $CC -MMD -g -c a.c -o a.o
    "##
    headers_that_include_themselves_deeply r##"
        for i in $(seq 150); do echo "#include \"h$((i+1)).h\"" >h$i.h; done; echo 'int end;' >h151.h; echo '#include "h1.h"' >a.c
        kept: $CC -MMD -c a.c -o a.o
        hit: $CC -MMD -c a.c -o a.o
        echo 'int other_end;' >h151.h
        kept: $CC -MMD -c a.c -o a.o
    "##
    an_empty_source r##"
        : >a.c
        kept: $CC -c a.c -o a.o
        kept: $CC -c /dev/null -x c -o b.o -c a.c -o a.o
        any: $CC -x c -c /dev/null -o n.o
        any: $CC -x c -c /dev/null -o n.o
        echo ' ' >a.c
        any: $CC -c a.c -o a.o
    "##
    a_source_without_a_last_newline r##"
        printf 'int f;' >a.c
        kept: $CC -c a.c -o a.o
        printf 'int f;\n' >a.c
        any: $CC -c a.c -o a.o
        printf 'int f;\r\n' >a.c
        any: $CC -c a.c -o a.o
        printf '\357\273\277int f;\n' >a.c
        any: $CC -c a.c -o a.o
    "##
    a_source_with_bytes_of_all_kinds r##"
        printf 'const char *f = "\377\001\200";\n/* \377 */\n' >a.c
        any: $CC -Wall -c a.c -o a.o
        any: $CC -Wall -c a.c -o a.o
        printf 'const char *f = "\377\001\201";\n' >a.c
        miss: $CC -Wall -c a.c -o a.o
    "##
    a_compile_in_a_directory_with_a_strange_name r##"
        mkdir 'a b$c#d'; echo 'int f(void) { return 1; }' >'a b$c#d/a.c'; mkdir x
        kept: $CC -g -MD -c 'a b$c#d/a.c' -o x/a.o
        touch 'a b$c#d/a.c'; rm x/a.o
        hit: $CC -g -MD -c 'a b$c#d/a.c' -o x/a.o
    "##
    a_launcher_before_the_launcher r##"
        echo 'int f;' >a.c
        any: env $CC -c a.c -o a.o
        any: nice $CC -c a.c -o a.o
        any: sh -c '$CC -c a.c -o a.o'
        kept: $CC -c a.c -o a.o
    "##
}
