//! `scripts/autoscale-run` beside the demo's balancer, as a service. Its engine is the running demo: the scale command
//! is this program's own `scale-to`, sent to the demo's socket.

use std::env;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use harness::cluster::balancer::Balancer;
use harness::run::Run;
use harness::run::daemon::Daemon;
use harness::run::programs;
use harness::{Error, Result};

use crate::running_demos;

/// How often autoscale looks.
pub const EVERY: &str = "1s";

/// Starts it for the demo with this name, with these options of autoscale.
pub fn start(run: &Arc<Run>, balancer: &Balancer, demo: &str, options: &[String]) -> Result<Daemon> {
    let autoscale = programs::bin_dir()?.join("autoscale");
    if !autoscale.is_file() {
        let hint = format!("build it into '{}' (cargo build)", programs::bin_dir()?.display());
        return Err(Error::Missing { program: "autoscale".to_owned(), hint });
    }
    let mut command = Command::new(programs::shipped("scripts/autoscale-run"));
    balancer.with_environment(&mut command);
    command.env("ROLLCALL_SCALE_COMMAND", scale_command(demo)?);
    // Where the scale command finds this demo. By default that may depend on TMPDIR, which is the run's own here.
    command.env("XDG_RUNTIME_DIR", running_demos::home().parent().unwrap_or(Path::new("/")));
    // With -v, its output has the number of every look and not only the changes.
    command.args(["--every", EVERY, "-v", "--socket"]).arg(balancer.admin_socket()).args(options);
    Daemon::start(run, "autoscale-run", command)
}

fn scale_command(demo: &str) -> Result<String> {
    let program = env::current_exe().map_err(harness::system("find", "the running program"))?;
    Ok(format!("{} --name {demo} scale-to {{}}", quoted(&program.display().to_string())))
}

/// One word of a command line.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_word_whatever_is_in_it() {
        assert_eq!(quoted("/a b/it's"), "'/a b/it'\\''s'");
    }
}
