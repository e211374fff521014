//! The member-join program: exit code, stdout, stderr, and the records that it writes.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use assert_cmd::Command;
use tempfile::TempDir;

/// A nodes directory, and the program set to use it.
struct Bed {
    scratch: TempDir,
}

impl Bed {
    fn new() -> Bed {
        Bed { scratch: tempfile::tempdir().unwrap() }
    }

    fn nodes(&self) -> PathBuf {
        self.scratch.path().join("nodes")
    }

    fn join(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_member-join"));
        command.env_remove("SERF_EVENT").env("NODES_DIR", self.nodes()).args(arguments);
        command
    }

    fn records(&self) -> Vec<String> {
        names(&self.nodes())
    }

    fn record(&self, name: &str) -> String {
        fs::read_to_string(self.nodes().join(format!("{name}.json"))).unwrap()
    }
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn fixture(name: &str) -> Vec<u8> {
    fs::read(format!("{}/../common/tests/fixtures/serf/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

const S1: &str = "s1\t172.18.0.3\tbackend\trole=backend,port=3000\n";

#[test]
fn a_member_becomes_a_record_and_success_is_quiet() {
    let bed = Bed::new();
    bed.join(&[]).write_stdin(S1).assert().code(0).stdout("").stderr("");
    assert_eq!(
        bed.record("s1"),
        "{\"address\":\"172.18.0.3\",\"name\":\"s1\",\"role\":\"backend\",\
         \"tags\":{\"port\":\"3000\",\"role\":\"backend\"}}\n"
    );
}

#[test]
fn records_and_their_directory_are_not_readable_by_everyone() {
    let bed = Bed::new();
    bed.join(&[]).write_stdin(S1).assert().code(0);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&bed.nodes()), 0o750);
    assert_eq!(mode(&bed.nodes().join("s1.json")), 0o640);
}

#[test]
fn tags_in_another_order_are_the_same_record_and_write_nothing() {
    let bed = Bed::new();
    bed.join(&[]).write_stdin(S1).assert().code(0);
    let inode = || fs::metadata(bed.nodes().join("s1.json")).unwrap().ino();
    let before = inode();
    let reordered = "s1\t172.18.0.3\tbackend\tport=3000,role=backend\n";
    bed.join(&["-v"]).write_stdin(reordered).assert().code(0).stderr("");
    assert_eq!(inode(), before);
}

#[test]
fn a_node_at_a_new_address_has_one_record() {
    let bed = Bed::new();
    bed.join(&[]).write_stdin(S1).assert().code(0);
    let moved = S1.replace("172.18.0.3", "172.18.0.9");
    bed.join(&["-v"]).write_stdin(moved).assert().code(0).stderr("member-join: updated s1 (172.18.0.9)\n");
    assert_eq!(bed.records(), ["s1.json"]);
    assert!(bed.record("s1").contains("172.18.0.9"));
}

#[test]
fn the_later_of_two_lines_for_one_name_counts() {
    let bed = Bed::new();
    let (first, last) = (S1.replace("172.18.0.3", "172.18.0.9"), S1);
    for _ in 0..2 {
        bed.join(&[]).write_stdin(format!("{first}{last}")).assert().code(0).stderr("");
        assert!(bed.record("s1").contains("172.18.0.3"));
    }
    let away = format!("{S1}s1\t172.18.0.3\tspare\trole=spare\n");
    bed.join(&[]).write_stdin(away).assert().code(0);
    assert!(bed.records().is_empty());
}

#[test]
fn thousands_of_members_need_no_more_open_files_than_one() {
    let bed = Bed::new();
    let payload: String =
        (0..3000).map(|n| format!("n{n}\t10.1.{}.{}\tbackend\trole=backend\n", n / 250, n % 250)).collect();
    let mut command = Command::new("sh");
    let program = env!("CARGO_BIN_EXE_member-join");
    command
        .args(["-c", "ulimit -n 64; exec \"$0\"", program])
        .env_remove("SERF_EVENT")
        .env("NODES_DIR", bed.nodes());
    command.write_stdin(payload).assert().code(0).stderr("");
    assert_eq!(bed.records().len(), 3000);
}

#[test]
fn a_whole_membership_removes_the_record_of_a_role_that_changed() {
    let bed = Bed::new();
    bed.join(&["web-2", "10.0.0.1", "--role", "web"]).assert().code(0);
    bed.join(&["--from", "serf-members", "--role", "web"])
        .write_stdin(fixture("members.json"))
        .assert()
        .code(0);
    assert!(bed.records().is_empty());
}

#[test]
fn hostile_names_are_rejected_and_the_good_ones_recorded() {
    let bed = Bed::new();
    let long = "x".repeat(5000);
    let names =
        ["../x", "-rf", "a\"b", "a b", "a&b", "$(id)", long.as_str(), "", ".", "..", ".hidden", "a/b"];
    let mut payload: Vec<u8> = Vec::new();
    for name in names {
        payload.extend_from_slice(format!("{name}\t10.0.0.1\tbackend\trole=backend\n").as_bytes());
    }
    payload.extend_from_slice(b"bad\xff\xfe\t10.0.0.1\tbackend\trole=backend\n");
    payload.extend_from_slice(S1.as_bytes());
    let output = bed.join(&[]).write_stdin(payload).assert().code(3).stdout("").get_output().clone();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(stderr.lines().count(), names.len() + 1, "{stderr}");
    assert!(stderr.lines().all(|line| line.starts_with("member-join: cannot record '")), "{stderr}");
    assert_eq!(bed.records(), ["s1.json"]);
    assert_eq!(self::names(bed.scratch.path()), ["nodes"]);
}

#[test]
fn the_captured_hostile_payloads_leave_only_whitelisted_records() {
    for (payload, code, records) in [
        ("06-join-hostile-names.in", 3, &["lb.json", "plain.json", "vm.json"][..]),
        ("08-join-forged.in", 3, &["badmsgpack.json", "evil.json", "rawmeta.json", "v6.json"][..]),
        ("09-join-ipv6.in", 0, &["lb6.json", "w6.json"][..]),
        ("12-leave-empty-stdin.in", 0, &[][..]),
    ] {
        let bed = Bed::new();
        bed.join(&["--any-role"]).write_stdin(fixture(payload)).assert().code(code);
        assert_eq!(bed.records(), records, "{payload}");
    }
}

#[test]
fn only_wanted_roles_are_recorded() {
    let bed = Bed::new();
    let payload = "a\t10.0.0.1\tweb\trole=web\nb\t10.0.0.2\tdb\trole=db\nc\t10.0.0.3\t\t\n";
    bed.join(&["--role", "web", "--role", "cache"]).write_stdin(payload).assert().code(0);
    assert_eq!(bed.records(), ["a.json"]);
}

#[test]
fn a_member_that_changes_to_an_unwanted_role_loses_its_record() {
    let bed = Bed::new();
    bed.join(&[]).write_stdin(S1).assert().code(0);
    let changed = "s1\t172.18.0.3\tspare\trole=spare\n";
    bed.join(&["-v"]).write_stdin(changed).assert().code(0).stderr("member-join: removed s1 (172.18.0.3)\n");
    assert!(bed.records().is_empty());
}

#[test]
fn a_record_of_a_role_that_is_not_wanted_is_not_touched() {
    let bed = Bed::new();
    bed.join(&["--role", "balancer"]).write_stdin("b\t10.0.0.1\tbalancer\trole=balancer\n").assert().code(0);
    bed.join(&[]).write_stdin("b\t10.0.0.1\tother\trole=other\n").assert().code(0);
    assert_eq!(bed.records(), ["b.json"]);
}

#[test]
fn a_whole_membership_records_the_members_that_are_alive() {
    let bed = Bed::new();
    bed.join(&["--from", "serf-members"]).write_stdin(fixture("members.json")).assert().code(0);
    assert_eq!(bed.records(), ["web-2.json"]);
}

#[test]
fn an_invalid_list_changes_nothing_and_is_shown() {
    let bed = Bed::new();
    let complaint = "Error connecting to Serf agent: dial tcp 127.0.0.1:7373: connect: connection refused\n";
    let assert = bed.join(&["--from", "serf-members"]).write_stdin(complaint).assert().code(3);
    let stderr = String::from_utf8(assert.get_output().stderr.clone()).unwrap();
    assert!(stderr.contains("it begins with 'Error connecting to Serf agent"), "{stderr}");
    assert_eq!(stderr.lines().count(), 1);
}

#[test]
fn a_consul_service_is_a_whole_membership() {
    let bed = Bed::new();
    let path = format!("{}/../common/tests/fixtures/consul/service.json", env!("CARGO_MANIFEST_DIR"));
    let from = ["--from", "consul-service", "--role", "redis"];
    bed.join(&from).write_stdin(fs::read(path).unwrap()).assert().code(0);
    assert_eq!(bed.records(), ["foobar-redis.json"]);
}

#[test]
fn a_node_is_recorded_by_hand() {
    let bed = Bed::new();
    bed.join(&["s1", "FD00::3", "--tag", "port=80"]).assert().code(0).stdout("").stderr("");
    assert_eq!(
        bed.record("s1"),
        "{\"address\":\"fd00::3\",\"name\":\"s1\",\"role\":\"backend\",\
         \"tags\":{\"port\":\"80\",\"role\":\"backend\"}}\n"
    );
    let refused = "member-join: cannot record '../x': its name does not begin with a letter or digit\n";
    bed.join(&["../x", "10.0.0.1"]).assert().code(3).stderr(refused);
}

#[test]
fn wrong_usage_is_not_bad_input() {
    let bed = Bed::new();
    for arguments in [
        &["s1"][..],
        &["s1", "10.0.0.1", "--tag", "port"],
        &["s1", "10.0.0.1", "--tag", "role=x"],
        &["--from", "yaml"],
        &["--role", "a", "--any-role"],
        &["--lock-timeout", "soon"],
        &["s1", "10.0.0.1", "--role", "a", "--role", "b"],
    ] {
        bed.join(arguments).assert().code(2).stdout("");
    }
    assert!(!bed.nodes().exists());
}

#[test]
fn an_event_of_another_kind_is_rejected() {
    let bed = Bed::new();
    for (event, code) in [("member-join", 0), ("member-update", 0), ("member-leave", 2), ("user", 2)] {
        bed.join(&[]).env("SERF_EVENT", event).write_stdin(S1).assert().code(code);
    }
    bed.join(&["--from", "serf-members"])
        .env("SERF_EVENT", "member-leave")
        .write_stdin(fixture("members.json"))
        .assert()
        .code(0);
}

#[test]
fn the_log_has_each_message_with_its_time() {
    let bed = Bed::new();
    let log = bed.scratch.path().join("log");
    bed.join(&["--log", log.to_str().unwrap()]).write_stdin(S1).assert().code(0).stderr("");
    let line = fs::read_to_string(log).unwrap();
    assert!(line.contains("Z member-join[") && line.ends_with("]: recorded s1 (172.18.0.3)\n"), "{line}");
}

#[test]
fn a_held_lock_is_waited_for_until_the_timeout() {
    let bed = Bed::new();
    fs::create_dir(bed.nodes()).unwrap();
    let directory = fs::File::open(bed.nodes()).unwrap();
    let held = common::lock::exclusive(directory, Duration::ZERO).unwrap();
    let start = Instant::now();
    let refused = format!(
        "member-join: cannot lock '{}': another run has held it for 100ms; see --lock-timeout\n",
        bed.nodes().display()
    );
    bed.join(&["--lock-timeout", "100ms"]).write_stdin(S1).assert().code(7).stderr(refused);
    assert!(start.elapsed() >= Duration::from_millis(100));
    drop(held);
    bed.join(&["--lock-timeout", "100ms"]).write_stdin(S1).assert().code(0);
}

#[test]
fn the_time_limit_ends_a_run_that_waits_for_a_lock() {
    let bed = Bed::new();
    fs::create_dir(bed.nodes()).unwrap();
    let _held = common::lock::exclusive(fs::File::open(bed.nodes()).unwrap(), Duration::ZERO).unwrap();
    let start = Instant::now();
    let log = bed.scratch.path().join("log");
    let late = "member-join: cannot finish within 1s; see --time-limit\n";
    let arguments = ["--time-limit", "1s", "--log", log.to_str().unwrap()];
    bed.join(&arguments).write_stdin(S1).assert().code(1).stderr(late);
    assert!(fs::read_to_string(log).unwrap().contains("cannot finish"));
    assert!((Duration::from_millis(900)..Duration::from_secs(20)).contains(&start.elapsed()));
    let wrong = bed.join(&["--time-limit", "500ms"]).write_stdin(S1).assert().code(2);
    assert!(String::from_utf8_lossy(&wrong.get_output().stderr).contains("in whole seconds"));
}

#[test]
fn a_file_in_place_of_the_directory_is_a_file_system_error() {
    let bed = Bed::new();
    std::os::unix::fs::symlink("/dev/null", bed.nodes()).unwrap();
    bed.join(&[]).write_stdin(S1).assert().code(4).stdout("");
}

#[test]
fn a_record_that_cannot_be_written_does_not_stop_the_others() {
    let bed = Bed::new();
    fs::create_dir_all(bed.nodes().join("s2.json/in-the-way")).unwrap();
    let payload = format!("{}{}{}", S1, S1.replace("s1", "s2"), S1.replace("s1", "s3"));
    let assert = bed.join(&[]).write_stdin(payload).assert().code(4);
    let stderr = String::from_utf8(assert.get_output().stderr.clone()).unwrap();
    assert!(stderr.starts_with("member-join: cannot write '") && stderr.contains("/s2.json'"), "{stderr}");
    assert_eq!(bed.records(), ["s1.json", "s2.json", "s3.json"]);
}

#[test]
fn twenty_runs_at_once_lose_no_record() {
    let bed = Bed::new();
    for round in 0..5 {
        let runs: Vec<_> = (0..20)
            .map(|run| {
                let mut command = bed.join(&[]);
                let payload = format!("r{round}-{run}\t10.0.{round}.{run}\tbackend\trole=backend\n");
                thread::spawn(move || command.write_stdin(payload).assert().code(0).stderr(""))
            })
            .collect();
        runs.into_iter().for_each(|run| drop(run.join().unwrap()));
    }
    assert_eq!(bed.records().len(), 100);
}

#[test]
fn a_killed_run_leaves_whole_records_and_the_next_one_finishes() {
    let bed = Bed::new();
    let payload: String =
        (0..200).map(|n| format!("n{n:03}\t10.1.{}.{}\tbackend\trole=backend\n", n / 100, n % 100)).collect();
    let input = bed.scratch.path().join("payload");
    common::replace::replace(&input, payload.as_bytes(), 0o600).unwrap();
    for moment in 0..60 {
        let mut child = Process::new(env!("CARGO_BIN_EXE_member-join"))
            .env("NODES_DIR", bed.nodes())
            .stdin(fs::File::open(&input).unwrap())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        thread::sleep(Duration::from_micros(moment * 250));
        child.kill().unwrap();
        child.wait().unwrap();
        if bed.nodes().exists() {
            let (_, faults) = common::records::read_all(&bed.nodes()).unwrap();
            assert!(faults.is_empty(), "{faults:?}");
        }
    }
    bed.join(&[]).write_stdin(payload).assert().code(0).stderr("");
    let (nodes, faults) = common::records::read_all(&bed.nodes()).unwrap();
    assert_eq!((nodes.len(), faults.len()), (200, 0));
}
