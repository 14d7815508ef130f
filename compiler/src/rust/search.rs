//! What rustc looks for in directories.

use zccache_core::OsBytes;

use super::{Argument, absolute, parse};

/// How much of a directory's listing can matter to a compile.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Searched {
    /// Every name.
    Whole,
    /// Names of the crates that the compile uses (`-L dependency=`): rustc searches
    /// it for what other crates use, and takes only what has the hash they tell.
    Crates,
    /// No name: files in it are looked for one by one (`-L native=`).
    Nothing,
}

/// What a run of rustc with these arguments searches the absolute `directory` for, from the
/// working directory `cwd`, and how many times it lists it for that: once for each time that
/// it is named. Of spellings that differ, as of a directory that the arguments do not name,
/// nothing is known.
#[must_use]
pub fn searched(argv: &[OsBytes], cwd: &[u8], directory: &[u8]) -> (Searched, u32) {
    let mut found = None;
    let mut times = 0;
    for argument in parse(argv) {
        let Argument::Search(value) = argument else { continue };
        let (kind, path) = match value.iter().position(|&byte| byte == b'=') {
            Some(at) => (&value[..at], &value[at + 1..]),
            None => (&b""[..], value),
        };
        if absolute(path, cwd).as_bytes() != directory {
            continue;
        }
        times += 1;
        let searched = match kind {
            b"dependency" => Searched::Crates,
            b"native" => Searched::Nothing,
            _ => Searched::Whole,
        };
        found = Some(match (found, searched) {
            (None, one) | (Some(Searched::Nothing), one) => one,
            (Some(other), Searched::Nothing) => other,
            (Some(Searched::Crates), Searched::Crates) => Searched::Crates,
            _ => Searched::Whole,
        });
    }
    (found.unwrap_or(Searched::Whole), times)
}

/// The part of the name of a crate's file by which a search finds it; none if
/// it is no such file.
#[must_use]
pub fn crate_stem(file_name: &[u8]) -> Option<&[u8]> {
    let dot = file_name.iter().rposition(|&byte| byte == b'.')?;
    let (stem, extension) = file_name.split_at(dot);
    let is_crate = matches!(extension, b".rlib" | b".rmeta" | b".so" | b".dylib" | b".dll");
    is_crate.then_some(stem)
}
