//! A program that is killed again and again, and the checks after each kill.

use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use harness::{Error, Result, system};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::judging::verdict::Verdict;
use crate::proof::Proof;

/// How often each program is killed.
pub const KILLS: usize = 1_000;

/// How many runs are timed to measure the length of one, for each of the two kinds.
const MEASURED: usize = 5;
/// Kills between two measurements. The number is even because the two kinds of runs alternate.
const BATCH: usize = 100;
/// The last moment as a multiple of a run's length. It is a little more than 1 because runs differ in length.
const BEYOND: f64 = 1.05;
/// One in this many kills must come before the end of a run. On an idle machine nearly all do.
const WORTH: usize = 10;
/// The last part of a wait is spent in a busy loop, because a sleep wakes up late.
const AWAKE: Duration = Duration::from_micros(300);

/// A program that can be run, killed and checked. Its runs may alternate between two kinds.
pub trait Victim {
    /// Makes a state with something to do; returns the command that does it.
    fn prepare(&mut self) -> Result<Command>;

    /// Kills the run, which leads its own process group.
    fn kill(&mut self, run: &mut Child) {
        kill_group(run);
    }

    /// Checks right after a kill; returns the fault, if there is one.
    fn look(&mut self) -> Result<Option<String>>;

    /// The command of one more run.
    fn again(&mut self) -> Result<Command>;

    /// Checks after one more run has succeeded; returns the fault, if there is one.
    fn look_again(&mut self) -> Result<Option<String>>;
}

/// Kills the victim this many times, and reports that. The length of a run is measured again before each batch,
/// because the speed of a shared machine varies.
pub fn strike(
    name: &str,
    kills: usize,
    victim: &mut dyn Victim,
    proof: &mut Proof,
    verdict: &mut Verdict,
) -> Result<()> {
    let (mut landed, mut lengths) = (0, [Vec::new(), Vec::new()]);
    for batch in (0..kills).step_by(BATCH).map(|first| BATCH.min(kills - first)) {
        let wholes = measure(name, MEASURED.min(kills.div_ceil(8)), victim)?;
        for number in 0..batch {
            let whole = wholes[number % 2];
            let part = (number as f64 + proof.dice.below(1_000) as f64 / 1_000.0) / batch as f64;
            let moment = whole.mul_f64(part * BEYOND);
            let at = format!("{name}, killed after {:.2} ms of {:.2}", ms(moment), ms(whole));
            landed += usize::from(kill_once(&at, moment, victim, verdict)?);
        }
        lengths.iter_mut().zip(wholes).for_each(|(all, whole)| all.push(whole));
    }
    let [one, other] = lengths.map(|mut all| ms(median(&mut all)));
    let length = if other > 1.5 * one { format!("{one:.1} and {other:.1}") } else { format!("{one:.1}") };
    verdict.note(&format!("{name}: {kills} kills over its {length} ms, {landed} before its end"));
    verdict.check(
        landed * WORTH >= kills,
        &format!("{name}: only {landed} of {kills} kills came before its end"),
    );
    Ok(())
}

/// Kills once and makes all checks. True if the kill came before the end of the run.
fn kill_once(at: &str, moment: Duration, victim: &mut dyn Victim, verdict: &mut Verdict) -> Result<bool> {
    let mut run = start(&mut victim.prepare()?)?;
    wait_until(Instant::now() + moment);
    victim.kill(&mut run);
    let status = run.wait().map_err(system("wait for", at))?;
    if let Some(fault) = victim.look()? {
        verdict.wrong(&format!("{at}: {fault}"));
    }
    let code = finish(&mut victim.again()?)?;
    verdict.check(code == 0, &format!("{at}: one more run ended with {code}"));
    if let Some(fault) = victim.look_again()? {
        verdict.wrong(&format!("{at}, and run once more: {fault}"));
    }
    Ok(status.signal().is_some())
}

/// The length of an undisturbed run, for each of the two kinds: the median of a few.
fn measure(name: &str, runs: usize, victim: &mut dyn Victim) -> Result<[Duration; 2]> {
    let mut times = [Vec::new(), Vec::new()];
    for number in 0..2 * runs {
        let mut run = start(&mut victim.prepare()?)?;
        let begun = Instant::now();
        let code = end(&mut run)?;
        times[number % 2].push(begun.elapsed());
        victim.look()?;
        let codes = [code, finish(&mut victim.again()?)?];
        let fault = victim.look_again()?;
        if codes != [0, 0] || fault.is_some() {
            return Err(Error::Unfit(format!("{name}, undisturbed, ended with {codes:?}: {fault:?}")));
        }
    }
    Ok(times.map(|mut times| median(&mut times)))
}

/// The median; there must be at least one value.
fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// Starts a run as the leader of a process group.
pub fn start(command: &mut Command) -> Result<Child> {
    let program = command.get_program().to_string_lossy().into_owned();
    command.process_group(0).stdout(Stdio::null()).spawn().map_err(system("run", program))
}

/// Runs a command to its end; returns its exit code, or -1 for a signal.
pub fn finish(command: &mut Command) -> Result<i32> {
    end(&mut start(command)?)
}

fn end(run: &mut Child) -> Result<i32> {
    let status = run.wait().map_err(system("wait for", "a run"))?;
    Ok(status.code().unwrap_or(-1))
}

/// Sends SIGKILL to the process group that a run leads. The run has not been waited for, so its id is not reused.
pub fn kill_group(run: &Child) {
    // It fails only if the whole group has ended.
    let _ = killpg(Pid::from_raw(run.id() as i32), Signal::SIGKILL);
}

fn wait_until(moment: Instant) {
    sleep(moment.saturating_duration_since(Instant::now()).saturating_sub(AWAKE));
    while Instant::now() < moment {
        std::hint::spin_loop();
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}
