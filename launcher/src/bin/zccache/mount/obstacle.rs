//! What keeps a view from being mounted, and what to do about it.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

/// Why a view cannot be mounted; each in one line, with the remedy.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Obstacle {
    /// The directory is `/`.
    #[error("everything is in it; name a build directory")]
    Root,
    /// The directory is one of `/proc`, `/dev` and their like.
    #[error("what is in it are no files on a disk; name a build directory")]
    NoFiles,
    /// The directory holds the store or lies in it.
    #[error("the store {0} has to be reached without a view; name another directory")]
    Store(PathBuf),
    /// `/dev/fuse` does not exist.
    #[error(
        "there is no /dev/fuse; run `modprobe fuse` as root, or give the container --device /dev/fuse"
    )]
    NoDevice,
    /// `/dev/fuse` cannot be opened.
    #[error(
        "/dev/fuse cannot be opened ({0}); run `chmod 666 /dev/fuse` as root, or give the \
         container --device /dev/fuse"
    )]
    DeviceRefused(&'static str),
    /// `mount(2)` is refused to root.
    #[error(
        "mount(2) is refused ({0}); give the container --cap-add SYS_ADMIN --security-opt \
         apparmor=unconfined"
    )]
    MountRefused(&'static str),
    /// There is no helper for ordinary users.
    #[error(
        "only root may mount without fusermount3; install the package fuse3, or use \
         `zccache run --mount`"
    )]
    NoHelper,
    /// The helper is there, but may itself not mount.
    #[error("fusermount3 is not set-user-ID root; run `chmod u+s {0}` as root")]
    PowerlessHelper(String),
    /// The helper refuses.
    #[error("fusermount3 refuses: {0}")]
    HelperRefused(String),
    /// User namespaces are switched off.
    #[error("a mount namespace is refused; run `sysctl -w {0}` as root, or use `zccache mount`")]
    NoNamespace(&'static str),
    /// No mount namespace for another reason.
    #[error(
        "a mount namespace is refused ({0}); give the container --cap-add SYS_ADMIN, or use \
         `zccache mount`"
    )]
    NamespaceRefused(io::Error),
    /// Something else.
    #[error(transparent)]
    Other(#[from] io::Error),
}

impl From<Errno> for Obstacle {
    fn from(errno: Errno) -> Self {
        Self::Other(errno.into())
    }
}

impl Obstacle {
    /// Why `/dev/fuse` could not be opened.
    pub(crate) fn of_device(errno: Errno) -> Self {
        match errno {
            Errno::ENOENT | Errno::ENODEV | Errno::ENXIO => Self::NoDevice,
            errno => Self::DeviceRefused(errno.desc()),
        }
    }

    /// Why fusermount3, found at `program`, failed, having said `words`.
    pub(crate) fn of_helper(program: Option<&Path>, words: &[u8]) -> Self {
        let mode = program.and_then(|program| Some(fs::metadata(program).ok()?.mode()));
        let powerless = mode.is_some_and(|mode| mode & libc::S_ISUID == 0);
        match program {
            Some(program) if powerless && !nix::unistd::geteuid().is_root() => {
                Self::PowerlessHelper(program.display().to_string())
            }
            _ => {
                let words = String::from_utf8_lossy(words);
                let words = words.trim().trim_start_matches("fusermount3: ");
                Self::HelperRefused(words.replace('\n', "; "))
            }
        }
    }

    /// Why there is no private mount namespace.
    pub(crate) fn of_namespace(error: io::Error) -> Self {
        const SWITCHES: [(&str, &str, &str); 3] = [
            ("user/max_user_namespaces", "0", "user.max_user_namespaces=10000"),
            ("kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone=1"),
            (
                "kernel/apparmor_restrict_unprivileged_userns",
                "1",
                "kernel.apparmor_restrict_unprivileged_userns=0",
            ),
        ];
        let is_off = |(file, off, _): &&(&str, &str, &str)| {
            fs::read_to_string(Path::new("/proc/sys").join(file))
                .is_ok_and(|value| value.trim() == *off)
        };
        match SWITCHES.iter().find(is_off) {
            Some((_, _, remedy)) => Self::NoNamespace(remedy),
            None => Self::NamespaceRefused(error),
        }
    }
}
