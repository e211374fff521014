//! Random configurations with servers, and what HAProxy has of them.
//!
//! The lines are those on which the rules for server changes depend: options, addresses, defaults, conditions, lines that
//! name a server.

use std::fmt::Write;

use super::Dice;

const BALANCE: [&str; 4] = ["leastconn", "roundrobin", "random(2)", "source"];
const OPTIONS: [&str; 14] = [
    "",
    "",
    " check",
    " check",
    " check  inter 1s",
    " backup",
    " disabled",
    " weight 7",
    " weight 300",
    " track a/s1",
    " agent-check agent-port 9",
    " crt /x.pem ssl",
    " check # why",
    " on-marked-down shutdown-sessions",
];
const ADDRESSES: [&str; 8] = [
    "10.0.0.1:80",
    "10.0.0.2:80",
    "10.0.0.3:81",
    "[::1]:80",
    "fd00::1:80",
    "name:80",
    "0.0.0.0:80",
    "10.0.0.1:080",
];
const OTHERS: [&str; 10] = [
    "  default-server weight 3",
    "  default-server check inter 2s",
    "  use-server s1 if TRUE",
    "# a comment",
    "",
    "  # server s1",
    "  .if feature(X)",
    "  .endif",
    "  http-request set-header x %[srv_id]",
    "  server-template t 3 10.0.0.9:80",
];
const ROWS: &str =
    "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_port\n";

/// Random files, and what HAProxy has of them.
pub trait Files {
    fn of(&mut self, all: &[&'static str]) -> &'static str;
    fn server(&mut self) -> String;
    fn file(&mut self) -> Vec<String>;
    fn changed(&mut self, file: &[String]) -> Vec<String>;
    fn rows(&mut self, file: &[String]) -> String;
    fn long_file(&mut self) -> Vec<String>;
    fn few_changed(&mut self, file: &[String]) -> Vec<String>;
}

impl Files for Dice {
    fn of(&mut self, all: &[&'static str]) -> &'static str {
        all[self.roll(all.len())]
    }

    fn server(&mut self) -> String {
        let (name, address, options) = (self.roll(9), self.of(&ADDRESSES), self.of(&OPTIONS));
        format!("  server s{name} {address}{options}")
    }

    /// A file of two backends.
    fn file(&mut self) -> Vec<String> {
        let mut lines = vec!["global".to_owned(), format!("  description rollcall-{:016x}", self.roll(9))];
        lines.extend(["defaults".to_owned(), format!("  balance {}", self.of(&BALANCE))]);
        for backend in ["backend a", "listen b"] {
            lines.push(backend.to_owned());
            for _ in 0..self.roll(9) {
                let other = self.of(&OTHERS).to_owned();
                lines.push(if self.roll(5) == 0 { other } else { self.server() });
            }
        }
        lines
    }

    /// The same file with a few changes.
    fn changed(&mut self, file: &[String]) -> Vec<String> {
        let mut lines = file.to_vec();
        for _ in 0..=self.roll(3) {
            let at = self.roll(lines.len());
            match self.roll(8) {
                0 => drop(lines.remove(at)),
                1 => lines.insert(at, self.of(&OTHERS).to_owned()),
                2 => lines.insert(at, lines[at].clone()),
                3 | 4 => lines.insert(at, self.server()),
                _ if is_server(&lines[at]) => lines[at] = self.server(),
                _ => lines[1] = format!("  description rollcall-{:016x}", self.roll(9)),
            }
            if lines.len() < 4 {
                return file.to_vec();
            }
        }
        lines
    }

    /// A file of two backends with many servers, most of them equal, in which HAProxy would have no name twice.
    fn long_file(&mut self) -> Vec<String> {
        let balance = ["leastconn", "roundrobin", "random(2)"][self.roll(3)];
        let mut lines = vec!["global".to_owned(), "  description rollcall-0000000000000001".to_owned()];
        lines.extend(["defaults".to_owned(), format!("  balance {balance}")]);
        for backend in ["backend a", "listen b"] {
            lines.push(backend.to_owned());
            let mut options = self.of(&OPTIONS);
            for number in 0..self.roll(30) {
                if self.roll(6) == 0 {
                    options = self.of(&OPTIONS);
                }
                if self.roll(9) == 0 {
                    lines.push(self.of(&OTHERS).to_owned());
                }
                let name = ["s", "srv_"][usize::from(self.roll(9) == 0)];
                lines.push(format!("  server {name}{number} 10.0.1.{number}:80{options}"));
            }
        }
        lines
    }

    /// The same file in which a few servers were added, removed and changed, and a revision.
    fn few_changed(&mut self, file: &[String]) -> Vec<String> {
        let mut lines = file.to_vec();
        lines[1] = format!("  description rollcall-{:016x}", self.roll(9));
        for number in 0..=self.roll(3) {
            let at = self.roll(lines.len());
            if !is_server(&lines[at]) {
                continue;
            }
            let options = lines[at].splitn(5, ' ').nth(4).unwrap_or_default();
            let options = options.split_once(' ').map(|(_, rest)| format!(" {rest}")).unwrap_or_default();
            match self.roll(6) {
                0 | 1 => lines.insert(at, format!("  server n{number} 10.0.2.{number}:80{options}")),
                2 | 3 => drop(lines.remove(at)),
                4 => lines[at] = lines[at].replace(":80", ":81"),
                _ => lines[at] += self.of(&[" weight 9", " maxconn 5", " # new", " disabled", " check"]),
            }
        }
        lines
    }

    /// What HAProxy has: the servers of the file, a few of them changed by hand.
    fn rows(&mut self, file: &[String]) -> String {
        rows(file, |below| self.roll(below) == 0)
    }
}

/// What HAProxy has right after it has loaded the file.
pub fn as_loaded(file: &[String]) -> String {
    rows(file, |_| false)
}

/// The servers of the file, in which something is different where `happens` says so; it is asked with the odds.
fn rows(file: &[String], mut happens: impl FnMut(usize) -> bool) -> String {
    let (mut rows, mut backend, mut default) = (ROWS.to_owned(), "", "1");
    for (id, line) in file.iter().enumerate() {
        let mut words = line.split_whitespace();
        match (words.next(), words.next(), words.next()) {
            (Some("backend" | "listen"), name, _) => {
                (backend, default) = (name.unwrap_or_default(), "1");
            }
            (Some("default-server"), Some("weight"), Some(weight)) => default = weight,
            (Some("server"), Some(name), Some(address)) if !happens(30) => {
                let address = if happens(30) { "10.0.0.7:80" } else { address };
                let (host, port) = address.rsplit_once(':').unwrap_or((address, "80"));
                let weight = line.split(" weight ").nth(1).unwrap_or(default).trim();
                let weight = if happens(30) { "5" } else { weight };
                let host = host.trim_matches(['[', ']']);
                let admin = usize::from(line.contains("disabled") != happens(30));
                writeln!(rows, "3 {backend} {id} {name} {host} 2 {admin} {weight} {port}")
                    .unwrap_or_default();
            }
            _ => {}
        }
    }
    rows + "\n"
}

/// Whether it is the line of a server.
pub fn is_server(line: &str) -> bool {
    line.trim_start().starts_with("server ")
}
