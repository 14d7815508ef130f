//! Texts that are the same but for comments, and such as are not.

use super::Outline;

fn digest(text: &str) -> Option<zccache_core::Digest> {
    Outline::of(text.as_bytes()).map(|outline| outline.digest)
}

#[test]
fn comments_at_the_ends_of_lines_are_cut() {
    let alike = [
        ("int x; // a\n", "int x;\n"),
        ("int x; /* a */ // b\n", "int x;\n"),
        ("/* a\n b */\nint x;\n", "// a\n\nint x;\n"),
        ("int x; /* a\n b */ // c\nint y;\n", "int x;\n\nint y;\n"),
        ("int x;\n// a\n", "int x;\n\n\n"),
        ("char c = '\"'; // a\n", "char c = '\"'; // b\n"),
        ("char c[] = \"'\"; // a\n", "char c[] = \"'\"; // b\n"),
        ("char c[] = \"\\\"\"; // a\n", "char c[] = \"\\\"\"; // b\n"),
        ("int c = L'a' + u8'b'; // a\n", "int c = L'a' + u8'b'; // b\n"),
        ("#define A \\\n 1\n// a\n", "#define A \\\n 1\n// b\n"),
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
        ("/* a\n*/\nint x;\n", "/* a */\nint x;\n"),
        ("int x; // fall through\n", "int x;\n"),
        ("int x; // FALLTHRU\n", "int x; // Fallthru\n"),
        ("int x; /* a /* b */\n", "int x;\n"),
        ("int x; // \u{e9}\n", "int x;\n"),
        ("char c[] = \"// a\";\n", "char c[] = \"// b\";\n"),
        ("char c[] = \"\\\"// a\";\n", "char c[] = \"\\\"// b\";\n"),
        ("int x = 1'0; char c[] = \"// a'\";\n", "int x = 1'0; char c[] = \"// b'\";\n"),
        ("#include <a//b>\n", "#include <a//c>\n"),
        ("#include <a/*b>*/\n", "#include <a/*c>*/\n"),
        ("#define A \\\n 1 // a\n", "#define A \\\n 1 // b\n"),
        ("// a \\\nint x;\n", "// b \\\nint x;\n"),
        ("\\/**/\nint x;\n", "\\\nint x;\n"),
        ("#error don't // a\n", "#error don't // b\n"),
        ("int x; \u{c}\n", "int x;\n"),
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
        "#include <a/*b>\n",
        "#error don't /* a\n",
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
fn what_has_files_read_as_they_are_is_told() {
    let regard = |text: &str| Outline::of(text.as_bytes()).map(|it| it.regard).unwrap();
    assert_eq!(regard("// asm, as #embed does\nint x;\n"), super::Regard::default());
    for text in ["__asm__(\"nop\");\n", "J(as, m)(\"nop\");\n", "J(a, sm)(\"nop\");\n"] {
        assert!(regard(text).by_assembler, "{text}");
    }
    for text in ["#embed <a>\n", "# embed <a>\n", "#em\\\nbed <a>\n", "%:embed <a>\n"] {
        assert!(regard(text).always, "{text}");
    }
    assert!(regard("_Pragma(\"GCC diagnostic warning \\\"-Wdocumentation\\\"\")\n").always);
}
