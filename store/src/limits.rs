//! The bounds of the store, with the arithmetic that justifies them. The daemon
//! has to stay under 64 MiB after a thousand compiles; these add up to half.

use std::time::Duration;

/// Page cache of the index, in bytes.
pub(crate) const INDEX_CACHE_BYTES: usize = 8 << 20;

/// Entries kept decoded, in bytes of memory; see [`ENTRY_WEIGHT`].
pub(crate) const ENTRY_CACHE_BYTES: usize = 12 << 20;

/// Bytes of memory for each byte of an encoded entry, besides its observations.
pub(crate) const ENTRY_WEIGHT: usize = 3;

/// Bytes of memory for each observation that an entry shares with others.
pub(crate) const SHARED_WEIGHT: usize = 8;

/// Observations to be shared, in bytes of memory.
pub(crate) const OBSERVATION_BYTES: usize = 4 << 20;

/// The least that a key weighs: of it there may be no entries.
pub(crate) const KEY_WEIGHT: usize = 200;

/// File digests kept in memory. One is an identity (56 bytes) and a digest
/// (32); with the table around them some 8 MiB.
pub(crate) const HASHES_IN_MEMORY: usize = 64 << 10;

/// File digests waiting to be written. More than this between two commits are
/// not written, and hashed again by the next daemon.
pub(crate) const HASHES_WAITING: usize = 32 << 10;

/// File digests in the index; past it the older half is dropped. A row is 92
/// bytes, so some 25 MiB on disk.
pub(crate) const HASHES_ON_DISK: u64 = 256 << 10;

/// Blobs known to be intact, by identity; some 100 bytes each.
pub(crate) const VERIFIED_BLOBS: usize = 32 << 10;

/// Hits waiting to be written. More than this between two commits do not
/// count for eviction.
pub(crate) const USES_WAITING: usize = 32 << 10;

/// Publications waiting for the index writer; their bytes are bounded by the
/// daemon. Further ones are refused.
pub(crate) const QUEUE: usize = 1024;

/// Most publications in one commit.
pub(crate) const BATCH: usize = 128;

/// How long the first publication of a batch waits for others, unless somebody
/// waits for it.
pub(crate) const GATHER: Duration = Duration::from_millis(100);

/// How long hits, file digests and counters wait for a commit.
pub(crate) const FLUSH: Duration = Duration::from_secs(5);

/// Eviction goes on until this part of the bound is in use: tenths.
pub(crate) const EVICT_TO_TENTHS: u64 = 9;

/// Entries evicted by one commit; their summaries are in memory meanwhile.
pub(crate) const VICTIMS: usize = 4096;

/// How much more room than it is to have a disk gets, so that not every result makes room
/// anew: one in so many parts. Evicting begins within one such part, and leaves two.
pub(crate) const HEADROOM: u64 = 10;

/// How often room is made, in seconds, where the last time was not enough.
pub(crate) const MAKE_ROOM_EVERY: u64 = 10;

/// How often entries are looked for that were not used for too long, in seconds; it reads
/// all summaries. An eighth of the time, if that is less.
pub(crate) const EXPIRE_EVERY: u64 = 3600;

/// How long a collection leaves a store of another format, in seconds: 30 days.
pub(crate) const OTHER_FORMATS: u64 = 30 * 86_400;

/// Disk space is counted in blocks of this many bytes.
pub(crate) const BLOCK: u64 = 4096;

/// Bytes read at once when hashing or copying.
pub(crate) const BUFFER: usize = 128 << 10;

const _: () = assert!(BATCH <= QUEUE);
const _: () = assert!(INDEX_CACHE_BYTES + ENTRY_CACHE_BYTES + OBSERVATION_BYTES <= 32 << 20);
