//! Certificates that must not be loaded: HAProxy goes on with the old one, and the next run loads the mended file.
//!
//! `$HAPROXY` names another HAProxy than the installed one, as in tests/reload_methods.rs.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

use common::replace::replace;
use harness::cluster::single_haproxy::tls_fixture::{HOST, TlsFixture};
use harness::cluster::single_haproxy::{Outcome, assert_done, assert_refused};
use harness::daemons::haproxy::Mode;
use harness::daemons::tls::Issued;
use nix::unistd::geteuid;

/// Asserts that a run ends with this code and one error, which names the file and contains `says`; that no worker was
/// replaced, and that clients get the old certificate.
#[track_caller]
fn assert_kept(fixture: &TlsFixture, old: &Issued, code: i32, says: &str) -> Outcome {
    let worker = fixture.worker();
    let text = fs::read(fixture.config()).unwrap();
    let outcome = fixture.reload(&[]);
    let errors: Vec<&str> = outcome.stderr.lines().filter(|line| line.contains("cannot ")).collect();
    assert!(outcome.code == code && errors.len() == 1, "{}: {}", outcome.code, outcome.stderr);
    assert!(errors[0].contains("site.pem") && errors[0].contains(says), "{}", outcome.stderr);
    assert!(!outcome.stderr.contains("reload ("), "{}", outcome.stderr);
    assert_eq!(fixture.worker(), worker);
    assert_eq!(fs::read(fixture.config()).unwrap(), text);
    fixture.assert_serves(HOST, old);
    outcome
}

/// Mends the file, and asserts that the next run serves it.
#[track_caller]
fn mend(fixture: &TlsFixture) -> Issued {
    let new = fixture.renew("site.pem");
    fixture.change_files();
    fixture.assert_serves(HOST, &new);
    new
}

#[test]
fn a_bad_file_is_refused_and_the_mended_one_is_served() {
    let (fixture, mut old) = TlsFixture::serving();
    let good = fixture.authority.issue(HOST);
    let other = fixture.authority.issue(HOST);
    let expired = fixture.authority.issue_expired(HOST);
    let whole = good.pem();
    let damaged = whole.replacen("MI", "M!", 1);
    let bad = [
        (good.certificate.clone() + &other.key, "its private key does not belong to its certificate"),
        (whole[..whole.len() - 60].to_owned(), "it ends in the middle of a PEM block"),
        (whole[..good.certificate.len() / 2].to_owned(), "it ends in the middle of a PEM block"),
        (good.certificate.clone(), "it has no private key"),
        (String::new(), "it has no certificate"),
        (damaged, "a PEM block in it is damaged"),
        (expired.pem(), "the certificate expired at "),
    ];
    for (text, says) in bad {
        fixture.put("site.pem", &text);
        assert_kept(&fixture, &old, 5, says);
        // As long as it is bad, each run says so.
        assert_kept(&fixture, &old, 5, says);
        old = mend(&fixture);
    }
}

#[test]
fn a_file_that_cannot_be_read_is_refused_and_the_mended_one_is_served() {
    let (fixture, mut old) = TlsFixture::serving();
    let path = fixture.certs("site.pem");
    fs::remove_file(&path).unwrap();
    assert_kept(&fixture, &old, 4, "");
    old = mend(&fixture);
    let target = fixture.certs("missing.pem");
    fs::remove_file(&path).unwrap();
    symlink(&target, &path).unwrap();
    assert_kept(&fixture, &old, 4, "");
    old = mend(&fixture);
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    // That is a directory without certificates, which a reload would not survive.
    let (worker, outcome) = (fixture.worker(), fixture.reload(&[]));
    assert_refused(&outcome, "no SSL certificate specified");
    assert_eq!(fixture.worker(), worker);
    fixture.assert_serves(HOST, &old);
    fs::remove_dir(&path).unwrap();
    mend(&fixture);
}

/// What would be done, as another user of root's group: the exit code and stderr.
fn as_another_user(fixture: &TlsFixture) -> (i32, String) {
    let own = fixture.command(&["--dry-run"]);
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "65534", "--regid", "0", "--clear-groups", "--"]);
    let output = command.arg(own.get_program()).args(own.get_args()).output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_file_that_only_root_can_read_is_known_to_others_until_it_changes() {
    if !geteuid().is_root() {
        assert!(std::env::var_os("CI").is_none(), "to be another user needs root");
        eprintln!("SKIPPED: to be another user needs root");
        return;
    }
    let (fixture, _) = TlsFixture::serving();
    for directory in [fixture.run.path().to_owned(), fixture.certs("")] {
        fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let renew = || {
        let issued = fixture.authority.issue(HOST);
        replace(&fixture.certs("site.pem"), issued.pem().as_bytes(), 0o600).unwrap();
    };
    let advice = "Permission denied (os error 13): run this as root, or let user 65534 read it; ";
    for _ in 0..2 {
        renew();
        let (code, said) = as_another_user(&fixture);
        assert!(code == 4 && said.contains(advice), "{code}: {said}");
        // Root may have read it a moment after it was written.
        fixture.change();
        assert_eq!(as_another_user(&fixture), (0, String::new()));
    }
    fs::set_permissions(fixture.certs(""), fs::Permissions::from_mode(0o700)).unwrap();
    let (code, said) = as_another_user(&fixture);
    assert!(code == 4 && said.contains(advice), "{code}: {said}");
}

#[test]
fn a_list_or_directory_that_is_gone_for_a_while_loses_no_renewal() {
    let mut fixture = TlsFixture::empty();
    fs::create_dir(fixture.certs("site.pem.d")).unwrap();
    let mut old = fixture.renew("site.pem.d/a.pem");
    let line = format!("{}\n", fixture.certs("site.pem.d/a.pem").display());
    fixture.put("site.pem.list", &line);
    for (binds, gone) in
        [("crt-list CERTS/site.pem.list", "site.pem.list"), ("crt CERTS/site.pem.d/", "site.pem.d")]
    {
        fixture.write_binds(&[binds]);
        match &fixture.haproxy {
            None => fixture.start_proven(Mode::MasterSocket),
            Some(_) => assert_done(&fixture.reload(&[]), "reload ("),
        }
        fs::rename(fixture.certs(gone), fixture.certs("aside")).unwrap();
        assert_kept(&fixture, &old, 4, "");
        assert_kept(&fixture, &old, 4, "");
        fs::rename(fixture.certs("aside"), fixture.certs(gone)).unwrap();
        old = fixture.renew("site.pem.d/a.pem");
        fixture.change_files();
        fixture.assert_serves(HOST, &old);
    }
}

#[test]
fn a_bad_file_does_not_keep_the_others_from_being_served() {
    let mut fixture = TlsFixture::empty();
    let (old, _) = (fixture.renew("site.pem"), fixture.renew("z.pem"));
    fixture.write_binds(&["crt CERTS/site.pem", "crt CERTS/z.pem"]);
    fixture.start_proven(Mode::MasterSocket);
    fixture.put("site.pem", "");
    let other = fixture.renew("z.pem");
    assert_kept(&fixture, &old, 5, "it has no certificate");
    fixture.assert_serves_at(1, HOST, &other);
    mend(&fixture);
    fixture.assert_serves_at(1, HOST, &other);
}

#[test]
fn a_file_that_changes_back_is_nothing_to_do() {
    let (fixture, old) = TlsFixture::serving();
    fixture.put("site.pem", "");
    assert_kept(&fixture, &old, 5, "it has no certificate");
    fixture.put("site.pem", &old.pem());
    let worker = fixture.worker();
    let outcome = fixture.reload(&[]);
    assert_eq!((outcome.code, fixture.worker()), (0, worker), "{}", outcome.stderr);
    fixture.assert_serves(HOST, &old);
}
