//! Whether a result of another checkout holds in this one, where a source may use its own
//! path: the launcher has the preprocessor tell.

use std::io;
use std::sync::Arc;

use zccache_compiler::relocation::own_path;
use zccache_core::entry::Scope;
use zccache_core::protocol::explanation::{Cause, Earlier};
use zccache_core::protocol::{Preprocessed, Reply, Request, Verdict};
use zccache_core::{Entry, Expected, Stamp};

use super::daemon::Daemon;
use super::frames::{ConnectionError, Frames};
use super::lookup::{Candidate, Case};
use super::search::Search;
use crate::keep::amend;
use crate::world::{Found, now};

impl Daemon {
    /// Serves a candidate of which only that is in question, if no source uses its path.
    /// Otherwise what the compiler makes now holds only in this checkout.
    pub(super) async fn prove(
        &self,
        frames: &Frames,
        case: &mut Case,
        candidate: Candidate,
    ) -> Result<Search, ConnectionError> {
        let shown = self.ask(frames, case, &candidate.entry).await?;
        if let Some(scope) = shown {
            self.amend(case, &candidate, scope);
        }
        if shown == Some(Scope::All) {
            return Ok(self.serve(case, &candidate));
        }
        case.plan.anywhere = None;
        Ok(Search::Nothing(match shown {
            Some(_) => candidate.own_path(),
            None => Cause::NoTrace(Earlier::Unknown),
        }))
    }

    /// What a run of the preprocessor in this checkout shows of an entry; none if it failed,
    /// or something was changed meanwhile.
    async fn ask(
        &self,
        frames: &Frames,
        case: &Case,
        entry: &Arc<Entry>,
    ) -> Result<Option<Scope>, ConnectionError> {
        let (Some(question), Ok(began)) = (own_path::question(&case.invocation), now()) else {
            return Ok(None);
        };
        frames.send(&Reply::Verdict(Verdict::Preprocess(question))).await?;
        let (Request::Preprocessed(shown), _) = frames.receive().await? else {
            return Err(io::Error::other("not what was asked").into());
        };
        self.touch();
        case.look_anew();
        let scope = match shown {
            Preprocessed::Without => Scope::All,
            Preprocessed::With => Scope::Own,
            Preprocessed::Failed => return Ok(None),
        };
        let unchanged = self.still_holds(case, entry) && self.are_older(case, entry, began);
        Ok(unchanged.then_some(scope))
    }

    /// Whether the inputs of an entry have not been changed since then, even if they were
    /// changed back.
    fn are_older(&self, case: &Case, entry: &Entry, then: Stamp) -> bool {
        entry.trace.observations.iter().all(|observation| {
            let path = observation.path.at(&case.root);
            match observation.expected {
                Expected::File { .. } | Expected::WithMode { .. } => {
                    match case.namespace.look(path.as_path(), observation.follow) {
                        Found::File(found) => {
                            self.contents.is_older(&case.namespace, path.as_path(), &found, then)
                        }
                        _ => false,
                    }
                }
                _ => true,
            }
        })
    }

    fn amend(&self, case: &Case, candidate: &Candidate, scope: Scope) {
        if self.store.is_read_only() || case.invocation.is_on("ZCCACHE_READONLY") {
            return;
        }
        let (store, Candidate { key, entry }) = (Arc::clone(&self.store), candidate.clone());
        tokio::task::spawn_blocking(move || amend(&store, key, &entry, scope));
    }
}

impl Candidate {
    /// That it holds only in the checkout it was made in.
    pub(super) fn own_path(&self) -> Cause {
        Cause::OwnPath { made: self.entry.made, checkout: self.entry.checkout.clone() }
    }
}
