//! Inputs that only an option, a pragma or the assembler names.

use crate::scenarios;

scenarios! {
    a_forced_header_that_includes_another r#"
        echo 'int f = A;' >a.c; echo '#include "b.h"' >pre.h; echo '#define A 1' >b.h
        kept: $CC -include pre.h -c a.c -o a.o
        echo '#define A 2' >b.h
        kept: $CC -include pre.h -c a.c -o a.o
        kept: $CC -include b.h -c a.c -o a.o
        kept: $CC -include b.h -include pre.h -c a.c -o a.o
    "#
    a_generated_forced_header r#"
        echo 'int f = A;' >a.c; mkdir gen; echo '#define A 1' >gen/config.h
        kept: $CC -include gen/config.h -c a.c -o a.o
        rm -r gen; mkdir gen; echo '#define A 1' >gen/config.h
        hit: $CC -include gen/config.h -c a.c -o a.o
        rm -r gen; mkdir gen; echo '#define A 2' >gen/config.h
        kept: $CC -include gen/config.h -c a.c -o a.o
        rm gen/config.h
        miss: $CC -include gen/config.h -c a.c -o a.o
    "#
    macros_only r#"
        echo 'int f = A;' >a.c; printf '#define A 1\nint lost;\n' >pre.h
        kept: $CC -imacros pre.h -c a.c -o a.o
        printf '#define A 1\nint gone;\n' >pre.h
        any: $CC -imacros pre.h -c a.c -o a.o
        printf '#define A 2\nint lost;\n' >pre.h
        kept: $CC -imacros pre.h -c a.c -o a.o
    "#
    arguments_in_files_in_files r#"
        echo 'const char *f = S;' >a.c
        echo '-c a.c @sub/two' >one; mkdir sub; printf '%s\n' "'-DS=\"x y\"' @sub/three" >sub/two; echo '-o a.o' >sub/three
        kept: $CC @one
        printf '%s\n' "'-DS=\"x  y\"' @sub/three" >sub/two
        kept: $CC @one
        echo '-o b.o' >sub/three
        kept: $CC @one
        printf '%s\n' "'-DS=\"x y\"' @sub/three" >sub/two; echo '-o a.o' >sub/three
        hit: $CC @one
    "#
    arguments_in_a_file_that_names_other_headers r#"
        mkdir one two
        echo '#include <a.h>' >a.c; echo 'int f = A;' >>a.c
        echo '#define A 1' >one/a.h; echo '#define A 2' >two/a.h
        echo '-Ione' >flags
        kept: $CC @flags -c a.c -o a.o
        echo '-Itwo' >flags; touch -d 2020-01-01 flags
        kept: $CC @flags -c a.c -o a.o
        echo '-Ione' >flags
        hit: $CC @flags -c a.c -o a.o
        echo '#define A 3' >one/a.h
        kept: $CC @flags -c a.c -o a.o
    "#
    a_file_of_arguments_that_is_missing r#"
        echo 'int f = A;' >a.c
        miss: $CC @flags -DA=1 -c a.c -o a.o
        echo '-DA=2' >flags
        any: $CC -DA=1 @flags -c a.c -o a.o
        kept: $CC @flags -c a.c -o a.o
        rm flags
        miss: $CC @flags -c a.c -o a.o
    "#
    a_file_of_arguments_through_a_link r#"
        echo 'int f = A;' >a.c; echo '-DA=1' >one; echo '-DA=2' >two; ln -s one flags
        miss: $CC @flags -c a.c -o a.o
        ln -sf two flags
        miss: $CC @flags -c a.c -o a.o
        ln -sf one flags
        any: $CC @flags -c a.c -o a.o
    "#
    bytes_included_by_the_assembler r#"
        printf '__asm__(".data\\n.incbin \\"d.bin\\", 1, 2\\n");\n' >a.c
        printf 'abcd' >d.bin
        kept: $CC -c a.c -o a.o
        printf 'abXd' >d.bin
        kept: $CC -c a.c -o a.o
        printf 'abcd' >d.bin
        hit: $CC -c a.c -o a.o
    "#
    bytes_named_by_pasted_strings r#"
        printf '#define S(x) #x\n#define F(d, n) S(d) "/" S(n) ".bin"\n__asm__(".data\\n.incbin \\"" F(dir, blob) "\\"\\n");\n' >a.c
        mkdir dir; printf one >dir/blob.bin
        kept: $CC -c a.c -o a.o
        printf two >dir/blob.bin
        kept: $CC -c a.c -o a.o
        printf one >dir/blob.bin
        hit: $CC -c a.c -o a.o
    "#
    bytes_named_by_a_macro_of_the_assembler r#"
        printf '.macro load name, ending\n.incbin "\\name\\().\\ending"\n.endm\n.data\nload blob bin\n' >a.s
        printf one >blob.bin
        kept: $CC -c a.s -o a.o
        printf two >blob.bin
        kept: $CC -c a.s -o a.o
        printf one >blob.bin
        hit: $CC -c a.s -o a.o
    "#
    bytes_found_along_the_path_of_the_assembler r#"
        mkdir one two
        printf '.data\n.incbin "blob"\n' >a.s; printf two >two/blob
        kept: $CC -Wa,-Ione -Wa,-Itwo -c a.s -o a.o
        printf one >one/blob
        kept: $CC -Wa,-Ione -Wa,-Itwo -c a.s -o a.o
        printf own >blob
        miss: $CC -Wa,-Ione -Wa,-Itwo -c a.s -o a.o
        rm blob one/blob
        hit: $CC -Wa,-Ione -Wa,-Itwo -c a.s -o a.o
    "#
    assembly_that_includes_assembly r#"
        printf '.include "b.inc"\n' >a.s; printf '.include "c.inc"\n' >b.inc; printf '.byte 1\n' >c.inc
        kept: $CC -c a.s -o a.o
        printf '.byte 2\n' >c.inc
        kept: $CC -c a.s -o a.o
        printf '.byte 1\n' >c.inc
        hit: $CC -c a.s -o a.o
    "#
    assembly_that_the_preprocessor_and_the_assembler_include r#"
        printf '#include "a.h"\n.include NAME\n' >a.S; printf '#define NAME "one.inc"\n' >a.h
        printf '.byte 1\n' >one.inc; printf '.byte 2\n' >two.inc
        kept: $CC -c a.S -o a.o
        printf '#define NAME "two.inc"\n' >a.h
        kept: $CC -c a.S -o a.o
        printf '.byte 3\n' >two.inc
        kept: $CC -c a.S -o a.o
        printf '#define NAME "one.inc"\n' >a.h
        hit: $CC -c a.S -o a.o
    "#
    a_list_of_what_profiling_leaves_out r#"
        echo 'int f(int x) { return x + 1; }' >a.c; echo 'fun:g' >list
        miss: $CC -fprofile-list=list -fprofile-instr-generate -c a.c -o a.o
        echo 'fun:f' >list
        miss: $CC -fprofile-list=list -fprofile-instr-generate -c a.c -o a.o
        any: $CC -c a.c -o a.o
    "#
    arguments_for_the_assembler_in_a_file r#"
        printf '.if V\n.byte 1\n.else\n.byte 2\n.endif\n' >a.s; echo '--defsym V=1' >flags
        any: $CC -Wa,@flags -c a.s -o a.o
        echo '--defsym V=0' >flags
        miss: $CC -Wa,@flags -c a.s -o a.o
        any: $CC -Wa,--defsym,V=1 -c a.s -o a.o
    "#
    a_source_made_by_an_earlier_compile r#"
        echo 'int f(int x) { return x * 3; }' >a.c
        kept: $CC -S a.c -o a.s
        kept: $CC -c a.s -o a.o
        echo 'int f(int x) { return x * 5; }' >a.c
        kept: $CC -S a.c -o a.s
        kept: $CC -c a.s -o a.o
        echo 'int f(int x) { return x * 3; }' >a.c
        hit: $CC -S a.c -o a.s
        hit: $CC -c a.s -o a.o
    "#
    an_object_included_into_the_next r#"
        echo 'int f = 1;' >a.c; printf '.data\n.incbin "a.o"\n' >b.s
        kept: $CC -c a.c -o a.o
        kept: $CC -c b.s -o b.o
        echo 'int f = 2;' >a.c
        kept: $CC -c a.c -o a.o
        kept: $CC -c b.s -o b.o
        echo 'int f = 1;' >a.c
        hit: $CC -c a.c -o a.o
        hit: $CC -c b.s -o b.o
    "#
    a_depfile_included_into_the_next r#"
        echo '#include "a.h"' >a.c; touch a.h b.h; printf '.data\n.incbin "a.d"\n' >b.s
        kept: $CC -MD -c a.c -o a.o
        kept: $CC -c b.s -o b.o
        echo '#include "b.h"' >a.h
        kept: $CC -MD -c a.c -o a.o
        kept: $CC -c b.s -o b.o
        : >a.h
        hit: $CC -MD -c a.c -o a.o
        hit: $CC -c b.s -o b.o
    "#
    a_source_that_names_what_is_unlike_its_name r#"
        echo 'int f = 1;' >code.txt; echo 'template<int N> struct s {}; s<1> x;' >code.c
        kept: $CC -x c -c code.txt -o a.o
        kept: $CC -x c++ -c code.c -o a.o
        miss: $CC -c code.c -o a.o
        kept: $CC -x c++ -c code.txt -o a.o
        hit: $CC -x c -c code.txt -o a.o
    "#
    lines_that_name_other_files r#"
        printf '#line 7 "other.c"\nint f = __LINE__;\nconst char *n = __FILE__;\nint g(void) { int unused; return 1; }\n' >a.c; touch other.c
        kept: $CC -Wall -g -c a.c -o a.o
        echo changed >other.c
        any: $CC -Wall -g -c a.c -o a.o
        rm other.c
        any: $CC -Wall -g -c a.c -o a.o
    "#
}

scenarios! { gcc:
    specs r#"
        echo 'int f = A;' >a.c; printf '*cpp:\n+ -DA=1\n\n' >my.specs
        kept: gcc -specs=my.specs -c a.c -o a.o
        printf '*cpp:\n+ -DA=2\n\n' >my.specs; touch -d 2020-01-01 my.specs
        kept: gcc -specs=my.specs -c a.c -o a.o
        printf '*cpp:\n+ -DA=1\n\n' >my.specs
        hit: gcc -specs=my.specs -c a.c -o a.o
        mkdir b; printf '*cpp:\n+ -DA=3\n\n' >b/my.specs
        any: gcc -Bb -specs=my.specs -c a.c -o a.o
        rm my.specs
        any: gcc -Bb -specs=my.specs -c a.c -o a.o
    "#
    specs_that_ask_the_environment r#"
        echo 'int f = A;' >a.c; printf '*cpp:\n+ -DA=%%:getenv(MY_VALUE 0)\n\n' >my.specs
        kept: MY_VALUE=1 gcc -specs=my.specs -c a.c -o a.o
        kept: MY_VALUE=2 gcc -specs=my.specs -c a.c -o a.o
        hit: MY_VALUE=1 gcc -specs=my.specs -c a.c -o a.o
    "#
    specs_found_beside_the_parts_of_the_compiler r#"
        echo 'int f = A;' >a.c; mkdir b
        any: gcc -DA=1 -Bb/ -c a.c -o a.o
        printf '*cpp:\n+ -UA -DA=2\n\n' >b/specs
        any: gcc -DA=1 -Bb/ -c a.c -o a.o
        printf '*cpp:\n+ -UA -DA=3\n\n' >b/specs
        miss: gcc -DA=1 -Bb/ -c a.c -o a.o
    "#
    profile_data r#"
        printf 'int f(int x) { if (x > 3) return x * 2; return x; }\nint main(void) { int s = 0; for (int i = 0; i < 9; i++) s += f(i); return s == 0; }\n' >a.c
        test -e ../gcda || (mkdir ../p && cp a.c ../p && cd ../p && gcc -O2 -fprofile-generate -fprofile-update=single -c a.c -o a.o && gcc --coverage a.o -o a && ./a && cp a.gcda ../gcda)
        any: gcc -O2 -fprofile-use -Wno-missing-profile -c a.c -o a.o
        cp ../gcda a.gcda
        miss: gcc -O2 -fprofile-use -Wno-missing-profile -c a.c -o a.o
        hit: gcc -O2 -fprofile-use -Wno-missing-profile -c a.c -o a.o
        printf 'rubbish' >a.gcda
        miss: gcc -O2 -fprofile-use -Wno-missing-profile -c a.c -o a.o
        rm a.gcda
        any: gcc -O2 -fprofile-use -Wno-missing-profile -c a.c -o a.o
    "#
    declarations_written_to_a_file r#"
        echo 'int f(int x) { return x; }' >a.c
        kept: gcc -aux-info out.h -c a.c -o a.o
        rm out.h
        hit: gcc -aux-info out.h -c a.c -o a.o
        echo 'int f(long x) { return 0; }' >a.c
        kept: gcc -aux-info out.h -c a.c -o a.o
    "#
}

scenarios! { clang:
    configuration_files r#"
        echo 'int f = A;' >a.c; echo '-DA=1' >my.cfg
        miss: clang --config ./my.cfg -c a.c -o a.o
        echo '-DA=2' >my.cfg; touch -d 2020-01-01 my.cfg
        miss: clang --config ./my.cfg -c a.c -o a.o
        echo '@inner.cfg' >my.cfg; echo '-DA=3' >inner.cfg
        miss: clang --config ./my.cfg -c a.c -o a.o
        echo '-DA=4' >inner.cfg
        miss: clang --config ./my.cfg -c a.c -o a.o
        echo '-DA=3' >inner.cfg
        hit: clang --config ./my.cfg -c a.c -o a.o
    "#
    what_a_sanitizer_ignores r#"
        echo 'int f(int *p) { return *p; }' >a.c; echo 'fun:g' >list
        kept: clang -fsanitize=address -fsanitize-ignorelist=list -c a.c -o a.o
        echo 'fun:f' >list
        kept: clang -fsanitize=address -fsanitize-ignorelist=list -c a.c -o a.o
        echo 'fun:f' >other
        kept: clang -fsanitize=address -fsanitize-ignorelist=list -fsanitize-ignorelist=other -c a.c -o a.o
        echo 'fun:g' >list
        hit: clang -fsanitize=address -fsanitize-ignorelist=list -c a.c -o a.o
    "#
    what_coverage_leaves_out r#"
        echo 'int f(int *p) { return *p; }' >a.c; echo 'fun:g' >list
        kept: clang -fsanitize-coverage=trace-pc-guard -fsanitize-coverage-ignorelist=list -c a.c -o a.o
        echo 'fun:f' >list
        kept: clang -fsanitize-coverage=trace-pc-guard -fsanitize-coverage-ignorelist=list -c a.c -o a.o
    "#
    what_xray_instruments r#"
        echo 'int f(int x) { return x; }' >a.c; echo 'fun:g' >list
        kept: clang -fxray-instrument -fxray-always-instrument=list -c a.c -o a.o
        echo 'fun:f' >list
        kept: clang -fxray-instrument -fxray-always-instrument=list -c a.c -o a.o
        printf '[always]\nfun:f\n' >attr; printf '[never]\nfun:f\n' >attr2
        kept: clang -fxray-instrument -fxray-attr-list=attr -c a.c -o a.o
        cp attr2 attr
        kept: clang -fxray-instrument -fxray-attr-list=attr -c a.c -o a.o
    "#
    profile_data_of_llvm r#"
        echo 'int f(int x) { if (x > 3) return x * 2; return x; }' >a.c
        printf 'f\n# Func Hash:\n17\n# Num Counters:\n2\n# Counter Values:\n9\n5\n\n' >one.txt
        printf 'f\n# Func Hash:\n17\n# Num Counters:\n2\n# Counter Values:\n9\n1\n\n' >two.txt
        test -e ../one || { llvm-profdata-14 merge one.txt -o ../one && llvm-profdata-14 merge two.txt -o ../two; } || { llvm-profdata merge one.txt -o ../one && llvm-profdata merge two.txt -o ../two; }
        cp ../one a.profdata
        any: clang -O2 -fprofile-instr-use=a.profdata -c a.c -o a.o
        cp ../two a.profdata
        miss: clang -O2 -fprofile-instr-use=a.profdata -c a.c -o a.o
        cp ../one a.profdata
        hit: clang -O2 -fprofile-instr-use=a.profdata -c a.c -o a.o
    "#
    files_that_only_an_overlay_shows r#"
        echo '#include "virtual.h"' >a.c; echo 'int f = A;' >>a.c
        echo '#define A 1' >one.h; echo '#define A 2' >two.h
        echo "{ 'version': 0, 'roots': [ { 'type': 'file', 'name': '$TREE/virtual.h', 'external-contents': '$TREE/one.h' } ] }" >overlay
        any: clang -ivfsoverlay overlay -c a.c -o a.o
        sed -i s/one/two/ overlay
        miss: clang -ivfsoverlay overlay -c a.c -o a.o
        echo '#define A 3' >two.h
        miss: clang -ivfsoverlay overlay -c a.c -o a.o
    "#
}
