//! The setting `tls` of the shipped template: curl through a real HAProxy.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use std::net::SocketAddr;
use std::process::Command;

use support::haproxy::{free_address, is_there, request, serve};
use support::shipped::Shipped;
use support::until;

/// A certificate for the host `shop`, with its key. Asserts that openssl made it.
fn certificate(shipped: &Shipped) {
    let script = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout key -out certificate \
                  -days 30 -subj /CN=shop -addext subjectAltName=DNS:shop && mkdir certs && cat certificate key >certs/shop.pem";
    let output =
        Command::new("sh").args(["-c", script]).current_dir(shipped.bed.scratch.path()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

/// Asks https://shop at this address, with more arguments for curl, and returns its output.
fn curl(shipped: &Shipped, address: SocketAddr, path: &str, more: &[&str]) -> String {
    let resolve = format!("shop:{}:{}", address.port(), address.ip());
    let output = Command::new("curl")
        .args(["-sS", "-i", "--max-time", "10", "--cacert", "certificate", "--resolve", &resolve])
        .args(more)
        .arg(format!("https://shop:{}{path}", address.port()))
        .current_dir(shipped.bed.scratch.path())
        .output()
        .unwrap();
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

#[test]
fn services_have_tls_a_redirect_hsts_and_a_place_for_acme() {
    if !is_there() {
        return;
    }
    let (tls, acme) = (free_address(), free_address());
    let shipped = Shipped::with("");
    certificate(&shipped);
    let certs = shipped.bed.path("certs");
    let certs = certs.display();
    shipped.bed.write(
        "v.yaml",
        &format!(
            "tls: {{bind: '{tls}', certificates: '{certs}', hsts: 63072000, acme: '{acme}', redirect: {}}}\n\
             services: {{shop: {{hosts: shop}}}}\n",
            tls.port()
        ),
    );
    serve(acme, |_| Some("token".to_owned()));
    let address = free_address();
    serve(address, |head| Some(head.to_owned()));
    shipped.node("s", address, &[("role", "shop")]);
    let haproxy = shipped.start(&[], 0);
    until("the first check", || {
        haproxy.stat_of("shop", "s", "check_status").filter(|status| status.starts_with("L7OK"))
    });
    let answer = curl(&shipped, tls, "/", &["--http2"]);
    assert!(answer.starts_with("HTTP/2 200"), "{answer}");
    assert!(answer.contains("strict-transport-security: max-age=63072000"), "{answer}");
    assert!(answer.to_lowercase().contains("x-forwarded-proto: https\r\n"), "{answer}");
    assert!(answer.contains("; Secure;") || answer.to_lowercase().contains("; secure"), "{answer}");
    assert!(curl(&shipped, tls, "/", &["--http1.1"]).starts_with("HTTP/1.1 200"));
    assert!(curl(&shipped, tls, "/", &["--tlsv1.1", "--tls-max", "1.1"]).starts_with("curl:"));
    let moved = request(shipped.web, "POST", "/a?b=c", "X-Forwarded-Proto: https\r\n").unwrap();
    let location = format!("location: https://test:{}/a?b=c\r\n", tls.port());
    assert!(moved.starts_with("HTTP/1.1 308") && moved.contains(&location), "{moved}");
    assert!(!moved.contains("strict-transport"), "it counts only with TLS: {moved}");
    let challenge = "/.well-known/acme-challenge/x";
    assert!(request(shipped.web, "GET", challenge, "").unwrap().ends_with("token"));
    assert!(curl(&shipped, tls, challenge, &[]).ends_with("token"));
}

#[test]
fn the_one_service_without_the_setting_services_has_tls_too() {
    if !is_there() {
        return;
    }
    let tls = free_address();
    let shipped = Shipped::with("");
    certificate(&shipped);
    let certificate = shipped.bed.path("certs/shop.pem");
    shipped.bed.write(
        "v.yaml",
        &format!("tls: {{bind: '{tls}', certificates: ['{}'], redirect: false}}\n", certificate.display()),
    );
    let address = free_address();
    serve(address, |head| Some(head.to_owned()));
    shipped.backend("s", address, &[]);
    let haproxy = shipped.start(&[], 0);
    until("the first check", || {
        haproxy.stat("s", "check_status").filter(|status| status.starts_with("L7OK"))
    });
    let answer = curl(&shipped, tls, "/", &[]);
    assert!(answer.starts_with("HTTP/2 200") && !answer.contains("strict-transport"), "{answer}");
    let plain = request(shipped.web, "GET", "/", "").unwrap();
    assert!(
        plain.starts_with("HTTP/1.1 200") && plain.to_lowercase().contains("x-forwarded-proto: http\r\n"),
        "{plain}"
    );
    assert!(
        !plain.to_lowercase().contains("; secure"),
        "a browser would not send the cookie without TLS: {plain}"
    );
}

#[test]
fn a_wrong_setting_is_refused() {
    let shipped = Shipped::with("");
    for (tls, place, reason) in [
        ("{}", "1:1", "it needs certificates, a file or a directory"),
        ("{certificates: certs}", "1:7", "setting 'tls.certificates' is 'certs', not an absolute path"),
        ("{certificates: /c, bind: ':443 ssl'}", "1:25", "setting 'tls.bind' is ':443 ssl', not an address"),
        ("{certificates: []}", "1:7", "it is empty: leave it out"),
        (
            "{certificates: /c, hsts: yes}",
            "1:25",
            "setting 'tls.hsts' is 'yes', not a whole number from 0 to",
        ),
        (
            "{certificates: /c, acme: 'localhost:80'}",
            "1:25",
            "setting 'tls.acme' is 'localhost:80', not an IP address",
        ),
        (
            "{certificates: /c, alpn: h3}",
            "1:25",
            "setting 'tls.alpn': there is no such setting; the settings are bind,",
        ),
    ] {
        shipped.bed.assert_refused(&format!("tls: {tls}\n"), place, reason);
    }
}
