//! autoscale asks a real HAProxy: what it counts, which servers are there, and what it does when an answer is missing.
//!
//! `$HAPROXY` names another HAProxy than the installed one, as in tests/reload_methods.rs.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;
use std::time::Duration;

use common::replace::replace;
use harness::cluster::single_haproxy::{HaproxyFixture, assert_done};
use harness::daemons::counting_server::CountingServer;
use harness::daemons::haproxy::Mode;
use harness::run::process::code;
use harness::run::{poll, programs};
use harness::traffic::http::Client;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

const SOON: Duration = Duration::from_secs(5);

/// A HAProxy with a slow server, and autoscale runs at it.
struct Looks {
    fixture: HaproxyFixture,
    _app: CountingServer,
}

impl Looks {
    /// The server takes three requests at a time. `more` are further lines of the backend.
    fn running(more: &str) -> Looks {
        let mut fixture = HaproxyFixture::empty();
        let app = CountingServer::start((fixture.subnet.host(2), 8000).into()).unwrap();
        let user = fixture.run.join("user.sock");
        let global = format!("stats socket {} level user", user.display());
        let backend = format!("backend nodes\n  server s1 {} maxconn 3 check\n  {more}", app.address());
        fixture.write(&global, &format!("use_backend nodes if {{ path_beg /slow }}\n{backend}"));
        // The frontend answers by itself unless the path is a slow one.
        let text = std::fs::read_to_string(fixture.config()).unwrap();
        let text = text.replace(
            "http-request return status 200",
            "http-request return status 200 unless { path_beg /slow }",
        );
        replace(&fixture.config(), text.as_bytes(), 0o644).unwrap();
        fixture.start(Mode::MasterSocket);
        Looks { fixture, _app: app }
    }

    fn socket(&self) -> PathBuf {
        self.fixture.run.join("user.sock")
    }

    fn autoscale(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(programs::bin_dir().unwrap().join("autoscale"));
        command.arg("--socket").arg(self.socket()).args(["--backend", "nodes", "-v"]).args(arguments);
        command.output().unwrap()
    }

    /// Sends requests that take this long, all at once, and runs `during` once all have begun or wait.
    fn under(&self, requests: u64, time: Duration, during: impl FnOnce()) {
        let front = self.fixture.front();
        let path = format!("/slow/{}", time.as_millis());
        thread::scope(|scope| {
            for _ in 0..requests {
                scope.spawn(|| Client::fresh(front).get(&path));
            }
            poll::until(SOON, "all requests in the backend", || {
                let json =
                    text(&self.autoscale(&["--target", "1", "--min", "1", "--max", "99", "--json"]).stdout);
                json.contains(&format!("\"sessions\":{requests},")).then_some(())
            })
            .unwrap();
            during();
        });
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn the_sessions_of_the_backend_include_those_in_its_queue() {
    let looks = Looks::running("");
    looks.under(8, Duration::from_secs(4), || {
        let output = looks.autoscale(&["--target", "2", "--min", "1", "--max", "20"]);
        assert_eq!((code(&output), text(&output.stdout).as_str()), (0, "4\n"));
        assert_eq!(
            text(&output.stderr),
            "autoscale: 4: 1 server carries 8 sessions (8 each, target 2), 5 queued; up from 1\n"
        );
        let output = looks.autoscale(&["--min", "1", "--max", "20"]);
        assert!(text(&output.stderr).contains("(8 each, target 2.1)"), "70 % of 3: {}", text(&output.stderr));
    });
}

#[test]
fn starting_failed_draining_and_backup_servers_are_told_apart() {
    let looks = Looks::running(
        "server dead 127.0.0.1:1 check inter 100ms\n  server spare 127.0.0.1:1 backup\n  \
         server out 127.0.0.1:1 disabled\n  server slow 127.0.0.1:2 weight 0\n",
    );
    poll::until(SOON, "the dead server is down", || {
        let listed = text(&looks.autoscale(&["--servers"]).stdout);
        (listed == "dead starting 0\nslow draining 0\ns1 up 0\n").then_some(())
    })
    .unwrap();
    let output = looks.autoscale(&["--target", "2", "--min", "1", "--max", "20", "--json"]);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (json["count"].as_u64(), json["starting"].as_u64(), json["draining"].as_u64()),
        (Some(2), Some(1), Some(1))
    );
    looks.under(2, Duration::from_secs(2), || {
        let listed = text(&looks.autoscale(&["--servers"]).stdout);
        assert!(listed.ends_with("s1 up 2\n"), "{listed}");
    });
}

#[test]
fn a_wrong_backend_a_missing_socket_and_a_silent_haproxy_end_with_5() {
    let looks = Looks::running("");
    let bounds = ["--target", "2", "--min", "1", "--max", "20"];
    let output = looks.autoscale(&[&bounds[..], &["--backend", "web"]].concat());
    assert_eq!(code(&output), 5);
    assert!(
        text(&output.stderr)
            .contains("it has no backend 'web', or a frontend has the same name; see --backend"),
        "{}",
        text(&output.stderr)
    );
    let state = looks.fixture.run.join("state.json");
    let with_state = [&bounds[..], &["--state", state.to_str().unwrap(), "--timeout", "200ms"]].concat();
    assert_eq!(text(&looks.autoscale(&[&with_state[..], &["--count", "7"]].concat()).stdout), "7\n");
    let worker = Pid::from_raw(looks.fixture.worker().cast_signed());
    kill(worker, Signal::SIGSTOP).unwrap();
    let output = looks.autoscale(&with_state);
    assert_eq!((code(&output), text(&output.stdout).as_str()), (5, "7\n"));
    assert!(
        text(&output.stderr).contains("it does not answer in time; see --timeout"),
        "{}",
        text(&output.stderr)
    );
    kill(worker, Signal::SIGCONT).unwrap();
}

#[test]
fn a_new_worker_is_reported_once() {
    let looks = Looks::running("");
    let state = looks.fixture.run.join("state.json");
    let arguments = ["--target", "2", "--min", "1", "--max", "20", "--state", state.to_str().unwrap()];
    assert_eq!(code(&looks.autoscale(&arguments)), 0);
    assert_done(&looks.fixture.reload(&["--force"]), "reload");
    let output = looks.autoscale(&arguments);
    assert_eq!((code(&output), text(&output.stdout).as_str()), (5, "1\n"));
    assert!(text(&output.stderr).contains("a new worker answers at"), "{}", text(&output.stderr));
    assert_eq!(code(&looks.autoscale(&arguments)), 0);
}

/// Makes what a state knows about the servers older, so that the test need not wait.
fn age(state: &Path, change: impl FnOnce(&mut Value, u64)) {
    let mut content: Value = serde_json::from_slice(&std::fs::read(state).unwrap()).unwrap();
    let last = content["memory"]["last"].as_u64().unwrap();
    change(&mut content["known"], last);
    replace(state, content.to_string().as_bytes(), 0o640).unwrap();
}

#[test]
fn a_changed_maxconn_counts_after_a_minute_or_at_once_without_a_state() {
    let looks = Looks::running("");
    let state = looks.fixture.run.join("state.json");
    let bounds = ["--min", "1", "--max", "1", "--json"];
    let target = |more: &[&str]| {
        let output = looks.autoscale(&[&bounds[..], more].concat());
        let json: Value = serde_json::from_slice(&output.stdout).unwrap();
        json["target"].as_f64().map(|target| (target * 10.0).round() / 10.0)
    };
    let remembered = ["--state", state.to_str().unwrap()];
    assert_eq!(target(&remembered), Some(2.1), "70 % of 3");
    looks.fixture.order("set maxconn server nodes/s1 10");
    assert_eq!(target(&[]), Some(7.0));
    assert_eq!(target(&remembered), Some(2.1), "it is not asked for at every look");
    age(&state, |known, last| known["maxconn_at"] = (last - 60_000).into());
    assert_eq!(target(&remembered), Some(7.0));
    assert_done(&looks.fixture.reload(&["--force"]), "reload");
    assert_eq!(target(&remembered), Some(2.1), "a new worker has the file's");
}

#[test]
fn a_server_that_is_not_up_is_seen_within_15_s_and_one_that_comes_up_at_once() {
    let looks = Looks::running("");
    let state = looks.fixture.run.join("state.json");
    let seen = |max| {
        let bounds = ["--target", "2", "--min", "1", "--max", max, "--json"];
        let output = looks.autoscale(&[&bounds[..], &["--state", state.to_str().unwrap()]].concat());
        let json: Value = serde_json::from_slice(&output.stdout).unwrap();
        (json["count"].as_u64().unwrap(), json["draining"].as_u64().unwrap())
    };
    assert_eq!(seen("1"), (1, 0));
    // The first look knew no number yet, so this one asks for the list, too.
    assert_eq!(seen("1"), (1, 0));
    let server = looks.fixture.haproxy().command("add server nodes/s2 127.0.0.1:1 weight 0").unwrap();
    assert!(server.starts_with("New server"), "{server}");
    looks.fixture.order("enable server nodes/s2");
    assert_eq!(seen("1"), (1, 0), "the list is not asked for at every look");
    age(&state, |known, last| known["list"]["at"] = (last - 15_000).into());
    assert_eq!(seen("1"), (1, 1));
    assert_eq!(seen("1"), (1, 1));
    looks.fixture.order("set server nodes/s2 weight 1");
    assert_eq!(seen("9"), (2, 0));
    // Now two are wanted, and there are two.
    assert_eq!(seen("9"), (2, 0));
    looks.fixture.order("set server nodes/s2 weight 0");
    assert_eq!(seen("9"), (1, 1), "one less is active");
    // Fewer are there than wanted, so each look asks for the list.
    let server = looks.fixture.haproxy().command("add server nodes/s3 127.0.0.1:1 weight 0").unwrap();
    assert!(server.starts_with("New server"), "{server}");
    looks.fixture.order("enable server nodes/s3");
    assert_eq!(seen("9"), (1, 2));
}
