//! What tells the time of a compile, or of a file, does not come out of a cache;
//! a fixed date does.

use std::fs::{File, FileTimes};
use std::time::{Duration, SystemTime};

use zccache_core::Reason;
use zccache_tests::{Command, Compiler, Trial};

use crate::trials;

const PASTED: &str = "#define JOIN(a, b) a##b\n#define P(a, b) JOIN(a, b)\n";

/// Runs a command that asks for the time, without comparing it with bare.
pub(crate) fn not_kept(trial: &Trial, command: &Command) {
    trial.age();
    let before = trial.sandbox().counters();
    let _ = trial.sandbox().launch(trial.tree(), command).succeeded();
    trial.sandbox().settle();
    let counted = trial.sandbox().counters().since(&before);
    let reason = counted.reasons.get(Reason::TimeMacro.slug());
    assert_eq!((counted.misses, reason), (1, Some(&1)), "{command}: {counted:?}");
}

fn a_pasted_time_in_any_zone(trial: &Trial) {
    trial.file("a.c", format!("{PASTED}const char *t = P(__TI, ME__);\n"));
    trial.file("b.c", format!("{PASTED}const char *t = P(__DA, TE__);\n"));
    trial.file("c.c", format!("{PASTED}#define L(a) P(L, a)\nint *t = L(P(__TI, ME__));\n"));
    let zones = ["Asia/Kathmandu", "America/St_Johns", "X-1:02:03", "X+23", "right/UTC", ""];
    for (source, zone) in ["a.c", "b.c"].iter().flat_map(|s| zones.map(|zone| (s, zone))) {
        not_kept(trial, &trial.line(&format!("$CC -w -c {source} -o ../t.o")).env("TZ", zone));
    }
    not_kept(trial, &trial.line("$CC -w -c c.c -o ../t.o"));
}

/// A touch changes what `__TIMESTAMP__` says, and nothing else.
fn a_pasted_time_stamp_of_a_file(trial: &Trial) {
    trial.file("a.c", format!("{PASTED}const char *t = P(__TIME, STAMP__);\n"));
    for seconds in [1_000_000_000, 1_100_000_000] {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        trial.edit(|root| {
            let file = File::options().write(true).open(root.join("a.c")).expect("it is there");
            file.set_times(FileTimes::new().set_modified(time)).expect("a time can be set");
        });
        for zone in ["UTC", "Asia/Kathmandu"] {
            let compile = trial.line("$CC -c a.c -o a.o").env("TZ", zone);
            trial.run(compile).abandoned(Reason::TimeMacro);
        }
    }
}

/// It warns if the other file is the younger one.
fn a_pragma_that_compares_times(trial: &Trial) {
    trial.file("b.h", "");
    for (name, pragma) in [
        ("a.c", "#pragma GCC dependency \"b.h\"\n"),
        ("b.c", "_Pragma(\"GCC  dependency \\\"b.h\\\"\")\n"),
        ("c.c", "#define D(x) _Pragma(#x)\nD(GCC dependency \"b.h\")\n"),
    ] {
        trial.file(name, format!("{pragma}int n;\n"));
        for seconds in [1_000_000_000, 2_000_000_000] {
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            trial.edit(|root| {
                let file = File::options().write(true).open(root.join("b.h")).expect("it is there");
                file.set_times(FileTimes::new().set_modified(time)).expect("a time can be set");
            });
            trial.run_line(&format!("$CC -c {name} -o a.o")).abandoned(Reason::TimeMacro);
        }
    }
}

fn the_time_of_something_else_is_only_text(trial: &Trial) {
    let text = "const char *t = \"Fri May  7 07:08:09 1999, Jan  1 1970\";\n";
    trial.file("a.c", text);
    trial.line_misses_then_hits("$CC -c a.c -o a.o");
}

fn a_fixed_date_is_kept_where_it_is_obeyed(trial: &Trial) {
    trial.file(
        "a.c",
        "const char *t = __TIME__ __DATE__;\nint f(void) { return __TIME__[7] % 2; }\n",
    );
    trial.file("b.c", format!("{PASTED}const char *t = P(__TI, ME__);\n"));
    trial.file("s.c", "const char *t = __TIMESTAMP__;\n");
    let today = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    let today = today.as_secs().to_string();
    let to = |object: &str, source: &str, epoch: &str| {
        trial.line(&format!("$CC -w -O2 -c {source} -o {object}")).env("SOURCE_DATE_EPOCH", epoch)
    };
    let fixed = |source: &str, epoch: &str| to("a.o", source, epoch);
    if trial.compiler() == Compiler::Clang {
        // clang 14 knows no fixed date.
        not_kept(trial, &to("../t.o", "a.c", "1000000000"));
        return not_kept(trial, &to("../t.o", "b.c", "1000000000"));
    }
    for source in ["a.c", "b.c"] {
        trial.miss_then_hit(fixed(source, "1000000000"));
        trial.miss_then_hit(fixed(source, &today));
        trial.run(fixed(source, "1000000001")).kept();
        trial.run(fixed(source, "1000000000")).hit();
        not_kept(trial, &trial.line(&format!("$CC -w -c {source} -o ../t.o")));
    }
    trial.run(fixed("s.c", "1000000000")).abandoned(Reason::TimeMacro);
    // The text of a wrapper may be of any time.
    trial.file("bin/gcc", "#!/bin/sh\nexec /usr/bin/gcc -DNOW=\"\\\"$(date +%T)\\\"\" \"$@\"\n");
    trial.edit(|root| {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(root.join("bin/gcc"), mode).expect("a mode");
    });
    trial.file("w.c", "const char *t = NOW;\n");
    let wrapped = trial.line("$PWD/bin/gcc -c w.c -o ../w.o");
    not_kept(trial, &wrapped.env("SOURCE_DATE_EPOCH", "1000000000"));
}

trials!(
    a_pasted_time_in_any_zone,
    a_pasted_time_stamp_of_a_file,
    a_pragma_that_compares_times,
    the_time_of_something_else_is_only_text,
    a_fixed_date_is_kept_where_it_is_obeyed,
);
