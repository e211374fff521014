//! Commands and limits, checked. An error names the environment variable, because settings usually come from there.

use std::time::Duration;

use common::failure::{Code, Failure};

use super::args::SettingArgs;
use super::words::Words;

/// Commands and limits.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) scale: Words,
    pub(crate) count: Option<Words>,
    /// The commands for one chosen server. Without `stop` the engine chooses, and gets only a number.
    pub(crate) stop: Option<Words>,
    pub(crate) drain: Option<Words>,
    pub(crate) autoscale: Words,
    /// Whether `autoscale` runs here, and not in a container or on another machine.
    pub(crate) is_local: bool,
    pub(crate) drain_limit: Duration,
    pub(crate) scale_timeout: Duration,
    pub(crate) step_timeout: Duration,
}

impl Settings {
    /// Checks the settings.
    pub(crate) fn read(args: &SettingArgs) -> Result<Settings, Failure> {
        let scale_timeout = seconds("ROLLCALL_SCALE_TIMEOUT", args.scale_timeout.as_ref(), 120)?;
        let step_timeout = seconds("ROLLCALL_STEP_TIMEOUT", args.step_timeout.as_ref(), 30)?;
        let drain_limit = seconds("ROLLCALL_DRAIN_LIMIT", args.drain_limit.as_ref(), 60)?;
        let unset =
            || cannot_use("ROLLCALL_SCALE_COMMAND", "", "it is not set; docs/autoscale.md has examples");
        let name = Some("the server's name");
        let scale = command("ROLLCALL_SCALE_COMMAND", args.scale_command.as_ref(), Some("the number"))?;
        let stop = command("ROLLCALL_STOP_COMMAND", args.stop_command.as_ref(), name)?;
        let drain = command("ROLLCALL_DRAIN_COMMAND", args.drain_command.as_ref(), name)?;
        if drain.is_some() && stop.is_none() {
            let text = args.drain_command.as_deref().unwrap_or_default();
            return Err(cannot_use("ROLLCALL_DRAIN_COMMAND", text, "set ROLLCALL_STOP_COMMAND, too"));
        }
        let autoscale = command("ROLLCALL_AUTOSCALE", args.autoscale.as_ref(), None)?;
        Ok(Settings {
            scale: scale.ok_or_else(unset)?,
            count: command("ROLLCALL_COUNT_COMMAND", args.count_command.as_ref(), None)?,
            stop,
            drain,
            is_local: autoscale.is_none(),
            autoscale: autoscale.map_or_else(own_autoscale, Ok)?,
            drain_limit,
            scale_timeout,
            step_timeout,
        })
    }

    /// How long another run may hold the lock: it may run `autoscale` twice, and end a command that takes too long.
    pub(crate) fn lock_timeout(&self) -> Duration {
        self.scale_timeout + 2 * self.step_timeout + Duration::from_secs(30)
    }
}

/// The `autoscale` that was installed with this program, or the one in the PATH.
fn own_autoscale() -> Result<Words, Failure> {
    let beside = std::env::current_exe().unwrap_or_default().with_file_name("autoscale");
    match beside.to_str() {
        Some(path) if beside.is_file() => Ok(Words::of_program(path.to_owned())),
        _ => {
            Words::split("autoscale", None).map_err(|why| cannot_use("ROLLCALL_AUTOSCALE", "autoscale", &why))
        }
    }
}

fn command(variable: &str, text: Option<&String>, place: Option<&str>) -> Result<Option<Words>, Failure> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    Words::split(text, place).map(Some).map_err(|why| cannot_use(variable, text, &why))
}

fn seconds(variable: &str, text: Option<&String>, default: u64) -> Result<Duration, Failure> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(Duration::from_secs(default)) };
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    match text.parse() {
        Ok(seconds @ 1..=9999) if is_plain => Ok(Duration::from_secs(seconds)),
        _ => Err(cannot_use(variable, text, "give whole seconds, 1 to 9999")),
    }
}

fn cannot_use(variable: &str, value: &str, why: &str) -> Failure {
    Failure::new(Code::Usage, format!("cannot use {variable} '{value}': {why}"))
}
