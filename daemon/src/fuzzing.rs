//! What fuzz targets reach of the inside of this crate.

/// Reads any bytes as the journal of a view.
pub fn any_journal(bytes: &[u8]) {
    crate::views::any_journal(bytes);
}

/// Reads any bytes as the verdicts of an earlier daemon.
pub fn any_verdicts(bytes: &[u8]) {
    crate::chronicle::any_verdicts(bytes);
}
