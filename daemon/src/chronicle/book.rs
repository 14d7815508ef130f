//! The accounts by the files that the commands make.

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};

use zccache_compiler::program::{Family, family_of};
use zccache_core::protocol::explanation::Told;
use zccache_core::{Invocation, InvocationKey, OsBytes, Root, TaggedHasher, limits};

use super::account::{Account, Environment, Summary};
use super::shelf;

/// The decisions on the commands that made files lately, two for each file.
pub(crate) struct Chronicle {
    /// Where they are kept while no daemon runs.
    file: PathBuf,
    /// Done when they have been read: not before somebody asks, so that no build
    /// waits for it.
    read: Once,
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
        Self { file, read: Once::new(), book: Mutex::default() }
    }

    /// The book, with what an earlier daemon left behind as far as there is room.
    fn whole_book(&self) -> MutexGuard<'_, Book> {
        self.read.call_once(|| {
            let saved = shelf::load(&self.file);
            let mut book = self.book();
            for (account, outputs) in saved.into_iter().rev().map(|(a, o)| (Arc::new(a), o)) {
                if book.weight + account.weight() * outputs.len() > limits::VERDICT_BYTES / 2 {
                    break;
                }
                outputs.into_iter().for_each(|path| book.enter(path, &account));
            }
        });
        self.book()
    }

    /// An account of a decision, which is logged, to be entered under the files that the
    /// command makes.
    pub(crate) fn account(
        &self,
        invocation: &Invocation,
        root: &Root,
        key: Option<InvocationKey>,
        told: Told,
    ) -> Arc<Account> {
        let (outcome, directory, command) = (told.word(), &invocation.cwd, &invocation.argv);
        tracing::info!(outcome, %directory, ?command);
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
        let book = self.whole_book();
        let found = book.recent().filter(|(path, _)| wanted(path));
        found.map(|(path, recent)| (path.clone(), recent.clone())).collect()
    }

    /// Leaves everything behind for the next daemon.
    pub(crate) fn save(&self) {
        let saved = shelf::save(&self.file, self.whole_book().recent());
        if let Err(error) = saved {
            tracing::warn!(%error, "the verdicts are not saved");
        }
    }

    fn environment(&self, invocation: &Invocation) -> Arc<Environment> {
        let mut hasher = TaggedHasher::new();
        for entry in &invocation.environment {
            hasher.field(0, entry.as_bytes());
        }
        // Which values are shown depends on who reads them.
        let is_rust = family_of(invocation) == Some(Family::Rust);
        hasher.field(1, &[u8::from(is_rust)]);
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
    /// Runs end in another order than they began, and what is older comes later from disk.
    fn with(self, account: &Arc<Account>) -> Self {
        let Self { latest, before } = self;
        if Arc::ptr_eq(&latest, account) {
            Self { latest, before }
        } else if latest.at <= account.at {
            Self { latest: Arc::clone(account), before: Some(latest) }
        } else {
            let newer = before.filter(|before| before.at >= account.at);
            Self { latest, before: newer.or_else(|| Some(Arc::clone(account))) }
        }
    }

    /// Bytes of memory. An account of several files counts for each.
    fn weight(&self, path: &OsBytes) -> usize {
        let before = self.before.as_ref().map_or(0, |account| account.weight());
        path.as_bytes().len() + self.latest.weight() + before
    }

    /// Both accounts, the older first.
    pub(crate) fn into_accounts(self) -> impl Iterator<Item = Arc<Account>> {
        [self.before, Some(self.latest)].into_iter().flatten()
    }

    /// Both accounts, the older first.
    pub(super) fn accounts(&self) -> impl Iterator<Item = &Arc<Account>> {
        self.before.iter().chain([&self.latest])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chronicle::explain;
    use zccache_core::protocol::explanation::{Cause, Earlier, Fate, InvocationChange};
    use zccache_core::{Digest, Reason};

    fn invocation(command: &str) -> Invocation {
        let argv = command.split(' ').map(OsBytes::from).collect();
        Invocation::plain(argv, vec!["PATH=/usr/bin".into(), "TOKEN=secret".into()])
    }

    fn decide(chronicle: &Chronicle, command: &str, file: &str) -> Arc<Account> {
        let told = Told::Miss { cause: Cause::NoTrace(Earlier::Unknown), fate: None };
        let key = Some(InvocationKey(Digest::of(command.as_bytes())));
        let account = chronicle.account(&invocation(command), &Root::default(), key, told);
        chronicle.enter(&account, [file.into()]);
        account
    }

    fn earlier(chronicle: &Chronicle, name: &str) -> Earlier {
        let [(_, Recent { latest, before })] = &chronicle.named(&[name.into()])[..] else {
            panic!("not one file called {name}")
        };
        match explain(latest, before.as_ref()).told {
            Told::Miss { cause: Cause::NoTrace(earlier), .. } => earlier,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_saved_is_told_by_the_next() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("verdicts");
        let chronicle = Chronicle::open(file.clone());
        assert_eq!(decide(&chronicle, "cc -c a.c", "/b/a.o").fate(), None);
        let failed = Fate::NotKept(Reason::CompilerFailed.into());
        decide(&chronicle, "cc -O1 -c a.c", "/b/a.o").end(failed);
        assert!(matches!(earlier(&chronicle, "a.o"), Earlier::Changed { .. }));
        decide(&chronicle, "cc -O1 -c a.c", "/b/a.o");
        let told = earlier(&chronicle, "a.o");
        assert!(matches!(&told, Earlier::Same { fate: Some(_), .. }), "{told:?}");
        chronicle.save();
        assert_eq!(earlier(&Chronicle::open(file.clone()), "a.o"), told);
        let mut bytes = std::fs::read(&file).unwrap();
        assert!(!bytes.windows(6).any(|window| window == b"secret"));
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        std::fs::write(&file, bytes).unwrap();
        assert!(Chronicle::open(file).named(&["a.o".into()]).is_empty());
    }

    #[test]
    fn a_run_that_ends_late_is_not_taken_for_the_last() {
        let chronicle = Chronicle::open("/nowhere".into());
        let slow = decide(&chronicle, "cc -O2 -c a.c", "/b/guess.o");
        std::thread::sleep(std::time::Duration::from_millis(20));
        decide(&chronicle, "cc -c a.c", "/b/a.o");
        chronicle.enter(&slow, ["/b/a.o".into()]);
        let Earlier::Changed { changes, .. } = earlier(&chronicle, "a.o") else { panic!("same") };
        let expected = InvocationChange::Arguments { before: vec!["-O2".into()], now: vec![] };
        assert_eq!(changes, [expected]);
    }

    #[test]
    fn memory_is_bounded() {
        let chronicle = Chronicle::open("/nowhere".into());
        let command = format!("cc {}", "-Iinclude ".repeat(60));
        let count = 3 * limits::VERDICT_BYTES / 1024;
        for number in 0..count {
            decide(&chronicle, &command, &format!("/b/{number}.o"));
        }
        let known =
            |number: usize| !chronicle.named(&[format!("{number}.o").as_str().into()]).is_empty();
        assert!(known(count - 1) && known(count - 3000) && !known(0));
        let book = chronicle.book();
        let weight: usize = book.recent().map(|(path, recent)| recent.weight(path)).sum();
        assert!(weight <= limits::VERDICT_BYTES, "{weight}");
    }
}
