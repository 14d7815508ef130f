//! What shells and `man` are told of the commands.

use std::io::{self, Write};
use std::path::Path;

use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use zccache_core::settings::{Author, PROJECT_FILE, TABLE};

/// Prints what a shell needs to complete commands.
pub(crate) fn completions(shell: Shell, mut command: Command) {
    clap_complete::generate(shell, &mut command, "zccache", &mut io::stdout());
}

/// Writes the manual's pages, `zccache.1` with all settings and one for each command.
///
/// # Errors
/// Of writing.
pub(crate) fn manual(directory: &Path, command: &Command) -> io::Result<()> {
    let command = command.clone().disable_help_subcommand(true);
    clap_mangen::generate_to(command.clone(), directory)?;
    let mut page = Vec::new();
    Man::new(command).render(&mut page)?;
    settings(&mut page)?;
    std::fs::write(directory.join("zccache.1"), page)
}

fn settings(page: &mut impl Write) -> io::Result<()> {
    let mut section = Roff::new();
    section.control("SH", ["SETTINGS"]).text([roman(format!(
        "Variables of the environment. Where one is not set, the file {PROJECT_FILE} at the root of \
         the checkout may say what concerns its compiles, and where that does not, the file of the \
         user may say anything: a line NAME = VALUE for each, with the name in brackets."
    ))]);
    for setting in TABLE {
        let name = match setting.files {
            [] => String::new(),
            [Author::User] => format!(" [{}, the user's file]", setting.name()),
            _ => format!(" [{}]", setting.name()),
        };
        let default = if setting.default.is_empty() { "unset" } else { setting.default };
        section.control("TP", []).text([bold(setting.variable), roman(name)]);
        section.text([roman(format!("{} Default: {default}.", setting.help))]);
    }
    section.to_writer(page)
}
