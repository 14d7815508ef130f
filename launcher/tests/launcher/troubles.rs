//! What cannot be observed is found out, and never disturbs the tool.

use zccache_core::Reason;

use crate::bench::Bench;
use crate::daemon;

/// Runs a C program, which must succeed, and returns the reason against keeping it.
fn reason(body: &str, options: &[&str]) -> Option<Reason> {
    let bench = Bench::new();
    let source = format!(
        "#define _GNU_SOURCE\n#include <fcntl.h>\n#include <sched.h>\n#include <string.h>\n\
         #include <sys/ptrace.h>\n#include <sys/socket.h>\n#include <sys/syscall.h>\n\
         #include <sys/un.h>\n#include <unistd.h>\nint main(void) {{ {body} }}\n"
    );
    bench.program("tool", &source, options);
    let done = bench.observe(&["./tool"]);
    assert_eq!(done.output.status.code(), Some(0), "{body}");
    done.report().unobservable
}

#[test]
fn the_network_is_found_out() {
    assert_eq!(
        reason("close(socket(AF_INET, SOCK_STREAM, 0)); return 0;", &[]),
        Some(Reason::Network)
    );
    let local = "struct sockaddr_un a = {AF_UNIX}; strcpy(a.sun_path, NAME); \
                 int s = socket(AF_UNIX, SOCK_STREAM, 0); \
                 return connect(s, (void *)&a, sizeof a) == 0;";
    assert_eq!(reason(local, &["-DNAME=\"/nowhere/at/all\""]), None);
    assert_eq!(reason(local, &["-DNAME=\"/dev/null\""]), Some(Reason::Network));
}

#[test]
fn io_uring_is_found_out() {
    let body = "char p[120] = {0}; syscall(SYS_io_uring_setup, 1, p); return 0;";
    assert_eq!(reason(body, &[]), Some(Reason::IoUring));
}

#[test]
fn foreign_operations_are_found_out() {
    for body in [
        "unshare(CLONE_FS); return 0;",
        "chroot(\"/nowhere\"); return 0;",
        "ptrace(PTRACE_TRACEME, 0, 0, 0); return 0;",
    ] {
        assert_eq!(reason(body, &[]), Some(Reason::ForeignOperation), "{body}");
    }
}

/// `getpid` by the entry of 32-bit programs, where the kernel has one: elsewhere
/// it is a fault, which the handler turns into success.
#[cfg(target_arch = "x86_64")]
#[test]
fn calls_of_another_abi_are_found_out() {
    let bench = Bench::new();
    let source = r#"
#include <signal.h>
#include <unistd.h>
static void no_entry(int signal) { _exit(3); }
int main(void) {
    signal(SIGSEGV, no_entry);
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(20) : "memory", "r8", "r9", "r10", "r11");
    return result != getpid();
}
"#;
    bench.program("tool", source, &["-static"]);
    let bare = bench.bare(bench.path("tool")).status().unwrap().code();
    let done = bench.observe(&["./tool"]);
    assert_eq!(done.output.status.code(), bare);
    let expected = (bare == Some(0)).then_some(Reason::ForeignAbi);
    assert_eq!(done.report().unobservable, expected);
}

#[cfg(target_arch = "x86_64")]
#[test]
fn calls_of_the_x32_abi_are_found_out() {
    let body = "syscall(0x40000000 | SYS_getpid); return 0;";
    assert_eq!(reason(body, &[]), Some(Reason::ForeignAbi));
}

#[test]
fn where_observing_is_not_possible_the_compiler_runs_all_the_same() {
    // Only one listener may observe a process: ours is refused within another's run.
    let bench = Bench::new();
    bench.write("a.c", "#warning seen\nint a;\n");
    let inner = Bench::new();
    let run = daemon::run(Vec::new());
    let daemon = daemon::serve(&inner.store(), vec![run.into()]);
    let mut command = bench.launcher(&["env", &format!("ZCCACHE_DIR={}", inner.store().display())]);
    command.args([crate::bench::LAUNCHER, "gcc", "-c", "a.c"]);
    let done = bench.observe_command(command);
    assert!(done.output.status.success());
    assert!(bench.path("a.o").exists());
    assert!(String::from_utf8_lossy(&done.output.stderr).contains("seen"));
    let report = daemon.join().unwrap().report().clone();
    assert_eq!(report.unobservable, Some(Reason::ObserverUnavailable));
    // The inner launcher looks at its own descriptors.
    assert_eq!(done.report().unobservable, Some(Reason::PrivatePath));
}

/// A program that runs another where the system call `number` is refused, as
/// container profiles refuse some.
fn refusing(bench: &Bench, number: &str) -> std::path::PathBuf {
    let source = r#"
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
int main(int count, char **arguments) {
    struct sock_filter code[] = {
        {BPF_LD | BPF_W | BPF_ABS, 0, 0, 0},
        {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, NUMBER},
        {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | EPERM},
        {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
    };
    struct sock_fprog program = {4, code};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) return 99;
    execv(arguments[1], arguments + 1);
    return 98;
}
"#;
    bench.program("refusing", source, &["-static", &format!("-DNUMBER={number}")])
}

/// Compiles with a warning where a system call is refused, and returns the
/// reason against keeping it.
fn refused(number: &str) -> Option<Reason> {
    let bench = Bench::new();
    bench.write("a.c", "#warning seen\nint a;\n");
    let mut command = bench.bare(refusing(&bench, number));
    command.args([crate::bench::LAUNCHER, "gcc", "-c", "a.c"]);
    let done = bench.observe_command(command);
    assert!(done.output.status.success());
    assert!(bench.path("a.o").exists());
    let report = done.report();
    if report.unobservable.is_none() {
        let recorded: Vec<u8> = report.streams.iter().flat_map(|c| c.bytes.clone()).collect();
        assert_eq!(recorded, done.output.stderr);
    }
    report.unobservable
}

#[test]
fn what_a_container_refuses_never_harms_the_build() {
    assert_eq!(refused("SYS_seccomp"), Some(Reason::ObserverUnavailable));
    assert_eq!(refused("SYS_process_vm_readv"), Some(Reason::UnreadableTool));
    assert_eq!(refused("SYS_kcmp"), None);
}

#[test]
fn without_privileges_it_observes_as_well() {
    let bench = Bench::new();
    bench.write("a.c", "int a;\n");
    let mut command = bench.bare("/usr/bin/setpriv");
    command.args(["--no-new-privs", "--inh-caps=-all", "--bounding-set=-all"]);
    command.args([crate::bench::LAUNCHER, "gcc", "-c", "a.c"]);
    // Only who has privileges can give them up.
    if !nix::unistd::geteuid().is_root() {
        command = bench.launcher(&["gcc", "-c", "a.c"]);
    }
    let done = bench.observe_command(command);
    assert_eq!(done.outputs(), [bench.path("a.o")]);
}
