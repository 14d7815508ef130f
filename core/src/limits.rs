//! Every bound in zccache, with the arithmetic that justifies it.

use std::time::Duration;

/// Largest protocol frame, in bytes. Linux bounds argv and environment together
/// by a quarter of the stack limit, 6 MiB at most (`execve(2)`); a report
/// adds its observations and the captured streams.
pub const FRAME_BYTES: usize = 32 << 20;

/// Longest request over HTTP, in bytes: `curl` and Prometheus send some hundred.
pub const HTTP_BYTES: usize = 4 << 10;

/// Largest output captured from the streams of one compile, in bytes. More
/// makes the run unpublishable; the caller still sees everything.
pub const STREAM_BYTES: usize = 4 << 20;

/// Largest source taken from standard input, in bytes: it travels in the look-up
/// and is part of the key.
pub const INPUT_BYTES: usize = 8 << 20;

/// Most bytes that a preprocessor may write for what it writes to be looked at: a source
/// with large libraries has some ten million.
pub const PREPROCESSED_BYTES: u64 = 256 << 20;

/// Most paths in one report. A C++ unit looks up a few thousand; rustc with a
/// crowded `deps/` some ten thousand.
pub const OBSERVATIONS: usize = 200_000;

/// Most descriptors in one message: `SCM_MAX_FD` (`unix(7)`).
pub const DESCRIPTORS: usize = 253;

/// Most outputs of one invocation, and files that it revised, so that their descriptors and that of the watch
/// over their directories fit in one message.
pub const OUTPUTS: usize = 250;

/// Outputs up to this size live inside their entry rather than in a blob: a
/// depfile or a tiny object costs neither an inode nor a sync.
pub const INLINE_BYTES: u64 = 4 << 10;

/// Largest depfile that is written anew for other checkouts, in bytes: some ten
/// thousand headers. It lives inside its entry.
pub const DEPFILE_BYTES: u64 = 1 << 20;

/// Most bytes of a file that a run reads and then changes, which the launcher copies into
/// memory before: an archive of some thousand objects. Copying takes some 20 ms.
pub const PRIOR_BYTES: u64 = 64 << 20;

/// Outputs up to this size travel within the report, in bytes: depfiles of a few
/// hundred headers. Reading one takes the launcher some ten microseconds.
pub const CARRIED_BYTES: u64 = 64 << 10;

/// Largest entry as stored, in bytes.
pub const ENTRY_BYTES: usize = 32 << 20;

/// Traces kept for one invocation key, newest first. Enough for a header to go through
/// several branches and back, and for what a `configure` script compiles under one name.
pub const TRACES_PER_KEY: usize = 128;

/// Bytes of outputs that may wait for the disk. Past it a publication is
/// dropped and counted; the build never waits.
pub const IN_FLIGHT_BYTES: u64 = 512 << 20;

/// How long a launcher waits for any answer of a daemon before it runs the
/// compiler without it.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// How long a daemon may take to say what it is doing, once it has not answered a
/// launcher in time: milliseconds, unless it hangs.
pub const PROBE_WITHIN: Duration = Duration::from_millis(300);

/// How long a daemon that was found silent is left alone though it goes on: a slow one
/// costs a build no more than a twentieth of its time.
pub const SILENCE: Duration = Duration::from_secs(60);

/// How often an invocation that waits for another is told that it still has to.
pub const WAIT_AGAIN: Duration = Duration::from_secs(1);

/// How long a daemon that is told to end may take to write what waits for the disk:
/// [`IN_FLIGHT_BYTES`] at 20 MB/s.
pub const DRAIN_WITHIN: Duration = Duration::from_secs(30);

/// How long a launcher may take to send its report, which a daemon that hangs
/// does not read. Most reports fit into the buffer of the socket.
pub const REPORT_WITHIN: Duration = Duration::from_secs(1);

/// How long a launcher waits for a daemon it has started to listen.
pub const START_WITHIN: Duration = Duration::from_secs(3);

/// How long a tool that changes a file in its place waits for the report of a run that
/// seems to have made it, and which may be a run that waits for the tool.
pub const REPORTED_WITHIN: Duration = Duration::from_millis(300);

/// How long an invocation waits for an equal one in flight before it runs
/// by itself.
pub const COALESCE_WITHIN: Duration = Duration::from_secs(120);

/// How long an idle daemon without views stays.
pub const IDLE_EXIT: Duration = Duration::from_secs(600);

/// Memory for the verdicts that `zccache why` explains, in bytes. A compile
/// takes its arguments and paths and some 300 bytes more, about 1 KiB in all, so
/// that some 8000 are remembered; an environment counts once for all compiles
/// that share it. The older half goes when it is full.
pub const VERDICT_BYTES: usize = 8 << 20;

/// How long `zccache why` waits for a result that is on its way to the disk.
pub const EXPLAIN_WITHIN: Duration = Duration::from_secs(2);

/// How long the log of a daemon may grow, in bytes; one more like it is kept: some
/// 8000 events each.
pub const LOG_BYTES: u64 = 1 << 20;

/// Connections served at once. Each costs some kilobytes and descriptors: its own, twice
/// where it waits, those of the outputs that it brings or takes, a file that is read for it. Further
/// ones wait in the listen queue.
pub const CONNECTIONS: usize = 512;

/// Connections served at once by a process that may have so many descriptors open:
/// one for four of those that are left beside half a dozen for the store, half a dozen
/// for the runtime, and some for views.
#[must_use]
pub const fn connections(descriptors: u64) -> usize {
    let some = descriptors.saturating_sub(32) / 4;
    match some {
        0..4 => 4,
        4..512 => some as usize,
        _ => CONNECTIONS,
    }
}

/// Bytes by which the journal of a view may grow over twice what it was begun
/// with before it is written anew: some five thousand changes, which take a few
/// milliseconds to write, so that a file costs less than two writings.
pub const JOURNAL_SLACK_BYTES: u64 = 1 << 20;

/// How long the journal of a view that nobody mounts again keeps its blobs
/// from being evicted.
pub const JOURNAL_AGE: Duration = Duration::from_secs(7 * 86_400);

/// How long a new view of a directory waits for the last one, unmounted, to end.
/// It takes milliseconds unless a process still has a file of it open.
pub const VIEW_RELEASE: Duration = Duration::from_secs(2);

/// How often a view is shown again after its daemon has died, within
/// [`REVIVALS_WITHIN`]: a daemon that dies of what it is asked would go on dying.
pub const REVIVALS: usize = 3;

/// See [`REVIVALS`].
pub const REVIVALS_WITHIN: Duration = Duration::from_secs(60);

/// Symbolic links followed on one path, as in the kernel (`MAXSYMLINKS` of
/// `linux/namei.h`, `path_resolution(7)`).
pub const LINKS: u32 = 40;

/// How far apart two changes must be for coarse file time stamps to differ:
/// one tick at HZ=100, the slowest that Linux offers.
pub const COARSE_TICK: Duration = Duration::from_millis(10);

const _: () = assert!(connections(64) == 8 && connections(1024) == 248);
const _: () = assert!(WAIT_AGAIN.as_millis() < ANSWER_WITHIN.as_millis());
const _: () = assert!(REPORTED_WITHIN.as_millis() < WAIT_AGAIN.as_millis());
const _: () = assert!(ANSWER_WITHIN.as_millis() * 20 <= SILENCE.as_millis());
const _: () = assert!(OUTPUTS < DESCRIPTORS);
const _: () = assert!(STREAM_BYTES * 2 < FRAME_BYTES);
const _: () = assert!(INPUT_BYTES * 2 < FRAME_BYTES);
const _: () = assert!(ENTRY_BYTES <= FRAME_BYTES);
const _: () = assert!(VERDICT_BYTES * 2 < FRAME_BYTES);
const _: () = assert!(INLINE_BYTES as usize * OUTPUTS < ENTRY_BYTES);
const _: () = assert!(CARRIED_BYTES as usize * OUTPUTS + STREAM_BYTES < FRAME_BYTES);
