//! From sightings to a trace: what was seen, with the content of each file,
//! provided that nothing has changed since.

use std::collections::HashMap;
use std::path::Path;

use zccache_compiler::{environment, program};
use zccache_core::entry::{Kinship, Twins};
use zccache_core::report::{Seen, Sighting, WrittenFile};
use zccache_core::{Digest, Expected, Identity, Invocation, Observation, Reason, Trace};

use crate::world::{Contents, Found, Namespace, Traits, agrees, digest_of_names, kinship};

/// Turns what a launcher reported into what a later invocation is compared with.
pub(crate) struct Sealer<'a> {
    pub(crate) namespace: &'a Namespace,
    pub(crate) contents: &'a Contents,
    /// Device numbers of views: their identities carry the device below.
    pub(crate) views: &'a [u64],
    /// What the run left behind.
    pub(crate) outputs: &'a [WrittenFile],
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
        let temporary = invocation.variable(b"TMPDIR");
        let matters = |sighting: &&Sighting| {
            // Which directory holds temporary files does not reach a result; that
            // there is one is asked again at each look-up.
            let is_directory = matches!(sighting.seen, Seen::Directory { listed: false, .. });
            !(is_directory && Some(sighting.path.as_bytes()) == temporary)
        };
        for sighting in sightings.iter().filter(matters) {
            let path = sighting.path.as_path();
            let expected = match &sighting.seen {
                Seen::File { identity, executable, executed } => {
                    let (digest, traits) = self.file(sighting, identity)?;
                    unknown_program |= *executed && !(traits.is_elf && self.is_known(path, digest));
                    if !traits.is_elf {
                        let index = u32::try_from(observations.len()).unwrap_or(u32::MAX);
                        let once = traits.includes_once;
                        files.push(Text { index, identity: *identity, digest, once });
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
            let observation = Observation { path, follow: sighting.follow, expected };
            self.check_again(&observation)?;
            observations.push(observation);
        }
        let environment = unknown_program.then(|| environment::whole(invocation));
        Ok(Trace { observations, twins: twins(&files), environment })
    }

    /// What is no file has no identity by which a change during the run would
    /// tell, so it is looked at again: a header that has appeared may have been
    /// read by then. What the run made itself was not there before.
    fn check_again(&self, observation: &Observation) -> Result<(), Reason> {
        let path = observation.path.as_path();
        let is_checked =
            matches!(observation.expected, Expected::File { .. } | Expected::Listing(_));
        let is_made = || self.outputs.iter().any(|output| output.path.as_path() == path);
        if is_checked || agrees(observation, self.namespace, self.contents) || is_made() {
            return Ok(());
        }
        Err(Reason::InputChanged)
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
        if traits.mentions_time {
            return Err(Reason::TimeMacro);
        }
        if traits.holds_stamps {
            return Err(Reason::StampedInput);
        }
        Ok((digest, traits))
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
    /// executed under, by its own, and by what it says of itself.
    fn is_known(&self, path: &Path, digest: Digest) -> bool {
        let named = |path: &Path| {
            let name = path.file_name().map_or(&[][..], |name| name.as_encoded_bytes());
            program::has_known_environment(name)
        };
        named(path)
            && self.namespace.real_path(path).is_ok_and(|real| named(&real))
            && self.contents.is_of_toolchain(self.namespace, path, digest)
    }
}

/// An input that a compiler may include.
struct Text {
    /// Of its observation.
    index: u32,
    identity: Identity,
    digest: Digest,
    /// Whether it may ask to be included once.
    once: bool,
}

/// Pairs of files with equal content that a compiler may take for one file.
fn twins(files: &[Text]) -> Vec<Twins> {
    let mut alike: HashMap<Digest, Vec<&Text>> = HashMap::new();
    let mut twins = Vec::new();
    for file in files {
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
