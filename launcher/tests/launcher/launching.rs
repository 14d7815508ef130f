//! The launcher without a daemon, and with one that does not behave.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::process::Command;

use zccache_core::Reason;
use zccache_core::protocol::{Preprocess, Preprocessed, Reply, Request, Verdict, Word};

use crate::bench::{Bench, LAUNCHER};
use crate::daemon;
use crate::daemon::Answer;

/// Runs a compile with a warning and checks that it is as if we were not there.
fn as_if_absent(bench: &Bench, mut command: Command) {
    bench.write("a.c", "#warning seen\nint a;\n");
    command.args(["gcc", "-c", "a.c"]);
    let bare = bench.bare("/usr/bin/gcc").args(["-c", "a.c"]).output().unwrap();
    let object = fs::read(bench.path("a.o")).unwrap();
    fs::remove_file(bench.path("a.o")).unwrap();
    let output = command.output().unwrap();
    assert_eq!(output, bare);
    assert_eq!(fs::read(bench.path("a.o")).unwrap(), object);
}

#[test]
fn without_a_daemon_the_compiler_runs() {
    let bench = Bench::new();
    as_if_absent(&bench, bench.launcher(&[]));
}

#[test]
fn without_a_store_the_compiler_runs() {
    let bench = Bench::new();
    let mut command = bench.launcher(&[]);
    command.env_remove("ZCCACHE_DIR");
    as_if_absent(&bench, command);
    let mut command = bench.launcher(&[]);
    command.env("ZCCACHE_DIR", "/proc/nowhere");
    as_if_absent(&bench, command);
}

#[test]
fn switched_off_it_does_nothing_but_exec() {
    let bench = Bench::new();
    let _listener = UnixListener::bind(bench.store().join("daemon.sock")).unwrap();
    let mut command = bench.launcher(&[]);
    command.env("ZCCACHE_DISABLE", "1");
    as_if_absent(&bench, command);
    let trace = bench.store().join("trace");
    let mut command = bench.bare("/usr/bin/strace");
    command.env("ZCCACHE_DISABLE", "1").arg("-o").arg(&trace);
    command.args([
        "-e",
        "trace=network,clone,fork,vfork,open,openat,mkdir,execve",
        LAUNCHER,
        "/bin/true",
    ]);
    assert!(command.status().unwrap().success());
    let trace = fs::read_to_string(trace).unwrap();
    // It looks whether the compiler is itself or another launcher.
    let ways = ["openat(AT_FDCWD, \"/bin/true\", O_RDONLY|", "open(\"/bin/true\", O_RDONLY|"];
    let looks = |line: &&str| ways.iter().any(|way| line.starts_with(way));
    let before_exec = trace.lines().skip(1).take_while(|line| !line.starts_with("execve"));
    assert_eq!(before_exec.filter(|line| !looks(line)).collect::<Vec<_>>(), Vec::<&str>::new());
}

#[test]
fn a_daemon_that_talks_nonsense_is_left_alone() {
    for answer in [&b""[..], b"HTTP/1.1 400 Bad Request\r\n\r\n", b"zccp\xff\xff\0\0\0\0\0\0"] {
        let bench = Bench::new();
        let listener = UnixListener::bind(bench.store().join("daemon.sock")).unwrap();
        let daemon = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(answer).unwrap();
        });
        as_if_absent(&bench, bench.launcher(&[]));
        daemon.join().unwrap();
    }
}

#[test]
fn a_bypass_is_an_exec() {
    let bench = Bench::new();
    let bypass = Verdict::Bypass(Reason::NotACompile);
    let done = bench.answered(bench.launcher(&["sh", "-c", "exit 6"]), vec![bypass.into()]);
    assert_eq!(done.output.status.code(), Some(6));
    assert_eq!(done.heard.requests.len(), 1);
    let failed = Answer { reply: Reply::Failed("no".to_owned()), files: Vec::new() };
    let done = bench.answered(bench.launcher(&["sh", "-c", "exit 6"]), vec![failed]);
    assert_eq!(done.output.status.code(), Some(6));
}

#[test]
fn the_invocation_is_told_as_it_is() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let bench = Bench::new();
    let mut command = bench.bare("/bin/sh");
    command.args(["-c", "umask 027; exec \"$@\"", "sh", LAUNCHER, "true", "a b"]);
    command.arg(OsStr::from_bytes(b"\xff\n")).env("ODD", OsStr::from_bytes(b"=\xfe\n"));
    let done = bench.answered(command, vec![Verdict::Bypass(Reason::UnknownTool).into()]);
    let Request::Lookup(invocation) = &done.heard.requests[0] else { panic!("a look-up") };
    let argv: Vec<_> = invocation.argv.iter().map(|argument| argument.as_bytes()).collect();
    assert_eq!(argv, [&b"true"[..], b"a b", b"\xff\n"]);
    assert_eq!(invocation.umask, 0o027);
    assert_eq!(invocation.cwd.as_path(), fs::canonicalize(bench.path("")).unwrap());
    assert_eq!(invocation.variable(b"ODD"), Some(&b"=\xfe\n"[..]));
    assert_eq!(invocation.terminals, [None, None]);
    use std::os::unix::fs::MetadataExt;
    assert_eq!(invocation.place.root_inode, fs::metadata("/").unwrap().ino());
    assert_eq!(invocation.place.namespace, fs::metadata("/proc/self/ns/mnt").unwrap().ino());
}

#[test]
fn a_wait_is_followed_by_another_verdict() {
    let bench = Bench::new();
    bench.script("tool", "exit 3");
    let answers = vec![Verdict::Wait.into(), Verdict::Wait.into(), daemon::run(Vec::new()).into()];
    let done = bench.answered(bench.launcher(&["./tool"]), answers);
    assert_eq!(done.output.status.code(), Some(3));
    assert_eq!(done.heard.requests.len(), 2);
}

#[test]
fn a_report_and_its_descriptors_outlive_the_launcher() {
    let bench = Bench::new();
    bench.script("tool", "head -c 70000 /dev/zero > made; echo said");
    let (allow, listen) = std::sync::mpsc::channel();
    let daemon = daemon::serve_late(&bench.store(), listen);
    let output = bench.launcher(&["./tool"]).output().unwrap();
    assert_eq!((output.status.code(), &*output.stdout), (Some(0), &b"said\n"[..]));
    allow.send(()).unwrap();
    let mut heard = daemon.join().unwrap();
    assert_eq!(heard.report().unobservable, None);
    assert_eq!(heard.contents(), [vec![0; 70000]]);
}

/// A report of some megabytes does not fit into the buffer of a socket.
#[test]
fn a_daemon_that_hangs_does_not_hold_up_a_large_report() {
    let bench = Bench::new();
    bench.script("tool", "head -c 3000000 /dev/zero; exit 5");
    let (allow, listen) = std::sync::mpsc::channel();
    let daemon = daemon::serve_late(&bench.store(), listen);
    let output = bench.launcher(&["./tool"]).output().unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(5), 3_000_000));
    allow.send(()).unwrap();
    assert!(daemon.join().is_err(), "the report has been cut off");
}

#[test]
fn a_socket_with_a_long_path_is_reached() {
    let bench = Bench::new();
    let long = bench.path(&"l".repeat(200));
    fs::create_dir(&long).unwrap();
    let short = bench.store().join("s");
    symlink(&long, &short).unwrap();
    let daemon = daemon::serve(&short, vec![Verdict::Bypass(Reason::UnknownTool).into()]);
    let mut command = bench.launcher(&["true"]);
    command.env("ZCCACHE_DIR", &long);
    assert!(command.status().unwrap().success());
    assert_eq!(daemon.join().unwrap().requests.len(), 1);
}

#[test]
fn under_another_name_it_stands_for_that_compiler() {
    let bench = Bench::new();
    fs::create_dir(bench.path("masks")).unwrap();
    symlink(LAUNCHER, bench.path("masks/tool")).unwrap();
    bench.script("real/tool", "echo \"$0 $1\"");
    let search = format!("{}:{}", bench.path("masks").display(), bench.path("real").display());
    let expected = format!("{} x\n", bench.path("real/tool").display());
    for (typed, arguments) in [
        (bench.path("masks/tool"), vec!["x".to_owned()]),
        (LAUNCHER.into(), vec!["tool".to_owned(), "x".to_owned()]),
        (LAUNCHER.into(), vec![bench.path("masks/tool").display().to_string(), "x".to_owned()]),
    ] {
        for verdict in [Verdict::Bypass(Reason::UnknownTool), daemon::run(Vec::new())] {
            let mut command = bench.bare(&typed);
            command.args(&arguments).env("PATH", format!("{search}:/usr/bin:/bin"));
            let done = bench.answered(command, vec![verdict.into()]);
            assert_eq!(String::from_utf8_lossy(&done.output.stdout), expected);
        }
    }
}

#[test]
fn what_cannot_be_executed_ends_as_in_a_shell() {
    let bench = Bench::new();
    bench.write("plain", "no program");
    for verdict in [Verdict::Bypass(Reason::UnknownTool), daemon::run(Vec::new())] {
        let run = |name: &str| {
            let done = bench.answered(bench.launcher(&[name]), vec![verdict.clone().into()]);
            let said = String::from_utf8(done.output.stderr).unwrap();
            (done.output.status.code(), said)
        };
        let message = |name: &str, what: &str| format!("zccache-launch: {name}: {what}\n");
        assert_eq!(run("nope"), (Some(127), message("nope", "No such file or directory")));
        assert_eq!(run("./plain"), (Some(126), message("./plain", "Permission denied")));
    }
}

#[test]
fn a_script_without_interpreter_runs_as_in_a_shell() {
    let bench = Bench::new();
    bench.install(bench.write("text", "exit 4\n"), "tool");
    assert_eq!(bench.observe(&["./tool"]).output.status.code(), Some(4));
}

#[test]
fn closed_streams_stay_closed() {
    let bench = Bench::new();
    let closed = |program: &str| {
        let mut command = bench.bare("/bin/sh");
        command.args(["-c", "exec \"$0\" ls /proc/self/fd 2>&-", program]);
        command.output().unwrap().stdout
    };
    assert_eq!(closed(LAUNCHER), closed("/usr/bin/env"));
}

#[test]
fn without_a_command_it_explains_itself() {
    let bench = Bench::new();
    let output = bench.launcher(&[]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stderr.starts_with(b"usage: zccache-launch"));
    let output = bench.launcher(&["--version"]).output().unwrap();
    assert!(output.stdout.starts_with(b"zccache-launch "));
}

#[test]
fn terminals_stay_terminals_and_are_told() {
    let bench = Bench::new();
    bench.script("tool", "test -t 1 && test -t 2 && echo both");
    let mut command = bench.bare("/usr/bin/script");
    let line = format!("stty cols 123; exec {LAUNCHER} ./tool");
    command.args(["-q", "-e", "-c", &line, "/dev/null"]);
    let done = bench.answered(command, vec![daemon::run(Vec::new()).into()]);
    let Request::Lookup(invocation) = &done.heard.requests[0] else { panic!("a look-up") };
    let terminal = Some(zccache_core::invocation::Terminal { columns: 123 });
    assert_eq!(invocation.terminals, [terminal, terminal]);
    assert_eq!(done.output.stdout, b"both\r\n");
    assert_eq!(done.stream(zccache_core::entry::Stream::Stdout), b"both\n");
}

#[test]
fn the_preprocessor_is_asked_and_its_answer_told() {
    let words = || vec![Word { text: "needle".into(), unless: Vec::new() }];
    let ask = |argument: &str| {
        let arguments = ["-c", argument].map(Into::into).into();
        Verdict::Preprocess(Preprocess { arguments, words: words() })
    };
    for (script, shown) in [
        ("echo hay", Preprocessed::Without),
        ("echo a needle; echo no error >&2", Preprocessed::With),
        ("echo hay; exit 1", Preprocessed::Failed),
        ("kill -9 $$", Preprocessed::Failed),
        ("read line", Preprocessed::Failed),
    ] {
        let bench = Bench::new();
        let command = bench.launcher(&["sh", "-c", "echo itself; exit 4"]);
        let done = bench.answered(command, vec![ask(script).into(), daemon::run(vec![]).into()]);
        assert_eq!(done.output.status.code(), Some(4), "{script}");
        assert_eq!(
            (&done.output.stdout[..], &done.output.stderr[..]),
            (&b"itself\n"[..], &b""[..])
        );
        assert_eq!(done.heard.requests[1], Request::Preprocessed(shown), "{script}");
    }
}

#[test]
fn a_daemon_that_dies_while_it_asks_leaves_the_compiler_running() {
    let bench = Bench::new();
    let arguments = ["-c", "echo hay"].map(Into::into).into();
    let question = Preprocess { arguments, words: Vec::new() };
    let command = bench.launcher(&["sh", "-c", "echo itself; exit 4"]);
    let done = bench.answered(command, vec![Verdict::Preprocess(question).into()]);
    assert_eq!((done.output.status.code(), &done.output.stdout[..]), (Some(4), &b"itself\n"[..]));
}
