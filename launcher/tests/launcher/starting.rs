//! Starting the daemon: once, detached, and never at the cost of the build.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::bench::{Bench, LAUNCHER};

/// Listens like the daemon, says so, notes how it was started, and hangs up on
/// everybody until a file `stop` appears in the store, or the store is gone.
const DAEMON: &str = r#"
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
int main(int count, char **arguments) {
    char line[512], where[256];
    struct sockaddr_un address = {AF_UNIX};
    int descriptors = 0;
    DIR *list = opendir("/proc/self/fd");
    while (readdir(list)) descriptors++;
    closedir(list);
    if (count != 6 || strcmp(arguments[1], "--store")) return 1;
    if (strcmp(arguments[3], "--home") || strcmp(arguments[5], "--ready-pipe")) return 1;
    if (getenv("REFUSE")) return 1;
    snprintf(address.sun_path, sizeof address.sun_path, "%s/daemon.sock", arguments[2]);
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    if (bind(listener, (void *)&address, sizeof address)) return 1;
    listen(listener, 128);
    snprintf(line, sizeof line, "descriptors=%d cwd=%s umask=%o alone=%d leader=%d\n",
             descriptors - 3, getcwd(where, sizeof where), umask(077),
             getsid(0) != getppid(), getsid(0) == getpid());
    snprintf(where, sizeof where, "%s/started", arguments[2]);
    int note = open(where, O_WRONLY | O_CREAT | O_APPEND, 0600);
    write(note, line, strlen(line));
    close(note);
    write(3, "", 1);
    close(3);
    snprintf(where, sizeof where, "%s/stop", arguments[2]);
    while (access(where, F_OK) && !access(address.sun_path, F_OK)) {
        struct pollfd ready = {listener, POLLIN};
        if (poll(&ready, 1, 10) > 0) close(accept(listener, 0, 0));
    }
    return 0;
}
"#;

/// A launcher with a daemon of ours beside it.
fn installed(bench: &Bench) -> PathBuf {
    bench.program("zccache-daemon", DAEMON, &["-static"]);
    bench.install(LAUNCHER, "zccache-launch")
}

fn command(bench: &Bench, launcher: &PathBuf) -> Command {
    let mut command = bench.bare(launcher);
    command.args(["sh", "-c", "exit 5"]).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

#[test]
fn of_many_launchers_one_starts_the_daemon() {
    let bench = Bench::new();
    let launcher = installed(&bench);
    let store = bench.store().join("new/store");
    let racing: Vec<_> = (0..24)
        .map(|_| command(&bench, &launcher).env("ZCCACHE_DIR", &store).spawn().unwrap())
        .collect();
    for mut launcher in racing {
        assert_eq!(launcher.wait().unwrap().code(), Some(5));
    }
    let started = fs::read_to_string(store.join("started")).unwrap();
    fs::write(store.join("stop"), "").unwrap();
    // Descriptors: the streams, the readiness pipe, and the listing itself.
    assert_eq!(started, "descriptors=4 cwd=/ umask=77 alone=1 leader=0\n");
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(fs::metadata(&store).unwrap().permissions().mode() & 0o7777, 0o700);
}

#[test]
fn a_daemon_that_does_not_start_is_done_without() {
    let bench = Bench::new();
    let launcher = installed(&bench);
    let mut command = command(&bench, &launcher);
    command.env("REFUSE", "1");
    assert_eq!(command.status().unwrap().code(), Some(5));
    assert!(!bench.store().join("started").exists());
}
