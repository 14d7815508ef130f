//! The compiler keeps the caller's streams, and what it writes to them is recorded.

use std::fs::File;
use std::process::Stdio;

use zccache_core::Reason;
use zccache_core::entry::{Chunk, Stream};

use crate::bench::Bench;

fn chunk(stream: Stream, text: &str) -> Chunk {
    Chunk { stream, bytes: text.into() }
}

#[test]
fn writes_are_recorded_in_order_and_pass_through() {
    let bench = Bench::new();
    bench.script("tool", "echo one; echo two; echo three >&2; printf four; printf five >&2");
    let done = bench.observe(&["./tool"]);
    let expected = [
        chunk(Stream::Stdout, "one\ntwo\n"),
        chunk(Stream::Stderr, "three\n"),
        chunk(Stream::Stdout, "four"),
        chunk(Stream::Stderr, "five"),
    ];
    assert_eq!(done.kept().streams, expected);
    assert_eq!(done.output.stdout, b"one\ntwo\nfour");
    assert_eq!(done.output.stderr, b"three\nfive");
}

#[test]
fn diagnostics_are_the_compiler_s() {
    for compiler in ["gcc", "clang"] {
        for extra in [&[][..], &["-pipe"], &["-fdiagnostics-color=always"]] {
            let bench = Bench::new();
            bench.write("a.c", "int a(void) { int unused; }\n#warning look here\n");
            let mut arguments = vec!["-Wall", "-c", "a.c"];
            arguments.extend_from_slice(extra);
            let bare =
                bench.bare(format!("/usr/bin/{compiler}")).args(&arguments).output().unwrap();
            arguments.insert(0, compiler);
            let done = bench.observe(&arguments);
            assert!(!bare.stderr.is_empty());
            assert_eq!(done.output.stderr, bare.stderr, "{compiler}");
            assert_eq!(done.stream(Stream::Stderr), bare.stderr, "{compiler}");
            assert_eq!(done.stream(Stream::Stdout), b"", "{compiler}");
        }
    }
}

#[test]
fn assembly_on_standard_output_is_recorded() {
    for compiler in ["gcc", "clang"] {
        let bench = Bench::new();
        bench.write("a.c", "int a(void) { return 1; }\n");
        let done = bench.observe(&[compiler, "-S", "-o", "-", "a.c"]);
        assert!(!done.output.stdout.is_empty());
        assert_eq!(done.stream(Stream::Stdout), done.output.stdout, "{compiler}");
        assert_eq!(done.stream(Stream::Stderr), b"", "{compiler}");
    }
}

#[test]
fn redirections_within_the_tool_are_its_own() {
    let bench = Bench::new();
    bench.script("tool", "x=$(echo hidden; echo shown >&2); echo file > out; echo $x | tr h H");
    let done = bench.observe(&["./tool"]);
    assert_eq!(done.stream(Stream::Stdout), b"Hidden\n");
    assert_eq!(done.stream(Stream::Stderr), b"shown\n");
    assert_eq!(done.outputs(), [bench.path("out")]);
}

#[test]
fn streams_that_are_one_file_are_told_apart_by_number_or_not_kept() {
    let shared = |script: &str| {
        let bench = Bench::new();
        bench.script("tool", script);
        let log = File::create(bench.store().join("log")).unwrap();
        let mut command = bench.launcher(&["./tool"]);
        command.stderr(log.try_clone().unwrap()).stdout(log);
        let socket = bench.store().join("daemon.sock");
        let run = zccache_core::protocol::Verdict::Run {
            views: Vec::new(),
            own: zccache_core::protocol::Own::default(),
        };
        let daemon = crate::daemon::serve(&bench.store(), vec![run.into()]);
        assert!(command.status().unwrap().success());
        let heard = daemon.join().unwrap();
        std::fs::remove_file(socket).unwrap();
        let log = std::fs::read_to_string(bench.store().join("log")).unwrap();
        (heard.report().clone(), log)
    };
    let (report, log) = shared("echo one; ls /nowhere-at-all; echo x > out; echo two");
    assert!(log.starts_with("one\nls: ") && log.ends_with("two\n"), "{log}");
    assert_eq!(report.unobservable, None);
    let streams: Vec<_> = report.streams.iter().map(|chunk| chunk.stream).collect();
    assert_eq!(streams, [Stream::Stdout, Stream::Stderr, Stream::Stdout]);
    let (report, log) = shared("echo one >&2");
    assert_eq!((report.unobservable, &*log), (Some(Reason::StreamHandedOn), "one\n"));
}

#[test]
fn streams_handed_on_are_not_kept() {
    let refused = |script: &str| {
        let bench = Bench::new();
        bench.script("tool", script);
        bench.observe(&["./tool"]).report().unobservable
    };
    assert_eq!(refused("exec 3>&1; echo x >&3"), Some(Reason::StreamHandedOn));
    assert_eq!(refused("echo x > /dev/stdout"), Some(Reason::PrivatePath));
    assert_eq!(refused("echo x > /proc/self/fd/2"), Some(Reason::PrivatePath));
    assert_eq!(refused("echo x | tee /dev/stderr"), Some(Reason::PrivatePath));
    assert_eq!(refused(": < /dev/tty || :"), Some(Reason::PrivatePath));
}

#[test]
fn a_stream_that_does_not_block_is_not_kept() {
    use nix::fcntl::{FcntlArg, OFlag, fcntl};
    use std::os::fd::AsFd;
    let bench = Bench::new();
    bench.script("tool", "echo x");
    let (_reader, writer) = std::io::pipe().unwrap();
    fcntl(writer.as_fd(), FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
    let mut command = bench.launcher(&["./tool"]);
    command.stdout(writer).stderr(Stdio::null());
    let run = zccache_core::protocol::Verdict::Run {
        views: Vec::new(),
        own: zccache_core::protocol::Own::default(),
    };
    let daemon = crate::daemon::serve(&bench.store(), vec![run.into()]);
    assert!(command.status().unwrap().success());
    assert_eq!(daemon.join().unwrap().report().unobservable, Some(Reason::StreamHandedOn));
}

#[test]
fn output_beyond_the_bound_passes_and_is_not_kept() {
    let bench = Bench::new();
    bench.script("tool", "head -c 5000000 /dev/zero");
    let done = bench.observe(&["./tool"]);
    assert_eq!(done.output.stdout.len(), 5_000_000);
    assert_eq!(done.report().unobservable, Some(Reason::TooMuchOutput));
    assert!(done.report().streams.is_empty());
}

#[test]
fn gathered_writes_are_recorded() {
    let bench = Bench::new();
    let source = r#"
#include <sys/uio.h>
int main(void) {
    struct iovec parts[] = {{"one ", 4}, {"two ", 4}, {"", 0}, {"three\n", 6}};
    return writev(1, parts, 4) != 14;
}
"#;
    bench.program("tool", source, &["-static"]);
    let done = bench.observe(&["./tool"]);
    assert_eq!(done.stream(Stream::Stdout), b"one two three\n");
}
