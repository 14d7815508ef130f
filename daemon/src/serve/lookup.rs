//! From an invocation to a verdict.

use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};
use zccache_compiler::program::{Family, family_of};
use zccache_compiler::response::Files;
use zccache_compiler::{Plan, outputs, plan};
use zccache_core::protocol::explanation::{Cause, Change, Difference, Kind, Told};
use zccache_core::protocol::{Reply, Verdict};
use zccache_core::{Entry, Invocation, InvocationKey, OsBytes, Reason, Root, limits};

use super::daemon::Daemon;
use super::frames::{ConnectionError, Frames};
use super::search::Search;
use crate::keep::{Boarding, Contender, Flight, Job, Publication, Suspect, landed, own_paths};
use crate::ledger::Session;
use crate::world::{Found, Namespace, kind_of};

/// An invocation under consideration.
pub(crate) struct Case {
    pub(super) invocation: Box<Invocation>,
    pub(super) root: Root,
    pub(super) plan: Plan,
    pub(super) namespace: Arc<Namespace>,
    pub(super) session: Session,
    pub(super) owner: (u32, u32),
    /// Whether a hit is of use: the files of one could not be put in place.
    pub(super) deliverable: bool,
}

/// An entry that may answer an invocation.
#[derive(Clone)]
pub(super) struct Candidate {
    pub(super) key: InvocationKey,
    pub(super) entry: Arc<Entry>,
}

impl Case {
    /// Takes notice of what has changed during a wait.
    pub(super) fn look_anew(&self) {
        if let Err(error) = self.namespace.refresh() {
            tracing::warn!(%error, "mounts may have changed");
        }
    }

    /// What is where `TMPDIR`, if set, says that a directory is: without one some
    /// compilers fail.
    pub(super) fn not_the_temporary_directory(&self) -> Option<Difference> {
        let path = OsBytes::from(self.invocation.variable(b"TMPDIR")?);
        let path = self.invocation.cwd.as_path().join(path.as_path());
        let found = self.namespace.recollect(&path);
        let change = Change::Kind { before: Kind::Directory, now: kind_of(&found) };
        let difference = Difference { path: path.into(), change, hides: None };
        (!matches!(found, Found::Directory(_))).then_some(difference)
    }
}

/// The permission to run, and to report.
pub(crate) struct Ticket {
    case: Case,
    views: Vec<u64>,
    publication: Publication,
    suspect: Option<Suspect>,
    contender: Contender,
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
    /// Served, or to be run unobserved: nothing follows.
    Over,
    /// To be asked again, with the input.
    AskAgain,
    /// To be run.
    Run(Box<Ticket>),
}

impl Daemon {
    /// Answers a look-up. Where the files of a hit could not be put in place, that was none,
    /// and the compiler must run.
    #[tracing::instrument(target = "time", level = "trace", skip_all)]
    pub(crate) async fn look_up(
        &self,
        frames: &Frames,
        mut invocation: Box<Invocation>,
        deliverable: bool,
    ) -> Result<Answer, ConnectionError> {
        let place = self.settle(&mut invocation);
        let session = invocation.setting("ZCCACHE_SESSION").map(OsBytes::from);
        let peer = frames.peer();
        if !deliverable {
            self.ledger.count(&session, |counters| counters.hits = counters.hits.saturating_sub(1));
        }
        let readable = invocation.input.can_be_read();
        match self.assess(frames, &invocation, place) {
            Ok((namespace, root, plan)) => {
                let owner = (peer.uid(), peer.gid());
                let case = Case { invocation, root, plan, namespace, session, owner, deliverable };
                self.decide(frames, case).await
            }
            Err(Reason::SourceFromStdin) if readable => {
                frames.send(&Reply::Verdict(Verdict::ReadInput)).await?;
                Ok(Answer::AskAgain)
            }
            Err(reason) => {
                self.ledger.bypassed(&session, reason);
                frames.send(&Reply::Verdict(Verdict::Bypass(reason))).await?;
                self.remember_bypass(&invocation, reason, None);
                Ok(Answer::Over)
            }
        }
    }

    /// Finds out where an invocation takes place, and what files say there of settings.
    fn settle(&self, invocation: &mut Invocation) -> Option<(Arc<Namespace>, Root)> {
        let namespace = self.atlas.namespace(invocation.place)?;
        let checkout = namespace.checkout_of(invocation);
        let written = [namespace.written_at(&checkout), namespace.written_by_user(invocation)];
        invocation.written = written.into_iter().flatten().collect();
        Some((namespace, Root::new(&checkout)))
    }

    #[tracing::instrument(target = "time", level = "trace", skip_all)]
    fn assess(
        &self,
        frames: &Frames,
        invocation: &Invocation,
        place: Option<(Arc<Namespace>, Root)>,
    ) -> Result<(Arc<Namespace>, Root, Plan), Reason> {
        if invocation.is_on("ZCCACHE_DISABLE") {
            return Err(Reason::Disabled);
        }
        if self.rights.exceed(invocation.capabilities, frames.peer().gid(), frames) {
            return Err(Reason::WeakerCaller);
        }
        let (namespace, root) = place.ok_or(Reason::ForeignPlace)?;
        let files = SceneFiles { namespace: &namespace, cwd: invocation.cwd.as_path() };
        let planning = tracing::trace_span!(target: "time", "plan");
        let plan = planning.in_scope(|| plan(invocation, &files, &root))?;
        Ok((namespace, root, plan))
    }

    async fn decide(&self, frames: &Frames, mut case: Case) -> Result<Answer, ConnectionError> {
        let deadline = Instant::now() + limits::COALESCE_WITHIN;
        self.let_land(frames, &case, deadline).await?;
        let mut waiting = false;
        loop {
            let mut candidates = self.candidates(&case.plan);
            let found = match self.search(&case, &candidates) {
                Ok(found) => found,
                Err(candidate) => {
                    let found = self.prove(frames, &mut case, candidate).await?;
                    candidates = self.candidates(&case.plan);
                    found
                }
            };
            let cause = match found {
                Search::Serve(hit, descriptors, served) => {
                    frames.send_with(&Reply::Verdict(Verdict::Hit(hit)), &descriptors).await?;
                    self.remember_hit(&case, &served);
                    return Ok(Answer::Over);
                }
                Search::Verify(candidate) => {
                    let flight = self.flights.join(case.plan.here);
                    return self.let_verify(frames, case, flight, candidate).await;
                }
                Search::Nothing(cause) => cause,
            };
            if self.store.is_read_only() || case.invocation.is_on("ZCCACHE_READONLY") {
                self.ledger.bypassed(&case.session, Reason::ReadOnly);
                frames.send(&Reply::Verdict(Verdict::Bypass(Reason::ReadOnly))).await?;
                let looked_up = Some((&case, cause));
                self.remember_bypass(&case.invocation, Reason::ReadOnly, looked_up);
                return Ok(Answer::Over);
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
                    }
                    self.store.expedite();
                    if !wait(frames, run, deadline).await? {
                        let flight = self.flights.join(case.plan.here);
                        return self.let_run(frames, case, flight, cause).await;
                    }
                    case.look_anew();
                }
            }
        }
    }

    /// Waits for the results of which the invocation is about to change a file in its place:
    /// an archive is indexed, a program stripped as soon as there is one.
    async fn let_land(
        &self,
        frames: &Frames,
        case: &Case,
        deadline: Instant,
    ) -> Result<(), ConnectionError> {
        let files = outputs::changed_in_place(&case.invocation);
        if files.is_empty() {
            return Ok(());
        }
        // The report of a launcher that has ended may not have been read yet.
        let reported = Instant::now() + limits::REPORTED_WITHIN;
        while self.rivals.expect(&files) && Instant::now() < reported {
            sleep(limits::REPORTED_WITHIN / 100).await;
        }
        let inode = |path: &OsBytes| match case.namespace.look(path.as_path(), true) {
            Found::File(found) => Some(found.identity.inode),
            _ => None,
        };
        let files: Vec<_> = files.iter().filter_map(inode).collect();
        while let Some(run) = self.flights.that_wrote(&files) {
            self.store.expedite();
            if !wait(frames, run, deadline).await? {
                break;
            }
        }
        case.look_anew();
        Ok(())
    }

    /// The entries that may answer, those of this checkout first.
    #[tracing::instrument(target = "time", level = "trace", skip_all)]
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

    async fn let_run(
        &self,
        frames: &Frames,
        case: Case,
        flight: Flight,
        cause: Cause,
    ) -> Result<Answer, ConnectionError> {
        let publication = self.publication(flight, &case, Told::Miss { cause, fate: None });
        let views = self.atlas.devices();
        let contender = self.contender(&case);
        self.hand_out(frames, Ticket { case, views, publication, suspect: None, contender }).await
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
        let contender = self.contender(&case);
        self.hand_out(frames, Ticket { case, views, publication, suspect, contender }).await
    }

    fn contender(&self, case: &Case) -> Contender {
        self.rivals.begin(outputs::guess(&case.invocation))
    }

    async fn hand_out(&self, frames: &Frames, ticket: Ticket) -> Result<Answer, ConnectionError> {
        let case = &ticket.case;
        self.ledger.count(&case.session, |counters| counters.misses += 1);
        let (views, own) = (ticket.views.clone(), own_paths(&case.invocation));
        let run = Verdict::Run { views, own, awaited: case.is_rust() };
        frames.send(&Reply::Verdict(run)).await?;
        self.chronicle.enter(ticket.publication.account(), outputs::guess(&case.invocation));
        Ok(Answer::Run(Box::new(ticket)))
    }

    /// Takes the report of a run.
    pub(crate) fn finish(
        &self,
        ticket: Ticket,
        report: zccache_core::report::Report,
        descriptors: Vec<OwnedFd>,
    ) {
        let Ticket { case, views, publication, suspect, contender } = ticket;
        publication.wrote(report.outputs.iter().map(|output| output.identity.inode).collect());
        let contest = contender.end(&report);
        let is_awaited = case.is_rust();
        let made = report.outputs.iter().map(|output| output.path.clone());
        self.chronicle.enter(publication.account(), made);
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
            suspect,
            contest,
        });
    }
}

/// Waits for the end of a run; says so again and again, for a launcher that hears
/// nothing takes the daemon for dead. False when the deadline comes first.
async fn wait(
    frames: &Frames,
    run: watch::Receiver<()>,
    deadline: Instant,
) -> Result<bool, ConnectionError> {
    while Instant::now() < deadline {
        frames.send(&Reply::Verdict(Verdict::Wait)).await?;
        let again = deadline.min(Instant::now() + limits::WAIT_AGAIN);
        if timeout_at(again, landed(run.clone())).await.is_ok() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn same_entries(before: &[Candidate], now: &[Candidate]) -> bool {
    let same = |(a, b): (&Candidate, &Candidate)| Arc::ptr_eq(&a.entry, &b.entry);
    before.len() == now.len() && before.iter().zip(now).all(same)
}

/// Response files as the launcher's process sees them.
struct SceneFiles<'a> {
    namespace: &'a Namespace,
    cwd: &'a Path,
}

impl Files for SceneFiles<'_> {
    fn read(&self, path: &[u8]) -> Option<Vec<u8>> {
        let path = self.cwd.join(OsBytes::from(path).as_path());
        let Found::File(found) = self.namespace.look(&path, true) else { return None };
        let file = std::fs::File::from(self.namespace.open_found(&path, &found).ok()?);
        let mut content = Vec::new();
        let most = limits::FRAME_BYTES as u64;
        file.take(most).read_to_end(&mut content).ok()?;
        (content.len() as u64 == found.identity.size).then_some(content)
    }

    fn is_working_directory(&self, path: &[u8]) -> bool {
        let identity = |path: &Path| match self.namespace.recollect(path) {
            Found::Directory(identity) => Some((identity.device, identity.inode)),
            _ => None,
        };
        identity(OsBytes::from(path).as_path())
            .is_some_and(|shown| identity(self.cwd) == Some(shown))
    }
}
