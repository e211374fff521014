//! The certificate that expires first, as a metric: among certificates of a directory, with a name that the socket needs
//! escaped, and among many.
//!
//! `$HAPROXY` names another HAProxy than the installed one, as in tests/reload_methods.rs.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use common::replace::replace;
use harness::cluster::single_haproxy::HaproxyFixture;
use harness::daemons::haproxy::Mode;
use harness::run::exposed::Exposed;
use harness::run::programs;

const DAY: f64 = 86400.0;

/// Makes a certificate that expires after this many days, with its key in the same file.
fn certificate(path: &Path, days: u32) {
    certificate_for(path, days, "DNS:site.test");
}

/// The same, with this alternative name.
fn certificate_for(path: &Path, days: u32, name: &str) {
    let (key, chain) = (path.with_extension("key"), path.with_extension("crt"));
    let mut command = Command::new(programs::find("openssl").unwrap());
    command.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]);
    command.arg("-keyout").arg(&key).arg("-out").arg(&chain).args(["-subj", "/CN=site.test"]);
    command.args(["-addext", &format!("subjectAltName={name}")]);
    assert!(command.args(["-days", &days.to_string()]).output().unwrap().status.success());
    replace(path, &[fs::read(&chain).unwrap(), fs::read(&key).unwrap()].concat(), 0o600).unwrap();
    [key, chain].iter().for_each(|part| fs::remove_file(part).unwrap());
}

/// The metrics of a HAProxy with the certificates of `certs`.
fn metrics(fixture: &mut HaproxyFixture, certs: &Path) -> Exposed {
    let tls = format!("bind {}:8443 ssl crt {}", fixture.subnet.host(2), certs.display());
    fixture.write("", &tls);
    fixture.start(Mode::MasterSocket);
    seen(fixture)
}

/// The metrics now.
fn seen(fixture: &HaproxyFixture) -> Exposed {
    let output = fixture.command(&["--status", "--metrics"]).stdout(Stdio::piped()).output().unwrap();
    Exposed::read(&String::from_utf8(output.stdout).unwrap())
}

#[test]
fn a_renewed_certificate_is_counted_and_a_bad_one_is_a_refusal() {
    if !programs::are_here(&["promtool", "openssl"]) {
        return;
    }
    let mut fixture = HaproxyFixture::empty();
    let certs = fixture.run.join("certs");
    fs::create_dir(&certs).unwrap();
    let path = certs.join("a.pem");
    certificate(&path, 9);
    assert_eq!(metrics(&mut fixture, &certs).counted(), []);
    assert_eq!(fixture.reload(&[]).code, 0);
    certificate(&path, 90);
    let outcome = fixture.reload(&[]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let seen = seen(&fixture);
    assert_eq!(seen.value("changes_total{kind=\"certificate\"}"), 1.0);
    assert!(expiry(&seen, &path) > 89.9 * DAY, "{seen:?}");
    replace(&path, b"-----BEGIN CERTIFICATE-----\n", 0o600).unwrap();
    let outcome = fixture.reload(&[]);
    assert_eq!(outcome.code, 5, "{}", outcome.stderr);
    let seen = self::seen(&fixture);
    assert_eq!(seen.value("refusals_total{stage=\"file\"}"), 1.0);
    assert_eq!(seen.value("faults_total{program=\"reload-haproxy\",code=\"5\"}"), 1.0);
}

fn expiry(seen: &Exposed, certificate: &Path) -> f64 {
    let name = certificate.display();
    let at = seen.value(&format!("certificate_expiry_timestamp_seconds{{certificate=\"{name}\"}}"));
    at - SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

#[test]
fn the_certificate_that_expires_first_is_named() {
    if !programs::are_here(&["promtool", "openssl"]) {
        return;
    }
    let mut fixture = HaproxyFixture::empty();
    let certs = fixture.run.join("certs");
    fs::create_dir(&certs).unwrap();
    certificate(&certs.join("a.pem"), 40);
    certificate(&certs.join("b; c.pem"), 9);
    certificate(&certs.join("d.pem"), 400);
    let left = expiry(&metrics(&mut fixture, &certs), &certs.join("b; c.pem"));
    assert!((8.9 * DAY..9.1 * DAY).contains(&left), "{left}");
}

#[test]
fn a_certificate_cannot_tell_the_date_of_another() {
    if !programs::are_here(&["promtool", "openssl"]) {
        return;
    }
    let mut fixture = HaproxyFixture::empty();
    let certs = fixture.run.join("certs");
    fs::create_dir(&certs).unwrap();
    let (first, other) = (certs.join("b.pem"), certs.join("c.pem"));
    // HAProxy prints the line breaks as they are.
    let other_name = other.display();
    let forged = format!(
        "DNS:a\\nFilename: {other_name}\\nStatus: Used\\nnotAfter: Jan  1 00:00:00 2020 GMT\\nFilename: {other_name}"
    );
    certificate_for(&certs.join("a.pem"), 200, &forged);
    certificate(&first, 40);
    certificate(&other, 90);
    let left = expiry(&metrics(&mut fixture, &certs), &first);
    assert!((39.9 * DAY..40.1 * DAY).contains(&left), "{left}");
    let said =
        fixture.haproxy().command(&format!("show ssl cert {}", certs.join("a.pem").display())).unwrap();
    assert!(said.contains(&format!("\nFilename: {other_name}\n")), "{said}");
}

#[test]
fn the_first_of_a_thousand_certificates_is_found() {
    if !programs::are_here(&["promtool", "openssl"]) {
        return;
    }
    let mut fixture = HaproxyFixture::empty();
    let certs = fixture.run.join("certs");
    fs::create_dir(&certs).unwrap();
    certificate(&certs.join("site-0000.pem"), 90);
    for number in 1..1000 {
        fs::copy(certs.join("site-0000.pem"), certs.join(format!("site-{number:04}.pem"))).unwrap();
    }
    certificate(&certs.join("site-0777.pem"), 20);
    let left = expiry(&metrics(&mut fixture, &certs), &certs.join("site-0777.pem"));
    assert!((19.9 * DAY..20.1 * DAY).contains(&left), "{left}");
}

#[test]
fn without_a_certificate_there_is_no_date() {
    if !programs::are_here(&["promtool", "openssl"]) {
        return;
    }
    let fixture = HaproxyFixture::running(Mode::MasterSocket);
    let output = fixture.command(&["--status", "--metrics"]).stdout(Stdio::piped()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains("certificate_expiry"), "{text}");
    assert_eq!(Exposed::read(&text).value("config_in_use"), 1.0);
}
