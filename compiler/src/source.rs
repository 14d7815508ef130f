//! What a source text says of its dependence on things other than its content.

use memchr::memmem;
use zccache_core::OsBytes;

use crate::clock::contains;
use crate::clock::time_words::{OF_THE_FILE, spliced};
use crate::relocation::path_words;

/// Bytes of one piece to be seen again with the next, so that no word is cut:
/// the length of the longest.
pub const SEAM: usize = path_words::SEAM;

const _: () = assert!(SEAM >= OF_THE_FILE.len());

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
    memmem::find_iter(text, b"import").any(|at| is_directive_at(text, at))
}

/// Whether the word at an offset is that of a directive, or may be behind a comment.
pub(crate) fn is_directive_at(text: &[u8], at: usize) -> bool {
    let before = text[..at].trim_ascii_end();
    [&b"#"[..], b"%:", b"??=", b"*/"].iter().any(|end| before.ends_with(end))
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
