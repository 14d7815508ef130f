//! Settings that are written down: in the user's file, and in that of a project.

use std::fs;
use std::path::Path;
use std::time::Duration;

use nix::sys::stat::Mode;
use nix::unistd::geteuid;
use serde_json::Value;
use zccache_core::Reason;
use zccache_core::settings::{PROJECT_FILE, TABLE};
use zccache_tests::project::skip;
use zccache_tests::sandbox::eventually;
use zccache_tests::{Command, Compiler, Outcome, Place, Sandbox, Trial, trial};

use crate::places;

const USER_FILE: &str = "home/.config/zccache/zccache.conf";

places![
    a_project_is_found_from_within,
    a_project_in_a_directory_with_any_name,
    a_project_without_git_is_a_checkout,
    a_project_names_tools_of_its_own,
    a_project_cannot_move_the_store,
];

fn user_writes(sandbox: &Sandbox, text: &str) {
    let path = sandbox.path(USER_FILE);
    fs::create_dir_all(path.parent().expect("it is in a directory")).expect("directories");
    fs::write(path, text).expect("a file");
}

/// Writes the user's file and ends the daemon: another reads it when it starts.
fn user_settles_on(sandbox: &Sandbox, text: &str) {
    user_writes(sandbox, text);
    let _ = sandbox.zccache(&["stop"]).succeeded();
    eventually("the daemon is gone", || sandbox.daemons().is_empty());
}

/// `zccache config` in a directory.
fn config(sandbox: &Sandbox, directory: &Path, arguments: &[&str]) -> Outcome {
    let words = ["config"].iter().chain(arguments).copied();
    let command = Command::new(words).behind(&[sandbox.programs().control()]);
    command.finish(&mut command.process(directory, sandbox.environment()))
}

/// The value of a setting in a directory, and where it is set.
fn setting(sandbox: &Sandbox, directory: &Path, name: &str) -> (Value, Value) {
    let told = config(sandbox, directory, &["--json"]).succeeded();
    let mut all: Value = serde_json::from_slice(&told.stdout).expect("JSON");
    (all[name]["value"].take(), all[name]["source"].take())
}

fn project(trial: &Trial, text: &str) {
    trial.file(format!("p/{PROJECT_FILE}"), text);
}

fn sources(trial: &Trial) {
    trial.file("p/a.c", "int a;\n");
    trial.file("p/b/c/empty", "");
}

fn compile(trial: &Trial) -> Command {
    trial.line("$CC -c ../../a.c -o a.o").below("p/b/c")
}

fn a_project_is_found_from_within(trial: &Trial) {
    sources(trial);
    project(trial, "# for a while\nreadonly = 1\n");
    trial.run(compile(trial)).bypassed(Reason::ReadOnly);
    // What the environment says counts, also that there is no such setting.
    trial.run(compile(trial).env("ZCCACHE_READONLY", "")).kept();
    trial.run(compile(trial)).hit();
    project(trial, "recache = 1\n");
    trial.run(compile(trial)).not_hit();
    project(trial, "");
    trial.run(compile(trial)).hit();
    trial.file(format!("p/b/{PROJECT_FILE}"), "disable = 1\n");
    trial.run(compile(trial)).bypassed(Reason::Disabled);
    trial.remove(format!("p/b/{PROJECT_FILE}"));
    trial.run(compile(trial)).hit();
}

/// Some paths are no roots of results that others share; settings count there all the same.
fn a_project_in_a_directory_with_any_name(trial: &Trial) {
    for name in ["my proj", "job@2", "foo-1.0~rc1+dfsg", "übung"] {
        trial.file(format!("{name}/{PROJECT_FILE}"), "readonly = yes\n");
        trial.file(format!("{name}/a.c"), "int a;\n");
        trial.run(trial.line("$CC -c a.c").below(name)).bypassed(Reason::ReadOnly);
    }
}

fn a_project_without_git_is_a_checkout(trial: &Trial) {
    let compile = |project: &str| {
        trial.line(&format!("$CC -c $PWD/{project}/a.c -o a.o")).below(format!("{project}/b"))
    };
    for project in ["one", "another"] {
        trial.file(format!("{project}/a.c"), "#include \"a.h\"\nint a = A;\n");
        trial.file(format!("{project}/a.h"), "#define A 1\n");
        trial.file(format!("{project}/b/empty"), "");
    }
    trial.run(compile("one")).kept();
    trial.run(compile("another")).kept();
    for project in ["one", "another"] {
        trial.file(format!("{project}/{PROJECT_FILE}"), "");
        trial.file(format!("{project}/a.h"), "#define A 2\n");
    }
    trial.run(compile("one")).kept();
    trial.run(compile("another")).hit();
}

fn a_project_names_tools_of_its_own(trial: &Trial) {
    trial.edit(|root| {
        let script = "#!/bin/sh\ncat \"$1\" > \"$2\"\n";
        fs::create_dir_all(root.join("p")).expect("a directory");
        fs::write(root.join("p/gen"), script).expect("a file");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(root.join("p/gen"), mode).expect("it is ours");
    });
    trial.file("p/in", "text\n");
    let generate = trial.line("./gen in out").below("p");
    trial.run(&generate).bypassed(Reason::UnknownTool);
    project(trial, "tools = gen=cache\n");
    trial.run(&generate).kept();
    // A first result is compared with what the tool makes again, some seconds later.
    std::thread::sleep(Duration::from_millis(2100));
    trial.run(&generate).not_hit();
    trial.run(&generate).hit();
    // What is said in front of the command and elsewhere counts together.
    let launcher = trial.sandbox().programs().launcher();
    let words = ["--tool", "other=cache", "./gen", "in", "out"];
    let other = Command::new(words).behind(&[launcher]).below("p");
    trial.run_pair(&generate, other.env("ZCCACHE_TOOLS", "another=cache")).hit();
}

fn a_project_cannot_move_the_store(trial: &Trial) {
    sources(trial);
    project(trial, "dir = /nonexistent/store\nroot = /\nexact = 1\n");
    trial.run(compile(trial)).kept();
    trial.run(compile(trial)).hit();
    let below = trial.tree().join("p/b/c");
    let told = config(trial.sandbox(), &below, &[]);
    assert_eq!(told.status.code(), Some(1), "{told:?}");
    let file = trial.tree().join("p").join(PROJECT_FILE);
    for line in [
        "line 1: ZCCACHE_DIR cannot be set in this file, only in the user's file or the environment",
        "line 2: ZCCACHE_ROOT cannot be set in this file, only in the environment",
    ] {
        assert!(told.err().contains(&format!("zccache: {}: {line}\n", file.display())), "{told:?}");
    }
    assert!(told.out().contains(&format!("1  (set in: {})", file.display())), "{told:?}");
}

#[test]
fn what_the_user_writes_is_said_for_all() {
    trial::once(Place::Plain, Compiler::Gcc, |trial| {
        sources(trial);
        let sandbox = trial.sandbox();
        user_writes(sandbox, "max-size = 7M\nrecache = 1\nreadonly = 1\n");
        trial.run(compile(trial)).bypassed(Reason::ReadOnly);
        project(trial, "readonly = 0\n");
        trial.run(compile(trial)).kept();
        trial.run(compile(trial)).not_hit();
        trial.run(compile(trial).env("ZCCACHE_RECACHE", "0")).hit();
        let at = |name| setting(sandbox, &trial.tree().join("p/b"), name);
        let (user, project) = (sandbox.path(USER_FILE), trial.tree().join("p").join(PROJECT_FILE));
        let (user, project) = (user.display().to_string(), project.display().to_string());
        assert_eq!(at("ZCCACHE_MAX_SIZE"), ("7M".into(), user.as_str().into()));
        assert_eq!(at("ZCCACHE_RECACHE"), ("1".into(), user.as_str().into()));
        assert_eq!(at("ZCCACHE_READONLY"), ("0".into(), project.as_str().into()));
        assert_eq!(at("ZCCACHE_WATCH").1, "environment");
        assert_eq!(at("ZCCACHE_LOG"), (Value::Null, Value::Null));
        user_writes(sandbox, "");
        trial.run(compile(trial)).hit();
    });
}

/// A store of 100 KB does not keep ten results of 60.
#[test]
fn the_daemon_heeds_what_the_user_settles_on() {
    trial::once(Place::Plain, Compiler::Gcc, |trial| {
        user_settles_on(trial.sandbox(), "max-size = 100K\n");
        for n in 0..10 {
            trial.file(format!("s{n}.c"), format!("int f{n}[15000] = {{ {n}, 1 }};\n"));
        }
        (0..10).for_each(|n| drop(trial.run_line(&format!("$CC -c s{n}.c -o s{n}.o"))));
        let _ = trial.sandbox().zccache(&["gc"]).succeeded();
        let bytes = trial.sandbox().status()["bytes"].as_u64().expect("a number");
        assert!(bytes <= 100 << 10, "{bytes} bytes are kept");
    });
}

#[test]
fn the_user_writes_where_the_store_is() {
    let mut trial = Trial::new(Place::Plain, Compiler::Gcc);
    sources(&trial);
    let moved = trial.sandbox().path("moved");
    user_settles_on(trial.sandbox(), &format!("dir = {}\n", moved.display()));
    trial.sandbox_mut().unset("ZCCACHE_DIR");
    trial.run(compile(&trial)).kept();
    trial.run(compile(&trial)).hit();
    assert_eq!(trial.sandbox().status()["store"], moved.display().to_string());
    // By another name, and one that is a pipe nobody writes to.
    let other = trial.sandbox().path("other.conf");
    fs::rename(trial.sandbox().path(USER_FILE), &other).expect("a file");
    trial.sandbox_mut().set("ZCCACHE_CONFIG", &other);
    trial.run(compile(&trial)).hit();
    let pipe = trial.sandbox().path("pipe");
    nix::unistd::mkfifo(&pipe, Mode::S_IRWXU).expect("a pipe");
    trial.sandbox_mut().set("ZCCACHE_CONFIG", &pipe);
    trial.run(compile(&trial)).kept();
    let _ = trial.sandbox().zccache(&["stop"]).succeeded();
    trial.sandbox_mut().set("ZCCACHE_CONFIG", &other);
    trial.end();
}

/// As in `/tmp`: another user's file in a directory above.
#[test]
fn what_somebody_else_has_written_does_not_count() {
    trial::once(Place::Plain, Compiler::Gcc, |trial| {
        if !geteuid().is_root() {
            return skip("only root can give files away");
        }
        sources(trial);
        project(trial, "readonly = 1\n");
        let give = |owner| {
            trial.edit(|root| {
                let file = root.join("p").join(PROJECT_FILE);
                std::os::unix::fs::chown(file, Some(owner), None).expect("we are root");
            });
        };
        give(65534);
        trial.run(compile(trial)).kept();
        let told = config(trial.sandbox(), &trial.tree().join("p/b"), &[]);
        assert!(told.err().contains("does not count: "), "{told:?}");
        trial.edit(|root| {
            let project = root.join("p");
            std::os::unix::fs::chown(project, Some(65534), None).expect("we are root");
        });
        trial.run(compile(trial).env("ZCCACHE_RECACHE", "1")).bypassed(Reason::ReadOnly);
        give(0);
        trial.edit(|root| {
            let path = root.join("p").join(PROJECT_FILE);
            fs::rename(&path, root.join("mine.conf")).expect("a file");
            std::os::unix::fs::symlink("../mine.conf", &path).expect("a link");
        });
        trial.run(compile(trial).env("ZCCACHE_RECACHE", "1")).kept();
        trial.edit(|root| {
            let path = root.join("p").join(PROJECT_FILE);
            fs::remove_file(&path).expect("a link");
            fs::write(&path, "readonly = 1\n").expect("a file");
        });
        trial.run(compile(trial).env("ZCCACHE_RECACHE", "1")).bypassed(Reason::ReadOnly);
    });
}

#[test]
fn what_cannot_be_understood_is_told() {
    let mut sandbox = Sandbox::new();
    let told = |sandbox: &Sandbox| {
        let told = config(sandbox, &sandbox.path("work"), &[]);
        assert_eq!(told.status.code(), Some(1), "{told:?}");
        told.err()
    };
    user_writes(&sandbox, "max-sise = 5G\nmax-size\n");
    let file = sandbox.path(USER_FILE);
    let file = file.display();
    let expected = format!(
        "zccache: {file}: line 1: \"max-sise\" is no setting; 'zccache config' lists them\n\
         zccache: {file}: line 2: write NAME = VALUE\n"
    );
    assert_eq!(told(&sandbox), expected);
    let doctor = sandbox.zccache(&["doctor"]);
    assert!(doctor.out().contains(&format!("limited  {file}: line 1: \"max-sise\"")), "{doctor:?}");
    user_writes(&sandbox, "max-size = 5X\n");
    assert!(told(&sandbox).contains("ZCCACHE_MAX_SIZE is '5X'"));
    // Who is told what is wrong can still end what runs, and is told again by what starts.
    let _ = sandbox.zccache(&["stop"]).succeeded();
    for wrong in ["max-size = 5X", "idle-exit = soon", "watch = maybe"] {
        user_writes(&sandbox, wrong);
        let started = sandbox.zccache(&["start"]);
        assert!(started.err().contains("; write "), "{started:?}");
        assert!(told(&sandbox).contains("; write "), "{wrong}");
    }
    user_writes(&sandbox, "");
    sandbox.set("ZCCACHE_CONFIG", sandbox.path("none.conf"));
    assert!(told(&sandbox).contains("none.conf: No such file"));
    sandbox.set("ZCCACHE_CONFIG", "here.conf");
    assert!(told(&sandbox).contains("ZCCACHE_CONFIG is 'here.conf'; write an absolute path"));
}

#[test]
fn shells_and_the_manual_know_the_commands() {
    let sandbox = Sandbox::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = sandbox.zccache(&["completions", shell]).succeeded();
        assert!(script.out().contains("umount"), "{shell}");
    }
    let complete = r#"
        source <("$1" completions bash)
        COMP_WORDS=(zccache umount --d) COMP_CWORD=2
        _zccache zccache --d umount
        printf '%s\n' "${COMPREPLY[@]}""#;
    let control = sandbox.programs().control();
    let bash = Command::new(["bash", "-euc", complete, "bash"]).arg(control);
    let completed = sandbox.bare(&sandbox.path("work"), bash).succeeded();
    assert_eq!(completed.out(), "--discard\n");
    let pages = sandbox.path("work");
    let _ = sandbox.zccache(&["manual".as_ref(), pages.as_os_str()]).succeeded();
    let page = fs::read_to_string(pages.join("zccache.1")).expect("a page");
    for setting in TABLE {
        assert!(page.contains(setting.variable), "{page}");
    }
    assert!(pages.join("zccache-umount.1").is_file());
}
