//! A render-cfg that watches; killed when it is dropped.

use std::fs::{self, File};
use std::process::{Child, Command, ExitStatus, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{Bed, until};

/// Only events cause a render.
pub const EVENTS_ONLY: [&str; 2] = ["--look-every", "1h"];

pub struct Watcher<'b> {
    child: Child,
    bed: &'b Bed,
}

impl Bed {
    /// Watches this bed for the output `out`, with `-v`.
    pub fn watch(&self, arguments: &[&str]) -> Watcher<'_> {
        self.watch_with(self.command(&[&["--output", "out", "--watch", "-v"], arguments].concat()))
    }

    /// Starts a command that becomes a watching render-cfg.
    pub fn watch_with(&self, mut command: Command) -> Watcher<'_> {
        let said = File::options().create(true).append(true).open(self.path("said")).unwrap();
        let child = command.stdin(Stdio::null()).stderr(said).spawn().unwrap();
        Watcher { child, bed: self }
    }

    /// Creates a record beside the nodes directory, for a quick rename.
    pub fn prepare(&self, name: &str) {
        let record = common::node::Node::new(name, "10.0.0.1", common::node::Tags::new()).unwrap().pack();
        let mut file = File::create_new(self.path(&format!("{name}.json"))).unwrap();
        std::io::Write::write_all(&mut file, &record).unwrap();
    }

    /// Renames such a record into the nodes directory.
    pub fn publish(&self, name: &str) {
        let name = format!("{name}.json");
        fs::rename(self.path(&name), self.path("nodes").join(&name)).unwrap();
    }

    /// Waits until the output contains exactly these nodes, in this order.
    #[track_caller]
    pub fn wait_for_nodes(&self, names: &[&str]) {
        let wanted: Vec<String> = names.iter().map(|name| format!("server {name} ")).collect();
        let what = format!("the nodes {names:?}");
        until(&what, || {
            let text = fs::read_to_string(self.path("out")).ok()?;
            let lines: Vec<&str> = text.lines().collect();
            let is_same =
                lines.len() == wanted.len() && lines.iter().zip(&wanted).all(|(l, w)| l.starts_with(w));
            is_same.then_some(())
        });
    }
}

impl Watcher<'_> {
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).unwrap();
    }

    /// All its messages, and those of earlier watchers of this bed.
    pub fn said(&self) -> String {
        fs::read_to_string(self.bed.path("said")).unwrap()
    }

    /// The number of its lines that contain this.
    pub fn count(&self, part: &str) -> usize {
        self.said().lines().filter(|line| line.contains(part)).count()
    }

    /// The number of renders without a fault.
    pub fn renders(&self) -> usize {
        self.count("wrote 'out'") + self.count("kept 'out'")
    }

    #[track_caller]
    pub fn wait_for(&self, part: &str) {
        until(&format!("'{part}' in its messages"), || (self.count(part) > 0).then_some(()));
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits until it ends.
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        until("its end", || self.child.try_wait().unwrap())
    }

    /// Sends SIGTERM and asserts success.
    #[track_caller]
    pub fn end(mut self) {
        self.signal(Signal::SIGTERM);
        let status = self.wait();
        assert_eq!(status.code(), Some(0), "{}", self.said());
    }
}

impl Drop for Watcher<'_> {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
