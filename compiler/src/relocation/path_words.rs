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
pub struct PathWords(u8);

/// One kind of word; a piece of one is of the kind shifted by [`kind::PIECE`].
mod kind {
    pub(super) const MACRO: u8 = 1;
    pub(super) const UNMAPPED: u8 = 1 << 1;
    pub(super) const TYPE: u8 = 1 << 2;
    pub(super) const PIECE: u8 = 3;
}

impl PathWords {
    /// Any of them.
    pub const ALL: Self = Self(kind::MACRO | kind::UNMAPPED | kind::TYPE);

    /// The words of a piece of a source text, also of those that go on in the next line.
    #[must_use]
    pub fn of(piece: &[u8]) -> Self {
        let text = spliced(piece);
        let mut found = MACROS.kinds_in(&text, kind::MACRO)
            | FUNCTIONS.kinds_in(&text, kind::UNMAPPED)
            | TYPES.kinds_in(&text, kind::TYPE);
        if contains(&text, LOCATION) {
            found |= kind::UNMAPPED;
        }
        if HANDLERS.iter().any(|name| contains(&text, name)) {
            found |= kind::MACRO << kind::PIECE;
        }
        Self(found)
    }

    /// Those of them that are a name as they stand. Headers of the operating system have
    /// names of their own that look like pieces (`__FILE` of the C library).
    #[must_use]
    pub fn whole(self) -> Self {
        Self(self.0 & Self::ALL.0)
    }

    /// Those but the names of types.
    #[must_use]
    pub fn without_types(self) -> Self {
        Self(self.0 & !(kind::TYPE | kind::TYPE << kind::PIECE))
    }

    /// Whether macros are among them that expand to the path of a source.
    #[must_use]
    pub fn have_macros(self) -> bool {
        self.has(kind::MACRO)
    }

    /// Whether others are among them, which a map of prefixes does not change.
    #[must_use]
    pub fn have_unmapped(self) -> bool {
        self.has(kind::UNMAPPED) || self.have_types()
    }

    /// Whether what has the names of types in it is among them.
    #[must_use]
    pub fn have_types(self) -> bool {
        self.has(kind::TYPE)
    }

    fn has(self, kind: u8) -> bool {
        self.0 & (kind | kind << kind::PIECE) != 0
    }
}

impl BitOr for PathWords {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl Names {
    /// The kinds of what a text has of them: this one for a name, that of its pieces for one.
    fn kinds_in(&self, text: &[u8], kind: u8) -> u8 {
        let begin = self.beginnings.iter().flat_map(|start| memmem::find_iter(text, start));
        let end = self.ends.iter().flat_map(|end| memmem::find_iter(text, end));
        let words = begin.chain(end).map(|at| word_around(text, at));
        let kind_of = |word: &[u8]| match word {
            _ if self.whole.contains(&word) => kind,
            _ if self.whole.iter().any(|name| name.starts_with(word) || name.ends_with(word)) => {
                kind << kind::PIECE
            }
            _ => 0,
        };
        words.map(kind_of).fold(0, BitOr::bitor)
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
