//! A process, a socket or a pid file of another user must not make reload-haproxy run, signal or wait for anything.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use common::replace::replace;
use harness::daemons::haproxy::{Haproxy, Mode};
use harness::network::subnet::Subnet;
use harness::run::Run;
use harness::run::daemon::Daemon;
use harness::run::{poll, programs};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const NOBODY: u32 = 65534;

struct HaproxyFixture {
    subnet: Subnet,
    run: Run,
}

impl HaproxyFixture {
    /// A fixture whose directory every user may enter, with a configuration; `None` without root.
    fn new(global: &str) -> Option<HaproxyFixture> {
        if !nix::unistd::geteuid().is_root() {
            assert!(std::env::var_os("CI").is_none(), "another user's processes need root");
            eprintln!("SKIPPED: another user's processes need root");
            return None;
        }
        let fixture = HaproxyFixture { subnet: Subnet::claim().unwrap(), run: Run::new().unwrap() };
        fs::set_permissions(fixture.run.path(), Permissions::from_mode(0o755)).unwrap();
        fixture.write(global);
        Some(fixture)
    }

    fn write(&self, global: &str) {
        let text = format!(
            "global\n  {global}\ndefaults\n  mode http\n  timeout client 5s\n  timeout server 5s\n  timeout connect 1s\n\
             frontend web\n  bind {}:8080\n  http-request return status 200\n",
            self.subnet.host(1)
        );
        replace(&self.config(), text.as_bytes(), 0o644).unwrap();
    }

    fn config(&self) -> PathBuf {
        self.run.join("haproxy.cfg")
    }

    fn reload(&self, arguments: &[&str]) -> (i32, String, Duration) {
        let mut command = Command::new(programs::bin_dir().unwrap().join("reload-haproxy"));
        command.arg("--config").arg(self.config()).arg("--state-dir").arg(self.run.join("state")).arg("-v");
        let start = Instant::now();
        let output = self.run.adopt(&mut command).args(arguments).stdin(Stdio::null()).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        (output.status.code().unwrap_or(-1), stderr, start.elapsed())
    }

    /// A program named `haproxy` that is not HAProxy: it records its user, and keeps running if started as a daemon.
    fn impostor(&self, note: &Path) -> PathBuf {
        let directory = self.run.join("bin");
        fs::create_dir(&directory).unwrap();
        let program = directory.join("haproxy");
        let text = format!("#!/bin/sh\nid -u >>{}\nsleep 60\n", note.display());
        replace(&program, text.as_bytes(), 0o755).unwrap();
        program
    }

    /// Starts a command as another user.
    fn as_nobody(&self, name: &str, arguments: &[&str]) -> Daemon {
        let mut command = Command::new("setpriv");
        command.args([
            "--reuid",
            &NOBODY.to_string(),
            "--regid",
            &NOBODY.to_string(),
            "--clear-groups",
            "--",
        ]);
        command.args(arguments);
        Daemon::start(&self.run, name, command).unwrap()
    }
}

/// The kernel names a process after its file, even for a script.
#[test]
fn a_process_of_another_user_named_haproxy_is_not_used() {
    let Some(fixture) = HaproxyFixture::new("") else { return };
    let note = fixture.run.join("note");
    replace(&note, b"", 0o666).unwrap();
    let program = fixture.impostor(&note);
    let config = fixture.config();
    let arguments = [program.to_str().unwrap(), "-D", "-f", config.to_str().unwrap()];
    let impostor = fixture.as_nobody("impostor", &arguments);
    poll::until(Duration::from_secs(5), "the impostor", || {
        (!fs::read_to_string(&note).unwrap().is_empty()).then_some(())
    })
    .unwrap();
    let (code, stderr, _) = fixture.reload(&[]);
    assert!(code == 5 && stderr.contains("start one: haproxy -W -S"), "{stderr}");
    let pid_file = fixture.run.join("pid");
    replace(&pid_file, impostor.id().to_string().as_bytes(), 0o644).unwrap();
    fixture.reload(&["--pid-file", pid_file.to_str().unwrap(), "--timeout", "2s", "--method", "classic"]);
    let users = fs::read_to_string(&note).unwrap();
    assert_eq!(users, format!("{NOBODY}\n"), "it was run by the user {users}");
}

#[test]
fn a_process_named_by_an_untrusted_socket_gets_no_signal() {
    let Some(fixture) = HaproxyFixture::new("") else { return };
    let mut victim = Command::new("sleep").arg("60").spawn().unwrap();
    let socket = fixture.run.join("liar.sock");
    fixture.write(&format!("stats socket {}", socket.display()));
    let listener = UnixListener::bind(&socket).unwrap();
    let pid = victim.id();
    // A real HAProxy cannot be made to send false answers.
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(format!("Pid: {pid}\nUptime_sec: 1\nStopping: 0\n").as_bytes());
        }
    });
    for method in ["auto", "signal", "classic"] {
        let (code, stderr, _) = fixture.reload(&["--force", "--timeout", "1s", "--method", method]);
        assert_eq!(code, 5, "{stderr}");
    }
    assert!(victim.try_wait().unwrap().is_none(), "the process was ended");
    victim.kill().unwrap();
    victim.wait().unwrap();
}

#[test]
fn a_daemon_that_gave_up_root_is_reloaded_with_its_pid_file() {
    let Some(fixture) = HaproxyFixture::new("") else { return };
    let global = |more: &str| {
        let socket = fixture.run.join("admin.sock");
        format!("user nobody\n  stats socket {} mode 660 expose-fd listeners\n  {more}", socket.display())
    };
    fixture.write(&global(""));
    let haproxy = Haproxy::start(
        &fixture.run,
        "haproxy",
        &fixture.config(),
        Mode::Classic,
        Some(&fixture.run.join("admin.sock")),
    );
    let haproxy = haproxy.unwrap();
    let before = haproxy.worker_pid().unwrap();
    fixture.write(&global("stats timeout 9s"));
    let (code, stderr, _) = fixture.reload(&[]);
    assert_eq!(code, 0, "{stderr}");
    let after = haproxy.worker_pid().unwrap();
    assert!(after != before && haproxy.pid() == Some(after), "the pid file was not kept: {stderr}");
}

#[test]
fn a_haproxy_that_stands_still_is_given_up_in_time_again_and_again() {
    let Some(fixture) = HaproxyFixture::new("") else { return };
    let socket = fixture.run.join("admin.sock");
    fixture.write(&format!("stats socket {} mode 660", socket.display()));
    let haproxy =
        Haproxy::start(&fixture.run, "haproxy", &fixture.config(), Mode::MasterSocket, Some(&socket))
            .unwrap();
    let processes = [haproxy.pid().unwrap(), haproxy.worker_pid().unwrap()];
    let signal = |signal| {
        for pid in processes {
            kill(Pid::from_raw(i32::try_from(pid).unwrap()), signal).unwrap();
        }
    };
    signal(Signal::SIGSTOP);
    // Each run leaves its connections in the queue, which is full after a few runs.
    let outcomes: Vec<_> = (0..4).map(|_| fixture.reload(&["--timeout", "1s", "--force"])).collect();
    signal(Signal::SIGCONT);
    for (code, stderr, took) in outcomes {
        assert!(code == 5 && took < Duration::from_secs(8), "{code} after {took:?}: {stderr}");
    }
    let (code, stderr, _) = fixture.reload(&["--force"]);
    assert_eq!(code, 0, "{stderr}");
}

#[test]
fn a_peers_address_that_another_program_holds_is_seen_before_the_reload() {
    let Some(fixture) = HaproxyFixture::new("") else { return };
    let socket = fixture.run.join("admin.sock");
    let global = format!("stats socket {} mode 660\n  localpeer me", socket.display());
    fixture.write(&global);
    let haproxy =
        Haproxy::start(&fixture.run, "haproxy", &fixture.config(), Mode::MasterSocket, Some(&socket))
            .unwrap();
    let worker = haproxy.worker_pid().unwrap();
    let other = TcpListener::bind((fixture.subnet.host(1), 0)).unwrap();
    let address = other.local_addr().unwrap();
    fixture.write(&format!(
        "{global}\npeers all\n  peer me {address}\n  peer you {}:1024",
        fixture.subnet.host(2)
    ));
    let (code, stderr, _) = fixture.reload(&[]);
    assert!(
        code == 5 && stderr.contains("another program holds it; the running configuration stays in service"),
        "{stderr}"
    );
    assert_eq!(haproxy.worker_pid().unwrap(), worker);
    drop(other);
    let (code, stderr, _) = fixture.reload(&[]);
    assert_eq!(code, 0, "{stderr}");
}

#[test]
fn a_haproxy_that_shares_no_port_is_reloaded() {
    let Some(fixture) = HaproxyFixture::new("") else { return };
    let socket = fixture.run.join("admin.sock");
    let global = format!("stats socket {} mode 660 expose-fd listeners\n  noreuseport", socket.display());
    fixture.write(&global);
    let haproxy =
        Haproxy::start(&fixture.run, "haproxy", &fixture.config(), Mode::MasterSocket, Some(&socket))
            .unwrap();
    fixture.write(&format!("{global}\n  stats timeout 9s"));
    let (code, stderr, _) = fixture.reload(&[]);
    assert_eq!(code, 0, "{stderr}");
    drop(haproxy);
}
