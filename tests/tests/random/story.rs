//! A random scenario, as `zccache_tests::scenario` plays it.

use std::fmt::Write as _;

use zccache_tests::dice::Dice;

const DIRECTORIES: &[&str] = &["src", "one", "two", "three"];
const HEADERS: &[&str] = &["a.h", "b.h", "c.h", "sub/a.h"];
const OUTPUTS: &[&str] = &["a.o", "out/a.o", "out/x.o"];

/// Begins with a small project, then edits it and compiles, some twenty times.
pub(super) fn tell(dice: &mut Dice) -> String {
    let mut story = String::from("mkdir -p src/sub one/sub two/sub three/sub out\n");
    for source in ["src/a.c", "src/b.c"] {
        story += &source_file(dice, source);
    }
    for _ in 0..5 {
        story += &write_header(dice);
    }
    story += "printf one >blob; printf -- '-DR=1\\n' >flags\n";
    let commands: Vec<String> = (0..3).map(|_| command_line(dice)).collect();
    for _ in 0..20 {
        for _ in 0..=dice.below(2) {
            let edit = edit(dice);
            writeln!(story, "{{ {}; }} 2>/dev/null || true", edit.trim()).expect("memory");
        }
        let line = if dice.once_in(6) { command_line(dice) } else { one(dice, &commands) };
        writeln!(story, "any: {line}").expect("memory");
    }
    story
}

fn one(dice: &mut Dice, commands: &[String]) -> String {
    commands[dice.below(commands.len())].clone()
}

fn path(dice: &mut Dice) -> String {
    format!("{}/{}", dice.one_of(DIRECTORIES), dice.one_of(HEADERS))
}

/// A `printf` that writes the lines to a file.
fn write_lines(lines: &[&str], to: &str) -> String {
    let text = lines.join("\\n").replace('%', "%%");
    format!("printf '{text}\\n' >{to}\n")
}

fn source_file(dice: &mut Dice, path: &str) -> String {
    let include = dice.one_of(&[
        "#include \"a.h\"",
        "#include <a.h>",
        "#include \"sub/a.h\"",
        "#include <b.h>",
        "#if __has_include(<c.h>)\\n#include <c.h>\\n#endif",
        "#if __has_include(\"sub/a.h\")\\nint has;\\n#endif",
    ]);
    let more =
        dice.one_of(&["", "", "#include <c.h>", "#include \"b.h\"", "#include \"../one/a.h\""]);
    let body = dice.one_of(&[
        "int f(void) { return A; }",
        "int f(void) { int unused; return A; }",
        "const char *f = __FILE__; int g = A;",
        "__asm__(\".data\\\\n.incbin \\\\\"blob\\\\\"\\\\n.text\");\\nint f = A;",
        "int f = __LINE__ + A, g = __COUNTER__;",
    ]);
    let lines = [
        include,
        more,
        "#ifndef A\\n#define A 0\\n#endif",
        "#ifndef R\\n#define R 0\\n#endif",
        "int r = R;",
        body,
    ];
    write_lines(&lines, path)
}

fn write_header(dice: &mut Dice) -> String {
    let path = path(dice);
    header_text(dice, &path)
}

fn header_text(dice: &mut Dice, path: &str) -> String {
    let once = dice.one_of(&["", "", "#pragma once"]);
    let define = dice.one_of(&[
        "#undef A\\n#define A 1",
        "#undef A\\n#define A 2",
        "#undef A\\n#define A 3",
        "extern int declared;",
        "#define B",
    ]);
    let include = dice.one_of(&[
        "",
        "",
        "",
        "#ifndef B\\n#define B\\n#include \"b.h\"\\n#endif",
        "#ifndef C\\n#define C\\n#include <c.h>\\n#endif",
        "#if __has_include_next(<a.h>) && !defined D\\n#define D\\n#include_next <a.h>\\n#endif",
        "#if __has_include(\"sub/a.h\") && !defined E\\n#define E\\n#include \"sub/a.h\"\\n#endif",
    ]);
    write_lines(&[once, define, include], path)
}

/// One change of the project, for the shell; it may fail.
fn edit(dice: &mut Dice) -> String {
    let (p, q) = (path(dice), path(dice));
    let (d, e) = (dice.one_of(DIRECTORIES), dice.one_of(DIRECTORIES));
    let output = dice.one_of(OUTPUTS);
    match dice.below(30) {
        0..=5 => header_text(dice, &p),
        6 => format!(
            "touch -r {p} t; {} touch -r t {p}; rm t",
            header_text(dice, &p).replace('\n', ";")
        ),
        7 => format!("touch {p}"),
        8 => format!("touch -d 2020-01-01 {p} {q}"),
        9 => format!("mv -T {p} {q}"),
        10 => format!("cp -p {p} {q}"),
        11 => format!("ln -f {p} {q}"),
        12 => format!("ln -sfn ../{p} {}/{}", d, dice.one_of(&["a.h", "b.h", "c.h"])),
        13 | 14 => format!("rm -f {p}"),
        15 => format!("mv {d} t && mv {e} {d} && mv t {e}"),
        16 => format!("mv {d} t && cp -a t {d} && rm -r t"),
        17 => format!("mv {d} away"),
        18 => format!("test -e {d} || mv away {d}"),
        19 => format!("mv {d} real-{d} && ln -s real-{d} {d}"),
        20 => format!("test -L {d} && rm {d} && mv real-{d} {d}"),
        21 => format!("rm -f {p}; mkdir {p}"),
        22 => format!("rmdir {p}"),
        23 => format!("printf {} >blob", dice.one_of(&["one", "two"])),
        24 => format!("printf -- '-DR={}\\n' >flags", dice.one_of(&["1", "2"])),
        25 => source_file(dice, dice_source(d)),
        26 => format!("rm -f {output}"),
        27 => format!(
            "{} {output}",
            dice.one_of(&["chmod 600", "strip -g", "touch", "truncate -s 0", "ln -f a.o"])
        ),
        28 => format!("rm -rf out; mkdir out; rm -f {output}"),
        _ => format!("rm -f {output}; ln -s elsewhere {output}"),
    }
}

fn dice_source(directory: &str) -> &'static str {
    if directory == "src" { "src/a.c" } else { "src/b.c" }
}

fn command_line(dice: &mut Dice) -> String {
    let mut words = vec![
        dice.one_of(&[
            "",
            "",
            "",
            "CPATH=three",
            "CPATH=two",
            "LC_ALL=C.UTF-8",
            "C_INCLUDE_PATH=three:one",
        ]),
        dice.one_of(&["$CC", "$CC", "$CC", "$CXX"]),
    ];
    words.push(dice.one_of(&[
        "-Ione -Itwo",
        "-Itwo -Ione",
        "-Ione -isystem two",
        "-iquote one -Itwo",
        "-Ione/. -I$PWD/two",
        "-Ithree/../one -Itwo",
        "-Ione -Imissing -Ithree",
    ]));
    for options in [
        &["", "", "-O2", "-O1"][..],
        &["", "", "-g", "-g -gsplit-dwarf", "-g3"],
        &["", "-MD", "-MMD -MP", "-MD -MF x.d", "-MMD -MT t"],
        &["", "", "-Wall", "-Wall -Wextra"],
        &["", "", "", "-include a.h", "-imacros one/a.h", "-DA=7"],
        &["", "", "@flags"],
        &["", "", "", "-fstack-usage", "-save-temps=obj"],
    ] {
        words.push(dice.one_of(options));
    }
    let source = dice.one_of(&["src/a.c", "src/a.c", "src/b.c", "./src/a.c", "$PWD/src/a.c"]);
    words.push(dice.one_of(&["-c", "-c", "-c", "-S"]));
    words.push(source);
    let output = format!("-o {}", dice.one_of(OUTPUTS));
    words.push(&output);
    words.retain(|word| !word.is_empty());
    words.join(" ")
}
