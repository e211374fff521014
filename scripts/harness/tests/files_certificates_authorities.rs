//! Files of certificate authorities and of revoked certificates: HAProxy takes them without a reload.
//!
//! `$HAPROXY` names another HAProxy than the installed one, as in tests/reload_methods.rs.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use harness::cluster::single_haproxy::tls_fixture::{HOST, TlsFixture};
use harness::cluster::single_haproxy::{assert_done, is_since};
use harness::daemons::haproxy::Mode;
use harness::daemons::tls::{Authority, Issued};
use harness::traffic::http::Client;

/// Whether clients with these certificates get an answer.
fn served(fixture: &TlsFixture, bind: usize, clients: [&Issued; 2]) -> [bool; 2] {
    clients.map(|client| fixture.authority.serves(fixture.tls_address(bind), client, "served"))
}

/// Runs reload-haproxy, which changes a file of authorities: without a reload, unless this HAProxy version must not be
/// asked to (haproxy issue 3165).
#[track_caller]
fn change_authorities(fixture: &TlsFixture) {
    if is_since((3, 2)) {
        fixture.change_files();
    } else {
        assert_done(&fixture.reload(&[]), "(haproxy issue 3165)");
        assert_done(&fixture.reload(&[]), "nothing to do");
    }
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
    change_authorities(&fixture);
    assert_eq!(seen(&fixture), [[false, true], [true, false]]);
    fixture.put("verify.pem", &format!("# both\n\n{}\n{}", fixture.authority.pem(), other.pem()));
    change_authorities(&fixture);
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
    change_authorities(&fixture);
    assert_eq!(served(&fixture, 0, clients), [false, true]);
}

/// The serial number of the certificate that HAProxy shows to its server; `None` if it does not trust the server.
fn shown_to_server(fixture: &TlsFixture) -> Option<String> {
    let answer = Client::fresh(fixture.front()).get("/").unwrap();
    (answer.status == 200).then(|| String::from_utf8(answer.body).unwrap())
}

#[test]
fn a_server_sees_the_new_client_certificate_and_must_be_of_the_new_authority() {
    let (mut fixture, other) = with_two();
    let renew = |fixture: &TlsFixture| {
        let client = fixture.authority.issue("client");
        fixture.put("client.pem", &client.pem());
        client
    };
    let old = renew(&fixture);
    fixture.put("clients.pem", &fixture.authority.pem());
    fixture.put("servers.pem", &fixture.authority.pem());
    let sections = "frontend web\n  bind FRONT\n  default_backend nodes\n\
                    backend nodes\n  http-reuse never\n  server s TLS ssl crt CERTS/client.pem verify required \
                    ca-file CERTS/servers.pem sni str(www.example) pool-max-conn 0\n\
                    frontend tls\n  bind TLS ssl crt CERTS/site.pem verify required ca-file CERTS/clients.pem\n  \
                    http-request return status 200 content-type text/plain lf-string %[ssl_c_serial,hex]\n";
    let sections = sections.replace("FRONT", &fixture.front().to_string());
    let sections = sections.replace("TLS", &fixture.tls_address(0).to_string());
    let sections = sections.replace("CERTS/", &fixture.certs("").display().to_string());
    fixture.write_sections(&sections);
    fixture.start_proven(Mode::MasterSocket);
    assert_eq!(shown_to_server(&fixture), Some(old.serial));
    let new = renew(&fixture);
    fixture.change_files();
    assert_eq!(shown_to_server(&fixture), Some(new.serial.clone()));
    fixture.put("servers.pem", &other.pem());
    change_authorities(&fixture);
    assert_eq!(shown_to_server(&fixture), None);
    fixture.put("servers.pem", &fixture.authority.pem());
    change_authorities(&fixture);
    assert_eq!(shown_to_server(&fixture), Some(new.serial));
    let last = renew(&fixture);
    fixture.change_files();
    assert_eq!(shown_to_server(&fixture), Some(last.serial));
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
    change_authorities(&fixture);
    assert!(fixture.authority.serves(fixture.tls_address(0), &client, "served"));
}

#[test]
fn a_certificate_that_haproxy_has_lost_is_loaded_by_a_reload() {
    let (mut fixture, other) = with_two();
    fixture.put("clients.pem", &fixture.authority.pem());
    fixture.write_binds(&["crt CERTS/site.pem verify optional ca-file CERTS/clients.pem"]);
    fixture.start_proven(Mode::MasterSocket);
    // By hand: up to 3.0 HAProxy forgets then which lines use the certificate, and goes on with the old one.
    let (name, haproxy) = (fixture.certs("clients.pem").display().to_string(), fixture.haproxy());
    haproxy.command(&format!("set ssl ca-file {name} <<\n{}", other.pem())).unwrap();
    haproxy.command(&format!("commit ssl ca-file {name}")).unwrap();
    let new = fixture.renew("site.pem");
    assert_done(
        &fixture.reload(&[]),
        if is_since((3, 2)) { "replaced" } else { "does not report that it uses" },
    );
    fixture.assert_serves(HOST, &new);
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
    change_authorities(&fixture);
    assert_eq!(served(&fixture, 0, [&clients.0, &clients.1]), [false, true]);
}
