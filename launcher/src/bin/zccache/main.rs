//! `zccache`: the control command.

mod client;
mod command;
mod doctor;
mod help;
mod keeper;
mod mount;
mod process;
mod run;
mod settings;
mod show;
mod stop;
mod why;

use std::process::ExitCode;

use clap::Parser;
use command::Command;
use nix::sys::signal::{SigHandler, Signal, signal};

fn main() -> ExitCode {
    // A reader that has gone away ends the command, not in a panic.
    // SAFETY: SIG_DFL runs no code of ours.
    let _default = unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) };
    match Command::parse().execute() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("zccache: {error}");
            error.status()
        }
    }
}
