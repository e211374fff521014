//! Keywords whose result must be the same as after a reload: `id`, `source` and `track`.
//!
//! `$HAPROXY` names another HAProxy than the installed one, as in tests/reload_methods.rs.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::collections::BTreeMap;
use std::io::Write;
use std::net::{IpAddr, TcpListener, TcpStream};
use std::time::Duration;

use harness::cluster::single_haproxy::{HaproxyFixture, assert_done, is_since, many};
use harness::run::poll;

const SOON: Duration = Duration::from_secs(10);

/// For each server: its id, whether the file sets the id, its address and its weight.
fn identities(fixture: &HaproxyFixture) -> BTreeMap<String, Vec<String>> {
    let columns = ["srv_id", "srv_f_forced_id", "srv_addr", "srv_port", "srv_uweight"];
    let states = fixture.states().into_iter();
    states.map(|(name, row)| (name, columns.map(|column| row[column].clone()).to_vec())).collect()
}

#[test]
fn a_server_with_an_id_has_it_as_after_a_reload() {
    let fixture = HaproxyFixture::with_nodes(&many(2));
    fixture.write_nodes(&format!("{}  server x 127.9.1.1:9 check id 77\n", many(2)));
    fixture.change();
    let changed = identities(&fixture);
    assert_eq!(changed["nodes/x"][..2], ["77", "1"]);
    fixture.assert_runs_the_file();
    assert_done(&fixture.reload(&["--force"]), "");
    assert_eq!(identities(&fixture), changed);
}

#[test]
fn an_id_that_another_server_has_is_left_to_a_reload() {
    let fixture = HaproxyFixture::with_nodes(&many(2));
    let worker = fixture.worker();
    fixture.write_nodes(&format!("{}  server x 127.9.1.1:9 check id 1\n", many(2)));
    assert_done(&fixture.reload(&[]), "custom id 1 already used");
    assert_ne!(fixture.worker(), worker);
    assert_eq!(identities(&fixture)["nodes/x"][..2], ["1", "1"]);
    fixture.assert_runs_the_file();
}

/// The source address of the next connection to the listener.
fn origin(listener: &TcpListener) -> IpAddr {
    let (mut stream, from) = listener.accept().unwrap();
    stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n").unwrap();
    from.ip()
}

#[test]
fn a_server_with_a_source_is_reached_from_there_as_after_a_reload() {
    let fixture = HaproxyFixture::with_nodes(&many(1));
    let listener = TcpListener::bind(fixture.address(7)).unwrap();
    fixture.write_nodes(&format!("  server x {} source 127.0.0.77\n", fixture.address(7)));
    fixture.change();
    let reach = || {
        let mut client = TcpStream::connect(fixture.front()).unwrap();
        client.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
        origin(&listener).to_string()
    };
    assert_eq!(reach(), "127.0.0.77");
    fixture.assert_runs_the_file();
    assert_eq!(reach(), "127.0.0.77");
}

#[test]
fn a_server_that_tracks_another_has_its_health_as_after_a_reload() {
    let (fixture, mut apps) = HaproxyFixture::serving();
    drop(apps.remove(0));
    let status = |name: &str| fixture.server(name).map(|server| server.status).unwrap_or_default();
    let is_seen = |name: &str, wanted: &str| status(name).starts_with(wanted).then_some(());
    poll::until(SOON, "s1 to be down", || is_seen("s1", "DOWN")).unwrap();
    let trackers = format!("  server t1 {0} track s1\n  server t2 {0} track nodes/s2\n", fixture.address(12));
    fixture.write_nodes(&(fixture.two() + &trackers));
    fixture.change();
    assert!(status("t1").starts_with("DOWN") && status("t2").starts_with("UP"));
    fixture.assert_runs_the_file();
    poll::until(SOON, "t1 to be down", || is_seen("t1", "DOWN")).unwrap();
    assert!(status("t2").starts_with("UP"));
    fixture.write_nodes(&fixture.two());
    fixture.change();
    fixture.assert_runs_the_file();
}

#[test]
fn a_server_and_those_that_track_it_leave_in_one_change() {
    let tracked = format!("{}  server a 127.9.1.1:9 check\n  server t 127.9.1.2:9 track a\n", many(1));
    let fixture = HaproxyFixture::with_nodes(&tracked);
    fixture.write_nodes(&many(1));
    fixture.change();
    // HAProxy never deletes a server that another one tracks or tracked: it stays in maintenance until a reload.
    let states = fixture.states();
    assert_eq!(states["nodes/a"]["srv_admin_state"], "1");
    assert_eq!(states.contains_key("nodes/t"), !is_since((3, 0)));
    fixture.write_nodes(&tracked);
    fixture.change();
    fixture.assert_runs_the_file();
    fixture.write_nodes(&many(1));
    fixture.change();
    fixture.assert_runs_the_file();
}

#[test]
fn a_server_that_tracks_one_that_was_added_is_left_to_a_reload() {
    let fixture = HaproxyFixture::with_nodes(&many(1));
    let added = format!("{}  server a 127.9.1.1:9 check\n", many(1));
    fixture.write_nodes(&added);
    fixture.change();
    let worker = fixture.worker();
    fixture.write_nodes(&format!("{added}  server t 127.9.1.2:9 track a\n"));
    assert_done(&fixture.reload(&[]), "as it is a dynamic server");
    assert_ne!(fixture.worker(), worker);
    fixture.assert_runs_the_file();
}
