//! Standard input: what it is, that reading it is found out, and reading it ahead.

use std::fs::{self, File};
use std::io::Write;
use std::process::Stdio;

use zccache_core::Reason;
use zccache_core::invocation::Input;
use zccache_core::protocol::{Request, Verdict};

use crate::bench::{Bench, Done};
use crate::daemon::run;

/// The source of a program that does `body` with descriptor 0.
fn source(body: &str) -> String {
    format!(
        "#define _GNU_SOURCE\n#include <fcntl.h>\n#include <sys/mman.h>\n\
         #include <sys/sendfile.h>\n#include <sys/uio.h>\n#include <sys/wait.h>\n#include <unistd.h>\n\
         char b[64]; struct iovec v = {{b, 64}};\n\
         int main(void) {{ int p[2]; pipe(p); {body}; return 0; }}\n"
    )
}

fn reason(body: &str, input: impl Into<Stdio>) -> Option<Reason> {
    let bench = Bench::new();
    bench.program("tool", &source(body), &["-static"]);
    let mut command = bench.launcher(&["./tool"]);
    command.stdin(input);
    bench.observe_command(command).report().unobservable
}

fn text_file() -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&[b'x'; 8192]).unwrap();
    std::io::Seek::rewind(&mut file).unwrap();
    file
}

#[test]
fn every_way_to_read_a_file_that_nobody_knows_is_found_out() {
    for body in [
        "read(0, b, 64)",
        "pread(0, b, 64, 1)",
        "readv(0, &v, 1)",
        "preadv(0, &v, 1, 1)",
        "preadv2(0, &v, 1, 1, 0)",
        "mmap(0, 4096, PROT_READ, MAP_PRIVATE, 0, 0)",
        "sendfile(p[1], 0, 0, 64)",
        "splice(0, 0, p[1], 0, 64, 0)",
        "copy_file_range(0, 0, open(\"out\", O_CREAT | O_WRONLY, 0600), 0, 64, 0)",
        "read(dup(0), b, 64)",
        "dup2(0, 20)",
        "dup3(0, 20, O_CLOEXEC)",
        "fcntl(0, F_DUPFD_CLOEXEC, 30)",
        "if (fork() == 0) read(0, b, 64); else wait(0)",
    ] {
        assert_eq!(reason(body, text_file()), Some(Reason::InputRead), "{body}");
        assert_eq!(reason(body, Stdio::null()), None, "{body}");
    }
    let pipe = |body| {
        let (reader, mut writer) = std::io::pipe().unwrap();
        writer.write_all(b"text").unwrap();
        drop(writer);
        reason(body, reader)
    };
    assert_eq!(pipe("tee(0, p[1], 64, 0)"), Some(Reason::InputRead));
    assert_eq!(pipe("vmsplice(0, &v, 1, 0)"), Some(Reason::InputRead));
}

#[test]
fn what_does_not_read_it_is_left_alone() {
    for body in [
        "struct stat *s = (void *)b; lseek(0, 0, SEEK_CUR)",
        "dup2(open(\"/etc/passwd\", O_RDONLY), 0); read(0, b, 64)",
        "mmap(0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, 0, 0)",
        "write(p[1], b, 4); dup2(p[0], 0); read(0, b, 4); dup(0)",
        "fcntl(0, F_GETFL); close(0); read(0, b, 64)",
    ] {
        assert_eq!(reason(body, text_file()), None, "{body}");
    }
}

fn looked_up(done: &Done, number: usize) -> &Input {
    let inputs = done.heard.requests.iter().map(|request| match request {
        Request::Lookup(invocation) => Some(&invocation.input),
        _ => None,
    });
    inputs.flatten().nth(number).unwrap()
}

#[test]
fn the_daemon_is_told_what_it_is() {
    let told = |input: Stdio| {
        let bench = Bench::new();
        let mut command = bench.launcher(&["true"]);
        command.stdin(input);
        let done = bench.answered(command, vec![Verdict::Bypass(Reason::UnknownTool).into()]);
        looked_up(&done, 0).clone()
    };
    let mut read_from = text_file();
    std::io::Read::read_exact(&mut read_from, &mut [0]).unwrap();
    assert_eq!(told(Stdio::null()), Input::Null);
    assert_eq!(told(text_file().into()), Input::File);
    assert_eq!(told(read_from.into()), Input::Other);
    assert_eq!(told(File::open("/dev/zero").unwrap().into()), Input::Other);
    let (reader, writer) = std::io::pipe().unwrap();
    assert_eq!(told(reader.into()), Input::Pipe);
    drop(writer);
}

/// The compiler finds all that was read, whatever the second answer is.
#[test]
fn it_is_read_ahead_when_the_daemon_asks_for_it() {
    for second in [run(Vec::new()), Verdict::Bypass(Reason::UnknownTool), Verdict::ReadInput] {
        let bench = Bench::new();
        bench.script("tool", "cat; cat > copy < in.c");
        bench.write("in.c", "int a;\n");
        let modified = fs::metadata(bench.path("in.c")).unwrap().modified().unwrap();
        let mut command = bench.launcher(&["./tool"]);
        command.stdin(File::open(bench.path("in.c")).unwrap());
        let done = bench.answered(command, vec![Verdict::ReadInput.into(), second.into()]);
        assert_eq!(done.output.stdout, b"int a;\n");
        let Input::Text { bytes, modified: told } = looked_up(&done, 1) else {
            panic!("it was read")
        };
        assert_eq!(bytes, b"int a;\n");
        let since = modified.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        assert_eq!(u64::try_from(*told).unwrap(), since);
    }
}

#[test]
fn a_limit_on_file_sizes_does_not_cut_it_off() {
    let bench = Bench::new();
    let mut command = bench.bare("/bin/sh");
    command.args(["-c", "ulimit -f 1; exec \"$@\"", "sh", crate::bench::LAUNCHER, "wc", "-c"]);
    command.stdin(text_file());
    let done = bench.answered(command, vec![Verdict::ReadInput.into()]);
    assert_eq!(done.output.stdout, b"8192\n");
    assert_eq!(done.heard.requests.len(), 1);
}
