//! A store that cannot be written, such as one that several runners share: it gives
//! hits, and is left as it is.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command as Process;

use nix::unistd::geteuid;
use zccache_core::settings::runtime_directory;
use zccache_tests::{Command, Compiler, Outcome, Place, Sandbox, Trial, confine};

/// Compiles what is known and what is not, and says what was made of it.
const USE: &str = "
    for n in 0 1 2; do zccache-launch gcc -g -MD -c s$n.c -o s$n.o; done
    zccache-launch gcc -c new.c -o new.o
    ! zccache gc 2>&1; ! zccache clear 2>&1
    zccache stats --json; zccache status --json
    zccache check; zccache doctor | grep 'store'; zccache stop";

struct Shared {
    trial: Trial,
    /// Where daemons are that cannot have their home in the store.
    run: PathBuf,
}

impl Shared {
    /// A store with three results.
    fn new() -> Self {
        let mut trial = Trial::new(Place::Plain, Compiler::Gcc);
        let run = trial.sandbox().path("run");
        fs::create_dir(&run).expect("a directory");
        trial.sandbox_mut().set("XDG_RUNTIME_DIR", &run);
        (0..3).for_each(|n| {
            trial.file(format!("s{n}.c"), format!("int f{n}(int x) {{ return x + {n}; }}\n"));
        });
        trial.file("new.c", "int new_one;\n");
        trial.age();
        let shared = Self { trial, run };
        let made = "for n in 0 1 2; do zccache-launch gcc -g -MD -c s$n.c -o s$n.o; done
            zccache stop; rm *.o *.d";
        let _ = shared.run(made, |_| ()).succeeded();
        shared
    }

    fn sandbox(&self) -> &Sandbox {
        self.trial.sandbox()
    }

    fn run(&self, script: &str, confine: impl Fn(&mut Process)) -> Outcome {
        let path = format!("{}:/usr/bin:/bin", self.sandbox().programs().directory().display());
        let command = Command::new(["sh", "-euc", script]).env("PATH", path);
        let mut process = command.process(self.trial.tree(), self.sandbox().environment());
        confine(&mut process);
        command.finish(&mut process)
    }

    /// The script finds three hits, and changes nothing in the store.
    fn serves(&self, confine: impl Fn(&mut Process)) {
        let before = bytes(&self.sandbox().store());
        let said = self.run(USE, confine).succeeded();
        let text = said.out();
        for expected in [
            "\"hits\":3",
            "\"bypassed\":1",
            "\"read_only\":1",
            "\"read_only\":true",
            "the store is read-only",
            "3 entries and",
            "0 damaged",
            "cannot be written: results are used",
        ] {
            assert!(text.contains(expected), "no {expected}: {said:?}");
        }
        assert!(before == bytes(&self.sandbox().store()), "the store has changed");
        let lines = ["0", "1", "2"].map(|n| format!("gcc -g -MD -c s{n}.c -o s{n}.o"));
        for line in lines.iter().map(String::as_str).chain(["gcc -c new.c -o new.o"]) {
            let _ = self.trial.bare(&line.into()).succeeded();
        }
        self.trial.assert_same_trees("with a store that cannot be written");
    }
}

/// The files below a directory with their contents.
fn bytes(directory: &Path) -> Vec<(PathBuf, Option<Vec<u8>>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(bytes(&path));
        }
        let content = fs::read(&path).ok();
        found.push((path, content));
    }
    found.sort();
    found
}

#[test]
fn a_read_only_mount() {
    let shared = Shared::new();
    shared.serves(|process| confine::read_only(process, &shared.sandbox().store()));
    let home = runtime_directory(&shared.sandbox().store(), 0, |_| Some(shared.run.clone()));
    let found = fs::symlink_metadata(&home).expect("the daemon had its home there");
    assert_eq!((found.mode() & 0o7777, found.uid()), (0o700, geteuid().as_raw()));
    // A home that others can enter is not used: the compilers run.
    fs::set_permissions(&home, fs::Permissions::from_mode(0o777)).expect("it is ours");
    let open =
        "zccache-launch gcc -g -MD -c s0.c -o s0.o; ! zccache status 2>&1; ! zccache start 2>&1";
    let said = shared.run(open, |process| confine::read_only(process, &shared.sandbox().store()));
    assert!(said.succeeded().out().contains("is not a directory of this user alone"));
}
