//! The preflight check refuses a file before the reload if `haproxy -c` accepts it but a start would fail. It refuses
//! no other file.
//!
//! Each refusal is checked against HAProxy itself: the preflight check skips lines within `.if`, so the same line
//! within `.if` reaches HAProxy, which must fail.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::fs;
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::process::{Command, Stdio};

use harness::cluster::single_haproxy::{
    HaproxyFixture, Outcome, assert_done, assert_refused, finish, is_since, program, revision,
};
use harness::daemons::haproxy::Mode;
use nix::unistd::geteuid;

/// A line, and the section that it is in.
#[derive(Clone, Copy, Debug)]
enum Place {
    Global,
    Frontend,
}
use Place::{Frontend, Global};

impl Place {
    fn write(self, fixture: &HaproxyFixture, line: &str) {
        let line = line.replace("RUN", fixture.run.path().to_str().unwrap());
        match self {
            Global => fixture.write(&format!("{}\n{line}", revision(2)), ""),
            Frontend => fixture.write(&revision(2), &line),
        }
    }
}

/// Checks that a line is refused before the reload with this message, and that HAProxy fails with it too.
fn assert_seen_rightly(
    fixture: &HaproxyFixture,
    run: impl Fn() -> Outcome,
    (place, line, says): (Place, &str, &str),
) {
    let worker = fixture.worker();
    place.write(fixture, line);
    let outcome = run();
    assert_refused(&outcome, says);
    assert!(
        outcome.stderr.contains("the running configuration stays in service"),
        "{line}: {}",
        outcome.stderr
    );
    assert_eq!(fixture.worker(), worker);
    place.write(fixture, &format!(".if 1\n{line}\n.endif"));
    assert_refused(&run(), "HAProxy rejected it");
}

#[test]
fn haproxy_rejects_what_the_preflight_rejects() {
    let _held = UnixListener::bind_addr(&abstract_name()).unwrap();
    for case in [
        (Global, "maxconn 1000000", "maxconn 1000000 needs 2000000 open files"),
        (Global, "ulimit-n 2000000", "ulimit-n 2000000 needs 2000000 open files"),
        // Up to 3.0, this ends all processes of HAProxy.
        (Global, "ulimit-n 100\nmaxconn 600000", "maxconn 600000 needs 1200000 open files"),
        (Global, "maxconn 1000\nfd-hard-limit 100", "and HAProxy may have 100; the"),
        (Global, "stats socket RUN/missing/x.sock", "the directory of socket '"),
        (Global, "stats socket RUN/state", "is a directory, not a socket"),
        (Global, "chroot RUN/missing", "is not a directory"),
        (Frontend, "bind unix@RUN/missing/x.sock", "the directory of socket '"),
        (Frontend, "bind RUN/state", "is a directory, not a socket"),
        (Frontend, &format!("bind abns@{}", name()), "another program holds it"),
    ] {
        let fixture = HaproxyFixture::running(Mode::MasterSocket);
        assert_done(&fixture.reload(&[]), "nothing to do");
        assert_seen_rightly(&fixture, || fixture.reload(&["--timeout", "5s"]), case);
    }
}

/// `abns@` pads its name with zeros, and so does the kernel's list.
fn abstract_name() -> SocketAddr {
    let mut name = name().into_bytes();
    name.resize(107, 0);
    SocketAddr::from_abstract_name(name).unwrap()
}

fn name() -> String {
    format!("rollcall-test-{}", std::process::id())
}

#[test]
fn what_is_within_the_limits_is_loaded() {
    for (place, line) in [
        (Global, "maxconn 100"),
        (Global, "ulimit-n 200\nmaxconn 300"),
        (Global, "maxconn 1000000\nno strict-limits"),
        (Global, "user root\ngroup root\nchroot /"),
        // The command line sets another pid file.
        (Global, "pidfile RUN/missing/pid"),
        (Global, "unix-bind prefix RUN"),
        (Frontend, "bind unix@RUN/x.sock"),
        (Frontend, "bind abns@rollcall-test-own"),
    ]
    .into_iter()
    .chain(chroots_unprivileged().then_some((Global, "chroot auto")))
    {
        let fixture = HaproxyFixture::running(Mode::MasterSocket);
        place.write(&fixture, line);
        assert_done(&fixture.reload(&[]), "runs '");
        // HAProxy's own names and sockets are not a conflict.
        assert_done(&fixture.reload(&["--force"]), "runs '");
    }
}

#[test]
fn a_socket_is_looked_for_behind_its_prefix() {
    let fixture = HaproxyFixture::running(Mode::MasterSocket);
    let prefix = format!("unix-bind prefix {}", fixture.run.join("missing").display());
    fixture.write(&format!("{}\n  {prefix}", revision(2)), "bind unix@/x.sock");
    assert_refused(
        &fixture.reload(&[]),
        "missing//x.sock' is missing; the running configuration stays in service",
    );
}

#[test]
fn a_log_forwarders_address_is_looked_at_too() {
    let fixture = HaproxyFixture::running(Mode::MasterSocket);
    let other = TcpListener::bind((fixture.subnet.host(2), 0)).unwrap();
    let forward = format!("\nlog-forward logs\n  bind {}\n  log global", other.local_addr().unwrap());
    fixture.write(&revision(2), &forward);
    assert_refused(
        &fixture.reload(&[]),
        "another program holds it; the running configuration stays in service",
    );
}

/// With 3.2, such a file ends the master.
#[test]
fn a_pid_file_without_a_directory_is_refused_unless_the_command_line_sets_another() {
    let mut fixture = HaproxyFixture::empty();
    fixture.write(&revision(1), "");
    // Its usual command line without the last two arguments, `-p FILE`.
    let text = format!("exec {} \"$1\" \"$2\" \"$3\" \"$4\" \"$5\"", program().display());
    let wrapper = fixture.script("wrapper", &text);
    let admin = fixture.run.join("admin.sock");
    fixture.haproxy = Some(fixture.start_program(&wrapper, "haproxy", Mode::MasterSocket, Some(&admin)));
    assert_done(&fixture.reload(&[]), "nothing to do");
    let case = (Global, "pidfile RUN/missing/pid", "the directory of pid file '");
    assert_seen_rightly(&fixture, || fixture.reload(&["--timeout", "5s"]), case);
}

/// Up to 3.0, the first three options end all processes of HAProxy.
#[test]
fn options_that_need_root_are_refused_for_an_unprivileged_haproxy() {
    let chroot = (Global, "chroot /", "its master has no right to chroot to '/'");
    let port = (Frontend, "bind 127.0.0.1:1", "may not use the port");
    for case in [
        (Global, "user games", "its master has no right to become user 'games'"),
        (Global, "gid 60", "its master has no right to become group '60'"),
    ]
    .into_iter()
    .chain((!chroots_unprivileged()).then_some(chroot))
    .chain(low_ports_need_a_right().then_some(port))
    {
        let Some(fixture) = unprivileged(Mode::MasterSocket) else { return };
        assert_seen_rightly(&fixture, || as_nobody(&fixture), case);
    }
}

/// From 3.4 on the worker takes a user namespace for that, if the kernel allows it. `/` needs none.
#[test]
fn an_unprivileged_haproxy_may_chroot_if_it_can() {
    let has_namespaces = Command::new("unshare").args(["--user", "true"]).status().unwrap().success();
    for (mode, line) in [
        (Mode::MasterSocket, "chroot /"),
        (Mode::MasterSocket, "chroot RUN"),
        (Mode::MasterSocket, "chroot auto"),
        (Mode::Classic, "chroot auto"),
    ] {
        let Some(fixture) = unprivileged(mode) else { return };
        Global.write(&fixture, line);
        let outcome = as_nobody(&fixture);
        match (chroots_unprivileged(), has_namespaces || line == "chroot /") {
            (true, true) => {
                assert_done(&outcome, "runs '");
                assert_done(&as_nobody(&fixture), "nothing to do");
                Global.write(&fixture, &format!("{line}\nmaxconn 99"));
                assert_done(&as_nobody(&fixture), "runs '");
            }
            (true, false) => assert_refused(&outcome, "HAProxy rejected it"),
            (false, _) => assert_refused(&outcome, "the running configuration stays in service"),
        }
    }
}

/// Whether `chroot` works without the right to it, and `chroot auto` needs no directory.
fn chroots_unprivileged() -> bool {
    is_since((3, 4))
}

/// Whether only root may listen on low ports. In a container of Docker's, all users may.
fn low_ports_need_a_right() -> bool {
    let first = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap();
    first.trim().parse::<u16>().unwrap() > 1
}

/// A HAProxy of another user than root; `None` without root.
fn unprivileged(mode: Mode) -> Option<HaproxyFixture> {
    if !geteuid().is_root() {
        assert!(std::env::var_os("CI").is_none(), "to be another user needs root");
        eprintln!("SKIPPED: to be another user needs root");
        return None;
    }
    let mut fixture = HaproxyFixture::empty();
    fs::set_permissions(fixture.run.path(), fs::Permissions::from_mode(0o777)).unwrap();
    fixture.write(&revision(1), "");
    let text = format!("exec {} {} \"$@\"", AS_NOBODY.join(" "), program().display());
    let wrapper = fixture.script("wrapper", &text);
    let admin = fixture.run.join("admin.sock");
    fixture.haproxy = Some(fixture.start_program(&wrapper, "haproxy", mode, Some(&admin)));
    assert_done(&as_nobody(&fixture), "nothing to do");
    Some(fixture)
}

const AS_NOBODY: [&str; 7] = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--"];

fn as_nobody(fixture: &HaproxyFixture) -> Outcome {
    let command = fixture.command(&["--timeout", "5s"]);
    let mut other = Command::new(AS_NOBODY[0]);
    other.args(&AS_NOBODY[1..]).arg(command.get_program()).args(command.get_args());
    finish(other.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap())
}
