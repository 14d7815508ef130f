//! What a run was given to read besides files.

use zccache_compiler::clock::{self, Told};
use zccache_core::invocation::Input;
use zccache_core::report::Sighting;
use zccache_core::{Invocation, OsBytes};

use super::{Job, Sealer, revised};
use crate::world::{Found, for_each_piece};

impl Sealer<'_> {
    /// Strikes out of texts of dates and times those that stand in what the run was given
    /// to read. The small files come first, and the libraries of the toolchain, which are
    /// large and hardly ever tell any, last. What cannot be read is left out:
    /// [`Self::trace`] refuses it.
    pub(crate) fn strike_out_given(&self, job: &Job, texts: &mut [&mut Told]) {
        for_each_given_text(&job.invocation, |text| {
            texts.iter_mut().for_each(|told| told.strike_out(text));
        });
        for content in revised::contents(job).filter_map(|(_, content)| content.ok()) {
            let struck = for_each_piece(&content.into(), clock::SEAM, |piece, _| {
                texts.iter_mut().for_each(|told| told.strike_out(piece));
            });
            if let Err(error) = struck {
                tracing::debug!(%error, "what was revised cannot be read");
            }
        }
        let mut inputs: Vec<&Sighting> =
            job.report.sightings.iter().filter(|sighting| sighting.file().is_some()).collect();
        inputs.sort_unstable_by_key(|sighting| sighting.file().map(|identity| identity.size));
        for sighting in inputs {
            if texts.iter().all(|told| told.is_empty()) {
                return;
            }
            let (path, namespace) = (sighting.path.as_path(), self.scene.namespace);
            if let Found::File(found) = namespace.look(path, sighting.follow) {
                self.contents.for_each_piece_of(namespace, path, &found, |piece| {
                    texts.iter_mut().for_each(|told| told.strike_out(piece));
                });
            }
        }
    }
}

/// What the caller gave besides files: arguments, also those in variables of clang's
/// driver (`CCC_OVERRIDE_OPTIONS`), and a source on standard input.
pub(super) fn for_each_given_text(invocation: &Invocation, mut take: impl FnMut(&[u8])) {
    let variables = invocation.environment.iter().map(OsBytes::as_bytes);
    let of_driver = variables.filter(|entry| entry.starts_with(b"CCC_"));
    invocation.argv.iter().map(OsBytes::as_bytes).chain(of_driver).for_each(&mut take);
    if let Input::Text { bytes, .. } = &invocation.input {
        take(bytes);
    }
}
