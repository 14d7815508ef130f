//! Files of a run that have equal content.

use std::collections::HashMap;

use zccache_compiler::source::Once;
use zccache_core::entry::{Kinship, Twins};
use zccache_core::{Digest, Identity};

use super::remarks::Owner;
use crate::world::{Traits, kinship};

/// An input that a compiler may include.
pub(super) struct Text {
    /// Of its observation.
    pub(super) index: u32,
    pub(super) identity: Identity,
    pub(super) digest: Digest,
    /// Whether it may ask to be included once.
    pub(super) once: bool,
    pub(super) owner: Owner,
    pub(super) traits: Traits,
}

/// Pairs of files with equal content that a compiler may take for one file; `once` is
/// what is asked of any of them.
pub(super) fn twins(mut files: Vec<Text>, once: Once) -> Vec<Twins> {
    files.iter_mut().for_each(|file| file.once |= once == Once::ForOthers);
    let mut alike: HashMap<Digest, Vec<&Text>> = HashMap::new();
    let mut twins = Vec::new();
    for file in &files {
        let others = alike.entry(file.digest).or_default();
        twins.extend(others.iter().map(|other| Twins {
            first: other.index,
            second: file.index,
            relation: relation(other, file),
        }));
        others.push(file);
    }
    twins
}

/// Equal contents ask alike to be included once.
fn relation(one: &Text, other: &Text) -> Kinship {
    match kinship(&one.identity, &other.identity) {
        Kinship::SameTime | Kinship::Apart if !one.once => Kinship::Distinct,
        relation => relation,
    }
}
