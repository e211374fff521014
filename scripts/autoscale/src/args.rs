//! The command line, and what follows from it alone.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use common::duration::{duration, non_zero};
use common::failure::{Code, Failure};
use common::messages::MessageArgs;
use common::time_limit::TimeLimit;

use crate::sizing::limits::{Limits, Signal};
use crate::sizing::look::Millis;

/// Print how many servers the traffic of a HAProxy backend needs. Changes nothing.
///
/// Asks HAProxy's stats socket for the sessions of the backend, and divides them by the target. The number rises at
/// once, in bounded steps. It falls slowly, and in doubt it does not fall. For this, --state remembers what was needed in
/// the last minutes. Without --state each run stands alone, and prints what is needed at this moment.
#[derive(Parser)]
#[command(version, after_help = EXIT_STATUS)]
pub(crate) struct Args {
    /// The backend; may be repeated, and then the traffic is added up
    #[arg(long = "backend", value_name = "NAME", required = true, value_parser = backend)]
    pub(crate) backends: Vec<String>,
    /// HAProxy's stats socket, for which `level user` is enough; may be repeated for several balancers
    #[arg(long = "socket", value_name = "PATH", default_value = "/run/haproxy/admin.sock")]
    pub(crate) sockets: Vec<PathBuf>,
    /// How many sessions (or requests per second) one server should carry [default: 70 % of the servers' maxconn]
    #[arg(long, value_name = "N", value_parser = target)]
    pub(crate) target: Option<f64>,
    /// The fewest servers, 1 or more
    #[arg(long, value_name = "N", value_parser = servers, required_unless_present = "servers")]
    min: Option<u32>,
    /// The most servers
    #[arg(long, value_name = "N", value_parser = servers, required_unless_present = "servers")]
    max: Option<u32>,
    /// How many servers there are [default: those that HAProxy lists]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(..=i64::from(MOST)))]
    pub(crate) count: Option<u32>,
    /// Remember in FILE what was needed, to damp the number; each backend needs its own file
    #[arg(long, value_name = "FILE")]
    pub(crate) state: Option<PathBuf>,
    /// How the traffic is measured
    #[arg(long, value_enum, default_value = "sessions")]
    signal: SignalChoice,
    /// The number does not change while the load of a server is this close to the target
    #[arg(long, value_name = "PERCENT", default_value = "10", value_parser = clap::value_parser!(u8).range(..=50))]
    tolerance: u8,
    /// In this time the number at most doubles, or rises by four, whichever is more
    #[arg(long, value_name = "TIME", default_value = "15s", value_parser = duration)]
    up_period: Duration,
    /// The number falls only to the most that was needed in this time
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = duration)]
    down_window: Duration,
    /// In this time the number falls by at most one, or 10 percent, whichever is more
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = duration)]
    down_period: Duration,
    /// Print the servers instead, one line `NAME STATE SESSIONS` each, fewest sessions first
    #[arg(long, conflicts_with_all = ["json", "metrics", "state", "count", "target", "min", "max"])]
    pub(crate) servers: bool,
    /// Print one line of JSON instead of the number
    #[arg(long, conflicts_with = "metrics")]
    pub(crate) json: bool,
    /// Print OpenMetrics text instead of the number
    #[arg(long)]
    pub(crate) metrics: bool,
    /// How long each HAProxy may take to answer
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = non_zero)]
    pub(crate) timeout: Duration,
    /// How long to wait for another run
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub(crate) lock_timeout: Duration,
    #[command(flatten)]
    pub(crate) time_limit: TimeLimit,
    #[command(flatten)]
    pub(crate) messages: MessageArgs,
}

const EXIT_STATUS: &str = "\
Exit status:
  0  the number is printed         5  HAProxy did not answer, its answer was incomplete,
  1  unexpected error                 or a new worker answered
  2  wrong usage or setting        7  another run held the lock too long
  4  file system error
With 4 and 5 the number, if it is printed, is not lower than the last one.

Examples:
  autoscale --backend nodes --target 20 --min 2 --max 20 -v
  autoscale --backend nodes --target 20 --min 2 --max 20 --state /run/rollcall/autoscale.json --json
  autoscale --backend nodes --servers";

/// More servers than any backend has.
pub(crate) const MOST: u32 = 100_000;

/// The values of `--signal`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SignalChoice {
    /// Sessions in the backend, including those in the queue
    Sessions,
    /// Requests per second, for requests that are short and alike; needs --state and --target
    Rate,
}

impl Args {
    /// The settings of the decision. Fails if they contradict each other.
    pub(crate) fn limits(&self) -> Result<Limits, Failure> {
        let refuse = |line: String| Err(Failure::new(Code::Usage, line));
        let (min, max) = (self.min.unwrap_or(1), self.max.unwrap_or(MOST));
        if min > max {
            return refuse(format!("cannot use --min {min} with --max {max}: the minimum is greater"));
        }
        if let Some(socket) = twice(&self.sockets) {
            return refuse(format!("cannot use --socket '{}' twice: it would count twice", socket.display()));
        }
        if let Some(backend) = twice(&self.backends) {
            return refuse(format!("cannot use --backend '{backend}' twice: it would count twice"));
        }
        let signal = self.signal();
        if signal == Signal::Rate && self.target.is_none() {
            return refuse("cannot use --signal rate without --target: a server's rate has no limit".into());
        }
        if signal == Signal::Rate && self.state.is_none() {
            return refuse("cannot use --signal rate without --state: a rate needs two looks".into());
        }
        Ok(Limits {
            signal,
            target: self.target,
            min,
            max,
            tolerance: f64::from(self.tolerance) / 100.0,
            up_period: millis(self.up_period),
            down_window: millis(self.down_window),
            down_period: millis(self.down_period),
        })
    }

    /// How the traffic is measured.
    pub(crate) fn signal(&self) -> Signal {
        match self.signal {
            SignalChoice::Sessions => Signal::Sessions,
            SignalChoice::Rate => Signal::Rate,
        }
    }
}

/// A value that is given more than once.
fn twice<T: PartialEq>(values: &[T]) -> Option<&T> {
    values.iter().enumerate().find(|(index, value)| values[..*index].contains(value)).map(|(_, value)| value)
}

fn millis(duration: Duration) -> Millis {
    // At most a day, see `duration`.
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Checks a backend's name, which becomes part of a command to HAProxy.
fn backend(text: &str) -> Result<String, String> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    if text.is_empty() || text.starts_with(['-', '#']) || !text.bytes().all(is_allowed) {
        return Err("a backend's name has letters, digits, '-', '_', '.' and ':'".to_owned());
    }
    Ok(text.to_owned())
}

fn target(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(target) if (0.001..=1e9).contains(&target) => Ok(target),
        _ => Err("give a number from 0.001 to 1000000000".to_owned()),
    }
}

/// Parses a number of servers. Without a server HAProxy has no sessions to count, so 0 would stay 0 for ever.
fn servers(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(number) if (1..=MOST).contains(&number) => Ok(number),
        Ok(0) => Err("give 1 or more: without a server there are no sessions to count".to_owned()),
        _ => Err(format!("give a whole number from 1 to {MOST}")),
    }
}
