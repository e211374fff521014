//! reload-haproxy's binary where no HAProxy is needed; scripts/harness has the tests on a real one.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::path::PathBuf;

use assert_cmd::Command;
use common::replace::replace;
use tempfile::TempDir;

struct Bed {
    scratch: TempDir,
}

impl Bed {
    fn with(config: &str) -> Bed {
        let bed = Bed { scratch: tempfile::tempdir().unwrap() };
        replace(&bed.config(), config.as_bytes(), 0o644).unwrap();
        bed
    }

    fn config(&self) -> PathBuf {
        self.scratch.path().join("haproxy.cfg")
    }

    fn reload(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_reload-haproxy"));
        command.arg("--config").arg(self.config()).arg("--state-dir").arg(self.scratch.path().join("state"));
        command.args(arguments);
        command
    }
}

#[test]
fn without_a_running_haproxy_it_says_how_to_start_one() {
    let bed = Bed::with("defaults\n");
    let path = bed.config().canonicalize().unwrap();
    let path = path.display();
    let line = format!(
        "reload-haproxy: cannot find 'haproxy': no running HAProxy was started on '{path}'; start one: haproxy -W -S \
         /run/haproxy-master.sock -f {path}\n"
    );
    bed.reload(&[]).assert().code(5).stdout("").stderr(line);
}

#[test]
fn a_configuration_that_is_not_there_is_the_file_systems_fault() {
    let bed = Bed::with("");
    std::fs::remove_file(bed.config()).unwrap();
    let line = format!(
        "reload-haproxy: cannot read '{}': No such file or directory (os error 2)\n",
        bed.config().display()
    );
    bed.reload(&[]).assert().code(4).stderr(line);
}

#[test]
fn a_state_directory_that_cannot_be_made_is_the_file_systems_fault() {
    let bed = Bed::with("defaults\n");
    bed.reload(&["--state-dir", "/dev/null/state"]).assert().code(2);
    let mut command = Command::new(env!("CARGO_BIN_EXE_reload-haproxy"));
    command.arg("--config").arg(bed.config()).args(["--state-dir", "/dev/null/state"]);
    command
        .assert()
        .code(4)
        .stderr("reload-haproxy: cannot create '/dev/null/state': Not a directory (os error 20)\n");
}

#[test]
fn a_lock_that_another_run_holds_is_waited_for_and_no_longer_than_told() {
    let bed = Bed::with("defaults\n");
    bed.reload(&[]).assert().code(5);
    let state = bed.scratch.path().join("state");
    let lock = std::fs::read_dir(&state)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|extension| extension == "lock"));
    let file = std::fs::File::open(lock.unwrap()).unwrap();
    let held = common::lock::exclusive(file, std::time::Duration::ZERO).unwrap();
    bed.reload(&["--lock-timeout", "50ms"]).assert().code(7);
    bed.reload(&["--time-limit", "1s"]).assert().code(1);
    drop(held);
    bed.reload(&["--lock-timeout", "50ms"]).assert().code(5);
}

#[test]
fn wrong_calls_are_told_apart_from_failures() {
    let bed = Bed::with("defaults\n");
    for arguments in [&["--method", "magic"][..], &["--timeout", "soon"], &["extra"], &["--no-such-option"]] {
        bed.reload(arguments).assert().code(2).stdout("");
    }
    bed.reload(&["--help"]).assert().code(0).stderr("");
}
