//! One container, and what the engine reports about it.

use std::net::Ipv4Addr;
use std::thread::{JoinHandle, spawn};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::daemons::docker::engine::docker;
use crate::run::error::{Error, Result};
use crate::run::poll;

/// A container, running or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// Its full id.
    pub id: String,
}

impl Container {
    pub(super) fn new(id: &str) -> Container {
        Container { id: id.to_owned() }
    }

    /// The output of `docker inspect`.
    pub fn inspect(&self) -> Result<Value> {
        let text = docker(&["inspect", &self.id])?;
        let parsed: serde_json::Result<Value> = serde_json::from_str(&text);
        let wrong =
            |err: serde_json::Error| Error::Answer { from: "docker inspect".into(), reason: err.to_string() };
        Ok(parsed.map_err(wrong)?[0].take())
    }

    /// Its name.
    pub fn name(&self) -> Result<String> {
        let name = self.inspect()?["Name"].as_str().unwrap_or_default().trim_start_matches('/').to_owned();
        Ok(name)
    }

    /// Its address on its only network; `None` while it is disconnected.
    pub fn address(&self) -> Result<Option<Ipv4Addr>> {
        let networks = &self.inspect()?["NetworkSettings"]["Networks"];
        let mut all = networks.as_object().into_iter().flatten().map(|(_, network)| &network["IPAddress"]);
        Ok(all.next().and_then(|address| address.as_str()?.parse().ok()))
    }

    /// Its exit code; 0 while it runs.
    pub fn exit_code(&self) -> Result<i64> {
        Ok(self.inspect()?["State"]["ExitCode"].as_i64().unwrap_or(-1))
    }

    /// Runs a command in it; returns its stdout.
    pub fn exec(&self, command: &[&str]) -> Result<String> {
        docker(&[&["exec", &self.id], command].concat())
    }

    /// Runs a line of shell in it; returns its stdout.
    pub fn shell(&self, line: &str) -> Result<String> {
        self.exec(&["sh", "-c", line])
    }

    /// Runs `docker stop`; returns how long that took.
    pub fn stop(&self) -> Result<Duration> {
        let start = Instant::now();
        docker(&["stop", &self.id])?;
        Ok(start.elapsed())
    }

    /// Runs any other docker command on it: `kill`, `pause`, `start`.
    pub fn told(&self, verb: &[&str]) -> Result<()> {
        docker(&[verb, &[&self.id]].concat()).map(drop)
    }

    /// Its whole output, stdout and stderr.
    pub fn log(&self) -> Result<String> {
        // The services write stderr and stdout to one stream.
        docker(&["logs", &self.id])
    }

    /// Follows its output to its end, even if it is removed then, as compose does when it scales in.
    pub fn follow_log(&self) -> JoinHandle<Result<String>> {
        let id = self.id.clone();
        spawn(move || docker(&["logs", "--follow", &id]))
    }

    /// Waits until its health check reports this status.
    pub fn wait_for_health(&self, wanted: &str, within: Duration) -> Result<()> {
        poll::try_until(within, &format!("{} to be {wanted}", self.id), || {
            let health = self.inspect()?["State"]["Health"]["Status"].take();
            Ok((health == wanted).then_some(()))
        })
    }
}
