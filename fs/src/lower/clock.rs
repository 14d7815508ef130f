use std::fs::File;
use std::sync::Arc;

use nix::sys::stat::{fstat, futimens};
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime};
use zccache_core::Stamp;

use super::directory::Directory;
use super::staged_file::StagedFile;

/// Tells the time as the lower file system stamps its files. Neither
/// `CLOCK_REALTIME` (ahead of stamps) nor `CLOCK_REALTIME_COARSE` (behind the
/// multigrain stamps of Linux 6.13) keeps the order with files written before
/// and after; a file touched on that very file system does.
#[derive(Debug)]
pub(crate) struct Clock {
    /// Absent where the file system cannot be written: then nothing there has
    /// newer stamps either.
    scratch: Option<File>,
}

impl Clock {
    /// The clock of the file system of `directory`.
    pub(crate) fn new(directory: &Arc<Directory>) -> Self {
        let scratch = StagedFile::create(directory).and_then(StagedFile::into_nameless).ok();
        Self { scratch }
    }

    /// Now.
    pub(crate) fn now(&self) -> Stamp {
        self.scratch.as_ref().and_then(touched).unwrap_or_else(system_time)
    }
}

fn touched(scratch: &File) -> Option<Stamp> {
    futimens(scratch, &TimeSpec::UTIME_NOW, &TimeSpec::UTIME_NOW).ok()?;
    let stat = fstat(scratch).ok()?;
    Some(Stamp { seconds: stat.st_mtime, nanos: u32::try_from(stat.st_mtime_nsec).ok()? })
}

fn system_time() -> Stamp {
    let now = clock_gettime(ClockId::CLOCK_REALTIME_COARSE).unwrap_or(TimeSpec::new(0, 0));
    Stamp { seconds: now.tv_sec(), nanos: u32::try_from(now.tv_nsec()).unwrap_or(0) }
}
