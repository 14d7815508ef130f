//! Whether the results of a run tell when it was.

use std::mem::MaybeUninit;

use zccache_compiler::clock::{self, Clock, Told};
use zccache_core::entry::{Chunk, Stream};
use zccache_core::invocation::Input;
use zccache_core::report::{Report, Seen};
use zccache_core::{Invocation, Stamp};

/// When the compiler ran until `made`, with a second to spare on both sides, and of
/// which age its inputs were. None of a run that looked at nothing.
pub(super) fn clock(
    invocation: &Invocation,
    report: &Report,
    made: Stamp,
    is_fixed: bool,
) -> Option<Clock> {
    let first = report.sightings.iter().map(|sighting| sighting.at.seconds).min()?;
    let modified = report.sightings.iter().filter_map(|sighting| match &sighting.seen {
        Seen::File { identity, .. } => Some(identity.mtime.seconds),
        _ => None,
    });
    let input = match &invocation.input {
        Input::Text { modified, .. } => Some(*modified),
        _ => None,
    };
    Some(Clock {
        from: first - 1,
        to: made.seconds + 1,
        offset: local_offset(made.seconds),
        is_usual: clock::is_usual(invocation),
        is_fixed,
        modified: modified.chain(input).collect(),
    })
}

/// Seconds by which local clocks are ahead of Greenwich, leap seconds included if
/// they count them (`localtime(3)`, `timegm(3)`).
fn local_offset(seconds: i64) -> i64 {
    let mut broken_down = MaybeUninit::<libc::tm>::zeroed();
    // SAFETY: both point to values of the right type that outlive the call.
    unsafe { libc::localtime_r(&raw const seconds, broken_down.as_mut_ptr()) };
    // SAFETY: all-zero bytes are a valid `tm`, whether or not the call filled it.
    let mut broken_down = unsafe { broken_down.assume_init() };
    // SAFETY: the value is valid and ours.
    let shown = unsafe { libc::timegm(&raw mut broken_down) };
    shown - seconds
}

/// What in what was said may be the date or time of the run.
pub(super) fn told_by_streams(clock: &Clock, streams: &[Chunk]) -> Told {
    let mut told = clock.told_by(&said(streams, Stream::Stdout));
    told.extend(clock.told_by(&said(streams, Stream::Stderr)));
    told
}

/// All that was said on one stream.
pub(super) fn said(streams: &[Chunk], stream: Stream) -> Vec<u8> {
    let chunks = streams.iter().filter(|chunk| chunk.stream == stream);
    chunks.flat_map(|chunk| chunk.bytes.iter().copied()).collect()
}
