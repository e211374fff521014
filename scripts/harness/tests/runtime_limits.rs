//! Changes that a running HAProxy cannot make cause a reload, and its reason is logged.
//!
//! `$HAPROXY` names another HAProxy than the installed one, as in tests/reload_methods.rs.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use common::replace::replace;
use harness::cluster::single_haproxy::{
    HaproxyFixture, Outcome, assert_done, assert_refused, finish, is_since, many, program,
};
use harness::daemons::haproxy::{Haproxy, Mode};

const S3: &str = "  server s3 127.9.1.1:9 check\n";

/// Changes of servers from one set of lines to another, in a backend with any `balance`, and the reason that is
/// logged for each.
fn server_cases() -> Vec<(String, String, &'static str)> {
    let base = many(2);
    let with = |line: &str| format!("{base}  server {line}\n");
    let of_s0 = |old: &str, new: &str| base.replacen(old, new, 1);
    let cutting = with("s3 127.9.1.1:9 check on-marked-down shutdown-sessions");
    let backup = with("s3 127.9.1.1:9 backup");
    let backups = format!("{backup}  server s4 127.9.1.1:9 backup\n");
    vec![
        (base.clone(), with("x localhost:9 check"), "its address 'localhost:9' is not IP:PORT"),
        (
            base.clone(),
            with("x 127.9.1.1"),
            "server x of backend nodes: its address '127.9.1.1' is not IP:PORT",
        ),
        (base.clone(), with("x 127.9.1.1:9 redir http://a"), "'redir' is not supported at run time"),
        (base.clone(), with("x \"127.9.1.1:${NO_PORT-9}\""), "contains a variable"),
        (
            base.clone(),
            of_s0(" check", ""),
            "server s0 of backend nodes: 'check' cannot change while it runs",
        ),
        (base.clone(), of_s0(" check", " check backup"), "nodes: 'backup' cannot change while it runs"),
        (base.clone(), of_s0(" check", " check inter 9s"), "nodes: 'inter 9s' cannot change while it runs"),
        (base.clone(), of_s0(".1:9", ".7:9 disabled"), "it is disabled and its address changes"),
        (cutting, base, "server s3 of backend nodes: its on-marked-down would cut its sessions"),
        (backup, backups, "server s4 of backend nodes: the order of backup servers matters"),
    ]
}

/// Like `server_cases`, for changes of other lines.
fn line_cases() -> Vec<(String, String, &'static str)> {
    let base = many(2);
    let after = |line: &str| (format!("{line}\n{base}"), format!("{line}\n{base}{S3}"));
    let [source, quoted, conditional] =
        ["  balance source", "  \"balance\" source", ".if 1\n  server c 127.9.2.1:9\n.endif"].map(after);
    let rotating = format!("  balance static-rr\n{base}");
    let weighed = rotating.replace(".2:9 ", ".2:9 weight 2 ");
    vec![
        (source.0, source.1, "backend nodes: 'balance source' needs a reload"),
        (quoted.0, quoted.1, "backend nodes: 'balance source' needs a reload"),
        (conditional.0, conditional.1, "backend nodes: some of its lines are within .if"),
        (rotating, weighed, "backend nodes: 'balance static-rr' needs a reload"),
        (base.clone(), format!("  default-server inter 3s\n{base}"), " of backend nodes changed"),
        (base.clone(), format!("{base}\nbackend more\n{}", many(1)), "backend more is new"),
    ]
}

#[test]
fn changes_that_need_a_reload_get_one_with_the_reason() {
    let fixture = HaproxyFixture::with_backend(&many(2));
    for (before, after, says) in server_cases().into_iter().chain(line_cases()) {
        fixture.write_backend(&before);
        assert_done(&fixture.reload(&[]), "");
        let worker = fixture.worker();
        fixture.write_backend(&after);
        let dry_run = fixture.told(&["--dry-run"]).1;
        assert!(dry_run.starts_with("reload (master): ") && dry_run.contains(says), "{says}: {dry_run}");
        let outcome = fixture.reload(&[]);
        assert_done(&outcome, dry_run.trim_end());
        assert!(!outcome.stderr.contains("runtime: ") && fixture.worker() != worker, "{}", outcome.stderr);
        fixture.assert_runs_the_file();
    }
}

#[test]
fn options_of_newer_versions_are_changed_where_those_run() {
    for (line, version) in [
        ("  server x 127.9.1.1:9 check cookie x\n", (3, 0)),
        ("  server x 127.9.1.1:9 check init-state down\n", (3, 1)),
    ] {
        if version == (3, 1) && !is_since(version) {
            continue;
        }
        let fixture = HaproxyFixture::with_backend(&format!("  cookie SRV insert\n{}", many(2)));
        fixture.write_backend(&format!("  cookie SRV insert\n{}{line}", many(2)));
        let outcome = fixture.reload(&[]);
        let says = if is_since(version) {
            "server nodes/x added"
        } else {
            "this HAProxy version does not accept 'cookie' at run time"
        };
        assert_done(&outcome, says);
        fixture.assert_runs_the_file();
    }
}

#[test]
fn a_file_that_haproxy_does_not_load_changes_no_server() {
    let base = format!("  use-server s1 if {{ path /one }}\n{}", many(3));
    let fixture = HaproxyFixture::with_backend(&base);
    let live = fixture.live();
    let without = |name: &str| -> String {
        let lines = base.lines().filter(|line| !line.contains(&format!("server {name} 1")));
        lines.map(|line| format!("{line}\n")).collect()
    };
    let (gone, added) = (without("s1"), format!("{base}{S3}"));
    let wrong = without("s2") + S3 + "  server x 127.9.1.2:9 check inter abc\n";
    for (backend, end) in [
        (wrong, ""),
        (gone, ""),
        (added.clone(), "# the end"),
        (added.clone(), "#\0\n"),
        (added, "backend nodes\n"),
    ] {
        fixture.write_backend(&(backend + end));
        assert_refused(&fixture.reload(&[]), "haproxy -c rejects it");
        assert_eq!(fixture.live(), live, "{end}");
    }
    fixture.write_backend(&base);
    assert_done(&fixture.reload(&[]), "nothing to do");
}

/// HAProxy refuses such a file, but 3.4.0 to 3.4.2 take it. A command at the socket would change the first.
#[test]
fn of_two_servers_with_one_name_neither_is_changed() {
    let fixture = HaproxyFixture::with_backend(&many(2));
    for weight in [1, 7, 8] {
        let live = fixture.live();
        let second = S3.replace("check", &format!("check weight {weight}"));
        fixture.write_backend(&(many(2) + S3 + &second));
        let check = Command::new(program()).args(["-c", "-f"]).arg(fixture.config()).output().unwrap();
        let outcome = fixture.reload(&[]);
        if check.status.success() {
            assert_done(&outcome, "server s3 appears twice in backend nodes");
            assert_done(&fixture.reload(&[]), "nothing to do");
        } else {
            assert_refused(&outcome, "haproxy -c rejects it");
            assert_eq!(fixture.live(), live);
        }
    }
}

/// A HAProxy that is started with these arguments in place of `-f CONFIG`; `config` is its file.
fn start_with(fixture: &mut HaproxyFixture, arguments: &str, config: &Path) {
    let text = format!("shift 2\nexec {} {arguments} \"$@\"", program().display());
    let wrapper = fixture.script("wrapper", &text);
    let admin = fixture.run.join("admin.sock");
    let mode = Mode::MasterSocket;
    let haproxy = Haproxy::start_program(&wrapper, &fixture.run, "haproxy", config, mode, Some(&admin));
    fixture.haproxy = Some(haproxy.unwrap());
}

/// A run on another file than the fixture's, with the same content.
fn reload_at(fixture: &HaproxyFixture, config: &Path) -> Outcome {
    replace(config, &fs::read(fixture.config()).unwrap(), 0o644).unwrap();
    let command = fixture.command(&[]);
    let mut other = Command::new(command.get_program());
    other.arg("--config").arg(config).args(command.get_args().skip(2));
    finish(other.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap())
}

/// The other files may contain defaults for these servers, so a change needs a reload.
#[test]
fn a_haproxy_that_runs_several_files_or_a_directory_of_them_is_reloaded() {
    for is_directory in [false, true] {
        let mut fixture = HaproxyFixture::empty();
        fixture.write_nodes(&many(2));
        fs::create_dir(fixture.run.join("conf.d")).unwrap();
        let (directory, config) = (fixture.run.join("conf.d"), fixture.run.join("conf.d/2.cfg"));
        let other = directory.join("1.cfg");
        replace(&other, b"defaults\n  mode http\n", 0o644).unwrap();
        fs::copy(fixture.config(), &config).unwrap();
        let both = format!("-f {} -f {}", other.display(), config.display());
        let arguments = if is_directory { format!("-f {}", directory.display()) } else { both };
        start_with(&mut fixture, &arguments, &config);
        assert_done(&reload_at(&fixture, &config), "runs");
        fixture.write_nodes(&many(3));
        let says =
            "reload (master): +1 -0 ~0 servers in backend nodes, and HAProxy was started on other files too";
        assert_done(&reload_at(&fixture, &config), says);
        assert!(fixture.live().contains_key("nodes/s2"));
    }
}

#[test]
fn a_missing_or_read_only_socket_leads_to_a_reload() {
    let mut fixture = HaproxyFixture::empty();
    let rewrite = |fixture: &HaproxyFixture, servers: &str, edit: &dyn Fn(&str) -> String| {
        fixture.write_nodes(servers);
        let text = fs::read_to_string(fixture.config()).unwrap();
        fixture.write_text(&text.lines().map(|line| edit(line) + "\n").collect::<String>());
    };
    let operator = |line: &str| line.replace("level admin", "level operator");
    rewrite(&fixture, &many(2), &operator);
    fixture.start_proven(Mode::MasterSocket);
    rewrite(&fixture, &many(3), &operator);
    let says = "reload (master): +1 -0 ~0 servers in backend nodes, and ";
    assert_done(&fixture.reload(&[]), &format!("{says}HAProxy rejected a command with '"));
    assert_done(&fixture.reload(&[]), "nothing to do");
    let without = |line: &str| if line.contains("stats socket") { String::new() } else { line.to_owned() };
    rewrite(&fixture, &many(4), &without);
    assert_done(&fixture.reload(&[]), "reload (master): ");
    rewrite(&fixture, &many(5), &without);
    assert_done(&fixture.reload(&[]), &format!("{says}the file has no stats socket"));
    assert_done(&fixture.reload(&[]), "nothing to do");
}
