//! Whoever mounted a view stays to unmount it should its daemon die: a dead
//! view answers every access with `ENOTCONN`, and hides the real directory.

use std::collections::VecDeque;
use std::path::Path;
use std::time::Instant;

use nix::errno::Errno;
use nix::mount::MntFlags;
use nix::sys::statfs::statfs;
use nix::unistd::{ForkResult, fork, setsid};
use zccache_core::limits;

use crate::client::CommandError;
use crate::mount::{Mounted, again, detach, is_in_view, is_view};

/// Leaves a process behind that waits for the end of the view.
pub(crate) fn leave_behind(mounted: Mounted) -> Result<(), CommandError> {
    // SAFETY: the command has only this thread, so that the child may do all
    // that the parent may.
    match unsafe { fork() }.map_err(|errno| CommandError::System(errno.into()))? {
        ForkResult::Parent { .. } => Ok(()),
        ForkResult::Child => {
            let kept = keep(mounted);
            std::process::exit(i32::from(kept.is_err()));
        }
    }
}

/// Buries the view when its daemon has died, and has another daemon show it
/// again, with what its journal remembers. One that keeps dying is left alone,
/// and so is a view that lies in another: shown again before that, the other
/// would lie over it and reach it from below.
fn keep(mut mounted: Mounted) -> Result<(), CommandError> {
    detach_from_terminal().map_err(CommandError::System)?;
    let lies_in_view = is_in_view(&mounted.directory);
    let mut deaths = VecDeque::new();
    loop {
        if end(&mut mounted).map_err(CommandError::System)? != End::Death || lies_in_view {
            return Ok(());
        }
        deaths.push_back(Instant::now());
        if deaths.len() > limits::REVIVALS {
            let first = deaths.pop_front();
            if first.is_some_and(|first| first.elapsed() < limits::REVIVALS_WITHIN) {
                return Ok(());
            }
        }
        mounted = again(&mounted.directory)?;
    }
}

/// How a view has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    /// Somebody has unmounted it.
    Unmounted,
    /// Its daemon has left, and all its files are real.
    Farewell,
    /// Its daemon has died.
    Death,
}

/// Waits for the end of a view; afterwards it is mounted no more.
pub(crate) fn end(mounted: &mut Mounted) -> std::io::Result<End> {
    if mounted.client.takes_leave()? {
        // The daemon still serves it, for a moment.
        take_down(&mounted.directory);
        return Ok(End::Farewell);
    }
    Ok(if bury(&mounted.directory) { End::Death } else { End::Unmounted })
}

/// Removes the mount of a view that nobody serves any more; returns whether
/// there was one. After an orderly unmount there is none.
pub(crate) fn bury(directory: &Path) -> bool {
    // What the kernel has cached of a dead view it still tells; this it asks.
    let dead = matches!(statfs(directory), Err(Errno::ENOTCONN | Errno::ECONNABORTED));
    if dead {
        take_down(directory);
    }
    dead
}

/// Unmounts a view, if it is one still, though it may be in use.
fn take_down(directory: &Path) {
    if is_view(directory)
        && let Err(error) = detach(directory, MntFlags::MNT_DETACH)
    {
        eprintln!("zccache: cannot unmount {}: {error}", directory.display());
    }
}

/// No session, no directory, no terminal: whoever mounted may go.
fn detach_from_terminal() -> std::io::Result<()> {
    setsid()?;
    std::env::set_current_dir("/")?;
    let null = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null")?;
    nix::unistd::dup2_stdin(&null)?;
    nix::unistd::dup2_stdout(&null)?;
    nix::unistd::dup2_stderr(&null)?;
    Ok(())
}
