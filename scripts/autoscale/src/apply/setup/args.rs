//! The command line of autoscale-apply. The commands usually come from the environment, because a service has them there.

use std::path::PathBuf;

use clap::Parser;
use common::messages::MessageArgs;
use common::time_limit::TimeLimit;

/// Start or stop servers until there are as many as autoscale wants. Runs one command at most.
///
/// Runs autoscale with the options after `--`. If the number it prints differs from the number of servers, the scale
/// command runs with that number in place of `{}`. In doubt it only scales up. A later run retries a command that failed,
/// after growing pauses. Quotes in commands work as in a shell, but no shell runs them.
#[derive(Parser)]
#[command(name = "autoscale-apply", version, after_help = EXIT_STATUS)]
pub(crate) struct Args {
    /// Print the command that would run, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Directory for the state, the last attempts and the lock
    #[arg(long, value_name = "DIR", env = "ROLLCALL_STATE_DIR", default_value = "/run/rollcall")]
    pub(crate) state_dir: PathBuf,
    #[command(flatten)]
    pub(crate) settings: SettingArgs,
    #[command(flatten)]
    pub(crate) time_limit: TimeLimit,
    #[command(flatten)]
    pub(crate) messages: MessageArgs,
    /// Options for autoscale, such as --backend nodes --target 20 --min 2 --max 20
    #[arg(last = true, required = true, value_name = "AUTOSCALE-OPTION")]
    pub(crate) options: Vec<String>,
}

/// Commands and limits as they were given; `Settings` has them checked. An empty value counts as not given.
#[derive(clap::Args)]
pub(crate) struct SettingArgs {
    /// The command that scales; `{}` becomes the number
    #[arg(long, value_name = "COMMAND", env = "ROLLCALL_SCALE_COMMAND", hide_env_values = true)]
    pub(crate) scale_command: Option<String>,
    /// Prints how many servers the engine runs [default: the servers in HAProxy are counted]
    #[arg(long, value_name = "COMMAND", env = "ROLLCALL_COUNT_COMMAND", hide_env_values = true)]
    pub(crate) count_command: Option<String>,
    /// Stops one server, instead of scaling down by number; `{}` becomes its name
    #[arg(long, value_name = "COMMAND", env = "ROLLCALL_STOP_COMMAND", hide_env_values = true)]
    pub(crate) stop_command: Option<String>,
    /// Drains that server first; `{}` becomes its name
    #[arg(long, value_name = "COMMAND", env = "ROLLCALL_DRAIN_COMMAND", hide_env_values = true)]
    pub(crate) drain_command: Option<String>,
    /// Runs autoscale, for example in a container [default: autoscale in this program's directory, or in the PATH]
    #[arg(long, value_name = "COMMAND", env = "ROLLCALL_AUTOSCALE", hide_env_values = true)]
    pub(crate) autoscale: Option<String>,
    /// A server that drains for longer is stopped even if it has sessions [default: 60]
    #[arg(long, value_name = "SECONDS", env = "ROLLCALL_DRAIN_LIMIT", hide_env_values = true)]
    pub(crate) drain_limit: Option<String>,
    /// A command that takes longer is ended with all its processes [default: 120]
    #[arg(long, value_name = "SECONDS", env = "ROLLCALL_SCALE_TIMEOUT", hide_env_values = true)]
    pub(crate) scale_timeout: Option<String>,
    /// autoscale or the count command is ended if it takes longer [default: 30]
    #[arg(long, value_name = "SECONDS", env = "ROLLCALL_STEP_TIMEOUT", hide_env_values = true)]
    pub(crate) step_timeout: Option<String>,
}

const EXIT_STATUS: &str = "\
Exit status:
  0  there was nothing to do,        4  the state directory cannot be used or written
     or the command succeeded        7  another run held the lock too long
  1  a command failed, now or      143  it got a signal, and ended the command that ran
     at its last attempt
  2  wrong usage or setting
If autoscale does not end with 0, autoscale-apply ends with the same code.

Example:
  ROLLCALL_SCALE_COMMAND='docker service scale shop_web={}' \\
    autoscale-apply --dry-run -- --backend nodes --target 20 --min 2 --max 20";
