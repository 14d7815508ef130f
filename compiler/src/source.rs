//! What a source text says of its dependence on things other than its content.

use crate::clock::contains;

/// Macros that expand to a time (C17 6.10.8.1; GCC manual of cpp, "Common
/// Predefined Macros").
const MACROS: &[&[u8]] = &[b"__DATE__", b"__TIME__", b"__TIMESTAMP__"];

/// Bytes of one piece to be seen again with the next, so that no word is cut:
/// the length of the longest macro.
pub const SEAM: usize = 13;

const _: () = assert!(SEAM == MACROS[2].len());

/// Whether a piece of a source file mentions a macro that expands to a time.
#[must_use]
pub fn mentions_time(piece: &[u8]) -> bool {
    MACROS.iter().any(|name| contains(piece, name))
}

/// Whether a piece of a source file may hold `#pragma once` or `#import`.
#[must_use]
pub fn may_include_once(piece: &[u8]) -> bool {
    contains(piece, b"once") || contains(piece, b"import")
}
