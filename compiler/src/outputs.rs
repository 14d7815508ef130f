//! Which files a command makes, as far as its arguments say: for telling people about
//! commands that were not observed, and whom to wait for or to distrust; a result is never
//! kept because of it.

use zccache_core::{Invocation, OsBytes};

use crate::arguments::{WITH_VALUE, is_one_of};
use crate::program::{base_name, is_driver, name_of};
use crate::tools::binary::{self, Tool};
use crate::tools::emscripten;

/// The absolute paths that a command seems to write: what `-o` names; without it, what
/// a tool changes in its place; for a compiler the object or assembly file that each
/// source leads to in the working directory, or `a.out`.
#[must_use]
pub fn guess(invocation: &Invocation) -> Vec<OsBytes> {
    let mut arguments = invocation.argv.iter().skip(1).map(OsBytes::as_bytes);
    let mut sources = Vec::new();
    let mut suffix = None;
    while let Some(argument) = arguments.next() {
        match argument {
            b"-o" => {
                return arguments.next().map(|name| at(invocation, name)).into_iter().collect();
            }
            b"-c" => suffix = Some(&b".o"[..]),
            b"-S" => suffix = Some(&b".s"[..]),
            b"-E" | b"-M" | b"-MM" | b"-fsyntax-only" => return Vec::new(),
            _ if argument.starts_with(b"-o") => return vec![at(invocation, &argument[2..])],
            _ if is_one_of(argument, WITH_VALUE) => drop(arguments.next()),
            _ if argument.starts_with(b"-") || argument.starts_with(b"@") => {}
            _ => sources.push(argument),
        }
    }
    if !is_driver(name_of(invocation)) {
        return changed_in_place(invocation);
    }
    if sources.is_empty() {
        return Vec::new();
    }
    let Some(suffix) = suffix else { return vec![at(invocation, b"a.out")] };
    let object = |source: &&[u8]| at(invocation, &[stem(base_name(source)), suffix].concat());
    sources.iter().map(object).collect()
}

/// The absolute paths of what a tool for binaries seems to change where it is: the archive
/// of an archiver, and what is stripped or indexed.
#[must_use]
pub fn changed_in_place(invocation: &Invocation) -> Vec<OsBytes> {
    let name = name_of(invocation);
    let Some(tool) = binary::tool(name).or_else(|| emscripten::wrapped(name)) else {
        return Vec::new();
    };
    let words = invocation.argv.iter().skip(1).map(OsBytes::as_bytes);
    let mut operands = words.filter(|word| !word.starts_with(b"-") && !word.starts_with(b"@"));
    let has_dash = |operation: &OsBytes| operation.as_bytes().starts_with(b"-");
    let file = |word| at(invocation, word);
    match tool {
        Tool::Linker => Vec::new(),
        Tool::Archiver => {
            let before = usize::from(!invocation.argv.get(1).is_some_and(has_dash));
            operands.nth(before).map(file).into_iter().collect()
        }
        // Only the second of two is written.
        Tool::Rewriter if name.ends_with(b"objcopy") => {
            operands.next_back().map(file).into_iter().collect()
        }
        Tool::Rewriter => operands.map(file).collect(),
    }
}

fn at(invocation: &Invocation, name: &[u8]) -> OsBytes {
    invocation.cwd.as_path().join(OsBytes::from(name).as_path()).into()
}

/// A file name without what follows its last dot.
fn stem(name: &[u8]) -> &[u8] {
    name.iter().rposition(|&byte| byte == b'.').map_or(name, |dot| &name[..dot])
}
