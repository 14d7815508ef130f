//! Inputs that change, appear and disappear, by every way but the command line.

use std::fs::{self, File, FileTimes};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, SystemTime};

use zccache_tests::{Compiler, Outcome, Place, Tree, Trial, trial};

use crate::trials;

const COMPILE: &str = "$CC -MD -Ifirst -Isecond -c src/a.c -o a.o";

fn sources(trial: &Trial) {
    trial.file("src/a.c", "#include \"a.h\"\nint f(void) { return A; }\n");
    trial.file("second/a.h", "#define A 1\n");
    trial.edit(|root| fs::create_dir(root.join("first")).expect("a directory"));
}

fn there_and_back_is_a_hit(trial: &Trial) {
    sources(trial);
    trial.run_line(COMPILE).kept();
    trial.file("second/a.h", "#define A 2\n");
    trial.run_line(COMPILE).kept();
    trial.file("second/a.h", "#define A 1\n");
    trial.run_line(COMPILE).hit();
    trial.file("second/a.h", "#define A 2\n");
    trial.run_line(COMPILE).hit();
    trial.file("src/a.c", "#include \"a.h\"\nint f(void) { return A + 1; }\n");
    trial.run_line(COMPILE).kept();
}

fn a_header_appears_earlier_in_the_path(trial: &Trial) {
    sources(trial);
    trial.run_line(COMPILE).kept();
    trial.file("first/a.h", "#define A 10\n");
    trial.run_line(COMPILE).kept();
    trial.file("src/a.h", "#define A 11\n");
    trial.run_line(COMPILE).kept();
    trial.remove("src/a.h");
    trial.run_line(COMPILE).hit();
    trial.edit(|root| fs::remove_dir_all(root.join("first")).expect("it can be removed"));
    trial.run_line(COMPILE).not_bypassed();
}

fn a_whole_directory_appears_earlier_in_the_path(trial: &Trial) {
    sources(trial);
    trial.edit(|root| fs::remove_dir(root.join("first")).expect("it is empty"));
    trial.run_line(COMPILE).kept();
    trial.file("elsewhere/a.h", "#define A 12\n");
    trial.edit(|root| {
        fs::rename(root.join("elsewhere"), root.join("first")).expect("a rename");
    });
    trial.run_line(COMPILE).kept();
}

fn the_next_header_and_whether_there_is_one(trial: &Trial) {
    sources(trial);
    trial.file("first/a.h", "#include_next <a.h>\n#define B A\n");
    trial.file(
        "src/a.c",
        "#include <a.h>\n#if __has_include(<maybe.h>)\nint f = B;\n#else\nint g = B;\n#endif\n",
    );
    trial.run_line(COMPILE).kept();
    trial.file("second/maybe.h", "");
    trial.run_line(COMPILE).kept();
    trial.remove("second/maybe.h");
    trial.run_line(COMPILE).hit();
    trial.file("second/a.h", "#define A 6\n");
    trial.run_line(COMPILE).kept();
}

/// Sets the modification time that a file had before `change`.
fn keeping_the_time(path: &Path, change: impl FnOnce()) {
    let before = path.metadata().expect("it is there").modified().expect("it has a time");
    change();
    set_time(path, before);
}

fn set_time(path: &Path, time: SystemTime) {
    let file = File::options().write(true).open(path).expect("it is there");
    file.set_times(FileTimes::new().set_modified(time)).expect("a time can be set");
}

fn same_size_and_time_but_other_content(trial: &Trial) {
    sources(trial);
    trial.run_line(COMPILE).kept();
    trial.edit(|root| {
        let header = root.join("second/a.h");
        keeping_the_time(&header, || fs::write(&header, "#define A 3\n").expect("a file"));
    });
    trial.run_line(COMPILE).kept();
    trial.edit(|root| {
        let (header, new) = (root.join("second/a.h"), root.join("second/new"));
        keeping_the_time(&header, || {
            fs::write(&new, "#define A 4\n").expect("a file");
            fs::rename(&new, &header).expect("a rename");
        });
    });
    trial.run_line(COMPILE).kept();
}

fn an_older_file_takes_the_place_of_a_header(trial: &Trial) {
    sources(trial);
    trial.run_line(COMPILE).kept();
    trial.edit(|root| {
        let old = root.join("old.h");
        fs::write(&old, "#define A 5\n").expect("a file");
        set_time(&old, SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000));
        fs::rename(&old, root.join("second/a.h")).expect("a rename");
    });
    trial.run_line(COMPILE).kept();
}

fn touching_is_no_change(trial: &Trial) {
    sources(trial);
    trial.run_line(COMPILE).kept();
    trial.edit(|root| {
        for file in ["src/a.c", "second/a.h"] {
            set_time(&root.join(file), SystemTime::now());
        }
    });
    trial.run_line(COMPILE).hit();
}

fn a_symlinked_header_is_retargeted(trial: &Trial) {
    sources(trial);
    let point_to = |target: &'static str| {
        trial.edit(|root| {
            fs::remove_file(root.join("first/a.h")).ok();
            symlink(target, root.join("first/a.h")).expect("a link");
        });
    };
    trial.file("third/a.h", "#define A 7\n");
    point_to("../second/a.h");
    trial.run_line(COMPILE).kept();
    point_to("../third/a.h");
    trial.run_line(COMPILE).kept();
    point_to("../second/a.h");
    trial.run_line(COMPILE).hit();
    point_to("../nowhere.h");
    trial.run_line(COMPILE).not_bypassed();
}

fn two_directories_of_headers_swap(trial: &Trial) {
    sources(trial);
    trial.file("first/a.h", "#define A 2\n");
    trial.run_line(COMPILE).kept();
    trial.edit(|root| {
        fs::rename(root.join("first"), root.join("tmp")).expect("a rename");
        fs::rename(root.join("second"), root.join("first")).expect("a rename");
        fs::rename(root.join("tmp"), root.join("second")).expect("a rename");
    });
    trial.run_line(COMPILE).kept();
}

fn files_included_by_the_assembler(trial: &Trial) {
    trial.file("a.c", "__asm__(\".data\\n.incbin \\\"da\" \"ta.bin\\\"\\n\");\nint x;\n");
    trial.file("data.bin", "one");
    trial.file("b.s", ".include \"inc.s\"\n");
    trial.file("inc.s", ".byte 1\n");
    trial.line_misses_then_hits("$CC -c a.c -o a.o");
    trial.line_misses_then_hits("$CC -c b.s -o b.o");
    trial.file("data.bin", "two");
    trial.file("inc.s", ".byte 2\n");
    trial.run_line("$CC -c a.c -o a.o").kept();
    trial.run_line("$CC -c b.s -o b.o").kept();
}

fn headers_named_by_options(trial: &Trial) {
    sources(trial);
    trial.file("pre.h", "#define P 1\n");
    trial.file("src/a.c", "int f(void) { return P; }\n");
    let lines = ["$CC -include pre.h -c src/a.c -o a.o", "$CC -imacros pre.h -c src/a.c -o a.o"];
    for line in lines {
        trial.file("pre.h", "#define P 1\n");
        trial.line_misses_then_hits(line);
        trial.file("pre.h", "#define P 2\n");
        trial.run_line(line).kept();
    }
}

fn search_paths_of_the_environment(trial: &Trial) {
    sources(trial);
    trial.file("first/a.h", "#define A 2\n");
    let plain = trial.line("$CC -Isecond -c src/a.c -o a.o");
    let without = trial.line("$CC -c src/a.c -o a.o");
    trial.run(&plain).kept();
    for name in ["CPATH", "C_INCLUDE_PATH"] {
        trial.run(without.clone().env(name, "second")).kept();
        trial.run(without.clone().env(name, "first")).kept();
        trial.run(without.clone().env(name, "second")).hit();
        trial.run(without.clone().env(name, "")).not_hit();
    }
    trial.run(&without).not_hit();
    trial.run(&plain).hit();
}

fn messages_in_the_language_of_the_caller(trial: &Trial) {
    trial.file("a.c", "int f(void) { int \u{fc}; return 'ab'; }\n");
    let compile = trial.line("$CC -Wall -c a.c -o a.o");
    trial.run(compile.clone().env("LC_ALL", "C")).kept();
    trial.run(compile.clone().env("LC_ALL", "C.UTF-8")).counted_once();
    trial.run(compile.clone().env("LC_ALL", "C")).hit();
    let colours = "error=01;35:warning=01;34";
    trial.run(compile.env("GCC_COLORS", colours).arg("-fdiagnostics-color=always")).not_hit();
}

fn the_path_leads_to_another_compiler(trial: &Trial) {
    sources(trial);
    let wrapper = format!("bin/{}", trial.compiler().c());
    let text = |define: u32| {
        format!("#!/bin/sh\nexec /usr/bin/{} -DX={define} \"$@\"\n", trial.compiler().c())
    };
    let install = |define| {
        trial.edit(|root| {
            fs::create_dir_all(root.join("bin")).expect("a directory");
            let script = root.join(&wrapper);
            fs::write(&script, text(define)).expect("a script");
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            fs::set_permissions(script, mode).expect("a mode");
        });
    };
    trial.file("src/a.c", "#ifndef X\n#define X 0\n#endif\nint f(void) { return X; }\n");
    let path = format!("{}:/usr/bin:/bin", trial.tree().join("bin").display());
    let compile = trial.line("$CC -c src/a.c -o a.o").env("PATH", path);
    trial.run(&compile).counted_once();
    install(1);
    trial.run(&compile).not_hit();
    install(2);
    trial.run(&compile).not_hit();
    trial.edit(|root| fs::remove_dir_all(root.join("bin")).expect("it can be removed"));
    trial.run(&compile).counted_once();
}

/// The truth about a clock is what it says before and after.
fn the_time_of_the_compile_is_not_kept(trial: &Trial) {
    trial.file("now.h", "#define JOIN(a, b) a##b\n#define NOW JOIN(__TI, ME__)\n");
    trial.file("a.c", "#include \"now.h\"\nconst char *t = NOW;\n");
    trial.file("b.c", "const char *t = __TIME__ __DATE__;\n");
    for line in ["$CC -c a.c -o t.o", "$CC -c b.c -o t.o"] {
        for _ in 0..3 {
            assert_between_two_truths(trial, line);
            std::thread::sleep(Duration::from_millis(1100));
        }
    }
}

fn assert_between_two_truths(trial: &Trial, line: &str) {
    let command = trial.line(line);
    let object = |root: &Path| Tree::of(root).content("t.o").map(<[u8]>::to_vec);
    let bare = || {
        let outcome: Outcome = trial.bare(&command);
        assert!(outcome.status.success(), "{outcome:?}");
        object(trial.twin())
    };
    for _ in 0..20 {
        let before = bare();
        trial.age();
        let outcome = trial.sandbox().launch(trial.tree(), &command);
        assert!(outcome.status.success(), "{outcome:?}");
        let cached = object(trial.tree());
        if before == bare() {
            return assert_eq!(before, cached, "{line} has another time than bare");
        }
    }
    panic!("no two compiles within one second: this machine is too slow to tell");
}

/// Some clock of the world shows one of these times, whenever it is.
fn times_in_a_source_are_no_times_of_the_compile(trial: &Trial) {
    let times = (0..900).map(|second| format!("\"00:{:02}:{:02}\",\n", second / 60, second % 60));
    let times: String = times.collect();
    trial.file("times.c", format!("const char *const times[] = {{\n{times}}};\n"));
    for line in ["$CC -c times.c -o t.o", "$CC -E times.c"] {
        trial.run_line(line).kept();
        trial.run_line(line).hit();
    }
}

fn the_time_of_a_file_is_part_of_it(trial: &Trial) {
    trial.file("a.c", "const char *t = __TIMESTAMP__;\n");
    for seconds in [1_000_000_000, 1_100_000_000, 1_000_000_000] {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        trial.edit(|root| set_time(&root.join("a.c"), time));
        trial.run_line("$CC -c a.c -o a.o").counted_once();
    }
}

fn a_fixed_date_is_obeyed(trial: &Trial) {
    trial.file("a.c", "const char *t = __TIME__ __DATE__;\n");
    let compile = trial.line("$CC -c a.c -o a.o");
    if trial.compiler() == Compiler::Clang {
        // clang 14 knows no fixed date and takes the clock's.
        return assert_between_two_truths(trial, "$CC -c a.c -o t.o");
    }
    for epoch in ["1000000000", "1000000001", "1000000000"] {
        trial.run(compile.clone().env("SOURCE_DATE_EPOCH", epoch)).counted_once();
    }
}

/// An input that changed within the last tick may change again unseen.
#[test]
fn inputs_edited_a_moment_ago_are_never_mistaken() {
    for place in [Place::Plain, Place::View] {
        trial::once(place, Compiler::Gcc, |trial| {
            trial.file("a.c", "#include \"a.h\"\nint f(void) { return A; }\n");
            let compile = trial.line("gcc -c a.c -o a.o");
            for round in 0..40 {
                trial.file("a.h", format!("#define A {}\n", 10 + round % 7));
                let expected = trial.bare(&compile);
                let found = trial.sandbox().launch(trial.tree(), &compile);
                assert_eq!(expected, found);
                trial.assert_same_trees("an edit a moment ago");
            }
        });
    }
}

/// gcc reads each header once when it is the same file, by any name.
fn the_same_header_under_two_names(trial: &Trial) {
    trial
        .file("a.c", "#include \"one.h\"\n#include \"two.h\"\nint f(void) { return sizeof(s); }\n");
    trial.file("one.h", "#pragma once\nstatic int s;\n");
    trial.edit(|root| fs::hard_link(root.join("one.h"), root.join("two.h")).expect("a link"));
    trial.run_line("$CC -c a.c -o a.o").counted_once();
    trial.edit(|root| {
        fs::remove_file(root.join("two.h")).expect("it can be removed");
        fs::write(root.join("two.h"), "#pragma once\nstatic int s;\n").expect("a file");
        set_time(&root.join("two.h"), SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000));
    });
    trial.run_line("$CC -c a.c -o a.o").counted_once();
}

fn code_for_this_very_processor(trial: &Trial) {
    sources(trial);
    trial.run_line("$CC -march=native -O3 -Isecond -c src/a.c -o a.o").counted_once();
    trial.run_line("$CC -march=native -O3 -Isecond -c src/a.c -o a.o").counted_once();
}

trials!(
    there_and_back_is_a_hit,
    a_header_appears_earlier_in_the_path,
    a_whole_directory_appears_earlier_in_the_path,
    the_next_header_and_whether_there_is_one,
    same_size_and_time_but_other_content,
    an_older_file_takes_the_place_of_a_header,
    touching_is_no_change,
    a_symlinked_header_is_retargeted,
    two_directories_of_headers_swap,
    files_included_by_the_assembler,
    headers_named_by_options,
    search_paths_of_the_environment,
    messages_in_the_language_of_the_caller,
    the_path_leads_to_another_compiler,
    the_time_of_the_compile_is_not_kept,
    the_time_of_a_file_is_part_of_it,
    times_in_a_source_are_no_times_of_the_compile,
    a_fixed_date_is_obeyed,
    the_same_header_under_two_names,
    code_for_this_very_processor,
);
