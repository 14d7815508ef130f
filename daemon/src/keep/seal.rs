//! From a run to its entry: the outputs as the compiler left them, the inputs as
//! it found them, and how far the result reaches.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use nix::sys::stat::fstat;
use zccache_compiler::clock::{Clock, Told};
use zccache_compiler::relocation::{depfile, own_path};
use zccache_compiler::rust::dep_info_among;
use zccache_compiler::source;
use zccache_compiler::tools::trusted;
use zccache_core::entry::{Scope, Stream};
use zccache_core::protocol::explanation::Refusal;
use zccache_core::report::{Bytes, Ended, WrittenFile};
use zccache_core::{
    CompileResult, Content, Digest, Entry, Identity, InvocationKey, OsBytes, Output, Reason, Root,
    Rooted, Stamp, limits,
};
use zccache_store::{Staged, Store, StoreError};

use super::outputs::{OutputFiles, read_all, size};
use super::publisher::Job;
use super::reach::Reach;
use super::sift::sift;
use super::timing::{clock, said, told_by_streams};
use super::trace::Sealer;
use crate::world::{Contents, WHOLE_SECONDS, for_each_piece, is_of_whole_seconds, now};

/// A run ready to be published.
pub(super) struct Sealed {
    pub(super) key: InvocationKey,
    pub(super) entry: Entry,
    pub(super) blobs: Vec<Staged>,
}

/// The entry of a run, its inputs and outputs unchanged since it ended.
///
/// # Errors
/// Why the run cannot be kept.
pub(super) fn seal(job: &Job, store: &Store, contents: &Contents) -> Result<Sealed, Refusal> {
    let sealer = job.sealer(contents);
    let made = now().map_err(|_| Reason::OutputChanged)?;
    let fixed = sealer.has_fixed_clock(&job.invocation, &job.report.sightings);
    let clock = clock(&job.invocation, &job.report, made, fixed);
    refuse_dates(job, made)?;
    let mut harvest = Harvest::new(job, store, clock.as_ref());
    let outputs = harvest.outputs(&sealer)?;
    if let Some(teller) = harvest.teller(&sealer) {
        return Err(time_told(job, &sealer, teller));
    }
    let Ended::Exit(status) = job.report.ended else {
        return Err(Reason::KilledBySignal.into());
    };
    let (trace, remarks) = sealer.trace(job, harvest.dep_info.as_deref())?;
    if harvest.is_stamped || (harvest.is_precompiled && remarks.time_words.may_tell_others()) {
        return Err(Reason::StampedOutput.into());
    }
    if trace.environment.is_whole() && job.report.inherits {
        return Err(Reason::InheritedDescriptor.into());
    }
    let Harvest { mut reach, blobs, .. } = harvest;
    let streams = reach.messages();
    let names_root = || sealer.inputs_name_root(&job.report.sightings);
    let can_be_asked = || own_path::question(&job.invocation).is_some() && sealer.answers(job);
    let (key, scope) = reach.key(&trace, remarks, can_be_asked, names_root);
    let result = CompileResult { status, streams, outputs };
    let checkout = OsBytes::from(job.root.as_bytes());
    // Two checkouts that compile the same at the same time would oust each other.
    let is_theirs = |other: &Arc<Entry>| other.checkout != checkout && other.trace == trace;
    let (key, scope) = match scope {
        Scope::Unproven if store.candidates(&key).iter().any(is_theirs) => {
            (job.plan.here, Scope::All)
        }
        scope => (key, scope),
    };
    let confirmed = !trusted::is_trusted(&job.invocation);
    let cost = job.report.cost;
    let entry = Entry { trace, result, made, cost, checkout, confirmed, scope };
    // With a suspect, that it fails now may be a difference.
    if job.suspect.is_none() && is_unexplained(&entry) {
        return Err(Reason::CompilerFailed.into());
    }
    Ok(Sealed { key, entry, blobs })
}

/// Refuses what a tool of which nothing is known wrote with the date of its run in it: two
/// runs of one day would agree.
///
/// # Errors
/// That there is a date in an output or a message, or that an output cannot be read.
fn refuse_dates(job: &Job, made: Stamp) -> Result<(), Refusal> {
    let first = job.report.sightings.iter().map(|sighting| sighting.at.seconds).min();
    let Some(from) = first.filter(|_| trusted::is_trusted(&job.invocation)) else { return Ok(()) };
    let tells_date = |piece: &[u8]| trusted::tells_date(piece, (from, made.seconds));
    let streams = [Stream::Stdout, Stream::Stderr];
    if streams.iter().any(|stream| tells_date(&said(&job.report.streams, *stream))) {
        return Err(Reason::TimeMacro.into());
    }
    let mut files = OutputFiles::of(job);
    for written in &job.report.outputs {
        let file = File::from(files.next(written)?);
        let mut is_told = false;
        for_each_piece(&file, trusted::SEAM, |piece, _| is_told |= tells_date(piece))
            .map_err(|_| Reason::OutputChanged.at(&written.path))?;
        if is_told {
            return Err(Reason::TimeMacro.at(&written.path));
        }
    }
    Ok(())
}

/// Whether a run failed in which a program took part that reads we do not know
/// what: who knows why a script fails.
pub(super) fn is_unexplained(entry: &Entry) -> bool {
    entry.result.status != 0 && entry.trace.environment.is_whole()
}

/// The refusal of a result that tells the time: the input that mentions it is
/// named, else the output that holds it.
fn time_told(job: &Job, sealer: &Sealer<'_>, output: Option<&OsBytes>) -> Refusal {
    match sealer.trace(job, None) {
        Err(refusal) if refusal.reason == Reason::TimeMacro && refusal.path.is_some() => refusal,
        _ => Refusal { reason: Reason::TimeMacro, path: output.cloned() },
    }
}

/// The outputs of a run being brought in.
struct Harvest<'a> {
    job: &'a Job,
    store: &'a Store,
    clock: Option<&'a Clock>,
    reach: Reach<'a>,
    blobs: Vec<Staged>,
    /// What tells dates or times of when the run was: an output, or the streams.
    tellers: Vec<(Option<&'a OsBytes>, Told)>,
    /// Which output tells what rustc asked of its environment, if one does, and its text.
    dep_info_path: Option<&'a OsBytes>,
    dep_info: Option<Vec<u8>>,
    /// Whether an output holds time stamps of its inputs.
    is_stamped: bool,
    /// Whether an output is a precompiled header.
    is_precompiled: bool,
}

impl<'a> Harvest<'a> {
    fn new(job: &'a Job, store: &'a Store, clock: Option<&'a Clock>) -> Self {
        let streams = &job.report.streams;
        let outputs = job.report.outputs.iter().map(|output| &output.path);
        Self {
            job,
            store,
            clock,
            reach: Reach::new(job),
            blobs: Vec::new(),
            tellers: clock
                .map(|clock| (None, told_by_streams(clock, streams)))
                .into_iter()
                .collect(),
            dep_info_path: dep_info_among(&job.invocation, outputs),
            dep_info: None,
            is_stamped: false,
            is_precompiled: false,
        }
    }

    fn outputs(&mut self, sealer: &Sealer<'_>) -> Result<Vec<Output>, Refusal> {
        let job = self.job;
        let mut files = OutputFiles::of(job);
        let mut outputs = Vec::with_capacity(job.report.outputs.len());
        for (index, written) in job.report.outputs.iter().enumerate() {
            let file = files.next(written)?;
            let digest = job.digests.get(index);
            let check = || unchanged(sealer, written, file.as_fd(), digest);
            check().map_err(|reason| reason.at(&written.path))?;
            let content =
                self.content(written, file.as_fd()).map_err(|reason| reason.at(&written.path))?;
            check().map_err(|reason| reason.at(&written.path))?;
            if digest.is_some_and(|digest| digest_of(&content, &job.root) != *digest) {
                return Err(Reason::OutputChanged.at(&written.path));
            }
            let path = Rooted::new(&written.path, &job.root);
            outputs.push(Output { path, mode: written.mode, manner: written.manner, content });
        }
        Ok(outputs)
    }

    /// Which output, if it is one, tells a date or time that no input has told it.
    fn teller(&mut self, sealer: &Sealer<'_>) -> Option<Option<&'a OsBytes>> {
        let mut texts: Vec<_> = self.tellers.iter_mut().map(|(_, told)| told).collect();
        sealer.strike_out_given(self.job, &mut texts);
        let (path, _) = self.tellers.iter().find(|(_, told)| !told.is_empty())?;
        Some(*path)
    }

    fn content(
        &mut self,
        written: &'a WrittenFile,
        file: BorrowedFd<'_>,
    ) -> Result<Content, Reason> {
        let sifted = sift(file, self.clock, &self.job.root).map_err(|_| Reason::OutputChanged)?;
        if !sifted.told.is_empty() {
            self.tellers.push((Some(&written.path), sifted.told.clone()));
        }
        self.is_stamped |=
            sifted.tells_stamps || source::holds_stamps(&sifted.head, &self.job.invocation.argv);
        self.is_precompiled |= source::is_precompiled(&sifted.head);
        let length = size(written);
        let short = length <= limits::DEPFILE_BYTES;
        let read = || short.then(|| read_all(file, length).ok()).flatten();
        if self.dep_info_path == Some(&written.path) {
            self.dep_info = read();
        }
        if let Some((text, breaks)) = self.reach.depfile(sifted, read) {
            return Ok(Content::Depfile { text, breaks });
        }
        if length <= limits::INLINE_BYTES {
            let bytes = read_all(file, length).map_err(|_| Reason::OutputChanged)?;
            return Ok(Content::Inline(bytes.into()));
        }
        let staged = self.store.stage(file, length).map_err(|error| {
            tracing::warn!(%error, "an output could not be copied");
            refusal_of(&error)
        })?;
        let digest = staged.digest();
        self.blobs.push(staged);
        Ok(Content::Blob { digest, length })
    }
}

/// Why a result is not kept that the store does not take.
pub(super) fn refusal_of(error: &StoreError) -> Reason {
    match error {
        StoreError::NoRoom(_) => Reason::NoRoom,
        _ => Reason::StoreFailed,
    }
}

/// Whether an output is still as the launcher saw it. Carried bytes cannot change;
/// where the digest from then is known, stamps do not matter.
fn unchanged(
    sealer: &Sealer<'_>,
    written: &WrittenFile,
    file: BorrowedFd<'_>,
    digest: Option<&Digest>,
) -> Result<(), Reason> {
    if matches!(written.bytes, Bytes::Carried(_)) {
        return Ok(());
    }
    let racy = is_of_whole_seconds(&written.identity)
        && written.identity.is_racy_at(now().map_err(|_| Reason::OutputChanged)?, WHOLE_SECONDS);
    if racy && digest.is_none() {
        // Somebody may have changed it since without its stamps telling.
        return Err(Reason::OutputChanged);
    }
    let stat = fstat(file).map_err(|_| Reason::OutputChanged)?;
    let same = digest.is_some() || sealer.is_same(&written.identity, &Identity::from(&stat));
    let linked = stat.st_nlink > 0 && stat.st_mode & 0o7777 == written.mode;
    if same && linked { Ok(()) } else { Err(Reason::OutputChanged) }
}

/// The digest of an output as it is below a root.
pub(super) fn digest_of(content: &Content, root: &Root) -> Digest {
    match content {
        Content::Inline(bytes) => bytes.digest(),
        Content::Blob { digest, .. } => *digest,
        Content::Depfile { text, breaks } => Digest::of(&depfile::at(text, *breaks, root)),
    }
}
