//! A run: asks the balancers, decides, remembers, prints.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use common::failure::{Code, Failure};
use common::messages::Messages;

use crate::args::Args;
use crate::balancers::{Inquiry, Known, Needs, look};
use crate::clock;
use crate::output;
use crate::sizing::decide::decide;
use crate::sizing::decision::{Decision, NoTarget};
use crate::sizing::limits::{Limits, Signal};
use crate::sizing::look::{Look, Millis};
use crate::sizing::memory::Memory;
use crate::sizing::reason::Reason;
use crate::sizing::traffic::{Doubt, add_up};
use crate::state_file::StateFile;

/// Runs the program.
pub(crate) fn run(args: &Args, messages: &mut Messages) -> Result<(), Failure> {
    let limits = args.limits()?;
    if args.servers {
        return print_servers(args, messages);
    }
    let Some(path) = &args.state else {
        let look = ask(args, clock::now()?, false, &mut Known::default(), messages);
        let (decision, _) = decided(args, &limits, None, &look)?;
        return report(args, &decision, messages);
    };
    let (file, now, memory, mut known) = match remembered(args, path, messages) {
        Err(fault) if fault.code == Code::Files => return run_without_state(args, &limits, fault, messages),
        remembered => remembered?,
    };
    let look = ask(args, now, !memory.is_settled(), &mut known, messages);
    let (decision, next) = decided(args, &limits, Some(memory), &look)?;
    let decision = match file.write(next, known) {
        Ok(()) => decision,
        Err(fault) => {
            messages.fault(fault);
            decision.without_lowering()
        }
    };
    report(args, &decision, messages)
}

/// Locks and reads the state. The moment of the look is taken after the wait for the lock, so that a memory that begins
/// again begins at this look.
fn remembered<'a>(
    args: &'a Args,
    path: &'a Path,
    messages: &mut Messages,
) -> Result<(StateFile<'a>, Millis, Memory, Known), Failure> {
    let file = StateFile::lock(path, &args.backends, output::word(args.signal()), args.lock_timeout)?;
    let now = clock::now()?;
    let (memory, known) = file.read(now, messages)?;
    let is_asked = |socket: &PathBuf| memory.balancers.contains_key(&*socket.to_string_lossy());
    let known = if args.sockets.iter().all(is_asked) { known } else { Known::default() };
    Ok((file, now, memory, known))
}

/// Decides as with a new state, because the state cannot be read: more servers must still be possible.
fn run_without_state(
    args: &Args,
    limits: &Limits,
    fault: Failure,
    messages: &mut Messages,
) -> Result<(), Failure> {
    messages.fault(fault);
    let look = ask(args, clock::now()?, true, &mut Known::default(), messages);
    let (decision, _) = decided(args, limits, Some(Memory::default()), &look)?;
    report(args, &decision.without_lowering(), messages)
}

/// Asks the balancers. The time of the look is taken before they are asked.
fn ask(args: &Args, now: Millis, changes: bool, known: &mut Known, messages: &mut Messages) -> Look {
    let needs = Needs { names: args.servers, maxconn: args.target.is_none(), changes };
    let Args { sockets, backends, timeout, .. } = args;
    let (look, faults) = look(&Inquiry { sockets, backends, needs, timeout: *timeout, now }, known);
    faults.into_iter().for_each(|fault| messages.fault(fault));
    look
}

fn decided(
    args: &Args,
    limits: &Limits,
    memory: Option<Memory>,
    look: &Look,
) -> Result<(Decision, Memory), Failure> {
    decide(limits, memory, look, args.count).map_err(|NoTarget| {
        let backends = args.backends.join(", ");
        let line =
            format!("cannot find a target: no server of backend {backends} has a maxconn; give --target");
        Failure::new(Code::Usage, line)
    })
}

/// Prints the decision and says why.
fn report(args: &Args, decision: &Decision, messages: &mut Messages) -> Result<(), Failure> {
    if let Some(Doubt::NewWorker(socket)) = &decision.traffic.doubt {
        let line = format!("a new worker answers at '{socket}': the number does not go down at this look");
        messages.fault(Failure::new(Code::Haproxy, line));
    }
    let line = output::line(decision, args.signal());
    // Without --state there is no earlier number, and nothing has changed.
    if args.state.is_some() && decision.wanted != decision.before {
        messages.info(line)
    } else {
        messages.verbose(line)
    }
    if let Some(Reason::AtMax { max, .. }) = decision.reason {
        messages.standing_warning(format!("the traffic needs more servers than --max {max} allows"));
    }
    if args.json {
        print(&format!("{}\n", output::json(decision, args.signal())))
    } else if args.metrics {
        print(&output::metrics(decision, &args.backends))
    } else {
        decision.wanted.map_or(Ok(()), |wanted| print(&format!("{wanted}\n")))
    }
}

fn print_servers(args: &Args, messages: &mut Messages) -> Result<(), Failure> {
    let look = ask(args, clock::now()?, false, &mut Known::default(), messages);
    print(&output::servers(&add_up(&look, &Memory::default(), Signal::Sessions).servers))
}

/// Writes to stdout.
fn print(text: &str) -> Result<(), Failure> {
    let written = io::stdout().write_all(text.as_bytes());
    written.map_err(|err| Failure::new(Code::Files, format!("cannot write 'stdout': {err}")))
}
