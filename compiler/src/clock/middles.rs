//! Words that are from within the name of a macro which expands to a time, and whether
//! it can be put together of them.

use std::ops::BitOr;

use memchr::memmem;

/// The name of a macro, without its first and last letter.
pub(super) struct Name {
    within: &'static [u8],
    /// The first bit of its middles.
    first: u32,
}

/// Of what there may be many: the two that expand to the time of the compile, then the one that
/// expands to that of the file.
pub(super) const NAMES: [Name; 3] = [
    Name { within: b"_DATE_", first: 0 },
    Name { within: b"_TIME_", first: 15 },
    Name { within: b"_TIMESTAMP_", first: 30 },
];

/// Pieces of one letter are not told from other words: a name may have one and be found, and
/// passes with more. Every large project has some of the longer ones.
const MOST_LETTERS: u32 = 1;

/// Which words of two letters and more from within the names there are, underscores alone
/// aside: a bit for each.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Middles(u128);

impl Middles {
    /// All of them.
    pub(super) const ALL: Self = Self(u128::MAX);

    /// Notes a word, if it is one of them.
    pub(super) fn note(&mut self, word: &[u8]) {
        for name in &NAMES {
            let within = (2..=name.within.len()).contains(&word.len());
            if let Some(start) = within.then(|| memmem::find(name.within, word)).flatten() {
                self.0 |= 1 << name.bit(start, word.len());
            }
        }
    }

    /// Whether a name can be made of these and of underscores.
    pub(super) fn make(self, name: &Name) -> bool {
        // The fewest letters of their own with which each beginning of the name can be made.
        let length = name.within.len() + 2;
        let mut letters = vec![u32::MAX; length + 1];
        letters[0] = 0;
        for at in 0..length {
            let mut reach = |end: usize, more: u32| {
                letters[end] = letters[end].min(letters[at].saturating_add(more));
            };
            reach(at + 1, u32::from(name.letter(at) != b'_'));
            for end in at + 2..length {
                if at > 0 && self.0 & 1 << name.bit(at - 1, end - at) != 0 {
                    reach(end, 0);
                }
            }
        }
        letters[length] <= MOST_LETTERS
    }
}

impl Name {
    fn bit(&self, start: usize, length: usize) -> u32 {
        // Before it come those that begin before, of which each has one less.
        let before = start * (2 * self.within.len() - start - 1) / 2;
        #[expect(clippy::cast_possible_truncation, reason = "there are 85 in all")]
        let number = (before + length - 2) as u32;
        self.first + number
    }

    /// A letter of the whole name.
    fn letter(&self, at: usize) -> u8 {
        at.checked_sub(1).and_then(|at| self.within.get(at)).copied().unwrap_or(b'_')
    }
}

impl BitOr for Middles {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{Middles, NAMES};

    fn made_of(words: &[&str]) -> [bool; 3] {
        let mut middles = Middles::default();
        words.iter().for_each(|word| middles.note(word.as_bytes()));
        NAMES.each_ref().map(|name| middles.make(name))
    }

    #[test]
    fn each_middle_has_a_bit_of_its_own() {
        let mut all = Vec::new();
        for name in &NAMES {
            let length = name.within.len();
            all.extend(
                (0..length).flat_map(|start| {
                    (2..=length - start).map(move |length| name.bit(start, length))
                }),
            );
        }
        assert_eq!(all, (0..85).collect::<Vec<_>>());
    }

    #[test]
    fn a_name_is_made_of_what_is_there_and_one_letter() {
        assert_eq!(made_of(&["TIME"]), [false, true, false]);
        assert_eq!(made_of(&["_TI", "ME_"]), [false, true, false]);
        assert_eq!(made_of(&["ATE"]), [true, false, false]);
        assert_eq!(made_of(&["DA", "_D"]), [false; 3]);
        assert_eq!(made_of(&["TIM", "ESTAMP"]), [false, true, true]);
        assert_eq!(made_of(&["ESTAMP"]), [false; 3]);
        assert_eq!(made_of(&["_T", "ES", "_D", "TI", "MP", "ST", "__", "_"]), [false; 3]);
    }
}
