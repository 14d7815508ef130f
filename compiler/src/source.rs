//! What a source text says of its dependence on things other than its content.

use memchr::memmem;
use zccache_core::OsBytes;

use crate::clock::contains;
use crate::clock::time_words::{OF_THE_FILE, spliced};

/// Bytes of one piece to be seen again with the next, so that no word is cut:
/// the length of the longest.
pub const SEAM: usize = 15;

const _: () = assert!(SEAM >= OF_THE_FILE.len() && SEAM >= OWN_PATH_UNMAPPED[1].len());

/// Whether a file asks that a header be included only once, so that it matters which
/// files are the same.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub enum Once {
    /// It does not.
    #[default]
    Never,
    /// It may ask so of itself (`#pragma once`).
    Asked,
    /// It may ask so of other files: `#import`, or a macro of it that stands in them.
    ForOthers,
}

impl Once {
    /// What a piece of a source file asks, also in lines that go on in the next.
    #[must_use]
    pub fn of(piece: &[u8]) -> Self {
        let text = spliced(piece);
        if imports(&text) || asks_by_operator(&text) {
            Self::ForOthers
        } else if contains(&text, b"once") {
            Self::Asked
        } else {
            Self::Never
        }
    }
}

/// Whether a text has the directive `#import`, or one hidden by a comment.
fn imports(text: &[u8]) -> bool {
    let is_directive = |at: usize| {
        let before = text[..at].trim_ascii_end();
        [&b"#"[..], b"%:", b"??=", b"*/"].iter().any(|end| before.ends_with(end))
    };
    memmem::find_iter(text, b"import").any(is_directive)
}

/// Whether the operand of a `_Pragma` may be `"once"`: it is, or is put together.
fn asks_by_operator(text: &[u8]) -> bool {
    memmem::find_iter(text, b"_Pragma").any(|at| {
        let operand = text[at + b"_Pragma".len()..].trim_ascii_start();
        let operand = operand.strip_prefix(b"(").map(<[u8]>::trim_ascii_start);
        operand.is_none_or(|operand| {
            let literal = operand.strip_prefix(b"\"").map(<[u8]>::trim_ascii_start);
            literal.is_none_or(|literal| literal.starts_with(b"once"))
        })
    })
}

/// Macros that expand to the path of a source (GCC manual of cpp, "Standard" and
/// "Common Predefined Macros"), with the text by which each is looked for.
const OWN_PATH: &[(&[u8], &[u8])] = &[(b"__FILE__", b"__F"), (b"__BASE_FILE__", b"__BASE_F")];

/// How such a macro ends when it is made by pasting (`##`).
const PASTED_END: &[u8] = b"E__";

/// Other words for the path of a source; no map of prefixes need apply to them.
const OWN_PATH_UNMAPPED: &[&[u8]] = &[b"__builtin_FILE", b"source_location"];

/// What names types that have no name by the place where they are, in clang: pieces of
/// `__PRETTY_FUNCTION__`, however it is pasted of two, and its name for Microsoft's.
const TYPE_NAMES: &[&[u8]] = &[b"__PRETTY", b"Y_FUNCTION__", b"__FUNCSIG"];

/// Whether a piece of a source file may use the names of types.
#[must_use]
pub fn may_name_types(piece: &[u8]) -> bool {
    TYPE_NAMES.iter().any(|word| contains(piece, word))
}

/// The names of these macros.
pub(crate) fn own_path_macros() -> impl Iterator<Item = &'static [u8]> {
    OWN_PATH.iter().map(|(name, _)| *name)
}

/// Every word for the path of a source.
pub(crate) fn own_path_words() -> impl Iterator<Item = &'static [u8]> {
    own_path_macros().chain([OWN_PATH_UNMAPPED, TYPE_NAMES].concat())
}

/// Whether a piece of a source file may use its own path: it has a word that is
/// such a macro, or the beginning or end of one.
#[must_use]
pub fn may_use_own_path(piece: &[u8]) -> bool {
    let begins = |name: &[u8], text: &[u8]| {
        memmem::find_iter(piece, text).any(|at| name.starts_with(word_around(piece, at)))
    };
    let ends = |at| OWN_PATH.iter().any(|(name, _)| name.ends_with(word_around(piece, at)));
    OWN_PATH.iter().any(|(name, text)| begins(name, text))
        || memmem::find_iter(piece, PASTED_END).any(ends)
}

/// Whether a piece of a source file may use its own path where no map of
/// prefixes changes it.
#[must_use]
pub fn may_use_unmapped_path(piece: &[u8]) -> bool {
    OWN_PATH_UNMAPPED.iter().any(|word| contains(piece, word))
}

/// The identifier that holds the byte at an offset.
fn word_around(piece: &[u8], at: usize) -> &[u8] {
    let joins = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let start = piece[..at].iter().rposition(|byte| !joins(byte)).map_or(0, |before| before + 1);
    let rest = &piece[start..];
    &rest[..rest.iter().position(|byte| !joins(byte)).unwrap_or(rest.len())]
}

/// How an archive of object files begins (`ar(5)`).
pub const ARCHIVE: &[u8] = b"!<arch>\n";

/// How a file of nothing but a crate's metadata begins (`rustc_metadata`,
/// `METADATA_HEADER`).
pub const METADATA: &[u8] = b"rust\0\0\0";

/// Objects for LLVM's link-time optimiser, which may name any macro and expand none
/// ("LLVM Bitcode File Format").
const BITCODE: &[u8] = b"BC\xc0\xde";

/// Whether a content that begins so is no source text, whatever is in it.
#[must_use]
pub fn is_made_of_objects(head: &[u8]) -> bool {
    [ARCHIVE, METADATA, BITCODE].iter().any(|magic| head.starts_with(magic))
}

/// Whether a content that begins so is a precompiled header: of gcc, which knows
/// the names of all macros, or of clang, which holds the time stamps of its
/// sources unless told otherwise (`-fno-pch-timestamp`).
#[must_use]
pub fn is_precompiled(head: &[u8]) -> bool {
    head.starts_with(b"gpch") || head.starts_with(b"CPCH")
}

/// The option by which clang leaves time stamps out of precompiled headers.
const WITHOUT_STAMPS: &[u8] = b"-fno-pch-timestamp";

/// Whether a precompiled header that begins so and was made by these arguments
/// holds the time stamps of its sources.
#[must_use]
pub fn holds_stamps(head: &[u8], arguments: &[OsBytes]) -> bool {
    head.starts_with(b"CPCH") && !arguments.iter().any(|word| word.as_bytes() == WITHOUT_STAMPS)
}
