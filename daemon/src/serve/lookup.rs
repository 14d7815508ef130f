//! From an invocation to a verdict.

use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::time::{Instant, timeout_at};
use zccache_compiler::program::{Family, family_of};
use zccache_compiler::relocation::depfile;
use zccache_compiler::response::ResponseFiles;
use zccache_compiler::{Plan, environment, plan};
use zccache_core::entry::{Chunk, Manner, Message};
use zccache_core::protocol::{Delivery, Hit, Reply, Source, Verdict};
use zccache_core::settings::is_on;
use zccache_core::{
    CompileResult, Content, Entry, Invocation, InvocationKey, OsBytes, Output, Reason, Root, limits,
};
use zccache_fs::{Look, ProjectedBytes, Projection, View};

use super::daemon::Daemon;
use super::frames::{ConnectionError, Frames};
use crate::keep::{Boarding, Job, Publication, landed, own_paths};
use crate::ledger::Session;
use crate::world::{Found, Located, Namespace, Scene};

/// An invocation under consideration.
pub(crate) struct Case {
    invocation: Box<Invocation>,
    root: Root,
    plan: Plan,
    namespace: Arc<Namespace>,
    session: Session,
    owner: (u32, u32),
}

/// An entry that may answer an invocation.
struct Candidate {
    key: InvocationKey,
    entry: Arc<Entry>,
}

impl Case {
    /// Whether `TMPDIR`, if set, is a directory: without one some compilers fail.
    fn has_temporary_directory(&self) -> bool {
        let Some(path) = self.invocation.variable(b"TMPDIR") else { return true };
        let path = self.invocation.cwd.as_path().join(OsBytes::from(path).as_path());
        matches!(self.namespace.look(&path, true), Found::Directory(_))
    }
}

/// The permission to run, and to report.
pub(crate) struct Ticket {
    case: Case,
    views: Vec<u64>,
    publication: Publication,
}

impl Case {
    /// Whether cargo is likely to have asked: it links outputs and sets their
    /// times as soon as the compiler has ended.
    fn is_rust(&self) -> bool {
        family_of(&self.invocation) == Some(Family::Rust)
    }
}

impl Ticket {
    /// Whether the launcher waits for an answer to its report.
    pub(crate) fn is_awaited(&self) -> bool {
        self.case.is_rust()
    }
}

/// How a look-up ended.
pub(crate) enum Answer {
    /// Served; the case is kept in case the files cannot be put in place.
    Hit(Box<Case>),
    /// To be run.
    Run(Box<Ticket>),
    /// Nothing more to do with it.
    Bypass,
}

impl Daemon {
    /// Answers a look-up.
    pub(crate) async fn look_up(
        &self,
        frames: &Frames,
        invocation: Box<Invocation>,
    ) -> Result<Answer, ConnectionError> {
        let session = invocation.variable(b"ZCCACHE_SESSION").map(OsBytes::from);
        let peer = frames.peer()?;
        let readable = invocation.input.can_be_read();
        match self.open_case(invocation, session.clone(), (peer.uid(), peer.gid())) {
            Ok(case) => self.decide(frames, case).await,
            Err(Reason::SourceFromStdin) if readable => {
                frames.send(&Reply::Verdict(Verdict::ReadInput)).await?;
                Ok(Answer::Bypass)
            }
            Err(reason) => {
                self.ledger.bypassed(&session, reason);
                frames.send(&Reply::Verdict(Verdict::Bypass(reason))).await?;
                Ok(Answer::Bypass)
            }
        }
    }

    fn open_case(
        &self,
        invocation: Box<Invocation>,
        session: Session,
        owner: (u32, u32),
    ) -> Result<Case, Reason> {
        if is_on(invocation.variable(b"ZCCACHE_DISABLE")) {
            return Err(Reason::Disabled);
        }
        let namespace = self.atlas.namespace(invocation.place).ok_or(Reason::ForeignPlace)?;
        let files = NamespaceFiles { namespace: &namespace, cwd: invocation.cwd.as_path() };
        let root = namespace.root_of(&invocation);
        let plan = plan(&invocation, &files, &root)?;
        Ok(Case { invocation, root, plan, namespace, session, owner })
    }

    async fn decide(&self, frames: &Frames, case: Case) -> Result<Answer, ConnectionError> {
        let deadline = Instant::now() + limits::COALESCE_WITHIN;
        let mut waiting = false;
        loop {
            let candidates = self.candidates(&case.plan);
            if let Some((hit, descriptors)) = self.find(&case, &candidates) {
                frames.send_with(&Reply::Verdict(Verdict::Hit(hit)), &descriptors).await?;
                return Ok(Answer::Hit(Box::new(case)));
            }
            if is_on(case.invocation.variable(b"ZCCACHE_READONLY")) {
                self.ledger.bypassed(&case.session, Reason::ReadOnly);
                frames.send(&Reply::Verdict(Verdict::Bypass(Reason::ReadOnly))).await?;
                return Ok(Answer::Bypass);
            }
            match self.flights.board(case.plan.here) {
                Boarding::Lead(flight) => {
                    // An equal run may have landed since the candidates were read.
                    if !same_entries(&candidates, &self.candidates(&case.plan)) {
                        continue;
                    }
                    let publication = self.publication(flight, &case);
                    return self.let_run(frames, case, publication).await;
                }
                Boarding::Follow(run) => {
                    if !waiting {
                        waiting = true;
                        self.ledger.count(&case.session, |counters| counters.coalesced += 1);
                        frames.send(&Reply::Verdict(Verdict::Wait)).await?;
                    }
                    self.store.expedite();
                    if timeout_at(deadline, landed(run)).await.is_err() {
                        let publication =
                            self.publication(self.flights.join(case.plan.here), &case);
                        return self.let_run(frames, case, publication).await;
                    }
                }
            }
        }
    }

    /// The entries that may answer, those of this checkout first.
    fn candidates(&self, plan: &Plan) -> Vec<Candidate> {
        let keys = [Some(plan.here), plan.anywhere.map(|anywhere| anywhere.key)];
        let listed = |key: InvocationKey| {
            let entries = self.store.candidates(&key);
            (0..entries.len())
                .map(move |index| Candidate { key, entry: Arc::clone(&entries[index]) })
        };
        keys.into_iter().flatten().flat_map(listed).collect()
    }

    fn publication(&self, flight: crate::keep::Flight, case: &Case) -> Publication {
        Publication::new(flight, case.session.clone(), Arc::clone(&self.ledger))
    }

    /// The files of a hit could not be put in place: the compiler must run.
    pub(crate) async fn run_after_all(
        &self,
        frames: &Frames,
        case: Case,
    ) -> Result<Answer, ConnectionError> {
        self.ledger.count(&case.session, |counters| counters.hits -= 1);
        let publication = self.publication(self.flights.join(case.plan.here), &case);
        self.let_run(frames, case, publication).await
    }

    async fn let_run(
        &self,
        frames: &Frames,
        case: Case,
        publication: Publication,
    ) -> Result<Answer, ConnectionError> {
        self.ledger.count(&case.session, |counters| counters.misses += 1);
        let views = self.atlas.devices();
        let own = own_paths(&case.invocation);
        let run = Verdict::Run { views: views.clone(), own, awaited: case.is_rust() };
        frames.send(&Reply::Verdict(run)).await?;
        Ok(Answer::Run(Box::new(Ticket { case, views, publication })))
    }

    /// The first candidate that would be observed again now and can be delivered.
    fn find(&self, case: &Case, candidates: &[Candidate]) -> Option<(Hit, Vec<OwnedFd>)> {
        if is_on(case.invocation.variable(b"ZCCACHE_RECACHE")) || !case.has_temporary_directory() {
            return None;
        }
        let mut whole = None;
        let holds = |Candidate { entry, .. }: &&Candidate| {
            let environment = entry.trace.environment.is_none_or(|digest| {
                *whole.get_or_insert_with(|| environment::whole(&case.invocation)) == digest
            });
            let asked_for = entry.trace.variables.iter().all(|v| v.holds(&case.invocation));
            let scene = Scene { root: &case.root, namespace: &case.namespace };
            environment && asked_for && self.verifier.holds(&entry.trace, scene, &self.contents)
        };
        let Candidate { key, entry } = candidates.iter().find(holds)?;
        let delivered = self.deliver(case, &entry.result)?;
        self.store.used(key, entry);
        let bytes: u64 = entry.result.outputs.iter().map(|output| length(&output.content)).sum();
        self.ledger.count(&case.session, |counters| {
            counters.hits += 1;
            counters.bytes_served += bytes;
            counters.time_saved += entry.cost;
        });
        Some(delivered)
    }

    /// Shows the outputs in their view, or hands them over to be put in place: also
    /// where a view cannot show them as the compiler would have made them.
    fn deliver(&self, case: &Case, result: &CompileResult) -> Option<(Hit, Vec<OwnedFd>)> {
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
                Content::Inline(bytes) => Source::Inline(bytes.clone()),
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
                Content::Inline(bytes) => ProjectedBytes::Inline(bytes.as_slice().into()),
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

    /// Takes the report of a run.
    pub(crate) fn finish(
        &self,
        ticket: Ticket,
        report: zccache_core::report::Report,
        descriptors: Vec<OwnedFd>,
    ) {
        let Ticket { case, views, publication } = ticket;
        let is_awaited = case.is_rust();
        let Case { invocation, root, plan, namespace, .. } = case;
        self.publisher.submit(Job {
            plan,
            root,
            invocation,
            report,
            descriptors,
            is_awaited,
            digests: Vec::new(),
            namespace,
            views,
            publication,
        });
    }
}

/// Whether showing an output in the place of what is there equals what the tool
/// would do: a file that it writes in place keeps its other names, its owner and its mode.
fn may_replace(view: &View, path: &Path, output: &Output, owner: (u32, u32)) -> Option<()> {
    let plain = match view.look(path, false).ok()? {
        Look::Absent => true,
        Look::Projected { mode, .. } => writable(mode) && mode & 0o7777 == output.mode,
        Look::Lower { mode, .. } => {
            let stat = nix::sys::stat::fstat(view.open_lower(path).ok()?).ok()?;
            let same = (stat.st_uid, stat.st_gid) == owner && mode & 0o7777 == output.mode;
            let alone = stat.st_nlink == 1 && same;
            writable(mode) && (alone || output.manner == Manner::Renamed)
        }
        _ => false,
    };
    plain.then_some(())
}

fn writable(mode: u32) -> bool {
    mode & 0o200 != 0
}

fn same_entries(before: &[Candidate], now: &[Candidate]) -> bool {
    let same = |(a, b): (&Candidate, &Candidate)| Arc::ptr_eq(&a.entry, &b.entry);
    before.len() == now.len() && before.iter().zip(now).all(same)
}

fn length(content: &Content) -> u64 {
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

/// Response files as the launcher's process sees them.
struct NamespaceFiles<'a> {
    namespace: &'a Namespace,
    cwd: &'a Path,
}

impl ResponseFiles for NamespaceFiles<'_> {
    fn read(&self, path: &[u8]) -> Option<Vec<u8>> {
        let path = self.cwd.join(OsBytes::from(path).as_path());
        let Found::File(found) = self.namespace.look(&path, true) else { return None };
        let file = match found.digest {
            None => self.namespace.open(&path),
            Some(_) => self.namespace.open_projected(&path),
        };
        let file = std::fs::File::from(file.ok()?);
        let mut content = Vec::new();
        let most = limits::FRAME_BYTES as u64;
        file.take(most).read_to_end(&mut content).ok()?;
        (content.len() as u64 == found.identity.size).then_some(content)
    }
}
