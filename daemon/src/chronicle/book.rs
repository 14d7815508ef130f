//! The accounts by the files that the commands make.

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use zccache_core::protocol::explanation::Told;
use zccache_core::{Invocation, InvocationKey, OsBytes, Root, TaggedHasher, limits};

use super::account::{Account, Environment, Summary};
use super::shelf;

/// The decisions on the commands that made files lately, two for each file.
pub(crate) struct Chronicle {
    /// Where they are kept while no daemon runs.
    file: PathBuf,
    book: Mutex<Book>,
}

/// Two generations of files: the older is dropped whole when the younger is full.
#[derive(Default)]
pub(super) struct Book {
    young: HashMap<OsBytes, Recent>,
    old: HashMap<OsBytes, Recent>,
    /// Memory of the younger generation, in bytes.
    weight: usize,
    /// Those of the last builds, by their digests: most compiles share one.
    environments: VecDeque<(zccache_core::Digest, Arc<Environment>)>,
}

/// The last two decisions on commands that made one file.
#[derive(Clone)]
pub(crate) struct Recent {
    pub(super) latest: Arc<Account>,
    pub(super) before: Option<Arc<Account>>,
}

/// How many environments are shared.
const ENVIRONMENTS: usize = 8;

impl Chronicle {
    /// Goes on from what an earlier daemon left behind.
    pub(crate) fn open(file: PathBuf) -> Self {
        let mut book = Book::default();
        for (account, outputs) in shelf::load(&file) {
            let account = Arc::new(account);
            outputs.into_iter().for_each(|path| book.enter(path, &account));
        }
        Self { file, book: Mutex::new(book) }
    }

    /// An account of a decision, to be entered under the files that the command makes.
    pub(crate) fn account(
        &self,
        invocation: &Invocation,
        root: &Root,
        key: Option<InvocationKey>,
        told: Told,
    ) -> Arc<Account> {
        let environment = self.environment(invocation);
        Arc::new(Account::new(Summary::new(invocation, root, key), environment, told))
    }

    /// Enters an account under files. Again under the same one changes nothing.
    pub(crate) fn enter(&self, account: &Arc<Account>, files: impl IntoIterator<Item = OsBytes>) {
        let mut book = self.book();
        files.into_iter().for_each(|path| book.enter(path, account));
    }

    /// The files of which something is known and that have one of these names,
    /// with what is known.
    pub(crate) fn named(&self, names: &[OsBytes]) -> Vec<(OsBytes, Recent)> {
        let wanted = |path: &OsBytes| {
            let name = path.as_path().file_name();
            names.iter().any(|wanted| name == Some(wanted.as_os_str()))
        };
        let book = self.book();
        let found = book.recent().filter(|(path, _)| wanted(path));
        found.map(|(path, recent)| (path.clone(), recent.clone())).collect()
    }

    /// Leaves everything behind for the next daemon.
    pub(crate) fn save(&self) {
        let saved = shelf::save(&self.file, self.book().recent());
        if let Err(error) = saved {
            tracing::warn!(%error, "the verdicts are not saved");
        }
    }

    fn environment(&self, invocation: &Invocation) -> Arc<Environment> {
        let mut hasher = TaggedHasher::new();
        for entry in &invocation.environment {
            hasher.field(0, entry.as_bytes());
        }
        let digest = hasher.finish();
        let known = |book: &Book| {
            let found = book.environments.iter().find(|(known, _)| *known == digest);
            found.map(|(_, environment)| Arc::clone(environment))
        };
        if let Some(environment) = known(&self.book()) {
            return environment;
        }
        let environment = Arc::new(Environment::new(invocation));
        let mut book = self.book();
        book.weight += environment.weight();
        book.environments.push_front((digest, Arc::clone(&environment)));
        book.environments.truncate(ENVIRONMENTS);
        environment
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    fn enter(&mut self, path: OsBytes, account: &Arc<Account>) {
        let known = match self.young.remove(&path) {
            Some(recent) => {
                self.weight = self.weight.saturating_sub(recent.weight(&path));
                Some(recent)
            }
            None => self.old.remove(&path),
        };
        let recent = match known {
            Some(known) => known.with(account),
            None => Recent { latest: Arc::clone(account), before: None },
        };
        self.weight += recent.weight(&path);
        self.young.insert(path, recent);
        if self.weight > limits::VERDICT_BYTES / 2 {
            self.old = std::mem::take(&mut self.young);
            self.weight = 0;
        }
    }

    fn recent(&self) -> impl Iterator<Item = (&OsBytes, &Recent)> {
        self.old.iter().chain(&self.young)
    }
}

impl Recent {
    /// Runs end in another order than they began.
    fn with(self, account: &Arc<Account>) -> Self {
        let Self { latest, before } = self;
        if Arc::ptr_eq(&latest, account) {
            Self { latest, before }
        } else if latest.at <= account.at {
            Self { latest: Arc::clone(account), before: Some(latest) }
        } else {
            Self { latest, before: Some(Arc::clone(account)) }
        }
    }

    /// Bytes of memory. An account of several files counts for each.
    fn weight(&self, path: &OsBytes) -> usize {
        let before = self.before.as_ref().map_or(0, |account| account.weight());
        path.as_bytes().len() + self.latest.weight() + before
    }

    /// Both accounts.
    pub(crate) fn into_accounts(self) -> impl Iterator<Item = Arc<Account>> {
        [Some(self.latest), self.before].into_iter().flatten()
    }

    /// Both accounts, the older first.
    pub(super) fn accounts(&self) -> impl Iterator<Item = &Arc<Account>> {
        self.before.iter().chain([&self.latest])
    }
}
