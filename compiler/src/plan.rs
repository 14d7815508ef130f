//! From an invocation to its key, or to the reason why it has none.

use zccache_core::{Invocation, InvocationKey, Reason, TaggedHasher};

use crate::response::ResponseFiles;
use crate::{arguments, cpu, environment, program, response};

/// Changes whenever the meaning of a key changes, so that old entries are not
/// found under new rules.
const KEY_VERSION: &[u8] = b"zccache key 2";

/// The tags of the fields of a key.
mod tag {
    pub(super) const VERSION: u8 = 0;
    pub(super) const ARGUMENT: u8 = 1;
    pub(super) const DIRECTORY: u8 = 2;
    pub(super) const UMASK: u8 = 3;
    pub(super) const TERMINAL: u8 = 4;
    pub(super) const VARIABLE: u8 = 5;
    pub(super) const WHOLE_ENVIRONMENT: u8 = 6;
    pub(super) const CPU: u8 = 7;
}

/// The key under which results of an invocation are kept.
///
/// # Errors
/// The reason why its results cannot be kept: it is to be bypassed.
pub fn plan(invocation: &Invocation, files: &dyn ResponseFiles) -> Result<InvocationKey, Reason> {
    let (compiler, arguments) = invocation.argv.split_first().ok_or(Reason::UnknownTool)?;
    let name = compiler.as_bytes().rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    if !program::is_driver(name) {
        return Err(Reason::UnknownTool);
    }
    let traits = arguments::examine(&response::expand(arguments, files)?)?;
    Ok(key(invocation, traits))
}

fn key(invocation: &Invocation, traits: arguments::Traits) -> InvocationKey {
    let mut hasher = TaggedHasher::new();
    hasher.field(tag::VERSION, KEY_VERSION);
    for argument in &invocation.argv {
        hasher.field(tag::ARGUMENT, argument.as_bytes());
    }
    hasher.field(tag::DIRECTORY, invocation.cwd.as_bytes());
    hasher.field(tag::UMASK, &invocation.umask.to_le_bytes());
    for terminal in invocation.terminals {
        let columns = terminal.map(|terminal| terminal.columns.to_le_bytes());
        hasher.field(tag::TERMINAL, columns.as_ref().map_or(&[], |columns| &columns[..]));
    }
    environment::add_of_compilers(invocation, tag::VARIABLE, &mut hasher);
    if traits.loads_code || invocation.variable(b"LD_PRELOAD").is_some() {
        hasher.field(tag::WHOLE_ENVIRONMENT, environment::whole(invocation).as_bytes());
    }
    if traits.native {
        hasher.field(tag::CPU, cpu::identity().as_bytes());
    }
    InvocationKey(hasher.finish())
}
