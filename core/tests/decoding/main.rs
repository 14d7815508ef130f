//! Whatever bytes arrive, decoding them neither panics nor takes more memory than a
//! frame may hold; what it accepts can be sent on and arrives as the same.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod memory;
mod mutant;

use std::fmt::Debug;
use std::sync::Arc;

use fastrand::Rng;
use serde::Serialize;
use serde::de::DeserializeOwned;
use zccache_core::entry::{Environment, Manner, Scope};
use zccache_core::invocation::Terminal;
use zccache_core::protocol::explanation::{Explanation, Told};
use zccache_core::protocol::frame::{HEADER, Header};
use zccache_core::protocol::stats::Counters;
use zccache_core::protocol::{
    Checked, Delivery, Hit, Own, Preprocess, Preprocessed, Reply, Request, Source, Verdict, Word,
};
use zccache_core::report::{Bytes, Ended, Reads, Report, Revised, Seen, Sighting, WrittenFile};
use zccache_core::{
    CompileResult, Content, Digest, Entry, ExecuteBits, Expected, Identity, Invocation,
    Observation, OsBytes, Outline, Output, Reason, Root, Rooted, Stamp, Template, Trace, codec,
    limits, settings,
};

use mutant::mutant;

/// Mutants of each kind.
const MUTANTS: usize = 200_000;

/// What decoding may ask for in one piece, in bytes: a byte string is as long as it says,
/// within the limit of the codec.
const PIECE: usize = limits::FRAME_BYTES;

/// Decodes mutants of samples, and of the mutants that are accepted.
fn try_out<T: Serialize + DeserializeOwned + PartialEq + Debug>(samples: &[T], seed: u64) {
    let mut rng = Rng::with_seed(seed);
    let mut corpus: Vec<_> = samples.iter().map(|value| codec::encode(value).unwrap()).collect();
    let mut accepted = 0;
    for _ in 0..MUTANTS {
        let bytes = mutant(&mut rng, &corpus);
        let (decoded, largest) = memory::largest_piece(|| codec::decode::<T>(&bytes));
        assert!(largest <= PIECE, "{largest} bytes for {} bytes: {bytes:?}", bytes.len());
        let Ok(value) = decoded else { continue };
        accepted += 1;
        let again = codec::encode(&value).unwrap();
        assert_eq!(codec::decode::<T>(&again).unwrap(), value, "{bytes:?}");
        if corpus.len() < 256 && bytes.len() < 4096 {
            corpus.push(again);
        }
    }
    assert!(accepted > MUTANTS / 100, "only {accepted} were accepted: too wild");
}

fn identity() -> Identity {
    let stamp = Stamp { seconds: 1_700_000_000, nanos: 5 };
    Identity { device: 1, inode: 2, size: 3, mtime: stamp, ctime: stamp }
}

fn invocation() -> Invocation {
    let argv = ["gcc", "-c", "a.c", "-o", "a.o"].map(OsBytes::from).into();
    let environment = vec!["PATH=/usr/bin".into(), "LC_ALL=C".into()];
    let terminals = [Some(Terminal { columns: 80 }), None];
    Invocation { terminals, ..Invocation::plain(argv, environment) }
}

fn report() -> Report {
    let at = Stamp { seconds: 1, nanos: 2 };
    let sighting = |path: &str, seen| Sighting {
        path: path.into(),
        follow: true,
        seen,
        at,
        asked: true,
        reads: Reads { count: 1, last: 1 },
    };
    Report {
        ended: Ended::Exit(0),
        streams: Vec::new(),
        sightings: vec![
            sighting("/a.h", Seen::Absent),
            sighting("/l", Seen::Symlink("/a".into())),
            sighting("/d", Seen::Directory { identity: identity(), listings: 1 }),
        ],
        outputs: vec![WrittenFile {
            path: "/build/a.o".into(),
            mode: 0o644,
            identity: identity(),
            manner: Manner::InPlace,
            bytes: Bytes::Carried(vec![1, 2, 3]),
        }],
        revised: vec![Revised {
            path: "/build/l.a".into(),
            mode: 0o644,
            identity: identity(),
            at,
            bytes: Bytes::Attached,
        }],
        unobservable: Some(Reason::ForeignPlace),
        culprit: Some("/x".into()),
        cost: 9,
        inherits: false,
    }
}

fn entry() -> Entry {
    let root = Root::new(std::path::Path::new("/w"));
    let text = Template::cut(b"/w/a.o: /w/a.c\n", &root).unwrap();
    let output = |content| Output {
        path: Rooted::new(&"/w/a.o".into(), &root),
        mode: 0o644,
        manner: Manner::InPlace,
        content,
    };
    Entry {
        trace: Trace {
            observations: vec![Arc::new(Observation {
                path: Rooted::Plain("/src/a.c".into()),
                follow: true,
                expected: Expected::File {
                    digest: Digest::of(b"a"),
                    executable: ExecuteBits::of(0o644),
                    outline: Some(Outline {
                        digest: Digest::of(b"b"),
                        idle: [1, 3].into(),
                        empty_lines: Some(1),
                    }),
                },
            })],
            twins: Vec::new(),
            ages: Vec::new(),
            same_directories: vec![(1, 0)],
            environment: Environment::Asked(Vec::new()),
            display: None,
        },
        result: CompileResult {
            status: 0,
            streams: Vec::new(),
            outputs: vec![
                output(Content::Inline(vec![1; 40].into())),
                output(Content::Blob { digest: Digest::of(b"b"), length: 7 }),
                output(Content::Depfile { text, breaks: None }),
            ],
        },
        made: Stamp { seconds: 1, nanos: 2 },
        cost: 3,
        confirmed: true,
        checkout: "/w".into(),
        scope: Scope::Unproven,
    }
}

#[test]
fn requests() {
    let samples = [
        Request::Lookup(Box::new(invocation())),
        Request::Finished(Box::new(report())),
        Request::Bypassed { session: Some("s".into()), reason: Reason::Disabled },
        Request::Why { file: "/a.o".into(), place: invocation().place },
        Request::Check { repair: true },
        Request::Preprocessed(Preprocessed::With),
        Request::Stop,
    ];
    try_out(&samples, 1);
}

#[test]
fn replies() {
    let file =
        |source| Delivery { path: "/a.o".into(), mode: 0o644, manner: Manner::InPlace, source };
    let files = vec![file(Source::Inline(vec![7; 30])), file(Source::Descriptor(9))];
    let own = Own { ignored: vec!["/x".into()], ..Own::default() };
    let samples = [
        Reply::Verdict(Verdict::Hit(Hit { status: 0, streams: Vec::new(), files })),
        Reply::Verdict(Verdict::Run { views: vec![1, 2], own, awaited: true }),
        Reply::Verdict(Verdict::Preprocess(Preprocess {
            arguments: vec!["-E".into(), "a.c".into()],
            words: vec![Word { text: "__FILE__".into(), unless: vec!["x".into()] }],
        })),
        Reply::Stats(Box::new(Counters { hits: 4, ..Counters::default() })),
        Reply::Checked(Checked { entries: 1, blobs: 2, damaged: 3, removed: 4 }),
        Reply::Failed("no".to_owned()),
        Reply::Explained(None),
    ];
    try_out(&samples, 2);
}

#[test]
fn entries() {
    try_out(&[entry()], 3);
}

/// Depfiles are written for a root wherever a damaged record says that it is named.
#[test]
fn templates() {
    let root = Root::new(std::path::Path::new("/w"));
    let text = b"/w/a.o: /w/a.c /w/include/b.h\n";
    let sample = codec::encode(&Template::cut(text, &root).unwrap()).unwrap();
    let mut rng = Rng::with_seed(4);
    for _ in 0..MUTANTS {
        let bytes = mutant(&mut rng, std::slice::from_ref(&sample));
        if let Ok(template) = codec::decode::<Template>(&bytes) {
            let _ = template.at(&root);
        }
    }
}

#[test]
fn explanations_and_counters() {
    let mut counters = Counters { misses: 3, ..Counters::default() };
    counters.reasons.insert("racy".to_owned(), 2);
    try_out(&[counters], 5);
    let mut rng = Rng::with_seed(6);
    for _ in 0..MUTANTS {
        let bytes: Vec<u8> = (0..rng.usize(..60)).map(|_| rng.u8(..)).collect();
        let _ = codec::decode::<Explanation>(&bytes);
        let _ = codec::decode::<Told>(&bytes);
    }
}

#[test]
fn headers_names_and_sizes() {
    let mut rng = Rng::with_seed(7);
    let samples = [b"zccp\x08\0\x01\0\x10\0\0\0".to_vec(), b"1.5GiB".to_vec()];
    for _ in 0..MUTANTS {
        let bytes = mutant(&mut rng, &samples);
        if let Some(Ok(header)) = bytes.first_chunk::<HEADER>().map(Header::parse) {
            assert!(header.length <= limits::FRAME_BYTES);
        }
        let text = String::from_utf8_lossy(&bytes);
        let _ = (
            settings::size("X", &text),
            text.parse::<Digest>(),
            settings::verified_part(Some(&bytes)),
        );
    }
}
