//! What a run of rustc depended on that its files alone do not tell.

use std::collections::HashSet;
use std::path::Path;

use zccache_compiler::program::{Family, family_of};
use zccache_compiler::rust::{self, Searched};
use zccache_core::entry::Variable;
use zccache_core::protocol::Own;
use zccache_core::report::{Seen, Sighting};
use zccache_core::{Invocation, OsBytes, Reason, limits};

use crate::world::{CratesUsed, Found, Namespace};

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
}

impl<'a> RustRun<'a> {
    /// The run, if it was one of rustc.
    pub(crate) fn of(
        invocation: &'a Invocation,
        sightings: &'a [Sighting],
        dep_info: Option<&'a [u8]>,
    ) -> Option<Self> {
        let is_rust = family_of(invocation) == Some(Family::Rust);
        is_rust.then_some(Self { invocation, sightings, dep_info })
    }

    /// The variables that were asked for by name. None if others may have been
    /// read as well: code of others ran within the compiler, or nothing tells.
    pub(crate) fn variables(&self) -> Option<Vec<Variable>> {
        let foreign = |path: &Path| rust::may_run_in_compiler(path, self.invocation);
        if self.files().any(foreign) {
            return None;
        }
        let names = rust::tracked_variables(self.dep_info?);
        Some(names.iter().map(|name| Variable::of(self.invocation, name)).collect())
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
