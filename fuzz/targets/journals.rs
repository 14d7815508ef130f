//! The files of a daemon beside its store, the journal of a view and the verdicts: as
//! they are, and with checksums that are right.
#![no_main]

use libfuzzer_sys::fuzz_target;
use zccache_daemon::fuzzing::{any_journal, any_verdicts};

fuzz_target!(|bytes: &[u8]| {
    any_journal(bytes);
    any_verdicts(bytes);
});
