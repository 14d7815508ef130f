//! Texts that are the same but for comments, and such as are not.

use super::{NameParts, Outline, Vocabulary};

fn digest(text: &str) -> Option<zccache_core::Digest> {
    Outline::of(text.as_bytes()).map(|outline| outline.without(&[]))
}

#[test]
fn comments_at_the_ends_of_lines_are_cut() {
    let alike = [
        ("int x; // a\n", "int x;\n"),
        ("int x; /* a */ // b\n", "int x;\n"),
        ("/* a\n b */\nint x;\n", "// a\n // b\nint x;\n"),
        ("/* a\n\n\tb\n */ // c\nint x;\n", "//\n \n\t//\n /* a */\nint x;\n"),
        ("int x; /* a\n b */ // c\nint y;\n", "int x;\n //\nint y;\n"),
        ("int x;\n// a\n", "int x;\n\n\n"),
        ("char c = '\"'; // a\n", "char c = '\"'; // b\n"),
        ("char c[] = \"'\"; // a\n", "char c[] = \"'\"; // b\n"),
        ("char c[] = \"\\\"\"; // a\n", "char c[] = \"\\\"\"; // b\n"),
        ("int c = L'a' + u8'b'; // a\n", "int c = L'a' + u8'b'; // b\n"),
        ("#define A \\\n 1\n// a\n", "#define A \\\n 1\n// b\n"),
        ("#endif // a\n", "#endif\n"),
        ("#include <a/b> /* c */ // d\n", "#include <a/b>\n"),
        ("#if A /* a\n b */\n", "#if A // c\n\n"),
        ("# include \"a/b\" /* a */\n", "# include \"a/b\" // c\n"),
        ("# define A 1 // a\n", "# define A 1 /* b */\n"),
        ("#error don't\n// a\n", "#error don't\n// b\n"),
        ("#include <a//b>\n// a\n", "#include <a//b>\n// b\n"),
        ("int x = 1'000;\n// a\n", "int x = 1'000;\n// b\n"),
        ("// a\n/* \u{e9} */ int x;\n", "// b\n/* \u{e9} */ int x;\n"),
        ("/* a \\b c */\nint x;\n", "/* a */\nint x;\n"),
    ];
    for (one, other) in alike {
        assert!(digest(one).is_some(), "{one:?}");
        assert_eq!(digest(one), digest(other), "{one:?} {other:?}");
    }
}

#[test]
fn all_else_counts() {
    let unlike = [
        ("int x;\n", "int  x;\n"),
        ("int x; /* a */ int y;\n", "int x; /* b */ int y;\n"),
        ("int x; // a\n", "int x;"),
        ("int x; // a", "int x; // b"),
        ("// a\nint x;\n", "int x;\n"),
        ("// a\nint x;\n", "\nint x;\n"),
        ("// a\nint x;\n", " // a\nint x;\n"),
        ("/* a\n b */\nint x;\n", "/* a\n  b */\nint x;\n"),
        ("int x; /* a\n b */\nint y;\n", "int x;\n\nint y;\n"),
        ("/* a\n*/\nint x;\n", "/* a */\nint x;\n"),
        ("int x; // fall through\n", "int x;\n"),
        ("# include \"a/b\" /* a\n b */\n", "# include \"a/b\" // c\n // d\n"),
        ("int x;\n\u{c}// a\nint y;\n", "int x;\n\u{c}\nint y;\n"),
        ("int x;\n // a\u{c}\nint y;\n", "int x;\n // b\nint y;\n"),
        ("int x; // FALLTHRU\n", "int x; // Fallthru\n"),
        ("int x; /* a /* b */\n", "int x;\n"),
        ("int x; // \u{e9}\n", "int x;\n"),
        ("char c[] = \"// a\";\n", "char c[] = \"// b\";\n"),
        ("char c[] = \"\\\"// a\";\n", "char c[] = \"\\\"// b\";\n"),
        ("int x = 1'0; char c[] = \"// a'\";\n", "int x = 1'0; char c[] = \"// b'\";\n"),
        ("#include <a//b>\n", "#include <a//c>\n"),
        ("#include \"a\\\" // \" b\n", "#include \"a\\\" // \" c\n"),
        ("#include <a/b> x // c\n", "#include <a/b> x // d\n"),
        ("import <a//b>;\n", "import <a//c>;\n"),
        ("#if HI(<a//b>)\n#endif\n", "#if HI(<a//c>)\n#endif\n"),
        ("/* */ %:elif <a//b>\n", "/* */ %:elif <a//c>\n"),
        ("f(1e+L'0' // ' a\n)\n", "f(1e+L'0' // ' b\n)\n"),
        ("f(1$'0' // ' a\n)\n", "f(1$'0' // ' b\n)\n"),
        ("#include <a/*b>*/\n", "#include <a/*c>*/\n"),
        ("#if A(\"\\\") // a\n", "#if A(\"\\\") // b\n"),
        ("#if A /*\n*/ && B(<a//b>)\n", "#if A /*\n*/ && B(<a//c>)\n"),
        ("#define A \\\n 1 // a\n", "#define A \\\n 1 // b\n"),
        ("// a \\\nint x;\n", "// b \\\nint x;\n"),
        ("\\/**/\nint x;\n", "\\\nint x;\n"),
        ("#error don't // a\n", "#error don't // b\n"),
        ("int x; \u{c}\n", "int x;\n"),
        ("\u{c}#if A(<a//b>)\n", "\u{c}#if A(<a//c>)\n"),
        ("x\u{e9} // a\n", "x\u{e9} // b\n"),
    ];
    for (one, other) in unlike {
        assert!(digest(one).is_some(), "{one:?}");
        assert_ne!(digest(one), digest(other), "{one:?} {other:?}");
    }
}

#[test]
fn in_doubt_there_is_no_outline() {
    let unclear = [
        "char c[] = R\"(// a)\";\n",
        "// a ??/\nint x;\n",
        "int x; // a\r\n",
        "int x; /* a\n",
        "/* a *\\\n/ int x;\n",
        "#define A /\\\n* a\n",
        "#define A R\\\n\"(// a)\"\n",
        "#include A(<a/*b>)\n",
        "#if A(<a/*b>)\n",
        "import /*\n*/ <a//b>;\n",
        "#include <a/b> <c /* d>\n",
        "int x ??' 'a'; // b\n",
        "#error don't /* a\n",
        "int x <# y; // a\n",
        "A<B<\n>>>> c;\n",
        "/*\n<<<<\n*/\n",
        ">>>> a\n",
        "#pragma mark - /* a\nint x; //x*/\n",
        "int x; // \x1b$B\n",
    ];
    for text in unclear {
        assert_eq!(digest(text), None, "{text:?}");
    }
    assert_eq!(Outline::of(&vec![b' '; super::LONGEST + 1]), None);
}

#[test]
fn empty_lines_at_the_end_are_counted_apart() {
    let count = |text: &str| Outline::of(text.as_bytes()).map(|outline| outline.empty_lines);
    assert_eq!(count("int x;\n"), Some(1));
    assert_eq!(count("int x;\n// a\n/* b\n c */\n"), Some(4));
    assert_eq!(count("// a\n"), Some(1));
}

#[test]
fn long_lines_and_long_ends_count() {
    let line = |blanks: usize| format!("int x;{}\n", " ".repeat(blanks));
    assert_eq!(digest(&line(100)), digest(&line(0)));
    assert_ne!(digest(&line(200)), digest(&line(0)));
    assert_ne!(digest(&format!("{:76} // a\n", "int x;")), digest(&line(0)));
    assert_eq!(digest(&format!("int x;{}", "\n".repeat(64))), digest(&line(0)));
    assert_eq!(digest(&format!("int x;{}", "\n".repeat(66))), None);
}

#[test]
fn comments_behind_a_line_that_takes_many_numbers_count() {
    let text = |behind: &str, later: &str| {
        digest(&format!("int {};\nint a; {behind}\nint b; {later}\n", "x".repeat(600))).unwrap()
    };
    assert_ne!(text("// a", ""), text("// b", ""));
    assert_ne!(text("", ""), text("// b", ""));
    assert_eq!(text("// a", "// a"), text("// a", "// b"));
    let as_long = "y".repeat(90);
    assert_ne!(text(&format!("// {as_long}"), "// a"), text(&format!("// {as_long}"), "// b"));
}

#[test]
fn what_has_files_read_as_they_are_is_told() {
    let regard = |text: &str| Outline::of(text.as_bytes()).map(|it| it.regard).unwrap();
    assert_eq!(regard("// asm, as #embed does\nint x;\n"), super::Regard::default());
    for text in ["__asm__(\"nop\");\n", "J(as, m)(\"nop\");\n", "J(a, sm)(\"nop\");\n"] {
        assert!(regard(text).is_for_assemblers(), "{text}");
    }
    assert!((regard("#define J(x, y) x ## y\n") | regard("J(a, J(s, m))\n")).is_for_assemblers());
    assert!(!regard("#define J(x, y) x ## y\n").is_for_assemblers());
    for text in ["#embed <a>\n", "# embed <a>\n", "#em\\\nbed <a>\n", "%:embed <a>\n"] {
        assert!(regard(text).is_for_all(), "{text}");
    }
    for text in ["#pragma GCC diagnostic warning \"-Wa\" \"b\"\n", "#define D diagnostic\n"] {
        assert!(regard(text).is_for_all(), "{text}");
    }
    assert!(!regard("#pragma GCC diagnostic push\n").is_for_all());
    for text in ["A(.incbin n)\n", "\"\\t.incl\\\nude a\"\n"] {
        assert!(regard(text).of_the_system().is_for_assemblers(), "{text}");
    }
    assert!(!regard("__asm__(\"nop\");\n").of_the_system().is_for_assemblers());
}

#[test]
fn plain_definitions_are_told_from_others() {
    let plain = [
        "#define MY_LEVEL 1",
        "  #  define\tMY_LEVEL",
        "#define VERSION \"1.2 (a//b)\" // c",
        "#define MY_LEVEL (1 << 0x3f) /* c */",
        "#define M_2 -1.5e3f, \"a\" \"b\"",
    ];
    let others = [
        "#define MY_LEVEL a",
        "#define MY_LEVEL(a)",
        "#define MY_LEVEL+1",
        "#define LEVEL 1",
        "#define _MY_LEVEL 1",
        "#define SYCL_LANGUAGE_VERSION 1",
        "#define UNICODE 1",
        "#define MY_LEVEL$ 1",
        "#define My_LEVEL 1",
        "#define MY_LEVEL \"a\"b",
        "#define MY_LEVEL \"a",
        "#define MY_LEVEL \"a\\n\"",
        "#define MY_LEVEL \"a??!\"",
        "#define MY_LEVEL 1 ## 2",
        "#define MY_LEVEL 'a'",
        "#define MY_LEVEL 1\"a\"",
        "#define MY_LEVEL 1 /* \u{e9} */",
        "#define MY_LEVEL \\\n1",
        "%:define MY_LEVEL 1",
        "/* \u{e9} */ #define MY_LEVEL 1",
        "#undef MY_LEVEL",
        "#define",
    ];
    let count = |line: &str| {
        let outline = Outline::of(format!("{line}\n").as_bytes()).unwrap();
        outline.definitions.len()
    };
    plain.iter().for_each(|line| assert_eq!(count(line), 1, "{line:?}"));
    others.iter().for_each(|line| assert_eq!(count(line), 0, "{line:?}"));
}

#[test]
fn what_nobody_mentions_may_stand_for_anything() {
    let outline = |value: u8| {
        Outline::of(format!("#define MY_A {value}\n#define MY_B 1\n").as_bytes()).unwrap()
    };
    assert_ne!(outline(1).without(&[]), outline(2).without(&[]));
    assert_ne!(outline(1).without(&[1]), outline(2).without(&[1]));
    assert_eq!(outline(1).without(&[0]), outline(2).without(&[0]));
    let renamed = Outline::of(b"#define MY_C 1\n#define MY_B 1\n").unwrap();
    assert_ne!(outline(1).without(&[0]), renamed.without(&[0]));
    let empty = Outline::of(b"#define MY_A\n#define MY_B 1\n").unwrap();
    assert_ne!(outline(1).without(&[0]), empty.without(&[0]));
    let elsewhere = Outline::of(b"#define MY_A 1\n\n#define MY_B 1\n").unwrap();
    assert_ne!(outline(1).without(&[0]), elsewhere.without(&[0]));
}

#[test]
fn a_name_is_mentioned_whole_or_in_pieces() {
    let is_idle = |name: &str, text: &str| {
        let mut vocabulary = Vocabulary::default();
        vocabulary.mention(&NameParts::of(text.as_bytes()));
        vocabulary.define(name.as_bytes());
        vocabulary.is_idle(name.as_bytes())
    };
    for text in ["", "MY_LEVELS NOT_MY_LEVEL my_level xu00a7MY_LEVEL", "a\\\n b", "MY_ LEV", "a\\b"]
    {
        assert!(is_idle("MY_LEVEL", text), "{text:?}");
    }
    let mentions = [
        "\u{feff}MY_LEVEL",
        "\u{a7}MY_LEVEL",
        "$MY_LEVEL",
        "\\u00a7MY_LEVEL",
        "\\U000000d7MY_LEVEL",
        "M Y LEVEL",
        "x=MY_LEVEL;",
        "MY_ LEVEL",
        "MY_L E V EL",
        "\"MY_LEVEL\"",
        "a\\ \nb",
        "a\\\n\\\nb",
        "a??/b",
    ];
    for text in mentions {
        assert!(!is_idle("MY_LEVEL", text), "{text:?}");
    }
    assert!(!is_idle("MY_LEVEL_12", "MY_LEVEL_"));
    assert!(!is_idle("MY_LEVEL_12UL", "MY_LEVEL_"));
    assert!(!is_idle("MY_MIPS_ISA_MIPS64", "MY"));
    let many: String = (0..20_000).map(|n| format!("A{n} ")).collect();
    assert_eq!(NameParts::of(many.as_bytes()), NameParts::Any);
    let mut twice = Vocabulary::default();
    [b"MY_LEVEL"; 2].iter().for_each(|name| twice.define(*name));
    assert!(!twice.is_idle(b"MY_LEVEL"));
}
