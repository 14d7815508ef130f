//! What can be asked of `zccache`, and who does it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueHint};
use clap_complete::Shell;
use zccache_core::OsBytes;
use zccache_core::protocol::{Reply, Request};

use crate::client::{Client, CommandError};
use crate::show::Form;
use crate::{doctor, help, mount, run, settings, show, stop, why};

/// A compiler cache that you can mount.
#[derive(Parser, Debug)]
#[command(name = "zccache", version, max_term_width = 100)]
pub(crate) struct Command {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand, Debug)]
enum Action {
    /// Start the daemon (it also starts by itself on first use)
    Start,
    /// Finish what is in flight and stop the daemon
    Stop,
    /// Wait for running compilers, stop the daemon, start it and mount its views again
    Restart,
    /// Show what the daemon is doing
    Status(Output),
    /// Show a view of a directory in its place: outputs of hits appear in it as files
    Mount {
        /// The directory, usually a build directory
        #[arg(value_hint = ValueHint::DirPath)]
        directory: PathBuf,
    },
    /// Unmount a view, leaving its files behind in the directory
    #[command(visible_alias = "unmount")]
    Umount {
        /// Drop the files that only the view shows
        #[arg(long)]
        discard: bool,
        /// The directory
        #[arg(value_hint = ValueHint::DirPath)]
        directory: PathBuf,
    },
    /// List the views
    Mounts(Output),
    /// Run a command with the cache in front of its compilers
    Run {
        /// Show views of these directories to the command, and to nobody else
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        mount: Vec<PathBuf>,
        /// The command and its arguments
        #[arg(trailing_var_arg = true, required = true)]
        #[arg(value_hint = ValueHint::CommandWithArguments)]
        command: Vec<std::ffi::OsString>,
    },
    /// Show what was hit, missed and bypassed, and why
    Stats(Stats),
    /// Explain why the compile that makes a file was last a hit, a miss or bypassed
    Why {
        #[command(flatten)]
        output: Output,
        /// An object, a depfile, or any other output
        file: PathBuf,
    },
    /// Remove everything from the store
    Clear,
    /// Evict what was not used for longest until the store is within its bound
    Gc,
    /// Verify every entry and every blob
    Check {
        /// Remove what is damaged
        #[arg(long)]
        repair: bool,
    },
    /// Say what works here, what does not, and what to do about it
    Doctor,
    /// Show the settings, and where each is set
    Config(Output),
    /// Print what a shell needs to complete commands
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Write the manual's pages into a directory
    #[command(hide = true)]
    Manual {
        /// The directory
        directory: PathBuf,
    },
}

#[derive(Args, Debug)]
struct Output {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct Stats {
    #[command(flatten)]
    output: Output,
    /// Print what Prometheus reads, as for its collector of text files
    #[arg(long, conflicts_with = "json")]
    prometheus: bool,
    /// Set the counters back to zero after showing them
    #[arg(long)]
    zero: bool,
    /// Only what was counted under this `ZCCACHE_SESSION`
    #[arg(long, value_name = "ID", value_hint = ValueHint::Other)]
    session: Option<String>,
}

impl Command {
    /// Does what the command says.
    ///
    /// # Errors
    /// [`CommandError`], with what to do about it.
    pub(crate) fn execute(self) -> Result<ExitCode, CommandError> {
        match self.action {
            Action::Start => {
                mount::bury_all();
                Client::connect_or_start()?;
            }
            Action::Stop => stop::stop()?,
            Action::Restart => stop::restart()?,
            Action::Status(output) => show::status(Client::connect()?.as_mut(), output.json)?,
            Action::Mount { directory } => mount::lasting(&directory)?,
            Action::Umount { discard, directory } => mount::unmount(&directory, discard)?,
            Action::Mounts(output) => show::mounts(Client::connect()?.as_mut(), output.json)?,
            Action::Run { mount, command } => return run::run(&mount, &command),
            Action::Stats(stats) => {
                let session = stats.session.as_deref().map(OsBytes::from);
                let request = Request::Stats { session, zero: stats.zero };
                let form = match stats {
                    Stats { output: Output { json: true }, .. } => Form::Json,
                    Stats { prometheus: true, .. } => Form::Prometheus,
                    _ => Form::Text,
                };
                show::stats(&mut Client::connect_or_start()?, &request, form)?;
            }
            Action::Why { output, file } => return why::why(&file, output.json),
            Action::Clear => Client::connect_or_start()?.order(&Request::Clear)?,
            Action::Gc => Client::connect_or_start()?.order(&Request::Collect)?,
            Action::Check { repair } => return check(repair),
            Action::Doctor => return Ok(doctor::examine()),
            Action::Config(output) => return settings::show(output.json),
            Action::Completions { shell } => help::completions(shell, Self::command()),
            Action::Manual { directory } => {
                let written = help::manual(&directory, &Self::command());
                written.map_err(|error| CommandError::Directory(directory, error))?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn check(repair: bool) -> Result<ExitCode, CommandError> {
    let mut client = Client::connect_or_start()?;
    let Reply::Checked(checked) = client.ask(&Request::Check { repair }, &[])? else {
        return Err(CommandError::Confused);
    };
    println!(
        "{} entries and {} blobs checked, {} damaged, {} removed",
        checked.entries, checked.blobs, checked.damaged, checked.removed
    );
    if checked.damaged > checked.removed {
        println!(
            "what is damaged counts as a miss, and the next compile puts it right; \
             --repair removes it now"
        );
    }
    Ok(if checked.damaged > checked.removed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
