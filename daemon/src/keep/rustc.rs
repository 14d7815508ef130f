//! What a run of rustc depended on that its files alone do not tell.

use std::collections::HashSet;
use std::path::Path;

use zccache_compiler::environment;
use zccache_compiler::program::{Family, family_of};
use zccache_compiler::rust::{self, Searched};
use zccache_core::entry::{Age, Environment, Variable};
use zccache_core::protocol::Own;
use zccache_core::report::{Ended, Seen, Sighting};
use zccache_core::{Digest, Invocation, OsBytes, Reason, limits};

use super::publisher::Job;
use crate::world::{
    Contents, CratesUsed, Found, Namespace, Scene, Search, Words, digest_of_crates,
};

/// What a command has for itself, so that no result depends on it.
pub(crate) fn own_paths(invocation: &Invocation) -> Own {
    match family_of(invocation) {
        Some(Family::Rust) => rust::own_paths(invocation),
        Some(_) | None => Own::default(),
    }
}

/// A run of rustc, as it was reported.
pub(crate) struct RustRun<'a> {
    invocation: &'a Invocation,
    sightings: &'a [Sighting],
    /// The dep-info it wrote, if any.
    dep_info: Option<&'a [u8]>,
    wrote_nothing: bool,
    failed: bool,
}

impl<'a> RustRun<'a> {
    /// The run, if it was one of rustc.
    pub(crate) fn of(job: &'a Job, dep_info: Option<&'a [u8]>) -> Option<Self> {
        let (invocation, report) = (&job.invocation, &job.report);
        let (sightings, wrote_nothing) = (&report.sightings, report.outputs.is_empty());
        let failed = report.ended != Ended::Exit(0);
        let is_rust = family_of(invocation) == Some(Family::Rust);
        is_rust.then_some(Self { invocation, sightings, dep_info, wrote_nothing, failed })
    }

    /// What it may have read of its environment. None if anything: code of others ran
    /// within the compiler that does not ask by name, or nothing tells.
    pub(crate) fn environment(
        &self,
        scene: &Scene<'_>,
        contents: &Contents,
    ) -> Option<Environment> {
        if self.wrote_nothing && rust::asks(self.invocation) {
            return Some(Environment::Asked(Vec::new()));
        }
        let names = rust::tracked_variables(self.dep_info?);
        let asked = names.iter().map(|name| Variable::of(self.invocation, name)).collect();
        if self.macros().next().is_none() {
            return Some(Environment::Asked(asked));
        }
        let of_process = |path: &Path| path.starts_with("/proc") && path.ends_with("environ");
        if self.sightings.iter().any(|sighting| of_process(sighting.path.as_path()))
            || self.may_ask_for_all(scene, contents)
        {
            return None;
        }
        self.named(asked, scene, contents)
    }

    /// What macros that ask by name may have read: the variables of which one of the
    /// files that the run read holds the mark.
    fn named(
        &self,
        mut known: Vec<Variable>,
        scene: &Scene<'_>,
        contents: &Contents,
    ) -> Option<Environment> {
        let variables = environment::telling(self.invocation);
        let marks: Vec<_> = variables.iter().map(|v| environment::mark(v.name)).collect();
        let words = Words::new(&marks).ok()?;
        let mut held = vec![false; marks.len()];
        for path in self.read() {
            let Found::File(found) = scene.namespace.look(path, true) else { return None };
            let numbers = contents.mentions(scene.namespace, path, &found, &words)?;
            numbers.iter().for_each(|&number| held[number] = true);
        }
        self.spread(&words, &variables, &mut held);
        let mut unknown = Vec::new();
        for (variable, held) in variables.iter().zip(held) {
            let is_asked = known.iter().any(|asked| asked.name.as_bytes() == variable.name);
            match held {
                _ if is_asked => {}
                true => known.push(Variable::of(self.invocation, variable.name)),
                false => unknown.push(variable.name.into()),
            }
        }
        Some(Environment::Named { known, unknown })
    }

    /// Adds to the variables whose names a macro may know those whose names it may have from
    /// the command, and from the values of others.
    fn spread(&self, words: &Words, variables: &[environment::Variable<'_>], held: &mut [bool]) {
        let mut search = Search::new(words);
        self.invocation.argv.iter().for_each(|word| search.take(word.as_bytes()));
        let mut told = vec![false; held.len()];
        loop {
            search.found().iter().for_each(|&number| held[number] = true);
            let next = held.iter().zip(&told).position(|(held, told)| *held && !told);
            let Some(next) = next else { return };
            told[next] = true;
            search.take(variables[next].value);
        }
    }

    /// What it searched a directory for that was opened so many times. One that has failed may
    /// have missed any crate, and who lists it besides rustc may take any name: a macro.
    pub(crate) fn searched(&self, directory: &OsBytes, listings: u32) -> Searched {
        let Invocation { argv, cwd, .. } = self.invocation;
        let (searched, times) = rust::searched(argv, cwd.as_bytes(), directory.as_bytes());
        let by_a_macro = listings > times && self.macros().next().is_some();
        if self.failed || by_a_macro { Searched::Whole } else { searched }
    }

    /// Whether a macro may have copied a file, with its mode.
    pub(crate) fn may_copy(&self, path: &Path) -> bool {
        rust::may_be_asked_for_age(path) && self.macros().next().is_some()
    }

    /// Whether it started other programs: a linker.
    pub(crate) fn linked(&self) -> bool {
        self.sightings.iter().filter(|sighting| sighting.is_executed()).count() > 1
    }

    /// The digest of the names in a directory in which it searched for the crates it uses.
    ///
    /// # Errors
    /// [`Reason::InputChanged`] when one may have appeared since it looked.
    pub(crate) fn crates_in(
        &self,
        directory: &Sighting,
        namespace: &Namespace,
    ) -> Result<Digest, Reason> {
        let path = directory.path.as_path();
        let names = namespace.list(path).map_err(|_| Reason::InputUnreadable)?;
        let selected = CratesUsed::among(self.files(), self.linked()).select(&names);
        let looked_at = directory.at.as_nanos() + limits::COARSE_TICK.as_nanos() as i64;
        let read: HashSet<_> = self.files().filter_map(Path::file_name).collect();
        for name in selected.iter().filter(|name| !read.contains(*name)) {
            match namespace.look(&path.join(name), true) {
                // Within a tick of the clock before and after cannot be told. The loader
                // looks at the directory before rustc lists it, and just then cargo gives
                // second names to what the last compile has made, which is no news.
                Found::File(file) if file.identity.ctime.as_nanos() <= looked_at => {}
                found => {
                    tracing::info!(?name, ?found, at = ?directory.at, "a crate has just appeared");
                    return Err(Reason::InputChanged);
                }
            }
        }
        Ok(digest_of_crates(&selected))
    }

    /// The files whose age its macros may have told: of which something asked that no
    /// compiler asks of. What is only opened is not among them.
    ///
    /// # Errors
    /// [`Reason::InputChanged`] when a file is not what it was.
    pub(crate) fn ages(
        &self,
        sightings: &[&Sighting],
        scene: &Scene<'_>,
        contents: &Contents,
    ) -> Result<Vec<(u32, Age)>, Reason> {
        let mut ages = Vec::new();
        if self.macros().next().is_none() {
            return Ok(ages);
        }
        let asks_when_made = one_holds(self.macros(), ASKS_WHEN_MADE, scene, contents);
        for (number, sighting) in (0_u32..).zip(sightings) {
            let Seen::File { identity, executed: false, .. } = sighting.seen else { continue };
            let path = sighting.path.as_path();
            if !sighting.asked || !rust::may_be_asked_for_age(path) {
                continue;
            }
            if !asks_when_made {
                ages.push((number, Age::Modified(identity.mtime)));
            } else if let Found::File(file) = scene.namespace.look(path, sighting.follow) {
                ages.push((number, Age::Made(file.identity)));
            } else {
                return Err(Reason::InputChanged);
            }
        }
        Ok(ages)
    }

    /// Whether a macro, or what it may have loaded under any name, may ask for variables
    /// without knowing their names.
    fn may_ask_for_all(&self, scene: &Scene<'_>, contents: &Contents) -> bool {
        let loaded = self.read().filter(|path| rust::may_be_asked_for_age(path));
        one_holds(self.macros().chain(loaded), ASKS_FOR_ALL, scene, contents)
    }

    /// Libraries with code of others that ran within the compiler.
    fn macros(&self) -> impl Iterator<Item = &'a Path> {
        self.files().filter(|path| rust::may_run_in_compiler(path, self.invocation))
    }

    /// What may hold names of variables. What is executed is known, and reads what is in the
    /// key.
    fn read(&self) -> impl Iterator<Item = &'a Path> {
        let is_read = |s: &&Sighting| matches!(s.seen, Seen::File { executed: false, .. });
        let read = self.sightings.iter().filter(is_read).map(|sighting| sighting.path.as_path());
        read.filter(|path| rust::may_hold_names(path))
    }

    fn files(&self) -> impl Iterator<Item = &'a Path> {
        let files = self.sightings.iter().filter(|sighting| sighting.file().is_some());
        files.map(|sighting| sighting.path.as_path())
    }
}

/// Whether one of these files, as far as can be told, holds a text.
fn one_holds<'p>(
    mut files: impl Iterator<Item = &'p Path>,
    text: &[u8],
    scene: &Scene<'_>,
    contents: &Contents,
) -> bool {
    let Ok(words) = Words::new(&[text]) else { return true };
    files.any(|path| {
        let found = scene.namespace.look(path, true);
        contents.may_mention(scene.namespace, path, &found, &words)
    })
}

/// A text in every library that asks when a file was made: the error of Rust's
/// `Metadata::created` where that is not known.
const ASKS_WHEN_MADE: &[u8] = b"creation time is not available";

/// A text in every library that refers to `environ(7)`, or looks for it (`dlsym(3)`), and
/// so may ask for variables without knowing their names.
const ASKS_FOR_ALL: &[u8] = b"environ\0";
