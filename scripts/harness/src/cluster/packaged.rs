//! The Debian package on a balancer and two backends, installed as the manual says: `apt install`, `rollcall-setup`.

use std::collections::BTreeSet;
use std::env;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::daemons::docker::{Lan, Machine};
use crate::run::error::{Error, Result, system};
use crate::run::{poll, programs};
use crate::traffic::http::Client;
use crate::traffic::response::Response;

/// Where a machine has the package.
pub const PACKAGE: &str = "/root/rollcall.deb";
const BACKENDS: [&str; 2] = ["web1", "web2"];
const SERVING: Duration = Duration::from_secs(60);

/// Machines of one release: `balancer`, `web1` and `web2`.
#[derive(Debug)]
pub struct Packaged {
    lan: Lan,
    /// How many commands were typed until both backends served.
    pub commands: usize,
    /// How long that took.
    pub took: Duration,
}

impl Packaged {
    /// Installs the package and sets up all three. `None` if the test is to be skipped.
    pub fn install(suite: &str) -> Result<Option<Packaged>> {
        let Some(lan) = Lan::start(suite, &["balancer", BACKENDS[0], BACKENDS[1]])? else { return Ok(None) };
        let package = package()?;
        for machine in lan.machines() {
            machine.copy(&package, PACKAGE)?;
        }
        for backend in BACKENDS {
            lan.machine(backend)?.run("systemctl enable --now web")?;
        }
        let mut cluster = Packaged { lan, commands: 0, took: Duration::ZERO };
        let start = Instant::now();
        let serving = cluster.set_up().and_then(|()| cluster.wait_for_servers(&BACKENDS));
        serving.inspect_err(|_| cluster.lan.print_journals())?;
        cluster.took = start.elapsed();
        Ok(Some(cluster))
    }

    /// All commands that a user types.
    fn set_up(&mut self) -> Result<()> {
        self.type_in("balancer", &format!("apt install -y {PACKAGE} haproxy"), "")?;
        self.type_in("balancer", "rollcall-setup --role balancer", "")?;
        let key = self.machine("balancer")?.run("rollcall-setup --show-key")?;
        for backend in BACKENDS {
            self.type_in(backend, &format!("apt install -y {PACKAGE}"), "")?;
            let command = "rollcall-setup --role backend --port 3000 --join balancer --key-file -";
            self.type_in(backend, command, &key)?;
        }
        Ok(())
    }

    fn type_in(&mut self, machine: &str, command: &str, stdin: &str) -> Result<()> {
        self.commands += 1;
        let start = Instant::now();
        let output = self.machine(machine)?.run_with(command, stdin)?;
        println!("{machine}# {command}    # {:.1} s\n{output}", start.elapsed().as_secs_f64());
        Ok(())
    }

    /// One of the machines.
    pub fn machine(&self, name: &str) -> Result<&Machine> {
        self.lan.machine(name)
    }

    /// The balancer.
    pub fn balancer(&self) -> Result<&Machine> {
        self.machine("balancer")
    }

    /// The address that visitors use.
    pub fn front(&self) -> Result<SocketAddr> {
        self.balancer()?.address(80)
    }

    /// Waits until requests are answered, by these backends and no other.
    pub fn wait_for_servers(&self, backends: &[&str]) -> Result<()> {
        wait_for_servers(self.balancer()?, backends)
    }

    /// How often the balancer's HAProxy has reloaded its file, by HAProxy's own count.
    pub fn reloads(&self) -> Result<u64> {
        let text = self.balancer()?.run("reload-haproxy --status --json")?;
        let wrong = || Error::Answer { from: "reload-haproxy --status".into(), reason: text.clone() };
        let status: serde_json::Value = serde_json::from_str(&text).map_err(|_| wrong())?;
        status["reloads"].as_u64().ok_or_else(wrong)
    }
}

/// Waits until a balancer's requests are answered, by these backends and no other.
pub fn wait_for_servers(balancer: &Machine, backends: &[&str]) -> Result<()> {
    let wanted: BTreeSet<String> = backends.iter().map(|name| (*name).to_owned()).collect();
    let what = format!("answers by {}", backends.join(", "));
    poll::until(SERVING, &what, || (answering(balancer)? == wanted).then_some(()))
}

/// The backends that answer ten requests of new visitors; `None` if one fails.
fn answering(balancer: &Machine) -> Option<BTreeSet<String>> {
    let front = balancer.address(80).ok()?;
    let visit = |_| {
        let answer = Client::fresh(front).with_timeout(Duration::from_secs(2)).get("/");
        Some(answer.and_then(Response::success).ok()?.text().trim().to_owned())
    };
    (0..10).map(visit).collect()
}

/// The package: `$ROLLCALL_DEB`, or one with the programs under test.
pub fn package() -> Result<PathBuf> {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    if let Some(path) = env::var_os("ROLLCALL_DEB") {
        return Ok(path.into());
    }
    match BUILT.get() {
        Some(path) => Ok(path.clone()),
        None => build().map(|path| BUILT.get_or_init(|| path).clone()),
    }
}

fn build() -> Result<PathBuf> {
    let programs_dir = programs::bin_dir()?;
    let mut command = Command::new(programs::shipped("scripts/package"));
    if has_oldest_libc()? {
        command.arg("--programs").arg(&programs_dir);
    }
    command.arg(programs_dir.join("debian"));
    let shown = format!("{command:?}");
    let output = command.output().map_err(system("run", &shown))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().into());
    }
    let text = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Error::Command { command: shown, status: output.status.to_string(), output: text })
}

/// Whether this machine's C library is not newer than Debian 12's. Programs that were linked with a newer one for this
/// machine may not run there; scripts/package links its own so that they do.
fn has_oldest_libc() -> Result<bool> {
    let output =
        Command::new("getconf").arg("GNU_LIBC_VERSION").output().map_err(system("run", "getconf"))?;
    let version = String::from_utf8_lossy(&output.stdout);
    let minor = version.trim().strip_prefix("glibc 2.").and_then(|minor| minor.parse::<u32>().ok());
    Ok(minor.is_some_and(|minor| minor <= 36))
}
