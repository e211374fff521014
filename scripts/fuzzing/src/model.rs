//! A model of HAProxy's servers and of the commands that change them: what each does, and when HAProxy rejects it.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use crate::simple_config::{Options, Servers};

/// Servers by their names at the socket, `backend/server`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    pub(crate) servers: BTreeMap<String, Live>,
}

/// A server as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Live {
    pub(crate) endpoint: Option<SocketAddr>,
    pub(crate) weight: u32,
    pub(crate) is_in_maintenance: bool,
    /// `None` if only the start of HAProxy decides it.
    pub(crate) maxconn: Option<u32>,
    /// The options with which it was added; `None` if HAProxy started with it.
    pub(crate) options: Option<Options>,
}

impl Model {
    /// The model of a HAProxy that has just started with these servers.
    pub(crate) fn begun(servers: &Servers) -> Model {
        let live = servers.iter().map(|(key, server)| {
            let live = Live {
                endpoint: Some(server.endpoint),
                weight: server.number("weight", 1),
                is_in_maintenance: server.is_disabled(),
                maxconn: Some(server.number("maxconn", 0)),
                options: None,
            };
            (key.clone(), live)
        });
        Model { servers: live.collect() }
    }

    /// The model of a HAProxy that started with `begun` and now gives this answer to `show servers state`. `None` if
    /// the answer is invalid.
    pub(crate) fn answering(answer: &str, begun: &Servers) -> Option<Model> {
        let mut lines = answer.lines().skip_while(|line| *line != "1").skip(1);
        let columns: Vec<&str> = lines.next()?.strip_prefix("# ")?.split(' ').collect();
        let mut model = Model::default();
        for line in lines.filter(|line| !line.is_empty()) {
            let fields: BTreeMap<&str, &str> = columns.iter().copied().zip(line.split(' ')).collect();
            let number = |name: &str| fields.get(name)?.parse::<u32>().ok();
            let key = format!("{}/{}", fields.get("be_name")?, fields.get("srv_name")?);
            let address: Option<IpAddr> = fields.get("srv_addr")?.parse().ok();
            let port = u16::try_from(number("srv_port")?).ok()?;
            let live = Live {
                endpoint: address.map(|address| SocketAddr::new(address, port)),
                weight: number("srv_uweight")?,
                is_in_maintenance: number("srv_admin_state")? & 1 != 0,
                maxconn: begun.get(&key).map(|server| server.number("maxconn", 0)),
                options: None,
            };
            // HAProxy never has two servers with the same name.
            if model.servers.insert(key, live).is_some() {
                return None;
            }
        }
        Some(model)
    }

    /// Its answer to `show servers state`.
    pub(crate) fn answer(&self) -> String {
        let mut answer =
            "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight \
                          srv_port\n"
                .to_owned();
        for (number, (key, live)) in self.servers.iter().enumerate() {
            let (backend, name) = key.split_once('/').expect("a key has both");
            let endpoint = live.endpoint.expect("a server of a simple configuration has an address");
            let admin = u32::from(live.is_in_maintenance);
            let (ip, port, weight) = (endpoint.ip(), endpoint.port(), live.weight);
            answer += &format!("3 {backend} {} {name} {ip} 2 {admin} {weight} {port}\n", number + 1);
        }
        answer + "\n"
    }

    /// Runs a line of commands. Panics at a command that HAProxy would reject.
    pub(crate) fn obey(&mut self, line: &str) {
        assert!(line.len() <= 16_384 && !line.chars().any(char::is_control), "line {line:?}");
        for command in line.split(';') {
            let words: Vec<&str> = command.split(' ').filter(|word| !word.is_empty()).collect();
            assert!(words.len() <= 64, "command {command}");
            if let ["add", "server", key, address, ref options @ ..] = words[..] {
                let live = added(address, options).unwrap_or_else(|| panic!("cannot add: {command}"));
                assert!(self.servers.insert((*key).to_owned(), live).is_none(), "it is there: {command}");
                continue;
            }
            self.change(&words).unwrap_or_else(|| panic!("cannot do: {command}"));
        }
    }

    fn change(&mut self, words: &[&str]) -> Option<()> {
        let (["set", "maxconn", "server", key, ..] | [_, _, key, ..]) = words else { return None };
        let live = self.servers.get_mut(*key)?;
        match words {
            ["enable", "server", _] => live.is_in_maintenance = false,
            ["disable", "server", _] => live.is_in_maintenance = true,
            ["enable", "health" | "agent", _] | ["set", "server", _, "health", "down"] => {}
            ["set", "server", _, "weight", weight] => live.weight = weight.parse().ok()?,
            ["set", "maxconn", "server", _, maxconn] => live.maxconn = Some(maxconn.parse().ok()?),
            ["set", "server", _, "addr", address, "port", port] => {
                live.endpoint = Some(SocketAddr::new(address.parse().ok()?, port.parse().ok()?));
            }
            _ => return None,
        }
        Some(())
    }
}

/// The result of `add server`: a server in maintenance.
fn added(address: &str, words: &[&str]) -> Option<Live> {
    let mut options = Options::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let is_flag = matches!(*word, "check" | "backup");
        let value = if is_flag { "" } else { words.next()? };
        options.insert((*word).to_owned(), value.to_owned());
    }
    let maxconn = options.get("maxconn").map_or(Some(0), |value| value.parse().ok());
    let weight = options.get("weight")?.parse().ok()?;
    let endpoint = Some(address.parse().ok()?);
    Some(Live { endpoint, weight, is_in_maintenance: true, maxconn, options: Some(options) })
}
