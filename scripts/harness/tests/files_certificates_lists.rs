//! Directories and crt-lists that grow and shrink: HAProxy takes and drops certificates without a reload.
//!
//! `$HAPROXY` names another HAProxy than the installed one, as in tests/reload_methods.rs.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use common::replace::replace;
use harness::cluster::single_haproxy::assert_done;
use harness::cluster::single_haproxy::tls_fixture::{HOST, TlsFixture};
use harness::daemons::haproxy::Mode;
use harness::daemons::tls::Issued;
use harness::traffic::tls_load::TlsLoad;

/// Writes a new certificate for a host.
fn put(fixture: &TlsFixture, name: &str, host: &str) -> Issued {
    let issued = fixture.authority.issue(host);
    fixture.put(name, &issued.pem());
    issued
}

/// Asserts what clients see: each host with its certificate, and `HOST`'s for the others.
#[track_caller]
fn assert_hosts(fixture: &TlsFixture, default: &Issued, hosts: &[(&str, &Issued)]) {
    fixture.assert_serves(HOST, default);
    for (host, issued) in hosts {
        fixture.assert_serves(host, issued);
    }
    let other = fixture.authority.look(fixture.tls_address(0), "unknown.example");
    assert_eq!(other.serial, default.serial);
}

#[test]
fn a_directory_grows_and_shrinks_without_a_reload() {
    let mut fixture = TlsFixture::empty();
    fs::create_dir(fixture.certs("all")).unwrap();
    let default = put(&fixture, "all/a.pem", HOST);
    fixture.write_binds(&["crt CERTS/all/"]);
    fixture.start_proven(Mode::MasterSocket);
    let first = put(&fixture, "all/b.pem", "b.example");
    let second = put(&fixture, "all/c d.pem", "c.example");
    fixture.change_files();
    assert_hosts(&fixture, &default, &[("b.example", &first), ("c.example", &second)]);
    let renewed = put(&fixture, "all/b.pem", "b.example");
    fixture.change_files();
    assert_hosts(&fixture, &default, &[("b.example", &renewed), ("c.example", &second)]);
    fs::remove_file(fixture.certs("all/b.pem")).unwrap();
    fixture.change_files();
    assert_hosts(&fixture, &default, &[("c.example", &second)]);
    assert_eq!(fixture.authority.look(fixture.tls_address(0), "b.example").serial, default.serial);
    // It may come back under its old name.
    let back = put(&fixture, "all/b.pem", "b.example");
    fixture.change_files();
    assert_hosts(&fixture, &default, &[("b.example", &back), ("c.example", &second)]);
    assert_done(&fixture.reload(&["--force"]), "reload (");
    assert_hosts(&fixture, &default, &[("b.example", &back), ("c.example", &second)]);
}

#[test]
fn a_certificate_whose_name_is_not_utf_8_is_loaded_by_reloads() {
    let mut fixture = TlsFixture::empty();
    fs::create_dir(fixture.certs("all")).unwrap();
    let default = put(&fixture, "all/a.pem", HOST);
    fixture.write_binds(&["crt CERTS/all"]);
    fixture.start_proven(Mode::MasterSocket);
    let odd = fixture.certs("all").join(OsStr::from_bytes(b"caf\xe9.pem"));
    for change in ["is new in", "has changed"] {
        let issued = fixture.authority.issue("b.example");
        replace(&odd, issued.pem().as_bytes(), 0o640).unwrap();
        let outcome = fixture.reload(&[]);
        assert_done(&outcome, change);
        assert_done(&outcome, "its name contains characters that HAProxy's socket does not accept");
        assert_hosts(&fixture, &default, &[("b.example", &issued)]);
        assert_done(&fixture.reload(&[]), "nothing to do");
    }
    // The others change without a reload.
    let renewed = put(&fixture, "all/a.pem", HOST);
    fixture.change_files();
    fs::remove_file(&odd).unwrap();
    assert_done(&fixture.reload(&[]), "reload (");
    assert_done(&fixture.reload(&[]), "nothing to do");
    assert_hosts(&fixture, &renewed, &[]);
}

#[test]
fn a_new_default_certificate_of_a_directory_is_a_reload() {
    let mut fixture = TlsFixture::empty();
    fs::create_dir(fixture.certs("all")).unwrap();
    put(&fixture, "all/b.pem", HOST);
    fixture.write_binds(&["crt CERTS/all"]);
    fixture.start_proven(Mode::MasterSocket);
    let default = put(&fixture, "all/a.pem", HOST);
    assert_done(&fixture.reload(&[]), "reload (");
    assert_hosts(&fixture, &default, &[]);
    // So is its end.
    fs::remove_file(fixture.certs("all/a.pem")).unwrap();
    assert_done(&fixture.reload(&[]), "reload (");
    assert_done(&fixture.reload(&[]), "nothing to do");
}

#[test]
fn of_two_certificates_for_one_name_clients_get_the_one_that_a_start_would_give() {
    let mut fixture = TlsFixture::empty();
    fs::create_dir(fixture.certs("all")).unwrap();
    put(&fixture, "all/a.pem", HOST);
    put(&fixture, "all/old-a.pem", HOST);
    fixture.write_binds(&["crt CERTS/all"]);
    fixture.start_proven(Mode::MasterSocket);
    let renewed = put(&fixture, "all/a.pem", HOST);
    assert_done(&fixture.reload(&[]), "old-a.pem'");
    fixture.assert_serves(HOST, &renewed);
    put(&fixture, "all/b.pem", HOST);
    assert_done(&fixture.reload(&[]), "is for '");
    fixture.assert_serves(HOST, &renewed);
}

#[test]
fn a_crt_list_grows_and_shrinks_without_a_reload() {
    let mut fixture = TlsFixture::empty();
    let certs = fixture.certs("").display().to_string();
    let write = |fixture: &TlsFixture, lines: &str| fixture.put("list", &lines.replace("CERTS/", &certs));
    let default = put(&fixture, "a.pem", HOST);
    let first = "# ours\nCERTS/a.pem [alpn h2,http/1.1]\n\n";
    write(&fixture, first);
    fixture.write_binds(&["crt-list CERTS/list"]);
    fixture.start_proven(Mode::MasterSocket);
    let (b, c) = (put(&fixture, "b.pem", "b.example"), put(&fixture, "c.pem", "*.c.example"));
    let more = "CERTS/b.pem [alpn http/1.1] b.example\nCERTS/c.pem *.c.example !x.c.example\n";
    write(&fixture, &format!("{first}{more}"));
    fixture.change_files();
    assert_hosts(&fixture, &default, &[("b.example", &b), ("y.c.example", &c)]);
    let x = fixture.authority.look(fixture.tls_address(0), "x.c.example");
    assert_eq!(x.serial, default.serial);
    let renewed = put(&fixture, "b.pem", "b.example");
    fixture.change_files();
    assert_hosts(&fixture, &default, &[("b.example", &renewed), ("y.c.example", &c)]);
    write(&fixture, &format!("{first}CERTS/c.pem *.c.example !x.c.example\n"));
    fixture.change_files();
    assert_hosts(&fixture, &default, &[("y.c.example", &c)]);
    assert_eq!(fixture.authority.look(fixture.tls_address(0), "b.example").serial, default.serial);
    assert_done(&fixture.reload(&["--force"]), "reload (");
    assert_hosts(&fixture, &default, &[("y.c.example", &c)]);
}

#[test]
fn a_name_that_moves_to_another_certificate_is_served_all_the_time() {
    let mut fixture = TlsFixture::empty();
    put(&fixture, "a.pem", HOST);
    let mut old = put(&fixture, "b0.pem", "b.example");
    let certs = fixture.certs("").display().to_string();
    let write = |fixture: &TlsFixture, line: &str| {
        fixture.put("list", &format!("{certs}a.pem\n{certs}{line}\n"));
    };
    write(&fixture, "b0.pem b.example");
    fixture.write_binds(&["crt-list CERTS/list"]);
    fixture.start_proven(Mode::MasterSocket);
    let load = TlsLoad::start(fixture.tls_address(0), "b.example", &fixture.authority.file());
    for round in 1..=5 {
        old = put(&fixture, &format!("b{round}.pem"), "b.example");
        write(&fixture, &format!("b{round}.pem b.example"));
        fixture.change();
        fixture.assert_serves("b.example", &old);
    }
    let (answered, failed) = load.stop();
    assert!(answered > 50 && failed == 0, "{answered} answered, {failed} failed");
    // A line that changes would be away for a moment, and is loaded by a reload.
    write(&fixture, "b5.pem [alpn h2] b.example");
    assert_done(&fixture.reload(&[]), "reload (");
    fixture.assert_serves("b.example", &old);
}

#[test]
fn a_bad_certificate_that_is_new_in_a_list_is_taken_back_whole() {
    let mut fixture = TlsFixture::empty();
    let default = put(&fixture, "a.pem", HOST);
    let (list, b) = (fixture.certs("list"), fixture.certs("b.pem"));
    fixture.put("list", &format!("{}\n", fixture.certs("a.pem").display()));
    fixture.write_binds(&["crt-list CERTS/list"]);
    fixture.start_proven(Mode::MasterSocket);
    let issued = fixture.authority.issue("b.example");
    fixture.put("b.pem", &(issued.certificate.clone() + &fixture.authority.issue("b.example").key));
    let text = fs::read_to_string(&list).unwrap();
    fixture.put("list", &format!("{text}{} b.example\n", b.display()));
    let outcome = fixture.reload(&[]);
    assert!(outcome.code == 5 && outcome.stderr.contains("b.pem"), "{}: {}", outcome.code, outcome.stderr);
    assert!(!fixture.haproxy().command("show ssl cert").unwrap().contains("b.pem"));
    assert_hosts(&fixture, &default, &[]);
    fixture.put("b.pem", &issued.pem());
    fixture.change_files();
    assert_hosts(&fixture, &default, &[("b.example", &issued)]);
}
