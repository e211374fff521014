//! The servers' health in HAProxy, over reloads by reload-haproxy.
//!
//! `$HAPROXY` names another HAProxy than the installed one, as in tests/reload_methods.rs. HAProxy does not retry
//! requests here, so each request to a dead server fails visibly.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::env;
use std::fs;
use std::net::SocketAddr;
use std::ops::Deref;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use common::replace::replace;
use harness::cluster::single_haproxy;
use harness::cluster::single_haproxy::Outcome;
use harness::daemons::counting_server::CountingServer;
use harness::daemons::haproxy::{Mode, Server};
use harness::run::poll;
use harness::traffic::load::{Counts, Load, Rate};

const SOON: Duration = Duration::from_secs(20);
/// All first checks are over after this: HAProxy spreads them over `inter`.
const CHECKED: Duration = Duration::from_secs(3);

/// A fixture whose configuration may name a state file.
struct HaproxyFixture {
    bed: single_haproxy::HaproxyFixture,
    revision: u32,
    /// More lines for `global`.
    global: String,
}

impl Deref for HaproxyFixture {
    type Target = single_haproxy::HaproxyFixture;

    fn deref(&self) -> &single_haproxy::HaproxyFixture {
        &self.bed
    }
}

impl HaproxyFixture {
    /// A fixture whose configuration names a state file; nothing runs yet.
    fn new() -> HaproxyFixture {
        let mut bed = HaproxyFixture::without_state_file();
        bed.global = format!("server-state-file {}", bed.state_file().display());
        bed
    }

    fn without_state_file() -> HaproxyFixture {
        HaproxyFixture { bed: single_haproxy::HaproxyFixture::empty(), revision: 0, global: String::new() }
    }

    fn state_file(&self) -> PathBuf {
        self.run.join("servers.state")
    }

    /// Puts a new file in place, with these servers. Its log has another tag: servers alone, and a revision, are
    /// not a reason for a reload.
    fn write(&mut self, servers: &[(&str, SocketAddr)]) {
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
    fn start(&mut self, mode: Mode) {
        self.bed.start(mode);
        self.until("the first checks", |bed| {
            let rows = bed.haproxy().show_stat().unwrap();
            rows.iter().all(|row| row["type"] != "2" || !["INI", ""].contains(&row["check_status"].as_str()))
        });
    }

    /// A reload without warnings.
    #[track_caller]
    fn reload_well(&self) {
        let Outcome { code, stderr } = self.reload(&[]);
        assert!(code == 0 && stderr.contains("reload (") && !stderr.contains("cannot"), "{code}: {stderr}");
        self.assert_names_no_server();
    }

    #[track_caller]
    fn assert_names_no_server(&self) {
        let text = fs::read_to_string(self.state_file()).unwrap();
        assert!(text.starts_with("1\n") && text.lines().skip(1).all(|line| line.starts_with('#')), "{text}");
    }

    fn server(&self, name: &str) -> Server {
        let servers = self.haproxy().servers().unwrap();
        servers.into_iter().find(|server| server.name == name).unwrap()
    }

    /// How often this worker has selected a server.
    fn chosen(&self, name: &str) -> String {
        let rows = self.haproxy().show_stat().unwrap();
        rows.into_iter().find(|row| row["svname"] == name).unwrap().remove("lbtot").unwrap()
    }

    fn until(&self, what: &str, look: impl Fn(&HaproxyFixture) -> bool) {
        poll::until(SOON, what, || look(self).then_some(())).unwrap();
    }

    fn load(&self) -> Load {
        Load::start(self.front(), "/", Rate::default())
    }
}

/// The outcomes of requests during a reload and until all servers have been checked again.
fn reload_under_load(bed: &HaproxyFixture) -> Counts {
    let (start, load) = (Instant::now(), bed.load());
    let outcome = bed.reload(&[]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    poll::pass(CHECKED).unwrap();
    let counts = load.since(start);
    assert!(counts.requests > 100, "{}", counts.requests);
    counts
}

#[track_caller]
fn assert_none_failed(counts: &Counts) {
    assert_eq!(counts.failures(), 0, "{} of {}", counts.failures_shown(), counts.requests);
}

/// The last in the list is checked last: it is DOWN, and a new worker would find that out after a second.
fn with_a_dead_server(mut bed: HaproxyFixture, mode: Mode) -> (HaproxyFixture, Vec<CountingServer>) {
    let apps = vec![bed.app(11), bed.app(12)];
    let servers = [11, 12, 13].map(|host| bed.address(host));
    bed.write(&[("s1", servers[0]), ("s2", servers[1]), ("dead", servers[2])]);
    bed.start(mode);
    bed.until("the dead server is DOWN", |bed| bed.server("dead").status == "DOWN");
    bed.write(&[("s1", servers[0]), ("s2", servers[1]), ("dead", servers[2])]);
    (bed, apps)
}

#[test]
fn a_dead_server_gets_no_request_because_of_a_reload_in_every_mode() {
    for mode in [Mode::MasterSocket, Mode::MasterWorker, Mode::Classic] {
        let (bed, _apps) = with_a_dead_server(HaproxyFixture::new(), mode);
        assert_none_failed(&reload_under_load(&bed));
        assert_eq!(
            (bed.chosen("dead").as_str(), bed.server("dead").status.as_str()),
            ("0", "DOWN"),
            "{mode:?}"
        );
        bed.assert_names_no_server();
    }
}

#[test]
fn without_a_state_file_a_dead_server_gets_requests_until_it_is_checked() {
    let (bed, _apps) = with_a_dead_server(HaproxyFixture::without_state_file(), Mode::MasterSocket);
    let counts = reload_under_load(&bed);
    assert!(counts.failures() > 0 && bed.chosen("dead") != "0", "{}", counts.requests);
    assert!(!bed.state_file().exists());
}

#[test]
fn health_is_kept_by_a_haproxy_with_user_and_chroot() {
    if !nix::unistd::geteuid().is_root() {
        assert!(env::var_os("CI").is_none(), "another user needs root");
        eprintln!("SKIPPED: another user needs root");
        return;
    }
    for mode in [Mode::MasterSocket, Mode::Classic] {
        let mut bed = HaproxyFixture::new();
        let jail = bed.run.join("jail");
        fs::create_dir(&jail).unwrap();
        bed.global.push_str(&format!("\n  chroot {}\n  user nobody\n  group nogroup", jail.display()));
        let (bed, _apps) = with_a_dead_server(bed, mode);
        bed.reload_well();
        assert_eq!(
            (bed.chosen("dead").as_str(), bed.server("dead").status.as_str()),
            ("0", "DOWN"),
            "{mode:?}"
        );
    }
}

#[test]
fn up_lists_exactly_the_servers_that_haproxys_checks_find_up() {
    let (mut bed, mut apps) = with_a_dead_server(HaproxyFixture::new(), Mode::MasterSocket);
    let up = |bed: &HaproxyFixture| bed.told(&["--up"]);
    assert_eq!(up(&bed), (0, "s1\ns2\n".to_owned()));
    // A drained server still serves; a server in maintenance is not checked.
    bed.order("set server nodes/s1 state drain");
    bed.order("set server nodes/s2 state maint");
    assert_eq!(up(&bed), (0, "s1\n".to_owned()));
    drop(apps.remove(0));
    bed.until("s1 to be found down", |bed| up(bed).1.is_empty());
    // An unchecked server does not count, although HAProxy starts with all of them up.
    let text = fs::read_to_string(bed.config()).unwrap().replace(" check\n", "\n");
    bed.write_text(&text);
    bed.reload_well();
    assert_eq!(bed.server("s1").status, "no check");
    assert_eq!(up(&bed), (0, String::new()));
    // A stopped process does not answer; if none runs, no server is up, and that is not an error.
    let worker = nix::unistd::Pid::from_raw(bed.haproxy().worker_pid().unwrap().try_into().unwrap());
    nix::sys::signal::kill(worker, nix::sys::signal::Signal::SIGSTOP).unwrap();
    assert_eq!(up(&bed), (5, String::new()));
    nix::sys::signal::kill(worker, nix::sys::signal::Signal::SIGCONT).unwrap();
    bed.bed.haproxy.take();
    assert_eq!(up(&bed), (0, String::new()));
}

#[test]
fn a_file_in_a_base_directory_is_found() {
    let mut bed = HaproxyFixture::without_state_file();
    bed.global = format!("server-state-base {}\n  server-state-file servers.state", bed.run.path().display());
    let (bed, _apps) = with_a_dead_server(bed, Mode::MasterSocket);
    bed.reload_well();
    assert_eq!(bed.server("dead").status, "DOWN");
}

#[test]
fn the_masters_socket_is_used_if_no_other_answers() {
    let (bed, _apps) = with_a_dead_server(HaproxyFixture::new(), Mode::MasterSocket);
    let outcome = bed.reload(&["--stats-socket", "/nonexistent/admin.sock"]);
    assert!(outcome.code == 0 && !outcome.stderr.contains("cannot"), "{}", outcome.stderr);
    assert_eq!(bed.server("dead").status, "DOWN");
}

#[test]
fn a_new_server_gets_no_request_before_it_listens() {
    let mut bed = HaproxyFixture::new();
    let _apps = [bed.app(11), bed.app(12)];
    let [one, two, new] = [11, 12, 13].map(|host| bed.address(host));
    bed.write(&[("s1", one), ("s2", two)]);
    bed.start(Mode::MasterSocket);
    bed.write(&[("s1", one), ("s2", two), ("new", new)]);
    let (start, load) = (Instant::now(), bed.load());
    bed.reload_well();
    poll::pass(CHECKED).unwrap();
    assert_eq!((bed.chosen("new").as_str(), bed.server("new").status.as_str()), ("0", "DOWN"));
    let _app = bed.app(13);
    bed.until("an answer by the new server", |_| load.first_answer_by(new.ip(), start).is_some());
    assert_none_failed(&load.since(start));
}

#[test]
fn an_only_server_gets_requests_before_it_is_checked() {
    let mut bed = HaproxyFixture::new();
    let _apps = [bed.app(11), bed.app(12)];
    let [one, two, dead] = [11, 12, 13].map(|host| bed.address(host));
    bed.write(&[("dead", dead), ("s1", one)]);
    bed.start(Mode::MasterSocket);
    bed.until("the dead server is DOWN", |bed| bed.server("dead").status == "DOWN");
    bed.write(&[("dead", dead), ("s2", two)]);
    assert_none_failed(&reload_under_load(&bed));
    assert_eq!(bed.chosen("dead"), "0");
}

#[test]
fn a_changed_address_or_port_is_taken_from_the_file_and_starts_down() {
    let mut bed = HaproxyFixture::new();
    let [one, two, three] = [11, 12, 13].map(|host| bed.address(host));
    let _apps = [bed.app(11), bed.app(12)];
    bed.write(&[("s1", one), ("s2", two), ("s3", two)]);
    bed.start(Mode::MasterSocket);
    let moved = SocketAddr::new(two.ip(), two.port() + 1);
    bed.write(&[("s1", one), ("s2", moved), ("s3", three)]);
    assert_none_failed(&reload_under_load(&bed));
    for (name, address) in [("s2", moved), ("s3", three)] {
        let server = bed.server(name);
        assert_eq!((server.address, server.status.as_str()), (address.to_string(), "DOWN"));
    }
    let _moved = [CountingServer::start(moved).unwrap(), bed.app(13)];
    bed.until("both are up", |bed| ["s2", "s3"].iter().all(|name| bed.server(name).is_up()));
}

#[test]
fn values_set_by_hand_do_not_come_back_after_a_reload() {
    let mut bed = HaproxyFixture::new();
    let _apps = [bed.app(11), bed.app(12), bed.app(13)];
    let servers = [("s1", bed.address(11)), ("s2", bed.address(12)), ("s3", bed.address(13))];
    bed.write(&servers);
    bed.start(Mode::MasterSocket);
    for command in [
        "set server nodes/s2 state maint",
        "set server nodes/s3 state drain",
        "set server nodes/s3 weight 7",
        "disable health nodes/s3",
    ] {
        assert_eq!(bed.haproxy().command(command).unwrap().trim(), "", "{command}");
    }
    bed.write(&servers);
    bed.reload_well();
    assert_eq!((bed.server("s3").status.as_str(), bed.server("s3").weight), ("UP", 1));
    assert_eq!(bed.server("s2").status.split(' ').next(), Some("DOWN"), "nobody checked it meanwhile");
    bed.until("it is up", |bed| bed.server("s2").status == "UP");
    bed.write(&servers);
    bed.reload_well();
    assert_eq!(bed.server("s2").status, "UP");
}

#[test]
fn a_cold_start_does_not_use_old_health() {
    let (mut bed, mut apps) = with_a_dead_server(HaproxyFixture::new(), Mode::MasterSocket);
    bed.reload_well();
    bed.bed.haproxy.take().unwrap().stop().unwrap();
    apps.push(bed.app(13));
    let (log, old) = (bed.run.join("haproxy.log"), fs::read_to_string(bed.run.join("haproxy.log")).unwrap());
    bed.start(Mode::MasterSocket);
    let said = fs::read_to_string(log).unwrap().split_off(old.len());
    assert!(bed.server("dead").is_up() && !said.contains("DOWN") && !said.contains("WARNING"), "{said}");
}

#[test]
fn the_next_run_empties_the_state_file_of_a_killed_run_and_creates_a_missing_one() {
    let (bed, _apps) = with_a_dead_server(HaproxyFixture::new(), Mode::MasterSocket);
    bed.reload_well();
    let head = fs::read_to_string(bed.state_file()).unwrap();
    let row = format!(
        "0 nodes 0 s1 {} 0 0 1 1 0 8 2 0 6 0 0 0 - {} -\n",
        bed.subnet.host(11),
        bed.address(11).port()
    );
    replace(&bed.state_file(), format!("{head}{row}").as_bytes(), 0o644).unwrap();
    assert!(bed.reload(&[]).stderr.contains("nothing to do"));
    bed.assert_names_no_server();
    fs::remove_file(bed.state_file()).unwrap();
    assert!(bed.reload(&[]).stderr.contains("nothing to do"));
    bed.assert_names_no_server();
}

#[test]
fn a_state_file_of_another_program_stays_until_a_reload() {
    let (bed, _apps) = with_a_dead_server(HaproxyFixture::new(), Mode::MasterSocket);
    let theirs = bed.haproxy().command("show servers state").unwrap();
    bed.reload_well();
    replace(&bed.state_file(), theirs.as_bytes(), 0o644).unwrap();
    assert!(bed.reload(&[]).stderr.contains("nothing to do"));
    assert_eq!(fs::read_to_string(bed.state_file()).unwrap(), theirs);
}

#[test]
fn a_corrupt_file_does_no_harm() {
    for text in ["", "garbage", "1\n0 nodes 0 dead", "1\nx\n", "2\n"] {
        let (bed, _apps) = with_a_dead_server(HaproxyFixture::new(), Mode::MasterSocket);
        replace(&bed.state_file(), text.as_bytes(), 0o644).unwrap();
        bed.reload_well();
        assert_eq!(bed.server("dead").status, "DOWN", "{text}");
    }
}

#[test]
fn a_state_file_that_cannot_be_written_loses_health_but_not_the_reload() {
    let mut bed = HaproxyFixture::new();
    bed.global = format!("server-state-file {}", bed.run.join("missing/servers.state").display());
    let (bed, _apps) = with_a_dead_server(bed, Mode::MasterSocket);
    let worker = bed.haproxy().worker_pid().unwrap();
    let outcome = bed.reload(&[]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert_eq!(outcome.stderr.matches("cannot write '").count(), 1, "{}", outcome.stderr);
    assert!(outcome.stderr.contains("the new worker starts with every server up"), "{}", outcome.stderr);
    assert_ne!(bed.haproxy().worker_pid().unwrap(), worker);
}

#[test]
fn a_dead_server_does_not_fail_a_reload_where_warnings_are_errors() {
    let mut bed = HaproxyFixture::new();
    bed.global.push_str("\n  zero-warning");
    // It would be a warning that the file is missing.
    replace(&bed.state_file(), b"1\n", 0o644).unwrap();
    let (bed, _apps) = with_a_dead_server(bed, Mode::MasterSocket);
    let outcome = bed.reload(&[]);
    assert!(outcome.code == 0 && outcome.stderr.contains("zero-warning forbids"), "{}", outcome.stderr);
}

#[test]
fn a_failed_reload_leaves_no_server_in_the_state_file() {
    let (mut bed, _apps) = with_a_dead_server(HaproxyFixture::new(), Mode::MasterSocket);
    // More files than any process may open on Linux; the preflight check skips lines within .if.
    bed.global.push_str("\n.if 1\n  maxconn 1000000\n.endif");
    let servers = [("s1", bed.address(11)), ("dead", bed.address(13))];
    bed.write(&servers);
    let outcome = bed.reload(&[]);
    assert!(outcome.code == 5 && outcome.stderr.contains("rejected it"), "{}", outcome.stderr);
    bed.assert_names_no_server();
    assert_eq!(bed.server("dead").status, "DOWN");
}
