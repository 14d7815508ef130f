//! Files and directories whose age a run may have told.

use zccache_compiler::program::{Family, family_of};
use zccache_compiler::tools::trusted::is_trusted;
use zccache_core::Reason;
use zccache_core::entry::Age;
use zccache_core::report::{Seen, Sighting};

use super::{Job, RustRun, Sealer, is_written_to};

impl Sealer<'_> {
    /// What ages a later look has to find, by the numbers of the sightings. A tool of which
    /// nothing is known may write down that of each file that it reads, as `gzip` does, and of
    /// each directory that it lists or does not follow a link to, as `tar` does. Emscripten
    /// packs the files of a directory in the order in which that is read, which goes by when
    /// its names were made.
    pub(super) fn ages(
        &self,
        job: &Job,
        rust: Option<&RustRun<'_>>,
        sightings: &[&Sighting],
    ) -> Result<Vec<(u32, Age)>, Reason> {
        if let Some(run) = rust {
            return run.ages(sightings, &self.scene, self.contents);
        }
        let of_files = is_trusted(&job.invocation);
        if !of_files && family_of(&job.invocation) != Some(Family::Emscripten) {
            return Ok(Vec::new());
        }
        let age = |sighting: &Sighting| match &sighting.seen {
            Seen::File { identity, executed: false, .. } if of_files => Some(identity.mtime),
            Seen::Directory { identity, listings }
                if *listings > 0 || (of_files && !sighting.follow) =>
            {
                let is_own = is_written_to(job, sighting.path.as_path());
                (!is_own).then_some(identity.mtime)
            }
            _ => None,
        };
        let numbered = (0_u32..).zip(sightings);
        let ages =
            numbered.filter_map(|(number, sighting)| Some((number, Age::Modified(age(sighting)?))));
        Ok(ages.collect())
    }
}
