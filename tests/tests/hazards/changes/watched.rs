//! What a memory of inputs might not hear of: each is looked at twice, so that it is
//! remembered, before it changes.

use crate::scenarios;

scenarios! { plain:
    a_link_comes_to_end_in_a_slash r#"
        echo '#include "a.h"' >a.c; echo 'int f = A;' >>a.c
        echo '#define A 1' >real.h; ln -s real.h a.h
        any: $CC -c a.c -o a.o
        hit: $CC -c a.c -o a.o
        ln -sfn real.h/ a.h; rm a.o
        any: $CC -c a.c -o a.o
        any: $CC -c a.c -o a.o
        sleep 2.1
        any: $CC -c a.c -o a.o
        any: $CC -c a.c -o a.o
        rm a.h; ln -s real.h a.h
        hit: $CC -c a.c -o a.o
    "#
    by_ways_that_open_no_path r#"
        mkdir one two
        echo '#include <a.h>' >a.c; echo 'int f = A + 0;' >>a.c
        echo '#define A 1' >one/a.h; echo '#define A 2' >two/a.h; touch -r one/a.h two/a.h
        kept: $CC -Ione//. -c a.c -o a.o
        hit: $CC -Ione//. -c a.c -o a.o
        python3 -c 'import ctypes; assert not ctypes.CDLL(None).renameat2(-100, b"one", -100, b"two", 2)'
        kept: $CC -Ione//. -c a.c -o a.o
        hit: $CC -Ione//. -c a.c -o a.o
        python3 -c 'import ctypes; assert not ctypes.CDLL(None).renameat2(-100, b"one/a.h", -100, b"two/a.h", 2)'
        hit: $CC -Ione//. -c a.c -o a.o
        truncate -s 10 one/a.h
        kept: $CC -Ione//. -c a.c -o a.o
        rm one/a.h; mkdir one/a.h
        any: $CC -Ione//. -c a.c -o a.o
        rmdir one/a.h; mv two/a.h one/a.h
        hit: $CC -Ione//. -c a.c -o a.o
    "#
}
