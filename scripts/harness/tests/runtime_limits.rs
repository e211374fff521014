//! What cannot be changed in a running HAProxy is reloaded instead, with the reason; what only looks unusual is changed
//! like everything else.
//!
//! `$HAPROXY` names another HAProxy than the installed one, as in tests/reload_methods.rs.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use common::replace::replace;
use harness::cluster::single_haproxy::{
    HaproxyFixture, Outcome, assert_done, assert_refused, finish, is_since, many, program,
};
use harness::daemons::haproxy::{Haproxy, Mode};
use harness::run::poll;

const SOON: Duration = Duration::from_secs(10);

/// A HAProxy that is proven to run the backend `nodes` with these lines.
fn running(lines: &str) -> HaproxyFixture {
    let mut bed = HaproxyFixture::empty();
    bed.write_backend(lines);
    bed.start_proven(Mode::MasterSocket);
    bed
}

const S3: &str = "  server s3 127.9.1.1:9 check\n";

/// Changes from one set of lines to another, and the report for each; of servers of a backend that is
/// balanced anyhow.
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

/// The same of other lines.
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
    let bed = running(&many(2));
    for (before, after, says) in server_cases().into_iter().chain(line_cases()) {
        bed.write_backend(&before);
        assert_done(&bed.reload(&[]), "");
        let worker = bed.worker();
        bed.write_backend(&after);
        let dry_run = bed.told(&["--dry-run"]).1;
        assert!(dry_run.starts_with("reload (master): ") && dry_run.contains(says), "{says}: {dry_run}");
        let outcome = bed.reload(&[]);
        assert_done(&outcome, dry_run.trim_end());
        assert!(!outcome.stderr.contains("runtime: ") && bed.worker() != worker, "{}", outcome.stderr);
        bed.assert_runs_the_file();
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
        let bed = running(&format!("  cookie SRV insert\n{}", many(2)));
        bed.write_backend(&format!("  cookie SRV insert\n{}{line}", many(2)));
        let outcome = bed.reload(&[]);
        let says = if is_since(version) {
            "server nodes/x added"
        } else {
            "this HAProxy version does not accept 'cookie' at run time"
        };
        assert_done(&outcome, says);
        bed.assert_runs_the_file();
    }
}

#[test]
fn a_file_that_haproxy_does_not_load_changes_no_server() {
    let base = format!("  use-server s1 if {{ path /one }}\n{}", many(3));
    let bed = running(&base);
    let live = bed.live();
    let without = |name: &str| -> String {
        let lines = base.lines().filter(|line| !line.contains(&format!("server {name} 1")));
        lines.map(|line| format!("{line}\n")).collect()
    };
    let (gone, added) = (without("s1"), format!("{base}{S3}"));
    let wrong = without("s2") + S3 + "  server x 127.9.1.2:9 check inter abc\n";
    for (backend, end) in [
        (wrong, ""),
        (gone, ""),
        (format!("{added}{S3}"), ""),
        (added.clone(), "# the end"),
        (added.clone(), "#\0\n"),
        (added, "backend nodes\n"),
    ] {
        bed.write_backend(&(backend + end));
        assert_refused(&bed.reload(&[]), "haproxy -c rejects it");
        assert_eq!(bed.live(), live, "{end}");
    }
    bed.write_backend(&base);
    assert_done(&bed.reload(&[]), "nothing to do");
}

#[test]
fn unusual_names_and_lines_are_changed_like_all_others() {
    let bed = running(&many(2));
    let strange: String =
        ["check", "weight", "disabled", "server", "add", "5", "-", "a:b", "x.y", "S1", "all"]
            .iter()
            .enumerate()
            .map(|(n, name)| format!("  server {name} 127.9.1.{}:9 check weight {}\n", n + 1, n + 2))
            .collect();
    let long = format!("  # {}\n", "x".repeat(100_000));
    let strange = format!(
        "{}{strange}{long}\n\t server\t\"quoted\" '127.9.2.1:9'  \"check\"  # why\n  'server' q2 127.9.2.2:9\n  \
         server v6 fd00::1:80 check\n  server w6 [fd00::2]:80 check\n  # server no 127.9.2.3:9\n",
        many(2)
    );
    bed.write_backend(&strange);
    assert_eq!(bed.change().stderr.matches(" added at ").count(), 15);
    let moved = strange.replace("127.9.1.", "127.9.3.").replace("weight 5\n", "weight 77\n");
    bed.write_backend(&moved);
    bed.change();
    bed.assert_runs_the_file();
    bed.write_backend(&many(2));
    bed.change();
    bed.assert_runs_the_file();
    // The same file with other systems' line ends, and with bytes that are not text.
    let crlf = fs::read_to_string(bed.config()).unwrap().replace('\n', "\r\n");
    bed.write_text(&crlf);
    assert_done(&bed.reload(&[]), "nothing to do");
    let bytes = [crlf.as_bytes(), b"  # \xff\xfe\r\n  server z 127.9.2.1:9\r\n"].concat();
    replace(&bed.config(), &bytes, 0o644).unwrap();
    assert_done(&bed.change(), "server nodes/z added");
    bed.assert_runs_the_file();
}

#[test]
fn only_servers_of_backends_and_listens_are_touched() {
    let mut bed = HaproxyFixture::empty();
    let others = |port: u16| {
        format!(
            "ring events\n  format rfc3164\n  size 32764\n  server log 127.9.9.1:{port}\n\
             peers them\n  bind {}:7000\n  server here\n  server there 127.9.9.2:{port}\n",
            bed.subnet.host(2)
        )
    };
    let file = |servers: &str, port: u16| {
        let front = bed.front();
        format!(
            "{}frontend same\n  bind {front}\n  default_backend same\nbackend same\n{servers}\
             backend slots\n  server-template t 3 127.9.4.1:9 check disabled\n{servers}\
             backend empty\n",
            others(port)
        )
    };
    let global = |sections: &str| bed.head("  localpeer here\n", sections) + sections;
    let [before, after, other] =
        [file(&many(2), 9), file(&many(3), 9), file(&many(3), 10)].map(|f| global(&f));
    bed.write_text(&before);
    bed.start_proven(Mode::MasterSocket);
    bed.order("set server slots/t1 state ready");
    bed.write_text(&after);
    assert_done(
        &bed.change(),
        "runtime: +1 -0 ~0 servers in backend same, +1 -0 ~0 servers in backend slots",
    );
    assert!(bed.live().contains_key("slots/t1"), "a slot that is in use was taken away");
    bed.write_text(&other);
    assert_done(&bed.reload(&[]), "of ring events changed");
    bed.assert_runs_the_file();
}

#[test]
fn conditional_sections_lose_no_server() {
    // HAProxy has s1 in `nodes`.
    let lines =
        |more: &str| format!("{}.if 0\nbackend other\n.endif\n  server s9 127.9.1.9:9\n{more}", many(2));
    let bed = running(&lines(""));
    let worker = bed.worker();
    assert_done(&bed.reload(&[]), "nothing to do");
    bed.write_backend(&lines("  server s10 127.9.1.10:9\n"));
    assert_done(&bed.reload(&[]), "some of its lines are within .if");
    assert!(bed.worker() != worker && bed.live().contains_key("nodes/s10"));
    // A default that may not hold.
    let defaults = |servers: &str| {
        let front = bed.front();
        format!(
            ".if 0\ndefaults\n  mode http\n  default-server weight 9\n.endif\nfrontend web\n  bind {front}\nbackend nodes\n{servers}"
        )
    };
    bed.write_sections(&defaults(&many(2)));
    assert_done(&bed.reload(&[]), "reload (");
    bed.write_sections(&defaults(&many(3)));
    assert_done(&bed.reload(&[]), "some of its lines are within .if");
    assert_eq!(bed.live()["nodes/s2"]["srv_uweight"], "1");
}

#[test]
fn a_conditional_backend_does_not_block_changes_of_others() {
    let mut bed = HaproxyFixture::empty();
    let front = bed.front();
    let file = |count: u32, more: &str| {
        let some =
            format!(".if 1\nbackend some\n  server c 127.9.2.1:9\n{more}.else\nbackend none\n{more}.endif\n");
        format!("frontend web\n  bind {front}\nbackend nodes\n{}{some}backend last\n{}", many(1), many(count))
    };
    bed.write_sections(&file(2, ""));
    bed.start_proven(Mode::MasterSocket);
    bed.write_sections(&file(3, ""));
    assert_done(&bed.change(), "server last/s2 added");
    bed.write_sections(&file(3, S3));
    assert_done(&bed.reload(&[]), "reload (master): line ");
    bed.assert_runs_the_file();
}

#[test]
fn an_agents_percentage_applies_to_the_weight_in_the_file() {
    let bed = HaproxyFixture::with_nodes(&many(1));
    let agent = std::net::TcpListener::bind((bed.subnet.host(9), 0)).unwrap();
    let port = agent.local_addr().unwrap().port();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = agent.accept() {
            // It may have gone away.
            let _ = stream.write_all(b"up ready 50%\n");
        }
    });
    let _app = bed.app(11);
    let line = |weight: u32| {
        let agent =
            format!("agent-check agent-port {port} agent-addr {} agent-inter 100ms", bed.subnet.host(9));
        many(1) + &bed.line("a", 11, &format!("weight {weight} {agent}"))
    };
    bed.write_nodes(&line(80));
    bed.change();
    let weighs = |weight: &str| (bed.states()["nodes/a"]["srv_uweight"] == weight).then_some(());
    poll::until(SOON, "half of its weight", || weighs("40")).unwrap();
    assert_done(&bed.reload(&[]), "nothing to do");
    bed.write_nodes(&line(60));
    assert_done(&bed.reload(&[]), "its agent-check scales the weight");
    poll::until(SOON, "half of its weight", || weighs("30")).unwrap();
}

/// A HAProxy that is started with these arguments in place of `-f CONFIG`, and the file at `config`.
fn start_with(bed: &mut HaproxyFixture, arguments: &str, config: &Path) {
    let wrapper = bed.run.join("wrapper");
    let text = format!("#!/bin/sh\nshift 2\nexec {} {arguments} \"$@\"\n", program().display());
    replace(&wrapper, text.as_bytes(), 0o755).unwrap();
    let admin = bed.run.join("admin.sock");
    let mode = Mode::MasterSocket;
    let haproxy = Haproxy::start_program(&wrapper, &bed.run, "haproxy", config, mode, Some(&admin));
    bed.haproxy = Some(haproxy.unwrap());
}

/// A run on another file than the fixture's, with the same content.
fn reload_at(bed: &HaproxyFixture, config: &Path) -> Outcome {
    replace(config, &fs::read(bed.config()).unwrap(), 0o644).unwrap();
    let command = bed.command(&[]);
    let mut other = Command::new(command.get_program());
    other.arg("--config").arg(config).args(command.get_args().skip(2));
    finish(other.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap())
}

/// The other files may contain defaults for these servers.
#[test]
fn a_haproxy_that_runs_several_files_or_a_directory_of_them_is_reloaded() {
    for is_directory in [false, true] {
        let mut bed = HaproxyFixture::empty();
        bed.write_nodes(&many(2));
        fs::create_dir(bed.run.join("conf.d")).unwrap();
        let (directory, config) = (bed.run.join("conf.d"), bed.run.join("conf.d/2.cfg"));
        let other = directory.join("1.cfg");
        replace(&other, b"defaults\n  mode http\n", 0o644).unwrap();
        fs::copy(bed.config(), &config).unwrap();
        let both = format!("-f {} -f {}", other.display(), config.display());
        let arguments = if is_directory { format!("-f {}", directory.display()) } else { both };
        start_with(&mut bed, &arguments, &config);
        assert_done(&reload_at(&bed, &config), "runs");
        bed.write_nodes(&many(3));
        let says =
            "reload (master): +1 -0 ~0 servers in backend nodes, and HAProxy was started on other files too";
        assert_done(&reload_at(&bed, &config), says);
        assert!(bed.live().contains_key("nodes/s2"));
    }
}

#[test]
fn a_missing_or_read_only_socket_leads_to_a_reload() {
    let mut bed = HaproxyFixture::empty();
    let rewrite = |bed: &HaproxyFixture, servers: &str, edit: &dyn Fn(&str) -> String| {
        bed.write_nodes(servers);
        let text = fs::read_to_string(bed.config()).unwrap();
        bed.write_text(&text.lines().map(|line| edit(line) + "\n").collect::<String>());
    };
    let operator = |line: &str| line.replace("level admin", "level operator");
    rewrite(&bed, &many(2), &operator);
    bed.start_proven(Mode::MasterSocket);
    rewrite(&bed, &many(3), &operator);
    let says = "reload (master): +1 -0 ~0 servers in backend nodes, and ";
    assert_done(&bed.reload(&[]), &format!("{says}HAProxy rejected a command with '"));
    assert_done(&bed.reload(&[]), "nothing to do");
    let without = |line: &str| if line.contains("stats socket") { String::new() } else { line.to_owned() };
    rewrite(&bed, &many(4), &without);
    assert_done(&bed.reload(&[]), "reload (master): ");
    rewrite(&bed, &many(5), &without);
    assert_done(&bed.reload(&[]), &format!("{says}the file has no stats socket"));
    assert_done(&bed.reload(&[]), "nothing to do");
}
