//! Before a reload: what `haproxy -c` says, and what it passes though a start would die of it.
//!
//! A reload that HAProxy refuses is not harmless. A `bind` that somebody else holds stops all listeners
//! for two seconds of retries; a missing `chroot` kills the service up to 3.0. Both pass `-c`.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use common::command;
use common::failure::{Code, Failure};
use common::messages::Messages;
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
use crate::reload::preflight_host::obstacle;

/// Runs `haproxy -c` on the files of the running process, with its environment. Gives how long it took,
/// which is about how long HAProxy will take to load them.
pub(crate) fn check(
    config: &Config,
    instance: &Instance,
    program: &Path,
    timeout: Duration,
    messages: &mut Messages,
) -> Result<Duration, Failure> {
    let start = Instant::now();
    let mut command = command_like(instance.main.as_ref(), program);
    command.arg("-c");
    for file in files(config, instance.main.as_ref()) {
        command.arg("-f").arg(file);
    }
    let outcome = command::run(&mut command, timeout);
    let outcome = outcome.map_err(|err| {
        Failure::new(
            Code::Haproxy,
            format!("cannot run '{}': {err}; name it with --haproxy", program.display()),
        )
    })?;
    let refusal = match outcome.status {
        Some(status) if status.success() => return Ok(start.elapsed()),
        Some(_) => "haproxy -c refuses it, see its words above".to_owned(),
        None => format!("haproxy -c did not end within {timeout:?}; see --timeout"),
    };
    say_words(&outcome.words, messages);
    Err(cannot_load(config, &refusal))
}

fn cannot_load(config: &Config, reason: &str) -> Failure {
    let path = config.path.display();
    Failure::new(Code::Haproxy, format!("cannot load '{path}': {reason}; what runs goes on"))
}

/// HAProxy's own words, a line each.
pub(crate) fn say_words(words: &str, messages: &mut Messages) {
    for line in words.lines().filter(|line| !line.trim().is_empty()) {
        messages.warn(format!("haproxy: {line}"));
    }
}

/// A command that finds files and variables as `process` does, if that is to be trusted.
pub(crate) fn command_like(process: Option<&Process>, program: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir("/");
    if let Some(process) = process.filter(|process| process.is_trusted()) {
        let environment = process.environment();
        if !environment.is_empty() {
            command.env_clear().envs(environment);
        }
        command.current_dir(process.directory());
    }
    command
}

/// The files that the process was started on, or the configuration alone.
fn files(config: &Config, process: Option<&Process>) -> Vec<PathBuf> {
    match process {
        Some(process) if process.is_trusted() && process.runs(&config.path) => {
            process.files().into_iter().map(Path::to_owned).collect()
        }
        _ => vec![config.path.clone()],
    }
}

/// Looks for what a start would die of. Whatever cannot be judged from here passes.
pub(crate) fn look_ahead(config: &Config, instance: &Instance) -> Result<(), Failure> {
    let Some(main) = &instance.main else { return Ok(()) };
    let obstacle = missing_chroot(&config.facts, main).or_else(|| obstacle(&config.facts, instance));
    let obstacle = obstacle.or_else(|| {
        // The kernel lets only the same user share a port, and ports are of one network namespace.
        let can_judge = main.shares("net") && main.is_callers() && !config.facts.shares_no_port;
        // Where it may be allowed more than this program is, a refusal says nothing.
        let may_not = instance.is_master
            && Rights::of(&main.pid.to_string()).is_some_and(|rights| !rights.can(Rights::LOW_PORTS));
        can_judge.then(|| taken_address(&listeners(&config.facts, main), may_not)).flatten()
    });
    obstacle.map_or(Ok(()), |obstacle| Err(cannot_load(config, &obstacle)))
}

/// All TCP addresses on which HAProxy will listen: those of its `bind` lines, and its own as a peer.
fn listeners(facts: &ConfigFacts, main: &Process) -> Vec<(usize, SocketAddr)> {
    let host = gethostname().unwrap_or_default();
    let named = main.option("-L").into_iter().next_back().map(|name| name.as_os_str().to_owned());
    let own = facts.local_peer.as_ref().map(OsString::from).or(named).unwrap_or(host);
    let peers = facts.peers.iter().filter(|(_, name, _)| own == name.as_str());
    facts.binds.iter().copied().chain(peers.map(|(line, _, address)| (*line, *address))).collect()
}

fn missing_chroot(facts: &ConfigFacts, main: &Process) -> Option<String> {
    let chroot = facts.chroot.as_ref()?;
    let is_missing = main.place(chroot).is_some_and(|place| !place.is_dir());
    is_missing.then(|| format!("its chroot '{}' is no directory", chroot.display()))
}

/// `may_not` says that HAProxy has no right to low ports.
fn taken_address(listeners: &[(usize, SocketAddr)], may_not: bool) -> Option<String> {
    listeners.iter().find_map(|(line, address)| {
        let reason = match probe(*address) {
            Err(Errno::EADDRINUSE) => "another program holds it",
            Err(Errno::EADDRNOTAVAIL) => "this host does not have that address",
            Err(Errno::EACCES) if may_not => "HAProxy is not root and may not have that port",
            _ => return None,
        };
        Some(format!("line {line}: cannot bind {address}: {reason}"))
    })
}

/// Binds as HAProxy would, beside its own listeners, and does not listen: a listening probe would take
/// connections away from them.
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
        assert_eq!(taken, Some(format!("line 2: cannot bind {address}: another program holds it")));
        drop(other);
        assert_eq!(taken_address(&facts(&format!("frontend x\n bind {address}\n")).binds, false), None);
    }

    #[test]
    fn an_address_that_the_host_lacks_is_seen() {
        let taken = taken_address(&facts("frontend x\n bind 192.0.2.1:80\n").binds, false);
        assert!(taken.is_some_and(|taken| taken.ends_with("this host does not have that address")));
    }
}
