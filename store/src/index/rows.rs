//! The rows of the index and their bytes. All numbers are little endian but the
//! sequence number in an entry's key, whose order has to be that of the bytes.

use std::ops::RangeInclusive;

use redb::TableDefinition;
use zccache_core::{Digest, Identity, InvocationKey, Stamp};

use crate::limits;

/// Entries: a record of an [`zccache_core::Entry`].
pub(crate) const ENTRIES: TableDefinition<&[u8; 40], &[u8]> = TableDefinition::new("entries");
/// What eviction needs to know of an entry: a [`Summary`].
pub(crate) const SUMMARIES: TableDefinition<&[u8; 40], &[u8]> = TableDefinition::new("summaries");
/// Blobs by digest: a [`BlobRow`].
pub(crate) const BLOBS: TableDefinition<&[u8; 32], &[u8; 16]> = TableDefinition::new("blobs");
/// Digests of files by identity: a digest and when it was written, by the
/// clock of the store.
pub(crate) const HASHES: TableDefinition<&[u8; 48], &[u8; 40]> = TableDefinition::new("hashes");
/// Single values by name.
pub(crate) const META: TableDefinition<&str, &[u8]> = TableDefinition::new("meta");

/// The clock: eight bytes.
pub(crate) const CLOCK: &str = "clock";
/// The [`Totals`].
pub(crate) const TOTALS: &str = "totals";
/// A record of [`zccache_core::protocol::stats::Counters`].
pub(crate) const COUNTERS: &str = "counters";

/// The key of an entry: its invocation key and when it was published, by the
/// clock of the store.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct EntryId([u8; 40]);

impl EntryId {
    pub(crate) fn new(key: InvocationKey, sequence: u64) -> Self {
        let mut bytes = [0; 40];
        bytes[..32].copy_from_slice(key.0.as_bytes());
        bytes[32..].copy_from_slice(&sequence.to_be_bytes());
        Self(bytes)
    }

    pub(crate) fn from_bytes(bytes: &[u8; 40]) -> Self {
        Self(*bytes)
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 40] {
        &self.0
    }

    pub(crate) fn key(&self) -> InvocationKey {
        InvocationKey(Digest::from_bytes(piece(&self.0, 0)))
    }

    /// All entries of a key, oldest first.
    pub(crate) fn all_of(key: InvocationKey) -> RangeInclusive<[u8; 40]> {
        Self::new(key, 0).0..=Self::new(key, u64::MAX).0
    }
}

/// What eviction needs to know of an entry without reading it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Summary {
    /// When it was last published or served, by the clock of the store.
    pub(crate) used: u64,
    /// And in seconds since the beginning of 1970, as of the commit that wrote it.
    pub(crate) used_at: u64,
    /// Length of its record in bytes.
    pub(crate) bytes: u64,
    /// Digest of its encoded trace.
    pub(crate) trace: Digest,
    /// The blobs it names, each once, in order.
    pub(crate) blobs: Vec<Digest>,
}

impl Summary {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(56 + 32 * self.blobs.len());
        bytes.extend_from_slice(&self.used.to_le_bytes());
        bytes.extend_from_slice(&self.used_at.to_le_bytes());
        bytes.extend_from_slice(&self.bytes.to_le_bytes());
        bytes.extend_from_slice(self.trace.as_bytes());
        self.blobs.iter().for_each(|blob| bytes.extend_from_slice(blob.as_bytes()));
        bytes
    }

    /// None for bytes that are no summary.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (numbers, digests) = bytes.split_at_checked(24)?;
        let (digests, rest) = digests.as_chunks::<32>();
        let (trace, blobs) = digests.split_first()?;
        rest.is_empty().then(|| Self {
            used: u64::from_le_bytes(piece(numbers, 0)),
            used_at: u64::from_le_bytes(piece(numbers, 8)),
            bytes: u64::from_le_bytes(piece(numbers, 16)),
            trace: Digest::from_bytes(*trace),
            blobs: blobs.iter().copied().map(Digest::from_bytes).collect(),
        })
    }
}

/// What the index knows of a blob.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct BlobRow {
    /// Its length in bytes.
    pub(crate) length: u64,
    /// How many entries name it. A blob that none names is condemned: its file
    /// may be gone, and goes as soon as nobody pins it.
    pub(crate) references: u64,
}

impl BlobRow {
    pub(crate) fn encode(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.length.to_le_bytes());
        bytes[8..].copy_from_slice(&self.references.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8; 16]) -> Self {
        Self {
            length: u64::from_le_bytes(piece(bytes, 0)),
            references: u64::from_le_bytes(piece(bytes, 8)),
        }
    }

    /// What the blob occupies on disk.
    pub(crate) fn space(self) -> u64 {
        self.length.next_multiple_of(limits::BLOCK)
    }
}

/// What the store holds.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Totals {
    /// Number of entries.
    pub(crate) entries: u64,
    /// Bytes of entries and blobs, blobs in whole blocks.
    pub(crate) bytes: u64,
}

impl Totals {
    pub(crate) fn encode(self) -> [u8; 16] {
        BlobRow { length: self.entries, references: self.bytes }.encode()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let row = BlobRow::decode(bytes.try_into().ok()?);
        Some(Self { entries: row.length, bytes: row.references })
    }
}

/// The key of a file's digest.
pub(crate) fn identity_key(identity: &Identity) -> [u8; 48] {
    let mut bytes = [0; 48];
    bytes[..8].copy_from_slice(&identity.device.to_le_bytes());
    bytes[8..16].copy_from_slice(&identity.inode.to_le_bytes());
    bytes[16..24].copy_from_slice(&identity.size.to_le_bytes());
    bytes[24..36].copy_from_slice(&stamp(identity.mtime));
    bytes[36..].copy_from_slice(&stamp(identity.ctime));
    bytes
}

fn stamp(stamp: Stamp) -> [u8; 12] {
    let mut bytes = [0; 12];
    bytes[..8].copy_from_slice(&stamp.seconds.to_le_bytes());
    bytes[8..].copy_from_slice(&stamp.nanos.to_le_bytes());
    bytes
}

/// Some bytes of a row, at a fixed place.
fn piece<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    std::array::from_fn(|n| bytes[at + n])
}
