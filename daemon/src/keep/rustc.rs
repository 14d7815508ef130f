//! What a run of rustc depended on that its files alone do not tell.

use std::collections::HashSet;
use std::fs::File;
use std::path::Path;

use zccache_compiler::environment;
use zccache_compiler::program::{Family, family_of};
use zccache_compiler::rust::{self, Searched};
use zccache_core::entry::{Environment, Variable};
use zccache_core::protocol::Own;
use zccache_core::report::{Seen, Sighting};
use zccache_core::{Invocation, OsBytes, Reason, limits};

use super::publisher::Job;
use super::sift::dynamic_names;
use crate::world::{Contents, CratesUsed, Found, Namespace, Scene, Words};

/// What a command has for itself, so that no result depends on it.
pub(crate) fn own_paths(invocation: &Invocation) -> Own {
    match family_of(invocation) {
        Some(Family::Rust) => rust::own_paths(invocation),
        Some(Family::C) | None => Own::default(),
    }
}

/// A run of rustc, as it was reported.
pub(crate) struct RustRun<'a> {
    invocation: &'a Invocation,
    sightings: &'a [Sighting],
    /// The dep-info it wrote, if any.
    dep_info: Option<&'a [u8]>,
    wrote_nothing: bool,
}

impl<'a> RustRun<'a> {
    /// The run, if it was one of rustc.
    pub(crate) fn of(job: &'a Job, dep_info: Option<&'a [u8]>) -> Option<Self> {
        let (invocation, report) = (&job.invocation, &job.report);
        let (sightings, wrote_nothing) = (&report.sightings, report.outputs.is_empty());
        let is_rust = family_of(invocation) == Some(Family::Rust);
        is_rust.then_some(Self { invocation, sightings, dep_info, wrote_nothing })
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
        let foreign = |path: &&Path| rust::may_run_in_compiler(path, self.invocation);
        let mut macros = self.files().filter(foreign).peekable();
        if macros.peek().is_none() {
            return Some(Environment::Asked(asked));
        }
        let of_process = |path: &Path| path.starts_with("/proc") && path.ends_with("environ");
        if self.sightings.iter().any(|sighting| of_process(sighting.path.as_path()))
            || !macros.all(|path| asks_by_name(path, scene.namespace))
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
        // What is executed is known, and reads what is in the key.
        let is_read = |s: &&Sighting| matches!(s.seen, Seen::File { executed: false, .. });
        let read = self.sightings.iter().filter(is_read).map(|sighting| sighting.path.as_path());
        for path in read.filter(|path| rust::may_hold_names(path)) {
            let Found::File(found) = scene.namespace.look(path, true) else { return None };
            let numbers = contents.mentions(scene.namespace, path, &found, &words)?;
            numbers.iter().for_each(|&number| held[number] = true);
        }
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

    /// What it searched an opened directory for.
    pub(crate) fn searched(&self, directory: &OsBytes) -> Searched {
        let Invocation { argv, cwd, .. } = self.invocation;
        rust::searched(argv, cwd.as_bytes(), directory.as_bytes())
    }

    /// Whether it started other programs: a linker.
    pub(crate) fn linked(&self) -> bool {
        let executed = |s: &&Sighting| matches!(s.seen, Seen::File { executed: true, .. });
        self.sightings.iter().filter(executed).count() > 1
    }

    /// The names in a directory in which it searched for the crates it uses.
    ///
    /// # Errors
    /// [`Reason::InputChanged`] when one may have appeared since it looked.
    pub(crate) fn crates_in(
        &self,
        directory: &Sighting,
        namespace: &Namespace,
    ) -> Result<Vec<OsBytes>, Reason> {
        let path = directory.path.as_path();
        let names = namespace.list(path).map_err(|_| Reason::InputUnreadable)?;
        let selected = CratesUsed::among(self.files(), self.linked()).select(names);
        let looked_at = directory.at.as_nanos() + limits::COARSE_TICK.as_nanos() as i64;
        let read: HashSet<_> = self.files().filter_map(Path::file_name).collect();
        for name in selected.iter().filter(|name| !read.contains(name.as_os_str())) {
            match namespace.look(&path.join(name.as_os_str()), true) {
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
        Ok(selected)
    }

    fn files(&self) -> impl Iterator<Item = &'a Path> {
        let is_file = |sighting: &&Sighting| matches!(sighting.seen, Seen::File { .. });
        self.sightings.iter().filter(is_file).map(|sighting| sighting.path.as_path())
    }
}

/// Whether a library asks for variables only by their names (`getenv(3)`): it does not
/// refer to `environ(7)`.
fn asks_by_name(path: &Path, namespace: &Namespace) -> bool {
    let Found::File(found) = namespace.look(path, true) else { return false };
    let file = namespace.open_found(path, &found);
    let names = file.ok().and_then(|file| dynamic_names(&File::from(file)));
    names.is_some_and(|names| {
        let environ = [&b"environ"[..], b"__environ", b"_environ"];
        !names.split(|&byte| byte == 0).any(|name| environ.contains(&name))
    })
}
