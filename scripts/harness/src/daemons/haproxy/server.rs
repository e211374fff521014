//! A server as it is now in HAProxy: one row of `show stat`.

use std::collections::BTreeMap;

/// A server of a backend, from a row of `show stat`.
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
    /// Its weight; 0 for a server that keeps its sessions and gets no new ones.
    pub weight: u32,
    /// How many requests it has answered.
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

    /// True if it is in maintenance.
    pub fn is_in_maintenance(&self) -> bool {
        self.status.starts_with("MAINT")
    }

    /// True if it gets new requests.
    pub fn is_up(&self) -> bool {
        self.status.starts_with("UP") || self.status == "no check"
    }
}
