//! What single steps of a hit cost: `cargo bench -p zccache-benches --bench micro`.
//! The steps that ask the kernel are in `reach` and `view`.
#![allow(clippy::expect_used)]

use criterion::{BatchSize, Criterion, Throughput};
use zccache_benches::entries;
use zccache_compiler::plan;
use zccache_compiler::response::Files;
use zccache_core::protocol::frame::{self, HEADER};
use zccache_core::protocol::{Reply, Request, Verdict};
use zccache_core::{Digest, Identity, Invocation, OsBytes, Root, Stamp, codec};

struct NoFiles;

impl Files for NoFiles {
    fn read(&self, _: &[u8]) -> Option<Vec<u8>> {
        None
    }

    fn is_working_directory(&self, _: &[u8]) -> bool {
        false
    }
}

/// As CMake calls a compiler, from a shell with an environment of the usual size.
fn invocation() -> Invocation {
    let command = "/usr/bin/c++ -DNDEBUG -I/home/me/project/include -isystem /opt/lib/include -O2 -g \
        -std=gnu++17 -Wall -Wextra -MD -MT src/a.o -MF src/a.o.d -o src/a.o -c /home/me/project/src/a.cpp";
    let variable = |number| format!("VARIABLE_{number}=some value of some length").as_str().into();
    let mut environment: Vec<OsBytes> = (0..40).map(variable).collect();
    environment.push("PATH=/usr/local/bin:/usr/bin:/bin".into());
    let argv = command.split_whitespace().map(OsBytes::from).collect();
    let cwd = "/home/me/project/build".into();
    Invocation { cwd, ..Invocation::plain(argv, environment) }
}

fn key(criterion: &mut Criterion) {
    let (invocation, root) = (invocation(), Root::new("/home/me/project".as_ref()));
    criterion.bench_function("key", |bencher| {
        bencher.iter(|| plan(&invocation, &NoFiles, &root).expect("a compile has a plan"));
    });
}

fn protocol(criterion: &mut Criterion) {
    let request = Request::Lookup(Box::new(invocation()));
    let bytes = frame::encode(&request, 0).expect("it fits");
    criterion.bench_function("look-up, encoded", |bencher| {
        bencher.iter(|| frame::encode(&request, 0).expect("it fits"));
    });
    criterion.bench_function("look-up, decoded", |bencher| {
        bencher.iter(|| frame::decode::<Request>(&bytes[HEADER..]).expect("it is one"));
    });
    let reply = frame::encode(&Reply::Verdict(Verdict::Wait), 0).expect("it fits");
    criterion.bench_function("verdict, decoded", |bencher| {
        bencher.iter(|| frame::decode::<Reply>(&reply[HEADER..]).expect("it is one"));
    });
}

fn entry(criterion: &mut Criterion) {
    let entry = entries::entry(0, 300);
    let bytes = codec::encode(&entry).expect("it can be encoded");
    criterion.bench_function("entry of 300 inputs, decoded", |bencher| {
        bencher.iter(|| codec::decode::<zccache_core::Entry>(&bytes).expect("it is one"));
    });
}

/// Entries of any key in turn, so that the larger store is not served from what one
/// look-up leaves in caches.
fn store(criterion: &mut Criterion) {
    for count in [1_000, 100_000] {
        let directory = tempfile::tempdir().expect("a directory");
        let store = entries::fill(directory.path(), count);
        let mut number = 0;
        criterion.bench_function(&format!("look-up among {count} entries"), |bencher| {
            bencher.iter(|| {
                number = (number + 7919) % count;
                assert_eq!(store.candidates(&entries::key(number)).len(), 1);
            });
        });
    }
    let directory = tempfile::tempdir().expect("a directory");
    let store = entries::fill(directory.path(), 0);
    let stamp = Stamp { seconds: 1, nanos: 0 };
    let identity = |inode| Identity { device: 1, inode, size: 9, mtime: stamp, ctime: stamp };
    (0..300).for_each(|inode| store.remember_digest(identity(inode), Digest::of(b"input")));
    criterion.bench_function("digests of 300 known files", |bencher| {
        bencher.iter(|| assert!((0..300).all(|i| store.known_digest(&identity(i)).is_some())));
    });
}

fn hash(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("hash");
    for size in [4 << 10, 1 << 20] {
        group.throughput(Throughput::Bytes(size));
        let fresh = || vec![7; usize::try_from(size).expect("small")];
        group.bench_function(format!("{size} bytes"), |bencher| {
            bencher.iter_batched(fresh, |bytes| Digest::of(&bytes), BatchSize::SmallInput);
        });
    }
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for step in [key, protocol, entry, store, hash] {
        step(&mut criterion);
    }
    criterion.final_summary();
}
