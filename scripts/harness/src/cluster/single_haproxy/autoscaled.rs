//! A HAProxy whose servers `scripts/autoscale-run` counts. The commands that it runs are scripts of the test.
//!
//! Nothing listens at the servers' addresses, and HAProxy does not check them. The test sets the number that is wanted by
//! `--min` and `--max`, and adds the servers that an engine would start.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::ffi::OsString;
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use common::replace::replace;
use serde_json::{Value, json};

use crate::cluster::single_haproxy::fixture::HaproxyFixture;
use crate::daemons::haproxy::Mode;
use crate::run::daemon::Daemon;
use crate::run::{poll, programs};

const SOON: Duration = Duration::from_secs(20);
/// Where `autoscale-apply` keeps what it tried.
const NOTES: &str = "state/autoscale-run.json";

/// A HAProxy with servers, and the settings of `autoscale-run`.
#[derive(Debug)]
pub struct Autoscaled {
    environment: Vec<(String, OsString)>,
    /// The HAProxy.
    pub fixture: HaproxyFixture,
}

impl Autoscaled {
    /// A HAProxy with the servers s1, s2, ... up to this number. The scale command notes its number in the file `ran`.
    /// `None` if HAProxy is missing.
    pub fn with_servers(count: u8) -> Option<Autoscaled> {
        programs::are_here(&["haproxy"]).then(|| Autoscaled::start(count))
    }

    fn start(count: u8) -> Autoscaled {
        let mut fixture = HaproxyFixture::empty();
        fixture.write_backend(&lines(&fixture, count));
        fixture.start(Mode::MasterSocket);
        let mut scaled = Autoscaled { environment: Vec::new(), fixture };
        scaled.set("ROLLCALL_BIN", programs::bin_dir().unwrap());
        scaled.set("ROLLCALL_STATE_DIR", scaled.path("state"));
        scaled.set("ROLLCALL_LOG", scaled.path("log"));
        scaled.set_command("ROLLCALL_SCALE_COMMAND", "echo \"$1\" >>ran");
        scaled
    }

    /// Adds a server, as an engine and Serf would.
    pub fn add_server(&self, number: u8) {
        let address = self.fixture.address(10 + number);
        let added = self.fixture.haproxy().command(&format!("add server nodes/s{number} {address}")).unwrap();
        assert!(added.starts_with("New server"), "{added}");
        self.fixture.order(&format!("enable server nodes/s{number}"));
    }

    /// Sets a setting.
    pub fn set(&mut self, key: &str, value: impl Into<OsString>) {
        self.environment.retain(|(known, _)| known != key);
        self.environment.push((key.to_owned(), value.into()));
    }

    /// Sets a command to a script with this body, which runs in the run's directory; `$1` is the number or the name.
    pub fn set_command(&mut self, key: &str, body: &str) {
        let name = format!("{}.sh", key.to_lowercase());
        let script =
            self.fixture.script(&name, &format!("cd '{}'\n{body}", self.fixture.run.path().display()));
        self.set(key, format!("'{}' {{}}", script.display()));
    }

    /// A run with these options that wants from `min` to `max` servers. It scales down without a window.
    pub fn command(&self, min: u8, max: u8, options: &[&str]) -> Command {
        let mut command = Command::new(programs::shipped("scripts/autoscale-run"));
        self.prepare(&mut command, min, max, options);
        command
    }

    /// Adds the options and settings of a run to a command.
    pub fn prepare(&self, command: &mut Command, min: u8, max: u8, options: &[&str]) {
        let (own, others): (Vec<&str>, Vec<&str>) =
            options.iter().partition(|option| option.starts_with("--every") || **option == "--dry-run");
        command.args(own).args(["--backend", "nodes", "--target", "20", "--down-window", "0s"]);
        command.args(["--down-period", "1s", "--min", &min.to_string(), "--max", &max.to_string()]);
        command.arg("--socket").arg(self.path("admin.sock")).args(others);
        command.envs(self.environment.iter().map(|(key, value)| (key, value)));
        command.stdin(Stdio::null());
        self.fixture.run.adopt(command);
    }

    /// One look that wants from `min` to `max` servers.
    pub fn look(&self, min: u8, max: u8) -> Output {
        self.command(min, max, &[]).output().unwrap()
    }

    /// A service that looks every second.
    pub fn serve(&self, min: u8, max: u8) -> Daemon {
        Daemon::start(&self.fixture.run, "autoscale-run", self.command(min, max, &["--every=1s"])).unwrap()
    }

    /// A file in the run's directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.fixture.run.join(name)
    }

    /// The text of a file in the run's directory; empty if there is none.
    pub fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Replaces a file in the run's directory.
    pub fn write(&self, name: &str, text: &str) {
        replace(&self.path(name), text.as_bytes(), 0o640).unwrap();
    }

    /// Replaces the note of the last attempt by one of so many seconds ago; `outcome` is `done` or `failed`.
    pub fn tried(&self, kind: &str, value: &str, tries: u32, ago: i64, outcome: &str) {
        let at = uptime() - ago * 1000;
        let failure = if outcome == "failed" { "cannot scale: as the test says" } else { "" };
        let mut notes = self.notes();
        notes["attempts"][kind] =
            json!({ "value": value, "tries": tries, "at": at, "outcome": outcome, "failure": failure });
        self.write_notes(&notes.to_string());
    }

    /// The notes of the last run.
    pub fn notes(&self) -> Value {
        serde_json::from_str(&self.text(NOTES)).unwrap()
    }

    /// Replaces the notes.
    pub fn write_notes(&self, text: &str) {
        self.write(NOTES, text);
    }

    /// Waits until a script has written the process id of its command to the file `pid`, and returns it.
    #[track_caller]
    pub fn started(&self) -> u32 {
        let pid = || self.text("pid").strip_suffix('\n')?.parse().ok();
        poll::until(SOON, "a command that runs", pid).unwrap()
    }

    /// Waits until a file in the run's directory contains a text.
    #[track_caller]
    pub fn wait_for(&self, name: &str, text: &str) {
        let seen = poll::until(SOON, text, || self.text(name).contains(text).then_some(()));
        seen.unwrap_or_else(|err| panic!("{err}: {}\n{}", self.text(name), self.text("log")));
    }
}

/// The milliseconds since the machine started, rounded down.
fn uptime() -> i64 {
    let text = fs::read_to_string("/proc/uptime").unwrap();
    let seconds: f64 = text.split(' ').next().unwrap().parse().unwrap();
    (seconds * 1000.0) as i64
}

fn lines(fixture: &HaproxyFixture, count: u8) -> String {
    let mut lines = "  balance leastconn\n".to_owned();
    for n in 1..=count {
        writeln!(lines, "  server s{n} {}", fixture.address(10 + n)).unwrap();
    }
    lines
}
