//! Words that contents may hold.

use aho_corasick::{AhoCorasick, BuildError, MatchKind};
use zccache_core::{Digest, Root, TaggedHasher};

/// Words that are looked for together.
pub(crate) struct Words {
    searcher: AhoCorasick,
    digest: Digest,
    longest: usize,
}

impl Words {
    /// What names a root: its path, as it is and with `#` for each slash.
    ///
    /// # Errors
    /// If it is too long.
    pub(crate) fn of_root(root: &Root) -> Result<Self, BuildError> {
        Self::new(&[root.as_bytes(), &root.mangled()])
    }

    /// These words.
    ///
    /// # Errors
    /// If there are too many.
    pub(crate) fn new(words: &[&[u8]]) -> Result<Self, BuildError> {
        let searcher = AhoCorasick::builder().match_kind(MatchKind::Standard).build(words)?;
        let mut hasher = TaggedHasher::new();
        for word in words {
            hasher.field(0, word);
        }
        let longest = words.iter().map(|word| word.len()).max().unwrap_or(0);
        Ok(Self { searcher, digest: hasher.finish(), longest })
    }

    /// Whether any of them is in a text.
    pub(crate) fn are_in(&self, text: &[u8]) -> bool {
        self.searcher.is_match(text)
    }

    /// Tells lists of words apart.
    pub(crate) fn digest(&self) -> Digest {
        self.digest
    }

    /// Length of the longest, in bytes.
    pub(crate) fn longest(&self) -> usize {
        self.longest
    }
}

/// Which of some words have been found.
pub(crate) struct Search<'a> {
    words: &'a Words,
    found: Vec<bool>,
    missing: usize,
}

impl<'a> Search<'a> {
    pub(crate) fn new(words: &'a Words) -> Self {
        let count = words.searcher.patterns_len();
        Self { words, found: vec![false; count], missing: count }
    }

    /// Looks through a piece of a content.
    pub(crate) fn take(&mut self, piece: &[u8]) {
        if self.missing == 0 {
            return;
        }
        for found in self.words.searcher.find_overlapping_iter(piece) {
            let known = &mut self.found[found.pattern().as_usize()];
            self.missing -= usize::from(!std::mem::replace(known, true));
        }
    }

    /// The numbers of the words found, rising.
    pub(crate) fn found(&self) -> Box<[usize]> {
        self.found
            .iter()
            .enumerate()
            .filter(|(_, found)| **found)
            .map(|(number, _)| number)
            .collect()
    }
}
