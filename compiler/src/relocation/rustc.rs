//! Commands of rustc, told apart from the same command in another checkout.
//!
//! cargo names the directory of what it builds in every command. rustc looks for
//! crates there and writes there, and neither reaches a result: search paths, the
//! paths of crates and of outputs are no part of a crate's hash (`rustc_session`,
//! options that are `UNTRACKED`), nor are they in its metadata.

use zccache_core::{Invocation, OsBytes, Root, TaggedHasher};

use super::add_rooted;
use crate::program::{Family, family_of};

/// What stands in the place of an option that announces a path, and where in the
/// value it begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Start {
    /// At once.
    Value,
    /// Behind the first `=`, if there is one: `KIND=PATH`, `NAME=PATH`.
    AfterEquals,
    /// Behind `incremental=`; other values have none.
    Incremental,
    /// Behind the `=` of a single kind of output.
    Emitted,
    /// At once, up to the last `=`: what is mapped.
    Map,
}

/// Options with a path in the next argument, or joined by `=`; `-L` and `-C` also
/// without (`rustc --help -v`).
const WITH_PATH: &[(&str, Start)] = &[
    ("--codegen", Start::Incremental),
    ("--emit", Start::Emitted),
    ("--extern", Start::AfterEquals),
    ("--out-dir", Start::Value),
    ("--remap-path-prefix", Start::Map),
    ("-C", Start::Incremental),
    ("-L", Start::AfterEquals),
    ("-o", Start::Value),
];

/// Feeds the arguments as they are in any checkout, and says whether paths that begin
/// with the root are shown otherwise. None if one may have an effect that depends on
/// where the checkout is and does not show.
pub(crate) fn add_arguments<'a>(
    arguments: impl Iterator<Item = &'a OsBytes>,
    root: &Root,
    tag: u8,
    to: &mut TaggedHasher,
) -> Option<bool> {
    let mut mapped = false;
    let mut awaited = None;
    for argument in arguments.map(OsBytes::as_bytes) {
        let (start, offset) = match awaited.take() {
            Some(start) => (Some(start), 0),
            None => {
                awaited = known(argument);
                joined(argument)
            }
        };
        let offset = start.map_or(argument.len(), |start| offset + start.of(&argument[offset..]));
        let (option, value) = argument.split_at(offset);
        let path = if start == Some(Start::Map) { mapped_part(value) } else { value };
        // A map of a part of the root hides the rest of it.
        if start == Some(Start::Map) && path != root.as_bytes() && root.as_bytes().starts_with(path)
        {
            return None;
        }
        // What is computed of the place of the output.
        if start == Some(Start::Incremental) && value.starts_with(b"rpath") {
            return None;
        }
        let below = root.strip(path);
        add_rooted([option, value], below.is_some(), (root, tag), to)?;
        mapped |= start == Some(Start::Map) && below.is_some_and(<[u8]>::is_empty);
    }
    Some(mapped)
}

/// What follows the option that an argument consists of.
fn known(argument: &[u8]) -> Option<Start> {
    let found = WITH_PATH.iter().find(|(option, _)| option.as_bytes() == argument);
    found.map(|&(_, start)| start)
}

/// What an argument that begins with an option holds, and where its value begins.
fn joined(argument: &[u8]) -> (Option<Start>, usize) {
    let mut options = WITH_PATH.iter();
    let found = options.find_map(|&(option, start)| {
        let value = argument.strip_prefix(option.as_bytes())?;
        let is_short = option.len() == 2;
        match value.first()? {
            b'=' if !is_short => Some((start, option.len() + 1)),
            _ if is_short => Some((start, option.len())),
            _ => None,
        }
    });
    found.map_or((None, 0), |(start, offset)| (Some(start), offset))
}

impl Start {
    /// Offset of the path in a value; its length if there is none.
    fn of(self, value: &[u8]) -> usize {
        let after_equals = value.iter().position(|&byte| byte == b'=').map(|at| at + 1);
        match self {
            Self::Value | Self::Map => 0,
            Self::AfterEquals => after_equals.unwrap_or(0),
            Self::Incremental if value.starts_with(b"incremental=") => b"incremental=".len(),
            Self::Emitted if !value.contains(&b',') => after_equals.unwrap_or(value.len()),
            Self::Incremental | Self::Emitted => value.len(),
        }
    }
}

/// The left of a map of prefixes: rustc splits at the last `=`.
fn mapped_part(value: &[u8]) -> &[u8] {
    value.iter().rposition(|&byte| byte == b'=').map_or(value, |at| &value[..at])
}

/// The directory that a command of rustc writes to, as cargo names it.
#[must_use]
pub fn output_directory(invocation: &Invocation) -> Option<&OsBytes> {
    if family_of(invocation) != Some(Family::Rust) {
        return None;
    }
    let option = invocation.argv.iter().position(|word| word.as_bytes() == b"--out-dir")?;
    invocation.argv.get(option + 1)
}
