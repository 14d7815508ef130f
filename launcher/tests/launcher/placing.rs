//! Hits: files put in place whole or not at all, streams replayed, the status.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Stdio;

use zccache_core::Reason;
use zccache_core::entry::{Chunk, Manner, Stream};
use zccache_core::protocol::{Delivery, Hit, Reply, Request, Source, Verdict};

use crate::bench::{Bench, Done};
use crate::daemon;
use crate::daemon::Answer;

fn inline(path: &Path, text: &str, manner: Manner) -> Delivery {
    let source = Source::Inline(text.into());
    Delivery { path: path.into(), mode: 0o644, manner, source }
}

fn hit(files: Vec<Delivery>) -> Hit {
    Hit { status: 0, streams: Vec::new(), files }
}

/// Offers a hit; the compiler, if it comes to that, exits with 9.
fn offer(bench: &Bench, hit: Hit, blobs: Vec<File>) -> Done {
    let hit = Answer { reply: Reply::Verdict(Verdict::Hit(hit)), files: blobs };
    let otherwise = Verdict::Bypass(Reason::OddOutput).into();
    bench.answered(bench.launcher(&["sh", "-c", "exit 9"]), vec![hit, otherwise])
}

fn refused(bench: &Bench, files: Vec<Delivery>) {
    let done = offer(bench, hit(files), Vec::new());
    assert_eq!(done.output.status.code(), Some(9));
    assert!(matches!(done.heard.requests[1], Request::Undeliverable(_)));
    let leftovers = |directory: &Path| {
        let names = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.to_string_lossy().starts_with(".zccache")).count()
    };
    assert_eq!(leftovers(&bench.path("")), 0);
}

#[test]
fn files_streams_and_status_are_replayed() {
    let bench = Bench::new();
    let blob = bench.store().join("blob");
    let bytes: Vec<u8> = (0..1_000_000u32).flat_map(u32::to_le_bytes).collect();
    fs::write(&blob, &bytes).unwrap();
    // Where the descriptor stands does not matter.
    let mut blob = File::open(blob).unwrap();
    blob.seek(SeekFrom::End(0)).unwrap();
    let large = Delivery {
        path: (&*bench.path("large")).into(),
        mode: 0o751,
        manner: Manner::InPlace,
        source: Source::Descriptor(bytes.len() as u64),
    };
    let streams = vec![
        Chunk { stream: Stream::Stdout, bytes: b"out\xff".to_vec() },
        Chunk { stream: Stream::Stderr, bytes: b"err\n".to_vec() },
    ];
    let files = vec![inline(&bench.path("small"), "text", Manner::Renamed), large];
    let done = offer(&bench, Hit { status: 3, streams, files }, vec![blob]);
    assert_eq!(done.output.status.code(), Some(3));
    assert_eq!(done.output.stdout, b"out\xff");
    assert_eq!(done.output.stderr, b"err\n");
    assert_eq!(fs::read_to_string(bench.path("small")).unwrap(), "text");
    assert_eq!(fs::read(bench.path("large")).unwrap(), bytes);
    assert_eq!(fs::metadata(bench.path("large")).unwrap().permissions().mode() & 0o7777, 0o751);
    assert_eq!(fs::read_dir(bench.path("")).unwrap().count(), 2);
}

#[test]
fn part_of_a_blob_is_delivered() {
    let bench = Bench::new();
    let blob = bench.store().join("blob");
    fs::write(&blob, "0123456789").unwrap();
    let part = Delivery {
        path: (&*bench.path("part")).into(),
        mode: 0o600,
        manner: Manner::Renamed,
        source: Source::Descriptor(4),
    };
    offer(&bench, hit(vec![part]), vec![File::open(blob).unwrap()]);
    assert_eq!(fs::read(bench.path("part")).unwrap(), b"0123");
}

#[test]
fn an_ordinary_file_is_replaced() {
    let bench = Bench::new();
    for manner in [Manner::InPlace, Manner::Renamed] {
        let out = bench.write("out", "old and longer");
        fs::set_permissions(&out, fs::Permissions::from_mode(0o644)).unwrap();
        let done = offer(&bench, hit(vec![inline(&out, "new", manner)]), Vec::new());
        assert!(done.output.status.success());
        assert_eq!(fs::read_to_string(&out).unwrap(), "new");
    }
}

#[test]
fn odd_targets_are_left_to_the_compiler() {
    let bench = Bench::new();
    let good = bench.path("good");
    for name in ["link", "directory", "missing/out", "twice", "executable", "/dev/null"] {
        bench.write("real", "real");
        let target = bench.path(name);
        match name {
            "link" => symlink("real", &target).unwrap(),
            "directory" => fs::create_dir(&target).unwrap(),
            "twice" => fs::hard_link(bench.path("real"), &target).unwrap(),
            "executable" => {
                fs::write(&target, "real").unwrap();
                fs::set_permissions(&target, fs::Permissions::from_mode(0o755)).unwrap();
            }
            _ => {}
        }
        let before = fs::symlink_metadata(&target).ok().map(|m| (m.ino(), m.mtime_nsec()));
        let files =
            vec![inline(&good, "x", Manner::Renamed), inline(&target, "x", Manner::InPlace)];
        refused(&bench, files);
        assert!(!good.exists(), "{name}");
        let after = fs::symlink_metadata(&target).ok().map(|m| (m.ino(), m.mtime_nsec()));
        assert_eq!(before, after, "{name}");
        assert_eq!(fs::read_to_string(bench.path("real")).unwrap(), "real");
    }
}

#[test]
fn a_missing_or_short_blob_is_undeliverable() {
    let bench = Bench::new();
    let out = bench.path("out");
    let wants = |length| Delivery {
        path: (&*out).into(),
        mode: 0o644,
        manner: Manner::Renamed,
        source: Source::Descriptor(length),
    };
    refused(&bench, vec![wants(1)]);
    let blob = bench.store().join("blob");
    fs::write(&blob, "short").unwrap();
    let done = offer(&bench, hit(vec![wants(6)]), vec![File::open(blob).unwrap()]);
    assert_eq!(done.output.status.code(), Some(9));
    assert!(!out.exists());
}

#[test]
fn after_a_refusal_the_run_is_observed_on_the_same_connection() {
    let bench = Bench::new();
    bench.script("tool", "echo x > out");
    symlink("real", bench.path("out")).unwrap();
    let file = inline(&bench.path("out"), "x", Manner::InPlace);
    let answers = vec![Verdict::Hit(hit(vec![file])).into(), daemon::run(Vec::new()).into()];
    let done = bench.answered(bench.launcher(&["./tool"]), answers);
    assert_eq!(done.report().unobservable, Some(Reason::OddOutput));
    assert_eq!(fs::read_to_string(bench.path("real")).unwrap(), "x\n");
}

#[test]
fn a_program_that_runs_is_left_to_the_compiler() {
    let bench = Bench::new();
    let program = bench.path("program");
    fs::copy("/bin/sleep", &program).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o644)).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let mut running = std::process::Command::new(&program).arg("1000").spawn().unwrap();
    let stripped = Delivery { mode: 0o755, ..inline(&program, "x", Manner::InPlace) };
    refused(&bench, vec![stripped]);
    running.kill().unwrap();
    running.wait().unwrap();
    let before = fs::metadata(&program).unwrap().len();
    assert_eq!(before, fs::metadata("/bin/sleep").unwrap().len());
}

#[test]
fn what_cannot_be_said_is_said_by_the_compiler_alone() {
    let bench = Bench::new();
    let say = |stream, bytes: &[u8]| Chunk { stream, bytes: bytes.to_vec() };
    let streams = vec![say(Stream::Stderr, b"warning"), say(Stream::Stdout, b"text")];
    let files = vec![inline(&bench.path("out"), "x", Manner::Renamed)];
    let hit = Verdict::Hit(Hit { status: 0, streams, files });
    let mut command = bench.launcher(&["sh", "-c", "echo it >&2; exit 9"]);
    command.stdout(File::options().write(true).open("/dev/full").unwrap());
    let daemon = daemon::serve(&bench.store(), vec![hit.into()]);
    let output = command.stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr), (Some(9), b"it\n".to_vec()));
    assert_eq!(fs::read_dir(bench.path("")).unwrap().count(), 0);
    daemon.join().unwrap();
}

#[test]
fn when_a_reader_went_away_the_compiler_finds_out_for_itself() {
    let bench = Bench::new();
    let streams = vec![Chunk { stream: Stream::Stdout, bytes: vec![b'x'; 1 << 20] }];
    let hit = Verdict::Hit(Hit { status: 0, streams, files: Vec::new() });
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = bench.launcher(&["sh", "-c", "exit 9"]);
    command.stdout(writer).stderr(Stdio::null());
    let daemon = daemon::serve(&bench.store(), vec![hit.into()]);
    assert_eq!(command.status().unwrap().code(), Some(9));
    daemon.join().unwrap();
}
