//! Kills member-join and member-leave, with an event of one member and with an event of many.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use harness::run::Run;
use harness::run::programs;
use harness::{Result, system};

use crate::judging::listing::{Listing, difference, listing, neither};
use crate::judging::verdict::Verdict;
use crate::proof::Proof;
use crate::proofs::kill::slow_disk;
use crate::proofs::kill::victim::KILLS;
use crate::proofs::kill::victim::{Victim, finish, strike};
use crate::setups::test_nodes;

/// Members of an event: one, as is usual, and as many as may join when a whole cluster starts.
const SIZES: [usize; 2] = [1, 50];
/// Records of other members, which must stay.
const OTHERS: usize = 60;

/// A run of a program on one event.
struct Step {
    program: &'static str,
    event: PathBuf,
}

/// A nodes directory between two states.
pub struct Records {
    directory: PathBuf,
    steps: [Step; 2],
    states: [Listing; 2],
    /// If true, only the first step is killed, and the second undoes it.
    is_one_way: bool,
    is_slow: bool,
    turn: usize,
}

/// Kills member-join, which changes addresses and weights of existing records.
pub fn joins(proof: &mut Proof, verdict: &mut Verdict) -> Result<()> {
    let run = Run::new()?;
    for size in SIZES {
        let mut records = Records::joining(&run.join(&format!("join-{size}")), size)?;
        strike(&shown("member-join", size), proof.rounds(KILLS / 2, 10), &mut records, proof, verdict)?;
    }
    Ok(())
}

/// Kills member-leave, which removes existing records.
pub fn leaves(proof: &mut Proof, verdict: &mut Verdict) -> Result<()> {
    let run = Run::new()?;
    for size in SIZES {
        let mut records = Records::leaving(&run.join(&format!("leave-{size}")), size)?;
        strike(&shown("member-leave", size), proof.rounds(KILLS / 2, 10), &mut records, proof, verdict)?;
    }
    Ok(())
}

fn shown(program: &str, size: usize) -> String {
    format!("{program}, {size} member{}", if size == 1 { "" } else { "s" })
}

impl Records {
    /// Events that change this many records, and change them back.
    pub fn joining(directory: &Path, size: usize) -> Result<Records> {
        Records::between(directory, size, ["member-join", "member-join"])
    }

    /// An event that removes this many records. They are restored each time.
    pub fn leaving(directory: &Path, size: usize) -> Result<Records> {
        Records::between(directory, size, ["member-leave", "member-join"])
    }

    fn between(directory: &Path, size: usize, programs: [&'static str; 2]) -> Result<Records> {
        test_nodes::record(directory, &test_nodes::many(OTHERS, 1))?;
        let file = |weight: usize| {
            let path = directory.with_extension(format!("event-{weight}"));
            test_nodes::event_file(path, &test_nodes::many(size, weight))
        };
        let is_one_way = programs[0] != programs[1];
        let events = [file(2)?, file(3)?];
        let steps = [0, 1].map(|at| Step { program: programs[at], event: events[at].clone() });
        let states = [Listing::new(), Listing::new()];
        // The second state is the present one; the first turn changes it.
        let mut records =
            Records { directory: directory.to_owned(), steps, states, is_one_way, is_slow: false, turn: 1 };
        for at in [0, 1] {
            finish(&mut records.command(at, false)?)?;
            records.states[at] = listing(directory)?;
        }
        Ok(records)
    }

    /// Gives the process that is killed a slow disk.
    pub fn slowed(&mut self) -> &mut Records {
        self.is_slow = true;
        self
    }

    /// The command of a step.
    fn command(&self, at: usize, is_slow: bool) -> Result<Command> {
        let Step { program, event } = &self.steps[at];
        let mut command = slow_disk::program(&programs::bin_dir()?.join(program), is_slow)?;
        let input = File::open(event).map_err(system("open", event.display()))?;
        command.stdin(input).env("NODES_DIR", &self.directory).env_remove("SERF_EVENT");
        Ok(command)
    }

    fn now(&self) -> usize {
        if self.is_one_way { 0 } else { self.turn % 2 }
    }
}

impl Victim for Records {
    fn prepare(&mut self) -> Result<Command> {
        if self.is_one_way {
            finish(&mut self.command(1, false)?)?;
        } else {
            self.turn += 1;
        }
        self.command(self.now(), self.is_slow)
    }

    fn look(&mut self) -> Result<Option<String>> {
        let [old, new] = [&self.states[1 - self.now()], &self.states[self.now()]];
        Ok(neither(&listing(&self.directory)?, old, new))
    }

    fn again(&mut self) -> Result<Command> {
        self.command(self.now(), false)
    }

    fn look_again(&mut self) -> Result<Option<String>> {
        Ok(difference(&listing(&self.directory)?, &self.states[self.now()]))
    }
}
