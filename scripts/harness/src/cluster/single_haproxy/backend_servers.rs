//! The part of the fixture for changes of servers: its frontend forwards requests to the servers of a backend.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::io::Write;
use std::net::SocketAddr;
use std::process::{Output, Stdio};
use std::time::Duration;

use common::replace::replace;

use crate::cluster::single_haproxy::fixture::HaproxyFixture;
use crate::cluster::single_haproxy::outcome::{Outcome, assert_done};
use crate::daemons::counting_server::CountingServer;
use crate::daemons::haproxy::{Mode, Server};
use crate::run::poll;

/// The default lines of the backend `nodes`.
pub const BALANCED: &str = "\
  balance leastconn
  cookie SRV insert indirect nocache dynamic
  dynamic-cookie-key secret
  default-server inter 2s fastinter 250ms downinter 250ms fall 3 rise 2
";

const PORT: u16 = 8000;
const SOON: Duration = Duration::from_secs(10);

/// A server's values, by HAProxy's column names.
pub type Facts = BTreeMap<String, String>;

impl HaproxyFixture {
    /// A fixture with these lines in its backend. A HAProxy with a master's socket runs the file, and reload-haproxy
    /// has verified that.
    pub fn with_nodes(servers: &str) -> HaproxyFixture {
        HaproxyFixture::with_backend(&format!("{BALANCED}{servers}"))
    }

    /// Like `with_nodes`, but the backend has only these lines.
    pub fn with_backend(lines: &str) -> HaproxyFixture {
        let mut fixture = HaproxyFixture::empty();
        fixture.write_backend(lines);
        fixture.start_proven(Mode::MasterSocket);
        fixture
    }

    /// A fixture with the running servers s1 and s2; also returns their web servers.
    pub fn serving() -> (HaproxyFixture, Vec<CountingServer>) {
        let mut fixture = HaproxyFixture::empty();
        let apps = vec![fixture.app(11), fixture.app(12)];
        fixture.write_nodes(&fixture.two());
        fixture.start_proven(Mode::MasterSocket);
        fixture.wait_for_up(&["s1", "s2"]);
        (fixture, apps)
    }

    /// The lines of s1 and s2.
    pub fn two(&self) -> String {
        self.line("s1", 11, "") + &self.line("s2", 12, "")
    }

    /// Starts a HAProxy on the file, and runs reload-haproxy once to verify that it runs the file.
    pub fn start_proven(&mut self, mode: Mode) {
        self.start(mode);
        assert_done(&self.reload(&[]), "nothing to do");
    }

    /// Replaces the file: its backend has the lines of `BALANCED` and these.
    pub fn write_nodes(&self, servers: &str) {
        self.write_backend(&format!("{BALANCED}{servers}"));
    }

    /// Like `write_nodes`, but the backend has only these lines; more sections may follow.
    pub fn write_backend(&self, lines: &str) {
        let front = self.front();
        let nodes = format!("frontend web\n  bind {front}\n  default_backend nodes\nbackend nodes\n{lines}");
        self.write_sections(&nodes);
    }

    /// Replaces the file: the usual `global` and `defaults`, a new revision, and these sections.
    pub fn write_sections(&self, sections: &str) {
        self.write_text(&format!("{}{sections}", self.head("", sections)));
    }

    /// The beginning of each file, with more lines for `global`, and a revision that depends on the sections.
    pub fn head(&self, global: &str, sections: &str) -> String {
        let mut hasher = DefaultHasher::new();
        (global, sections).hash(&mut hasher);
        format!(
            "global\n  stats socket {} mode 660 level admin expose-fd listeners\n  hard-stop-after 5s\n  \
             description rollcall-{:016x}\n{global}\
             defaults\n  mode http\n  timeout client 10s\n  timeout server 10s\n  timeout connect 1s\n  retries 0\n  \
             option idle-close-on-response\n",
            self.run.join("admin.sock").display(),
            hasher.finish(),
        )
    }

    /// Replaces the file.
    pub fn write_text(&self, text: &str) {
        replace(&self.config(), text.as_bytes(), 0o644).unwrap();
    }

    /// A server's address.
    pub fn address(&self, host: u8) -> SocketAddr {
        SocketAddr::new(self.subnet.host(host).into(), PORT)
    }

    /// Starts a web server at that address.
    pub fn app(&self, host: u8) -> CountingServer {
        CountingServer::start(self.address(host)).unwrap()
    }

    /// The line of a server with checks.
    pub fn line(&self, name: &str, host: u8, more: &str) -> String {
        format!("  server {name} {} check {more}\n", self.address(host))
    }

    /// A server, if HAProxy has it.
    pub fn server(&self, name: &str) -> Option<Server> {
        self.haproxy().servers().unwrap().into_iter().find(|server| server.name == name)
    }

    /// Waits until these are up.
    pub fn wait_for_up(&self, names: &[&str]) {
        let is_up = |name: &&str| self.server(name).is_some_and(|server| server.status == "UP");
        poll::until(SOON, "servers that are up", || names.iter().all(is_up).then_some(())).unwrap();
    }

    /// Runs reload-haproxy; returns its exit code and stdout.
    pub fn told(&self, arguments: &[&str]) -> (i32, String) {
        let Output { status, stdout, .. } = self.command(arguments).stdout(Stdio::piped()).output().unwrap();
        (status.code().unwrap_or(-1), String::from_utf8(stdout).unwrap())
    }

    /// Sends a command to HAProxy's socket; the answer must be empty.
    #[track_caller]
    pub fn order(&self, command: &str) {
        assert_eq!(self.haproxy().command(command).unwrap().trim(), "", "{command}");
    }

    /// Runs reload-haproxy, which must change servers or files through the socket and keep the worker.
    #[track_caller]
    pub fn change(&self) -> Outcome {
        let worker = self.worker();
        let outcome = self.reload(&[]);
        assert_done(&outcome, "runtime: ");
        assert!(!outcome.stderr.contains("reload ("), "{}", outcome.stderr);
        assert_eq!(self.worker(), worker, "{}", outcome.stderr);
        outcome
    }

    /// All servers that are not in maintenance, by `backend/server`, with the columns that a configuration sets.
    pub fn live(&self) -> BTreeMap<String, Facts> {
        let mut live = BTreeMap::new();
        for (key, facts) in self.states() {
            let wanted = ["srv_addr", "srv_port", "srv_uweight", "srv_use_ssl", "srv_check_port", "srv_fqdn"];
            live.insert(key, pick(facts, &wanted));
        }
        for row in self.haproxy().show_stat().unwrap().into_iter().filter(|row| row["type"] == "2") {
            let key = format!("{}/{}", row["pxname"], row["svname"]);
            let is_out = row["status"].starts_with("MAINT");
            let wanted = ["addr", "slim", "qlimit", "check_rise", "check_fall", "cookie", "bck", "src_ilim"];
            let known = live.get_mut(&key).unwrap();
            known.extend(pick(row, &wanted));
            if is_out {
                live.remove(&key);
            }
        }
        live
    }

    /// `show servers state`: for each `backend/server`, its values by column.
    pub fn states(&self) -> BTreeMap<String, Facts> {
        let answer = self.haproxy().command("show servers state").unwrap();
        let mut lines = answer.lines().filter(|line| !line.is_empty()).skip(1);
        let columns: Vec<&str> = lines.next().unwrap().trim_start_matches("# ").split(' ').collect();
        let facts = |line: &str| -> Facts {
            columns.iter().map(|c| (*c).to_owned()).zip(line.split(' ').map(str::to_owned)).collect()
        };
        lines.map(facts).map(|facts| (format!("{}/{}", facts["be_name"], facts["srv_name"]), facts)).collect()
    }

    /// Asserts that HAProxy's state is the same as after a reload, and that reload-haproxy reports that the file
    /// runs.
    #[track_caller]
    pub fn assert_runs_the_file(&self) {
        let live = self.live();
        assert_done(&self.reload(&[]), "nothing to do");
        assert_eq!(self.told(&["--status"]).0, 0);
        assert_done(&self.reload(&["--force"]), "reload (");
        assert_eq!(live, self.live());
    }
}

fn pick(mut facts: Facts, wanted: &[&str]) -> Facts {
    wanted.iter().filter_map(|column| facts.remove_entry(*column)).collect()
}

/// Lines for this number of servers, at addresses where nothing listens.
pub fn many(count: u32) -> String {
    let mut lines = Vec::new();
    for n in 0..count {
        writeln!(lines, "  server s{n} 127.9.{}.{}:9 check", n / 250, n % 250 + 1).unwrap();
    }
    String::from_utf8(lines).unwrap()
}
