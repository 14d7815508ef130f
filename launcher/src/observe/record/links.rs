//! Symbolic links on the way to what a run looks at. They are inputs as well:
//! compilers write canonical names into what they produce.

use std::ffi::{CStr, CString};

use nix::fcntl::AtFlags;
use zccache_core::report::Seen;
use zccache_core::{OsBytes, Stamp};

use super::ledger::{Ledger, Look, now, seen};

impl Ledger {
    /// Notes each symbolic link among the directories above the absolute `path`.
    pub(super) fn walk_directories(&mut self, path: &[u8]) {
        let Some(end) = path.iter().rposition(|&byte| byte == b'/') else { return };
        let parent = &path[..end];
        if parent.is_empty() || self.walked.contains(parent) {
            return;
        }
        // From the end, because what was walked was walked with all above it.
        self.walk_directories(parent);
        self.walked.insert(parent.into());
        let Ok(parent) = CString::new(parent) else { return };
        self.walk_final(&parent);
    }

    /// Notes that `path` is a link to `target`, and what lies on the way there.
    pub(super) fn walk_link(&mut self, path: &CStr, target: &OsBytes, at: Stamp) {
        let known = |ledger: &Self| {
            ledger.paths.get(path.to_bytes()).is_some_and(|record| record.unfollowed.is_some())
        };
        if known(self) {
            return;
        }
        self.note(
            path.to_bytes(),
            false,
            Look { seen: Seen::Symlink(target.clone()), at, order: 0 },
        );
        if let Some(next) = beside(path.to_bytes(), target.as_bytes()) {
            self.walk_directories(next.to_bytes());
            self.walk_final(&next);
        }
    }

    fn walk_final(&mut self, path: &CStr) {
        let at = now();
        if let Seen::Symlink(target) = seen(path, AtFlags::AT_SYMLINK_NOFOLLOW) {
            self.walk_link(path, &target, at);
        }
    }
}

/// The path that the text of a link at `path` means.
fn beside(path: &[u8], target: &[u8]) -> Option<CString> {
    if target.starts_with(b"/") {
        return CString::new(target).ok();
    }
    let end = path.iter().rposition(|&byte| byte == b'/')?;
    CString::new([&path[..=end], target].concat()).ok()
}
