//! Which files a process may read.

use std::os::fd::{AsFd, AsRawFd};

use nix::unistd::{getegid, getgroups};

/// `CAP_DAC_OVERRIDE` and `CAP_DAC_READ_SEARCH` (`capabilities(7)`).
const READS_ANYTHING: u64 = 1 << 1 | 1 << 2;

/// Most groups of a peer that are looked at.
const GROUPS: usize = 128;

/// By what else than its user the daemon may read files.
pub(crate) struct Rights {
    capabilities: u64,
    groups: Vec<libc::gid_t>,
}

impl Rights {
    /// Those of this process.
    pub(crate) fn own() -> Self {
        let groups = getgroups().unwrap_or_default().into_iter().chain([getegid()]);
        Self {
            capabilities: own_capabilities().unwrap_or(0),
            groups: groups.map(nix::unistd::Gid::as_raw).collect(),
        }
    }

    /// Whether a process of the same user, with these capabilities, that has connected from the
    /// group `gid` may read fewer files.
    pub(crate) fn exceed(&self, capabilities: u64, gid: libc::gid_t, socket: impl AsFd) -> bool {
        if self.capabilities & READS_ANYTHING != 0 {
            return self.capabilities & !capabilities & READS_ANYTHING != 0;
        }
        // Kernels before Linux 4.13 do not tell.
        let Some(theirs) = groups_of_peer(socket) else { return false };
        !self.groups.iter().all(|own| *own == gid || theirs.contains(own))
    }
}

/// The effective capabilities of this process (`proc_pid_status(5)`).
fn own_capabilities() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

/// The supplementary groups of a peer when it connected (`SO_PEERGROUPS`); none if it is in
/// too many, which is then as if it were in none.
fn groups_of_peer(socket: impl AsFd) -> Option<Vec<libc::gid_t>> {
    let mut groups = [0; GROUPS];
    let mut length = libc::socklen_t::try_from(size_of_val(&groups)).ok()?;
    // SAFETY: the kernel writes no more than `length` bytes to `groups`, and how many to `length`.
    let status = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERGROUPS,
            groups.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    let count = usize::try_from(length).ok()? / size_of::<libc::gid_t>();
    match status {
        0 => Some(groups[..count.min(GROUPS)].to_vec()),
        _ if nix::errno::Errno::last() == nix::errno::Errno::ERANGE => Some(Vec::new()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_in_fewer_groups_may_read_fewer_files() {
        let (socket, _peer) = std::os::unix::net::UnixStream::pair().unwrap();
        let gid = getegid().as_raw();
        let mut rights = Rights { capabilities: 0, groups: Rights::own().groups };
        assert!(!rights.exceed(0, gid, &socket));
        rights.groups.push(4_000_000_000);
        assert!(rights.exceed(0, gid, &socket));
        assert!(!Rights { capabilities: READS_ANYTHING, ..rights }.exceed(u64::MAX, gid, &socket));
    }
}
