//! Whether two frontends would listen on one address. HAProxy accepts that, and the kernel then gives each of them some of
//! the connections.

use std::net::IpAddr;

use super::service::Service;
use crate::setting_path::Wrong;

/// Prefixes that say no more than the address does.
const PREFIXES: [&str; 5] = ["ipv4@", "ipv6@", "tcp@", "tcp4@", "tcp6@"];

/// Refuses a service of TCP whose address another frontend has: one of `binds`, or that of a service with another bind.
pub(super) fn check(services: &[Service], binds: &[String]) -> Result<(), Wrong> {
    let tcp: Vec<(&Service, &str)> =
        services.iter().filter_map(|service| Some((service, service.text("bind")?))).collect();
    for (place, (service, bind)) in tcp.iter().enumerate() {
        let before = tcp[..place].iter().map(|(_, other)| *other).filter(|other| other != bind);
        let mut others = binds.iter().map(String::as_str).chain(before);
        if let Some(address) = others.find_map(|other| shared(bind, other)) {
            let reason = format!("another frontend already listens at '{address}'");
            return Err(Wrong::new(&service.path("bind"), reason));
        }
    }
    Ok(())
}

/// The first address of one `bind` that another one has, too. Both have passed the check of their kind.
fn shared<'b>(one: &'b str, other: &str) -> Option<&'b str> {
    one.split(',').find(|part| other.split(',').any(|with| overlap(part, with)))
}

fn overlap(one: &str, other: &str) -> bool {
    match (listener(one), listener(other)) {
        (Some(one), Some(other)) => {
            let hosts = one.host == other.host || one.host.is_none() || other.host.is_none();
            hosts && one.first <= other.last && other.first <= one.last
        }
        _ => one == other,
    }
}

/// An address with ports. A host of `None` is every address.
struct Listener<'b> {
    host: Option<Host<'b>>,
    first: u16,
    last: u16,
}

#[derive(PartialEq)]
enum Host<'b> {
    Ip(IpAddr),
    Name(&'b str),
}

/// Reads an address. `None` is a socket, or a file descriptor.
fn listener(text: &str) -> Option<Listener<'_>> {
    let text = PREFIXES.iter().find_map(|prefix| text.strip_prefix(prefix)).unwrap_or(text);
    if text.contains(['/', '@']) {
        return None;
    }
    let (host, ports) = text.rsplit_once(':')?;
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let host = match (host, host.parse::<IpAddr>()) {
        ("" | "*" | "0", _) => None,
        // Whether `::` also means all IPv4 addresses depends on the system.
        (_, Ok(ip)) => Some(ip).filter(|ip| !ip.is_unspecified()).map(Host::Ip),
        (name, Err(_)) => Some(Host::Name(name)),
    };
    Some(Listener { host, first: first.parse().ok()?, last: last.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_overlap_are_found_however_they_are_written() {
        for (one, other, found) in [
            (":80", ":80", Some(":80")),
            (":80", "127.0.0.1:80", Some(":80")),
            ("127.0.0.1:443,127.0.0.1:80", "ipv4@127.0.0.1:80", Some("127.0.0.1:80")),
            ("*:8000-8010", "10.0.0.1:8010", Some("*:8000-8010")),
            ("[::1]:80", "0.0.0.0:80", Some("[::1]:80")),
            ("[::1]:80", "[0:0::1]:80", Some("[::1]:80")),
            ("/run/a.sock", "/run/a.sock", Some("/run/a.sock")),
            (":80", ":81", None),
            ("127.0.0.1:80", "127.0.0.2:80", None),
            ("a:80", "b:80", None),
            ("/run/a.sock", ":80", None),
            ("abns@web", "/run/web", None),
        ] {
            assert_eq!(shared(one, other), found, "{one} {other}");
        }
    }
}
