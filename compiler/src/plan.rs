//! From an invocation to its keys, or to the reason why it has none.

use zccache_core::invocation::Input;
use zccache_core::{Invocation, InvocationKey, Reason, Root, TaggedHasher};

use crate::relocation::{self, Exposure};
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
    pub(super) const ROOT: u8 = 8;
    pub(super) const SHOWN_DIRECTORY: u8 = 9;
    pub(super) const DIRECTORY_BELOW_ROOT: u8 = 10;
    pub(super) const ROOTED: u8 = 11;
    pub(super) const INPUT: u8 = 12;
}

/// Under which keys the results of an invocation are kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Plan {
    /// For results that hold in this checkout.
    pub here: InvocationKey,
    /// For results that hold in every checkout, if there can be any.
    pub anywhere: Option<Anywhere>,
}

/// How results are shared between checkouts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Anywhere {
    /// Equal for the same command in every checkout.
    pub key: InvocationKey,
    /// What has to be ruled out before a result is shared.
    pub exposure: Exposure,
}

/// The keys under which results of an invocation in the checkout at `root` are kept.
///
/// # Errors
/// The reason why its results cannot be kept: it is to be bypassed.
pub fn plan(
    invocation: &Invocation,
    files: &dyn ResponseFiles,
    root: &Root,
) -> Result<Plan, Reason> {
    let (compiler, arguments) = invocation.argv.split_first().ok_or(Reason::UnknownTool)?;
    if !program::is_driver(program::base_name(compiler.as_bytes())) {
        return Err(Reason::UnknownTool);
    }
    let expanded = response::expand(arguments, files)?;
    let traits = arguments::examine(&expanded)?;
    if traits.reads_input && !invocation.input.is_known() {
        return Err(Reason::SourceFromStdin);
    }
    let foreign_code = traits.loads_code || invocation.variable(b"LD_PRELOAD").is_some();
    let mut common = common_fields(invocation, traits);
    if foreign_code {
        common.field(tag::WHOLE_ENVIRONMENT, environment::whole(invocation).as_bytes());
    }
    let sharable = !foreign_code && !relocation::are_obscure(&expanded, root);
    let anywhere = sharable.then(|| anywhere(invocation, root, common.clone())).flatten();
    Ok(Plan { here: here(invocation, root, common), anywhere })
}

/// What both keys have in common.
fn common_fields(invocation: &Invocation, traits: arguments::Traits) -> TaggedHasher {
    let mut hasher = TaggedHasher::new();
    hasher.field(tag::VERSION, KEY_VERSION);
    hasher.field(tag::UMASK, &invocation.umask.to_le_bytes());
    for terminal in invocation.terminals {
        let columns = terminal.map(|terminal| terminal.columns.to_le_bytes());
        hasher.field(tag::TERMINAL, columns.as_ref().map_or(&[], |columns| &columns[..]));
    }
    environment::add_of_compilers(invocation, tag::VARIABLE, &mut hasher);
    if let Input::Text { bytes, .. } = &invocation.input {
        hasher.field(tag::INPUT, bytes);
    }
    if traits.native {
        hasher.field(tag::CPU, cpu::identity().as_bytes());
    }
    hasher
}

fn here(invocation: &Invocation, root: &Root, mut hasher: TaggedHasher) -> InvocationKey {
    hasher.field(tag::ROOT, root.as_bytes());
    hasher.field(tag::DIRECTORY, invocation.cwd.as_bytes());
    if let Some(shown) = invocation.variable(environment::DIRECTORY) {
        hasher.field(tag::SHOWN_DIRECTORY, shown);
    }
    for argument in &invocation.argv {
        hasher.field(tag::ARGUMENT, argument.as_bytes());
    }
    InvocationKey(hasher.finish())
}

/// None if a result may depend on where the checkout is in a way that does not show.
fn anywhere(invocation: &Invocation, root: &Root, mut hasher: TaggedHasher) -> Option<Anywhere> {
    let directory = root.strip(invocation.cwd.as_bytes())?;
    let shown = invocation.variable(environment::DIRECTORY);
    let text = match &invocation.input {
        Input::Text { bytes, .. } => &bytes[..],
        _ => &[],
    };
    if shown.is_some_and(|shown| shown != invocation.cwd.as_bytes())
        || root.is_named_in(text)
        || environment::of_compilers_name(invocation, root)
    {
        return None;
    }
    let (compiler, arguments) = invocation.argv.split_first()?;
    if root.is_named_in(compiler.as_bytes()) {
        return None;
    }
    hasher.field(tag::DIRECTORY_BELOW_ROOT, directory);
    hasher.field(tag::SHOWN_DIRECTORY, if shown.is_some() { b"set" } else { b"" });
    hasher.field(tag::ARGUMENT, compiler.as_bytes());
    let exposure = relocation::add_arguments(arguments, root, tag::ROOTED, &mut hasher)?;
    Some(Anywhere { key: InvocationKey(hasher.finish()), exposure })
}
