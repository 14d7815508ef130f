//! `zccache doctor`: what works here, what does not, and what to do about it.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::ExitCode;

use crate::client::{Client, CommandError};
use crate::{mount, run, settings};
use zccache_launcher::daemon_link::Home;
use zccache_launcher::launch::surroundings;
use zccache_launcher::observe;

/// How much a finding matters.
enum Finding {
    /// It works.
    Good(String),
    /// Something works less well, or not for everybody.
    Limited(String, &'static str),
    /// Nothing can be cached, or no view mounted.
    Bad(String, &'static str),
}

/// Prints all findings; fails if something does not work at all.
pub(crate) fn examine() -> ExitCode {
    let findings = [
        programs(),
        written(),
        store(),
        daemon(),
        observer(),
        mounting(),
        private_mounting(),
        passthrough(),
    ];
    let mut code = ExitCode::SUCCESS;
    for finding in findings {
        match finding {
            Finding::Good(what) => println!("ok       {what}"),
            Finding::Limited(what, remedy) => println!("limited  {what}\n         {remedy}"),
            Finding::Bad(what, remedy) => {
                code = ExitCode::FAILURE;
                println!("broken   {what}\n         {remedy}");
            }
        }
    }
    code
}

fn programs() -> Finding {
    let missing = |name: &&&str| {
        std::env::current_exe().is_ok_and(|path| !path.with_file_name(name).is_file())
    };
    match ["zccache-launch", "zccache-daemon"].iter().find(missing) {
        None => {
            Finding::Good("zccache-launch and zccache-daemon are installed beside zccache".into())
        }
        Some(name) => Finding::Bad(
            format!("{name} is not installed beside zccache"),
            "Install all three programs into one directory.",
        ),
    }
}

fn written() -> Finding {
    match settings::complaints() {
        complaints if complaints.is_empty() => Finding::Good("the settings are understood".into()),
        complaints => Finding::Limited(
            complaints.join("\n         "),
            "The rest counts. `zccache config` shows all settings, and where each is set.",
        ),
    }
}

fn store() -> Finding {
    const REMEDY: &str =
        "Set ZCCACHE_DIR to a directory that you own and nobody else can write to.";
    let home = match Home::find(settings::variable) {
        Ok(home) => home,
        Err(error) => return Finding::Bad(error.to_string(), REMEDY),
    };
    let directory = home.store().to_owned();
    if home.is_apart() {
        return Finding::Limited(
            format!(
                "the store {} cannot be written: results are used, none is kept; its daemon is in {}",
                directory.display(),
                home.directory().display()
            ),
            "Nothing need be done if it is meant to be shared; else set ZCCACHE_DIR.",
        );
    }
    match writable(&directory) {
        Ok(()) if is_full(&directory) => Finding::Bad(
            format!("the disk of the store {} is full: no result can be kept", directory.display()),
            "Make room, or set ZCCACHE_DIR to a directory elsewhere.",
        ),
        Ok(()) if lacks_reserve(&directory) => Finding::Limited(
            format!(
                "the disk of the store {} has less than ZCCACHE_MIN_FREE left: results are \
                 removed, and none is kept",
                directory.display()
            ),
            "Make room, lower ZCCACHE_MIN_FREE, or set ZCCACHE_DIR to a directory elsewhere.",
        ),
        Ok(()) => Finding::Good(format!("the store is {}", directory.display())),
        Err(error) => Finding::Bad(
            format!("the store {} cannot be used: {error}", directory.display()),
            REMEDY,
        ),
    }
}

fn writable(directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let mode = fs::metadata(directory)?.permissions().mode();
    if mode & 0o022 != 0 {
        return Err(io::Error::other("others can write to it"));
    }
    let probe = directory.join(format!(".doctor-{}", std::process::id()));
    fs::write(&probe, b"")?;
    fs::remove_file(probe)
}

/// Whether less than a mebibyte, or no inode, is left for this user (`statvfs(3)`;
/// file systems without a fixed number of inodes say that they have none).
fn is_full(directory: &Path) -> bool {
    nix::sys::statvfs::statvfs(directory).is_ok_and(|disk| {
        let room = disk.blocks_available().saturating_mul(disk.fragment_size());
        room < 1 << 20 || (disk.files() > 0 && disk.files_available() == 0)
    })
}

fn lacks_reserve(directory: &Path) -> bool {
    let limits = settings::limits().unwrap_or_default();
    nix::sys::statvfs::statvfs(directory).is_ok_and(|disk| {
        let bytes = |blocks: u64| blocks.saturating_mul(disk.fragment_size());
        bytes(disk.blocks_available()) < limits.reserve(bytes(disk.blocks()))
    })
}

fn daemon() -> Finding {
    match Client::connect_or_start().and_then(|mut client| client.status()) {
        Ok(status) => Finding::Good(format!("the daemon answers (process {})", status.pid)),
        Err(error @ CommandError::NoDaemon) => Finding::Bad(
            error.to_string(),
            "Run zccache-daemon by hand and read its message; daemon.log in the store may say more.",
        ),
        Err(error) => Finding::Bad(error.to_string(), "Do what it says, or run `zccache restart`."),
    }
}

fn observer() -> Finding {
    match observe::is_permitted() {
        true => Finding::Good("compilers can be observed (seccomp user notification)".into()),
        false => Finding::Bad(
            "compilers cannot be observed, so nothing is cached".into(),
            "Linux 5.9 or later is needed, and in containers a seccomp profile that permits \
             seccomp(2): with Docker, --security-opt seccomp=unconfined.",
        ),
    }
}

/// Views for everybody, tried out.
fn mounting() -> Finding {
    match mount::try_out() {
        Ok(()) => Finding::Good("views can be mounted (zccache mount)".into()),
        Err(obstacle) => Finding::Limited(
            format!("`zccache mount` does not work: {obstacle}"),
            "Outputs are put in place instead of being shown by a view.",
        ),
    }
}

/// Views for one command, tried out in a process of its own.
fn private_mounting() -> Finding {
    match run::try_out() {
        Ok(()) => {
            Finding::Good("views can be mounted for one command (zccache run --mount)".into())
        }
        Err(obstacle) => Finding::Limited(
            format!("`zccache run --mount` does not work: {obstacle}"),
            "The command runs all the same, without a view.",
        ),
    }
}

/// Whether this process has `CAP_SYS_ADMIN`, and not just over a user namespace
/// (`capabilities(7)`, `user_namespaces(7)`).
fn has_all_power() -> bool {
    const SYS_ADMIN: u32 = 21;
    let mask = surroundings::effective_capabilities().unwrap_or(0);
    let ids = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let is_first = ids.split_whitespace().eq(["0", "0", "4294967295"]);
    mask & 1 << SYS_ADMIN != 0 && is_first
}

fn passthrough() -> Finding {
    const REMEDY: &str = "Nothing need be done: the daemon reads for the kernel instead.";
    if !has_all_power() {
        return Finding::Limited(
            "only root with CAP_SYS_ADMIN, and in no user namespace, has blobs read without the \
             daemon (passthrough)"
                .into(),
            REMEDY,
        );
    }
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers = release.split(['.', '-']).map_while(|number| number.parse::<u32>().ok());
    if (numbers.next(), numbers.next()) >= (Some(6), Some(9)) {
        Finding::Good("the kernel can read blobs without the daemon (passthrough)".into())
    } else {
        Finding::Limited("the kernel is older than 6.9: no passthrough".into(), REMEDY)
    }
}
