//! What runs, once a reload that is under way has ended.
//!
//! The old worker can answer at the socket for a moment after the new one has started, and would say that the file is
//! not what runs.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use common::failure::{Code, Failure};

use crate::args::Args;
use crate::config::file::Config;
use crate::config::sections::Layout;
use crate::files::refusals::Refusals;
use crate::haproxy::instance::Instance;
use crate::output::report::print;
use crate::output::status::Status;
use crate::reconcile::{Reconcile, json};
use crate::state::directory::StateDir;

/// How long to wait before the next look.
const PAUSE: Duration = Duration::from_millis(20);

/// What runs, and the HAProxy that runs it. While that is not the file at `path`, waits for a reload to end, at most
/// `--timeout`.
pub(crate) fn status(args: &Args, path: &Path, state: &StateDir) -> Result<(Status, Instance), Failure> {
    let deadline = Instant::now() + args.timeout;
    loop {
        let config = Config::read(path)?;
        let instance = Instance::find(&config, &args.hints())?;
        let text = config.text();
        let layout = Layout::new(&text);
        let reconcile = Reconcile::new(args, &config, &layout, &instance, state, &Refusals::default());
        let status = reconcile.status();
        if status.verdict().is_ok() || Instant::now() >= deadline || !reconcile.is_loading() {
            return Ok((status, instance));
        }
        thread::sleep(PAUSE);
    }
}

/// Prints what runs. Fails if that is not the file at `path`.
pub(crate) fn print_status(args: &Args, path: &Path, state: &StateDir) -> Result<(), Failure> {
    let (status, _) = status(args, path, state)?;
    print(&if args.json { json(&status) } else { status.to_string() })?;
    status.verdict().map_err(|different| {
        let path = path.display();
        Failure::new(Code::Haproxy, format!("'{path}' is not the file that HAProxy runs: {different}"))
    })
}
