//! Sources of real projects, as `scripts/fetch-projects` lays them down.

use std::io::Write;
use std::path::{Path, PathBuf};

/// A project with its sources at hand.
#[derive(Clone, Debug)]
pub struct Project(PathBuf);

impl Project {
    /// The project of this name, when its sources have been fetched. When not,
    /// says so on standard error, past what the test runner captures.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        let sources = directory().join(name);
        if sources.is_dir() {
            return Some(Self(sources));
        }
        skip(&format!("{name}: no sources in {}, see scripts/fetch-projects", sources.display()));
        None
    }

    /// Where the sources are; they are not to be changed.
    #[must_use]
    pub fn sources(&self) -> &Path {
        &self.0
    }
}

/// Says that something was not tested, on a line that `.ci/run` counts.
pub fn skip(what: &str) {
    let line = format!("SKIP: {what}\n");
    std::io::stderr().write_all(line.as_bytes()).ok();
}

fn directory() -> PathBuf {
    let variable = |name| std::env::var_os(name).map(PathBuf::from);
    let cache = variable("XDG_CACHE_HOME").filter(|path| path.is_absolute());
    let cache = cache.or_else(|| Some(variable("HOME")?.join(".cache")));
    cache.unwrap_or_else(std::env::temp_dir).join("zccache-projects")
}
