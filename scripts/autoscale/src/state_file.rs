//! The state file: what is remembered between two runs, under a lock.
//!
//! A file whose content is not a valid state is replaced. The number then does not go down for a window, which is the safe
//! side. The file is not synced, because its times mean nothing after a restart of the machine.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::Duration;

use common::failure::{Code, Failure};
use common::messages::Messages;
use common::replace::Staged;
use common::{regular_file, rewrite};
use nix::fcntl::Flock;
use serde::{Deserialize, Serialize};

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
}

/// A state file whose lock is held.
pub(crate) struct StateFile<'a> {
    path: &'a Path,
    backends: &'a [String],
    signal: &'a str,
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
            Some(lock) => Ok(StateFile { path, backends, signal, _lock: lock }),
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
    pub(crate) fn read(&self, now: Millis, messages: &mut Messages) -> Result<Memory, Failure> {
        let shown = self.path.display();
        let bytes = match regular_file::read(self.path, STATE_MAX) {
            Ok(bytes) => bytes,
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(Memory::default()),
            Err(err) => {
                return Err(Failure::new(
                    Code::Files,
                    format!("cannot read the state '{shown}': {err}; remove it, or give another file"),
                ));
            }
        };
        match serde_json::from_slice::<Content>(&bytes) {
            Ok(content) if content.backends == self.backends && content.signal == self.signal => {
                let is_of_this_start = content.boot == clock::boot();
                Ok(if is_of_this_start { content.memory } else { content.memory.begin_again(now) })
            }
            Ok(content) => {
                let line = format!(
                    "cannot use --state '{shown}': it is about the {} of backend {}; give another file, or remove this one",
                    content.signal,
                    content.backends.join(", ")
                );
                Err(Failure::new(Code::Usage, line))
            }
            Err(err) => {
                messages.warn(format!(
                    "the state '{shown}' cannot be read and is begun again: {err}; until it is old enough, the number does not go down"
                ));
                Ok(Memory::default())
            }
        }
    }

    /// Replaces the file.
    pub(crate) fn write(&self, memory: Memory) -> Result<(), Failure> {
        let content = Content {
            backends: self.backends.to_vec(),
            signal: self.signal.to_owned(),
            boot: clock::boot(),
            memory,
        };
        let bytes = serde_json::to_vec(&content).expect("strings and numbers are always JSON");
        Staged::write(self.path, &bytes, MODE).and_then(Staged::rename).map_err(|err| {
            Failure::new(Code::Files, format!("cannot write the state '{}': {err}", self.path.display()))
        })
    }
}
