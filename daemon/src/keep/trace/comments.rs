//! Inputs in which comments do not count.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use zccache_compiler::comments::{NameParts, Outline as Drawn, Vocabulary};
use zccache_compiler::{comments, program};
use zccache_core::report::{Ended, Sighting};
use zccache_core::{Digest, Expected, Invocation, Outline};

use super::remarks::Owner;
use super::twins::Text;
use super::{Draft, Job, Sealer};
use crate::world::Traits;

impl Sealer<'_> {
    /// Has the outline count in place of the content of what a compiler has read as source
    /// and nothing else, if nothing of a comment can be in the result.
    pub(super) fn pass_over_comments(
        &self,
        job: &Job,
        counted: &[&Sighting],
        draft: &mut Draft<'_>,
    ) {
        let Some(readers) = self.readers(job, counted, draft) else { return };
        let Draft { texts, observations, .. } = draft;
        let distinct = distinct(texts);
        let sources = texts.iter().filter_map(|text| {
            let sighting = counted[text.index as usize];
            let drawn =
                text.traits.outline.as_ref().filter(|it| distinct.contains(&it.skeleton))?;
            let is_source = is_own_source(sighting, text) && readers.are_compilers_of(sighting);
            is_source.then_some((text.index as usize, drawn))
        });
        let sources: Vec<(usize, &Drawn)> = sources.collect();
        let has_definitions = sources.iter().any(|(_, drawn)| !drawn.definitions.is_empty());
        let may_be_idle = !draft.reads_binary && !comments::macros_show(&job.invocation);
        let vocabulary =
            (has_definitions && may_be_idle).then(|| vocabulary(texts, &job.invocation));
        let lines_show = comments::lines_show(&job.invocation);
        for (index, drawn) in sources {
            let idle = idle(drawn, vocabulary.as_ref());
            if let Expected::File { outline, .. } = &mut observations[index].expected {
                let digest = drawn.without(&idle);
                let empty_lines = lines_show.then_some(drawn.empty_lines);
                *outline = Some(Outline { digest, idle, empty_lines });
            }
        }
    }

    /// Who read the sources of a run in whose result no comment can show. None of others.
    fn readers(&self, job: &Job, counted: &[&Sighting], draft: &Draft<'_>) -> Option<Readers> {
        let (report, remarks) = (&job.report, &draft.remarks);
        let takes_arguments = |sighting: &&Sighting| {
            let name = program::base_name(sighting.path.as_bytes());
            sighting.file().is_some() && comments::holds_arguments(name)
        };
        let is_shown = report.ended != Ended::Exit(0)
            || !report.streams.is_empty()
            || draft.unknown_program
            || remarks.is_precompiled
            || places(counted, &draft.texts) > comments::MOST_PLACES
            || remarks.regard.is_for_all()
            || counted.iter().any(takes_arguments);
        if is_shown || !self.answers(job) {
            return None;
        }
        let by_clang = self.shows_paths_of_types(&report.sightings);
        if !comments::are_hidden(&job.invocation, by_clang) {
            return None;
        }
        if by_clang {
            return (!remarks.regard.is_for_assemblers()).then_some(Readers::Compiler);
        }
        let is_assembler = |sighting: &Sighting| {
            sighting.is_executed()
                && program::is_assembler(program::base_name(sighting.path.as_bytes()))
        };
        let begins = report.sightings.iter().position(is_assembler)?;
        u32::try_from(begins).ok().map(Readers::CompilerThenAssembler)
    }
}

/// Who reads sources in a run.
enum Readers {
    /// The compiler alone: no assembler is told to read one.
    Compiler,
    /// The compiler, and an assembler from its own sighting on.
    CompilerThenAssembler(u32),
}

impl Readers {
    /// Whether it was the compiler that read a file each time.
    fn are_compilers_of(&self, sighting: &Sighting) -> bool {
        let reads = sighting.reads;
        match self {
            // It keeps what it has read, and opens a file again to show a line of it.
            Self::Compiler => reads.count == 1,
            Self::CompilerThenAssembler(begins) => !reads.is_empty() && reads.last <= *begins,
        }
    }
}

/// Whether a file is a source, and none of the operating system, which changes seldom.
fn is_own_source(sighting: &Sighting, text: &Text) -> bool {
    comments::is_source(program::base_name(sighting.path.as_bytes()))
        && text.owner == Owner::Somebody
}

/// Whether a file looks like a binary, and may be included all the same: it is no library.
pub(super) fn is_binary_to_include(path: &Path, traits: &Traits) -> bool {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    traits.words == NameParts::OfBinary && !name.windows(3).any(|part| part == b".so")
}

/// Whether it is a binary of the operating system that nobody includes, such as a locale.
fn is_data(text: &Text) -> bool {
    text.traits.words == NameParts::OfBinary && text.owner != Owner::Somebody
}

/// How many places gcc may number in the texts of a run, whatever comments they have.
fn places(counted: &[&Sighting], texts: &[Text]) -> u64 {
    let sources = texts.iter().filter(|text| !is_data(text));
    let places = sources.map(|text| {
        let places = match text.owner {
            Owner::Somebody => comments::with_empty_lines(text.traits.places),
            Owner::System | Owner::Toolchain => text.traits.places,
        };
        places.saturating_mul(u64::from(counted[text.index as usize].reads.count))
    });
    places.fold(0, u64::saturating_add)
}

/// What the texts of a run mention, and the command that gave them.
fn vocabulary<'t>(texts: &'t [Text], invocation: &Invocation) -> Vocabulary<'t> {
    let mut vocabulary = Vocabulary::default();
    for text in texts {
        if !is_data(text) {
            vocabulary.mention(&text.traits.words);
        }
        let definitions = text.traits.outline.iter().flat_map(|outline| &*outline.definitions);
        definitions.for_each(|it| vocabulary.define(&it.name));
    }
    comments::words_of_arguments(invocation).for_each(|words| vocabulary.mention(&words));
    vocabulary
}

/// The numbers of those definitions of a text of which it does not matter what the macros
/// stand for.
fn idle(drawn: &Drawn, vocabulary: Option<&Vocabulary<'_>>) -> Box<[u32]> {
    let Some(vocabulary) = vocabulary else { return Box::default() };
    let numbered = (0..).zip(&*drawn.definitions);
    numbered.filter(|(_, it)| vocabulary.is_idle(&it.name)).map(|(number, _)| number).collect()
}

/// The outlines that only one file has: comments may make one of two, or two of one
/// (`#pragma once`). By how many paths a file was read does not matter.
fn distinct(texts: &[Text]) -> HashSet<Digest> {
    let mut files: HashMap<Digest, HashSet<(u64, u64)>> = HashMap::new();
    for text in texts {
        if let Some(outline) = &text.traits.outline {
            let file = (text.identity.device, text.identity.inode);
            files.entry(outline.skeleton).or_default().insert(file);
        }
    }
    let alone = files.into_iter().filter(|(_, files)| files.len() == 1);
    alone.map(|(outline, _)| outline).collect()
}
