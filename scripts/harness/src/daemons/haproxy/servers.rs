//! The servers of a configuration and those that HAProxy has in service, so that the two can be compared.

use std::collections::BTreeMap;
use std::net::SocketAddr;

/// SRV_ADMF_FMAINT in `show servers state`.
const MAINTENANCE: u32 = 0x01;

/// Addresses of servers, by name.
pub type Servers = BTreeMap<String, SocketAddr>;

/// The servers of a configuration.
pub fn servers_of(text: &str) -> Servers {
    let server = |line: &str| {
        let mut words = line.split_whitespace();
        let (keyword, name, address) = (words.next()?, words.next()?, words.next()?);
        (keyword == "server").then_some((name.to_owned(), address.parse().ok()?))
    };
    text.lines().filter_map(server).collect()
}

/// The servers in an answer to `show servers state` that are not in maintenance; `None` if it is not a valid answer.
pub fn servers_in_service(answer: &str) -> Option<Servers> {
    let mut lines = answer.lines().filter(|line| !line.is_empty());
    let header: Vec<&str> = lines.nth(1)?.strip_prefix("# ")?.split(' ').collect();
    let column = |name| header.iter().position(|column| *column == name);
    let at = [column("srv_name")?, column("srv_addr")?, column("srv_port")?, column("srv_admin_state")?];
    let mut servers = Servers::new();
    for line in lines {
        let values: Vec<&str> = line.split(' ').collect();
        let [name, address, port, admin] = at.map(|at| values.get(at).copied().unwrap_or_default());
        if admin.parse::<u32>().ok()? & MAINTENANCE == 0 {
            servers.insert(name.to_owned(), SocketAddr::new(address.parse().ok()?, port.parse().ok()?));
        }
    }
    Some(servers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_of_a_file_and_those_in_service_can_be_compared() {
        let text = "backend nodes\n    # server x\n    server s1 127.0.0.1:3000 check\n";
        let answer = "1\n# be_id srv_name srv_addr srv_admin_state srv_port\n2 s1 127.0.0.1 0 3000\n\
                      2 s2 127.0.0.2 1 3000\n\n";
        assert_eq!(servers_of(text).len(), 1);
        assert_eq!(servers_in_service(answer), Some(servers_of(text)));
        assert_eq!(servers_in_service("Permission denied\n"), None);
    }
}
