//! The namespaces that the daemon can follow: its own, and those whose command
//! handed over their root when it mounted a view.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, PoisonError, RwLock};

use zccache_core::invocation::Place;
use zccache_core::settings::Watching;
use zccache_fs::View;

use super::Namespace;
use super::watch::{Watch, learn_from};

/// All followed namespaces, and the views they may show.
pub(crate) struct Atlas {
    own: (Place, Arc<Namespace>),
    state: RwLock<State>,
}

struct State {
    namespaces: HashMap<Place, Arc<Namespace>>,
    served: Vec<(u64, Arc<View>)>,
}

impl Atlas {
    /// Knows the daemon's own namespace.
    pub(crate) fn new(watching: Watching) -> io::Result<Self> {
        let root = std::fs::metadata("/")?;
        let own = Place {
            namespace: std::fs::metadata("/proc/self/ns/mnt")?.ino(),
            root_device: root.dev(),
            root_inode: root.ino(),
        };
        let namespace = Namespace::new(None, File::open("/proc/self/mountinfo")?.into())?;
        let namespace = match Watch::new(watching) {
            None => Arc::new(namespace),
            Some((watch, None)) => Arc::new(namespace.with_watch(watch)),
            Some((watch, Some(questions))) => {
                let namespace = Arc::new(namespace.with_watch(watch));
                let asked = Arc::downgrade(&namespace);
                let thread = std::thread::Builder::new().name("watch".to_owned());
                thread.spawn(move || learn_from(&questions, &asked))?;
                namespace
            }
        };
        let namespaces = HashMap::from([(own, Arc::clone(&namespace))]);
        Ok(Self {
            own: (own, namespace),
            state: RwLock::new(State { namespaces, served: Vec::new() }),
        })
    }

    /// The daemon's own namespace, the only one that remembers anything.
    pub(crate) fn own(&self) -> &Arc<Namespace> {
        &self.own.1
    }

    /// Whether a place is another than the daemon's.
    pub(crate) fn is_foreign(&self, place: Place) -> bool {
        place != self.own.0
    }

    /// The namespace of a launcher, with its mounts as they are now.
    pub(crate) fn namespace(&self, place: Place) -> Option<Arc<Namespace>> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let namespace = Arc::clone(state.namespaces.get(&place)?);
        drop(state);
        namespace.refresh().ok()?;
        Some(namespace)
    }

    /// Follows the namespace of a command that mounts a view.
    pub(crate) fn follow(
        &self,
        place: Place,
        root: OwnedFd,
        mountinfo: OwnedFd,
    ) -> io::Result<Arc<Namespace>> {
        if let Some(known) = self.namespace(place) {
            return Ok(known);
        }
        let namespace = Arc::new(Namespace::new(Some(root), mountinfo)?);
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        namespace.set_views(state.served.clone());
        Ok(Arc::clone(state.namespaces.entry(place).or_insert(namespace)))
    }

    /// Stops following a namespace, which its descriptors would keep alive.
    pub(crate) fn forget(&self, place: Place) {
        if self.is_foreign(place) {
            let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
            state.namespaces.remove(&place);
        }
    }

    /// Adds a view.
    pub(crate) fn add_view(&self, device: u64, view: Arc<View>) {
        self.change_views(|served| served.push((device, view)));
    }

    /// Removes a view.
    pub(crate) fn remove_view(&self, device: u64) {
        self.change_views(|served| served.retain(|(known, _)| *known != device));
    }

    /// The device numbers of all views.
    pub(crate) fn devices(&self) -> Vec<u64> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        state.served.iter().map(|(device, _)| *device).collect()
    }

    fn change_views(&self, change: impl FnOnce(&mut Vec<(u64, Arc<View>)>)) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        change(&mut state.served);
        for namespace in state.namespaces.values() {
            namespace.set_views(state.served.clone());
        }
    }
}
