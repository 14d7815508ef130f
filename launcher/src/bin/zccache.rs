//! `zccache`: the control command.

use std::process::ExitCode;

use clap::Parser;
use zccache_launcher::command::Command;

fn main() -> ExitCode {
    match Command::parse().execute() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("zccache: {error}");
            ExitCode::FAILURE
        }
    }
}
