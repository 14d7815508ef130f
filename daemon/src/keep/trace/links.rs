//! Links on the way to system headers.

use std::collections::HashSet;

use zccache_compiler::relocation::SystemDirectories;
use zccache_core::protocol::explanation::Refusal;
use zccache_core::{Expected, Invocation, Observation, OsBytes, Reason, Rooted};

use super::{Sealer, is_of_the_system};
use crate::world::{Found, Scene};

impl Sealer<'_> {
    /// Adds what is a link, and what is none, on the way to each file that may be a system
    /// header.
    pub(super) fn follow_to_system_headers(
        &self,
        invocation: &Invocation,
        observations: &mut Vec<Observation>,
    ) -> Result<(), Refusal> {
        let Scene { root, namespace } = self.scene;
        // gcc opens what it names: a header by its canonical name.
        let directories = SystemDirectories::of(invocation, |path| namespace.real_path(path).ok());
        let mut known: HashSet<OsBytes> = HashSet::new();
        let mut more = Vec::new();
        let files = observations.iter().filter_map(|observation| match &observation.expected {
            expected @ Expected::File { .. } => Some((observation.path.at(root), expected)),
            _ => None,
        });
        let headers = files.filter(|(file, _)| {
            !is_of_the_system(file.as_path(), root) && directories.hold(file.as_path())
        });
        for (file, content) in headers {
            for step in file.as_path().ancestors() {
                if !known.insert(step.into()) {
                    break;
                }
                let expected = match namespace.look(step, false) {
                    Found::Directory(_) => Expected::Directory,
                    Found::File(_) => content.clone(),
                    Found::Symlink(target) => Expected::Symlink(Rooted::new(&target, root)),
                    _ => return Err(Reason::InputChanged.at(&file)),
                };
                let path = Rooted::new(&step.into(), root);
                more.push(Observation { path, follow: false, expected });
            }
        }
        for step in directories.listed().iter().flat_map(|directory| directory.ancestors()) {
            if known.insert(step.into())
                && let Found::Symlink(target) = namespace.look(step, false)
            {
                let (path, target) = (Rooted::new(&step.into(), root), Rooted::new(&target, root));
                more.push(Observation { path, follow: false, expected: Expected::Symlink(target) });
            }
        }
        observations.append(&mut more);
        Ok(())
    }
}
