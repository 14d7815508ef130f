//! What a source text says of its dependence on things other than its content.

use zccache_core::OsBytes;

use crate::clock::contains;

/// Macros that expand to the time of the compile (C17 6.10.8.1).
const OF_NOW: &[&[u8]] = &[b"__DATE__", b"__TIME__"];

/// The macro that expands to the time stamp of the file it is used in (GCC manual
/// of cpp, "Common Predefined Macros").
const OF_THE_FILE: &[u8] = b"__TIMESTAMP__";

/// Bytes of one piece to be seen again with the next, so that no word is cut:
/// the length of the longest macro.
pub const SEAM: usize = 13;

const _: () = assert!(SEAM == OF_THE_FILE.len());

/// Whether a piece of a source file mentions a macro that expands to the time of
/// the compile.
#[must_use]
pub fn mentions_time(piece: &[u8]) -> bool {
    OF_NOW.iter().any(|name| contains(piece, name))
}

/// Whether a piece of a source file mentions the macro that expands to the time
/// stamp of the file.
#[must_use]
pub fn mentions_stamp(piece: &[u8]) -> bool {
    contains(piece, OF_THE_FILE)
}

/// Whether a piece of a source file may hold `#pragma once` or `#import`.
#[must_use]
pub fn may_include_once(piece: &[u8]) -> bool {
    contains(piece, b"once") || contains(piece, b"import")
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
