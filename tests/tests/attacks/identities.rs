//! Which directories and files are the same, which are links, and who asks.

use crate::scenarios;

scenarios! {
    a_directory_becomes_a_link_to_another r#"
        mkdir a b; echo 'int f(void) { int u; return 0; }' >b/x.h; cp b/x.h a
        echo '#include <x.h>' >m.c
        kept: $CC -Wall -Ia -isystem b -MMD -c m.c
        mv a was; ln -s b a
        miss: $CC -Wall -Ia -isystem b -MMD -c m.c
        rm a; mv was a
        hit: $CC -Wall -Ia -isystem b -MMD -c m.c
    "#
    the_next_of_two_directories_that_are_one r#"
        mkdir a b; echo '#include_next <x.h>' >a/x.h; echo 'int x;' >b/x.h
        echo '#include <x.h>' >m.c
        kept: $CC -Ia -Ib -c m.c
        mv b was; ln -s a b
        miss: $CC -Ia -Ib -c m.c
        rm b; mv was b
        hit: $CC -Ia -Ib -c m.c
    "#
    a_directory_of_system_headers_becomes_a_link r#"
        mkdir long_directory_name_of_a_system_include_path_that_is_long_enough
        echo 'int x;' >long_directory_name_of_a_system_include_path_that_is_long_enough/x.h
        echo '#include <x.h>' >a.c
        kept: $CC -isystem long_directory_name_of_a_system_include_path_that_is_long_enough -MD -c a.c
        mv long_directory_name_of_a_system_include_path_that_is_long_enough s
        ln -s s long_directory_name_of_a_system_include_path_that_is_long_enough
        miss: $CC -isystem long_directory_name_of_a_system_include_path_that_is_long_enough -MD -c a.c
        mv s/x.h s.h; ln -s ../s.h s/x.h
        miss: $CC -isystem long_directory_name_of_a_system_include_path_that_is_long_enough -MD -c a.c
    "#
    once_across_lines r#"
        mkdir a b; printf '#pragma on\\\nce\n#if __COUNTER__\n#endif\n' >a/x.h; cp a/x.h b
        touch -d 2020-01-01 a/x.h b/x.h
        printf '#include "a/x.h"\n#include "b/x.h"\nconst int c = __COUNTER__;\n' >m.c
        kept: $CC -S m.c -o o.s
        touch -d 2021-01-01 b/x.h
        any: $CC -S m.c -o o.s
    "#
    once_by_an_operator_from_elsewhere r#"
        mkdir a b; printf 'ONCE\n#if __COUNTER__\n#endif\n' >a/x.h; cp a/x.h b
        touch -d 2020-01-01 a/x.h b/x.h
        printf '#define ONCE _Pragma("once")\n' >m.c
        printf '#include "a/x.h"\n#include "b/x.h"\nconst int c = __COUNTER__;\n' >>m.c
        kept: $CC -S m.c -o o.s
        touch -d 2021-01-01 b/x.h
        any: $CC -S m.c -o o.s
    "#
    an_import_of_plain_headers r#"
        mkdir a b; printf '#if __COUNTER__\n#endif\n' >a/x.h; cp a/x.h b
        touch -d 2020-01-01 a/x.h b/x.h
        printf '#include "a/x.h"\n#im\\\nport "b/x.h"\nconst int c = __COUNTER__;\n' >m.c
        kept: $CC -S m.c -o o.s
        touch -d 2021-01-01 b/x.h
        any: $CC -S m.c -o o.s
    "#
}
