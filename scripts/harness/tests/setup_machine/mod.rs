//! A machine on which the package is installed: the root of this one under an overlay, with its own mounts, processes
//! and network. What a test writes there is in memory, and ends with the machine.
//!
//! systemd does not run in it, and there is no systemctl: rollcall-setup then prints the commands that remain.
#![allow(dead_code, reason = "each test file uses a part")]

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use harness::network::namespace::within;
use harness::run::daemon::Daemon;
use harness::run::{Run, poll, process, programs};

const READY: Duration = Duration::from_secs(20);

/// Builds the root and stays. `$1` is a directory for it, `$2` that of the programs, `$3` the repository. `$4` is empty
/// if the machine has no network yet: Serf needs an address that is not loopback.
const BOOT: &str = r#"set -eu
mount --make-rprivate /
if [ -z "$4" ]; then
    ip link set lo up
    ip link add eth0 type veth peer name eth1
    ip link set eth1 up
    ip link set eth0 up
    ip addr add 10.9.0.1/24 dev eth0
    ip route add default via 10.9.0.254
fi
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
cd "$1/root"
mount -t proc proc proc
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
mount --rbind /dev dev
rm -f usr/bin/systemctl etc/default/rollcall
rm -rf etc/serf etc/rollcall usr/local/lib/rollcall usr/libexec/rollcall
units=usr/lib/systemd/system
mkdir -p etc/serf etc/rollcall usr/libexec/rollcall/setup.d run/haproxy "$units" nowhere
rmdir nowhere
for program in member-join member-leave render-cfg reload-haproxy; do
    : >"usr/bin/$program"
    mount --bind "$2/$program" "usr/bin/$program"
done
cp "$3/scripts/rollcall-setup" usr/sbin
cp "$3"/scripts/setup.d/* usr/libexec/rollcall/setup.d
for script in serf-handler reconcile watch settings.sh lock.sh ask-members.sh report.sh check.cfg; do
    cp "$3/scripts/$script" usr/libexec/rollcall
done
cp "$3/render-cfg/templates/haproxy.cfg.tera" etc/rollcall
cp "$3"/scripts/package.d/*.service "$3"/scripts/package.d/*.timer "$units"
printf '# The settings.\n#ROLLCALL_SET=\nNODES_DIR=/var/lib/rollcall/nodes\n' >etc/default/rollcall
chmod 600 etc/default/rollcall
: >"$1.ready"
exec sleep infinity
"#;

/// The machine. Dropping it ends all its processes.
pub(crate) struct Machine {
    holder: Daemon,
    /// Its first process.
    pid: String,
    root: String,
    run: Arc<Run>,
}

/// How a command ended, with its stdout and stderr in the order of printing.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) said: String,
}

impl Ended {
    /// Asserts that it succeeded, and returns its output.
    #[track_caller]
    pub(crate) fn good(self) -> String {
        assert_eq!(self.code, 0, "{}", self.said);
        self.said
    }

    /// Asserts that it ended with `code` and printed `line`.
    #[track_caller]
    pub(crate) fn bad(self, code: i32, line: &str) -> String {
        assert!(self.code == code && self.said.contains(line), "{code} {line}\n{self:?}");
        self.said
    }
}

/// True if a test can start machines. If not, it fails where `$CI` is set, and is skipped elsewhere with a message.
pub(crate) fn is_possible() -> bool {
    harness::network::namespace::is_possible()
        && programs::are_here(&["unshare", "nsenter", "mount", "busybox", "flock", "bash", "jq"])
}

impl Machine {
    /// A machine with a network of its own, which reaches nothing. `None` if the test is to be skipped.
    pub(crate) fn alone() -> Option<Machine> {
        is_possible().then(|| Machine::start(&Arc::new(Run::new().unwrap()), "alone", None))
    }

    /// A machine in a network namespace (see `harness::network`).
    pub(crate) fn on(run: &Arc<Run>, namespace: &str) -> Machine {
        Machine::start(run, namespace, Some(namespace))
    }

    fn start(run: &Arc<Run>, name: &str, namespace: Option<&str>) -> Machine {
        let base = run.join(name);
        std::fs::create_dir(&base).unwrap();
        let mut command = Command::new("unshare");
        command.args(["--mount", "--pid", "--uts", "--fork", "--kill-child"]);
        command.args(namespace.is_none().then_some("--net")).args(["sh", "-c", BOOT, "machine"]);
        command.arg(&base).arg(programs::bin_dir().unwrap()).arg(programs::shipped(""));
        command.arg(namespace.unwrap_or_default());
        if let Some(namespace) = namespace {
            command = within(namespace, &command);
        }
        let mut holder = Daemon::start(run, name, command).unwrap();
        let ready = run.join(&format!("{name}.ready"));
        poll::try_until(READY, "the machine", || {
            holder.check()?;
            Ok(ready.exists().then_some(()))
        })
        .unwrap();
        let children = format!("/proc/{0}/task/{0}/children", holder.id());
        let pid = std::fs::read_to_string(children).unwrap().trim().to_owned();
        let machine =
            Machine { holder, pid, root: base.join("root").display().to_string(), run: Arc::clone(run) };
        machine.sh(&format!("hostname {name}")).good();
        machine
    }

    /// Runs a script of sh in it, to its end. Its stdin is empty.
    pub(crate) fn sh(&self, script: &str) -> Ended {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.pid, "--mount", "--pid", "--net", "--uts", "chroot"]).arg(&self.root);
        command
            .args(["env", "-u", "TMPDIR", "timeout", "120", "sh", "-c"])
            .arg(format!("cd /\nexec 2>&1 </dev/null\n{script}"));
        let output = self.run.adopt(&mut command).output().unwrap();
        Ended {
            code: process::code(&output),
            said: String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned(),
        }
    }

    /// Runs rollcall-setup with these options.
    pub(crate) fn setup(&self, options: &str) -> Ended {
        self.sh(&format!("rollcall-setup {options}"))
    }

    /// Starts HAProxy as Debian's unit does.
    pub(crate) fn start_haproxy(&self) {
        self.sh("haproxy -Ws -p /run/haproxy.pid -S /run/haproxy-master.sock -f /etc/haproxy/haproxy.cfg \
                 >/tmp/haproxy.log 2>&1 &")
            .good();
        self.until("HAProxy", "[ -S /run/haproxy-master.sock ] && [ -S /run/haproxy/admin.sock ]");
    }

    /// Starts the agent as Debian's unit with the package's drop-in does, again if it runs.
    pub(crate) fn start_serf(&self) {
        self.sh("kill -INT $(pidof serf) 2>/dev/null; while pidof serf >/dev/null; do sleep 0.1; done
                 set -a; . /etc/default/rollcall; exec serf agent -config-dir=/etc/serf/ >/tmp/serf.log 2>&1 &")
            .good();
        self.until("the agent", "serf info");
    }

    /// Waits until a command succeeds.
    #[track_caller]
    pub(crate) fn until(&self, what: &str, condition: &str) {
        let mut last = String::new();
        let found = poll::until(READY, what, || {
            let ended = self.sh(condition);
            last = ended.said;
            (ended.code == 0).then_some(())
        });
        assert!(found.is_ok(), "{what}: {last}");
    }

    /// All that rollcall-setup may change: paths, modes, owners, and contents.
    pub(crate) fn tree(&self) -> String {
        self.sh("set -- /etc/serf /etc/haproxy /etc/rollcall /etc/default /etc/systemd /usr/local/bin \
                 /usr/local/lib/rollcall /var/lib/rollcall
                 find \"$@\" -printf '%p %m %u %l\n' 2>/dev/null | sort
                 find \"$@\" -type f -size -200k -exec sha256sum {} + 2>/dev/null | sort -k 2")
            .said
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // unshare ignores other signals. Its child is the machine's first process: both end, and with them all others.
        self.holder.kill9();
    }
}
