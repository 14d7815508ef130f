//! A frame: twelve bytes of header, then a payload of bounded length.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::VERSION;
use crate::codec::{self, CodecError};
use crate::limits;

/// Length of a header in bytes.
pub const HEADER: usize = 12;

const MAGIC: [u8; 4] = *b"zccp";

/// A frame cannot be understood.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// It does not begin as a frame does.
    #[error("the peer does not speak the zccache protocol")]
    NotAFrame,
    /// The peer is of another version.
    #[error("the peer speaks version {0} of the protocol, this is version {VERSION}")]
    Version(u16),
    /// The payload is too long.
    #[error("a frame of {0} bytes exceeds the bound of {max}", max = limits::FRAME_BYTES)]
    TooLong(usize),
    /// The payload is malformed.
    #[error(transparent)]
    Codec(#[from] CodecError),
}

/// The header of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Length of the payload in bytes.
    pub length: usize,
    /// Descriptors that travel with the frame.
    pub descriptors: u16,
}

impl Header {
    /// Reads a header: magic (4 bytes), version (2), descriptors (2), length (4),
    /// little endian.
    ///
    /// # Errors
    /// [`FrameError`] when it is none, of another version, or announces too much.
    pub fn parse(bytes: &[u8; HEADER]) -> Result<Self, FrameError> {
        let [m0, m1, m2, m3, v0, v1, d0, d1, l0, l1, l2, l3] = *bytes;
        if [m0, m1, m2, m3] != MAGIC {
            return Err(FrameError::NotAFrame);
        }
        let version = u16::from_le_bytes([v0, v1]);
        if version != VERSION {
            return Err(FrameError::Version(version));
        }
        let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
        if length > limits::FRAME_BYTES {
            return Err(FrameError::TooLong(length));
        }
        Ok(Self { length, descriptors: u16::from_le_bytes([d0, d1]) })
    }

    fn bytes(self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4..6].copy_from_slice(&VERSION.to_le_bytes());
        bytes[6..8].copy_from_slice(&self.descriptors.to_le_bytes());
        #[expect(clippy::cast_possible_truncation, reason = "bounded by FRAME_BYTES")]
        bytes[8..].copy_from_slice(&(self.length as u32).to_le_bytes());
        bytes
    }
}

/// The bytes of a frame around `message`.
///
/// # Errors
/// [`FrameError::TooLong`] or [`FrameError::Codec`].
pub fn encode<T: Serialize>(message: &T, descriptors: usize) -> Result<Vec<u8>, FrameError> {
    let payload = codec::encode(message)?;
    if payload.len() > limits::FRAME_BYTES {
        return Err(FrameError::TooLong(payload.len()));
    }
    let descriptors = u16::try_from(descriptors).map_err(|_| FrameError::TooLong(descriptors))?;
    let mut bytes = Header { length: payload.len(), descriptors }.bytes().to_vec();
    bytes.extend_from_slice(&payload);
    Ok(bytes)
}

/// The message in the payload of a frame.
///
/// # Errors
/// [`FrameError::Codec`] when it is malformed.
pub fn decode<T: DeserializeOwned>(payload: &[u8]) -> Result<T, FrameError> {
    Ok(codec::decode(payload)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_refuses_strangers_versions_and_lengths() {
        let good = Header { length: 7, descriptors: 2 }.bytes();
        assert!(matches!(Header::parse(&good), Ok(Header { length: 7, descriptors: 2 })));
        let with = |at: usize, byte: u8| {
            let mut bytes = good;
            bytes[at] = byte;
            Header::parse(&bytes)
        };
        assert!(matches!(with(0, b'x'), Err(FrameError::NotAFrame)));
        assert!(matches!(with(4, 99), Err(FrameError::Version(99))));
        assert!(matches!(with(11, 0xff), Err(FrameError::TooLong(_))));
    }
}
