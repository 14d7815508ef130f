//! mold, which links in a child, works on the file that it replaces, and maps what it writes.

use crate::scenarios;

scenarios! {
    every_kind_of_link r#"
        echo 'int g(int *p); int main(void) { int x = 1; return g(&x); }' >m.c; echo 'int g(int *p) { return *p; }' >b.c
        $CC -fPIC -c m.c; $CC -fPIC -c b.c; mkdir lto lib; echo 'm.o b.o' >objects; echo 'INPUT(b.o)' >more.ld; echo '{ global: g; local: *; };' >b.map
        ar rcs lib/libb.a b.o; ar rcsT lib/thin.a b.o
        kept: $CC -fuse-ld=mold m.o b.o -o p
        hit: $CC -fuse-ld=mold m.o b.o -o p
        kept: $CC -fuse-ld=mold -shared b.o -Wl,--version-script=b.map -o b.so
        hit: $CC -fuse-ld=mold -shared b.o -Wl,--version-script=b.map -o b.so
        kept: $CC -fuse-ld=mold -r m.o b.o -o r.o
        kept: $CC -fuse-ld=mold -static-pie m.o b.o -o p
        hit: $CC -fuse-ld=mold -static-pie m.o b.o -o p
        kept: $CC -fuse-ld=mold m.o -Llib -lb -Wl,-Map=p.map -Wl,--dependency-file=p.d -o p
        hit: $CC -fuse-ld=mold m.o -Llib -lb -Wl,-Map=p.map -Wl,--dependency-file=p.d -o p
        kept: $CC -fuse-ld=mold m.o lib/thin.a -o p
        kept: $CC -fuse-ld=mold @objects -Wl,--build-id=sha1 -o p
        kept: $CC -fuse-ld=mold m.o more.ld -o p
        echo 'int g(int *p) { return 2; }' >b.c; $CC -fPIC -c b.c
        miss: $CC -fuse-ld=mold m.o lib/thin.a -o p
        miss: $CC -fuse-ld=mold @objects -Wl,--build-id=sha1 -o p
        miss: $CC -fuse-ld=mold m.o more.ld -o p
        hit: $CC -fuse-ld=mold m.o -Llib -lb -Wl,-Map=p.map -Wl,--dependency-file=p.d -o p
        any: $CC -O2 -flto -frandom-seed=1 -c m.c -o lto/m.o
        any: $CC -O2 -flto -frandom-seed=2 -c b.c -o lto/b.o
        kept: $CC -O2 -flto -fuse-ld=mold lto/m.o lto/b.o -o p
        hit: $CC -O2 -flto -fuse-ld=mold lto/m.o lto/b.o -o p
        abandoned: $CC -fuse-ld=mold m.o -o p
    "#
    what_it_overwrites r#"
        echo 'int main(void) { return A; }' >m.c; $CC -DA=1 -c m.c -o 1.o; $CC -DA=2 -c m.c -o 2.o
        kept: mold 1.o -e main -o p
        hit: mold 1.o -e main -o p
        kept: mold 2.o -e main -o p
        hit: mold 1.o -e main -o p
        rm p
        hit: mold 2.o -e main -o p
        ln p q
        miss: mold 1.o -e main -o p
        rm p q; echo old >p; chmod 600 p
        miss: mold 1.o -e main -o p
        ln -s p s
        any: mold 2.o -e main -o s
        rm p s
        hit: mold 1.o -e main -o p
        miss: MOLD_JOBS=1 mold 1.o -e main -o p
        bypassed not_a_compile: mold -run true
    "#
}
