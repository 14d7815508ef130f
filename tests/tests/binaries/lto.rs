//! Optimising at the link, in parallel, with the job server of a real make.

use zccache_tests::{Command, Compiler, Step, Trial};

use crate::places;

/// Has `make` link, bare and through zccache.
fn make(trial: &Trial, words: &[&str]) -> Step {
    let with = |launcher: &str| {
        let make = Command::from("make -s").arg(format!("WITH={launcher}"));
        words.iter().fold(make, |make, word| match word.split_once(':') {
            Some((name, value)) => make.env(name, value),
            None => make.arg(word),
        })
    };
    let launcher = trial.sandbox().programs().launcher().display().to_string();
    trial.run_pair(with(""), with(&launcher))
}

/// Objects of some partitions, and a makefile whose link may have the job server.
fn objects(trial: &Trial, compile: &str, link: &str) {
    trial.file("m.c", "int f1(int); int f2(int); int main(void) { return f1(1) + f2(2) - 5; }\n");
    for n in ["1", "2"] {
        trial.file(format!("f{n}.c"), format!("int f{n}(int x) {{ return x + {n} - 1; }}\n"));
    }
    for name in ["m", "f1", "f2"] {
        let _ = trial.run_line(&format!("{compile} -frandom-seed={name} -c {name}.c"));
    }
    trial.file("Makefile", format!(".PHONY: p\np:\n\t+$(WITH) {link} m.o f1.o f2.o -o p\n"));
}

fn gcc_has_make_work(trial: &Trial) {
    let compile = "gcc -O2 -flto";
    objects(trial, compile, "gcc -O2 -flto=$(LTO) -flto-partition=max");
    trial.file("more.mk", "$(warning of another makefile)\n");
    for lto in ["LTO=auto", "LTO=jobserver", "LTO=2"] {
        make(trial, &["-j2", lto]).kept();
        make(trial, &["-j2", lto]).hit();
        make(trial, &["-j3", lto, "V=1", "-k", "UNRELATED:1"]).hit();
        make(trial, &["-j2", lto, "MAKEFILES:more.mk"]).not_hit();
        make(trial, &["-j2", lto, "SHELL=/bin/bash"]).not_hit();
        make(trial, &[lto]).not_hit();
        make(trial, &[lto, "-k"]).hit();
    }
    trial.file("f2.c", "int f2(int x) { return x + 7; }\n");
    let _ = trial.run_line(&format!("{compile} -frandom-seed=f2 -c f2.c"));
    make(trial, &["-j2", "LTO=auto"]).kept();
    make(trial, &["-j2", "LTO=auto"]).hit();
}

/// A wrapper that is found as `make`, or a word that `make` would expand, may read anything.
fn others_in_the_place_of_make(trial: &Trial) {
    objects(trial, "gcc -O2 -flto", "true");
    trial.file("bin/make", "#!/bin/sh\nunset X\nexec /usr/bin/make \"$@\"\n");
    trial.edit(|root| {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(root.join("bin/make"), mode).expect("a mode");
    });
    let link = "gcc -O2 -flto=2 -flto-partition=max m.o f1.o f2.o -o p";
    let mut front = trial.tree().join("bin").into_os_string();
    front.push(":/usr/bin:/bin");
    let wrapped = |value: &str| trial.line(link).env("PATH", &front).env("X", value);
    trial.run(wrapped("1")).kept();
    trial.run(wrapped("2")).kept();
    trial.run(wrapped("1")).hit();
    let expanded = |value: &str| trial.line(&format!("{link} -DX=$(X)")).env("X", value);
    trial.run(expanded("1")).not_bypassed();
    trial.run(expanded("2")).not_hit();
}

/// Of a job server behind a named pipe gcc 12 knows nothing, and says so.
fn a_job_server_behind_a_named_pipe(trial: &Trial) {
    objects(trial, "gcc -O2 -flto", "true");
    let script = "d=$(mktemp -d); mkfifo $d/f; exec 9<>$d/f; printf + >&9
        MAKEFLAGS=\" -j2 --jobserver-auth=fifo:$d/f\" \"$@\"; status=$?; rm -r $d; exit $status";
    let run = |lto: &str| {
        let link = format!("gcc -O2 {lto} -flto-partition=max m.o f1.o f2.o -o p");
        let words = |front: Vec<std::ffi::OsString>| {
            let words = front.into_iter().chain(link.split(' ').map(Into::into));
            let shell = Command::new(["sh", "-c", script, "sh"]);
            words.fold(shell, |shell, word| shell.arg(word))
        };
        let launcher = trial.sandbox().programs().launcher().into();
        trial.run_pair(words(Vec::new()), words(vec![launcher]))
    };
    for lto in ["-flto=auto", "-flto=jobserver"] {
        run(lto).kept();
        run(lto).hit();
    }
}

#[test]
fn lld_needs_no_make() {
    zccache_tests::trial::once(zccache_tests::Place::View, Compiler::Clang, |trial| {
        objects(trial, "clang -O2 -flto=thin", "clang -O2 -flto=thin -fuse-ld=lld");
        make(trial, &["-j2"]).kept();
        make(trial, &["-j2"]).hit();
        make(trial, &["-j3", "V=1", "UNRELATED:1"]).hit();
        make(trial, &["-j2", "SHELL=/bin/bash"]).counted_once();
    });
}

places!(gcc_has_make_work, others_in_the_place_of_make, a_job_server_behind_a_named_pipe);
