//! A connection to the daemon.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use zccache_core::protocol::frame::{self, HEADER, Header};
use zccache_core::protocol::{Reply, Request, socket};
use zccache_core::{limits, settings};

use super::{LinkError, socket_address};

/// What is read at once; most answers fit.
const STEP: usize = 16 << 10;

/// A connection to a daemon, run by this user.
#[derive(Debug)]
pub struct Connection {
    home: PathBuf,
    socket: UnixStream,
    /// Bytes received and not yet understood.
    pending: Vec<u8>,
    /// Descriptors received and not yet handed out.
    descriptors: Vec<OwnedFd>,
    /// How long one message may take.
    patience: Duration,
}

impl Connection {
    /// Connects to the daemon whose home this is. Answers are waited for
    /// [`limits::ANSWER_WITHIN`], unless set otherwise.
    ///
    /// # Errors
    /// [`LinkError::NoDaemon`] when nobody listens, [`LinkError::Stranger`] when
    /// another user does, [`LinkError::Io`] otherwise.
    pub fn open(home: &Path) -> Result<Self, LinkError> {
        Self::open_within(home, limits::ANSWER_WITHIN)
    }

    /// As [`Connection::open`], with a patience of its own, also for connecting.
    ///
    /// # Errors
    /// As [`Connection::open`].
    pub fn open_within(home: &Path, patience: Duration) -> Result<Self, LinkError> {
        let path = settings::socket_path(home);
        let socket =
            socket_address::connect(&path, patience).map_err(|error| match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                    LinkError::NoDaemon(path.display().to_string())
                }
                _ => LinkError::Io(error),
            })?;
        let peer = getsockopt(&socket, PeerCredentials).map_err(io::Error::from)?;
        if peer.uid() != nix::unistd::geteuid().as_raw() {
            return Err(LinkError::Stranger(path.display().to_string(), peer.uid()));
        }
        let (pending, descriptors) = (Vec::new(), Vec::new());
        Ok(Self { home: home.to_owned(), socket, pending, descriptors, patience })
    }

    /// The home of the daemon at the other end.
    #[must_use]
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Sets how long sending or waiting for a part of a message may take. A whole
    /// message takes at most twice as long to send.
    ///
    /// # Errors
    /// [`LinkError::Io`] when the duration is zero.
    pub fn set_patience(&mut self, patience: Duration) -> Result<(), LinkError> {
        if self.patience != patience {
            self.socket.set_write_timeout(Some(patience))?;
            self.patience = patience;
        }
        Ok(())
    }

    /// Sends a request and the descriptors that travel with it.
    ///
    /// # Errors
    /// [`LinkError::Frame`] when it is too long, [`LinkError::Io`] when it cannot be sent.
    pub fn send(
        &mut self,
        request: &Request,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<(), LinkError> {
        let bytes = frame::encode(request, descriptors.len())?;
        let deadline = Instant::now() + self.patience;
        let mut sent = 0;
        while sent < bytes.len() {
            if sent > 0 && Instant::now() > deadline {
                return Err(io::Error::from(io::ErrorKind::TimedOut).into());
            }
            let with = if sent == 0 { descriptors } else { &[] };
            match socket::send(self.socket.as_fd(), &bytes[sent..], with) {
                Ok(count) => sent += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Receives a reply and the descriptors that came with it.
    ///
    /// # Errors
    /// [`LinkError::Io`] when none comes in time, [`LinkError::Frame`] when it
    /// cannot be understood.
    pub fn receive(&mut self) -> Result<(Reply, Vec<OwnedFd>), LinkError> {
        self.fill(HEADER)?;
        let header = self.pending[..HEADER].try_into().map_err(|_| io::ErrorKind::InvalidData);
        let header = Header::parse(&header.map_err(io::Error::from)?)?;
        let end = HEADER + header.length;
        self.fill(end)?;
        let reply = frame::decode(&self.pending[HEADER..end])?;
        self.pending.drain(..end);
        let count = usize::from(header.descriptors);
        if count > self.descriptors.len() {
            return Err(io::Error::from(io::ErrorKind::InvalidData).into());
        }
        let rest = self.descriptors.split_off(count);
        Ok((reply, std::mem::replace(&mut self.descriptors, rest)))
    }

    /// Receives until `wanted` bytes are pending.
    fn fill(&mut self, wanted: usize) -> Result<(), LinkError> {
        let mut used = self.pending.len();
        while used < wanted {
            self.await_more()?;
            self.pending.resize(wanted.max(used + STEP), 0);
            let room = &mut self.pending[used..];
            match socket::receive(self.socket.as_fd(), room, &mut self.descriptors) {
                Ok(0) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
                Ok(count) => used += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.pending.truncate(used);
        Ok(())
    }

    /// Waits until there is something to receive. Not `recvmsg(2)` itself: a wait in there
    /// ends also when the daemon has taken what was sent (`unix_write_space` in
    /// `net/unix/af_unix.c`), to begin again.
    fn await_more(&self) -> io::Result<()> {
        let patience = PollTimeout::try_from(self.patience).unwrap_or(PollTimeout::MAX);
        let mut socket = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
        loop {
            match poll(&mut socket, patience) {
                Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
                Err(Errno::EINTR) => {}
                other => return other.map(drop).map_err(io::Error::from),
            }
        }
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
