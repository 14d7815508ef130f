//! Handing over the files of a result: in a view, or to be put in place.

use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use zccache_compiler::relocation::depfile;
use zccache_core::entry::{Chunk, Manner, Message};
use zccache_core::identity::has_own_attributes;
use zccache_core::protocol::{Delivery, Hit, Source};
use zccache_core::{CompileResult, Content, Output};
use zccache_fs::{Look, ProjectedBytes, Projection, View};

use super::daemon::Daemon;
use super::lookup::Case;
use crate::world::Located;

impl Daemon {
    /// Shows the outputs in their view, or hands them over to be put in place: also
    /// where a view cannot show them as the compiler would have made them.
    #[tracing::instrument(target = "time", level = "trace", skip_all)]
    pub(super) fn deliver(
        &self,
        case: &Case,
        result: &CompileResult,
    ) -> Option<(Hit, Vec<OwnedFd>)> {
        let chunk = |message: &Message| Chunk {
            stream: message.stream,
            bytes: message.text.at(&case.root),
        };
        let streams = result.streams.iter().map(chunk).collect();
        let hit = |files| Hit { status: result.status, streams, files };
        if let Some((view, paths)) = common_view(case, &result.outputs)
            && self.project(case, &view, paths, &result.outputs).is_some()
        {
            return Some((hit(Vec::new()), Vec::new()));
        }
        let mut descriptors = Vec::new();
        let mut files = Vec::with_capacity(result.outputs.len());
        for output in &result.outputs {
            let source = match &output.content {
                Content::Inline(bytes) => Source::Inline(bytes.to_vec()),
                Content::Depfile { text, breaks } => {
                    Source::Inline(depfile::at(text, *breaks, &case.root))
                }
                Content::Blob { digest, length } => {
                    descriptors.push(self.store.open_blob(digest).ok()?.file);
                    Source::Descriptor(*length)
                }
            };
            let path = output.path.at(&case.root).into_owned();
            let (mode, manner) = (output.mode, output.manner);
            files.push(Delivery { path, mode, manner, source });
        }
        Some((hit(files), descriptors))
    }

    fn project(
        &self,
        case: &Case,
        view: &Arc<View>,
        paths: Vec<PathBuf>,
        outputs: &[Output],
    ) -> Option<()> {
        let mut pins = Vec::new();
        let mut set = Vec::with_capacity(outputs.len());
        for (path, output) in paths.into_iter().zip(outputs) {
            let source = match &output.content {
                Content::Inline(bytes) => ProjectedBytes::Inline(bytes.clone()),
                Content::Depfile { text, breaks } => {
                    ProjectedBytes::Inline(depfile::at(text, *breaks, &case.root).into())
                }
                &Content::Blob { digest, length } => {
                    pins.push(self.store.pin(digest));
                    // Checked now, so that nothing is shown that cannot be read.
                    self.store.open_blob(&digest).ok()?;
                    ProjectedBytes::Blob { digest, length }
                }
            };
            let (uid, gid) = case.owner;
            may_replace(view, &path, output, (uid, gid))?;
            set.push(Projection { path, source, mode: output.mode, uid, gid });
        }
        view.project(&set).ok()?;
        self.views.hold(view, pins);
        Some(())
    }
}

/// Whether showing an output in the place of what is there equals what the tool
/// would do: a file that it writes in place keeps its other names, its owner and its mode.
fn may_replace(view: &View, path: &Path, output: &Output, owner: (u32, u32)) -> Option<()> {
    let plain = match view.look(path, false).ok()? {
        Look::Absent => true,
        Look::Projected { mode, links, .. } => {
            let alone = links == 1 && mode & 0o7777 == output.mode;
            writable(mode) && (alone || output.manner == Manner::Renamed)
        }
        Look::Lower { mode, .. } => {
            let file = view.open_lower(path).ok()?;
            let stat = nix::sys::stat::fstat(&file).ok()?;
            let same = (stat.st_uid, stat.st_gid) == owner && mode & 0o7777 == output.mode;
            let alone = stat.st_nlink == 1 && same && !has_attributes(&file);
            writable(mode) && (alone || output.manner == Manner::Renamed)
        }
        _ => false,
    };
    plain.then_some(())
}

/// Whether a file has attributes that it would lose to another in its place, or may have.
fn has_attributes(file: &OwnedFd) -> bool {
    let mut names = [0u8; 4096];
    // SAFETY: the descriptor is open, and `names` has as many bytes as it says.
    let length =
        unsafe { libc::flistxattr(file.as_raw_fd(), names.as_mut_ptr().cast(), names.len()) };
    let no_attributes_here = nix::errno::Errno::last() == nix::errno::Errno::ENOTSUP;
    match usize::try_from(length) {
        Ok(length) => has_own_attributes(&names[..length]),
        Err(_) => !no_attributes_here,
    }
}

fn writable(mode: u32) -> bool {
    mode & 0o200 != 0
}

/// The length of an output, in bytes; of a depfile that of its template.
pub(super) fn length(content: &Content) -> u64 {
    match content {
        Content::Inline(bytes) => bytes.len() as u64,
        Content::Depfile { text, .. } => text.len() as u64,
        Content::Blob { length, .. } => *length,
    }
}

/// The one view that all outputs belong to, with their paths in it.
fn common_view(case: &Case, outputs: &[Output]) -> Option<(Arc<View>, Vec<PathBuf>)> {
    let mut common: Option<Arc<View>> = None;
    let mut paths = Vec::with_capacity(outputs.len());
    for output in outputs {
        let Located::View(view, below) =
            case.namespace.locate(output.path.at(&case.root).as_path(), false)
        else {
            return None;
        };
        match &common {
            Some(other) if !Arc::ptr_eq(other, &view) => return None,
            _ => common = Some(view),
        }
        paths.push(below);
    }
    Some((common?, paths))
}
