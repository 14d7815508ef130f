//! Comments of C and C++: which are cut before texts are compared, and of which compiles
//! they cannot reach the result.

mod definition;
mod directive;
mod outline;
mod places;
mod regard;
mod sketch;
#[cfg(test)]
mod tests;
mod vocabulary;

pub use definition::Definition;
pub use outline::{LONGEST, Outline};
pub use places::{MOST_PLACES, places, with_empty_lines};
pub use regard::Regard;
pub use vocabulary::{NameParts, Vocabulary};

use zccache_core::invocation::Input;
use zccache_core::settings::EXACT;
use zccache_core::{Invocation, OsBytes};

use crate::arguments::begins;
use crate::clock::contains;
use crate::plan::has_code_brought_in;
use crate::relocation::{has_plain_arguments, own_path};

/// Options with which comments show; versions of C that do not have those of one line; and
/// alphabets of which it is not known where a comment begins.
const SHOWING: &[&str] = &[
    "-ansi",
    "-fallow-editor-placeholders",
    "-fcomment-",
    "-fcompare-debug",
    "-fdump-",
    "-finput-charset",
    "-fparse-all-comments",
    "-fverbose-asm",
    "-std=c89",
    "-std=c90",
    "-std=gnu89",
    "-std=gnu90",
    "-std=iso9899:1990",
    "-std=iso9899:199409",
];

/// Parts of the names of warnings of comments. That of cases that run into the next has levels,
/// at one of which any comment counts.
const WARNINGS: &[&[u8]] = &[
    b"c90-",
    b"documentation",
    b"everything",
    b"implicit-fallthrough=",
    b"leading-",
    b"trailing-",
];

/// Options with which clang writes bitcode, in which the place of an assembler statement is its
/// number among the letters of all sources.
const BITCODE: &[&str] = &["-emit-llvm", "-fembed-bitcode", "-flto", "-fthin"];

/// Endings of sources and of what they include.
const ENDINGS: &[&[u8]] = &[
    b"C", b"H", b"c", b"c++", b"cc", b"cp", b"cpp", b"cxx", b"def", b"h", b"h++", b"hh", b"hpp",
    b"hxx", b"inc", b"inl", b"ipp", b"ixx", b"tcc", b"tpp", b"txx",
];

/// Whether a compile, as long as it has nothing to say, comes to the same whatever comments
/// there are that [`Outline`] cuts. In debug information clang has the MD5 of each source.
#[must_use]
pub fn are_hidden(invocation: &Invocation, by_clang: bool) -> bool {
    let mut arguments = invocation.argv.iter().skip(1).map(OsBytes::as_bytes);
    let numbers_places = |argument| begins(argument, BITCODE);
    let warns = |argument: &[u8]| {
        argument.starts_with(b"-W") && WARNINGS.iter().any(|name| contains(argument, name))
    };
    let shows = |argument| begins(argument, SHOWING) || warns(argument);
    let is_shown = invocation.is_on(EXACT)
        || arguments.clone().any(shows)
        || has_code_brought_in(invocation)
        || invocation.variable(b"GCC_COMPARE_DEBUG").is_some()
        || (by_clang && (lines_show(invocation) || arguments.clone().any(numbers_places)));
    !is_shown
        && arguments.any(|argument| argument == b"-c")
        && has_plain_arguments(invocation)
        && own_path::question(invocation).is_some()
}

/// Whether the number of the last line of a source may show: in debug information gcc has
/// that of what it makes for the end of a source.
#[must_use]
pub fn lines_show(invocation: &Invocation) -> bool {
    invocation.argv.iter().any(|argument| argument.as_bytes().starts_with(b"-g"))
}

/// Whether it may show what a macro stands for that nobody mentions: in debug information
/// (`-g3`).
#[must_use]
pub fn macros_show(invocation: &Invocation) -> bool {
    let is_shown = |argument: &OsBytes| {
        let argument = argument.as_bytes();
        let shows_all = argument.starts_with(b"-g") && argument.contains(&b'3');
        // It asks for values of some by itself.
        shows_all || argument == b"-fanalyzer"
    };
    matches!(invocation.input, Input::Text { .. }) || invocation.argv.iter().any(is_shown)
}

/// What the arguments mention, such as the macros that they define.
pub fn words_of_arguments(invocation: &Invocation) -> impl Iterator<Item = NameParts> {
    invocation.argv.iter().map(OsBytes::as_bytes).map(|argument| {
        let name = [&b"-D"[..], b"-U"].iter().find_map(|option| argument.strip_prefix(*option));
        NameParts::of(name.unwrap_or(argument))
    })
}

/// Whether a file has the name of one that is included, rather than of one from which a
/// driver takes options or lists.
#[must_use]
pub fn is_source(name: &[u8]) -> bool {
    name.rsplit(|&byte| byte == b'.').next().is_some_and(|ending| ENDINGS.contains(&ending))
}

/// Whether a driver takes arguments from a file of this name without being told to: specs of
/// gcc, configuration files of clang.
#[must_use]
pub fn holds_arguments(name: &[u8]) -> bool {
    name == b"specs" || name.ends_with(b".specs") || name.ends_with(b".cfg")
}
