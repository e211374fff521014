//! The command line of rollcall-setup, which is a script. A test compares it with the script's --help.

use clap::{Arg, ArgAction, Command, ValueHint};

pub(crate) fn command() -> Command {
    let option = |name: &'static str, value: &'static str| Arg::new(name).long(name).value_name(value);
    let flag = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
    };
    Command::new("rollcall-setup")
        .about("Make this machine a balancer or a backend of a Rollcall cluster")
        .disable_version_flag(true)
        .args([
            option("role", "ROLE")
                .value_parser(["balancer", "backend"])
                .help("What this machine is: balancer or backend"),
            option("join", "HOST").value_hint(ValueHint::Hostname).help("A member of the cluster"),
            option("key-file", "FILE").value_hint(ValueHint::FilePath).help("The cluster's key; - is stdin"),
            option("advertise", "ADDRESS").help("The address at which the other members reach this machine"),
            option("bind", "ADDRESS").help("On a balancer: where clients connect to"),
            option("port", "N").help("On a backend: where its web server listens"),
        ])
        .args([
            flag("watch", "On a balancer: let the handler only record, and rollcall-watch do the rest"),
            flag("no-watch", "On a balancer: let the handler do everything"),
            flag(
                "replace",
                "On a balancer: replace a haproxy.cfg with sections that the template does not have",
            ),
            flag("dry-run", "Print what would change, and change nothing"),
            flag("undo", "Put everything back"),
            flag("show-key", "Print the cluster's key"),
        ])
}
