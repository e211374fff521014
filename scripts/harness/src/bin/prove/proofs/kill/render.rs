//! Kills render-cfg, with the shipped template and the real check.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use harness::run::Run;
use harness::run::programs;
use harness::{Error, Result, system};

use crate::judging::haproxy_check::HaproxyCheck;
use crate::judging::verdict::Verdict;
use crate::proof::Proof;
use crate::proofs::kill::slow_disk;
use crate::proofs::kill::victim::KILLS;
use crate::proofs::kill::victim::{Victim, finish, strike};
use crate::setups::test_nodes;

/// How many nodes change.
const NODES: usize = 50;
/// How many do not, where only the changed lines are checked.
const UNCHANGED: usize = 250;
/// All files that a run leaves in the output's directory.
const LEFT: [&str; 2] = [".haproxy.cfg.lock", "haproxy.cfg"];

/// An output that alternates between two pools of nodes.
pub struct Render {
    nodes: [PathBuf; 2],
    output: PathBuf,
    texts: [Vec<u8>; 2],
    turn: usize,
    is_slow: bool,
    /// The file of `--check-changes`.
    memory: Option<PathBuf>,
    checked: HaproxyCheck,
}

/// Kills render-cfg, with all weights changed each time, and with those of 50 of 300 nodes.
pub fn renders(proof: &mut Proof, verdict: &mut Verdict) -> Result<()> {
    let run = Run::new()?;
    let mut render = Render::new(run.path(), &run.join("out"), false, None)?;
    strike("render-cfg, 50 nodes", proof.rounds(KILLS, 10), &mut render, proof, verdict)?;
    let run = Run::new()?;
    let mut render = Render::new(run.path(), &run.join("out"), false, Some(run.join("memory")))?;
    strike("render-cfg, 50 of 300 nodes", proof.rounds(KILLS, 10), &mut render, proof, verdict)
}

impl Render {
    /// The output is in `directory`, everything else in `scratch`. If `is_slow`, the process that is killed has a
    /// slow disk. With `memory` there are also nodes that do not change, and only the others are checked.
    pub fn new(scratch: &Path, directory: &Path, is_slow: bool, memory: Option<PathBuf>) -> Result<Render> {
        let nodes = ["one", "two"].map(|name| scratch.join(name));
        for (weight, directory) in nodes.iter().enumerate() {
            let mut pool = test_nodes::many(NODES, weight + 1);
            if memory.is_some() {
                pool.extend(test_nodes::many(NODES + UNCHANGED, 1).split_off(NODES));
            }
            test_nodes::record(directory, &pool)?;
        }
        fs::create_dir_all(directory).map_err(system("make", directory.display()))?;
        let output = directory.join("haproxy.cfg");
        let checked = HaproxyCheck::new(scratch.join("checked.cfg"))?;
        let texts = [Vec::new(), Vec::new()];
        let mut render = Render { nodes, output, texts, turn: 0, is_slow, memory, checked };
        for at in [1, 0] {
            render.turn = at;
            if finish(&mut render.command(false)?)? != 0 {
                return Err(Error::Unfit("render-cfg does not render".to_owned()));
            }
            render.texts[at] = render.text();
        }
        Ok(render)
    }

    fn command(&self, is_slow: bool) -> Result<Command> {
        let mut command = slow_disk::program(&programs::bin_dir()?.join("render-cfg"), is_slow)?;
        command.arg("--template").arg(programs::shipped("render-cfg/templates/haproxy.cfg.tera"));
        command.arg("--nodes").arg(&self.nodes[self.turn % 2]).arg("--output").arg(&self.output);
        command.args(["--set", "user=", "--set", "group=", "--check"]);
        command.arg(format!("{} -c -f {{}}", programs::find("haproxy")?.display())).stdin(Stdio::null());
        if let Some(memory) = &self.memory {
            command.arg("--check-changes").arg(memory);
        }
        Ok(command)
    }

    fn text(&self) -> Vec<u8> {
        fs::read(&self.output).unwrap_or_default()
    }

    fn left(&self) -> Vec<String> {
        let directory = self.output.parent().unwrap_or(Path::new("."));
        let entries = fs::read_dir(directory).into_iter().flatten().flatten();
        let mut names: Vec<String> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort_unstable();
        names
    }
}

impl Victim for Render {
    fn prepare(&mut self) -> Result<Command> {
        self.turn += 1;
        self.command(self.is_slow)
    }

    fn look(&mut self) -> Result<Option<String>> {
        if !self.texts.contains(&self.text()) {
            return Ok(Some("haproxy.cfg is neither the old nor the new one".to_owned()));
        }
        self.checked.fault(&self.output)
    }

    fn again(&mut self) -> Result<Command> {
        self.command(false)
    }

    fn look_again(&mut self) -> Result<Option<String>> {
        if self.text() != self.texts[self.turn % 2] {
            return Ok(Some("haproxy.cfg is not the new one".to_owned()));
        }
        let left = self.left();
        Ok((left != LEFT).then(|| format!("there is {left:?}")))
    }
}
