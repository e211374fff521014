//! The state file: what is remembered between two runs, under a lock.
//!
//! A regular file whose content is not a valid state is replaced. The number then does not go down for a window,
//! which is the safe side. The file is not synced, because its times mean nothing after a restart of the machine.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

use common::failure::{Code, Failure};
use common::messages::Messages;
use common::replace::Staged;
use common::{regular_file, rewrite};
use nix::fcntl::Flock;
use serde::{Deserialize, Serialize};

use crate::balancers::Known;
use crate::clock;
use crate::sizing::look::Millis;
use crate::sizing::memory::Memory;

/// Larger than a state with a thousand balancers and a thousand numbers.
const STATE_MAX: u64 = 4 << 20;

/// Only those who run the balancer need a state.
const MODE: u32 = 0o640;

/// The content of the file.
#[derive(Serialize, Deserialize)]
struct Content {
    /// The backends, so that two of them do not share a file.
    backends: Vec<String>,
    /// How the traffic is measured: the numbers of one signal mean nothing to the other.
    signal: String,
    /// The start of the machine to which all times belong.
    boot: String,
    memory: Memory,
    #[serde(default)]
    known: Known,
}

/// A state file whose lock is held.
pub(crate) struct StateFile<'a> {
    path: &'a Path,
    backends: &'a [String],
    signal: &'a str,
    boot: String,
    _lock: Flock<File>,
}

impl<'a> StateFile<'a> {
    /// Takes the lock, waiting at most `timeout`.
    pub(crate) fn lock(
        path: &'a Path,
        backends: &'a [String],
        signal: &'a str,
        timeout: Duration,
    ) -> Result<StateFile<'a>, Failure> {
        let failed =
            |err| Failure::new(Code::Files, format!("cannot lock the state '{}': {err}", path.display()));
        match rewrite::lock(path, timeout).map_err(failed)? {
            Some(lock) => Ok(StateFile { path, backends, signal, boot: clock::boot(), _lock: lock }),
            None => {
                let line = format!(
                    "cannot lock the state '{}': another run has held it for {timeout:?}; see --lock-timeout",
                    path.display()
                );
                Err(Failure::new(Code::Lock, line))
            }
        }
    }

    /// Reads what is remembered: nothing if there is no file, or if its content is not a valid state, which is reported.
    pub(crate) fn read(&self, now: Millis, messages: &mut Messages) -> Result<(Memory, Known), Failure> {
        let shown = self.path.display();
        let found = find(self.path).map_err(|err| {
            let line = format!("cannot read the state '{shown}': {err}; remove it, or give another file");
            Failure::new(Code::Files, line)
        })?;
        match found {
            None => Ok(Default::default()),
            Some(Ok(content)) if content.backends == self.backends && content.signal == self.signal => {
                let is_of_this_start = content.boot == self.boot;
                Ok(match is_of_this_start {
                    true => (content.memory, content.known),
                    false => (content.memory.begin_again(now), Known::default()),
                })
            }
            Some(Ok(content)) => {
                let line = format!(
                    "cannot use --state '{shown}': it is about the {} of backend {}; give another file, or remove this one",
                    content.signal,
                    content.backends.join(", ")
                );
                Err(Failure::new(Code::Usage, line))
            }
            Some(Err(why)) => {
                messages.warn(format!(
                    "the state '{shown}' cannot be read and is begun again: {why}; until it is old enough, the number does not go down"
                ));
                Ok(Default::default())
            }
        }
    }

    /// Replaces the file.
    pub(crate) fn write(&self, memory: Memory, known: Known) -> Result<(), Failure> {
        let content = Content {
            backends: self.backends.to_vec(),
            signal: self.signal.to_owned(),
            boot: self.boot.clone(),
            memory,
            known,
        };
        let bytes = serde_json::to_vec(&content).expect("strings and numbers are always JSON");
        Staged::write(self.path, &bytes, MODE).and_then(Staged::rename).map_err(|err| {
            Failure::new(Code::Files, format!("cannot write the state '{}': {err}", self.path.display()))
        })
    }
}

/// Reads a state file, if there is one: its content, or why that is not a valid state. Fails if it cannot be opened or read,
/// or if it is not a regular file.
fn find(path: &Path) -> io::Result<Option<Result<Content, String>>> {
    let file = match regular_file::open(path) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let mut bytes = Vec::with_capacity(4096);
    file.take(STATE_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > STATE_MAX {
        return Ok(Some(Err(format!("it is larger than {STATE_MAX} bytes"))));
    }
    Ok(Some(serde_json::from_slice(&bytes).map_err(|err| err.to_string())))
}
