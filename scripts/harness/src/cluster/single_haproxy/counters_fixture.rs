//! The fixture of a test of whether HAProxy's counters survive a reload. Its configuration may name a stats-file.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::ops::{Deref, DerefMut};
use std::path::PathBuf;

use crate::cluster::single_haproxy::fixture::HaproxyFixture;
use crate::cluster::single_haproxy::outcome::{Outcome, assert_done};
use crate::cluster::single_haproxy::tested_haproxy::{is_meant, is_since};
use crate::daemons::counting_server::CountingServer;
use crate::daemons::haproxy::Mode;
use crate::traffic::http::Client;

/// What reload-haproxy leaves in the file.
const HEAD: &str = "#reload-haproxy wrote this file ";

/// A fixture whose frontend, backend and servers have guids.
#[derive(Debug)]
pub struct CountersFixture {
    fixture: HaproxyFixture,
    apps: Vec<CountingServer>,
    revision: u32,
    /// More lines for `global`, such as the stats-file.
    pub global: String,
}

impl Deref for CountersFixture {
    type Target = HaproxyFixture;

    fn deref(&self) -> &HaproxyFixture {
        &self.fixture
    }
}

impl DerefMut for CountersFixture {
    fn deref_mut(&mut self) -> &mut HaproxyFixture {
        &mut self.fixture
    }
}

/// Whether HAProxy can load counters. If not, the test is not meant for it.
pub fn can_load_counters() -> bool {
    is_meant(is_since((3, 0)), "HAProxy 3.0 and later, which can load counters")
}

/// Whether HAProxy can change its user. If not, the test is skipped aloud.
pub fn can_change_user() -> bool {
    let can = nix::unistd::geteuid().is_root();
    if !can {
        assert!(env::var_os("CI").is_none(), "another user needs root");
        eprintln!("SKIPPED: another user needs root");
    }
    can
}

impl Default for CountersFixture {
    fn default() -> CountersFixture {
        CountersFixture::new()
    }
}

impl CountersFixture {
    /// A fixture whose configuration names a stats-file, and the web servers s1, s2 and s3; HAProxy does not run yet.
    pub fn new() -> CountersFixture {
        let fixture = HaproxyFixture::empty();
        let apps = [11, 12, 13].map(|host| fixture.app(host)).into();
        let mut fixture = CountersFixture { fixture, apps, revision: 0, global: String::new() };
        fixture.global = format!("stats-file {}", fixture.stats_file().display());
        fixture
    }

    /// The same with a HAProxy that has s1 and s2.
    pub fn running(mode: Mode) -> CountersFixture {
        let mut fixture = CountersFixture::new();
        fixture.run_with(mode);
        fixture
    }

    /// Starts HAProxy with s1 and s2; reload-haproxy has verified that it runs the file.
    pub fn run_with(&mut self, mode: Mode) {
        self.write(&["s1", "s2"]);
        self.start_proven(mode);
    }

    /// Where the stats-file is.
    pub fn stats_file(&self) -> PathBuf {
        self.run.join("haproxy.counters")
    }

    /// Replaces the file by one with these of the servers and another log tag, so that only a reload loads it.
    pub fn write(&mut self, servers: &[&str]) {
        self.revision += 1;
        self.write_servers(servers);
    }

    /// Replaces the file by one with these of the servers.
    pub fn write_servers(&self, servers: &[&str]) {
        let all = [("s1", 11), ("s2", 12), ("s3", 13)];
        let lines = all
            .iter()
            .filter(|(name, _)| servers.contains(name))
            .map(|(name, host)| format!("  server {name} {} guid nodes:{name}\n", self.address(*host)));
        let sections = format!(
            "frontend web\n  guid web\n  bind {}\n  default_backend nodes\nbackend nodes\n  guid nodes\n{}",
            self.front(),
            lines.collect::<String>(),
        );
        let global = format!("  log-tag x{}\n  {}\n", self.revision, self.global);
        self.write_text(&format!("{}{sections}", self.head(&global, &sections)));
    }

    /// Asserts that this run reloads without a warning, and leaves no counters in the file.
    #[track_caller]
    pub fn reload_well(&self) -> Outcome {
        let outcome = self.reload(&[]);
        assert_done(&outcome, "reload (");
        assert!(outcome.stderr.contains("' carries the counters of "), "{}", outcome.stderr);
        assert!(!outcome.stderr.contains("cannot"), "{}", outcome.stderr);
        self.assert_holds_no_counters();
        outcome
    }

    /// Asserts that the stats-file is as between reloads.
    #[track_caller]
    pub fn assert_holds_no_counters(&self) {
        let text = fs::read_to_string(self.stats_file()).unwrap();
        assert!(text.starts_with(HEAD) && text.lines().count() == 1, "{text}");
    }

    /// Sends requests, which must succeed.
    pub fn request(&self, count: u64) {
        for _ in 0..count {
            assert_eq!(Client::fresh(self.front()).get("/").unwrap().status, 200);
        }
    }

    /// How many requests the web servers have got.
    pub fn arrived(&self) -> u64 {
        self.apps.iter().map(CountingServer::begun).sum()
    }

    /// How many sessions HAProxy counts, by `proxy/FRONTEND`, `proxy/BACKEND` and `proxy/server`.
    pub fn counts(&self) -> BTreeMap<String, u64> {
        let rows = self.haproxy().show_stat().unwrap().into_iter();
        rows.map(|row| (format!("{}/{}", row["pxname"], row["svname"]), row["stot"].parse().unwrap()))
            .collect()
    }

    /// One of these counts.
    pub fn count(&self, of: &str) -> u64 {
        self.counts()[of]
    }
}
