//! Emscripten's tools: scripts that run clang, wasm-ld, node and more. What they read and
//! write is observed; the whole environment counts, as for all scripts.

use zccache_core::{Invocation, OsBytes, Reason};

use crate::arguments::{self, Traits, is_one_of};
use crate::response;
use crate::tools::binary::{self, Tool};

/// Drivers, which take clang's arguments and more.
const DRIVERS: &[&str] = &["em++", "emcc"];

/// Scripts around a tool of LLVM, with the name of that.
const WRAPPERS: &[(&str, &str)] = &[("emar", "ar"), ("emranlib", "ranlib")];

/// Options that ask about the installation or change it (`emcc.py`).
const QUESTIONS: &[&str] =
    &["--check", "--cflags", "--clear-cache", "--clear-ports", "--generate-config", "--show-ports"];

/// Variables that hold further arguments (`emcc.py`).
const FURTHER_ARGUMENTS: &[&[u8]] = &[b"EMCC_CFLAGS", b"EMMAKEN_CFLAGS"];

/// Variables that have running times told and temporary files kept (`tools/shared.py`).
const DEBUGGING: &[&[u8]] = &[b"EMCC_DEBUG", b"EMCC_DEBUG_SAVE"];

/// Whether a program of this file name is one of them.
#[must_use]
pub fn is_tool(file_name: &[u8]) -> bool {
    is_one_of(file_name, DRIVERS) || wrapped(file_name).is_some()
}

/// What the tool of LLVM does that this script is around, if it is one.
pub(crate) fn wrapped(file_name: &[u8]) -> Option<Tool> {
    let (_, tool) = WRAPPERS.iter().find(|(wrapper, _)| wrapper.as_bytes() == file_name)?;
    binary::tool(tool.as_bytes())
}

/// Reads the expanded arguments of the tool of this file name.
///
/// # Errors
/// The reason why its result cannot be kept.
pub(crate) fn examine(
    name: &[u8],
    mut arguments: Vec<OsBytes>,
    invocation: &Invocation,
) -> Result<Traits, Reason> {
    let is_on = |name: &&[u8]| invocation.variable(name).is_some_and(|value| value != b"0");
    if DEBUGGING.iter().any(is_on) {
        return Err(Reason::UnsupportedOption);
    }
    let traits = match wrapped(name) {
        Some(tool) => binary::examine(tool, &arguments)?,
        None => {
            let further = FURTHER_ARGUMENTS.iter().filter_map(|name| invocation.variable(name));
            arguments.extend(further.flat_map(response::split));
            if arguments.iter().any(|word| is_one_of(word.as_bytes(), QUESTIONS)) {
                return Err(Reason::NotACompile);
            }
            arguments::examine(&arguments)?
        }
    };
    Ok(Traits { loads_code: true, ..traits })
}
