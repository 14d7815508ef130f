//! From sightings to a trace: what was seen, with the content of each file,
//! provided that nothing has changed since.

use std::collections::HashMap;
use std::path::Path;

use zccache_compiler::rust::Searched;
use zccache_compiler::{environment, program};
use zccache_core::entry::Twins;
use zccache_core::report::{Seen, Sighting};
use zccache_core::{Digest, Expected, Identity, Invocation, Observation, Reason, Trace};

use super::rustc::RustRun;
use crate::world::{Contents, Found, FoundFile, Namespace, Traits, digest_of_names, kinship};

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
        dep_info: Option<&[u8]>,
    ) -> Result<Trace, Reason> {
        let rust = RustRun::of(invocation, sightings, dep_info);
        let mut observations = Vec::with_capacity(sightings.len());
        let mut files = Vec::new();
        let mut unknown_program = false;
        for sighting in sightings {
            let path = sighting.path.as_path();
            let expected = match &sighting.seen {
                Seen::File { identity, executable, executed } => {
                    let (digest, traits) = self.file(sighting, identity).inspect_err(|reason| {
                        tracing::info!(?path, was = ?identity, ?reason, "an input does not count");
                    })?;
                    unknown_program |= *executed && !(traits.is_elf && self.is_known(path));
                    if traits.mentions_time && rust.is_none() {
                        return Err(Reason::TimeMacro);
                    }
                    if traits.includes_once && rust.is_none() {
                        files.push((observations.len(), *identity, digest));
                    }
                    Expected::File { digest, executable: *executable }
                }
                Seen::Directory { identity, listed: true } => {
                    self.searched(sighting, identity, rust.as_ref())?
                }
                Seen::Directory { .. } => Expected::Directory,
                Seen::Absent => Expected::Absent,
                Seen::Symlink(target) => Expected::Symlink(target.clone()),
                &Seen::Special { kind, device } => Expected::Special { kind, device },
                &Seen::Unreachable(errno) => Expected::Unreachable(errno),
            };
            let path = sighting.path.clone();
            observations.push(Observation { path, follow: sighting.follow, expected });
        }
        let variables = rust.map_or_else(|| Some(Vec::new()), |run| run.variables());
        let unknown = unknown_program || variables.is_none();
        let environment = unknown.then(|| environment::whole(invocation));
        let variables = variables.unwrap_or_default();
        Ok(Trace { observations, twins: twins(&files), environment, variables })
    }

    /// What of a directory that was opened matters to the run.
    fn searched(
        &self,
        directory: &Sighting,
        before: &Identity,
        rust: Option<&RustRun<'_>>,
    ) -> Result<Expected, Reason> {
        let searched = rust.map(|run| (run, run.searched(&directory.path)));
        match searched {
            Some((_, Searched::Nothing)) => Ok(Expected::Directory),
            Some((run, Searched::Crates)) => {
                let names = run.crates_in(directory, self.namespace)?;
                Ok(Expected::Crates { names: digest_of_names(&names), linked: run.linked() })
            }
            Some((_, Searched::Whole)) | None => self.listing(directory.path.as_path(), before),
        }
    }

    /// The digest of an input that is still what it was just before it was read,
    /// and its traits.
    fn file(&self, sighting: &Sighting, before: &Identity) -> Result<(Digest, Traits), Reason> {
        let path = sighting.path.as_path();
        let Found::File(found) = self.namespace.look(path, sighting.follow) else {
            return Err(Reason::InputChanged);
        };
        let (digest, traits) = if self.is_same(before, &found.identity) {
            if self.contents.is_racy(self.namespace, path, &found.identity, sighting.at) {
                return Err(Reason::InputRacy);
            }
            self.contents.examine(self.namespace, path, &found)?
        } else {
            self.restamped(path, before, &found)?
        };
        if traits.holds_stamps {
            return Err(Reason::StampedInput);
        }
        Ok((digest, traits))
    }

    /// As `file`, for one that has been linked or given other times since, as cargo
    /// does with what rustc has made while dependents of it run already: what was
    /// in it under its old stamps must be known, and be in it now.
    fn restamped(
        &self,
        path: &Path,
        before: &Identity,
        found: &FoundFile,
    ) -> Result<(Digest, Traits), Reason> {
        let now = found.identity;
        let stamps = Identity { mtime: before.mtime, ctime: before.ctime, ..now };
        if !self.is_same(before, &stamps) {
            return Err(Reason::InputChanged);
        }
        let then = self.contents.known(&stamps).ok_or(Reason::InputChanged)?;
        let examined = self.contents.examine(self.namespace, path, found)?;
        if examined.0 == then { Ok(examined) } else { Err(Reason::InputChanged) }
    }

    /// Whether a file is the same as the launcher saw. In a view the launcher sees
    /// the device of the view, the daemon that of the directory below.
    pub(crate) fn is_same(&self, seen: &Identity, now: &Identity) -> bool {
        let device = if self.views.contains(&seen.device) { now.device } else { seen.device };
        Identity { device, ..*seen } == *now
    }

    fn listing(&self, path: &Path, before: &Identity) -> Result<Expected, Reason> {
        let names = self.namespace.list(path).map_err(|_| Reason::InputUnreadable)?;
        match self.namespace.look(path, true) {
            Found::Directory(now) if self.is_same(before, &now) => {
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
