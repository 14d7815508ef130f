//! From sightings to a trace: what was seen, with the content of each file,
//! provided that nothing has changed since.

use std::collections::HashMap;
use std::path::Path;

use zccache_compiler::{environment, program};
use zccache_core::entry::Twins;
use zccache_core::report::{Seen, Sighting};
use zccache_core::{Digest, Expected, Identity, Invocation, Observation, Reason, Trace};

use crate::world::{Contents, Found, Namespace, Traits, digest_of_names, kinship};

/// Turns what a launcher reported into what a later invocation is compared with.
pub(crate) struct Sealer<'a> {
    pub(crate) namespace: &'a Namespace,
    pub(crate) contents: &'a Contents,
    /// Device numbers of views: their identities carry the device below.
    pub(crate) views: &'a [u64],
}

impl Sealer<'_> {
    /// The trace of a run.
    ///
    /// # Errors
    /// Why there is none: an input changed, is racy, cannot be read, or depends on
    /// the time.
    pub(crate) fn trace(
        &self,
        invocation: &Invocation,
        sightings: &[Sighting],
    ) -> Result<Trace, Reason> {
        let mut observations = Vec::with_capacity(sightings.len());
        let mut files = Vec::new();
        let mut unknown_program = false;
        for sighting in sightings {
            let path = sighting.path.as_path();
            let expected = match &sighting.seen {
                Seen::File { identity, executable, executed } => {
                    let (digest, traits) = self.file(sighting, identity)?;
                    unknown_program |= *executed && !(traits.is_elf && self.is_known(path));
                    if traits.includes_once {
                        files.push((observations.len(), *identity, digest));
                    }
                    Expected::File { digest, executable: *executable }
                }
                Seen::Directory { identity, listed: true } => self.listing(path, identity)?,
                Seen::Directory { .. } => Expected::Directory,
                Seen::Absent => Expected::Absent,
                Seen::Symlink(target) => Expected::Symlink(target.clone()),
                &Seen::Special { kind, device } => Expected::Special { kind, device },
                &Seen::Unreachable(errno) => Expected::Unreachable(errno),
            };
            let path = sighting.path.clone();
            observations.push(Observation { path, follow: sighting.follow, expected });
        }
        let environment = unknown_program.then(|| environment::whole(invocation));
        Ok(Trace { observations, twins: twins(&files), environment })
    }

    /// The digest of an input that is still what it was just before it was read,
    /// and its traits.
    fn file(&self, sighting: &Sighting, before: &Identity) -> Result<(Digest, Traits), Reason> {
        let path = sighting.path.as_path();
        let Found::File(found) = self.namespace.look(path, sighting.follow) else {
            return Err(Reason::InputChanged);
        };
        if !is_same(self.views, before, &found.identity) {
            return Err(Reason::InputChanged);
        }
        if self.contents.is_racy(self.namespace, path, &found, sighting.at) {
            return Err(Reason::InputRacy);
        }
        let (digest, traits) = self.contents.examine(self.namespace, path, &found)?;
        if traits.mentions_time {
            return Err(Reason::TimeMacro);
        }
        if traits.holds_stamps {
            return Err(Reason::StampedInput);
        }
        Ok((digest, traits))
    }

    fn listing(&self, path: &Path, before: &Identity) -> Result<Expected, Reason> {
        let names = self.namespace.list(path).map_err(|_| Reason::InputUnreadable)?;
        match self.namespace.look(path, true) {
            Found::Directory(now) if is_same(self.views, before, &now) => {
                Ok(Expected::Listing(digest_of_names(&names)))
            }
            _ => Err(Reason::InputChanged),
        }
    }

    /// Whether the variables that a program reads are known: by the name it was
    /// executed under, and by its own.
    fn is_known(&self, path: &Path) -> bool {
        let named = |path: &Path| {
            let name = path.file_name().map_or(&[][..], |name| name.as_encoded_bytes());
            program::has_known_environment(name)
        };
        named(path) && self.namespace.real_path(path).is_ok_and(|real| named(&real))
    }
}

/// Whether a file is the same as the launcher saw. In a view the launcher sees
/// the device of the view, the daemon that of the directory below.
pub(super) fn is_same(views: &[u64], seen: &Identity, now: &Identity) -> bool {
    let device = if views.contains(&seen.device) { now.device } else { seen.device };
    Identity { device, ..*seen } == *now
}

/// Pairs of files with equal content that a compiler may take for one file.
fn twins(files: &[(usize, Identity, Digest)]) -> Vec<Twins> {
    let mut alike: HashMap<Digest, Vec<(u32, Identity)>> = HashMap::new();
    let mut twins = Vec::new();
    for &(index, identity, digest) in files {
        let second = u32::try_from(index).unwrap_or(u32::MAX);
        let others = alike.entry(digest).or_default();
        twins.extend(others.iter().map(|(first, other)| Twins {
            first: *first,
            second,
            relation: kinship(other, &identity),
        }));
        others.push((second, identity));
    }
    twins
}
