//! The variables of the shipped scripts on a balancer.

use std::ffi::OsString;
use std::path::Path;

use crate::run::error::Result;
use crate::run::programs;

/// The variables, each once.
#[derive(Clone, Debug, Default)]
pub(super) struct Environment(Vec<(String, OsString)>);

impl Environment {
    /// Those of a balancer with all its files in `directory`. `set` is the value of ROLLCALL_SET, and `rpc` is where its
    /// Serf agent takes commands.
    pub(super) fn of_balancer(name: &str, directory: &Path, set: &str, rpc: &str) -> Result<Environment> {
        let within = |name: &str| directory.join(name).into_os_string();
        let pairs: [(&str, OsString); 10] = [
            ("ROLLCALL_BIN", programs::bin_dir()?.into()),
            ("NODES_DIR", within("nodes")),
            ("ROLLCALL_TEMPLATE", programs::shipped("render-cfg/templates/haproxy.cfg.tera").into()),
            ("ROLLCALL_CONFIG", within("haproxy.cfg")),
            ("ROLLCALL_SET", set.into()),
            ("ROLLCALL_SELF", name.into()),
            ("ROLLCALL_LOG", within("rollcall.log")),
            ("ROLLCALL_STATE_DIR", within("state")),
            ("ROLLCALL_HAPROXY", programs::find("haproxy")?.into()),
            ("SERF_RPC_ADDR", rpc.into()),
        ];
        Ok(Environment(pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()))
    }

    pub(super) fn set(&mut self, key: &str, value: OsString) {
        self.0.retain(|(known, _)| known != key);
        self.0.push((key.to_owned(), value));
    }

    /// The value of a variable; empty if it is not set.
    pub(super) fn get(&self, name: &str) -> OsString {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()).unwrap_or_default()
    }

    pub(super) fn pairs(&self) -> &[(String, OsString)] {
        &self.0
    }
}
