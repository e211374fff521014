//! Checks for problems that `haproxy -c` accepts, but that would take the service down. This file checks addresses.
//!
//! A `bind` address that another program holds stops all listeners for two seconds of retries. A problem that this
//! program cannot judge passes.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;

use common::failure::Failure;
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrIn, SockaddrIn6, bind, setsockopt, socket, sockopt,
};
use nix::unistd::gethostname;

use crate::config::facts::ConfigFacts;
use crate::config::file::Config;
use crate::haproxy::instance::Instance;
use crate::haproxy::privileges::Rights;
use crate::haproxy::process::Process;
use crate::reload::check::cannot_load;
use crate::reload::missing::Missing;
use crate::reload::preflight_chroot::missing_chroot;
use crate::reload::preflight_files::missing_file;
use crate::reload::preflight_host;

/// Fails with what would certainly make a start fail.
pub(crate) fn preflight(config: &Config, instance: &Instance) -> Result<(), Failure> {
    let Some(main) = &instance.main else { return Ok(()) };
    let missing =
        missing_chroot(&config.facts, instance).or_else(|| preflight_host::missing(&config.facts, instance));
    let missing = missing.or_else(|| missing_file(config, instance));
    let missing = missing.or_else(|| {
        // Only processes of the same user can share a port, within one network namespace.
        let can_judge = main.shares("net") && main.is_callers() && !config.facts.shares_no_port;
        // If the new worker may have more rights than this program, a failure here proves nothing.
        let may_not = instance.is_master
            && Rights::of(&main.pid.to_string()).is_some_and(|rights| !rights.can(Rights::LOW_PORTS));
        can_judge.then(|| taken_address(&listeners(&config.facts, main), may_not)).flatten()
    });
    missing.map_or(Ok(()), |missing| Err(cannot_load(config, &missing.to_string())))
}

/// All TCP addresses on which HAProxy will listen: those of its `bind` lines, and its own peer address.
fn listeners(facts: &ConfigFacts, main: &Process) -> Vec<(usize, SocketAddr)> {
    let host = gethostname().unwrap_or_default();
    let named = main.option("-L").into_iter().next_back().map(|name| name.as_os_str().to_owned());
    let own = facts.local_peer.as_ref().map(OsString::from).or(named).unwrap_or(host);
    let peers = facts.peers.iter().filter(|(_, name, _)| own == name.as_str());
    facts.binds.iter().copied().chain(peers.map(|(line, _, address)| (*line, *address))).collect()
}

/// `may_not`: HAProxy has no right to low ports.
fn taken_address(listeners: &[(usize, SocketAddr)], may_not: bool) -> Option<Missing> {
    listeners.iter().find_map(|&(line, address)| {
        let why = match probe(address) {
            Err(Errno::EADDRINUSE) => "another program holds it",
            Err(Errno::EADDRNOTAVAIL) => "this host does not have the address",
            Err(Errno::EACCES) if may_not => "HAProxy is not root and may not use the port",
            _ => return None,
        };
        Some(Missing::Address { line, address, why })
    })
}

/// Binds as HAProxy would, beside its listeners, but does not listen: it would take connections from them.
fn probe(address: SocketAddr) -> Result<(), Errno> {
    let family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let probe = socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    if address.is_ipv6() {
        setsockopt(&probe, sockopt::Ipv6V6Only, &true)?;
    }
    setsockopt(&probe, sockopt::ReuseAddr, &true)?;
    setsockopt(&probe, sockopt::ReusePort, &true)?;
    match address {
        SocketAddr::V4(address) => bind(probe.as_raw_fd(), &SockaddrIn::from(address)),
        SocketAddr::V6(address) => bind(probe.as_raw_fd(), &SockaddrIn6::from(address)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    use crate::config::facts::facts;

    #[test]
    fn an_address_that_another_program_holds_is_seen() {
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = other.local_addr().unwrap();
        let taken = taken_address(&facts(&format!("frontend x\n bind {address}\n")).binds, false);
        assert_eq!(taken, Some(Missing::Address { line: 2, address, why: "another program holds it" }));
        drop(other);
        assert_eq!(taken_address(&facts(&format!("frontend x\n bind {address}\n")).binds, false), None);
    }

    #[test]
    fn an_address_that_the_host_lacks_is_seen() {
        let taken = taken_address(&facts("frontend x\n bind 192.0.2.1:80\n").binds, false);
        assert!(
            taken.is_some_and(|taken| taken.to_string().ends_with("this host does not have the address"))
        );
    }
}
