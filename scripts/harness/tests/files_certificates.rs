//! Certificates that are renewed under their old name: HAProxy serves the new one without a reload.
//!
//! `$HAPROXY` names another HAProxy than the installed one, as in tests/reload_methods.rs.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::env;
use std::fs;
use std::os::unix::fs::symlink;

use common::replace::replace;
use harness::cluster::single_haproxy::tls_fixture::{HOST, TlsFixture};
use harness::cluster::single_haproxy::{MODES, assert_done};
use harness::daemons::haproxy::Mode;
use harness::daemons::tls::Issued;

#[test]
fn a_renewed_certificate_is_served_by_the_same_worker_in_every_mode() {
    for mode in MODES {
        let mut fixture = TlsFixture::empty();
        let old = fixture.renew("site.pem");
        fixture.write_binds(&["crt CERTS/site.pem"]);
        fixture.start_proven(mode);
        fixture.assert_serves(HOST, &old);
        let new = fixture.renew("site.pem");
        fixture.assert_serves(HOST, &old);
        let outcome = fixture.change_files();
        assert!(outcome.stderr.contains("site.pem"), "{mode:?}: {}", outcome.stderr);
        fixture.assert_serves(HOST, &new);
        // What is proven is what a client sees: HAProxy's fingerprint is openssl's.
        let name = fixture.certs("site.pem").display().to_string();
        let answer = fixture.haproxy().command(&format!("show ssl cert {name}")).unwrap();
        let served = fixture.authority.look(fixture.tls_address(0), HOST);
        assert!(answer.contains(&format!("SHA1 FingerPrint: {}\n", served.fingerprint)), "{answer}");
        // A reload serves the same.
        assert_done(&fixture.reload(&["--force"]), "reload (");
        fixture.assert_serves(HOST, &new);
    }
}

#[test]
fn a_certificate_of_two_binds_changes_for_both() {
    let mut fixture = TlsFixture::empty();
    let old = fixture.renew("site.pem");
    let other = fixture.authority.issue("other.example");
    fixture.put("other.pem", &other.pem());
    fixture.write_binds(&["crt CERTS/site.pem", "crt CERTS/site.pem alpn h2", "crt CERTS/other.pem"]);
    fixture.start_proven(Mode::MasterSocket);
    (0..2).for_each(|bind| fixture.assert_serves_at(bind, HOST, &old));
    let new = fixture.renew("site.pem");
    fixture.change_files();
    (0..2).for_each(|bind| fixture.assert_serves_at(bind, HOST, &new));
    fixture.assert_serves_at(2, "other.example", &other);
}

#[test]
fn a_key_beside_its_certificate_is_sent_with_it() {
    let mut fixture = TlsFixture::empty();
    let put = |fixture: &TlsFixture| {
        let issued = fixture.authority.issue(HOST);
        fixture.put("site.crt", &issued.certificate);
        fixture.put("site.crt.key", &issued.key);
        issued
    };
    let old = put(&fixture);
    fixture.write_binds(&["crt CERTS/site.crt"]);
    fixture.start_proven(Mode::MasterSocket);
    fixture.assert_serves(HOST, &old);
    let new = put(&fixture);
    fixture.change_files();
    fixture.assert_serves(HOST, &new);
}

#[test]
fn an_ocsp_response_beside_its_certificate_is_sent_to_clients() {
    let mut fixture = TlsFixture::empty();
    let staple = |fixture: &TlsFixture, issued: &Issued, days: u32| {
        let bytes = fixture.authority.staple(issued, days);
        replace(&fixture.certs("site.pem.ocsp"), &bytes, 0o640).unwrap();
    };
    let renew = |fixture: &TlsFixture| {
        let issued = fixture.authority.issue(HOST);
        fixture.put("site.pem", &(issued.pem() + &fixture.authority.pem()));
        issued
    };
    let seen = |fixture: &TlsFixture| fixture.authority.look_at_staple(fixture.tls_address(0), HOST);
    staple(&fixture, &renew(&fixture), 3);
    fixture.write_binds(&["crt CERTS/site.pem"]);
    fixture.start_proven(Mode::MasterSocket);
    let first = seen(&fixture);
    let new = renew(&fixture);
    staple(&fixture, &new, 5);
    fixture.change_files();
    fixture.assert_serves(HOST, &new);
    let second = seen(&fixture);
    staple(&fixture, &new, 9);
    fixture.change_files();
    let third = seen(&fixture);
    assert!(first.is_some() && second.is_some() && third.is_some());
    assert!(first != second && second != third, "{first:?} {second:?} {third:?}");
    fs::remove_file(fixture.certs("site.pem.ocsp")).unwrap();
    fixture.change_files();
    assert_eq!(seen(&fixture), None);
}

#[test]
fn a_link_that_points_to_a_newer_file_is_a_renewal() {
    // As certbot does it: live/site/cert.pem -> ../../archive/site/cert1.pem, each link replaced by a rename.
    let mut fixture = TlsFixture::empty();
    for directory in ["live/site", "archive/site"] {
        fs::create_dir_all(fixture.certs(directory)).unwrap();
    }
    let renew = |fixture: &TlsFixture, number: u32| {
        let issued = fixture.authority.issue(HOST);
        for (name, text) in [("fullchain", &issued.certificate), ("privkey", &issued.key)] {
            fixture.put(&format!("archive/site/{name}{number}.pem"), text);
            let link = fixture.certs("new-link");
            symlink(format!("../../archive/site/{name}{number}.pem"), &link).unwrap();
            let beside = if name == "privkey" { "fullchain.pem.key" } else { "fullchain.pem" };
            fs::rename(link, fixture.certs(&format!("live/site/{beside}"))).unwrap();
        }
        issued
    };
    let old = renew(&fixture, 1);
    fixture.write_binds(&["crt CERTS/live/site/fullchain.pem"]);
    fixture.start_proven(Mode::MasterSocket);
    fixture.assert_serves(HOST, &old);
    let new = renew(&fixture, 2);
    fixture.change_files();
    fixture.assert_serves(HOST, &new);
}

#[test]
fn a_directory_that_kubernetes_swaps_is_a_renewal() {
    // site.pem -> ..data/site.pem, ..data -> ..1, which is replaced by a rename.
    let mut fixture = TlsFixture::empty();
    let swap = |fixture: &TlsFixture, number: u32| {
        fs::create_dir_all(fixture.certs(&format!("secret/..{number}"))).unwrap();
        let issued = fixture.renew(&format!("secret/..{number}/site.pem"));
        symlink(format!("..{number}"), fixture.certs("secret/..data_tmp")).unwrap();
        fs::rename(fixture.certs("secret/..data_tmp"), fixture.certs("secret/..data")).unwrap();
        issued
    };
    let old = swap(&fixture, 1);
    symlink("..data/site.pem", fixture.certs("secret/site.pem")).unwrap();
    fixture.write_binds(&["crt CERTS/secret/site.pem", "crt CERTS/secret"]);
    fixture.start_proven(Mode::MasterSocket);
    fixture.assert_serves(HOST, &old);
    let new = swap(&fixture, 2);
    fs::remove_dir_all(fixture.certs("secret/..1")).unwrap();
    fixture.change_files();
    (0..2).for_each(|bind| fixture.assert_serves_at(bind, HOST, &new));
}

#[test]
fn a_haproxy_that_sees_no_file_of_its_host_gets_its_certificates() {
    if !nix::unistd::geteuid().is_root() {
        assert!(env::var_os("CI").is_none(), "chroot needs root");
        eprintln!("SKIPPED: chroot needs root");
        return;
    }
    let mut fixture = TlsFixture::empty();
    let jail = fixture.run.join("jail");
    fs::create_dir(&jail).unwrap();
    fixture.global = format!("  chroot {}\n  user nobody\n  group nogroup\n", jail.display());
    let old = fixture.renew("site.pem");
    fixture.write_binds(&["crt CERTS/site.pem"]);
    fixture.start_proven(Mode::MasterSocket);
    fixture.assert_serves(HOST, &old);
    let new = fixture.renew("site.pem");
    fixture.change_files();
    fixture.assert_serves(HOST, &new);
}

#[test]
fn a_name_with_blanks_and_semicolons_can_be_renewed() {
    let mut fixture = TlsFixture::empty();
    let name = r"my site;x\y.pem";
    let old = fixture.renew(name);
    fixture.write_binds(&[r#"crt "CERTS/my site;x\\y.pem""#]);
    fixture.start_proven(Mode::MasterSocket);
    fixture.assert_serves(HOST, &old);
    let new = fixture.renew(name);
    fixture.change_files();
    fixture.assert_serves(HOST, &new);
}

#[test]
fn a_certificate_whose_name_has_a_line_break_is_loaded_by_a_reload() {
    let (fixture, _) = TlsFixture::serving();
    let odd = fixture.authority.issue("a\\nFilename: b.pem");
    fixture.put("site.pem", &odd.pem());
    assert_done(&fixture.reload(&[]), "has changed, and one of its names has a line break");
    assert_eq!(fixture.authority.look(fixture.tls_address(0), HOST).serial, odd.serial);
    fixture.renew("site.pem");
    fixture.change_files();
}
