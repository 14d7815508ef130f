//! From sightings to a trace: what was seen, with the content of each file,
//! provided that nothing has changed since.

use std::collections::HashMap;
use std::path::Path;

use zccache_compiler::environment;
use zccache_compiler::program::{self, Epoch};
use zccache_core::entry::Twins;
use zccache_core::protocol::explanation::Refusal;
use zccache_core::report::{Seen, Sighting};
use zccache_core::{
    Digest, Expected, Identity, Invocation, Observation, OsBytes, Reason, Root, Rooted, Trace,
};

use crate::world::{Contents, Found, Scene, Traits, digest_of_names, kinship};

/// What was remarkable in the inputs of a run.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Remarks {
    /// One may use its own path.
    pub(crate) own_path: bool,
    /// One may use its own path where no map of prefixes changes it.
    pub(crate) unmapped_path: bool,
    /// A symbolic link below the root was looked at.
    pub(crate) link_below_root: bool,
}

/// Turns what a launcher reported into what a later invocation is compared with.
pub(crate) struct Sealer<'a> {
    pub(crate) scene: Scene<'a>,
    pub(crate) contents: &'a Contents,
    /// Device numbers of views: their identities carry the device below.
    pub(crate) views: &'a [u64],
}

impl Sealer<'_> {
    /// The trace of a run, and what was remarkable in it.
    ///
    /// # Errors
    /// Why there is none: an input changed, is racy, cannot be read, or depends on
    /// the time.
    pub(crate) fn trace(
        &self,
        invocation: &Invocation,
        sightings: &[Sighting],
    ) -> Result<(Trace, Remarks), Refusal> {
        let root = self.scene.root;
        let mut remarks = Remarks::default();
        let mut observations = Vec::with_capacity(sightings.len());
        let mut files = Vec::new();
        let mut unknown_program = false;
        let mut mentions_time = None;
        for sighting in sightings {
            let path = sighting.path.as_path();
            let expected = match &sighting.seen {
                Seen::File { identity, executable, executed } => {
                    let (digest, traits) = self
                        .file(sighting, identity)
                        .map_err(|reason| reason.at(&sighting.path))?;
                    if traits.mentions_time {
                        mentions_time.get_or_insert(&sighting.path);
                    }
                    unknown_program |= *executed && !(traits.is_elf && self.is_known(path));
                    if !is_of_the_system(path, root) {
                        remarks.own_path |= traits.own_path;
                        remarks.unmapped_path |= traits.unmapped_path;
                    }
                    if traits.includes_once {
                        files.push((observations.len(), *identity, digest));
                    }
                    Expected::File { digest, executable: *executable }
                }
                Seen::Directory { identity, listed: true } => {
                    self.listing(path, identity).map_err(|reason| reason.at(&sighting.path))?
                }
                Seen::Directory { .. } => Expected::Directory,
                Seen::Absent => Expected::Absent,
                Seen::Symlink(target) => {
                    remarks.link_below_root |= root.strip(sighting.path.as_bytes()).is_some();
                    Expected::Symlink(Rooted::new(target, root))
                }
                &Seen::Special { kind, device } => Expected::Special { kind, device },
                &Seen::Unreachable(errno) => Expected::Unreachable(errno),
            };
            let path = Rooted::new(&sighting.path, root);
            observations.push(Observation { path, follow: sighting.follow, expected });
        }
        if let Some(path) = mentions_time
            && !self.has_fixed_clock(invocation, sightings)
        {
            return Err(Reason::TimeMacro.at(path));
        }
        let environment = unknown_program.then(|| environment::whole(invocation));
        Ok((Trace { observations, twins: twins(&files), environment }, remarks))
    }

    /// Whether an input holds the path of the root, so that it means the same
    /// directory in other checkouts too.
    pub(crate) fn inputs_name_root(&self, sightings: &[Sighting]) -> bool {
        let Scene { root, namespace } = self.scene;
        sightings.iter().any(|sighting| {
            let path = sighting.path.as_path();
            matches!(sighting.seen, Seen::File { .. })
                && !is_of_the_system(path, root)
                && match namespace.look(path, sighting.follow) {
                    Found::File(found) => self.contents.name(namespace, path, &found, root),
                    _ => true,
                }
        })
    }

    /// The digest of an input that is still what it was just before it was read,
    /// and its traits.
    fn file(&self, sighting: &Sighting, before: &Identity) -> Result<(Digest, Traits), Reason> {
        let path = sighting.path.as_path();
        let Found::File(found) = self.scene.namespace.look(path, sighting.follow) else {
            return Err(Reason::InputChanged);
        };
        if !self.is_same(before, &found.identity) {
            return Err(Reason::InputChanged);
        }
        if self.contents.is_racy(self.scene.namespace, path, &found, sighting.at) {
            return Err(Reason::InputRacy);
        }
        let (digest, traits) = self.contents.examine(self.scene.namespace, path, &found)?;
        if traits.mentions_stamp {
            return Err(Reason::TimeMacro);
        }
        if traits.holds_stamps {
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
            let path = self.scene.namespace.real_path(sighting.path.as_path());
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
        let names = self.scene.namespace.list(path).map_err(|_| Reason::InputUnreadable)?;
        match self.scene.namespace.look(path, true) {
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
        named(path) && self.scene.namespace.real_path(path).is_ok_and(|real| named(&real))
    }
}

/// Whether a file belongs to the operating system, which knows nothing of
/// checkouts. What its headers do with `__FILE__` (`assert(3)`) shows as text.
fn is_of_the_system(path: &Path, root: &Root) -> bool {
    const SYSTEM: [&str; 6] = ["/bin", "/etc", "/lib", "/lib64", "/sbin", "/usr"];
    let of_system = SYSTEM.iter().any(|directory| path.starts_with(directory));
    of_system && root.strip(path.as_os_str().as_encoded_bytes()).is_none()
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
