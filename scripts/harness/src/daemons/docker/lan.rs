//! Debian machines on one network.

use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::daemons::docker::debian_machine::Machine;
use crate::daemons::docker::engine::{command, docker, is_here};
use crate::run::error::{Error, Result};
use crate::run::programs;

static ONE_AT_A_TIME: Mutex<u32> = Mutex::new(0);

/// A network and its machines. Dropping it removes both.
#[derive(Debug)]
pub struct Lan {
    network: String,
    machines: Vec<Machine>,
    _turn: MutexGuard<'static, u32>,
}

impl Lan {
    /// Machines of a Debian release (`bookworm`, `trixie`) with these names, all booted. `None` if the test is to be
    /// skipped (see `engine::is_here`).
    pub fn start(suite: &str, names: &[&str]) -> Result<Option<Lan>> {
        let mut turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        if !is_here() {
            return Ok(None);
        }
        let mut build = Command::new(programs::shipped("docker/machine/image"));
        build.arg(suite);
        let image = command(build)?;
        *turn += 1;
        let network = format!("rollcall-machines-{}-{turn}", std::process::id());
        docker(&["network", "create", &network])?;
        let mut lan = Lan { network, machines: Vec::new(), _turn: turn };
        for name in names {
            lan.machines.push(Machine::start(image.trim(), &lan.network, name)?);
        }
        for machine in &lan.machines {
            machine.boot()?;
        }
        Ok(Some(lan))
    }

    /// The machine with this name.
    pub fn machine(&self, name: &str) -> Result<&Machine> {
        let found = self.machines.iter().find(|machine| machine.name == name);
        found.ok_or_else(|| Error::Unfit(format!("no machine has the name '{name}'")))
    }

    /// Prints the end of each journal, for a test that fails.
    pub fn print_journals(&self) {
        for machine in &self.machines {
            eprintln!("{}:\n{}", machine.name, machine.journal());
        }
    }

    /// All machines.
    pub fn machines(&self) -> &[Machine] {
        &self.machines
    }
}

impl Drop for Lan {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.print_journals();
        }
        self.machines.iter().for_each(Machine::remove);
        let _ = docker(&["network", "rm", &self.network]);
    }
}
