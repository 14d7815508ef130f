//! Mounting: the command mounts, the daemon serves.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::mount::{MntFlags, MsFlags, umount2};
use nix::sys::stat::Mode;
use zccache_core::OsBytes;
use zccache_core::protocol::{Reply, Request, Settled, ViewRequest, socket};

use crate::client::{Client, CommandError};
use crate::keeper;
use zccache_launcher::launch::surroundings;

/// A mounted view and the connection that stands for it.
pub(crate) struct Mounted {
    pub(crate) directory: PathBuf,
    pub(crate) client: Client,
}

/// Mounts for everybody, until unmounted.
pub(crate) fn lasting(directory: &Path) -> Result<(), CommandError> {
    let shared = nix::unistd::geteuid().is_root();
    let mut client = Client::connect_or_start()?;
    let wanted = OsBytes::from(absolute(directory)?);
    if client.status()?.views.iter().any(|view| !view.private && view.directory == wanted) {
        return Err(CommandError::Refused(format!("{wanted} is a view already")));
    }
    let mounted = mount(client, directory, shared)?;
    println!("mounted {}", mounted.directory.display());
    keeper::leave_behind(mounted)
}

/// Unmounts, leaving real files behind unless they are to be discarded.
pub(crate) fn unmount(directory: &Path, discard: bool) -> Result<(), CommandError> {
    let directory = absolute(directory)?;
    let mut client = Client::connect()?.ok_or(CommandError::NoDaemon)?;
    let settled = settle(&mut client, Some(OsBytes::from(directory.as_path())), discard)?;
    detach(&directory, MntFlags::empty()).map_err(|error| match error.raw_os_error() {
        Some(libc::EBUSY) => CommandError::Busy(directory.clone()),
        _ => CommandError::Unmount(directory.clone(), error),
    })?;
    match settled {
        Settled { written: 0, dropped: 0 } => println!("unmounted {}", directory.display()),
        Settled { written, dropped } => {
            println!(
                "unmounted {}: {written} files written, {dropped} dropped",
                directory.display()
            );
        }
    }
    Ok(())
}

/// Makes the files of a view real, or drops them.
pub(crate) fn settle(
    client: &mut Client,
    directory: Option<OsBytes>,
    discard: bool,
) -> Result<Settled, CommandError> {
    match client.ask(&Request::Settle { directory, discard }, &[])? {
        Reply::Settled(settled) => Ok(settled),
        Reply::Failed(text) => Err(CommandError::Refused(text)),
        _ => Err(CommandError::Confused),
    }
}

/// Mounts over a directory and has the daemon serve it.
pub(crate) fn mount(
    mut client: Client,
    directory: &Path,
    shared: bool,
) -> Result<Mounted, CommandError> {
    let directory = absolute(directory)?;
    let failed = |error: io::Error| CommandError::Mount(directory.clone(), error);
    let no_directory = |errno: Errno| CommandError::Directory(directory.clone(), errno.into());
    let lower = open_path(&directory).map_err(no_directory)?;
    let fuse = mount_fuse(&directory, shared).map_err(failed)?;
    let root = open_path(Path::new("/")).map_err(|errno| failed(errno.into()))?;
    let mountinfo = File::open("/proc/self/mountinfo").map_err(failed)?;
    let request = Request::Serve(ViewRequest {
        directory: OsBytes::from(directory.as_path()),
        place: surroundings::place().ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?,
        shared,
    });
    let descriptors = [lower.as_fd(), fuse.as_fd(), root.as_fd(), mountinfo.as_fd()];
    let refused = match client.ask(&request, &descriptors) {
        Ok(Reply::Done) => return Ok(Mounted { directory, client }),
        Ok(Reply::Failed(text)) => CommandError::Refused(text),
        Ok(_) => CommandError::Confused,
        Err(error) => error,
    };
    // Nobody serves the mount: it must not stay.
    detach(&directory, MntFlags::MNT_DETACH).map_err(failed)?;
    Err(refused)
}

fn absolute(directory: &Path) -> Result<PathBuf, CommandError> {
    let failed = |error| CommandError::Directory(directory.to_owned(), error);
    // A view whose daemon is gone cannot be looked at, but still be named.
    match std::fs::canonicalize(directory) {
        Err(error) if error.raw_os_error() == Some(libc::ENOTCONN) => {
            std::path::absolute(directory).map_err(failed)
        }
        other => other.map_err(failed),
    }
}

fn open_path(path: &Path) -> nix::Result<OwnedFd> {
    open(path, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
}

/// Mounts with `mount(2)`, or with the help of fusermount3 where that is not
/// permitted. Returns the open `/dev/fuse`.
fn mount_fuse(directory: &Path, shared: bool) -> io::Result<OwnedFd> {
    let flags = OFlag::O_RDWR | OFlag::O_CLOEXEC;
    let fuse = open("/dev/fuse", flags, Mode::empty())
        .map_err(|errno| io::Error::other(format!("/dev/fuse: {}", errno.desc())))?;
    let mode = std::fs::metadata(directory)?.mode() & libc::S_IFMT;
    let mut options = format!(
        "fd={},rootmode={mode:o},user_id={},group_id={}",
        fuse.as_raw_fd(),
        nix::unistd::getuid(),
        nix::unistd::getgid()
    );
    if shared {
        options.push_str(",allow_other,default_permissions");
    }
    // Who may mount may have devices and set-user-ID programs; in a user
    // namespace the kernel adds the flags that keep them harmless.
    let flags = MsFlags::empty();
    match nix::mount::mount(
        Some("zccache"),
        directory,
        Some("fuse.zccache"),
        flags,
        Some(options.as_str()),
    ) {
        Ok(()) => Ok(fuse),
        Err(Errno::EPERM) => with_fusermount(directory),
        Err(errno) => Err(errno.into()),
    }
}

/// fusermount3 mounts and sends the descriptor over the socket whose number it
/// finds in `_FUSE_COMMFD` (libfuse, `util/fusermount.c`).
fn with_fusermount(directory: &Path) -> io::Result<OwnedFd> {
    let (ours, theirs) = UnixStream::pair()?;
    keep_across_exec(theirs.as_fd())?;
    let status = Command::new("fusermount3")
        .args(["-o", "fsname=zccache,subtype=zccache", "--"])
        .arg(directory)
        .env("_FUSE_COMMFD", theirs.as_raw_fd().to_string())
        .status()?;
    drop(theirs);
    if !status.success() {
        return Err(io::Error::other("fusermount3 could not mount"));
    }
    let mut descriptors = Vec::new();
    socket::receive(ours.as_fd(), &mut [0], &mut descriptors)?;
    descriptors.pop().ok_or_else(|| io::Error::other("fusermount3 sent no descriptor"))
}

fn keep_across_exec(fd: BorrowedFd<'_>) -> io::Result<()> {
    use nix::fcntl::{FcntlArg, FdFlag, fcntl};
    fcntl(fd, FcntlArg::F_SETFD(FdFlag::empty()))?;
    Ok(())
}

/// Unmounts with `umount2(2)`, or with the help of fusermount3.
pub(crate) fn detach(directory: &Path, flags: MntFlags) -> io::Result<()> {
    match umount2(directory, flags) {
        Ok(()) => Ok(()),
        Err(Errno::EPERM) => {
            let lazy = flags.contains(MntFlags::MNT_DETACH);
            let mut command = Command::new("fusermount3");
            command.arg(if lazy { "-uz" } else { "-u" }).arg("--").arg(directory);
            match command.output()?.status.success() {
                true => Ok(()),
                false => Err(Errno::EBUSY.into()),
            }
        }
        Err(errno) => Err(errno.into()),
    }
}
