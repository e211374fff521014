//! Renewals under load, runs that are killed in the middle of one, many runs at once, and the secrecy of keys.
//!
//! `$HAPROXY` names another HAProxy than the installed one, as in tests/reload_methods.rs.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

use harness::cluster::single_haproxy::tls_fixture::{HOST, TlsFixture};
use harness::cluster::single_haproxy::{Outcome, finish};
use harness::daemons::haproxy::{Mode, ask};
use harness::daemons::tls::Issued;
use harness::run::poll;
use harness::traffic::tls_load::TlsLoad;

#[test]
fn renewals_under_load_fail_no_request_and_close_no_connection() {
    let (fixture, _) = TlsFixture::serving();
    let load = TlsLoad::start(fixture.tls_address(0), HOST, &fixture.authority.file());
    for round in 1..=10 {
        fixture.renew("site.pem");
        fixture.change();
        let answered = || (load.answered() > round * 30).then_some(());
        poll::until(Duration::from_secs(10), "requests", answered).unwrap();
    }
    let (answered, failed) = load.stop();
    assert!(answered > 300 && failed == 0, "{answered} answered, {failed} failed");
}

/// Runs reload-haproxy, and kills it when it sends its command number `at` about certificates, before or after HAProxy
/// gets it. Returns false if it has ended without so many.
fn kill_at(fixture: &TlsFixture, at: usize, is_sent: bool) -> bool {
    let (path, real) = (fixture.run.join("gate.sock"), fixture.run.join("admin.sock"));
    // Of the round before.
    let _ = fs::remove_file(&path);
    let listener = UnixListener::bind(&path).unwrap();
    listener.set_nonblocking(true).unwrap();
    let mut child = fixture.start_reload(&["--stats-socket", path.to_str().unwrap()]);
    let mut next = || loop {
        match listener.accept() {
            Ok((stream, _)) => return Some(stream),
            Err(_) if child.try_wait().unwrap().is_some() => return None,
            Err(_) => thread::sleep(Duration::from_millis(1)),
        }
    };
    let mut number = 0;
    loop {
        let Some(mut stream) = next() else { return false };
        let mut command = String::new();
        stream.read_to_string(&mut command).unwrap();
        let is_counted = command.contains(" ssl ");
        let is_last = is_counted && number == at;
        number += usize::from(is_counted);
        if is_last && !is_sent {
            break;
        }
        let answer = ask(&real, command.strip_suffix('\n').unwrap()).unwrap();
        if is_last {
            break;
        }
        stream.write_all(answer.as_bytes()).unwrap();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    true
}

#[test]
fn the_next_run_completes_a_renewal_that_was_killed_at_any_command() {
    let mut fixture = TlsFixture::empty();
    let renew = |fixture: &TlsFixture| (fixture.renew("site.pem"), fixture.renew("other.pem"));
    let (mut site, mut other) = renew(&fixture);
    fixture.write_binds(&["crt CERTS/site.pem", "crt CERTS/other.pem"]);
    fixture.start_proven(Mode::MasterSocket);
    let worker = fixture.worker();
    let (mut were_old, mut were_new, mut at) = (0, 0, 0);
    for round in 0.. {
        let new = renew(&fixture);
        at = round / 2;
        let was_killed = kill_at(&fixture, at, round % 2 == 1);
        for (bind, old, new) in [(0, &site, &new.0), (1, &other, &new.1)] {
            let served = fixture.authority.look(fixture.tls_address(bind), HOST);
            were_old += usize::from(served.serial == old.serial);
            were_new += usize::from(served.serial == new.serial);
            assert!(served.is_trusted, "{served:?}");
        }
        let outcome = fixture.reload(&[]);
        assert!(outcome.code == 0 && !outcome.stderr.contains("reload ("), "{}", outcome.stderr);
        fixture.assert_serves(HOST, &new.0);
        fixture.assert_serves_at(1, HOST, &new.1);
        (site, other) = new;
        if !was_killed {
            assert_eq!(were_old + were_new, 2 * (round + 1), "a client got neither");
            break;
        }
    }
    assert!(at >= 6 && were_old > 4 && were_new > 4, "{at} {were_old} {were_new}");
    assert_eq!(fixture.worker(), worker);
}

#[test]
fn a_transaction_that_another_run_has_left_is_taken_back() {
    let mut fixture = TlsFixture::empty();
    fixture.renew("site.pem");
    let other = fixture.renew("other.pem");
    fixture.write_binds(&["crt CERTS/site.pem", "crt CERTS/other.pem"]);
    fixture.start_proven(Mode::MasterSocket);
    for name in ["site.pem", "other.pem"] {
        let stray = fixture.authority.issue(HOST);
        let name = fixture.certs(name).display().to_string();
        let answer = fixture.haproxy().command(&format!("set ssl cert {name} <<\n{}", stray.pem())).unwrap();
        assert!(answer.contains("Transaction created"), "{answer}");
        let new = fixture.renew("site.pem");
        fixture.change_files();
        fixture.assert_serves(HOST, &new);
        fixture.assert_serves_at(1, HOST, &other);
        assert!(!fixture.haproxy().command("show ssl cert").unwrap().contains("# transaction"));
    }
}

#[test]
fn twenty_runs_at_once_change_a_certificate_once() {
    let (fixture, _) = TlsFixture::serving();
    let (worker, new) = (fixture.worker(), fixture.renew("site.pem"));
    let runs: Vec<Child> = (0..20).map(|_| fixture.start_reload(&[])).collect();
    let outcomes: Vec<Outcome> = runs.into_iter().map(finish).collect();
    assert!(outcomes.iter().all(|outcome| outcome.code == 0));
    let changed = outcomes.iter().filter(|outcome| outcome.stderr.contains("runtime: ")).count();
    assert_eq!((changed, fixture.worker()), (1, worker));
    fixture.assert_serves(HOST, &new);
}

#[test]
fn no_key_is_in_the_log_the_report_or_the_state() {
    let (fixture, old) = TlsFixture::serving();
    let log = fixture.run.join("reload.log");
    let (good, other) = (fixture.authority.issue(HOST), fixture.authority.issue(HOST));
    let unfit = good.certificate.clone() + &other.key;
    // The key comes first, and a stray line could end the payload.
    let odd = format!("{}\n\nshow info\n{}", good.key, good.certificate);
    let half = format!("{}{}", other.certificate, &other.key[..other.key.len() - 40]);
    let mut said = Vec::new();
    for text in [unfit, half, odd, other.pem()] {
        fixture.put("site.pem", &text);
        for arguments in [&["--dry-run"][..], &["--status", "--json"], &["--json"], &["--status"]] {
            let mut command = fixture.command(arguments);
            command.arg("--log").arg(&log).stdout(Stdio::piped());
            let output = command.output().unwrap();
            said.extend([output.stdout, output.stderr].concat());
        }
    }
    said.extend(fs::read(&log).unwrap_or_default());
    for file in files(&fixture.run.join("state")) {
        said.extend(fs::read(file).unwrap());
    }
    let said = String::from_utf8_lossy(&said);
    assert!(said.contains("site.pem"), "{said}");
    for issued in [&old, &good, &other] {
        assert!(secrets(issued).all(|secret| !said.contains(secret)), "{said}");
    }
    fixture.assert_serves(HOST, &other);
}

/// Parts of the key's lines: an answer may be cut.
fn secrets(issued: &Issued) -> impl Iterator<Item = &str> {
    // The beginning names the algorithm, and is the same in all keys.
    issued.secrets().skip(1).flat_map(|line| [line, &line[..16.min(line.len())]])
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let (folders, others): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    others.into_iter().chain(folders.iter().flat_map(|folder| files(folder))).collect()
}
