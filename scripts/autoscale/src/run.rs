//! A run: asks the balancers, decides, remembers, prints.

use std::io::{self, Write};

use common::failure::{Code, Failure};
use common::messages::Messages;

use crate::args::Args;
use crate::balancers::{Question, look};
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
        let (decision, _) = decided(args, &limits, None, &ask(args, clock::now()?, messages)?)?;
        return report(args, &decision, messages);
    };
    let signal = output::word(limits.signal);
    let file = StateFile::lock(path, &args.backends, signal, args.lock_timeout)?;
    // One moment for both, after the wait for the lock: a memory that begins again begins at this look.
    let now = clock::now()?;
    let memory = file.read(now, messages)?;
    let (decision, next) = decided(args, &limits, Some(memory), &ask(args, now, messages)?)?;
    let decision = match file.write(next) {
        Ok(()) => decision,
        Err(fault) => {
            messages.fault(fault);
            decision.without_lowering()
        }
    };
    report(args, &decision, messages)
}

/// Asks the balancers. The time of the look is taken before they are asked.
fn ask(args: &Args, now: Millis, messages: &mut Messages) -> Result<Look, Failure> {
    let question = if args.is_brief() { Question::Brief } else { Question::Whole };
    let (look, faults) = look(&args.sockets, &args.backends, question, args.timeout, now);
    faults.into_iter().for_each(|fault| messages.fault(fault));
    Ok(look)
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
    let look = ask(args, clock::now()?, messages)?;
    print(&output::servers(&add_up(&look, &Memory::default(), Signal::Sessions).servers))
}

/// Writes to stdout.
fn print(text: &str) -> Result<(), Failure> {
    let written = io::stdout().write_all(text.as_bytes());
    written.map_err(|err| Failure::new(Code::Files, format!("cannot write 'stdout': {err}")))
}
