//! What is counted.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Counters since they were last set to zero. Every lookup is counted once as a
/// hit, a miss or a bypass; misses whose result was not kept are also counted
/// as abandoned.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Counters {
    /// Served from the store.
    pub hits: u64,
    /// Compiled under observation.
    pub misses: u64,
    /// Handed to the compiler unobserved.
    pub bypassed: u64,
    /// Troubles of the cache itself.
    pub errors: u64,
    /// Results that were not kept.
    pub abandoned: u64,
    /// Results that were kept.
    pub published: u64,
    /// Invocations that waited for an equal one.
    pub coalesced: u64,
    /// Results that could have been served and that the compiler made again, to compare.
    pub verified: u64,
    /// Those of them that differed.
    pub differing: u64,
    /// Output bytes served by hits.
    pub bytes_served: u64,
    /// Compile time saved by hits, in microseconds.
    pub time_saved: u64,
    /// Bypasses and abandonments by the slug of their reason.
    pub reasons: BTreeMap<String, u64>,
}
