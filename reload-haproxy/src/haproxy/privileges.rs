//! What a process may do, as /proc shows it: its users, capabilities and limit of open files.

use std::fs;

/// What a process may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rights {
    /// Real, effective, saved.
    pub(crate) users: Vec<u32>,
    pub(crate) groups: Vec<u32>,
    /// Its hard limit of open files.
    pub(crate) files: Option<u64>,
    capabilities: u64,
}

impl Rights {
    // capabilities(7), numbered as in linux/capability.h.
    pub(crate) const ACCESS_ANY: u32 = 1;
    pub(crate) const READ_ANY: u32 = 2;
    pub(crate) const SETGID: u32 = 6;
    pub(crate) const SETUID: u32 = 7;
    pub(crate) const LOW_PORTS: u32 = 10;
    pub(crate) const CHROOT: u32 = 18;
    pub(crate) const RESOURCE: u32 = 24;

    /// Those of the process `pid`, or of this one (`self`), if they can be read.
    pub(crate) fn of(pid: &str) -> Option<Rights> {
        let read = |name| fs::read_to_string(format!("/proc/{pid}/{name}")).ok();
        parse_rights(&read("status")?, &read("limits").unwrap_or_default())
    }

    /// Whether it has a capability, in effect or permitted.
    pub(crate) fn can(&self, capability: u32) -> bool {
        self.capabilities >> capability & 1 == 1
    }
}

#[cfg(test)]
impl Rights {
    /// Those of a process of these users with these capabilities.
    pub(crate) fn with(users: [u32; 3], capabilities: u64) -> Rights {
        Rights { users: users.to_vec(), groups: Vec::new(), files: None, capabilities }
    }
}

/// Reads /proc/PID/status and /proc/PID/limits (proc(5)).
fn parse_rights(status: &str, limits: &str) -> Option<Rights> {
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let ids = |name| {
        let ids = field(name)?.split_whitespace().take(3);
        ids.map(|id| id.parse().ok()).collect::<Option<Vec<u32>>>()
    };
    let files = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    Some(Rights {
        users: ids("Uid")?,
        groups: ids("Gid")?,
        files: files.and_then(|files| files.split_whitespace().nth(1)?.parse().ok()),
        capabilities: u64::from_str_radix(field("CapPrm")?.trim(), 16).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_are_read() {
        let status = "Name:\thaproxy\nUid:\t33\t33\t33\t33\nGid:\t7\t8\t9\t9\nCapPrm:\t0000000000000480\n";
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max open files            1024                 20000                files     \n";
        let rights = parse_rights(status, limits).unwrap();
        assert_eq!((rights.users.clone(), rights.groups.clone()), (vec![33, 33, 33], vec![7, 8, 9]));
        assert_eq!(rights.files, Some(20_000));
        assert!(rights.can(Rights::SETUID) && rights.can(Rights::LOW_PORTS) && !rights.can(Rights::CHROOT));
    }
}
