//! Why the number is what it is, in words.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use crate::sizing::look::Millis;
use crate::sizing::traffic::Doubt;

/// Why the number is what it is. `from` and `at` are the number before this look; `needed` and `enough` are what the traffic
/// needs.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "the sentences above and beside them name the fields")]
pub enum Reason {
    /// The last number is still right.
    Stays { at: u32 },
    /// More are needed.
    Up { from: u32 },
    /// More are needed than may be started at once.
    UpInSteps { from: u32, needed: u32, period: Millis },
    /// More are needed than may be started now.
    WaitsForStep { at: u32, needed: u32, period: Millis },
    /// Fewer are enough.
    Down { from: u32, to: u32, enough: u32 },
    /// Fewer would be enough, but the number must not go down now.
    Held { at: u32, enough: u32, hold: Hold },
    /// The traffic needs fewer than the settings allow.
    AtMin { min: u32, needed: u32 },
    /// The traffic needs more than the settings allow.
    AtMax { max: u32, needed: u32 },
    /// The number before is less than the settings allow.
    ToMin { from: u32, min: u32 },
    /// The number before is more than the settings allow.
    ToMax { from: u32, max: u32 },
}

/// Why the number does not go down.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "the sentences beside them name the fields")]
pub enum Hold {
    /// The numbers may be too small.
    Doubt(Doubt),
    /// The requests per second are not known yet.
    NoRate,
    /// The first look was less than a window ago.
    Begun(Millis),
    /// This many were needed within the window.
    Wished { peak: u32, window: Millis },
    /// The number went down less than this time ago.
    Lowered(Millis),
    /// This server still has sessions to finish.
    Drains { name: String, sessions: u64 },
    /// Failed connections, retries or redispatches rise.
    Errors,
    /// The state file cannot be read or written.
    Forgotten,
}

impl Display for Reason {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Stays { at } => write!(f, "stays at {at}"),
            Reason::Up { from } => write!(f, "up from {from}"),
            Reason::UpInSteps { from, needed, period } => {
                write!(f, "up from {from}; {needed} are needed, {}", step_of(*period))
            }
            Reason::WaitsForStep { at, needed, period } => {
                write!(f, "stays at {at}; {needed} are needed, {}", step_of(*period))
            }
            Reason::Down { from, to, enough } if enough < to => {
                write!(f, "down from {from}; {enough} would be enough")
            }
            Reason::Down { from, .. } => write!(f, "down from {from}"),
            Reason::Held { at, enough, hold } => {
                write!(f, "stays at {at}, although {enough} would be enough: {hold}")
            }
            Reason::AtMin { min, needed } => write!(f, "{needed} would be enough, but --min is {min}"),
            Reason::AtMax { max, needed } => write!(f, "{needed} are needed, but --max is {max}"),
            Reason::ToMin { from, min } => write!(f, "up from {from}, because --min is {min}"),
            Reason::ToMax { from, max } => write!(f, "down from {from}, because --max is {max}"),
        }
    }
}

impl Display for Hold {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Hold::Doubt(Doubt::Silent(socket)) => write!(f, "the balancer at '{socket}' does not answer"),
            Hold::Doubt(Doubt::NewWorker(socket)) => write!(f, "a new worker answers at '{socket}'"),
            Hold::NoRate => write!(f, "a rate needs two looks at the same worker"),
            Hold::Begun(window) => write!(f, "the first look was less than {} ago", time(*window)),
            Hold::Wished { peak, window } => {
                write!(f, "{peak} were needed within the last {}", time(*window))
            }
            Hold::Lowered(period) => write!(f, "the last step down was less than {} ago", time(*period)),
            Hold::Drains { name, sessions } => {
                write!(f, "server {name} still drains, with {sessions} sessions")
            }
            Hold::Errors => write!(f, "failed connections or retries rise"),
            Hold::Forgotten => write!(f, "the state cannot be used"),
        }
    }
}

fn step_of(period: Millis) -> String {
    format!("but a step of {} at most doubles the servers or adds four", time(period))
}

fn time(period: Millis) -> humantime::FormattedDuration {
    humantime::format_duration(Duration::from_millis(period))
}
