//! Files of certificate authorities and of revoked certificates: HAProxy takes them without a reload.
//!
//! `$HAPROXY` names another HAProxy than the installed one, as in tests/reload_methods.rs.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use harness::cluster::single_haproxy::tls_fixture::TlsFixture;
use harness::daemons::haproxy::Mode;
use harness::daemons::tls::{Authority, Issued};

/// Whether clients with these certificates get an answer.
fn served(fixture: &TlsFixture, bind: usize, clients: [&Issued; 2]) -> [bool; 2] {
    clients.map(|client| fixture.authority.serves(fixture.tls_address(bind), client, "served"))
}

/// A fixture with two authorities: its own, and another one.
fn with_two() -> (TlsFixture, Authority) {
    let fixture = TlsFixture::empty();
    let other = Authority::new(&fixture.run.join("other-authority"));
    fixture.renew("site.pem");
    (fixture, other)
}

#[test]
fn clients_of_a_new_authority_are_served_and_those_of_the_old_one_are_not() {
    let (mut fixture, other) = with_two();
    let clients = (fixture.authority.issue("a"), other.issue("b"));
    let clients = [&clients.0, &clients.1];
    fixture.put("clients.pem", &fixture.authority.pem());
    fixture.put("verify.pem", &fixture.authority.pem());
    let plain = "crt CERTS/site.pem verify required ca-file CERTS/clients.pem";
    fixture.write_binds(&[plain, "crt CERTS/site.pem verify required ca-verify-file CERTS/verify.pem"]);
    fixture.start_proven(Mode::MasterSocket);
    let seen = |fixture: &TlsFixture| [0, 1].map(|bind| served(fixture, bind, clients));
    assert_eq!(seen(&fixture), [[true, false], [true, false]]);
    fixture.put("clients.pem", &other.pem());
    fixture.change_files();
    assert_eq!(seen(&fixture), [[false, true], [true, false]]);
    fixture.put("verify.pem", &format!("# both\n\n{}\n{}", fixture.authority.pem(), other.pem()));
    fixture.change_files();
    assert_eq!(seen(&fixture), [[false, true], [true, true]]);
}

#[test]
fn a_client_whose_certificate_was_revoked_is_served_no_more() {
    let (mut fixture, _) = with_two();
    let clients = (fixture.authority.issue("a"), fixture.authority.issue("b"));
    let clients = [&clients.0, &clients.1];
    fixture.put("clients.pem", &fixture.authority.pem());
    fixture.put("revoked.pem", &fixture.authority.revoke(&[]));
    let lines = "crt CERTS/site.pem verify required ca-file CERTS/clients.pem crl-file CERTS/revoked.pem";
    fixture.write_binds(&[lines]);
    fixture.start_proven(Mode::MasterSocket);
    assert_eq!(served(&fixture, 0, clients), [true, true]);
    fixture.put("revoked.pem", &fixture.authority.revoke(&[clients[0]]));
    fixture.change_files();
    assert_eq!(served(&fixture, 0, clients), [false, true]);
}

#[test]
fn a_file_of_authorities_larger_than_haproxys_buffer_is_loaded() {
    let (mut fixture, other) = with_two();
    let client = other.issue("b");
    fixture.put("clients.pem", &fixture.authority.pem());
    fixture.write_binds(&["crt CERTS/site.pem verify required ca-file CERTS/clients.pem"]);
    fixture.start_proven(Mode::MasterSocket);
    let many: String = (0..40).map(|n| fixture.authority.issue(&format!("ca{n}")).certificate).collect();
    let text = many + &other.pem();
    assert!(text.len() > 16384, "{}", text.len());
    fixture.put("clients.pem", &text);
    // 2.6 takes no file in parts, and is reloaded.
    let outcome = fixture.reload(&[]);
    let is_reload = !harness::cluster::single_haproxy::is_since((2, 8));
    assert_eq!((outcome.code, outcome.stderr.contains("reload (")), (0, is_reload), "{}", outcome.stderr);
    assert!(fixture.authority.serves(fixture.tls_address(0), &client, "served"));
}

#[test]
fn a_file_without_authorities_is_refused() {
    let (mut fixture, other) = with_two();
    let clients = (fixture.authority.issue("a"), other.issue("b"));
    fixture.put("clients.pem", &fixture.authority.pem());
    fixture.write_binds(&["crt CERTS/site.pem verify required ca-file CERTS/clients.pem"]);
    fixture.start_proven(Mode::MasterSocket);
    let worker = fixture.worker();
    for text in ["", "no authority\n", &other.pem()[..300], &fixture.authority.revoke(&[])] {
        fixture.put("clients.pem", text);
        let outcome = fixture.reload(&[]);
        assert!(
            outcome.code == 5 && outcome.stderr.contains("clients.pem"),
            "{}: {}",
            outcome.code,
            outcome.stderr
        );
        assert_eq!(
            (fixture.worker(), served(&fixture, 0, [&clients.0, &clients.1])),
            (worker, [true, false])
        );
    }
    fixture.put("clients.pem", &other.pem());
    fixture.change_files();
    assert_eq!(served(&fixture, 0, [&clients.0, &clients.1]), [false, true]);
}
