//! From sightings to a trace: what was seen, with the content of each file,
//! provided that nothing has changed since.

use std::collections::HashMap;
use std::path::Path;

use zccache_compiler::program::{self, Epoch};
use zccache_compiler::{environment, source};
use zccache_core::entry::Twins;
use zccache_core::invocation::Input;
use zccache_core::report::{Seen, Sighting};
use zccache_core::{Digest, Expected, Identity, Invocation, Observation, OsBytes, Reason, Trace};

use crate::world::{Contents, Found, Namespace, Traits, digest_of_names, kinship};

/// Turns what a launcher reported into what a later invocation is compared with.
pub(crate) struct Sealer<'a> {
    pub(crate) namespace: &'a Namespace,
    pub(crate) contents: &'a Contents,
    /// Device numbers of views: their identities carry the device below.
    pub(crate) views: &'a [u64],
}

/// What a run saw.
pub(crate) struct Sealed {
    pub(crate) trace: Trace,
    /// Whether an input mentions the time of the compile, which is fixed then.
    pub(crate) mentions_time: bool,
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
    ) -> Result<Sealed, Reason> {
        let mut observations = Vec::with_capacity(sightings.len());
        let mut files = Vec::new();
        let mut unknown_program = false;
        let mut mentions_time = false;
        if let Input::Text { bytes, .. } = &invocation.input {
            mentions_time = source::mentions_time(bytes);
            if source::mentions_stamp(bytes) {
                return Err(Reason::TimeMacro);
            }
        }
        for sighting in sightings {
            let path = sighting.path.as_path();
            let expected = match &sighting.seen {
                Seen::File { identity, executable, executed } => {
                    let (digest, traits) = self.file(sighting, identity)?;
                    mentions_time |= traits.mentions_time;
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
        if mentions_time && !self.has_fixed_clock(invocation, sightings) {
            return Err(Reason::TimeMacro);
        }
        let environment = unknown_program.then(|| environment::whole(invocation));
        let trace = Trace { observations, twins: twins(&files), environment };
        Ok(Sealed { trace, mentions_time })
    }

    /// The digest of an input that is still what it was just before it was read,
    /// and its traits.
    fn file(&self, sighting: &Sighting, before: &Identity) -> Result<(Digest, Traits), Reason> {
        let path = sighting.path.as_path();
        let Found::File(found) = self.namespace.look(path, sighting.follow) else {
            return Err(Reason::InputChanged);
        };
        if !self.is_same(before, &found.identity) {
            return Err(Reason::InputChanged);
        }
        if self.contents.is_racy(self.namespace, path, &found.identity, sighting.at) {
            return Err(Reason::InputRacy);
        }
        let (digest, traits) = self.contents.examine(self.namespace, path, &found)?;
        if traits.mentions_stamp {
            return Err(Reason::TimeMacro);
        }
        if traits.is_precompiled && !self.contents.was_made_here(&digest) {
            return Err(Reason::StampedInput);
        }
        Ok((digest, traits))
    }

    /// Whether every program of the run takes the time from `SOURCE_DATE_EPOCH`,
    /// which is part of the key.
    pub(crate) fn has_fixed_clock(&self, invocation: &Invocation, seen: &[Sighting]) -> bool {
        let executed = seen
            .iter()
            .filter(|sighting| matches!(sighting.seen, Seen::File { executed: true, .. }));
        let obeys = |sighting: &Sighting| {
            let path = self.namespace.real_path(sighting.path.as_path());
            path.map_or(Epoch::Unknown, |path| program::epoch(OsBytes::from(path).as_bytes()))
        };
        let programs: Vec<Epoch> = executed.map(obeys).collect();
        invocation.variable(b"SOURCE_DATE_EPOCH").is_some()
            && programs.contains(&Epoch::Obeyed)
            && !programs.contains(&Epoch::Unknown)
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
