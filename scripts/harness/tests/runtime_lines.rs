//! Files and lines that only look unusual: their servers are changed in a running HAProxy like all others, and the
//! servers of other lines stay unchanged.
//!
//! `$HAPROXY` names another HAProxy than the installed one, as in tests/reload_methods.rs.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::fs;
use std::io::Write;
use std::time::Duration;

use common::replace::replace;
use harness::cluster::single_haproxy::{HaproxyFixture, assert_done, is_since, many};
use harness::daemons::haproxy::Mode;
use harness::run::poll;

const SOON: Duration = Duration::from_secs(10);

const S3: &str = "  server s3 127.9.1.1:9 check\n";

#[test]
fn unusual_names_and_lines_are_changed_like_all_others() {
    let fixture = HaproxyFixture::with_backend(&many(2));
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
    fixture.write_backend(&strange);
    assert_eq!(fixture.change().stderr.matches(" added at ").count(), 15);
    let moved = strange.replace("127.9.1.", "127.9.3.").replace("weight 5\n", "weight 77\n");
    fixture.write_backend(&moved);
    fixture.change();
    fixture.assert_runs_the_file();
    fixture.write_backend(&many(2));
    fixture.change();
    fixture.assert_runs_the_file();
    // The same file with the line ends of other systems, and with bytes that are not text.
    let crlf = fs::read_to_string(fixture.config()).unwrap().replace('\n', "\r\n");
    fixture.write_text(&crlf);
    assert_done(&fixture.reload(&[]), "nothing to do");
    let bytes = [crlf.as_bytes(), b"  # \xff\xfe\r\n  server z 127.9.2.1:9\r\n"].concat();
    replace(&fixture.config(), &bytes, 0o644).unwrap();
    assert_done(&fixture.change(), "server nodes/z added");
    fixture.assert_runs_the_file();
}

#[test]
fn only_servers_of_backends_and_listens_are_touched() {
    let mut fixture = HaproxyFixture::empty();
    let others = |port: u16| {
        format!(
            "ring events\n  format rfc3164\n  size 32764\n  server log 127.9.9.1:{port}\n\
             peers them\n  bind {}:7000\n  server here\n  server there 127.9.9.2:{port}\n",
            fixture.subnet.host(2)
        )
    };
    // From 3.3 on HAProxy refuses a frontend and a backend of one name.
    let frontend = if is_since((3, 3)) { "other" } else { "same" };
    let file = |servers: &str, port: u16| {
        let front = fixture.front();
        format!(
            "{}frontend {frontend}\n  bind {front}\n  default_backend same\nbackend same\n{servers}\
             backend slots\n  server-template t 3 127.9.4.1:9 check disabled\n{servers}\
             backend empty\n",
            others(port)
        )
    };
    let global = |sections: &str| fixture.head("  localpeer here\n", sections) + sections;
    let [before, after, other] =
        [file(&many(2), 9), file(&many(3), 9), file(&many(3), 10)].map(|f| global(&f));
    fixture.write_text(&before);
    fixture.start_proven(Mode::MasterSocket);
    fixture.order("set server slots/t1 state ready");
    fixture.write_text(&after);
    assert_done(
        &fixture.change(),
        "runtime: +1 -0 ~0 servers in backend same, +1 -0 ~0 servers in backend slots",
    );
    assert!(fixture.live().contains_key("slots/t1"), "a slot that is in use was taken away");
    fixture.write_text(&other);
    assert_done(&fixture.reload(&[]), "of ring events changed");
    fixture.assert_runs_the_file();
}

#[test]
fn conditional_sections_lose_no_server() {
    // To HAProxy, s9 belongs to `nodes`.
    let lines =
        |more: &str| format!("{}.if 0\nbackend other\n.endif\n  server s9 127.9.1.9:9\n{more}", many(2));
    let fixture = HaproxyFixture::with_backend(&lines(""));
    let worker = fixture.worker();
    assert_done(&fixture.reload(&[]), "nothing to do");
    fixture.write_backend(&lines("  server s10 127.9.1.10:9\n"));
    assert_done(&fixture.reload(&[]), "some of its lines are within .if");
    assert!(fixture.worker() != worker && fixture.live().contains_key("nodes/s10"));
    // A default within a condition, which may be false.
    let defaults = |servers: &str| {
        let front = fixture.front();
        format!(
            ".if 0\ndefaults\n  mode http\n  default-server weight 9\n.endif\nfrontend web\n  bind {front}\nbackend nodes\n{servers}"
        )
    };
    fixture.write_sections(&defaults(&many(2)));
    assert_done(&fixture.reload(&[]), "reload (");
    fixture.write_sections(&defaults(&many(3)));
    assert_done(&fixture.reload(&[]), "some of its lines are within .if");
    assert_eq!(fixture.live()["nodes/s2"]["srv_uweight"], "1");
}

#[test]
fn a_conditional_backend_does_not_block_changes_of_others() {
    let mut fixture = HaproxyFixture::empty();
    let front = fixture.front();
    let file = |count: u32, more: &str| {
        let some =
            format!(".if 1\nbackend some\n  server c 127.9.2.1:9\n{more}.else\nbackend none\n{more}.endif\n");
        format!("frontend web\n  bind {front}\nbackend nodes\n{}{some}backend last\n{}", many(1), many(count))
    };
    fixture.write_sections(&file(2, ""));
    fixture.start_proven(Mode::MasterSocket);
    fixture.write_sections(&file(3, ""));
    assert_done(&fixture.change(), "server last/s2 added");
    fixture.write_sections(&file(3, S3));
    assert_done(&fixture.reload(&[]), "reload (master): line ");
    fixture.assert_runs_the_file();
}

#[test]
fn an_agents_percentage_applies_to_the_weight_in_the_file() {
    let fixture = HaproxyFixture::with_nodes(&many(1));
    let agent = std::net::TcpListener::bind((fixture.subnet.host(9), 0)).unwrap();
    let port = agent.local_addr().unwrap().port();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = agent.accept() {
            // The client may have closed the connection.
            let _ = stream.write_all(b"up ready 50%\n");
        }
    });
    let _app = fixture.app(11);
    let line = |weight: u32| {
        let agent =
            format!("agent-check agent-port {port} agent-addr {} agent-inter 100ms", fixture.subnet.host(9));
        many(1) + &fixture.line("a", 11, &format!("weight {weight} {agent}"))
    };
    fixture.write_nodes(&line(80));
    fixture.change();
    let weighs = |weight: &str| (fixture.states()["nodes/a"]["srv_uweight"] == weight).then_some(());
    poll::until(SOON, "half of its weight", || weighs("40")).unwrap();
    assert_done(&fixture.reload(&[]), "nothing to do");
    fixture.write_nodes(&line(60));
    assert_done(&fixture.reload(&[]), "its agent-check scales the weight");
    poll::until(SOON, "half of its weight", || weighs("30")).unwrap();
}
