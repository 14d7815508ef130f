//! Encoded values, compressed, with a version, a length and a checksum in front.
//!
//! The paths of a trace repeat each other: a fourth is left of the entry of a C file
//! that includes a hundred headers.

use serde::Serialize;
use serde::de::DeserializeOwned;
use zccache_core::codec::{self, CodecError};
use zccache_core::limits::ENTRY_BYTES;

/// Bytes before the payload.
const HEADER: usize = 1 + 4 + CHECKSUM;
const CHECKSUM: usize = 16;
const VERSION: u8 = 4;

/// The fastest that zstd documents as a level of its own; the third takes a quarter longer
/// and saves three hundredths.
const LEVEL: i32 = 1;

/// A record cannot be believed, or made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecordError {
    #[error("it has another version")]
    Version,
    #[error("its length is wrong")]
    Length,
    #[error("its {0} bytes are too many")]
    TooLong(usize),
    #[error("its checksum is wrong")]
    Checksum,
    #[error("it cannot be compressed or decompressed: {0}")]
    Compression(std::io::Error),
    #[error(transparent)]
    Codec(#[from] CodecError),
}

/// Encodes a value. `place` is the key of the row, which the checksum covers: a
/// record under another key is damaged.
///
/// # Errors
/// [`RecordError::TooLong`] when [`decode`] would refuse it.
pub(crate) fn encode<T: Serialize>(place: &[u8], value: &T) -> Result<Vec<u8>, RecordError> {
    let plain = codec::encode(value)?;
    let length = length_of(&plain)?;
    let payload = zstd::bulk::compress(&plain, LEVEL).map_err(RecordError::Compression)?;
    let mut record = Vec::with_capacity(HEADER + payload.len());
    record.push(VERSION);
    record.extend_from_slice(&length);
    record.extend_from_slice(&checksum(place, length, &payload));
    record.extend_from_slice(&payload);
    Ok(record)
}

/// Decodes a value.
pub(crate) fn decode<T: DeserializeOwned>(place: &[u8], record: &[u8]) -> Result<T, RecordError> {
    measure(place, record).map(|(value, _)| value)
}

/// Decodes a value, and says how many bytes it takes without compression.
pub(crate) fn measure<T: DeserializeOwned>(
    place: &[u8],
    record: &[u8],
) -> Result<(T, usize), RecordError> {
    let plain = decompress(place, record)?;
    Ok((codec::decode(&plain)?, plain.len()))
}

/// What was compressed. Only what agrees with the checksum reaches the decompressor, which
/// makes room for no more than [`ENTRY_BYTES`].
fn decompress(place: &[u8], record: &[u8]) -> Result<Vec<u8>, RecordError> {
    let (version, rest) = record.split_first_chunk::<1>().ok_or(RecordError::Length)?;
    let (length, rest) = rest.split_first_chunk::<4>().ok_or(RecordError::Length)?;
    let (sum, payload) = rest.split_first_chunk::<CHECKSUM>().ok_or(RecordError::Length)?;
    if version != &[VERSION] {
        return Err(RecordError::Version);
    }
    if checksum(place, *length, payload) != *sum {
        return Err(RecordError::Checksum);
    }
    let room = u32::from_le_bytes(*length) as usize;
    if room > ENTRY_BYTES {
        return Err(RecordError::TooLong(room));
    }
    let plain = zstd::bulk::decompress(payload, room).map_err(RecordError::Compression)?;
    if plain.len() == room { Ok(plain) } else { Err(RecordError::Length) }
}

fn length_of(plain: &[u8]) -> Result<[u8; 4], RecordError> {
    let length = u32::try_from(plain.len()).ok().filter(|_| plain.len() <= ENTRY_BYTES);
    length.map(u32::to_le_bytes).ok_or(RecordError::TooLong(plain.len()))
}

fn checksum(place: &[u8], length: [u8; 4], payload: &[u8]) -> [u8; CHECKSUM] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(place.len() as u64).to_le_bytes()).update(place).update(&length);
    hasher.update(payload);
    let mut sum = [0; CHECKSUM];
    hasher.finalize_xof().fill(&mut sum);
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_changed_bit_and_every_cut_is_found() {
        let record = encode(b"key", &(7u64, "text".to_owned())).unwrap();
        assert_eq!(decode::<(u64, String)>(b"key", &record).unwrap(), (7, "text".to_owned()));
        for bit in 0..record.len() * 8 {
            let mut bytes = record.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            decode::<(u64, String)>(b"key", &bytes).unwrap_err();
        }
        for length in 0..record.len() {
            decode::<(u64, String)>(b"key", &record[..length]).unwrap_err();
        }
        decode::<(u64, String)>(b"other", &record).unwrap_err();
    }
}
