//! The part of the fixture for maps, lists and other files that the configuration names: its frontend answers with what
//! it finds in them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::path::PathBuf;

use common::replace::replace;

use crate::cluster::single_haproxy::fixture::HaproxyFixture;
use crate::cluster::single_haproxy::outcome::{Outcome, assert_done};
use crate::daemons::haproxy::Mode;
use crate::traffic::http::Client;
use crate::traffic::response::Response;

impl HaproxyFixture {
    /// A fixture with these files, in which `DIR` in a rule stands for their directory. A HAProxy with a master's
    /// socket runs it, and reload-haproxy has verified that.
    pub fn with_files(rules: &[&str], files: &[(&str, &str)]) -> HaproxyFixture {
        let mut fixture = HaproxyFixture::empty();
        files.iter().for_each(|(name, text)| fixture.write_file(name, text));
        fixture.write_rules(rules);
        fixture.start_proven(Mode::MasterSocket);
        fixture
    }

    /// Replaces the configuration by one with these rules in its frontend.
    pub fn write_rules(&self, rules: &[&str]) {
        let directory = self.run.join("").display().to_string();
        let rules = rules.join("\n  ").replace("DIR/", &directory);
        self.write_sections(&format!("frontend web\n  bind {}\n  {rules}\n", self.front()));
    }

    /// Replaces a file, as an editor does.
    pub fn write_file(&self, name: &str, text: impl AsRef<[u8]>) {
        replace(&self.file(name), text.as_ref(), 0o644).unwrap();
    }

    /// The path of a file.
    pub fn file(&self, name: &str) -> PathBuf {
        self.run.join(name)
    }

    /// The frontend's answer.
    pub fn answer(&self, path: &str) -> Response {
        Client::fresh(self.front()).get(path).unwrap()
    }

    /// The body of the frontend's answer.
    pub fn body(&self, path: &str) -> String {
        String::from_utf8(self.answer(path).body).unwrap()
    }

    /// The entries that HAProxy has of a file, `map` or `acl`, without their numbers.
    pub fn entries(&self, noun: &str, name: &str) -> Vec<String> {
        let answer = self.haproxy().command(&format!("show {noun} {}", self.file(name).display())).unwrap();
        let rows = answer.strip_suffix('\n').unwrap_or(&answer).split('\n').filter(|row| !row.is_empty());
        rows.map(|row| row.split_once(' ').unwrap().1.to_owned()).collect()
    }

    /// Runs reload-haproxy, which must reload and say why.
    #[track_caller]
    pub fn reload_file(&self, why: &str) -> Outcome {
        let worker = self.worker();
        let outcome = self.reload(&[]);
        assert_done(&outcome, "reload (");
        assert_done(&outcome, why);
        assert_ne!(self.worker(), worker, "{}", outcome.stderr);
        outcome
    }
}
