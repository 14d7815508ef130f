//! From sightings to a trace: what was seen, with the content of each file,
//! provided that nothing has changed since.

mod ages;
mod comments;
mod given;
mod links;
mod programs;
mod remarks;
mod revised;
mod temporary;
mod twins;

use std::path::Path;
use std::sync::Arc;

use zccache_compiler::environment::display::{display, has_messages};
use zccache_compiler::program::{self, Family};
use zccache_compiler::rust::Searched;
use zccache_compiler::source::Once;
use zccache_compiler::{TimeWords, clock, environment};
use zccache_core::entry::{Environment, Stream};
use zccache_core::protocol::explanation::Refusal;
use zccache_core::report::{Seen, Sighting};
use zccache_core::{
    Digest, Expected, Identity, Invocation, Observation, OsBytes, Reason, Rooted, Trace,
};

use super::publisher::Job;
use super::rustc::{RustRun, own_paths};
use super::timing::said;
use crate::world::{
    Contents, Depth, Found, FoundFile, SameDirectories, Scene, Traits, Words, agrees,
    digest_of_listing,
};
use comments::is_binary_to_include;
use remarks::Owner;
pub(crate) use remarks::{Remarks, is_of_the_system};
use temporary::Temporary;
use twins::{Text, twins};

/// A trace in the making.
struct Draft<'s> {
    observations: Vec<Observation>,
    remarks: Remarks,
    /// What each input says of times.
    tellers: Vec<(TimeWords, &'s OsBytes)>,
    texts: Vec<Text>,
    once: Once,
    directories: SameDirectories,
    /// A program took part of which nobody knows what it reads.
    unknown_program: bool,
    /// GCC's link-time optimiser took part, which has `make` and a shell work.
    optimises: bool,
    /// A file of the project was read that looks like a binary, and may be included.
    reads_binary: bool,
}

impl Draft<'_> {
    fn of(invocation: &Invocation, temporary: &Temporary<'_>) -> Self {
        // What these read is in the keys of gcc's links.
        let is_driver = program::family_of(invocation) == Some(Family::C);
        Self {
            observations: Vec::new(),
            remarks: Remarks::of_given_text(invocation),
            tellers: Vec::new(),
            texts: Vec::new(),
            once: Once::Never,
            directories: SameDirectories::default(),
            unknown_program: false,
            optimises: is_driver && temporary.is_listed_by_lto,
            reads_binary: false,
        }
    }
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
        job: &Job,
        dep_info: Option<&[u8]>,
    ) -> Result<(Trace, Remarks), Refusal> {
        let (invocation, sightings) = (&job.invocation, &job.report.sightings);
        let rust = RustRun::of(job, dep_info);
        let temporary = Temporary::of(invocation, sightings);
        let mut draft = Draft::of(invocation, &temporary);
        let counted: Vec<&Sighting> =
            sightings.iter().filter(|sighting| !temporary.is_all_of(sighting)).collect();
        for sighting in &counted {
            let path = Rooted::new(&sighting.path, self.scene.root);
            let judged =
                self.expect(sighting, job, rust.as_ref(), &mut draft).and_then(|expected| {
                    let observation = Observation { path, follow: sighting.follow, expected };
                    self.check_again(&observation, job).map(|()| observation)
                });
            draft.observations.push(judged.map_err(|reason| reason.at(&sighting.path))?);
        }
        draft.observations.extend(self.revised(job)?);
        if rust.is_none() {
            self.follow_to_system_headers(invocation, &mut draft.observations)?;
        }
        let fixed = self.has_fixed_clock(invocation, sightings);
        let pastes = draft.unknown_program || !clock::is_refused(invocation);
        let tells = |words: TimeWords| {
            let words = if pastes { words } else { words.whole() };
            words.tell_stamp() || (words.tell_now() && !fixed)
        };
        // Of rustc's inputs no word stands for the time.
        if rust.is_none() && tells(draft.remarks.time_words) {
            let teller = draft.tellers.into_iter().find(|(words, _)| tells(*words));
            let path = teller.map(|(_, path)| path.clone());
            return Err(Refusal { reason: Reason::TimeMacro, path });
        }
        let environment = match rust {
            _ if draft.unknown_program => None,
            Some(ref run) => run.environment(&self.scene, self.contents),
            None => Some(Environment::Asked(Vec::new())),
        };
        let environment =
            environment.unwrap_or_else(|| Environment::Whole(environment::whole(invocation)));
        // What nobody knows may ask for the terminal, and show it elsewhere.
        let said = |stream| said(&job.report.streams, stream);
        let is_laid_out = environment.is_whole()
            || has_messages(invocation, &said(Stream::Stdout), &said(Stream::Stderr));
        let display = is_laid_out.then(|| display(invocation));
        self.pass_over_comments(job, &counted, &mut draft);
        draft.remarks.weigh(|| self.shows_paths_of_types(sightings));
        let twins = twins(draft.texts, draft.once);
        let same_directories = draft.directories.into_pairs();
        let ages = self.ages(job, rust.as_ref(), &counted)?;
        let trace = Trace {
            observations: draft.observations.into_iter().map(Arc::new).collect(),
            twins,
            same_directories,
            ages,
            environment,
            display,
        };
        Ok((trace, draft.remarks))
    }

    /// What a later look has to find where the run saw this.
    fn expect<'s>(
        &self,
        sighting: &'s Sighting,
        job: &Job,
        rust: Option<&RustRun<'_>>,
        draft: &mut Draft<'s>,
    ) -> Result<Expected, Reason> {
        let (path, root) = (sighting.path.as_path(), self.scene.root);
        let index = u32::try_from(draft.observations.len()).unwrap_or(u32::MAX);
        Ok(match &sighting.seen {
            Seen::File { identity, executable, executed } => {
                // What the texts say that rustc reads does not matter.
                let depth = if rust.is_none() || *executed { Depth::Traits } else { Depth::Digest };
                let content = self.file(sighting, identity, depth);
                let (digest, traits) = content.inspect_err(|reason| {
                    tracing::info!(?path, was = ?identity, ?reason, "an input does not count");
                })?;
                let owner = Owner::of(path, root);
                let words = draft.remarks.note(&traits, owner);
                draft.tellers.push((words, &sighting.path));
                draft.unknown_program |=
                    *executed && !self.is_known(path, &traits, draft.optimises);
                if owner == Owner::Somebody {
                    draft.reads_binary |= !executed && is_binary_to_include(path, &traits);
                    draft.once = draft.once.max(traits.once);
                }
                if !traits.is_elf && rust.is_none() {
                    let once = traits.once == Once::Asked;
                    let identity = *identity;
                    draft.texts.push(Text { index, identity, digest, once, owner, traits });
                }
                match self.mode_passed_on(job, sighting, rust) {
                    Some(mode) => Expected::WithMode { digest, mode },
                    None => Expected::File { digest, executable: *executable, outline: None },
                }
            }
            Seen::Directory { identity, listings } => {
                let now = self.directory(sighting, identity, job)?;
                draft.directories.note(index, sighting.follow, &now);
                match listings {
                    0 => Expected::Directory,
                    _ => self.searched(sighting, (identity, *listings), rust)?,
                }
            }
            Seen::Absent => Expected::Absent,
            Seen::Symlink(target) => {
                draft.remarks.link_below_root |= root.strip(sighting.path.as_bytes()).is_some();
                Expected::Symlink(Rooted::new(target, root))
            }
            &Seen::Special { kind, device } => Expected::Special { kind, device },
            &Seen::Unreachable(errno) => Expected::Unreachable(errno),
        })
    }

    /// Whether an input holds the path of the root, so that it means the same
    /// directory in other checkouts too.
    pub(crate) fn inputs_name_root(&self, sightings: &[Sighting]) -> bool {
        let Scene { root, namespace } = self.scene;
        let Ok(words) = Words::of_root(root) else { return true };
        sightings.iter().any(|sighting| {
            let path = sighting.path.as_path();
            let names = || {
                let found = namespace.look(path, sighting.follow);
                self.contents.may_mention(namespace, path, &found, &words)
            };
            matches!(sighting.seen, Seen::File { .. }) && !is_of_the_system(path, root) && names()
        })
    }

    /// The directory that was looked at, if it is still the same one.
    fn directory(
        &self,
        sighting: &Sighting,
        before: &Identity,
        job: &Job,
    ) -> Result<Identity, Reason> {
        let path = sighting.path.as_path();
        match self.scene.namespace.look(path, sighting.follow) {
            Found::Directory(now) if now.inode == before.inode => Ok(now),
            Found::Absent | Found::Directory(_) if is_written_to(job, path) => Ok(*before),
            found => {
                tracing::info!(path = ?sighting.path, was = ?before, ?found, "a directory changed");
                Err(Reason::InputChanged)
            }
        }
    }

    /// What of a directory that was opened matters to the run.
    fn searched(
        &self,
        directory: &Sighting,
        (before, listings): (&Identity, u32),
        rust: Option<&RustRun<'_>>,
    ) -> Result<Expected, Reason> {
        let searched = rust.map(|run| (run, run.searched(&directory.path, listings)));
        match searched {
            Some((_, Searched::Nothing)) => Ok(Expected::Directory),
            Some((run, Searched::Crates)) => {
                let names = run.crates_in(directory, self.scene.namespace)?;
                Ok(Expected::Crates { names, linked: run.linked() })
            }
            Some((_, Searched::Whole)) | None => self.listing(directory.path.as_path(), before),
        }
    }

    /// What is no file has no identity by which a change during the run would
    /// tell, so it is looked at again: a header that has appeared may have been
    /// read by then. What the run made itself was not there before.
    fn check_again(&self, observation: &Observation, job: &Job) -> Result<(), Reason> {
        let is_checked = matches!(
            observation.expected,
            Expected::File { .. }
                | Expected::WithMode { .. }
                | Expected::Directory
                | Expected::Listing(_)
                | Expected::Crates { .. }
        );
        let path = observation.path.at(self.scene.root);
        let is_made = || {
            let own = own_paths(&job.invocation);
            let in_own_cache = |cache: &OsBytes| path.as_path().starts_with(cache.as_path());
            job.report.outputs.iter().any(|output| output.path == *path)
                || own.caches.iter().any(in_own_cache)
        };
        if is_checked || agrees(observation, self.scene, self.contents) || is_made() {
            return Ok(());
        }
        tracing::info!(?path, was = ?observation.expected, "an input does not count");
        Err(Reason::InputChanged)
    }

    /// The digest of an input that is still what it was just before it was read,
    /// and its traits.
    fn file(
        &self,
        sighting: &Sighting,
        before: &Identity,
        depth: Depth,
    ) -> Result<(Digest, Traits), Reason> {
        let path = sighting.path.as_path();
        let Found::File(found) = self.scene.namespace.look(path, sighting.follow) else {
            return Err(Reason::InputChanged);
        };
        let (digest, traits) = if self.is_same(before, &found.identity) {
            if self.contents.is_racy(self.scene.namespace, path, &found, sighting.at) {
                return Err(Reason::InputRacy);
            }
            self.contents.look_into(self.scene.namespace, path, &found, depth)?
        } else {
            self.restamped(path, before, &found, depth)?
        };
        if traits.is_precompiled && !self.contents.was_made_here(&digest) {
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
        depth: Depth,
    ) -> Result<(Digest, Traits), Reason> {
        let now = found.identity;
        let stamps = Identity { mtime: before.mtime, ctime: before.ctime, ..now };
        if !self.is_same(before, &stamps) {
            return Err(Reason::InputChanged);
        }
        let then = self.contents.known(&stamps).ok_or(Reason::InputChanged)?;
        let examined = self.contents.look_into(self.scene.namespace, path, found, depth)?;
        if examined.0 == then { Ok(examined) } else { Err(Reason::InputChanged) }
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
                Ok(Expected::Listing(digest_of_listing(&names)))
            }
            _ => Err(Reason::InputChanged),
        }
    }
}

/// Whether a run wrote into a directory. One that is gone by now, or is another, has been
/// removed with what was written, as build scripts do that try what a compiler can do.
fn is_written_to(job: &Job, directory: &Path) -> bool {
    job.report.outputs.iter().any(|output| output.path.as_path().starts_with(directory))
}
