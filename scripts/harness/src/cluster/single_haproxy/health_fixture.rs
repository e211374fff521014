//! The fixture of a test of whether the servers' health survives a reload. Its configuration may name a state file.
//!
//! HAProxy does not retry requests here, so each request to a dead server fails visibly.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::fs;
use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::cluster::single_haproxy::fixture::HaproxyFixture;
use crate::cluster::single_haproxy::outcome::Outcome;
use crate::daemons::counting_server::CountingServer;
use crate::daemons::haproxy::{Mode, Server};
use crate::run::poll;
use crate::traffic::load::{Counts, Load, Rate};

const SOON: Duration = Duration::from_secs(20);

/// By then all first checks are done: HAProxy spreads them over `inter`.
pub const CHECKED: Duration = Duration::from_secs(3);

/// A fixture whose configuration may name a state file.
#[derive(Debug)]
pub struct HealthFixture {
    fixture: HaproxyFixture,
    revision: u32,
    /// More lines for `global`.
    pub global: String,
}

impl Deref for HealthFixture {
    type Target = HaproxyFixture;

    fn deref(&self) -> &HaproxyFixture {
        &self.fixture
    }
}

impl DerefMut for HealthFixture {
    fn deref_mut(&mut self) -> &mut HaproxyFixture {
        &mut self.fixture
    }
}

impl HealthFixture {
    /// A fixture whose configuration names a state file; nothing runs yet.
    pub fn with_state_file() -> HealthFixture {
        let mut fixture = HealthFixture::without_state_file();
        fixture.global = format!("server-state-file {}", fixture.state_file().display());
        fixture
    }

    /// A fixture whose configuration does not name a state file.
    pub fn without_state_file() -> HealthFixture {
        HealthFixture { fixture: HaproxyFixture::empty(), revision: 0, global: String::new() }
    }

    /// Where the state file is.
    pub fn state_file(&self) -> PathBuf {
        self.run.join("servers.state")
    }

    /// Replaces the file by one with these servers and another log tag, because new servers or a new revision alone
    /// do not cause a reload.
    pub fn write(&mut self, servers: &[(&str, SocketAddr)]) {
        self.revision += 1;
        let lines = servers.iter().map(|(name, address)| format!("  server {name} {address} check\n"));
        let text = format!(
            "global\n  stats socket {} mode 660 level admin expose-fd listeners\n  hard-stop-after 5s\n  \
             description rollcall-{:016x}\n  log-tag x{:x}\n  {}\n\
             defaults\n  mode http\n  timeout client 5s\n  timeout server 5s\n  timeout connect 1s\n  retries 0\n  \
             option idle-close-on-response\n  load-server-state-from-file global\n\
             frontend web\n  bind {}\n  default_backend nodes\n\
             backend nodes\n  default-server inter 2s downinter 200ms fall 3 rise 2\n{}",
            self.run.join("admin.sock").display(),
            self.revision,
            self.revision,
            self.global,
            self.front(),
            lines.collect::<String>(),
        );
        self.write_text(&text);
    }

    /// Starts HAProxy, and waits until it has checked each server once.
    pub fn start(&mut self, mode: Mode) {
        self.fixture.start(mode);
        self.until("the first checks", |fixture| {
            let rows = fixture.haproxy().show_stat().unwrap();
            rows.iter().all(|row| row["type"] != "2" || !["INI", ""].contains(&row["check_status"].as_str()))
        });
    }

    /// Asserts that a reload succeeds without warnings.
    #[track_caller]
    pub fn reload_well(&self) {
        let Outcome { code, stderr } = self.reload(&[]);
        assert!(code == 0 && stderr.contains("reload (") && !stderr.contains("cannot"), "{code}: {stderr}");
        self.assert_names_no_server();
    }

    /// Asserts that the state file contains no server.
    #[track_caller]
    pub fn assert_names_no_server(&self) {
        let text = fs::read_to_string(self.state_file()).unwrap();
        assert!(text.starts_with("1\n") && text.lines().skip(1).all(|line| line.starts_with('#')), "{text}");
    }

    /// A server, which HAProxy must have.
    pub fn server(&self, name: &str) -> Server {
        let servers = self.haproxy().servers().unwrap();
        servers.into_iter().find(|server| server.name == name).unwrap()
    }

    /// How often this worker has selected a server.
    pub fn chosen(&self, name: &str) -> String {
        let rows = self.haproxy().show_stat().unwrap();
        rows.into_iter().find(|row| row["svname"] == name).unwrap().remove("lbtot").unwrap()
    }

    /// Waits for a condition.
    pub fn until(&self, what: &str, look: impl Fn(&HealthFixture) -> bool) {
        poll::until(SOON, what, || look(self).then_some(())).unwrap();
    }

    /// Starts load on the frontend.
    pub fn load(&self) -> Load {
        Load::start(self.front(), "/", Rate::default())
    }
}

/// The outcomes of requests during a reload and until all servers have been checked again.
pub fn reload_under_load(fixture: &HealthFixture) -> Counts {
    let (start, load) = (Instant::now(), fixture.load());
    let outcome = fixture.reload(&[]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    poll::pass(CHECKED).unwrap();
    let counts = load.since(start);
    assert!(counts.requests > 100, "{}", counts.requests);
    counts
}

/// Asserts that no request failed.
#[track_caller]
pub fn assert_none_failed(counts: &Counts) {
    assert_eq!(counts.failures(), 0, "{} of {}", counts.failures_shown(), counts.requests);
}

/// A fixture in which the last server is DOWN, and a new file for a reload. HAProxy checks the last server last, so a
/// new worker would need a second to find out.
pub fn with_a_dead_server(mut fixture: HealthFixture, mode: Mode) -> (HealthFixture, Vec<CountingServer>) {
    let apps = vec![fixture.app(11), fixture.app(12)];
    let servers = [11, 12, 13].map(|host| fixture.address(host));
    fixture.write(&[("s1", servers[0]), ("s2", servers[1]), ("dead", servers[2])]);
    fixture.start(mode);
    fixture.until("the dead server is DOWN", |fixture| fixture.server("dead").status == "DOWN");
    fixture.write(&[("s1", servers[0]), ("s2", servers[1]), ("dead", servers[2])]);
    (fixture, apps)
}
