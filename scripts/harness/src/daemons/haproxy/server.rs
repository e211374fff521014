//! A server as HAProxy has it now: one row of `show stat`.

use std::collections::BTreeMap;

/// A server of a backend, as `show stat` has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// The backend.
    pub backend: String,
    /// Its name.
    pub name: String,
    /// Address and port.
    pub address: String,
    /// `UP`, `DOWN`, `DRAIN`, `MAINT`, `UP 1/2`, `no check`, ...
    pub status: String,
    /// Its weight; 0 for one that keeps its sessions and gets no new ones.
    pub weight: u32,
    /// Requests that it answered.
    pub requests: u64,
}

impl Server {
    pub(super) fn from_row(mut row: BTreeMap<String, String>) -> Server {
        let mut take = |column: &str| row.remove(column).unwrap_or_default();
        Server {
            backend: take("pxname"),
            name: take("svname"),
            address: take("addr"),
            status: take("status"),
            weight: take("weight").parse().unwrap_or(0),
            requests: take("stot").parse().unwrap_or(0),
        }
    }

    /// True if it was taken out of service.
    pub fn is_in_maintenance(&self) -> bool {
        self.status.starts_with("MAINT")
    }

    /// True if it gets new requests.
    pub fn is_up(&self) -> bool {
        self.status.starts_with("UP") || self.status == "no check"
    }
}
