//! Encoded values with a version, a length and a checksum in front.

use serde::Serialize;
use serde::de::DeserializeOwned;
use zccache_core::codec::{self, CodecError};

/// Bytes before the payload.
pub(crate) const HEADER: usize = 1 + 4 + CHECKSUM;
const CHECKSUM: usize = 16;
const VERSION: u8 = 3;

/// A record cannot be believed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecordError {
    #[error("it has another version")]
    Version,
    #[error("its length is wrong")]
    Length,
    #[error("its checksum is wrong")]
    Checksum,
    #[error(transparent)]
    Codec(#[from] CodecError),
}

/// Encodes a value. `place` is the key of the row, which the checksum covers: a
/// record under another key is damaged.
pub(crate) fn encode<T: Serialize>(place: &[u8], value: &T) -> Result<Vec<u8>, RecordError> {
    let payload = codec::encode(value)?;
    let length = u32::try_from(payload.len()).map_err(|_| RecordError::Length)?;
    let mut record = Vec::with_capacity(HEADER + payload.len());
    record.push(VERSION);
    record.extend_from_slice(&length.to_le_bytes());
    record.extend_from_slice(&checksum(place, &payload));
    record.extend_from_slice(&payload);
    Ok(record)
}

/// Decodes a value.
pub(crate) fn decode<T: DeserializeOwned>(place: &[u8], record: &[u8]) -> Result<T, RecordError> {
    let (header, payload) = record.split_at_checked(HEADER).ok_or(RecordError::Length)?;
    let (version, header) = header.split_at(1);
    let (length, sum) = header.split_at(4);
    if version != [VERSION] {
        return Err(RecordError::Version);
    }
    if u32::try_from(payload.len()).map(u32::to_le_bytes).ok().as_ref().map(|l| &l[..])
        != Some(length)
    {
        return Err(RecordError::Length);
    }
    if checksum(place, payload) != sum {
        return Err(RecordError::Checksum);
    }
    Ok(codec::decode(payload)?)
}

fn checksum(place: &[u8], payload: &[u8]) -> [u8; CHECKSUM] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(place.len() as u64).to_le_bytes()).update(place).update(payload);
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
