//! Checks haproxy.cfg with `haproxy -c`, each content only once.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::replace::replace;
use harness::run::programs;
use harness::{Result, system};

/// Runs `haproxy -c`, and remembers the results.
pub struct HaproxyCheck {
    haproxy: PathBuf,
    known: BTreeMap<Vec<u8>, bool>,
    scratch: PathBuf,
}

impl HaproxyCheck {
    /// Makes a check that copies files to `scratch`.
    pub fn new(scratch: PathBuf) -> Result<HaproxyCheck> {
        Ok(HaproxyCheck { haproxy: programs::find("haproxy")?, known: BTreeMap::new(), scratch })
    }

    /// The errors in the file, if there are any.
    pub fn fault(&mut self, config: &Path) -> Result<Option<String>> {
        let Ok(bytes) = fs::read(config) else { return Ok(Some("haproxy.cfg does not exist".to_owned())) };
        let is_good = match self.known.get(&bytes) {
            Some(known) => *known,
            None => self.check(bytes)?,
        };
        Ok((!is_good).then(|| "`haproxy -c` rejects haproxy.cfg".to_owned()))
    }

    fn check(&mut self, bytes: Vec<u8>) -> Result<bool> {
        replace(&self.scratch, &bytes, 0o600).map_err(system("write", self.scratch.display()))?;
        let mut command = Command::new(&self.haproxy);
        command.args(["-c", "-q", "-f"]).arg(&self.scratch).stdout(Stdio::null()).stderr(Stdio::null());
        let is_good = command.status().map_err(system("run", "haproxy"))?.success();
        self.known.insert(bytes, is_good);
        Ok(is_good)
    }
}
