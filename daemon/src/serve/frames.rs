//! Frames and descriptors over the connection with one launcher or command.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::socket::sockopt::PeerCredentials;
use nix::sys::socket::{UnixCredentials, getsockopt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::Interest;
use zccache_core::limits;
use zccache_core::protocol::frame::{self, FrameError, HEADER, Header};
use zccache_core::protocol::socket;

/// The other side went away, or does not keep to the protocol.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectionError {
    /// The connection ended between frames.
    #[error("the peer has closed the connection")]
    Closed,
    /// The connection failed or ended within a frame.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It speaks HTTP, and has said this much.
    #[error("the peer speaks HTTP")]
    Http([u8; HEADER]),
    /// The bytes are no frame.
    #[error(transparent)]
    Frame(#[from] FrameError),
}

/// How long what follows a connection at once is waited for in place, in milliseconds.
const AT_ONCE: u8 = 1;

/// A connection that carries frames. Most carry one request and one answer, which are
/// there when they are wanted: the runtime hears only of those that have to wait.
pub(crate) struct Frames {
    socket: UnixStream,
    /// The same, once the runtime says when it is ready.
    waiting: OnceLock<tokio::net::UnixStream>,
    peer: UnixCredentials,
    /// Whether nothing has been received yet.
    fresh: AtomicBool,
}

impl AsFd for Frames {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Frames {
    /// Takes over a connection that does not block (`SOCK_NONBLOCK`).
    pub(crate) fn new(socket: UnixStream) -> io::Result<Self> {
        let peer = getsockopt(&socket, PeerCredentials)?;
        Ok(Self { socket, waiting: OnceLock::new(), peer, fresh: AtomicBool::new(true) })
    }

    /// The next message and its descriptors.
    pub(crate) async fn receive<T: DeserializeOwned>(
        &self,
    ) -> Result<(T, Vec<OwnedFd>), ConnectionError> {
        let mut descriptors = Vec::new();
        let mut header = [0; HEADER];
        if !self.fill(&mut header, &mut descriptors).await? {
            return Err(ConnectionError::Closed);
        }
        if header.starts_with(b"GET /") {
            return Err(ConnectionError::Http(header));
        }
        let header = Header::parse(&header)?;
        let mut payload = vec![0; header.length];
        if !self.fill(&mut payload, &mut descriptors).await? && header.length > 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        if descriptors.len() != usize::from(header.descriptors) {
            return Err(io::Error::other("descriptors do not match the header").into());
        }
        Ok((frame::decode(&payload)?, descriptors))
    }

    /// Fills the buffer; false if the peer closed before the first byte.
    async fn fill(
        &self,
        buffer: &mut [u8],
        descriptors: &mut Vec<OwnedFd>,
    ) -> Result<bool, ConnectionError> {
        let mut filled = 0;
        while filled < buffer.len() {
            let rest = &mut buffer[filled..];
            let receive = || socket::receive(self.socket.as_fd(), rest, descriptors);
            match self.when_able(Interest::READABLE, receive).await? {
                0 if filled == 0 => return Ok(false),
                0 => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
                received => filled += received,
            }
            if descriptors.len() > limits::DESCRIPTORS {
                return Err(io::Error::other("too many descriptors").into());
            }
        }
        Ok(true)
    }

    /// Sends a message.
    pub(crate) async fn send<T: Serialize>(&self, message: &T) -> Result<(), ConnectionError> {
        self.send_with(message, &[]).await
    }

    /// Sends a message and descriptors.
    #[tracing::instrument(target = "time", level = "trace", skip_all)]
    pub(crate) async fn send_with<T: Serialize>(
        &self,
        message: &T,
        descriptors: &[OwnedFd],
    ) -> Result<(), ConnectionError> {
        let bytes = frame::encode(message, descriptors.len())?;
        let borrowed: Vec<BorrowedFd<'_>> = descriptors.iter().map(AsFd::as_fd).collect();
        self.send_all(&bytes, &borrowed).await
    }

    /// Sends bytes that are no frame.
    pub(crate) async fn send_bytes(&self, bytes: &[u8]) -> Result<(), ConnectionError> {
        self.send_all(bytes, &[]).await
    }

    /// Some bytes that are no frame, at least one.
    pub(crate) async fn receive_bytes(&self) -> Result<Vec<u8>, ConnectionError> {
        let mut bytes = vec![0; limits::HTTP_BYTES];
        let receive = || socket::receive(self.socket.as_fd(), &mut bytes, &mut Vec::new());
        match self.when_able(Interest::READABLE, receive).await? {
            0 => Err(ConnectionError::Closed),
            received => {
                bytes.truncate(received);
                Ok(bytes)
            }
        }
    }

    async fn send_all(
        &self,
        bytes: &[u8],
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<(), ConnectionError> {
        let mut sent = 0;
        while sent < bytes.len() {
            let rights = if sent == 0 { descriptors } else { &[] };
            let send = || socket::send(self.socket.as_fd(), &bytes[sent..], rights);
            sent += self.when_able(Interest::WRITABLE, send).await?;
        }
        Ok(())
    }

    /// Does what the socket may not be ready for, once it is.
    async fn when_able<T>(
        &self,
        interest: Interest,
        mut work: impl FnMut() -> io::Result<T>,
    ) -> io::Result<T> {
        let mut is_first =
            interest == Interest::READABLE && self.fresh.swap(false, Ordering::Relaxed);
        loop {
            match work() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return done,
            }
            if !std::mem::take(&mut is_first) || !self.is_soon_readable() {
                return self.waiting()?.async_io(interest, work).await;
            }
        }
    }

    /// Waits for a peer that has just connected and is about to say why: that takes less
    /// than having the runtime wait.
    fn is_soon_readable(&self) -> bool {
        let mut socket = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
        poll(&mut socket, AT_ONCE) == Ok(1)
    }

    fn waiting(&self) -> io::Result<&tokio::net::UnixStream> {
        if let Some(socket) = self.waiting.get() {
            return Ok(socket);
        }
        let socket = tokio::net::UnixStream::from_std(self.socket.try_clone()?)?;
        Ok(self.waiting.get_or_init(|| socket))
    }

    /// Who is at the other end.
    pub(crate) fn peer(&self) -> UnixCredentials {
        self.peer
    }
}
