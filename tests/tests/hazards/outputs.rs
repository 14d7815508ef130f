//! Everything that a compile leaves behind, beside the object too.

use crate::scenarios;

scenarios! {
    split_debug_information r#"
        mkdir d; echo 'int f(int x) { return x; }' >a.c
        kept: $CC -g -gsplit-dwarf -c a.c -o d/a.o
        rm d/a.*
        hit: $CC -g -gsplit-dwarf -c a.c -o d/a.o
        rm d/a.dwo
        any: $CC -g -gsplit-dwarf -c a.c -o d/a.o
        echo old >d/a.dwo
        any: $CC -g -gsplit-dwarf -c a.c -o d/a.o
    "#
    notes_for_coverage r#"
        mkdir d; echo 'int f(int x) { return x ? 1 : 2; }' >a.c
        kept: $CC -frandom-seed=a --coverage -c a.c -o d/a.o
        rm d/*
        hit: $CC -frandom-seed=a --coverage -c a.c -o d/a.o
        kept: $CC -frandom-seed=a -ftest-coverage -c a.c
        kept: $CC -frandom-seed=a -fprofile-arcs -c a.c
        rm -f a.gcno d/a.gcno
        hit: $CC -frandom-seed=a --coverage -c a.c -o d/a.o
    "#
    the_use_of_the_stack r#"
        mkdir d; echo 'int f(int x) { return x; }' >a.c
        kept: $CC -fstack-usage -c a.c -o d/a.o
        rm d/*
        hit: $CC -fstack-usage -c a.c -o d/a.o
        kept: $CC -fstack-usage -c a.c
        echo 'int f(int x) { int y[100]; y[x] = 1; return y[0]; }' >a.c
        kept: $CC -fstack-usage -c a.c
    "#
    intermediate_files r#"
        mkdir d; echo '#include "a.h"' >a.c; echo 'int f = A;' >>a.c; echo '#define A 1' >a.h
        any: $CC -save-temps -c a.c -o a.o
        rm -f a.i a.s a.bc a.o
        any: $CC -save-temps -c a.c -o a.o
        echo '#define A 2' >a.h
        any: $CC -save-temps -c a.c -o a.o
        any: $CC -save-temps=obj -c a.c -o d/a.o
        rm -f d/*
        any: $CC -save-temps=obj -c a.c -o d/a.o
        any: $CC -save-temps=cwd -c a.c -o d/a.o
    "#
    assembly_by_its_own_name r#"
        echo 'int f(int x) { return x * 3; }' >a.c
        kept: $CC -O2 -S -g0 a.c
        kept: $CC -O2 -S -g a.c -o b.s
        rm a.s
        hit: $CC -O2 -S -g0 a.c
        any: $CC -O2 -S -c a.c -o c.s
    "#
    messages_in_json r#"
        echo 'int f(void) { int unused; return 1; }' >a.c
        any@gcc: $CC -Wall -fdiagnostics-format=json -c a.c -o a.o
        any@gcc: $CC -Wall -fdiagnostics-format=json -c a.c -o a.o
        any@gcc: $CC -Wall -fdiagnostics-generate-patch -c a.c -o a.o
        any@clang: $CC -Wall -fdiagnostics-format=msvc -c a.c -o a.o
        any@clang: $CC -Wall -fdiagnostics-parseable-fixits -fdiagnostics-print-source-range-info -c a.c -o a.o
        any: $CC -Wall -fdiagnostics-show-option -fno-caret-diagnostics -c a.c -o a.o
    "#
    code_for_link_time r#"
        echo 'int f(int x) { return x; }' >a.c
        kept: $CC -flto -frandom-seed=1 -c a.c -o a.o
        rm a.o
        hit: $CC -flto -frandom-seed=1 -c a.c -o a.o
        kept: $CC -flto -frandom-seed=2 -c a.c -o a.o
        any@gcc: $CC -flto -ffat-lto-objects -frandom-seed=1 -c a.c -o a.o
        any@clang: $CC -flto=thin -c a.c -o a.o
        any@clang: $CC -emit-llvm -S a.c
        any@clang: $CC -emit-llvm -c a.c
    "#
    records_of_optimizations r#"
        printf 'int g(int x) { return x * 3; }\nint f(int x) { return g(x); }\n' >a.c
        any@clang: $CC -O2 -fsave-optimization-record -c a.c -o a.o
        rm -f a.opt.yaml
        hit@clang: $CC -O2 -fsave-optimization-record -c a.c -o a.o
        any@clang: $CC -O2 -fsave-optimization-record -foptimization-record-file=x.yaml -c a.c -o a.o
        any@clang: $CC -O2 -Rpass=inline -c a.c -o a.o
        any@gcc: $CC -O2 -fopt-info-all=x.txt -c a.c -o a.o
        rm -f x.txt
        any@gcc: $CC -O2 -fopt-info-all=x.txt -c a.c -o a.o
        any@gcc: $CC -O2 -fopt-info-inline -c a.c -o a.o
        any@gcc: $CC -O2 -fopt-info-inline -c a.c -o a.o
    "#
    where_a_directory_was_in_the_way r#"
        echo 'int f(void) { int u; return 1; }' >a.c; mkdir -p o/out; echo >o/out/x
        any@clang: $CC --serialize-diagnostics o/out -Wall -c a.c -o a.o
        rm -r o/out
        any@clang: $CC --serialize-diagnostics o/out -Wall -c a.c -o a.o
    "#
    where_a_file_was_read_only r#"
        echo 'int f;' >a.c
        kept: $CC -c a.c -o a.o
        chmod 444 a.o
        any: $CC -c a.c -o a.o
        rm a.o
        hit: $CC -c a.c -o a.o
    "#
    an_object_made_read_only_by_the_umask r#"
        echo 'int f;' >a.c
        any: UMASK=277 $CC -MD -c a.c -o a.o
        any: UMASK=277 $CC -MD -c a.c -o a.o
        rm -f a.o a.d
        any: UMASK=277 $CC -MD -c a.c -o a.o
        any: $CC -MD -c a.c -o a.o
    "#
    in_a_directory_with_a_group_of_its_own r#"
        mkdir d; chgrp 1 d; chmod g+s d; echo 'int f(int x) { return x; }' >a.c
        kept: $CC -MD -c a.c -o d/a.o
        rm d/*
        any: $CC -MD -c a.c -o d/a.o
        any: $CC -MD -c a.c -o d/a.o
    "#
    in_a_directory_of_somebody_else r#"
        mkdir d; chown 1:1 d; echo 'int f(int x) { return x; }' >a.c
        kept: $CC -MD -c a.c -o d/a.o
        rm d/*
        hit: $CC -MD -c a.c -o d/a.o
        chown 1:1 d/a.o
        any: $CC -MD -c a.c -o d/a.o
    "#
    in_a_directory_that_becomes_a_link r#"
        mkdir d e; echo 'int f(int x) { return x; }' >a.c
        kept: $CC -MD -g -gsplit-dwarf -c a.c -o d/a.o
        rm -r d; ln -s e d
        any: $CC -MD -g -gsplit-dwarf -c a.c -o d/a.o
        rm e/*
        any: $CC -MD -g -gsplit-dwarf -c a.c -o d/a.o
        rm d; mkdir f; ln -s f d
        any: $CC -MD -g -gsplit-dwarf -c a.c -o d/a.o
    "#
    changed_after_it_was_made r#"
        echo 'int f(int x) { return x; }' >a.c
        kept: $CC -g -c a.c -o a.o
        strip -g a.o
        hit: $CC -g -c a.c -o a.o
        : >a.o
        hit: $CC -g -c a.c -o a.o
        ln a.o b.o
        any: $CC -g -c a.c -o a.o
        rm a.o; mv b.o a.o; chmod +x a.o
        any: $CC -g -c a.c -o a.o
        rm a.o; mkdir a.o
        any: $CC -g -c a.c -o a.o
        rmdir a.o
        hit: $CC -g -c a.c -o a.o
    "#
    half_of_them_removed r#"
        echo 'int f(int x) { return x; }' >a.c
        kept: $CC -MD -g -gsplit-dwarf -fstack-usage -c a.c -o a.o
        rm a.o a.su
        hit: $CC -MD -g -gsplit-dwarf -fstack-usage -c a.c -o a.o
        rm a.d; : >a.dwo; chmod 600 a.su
        any: $CC -MD -g -gsplit-dwarf -fstack-usage -c a.c -o a.o
        rm a.*o; ln -s elsewhere a.dwo
        any: $CC -MD -g -gsplit-dwarf -fstack-usage -c a.c -o a.o
    "#
    one_of_them_cannot_be_written r#"
        mkdir d; echo 'int f(int x) { return x; }' >a.c
        kept: $CC -MD -MF d/a.d -c a.c -o a.o
        rm a.o d/a.d; mkdir d/a.d
        any: $CC -MD -MF d/a.d -c a.c -o a.o
        rm -rf d a.o
        any: $CC -MD -MF d/a.d -c a.c -o a.o
    "#
    a_failure_over_an_old_object r#"
        echo 'int f;' >a.c
        kept: $CC -MD -c a.c -o a.o
        echo 'int f' >a.c
        any: $CC -MD -c a.c -o a.o
        echo 'int f;' >a.c
        any: $CC -MD -c a.c -o a.o
        printf '.error "no"\n' >b.s; echo old >b.o
        any: $CC -c b.s -o b.o
        any: $CC -c b.s -o b.o
    "#
    two_commands_write_one_object r#"
        echo 'int f;' >a.c; echo 'int g;' >b.c
        kept: $CC -c a.c -o x.o
        kept: $CC -c b.c -o x.o
        hit: $CC -c a.c -o x.o
        hit: $CC -c b.c -o x.o
        rm x.o
        hit: $CC -c a.c -o x.o
    "#
    several_sources_with_side_files r#"
        mkdir d; echo 'int f;' >a.c; echo 'int g;' >d/b.c
        kept: $CC -MD -g -gsplit-dwarf -c a.c d/b.c
        rm *.o *.dwo *.d
        hit: $CC -MD -g -gsplit-dwarf -c a.c d/b.c
        echo 'int h;' >d/b.c
        kept: $CC -MD -g -gsplit-dwarf -c a.c d/b.c
        any: $CC -S a.c d/b.c
    "#
    named_like_nothing_else r#"
        echo 'int f;' >a.c; mkdir -p -- -d
        kept: $CC -c a.c -o 'x y'
        kept: $CC -c a.c -o .o
        kept: $CC -c a.c -o a.c.o
        kept: $CC -c a.c -o ./-d/-o
        kept: $CC -c a.c -o a.tar.gz
        rm ./-d/-o .o
        hit: $CC -c a.c -o ./-d/-o
        hit: $CC -c a.c -o .o
    "#
}

scenarios! { gcc:
    dumps_of_passes r#"
        mkdir d; echo 'int f(int x) { return x * 3; }' >a.c
        any: gcc -O2 -fdump-tree-optimized -c a.c -o d/a.o
        rm -f d/* *.optimized
        any: gcc -O2 -fdump-tree-optimized -c a.c -o d/a.o
        any: gcc -O2 -fdump-tree-optimized=x.txt -fdump-rtl-final -c a.c -o d/a.o
        any: gcc -O2 -dumpdir e- -fdump-tree-optimized -c a.c -o d/a.o
        any: gcc -O2 -dumpbase base -dumpbase-ext .c -fdump-tree-original -c a.c -o d/a.o
        any: gcc -O2 -fdump-tree-optimized=stderr -c a.c -o d/a.o
        any: gcc -O2 -fdump-tree-optimized=stderr -c a.c -o d/a.o
    "#
    graphs_of_calls r#"
        printf 'int g(int);\nint f(int x) { return g(x); }\n' >a.c
        any: gcc -fcallgraph-info -c a.c -o a.o
        rm -f a.ci
        any: gcc -fcallgraph-info -c a.c -o a.o
        any: gcc -fcallgraph-info=su,da -c a.c -o a.o
    "#
    switches_recorded_in_the_object r#"
        printf 'int g(int x) { return x * 3; }\nint f(int x) { return g(x); }\n' >a.c
        any: gcc -frecord-gcc-switches -c a.c -o a.o
        any: gcc -frecord-gcc-switches -c a.c -o a.o
    "#
    listings_by_the_assembler r#"
        printf '.byte 1\n' >a.s
        any: gcc -Wa,-aln=a.lst -c a.s -o a.o
        rm -f a.lst
        any: gcc -Wa,-aln=a.lst -c a.s -o a.o
        any: gcc -Wa,-MD,a.d -c a.s -o a.o
        rm -f a.d
        any: gcc -Wa,-MD,a.d -c a.s -o a.o
        any: gcc -Wa,-aln -c a.s -o a.o
    "#
}

scenarios! { clang:
    serialized_diagnostics r#"
        echo 'int f(void) { int unused; return 1; }' >a.c
        any: clang -Wall --serialize-diagnostics a.dia -c a.c -o a.o
        rm -f a.dia
        any: clang -Wall --serialize-diagnostics a.dia -c a.c -o a.o
        any: clang -Wall -serialize-diagnostics b.dia -c a.c -o a.o
    "#
    fragments_of_a_compilation_database r#"
        echo 'int f;' >a.c
        any: clang -MJ a.json -c a.c -o a.o
        any: clang -MJ a.json -c a.c -o a.o
        rm a.json
        any: clang -MJ a.json -c a.c -o a.o
        any: clang -MJ - -c a.c -o a.o
    "#
}
