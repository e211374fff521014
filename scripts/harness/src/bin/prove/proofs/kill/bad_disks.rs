//! The same programs on a full, read-only or slow disk.
//!
//! A disk can fill up at any of a program's writes. So the first run has no free space, and each further run has
//! space for one more page or file, until that is enough.

use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::Arc;

use harness::run::Run;
use harness::{Error, Result, system};

use crate::judging::verdict::Verdict;
use crate::proof::Proof;
use crate::proofs::kill::handler::Handler;
use crate::proofs::kill::records::Records;
use crate::proofs::kill::reload::Reload;
use crate::proofs::kill::render::Render;
use crate::proofs::kill::victim::{Victim, finish, start, strike};
use crate::setups::private_mounts;
use crate::setups::small_disk::{Scarce, SmallDisk};

/// Kills of each program on a slow disk.
const KILLS: usize = 100;
/// The exit code for an error of the file system.
const REFUSED: i32 = 4;
/// More pages or files than any program needs.
const ENOUGH: usize = 64;
/// What a program does on a full disk.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Full {
    /// It reports the error in one line.
    Line,
    /// It reports the error in its log.
    Log,
    /// It needs no space and succeeds.
    Works,
}

/// Runs the programs on all three kinds of disk.
pub fn bad_disks(proof: &mut Proof, verdict: &mut Verdict) -> Result<()> {
    if !private_mounts::is_allowed() {
        return Err(Error::Unfit("the proof needs root, to mount full and read-only disks".to_owned()));
    }
    private_mounts::with_own_mounts(|| {
        small_disks(proof, verdict)?;
        small_disk_of_all(proof, verdict)
    })?;
    slow_disk(proof, verdict)
}

/// Runs the four programs on full and read-only disks.
fn small_disks(proof: &mut Proof, verdict: &mut Verdict) -> Result<()> {
    let run = Arc::new(Run::new()?);
    let mut room = SmallDisk::mount(&run.join("records"))?;
    let mut join = Records::joining(&room.join("join"), 1)?;
    fill("member-join", Full::Line, &mut join, &mut room, proof, verdict)?;
    let mut leave = Records::leaving(&room.join("leave"), 1)?;
    fill("member-leave", Full::Works, &mut leave, &mut room, proof, verdict)?;
    let mut room = SmallDisk::mount(&run.join("config"))?;
    let mut render = Render::new(run.path(), &room.join("out"), false, None)?;
    fill("render-cfg", Full::Line, &mut render, &mut room, proof, verdict)?;
    let mut room = SmallDisk::mount(&run.join("state"))?;
    let mut reload = Reload::start(Arc::clone(&run), room.join("state"), false)?;
    fill("reload-haproxy", Full::Line, &mut reload, &mut room, proof, verdict)
}

/// Runs the whole script with records, configuration, state and log on such a disk.
fn small_disk_of_all(proof: &mut Proof, verdict: &mut Verdict) -> Result<()> {
    let mut room = None;
    let mut handler = Handler::start(|directory| {
        room = Some(SmallDisk::mount(directory)?);
        Ok(())
    })?;
    let mut room = room.ok_or_else(|| Error::Unfit("nothing was mounted".to_owned()))?;
    fill("scripts/serf-handler", Full::Log, &mut handler, &mut room, proof, verdict)
}

/// Runs a victim on a full disk, and then on a read-only one.
fn fill(
    name: &str,
    full: Full,
    victim: &mut dyn Victim,
    room: &mut SmallDisk,
    proof: &Proof,
    verdict: &mut Verdict,
) -> Result<()> {
    let mut needs = Vec::new();
    for scarce in [Scarce::Pages, Scarce::Files] {
        let mut refused = 0;
        for left in 0..proof.rounds(ENOUGH, 2) {
            let at = format!("{name}, room for {left} {scarce}");
            let mut command = victim.prepare()?;
            room.fill(scarce, left)?;
            let outcome = outcome(&mut command)?;
            room.free()?;
            let is_refused = settle(&at, outcome, full, victim, verdict)?;
            refused += usize::from(is_refused);
            if !is_refused {
                break;
            }
        }
        let is_right = (refused == 0) == (full == Full::Works);
        verdict.check(is_right, &format!("{name}, no {scarce} left: refused {refused} times"));
        needs.push(format!("{refused} {scarce}"));
    }
    let mut command = victim.prepare()?;
    room.set_read_only(true)?;
    let outcome = outcome(&mut command)?;
    room.set_read_only(false)?;
    let full = if full == Full::Works { Full::Line } else { full };
    let is_refused = settle(&format!("{name}, read-only"), outcome, full, victim, verdict)?;
    verdict.check(is_refused, &format!("{name}, read-only: it was not refused"));
    let needs = needs.join(" and ");
    verdict.note(&format!("{name}: needs {needs}; refused with less, and where the disk is read-only"));
    Ok(())
}

/// Checks a run on a bad disk, and one more on a good disk. True if the first reported an error of the file system.
fn settle(
    at: &str,
    (code, said): (i32, String),
    full: Full,
    victim: &mut dyn Victim,
    verdict: &mut Verdict,
) -> Result<bool> {
    verdict.check([0, REFUSED].contains(&code), &format!("{at}: it ended with {code}: {said}"));
    let lines = if code == REFUSED { 1 } else { 0 };
    let is_line = full == Full::Log
        || said.lines().count() == lines && said.lines().all(|line| line.contains(": cannot "));
    verdict.check(is_line, &format!("{at}: it ended with {code} and printed: {said}"));
    if let Some(fault) = victim.look()? {
        verdict.wrong(&format!("{at}: {fault}"));
    }
    let again = finish(&mut victim.again()?)?;
    verdict.check(again == 0, &format!("{at}: the next run, with room, ended with {again}"));
    if let Some(fault) = victim.look_again()? {
        verdict.wrong(&format!("{at}, and run once more with room: {fault}"));
    }
    Ok(code != 0)
}

/// Runs a command; returns its exit code and its stderr.
fn outcome(command: &mut Command) -> Result<(i32, String)> {
    let mut run = start(command.stderr(Stdio::piped()))?;
    let mut said = String::new();
    if let Some(mut stderr) = run.stderr.take() {
        stderr.read_to_string(&mut said).map_err(system("read", "the stderr of a run"))?;
    }
    let status = run.wait().map_err(system("wait for", "a run"))?;
    Ok((status.code().unwrap_or(-1), said))
}

/// Kills the programs on a slow disk.
fn slow_disk(proof: &mut Proof, verdict: &mut Verdict) -> Result<()> {
    let run = Arc::new(Run::new()?);
    let kills = proof.rounds(KILLS, 4);
    let mut join = Records::joining(&run.join("join"), 3)?;
    strike("member-join, 3 members, slow disk", kills, join.slowed(), proof, verdict)?;
    let mut leave = Records::leaving(&run.join("leave"), 3)?;
    strike("member-leave, 3 members, slow disk", kills, leave.slowed(), proof, verdict)?;
    let mut render = Render::new(run.path(), &run.join("out"), true, None)?;
    strike("render-cfg, slow disk", kills, &mut render, proof, verdict)?;
    let mut reload = Reload::start(Arc::clone(&run), run.join("state"), true)?;
    strike("reload-haproxy, slow disk", kills, &mut reload, proof, verdict)
}
