//! The way to the daemon of a store: connecting, starting it, talking to it.

mod connection;
mod home;
pub mod silence;
mod socket_address;
mod start;

pub use connection::Connection;
pub use home::Home;
pub use start::connect_or_start;

use zccache_core::protocol::frame::FrameError;

/// The daemon cannot be talked to.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// No daemon listens at the socket of the store.
    #[error("no daemon listens at {0}; run 'zccache start'")]
    NoDaemon(String),
    /// Somebody else's process listens there.
    #[error("the daemon at {0} belongs to user {1}; set ZCCACHE_DIR to a directory of your own")]
    Stranger(String, u32),
    /// The daemon could not be started.
    #[error("cannot start the daemon: {0}")]
    NotStarted(String),
    /// It did not answer in time, or went away.
    #[error("the daemon does not answer: {0}")]
    Io(#[from] std::io::Error),
    /// It said something else than expected.
    #[error("the daemon does not make sense: {0}; run 'zccache restart'")]
    Frame(#[from] FrameError),
}

impl LinkError {
    /// Whether finding out took its time, as it will again.
    #[must_use]
    pub fn is_silence(&self) -> bool {
        use std::io::ErrorKind::{TimedOut, WouldBlock};
        match self {
            Self::NotStarted(_) => true,
            Self::Io(error) => matches!(error.kind(), TimedOut | WouldBlock),
            _ => false,
        }
    }
}
