//! Words of a text by which a source may use its own path.

use std::ops::BitOr;

use memchr::memmem;

use crate::clock::contains;
use crate::clock::time_words::spliced;

/// Names, with the beginnings and ends by which pieces of them are looked for: a name may
/// be put together by pasting (`##`). Of more than two pieces the first or the last is such
/// a piece, or of underscores alone ([`crate::TimeWords::have_edge`]).
struct Names {
    whole: &'static [&'static [u8]],
    beginnings: &'static [&'static [u8]],
    ends: &'static [&'static [u8]],
}

/// Macros that expand to the path of a source (GCC manual of cpp, "Standard" and "Common
/// Predefined Macros").
const MACROS: Names = Names {
    whole: &[b"__FILE__", b"__BASE_FILE__"],
    beginnings: &[b"__F", b"__B"],
    ends: &[b"E__"],
};

/// What else stands for the path of a source; no map of prefixes need apply to it.
const FUNCTIONS: Names = Names {
    whole: &[b"__builtin_FILE", b"__builtin_source_location"],
    beginnings: &[b"__b"],
    ends: &[b"_FILE"],
};

/// What holds the names of types, and so the paths of those without a name, in clang; the
/// second with Microsoft's extensions.
const TYPES: Names = Names {
    whole: &[b"__PRETTY_FUNCTION__", b"__FUNCSIG__"],
    beginnings: &[b"__P", b"__FU"],
    ends: &[b"N__", b"G__"],
};

const LOCATION: &[u8] = b"source_location";

/// What `assert(3)` calls with the path: a program may have another in its place.
const HANDLERS: [&[u8]; 2] = [b"__assert", b"__glibcxx_assert"];

/// Bytes of one piece of a text to be seen again with the next, so that no name is cut.
pub const SEAM: usize = 25;

const _: () = assert!(SEAM >= FUNCTIONS.whole[1].len());

/// The words of some texts by which a source may use its own path.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct PathWords {
    /// Macros that expand to it.
    pub macros: bool,
    /// Others that a map of prefixes does not change.
    pub unmapped: bool,
    /// What has the names of types in it.
    pub types: bool,
}

impl PathWords {
    /// Any of them.
    pub const ALL: Self = Self { macros: true, unmapped: true, types: true };

    /// The words of a piece of a source text, also of those that go on in the next line.
    #[must_use]
    pub fn of(piece: &[u8]) -> Self {
        let text = spliced(piece);
        Self {
            macros: MACROS.are_in(&text) || HANDLERS.iter().any(|name| contains(&text, name)),
            unmapped: FUNCTIONS.are_in(&text) || contains(&text, LOCATION),
            types: TYPES.are_in(&text),
        }
    }
}

impl BitOr for PathWords {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self {
            macros: self.macros | other.macros,
            unmapped: self.unmapped | other.unmapped,
            types: self.types | other.types,
        }
    }
}

impl Names {
    /// Whether a text has one of them, or a piece of one.
    fn are_in(&self, text: &[u8]) -> bool {
        let begins = |at| self.whole.iter().any(|name| name.starts_with(word_around(text, at)));
        let ends = |at| self.whole.iter().any(|name| name.ends_with(word_around(text, at)));
        self.beginnings.iter().any(|start| memmem::find_iter(text, start).any(begins))
            || self.ends.iter().any(|end| memmem::find_iter(text, end).any(ends))
    }
}

/// The macros.
pub(super) fn macros() -> impl Iterator<Item = &'static [u8]> {
    MACROS.whole.iter().copied()
}

/// Every word that, if it is left in what the preprocessor writes, may stand for a path.
pub(super) fn whole_words() -> impl Iterator<Item = &'static [u8]> {
    [MACROS, FUNCTIONS, TYPES].into_iter().flat_map(|names| names.whole).copied().chain([LOCATION])
}

/// The identifier that holds the byte at an offset.
fn word_around(piece: &[u8], at: usize) -> &[u8] {
    let joins = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let start = piece[..at].iter().rposition(|byte| !joins(byte)).map_or(0, |before| before + 1);
    let rest = &piece[start..];
    &rest[..rest.iter().position(|byte| !joins(byte)).unwrap_or(rest.len())]
}
