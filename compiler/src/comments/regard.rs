//! What a text makes of comments, its own and those of others.

use std::ops::BitOr;

use memchr::memmem;

use crate::clock::contains;
use crate::clock::time_words::spliced;
use crate::source::is_directive_at;

/// Pieces of `asm`, `__asm` and `__asm__` of which one takes part when the keyword is pasted
/// together from two.
const PIECES: &[&[u8]] = &[b"as", b"_as", b"__as", b"sm", b"sm_", b"sm__"];

/// Warnings of comments, which a pragma may ask for.
pub(super) const WARNINGS: &[&str] = &[
    "-Wc90-",
    "-Wdocumentation",
    "-Weverything",
    "-Wimplicit-fallthrough=1",
    "-Wleading-",
    "-Wtrailing-",
];

/// Ways in which some texts may have it that comments matter.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Regard {
    /// A file may be taken as it is (`#embed`), or warnings of comments be asked for.
    pub always: bool,
    /// The assembler may be told to read a file (`.incbin`, `.include`).
    pub by_assembler: bool,
}

impl Regard {
    /// That of a text which has few comments left.
    #[must_use]
    pub fn of(text: &[u8]) -> Self {
        let text = spliced(text);
        let mut words = text.split(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_');
        let by_assembler = contains(&text, b"asm") || words.any(|word| PIECES.contains(&word));
        Self { always: regards(&text), by_assembler }
    }

    /// That of a text whose comments cannot be told.
    #[must_use]
    pub fn of_unclear(text: &[u8]) -> Self {
        Self { always: regards(&spliced(text)), by_assembler: true }
    }
}

fn regards(text: &[u8]) -> bool {
    memmem::find_iter(text, b"embed").any(|at| is_directive_at(text, at))
        || WARNINGS.iter().any(|name| contains(text, name.as_bytes()))
}

impl BitOr for Regard {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self {
            always: self.always || other.always,
            by_assembler: self.by_assembler || other.by_assembler,
        }
    }
}
