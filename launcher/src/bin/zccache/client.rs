//! Asking the daemon, for people who wait for the answer.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use zccache_core::protocol::{Reply, Request, Status};
use zccache_core::settings::SettingsError;

use crate::mount::Obstacle;
use crate::settings;
use zccache_launcher::daemon_link::{Connection, Home, LinkError, connect_or_start};

/// A command cannot do what it should.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    /// Files that a view showed are not in its directory.
    #[error(
        "files are missing in {0}: {1}; the next 'zccache mount' or 'zccache run --mount' of it \
         shows them"
    )]
    Missing(PathBuf, Box<CommandError>),
    /// The daemon that served a view was killed.
    #[error("the daemon has died")]
    Died,
    /// The settings do not say where the store is.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The daemon cannot be talked to.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// No daemon runs.
    #[error("no daemon is running")]
    NoDaemon,
    /// The daemon refuses.
    #[error("{0}")]
    Refused(String),
    /// The daemon's answer does not fit.
    #[error("the daemon's answer does not fit the question; run 'zccache restart'")]
    Confused,
    /// A directory cannot be mounted over.
    #[error("cannot mount over {0}: {1}")]
    Mount(PathBuf, Obstacle),
    /// What is named is no directory.
    #[error("{0}: {1}")]
    Directory(PathBuf, io::Error),
    /// A view cannot be unmounted.
    #[error("cannot unmount {0}: {1}")]
    Unmount(PathBuf, io::Error),
    /// A view cannot be reached below another mount.
    #[error("{0} is covered by {1}, which was mounted later: unmount that first")]
    Covered(PathBuf, PathBuf),
    /// A view has another mount within.
    #[error("{1} is mounted in {0}: unmount that first")]
    Holds(PathBuf, PathBuf),
    /// A view is in use.
    #[error("{0} is in use: leave it in every shell and close its files, then try again")]
    Busy(PathBuf),
    /// No private mount namespace is to be had.
    #[error(transparent)]
    Namespace(Obstacle),
    /// Compilers run, whose results would be lost.
    #[error("{0} compilers are still running; wait for the build to end, then try again")]
    Building(u64),
    /// A command cannot be started.
    #[error("cannot run {0:?}: {1}")]
    Start(OsString, io::Error),
    /// The system refuses something else.
    #[error(transparent)]
    System(io::Error),
}

impl CommandError {
    /// The status to exit with: for a command that cannot be started, that of a shell.
    pub(crate) fn status(&self) -> ExitCode {
        match self {
            Self::Start(_, error) if error.kind() == io::ErrorKind::NotFound => ExitCode::from(127),
            Self::Start(..) => ExitCode::from(126),
            _ => ExitCode::FAILURE,
        }
    }
}

/// How long a person waits for an answer: a check of a large store reads all of it.
const PATIENCE: Duration = Duration::from_secs(3600);

/// How long a daemon that is alive may take for what it only has to look up.
const QUICK: Duration = Duration::from_secs(30);

/// A connection that waits for its answers.
pub(crate) struct Client(Connection);

impl Client {
    /// Connects if a daemon runs.
    pub(crate) fn connect() -> Result<Option<Self>, CommandError> {
        match Connection::open(home()?.directory()) {
            Ok(connection) => Ok(Some(Self(connection))),
            Err(LinkError::NoDaemon(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Connects, and starts the daemon if none runs.
    pub(crate) fn connect_or_start() -> Result<Self, CommandError> {
        Ok(Self(connect_or_start(&home()?)?))
    }

    /// Asks, with descriptors that travel along.
    pub(crate) fn ask(
        &mut self,
        request: &Request,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<Reply, CommandError> {
        let is_quick = matches!(request, Request::Status | Request::Stats { .. });
        self.0.set_patience(if is_quick { QUICK } else { PATIENCE })?;
        self.0.send(request, descriptors)?;
        Ok(self.0.receive()?.0)
    }

    /// Asks for something to be done.
    pub(crate) fn order(&mut self, request: &Request) -> Result<(), CommandError> {
        match self.ask(request, &[])? {
            Reply::Done => Ok(()),
            Reply::Failed(text) => Err(CommandError::Refused(text)),
            _ => Err(CommandError::Confused),
        }
    }

    /// Waits until the daemon says something unasked, or is gone; returns whether
    /// it was the former, by which it takes its leave.
    pub(crate) fn takes_leave(&mut self) -> io::Result<bool> {
        loop {
            let mut end = [PollFd::new(self.as_fd(), PollFlags::POLLIN)];
            match poll(&mut end, PollTimeout::NONE) {
                Ok(_) => return Ok(self.0.receive().is_ok()),
                Err(nix::errno::Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    pub(crate) fn status(&mut self) -> Result<Status, CommandError> {
        match self.ask(&Request::Status, &[])? {
            Reply::Status(status) => Ok(*status),
            _ => Err(CommandError::Confused),
        }
    }
}

impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The store and its daemon's home.
pub(crate) fn home() -> Result<Home, CommandError> {
    Ok(Home::find(settings::variable)?)
}
