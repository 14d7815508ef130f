//! Inputs that change without a change of name, size or time.

use crate::scenarios;

scenarios! {
    in_place_with_size_and_time_restored r#"
        echo '#include "a.h"' >a.c; echo 'int f = A;' >>a.c
        echo '#define A 1' >a.h
        kept: $CC -c a.c -o a.o
        touch -r a.h time; printf '#define A 2\n' | dd of=a.h conv=notrunc 2>/dev/null; touch -r time a.h
        kept: $CC -c a.c -o a.o
        touch -r a.h time; echo '#define A 1' >a.h; touch -r time a.h
        hit: $CC -c a.c -o a.o
        touch -r a.c time; sed -i 's/int f/int g/' a.c; touch -r time a.c
        kept: $CC -c a.c -o a.o
    "#
    by_a_rename_with_size_and_time_alike r#"
        echo '#include "a.h"' >a.c; echo 'int f = A;' >>a.c
        echo '#define A 1' >a.h; echo '#define A 2' >b.h; touch -r a.h b.h
        kept: $CC -c a.c -o a.o
        mv a.h c.h; mv b.h a.h
        kept: $CC -c a.c -o a.o
        mv a.h b.h; mv c.h a.h
        hit: $CC -c a.c -o a.o
    "#
    two_headers_swap_their_names r#"
        echo '#include "a.h"' >a.c; echo '#include "b.h"' >>a.c; echo 'int f = A, g = B;' >>a.c
        printf '#define A 1\n#define B 2\n' >a.h; printf '#undef A\n#define A 3\n' >b.h
        touch -d 2020-01-01 a.h b.h
        kept: $CC -MD -c a.c -o a.o
        mv a.h t; mv b.h a.h; mv t b.h
        miss: $CC -MD -c a.c -o a.o
        mv a.h t; mv b.h a.h; mv t b.h
        hit: $CC -MD -c a.c -o a.o
    "#
    by_an_older_copy r#"
        echo '#include "a.h"' >a.c; echo 'int f = A;' >>a.c
        echo '#define A 1' >old.h; touch -d 2001-02-03 old.h; echo '#define A 2' >a.h
        kept: $CC -c a.c -o a.o
        cp -p old.h a.h
        kept: $CC -c a.c -o a.o
        touch -d 2002-02-03 a.h
        hit: $CC -c a.c -o a.o
    "#
    by_a_file_from_the_future r#"
        echo '#include "a.h"' >a.c; echo 'int f = A;' >>a.c
        echo '#define A 1' >a.h; touch -d 2037-01-01 a.h
        any: $CC -c a.c -o a.o
        echo '#define A 2' >a.h; touch -d 2037-01-01 a.h
        miss: $CC -c a.c -o a.o
        echo '#define A 3' >a.h; touch -d 2037-01-01 a.h
        miss: $CC -c a.c -o a.o
    "#
    by_nothing_and_back r#"
        echo '#include "a.h"' >a.c; echo 'int f = A;' >>a.c
        echo '#define A 1' >a.h
        kept: $CC -c a.c -o a.o
        cp a.h saved; : >a.h; echo 'int A;' >b.h
        any: $CC -DA=7 -c a.c -o a.o
        miss: $CC -c a.c -o a.o
        cp saved a.h
        hit: $CC -c a.c -o a.o
    "#
    through_another_name_of_the_file r#"
        echo '#include "a.h"' >a.c; echo 'int f = A;' >>a.c
        echo '#define A 1' >a.h; ln a.h alias
        kept: $CC -c a.c -o a.o
        echo '#define A 2' >alias
        kept: $CC -c a.c -o a.o
        rm alias; echo '#define A 3' >alias
        hit: $CC -c a.c -o a.o
    "#
    by_appending_and_cutting r#"
        echo '#include "a.h"' >a.c; echo 'int f = A;' >>a.c
        echo '#define A 1' >a.h
        kept: $CC -c a.c -o a.o
        printf '#undef A\n#define A 2\n' >>a.h
        kept: $CC -c a.c -o a.o
        truncate -s 12 a.h
        hit: $CC -c a.c -o a.o
    "#
    a_link_is_retargeted_and_touched r#"
        echo '#include "a.h"' >a.c; echo 'int f = A;' >>a.c
        echo '#define A 1' >one.h; echo '#define A 2' >two.h; touch -r one.h two.h
        ln -s one.h a.h
        miss: $CC -c a.c -o a.o
        any: $CC -c a.c -o a.o
        touch time; touch -h -r a.h time; rm a.h; ln -s two.h a.h; touch -h -r time a.h
        miss: $CC -c a.c -o a.o
        touch one.h two.h
        any: $CC -c a.c -o a.o
        rm a.h; ln -s one.h a.h
        any: $CC -c a.c -o a.o
    "#
    a_link_in_the_middle_of_a_chain r#"
        echo '#include "a.h"' >a.c; echo 'int f = A;' >>a.c
        mkdir one two; echo '#define A 1' >one/h; echo '#define A 2' >two/h
        ln -s one now; ln -s now/h middle; ln -s middle a.h
        miss: $CC -c a.c -o a.o
        rm now; ln -s two now
        miss: $CC -c a.c -o a.o
        rm middle; ln -s one/h middle
        miss: $CC -c a.c -o a.o
        rm now; ln -s one now
        any: $CC -c a.c -o a.o
    "#
    a_linked_directory_of_headers r#"
        mkdir v1 v2
        echo '#include <a.h>' >a.c; echo 'int f = A;' >>a.c
        echo '#define A 1' >v1/a.h; echo '#define A 2' >v2/a.h
        ln -s v1 current
        miss: $CC -MD -Icurrent -c a.c -o a.o
        ln -sfn v2 current
        miss: $CC -MD -Icurrent -c a.c -o a.o
        ln -sfn v1 current
        any: $CC -MD -Icurrent -c a.c -o a.o
        rm current; cp -r v2 current
        miss: $CC -MD -Icurrent -c a.c -o a.o
    "#
    a_link_becomes_a_file_of_the_same_content r#"
        mkdir d
        echo '#include "a.h"' >a.c; echo 'int f = B;' >>a.c
        echo '#include "b.h"' >d/a.h; echo '#define B 1' >d/b.h; echo '#define B 2' >b.h
        ln -s d/a.h a.h
        miss: $CC -g -c a.c -o a.o
        rm a.h; cp d/a.h a.h
        miss: $CC -g -c a.c -o a.o
        hit: $CC -g -c a.c -o a.o
        rm a.h; ln -s d/a.h a.h
        any: $CC -g -c a.c -o a.o
    "#
    the_source_is_a_link r#"
        mkdir one two
        echo 'const char *f = __FILE__;' >one/a.c; echo '#define X 1' >one/x.h
        echo '#include "x.h"' >>one/a.c; echo 'int x = X;' >>one/a.c
        cp one/a.c two/a.c; echo '#define X 2' >two/x.h
        ln -s one/a.c a.c
        miss: $CC -I. -c a.c -o a.o
        ln -sf two/a.c a.c
        miss: $CC -I. -c a.c -o a.o
        echo '#define X 3' >x.h
        miss: $CC -I. -c a.c -o a.o
    "#
    whole_trees_are_exchanged r#"
        mkdir -p one/sub two/sub
        echo '#include <sub/a.h>' >a.c; echo '#include <sub/b.h>' >>a.c; echo 'int f = A + B;' >>a.c
        echo '#define A 1' >one/sub/a.h; echo '#define B 1' >one/sub/b.h
        echo '#define A 2' >two/sub/a.h; echo '#define B 2' >two/sub/b.h
        kept: $CC -Ione -c a.c -o a.o
        mv one t; mv two one; mv t two
        kept: $CC -Ione -c a.c -o a.o
        mv one t; mv two one; mv t two
        hit: $CC -Ione -c a.c -o a.o
        mv one/sub t; mv two/sub one/sub; mv t two/sub
        hit: $CC -Ione -c a.c -o a.o
        mv one/sub/a.h t; mv two/sub/a.h one/sub/a.h; mv t two/sub/a.h
        kept: $CC -Ione -c a.c -o a.o
    "#
    a_mount_covers_a_header r#"
        echo '#include "a.h"' >a.c; echo 'int f = A;' >>a.c
        echo '#define A 1' >a.h; echo '#define A 2' >b.h; touch -r a.h b.h
        kept: $CC -c a.c -o a.o
        mount --bind b.h a.h
        miss: $CC -c a.c -o a.o
        any: $CC -c a.c -o a.o
        umount a.h
        hit: $CC -c a.c -o a.o
    "#
    a_mount_covers_a_directory_of_headers r#"
        mkdir one two
        echo '#include <a.h>' >a.c; echo 'int f = A;' >>a.c
        echo '#define A 1' >one/a.h; echo '#define A 2' >two/a.h; touch -r one/a.h two/a.h
        kept: $CC -Ione -c a.c -o a.o
        mount --bind two one
        miss: $CC -Ione -c a.c -o a.o
        echo '#define A 3' >one/a.h
        miss: $CC -Ione -c a.c -o a.o
        umount one
        hit: $CC -Ione -c a.c -o a.o
        hit: $CC -Ione -c a.c -o a.o
    "#
    a_memory_disk_covers_a_directory_of_headers r#"
        mkdir one
        echo '#include <a.h>' >a.c; echo 'int f = A;' >>a.c
        echo '#define A 1' >one/a.h; touch -d 2020-01-01 one/a.h
        kept: $CC -Ione -c a.c -o a.o
        mount -t tmpfs none one; echo '#define A 2' >one/a.h; touch -d 2020-01-01 one/a.h
        miss: $CC -Ione -c a.c -o a.o
        umount one; mount -t tmpfs none one; echo '#define A 3' >one/a.h; touch -d 2020-01-01 one/a.h
        miss: $CC -Ione -c a.c -o a.o
        umount one
        hit: $CC -Ione -c a.c -o a.o
    "#
    on_a_disk_that_keeps_whole_seconds r#"
        mkdir one; disk=../disk-$(basename $PWD); truncate -s 4M $disk; PATH=$PATH:/sbin:/usr/sbin
        mke2fs -q -F -I 128 $disk 2>/dev/null; mount -o loop $disk one; rmdir one/lost+found
        echo '#include <a.h>' >a.c; echo 'int f = A;' >>a.c; echo '#define A 1' >one/a.h
        any: $CC -Ione -c a.c -o a.o
        echo '#define A 2' >one/a.h
        any: $CC -Ione -c a.c -o a.o
        echo '#define A 3' >one/a.h
        any: $CC -Ione -c a.c -o a.o
        echo '#define A 4' >one/a.h
        any: $CC -Ione -c a.c -o one/a.o
        echo '#define A 5' >one/a.h
        any: $CC -Ione -c a.c -o one/a.o
        echo '#define A 6' >one/a.h
        any: $CC -Ione -c a.c -o a.o
        umount one
        any: $CC -Ione -DA=1 -c a.c -o a.o
    "#
    through_a_mapping r#"
        printf '#include <fcntl.h>\n#include <sys/mman.h>\nint main(int c, char **v) { int f = open(v[1], O_RDWR); char *p = mmap(0, 12, 3, MAP_SHARED, f, 0); char was = p[10]; p[10] = *v[2]; return was == 0; }\n' >poke.c
        test -e ../poke || gcc poke.c -o ../poke; rm poke.c
        echo '#include <a.h>' >a.c; echo 'int f = A;' >>a.c
        mkdir one; echo '#define A 1' >one/a.h
        kept: $CC -Ione -c a.c -o a.o
        ../poke one/a.h 2
        kept: $CC -Ione -c a.c -o a.o
        mount -t tmpfs none one; echo '#define A 3' >one/a.h
        kept: $CC -Ione -c a.c -o a.o
        hit: $CC -Ione -c a.c -o a.o
        ../poke one/a.h 4
        kept: $CC -Ione -c a.c -o a.o
        ../poke one/a.h 3
        hit: $CC -Ione -c a.c -o a.o
        umount one
        hit: $CC -Ione -c a.c -o a.o
    "#
    the_whole_tree_is_renamed_away_and_another_comes r#"
        mkdir src
        echo '#include "a.h"' >src/a.c; echo 'int f = A;' >>src/a.c; echo '#define A 1' >src/a.h
        kept in src: $CC -c a.c -o a.o
        mv src old; cp -rp old src; rm src/a.o; echo '#define A 2' >src/a.h; touch -r old/a.h src/a.h
        kept in src: $CC -c a.c -o a.o
        rm -r src; mv old src
        hit in src: $CC -c a.c -o a.o
    "#
    hard_links_that_debug_information_can_tell r#"
        echo '#include "one.h"' >a.c; echo '#include "two.h"' >>a.c; echo 'int f = sizeof(struct s1);' >>a.c
        printf '#ifdef N\nstruct s2 { int b; } y;\n#else\n#define N\nstruct s1 { int a; } x;\n#endif\n' >one.h; ln one.h two.h
        any: $CC -g -MD -c a.c -o a.o
        rm two.h; cp -p one.h two.h
        any: $CC -g -MD -c a.c -o a.o
        touch -d 2020-01-01 two.h
        any: $CC -g -MD -c a.c -o a.o
        rm two.h; ln one.h two.h
        any: $CC -g -MD -c a.c -o a.o
    "#
    once_only_headers_that_become_two r#"
        mkdir x y
        echo '#include "x/a.h"' >a.c; echo '#include "y/a.h"' >>a.c; echo 'int f = sizeof n;' >>a.c
        printf '#pragma once\nstatic char n[] = __FILE__;\n' >x/a.h; ln x/a.h y/a.h
        any: $CC -c a.c -o a.o
        rm y/a.h; cp x/a.h y/a.h; touch -d 2020-01-01 y/a.h
        any: $CC -c a.c -o a.o
        touch -d 2020-01-01 x/a.h
        any: $CC -c a.c -o a.o
        rm y/a.h; ln -s ../x/a.h y/a.h
        any: $CC -c a.c -o a.o
    "#
    permissions_that_do_not_matter r#"
        echo '#include "a.h"' >a.c; echo 'int f = A;' >>a.c; echo '#define A 1' >a.h
        chmod 600 a.h a.c
        kept: $CC -c a.c -o a.o
        chmod 644 a.h; chmod 444 a.c; chgrp 1 a.h
        hit: $CC -c a.c -o a.o
    "#
    a_header_that_is_the_source r#"
        printf '#ifndef N\n#define N 1\n#include "a.c"\nint f = M;\n#else\n#define M 4\n#endif\n' >a.c
        kept: $CC -MD -c a.c -o a.o
        sed -i 's/M 4/M 5/' a.c
        kept: $CC -MD -c a.c -o a.o
        sed -i 's/M 5/M 4/' a.c
        hit: $CC -MD -c a.c -o a.o
    "#
}
