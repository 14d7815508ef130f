//! Inputs in which comments do not count.

use std::collections::{HashMap, HashSet};

use zccache_compiler::{comments, program};
use zccache_core::report::{Ended, Sighting};
use zccache_core::{Digest, Expected, Outline};

use super::remarks::Owner;
use super::twins::Text;
use super::{Draft, Job, Sealer};

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
        let distinct = distinct(&draft.texts);
        let lines_show = comments::lines_show(&job.invocation);
        for text in &draft.texts {
            let index = text.index as usize;
            let Some(drawn) = text.outline.filter(|it| distinct.contains(&it.digest)) else {
                continue;
            };
            let is_source =
                self.is_own_source(counted[index]) && readers.are_compilers_of(counted[index]);
            if let Expected::File { outline, .. } = &mut draft.observations[index].expected
                && is_source
            {
                let empty_lines = lines_show.then_some(drawn.empty_lines);
                *outline = Some(Outline { digest: drawn.digest, empty_lines });
            }
        }
    }

    /// Whether a file is a source, and none of the operating system, which changes seldom.
    fn is_own_source(&self, sighting: &Sighting) -> bool {
        comments::is_source(program::base_name(sighting.path.as_bytes()))
            && Owner::of(sighting.path.as_path(), self.scene.root) == Owner::Somebody
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
            || draft.lines > comments::MOST_LINES
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

/// The outlines that only one file has: comments may make one of two, or two of one
/// (`#pragma once`). By how many paths a file was read does not matter.
fn distinct(texts: &[Text]) -> HashSet<Digest> {
    let mut files: HashMap<Digest, HashSet<(u64, u64)>> = HashMap::new();
    for text in texts {
        if let Some(outline) = text.outline {
            let file = (text.identity.device, text.identity.inode);
            files.entry(outline.digest).or_default().insert(file);
        }
    }
    let alone = files.into_iter().filter(|(_, files)| files.len() == 1);
    alone.map(|(outline, _)| outline).collect()
}
