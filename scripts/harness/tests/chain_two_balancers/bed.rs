//! Two balancers with keepalived, and two web servers, on one network segment.

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use common::node::{Node, Tags};
use common::nodes_directory::NodesDir;
use common::replace::replace;
use harness::Result;
use harness::daemons::haproxy::{Haproxy, Mode};
use harness::daemons::webapp::WebApp;
use harness::network::namespace;
use harness::network::segment::Segment;
use harness::run::daemon::Daemon;
use harness::run::{Run, poll, process, programs};
use nix::mount::{MsFlags, mount};
use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;

pub(crate) const VISITORS: Ipv4Addr = Ipv4Addr::new(10, 78, 0, 200);
pub(crate) const SHARED: Ipv4Addr = Ipv4Addr::new(10, 78, 0, 100);
pub(crate) const BALANCERS: [(&str, Ipv4Addr); 2] =
    [("b1", Ipv4Addr::new(10, 78, 0, 1)), ("b2", Ipv4Addr::new(10, 78, 0, 2))];
pub(crate) const SERVERS: [(&str, Ipv4Addr); 2] =
    [("w1", Ipv4Addr::new(10, 78, 0, 11)), ("w2", Ipv4Addr::new(10, 78, 0, 12))];
/// Only root may write there, as keepalived demands of its scripts.
pub(crate) const LIBEXEC: &str = "/mnt";
pub(crate) const SOON: Duration = Duration::from_secs(20);
/// How long no request may be answered, and after which time a visitor tries again.
pub(crate) const LIMIT: Duration = Duration::from_secs(3);

/// One balancer: HAProxy and keepalived in a namespace.
pub(crate) struct Balancer {
    pub(crate) name: &'static str,
    pub(crate) directory: PathBuf,
    pub(crate) haproxy: Option<Haproxy>,
    pub(crate) keepalived: Option<Daemon>,
}

pub(crate) struct Bed {
    pub(crate) balancers: Vec<Balancer>,
    _apps: Vec<WebApp>,
    pub(crate) segment: Segment,
    pub(crate) run: Arc<Run>,
}

impl Bed {
    pub(crate) fn start() -> Result<Bed> {
        let run = Arc::new(Run::new()?);
        mount(Some("tmpfs"), LIBEXEC, Some("tmpfs"), MsFlags::empty(), Some("mode=755")).unwrap();
        for script in ["balancer-check", "http-status"] {
            programs::copy(
                &programs::shipped(&format!("scripts/{script}")),
                &Path::new(LIBEXEC).join(script),
            )?;
        }
        let segment = Segment::new(Arc::clone(&run), VISITORS)?;
        let mut apps = Vec::new();
        for (name, address) in SERVERS {
            segment.add(name, address)?;
            apps.push(WebApp::start_within(&run, name, name, address)?);
        }
        let mut balancers = Vec::new();
        for (name, address) in BALANCERS {
            segment.add(name, address)?;
            let mut balancer = Balancer { name, directory: run.join(name), haproxy: None, keepalived: None };
            balancer.prepare(&run)?;
            balancer.start_haproxy(&run)?;
            balancers.push(balancer);
        }
        let mut bed = Bed { balancers, _apps: apps, segment, run };
        for at in 0..BALANCERS.len() {
            bed.start_keepalived(at)?;
        }
        bed.wait_for_one_holder()?;
        Ok(bed)
    }

    /// Starts it as docs/examples/keepalived sets it up.
    pub(crate) fn start_keepalived(&mut self, at: usize) -> Result<()> {
        let ((_, own), (_, other)) = (BALANCERS[at], BALANCERS[1 - at]);
        let text = fs::read_to_string(programs::shipped("docs/examples/keepalived/keepalived.conf")).unwrap();
        let changes = [
            ("/usr/libexec/rollcall", LIBEXEC.to_owned()),
            ("10.0.0.11", own.to_string()),
            ("10.0.0.12", other.to_string()),
            ("10.0.0.10/24", format!("{SHARED}/24")),
        ];
        let text = changes.iter().fold(text, |text, (from, to)| {
            assert!(text.contains(from), "{from}");
            text.replace(from, to)
        });
        self.balancers[at].start_keepalived(&self.run, &text)
    }

    pub(crate) fn holders(&self) -> Vec<usize> {
        (0..BALANCERS.len()).filter(|at| self.segment.has(BALANCERS[*at].0, SHARED).unwrap()).collect()
    }

    pub(crate) fn wait_for_one_holder(&self) -> Result<usize> {
        let held = poll::until(SOON, "one holder of the address", || match self.holders()[..] {
            [one] => Some(one),
            _ => None,
        });
        held.inspect_err(|_| self.explain())
    }

    pub(crate) fn wait_for_holder(&self, wanted: usize) -> Result<()> {
        let is_it = || self.segment.has(BALANCERS[wanted].0, SHARED).unwrap().then_some(());
        poll::until(SOON, BALANCERS[wanted].0, is_it).inspect_err(|_| self.explain())
    }

    pub(crate) fn explain(&self) {
        for balancer in &self.balancers {
            let log = balancer.keepalived.as_ref().map(Daemon::log).unwrap_or_default();
            eprintln!("{}:\n{log}", balancer.name);
        }
    }
}

impl Balancer {
    /// Renders its configuration from the records of both servers and both balancers.
    pub(crate) fn prepare(&self, run: &Run) -> Result<()> {
        fs::create_dir_all(self.directory.join("state")).unwrap();
        let nodes = self.directory.join("nodes");
        let mut records = NodesDir::lock(&nodes, SOON).unwrap();
        let roles = [("backend", SERVERS), ("balancer", BALANCERS)];
        for (role, members) in roles {
            for (name, address) in members {
                let tags = Tags::from([("role".to_owned(), role.to_owned())]);
                records.put(&Node::new(name, &address.to_string(), tags).unwrap()).unwrap();
            }
        }
        assert!(records.finish().is_empty());
        let mut render = Command::new(programs::bin_dir()?.join("render-cfg"));
        render.arg("--template").arg(programs::shipped("render-cfg/templates/haproxy.cfg.tera"));
        render.arg("--nodes").arg(&nodes).arg("--output").arg(self.config());
        render.args(["--set", &format!("self={}", self.name), "--set", "user=", "--set", "group="]);
        render.arg("--set").arg(format!("admin_socket={}", self.socket().display()));
        process::output(run, &mut render).map(drop)
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.directory.join("haproxy.cfg")
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.join("admin.sock")
    }

    pub(crate) fn start_haproxy(&mut self, run: &Run) -> Result<()> {
        let (name, config, socket) = (format!("haproxy-{}", self.name), self.config(), self.socket());
        let started =
            Haproxy::start_within(self.name, run, &name, &config, Mode::MasterSocket, Some(&socket))?;
        self.haproxy = Some(started);
        Ok(())
    }

    pub(crate) fn start_keepalived(&mut self, run: &Run, text: &str) -> Result<()> {
        let file = |name: &str| self.directory.join(name);
        replace(&file("keepalived.conf"), text.as_bytes(), 0o600).unwrap();
        fs::set_permissions(run.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let mut command = Command::new(programs::find("keepalived")?);
        // It stays in the foreground, logs to stderr, and does VRRP alone.
        command.args(["-n", "-l", "-P", "-f"]).arg(file("keepalived.conf"));
        // Two on one file system need their own files, also of the parts that do not run.
        for (option, part) in [("-p", "keepalived"), ("-r", "vrrp"), ("-b", "bfd"), ("-c", "checkers")] {
            command.arg(option).arg(file(&format!("{part}.pid")));
        }
        command.env("ROLLCALL_CONFIG", self.config()).env("ROLLCALL_STATE_DIR", file("state"));
        command.env("ROLLCALL_BIN", programs::bin_dir()?);
        let name = format!("keepalived-{}", self.name);
        self.keepalived = Some(Daemon::start(run, &name, namespace::within(self.name, &command))?);
        Ok(())
    }

    /// Master and worker.
    pub(crate) fn processes(&self) -> [u32; 2] {
        let haproxy = self.haproxy.as_ref().unwrap();
        [haproxy.pid().unwrap(), haproxy.worker_pid().unwrap()]
    }

    pub(crate) fn kill_haproxy(&mut self) {
        send(self.processes(), Signal::SIGKILL);
        self.haproxy = None;
    }

    /// Kills keepalived and its child, which then cannot take the address away.
    pub(crate) fn kill_keepalived(&mut self) {
        let mut daemon = self.keepalived.take().unwrap();
        let children = format!("/proc/{0}/task/{0}/children", daemon.id());
        let children = fs::read_to_string(children).unwrap();
        daemon.signal(Signal::SIGSTOP);
        send(children.split_whitespace().map(|pid| pid.parse().unwrap()), Signal::SIGKILL);
        daemon.kill9();
    }

    pub(crate) fn ask(&self, command: &str) -> String {
        self.haproxy.as_ref().unwrap().command(command).unwrap()
    }
}

pub(crate) fn send(processes: impl IntoIterator<Item = u32>, to_send: Signal) {
    for pid in processes {
        signal::kill(Pid::from_raw(pid.try_into().unwrap()), to_send).unwrap();
    }
}
