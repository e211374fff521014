//! A responder at every loopback address: a separate HAProxy that answers every request with 200.
//!
//! Ten thousand servers need ten thousand addresses. The responder must cost as little as possible, because in
//! production its work is done on ten thousand other machines. It listens only on the loopback device.

use common::replace::replace;
use harness::daemons::haproxy::{Haproxy, Mode};
use harness::run::Run;
use harness::run::poll;
use harness::{Error, Result};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use crate::results::timed_run::system;

/// Below the ephemeral ports, and above those that the harness uses. Each run searches from a different port in this
/// range.
const PORTS: u32 = 20_000;
const MANY: u32 = 7_000;
const READY: Duration = Duration::from_secs(10);

/// A port that is free on every address of the loopback device.
fn free_port() -> Result<u16> {
    let start = std::process::id() % MANY;
    let ports =
        (0..MANY).map(|step| PORTS + (start + step) % MANY).filter_map(|port| u16::try_from(port).ok());
    let mut free = ports.filter(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok());
    free.next().ok_or_else(|| Error::Unfit("cannot find a free port: all are taken".to_owned()))
}

/// The responder.
#[derive(Debug)]
pub struct Responder {
    /// Its port, at every address of 127.0.0.0/8.
    pub port: u16,
    haproxy: Haproxy,
}

impl Responder {
    /// Starts it under this name.
    pub fn start(run: &Run, name: &str) -> Result<Responder> {
        let port = free_port()?;
        let admin = run.join(&format!("{name}.sock"));
        let text = format!(
            "global\n  stats socket {}\ndefaults\n  mode http\n  timeout client 30s\n  timeout server 30s\n  timeout connect 5s\n\
             frontend all\n  bind 0.0.0.0:{port} interface lo\n  http-request return status 200\n",
            admin.display()
        );
        let config = run.join(&format!("{name}.cfg"));
        replace(&config, text.as_bytes(), 0o600).map_err(system("write", &config))?;
        let haproxy = Haproxy::start(run, name, &config, Mode::Foreground, Some(&admin))?;
        let address = SocketAddr::from((Ipv4Addr::new(127, 200, 0, 1), port));
        poll::until(READY, "an answer at any loopback address", || TcpStream::connect(address).ok())?;
        Ok(Responder { port, haproxy })
    }

    /// How many requests it has answered.
    pub fn answered(&self) -> Result<u64> {
        let count = self.haproxy.show_info()?.get("CumReq").and_then(|count| count.parse().ok());
        count.ok_or_else(|| Error::Unfit("HAProxy reports no number of requests".to_owned()))
    }
}
