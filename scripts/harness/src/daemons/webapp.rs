//! The sample web app (`docker/webapp`), run by the installed Node.js.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use crate::network::namespace;
use crate::run::Run;
use crate::run::daemon::Daemon;
use crate::run::error::{Error, Result};
use crate::run::{poll, programs};
use crate::traffic::http::Client;
use crate::traffic::response::Response;

/// The port at which it serves.
pub const PORT: u16 = 3000;

// Alone it takes half a second; where thirty start on two cores, it takes far longer.
const READY: Duration = Duration::from_secs(30);
// The secret of this run's cookies; nothing outside loopback ever sees one.
const SECRET: &str = "rollcall-on-loopback";
// After SIGTERM it keeps serving until a balancer's checks have noticed that it is stopping.
const DRAIN: Duration = Duration::from_secs(3);

/// A running web app. When dropped, it gets SIGTERM.
#[derive(Debug)]
pub struct WebApp {
    address: SocketAddr,
    /// Its process.
    pub daemon: Daemon,
}

impl WebApp {
    /// Starts it at `address`, port 3000, with the name `name`, and waits until it is healthy.
    pub fn start(run: &Run, name: &str, address: Ipv4Addr) -> Result<WebApp> {
        WebApp::start_at(run, name, SocketAddr::from((address, PORT)))
    }

    /// Like `start`, at any address and port; the address may be IPv6.
    pub fn start_at(run: &Run, name: &str, address: SocketAddr) -> Result<WebApp> {
        WebApp::start_command(run, address, WebApp::command(name, address)?)
    }

    /// Like `start`, in a network namespace (see `network::namespace`).
    pub fn start_within(run: &Run, namespace: &str, name: &str, address: Ipv4Addr) -> Result<WebApp> {
        let address = SocketAddr::from((address, PORT));
        WebApp::start_command(run, address, namespace::within(namespace, &WebApp::command(name, address)?))
    }

    fn command(name: &str, address: SocketAddr) -> Result<Command> {
        let node = programs::find("node").or_else(|_| programs::find("nodejs"))?;
        let mut command = Command::new(node);
        command.arg(programs::shipped("docker/webapp/server.js"));
        command.env("HOST", address.ip().to_string()).env("PORT", address.port().to_string());
        command.env("SERVER_NAME", name).env("SESSION_SECRET", SECRET).env_remove("SESSION_SECRET_FILE");
        command.env("DRAIN_MS", DRAIN.as_millis().to_string()).env("STOP_MS", "5000");
        Ok(command)
    }

    fn start_command(run: &Run, address: SocketAddr, command: Command) -> Result<WebApp> {
        let daemon = Daemon::start(run, &format!("webapp-{}", address.ip()), command)?;
        let mut app = WebApp { address, daemon: daemon.with_patience(DRAIN + READY) };
        app.wait_until_healthy()?;
        Ok(app)
    }

    fn wait_until_healthy(&mut self) -> Result<()> {
        let mut client = Client::fresh(self.address);
        poll::try_until(READY, &format!("the web app at {}", self.address), || {
            self.daemon.check()?;
            Ok(client.get("/healthz").ok().filter(|answer| answer.status == 200).map(drop))
        })
    }

    /// Sets how long it takes for an answer, in whole milliseconds; its health check is not delayed.
    pub fn set_delay(&self, delay: Duration) -> Result<()> {
        let body = format!("{{\"delay\":{}}}", delay.as_millis());
        let json = [("Content-Type", "application/json")];
        let answer = Client::fresh(self.address).send("POST", "/delay", &json, body.as_bytes());
        let answer = answer.and_then(Response::success);
        answer.map(drop).map_err(|failure| Error::Answer {
            from: format!("the web app at {}", self.address),
            reason: format!("it does not accept a delay: {failure}"),
        })
    }

    /// The address at which it serves.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends SIGTERM: it answers health checks with 503, serves for 3 s more, finishes the requests in flight and
    /// ends.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        self.daemon.stop()
    }

    /// Kills it with SIGKILL.
    pub fn kill9(&mut self) {
        self.daemon.kill9();
    }
}
