//! Comparing everything in the store with its checksum.

use std::collections::{BTreeMap, BTreeSet};

use redb::{ReadTransaction, ReadableTable};
use zccache_core::protocol::Checked;
use zccache_core::{Digest, Entry};

use super::Writer;
use crate::StoreError;
use crate::index::rows::{BLOBS, BlobRow, ENTRIES, EntryId, SUMMARIES, Summary};
use crate::index::{Fault, record, tables};
use crate::shared::Shared;

/// What is wrong with the store.
#[derive(Default)]
pub(crate) struct Findings {
    pub(crate) checked: Checked,
    /// Entries that cannot be used.
    entries: BTreeSet<EntryId>,
    /// Blobs that are named and are missing or not what their name says.
    blobs: BTreeSet<Digest>,
    /// Whether the blob rows count otherwise than the entries.
    miscounted: bool,
}

/// The index as a check reads it.
#[derive(Default)]
struct Inventory {
    entries: u64,
    damaged: BTreeSet<EntryId>,
    named: BTreeMap<Digest, Vec<EntryId>>,
    rows: BTreeMap<Digest, BlobRow>,
}

impl Writer {
    /// Looks at everything; if asked to, removes what is damaged.
    pub(super) fn check(&mut self, repair: bool) -> Result<Checked, StoreError> {
        let mut findings = examine(&self.shared)?;
        if repair {
            self.repair(&mut findings)?;
        }
        Ok(findings.checked)
    }

    fn repair(&mut self, findings: &mut Findings) -> Result<(), StoreError> {
        self.begin()?;
        if findings.miscounted || !findings.entries.is_empty() {
            self.write(|tables| {
                findings.entries.iter().try_for_each(|id| tables.remove(id).map(|_| ()))?;
                Ok(tables.recount()?)
            })?;
            self.shared.entries_changed(findings.entries.iter().map(EntryId::key));
        }
        for digest in &findings.blobs {
            self.shared.blobs.discard(digest)?;
        }
        self.purge()?;
        self.sweep_due = true;
        self.sweep_if_due();
        findings.checked.removed = findings.checked.damaged;
        Ok(())
    }
}

/// Looks at everything and changes nothing.
pub(crate) fn examine(shared: &Shared) -> Result<Findings, StoreError> {
    let Inventory { entries, damaged, named, rows } = shared.index.read(take_inventory)?;
    let mut findings = Findings { entries: damaged, ..Findings::default() };
    for (digest, owners) in &named {
        let row = rows.get(digest);
        findings.miscounted |= row.is_none_or(|row| row.references != owners.len() as u64);
        if !is_whole(shared, digest, row)? {
            findings.blobs.insert(*digest);
            findings.entries.extend(owners);
        }
    }
    let idle = rows.iter().filter(|(digest, _)| !named.contains_key(digest));
    findings.miscounted |= idle.into_iter().any(|(_, row)| row.references != 0);
    let damaged = findings.entries.len() + findings.blobs.len() + usize::from(findings.miscounted);
    findings.checked =
        Checked { entries, blobs: named.len() as u64, damaged: damaged as u64, removed: 0 };
    Ok(findings)
}

/// An unreadable disk is damage as much as a wrong byte.
fn is_whole(shared: &Shared, digest: &Digest, row: Option<&BlobRow>) -> Result<bool, StoreError> {
    match shared.blobs.verify(digest) {
        Ok(length) => Ok(row.is_some_and(|row| row.length == length)),
        Err(StoreError::NotFound(_) | StoreError::Damaged(_) | StoreError::Io { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

fn take_inventory(transaction: &ReadTransaction) -> Result<Inventory, Fault> {
    let mut inventory = Inventory::default();
    let summaries = transaction.open_table(SUMMARIES)?;
    let entries = transaction.open_table(ENTRIES)?;
    for row in entries.iter()? {
        let (id, record) = row?;
        let id = EntryId::from_bytes(id.value());
        let summary = summaries.get(id.as_bytes())?;
        let summary = summary.and_then(|row| Summary::decode(row.value()));
        inventory.entries += 1;
        if !summary.as_ref().is_some_and(|summary| agrees(&id, record.value(), summary)) {
            inventory.damaged.insert(id);
        }
        for digest in summary.into_iter().flat_map(|summary| summary.blobs) {
            inventory.named.entry(digest).or_default().push(id);
        }
    }
    for row in summaries.iter()? {
        let id = EntryId::from_bytes(row?.0.value());
        if entries.get(id.as_bytes())?.is_none() {
            inventory.damaged.insert(id);
        }
    }
    for row in transaction.open_table(BLOBS)?.iter()? {
        let (digest, row) = row?;
        inventory.rows.insert(Digest::from_bytes(*digest.value()), BlobRow::decode(row.value()));
    }
    Ok(inventory)
}

/// Whether the record can be read and is what the summary says.
fn agrees(id: &EntryId, record: &[u8], summary: &Summary) -> bool {
    let entry = record::decode::<Entry>(id.as_bytes(), record);
    let actual = entry.and_then(|entry| tables::summary_of(&entry, record.len() as u64));
    actual.is_ok_and(|actual| {
        let Summary { used, used_at, .. } = *summary;
        Summary { used, used_at, ..actual } == *summary
    })
}
