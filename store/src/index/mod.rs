//! The index: a redb database that is opened when first needed, opened again
//! when it failed, and set aside when it is damaged.

mod fault;
pub(crate) mod record;
pub(crate) mod rows;
pub(crate) mod tables;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use redb::{Builder, Database, ReadOnlyDatabase, ReadTransaction, ReadableDatabase, TableError};

pub(crate) use self::fault::Fault;
use self::fault::guarded;
pub(crate) use self::tables::{Prepared, Tables};
use crate::disk::Disk;
use crate::{StoreError, limits};

/// The index of a store. Readers share it with the one writer.
pub(crate) struct Index {
    disk: Arc<Disk>,
    read_only: bool,
    slot: RwLock<Slot>,
    clock: AtomicU64,
    renewed: AtomicBool,
}

#[derive(Default)]
struct Slot {
    database: Option<Handle>,
    /// How often it was opened, so that a trouble is attributed to one opening.
    opening: u64,
    /// Which file it was then.
    place: Option<(u64, u64)>,
}

impl Slot {
    /// redb may panic when it closes a file that failed.
    fn close(&mut self) {
        let database = self.database.take();
        let _ = guarded(|| {
            drop(database);
            Ok(())
        });
    }
}

enum Handle {
    Writable(Database),
    ReadOnly(ReadOnlyDatabase),
    /// A read-only store without an index holds nothing.
    Nothing,
}

impl Index {
    /// An index that is not opened yet.
    pub(crate) fn new(disk: Arc<Disk>, read_only: bool) -> Self {
        let (clock, renewed) = (AtomicU64::new(1), AtomicBool::new(false));
        Self { disk, read_only, slot: RwLock::default(), clock, renewed }
    }

    /// The next value of the store's clock, which orders publications and uses.
    pub(crate) fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::Relaxed)
    }

    /// Opens the index if it is not open.
    pub(crate) fn load(&self) -> Result<(), StoreError> {
        self.opened().map(drop)
    }

    /// Closes the index if another file has its name by now, or none. True if so: what
    /// was read of it is of no use any more.
    pub(crate) fn let_go_if_removed(&self) -> bool {
        let mut slot = self.slot.write().unwrap_or_else(PoisonError::into_inner);
        if slot.database.is_none() || slot.place == self.disk.index_place() {
            return false;
        }
        tracing::warn!(store = %self.disk.root().display(), "something has removed the index");
        slot.close();
        true
    }

    /// Whether the index was begun anew, so that no row names the blobs of
    /// before. Asking resets the answer.
    pub(crate) fn take_renewed(&self) -> bool {
        self.renewed.swap(false, Ordering::Relaxed)
    }

    /// Reads from a snapshot; the default where there is no index yet.
    pub(crate) fn read<T: Default>(
        &self,
        read: impl FnOnce(&ReadTransaction) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        let slot = self.opened()?;
        let outcome = guarded(|| match &slot.database {
            Some(Handle::Writable(database)) => read(&database.begin_read()?),
            Some(Handle::ReadOnly(database)) => read(&database.begin_read()?),
            Some(Handle::Nothing) | None => Ok(T::default()),
        });
        let opening = slot.opening;
        drop(slot);
        outcome.map_err(|fault| self.recover(fault, opening))
    }

    /// Changes the index; all of it, durably, or nothing.
    pub(crate) fn write<T>(
        &self,
        change: impl FnOnce(&mut Tables<'_>) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        let slot = self.opened()?;
        let outcome = match &slot.database {
            Some(Handle::Writable(database)) => guarded(|| self.commit(database, change)),
            _ => return Err(StoreError::ReadOnly),
        };
        let opening = slot.opening;
        drop(slot);
        outcome.map_err(|fault| self.recover(fault, opening))
    }

    /// Saves the allocator state with each commit ("quick repair"), so that
    /// opening after a crash takes no walk through the whole file, and a
    /// read-only opening none at all.
    fn commit<T>(
        &self,
        database: &Database,
        change: impl FnOnce(&mut Tables<'_>) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let mut transaction = database.begin_write()?;
        transaction.set_quick_repair(true);
        let mut tables = Tables::open(&transaction, self.disk.now())?;
        let value = change(&mut tables)?;
        tables.finish(self.clock.load(Ordering::Relaxed))?;
        transaction.commit()?;
        Ok(value)
    }

    fn opened(&self) -> Result<RwLockReadGuard<'_, Slot>, StoreError> {
        loop {
            let slot = self.slot.read().unwrap_or_else(PoisonError::into_inner);
            if slot.database.is_some() {
                return Ok(slot);
            }
            drop(slot);
            let mut slot = self.slot.write().unwrap_or_else(PoisonError::into_inner);
            if slot.database.is_none() {
                slot.database = Some(self.open()?);
                slot.place = self.disk.index_place();
                slot.opening += 1;
            }
        }
    }

    fn open(&self) -> Result<Handle, StoreError> {
        match guarded(|| self.try_open()) {
            Err(Fault::Damaged(what)) => {
                self.set_aside(&what)?;
                guarded(|| self.try_open()).map_err(Fault::into_error)
            }
            other => other.map_err(Fault::into_error),
        }
    }

    fn try_open(&self) -> Result<Handle, Fault> {
        let Some(file) = self.disk.open_index(self.read_only)? else {
            return Ok(Handle::Nothing);
        };
        let mut builder = Builder::new();
        builder.set_cache_size(limits::INDEX_CACHE_BYTES);
        if self.read_only {
            let database = builder.open_read_only_with_backend(file)?;
            let begun = self.read_clock(&database.begin_read()?)?;
            return Ok(if begun { Handle::ReadOnly(database) } else { Handle::Nothing });
        }
        let database = builder.create_with_backend(file)?;
        if !self.read_clock(&database.begin_read()?)? {
            // First, for a step that fails may have been done all the same.
            self.renewed.store(true, Ordering::Relaxed);
            self.commit(&database, |_| Ok(()))?;
            self.disk.sync_root()?;
        }
        Ok(Handle::Writable(database))
    }

    /// False when there are no tables yet.
    fn read_clock(&self, transaction: &ReadTransaction) -> Result<bool, Fault> {
        let meta = match transaction.open_table(rows::META) {
            Err(TableError::TableDoesNotExist(_)) => return Ok(false),
            other => other?,
        };
        let row = meta.get(rows::CLOCK)?;
        let clock = row.and_then(|row| row.value().try_into().ok().map(u64::from_le_bytes));
        self.clock.fetch_max(clock.unwrap_or(1), Ordering::Relaxed);
        Ok(true)
    }

    /// After any fault the database is closed: redb refuses to write after one,
    /// and repairs itself when opened. A damaged one is begun anew.
    fn recover(&self, fault: Fault, opening: u64) -> StoreError {
        let mut slot = self.slot.write().unwrap_or_else(PoisonError::into_inner);
        if slot.opening == opening {
            slot.close();
            if let Fault::Damaged(what) = &fault
                && let Err(error) = self.set_aside(what)
            {
                return error;
            }
        }
        fault.into_error()
    }

    fn set_aside(&self, what: &str) -> Result<(), StoreError> {
        tracing::error!(what, store = %self.disk.root().display(), "the index is damaged");
        if self.read_only {
            return Err(StoreError::Index(what.to_owned()));
        }
        self.disk.set_aside_index().map_err(StoreError::io("set aside in", self.disk.root()))
    }
}
