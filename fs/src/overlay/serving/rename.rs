use std::ffi::OsStr;
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::{RenameFlags, renameat2};
use nix::sys::stat::FileStat;

use super::names::refuse_full;
use crate::lower::{LowerId, Name};
use crate::overlay::core::Overlay;
use crate::overlay::state::attributes::NodeId;
use crate::overlay::state::projected::{Projected, same};
use crate::overlay::state::tree::Tree;

impl Overlay {
    /// Moves `name` of `parent` to another name, as `renameat2(2)` does.
    pub(crate) fn rename(
        &self,
        from: (NodeId, &OsStr),
        to: (NodeId, &OsStr),
        flags: RenameFlags,
    ) -> nix::Result<()> {
        let from = self.name(from)?;
        let to = self.name(to)?;
        let mut tree = self.tree_mut();
        let source = tree.get(&from.directory, &from.name).cloned();
        let target = tree.get(&to.directory, &to.name).cloned();
        if source.is_some() || target.is_some() {
            if flags.contains(RenameFlags::RENAME_WHITEOUT) {
                return Err(Errno::EINVAL);
            }
            if from.directory.id().device != to.directory.id().device {
                return Err(Errno::EXDEV);
            }
            self.may_change(&from.directory)?;
            self.may_change(&to.directory)?;
        }
        if flags.contains(RenameFlags::RENAME_EXCHANGE) {
            self.exchange(&mut tree, (&from, source), (&to, target))?;
        } else if flags.contains(RenameFlags::RENAME_NOREPLACE) && target.is_some() {
            return Err(Errno::EEXIST);
        } else {
            self.replace(&mut tree, (&from, source), (&to, target), flags)?;
        }
        tree.note_moved(&from.directory, &from.name);
        tree.note_moved(&to.directory, &to.name);
        self.changed_here(&from.directory);
        self.changed_here(&to.directory);
        Ok(())
    }

    fn name(&self, (node, name): (NodeId, &OsStr)) -> nix::Result<Name> {
        Ok(Name::new(&self.nodes().directory(node)?, name))
    }

    fn replace(
        &self,
        tree: &mut Tree,
        (from, source): (&Name, Option<Arc<Projected>>),
        (to, target): (&Name, Option<Arc<Projected>>),
        flags: RenameFlags,
    ) -> nix::Result<()> {
        match (source, target) {
            (None, None) => self.rename_lower(tree, from, to, flags),
            (Some(source), Some(target)) if same(&source, &target) => Ok(()),
            (Some(source), target) => {
                self.vacate(to, target.is_some(), flags)?;
                self.move_projected(tree, source, from, to)
            }
            (None, Some(target)) => {
                if is_directory(&from.directory.stat_of(&from.name)?) {
                    return Err(Errno::ENOTDIR);
                }
                self.rename_lower(tree, from, to, RenameFlags::empty())?;
                tree.remove(&to.directory, &to.name);
                target.state().ctime = self.clock.now();
                Ok(())
            }
        }
    }

    /// Makes room for a projected file that is moved to `to`.
    fn vacate(&self, to: &Name, projected: bool, flags: RenameFlags) -> nix::Result<()> {
        let lower = if projected { None } else { to.directory.find(&to.name)? };
        match lower {
            None => Ok(()),
            Some(_) if flags.contains(RenameFlags::RENAME_NOREPLACE) => Err(Errno::EEXIST),
            Some(stat) if is_directory(&stat) => Err(Errno::EISDIR),
            Some(stat) => self.unlink_lower(&to.directory, &to.name, &stat),
        }
    }

    fn move_projected(
        &self,
        tree: &mut Tree,
        file: Arc<Projected>,
        from: &Name,
        to: &Name,
    ) -> nix::Result<()> {
        from.directory.touch()?;
        to.directory.touch()?;
        let now = self.clock.now();
        file.state().ctime = now;
        if let Some(replaced) = tree.insert(to.clone(), file) {
            replaced.state().ctime = now;
        }
        tree.remove(&from.directory, &from.name);
        Ok(())
    }

    fn exchange(
        &self,
        tree: &mut Tree,
        (from, source): (&Name, Option<Arc<Projected>>),
        (to, target): (&Name, Option<Arc<Projected>>),
    ) -> nix::Result<()> {
        match (source, target) {
            (None, None) => self.rename_lower(tree, from, to, RenameFlags::RENAME_EXCHANGE),
            (Some(source), Some(target)) if same(&source, &target) => Ok(()),
            (Some(source), Some(target)) => {
                self.move_projected(tree, source, from, to)?;
                target.state().ctime = self.clock.now();
                tree.insert(from.clone(), target);
                Ok(())
            }
            (Some(file), None) => self.exchange_with_lower(tree, (from, file), to),
            (None, Some(file)) => self.exchange_with_lower(tree, (to, file), from),
        }
    }

    fn exchange_with_lower(
        &self,
        tree: &mut Tree,
        (from, file): (&Name, Arc<Projected>),
        lower: &Name,
    ) -> nix::Result<()> {
        self.rename_lower(tree, lower, from, RenameFlags::empty())?;
        self.move_projected(tree, file, from, lower)
    }

    /// Renames within the lower tree and keeps known what the kernel knows.
    fn rename_lower(
        &self,
        tree: &mut Tree,
        from: &Name,
        to: &Name,
        flags: RenameFlags,
    ) -> nix::Result<()> {
        let moved = from.directory.stat_of(&from.name)?;
        let lost = to.directory.find(&to.name)?;
        let exchange = flags.contains(RenameFlags::RENAME_EXCHANGE);
        let mut pin = None;
        if let Some(lost) = &lost
            && LowerId::from(lost) != LowerId::from(&moved)
            && !exchange
        {
            refuse_full(tree, lost)?;
            pin = self.pin(&to.directory, &to.name, lost)?;
        }
        let (old, new) = (from.name.as_os_str(), to.name.as_os_str());
        renameat2(&from.directory, old, &to.directory, new, flags)?;
        if is_directory(&moved) || lost.as_ref().is_some_and(is_directory) {
            tree.note_moved_directories();
        }
        let mut nodes = self.nodes();
        match &lost {
            // Two names of one file: rename(2) leaves both.
            Some(lost) if !exchange && LowerId::from(lost) == LowerId::from(&moved) => {
                return Ok(());
            }
            Some(lost) => {
                let lost = LowerId::from(lost);
                if exchange {
                    nodes.add_name(lost, &from.directory, old);
                }
                nodes.remove_name(lost, &to.directory, new, pin);
            }
            None => {}
        }
        let moved = LowerId::from(&moved);
        nodes.add_name(moved, &to.directory, new);
        nodes.remove_name(moved, &from.directory, old, None);
        Ok(())
    }
}

fn is_directory(stat: &FileStat) -> bool {
    stat.st_mode & libc::S_IFMT == libc::S_IFDIR
}
