//! `scripts/install-packages`: whether the Rust that is there is new enough, what to do if it is not, and the packages of
//! other programs.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use common::replace::replace;
use harness::run::process::{code, stderr};
use harness::run::programs;

/// The version that the root Cargo.toml promises.
const WANTED: &str = env!("CARGO_PKG_RUST_VERSION");
const PACKAGES: &str = "cannot install packages";
const BY_HAND: &str = "install by hand: ca-certificates cargo-web rustc-web";

fn write_program(path: &Path, text: &str) {
    replace(path, format!("#!/bin/sh\n{text}\n").as_bytes(), 0o755).unwrap();
}

/// The exit code and stderr on a machine without apt and with this Rust, if any.
fn run_with(rust: Option<&str>, others: &[&str]) -> (i32, String) {
    let path = tempfile::tempdir().unwrap();
    for tool in ["sh", "dirname", "sed", "cut", "sort"] {
        symlink(programs::find(tool).unwrap(), path.path().join(tool)).unwrap();
    }
    if let Some(rust) = rust {
        write_program(&path.path().join("rustc"), &format!("echo 'rustc {rust} (59807616e 2026-04-14)'"));
        write_program(&path.path().join("cargo"), "");
    }
    others.iter().for_each(|program| write_program(&path.path().join(program), ""));
    run(path.path(), &["cargo"])
}

/// The exit code and stderr with the programs of one directory.
fn run(path: &Path, wanted: &[&str]) -> (i32, String) {
    let mut command = Command::new(programs::shipped("scripts/install-packages"));
    let output = command.args(wanted).env("PATH", path).output().unwrap();
    (code(&output), stderr(&output))
}

#[test]
fn the_promised_rust_and_newer_ones_are_taken() {
    for rust in [&format!("{WANTED}.0"), &format!("{WANTED}.1"), "1.100.0", "2.0.0-nightly"] {
        assert_eq!(run_with(Some(rust), &[]), (0, String::new()), "{rust}");
    }
}

#[test]
fn an_older_rust_or_none_is_reported_in_one_line_with_what_to_install() {
    for (rust, shown) in [(Some("1.85.1"), "1.85.1"), (Some("1.9.0"), "1.9.0"), (None, "none")] {
        let (code, said) = run_with(rust, &[]);
        let note = format!("{BY_HAND} (Rust {WANTED} or later is needed, and this machine has {shown})\n");
        assert_eq!(code, 1, "{said}");
        assert_eq!(said, format!("install-packages: {PACKAGES}: apt-get is not available; {note}"));
    }
}

#[test]
fn a_rust_of_rustup_is_left_to_rustup() {
    let (code, said) = run_with(Some("1.85.1"), &["rustup", "apt-get"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("run 'rustup update stable'") && said.lines().count() == 1, "{said}");
}

#[test]
fn programs_are_installed_by_their_packages() {
    let path = tempfile::tempdir().unwrap();
    for tool in ["sh", "dirname"] {
        symlink(programs::find(tool).unwrap(), path.path().join(tool)).unwrap();
    }
    write_program(&path.path().join("jq"), "");
    let (code, said) = run(path.path(), &["redis-cli", "jq", "postgresql", "etcd", "patroni"]);
    assert_eq!(code, 1, "{said}");
    assert!(
        said.ends_with("install by hand: redis-tools postgresql etcd-server patroni python3-etcd\n"),
        "{said}"
    );
}
