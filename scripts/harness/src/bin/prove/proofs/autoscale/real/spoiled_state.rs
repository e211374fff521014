//! The state file is damaged in many ways, or its times are of another start of the machine or in the future.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::time::Duration;

use harness::run::poll;
use harness::{Result, system};
use nix::sys::stat::Mode;
use serde_json::{Value, json};

use crate::judging::random::Dice;
use crate::judging::verdict::Verdict;
use crate::proof::Proof;
use crate::proofs::autoscale::real::scaled_backend::{CARRY, ScaledBackend, judge, outcome};

const ROUNDS: usize = 2_000;
/// The id of the user nobody.
const NOBODY: u32 = 65_534;

/// Spoils it by random bytes, by other things in its place, and by other times.
pub fn run(backend: &ScaledBackend, proof: &mut Proof, verdict: &mut Verdict) -> Result<()> {
    let state = backend.run().join("spoiled.json");
    random(backend, &state, proof, verdict)?;
    others(backend, &state, verdict)?;
    unreadable(backend, verdict)?;
    times(backend, &state, verdict)
}

fn random(backend: &ScaledBackend, state: &Path, proof: &mut Proof, verdict: &mut Verdict) -> Result<()> {
    let rounds = proof.rounds(ROUNDS, 100);
    judge(verdict, "a new state", &backend.look(state)?, &[0]);
    for round in 0..rounds {
        let good = read(state)?;
        let spoiled = spoil(&good, &mut proof.dice);
        write(state, &spoiled)?;
        let at = format!("round {round}, spoiled: {}", String::from_utf8_lossy(&spoiled));
        let look = backend.look(state)?;
        // Spoiled bytes may make it the state of another backend or signal (2), or of another worker (5).
        judge(verdict, &at, &look, &[0, 2, 5]);
        if look.code == 2 {
            fs::remove_file(state).map_err(system("remove", state.display()))?;
        }
        judge(verdict, &format!("{at}, the next look"), &backend.look(state)?, &[0, 5]);
    }
    verdict.note(&format!(
        "{rounds} times a state of spoiled bytes: the next look goes on, and so does the one after it"
    ));
    Ok(())
}

/// Random bytes, a half, or the good one with a few bytes replaced.
fn spoil(good: &[u8], dice: &mut Dice) -> Vec<u8> {
    match dice.below(4) {
        0 => (0..dice.below(300)).map(|_| dice.number() as u8).collect(),
        1 => good[..dice.below(good.len())].to_vec(),
        _ => {
            let mut spoiled = good.to_vec();
            for _ in 0..=dice.below(3) {
                let at = dice.below(spoiled.len());
                spoiled[at] = *dice.one_of(b"0123456789999--.e\"{}[]:,x\xff");
            }
            spoiled
        }
    }
}

/// Something else than our file is there.
fn others(backend: &ScaledBackend, state: &Path, verdict: &mut Verdict) -> Result<()> {
    let good = read(state)?;
    let remove = || fs::remove_file(state).map_err(system("remove", state.display()));
    let mut other: Value = serde_json::from_slice(&good).unwrap_or_default();
    other["backends"] = json!(["others"]);
    write(state, other.to_string().as_bytes())?;
    judge(verdict, "the state of another backend", &backend.look(state)?, &[2]);
    verdict.check(read(state)? == other.to_string().as_bytes(), "the state of another backend was changed");
    remove()?;
    fs::create_dir(state).map_err(system("make", state.display()))?;
    judge(verdict, "a directory", &backend.look(state)?, &[4]);
    fs::remove_dir(state).map_err(system("remove", state.display()))?;
    nix::unistd::mkfifo(state, Mode::S_IRWXU)
        .map_err(|errno| system("make", state.display())(errno.into()))?;
    judge(verdict, "a FIFO", &backend.look(state)?, &[4]);
    remove()?;
    let target = state.with_extension("target");
    write(&target, b"of somebody else")?;
    symlink(&target, state).map_err(system("make", state.display()))?;
    judge(verdict, "a symlink", &backend.look(state)?, &[0, 4]);
    verdict.check(read(&target)? == b"of somebody else", "what the symlink names was changed");
    remove()?;
    symlink(state, state).map_err(system("make", state.display()))?;
    judge(verdict, "a symlink to itself", &backend.look(state)?, &[0, 4]);
    remove()?;
    write(state, &vec![b' '; 5 << 20])?;
    judge(verdict, "a huge file", &backend.look(state)?, &[0]);
    remove()?;
    judge(verdict, "no file again", &backend.look(state)?, &[0]);
    verdict.note("another backend's state, a directory, a FIFO, symlinks, a huge file: the number is not smaller, and nothing else was changed");
    Ok(())
}

/// A state that may not be read or not be written, by a user who is not root.
fn unreadable(backend: &ScaledBackend, verdict: &mut Verdict) -> Result<()> {
    use std::os::unix::fs::{PermissionsExt, chown};
    let mode = |path: &Path, mode| {
        let set = fs::set_permissions(path, fs::Permissions::from_mode(mode));
        set.map_err(system("set the mode of", path.display()))
    };
    let directory = backend.run().join("nobodys");
    let state = directory.join("state.json");
    fs::create_dir(&directory).map_err(system("make", directory.display()))?;
    chown(&directory, Some(NOBODY), Some(NOBODY)).map_err(system("give", directory.display()))?;
    mode(backend.run().path(), 0o711)?;
    let look = || {
        let mut command = backend.command(&state)?;
        command.uid(NOBODY).gid(NOBODY);
        outcome(command)
    };
    judge(verdict, "as nobody", &look()?, &[0]);
    mode(&state, 0o000)?;
    judge(verdict, "as nobody, a state that may not be read", &look()?, &[4]);
    mode(&state, 0o600)?;
    mode(&directory, 0o500)?;
    judge(verdict, "as nobody, a directory that may not be written", &look()?, &[4]);
    mode(&directory, 0o700)?;
    judge(verdict, "as nobody, all well again", &look()?, &[0]);
    verdict.note("a state that may not be read or written: the number is not smaller");
    Ok(())
}

/// Changes a state.
type Change = fn(&mut Value);

/// Neither another start of the machine nor times in the future move the number below what carries the load.
fn times(backend: &ScaledBackend, state: &Path, verdict: &mut Verdict) -> Result<()> {
    let changes: [(&str, Change); 5] = [
        ("another start of the machine", |state| state["boot"] = json!("another")),
        ("the last look in the future", |state| state["memory"]["last"] = json!(u64::MAX)),
        ("all in the future", |state| {
            state["memory"]["since"] = json!(u64::MAX - 1);
            state["memory"]["last"] = json!(u64::MAX);
        }),
        ("a wish in the future", |state| state["memory"]["wishes"] = json!([[u64::MAX, MANY]])),
        ("a step down in the future", |state| state["memory"]["lowered"] = json!(u64::MAX)),
    ];
    for (name, change) in changes {
        let mut content: Value = serde_json::from_slice(&read(state)?).unwrap_or_default();
        change(&mut content);
        write(state, content.to_string().as_bytes())?;
        for _ in 0..3 {
            judge(verdict, name, &backend.look(state)?, &[0]);
            poll::pass(Duration::from_millis(50))?;
        }
        let look = backend.look(state)?;
        verdict.check(look.wanted == Some(CARRY), &format!("{name}, afterwards: {look:?}"));
    }
    verdict.note("another start of the machine, and times in the future: the number stays");
    Ok(())
}

/// More servers than there may be.
const MANY: u32 = 4_000_000_000;

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(system("read", path.display()))
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    // As an editor or a failing disk does it: in place.
    let file = fs::OpenOptions::new().write(true).create(true).truncate(true).open(path);
    let mut file = file.map_err(system("open", path.display()))?;
    std::io::Write::write_all(&mut file, bytes).map_err(system("write", path.display()))
}
