//! `zccache-daemon --store DIR`: serves one store until stopped or idle.

use std::process::ExitCode;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;
use zccache_daemon::{DaemonError, Options, decline, run};

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args_os().skip(1)) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("zccache-daemon: {error}");
            decline(&error);
            return ExitCode::from(2);
        }
    };
    let usual = |_| EnvFilter::new("warn");
    let filter = EnvFilter::try_new(&options.log).unwrap_or_else(usual);
    let log = zccache_daemon::log_file(&options);
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_span_events(FmtSpan::CLOSE)
        .with_ansi(false)
        .with_writer(log)
        .init();
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(DaemonError::AlreadyRunning) => ExitCode::from(3),
        Err(error) => {
            tracing::error!(%error, "the daemon ends");
            eprintln!("zccache-daemon: {error}");
            ExitCode::FAILURE
        }
    }
}
