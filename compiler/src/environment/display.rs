//! How messages are laid out, which matters to a result only if there are any.

use zccache_core::{Digest, Invocation, OsBytes, TaggedHasher};

use crate::arguments::is_one_of;
use crate::environment;
use crate::program::{Family, family_of};
use crate::rust;

/// Variables that say whether colours and links are wanted, and by which nothing but
/// messages is laid out: GCC manual, "Diagnostic Message Formatting";
/// <https://bixense.com/clicolors>.
const WANTED: &[&str] = &["CI", "CLICOLOR", "CLICOLOR_FORCE", "TERM_URLS"];

/// Variables that say what a terminal can do, and matter only for one: `terminfo(5)`,
/// also of the file `.terminfo` of the user.
const OF_TERMINALS: &[&str] =
    &["COLORTERM", "COLUMNS", "HOME", "LINES", "TERM", "TERMINFO", "TERMINFO_DIRS"];

/// The tags of what lays messages out.
mod tag {
    pub(super) const STREAM: u8 = 0;
    pub(super) const CONSOLE: u8 = 1;
    pub(super) const VARIABLE: u8 = 2;
    pub(super) const ARGUMENT: u8 = 3;
}

/// Whether a variable lays messages out, and does nothing else.
pub(crate) fn is_of_display(name: &[u8]) -> bool {
    is_one_of(name, WANTED) || is_one_of(name, OF_TERMINALS)
}

/// By what the messages of an invocation are laid out.
#[must_use]
pub fn display(invocation: &Invocation) -> Digest {
    let mut hasher = TaggedHasher::new();
    for terminal in invocation.terminals {
        let columns = terminal.map(|terminal| terminal.columns.to_le_bytes());
        hasher.field(tag::STREAM, columns.as_ref().map_or(&[], |columns| &columns[..]));
    }
    let for_terminal = invocation.terminals.iter().any(Option::is_some);
    let counts =
        |name: &[u8]| is_one_of(name, WANTED) || (for_terminal && is_one_of(name, OF_TERMINALS));
    environment::add_sorted(invocation, counts, tag::VARIABLE, &mut hasher);
    if family_of(invocation) == Some(Family::Rust) {
        let columns = invocation.console.map(|terminal| terminal.columns.to_le_bytes());
        hasher.field(tag::CONSOLE, columns.as_ref().map_or(&[], |columns| &columns[..]));
        let widths = invocation.argv.iter().map(OsBytes::as_bytes);
        for argument in widths.filter(|argument| rust::is_width(argument)) {
            hasher.field(tag::ARGUMENT, argument);
        }
    }
    hasher.finish()
}

/// Whether a run that wrote this to its streams wrote messages that are laid out.
#[must_use]
pub fn has_messages(invocation: &Invocation, stdout: &[u8], stderr: &[u8]) -> bool {
    let is_rust = family_of(invocation) == Some(Family::Rust);
    let are_notices = stderr.is_empty() || (is_rust && rust::are_notices(stderr));
    !stdout.is_empty() || !are_notices
}
