//! Which files a command makes, as far as its arguments say: for telling people
//! about commands that were not observed, never for keeping anything.

use zccache_core::{Invocation, OsBytes};

use crate::arguments::{WITH_VALUE, is_one_of};
use crate::program::{base_name, is_driver};

/// The absolute paths that a command seems to write: what `-o` names; without it,
/// for a compiler, the object or assembly file that each source leads to in the
/// working directory, or `a.out`.
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
    let compiler = invocation.argv.first().map_or(&b""[..], OsBytes::as_bytes);
    if sources.is_empty() || !is_driver(base_name(compiler)) {
        return Vec::new();
    }
    let Some(suffix) = suffix else { return vec![at(invocation, b"a.out")] };
    let object = |source: &&[u8]| at(invocation, &[stem(base_name(source)), suffix].concat());
    sources.iter().map(object).collect()
}

fn at(invocation: &Invocation, name: &[u8]) -> OsBytes {
    invocation.cwd.as_path().join(OsBytes::from(name).as_path()).into()
}

/// A file name without what follows its last dot.
fn stem(name: &[u8]) -> &[u8] {
    name.iter().rposition(|&byte| byte == b'.').map_or(name, |dot| &name[..dot])
}
