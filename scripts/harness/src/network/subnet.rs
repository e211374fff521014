//! Loopback addresses for one run: a 127.A.B.0/24 that no other run on this machine uses.
//!
//! On Linux all of 127.0.0.0/8 can be used without any setup, so every daemon gets its own address and uses its usual
//! ports. A run claims a subnet by binding a socket in it: only one run can hold the socket, and the kernel closes it
//! however the run ends.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::run::error::{Error, Result};

/// The port of Serf's gossip on every address.
pub const GOSSIP_PORT: u16 = 7946;

// Below the kernel's range of ephemeral ports, so that no client gets this port by chance.
const CLAIM_PORT: u16 = 27_373;
const SECOND_BYTES: std::ops::Range<u32> = 64..128;

/// A claimed 127.A.B.0/24.
#[derive(Debug)]
pub struct Subnet {
    prefix: [u8; 3],
    next: AtomicU8,
    _claim: UdpSocket,
}

impl Subnet {
    /// Claims a free subnet. The search starts at an arbitrary one.
    pub fn claim() -> Result<Subnet> {
        let size = SECOND_BYTES.len() as u32 * 256;
        let start = anywhere() % size;
        let subnets = (0..size).map(|step| (start + step) % size);
        let prefixes = subnets.map(|n| [127, (SECOND_BYTES.start + n / 256) as u8, (n % 256) as u8]);
        let mut claims = prefixes.filter_map(claim_prefix);
        claims.next().ok_or_else(|| Error::Unfit("cannot claim a 127.A.B.0/24: all are taken".to_owned()))
    }

    /// The address 127.A.B.`host`.
    pub fn host(&self, host: u8) -> Ipv4Addr {
        let [a, b, c] = self.prefix;
        Ipv4Addr::new(a, b, c, host)
    }

    /// The next unused address, from 127.A.B.11 on. After 240 addresses it starts again from the first.
    pub fn next_host(&self) -> Ipv4Addr {
        let step = |last: u8| Some(if last >= 250 { 11 } else { last + 1 });
        let last = self.next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, step);
        self.host(last.unwrap_or_else(|last| last))
    }
}

fn claim_prefix(prefix: [u8; 3]) -> Option<Subnet> {
    let [a, b, c] = prefix;
    let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(a, b, c, 254)), CLAIM_PORT);
    let claim = UdpSocket::bind(address).ok()?;
    Some(Subnet { prefix, next: AtomicU8::new(11), _claim: claim })
}

/// A number that differs between runs that start at the same time, so that they seldom try the same subnet.
fn anywhere() -> u32 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.subsec_nanos());
    now.rotate_left(7) ^ std::process::id().wrapping_mul(2_654_435_761)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claimed_subnet_cannot_be_claimed_again_until_it_is_dropped() {
        let subnet = Subnet::claim().unwrap();
        let prefix = subnet.prefix;
        assert!(claim_prefix(prefix).is_none());
        drop(subnet);
        assert!(claim_prefix(prefix).is_some());
    }

    #[test]
    fn many_claims_are_all_different() {
        let subnets: Vec<Subnet> = (0..50).map(|_| Subnet::claim().unwrap()).collect();
        let mut prefixes: Vec<[u8; 3]> = subnets.iter().map(|s| s.prefix).collect();
        prefixes.sort_unstable();
        prefixes.dedup();
        assert_eq!(prefixes.len(), 50);
    }

    #[test]
    fn addresses_are_given_once_each() {
        let subnet = Subnet::claim().unwrap();
        assert_eq!(subnet.next_host(), subnet.host(11));
        assert_eq!(subnet.next_host(), subnet.host(12));
    }
}
