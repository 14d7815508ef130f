//! The process is killed at any moment; the store opens and is whole.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use zccache_store::Store;

use crate::kit::{Home, assert_clean, bounded, key, put, read};

const DIRECTORY: &str = "ZCCACHE_TEST_PUBLISH_IN";

fn object(number: usize) -> Vec<u8> {
    number.to_string().into_bytes().repeat(3000)
}

/// Says on standard output, before it begins and after it is done, which entry
/// it publishes, until it is killed. A test by itself only in a child.
#[test]
fn publish_until_killed() {
    let Some(directory) = std::env::var_os(DIRECTORY) else { return };
    let options = bounded(400 << 10);
    let store = Store::open(Path::new(&directory), options).unwrap();
    let first = store.counters().published as usize;
    for number in first.. {
        put(&store, &number.to_string(), "t", &object(number)).unwrap();
        store.save_counters(&zccache_core::protocol::stats::Counters {
            published: number as u64 + 1,
            ..Default::default()
        });
        println!("published {number}");
    }
}

/// Lets a child publish this many entries, and kills it. Returns the last.
fn run_and_kill(home: &Home, count: usize) -> usize {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::publish_until_killed", "--nocapture"])
        .env(DIRECTORY, home.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let last = lines
        .filter_map(|line| line.unwrap().strip_prefix("published ").map(|n| n.parse().unwrap()))
        .nth(count);
    child.kill().unwrap();
    child.wait().unwrap();
    last.unwrap()
}

#[test]
fn killed_while_publishing_and_evicting() {
    let home = Home::new();
    for round in 0..12 {
        let last = run_and_kill(&home, 5 + round * 7);
        let store = home.open_bounded(400 << 10);
        assert_clean(&store);
        assert!(home.names("staging").is_empty());
        let found = store.candidates(&key(&last.to_string()));
        assert_eq!(found.len(), 1, "what was said to be published is there");
        assert_eq!(read(&store, &object(last)).unwrap(), object(last));
        store.collect().unwrap();
        let named = store.check(false).unwrap();
        assert_eq!(named.blobs, home.blobs().len() as u64, "no file is left that nothing names");
        assert!(store.usage().bytes <= 400 << 10);
    }
}
