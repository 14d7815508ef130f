//! Views of people who are not root, and what is said where there can be none.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use zccache_tests::{Command, Outcome, Sandbox, confine};

/// `nobody`, whom every distribution has: fusermount3 wants to know the name.
const USER: u32 = 65_534;

/// A sandbox that an ordinary user owns, with the programs in it.
struct Someone {
    sandbox: Sandbox,
    /// What is seen in the place of what.
    replaced: Vec<(PathBuf, PathBuf)>,
}

impl Someone {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        let root = sandbox.path("");
        fs::set_permissions(&root, PermissionsExt::from_mode(0o755)).expect("a mode");
        for name in ["home", "tmp", "work", "store", "bin"] {
            fs::create_dir_all(sandbox.path(name)).expect("a directory");
            chown(sandbox.path(name), Some(USER), Some(USER)).expect("an owner");
        }
        fs::set_permissions(sandbox.store(), PermissionsExt::from_mode(0o700)).expect("a mode");
        for program in ["zccache", "zccache-launch", "zccache-daemon"] {
            let from = sandbox.programs().directory().join(program);
            fs::copy(from, sandbox.path("bin").join(program)).expect("a copy");
        }
        let mut someone = Self { sandbox, replaced: Vec::new() };
        someone.device(0o666);
        someone
    }

    /// Gives the user a `/dev/fuse` with these permissions; distributions differ.
    fn device(&mut self, mode: u32) {
        let device = self.sandbox.path(format!("fuse-{mode:o}"));
        mknod(&device, SFlag::S_IFCHR, Mode::empty(), makedev(10, 229)).expect("a device");
        fs::set_permissions(&device, PermissionsExt::from_mode(mode)).expect("a mode");
        self.see(device, "/dev/fuse");
    }

    /// Shows the user a file in the place of another.
    fn see(&mut self, file: PathBuf, place: &str) {
        self.replaced.retain(|(_, other)| other != Path::new(place));
        self.replaced.push((file, place.into()));
    }

    /// Runs a script as the user, in `work`, with the programs in the path.
    fn shell(&self, script: &str) -> Outcome {
        let bin = self.sandbox.path("bin");
        let mut path = OsString::from(&bin);
        path.push(":/usr/bin:/bin");
        let command = Command::new(["sh", "-euc", script]).env("PATH", path);
        let work = self.sandbox.path("work");
        let mut process = command.process(&work, self.sandbox.environment());
        confine::as_user(&mut process, USER, &self.replaced);
        command.finish(&mut process)
    }
}

/// Words for the scripts: to wait until results are kept, to ask for a value.
const WORDS: &str =
    "kept() { until zccache status --json | grep -q 'in_flight\":0'; do sleep 0.02; done; }
    says() { zccache mounts --json | grep -q \"$1\" || { zccache mounts --json; exit 9; }; }
    shown() { says '\"projected\":'\"$1\"; }
    sum() { cat a.o a.d | cksum; }\n";

/// Compiles, is served, changes and removes what a view shows.
const USE: &str = "says '\"passthrough\":false'
    zccache-launch gcc -g -MD -c a.c -o a.o; sleep 0.1; kept
    rm a.o a.d; zccache-launch gcc -g -MD -c a.c -o a.o; shown 2
    test \"$(sum)\" = \"$bare\"; test \"$(stat -c '%u %g %a' a.o)\" = '65534 65534 644'
    cp a.o b.o; cmp a.o b.o; ln a.o c.o; echo more >> c.o; shown 1
    test \"$(tail -c 5 a.o)\" = more; mkdir d; mv a.d d/; rm -rf d b.o c.o\n";

const BARE: &str = "printf 'int f(void) { return 1; }' > a.c; sleep 0.05
    gcc -g -MD -c a.c -o a.o; bare=$(sum); rm a.o a.d\n";

fn has_fusermount() -> bool {
    let found = Path::new("/usr/bin/fusermount3").exists() && Path::new("/dev/fuse").exists();
    if !found {
        println!("SKIP: no fusermount3 or no /dev/fuse");
    }
    found
}

fn mounted_with_the_helper(prepare: impl Fn(&mut Someone)) {
    if !has_fusermount() {
        return;
    }
    let mut someone = Someone::new();
    prepare(&mut someone);
    let script = format!(
        "{WORDS}{BARE}zccache mount . ; cd \"$PWD\"; {USE}
        rm a.o; zccache-launch gcc -g -MD -c a.c -o a.o; shown 2
        cd /; zccache umount \"$OLDPWD\"; zccache stop; cd \"$OLDPWD\"
        test \"$(sum)\" = \"$bare\"; ! grep -q \" $PWD fuse\" /proc/self/mounts"
    );
    let outcome = someone.shell(&script);
    assert!(outcome.status.success(), "{outcome:?}");
}

#[test]
fn an_ordinary_user_mounts_with_the_helper() {
    mounted_with_the_helper(|_| ());
}

#[test]
fn an_ordinary_user_mounts_where_others_may_be_let_in() {
    mounted_with_the_helper(|someone| {
        let settings = someone.sandbox.path("fuse.conf");
        fs::write(&settings, "user_allow_other\n").expect("a file");
        if Path::new("/etc/fuse.conf").exists() {
            someone.see(settings, "/etc/fuse.conf");
        } else {
            println!("SKIP: no /etc/fuse.conf to be replaced");
        }
    });
}

#[test]
fn a_view_of_an_ordinary_user_survives_its_daemon() {
    if !has_fusermount() {
        return;
    }
    let script = format!(
        "{WORDS}{BARE}zccache mount .; cd \"$PWD\"
        zccache-launch gcc -g -MD -c a.c -o a.o; sleep 0.1; kept
        rm a.o a.d; zccache-launch gcc -g -MD -c a.c -o a.o; shown 2
        pid=$(zccache status --json | sed 's/.*\"pid\":\\([0-9]*\\).*/\\1/'); cd /; kill -9 $pid
        until zccache mounts --json | grep -q '\"projected\":2'; do sleep 0.05; done
        cd \"$OLDPWD\"; test \"$(sum)\" = \"$bare\"
        cd /; zccache stop; cd \"$OLDPWD\"; test \"$(sum)\" = \"$bare\""
    );
    let outcome = Someone::new().shell(&script);
    assert!(outcome.status.success(), "{outcome:?}");
}

#[test]
fn an_ordinary_user_has_a_view_for_one_command() {
    let someone = Someone::new();
    if !Path::new("/dev/fuse").exists() || !someone.shell("unshare -Urm true").status.success() {
        return println!("SKIP: no /dev/fuse or no user namespaces");
    }
    let inner = format!("set -eu; {WORDS}grep -q \" $PWD fuse\" /proc/self/mounts; {USE}");
    let script = format!(
        "{WORDS}{BARE}export bare; zccache run --mount . -- sh -c '{}'
        zccache-launch true; test -e a.c; ! grep -q \" $PWD fuse\" /proc/self/mounts
        rm -f a.o a.d; zccache run --mount . -- sh -c 'zccache-launch gcc -g -MD -c a.c -o a.o'
        test \"$(sum)\" = \"$bare\"; zccache stop",
        inner.replace('\'', "'\\''")
    );
    let outcome = someone.shell(&script);
    assert!(outcome.status.success(), "{outcome:?}");
    assert!(outcome.err().contains("1 hits, 0 misses"), "{outcome:?}");
}

/// Where there can be no view the command runs, and is cached, all the same.
#[test]
fn a_command_that_gets_no_view_is_cached_all_the_same() {
    let mut someone = Someone::new();
    someone.device(0o600);
    let script = format!(
        "{WORDS}{BARE}zccache-launch gcc -g -MD -c a.c -o a.o; sleep 0.1; kept; rm a.o a.d
        zccache run --mount . -- zccache-launch gcc -g -MD -c a.c -o a.o
        test \"$(sum)\" = \"$bare\"; zccache stop"
    );
    let outcome = someone.shell(&script);
    assert!(outcome.status.success(), "{outcome:?}");
    let said = outcome.err();
    assert!(said.contains("going on without a view") && said.contains("1 hits"), "{said}");
}

/// What `zccache mount` and `zccache doctor` say, and that they agree.
fn diagnosis(someone: &Someone, before: &str) -> String {
    let outcome =
        someone.shell(&format!("{before}zccache doctor; zccache mount . && exit 9; true"));
    assert!(outcome.status.success(), "{outcome:?}");
    let said = outcome.err();
    let cause = said.split_once(": ").map_or("", |(_, cause)| cause).trim();
    let cause = cause.split_once(": ").map_or(cause, |(_, cause)| cause);
    assert!(!cause.is_empty() && !cause.contains('\n'), "one line: {outcome:?}");
    assert!(outcome.out().contains("`zccache mount` does not work"), "{outcome:?}");
    let _ = someone.shell("zccache stop");
    said
}

#[test]
fn without_the_helper_its_package_is_named() {
    let someone = Someone::new();
    let bin = someone.sandbox.path("bin").display().to_string();
    let said = diagnosis(&someone, &format!("PATH={bin}:/bin.none; "));
    assert!(said.contains("install the package fuse3"), "{said}");
}

#[test]
fn a_device_that_is_closed_to_users_is_named() {
    let mut someone = Someone::new();
    someone.device(0o600);
    let said = diagnosis(&someone, "");
    assert!(said.contains("chmod 666 /dev/fuse"), "{said}");
}

#[test]
fn a_helper_without_power_is_named() {
    if !has_fusermount() {
        return;
    }
    let someone = Someone::new();
    let helper = someone.sandbox.path("bin").join("fusermount3");
    fs::copy("/usr/bin/fusermount3", &helper).expect("a copy");
    fs::set_permissions(&helper, PermissionsExt::from_mode(0o755)).expect("a mode");
    let said = diagnosis(&someone, "");
    assert!(said.contains(&format!("chmod u+s {}", helper.display())), "{said}");
}

#[test]
fn what_the_helper_says_is_passed_on() {
    if !has_fusermount() {
        return;
    }
    let someone = Someone::new();
    let foreign = someone.sandbox.path("foreign");
    fs::create_dir(&foreign).expect("a directory");
    let outcome = someone.shell(&format!("zccache mount {} || true", foreign.display()));
    let said = outcome.err();
    assert!(said.contains("fusermount3 refuses") && said.lines().count() == 1, "{outcome:?}");
}

#[test]
fn a_container_without_the_capability_is_told_which() {
    let sandbox = Sandbox::new();
    let script = format!("{} mount .", sandbox.programs().control().display());
    let words = ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin", "sh", "-c"];
    let command = Command::new(words).arg(script);
    let outcome = sandbox.bare(&sandbox.path("work"), command);
    if outcome.err().contains("setpriv") {
        return println!("SKIP: setpriv cannot be used: {}", outcome.err());
    }
    let said = outcome.err();
    let known = said.contains("--cap-add SYS_ADMIN") || said.contains("no /dev/fuse");
    assert!(!outcome.status.success() && known, "{outcome:?}");
}

/// Whoever reads what a build writes would wait for a daemon that keeps its streams, which
/// whoever runs commands here finds.
#[test]
fn a_daemon_keeps_no_stream_of_a_build_though_there_is_no_null_device() {
    let mut someone = Someone::new();
    let device = someone.sandbox.path("null");
    mknod(&device, SFlag::S_IFCHR, Mode::empty(), makedev(1, 3)).expect("a device");
    fs::set_permissions(&device, PermissionsExt::from_mode(0o444)).expect("a mode");
    someone.see(device, "/dev/null");
    let script = "echo 'int f;' > a.c; zccache-launch gcc -c a.c -o a.o; zccache status --json";
    let said = someone.shell(script).succeeded().out();
    let _ = someone.shell("zccache stop").succeeded();
    assert!(said.contains("\"pid\""), "{said}");
}

/// Such as one on a disk of another machine: results are used, and none is kept.
#[test]
fn a_store_without_write_permission_gives_hits() {
    let someone = Someone::new();
    let script = format!(
        "{WORDS} printf 'int f(void) {{ return 1; }}' > a.c; echo 'int g;' > b.c; sleep 2.2
        zccache-launch gcc -g -MD -c a.c -o a.o; kept; sum=$(sum); zccache stop; rm a.o a.d
        chmod -R a-w $ZCCACHE_DIR; list() {{ ls -lR $ZCCACHE_DIR; }}; before=$(list)
        for name in a b; do zccache-launch gcc -g -MD -c $name.c -o $name.o; done
        test \"$sum\" = \"$(sum)\"; test -s b.o; zccache status --json; zccache stats --json
        zccache stop; test \"$before\" = \"$(list)\"; chmod -R u+w $ZCCACHE_DIR"
    );
    let said = someone.shell(&script).succeeded().out();
    for expected in ["\"read_only\":true", "\"hits\":1", "\"read_only\":1"] {
        assert!(said.contains(expected), "no {expected}: {said}");
    }
}
