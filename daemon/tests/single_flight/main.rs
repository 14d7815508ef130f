//! Single flight and publication, in every order in which threads may take turns
//! (within loom's bounds), as the daemon's own code has them.
#![allow(dead_code, reason = "not all of the daemon's code is used here")]
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../src/keep/flights.rs"]
mod flights;
#[path = "../../src/ledger.rs"]
mod ledger;
#[path = "../../src/keep/publication.rs"]
mod publication;

mod sync;

/// Stands for the daemon's memory of what `zccache why` explains.
mod chronicle {
    use zccache_core::protocol::explanation::Fate;

    pub(crate) struct Account;

    impl Account {
        pub(crate) fn end(&self, _: Fate) {}
    }
}

use std::sync::Arc;

use loom::future::block_on;
use loom::model::Builder;
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use loom::thread;
use zccache_core::{Digest, InvocationKey, Reason};

use chronicle::Account;
use flights::{Boarding, Flight, Flights, landed};
use ledger::Ledger;
use publication::Publication;

/// Every order with at most two interruptions, which is where bugs are found
/// (Musuvathi and Qadeer, "Iterative context bounding", 2007).
fn every_order(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(model);
}

fn key() -> InvocationKey {
    InvocationKey(Digest::of(b"a"))
}

/// A daemon with one invocation in its life, and a store for its entry.
struct World {
    flights: Flights,
    ledger: Arc<Ledger>,
    bytes: AtomicBool,
    entry: AtomicBool,
    runs: AtomicUsize,
    /// How many of the runs come to nothing.
    failures: usize,
}

impl World {
    fn new(failures: usize) -> loom::sync::Arc<Self> {
        loom::sync::Arc::new(Self {
            flights: Flights::default(),
            ledger: Arc::new(Ledger::new(Default::default())),
            bytes: AtomicBool::new(false),
            entry: AtomicBool::new(false),
            runs: AtomicUsize::new(0),
            failures,
        })
    }

    /// What a look-up does until it is a hit or has run the compiler.
    fn look_up(&self) {
        loop {
            if self.is_found() {
                return;
            }
            match self.flights.board(key()) {
                // An equal run may have landed since.
                Boarding::Lead(_) if self.is_found() => {}
                Boarding::Lead(flight) => return self.run(flight),
                Boarding::Follow(run) => block_on(landed(run)),
            }
        }
    }

    /// An entry that can be found has its bytes.
    fn is_found(&self) -> bool {
        let found = self.entry.load(Ordering::SeqCst);
        assert!(!found || self.bytes.load(Ordering::Relaxed), "an entry without its bytes");
        found
    }

    fn run(&self, flight: Flight) {
        let run = self.runs.fetch_add(1, Ordering::SeqCst);
        let ledger = Arc::clone(&self.ledger);
        let publication = Publication::new(flight, None, ledger, Arc::new(Account));
        if run < self.failures {
            // Whatever goes wrong ends in dropping it.
            return drop(publication);
        }
        self.bytes.store(true, Ordering::Relaxed);
        self.entry.store(true, Ordering::SeqCst);
        publication.visible();
    }
}

fn look_ups_end(threads: usize, failures: usize, runs: usize) {
    every_order(move || {
        let world = World::new(failures);
        let others: Vec<_> = (1..threads)
            .map(|_| {
                let world = world.clone();
                thread::spawn(move || world.look_up())
            })
            .collect();
        world.look_up();
        others.into_iter().for_each(|other| other.join().unwrap());
        assert_eq!(world.runs.load(Ordering::SeqCst), runs);
        assert_eq!(world.flights.count(), 0, "a registration is left");
        let counted = world.ledger.read(None, false);
        assert_eq!(
            (counted.published, counted.abandoned),
            ((runs - failures) as u64, failures as u64)
        );
        let gone = counted.reasons.get(Reason::LauncherGone.slug()).copied();
        assert_eq!(gone.unwrap_or(0), failures as u64);
    });
}

#[test]
fn of_equal_look_ups_one_runs_and_the_others_find_its_entry() {
    look_ups_end(2, 0, 1);
    look_ups_end(3, 0, 1);
}

#[test]
fn a_run_that_fails_wakes_those_who_wait_and_one_of_them_runs() {
    look_ups_end(2, 1, 2);
    look_ups_end(3, 1, 2);
    look_ups_end(3, 2, 3);
}

#[test]
fn registrations_are_counted() {
    every_order(|| {
        let flights = loom::sync::Arc::new(Flights::default());
        let beside = flights.clone();
        let joined = thread::spawn(move || drop(beside.join(key())));
        let second = flights.clone();
        let boarded = thread::spawn(move || match second.board(key()) {
            Boarding::Lead(flight) => drop(flight),
            Boarding::Follow(run) => block_on(landed(run)),
        });
        let mine = flights.join(key());
        assert!(matches!(flights.board(key()), Boarding::Follow(_)), "a run is forgotten");
        drop(mine);
        joined.join().unwrap();
        boarded.join().unwrap();
        assert_eq!(flights.count(), 0, "a registration is left");
        assert!(matches!(flights.board(key()), Boarding::Lead(_)));
    });
}

#[test]
fn who_waits_is_known_to_the_one_waited_for() {
    every_order(|| {
        let flights = Flights::default();
        let Boarding::Lead(first) = flights.board(key()) else { panic!("not first") };
        assert!(!first.is_awaited());
        let Boarding::Follow(run) = flights.board(key()) else { panic!("not second") };
        assert!(first.is_awaited());
        assert!(matches!(flights.board(InvocationKey(Digest::of(b"b"))), Boarding::Lead(_)));
        let waits = thread::spawn(move || block_on(landed(run)));
        drop(first);
        waits.join().unwrap();
    });
}

#[test]
fn a_run_is_found_by_what_it_wrote_until_it_lands() {
    every_order(|| {
        let flights = Flights::default();
        let (first, other) = (flights.join(key()), flights.join(key()));
        assert!(flights.that_wrote(&[1]).is_none(), "it still runs");
        first.wrote(vec![1, 2]);
        other.wrote(vec![3]);
        let Some(run) = flights.that_wrote(&[9, 2]) else { panic!("not found") };
        let waits = thread::spawn(move || block_on(landed(run)));
        drop(first);
        waits.join().unwrap();
        assert!(flights.that_wrote(&[1, 2]).is_none() && flights.that_wrote(&[3]).is_some());
    });
}

#[test]
fn a_panicking_leader_wakes_its_followers() {
    every_order(|| {
        let flights = Flights::default();
        let Boarding::Lead(first) = flights.board(key()) else { panic!("not first") };
        let Boarding::Follow(run) = flights.board(key()) else { panic!("not second") };
        let leader = thread::spawn(move || {
            let panics = std::panic::AssertUnwindSafe(move || {
                let _flight = first;
                std::panic::resume_unwind(Box::new("as intended"));
            });
            assert!(std::panic::catch_unwind(panics).is_err());
        });
        block_on(landed(run));
        leader.join().unwrap();
    });
}
