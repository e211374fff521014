//! What HAProxy's checks find of the nodes: the file of `--serving`.
//!
//! HAProxy and Serf reach a server by different paths. A server that HAProxy finds up works, even if Serf has lost it.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::path::Path;

use common::failure::{Code, Failure};
use common::messages::excerpt;
use common::regular_file;

/// The lines of a million members are smaller.
const FILE_MAX: u64 = 256 << 20;

/// The name in a line about all nodes that have no line.
const ALL_OTHERS: &str = "*";

/// What the checks find of a node. If it has several findings, the last in this order counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Finding {
    /// It is not checked, or HAProxy does not have it.
    Unknown,
    /// It is down.
    Down,
    /// It gets requests, but no check has ended yet, as after a reload.
    Starting,
    /// It is up.
    Up,
}

/// The findings of all servers.
#[derive(Debug, Default)]
pub(crate) struct Health {
    findings: HashMap<String, Finding>,
    endpoints: HashMap<String, HashSet<SocketAddr>>,
    /// The finding for each node that is not in the file. `None` is `Unknown`.
    otherwise: Option<Finding>,
}

impl Health {
    /// Reads a file with a line `NAME FINDING [ENDPOINT]` for each server, as `reload-haproxy --health` prints it. If
    /// the file has only the names of the nodes that are up, all others count as down. Without a file all nodes do.
    pub(crate) fn of(file: Option<&Path>) -> Result<Health, Failure> {
        let Some(file) = file else {
            return Ok(Health { otherwise: Some(Finding::Down), ..Health::default() });
        };
        let fail = |code, err: &str| Failure::new(code, format!("cannot read '{}': {err}", file.display()));
        let bytes = regular_file::read(file, FILE_MAX).map_err(|err| fail(Code::Files, &err.to_string()))?;
        Health::parse(&String::from_utf8_lossy(&bytes)).map_err(|err| fail(Code::Input, &err))
    }

    /// Parses the text of such a file. An error names the line.
    pub(crate) fn parse(text: &str) -> Result<Health, String> {
        let mut health = Health::default();
        for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.is_empty()) {
            health.add(line).ok_or_else(|| {
                format!("line {}: '{}' is not NAME FINDING ENDPOINT", index + 1, excerpt(line.as_bytes()))
            })?;
        }
        Ok(health)
    }

    fn add(&mut self, line: &str) -> Option<()> {
        let mut fields = line.split(' ');
        let name = fields.next().filter(|name| is_server_name(name))?;
        let finding = match fields.next() {
            None => {
                self.otherwise = Some(Finding::Down);
                Finding::Up
            }
            Some("up") => Finding::Up,
            Some("starting") => Finding::Starting,
            Some("down") => Finding::Down,
            Some("unknown") => Finding::Unknown,
            Some(_) => return None,
        };
        if let Some(endpoint) = fields.next() {
            self.endpoints.entry(name.to_owned()).or_default().insert(endpoint.parse().ok()?);
        }
        if name == ALL_OTHERS {
            self.otherwise = Some(finding);
        }
        let known = self.findings.entry(name.to_owned()).or_insert(finding);
        *known = finding.max(*known);
        fields.next().is_none().then_some(())
    }

    /// Why a lost node whose server is not found down stays. A line about all others stands for a HAProxy that does not
    /// answer.
    pub(crate) fn reason_to_keep(&self) -> &'static str {
        match self.otherwise {
            Some(Finding::Starting) => "and HAProxy cannot be asked",
            _ => "but seen up",
        }
    }

    /// What the checks find of the node called `name`.
    pub(crate) fn finding(&self, name: &str) -> Finding {
        self.findings.get(name).copied().or(self.otherwise).unwrap_or(Finding::Unknown)
    }

    /// Where HAProxy reaches the node called `name`.
    pub(crate) fn endpoints(&self, name: &str) -> impl Iterator<Item = SocketAddr> + '_ {
        self.endpoints.get(name).into_iter().flatten().copied()
    }
}

/// Whether HAProxy would take `name` for a server. Any other text is not such a file.
fn is_server_name(name: &str) -> bool {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte);
    name == ALL_OTHERS || (!name.is_empty() && name.bytes().all(is_legal))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_finding_of_a_server_counts() {
        let health =
            Health::parse("s1 down 10.0.0.1:80\ns1 up 10.0.0.1:81\ns2 starting\ns3 unknown\n\ns4 down\n")
                .unwrap();
        let findings = ["s1", "s2", "s3", "s4", "s5"].map(|name| health.finding(name));
        let expected = [Finding::Up, Finding::Starting, Finding::Unknown, Finding::Down, Finding::Unknown];
        assert_eq!(findings, expected);
        assert_eq!(health.endpoints("s1").count(), 2);
    }

    #[test]
    fn nodes_that_a_list_of_names_lacks_are_down() {
        let health = Health::parse("s1\n").unwrap();
        assert_eq!((health.finding("s1"), health.finding("s2")), (Finding::Up, Finding::Down));
        assert_eq!(Health::parse("").unwrap().finding("s1"), Finding::Unknown);
    }

    #[test]
    fn a_line_about_all_others_is_for_nodes_without_a_line() {
        let health = Health::parse("s1 down\n* starting\n").unwrap();
        assert_eq!((health.finding("s1"), health.finding("s2")), (Finding::Down, Finding::Starting));
    }

    #[test]
    fn a_line_of_another_form_is_named() {
        for bad in [
            "{\"s1\":\"up\"}",
            "s1,s2",
            "s1\tup",
            "s1 UP",
            "s1 up 10.0.0.1",
            "s1 up 10.0.0.1:80 x",
            "HAProxy does not answer",
        ] {
            let err = Health::parse(&format!("s0 up\n{bad}\n")).unwrap_err();
            assert!(err.starts_with("line 2: "), "{err}");
        }
    }
}
