//! Texts of which only comments differ are the same to the preprocessors of gcc and clang,
//! which have nothing to say of the difference either: tried with texts put together by
//! chance from what is hard to take apart.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output};

use fastrand::Rng;
use zccache_compiler::comments::{NameParts, Outline, Vocabulary};

/// How many texts are put together.
const TEXTS: usize = 2500;

/// How many changes of each are tried, most of which are more than a comment's.
const CHANGES: usize = 40;

const PIECES: &[&str] = &[
    "/*",
    "*/",
    "//",
    "/**/",
    "/* c */",
    "// c",
    "/*\nc */",
    "*\\\n/",
    "/\\\n*",
    "/\\\n/",
    "/",
    "*",
    "\"",
    "'",
    "'\"'",
    "\"'\"",
    "'\\''",
    "\"\\\"\"",
    "L'x'",
    "u8'a'",
    "1'000",
    "0x1'f",
    "1e+'0'",
    "1e+L'0' ",
    "0x1p-u8'0'",
    "1$'0'",
    ".5'1'",
    "don't",
    "R\"(",
    ")\"",
    "R\\\n\"(",
    "\\",
    "\\\n",
    "\\ \n",
    "??/",
    "??/\n",
    "\n",
    "\n",
    "\n",
    "\r\n",
    "\u{c}",
    "\t",
    " ",
    " ",
    "#include <a//b.h>",
    "#include <a/*b.h>",
    "#include \"x.h\"",
    "#include \"a\\\" ",
    "%:include <a//c.h>",
    "#\\\ninclude <a//c.h>",
    "# /* */ include <a//b.h>",
    "__has_include(<a//b.h>)",
    "#if __has_include(<a//c.h>)\n",
    "#if 0\n",
    "#endif\n",
    "#define A ",
    "#define ABC_D 1\n",
    "#define ABC_E \"x\"\n",
    "#define AB_C ",
    "#define AB_C 2\n",
    "AB_C\n",
    "AB\\\n_C\n",
    "#define J(x, y) x ## y\n",
    "J(AB, _C)\n",
    "J(ABC, _D)\n",
    "#if AB_C\n",
    "#undef ABC_D\n",
    "1",
    "\"y\"",
    "(2 + 3)",
    "#define S(z) #z\n",
    "#pragma z ",
    "#pragma mark ",
    "#define HI __has_include\n",
    "#if HI(<a//c.h>)\n",
    "_Pragma(\"z\")",
    "S(",
    ")",
    "<",
    ">",
    "A",
    "x",
    "int i;",
    "+",
    "fall through",
    "\u{e9}",
];

/// A text put together from pieces.
fn text(rng: &mut Rng) -> String {
    let mut text: String =
        (0..rng.usize(3..14)).map(|_| PIECES[rng.usize(..PIECES.len())]).collect();
    if rng.u8(..4) > 0 {
        text.push('\n');
    }
    text
}

/// The text with something put in, taken out or replaced.
fn changed(text: &str, rng: &mut Rng) -> String {
    let boundary = |at: usize| (at..=text.len()).find(|&at| text.is_char_boundary(at)).unwrap();
    let start = boundary(rng.usize(..=text.len()));
    let end = boundary((start + rng.usize(..5)).min(text.len()));
    let new = match rng.u8(..3) {
        0 => "",
        1 => ["b", "q", " ", "7"][rng.usize(..4)],
        _ => PIECES[rng.usize(..PIECES.len())],
    };
    format!("{}{new}{}", &text[..start], &text[end..])
}

/// What a preprocessor makes of a header with this text, and says of it.
fn preprocessed(command: &[&str], directory: &Path, text: &str) -> Output {
    std::fs::write(directory.join("t.h"), text).unwrap();
    let mut output = Command::new(command[0])
        .args(&command[1..])
        .args(["-E", "-I.", "-Wall", "-Wextra", "-Wpedantic", "m.c"])
        .current_dir(directory)
        .output()
        .unwrap();
    // Blanks at the ends of lines are left of comments.
    let lines = output.stdout.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii_end);
    output.stdout = lines.collect::<Vec<_>>().join(&b'\n');
    output
}

fn is_there(compiler: &str) -> bool {
    let there = Command::new(compiler).arg("--version").output().is_ok();
    if !there {
        writeln!(std::io::stderr(), "SKIP: outlines with {compiler}, which is not there").ok();
    }
    there
}

#[test]
fn equal_outlines_are_equal_to_preprocessors() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    std::fs::create_dir(root.join("a")).unwrap();
    for name in ["a/b.h", "a/c.h", "x.h"] {
        std::fs::write(root.join(name), format!("int in_{};\n", name.len())).unwrap();
    }
    std::fs::write(root.join("m.c"), MAIN).unwrap();
    let commands: [&[&str]; 4] = [
        &["gcc", "-xc", "-std=gnu17"],
        &["gcc", "-xc++", "-std=c++20"],
        &["clang", "-xc", "-std=c99"],
        &["clang", "-xc++", "-std=c++20"],
    ];
    let commands: Vec<_> = commands.into_iter().filter(|it| is_there(it[0])).collect();
    let mut rng = Rng::with_seed(6);
    let (mut compared, mut with_idle) = (0, 0);
    for _ in 0..TEXTS {
        let text = text(&mut rng);
        let Some(outline) = Outline::of(text.as_bytes()) else { continue };
        let idle = idle(&outline);
        let is_alike = |other: &String| {
            let outlines = (&outline, Outline::of(other.as_bytes()));
            *other != text && matches!(outlines, (one, Some(other)) if is_same(one, &other, &idle))
        };
        let mut others = (0..CHANGES).map(|_| changed(&text, &mut rng));
        let Some(other) = others.find(is_alike) else { continue };
        for command in &commands {
            let before = preprocessed(command, root, &text);
            // What has messages is compared as it is.
            if before.status.success() && before.stderr.is_empty() {
                let after = preprocessed(command, root, &other);
                assert_eq!(before, after, "{command:?}: {text:?} and {other:?}");
                compared += 1;
                with_idle += usize::from(!idle.is_empty());
            }
        }
    }
    let are_enough = compared > 100 && with_idle > 25;
    assert!(commands.is_empty() || are_enough, "only {compared} ({with_idle}) pairs were compared");
}

/// What includes the texts.
const MAIN: &str = "#include \"t.h\"\nint after = __LINE__; S(a b)\n";

/// Which definitions of a text do not matter.
fn idle(outline: &Outline) -> Vec<u32> {
    let mut vocabulary = Vocabulary::default();
    vocabulary.mention(&outline.words);
    vocabulary.mention(&NameParts::of(MAIN.as_bytes()));
    outline.definitions.iter().for_each(|it| vocabulary.define(&it.name));
    let numbered = (0..).zip(&*outline.definitions);
    numbered.filter(|(_, it)| vocabulary.is_idle(&it.name)).map(|(number, _)| number).collect()
}

fn is_same(one: &Outline, other: &Outline, idle: &[u32]) -> bool {
    one.without(idle) == other.without(idle) && one.empty_lines == other.empty_lines
}

const MARGINS: [&str; 5] = ["", "  ", "    ", "      ", "\t"];

const COMMENTS: [&str; 8] = [
    "",
    "// a",
    "/* b */",
    "/* c */ // d",
    "/* e\n f */",
    "/* g\n      h */",
    "/*\n\n*/",
    "\t// i",
];

/// A function in which what stands below an `if`, a `while` or a `for` may be misleading. A
/// piece is a margin, a statement if there is one, and a comment.
fn statements(rng: &mut Rng) -> Vec<[&'static str; 3]> {
    let guards = ["if (i)", "while (i--)", "for (; i; i--)", "if (i) {} else"];
    let bodies = ["g(1);", "{ g(1); }", "M", ";"];
    let nexts = ["g(2);", "M", "if (i) g(3);", "/* j\n k */g(4);"];
    let body_margin = MARGINS[rng.usize(..MARGINS.len())];
    let mut pieces = Vec::new();
    for (statements, is_next) in [(guards, false), (bodies, true), (nexts, true)] {
        for statement in ["", statements[rng.usize(..4)]] {
            let is_below = is_next && !statement.is_empty();
            let margin = if is_below { body_margin } else { MARGINS[rng.usize(..MARGINS.len())] };
            pieces.push([margin, statement, COMMENTS[rng.usize(..COMMENTS.len())]]);
        }
    }
    pieces
}

fn function(pieces: &[[&str; 3]]) -> String {
    let lines: Vec<String> = pieces.iter().map(|piece| piece.concat()).collect();
    let lines = lines.join("\n");
    format!("int g(int);\n#define M if (i) g(5);\nint f(int i) {{\n{lines}\nreturn i; }}\n")
}

#[test]
fn equal_outlines_are_equally_misleading() {
    if !is_there("gcc") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let warnings = |text: &str| {
        std::fs::write(directory.path().join("a.c"), text).unwrap();
        let mut gcc = Command::new("gcc");
        gcc.args(["-Wall", "-fsyntax-only", "a.c"]).current_dir(directory.path());
        gcc.output().unwrap().stderr
    };
    let mut rng = Rng::with_seed(7);
    let mut compared = 0;
    for _ in 0..TEXTS {
        let mut pieces = statements(&mut rng);
        let text = function(&pieces);
        let at = rng.usize(..pieces.len());
        pieces[at][2] = COMMENTS[rng.usize(..COMMENTS.len())];
        let other = function(&pieces);
        if text != other && Outline::of(text.as_bytes()) == Outline::of(other.as_bytes()) {
            let are_silent = [&text, &other].map(|text| warnings(text).is_empty());
            assert_eq!(are_silent[0], are_silent[1], "{text:?} and {other:?}");
            compared += 1;
        }
    }
    assert!(compared > 100, "only {compared} pairs were compared");
}
