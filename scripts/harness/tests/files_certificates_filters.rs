//! Entries of a crt-list with filters: HAProxy serves such a certificate for its filters, and not for its own names.
//!
//! `$HAPROXY` names another HAProxy than the installed one, as in tests/reload_methods.rs.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use harness::cluster::single_haproxy::tls_fixture::{HOST, TlsFixture};
use harness::cluster::single_haproxy::{assert_done, is_meant, is_since};
use harness::daemons::haproxy::Mode;

/// A proven HAProxy with a crt-list of these entries: the name of the file, the host in the certificate, the filters.
fn serving(entries: &[(&str, &str, &str)]) -> TlsFixture {
    let mut fixture = TlsFixture::empty();
    let mut list = String::new();
    for (name, host, filters) in entries {
        put(&fixture, name, host);
        list += &format!("{} {filters}\n", fixture.certs(&format!("{name}.pem")).display());
    }
    fixture.put("list", &list);
    fixture.write_binds(&["crt-list CERTS/list"]);
    fixture.start_proven(Mode::MasterSocket);
    fixture
}

/// Writes a new certificate; returns its serial number.
fn put(fixture: &TlsFixture, name: &str, host: &str) -> String {
    let issued = fixture.authority.issue(host);
    fixture.put(&format!("{name}.pem"), &issued.pem());
    issued.serial
}

/// Asserts that clients that ask for a name get the certificate with this serial number.
#[track_caller]
fn assert_seen(fixture: &TlsFixture, name: &str, serial: &str) {
    assert_eq!(fixture.authority.look(fixture.tls_address(0), name).serial, serial, "{name}");
}

/// Renews a certificate whose name is also another's: only a reload keeps their order.
#[track_caller]
fn assert_reloads(fixture: &TlsFixture, (name, host): (&str, &str), asked: &str, because: &str) {
    let serial = put(fixture, name, host);
    let outcome = fixture.reload(&[]);
    assert_done(&outcome, "reload (");
    assert_done(&outcome, because);
    assert_seen(fixture, asked, &serial);
}

/// Renews a certificate that is the only one for its names.
#[track_caller]
fn assert_changes(fixture: &TlsFixture, (name, host): (&str, &str), asked: &str) {
    let serial = put(fixture, name, host);
    fixture.change_files();
    assert_seen(fixture, asked, &serial);
}

#[test]
fn a_certificate_with_the_filter_of_another_is_renewed_by_a_reload() {
    let fixture = serving(&[
        ("default", HOST, ""),
        ("a", "own-a.example", "a.example"),
        ("b", "own-b.example", "A.Example"),
        ("c", "own-c.example", "*.c.example !x.c.example"),
        ("d", "own-d.example", "*.c.example"),
        ("e", "own-e.example", "f.example"),
        ("f", "f.example", ""),
    ]);
    assert_reloads(&fixture, ("a", "own-a.example"), "a.example", "b.pem'");
    assert_reloads(&fixture, ("c", "own-c.example"), "y.c.example", "d.pem'");
    assert_reloads(&fixture, ("e", "own-e.example"), "f.example", "f.pem'");
}

#[test]
fn a_certificate_is_not_for_its_own_names_if_it_has_filters() {
    let fixture = serving(&[
        ("default", HOST, ""),
        ("a", "same.example", "a.example"),
        ("b", "same.example", "b.example"),
        ("c", "same.example", "*.c.example !x.c.example"),
        // HAProxy serves this one for no name: it has only a negative filter.
        ("d", "same.example", "!x.c.example"),
        ("e", "x.c.example", ""),
    ]);
    assert_changes(&fixture, ("a", "same.example"), "a.example");
    assert_changes(&fixture, ("b", "same.example"), "b.example");
    assert_changes(&fixture, ("c", "same.example"), "y.c.example");
    assert_changes(&fixture, ("e", "x.c.example"), "x.c.example");
}

#[test]
fn a_certificate_for_all_other_names_is_renewed_so_that_it_stays_behind_the_first() {
    let fixture = serving(&[("default", HOST, ""), ("a", "a.example", "*")]);
    // Before 3.0 this filter is for no name.
    if is_since((3, 0)) {
        assert_reloads(&fixture, ("default", HOST), "unknown.example", "a.pem'");
        assert_reloads(&fixture, ("default", HOST), HOST, "a.pem'");
    } else {
        assert_changes(&fixture, ("default", HOST), "unknown.example");
    }
}

#[test]
fn a_default_certificate_is_renewed_by_a_reload() {
    if !is_meant(is_since((3, 0)), "HAProxy 3.0 and later, which have default-crt") {
        return;
    }
    let mut fixture = TlsFixture::empty();
    put(&fixture, "site", HOST);
    put(&fixture, "other", "other.example");
    put(&fixture, "default", "default.example");
    fixture.write_binds(&["crt CERTS/site.pem crt CERTS/other.pem default-crt CERTS/default.pem"]);
    fixture.start_proven(Mode::MasterSocket);
    assert_reloads(
        &fixture,
        ("default", "default.example"),
        "default.example",
        "default.pem, which line 13 names, has changed",
    );
    assert_changes(&fixture, ("other", "other.example"), "other.example");
    // Changed at run time, it would be behind the other one for unknown names.
    assert_reloads(&fixture, ("site", HOST), "unknown.example", "default.pem'");
}

#[test]
fn a_key_beside_a_default_certificate_belongs_to_it() {
    if !is_meant(is_since((3, 0)), "HAProxy 3.0 and later, which have default-crt") {
        return;
    }
    let mut fixture = TlsFixture::empty();
    put(&fixture, "site", HOST);
    let issued = fixture.authority.issue("default.example");
    fixture.put("default.pem", &issued.certificate);
    fixture.put("default.pem.key", &issued.key);
    fixture.write_binds(&["crt CERTS/site.pem default-crt CERTS/default.pem"]);
    fixture.start_proven(Mode::MasterSocket);
    fixture.put("default.pem.key", &format!("{}\n", issued.key));
    assert_done(&fixture.reload(&[]), "default.pem, which line 13 names, has changed");
    assert_seen(&fixture, "default.example", &issued.serial);
}

/// A proven HAProxy with these stored certificates, each for a host, a crt-list and these lines.
fn storing(certificates: &[(&str, &str)], list: &str, binds: &[&str]) -> TlsFixture {
    let mut fixture = TlsFixture::empty();
    put(&fixture, "site", HOST);
    fixture.put("list", list);
    fixture.global = "\ncrt-store web\n".to_owned();
    for (name, host) in certificates {
        put(&fixture, name, host);
        fixture.global +=
            &format!("  load crt {} alias {name}\n", fixture.certs(&format!("{name}.pem")).display());
    }
    fixture.write_binds(binds);
    fixture.start_proven(Mode::MasterSocket);
    fixture
}

#[test]
fn stored_certificates_that_one_line_names_are_rivals() {
    if !is_meant(is_since((3, 0)), "HAProxy 3.0 and later, which have crt-store") {
        return;
    }
    let certificates = [("a", "same.example"), ("b", "same.example"), ("c", "c.example")];
    let fixture = storing(&certificates, "", &["crt CERTS/site.pem crt @web/a crt @web/b crt @web/c"]);
    assert_reloads(&fixture, ("a", "same.example"), "same.example", "@web/b'");
    assert_changes(&fixture, ("c", "c.example"), "c.example");
    let apart = storing(&certificates, "", &["crt CERTS/site.pem crt @web/a crt @web/c", "crt @web/b"]);
    assert_changes(&apart, ("a", "same.example"), "same.example");
}

#[test]
fn stored_certificates_of_a_list_are_rivals() {
    if !is_meant(is_since((3, 0)), "HAProxy 3.0 and later, which have crt-store") {
        return;
    }
    let fixture = storing(
        &[("a", "same.example"), ("b", "same.example"), ("c", "c.example")],
        "@web/a\n@web/b\n@web/c\n",
        &["crt CERTS/site.pem crt-list CERTS/list"],
    );
    assert_reloads(&fixture, ("a", "same.example"), "same.example", "@web/b'");
    assert_changes(&fixture, ("c", "c.example"), "c.example");
}

#[test]
fn a_stored_certificate_that_is_a_default_is_renewed_by_a_reload() {
    if !is_meant(is_since((3, 0)), "HAProxy 3.0 and later, which have default-crt") {
        return;
    }
    let fixture = storing(&[("a", "a.example")], "", &["crt CERTS/site.pem default-crt @web/a"]);
    assert_reloads(&fixture, ("a", "a.example"), "a.example", "@web/a, which line ");
}
