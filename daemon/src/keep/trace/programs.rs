//! What is known of the programs that took part in a run.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use zccache_compiler::program::{self, Epoch};
use zccache_compiler::relocation::own_path;
use zccache_compiler::tools::lto;
use zccache_core::report::Sighting;
use zccache_core::{Invocation, OsBytes};

use super::Sealer;
use crate::keep::publisher::Job;
use crate::world::Traits;

impl Sealer<'_> {
    /// Whether every program of the run takes the time from `SOURCE_DATE_EPOCH`,
    /// which is part of the key.
    pub(crate) fn has_fixed_clock(&self, invocation: &Invocation, seen: &[Sighting]) -> bool {
        let epoch = |path: Option<PathBuf>| {
            path.map_or(Epoch::Unknown, |path| program::epoch(OsBytes::from(path).as_bytes()))
        };
        let programs: Vec<Epoch> = self.programs(seen).map(epoch).collect();
        invocation.variable(b"SOURCE_DATE_EPOCH").is_some()
            && programs.contains(&Epoch::Obeyed)
            && !programs.contains(&Epoch::Unknown)
    }

    /// Whether the preprocessor, asked [`own_path::question`], tells of this run.
    pub(crate) fn answers(&self, job: &Job) -> bool {
        let programs: Vec<_> = self.programs(&job.report.sightings).flatten().collect();
        let programs = programs.iter().map(|path| path.as_os_str().as_bytes());
        own_path::is_answered(&job.invocation, job.report.outputs.len(), programs)
    }

    /// The canonical paths of the programs of a run, as far as they can be told.
    fn programs(&self, seen: &[Sighting]) -> impl Iterator<Item = Option<PathBuf>> {
        let canonical =
            |sighting: &Sighting| self.scene.namespace.real_path(sighting.path.as_path()).ok();
        seen.iter().filter(|sighting| sighting.is_executed()).map(canonical)
    }

    /// Whether the variables that a program reads are known: by the name it was
    /// executed under, by its own, and by what it says of itself.
    pub(super) fn is_known(&self, path: &Path, traits: &Traits, optimises: bool) -> bool {
        let named = |path: &Path| {
            let name = path.file_name().map_or(&[][..], |name| name.as_encoded_bytes());
            program::has_known_environment(name) || (optimises && lto::is_helper(name))
        };
        named(path)
            && traits.is_elf
            && traits.names_toolchain
            && self.scene.namespace.real_path(path).is_ok_and(|real| named(&real))
    }

    /// Whether a compiler took part that names types without a name by the path of the
    /// source they are in.
    pub(super) fn shows_paths_of_types(&self, seen: &[Sighting]) -> bool {
        let shows = |path: Option<PathBuf>| {
            path.is_none_or(|path| program::names_types_by_path(path.as_os_str().as_bytes()))
        };
        self.programs(seen).any(shows)
    }
}
