//! What fuzz targets reach of the inside of this crate.

use zccache_core::Entry;
use zccache_core::protocol::stats::Counters;

use crate::index::record;
use crate::index::rows::{Summary, Totals};

/// Reads any bytes as a record.
pub fn any_record(bytes: &[u8]) {
    let _ = record::decode::<Entry>(b"place", bytes);
    let _ = record::decode::<Counters>(b"place", bytes);
}

/// Reads any bytes as rows of the index; a summary is written as it was read.
pub fn any_rows(bytes: &[u8]) {
    let _ = Totals::decode(bytes);
    if let Some(summary) = Summary::decode(bytes) {
        assert_eq!(summary.encode(), bytes);
    }
}
