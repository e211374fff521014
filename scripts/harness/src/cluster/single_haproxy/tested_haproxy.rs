//! The HAProxy to test with: `$HAPROXY` if set, otherwise the installed one.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::env;
use std::path::PathBuf;
use std::process::Command;

use crate::run::programs;

/// The HAProxy to test with: `$HAPROXY`, or the installed one.
pub fn program() -> PathBuf {
    env::var_os("HAPROXY").map_or_else(|| programs::find("haproxy").unwrap(), PathBuf::from)
}

/// Whether a test is about the HAProxy to test with: `is_about_it`. If not, it prints that it is about `others`, and
/// scripts/test does not count it as passed. It is not skipped either, because another run of the tests has such a
/// HAProxy.
pub fn is_meant(is_about_it: bool, others: &str) -> bool {
    if !is_about_it {
        eprintln!("NOT MEANT: this test is about {others}");
    }
    is_about_it
}

/// Whether the HAProxy to test with is this version or a later one.
pub fn is_since(version: (u32, u32)) -> bool {
    let output = Command::new(program()).arg("-v").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let numbers = text.split_whitespace().nth(2).unwrap_or_default();
    let mut numbers = numbers.split(['.', '-']).map_while(|number| number.parse::<u32>().ok());
    (numbers.next().unwrap(), numbers.next().unwrap()) >= version
}
