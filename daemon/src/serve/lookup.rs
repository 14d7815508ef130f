//! From an invocation to a verdict.

use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::time::{Instant, timeout_at};
use zccache_compiler::relocation::depfile;
use zccache_compiler::response::ResponseFiles;
use zccache_compiler::{Plan, outputs, plan};
use zccache_core::entry::{Chunk, Manner, Message};
use zccache_core::protocol::explanation::{Cause, Told};
use zccache_core::protocol::{Delivery, Hit, Reply, Source, Verdict};
use zccache_core::settings::is_on;
use zccache_core::{
    CompileResult, Content, Entry, Invocation, InvocationKey, OsBytes, Output, Reason, Root, Stamp,
    limits,
};
use zccache_fs::{Look, ProjectedBytes, Projection, View};

use super::daemon::Daemon;
use super::frames::{ConnectionError, Frames};
use super::search::Search;
use crate::keep::{Boarding, Flight, Job, Publication, Suspect, landed};
use crate::ledger::Session;
use crate::world::{Found, Located, Namespace};

/// An invocation under consideration.
pub(crate) struct Case {
    pub(super) invocation: Box<Invocation>,
    pub(super) root: Root,
    pub(super) plan: Plan,
    pub(super) namespace: Arc<Namespace>,
    pub(super) session: Session,
    owner: (u32, u32),
}

/// An entry that may answer an invocation.
#[derive(Clone)]
pub(super) struct Candidate {
    pub(super) key: InvocationKey,
    pub(super) entry: Arc<Entry>,
}

/// The permission to run, and to report.
pub(crate) struct Ticket {
    case: Case,
    views: Vec<u64>,
    publication: Publication,
    suspect: Option<Suspect>,
}

/// How a look-up ended.
pub(crate) enum Answer {
    /// Served, with a result of this age; the case is kept in case the files
    /// cannot be put in place.
    Hit(Box<Case>, Stamp),
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
        match self.assess(&invocation) {
            Ok((namespace, root, plan)) => {
                let owner = (peer.uid(), peer.gid());
                let case = Case { invocation, root, plan, namespace, session, owner };
                self.decide(frames, case).await
            }
            Err(reason) => {
                self.ledger.bypassed(&session, reason);
                frames.send(&Reply::Verdict(Verdict::Bypass(reason))).await?;
                self.remember_bypass(&invocation, reason, None);
                Ok(Answer::Bypass)
            }
        }
    }

    fn assess(&self, invocation: &Invocation) -> Result<(Arc<Namespace>, Root, Plan), Reason> {
        if is_on(invocation.variable(b"ZCCACHE_DISABLE")) {
            return Err(Reason::Disabled);
        }
        let namespace = self.atlas.namespace(invocation.place).ok_or(Reason::ForeignPlace)?;
        let files = NamespaceFiles { namespace: &namespace, cwd: invocation.cwd.as_path() };
        let root = namespace.root_of(invocation);
        let plan = plan(invocation, &files, &root)?;
        Ok((namespace, root, plan))
    }

    async fn decide(&self, frames: &Frames, case: Case) -> Result<Answer, ConnectionError> {
        let deadline = Instant::now() + limits::COALESCE_WITHIN;
        let mut waiting = false;
        loop {
            let candidates = self.candidates(&case.plan);
            let cause = match self.search(&case, &candidates) {
                Search::Serve(hit, descriptors, served) => {
                    frames.send_with(&Reply::Verdict(Verdict::Hit(hit)), &descriptors).await?;
                    self.remember_hit(&case, &served);
                    return Ok(Answer::Hit(Box::new(case), served.entry.made));
                }
                Search::Verify(candidate) => {
                    let flight = self.flights.join(case.plan.here);
                    return self.let_verify(frames, case, flight, candidate).await;
                }
                Search::Nothing(cause) => cause,
            };
            if is_on(case.invocation.variable(b"ZCCACHE_READONLY")) {
                self.ledger.bypassed(&case.session, Reason::ReadOnly);
                frames.send(&Reply::Verdict(Verdict::Bypass(Reason::ReadOnly))).await?;
                let looked_up = Some((&case, cause));
                self.remember_bypass(&case.invocation, Reason::ReadOnly, looked_up);
                return Ok(Answer::Bypass);
            }
            match self.flights.board(case.plan.here) {
                Boarding::Lead(flight) => {
                    // An equal run may have landed since the candidates were read.
                    if !same_entries(&candidates, &self.candidates(&case.plan)) {
                        continue;
                    }
                    return self.let_run(frames, case, flight, cause).await;
                }
                Boarding::Follow(run) => {
                    if !waiting {
                        waiting = true;
                        self.ledger.count(&case.session, |counters| counters.coalesced += 1);
                        frames.send(&Reply::Verdict(Verdict::Wait)).await?;
                    }
                    self.store.expedite();
                    if timeout_at(deadline, landed(run)).await.is_err() {
                        let flight = self.flights.join(case.plan.here);
                        return self.let_run(frames, case, flight, cause).await;
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

    fn publication(&self, flight: Flight, case: &Case, told: Told) -> Publication {
        let key = Some(case.plan.here);
        let account = self.chronicle.account(&case.invocation, &case.root, key, told);
        Publication::new(flight, case.session.clone(), Arc::clone(&self.ledger), account)
    }

    /// The files of a hit could not be put in place: the compiler must run.
    pub(crate) async fn run_after_all(
        &self,
        frames: &Frames,
        case: Case,
        made: Stamp,
    ) -> Result<Answer, ConnectionError> {
        self.ledger.count(&case.session, |counters| counters.hits -= 1);
        let flight = self.flights.join(case.plan.here);
        self.let_run(frames, case, flight, Cause::Undeliverable { made }).await
    }

    async fn let_run(
        &self,
        frames: &Frames,
        case: Case,
        flight: Flight,
        cause: Cause,
    ) -> Result<Answer, ConnectionError> {
        let publication = self.publication(flight, &case, Told::Miss { cause, fate: None });
        let views = self.atlas.devices();
        self.hand_out(frames, Ticket { case, views, publication, suspect: None }).await
    }

    /// Has the compiler run although there is a result, to compare the two.
    async fn let_verify(
        &self,
        frames: &Frames,
        case: Case,
        flight: Flight,
        candidate: Candidate,
    ) -> Result<Answer, ConnectionError> {
        let told = Told::Verified { origin: candidate.origin(&case.root), fate: None };
        let publication = self.publication(flight, &case, told);
        let (views, suspect) = (self.atlas.devices(), Some(candidate.suspect()));
        self.hand_out(frames, Ticket { case, views, publication, suspect }).await
    }

    async fn hand_out(&self, frames: &Frames, ticket: Ticket) -> Result<Answer, ConnectionError> {
        self.ledger.count(&ticket.case.session, |counters| counters.misses += 1);
        frames.send(&Reply::Verdict(Verdict::Run { views: ticket.views.clone() })).await?;
        let files = outputs::guess(&ticket.case.invocation);
        self.chronicle.enter(ticket.publication.account(), files);
        Ok(Answer::Run(Box::new(ticket)))
    }

    /// Shows the outputs in their view, or hands them over to be put in place.
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
        if let Some((view, paths)) = common_view(case, &result.outputs) {
            self.project(case, &view, paths, &result.outputs)?;
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
            may_replace(view, &path, output)?;
            let (uid, gid) = case.owner;
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
        let Ticket { case, views, publication, suspect } = ticket;
        let made = report.outputs.iter().map(|output| output.path.clone());
        self.chronicle.enter(publication.account(), made);
        let Case { invocation, root, plan, namespace, .. } = case;
        self.publisher.submit(Job {
            plan,
            root,
            invocation,
            report,
            descriptors,
            namespace,
            views,
            publication,
            suspect,
        });
    }
}

/// Whether showing an output in the place of what is there equals what the tool
/// would do: a file that it writes in place keeps its other names and its mode.
fn may_replace(view: &View, path: &Path, output: &Output) -> Option<()> {
    let plain = match view.look(path, false).ok()? {
        Look::Absent => true,
        Look::Projected { mode, .. } => writable(mode) && mode & 0o7777 == output.mode,
        Look::Lower { mode, .. } => {
            let stat = nix::sys::stat::fstat(view.open_lower(path).ok()?).ok()?;
            let alone = stat.st_nlink == 1 && mode & 0o7777 == output.mode;
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
