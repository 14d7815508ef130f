//! The accounts on disk, from one daemon to the next: `docs/FORMAT.md`, "Verdicts".

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use zccache_core::protocol::explanation::{Fate, Told};
use zccache_core::{Digest, OsBytes, Stamp, codec};

use super::account::{Account, Environment, Summary};
use super::book::Recent;

/// Grows with every change of what follows it.
const MAGIC: &[u8] = b"zccache verdicts 2\n";

/// Everything in the file.
#[derive(Default, Serialize, Deserialize)]
struct Shelf {
    environments: Vec<Environment>,
    accounts: Vec<Saved>,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    at: Stamp,
    summary: Summary,
    /// Which of the environments.
    environment: u32,
    told: Told,
    fate: Option<Fate>,
    outputs: Vec<OsBytes>,
}

/// The accounts and their files, the older first. What cannot be read is nothing.
pub(super) fn load(file: &Path) -> Vec<(Account, Vec<OsBytes>)> {
    fs::read(file).ok().and_then(|bytes| parse(&bytes)).unwrap_or_default().restore()
}

impl Shelf {
    fn restore(self) -> Vec<(Account, Vec<OsBytes>)> {
        let environments: Vec<_> = self.environments.into_iter().map(Arc::new).collect();
        let restore = |saved: Saved| {
            let environment = Arc::clone(environments.get(saved.environment as usize)?);
            let Saved { at, summary, told, fate, outputs, .. } = saved;
            Some((Account::restored(at, summary, environment, told, fate), outputs))
        };
        self.accounts.into_iter().filter_map(restore).collect()
    }
}

fn parse(bytes: &[u8]) -> Option<Shelf> {
    let (checksum, payload) = bytes.strip_prefix(MAGIC)?.split_first_chunk::<32>()?;
    let whole = Digest::of(payload).as_bytes() == checksum;
    whole.then(|| codec::decode(payload).ok()).flatten()
}

/// Replaces what is in the file.
///
/// # Errors
/// As writing and renaming a file.
pub(super) fn save<'a>(
    file: &Path,
    recent: impl Iterator<Item = (&'a OsBytes, &'a Recent)>,
) -> io::Result<()> {
    let payload = codec::encode(&gather(recent)).map_err(io::Error::other)?;
    let new = file.with_extension("new");
    let mut open = OpenOptions::new();
    let open = open.create(true).write(true).truncate(true).mode(0o600);
    let mut to = open.custom_flags(libc::O_NOFOLLOW).open(&new)?;
    to.write_all(MAGIC)?;
    to.write_all(Digest::of(&payload).as_bytes())?;
    to.write_all(&payload)?;
    fs::rename(new, file)
}

fn gather<'a>(recent: impl Iterator<Item = (&'a OsBytes, &'a Recent)>) -> Shelf {
    let mut shelf = Shelf::default();
    let mut environments: HashMap<*const Environment, u32> = HashMap::new();
    let mut accounts: BTreeMap<(Stamp, *const Account), Saved> = BTreeMap::new();
    for (path, recent) in recent {
        for account in recent.accounts() {
            let place = (account.at, Arc::as_ptr(account));
            let saved = accounts.entry(place).or_insert_with(|| {
                let known = Arc::as_ptr(&account.environment);
                let environment = *environments.entry(known).or_insert_with(|| {
                    shelf.environments.push(Environment::clone(&account.environment));
                    u32::try_from(shelf.environments.len() - 1).unwrap_or(u32::MAX)
                });
                Saved {
                    at: account.at,
                    summary: account.summary.clone(),
                    environment,
                    told: account.told.clone(),
                    fate: account.fate().cloned(),
                    outputs: Vec::new(),
                }
            });
            saved.outputs.push(path.clone());
        }
    }
    shelf.accounts = accounts.into_values().collect();
    shelf
}

/// Reads any bytes as the file, and as what is behind its checksum.
#[cfg(feature = "fuzzing")]
pub(crate) fn any(bytes: &[u8]) {
    let _ = parse(bytes);
    let file = [MAGIC, Digest::of(bytes).as_bytes(), bytes].concat();
    let accounts = parse(&file).unwrap_or_default().restore();
    accounts.iter().for_each(|(account, _)| drop(account.fate().cloned()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_file_is_read_or_nothing() {
        let home = tempfile::tempdir().unwrap();
        let (path, stamp) = (home.path().join("verdicts"), Stamp { seconds: 1, nanos: 2 });
        save(&path, std::iter::empty()).unwrap();
        let empty = fs::read(&path).unwrap();
        let stored = (vec![(1u8, vec![1u8; 20])], vec![(stamp, vec![7u8; 40], 0u32)]);
        let payloads = [codec::encode(&stored).unwrap(), empty[MAGIC.len() + 32..].to_vec()];
        let mut rng = fastrand::Rng::with_seed(1);
        for _ in 0..5000 {
            let payload = crate::mutant::mutant(&mut rng, &payloads);
            let bytes = [MAGIC, Digest::of(&payload).as_bytes(), &payload].concat();
            let _ = parse(&bytes);
            fs::write(&path, crate::mutant::mutant(&mut rng, &[bytes])).unwrap();
            let _ = load(&path);
        }
    }
}
