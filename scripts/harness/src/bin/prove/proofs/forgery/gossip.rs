//! Serf's gossip as any host on the network can send it: announcements that a member is alive, dead, or leaving.
//!
//! A packet of memberlist (net.go, state.go) is one byte for its kind and a MessagePack map whose keys are the names
//! of Go's fields. A message of Serf's own is inside such a packet and has its own kind. Without an encryption key,
//! the agent accepts packets from any host. Only four kinds of values are needed, so they are encoded here; the crate
//! rmp would be more to read.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

use harness::network::subnet::GOSSIP_PORT;
use harness::{Result, system};

const ALIVE: u8 = 4;
const DEAD: u8 = 5;
const USER: u8 = 8;
/// Serf's first message type: a member intends to leave.
const LEAVE: u8 = 0;
/// The first byte of encoded tags. Without it, Serf takes the bytes as a role, as in its first versions.
const TAGS: u8 = 0xff;
/// The least, largest and own version of memberlist's protocol and of Serf's, as Serf 0.9 and 0.10 send them.
const VERSIONS: [u8; 6] = [1, 5, 2, 2, 5, 5];
const INCARNATION: u32 = 1;
/// A larger packet does not fit into a UDP packet.
const LARGEST: usize = 60_000;

/// The values that a forged member announces. Any of them may be invalid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lie {
    /// Its name.
    pub name: Vec<u8>,
    /// Its address: 4 or 16 bytes if it is valid.
    pub address: Vec<u8>,
    /// Its tags, or bytes that are not tags.
    pub meta: Meta,
}

/// The content in place of the tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meta {
    /// Tags.
    Tags(Vec<(Vec<u8>, Vec<u8>)>),
    /// Any bytes.
    Bytes(Vec<u8>),
}

/// A host on the network that announces members that do not exist.
pub struct Forger {
    socket: UdpSocket,
    agent: SocketAddr,
}

impl Forger {
    /// A host at the address `at` that sends to an agent.
    pub fn new(at: Ipv4Addr, agent: Ipv4Addr) -> Result<Forger> {
        let socket = UdpSocket::bind((at, 0)).map_err(system("listen at", at))?;
        Ok(Forger { socket, agent: SocketAddr::from((agent, GOSSIP_PORT)) })
    }

    /// Announces a member.
    pub fn announce(&self, lie: &Lie) -> Result<()> {
        let mut packet = vec![ALIVE];
        map(&mut packet, 6);
        field(&mut packet, "Incarnation", |to| number(to, INCARNATION));
        field(&mut packet, "Node", |to| raw(to, &lie.name));
        field(&mut packet, "Addr", |to| raw(to, &lie.address));
        field(&mut packet, "Port", |to| number(to, GOSSIP_PORT.into()));
        field(&mut packet, "Meta", |to| raw(to, &lie.meta.pack()));
        field(&mut packet, "Vsn", |to| raw(to, &VERSIONS));
        self.send(&packet)
    }

    /// Declares a member dead.
    pub fn fail(&self, name: &[u8]) -> Result<()> {
        self.dead(name, b"another")
    }

    /// Announces that a member intends to leave, and then that it has gone.
    pub fn leave(&self, name: &[u8]) -> Result<()> {
        let mut packet = vec![USER, LEAVE];
        map(&mut packet, 2);
        field(&mut packet, "LTime", |to| number(to, 1));
        field(&mut packet, "Node", |to| raw(to, name));
        self.send(&packet)?;
        self.dead(name, name)
    }

    fn dead(&self, name: &[u8], from: &[u8]) -> Result<()> {
        let mut packet = vec![DEAD];
        map(&mut packet, 3);
        field(&mut packet, "Incarnation", |to| number(to, INCARNATION));
        field(&mut packet, "Node", |to| raw(to, name));
        field(&mut packet, "From", |to| raw(to, from));
        self.send(&packet)
    }

    fn send(&self, packet: &[u8]) -> Result<()> {
        let packet = &packet[..packet.len().min(LARGEST)];
        self.socket.send_to(packet, self.agent).map(drop).map_err(system("send to", self.agent))
    }
}

impl Meta {
    fn pack(&self) -> Vec<u8> {
        match self {
            Meta::Bytes(bytes) => bytes.clone(),
            Meta::Tags(tags) => {
                let mut packed = vec![TAGS];
                map(&mut packed, tags.len());
                for (key, value) in tags {
                    raw(&mut packed, key);
                    raw(&mut packed, value);
                }
                packed
            }
        }
    }
}

fn field(to: &mut Vec<u8>, name: &str, value: impl FnOnce(&mut Vec<u8>)) {
    raw(to, name.as_bytes());
    value(to);
}

fn map(to: &mut Vec<u8>, pairs: usize) {
    match pairs {
        0..16 => to.push(0x80 | pairs as u8),
        _ => {
            to.push(0xde);
            to.extend((pairs as u16).to_be_bytes());
        }
    }
}

fn raw(to: &mut Vec<u8>, bytes: &[u8]) {
    match bytes.len() {
        length @ 0..32 => to.push(0xa0 | length as u8),
        length @ 32..0x1_0000 => {
            to.push(0xda);
            to.extend((length as u16).to_be_bytes());
        }
        length => {
            to.push(0xdb);
            to.extend((length as u32).to_be_bytes());
        }
    }
    to.extend(bytes);
}

fn number(to: &mut Vec<u8>, number: u32) {
    to.push(0xce);
    to.extend(number.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_packed_as_message_pack_has_them() {
        let tags = Meta::Tags(vec![(b"role".to_vec(), b"web".to_vec())]);
        assert_eq!(tags.pack(), b"\xff\x81\xa4role\xa3web");
        let mut packed = Vec::new();
        number(&mut packed, 258);
        raw(&mut packed, &[7; 40]);
        assert_eq!(packed[..8], [0xce, 0, 0, 1, 2, 0xda, 0, 40]);
        map(&mut packed, 20);
        assert_eq!(packed[48..], [0xde, 0, 20]);
    }
}
