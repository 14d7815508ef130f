//! The daemon on a disk that hangs: from when there is a file `hang` in its store on, no
//! blob is synchronised any more. An index that hangs would keep look-ups waiting as well.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use zccache_daemon::{Options, run_on};
use zccache_store::{Seam, Step};

/// How long it may write once it is told to end.
const DRAIN_WITHIN: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let Ok(options) = Options::parse(std::env::args_os().skip(1)) else {
        return ExitCode::from(2);
    };
    let options = Options { drain_within: DRAIN_WITHIN, ..options };
    let hang = options.store.join("hang");
    let gate = move |step: Step| {
        while step == Step::SyncBlob && hang.exists() {
            std::thread::park();
        }
        Ok(())
    };
    match run_on(&options, Seam { gate: Arc::new(gate), ..Seam::default() }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
