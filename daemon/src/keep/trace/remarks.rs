//! What was remarkable in what a compiler read.

use zccache_compiler::TimeWords;

use crate::world::Traits;

/// What was remarkable in the inputs of a run.
#[derive(Clone, Copy, Default, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent findings")]
pub(crate) struct Remarks {
    /// What they, the arguments and standard input say of times.
    pub(crate) time_words: TimeWords,
    /// One is a precompiled header, whose sources are not among the inputs.
    pub(crate) is_precompiled: bool,
    /// One may use its own path.
    pub(crate) own_path: bool,
    /// One may use its own path where no map of prefixes changes it.
    pub(crate) unmapped_path: bool,
    /// One may use the names of types.
    pub(super) type_names: bool,
    /// A symbolic link below the root was looked at.
    pub(crate) link_below_root: bool,
}

impl Remarks {
    /// Takes notice of an input, which may belong to the operating system. Returns
    /// what it says of times.
    pub(super) fn note(&mut self, traits: Traits, of_system: bool) -> TimeWords {
        self.is_precompiled |= traits.is_precompiled;
        let words = if of_system { traits.time_words.whole() } else { traits.time_words };
        self.time_words = self.time_words | words;
        self.own_path |= traits.own_path && !of_system;
        self.unmapped_path |= traits.unmapped_path && !of_system;
        self.type_names |= traits.type_names && !of_system;
        words
    }
}
