//! The one place that turns values into bytes and back: bincode 2 with the
//! standard configuration (little endian, variable-length integers) and a limit
//! on what decoding may allocate.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::limits;

/// Bytes are not the encoding of the wanted value.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// The value cannot be encoded.
    #[error("cannot encode: {0}")]
    Encode(#[from] bincode::error::EncodeError),
    /// The bytes cannot be decoded, or exceed the limit.
    #[error("cannot decode: {0}")]
    Decode(#[from] bincode::error::DecodeError),
    /// Bytes follow after the value.
    #[error("{0} bytes follow after the value")]
    Trailing(usize),
}

/// Encodes a value.
///
/// # Errors
/// [`CodecError::Encode`] for types that bincode cannot represent.
pub fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, CodecError> {
    Ok(bincode::serde::encode_to_vec(value, bincode::config::standard())?)
}

/// Decodes exactly one value from all of `bytes`.
///
/// # Errors
/// [`CodecError`] when the bytes are malformed, too long or longer than the value.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    let config = bincode::config::standard().with_limit::<{ limits::FRAME_BYTES }>();
    let (value, used) = bincode::serde::decode_from_slice(bytes, config)?;
    match bytes.len() - used {
        0 => Ok(value),
        rest => Err(CodecError::Trailing(rest)),
    }
}
