//! Comments that change: those that no result shows have to hit, all others to miss.

use crate::scenarios;

scenarios! {
    of_a_header r##"
        echo '#include "a.h"' >a.c; echo 'int f = A;' >>a.c
        printf '/* one\n   two */\n#define A 1 // three\n' >a.h
        kept: $CC -O2 -Wall -Wextra -I. -c a.c -o a.o
        printf '/* another\n   text */\n#define A 1\n' >a.h
        hit: $CC -O2 -Wall -Wextra -I. -c a.c -o a.o
        printf '//\n   // the same\n#define A 1 /* too */\n' >a.h
        hit: $CC -O2 -Wall -Wextra -I. -c a.c -o a.o
        echo '// more at the end' >>a.h; echo '/* and more */' >>a.h
        hit: $CC -O2 -Wall -Wextra -I. -c a.c -o a.o
        printf '/* one\n   two */\n#define A 2 // three\n' >a.h
        kept: $CC -O2 -Wall -Wextra -I. -c a.c -o a.o
    "##
    of_the_source r##"
        printf '// a\nint f(int x) { return x; } /* b */\n' >a.c
        kept: $CC -MD -c a.c
        printf '//\nint f(int x) { return x; }  // c, d\n' >a.c
        hit: $CC -MD -c a.c
        printf '/* e */\nint f(int x) { return x; } /* f */ // g\n// h\n' >a.c
        hit: $CC -MD -c a.c
    "##
    of_cxx r##"
        printf '#pragma once\n// a\nstruct S { int i; }; // b\n' >a.hpp
        printf '#include <vector>\n#include "a.hpp"\nstd::vector<S> v;\n' >a.cc
        kept: $CXX -std=c++17 -O1 -MMD -MP -MF a.d -c a.cc -o a.o
        printf '#pragma once\n// c\nstruct S { int i; }; // "d"\n' >a.hpp
        hit: $CXX -std=c++17 -O1 -MMD -MP -MF a.d -c a.cc -o a.o
    "##
    that_become_code r##"
        printf 'int f(void) { return 1; // }\n}\n' >a.c
        kept: $CC -c a.c
        printf 'int f(void) { return 1;\n}\n' >a.c
        hit: $CC -c a.c
        printf 'int f(void) { return 1\n;}\n' >a.c
        kept: $CC -c a.c
        printf 'int f(void) { // return 1\n;}\n' >a.c
        kept: $CC -c a.c
    "##
    that_move_lines r##"
        printf '// a\nint f = __LINE__;\n' >a.c
        kept: $CC -c a.c
        printf '// a\n// b\nint f = __LINE__;\n' >a.c
        kept: $CC -c a.c
        printf '/* c\n*/ int f = __LINE__;\n' >a.c
        kept: $CC -c a.c
    "##
    with_debug_information r##"
        printf '// a\nint f(void) { return 1; }\n' >a.c
        kept: $CC -g -c a.c
        printf '// b\nint f(void) { return 1; }\n' >a.c
        hit@gcc: $CC -g -c a.c
        kept@clang: $CC -g -c a.c
        printf '// b\nint f(void) { return 1; }\n// c\n' >a.c
        kept: $CC -g -c a.c
    "##
    with_debug_information_and_initialisers r##"
        printf 'struct S { S(); ~S(); };\nstatic S s;\n' >a.cc
        kept: $CXX -g -c a.cc
        printf 'struct S { S(); ~S(); };\nstatic S s;\n// one\n// two\n' >a.cc
        kept: $CXX -g -c a.cc
        printf 'struct S { S(); ~S(); };\nstatic S s;\n// one\n// 2\n' >a.cc
        hit@gcc: $CXX -g -c a.cc
    "##
    with_macros_in_debug_information r##"
        printf '#define A 1 // a\n#define B /* b */ 2\nint f = A + B;\n' >a.c
        kept: $CC -g3 -c a.c
        printf '#define A 1 // c\n#define B /* b */ 2\nint f = A + B;\n' >a.c
        hit@gcc: $CC -g3 -c a.c
        printf '#define A 1 // c\n#define B /* bcd */ 2\nint f = A + B;\n' >a.c
        kept: $CC -g3 -c a.c
    "##
    in_a_message r##"
        printf 'int f(void) { int unused; // a\n return 1; }\n' >a.c
        kept: $CC -Wall -c a.c
        printf 'int f(void) { int unused; // b\n return 1; }\n' >a.c
        kept: $CC -Wall -c a.c
    "##
    that_let_a_case_run_into_the_next r##"
        printf 'int g(int);\nint f(int i) { switch (i) { case 1: g(1); // falls through\n case 2: return 2; } return 3; }\n' >a.c
        kept: $CC -Wextra -c a.c
        printf 'int g(int);\nint f(int i) { switch (i) { case 1: g(1); // does not\n case 2: return 2; } return 3; }\n' >a.c
        kept: $CC -Wextra -c a.c
        printf 'int g(int);\nint f(int i) { switch (i) { case 1: g(1); // FALLTHRU\n case 2: return 2; } return 3; }\n' >a.c
        kept: $CC -Wextra -c a.c
        printf 'int g(int);\nint f(int i) { switch (i) { case 1: g(1); // any\n case 2: return 2; } return 3; }\n' >a.c
        any@gcc: $CC -Wimplicit-fallthrough=1 -c a.c
        printf 'int g(int);\nint f(int i) { switch (i) { case 1: g(1);\n case 2: return 2; } return 3; }\n' >a.c
        miss@gcc: $CC -Wimplicit-fallthrough=1 -c a.c
    "##
    that_a_pragma_has_warned_of r##"
        printf '#pragma GCC diagnostic warning "-Wimplicit-fallthrough=1"\nint g(int);\nint f(int i) { switch (i) { case 1: g(1); // any\n case 2: return 2; } return 3; }\n' >a.c
        any@gcc: $CC -c a.c
        printf '#pragma GCC diagnostic warning "-Wimplicit-fallthrough=1"\nint g(int);\nint f(int i) { switch (i) { case 1: g(1);\n case 2: return 2; } return 3; }\n' >a.c
        miss@gcc: $CC -c a.c
        printf '#pragma clang diagnostic warning "-Wdocumentation"\n/** @param x a */\nint f(int x);\n' >a.c
        kept@clang: $CC -c a.c
        printf '#pragma clang diagnostic warning "-Wdocumentation"\n/** @param y a */\nint f(int x);\n' >a.c
        kept@clang: $CC -c a.c
    "##
    that_are_warned_of r##"
        printf '/* a */\nint f;\n' >a.c
        kept: $CC -Wall -c a.c
        printf '/* a /* b */\nint f;\n' >a.c
        kept: $CC -Wall -c a.c
        printf '// a\nint f;\n' >a.c
        hit: $CC -Wall -c a.c
        printf '// a \\\nint f;\n' >a.c
        kept: $CC -Wall -c a.c
        printf '/** @param x a */\nint f(int x);\n' >b.c
        kept@clang: $CC -Wdocumentation -c b.c
        printf '/** @param y a */\nint f(int x);\n' >b.c
        kept@clang: $CC -Wdocumentation -c b.c
        printf '/** @param x a */\nint f(int x);\n' >b.c
        kept@clang: $CC -Weverything -c b.c
        printf '/** @param y a */\nint f(int x);\n' >b.c
        kept@clang: $CC -Weverything -c b.c
    "##
    whose_indentation_excuses_code r##"
        printf 'int g(int);\nint f(int i) {\n  if (i)\n    g(1);\n    // a\n    g(2);\n  return 1;\n}\n' >a.c
        kept: $CC -Wall -c a.c
        printf 'int g(int);\nint f(int i) {\n  if (i)\n    g(1);\n// a\n    g(2);\n  return 1;\n}\n' >a.c
        kept: $CC -Wall -c a.c
        printf 'int g(int);\nint f(int i) {\n  if (i)\n    g(1);\n\n    g(2);\n  return 1;\n}\n' >a.c
        kept: $CC -Wall -c a.c
    "##
    whose_indentation_is_the_same r##"
        printf 'int g(int);\nint f(int i) {\n  if (i)\n    g(1); // a\n/* b\n  c */\n    g(2);\n  return 1;\n}\n' >a.c
        kept: $CC -Wall -c a.c
        printf 'int g(int);\nint f(int i) {\n  if (i)\n    g(1);\n// d\n  // e\n    g(2); // f\n  return 1;\n}\n' >a.c
        hit@gcc: $CC -Wall -c a.c
        printf 'int g(int);\nint f(int i) {\n  if (i)\n    g(1); // a\n     // d\n    // e\n    g(2);\n  return 1;\n}\n' >a.c
        kept: $CC -Wall -c a.c
        printf 'int g(int);\nint f(int i) {\n  if (i)\n    g(1); /* a\n b */\n    g(2);\n  return 1;\n}\n' >b.c
        kept: $CC -Wall -c b.c
        printf 'int g(int);\nint f(int i) {\n  if (i)\n    g(1); /* a\n      b */\n    g(2);\n  return 1;\n}\n' >b.c
        miss: $CC -Wall -c b.c
        printf 'int g(int);\nint f(int i) {\n  if (i)\n    g(1); /* a\n\n */ g(2);\n  return 1;\n}\n' >c.c
        kept: $CC -Wall -c c.c
        printf 'int g(int);\nint f(int i) {\n  if (i)\n    g(1); /* a\n\n    */ g(2);\n  return 1;\n}\n' >c.c
        miss: $CC -Wall -c c.c
    "##
    behind_form_feeds r##"
        printf 'int g(int);\nint f(int i) {\n  if (i)\n    g(1);\n\f// a\n    g(2);\n  return 1;\n}\n' >a.c
        any: $CC -Wall -c a.c
        printf 'int g(int);\nint f(int i) {\n  if (i)\n    g(1);\n\f\n    g(2);\n  return 1;\n}\n' >a.c
        miss: $CC -Wall -c a.c
        printf 'int g(int);\nint f(int i) {\n  if (i)\n    g(1);\n\f       // a\n    g(2);\n  return 1;\n}\n' >a.c
        miss: $CC -Wall -c a.c
    "##
    that_an_include_is_counted_behind r##"
        echo 'int x;' >x.h; printf '#include "x.h" /* a\n b */\nint y;\n' >a.c
        kept: $CC -g3 -c a.c
        printf '#include "x.h" // a\n // b\nint y;\n' >a.c
        kept: $CC -g3 -c a.c
    "##
    of_what_a_macro_of_the_system_includes r##"
        printf 'int x; // a\n' >a.h
        printf '#include <sys/cdefs.h>\n__REDIRECT(,,.section .rodata; .incbin "a.h"; .text);\nint f;\n' >a.c
        kept: $CC -c a.c
        printf 'int x; // b\n' >a.h
        kept: $CC -c a.c
    "##
    beside_an_assembler_statement_of_the_system r##"
        printf '#include "a.h"\n#include <cpuid.h>\nint f(void) { unsigned a, b, c, d; return __get_cpuid(1, &a, &b, &c, &d) + x; }\n' >a.c
        printf 'int x; // a\n' >a.h
        kept@clang: $CC -flto -c a.c
        kept: $CC -c a.c
        printf 'int x; // another, longer one\n' >a.h
        kept@clang: $CC -flto -c a.c
        hit: $CC -c a.c
    "##
    in_which_something_is_left_of_a_conflict r##"
        printf 'template<class T> struct V {};\nV<V<V<V<int\n>>>> v;\n/*\nhello\n*/\n' >a.cc
        any: $CXX -std=c++17 -c a.cc
        printf 'template<class T> struct V {};\nV<V<V<V<int\n>>>> v;\n/*\n<<<<\n*/\n' >a.cc
        miss: $CXX -std=c++17 -c a.cc
        printf '#define S(...) #__VA_ARGS__\nconst char f[] = S(\n<<<<<<< x\n);\n/*\nhello\n*/\n' >b.c
        any: $CC -c b.c
        printf '#define S(...) #__VA_ARGS__\nconst char f[] = S(\n<<<<<<< x\n);\n/*\n>>>>>>> y\n*/\n' >b.c
        miss: $CC -c b.c
    "##
    at_which_a_placeholder_ends r##"
        printf '#define S(x) #x\nconst char f[] = S(a <# b);\nint g; // hello\n' >a.c
        any: $CC -c a.c
        printf '#define S(x) #x\nconst char f[] = S(a <# b);\nint g; // #>\n' >a.c
        miss: $CC -c a.c
    "##
    of_what_is_read_twice_and_then_by_the_assembler r##"
        printf 'X(a) // a\n' >a.h
        printf '#define X(n) int n##1;\n#include "a.h"\n#undef X\n#define X(n) int n##2;\n#include "a.h"\n__asm__(".section .rodata\\n.incbin \\"a.h\\"\\n.text");\n' >a.c
        kept: $CC -c a.c
        printf 'X(a) // b\n' >a.h
        kept: $CC -c a.c
    "##
    that_older_c_does_not_have r##"
        printf 'int f = 4 //* 2 */ 2\n;\n' >a.c
        kept: $CC -std=c89 -c a.c
        printf 'int f = 4 //* 4 */ 4\n;\n' >a.c
        kept: $CC -std=c89 -c a.c
        printf 'int f;\n' >b.c
        kept: $CC -std=gnu89 -pedantic -c b.c
        printf 'int f; // b\n' >b.c
        kept: $CC -std=gnu89 -pedantic -c b.c
        printf 'int f;\n' >b.c
        hit: $CC -std=gnu89 -pedantic -c b.c
        kept: $CC -ansi -pedantic -c b.c
        printf 'int f; // b\n' >b.c
        any: $CC -ansi -pedantic -c b.c
    "##
    that_are_kept_in_the_output r##"
        printf '// a\nint f;\n' >a.c
        any: $CC -E -C a.c -o a.i
        any: $CC -S -fverbose-asm a.c -o a.s
        printf '// b\nint f;\n' >a.c
        miss: $CC -E -C a.c -o a.i
        miss: $CC -S -fverbose-asm a.c -o a.s
    "##
    of_what_the_assembler_takes_as_it_is r##"
        printf 'int x; // a\n' >a.h
        printf '#include "a.h"\n__asm__(".section .rodata\\n.incbin \\"a.h\\"\\n.text");\n' >a.c
        kept: $CC -I. -c a.c
        printf 'int x; // b\n' >a.h
        kept: $CC -I. -c a.c
        printf '__asm__(".section .rodata\\n.inc" "bin \\"a.h\\"\\n.text"); int f;\n' >a.c
        kept: $CC -I. -c a.c
        printf 'int x; // c\n' >a.h
        kept: $CC -I. -c a.c
        printf '#define J(a, b) J_(a, b)\n#define J_(a, b) a ## b\nJ(as, m)(".section .rodata\\n.incbin \\"a.h\\"\\n.text"); int f;\n' >a.c
        kept: $CC -I. -c a.c
        printf 'int x; // d\n' >a.h
        kept: $CC -I. -c a.c
        printf 'int f;\n' >a.c; printf '__asm__(".section .rodata\\n.incbin \\"a.h\\"\\n.text");\n' >b.h
        kept: $CC -I. -include b.h -c a.c
        printf 'int x; // e\n' >a.h
        kept: $CC -I. -include b.h -c a.c
        printf 'A(".section .rodata\\n.incbin \\"a.h\\"\\n.text"); int f;\n' >a.c
        kept: $CC -I. -DA=__asm__ -c a.c
        printf 'int x; // g\n' >a.h
        kept: $CC -I. -DA=__asm__ -c a.c
    "##
    beside_an_assembler_statement r##"
        printf 'int x; // a\n' >a.h; printf '#include "a.h"\nvoid f(void) { __asm__("nop"); }\n' >a.c
        kept: $CC -c a.c
        printf 'int x; // b\n' >a.h
        hit@gcc: $CC -c a.c
        kept@clang: $CC -c a.c
    "##
    that_make_one_header_of_two r##"
        mkdir x y; printf '#pragma once\nstatic int V;\n' | tee x/a.h >y/a.h; touch -d 2020-01-01 x/a.h y/a.h
        printf '#define V v1\n#include "x/a.h"\n#undef V\n#define V v2\n#include "y/a.h"\nint f(void) { return v1; }\n' >a.c
        kept: $CC -c a.c
        printf '#pragma once\nstatic int V; // b\n' >y/a.h; touch -d 2020-01-01 x/a.h y/a.h
        kept: $CC -c a.c
        printf '#pragma once\nstatic int V; // c\n' >x/a.h; touch -d 2020-01-01 x/a.h y/a.h
        kept: $CC -c a.c
        printf '#pragma once\nstatic int V; // b\n' >x/a.h; touch -d 2020-01-01 x/a.h y/a.h
        kept: $CC -c a.c
    "##
    that_are_none r##"
        printf 'char f[] = "// a";\n' >a.c
        kept: $CC -c a.c
        printf 'char f[] = "// b";\n' >a.c
        kept: $CC -c a.c
        printf 'char f[] = "\\"// a";\nchar c = 0x22; // "\n' >a.c
        kept: $CC -c a.c
        printf 'char f[] = "\\"// b";\nchar c = 0x22; // "\n' >a.c
        kept: $CC -c a.c
        printf 'char f = '"'"'"'"'"'; char g[] = "// a";\n' >a.c
        kept: $CC -c a.c
        printf 'char f = '"'"'"'"'"'; char g[] = "// b";\n' >a.c
        kept: $CC -c a.c
        mkdir d; echo 'int b;' >d/b.h; echo 'int c;' >d/c.h; printf '#include <d//b.h>\n' >a.c
        kept: $CC -I. -c a.c
        printf '#include <d//c.h>\n' >a.c
        kept: $CC -I. -c a.c
        printf '#if __has_include(<d//c.h>)\nint x;\n#endif\nint f;\n' >a.c
        kept: $CC -I. -c a.c
        printf '#if __has_include(<d//d.h>)\nint x;\n#endif\nint f;\n' >a.c
        kept: $CC -I. -c a.c
    "##
    that_are_none_in_cxx r##"
        printf 'char f[] = R"(\n// a\n)";\n' >a.cc
        kept: $CXX -std=c++20 -c a.cc
        printf 'char f[] = R"(\n// b\n)";\n' >a.cc
        kept: $CXX -std=c++20 -c a.cc
        printf 'int f = 1'"'"'000; char g[] = "// a'"'"'";\n' >a.cc
        kept: $CXX -std=c++20 -c a.cc
        printf 'int f = 1'"'"'000; char g[] = "// b'"'"'";\n' >a.cc
        kept: $CXX -std=c++20 -c a.cc
        printf '#define S(x) #x\nchar f[] = S(a // a\n b);\n' >a.cc
        kept: $CXX -std=c++20 -c a.cc
        printf '#define S(x) #x\nchar f[] = S(a\n b);\n' >a.cc
        hit: $CXX -std=c++20 -c a.cc
        printf '#define S(x) #x\nchar f[] = S(a/**/b);\n' >a.cc
        kept: $CXX -std=c++20 -c a.cc
        printf '#define S(x) #x\nchar f[] = S(a b);\n' >a.cc
        kept: $CXX -std=c++20 -c a.cc
    "##
    that_go_on_in_the_next_line r##"
        printf '// a ??/\nint g;\nint f;\n' >a.c
        kept: $CC -std=c99 -c a.c
        printf '// a ???\nint g;\nint f;\n' >a.c
        kept: $CC -std=c99 -c a.c
        printf '#define A 1 /* a\n b */ + 1\nint f = A;\n' >a.c
        kept: $CC -c a.c
        printf '#define A 1 /* a */\n /* b */ // + 1\nint f = A;\n' >a.c
        kept: $CC -c a.c
    "##
    of_what_is_no_source r##"
        printf -- '-DA=1 // a\n' >args
        echo 'int f = A;' >a.c
        any: $CC @args -DB -c a.c
        printf -- '-DA=2 // a\n' >args
        miss: $CC @args -DB -c a.c
        printf '.globl f\nf: // a\n .long 1\n' >a.s
        kept: $CC -c a.s
        printf '.globl f\nf: // b\n .long 1\n' >a.s
        kept: $CC -c a.s
        printf '.globl f\nf: .ascii "x" // a\n' >a.S
        kept: $CC -c a.S
        printf '.globl f\nf: .ascii "x" // b\n' >a.S
        kept: $CC -c a.S
    "##
    and_then_more_than_comments r##"
        echo '#include "a.h"' >a.c; echo 'int f = A;' >>a.c
        printf '// a\n#define A 1\n' >a.h
        kept: $CC -c a.c -o a.o
        printf '// b\n#define A 1\n' >a.h
        hit: $CC -c a.c -o a.o
        printf '// b\n#define A 2\n' >a.h
        kept: $CC -c a.c -o a.o
        printf '// c\n#define A 1\n' >a.h
        hit: $CC -c a.c -o a.o
        printf '// c\n#define A 2\n' >a.h
        hit: $CC -c a.c -o a.o
        chmod +x a.h
        miss: $CC -c a.c -o a.o
    "##
    that_are_errors_by_name r##"
        printf '/** @param x a */\nint f(int x);\n' >a.c
        kept@clang: $CC -Werror=documentation -c a.c
        printf '/** @param y a */\nint f(int x);\n' >a.c
        miss@clang: $CC -Werror=documentation -c a.c
        printf 'int g(int);\nint f(int i) { switch (i) { case 1: g(1); // any\n case 2: return 2; } return 3; }\n' >b.c
        any@gcc: $CC -Werror=implicit-fallthrough=1 -c b.c
        any@gcc: $CC -Wimplicit-fallthrough=0x1 -c b.c
        printf 'int g(int);\nint f(int i) { switch (i) { case 1: g(1);\n case 2: return 2; } return 3; }\n' >b.c
        miss@gcc: $CC -Werror=implicit-fallthrough=1 -c b.c
        miss@gcc: $CC -Wimplicit-fallthrough=0x1 -c b.c
        printf 'int f;\n' >c.c
        kept: $CC -Werror=c90-c99-compat -c c.c
        printf 'int f; // c\n' >c.c
        any@gcc: $CC -Werror=c90-c99-compat -c c.c
    "##
    that_a_pragma_put_together_warns_of r##"
        printf '#pragma GCC diagnostic warning "-Wc90" "-c99-compat"\nint f;\n' >a.c
        kept: $CC -c a.c
        printf '#pragma GCC diagnostic warning "-Wc90" "-c99-compat"\nint f; // a\n' >a.c
        any@gcc: $CC -c a.c
        printf '#define P(x) _Pragma(#x)\n#define E(n) P(clang diagnostic error "-W" #n)\nE(documentation)\n/** @param x a */\nint f(int x);\n' >b.c
        kept: $CC -c b.c
        printf '#define P(x) _Pragma(#x)\n#define E(n) P(clang diagnostic error "-W" #n)\nE(documentation)\n/** @param y a */\nint f(int x);\n' >b.c
        miss: $CC -c b.c
        { yes '// pad' | head -n 180000; printf '#pragma GCC diagnostic warning "-Wc90-c99-compat"\n#include "c.h"\n'; } >c.c
        printf 'int w;\n' >c.h
        kept: $CC -c c.c
        printf 'int w; // c\n' >c.h
        any@gcc: $CC -c c.c
    "##
    behind_what_clang_takes_as_it_is r##"
        printf '#pragma mark - a /* b\nint x; //x*/\nint f;\n' >a.c
        kept: $CC -O2 -Wall -Wno-unknown-pragmas -c a.c
        printf '#pragma mark - a /* b\nint x; //y*/\nint f;\n' >a.c
        kept: $CC -O2 -Wall -Wno-unknown-pragmas -c a.c
        printf '#pragma mark - a /* b\nint y; //y*/\nint f;\n' >a.c
        kept: $CC -O2 -Wall -Wno-unknown-pragmas -c a.c
        printf '#warning /* a\nint x; //x*/\nint f;\n' >b.c
        any: $CC -w -c b.c
        printf '#warning /* a\nint y; //y*/\nint f;\n' >b.c
        miss: $CC -w -c b.c
    "##
    in_the_name_of_a_header_behind_a_macro r##"
        mkdir d; echo 'int b;' >d/b.h
        printf '#define HI __has_include\n#if HI(<d//b.h>)\nint x;\n#endif\nint f;\n' >a.c
        kept: $CC -I. -c a.c
        printf '#define HI __has_include\n#if HI(<d//c.h>)\nint x;\n#endif\nint f;\n' >a.c
        kept: $CC -I. -c a.c
        printf '#if HI(<d//b.h>)\nint x;\n#endif\nint f;\n' >b.c
        kept: $CC -I. -DHI=__has_include -c b.c
        printf '#if HI(<d//c.h>)\nint x;\n#endif\nint f;\n' >b.c
        kept: $CC -I. -DHI=__has_include -c b.c
    "##
    behind_apostrophes_of_numbers r##"
        printf '#define S(x) #x\nchar f[] = S(1e+L'"'"'0'"'"' // '"'"' x);\n' >a.cc
        any: $CXX -std=c++17 -c a.cc
        printf '#define S(x) #x\nchar f[] = S(1e+L'"'"'0'"'"' // '"'"' y);\n' >a.cc
        miss: $CXX -std=c++17 -c a.cc
        printf '#define S(x) #x\nchar f[] = S(1$'"'"'0'"'"' // '"'"' x);\n' >a.cc
        any: $CXX -std=c++17 -c a.cc
        printf '#define S(x) #x\nchar f[] = S(1$'"'"'0'"'"' // '"'"' y);\n' >a.cc
        miss: $CXX -std=c++17 -c a.cc
    "##
    of_what_a_pasted_statement_reads r##"
        printf 'int x; // a\n' >a.h
        printf '#define J(a, b, c) J_(a, b, c)\n#define J_(a, b, c) a ## b ## c\nJ(a, s, m)(".section .rodata\\n.incbin \\"a.h\\"\\n.text"); int f;\n' >a.c
        kept: $CC -I. -c a.c
        printf 'int x; // b\n' >a.h
        kept: $CC -I. -c a.c
    "##
    through_a_pipe_between_the_programs r##"
        printf 'int f; // a\n' >a.c
        kept: $CC -pipe -c a.c
        printf 'int f; // b\n' >a.c
        hit@clang: $CC -pipe -c a.c
        any@gcc: $CC -pipe -c a.c
        printf 'int f; // a\n__asm__(".section .rodata\\n.incbin \\"a.c\\"\\n.text");\n' >a.c
        kept: $CC -pipe -c a.c
        printf 'int f; // b\n__asm__(".section .rodata\\n.incbin \\"a.c\\"\\n.text");\n' >a.c
        kept: $CC -pipe -c a.c
    "##
    of_a_header_by_two_paths r##"
        mkdir common lib; printf '#ifndef A\n#define A\n// a\nint x;\n#endif // A\n' >common/a.h
        printf '#include "a.h"\n#include "../common/a.h"\nint f;\n' >lib/a.c
        kept: $CC -Icommon -c lib/a.c -o a.o
        printf '#ifndef A\n#define A\n// b\nint x;\n#endif\n' >common/a.h
        hit: $CC -Icommon -c lib/a.c -o a.o
        cp -r common other; sed -i 's/b/c/' other/a.h; sed -i 's/..\/common/..\/other/' lib/a.c
        kept: $CC -Icommon -c lib/a.c -o a.o
        sed -i 's/c/d/' other/a.h
        kept: $CC -Icommon -c lib/a.c -o a.o
    "##
    of_a_header_included_again_and_again r##"
        printf 'X(a) // a\n' >a.h
        printf '#define X(n) int n##1;\n#include "a.h"\n#undef X\n#define X(n) int n##2;\n#include "a.h"\n' >a.c
        kept: $CC -c a.c
        printf 'X(a) // b\n' >a.h
        hit: $CC -c a.c
        printf 'X(b) // b\n' >a.h
        miss: $CC -c a.c
    "##
    behind_trigraphs r##"
        printf 'int f[] = { 1 ??'"'"' '"'"'"'"'"' + sizeof("//x") };\n' >a.c
        any: $CC -std=c11 -c a.c
        printf 'int f[] = { 1 ??'"'"' '"'"'"'"'"' + sizeof("//yyyy") };\n' >a.c
        miss: $CC -std=c11 -c a.c
        mkdir 'a}'; echo 'int b;' >'a}/b.h'; echo 'int c;' >'a}/c.h'
        printf '#include <a??>//b.h>\n' >b.c
        any: $CC -std=c11 -I. -c b.c
        printf '#include <a??>//c.h>\n' >b.c
        miss: $CC -std=c11 -I. -c b.c
    "##
    behind_the_names_of_headers r##"
        printf '#if 0\n#include <a /* b>\n// */ int z;\n#endif\nint f;\n' >a.c
        kept: $CC -c a.c
        printf '#if 0\n#include <a /* b>\n\n#endif\nint f;\n' >a.c
        miss: $CC -c a.c
        printf '#if 0\n#include <it'"'"'s> // it'"'"'s /* foo\n// */ int z;\n#endif\nint f;\n' >b.c
        any: $CC -c b.c
        printf '#if 0\n#include <it'"'"'s> // it'"'"'s /* foo\n\n#endif\nint f;\n' >b.c
        miss: $CC -c b.c
        echo 'int b;' >b.h; printf '#include "b.h" <x /* y>\nint a1; // z*/\nint f;\n' >c.c
        any: $CC -w -c c.c
        printf '#include "b.h" <x /* y>\nint a2; // z*/\nint f;\n' >c.c
        miss: $CC -w -c c.c
        printf '#include "b.h" "a\\" /* "\n// */ int z;\nint f;\n/**/ int g;\n' >d.c
        any: $CC -w -c d.c
        printf '#include "b.h" "a\\" /* "\n\nint f;\n/**/ int g;\n' >d.c
        miss: $CC -w -c d.c
        printf '#include "b.h" /* one */ // two\nint f;\n' >e.c
        kept: $CC -c e.c
        printf '#include "b.h"\nint f;\n' >e.c
        hit: $CC -c e.c
    "##
    within_what_an_editor_left r##"
        printf 'int <#a // b#>\n;\n' >a.c
        any@clang: $CC -fallow-editor-placeholders -c a.c
        printf 'int <#a // ccc#>\n;\n' >a.c
        miss@clang: $CC -fallow-editor-placeholders -c a.c
    "##
    of_what_the_assembler_is_told_by_an_attribute r##"
        printf 'int a; // one\n' >a.h
        printf 'int v __attribute__((section(".data;.incbin \\"a.h\\"#"))) = 1;\n' >a.c
        any: $CC -c a.c
        printf '#include <sys/cdefs.h>\nextern int __REDIRECT(f,(void),vv;.incbin "a.h"); int g(void) { return 1 + f(); }\n' >b.c
        any: $CC -fno-pie -c b.c
        printf 'int a; // two\n' >a.h
        any: $CC -c a.c
        any: $CC -fno-pie -c b.c
    "##
    in_very_many_lines r##"
        for n in 1 2 3 4 5 6; do { yes '' | head -n 60000; echo "int x$n;"; } >$n.h; done
        printf 'int x; // a\n' >a.h
        printf '#include "1.h"\n#include "2.h"\n#include "a.h"\nint f;\n' >a.c
        { for n in 1 2 3 4 5 6 a; do echo "#include \"$n.h\""; done; echo 'int f;'; } >b.c
        kept: $CC -c a.c
        kept: $CC -c b.c
        printf 'int x; // b\n' >a.h
        hit: $CC -c a.c
        miss: $CC -c b.c
    "##
    and_very_many_blanks r##"
        printf 'int x; // a\n' >a.h; printf '#include "a.h"\nint f;\n' >a.c
        kept: $CC -c a.c
        printf 'int x; %200s\n' ' ' >a.h
        kept: $CC -c a.c
        printf 'int x; %50s\n' ' ' >a.h
        hit: $CC -c a.c
        { echo 'int x;'; yes '//' | head -n 300; } >a.h
        kept: $CC -c a.c
        { echo 'int x;'; yes '' | head -n 400000; } >a.h
        any: $CC -c a.c
        { echo 'int x;'; yes '' | head -n 400001; } >a.h
        any: $CC -c a.c
        printf 'int x;\n' >a.h
        hit: $CC -c a.c
    "##
}
