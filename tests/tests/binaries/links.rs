//! Links: where libraries, scripts and linkers come from, and what is overwritten.

use crate::scenarios;

scenarios! {
    libraries_are_found_where_they_are_now r#"
        echo 'int f(void); int main(void) { return f(); }' >m.c; $CC -c m.c; mkdir one two three
        for n in 1 2 3; do echo "int f(void) { return $n; }" | $CC -fPIC -x c -c - -o f$n.o; done
        ar rcs two/libf.a f1.o
        kept: $CC m.o -Lone -Ltwo -lf -o p
        hit: $CC m.o -Lone -Ltwo -lf -o p
        rm two/libf.a; ar rcs two/libf.a f2.o
        miss: $CC m.o -Lone -Ltwo -lf -o p
        rm two/libf.a; ar rcs two/libf.a f1.o
        hit: $CC m.o -Lone -Ltwo -lf -o p
        ar rcs one/libf.a f3.o
        miss: $CC m.o -Lone -Ltwo -lf -o p
        rm one/libf.a; rm -f p
        hit: $CC m.o -Lone -Ltwo -lf -o p
        $CC -shared f2.o -o two/libf.so
        miss: $CC m.o -Lone -Ltwo -lf -o p
        miss: $CC m.o -Ltwo -Lone -lf -o p
        rm two/libf.so; mv two/libf.a three
        miss: LIBRARY_PATH=one:three $CC m.o -lf -o q
        hit: LIBRARY_PATH=one:three $CC m.o -lf -o q
        ar rcs one/libf.a f2.o
        miss: LIBRARY_PATH=one:three $CC m.o -lf -o q
        miss: LIBRARY_PATH=three:one $CC m.o -lf -o q
    "#
    scripts_and_what_they_name_are_inputs r#"
        echo 'int f(void) { return 1; } int g(void) { return 2; }' >f.c; $CC -fPIC -c f.c
        echo 'int f(void); int main(void) { return f(); }' | $CC -x c -c - -o m.o
        echo '{ global: f; local: *; };' >v.map; echo 'INPUT(f.o)' >libf.so; echo '-o p m.o @inner' >outer; echo '-L. -lf' >inner
        kept: $CC -shared f.o -Wl,--version-script=v.map -o l.so
        hit: $CC -shared f.o -Wl,--version-script=v.map -o l.so
        echo '{ global: g; local: *; };' >v.map
        miss: $CC -shared f.o -Wl,--version-script=v.map -o l.so
        kept: $CC @outer
        hit: $CC @outer
        echo 'int f(void) { return 7; }' | $CC -fPIC -x c -c - -o f7.o; echo 'INPUT(f7.o)' >libf.so
        miss: $CC @outer
        echo 'INPUT(f.o)' >libf.so
        hit: $CC @outer
        echo '-L. -lf -Wl,--build-id=sha1' >inner
        miss: $CC @outer
    "#
    another_linker_is_another_link r#"
        echo 'int main(void) { return 0; }' | $CC -x c -c - -o m.o; mkdir bin; cp /usr/bin/ld.bfd bin/ld
        kept: $CC -Bbin m.o -o p
        hit: $CC -Bbin m.o -o p
        cp /usr/bin/ld.gold bin/ld
        miss: $CC -Bbin m.o -o p
        printf '#!/bin/sh\nexec /usr/bin/ld.bfd "$@" -z now\n' >bin/ld
        miss: $CC -Bbin m.o -o p
        cp /usr/bin/ld.bfd bin/ld
        hit: $CC -Bbin m.o -o p
        kept: $CC -fuse-ld=gold m.o -o p
        kept: $CC -fuse-ld=lld m.o -o p
        hit: $CC -fuse-ld=gold m.o -o p
        hit: $CC -fuse-ld=lld m.o -o p
    "#
    start_files_and_variables_are_inputs r#"
        echo 'int main(void) { return 0; }' | $CC -x c -c - -o m.o; mkdir crt
        cp $($CC -print-file-name=crti.o) crt/crti.o; cp $($CC -print-file-name=crtn.o) crt/crtn.o; cp $($CC -print-file-name=Scrt1.o) crt/Scrt1.o
        any: LIBRARY_PATH=$PWD/crt $CC -Bcrt m.o -o p
        hit: LIBRARY_PATH=$PWD/crt $CC -Bcrt m.o -o p
        strip -g crt/Scrt1.o; objcopy --add-section .more=crt/crti.o crt/Scrt1.o
        miss: LIBRARY_PATH=$PWD/crt $CC -Bcrt m.o -o p
        kept: $CC m.o -o q
        miss: LD_RUN_PATH=/somewhere $CC m.o -o q
        miss: SOURCE_DATE_EPOCH=1 $CC m.o -o q
        hit: UNRELATED=1 $CC m.o -o q
    "#
    what_is_overwritten_is_as_it_would_be r#"
        echo 'int main(void) { return A; }' >m.c; echo old >p; chmod 600 p; ln -s target q; echo x >r; ln r s; echo x >t; chmod 444 t
        any: $CC -DA=1 m.c -o p
        echo other >p; chmod 640 p
        hit: $CC -DA=1 m.c -o p
        any: $CC -DA=2 m.c -o p
        hit: $CC -DA=1 m.c -o p
        any: $CC -DA=1 m.c -o q
        any: $CC -DA=1 m.c -o q
        any: $CC -DA=1 m.c -o r
        any: $CC -DA=1 m.c -o t
        any: UMASK=077 $CC -DA=1 m.c -o u
        rm u
        hit: UMASK=077 $CC -DA=1 m.c -o u
        kept: $CC -DA=1 m.c -fuse-ld=lld -o v
        kept: $CC -DA=2 m.c -fuse-ld=lld -o v
        hit: $CC -DA=1 m.c -fuse-ld=lld -o v
        hit: $CC -DA=2 m.c -fuse-ld=lld -o v
        abandoned: $CC -DA=1 m.c -fuse-ld=lld -lnothing -o v
        any: $CC -DA=B m.c -o p
    "#
    members_of_archives_are_inputs r#"
        echo 'int f(void); int main(void) { return f(); }' | $CC -x c -c - -o m.o; mkdir lib
        for n in 1 2; do echo "int f(void) { return $n; }" | $CC -x c -c - -o f$n.o; done
        cp f1.o lib/f.o; cd lib; ar rcsT libthin.a f.o; ar rcs libin.a f.o; ar rcsT libnested.a libin.a; cd ..
        kept: $CC m.o lib/libthin.a -o p
        hit: $CC m.o lib/libthin.a -o p
        cp f2.o lib/f.o
        miss: $CC m.o lib/libthin.a -o p
        cp f1.o lib/f.o
        hit: $CC m.o lib/libthin.a -o p
        kept: $CC m.o lib/libnested.a -o q
        hit: $CC m.o lib/libnested.a -o q
        rm lib/libin.a; cd lib; cp ../f2.o f.o; ar rcs libin.a f.o; cd ..
        any: $CC m.o lib/libnested.a -o q
    "#
    what_is_optimised_at_the_link_is_an_input r#"
        echo 'int f(void); int main(void) { return f(); }' >m.c; echo 'int f(void) { return A; }' >f.c
        any: $CC -O2 -flto -frandom-seed=1 -c m.c
        any: $CC -O2 -flto -frandom-seed=2 -DA=1 -c f.c -o f1.o
        any: $CC -O2 -flto -frandom-seed=3 -DA=2 -c f.c -o f2.o
        cp f1.o f.o
        any@gcc: $CC -O2 -flto=2 m.o f.o -o p
        hit@gcc: $CC -O2 -flto=2 m.o f.o -o p
        any: $CC -O2 -flto m.o f.o -o q
        hit: $CC -O2 -flto m.o f.o -o q
        cp f2.o f.o
        miss: $CC -O2 -flto m.o f.o -o q
        miss@gcc: $CC -O2 -flto=2 m.o f.o -o p
        cp f1.o f.o
        hit: $CC -O2 -flto m.o f.o -o q
        hit@gcc: $CC -O2 -flto=2 m.o f.o -o p
        miss@gcc: MAKEFLAGS=--jobserver-auth=98,99 $CC -O2 -flto m.o f.o -o q
    "#
}
