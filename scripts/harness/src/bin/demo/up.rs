//! `demo up`: a balancer and backends that stay up. It owns every process; the other commands only send requests.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use harness::Result;
use harness::run::Run;

use crate::desk::Desk;
use crate::listener::Listener;
use crate::table::print;
use crate::{running_demos, status};

/// Starts everything and runs until a signal or `down`.
pub fn run(name: Option<&str>, count: u8, delay: Duration) -> Result<ExitCode> {
    let (name, directory) = running_demos::claim(name)?;
    let run = Run::over(directory.clone(), Some(&running_demos::home()))?;
    let desk = Arc::new(Desk::start(run, usize::from(count), delay, false)?);
    let listener = Listener::open(&running_demos::socket(&directory), Arc::clone(&desk))?;
    print(&format!("demo '{name}' is up; Ctrl-C or 'demo down' ends it"))?;
    for line in status::addresses(&desk.scaled.list().cluster) {
        print(&line)?;
    }
    print(
        "from another shell: demo add [NAME] | stop NAME | kill NAME | drain NAME | scale-to N | load N | status | down",
    )?;
    let request = listener.serve()?;
    // This ends all processes and removes the directory.
    drop(desk);
    if let Some(request) = request {
        request.end(Ok(()));
    }
    print("ended")?;
    Ok(ExitCode::SUCCESS)
}
