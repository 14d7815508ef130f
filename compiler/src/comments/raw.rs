//! How a text has files read that are no sources: as they are, comments and all.

use std::ops::BitOr;

use memchr::memmem;

use crate::clock::contains;
use crate::clock::time_words::spliced;
use crate::source::is_directive_at;

/// Pieces of `asm`, `__asm` and `__asm__` of which one takes part when the keyword is pasted
/// together from two.
const PIECES: &[&[u8]] = &[b"as", b"_as", b"__as", b"sm", b"sm_", b"sm__"];

/// By which means some texts may have files read as they are.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct RawReads {
    /// By `#embed`.
    pub embeds: bool,
    /// By the assembler: `.incbin`, `.include`.
    pub assembles: bool,
}

impl RawReads {
    /// Those of a text, of whose comments there should be few left.
    #[must_use]
    pub fn of(text: &[u8]) -> Self {
        let text = spliced(text);
        let mut words = text.split(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_');
        Self {
            embeds: embeds(&text),
            assembles: contains(&text, b"asm") || words.any(|word| PIECES.contains(&word)),
        }
    }

    /// Those of a text of which that is not known, with comments.
    #[must_use]
    pub fn of_unknown(text: &[u8]) -> Self {
        Self { embeds: embeds(&spliced(text)), assembles: true }
    }
}

fn embeds(text: &[u8]) -> bool {
    memmem::find_iter(text, b"embed").any(|at| is_directive_at(text, at))
}

impl BitOr for RawReads {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self {
            embeds: self.embeds | other.embeds,
            assembles: self.assembles | other.assembles,
        }
    }
}
