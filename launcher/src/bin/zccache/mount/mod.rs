//! Mounting: the command mounts, the daemon serves.

mod ground;
mod obstacle;

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::mount::{MntFlags, MsFlags, umount2};
use nix::sys::stat::Mode;
use zccache_core::OsBytes;
use zccache_core::protocol::{Reply, Request, Settled, ViewRequest, socket};

use crate::client::{Client, CommandError};
use crate::{keeper, show};
pub(crate) use obstacle::Obstacle;
use zccache_launcher::launch::surroundings;

/// A mounted view and the connection that stands for it.
pub(crate) struct Mounted {
    pub(crate) directory: PathBuf,
    pub(crate) client: Client,
}

/// Mounts for everybody, until unmounted.
pub(crate) fn lasting(directory: &Path) -> Result<(), CommandError> {
    bury_all();
    let mut client = Client::connect_or_start()?;
    let wanted = OsBytes::from(absolute(directory)?);
    if client.status()?.views.iter().any(|view| !view.private && view.directory == wanted)
        || is_view(wanted.as_path())
    {
        return Err(CommandError::Refused(format!("{wanted} is a view already")));
    }
    let mounted = mount(client, directory, is_for_everybody())?;
    println!("mounted {}", mounted.directory.display());
    if std::env::current_dir().is_ok_and(|here| surroundings::is_covered(&here)) {
        eprintln!(
            "zccache: this shell is still in the directory below the view, where nothing is \
            cached; to enter the view: cd \"$PWD\""
        );
    }
    keeper::leave_behind(mounted)
}

/// Mounts again what a daemon that died had served.
pub(crate) fn again(directory: &Path) -> Result<Mounted, CommandError> {
    mount(Client::connect_or_start()?, directory, is_for_everybody())
}

/// Whether everybody may use a view: who is not root may not ask for that.
fn is_for_everybody() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Unmounts, leaving real files behind unless they are to be discarded.
pub(crate) fn unmount(directory: &Path, discard: bool) -> Result<(), CommandError> {
    let directory = absolute(directory)?;
    let mut client = Client::connect()?;
    if let Some(cover) = covering(&directory) {
        return Err(CommandError::Covered(directory, cover));
    }
    let name = OsBytes::from(directory.as_path());
    let served = match &mut client {
        Some(client) => serves(client, &name)?,
        None => false,
    };
    if !served && is_view(&directory) {
        return abandon(&directory);
    }
    let mut client = client.ok_or(CommandError::NoDaemon)?;
    let settled = show::progress(&name, || settle(&mut client, Some(name.clone()), discard))?;
    detach_patiently(&directory)?;
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

/// Whether the daemon that can be found serves a view.
fn serves(client: &mut Client, view: &OsBytes) -> Result<bool, CommandError> {
    Ok(client.status()?.views.iter().any(|one| one.directory == *view))
}

/// Unmounts a view whose daemon nobody finds any more: its socket went with the store. It writes
/// what it has itself; what was in the store alone is gone.
fn abandon(directory: &Path) -> Result<(), CommandError> {
    detach_patiently(directory)?;
    eprintln!(
        "zccache: the store of {} has been removed, and with it what only the view had shown",
        directory.display()
    );
    println!("unmounted {}", directory.display());
    Ok(())
}

/// Unmounts what may still be in use for a moment: by a process that has just
/// ended, or by a view within that has just been unmounted.
fn detach_patiently(directory: &Path) -> Result<(), CommandError> {
    let patience = Instant::now() + Duration::from_millis(500);
    loop {
        match detach(directory, MntFlags::empty()) {
            Ok(()) => return Ok(()),
            Err(error) if error.raw_os_error() != Some(libc::EBUSY) => {
                return Err(CommandError::Unmount(directory.to_owned(), error));
            }
            Err(_) if Instant::now() < patience => std::thread::sleep(Duration::from_millis(20)),
            Err(_) => {
                let directory = directory.to_owned();
                return Err(match within(&directory) {
                    Some(inner) => CommandError::Holds(directory, inner),
                    None => CommandError::Busy(directory),
                });
            }
        }
    }
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
    let failed = |obstacle: Obstacle| CommandError::Mount(directory.clone(), obstacle);
    ground::examine(&directory).map_err(failed)?;
    let no_directory = |errno: Errno| CommandError::Directory(directory.clone(), errno.into());
    let lower = open_path(&directory).map_err(no_directory)?;
    let fuse = mount_fuse(&directory, shared).map_err(failed)?;
    let root = open_path(Path::new("/")).map_err(|errno| failed(errno.into()))?;
    let mountinfo = File::open("/proc/self/mountinfo").map_err(|error| failed(error.into()))?;
    let place = surroundings::place().ok_or(io::ErrorKind::NotFound);
    let request = Request::Serve(ViewRequest {
        directory: OsBytes::from(directory.as_path()),
        place: place.map_err(|kind| failed(Obstacle::Other(kind.into())))?,
        shared,
    });
    let descriptors = [lower.as_fd(), fuse.as_fd(), root.as_fd(), mountinfo.as_fd()];
    let refused = match client.ask(&request, &descriptors) {
        Ok(Reply::Done) => return Ok(Mounted { directory, client }),
        Ok(Reply::Failed(text)) => CommandError::Refused(text),
        Ok(_) => CommandError::Confused,
        Err(error) => error,
    };
    // Nobody serves the mount: it must not stay. Who looks at it meanwhile, which may be
    // the daemon for a view above, gets an error and does not wait.
    drop(fuse);
    detach(&directory, MntFlags::MNT_DETACH).map_err(|error| failed(error.into()))?;
    Err(refused)
}

/// Mounts over a directory of no use, and unmounts at once.
pub(crate) fn try_out() -> Result<(), Obstacle> {
    let directory = std::env::temp_dir().join(format!("zccache-doctor-{}", std::process::id()));
    std::fs::create_dir(&directory)?;
    let tried = mount_fuse(&directory, false).and_then(|fuse| {
        drop(fuse);
        Ok(detach(&directory, MntFlags::MNT_DETACH)?)
    });
    std::fs::remove_dir(&directory)?;
    tried
}

pub(crate) fn absolute(directory: &Path) -> Result<PathBuf, CommandError> {
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
fn mount_fuse(directory: &Path, shared: bool) -> Result<OwnedFd, Obstacle> {
    let is_root = nix::unistd::geteuid().is_root();
    // The helper opens it as the user, too.
    let fuse = device()?;
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
    let (source, kind, flags) = (source(), Some(KIND), MsFlags::empty());
    match nix::mount::mount(Some(&*source), directory, kind, flags, Some(options.as_str())) {
        Ok(()) => Ok(fuse),
        Err(Errno::EPERM) if !is_root => with_fusermount(directory),
        // A filter of system calls answers either of the first two.
        Err(errno @ (Errno::EPERM | Errno::ENOSYS | Errno::EACCES)) => {
            Err(Obstacle::MountRefused(errno.desc()))
        }
        Err(errno) => Err(errno.into()),
    }
}

/// Opens `/dev/fuse`.
pub(crate) fn device() -> Result<OwnedFd, Obstacle> {
    let flags = OFlag::O_RDWR | OFlag::O_CLOEXEC;
    open("/dev/fuse", flags, Mode::empty()).map_err(Obstacle::of_device)
}

/// What the table of mounts names as the source of a view: its store, unless the
/// options of fusermount3 could not hold the name.
fn source() -> OsString {
    let plain = |name: &OsString| !name.as_encoded_bytes().iter().any(|b| b",\\".contains(b));
    let store = crate::client::home().map(|home| home.store().as_os_str().to_owned()).ok();
    store.filter(plain).unwrap_or_else(|| "zccache".into())
}

/// The type of our mounts, as the table of mounts tells it.
const KIND: &str = "fuse.zccache";

/// The program that mounts for ordinary users.
const HELPER: &str = "fusermount3";

/// fusermount3 mounts and sends the descriptor over the socket whose number it
/// finds in `_FUSE_COMMFD` (libfuse, `util/fusermount.c`).
fn with_fusermount(directory: &Path) -> Result<OwnedFd, Obstacle> {
    let (ours, theirs) = UnixStream::pair()?;
    keep_across_exec(theirs.as_fd())?;
    let mut options = OsString::from("subtype=zccache,fsname=");
    options.push(source());
    let output = Command::new(HELPER)
        .arg("-o")
        .arg(options)
        .arg("--")
        .arg(directory)
        .env("_FUSE_COMMFD", theirs.as_raw_fd().to_string())
        .output();
    drop(theirs);
    match output {
        Ok(output) if output.status.success() => {}
        Ok(output) => return Err(Obstacle::of_helper(helper().as_deref(), &output.stderr)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Obstacle::NoHelper),
        Err(error) => return Err(error.into()),
    }
    let mut descriptors = Vec::new();
    socket::receive(ours.as_fd(), &mut [0], &mut descriptors)?;
    let sent = descriptors.pop();
    sent.ok_or_else(|| Obstacle::HelperRefused("it sent no descriptor".to_owned()))
}

/// Where the helper is.
fn helper() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(HELPER)).find(|file| file.is_file())
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
            let mut command = Command::new(HELPER);
            command.arg(if lazy { "-uz" } else { "-u" }).arg("--").arg(directory);
            match command.output()?.status.success() {
                true => Ok(()),
                false => Err(Errno::EBUSY.into()),
            }
        }
        Err(errno) => Err(errno.into()),
    }
}

/// Removes all dead views of this store: those whose keeper has died as well.
pub(crate) fn bury_all() {
    for (point, ours) in mounts() {
        if ours {
            keeper::bury(point.as_path());
        }
    }
}

/// Whether what a directory shows is a view of this store.
pub(crate) fn is_view(directory: &Path) -> bool {
    let shown = mounts().into_iter().rfind(|(point, _)| point.as_path() == directory);
    shown.is_some_and(|(_, ours)| ours)
}

/// Whether a directory lies in a view of this store, besides the one that it may show.
pub(crate) fn is_in_view(directory: &Path) -> bool {
    let is_above = |point: &Path| point != directory && directory.starts_with(point);
    mounts().iter().any(|(point, ours)| *ours && is_above(point.as_path()))
}

/// What was mounted over a directory above a view, after it: the kernel does not
/// find the view any more.
fn covering(view: &Path) -> Option<PathBuf> {
    let points: Vec<OsBytes> = mounts().into_iter().map(|(point, _)| point).collect();
    let place = points.iter().rposition(|point| point.as_path() == view)?;
    let covers = |point: &&OsBytes| view.starts_with(point.as_path());
    points[place + 1..].iter().rfind(covers).map(|point| point.as_path().to_owned())
}

/// What was mounted last below a directory.
fn within(directory: &Path) -> Option<PathBuf> {
    let mut points = mounts().into_iter().rev().map(|(point, _)| point.as_path().to_owned());
    points.find(|point| point != directory && point.starts_with(directory))
}

/// Everything that is mounted, in order, and whether it is a view of this store
/// (`proc_pid_mounts(5)`).
fn mounts() -> Vec<(OsBytes, bool)> {
    let table = std::fs::read("/proc/self/mounts").unwrap_or_default();
    let ours = OsBytes::from(source());
    let mount = |line: &[u8]| {
        let mut fields = line.split(|&byte| byte == b' ');
        let source = OsBytes::of_mount_table(fields.next()?);
        let point = OsBytes::of_mount_table(fields.next()?);
        Some((point, source == ours && fields.next()? == KIND.as_bytes()))
    };
    table.split(|&byte| byte == b'\n').filter_map(mount).collect()
}
