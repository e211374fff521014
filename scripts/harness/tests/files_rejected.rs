//! A file that needs a reload and that HAProxy would reject: everything else follows, and the run says what is wrong.
//!
//! `$HAPROXY` names another HAProxy than the installed one, as in tests/reload_methods.rs.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;

use harness::cluster::single_haproxy::tls_fixture::{HOST, TlsFixture};
use harness::cluster::single_haproxy::{HaproxyFixture, Outcome, assert_done};
use harness::daemons::haproxy::Mode;
use nix::unistd::mkfifo;

const PAGE: &str = "HTTP/1.0 503 Down\r\n\r\ndown\n";

/// Asserts that the run was refused by `haproxy -c`, and that it was asked once.
#[track_caller]
fn assert_rejected(outcome: &Outcome) {
    let says = outcome.stderr.matches("haproxy -c rejects it").count();
    assert!(outcome.code == 5 && says == 1, "{}: {}", outcome.code, outcome.stderr);
    assert_eq!(outcome.stderr.matches("reload (").count(), 1, "{}", outcome.stderr);
}

#[test]
fn servers_follow_while_an_error_page_is_bad() {
    let page = "http-request return status 200\nbackend nodes\n  errorfile 503 DIR/page";
    let with_servers = |count: u8| {
        let servers = (1..=count).map(|number| format!("server s{number} 127.0.0.1:{number}"));
        [vec![page.to_owned()], servers.collect()].concat()
    };
    let write = |fixture: &HaproxyFixture, count| {
        let rules = with_servers(count);
        fixture.write_rules(&rules.iter().map(String::as_str).collect::<Vec<_>>());
    };
    let fixture = HaproxyFixture::with_files(&["http-request return status 200"], &[("page", PAGE)]);
    write(&fixture, 1);
    assert_done(&fixture.reload(&[]), "reload (");
    let worker = fixture.worker();
    fixture.write_file("page", "no answer");
    for count in [2, 3] {
        write(&fixture, count);
        assert_rejected(&fixture.reload(&[]));
        assert!(fixture.server(&format!("s{count}")).is_some());
    }
    assert_rejected(&fixture.reload(&[]));
    assert_eq!(fixture.worker(), worker);
    fixture.write_file("page", PAGE.replace("down", "mended"));
    assert_done(&fixture.reload(&[]), "reload (");
    assert_done(&fixture.reload(&[]), "nothing to do");
}

#[test]
fn other_certificates_follow_while_one_cannot_be_loaded() {
    let mut fixture = TlsFixture::empty();
    let old = fixture.renew("a.pem");
    fixture.renew("b.pem");
    fixture.write_binds(&["crt CERTS/a.pem", "crt CERTS/b.pem"]);
    fixture.start_proven(Mode::MasterSocket);
    let good = fs::read_to_string(fixture.certs("a.pem")).unwrap();
    fixture.put("a.pem", &good.replace("-----BEGIN", " -----BEGIN"));
    for _ in 0..2 {
        let new = fixture.renew("b.pem");
        assert_rejected(&fixture.reload(&[]));
        fixture.assert_serves_at(0, HOST, &old);
        fixture.assert_serves_at(1, HOST, &new);
    }
    fixture.put("a.pem", &good);
    assert_done(&fixture.reload(&[]), "nothing to do");
}

#[test]
fn something_else_in_the_place_of_a_map_is_named_and_does_not_empty_it() {
    let rule = "http-request return status 200 content-type text/plain lf-string %[path,map(DIR/m,none)]";
    let fixture = HaproxyFixture::with_files(&[rule], &[("m", "/a 1\n/b 2\n")]);
    let map = fixture.file("m");
    let refuses = |what: &str| {
        let outcome = fixture.reload(&[]);
        let line = format!("m', which line 14 names: it is {what}, not a regular file; HAProxy keeps");
        assert!(outcome.code == 4 && outcome.stderr.contains(&line), "{}", outcome.stderr);
        assert_eq!(fixture.body("/a"), "1");
    };
    fs::remove_file(&map).unwrap();
    let listener = UnixListener::bind(&map).unwrap();
    refuses("a socket");
    drop(listener);
    fs::remove_file(&map).unwrap();
    mkfifo(&map, nix::sys::stat::Mode::S_IRWXU).unwrap();
    refuses("a named pipe");
    fs::remove_file(&map).unwrap();
    symlink("/dev/zero", &map).unwrap();
    refuses("a device");
    fs::remove_file(&map).unwrap();
    fs::create_dir(&map).unwrap();
    refuses("a directory");
}
