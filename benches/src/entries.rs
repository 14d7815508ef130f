//! Entries as compiles leave them, and stores that are full of them.
#![expect(clippy::expect_used, reason = "a benchmark that cannot begin ends")]

use std::path::Path;
use std::sync::{Arc, mpsc};

use zccache_core::entry::{Environment, Manner, Scope};
use zccache_core::settings::StoreLimits;
use zccache_core::{
    CompileResult, Content, Digest, Entry, ExecuteBits, Expected, InvocationKey, Observation,
    OsBytes, Output, Rooted, Stamp, Trace,
};
use zccache_store::{Options, Publication, Store};

/// Inputs of each: a C file with some headers of its own and of the system.
const INPUTS: u32 = 25;

/// Publications on their way at once; the store takes no more than 1024.
const AT_ONCE: u32 = 1000;

/// The key of one of the entries.
#[must_use]
pub fn key(number: u32) -> InvocationKey {
    InvocationKey(Digest::of(&number.to_le_bytes()))
}

/// Opens a store and publishes this many entries.
///
/// # Panics
/// When the store does not open or does not keep one.
#[must_use]
pub fn fill(directory: &Path, count: u32) -> Store {
    let limits = StoreLimits { max_bytes: 0, max_age: 0, min_free: Some(0) };
    let options = Options { limits, read_only: false };
    let store = Store::open(directory, options).expect("the store opens");
    for first in (0..count).step_by(AT_ONCE as usize) {
        let (sender, told) = mpsc::channel();
        for number in first..count.min(first + AT_ONCE) {
            let sender = sender.clone();
            let done = Box::new(move |outcome: Result<(), _>| {
                sender.send(outcome.is_ok()).expect("it is waited for");
            });
            let (key, entry) = (key(number), entry(number, INPUTS));
            store.publish(Publication { key, entry, blobs: Vec::new(), done });
        }
        drop(sender);
        store.expedite();
        assert!(told.iter().all(|kept| kept), "an entry is not kept");
    }
    store
}

/// The entry of a compile with so many inputs and a small object, which lives inside it.
#[must_use]
pub fn entry(number: u32, inputs: u32) -> Entry {
    let observation = |input| Observation {
        path: Rooted::Plain(
            format!("/home/me/project/include/part{number}/{input}.h").as_str().into(),
        ),
        follow: true,
        expected: Expected::File {
            digest: Digest::of(b"input"),
            executable: ExecuteBits::default(),
            outline: None,
        },
    };
    Entry {
        trace: Trace {
            observations: (0..inputs).map(observation).map(Arc::new).collect(),
            twins: Vec::new(),
            ages: Vec::new(),
            same_directories: Vec::new(),
            environment: Environment::Asked(Vec::new()),
            display: None,
        },
        result: CompileResult {
            status: 0,
            streams: Vec::new(),
            outputs: vec![Output {
                path: Rooted::Plain(format!("/home/me/project/{number}.o").as_str().into()),
                mode: 0o644,
                manner: Manner::InPlace,
                content: Content::Inline(vec![1; 1500].into()),
            }],
        },
        made: Stamp { seconds: 1, nanos: 2 },
        cost: 3,
        confirmed: true,
        checkout: OsBytes::default(),
        scope: Scope::All,
    }
}
