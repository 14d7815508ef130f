//! Files that a run had read when it changed them: what was in them before is an input.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use zccache_compiler::tools::binary::passes_modes_on;
use zccache_core::protocol::explanation::Refusal;
use zccache_core::report::{Bytes, Revised, Sighting};
use zccache_core::{Expected, Observation, Reason, Rooted};

use super::{Job, Sealer};
use crate::keep::outputs::{digest, in_memory};
use crate::keep::rustc::RustRun;
use crate::world::{Found, FoundFile};

impl Sealer<'_> {
    /// What has to be there again of each file that the run revised.
    ///
    /// # Errors
    /// Why that cannot be told of one.
    pub(super) fn revised(&self, job: &Job) -> Result<Vec<Observation>, Refusal> {
        let observation = |(file, content): (&Revised, io::Result<OwnedFd>)| {
            let path = file.path.as_path();
            let found = FoundFile { identity: file.identity, mode: file.mode, digest: None };
            if self.contents.is_racy(self.scene.namespace, path, &found, file.at) {
                return Err(Reason::InputRacy.at(&file.path));
            }
            let digest = content.and_then(|content| digest(content.as_fd()));
            let digest = digest.map_err(|_| Reason::InputUnreadable.at(&file.path))?;
            let expected = Expected::WithMode { digest, mode: file.mode };
            let path = Rooted::new(&file.path, self.scene.root);
            Ok(Observation { path, follow: false, expected })
        };
        contents(job).map(observation).collect()
    }
}

impl Sealer<'_> {
    /// The permission bits of an input, if the tool gives such to what it makes: `strip`
    /// and `objcopy` do, and macros that copy files.
    pub(super) fn mode_passed_on(
        &self,
        job: &Job,
        sighting: &Sighting,
        rust: Option<&RustRun<'_>>,
    ) -> Option<u32> {
        let may_be_copied = || rust.is_some_and(|run| run.may_copy(sighting.path.as_path()));
        if sighting.is_executed() || !(passes_modes_on(&job.invocation) || may_be_copied()) {
            return None;
        }
        match self.scene.namespace.look(sighting.path.as_path(), sighting.follow) {
            Found::File(file) => Some(file.mode),
            _ => None,
        }
    }
}

/// The files that a run revised, each with what was in it.
pub(super) fn contents(job: &Job) -> impl Iterator<Item = (&Revised, io::Result<OwnedFd>)> {
    let outputs = job.report.outputs.iter().filter(|output| output.bytes == Bytes::Attached);
    let mut attached = job.descriptors.iter().skip(outputs.count());
    job.report.revised.iter().map(move |file| {
        let content = match &file.bytes {
            Bytes::Carried(bytes) => in_memory(bytes),
            Bytes::Attached => match attached.next() {
                Some(file) => file.try_clone(),
                None => Err(io::ErrorKind::NotFound.into()),
            },
            Bytes::InView => Err(io::ErrorKind::InvalidInput.into()),
        };
        (file, content)
    })
}
