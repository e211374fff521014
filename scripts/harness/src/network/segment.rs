//! A shared network segment: namespaces on one bridge, as machines on one switch. An address can move between them.
//!
//! As with `namespace`, nothing outside can see it, and the kernel removes everything with the last process of the run.

use std::net::Ipv4Addr;
use std::process::Command;
use std::sync::Arc;

use crate::run::Run;
use crate::run::error::Result;
use crate::run::{process, programs};

/// The namespace of the bridge.
const SWITCH: &str = "switch";
const BRIDGE: &str = "br0";

/// The bridge and the namespaces connected to it. The caller's own namespace is one of them.
#[derive(Debug)]
pub struct Segment {
    run: Arc<Run>,
}

impl Segment {
    /// Makes a segment. The caller, who must be within `namespace::apart`, gets this address on it.
    pub fn new(run: Arc<Run>, address: Ipv4Addr) -> Result<Segment> {
        let segment = Segment { run };
        segment.ip(&format!("netns add {SWITCH}"))?;
        segment.ip(&format!("-n {SWITCH} link add {BRIDGE} type bridge"))?;
        segment.ip(&format!("-n {SWITCH} link set {BRIDGE} up"))?;
        segment.ip("link set lo up")?;
        segment.ip(&format!("link add eth0 type veth peer name own netns {SWITCH}"))?;
        segment.plug("", "own", address)?;
        Ok(segment)
    }

    /// Adds a namespace with this address on its device `eth0`, in a /24.
    pub fn add(&self, namespace: &str, address: Ipv4Addr) -> Result<()> {
        self.ip(&format!("netns add {namespace}"))?;
        self.ip(&format!("-n {namespace} link set lo up"))?;
        self.ip(&format!("-n {SWITCH} link add {namespace} type veth peer name eth0 netns {namespace}"))?;
        self.plug(&format!("-n {namespace} "), namespace, address)
    }

    fn plug(&self, within: &str, port: &str, address: Ipv4Addr) -> Result<()> {
        self.ip(&format!("-n {SWITCH} link set {port} master {BRIDGE} up"))?;
        self.ip(&format!("{within}addr add {address}/24 dev eth0"))?;
        self.ip(&format!("{within}link set eth0 up")).map(drop)
    }

    /// Cuts a namespace off. Its device still has a carrier.
    pub fn unplug(&self, namespace: &str) -> Result<()> {
        self.ip(&format!("-n {SWITCH} link set {namespace} nomaster")).map(drop)
    }

    /// Connects it again.
    pub fn replug(&self, namespace: &str) -> Result<()> {
        self.ip(&format!("-n {SWITCH} link set {namespace} master {BRIDGE}")).map(drop)
    }

    /// Whether a namespace has this address.
    pub fn has(&self, namespace: &str, address: Ipv4Addr) -> Result<bool> {
        let shown = self.ip(&format!("-n {namespace} -4 -o addr show dev eth0"))?;
        Ok(String::from_utf8_lossy(&shown).contains(&format!(" {address}/")))
    }

    fn ip(&self, words: &str) -> Result<Vec<u8>> {
        let mut command = Command::new(programs::find("ip")?);
        process::output(&self.run, command.args(words.split_whitespace()))
    }
}
