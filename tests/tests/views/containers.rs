//! In containers: what works with which options, as `docs/CI.md` says.

use std::fs;
use std::process::Command as Process;

use zccache_tests::{Command, Sandbox};

/// What a container is given, and what is possible in it: views, and by whom
/// they are read.
const CONTAINERS: &[(&str, Mounting)] = &[
    ("", Mounting::None("there is no /dev/fuse")),
    ("--cap-add SYS_ADMIN", Mounting::None("there is no /dev/fuse")),
    (
        "--security-opt seccomp=unconfined --device /dev/fuse",
        Mounting::Private("mount(2) is refused"),
    ),
    ("--device /dev/fuse --cap-add SYS_ADMIN", Mounting::All),
];

/// Which views there can be.
enum Mounting {
    /// None, and why.
    None(&'static str),
    /// Of `zccache run --mount` only, and why not of `zccache mount`.
    Private(&'static str),
    /// All, and the kernel reads by itself.
    All,
}

/// A root file system that is the machine's, with what is written to it on overlayfs.
const PODMAN: &str = "podman run --rm --network none --ulimit nofile=1024:1024 \
    --ulimit nproc=1000:1000";

const SCRIPT: &str = "mkdir -p /w/b; cd /w; PATH=/programs:$PATH; export ZCCACHE_DIR=/w/store
    test $(stat -f -c %T b) = overlayfs; zccache doctor || true; echo 'int x;' > a.c; sleep 0.05
    compile() { zccache-launch gcc -c a.c -o b/a.o; }
    compile; until zccache status --json | grep -q 'in_flight\":0'; do sleep 0.02; done
    mv b/a.o bare; compile; cmp b/a.o bare; rm b/a.o
    if zccache mount b; then
        compile; zccache mounts; cmp b/a.o bare; zccache umount b; cmp b/a.o bare; rm b/a.o
    fi
    zccache run --mount b -- sh -c 'zccache-launch gcc -c a.c -o b/a.o; zccache mounts'
    cmp b/a.o bare; zccache stats --json; zccache stop\n";

/// The runtime that works here, if any does.
fn runtime() -> Option<&'static str> {
    let works = |runtime: &&str| {
        let script = format!("{PODMAN} --runtime {runtime} --rootfs /:O true");
        Process::new("sh").args(["-c", &script]).output().is_ok_and(|ran| ran.status.success())
    };
    ["crun", "runc"].into_iter().find(works)
}

#[test]
fn in_containers_views_are_possible_with_these_options() {
    let Some(runtime) = runtime() else {
        return println!("SKIP: podman runs no container here");
    };
    let sandbox = Sandbox::new();
    let script = sandbox.path("script");
    fs::write(&script, SCRIPT).expect("a file");
    for (options, mounting) in CONTAINERS {
        let run = format!(
            "{PODMAN} --runtime {runtime} {options} -v {}:/programs:ro -v {}:/script:ro \
             --rootfs /:O sh -eu /script",
            sandbox.programs().directory().display(),
            script.display(),
        );
        let command = Command::new(["sh", "-c", &run]);
        let outcome = sandbox.bare(&sandbox.path("work"), command).succeeded();
        let (out, said) = (outcome.out(), outcome.err());
        assert!(out.contains("ok       compilers can be observed"), "{outcome:?}");
        let shows = |how: &str| out.matches(how).count();
        let (possible, shown) = match mounting {
            Mounting::None(_) => ([0, 0], [0, 0]),
            Mounting::Private(_) => {
                ([0, 1], [0, shows("(1 projected, through the daemon, private)")])
            }
            Mounting::All => (
                [1, 1],
                ["", ", private"].map(|how| shows(&format!("(1 projected, passthrough{how})"))),
            ),
        };
        assert_eq!(shown, possible, "{options}: {outcome:?}");
        let refused = [shows("`zccache mount` does not"), shows("`zccache run --mount` does not")];
        assert_eq!(refused, possible.map(|possible| 1 - possible), "{options}: {outcome:?}");
        if let Mounting::None(why) | Mounting::Private(why) = mounting {
            assert!(said.contains(why), "{outcome:?}");
        }
        assert_eq!(said.contains("going on without"), possible == [0, 0], "{outcome:?}");
        assert!(out.contains("\"bypassed\":0") && out.contains("\"misses\":1"), "{outcome:?}");
    }
}
