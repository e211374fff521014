//! The member-leave program: exit code, stdout, stderr, and the records that it leaves.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use assert_cmd::Command;
use common::node::{Node, Tags};
use common::nodes_directory::NodesDir;
use common::replace::replace;
use tempfile::TempDir;

/// A nodes directory with records, and the program set to use it.
struct Bed {
    scratch: TempDir,
}

impl Bed {
    fn with(nodes: &[(&str, &str)]) -> Bed {
        let bed = Bed { scratch: tempfile::tempdir().unwrap() };
        let mut dir = NodesDir::lock(&bed.nodes(), Duration::from_secs(10)).unwrap();
        for (name, role) in nodes {
            let tags = Tags::from([("role".to_owned(), (*role).to_owned())]);
            dir.put(&Node::new(name, &address(name), tags).unwrap()).unwrap();
        }
        assert!(dir.finish().is_empty());
        bed
    }

    fn nodes(&self) -> PathBuf {
        self.scratch.path().join("nodes")
    }

    fn leave(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_member-leave"));
        command.env_remove("SERF_EVENT").env("NODES_DIR", self.nodes()).args(arguments);
        command
    }

    fn records(&self) -> Vec<String> {
        let entries = fs::read_dir(self.nodes()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

const BACKENDS: [(&str, &str); 3] = [("s1", "backend"), ("s2", "backend"), ("s3", "backend")];
const LIST: [&str; 2] = ["--from", "serf-members"];

/// The address of a node: 10.0.0.1 for s1, 10.0.0.9 for a name without a number.
fn address(name: &str) -> String {
    let number: String = name.chars().filter(char::is_ascii_digit).collect();
    format!("10.0.0.{}", if number.is_empty() { "9" } else { &number })
}

/// The output of `serf members -format=json` for these members: name, role, status.
fn list(members: &[(&str, &str, &str)]) -> String {
    let entries: Vec<String> = members
        .iter()
        .map(|(name, role, status)| {
            let address = address(name);
            format!(
                r#"{{"name":"{name}","addr":"{address}:7946","tags":{{"role":"{role}"}},"status":"{status}"}}"#
            )
        })
        .collect();
    format!(r#"{{"members":[{}]}}"#, entries.join(","))
}

fn fixture(name: &str) -> Vec<u8> {
    fs::read(format!("{}/../common/tests/fixtures/serf/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

#[test]
fn a_member_that_left_loses_its_record_and_success_is_quiet() {
    let bed = Bed::with(&BACKENDS);
    let payload = "s1\t10.0.0.1\tbackend\trole=backend\ns3\t10.0.0.1\tbackend\trole=backend\n";
    bed.leave(&[]).write_stdin(payload).assert().code(0).stdout("").stderr("");
    assert_eq!(bed.records(), ["s2.json"]);
}

#[test]
fn the_captured_leave_failed_and_reap_are_removals() {
    for payload in ["03-member-leave.in", "04-member-failed.in", "05-member-reap.in"] {
        let bed = Bed::with(&[("web-1", "web")]);
        bed.leave(&["--role", "web", "-v"])
            .write_stdin(fixture(payload))
            .assert()
            .code(0)
            .stderr("member-leave: removed web-1\n");
        assert!(bed.records().is_empty(), "{payload}");
    }
}

#[test]
fn leave_of_an_unknown_node_succeeds() {
    let bed = Bed::with(&BACKENDS);
    bed.leave(&["-v"]).write_stdin("s9\t10.0.0.9\t\t\n").assert().code(0).stderr("");
    assert_eq!(bed.records().len(), 3);
}

#[test]
fn empty_input_removes_nothing() {
    let bed = Bed::with(&BACKENDS);
    bed.leave(&[]).env("SERF_EVENT", "member-leave").write_stdin("").assert().code(0).stderr("");
    assert_eq!(bed.records().len(), 3);
}

#[test]
fn a_hostile_name_removes_nothing_outside_and_the_others_are_removed() {
    let bed = Bed::with(&BACKENDS);
    let outside = bed.scratch.path().join("x.json");
    common::replace::replace(&outside, b"{}", 0o600).unwrap();
    let payload = "../x\t10.0.0.1\t\t\n-rf\t10.0.0.1\t\t\nno tabs\ns1\t<nil>\t\t,,\n";
    bed.leave(&[]).write_stdin(payload).assert().code(3);
    assert_eq!(bed.records(), ["s2.json", "s3.json"]);
    assert!(outside.exists());
}

#[test]
fn a_record_of_another_role_stays() {
    let bed = Bed::with(&[("b", "balancer"), ("s1", "backend")]);
    let payload = "b\t10.0.0.1\tbalancer\trole=balancer\ns1\t10.0.0.1\tother\trole=other\n";
    bed.leave(&[]).write_stdin(payload).assert().code(0);
    assert_eq!(bed.records(), ["b.json"]);
}

#[test]
fn an_unreadable_record_is_removed_with_its_node() {
    let bed = Bed::with(&BACKENDS);
    common::replace::replace(&bed.nodes().join("s1.json"), b"{\"name\":", 0o600).unwrap();
    bed.leave(&[]).write_stdin("s1\t10.0.0.1\tbackend\t\n").assert().code(0);
    assert_eq!(bed.records(), ["s2.json", "s3.json"]);
}

#[test]
fn a_whole_membership_removes_all_who_are_not_alive_in_it() {
    let bed = Bed::with(&BACKENDS);
    let members = list(&[
        ("s1", "backend", "alive"),
        ("s2", "backend", "leaving"),
        ("s3", "backend", "failed"),
        ("lb", "balancer", "alive"),
    ]);
    bed.leave(&LIST).write_stdin(members).assert().code(0).stderr("");
    assert_eq!(bed.records(), ["s1.json"]);
}

#[test]
fn a_member_that_is_alive_with_another_role_loses_its_record() {
    let bed = Bed::with(&BACKENDS);
    let members = list(&[("s1", "backend", "alive"), ("s2", "spare", "alive"), ("s3", "backend", "alive")]);
    bed.leave(&LIST).write_stdin(members).assert().code(0);
    assert_eq!(bed.records(), ["s1.json", "s3.json"]);
}

#[test]
fn a_member_that_breaks_the_whitelist_but_lives_keeps_its_last_good_record() {
    let bed = Bed::with(&BACKENDS);
    let members = list(&[("s1", "backend", "alive"), ("s2", "backend", "alive")]);
    let members = members.replacen("10.0.0.1:7946", "<nil>:7946", 1);
    bed.leave(&LIST).write_stdin(members).assert().code(0);
    assert_eq!(bed.records(), ["s1.json", "s2.json"]);
}

#[test]
fn a_member_that_cannot_be_recorded_does_not_make_an_empty_list_a_full_one() {
    let bed = Bed::with(&BACKENDS);
    bed.leave(&LIST).write_stdin(list(&[("../x", "backend", "alive")])).assert().code(6);
    assert_eq!(bed.records().len(), 3);
}

#[test]
fn a_removal_does_not_create_the_directory() {
    let bed = Bed::with(&[]);
    fs::remove_dir(bed.nodes()).unwrap();
    bed.leave(&[]).write_stdin("s1\t10.0.0.1\t\t\n").assert().code(0).stderr("");
    bed.leave(&LIST).write_stdin(list(&[])).assert().code(0).stderr("");
    let refused =
        format!("member-leave: cannot open '{}': no such directory; see --nodes\n", bed.nodes().display());
    bed.leave(&["s1"]).assert().code(4).stderr(refused);
    assert!(!bed.nodes().exists());
}

#[test]
fn a_list_without_a_node_of_the_role_does_not_remove_all_of_them() {
    let bed = Bed::with(&BACKENDS);
    let refused = "member-leave: cannot remove 3 records of role 'backend': the list has no live member of that role, \
                   so the agent may be cut off; give --allow-empty to remove them\n";
    for members in [list(&[("lb", "balancer", "alive")]), r#"{"members": null}"#.to_owned()] {
        bed.leave(&LIST).write_stdin(members).assert().code(6).stderr(refused);
        assert_eq!(bed.records().len(), 3);
    }
    bed.leave(&LIST).arg("--allow-empty").write_stdin(r#"{"members": null}"#).assert().code(0);
    assert!(bed.records().is_empty());
}

#[test]
fn an_empty_list_with_nothing_to_remove_succeeds() {
    let bed = Bed::with(&[]);
    bed.leave(&LIST).write_stdin(r#"{"members": null}"#).assert().code(0).stderr("");
}

#[test]
fn the_guard_applies_to_each_role_alone() {
    let bed = Bed::with(&[("b1", "balancer"), ("b2", "balancer"), ("s1", "backend")]);
    let members = list(&[("b1", "balancer", "alive")]);
    let roles = ["--role", "backend", "--role", "balancer"];
    bed.leave(&LIST).args(roles).write_stdin(members).assert().code(6);
    assert_eq!(bed.records(), ["b1.json", "s1.json"]);
}

#[test]
fn an_invalid_list_removes_nothing() {
    let bed = Bed::with(&BACKENDS);
    for bytes in ["", "Deprecation warning\n{\"members\":[]}", "[1,2]"] {
        bed.leave(&LIST).arg("--allow-empty").write_stdin(bytes).assert().code(3);
    }
    assert_eq!(bed.records().len(), 3);
}

#[test]
fn a_failed_member_that_is_seen_up_keeps_its_record() {
    let bed = Bed::with(&BACKENDS);
    let up = bed.scratch.path().join("up");
    replace(&up, b"s1\ns2\n", 0o600).unwrap();
    let members = list(&[("s1", "backend", "failed"), ("s2", "backend", "left"), ("s3", "backend", "alive")]);
    let run = bed.leave(&LIST).arg("--serving").arg(&up).arg("-v").write_stdin(members.clone()).assert();
    run.success().stderr("member-leave: kept s1: failed in Serf, but seen up\nmember-leave: removed s2\n");
    assert_eq!(bed.records(), ["s1.json", "s3.json"]);
    replace(&up, b"", 0o600).unwrap();
    bed.leave(&LIST).arg("--serving").arg(&up).write_stdin(members).assert().success().stderr("");
    assert_eq!(bed.records(), ["s3.json"]);
}

/// The list of a balancer that is cut off from all of them.
#[test]
fn the_guard_does_not_apply_if_all_failed_members_are_seen_up() {
    let bed = Bed::with(&BACKENDS);
    let up = bed.scratch.path().join("up");
    replace(&up, b"s1\ns2\ns3\n", 0o600).unwrap();
    let members = list(&BACKENDS.map(|(name, role)| (name, role, "failed")));
    bed.leave(&LIST).arg("--serving").arg(&up).write_stdin(members.clone()).assert().success().stderr("");
    assert_eq!(bed.records().len(), 3);
    replace(&up, b"s1\n", 0o600).unwrap();
    let run = bed.leave(&LIST).arg("--serving").arg(&up).write_stdin(members).assert();
    let stderr = String::from_utf8(run.code(6).get_output().stderr.clone()).unwrap();
    assert!(stderr.starts_with("member-leave: cannot remove 2 records of role 'backend'"), "{stderr}");
    assert_eq!(bed.records().len(), 3);
}

/// A container that crashed came back with its address and a new name. HAProxy then finds the old server up, too.
#[test]
fn a_failed_member_whose_address_a_live_member_has_loses_its_record() {
    let bed = Bed::with(&BACKENDS);
    let up = bed.scratch.path().join("up");
    replace(&up, b"s1\ns2\ns3\n", 0o600).unwrap();
    let members =
        list(&[("s1", "backend", "failed"), ("s2", "backend", "failed"), ("s3", "backend", "alive")]);
    let members = members.replace("10.0.0.3:", "10.0.0.1:");
    let run = bed.leave(&LIST).arg("--serving").arg(&up).arg("-v").write_stdin(members).assert();
    run.success().stderr("member-leave: kept s2: failed in Serf, but seen up\nmember-leave: removed s1\n");
    assert_eq!(bed.records(), ["s2.json", "s3.json"]);
}

#[test]
fn nothing_is_removed_if_the_serving_file_cannot_be_read() {
    let bed = Bed::with(&BACKENDS);
    let members = list(&[("s3", "backend", "alive")]);
    let run = bed.leave(&LIST).args(["--serving", "/no/such/file"]).write_stdin(members).assert();
    run.code(4).stderr("member-leave: cannot read '/no/such/file': No such file or directory (os error 2)\n");
    assert_eq!(bed.records().len(), 3);
    let run = bed.leave(&["--serving", "/no/such/file"]).write_stdin("").assert();
    run.code(2).stderr("member-leave: cannot use --serving without --from serf-members\n");
}

#[test]
fn a_whole_membership_removes_leftovers_of_killed_runs() {
    let bed = Bed::with(&BACKENDS);
    common::replace::replace(&bed.nodes().join(".s7.json.tmp"), b"{", 0o600).unwrap();
    let members = list(&[("s1", "backend", "alive"), ("s2", "backend", "alive"), ("s3", "backend", "alive")]);
    bed.leave(&LIST).write_stdin(members).assert().code(0);
    assert_eq!(bed.records(), ["s1.json", "s2.json", "s3.json"]);
}

#[test]
fn nodes_are_removed_by_hand_whatever_their_role() {
    let bed = Bed::with(&[("b", "balancer"), ("s1", "backend")]);
    bed.leave(&["b", "s9", "-v"]).assert().code(0).stderr("member-leave: removed b\n");
    assert_eq!(bed.records(), ["s1.json"]);
    let refused = "member-leave: cannot remove '../x': its name does not begin with a letter or digit\n";
    bed.leave(&["../x", "s1"]).assert().code(3).stderr(refused);
    assert!(bed.records().is_empty());
}

#[test]
fn an_event_of_another_kind_is_rejected() {
    let bed = Bed::with(&BACKENDS);
    let s1 = "s1\t10.0.0.1\tbackend\t\n";
    let refused = "member-leave: cannot handle event 'member-join' (from SERF_EVENT): it must be one of member-leave, \
                   member-failed, member-reap\n";
    bed.leave(&[]).env("SERF_EVENT", "member-join").write_stdin(s1).assert().code(2).stderr(refused);
    assert_eq!(bed.records().len(), 3);
}

#[test]
fn the_time_limit_ends_a_run_that_waits_for_a_lock() {
    let bed = Bed::with(&[("s1", "backend")]);
    let _held = common::lock::exclusive(fs::File::open(bed.nodes()).unwrap(), Duration::ZERO).unwrap();
    bed.leave(&["--time-limit", "1s", "s1"]).assert().code(1);
    assert_eq!(bed.records(), ["s1.json"]);
}
