//! `scripts/autoscale-run` with scale commands that fail, hang, and lie.
//!
//! The engine is this proof: a command that works writes its number to a file, and the servers go into service in HAProxy.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use harness::run::daemon::Daemon;
use harness::run::{poll, programs};
use harness::{Result, system};

use crate::judging::verdict::Verdict;
use crate::proofs::autoscale::real::scaled_backend::{CARRY, MAX, ScaledBackend};

/// All servers are needed.
const MORE: usize = 40;
const SOON: Duration = Duration::from_secs(45);
/// The first line is the same for all: what runs, and that never two run.
const HEAD: &str = "#!/bin/sh\nmkdir \"$0.runs\" || echo overlap >>\"$0.log\"\ntrap 'rmdir \"$0.runs\"' EXIT\n\
                    trap 'exit 1' TERM\necho \"$1\" >>\"$0.log\"\n";
/// Long enough for the second attempt, 15 s after the first.
const WHILE: Duration = Duration::from_secs(20);

/// A scale command, by its name and what it does.
const COMMANDS: [(&str, &str); 3] =
    [("fails", "exit 3\n"), ("hangs", "sleep 60 & wait\n"), ("lies", "exit 0\n")];

/// Runs all of them, and afterwards one that works.
pub fn run(is_short: bool, verdict: &mut Verdict) -> Result<()> {
    let commands = if is_short { &COMMANDS[..1] } else { &COMMANDS };
    for (name, text) in commands {
        let mut backend = ScaledBackend::start(1)?;
        let mut scaler = Scaler::start(&backend, text)?;
        backend.load_with(MORE)?;
        let begun = Instant::now();
        poll::until(SOON, "the first command", || (!scaler.asked().is_empty()).then_some(()))?;
        if !is_short {
            poll::pass(WHILE.saturating_sub(begun.elapsed()))?;
        }
        let asked = scaler.asked();
        check(name, &asked, verdict);
        let most = begun.elapsed().as_secs() as usize / 15 + 1;
        verdict.check(asked.len() <= most, &format!("{name}: {} runs, {most} are allowed", asked.len()));
        scaler.set("echo \"$1\" >\"$0.number\"\n")?;
        let served = poll::try_until(SOON, "all servers", || {
            scaler.serve(&backend)?;
            scaler.daemon.check()?;
            Ok((backend.haproxies[0].servers()?.iter().filter(|server| server.is_up()).count()
                == MAX as usize)
                .then_some(()))
        });
        check(name, &scaler.asked(), verdict);
        match served {
            Ok(()) => verdict.note(&format!(
                "a scale command that {name}: {} runs in {} s, never two at once; once it works there are {MAX} servers",
                asked.len(),
                begun.elapsed().as_secs()
            )),
            Err(err) => verdict.wrong(&format!("{name}: {err}: {}", scaler.daemon.log())),
        }
    }
    Ok(())
}

/// Checks what the command was asked for: enough for the load, and within the bounds.
fn check(name: &str, asked: &[String], verdict: &mut Verdict) {
    let is_right = |line: &String| line.parse().is_ok_and(|number: u32| (CARRY..=MAX).contains(&number));
    verdict.check(asked.iter().all(is_right), &format!("{name}: it was asked for {asked:?}"));
}

/// A running `autoscale-run`, and its command.
struct Scaler {
    command: PathBuf,
    daemon: Daemon,
}

impl Scaler {
    fn start(backend: &ScaledBackend, text: &str) -> Result<Scaler> {
        let directory = backend.run().path();
        let path = directory.join("scale");
        write_script(&path, text)?;
        let mut command = Command::new(programs::shipped("scripts/autoscale-run"));
        command.args(["--every", "1s"]).args(backend.arguments());
        command.env("ROLLCALL_BIN", programs::bin_dir()?).env("ROLLCALL_STATE_DIR", directory.join("state"));
        command.env("ROLLCALL_LOG", directory.join("rollcall.log")).env("ROLLCALL_SCALE_TIMEOUT", "2");
        command.env("ROLLCALL_SCALE_COMMAND", format!("{} {{}}", path.display()));
        let daemon = Daemon::start(backend.run(), "autoscale-run", command)?;
        Ok(Scaler { command: path, daemon })
    }

    fn file(&self, suffix: &str) -> String {
        fs::read_to_string(self.command.with_extension(suffix)).unwrap_or_default()
    }

    /// What it was asked for so far.
    fn asked(&self) -> Vec<String> {
        self.file("log").lines().map(str::to_owned).collect()
    }

    fn set(&self, text: &str) -> Result<()> {
        write_script(&self.command, text)
    }

    /// Puts as many servers into service as it was told.
    fn serve(&self, backend: &ScaledBackend) -> Result<()> {
        let Ok(number) = self.file("number").trim().parse::<u32>() else { return Ok(()) };
        for server in 1..=MAX {
            let state = if server <= number { "ready" } else { "maint" };
            backend.haproxies[0].command(&format!("set server nodes/s{server} state {state}"))?;
        }
        Ok(())
    }
}

/// Writes it in another process: a file that is open for writing cannot be run.
fn write_script(path: &Path, text: &str) -> Result<()> {
    let write = "printf '%s' \"$1\" >\"$2.new\" && chmod 755 \"$2.new\" && mv \"$2.new\" \"$2\"";
    let mut command = Command::new("sh");
    command.args(["-c", write, "sh", &format!("{HEAD}{text}")]).arg(path);
    command.status().map(drop).map_err(system("write", path.display()))
}
