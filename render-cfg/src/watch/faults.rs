//! The faults and warnings of `--watch` itself.

use std::io;

use common::failure::{Code, Failure};
use common::messages::Messages;

use super::service_manager::ServiceManager;
use crate::args::Args;
use crate::render::Outcome;

/// Whether another run held the lock.
pub(crate) fn is_locked_out(rendered: &Result<Outcome, Failure>) -> bool {
    rendered.as_ref().is_err_and(|failure| failure.code == Code::Lock)
}

/// The kernel's limit of watches is reached. `sysctl` sets it.
pub(crate) fn watch_limit(sysctl: &str, args: &Args) -> Failure {
    let nodes = args.nodes.display();
    Failure::new(
        Code::Files,
        format!(
            "cannot watch '{nodes}': the limit {sysctl} is reached; raise it with sysctl; until then it is polled every second"
        ),
    )
}

/// The service manager did not receive a message.
pub(crate) fn not_notified(err: io::Error) -> Failure {
    Failure::new(Code::Files, format!("cannot notify the service manager: {err}"))
}

/// systemd ends a service that sends no watchdog message, and none is sent during a check.
pub(crate) fn warn_if_watchdog_is_short(service: &ServiceManager, args: &Args, messages: &mut Messages) {
    let step = (args.lock_timeout + args.check_timeout).max(args.watching.then_timeout);
    if let Some(watchdog) = service.watchdog().filter(|time| *time <= step) {
        messages.warn(format!(
            "WatchdogSec is {watchdog:?}, and a step may take {step:?}: increase it, or lower --lock-timeout, \
             --check-timeout and --then-timeout"
        ));
    }
}
