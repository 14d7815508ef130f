use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use fuser::{Config, InitFlags, KernelConfig, Session, SessionACL};
use nix::sched::{CloneFlags, unshare};
use nix::sys::memfd::{MFdFlags, memfd_create};

use super::adapter::Adapter;
use super::link::FuseLink;
use crate::overlay::{Kernel, Overlay};

/// Serves a view on a mounted `/dev/fuse`, from a thread of its own, until it
/// is unmounted. Returns when the kernel has been answered for the first time.
///
/// # Errors
/// The handshake with the kernel fails, or a thread cannot be started.
pub(crate) fn serve(overlay: &Arc<Overlay>, fuse: OwnedFd, passthrough: bool) -> io::Result<()> {
    let adapter = Adapter::new(Arc::clone(overlay), passthrough)?;
    // The kernel lets in whom the mount options say; ids are those of its
    // namespace, so a check of ours would compare unlike numbers.
    let session = Session::from_fd(adapter, fuse, SessionACL::All, Config::default())?;
    let link = Arc::new(FuseLink::new(session.as_fd(), session.notifier())?);
    overlay.attach(link.clone(), passthrough && permits_passthrough(&*link));
    let (started, start) = sync_channel(1);
    let overlay = Arc::clone(overlay);
    let run = move || {
        run(session, &started);
        overlay.detach();
    };
    thread::Builder::new().name("view-session".into()).spawn(run)?;
    start.recv().unwrap_or(Err(io::ErrorKind::BrokenPipe.into()))
}

/// What the view asks of the kernel, where it offers it.
const WANTED: [InitFlags; 7] = [
    InitFlags::FUSE_ATOMIC_O_TRUNC,
    InitFlags::FUSE_CACHE_SYMLINKS,
    InitFlags::FUSE_DONT_MASK,
    InitFlags::FUSE_DO_READDIRPLUS,
    InitFlags::FUSE_HANDLE_KILLPRIV_V2,
    InitFlags::FUSE_PARALLEL_DIROPS,
    InitFlags::FUSE_READDIRPLUS_AUTO,
];

/// Asks the kernel for what the view wants, where it is offered.
pub(super) fn configure(config: &mut KernelConfig, passthrough: bool) {
    for wanted in WANTED {
        if let Err(missing) = config.add_capabilities(wanted) {
            tracing::debug!(?missing, "the kernel does not offer this");
        }
    }
    if passthrough && config.add_capabilities(InitFlags::FUSE_PASSTHROUGH).is_ok() {
        // Two, so that the lower directory may lie on an overlayfs.
        let _previous = config.set_max_stack_depth(2);
    }
}

/// Whether the kernel takes files for passthrough: it needs to have been asked
/// for it and this process to be privileged.
fn permits_passthrough(kernel: &dyn Kernel) -> bool {
    let probe = || -> io::Result<()> {
        let file = memfd_create("probe", MFdFlags::MFD_CLOEXEC)?;
        kernel.close_backing(kernel.open_backing(file.as_fd())?);
        Ok(())
    };
    probe().is_ok()
}

fn run(session: Session<Adapter>, started: &SyncSender<io::Result<()>>) {
    // The file mode creation mask of this thread and of those it starts, so of
    // the one that serves requests, becomes theirs alone.
    let own = unshare(CloneFlags::CLONE_FS).map_err(io::Error::from);
    let failed = own.is_err();
    if started.send(own).is_err() || failed {
        return;
    }
    if let Err(error) = session.run() {
        tracing::error!(%error, "a view ends");
    }
}
