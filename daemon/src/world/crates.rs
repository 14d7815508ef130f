//! Directories in which rustc searches for crates. A build fills them while it
//! runs, so of their names only those count that may be a crate of the run.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use zccache_compiler::rust::crate_stem;
use zccache_core::{Digest, Expected, TaggedHasher, Trace};
use zccache_fs::Listed;

/// The crates that a run has read, by the part of their files' names that a
/// search goes by.
pub(crate) struct CratesUsed<'a> {
    stems: HashSet<&'a [u8]>,
    /// A link takes the library beside a crate's metadata; anything else leaves
    /// it alone, and cargo may not have made it yet.
    linked: bool,
}

impl<'a> CratesUsed<'a> {
    /// Those among the files that a run has read.
    pub(crate) fn among(files: impl Iterator<Item = &'a Path>, linked: bool) -> Self {
        let stem = |path: &'a Path| crate_stem(path.file_name()?.as_encoded_bytes());
        Self { stems: files.filter_map(stem).collect(), linked }
    }

    /// Those of a trace.
    pub(crate) fn of(trace: &'a Trace, linked: bool) -> Self {
        let is_file = |expected: &Expected| matches!(expected, Expected::File { .. });
        let observed = trace.observations.iter().filter(|o| is_file(&o.expected));
        Self::among(observed.map(|o| o.path.text().as_path()), linked)
    }

    /// Which of the sorted names in a searched directory matter.
    pub(crate) fn select<'n>(&self, names: &'n [Listed]) -> Vec<&'n OsStr> {
        let metadata = |stem: &[u8]| {
            let metadata = [stem, b".rmeta"].concat();
            names.binary_search_by(|listed| listed.name.as_bytes().cmp(&metadata)).is_ok()
        };
        let matters = |name: &&OsStr| {
            let Some(stem) = crate_stem(name.as_bytes()) else { return false };
            let spare = !self.linked && name.as_bytes().ends_with(b".rlib") && metadata(stem);
            self.stems.contains(stem) && !spare
        };
        names.iter().map(|listed| listed.name.as_os_str()).filter(matters).collect()
    }
}

/// The digest of the names that matter.
pub(crate) fn digest_of_crates(names: &[&OsStr]) -> Digest {
    let mut hasher = TaggedHasher::new();
    for name in names {
        hasher.field(0, name.as_bytes());
    }
    hasher.finish()
}
