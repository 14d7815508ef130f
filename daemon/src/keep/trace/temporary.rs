//! The directory for temporary files, which reaches no result.

use zccache_compiler::environment::TEMPORARY_DIRECTORY;
use zccache_compiler::program::base_name;
use zccache_core::Invocation;
use zccache_core::report::{Seen, Sighting};

/// What a run saw of the directory for temporary files.
pub(super) struct Temporary<'a> {
    named: Option<&'a [u8]>,
    directory: &'a [u8],
    /// GCC's link-time optimiser took part: it has `make` work there, on a makefile of its
    /// own, and `make` lists the directory.
    pub(super) is_listed_by_lto: bool,
}

impl<'a> Temporary<'a> {
    pub(super) fn of(invocation: &'a Invocation, sightings: &[Sighting]) -> Self {
        let is_lto = |sighting: &Sighting| {
            sighting.is_executed() && base_name(sighting.path.as_bytes()) == b"lto-wrapper"
        };
        Self {
            named: invocation.variable(TEMPORARY_DIRECTORY[0]),
            directory: TEMPORARY_DIRECTORY
                .iter()
                .find_map(|name| invocation.variable(name))
                .unwrap_or(b"/tmp"),
            is_listed_by_lto: sightings.iter().any(is_lto),
        }
    }

    /// Whether a sighting is only that there is one, which is asked again at each look-up,
    /// or which other names are in it.
    pub(super) fn is_all_of(&self, sighting: &Sighting) -> bool {
        let path = sighting.path.as_bytes();
        match sighting.seen {
            Seen::Directory { listings: 0, .. } => self.named == Some(path),
            Seen::Directory { .. } => self.is_listed_by_lto && path == self.directory,
            _ => false,
        }
    }
}
