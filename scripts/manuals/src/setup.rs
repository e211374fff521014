//! rollcall-setup: a script, so that its command line is described here. A test compares it with the script's --help.

use clap::{Arg, ArgAction, Command, ValueHint};

pub(crate) const ABOUT: &str = "makes this machine a balancer or a backend of a Rollcall cluster";
pub(crate) const MANUAL: &str = include_str!("../../../docs/rollcall-setup.md");

pub(crate) fn command() -> Command {
    let option = |name: &'static str, value: &'static str| Arg::new(name).long(name).value_name(value);
    let flag = |name: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue);
    Command::new("rollcall-setup")
        .disable_version_flag(true)
        .arg(option("role", "ROLE").value_parser(["balancer", "backend"]).help("What this machine is"))
        .arg(option("port", "PORT").help("The port where it listens"))
        .arg(option("join", "HOST").value_hint(ValueHint::Hostname).help("A member of the cluster"))
        .arg(
            option("key-file", "FILE")
                .value_hint(ValueHint::FilePath)
                .help("The file with the cluster's key"),
        )
        .arg(flag("dry-run").help("Print what would change, and change nothing"))
        .arg(flag("undo").help("Put everything back"))
}
