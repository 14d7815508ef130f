//! What is not cached is run as it is, and counted with its reason.

use zccache_core::Reason;
use zccache_tests::{Command, Trial};

use crate::trials;

fn sources(trial: &Trial) {
    trial.file("a.c", "#include <stdio.h>\nint main(void) { puts(\"works\"); return 3; }\n");
}

fn an_unrepeatable_link(trial: &Trial) {
    sources(trial);
    let command = trial.line("$CC a.c -Wl,--stats -o program");
    let _ = trial.sandbox().launch(trial.tree(), command);
    assert_eq!(trial.sandbox().counters().reasons.get("unsupported_option"), Some(&1));
    let program = trial.tree().join("program");
    let outcome = trial.sandbox().bare(trial.tree(), Command::new([program]));
    assert_eq!((outcome.status.code(), outcome.out().as_str()), (Some(3), "works\n"));
}

fn questions(trial: &Trial) {
    for line in ["$CC --version", "$CC -dumpmachine", "$CC -print-search-dirs", "$CC --help"] {
        let step = trial.run_line(line);
        assert_eq!(step.counted.bypassed, 1, "{step:?}");
    }
}

fn unknown_tools(trial: &Trial) {
    sources(trial);
    trial.run_line("cat a.c").bypassed(Reason::UnknownTool);
    trial.run_line("cp a.c b.c").bypassed(Reason::UnknownTool);
    trial.run(Command::new(["sh", "-c", "exit 7"])).bypassed(Reason::UnknownTool);
    trial.run_line("false").bypassed(Reason::UnknownTool);
    trial.run(trial.line("tr a-z A-Z").stdin(b"shout")).bypassed(Reason::UnknownTool);
}

fn the_standard_input_by_a_path(trial: &Trial) {
    let source = b"int f(void) { return 5; }\n";
    for path in ["/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"] {
        let compile = trial.line(&format!("$CC -x c -c {path} -o b.o")).stdin(source);
        trial.run(compile).bypassed(Reason::DescriptorPath);
    }
}

fn a_compile_without_a_source(trial: &Trial) {
    let step = trial.run_line("$CC -c");
    assert_eq!(step.counted.bypassed, 1, "{step:?}");
}

fn switched_off(trial: &Trial) {
    sources(trial);
    let step = trial.run(trial.line("$CC -c a.c -o a.o").env("ZCCACHE_DISABLE", "1"));
    assert_eq!((step.counted.hits, step.counted.misses), (0, 0), "{step:?}");
    trial.line_misses_then_hits("$CC -c a.c -o a.o");
}

fn read_only_and_recaching(trial: &Trial) {
    sources(trial);
    let compile = trial.line("$CC -c a.c -o a.o");
    let with = |name: &str| compile.clone().env(name, "1");
    trial.run(with("ZCCACHE_READONLY")).bypassed(Reason::ReadOnly);
    trial.run(&compile).kept();
    trial.run(with("ZCCACHE_READONLY")).hit();
    trial.run(with("ZCCACHE_RECACHE")).kept();
    trial.run(&compile).hit();
}

fn descriptors_and_streams_of_the_caller_pass_through(trial: &Trial) {
    let script = "cat <&3; echo err >&2; echo out; printf '%s' \"$0\"";
    trial.file("three", "from three\n");
    let bare = Command::new(["sh", "-c", "exec 3<three; exec \"$@\"", "sh"]);
    let tail = ["sh", "-c", script, "name"];
    let with = |front: &[&std::ffi::OsStr]| {
        let command = front.iter().fold(bare.clone(), |command, word| command.arg(word));
        tail.iter().fold(command, |command, word| command.arg(word))
    };
    let launcher = trial.sandbox().programs().launcher();
    trial.run_pair(with(&[]), with(&[launcher.as_os_str()])).bypassed(Reason::UnknownTool);
}

fn several_bypasses_leave_no_process_behind(trial: &Trial) {
    sources(trial);
    for _ in 0..5 {
        trial.run_line("$CC -dumpmachine").bypassed(Reason::NotACompile);
    }
    let tickets = trial.sandbox().status()["running"].as_u64();
    assert_eq!(tickets, Some(0));
}

trials!(
    an_unrepeatable_link,
    questions,
    unknown_tools,
    the_standard_input_by_a_path,
    a_compile_without_a_source,
    switched_off,
    read_only_and_recaching,
    descriptors_and_streams_of_the_caller_pass_through,
    several_bypasses_leave_no_process_behind,
);
