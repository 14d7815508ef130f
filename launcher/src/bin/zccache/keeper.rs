//! Whoever mounted a view stays to unmount it should its daemon die: a dead
//! view answers every access with `ENOTCONN`, and hides the real directory.

use std::os::fd::AsFd;
use std::path::Path;

use nix::mount::MntFlags;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::{ForkResult, fork, setsid};

use crate::client::CommandError;
use crate::mount::{Mounted, detach};

/// Leaves a process behind that waits for the end of the view.
pub(crate) fn leave_behind(mounted: Mounted) -> Result<(), CommandError> {
    // SAFETY: the command has only this thread, so that the child may do all
    // that the parent may.
    match unsafe { fork() }.map_err(|errno| CommandError::System(errno.into()))? {
        ForkResult::Parent { .. } => Ok(()),
        ForkResult::Child => {
            let kept = keep(&mounted);
            std::process::exit(i32::from(kept.is_err()));
        }
    }
}

fn keep(mounted: &Mounted) -> std::io::Result<()> {
    setsid()?;
    std::env::set_current_dir("/")?;
    detach_from_terminal()?;
    loop {
        let mut ends = [PollFd::new(mounted.client.as_fd(), PollFlags::POLLIN)];
        match poll(&mut ends, PollTimeout::NONE) {
            Ok(_) => break,
            Err(nix::errno::Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    bury(&mounted.directory);
    Ok(())
}

/// Removes the mount of a view that nobody serves any more. After an orderly
/// unmount there is none.
pub(crate) fn bury(directory: &Path) {
    let dead = std::fs::metadata(directory)
        .is_err_and(|error| error.raw_os_error() == Some(libc::ENOTCONN));
    if dead && let Err(error) = detach(directory, MntFlags::MNT_DETACH) {
        eprintln!("zccache: cannot unmount {}: {error}", directory.display());
    }
}

fn detach_from_terminal() -> std::io::Result<()> {
    let null = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null")?;
    nix::unistd::dup2_stdin(&null)?;
    nix::unistd::dup2_stdout(&null)?;
    nix::unistd::dup2_stderr(&null)?;
    Ok(())
}
